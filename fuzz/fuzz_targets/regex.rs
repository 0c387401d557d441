#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_core::format::Format;

fuzz_target!(|bytes: &[u8]| {
    let pattern = r"^(?<a>\d+) (?<b>.*)$".to_owned();
    millpond_fuzz::decode(Format::Regex { pattern, start: None }, bytes);
});
