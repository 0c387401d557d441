//! Brotli (RFC 7932), with its large windows, and any number of streams.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use millpond_core::Result;
use millpond_core::format::DecodeLimits;

use super::{Decode, Names, Piece, State, check_window, detect};

type Decoder = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

pub(super) struct Brotli {
    decoder: Option<Box<Decoder>>,
    limits: DecodeLimits,
}

impl Brotli {
    pub(super) fn new(limits: &DecodeLimits) -> Self {
        Self { decoder: None, limits: *limits }
    }
}

/// The window that a stream asks for (RFC 7932, 9.1; with 14 bits for a large one).
fn window_bytes(bytes: &[u8]) -> u64 {
    let byte = |index: usize| u32::from(bytes.get(index).copied().unwrap_or(0));
    let first = byte(0);
    let bits = match (first & 1, first >> 1 & 7, first >> 4 & 7) {
        (0, _, _) => 16,
        (_, 0, 0) => 17,
        (_, 0, 1) => byte(1) & 0x3f,
        (_, 0, high) => 8 + high,
        (_, low, _) => 17 + low,
    };
    1 << bits
}

impl Decode for Brotli {
    fn names(&self) -> &'static Names {
        &Names { compression: "brotli", unit: "stream", truncated: "truncated_brotli", corrupt: "corrupt_brotli" }
    }

    /// Brotli has no magic: what follows a stream is another one when it decodes.
    fn starts(&self, bytes: &[u8]) -> bool {
        detect::decodes_as_brotli(bytes)
    }

    fn start(&mut self, bytes: &[u8]) -> Result<()> {
        check_window("brotli", window_bytes(bytes), &self.limits)?;
        let alloc = StandardAlloc::default;
        self.decoder = Some(Box::new(BrotliState::new(alloc(), alloc(), alloc())));
        Ok(())
    }

    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Piece> {
        let Some(decoder) = &mut self.decoder else { return Ok(Piece { read: 0, written: 0, state: State::Ended }) };
        let (mut available_in, mut read) = (input.len(), 0);
        let (mut available_out, mut written, mut total) = (out.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut read,
            input,
            &mut available_out,
            &mut written,
            out,
            &mut total,
            decoder,
        );
        let state = match result {
            BrotliResult::ResultSuccess => State::Ended,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => State::More,
            BrotliResult::ResultFailure => State::Corrupt(format!("{:?}", decoder.error_code)),
        };
        Ok(Piece { read, written, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_from_the_first_bits() {
        assert_eq!(window_bytes(&[0]), 1 << 16);
        assert_eq!(window_bytes(&[0x01]), 1 << 17);
        assert_eq!(window_bytes(&[0x0b]), 1 << 22);
        assert_eq!(window_bytes(&[0x0f]), 1 << 24);
        assert_eq!(window_bytes(&[0x21]), 1 << 10);
        assert_eq!(window_bytes(&[0x11, 30]), 1 << 30);
    }
}
