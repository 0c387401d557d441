//! bzip2 with any number of streams, as `pbzip2` and `cat` make them.

use bzip2::{Decompress, Status};
use millpond_core::Result;

use super::{Decode, Names, Piece, State};

/// A block starts with the digits of pi, the end of a stream without blocks with those of its square root
/// (<https://en.wikipedia.org/wiki/Bzip2#File_format>).
const BLOCK_MAGIC: [[u8; 6]; 2] = [[0x31, 0x41, 0x59, 0x26, 0x53, 0x59], [0x17, 0x72, 0x45, 0x38, 0x50, 0x90]];

#[derive(Default)]
pub(super) struct Bzip2(Option<Decompress>);

/// Whether bytes start a stream: `BZh`, the size of its blocks and the first of them.
pub(super) fn starts_stream(bytes: &[u8]) -> bool {
    match bytes {
        [b'B', b'Z', b'h', b'1'..=b'9', block @ ..] => BLOCK_MAGIC.iter().any(|magic| block.starts_with(magic)),
        _ => false,
    }
}

impl Decode for Bzip2 {
    fn names(&self) -> &'static Names {
        &Names { compression: "bzip2", unit: "stream", truncated: "truncated_bzip2", corrupt: "corrupt_bzip2" }
    }

    fn starts(&self, bytes: &[u8]) -> bool {
        starts_stream(bytes)
    }

    fn start(&mut self, _: &[u8]) -> Result<()> {
        self.0 = Some(Decompress::new(false));
        Ok(())
    }

    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Piece> {
        let Some(stream) = &mut self.0 else { return Ok(Piece { read: 0, written: 0, state: State::Ended }) };
        let (in_before, out_before) = (stream.total_in(), stream.total_out());
        let result = stream.decompress(input, out);
        let read = (stream.total_in() - in_before) as usize;
        let written = (stream.total_out() - out_before) as usize;
        let state = match result {
            Ok(Status::StreamEnd) => State::Ended,
            Ok(_) => State::More,
            Err(error) => State::Corrupt(error.to_string()),
        };
        Ok(Piece { read, written, state })
    }
}
