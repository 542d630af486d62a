#![no_main]

#[allow(dead_code)]
#[path = "../it/strange.rs"]
mod strange;
#[allow(dead_code)]
#[path = "../it/tables.rs"]
mod tables;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strange::stream(bytes));
