#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_core::format::Format;

fuzz_target!(|bytes: &[u8]| millpond_fuzz::decode(Format::Json { records: vec![vec!["r".to_owned()]] }, bytes));
