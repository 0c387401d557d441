//! Zstandard (RFC 8878) with any number of frames.

use millpond_core::format::DecodeLimits;
use millpond_core::{Error, Result};
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::{Decode, Names, Piece, State, check_window};

pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest window that the library takes, as a power of two. What a frame may ask for is checked before.
const WINDOW_LOG_MAX: u32 = 31;

pub(super) struct Zstd {
    decoder: Decoder<'static>,
    limits: DecodeLimits,
}

impl Zstd {
    pub(super) fn new(limits: &DecodeLimits) -> Result<Self> {
        let open = || -> std::io::Result<Decoder<'static>> {
            let mut decoder = Decoder::new()?;
            decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX))?;
            Ok(decoder)
        };
        let decoder = open().map_err(|error| Error::bug("failed to set up the zstd decoder").because(error))?;
        Ok(Self { decoder, limits: *limits })
    }
}

/// Whether bytes start a skippable frame, which carries 0x184D2A50 to 0x184D2A5F (RFC 8878, 3.1.2). LZ4 has the same.
pub(super) fn is_skippable(bytes: &[u8]) -> bool {
    bytes.len() >= 4 && bytes[0] & 0xf0 == 0x50 && bytes[1..4] == [0x2a, 0x4d, 0x18]
}

/// The window that a frame asks for (RFC 8878, 3.1.1.1.2); `None` where the header is not at hand.
fn window_bytes(frame: &[u8]) -> Option<u64> {
    if !frame.starts_with(&MAGIC) {
        return None;
    }
    let descriptor = *frame.get(4)?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let window = *frame.get(5)?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The whole content is one segment, and its size is given behind the dictionary's id.
    let start = 5 + [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut size = [0; 8];
    size[..length].copy_from_slice(frame.get(start..start + length)?);
    let offset = if length == 2 { 256 } else { 0 };
    Some(u64::from_le_bytes(size).saturating_add(offset))
}

impl Decode for Zstd {
    fn names(&self) -> &'static Names {
        &Names { compression: "zstd", unit: "frame", truncated: "truncated_zstd", corrupt: "corrupt_zstd" }
    }

    fn starts(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC) || is_skippable(bytes)
    }

    /// A frame starts with a fresh state by itself.
    fn start(&mut self, bytes: &[u8]) -> Result<()> {
        check_window("zstd", window_bytes(bytes).unwrap_or(0), &self.limits)
    }

    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Piece> {
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around(out);
        let state = match self.decoder.run(&mut input, &mut output) {
            Ok(0) => State::Ended,
            Ok(_) => State::More,
            Err(error) => State::Corrupt(error.to_string()),
        };
        Ok(Piece { read: input.pos(), written: output.pos(), state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_from_frame_headers() {
        let frame = |rest: &[u8]| [&MAGIC[..], rest].concat();
        assert_eq!(window_bytes(&frame(&[0, 0])), Some(1 << 10));
        assert_eq!(window_bytes(&frame(&[0, 17 << 3 | 4])), Some((1 << 27) + (1 << 26)));
        assert_eq!(window_bytes(&frame(&[0x20, 9])), Some(9));
        assert_eq!(window_bytes(&frame(&[0x60 | 1, 7, 1, 0])), Some(257));
        assert_eq!(window_bytes(&frame(&[0xe0, 255, 255, 255, 255, 255, 255, 255, 255])), Some(u64::MAX));
        assert_eq!(window_bytes(&frame(&[0xe0, 1])), None);
    }
}
