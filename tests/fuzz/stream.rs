#![no_main]

#[allow(dead_code)]
#[path = "../it/arbitrary_input.rs"]
mod arbitrary_input;
#[allow(dead_code)]
#[path = "../it/tables.rs"]
mod tables;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| arbitrary_input::stream(bytes));
