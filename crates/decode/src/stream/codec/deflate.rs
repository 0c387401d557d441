//! Deflate (RFC 1951) in its wrappers gzip (RFC 1952) and zlib (RFC 1950), and bare.

use flate2::{Decompress, FlushDecompress, Status};
use millpond_core::Result;

use super::{Decode, Names, Piece, State, detect};

pub(super) const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The largest window of deflate, as a power of two.
const WINDOW_BITS: u8 = 15;

/// Gzip with any number of members.
#[derive(Default)]
pub(super) struct Gzip(Option<Decompress>);

/// Zlib with any number of streams.
#[derive(Default)]
pub(super) struct Zlib(Option<Decompress>);

/// One stream without a wrapper.
#[derive(Default)]
pub(super) struct RawDeflate(Option<Decompress>);

impl Decode for Gzip {
    fn names(&self) -> &'static Names {
        &Names { compression: "gzip", unit: "member", truncated: "truncated_gzip", corrupt: "corrupt_gzip" }
    }

    fn starts(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&GZIP_MAGIC)
    }

    fn start(&mut self, _: &[u8]) -> Result<()> {
        self.0 = Some(Decompress::new_gzip(WINDOW_BITS));
        Ok(())
    }

    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Piece> {
        Ok(inflate(&mut self.0, input, out))
    }
}

impl Decode for Zlib {
    fn names(&self) -> &'static Names {
        &Names { compression: "zlib", unit: "stream", truncated: "truncated_zlib", corrupt: "corrupt_zlib" }
    }

    fn starts(&self, bytes: &[u8]) -> bool {
        detect::is_zlib(bytes)
    }

    fn start(&mut self, _: &[u8]) -> Result<()> {
        self.0 = Some(Decompress::new(true));
        Ok(())
    }

    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Piece> {
        Ok(inflate(&mut self.0, input, out))
    }
}

impl Decode for RawDeflate {
    fn names(&self) -> &'static Names {
        &Names { compression: "deflate", unit: "stream", truncated: "truncated_deflate", corrupt: "corrupt_deflate" }
    }

    fn starts(&self, _: &[u8]) -> bool {
        false
    }

    fn start(&mut self, _: &[u8]) -> Result<()> {
        self.0 = Some(Decompress::new(false));
        Ok(())
    }

    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Piece> {
        Ok(inflate(&mut self.0, input, out))
    }
}

fn inflate(member: &mut Option<Decompress>, input: &[u8], out: &mut [u8]) -> Piece {
    let Some(member) = member else { return Piece { read: 0, written: 0, state: State::Ended } };
    let (in_before, out_before) = (member.total_in(), member.total_out());
    let result = member.decompress(input, out, FlushDecompress::None);
    let read = (member.total_in() - in_before) as usize;
    let written = (member.total_out() - out_before) as usize;
    let state = match result {
        Ok(Status::StreamEnd) => State::Ended,
        Ok(_) => State::More,
        Err(error) => State::Corrupt(error.to_string()),
    };
    Piece { read, written, state }
}
