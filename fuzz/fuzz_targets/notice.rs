#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_core::notice;

fuzz_target!(|bytes: &[u8]| {
    for object in notice::parse(bytes).appeared {
        assert!(!object.key.is_empty() && object.uri.ends_with(&object.key), "an address ends with its key");
    }
});
