#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_core::format::Format;

// Members are read as lines, so that every byte of theirs is looked at.
fuzz_target!(|bytes: &[u8]| millpond_fuzz::decode(Format::Lines { start: None }, bytes));
