#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_core::format::{Delimited, Format};

fuzz_target!(|bytes: &[u8]| millpond_fuzz::decode(Format::Delimited(Delimited::csv()), bytes));
