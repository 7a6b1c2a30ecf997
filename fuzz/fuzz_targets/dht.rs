#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| potluck_fuzz_targets::dht(data));
