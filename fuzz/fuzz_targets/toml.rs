//! `proxy.toml`, see `fuzz::proxy_toml`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::proxy_toml(input));
