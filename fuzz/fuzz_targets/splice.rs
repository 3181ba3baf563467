//! Numbers put in the place of others, see `fuzz::splice`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::splice(input));
