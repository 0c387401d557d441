#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_core::format::{DecodeRequest, Format};
use millpond_decode::Decoder;

/// The first line is the pattern, the rest is read with it.
fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let Ok(pattern) = std::str::from_utf8(&bytes[..end]) else { return };
    let format = Format::Grok { pattern: pattern.to_owned(), definitions: Vec::new(), start: None };
    let input = std::io::Cursor::new(bytes[end..].to_vec());
    let Ok(mut decoder) = Decoder::open(Box::new(input), DecodeRequest::new(format, Vec::new(), "fuzz")) else { return };
    while let Ok(Some(_)) = decoder.next_batch() {}
});
