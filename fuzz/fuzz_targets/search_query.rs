//! What is looked for in the log, see `fuzz::search_query`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::search_query(input));
