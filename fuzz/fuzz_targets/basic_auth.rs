//! `Authorization` headers, see `fuzz::basic_auth`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::basic_auth(input));
