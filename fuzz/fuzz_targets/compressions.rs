#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_core::format::{Compression, Format, Packing};

// The first byte chooses the compression that is declared; what the content shows goes before it.
fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let compression = Compression::NAMES.get(usize::from(*first)).map(|(_, compression)| *compression);
    let packing = Packing { compression, encoding: None };
    millpond_fuzz::decode_packed(Format::Lines { start: None }, packing, bytes);
});
