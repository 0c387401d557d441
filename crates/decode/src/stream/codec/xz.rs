//! xz (<https://tukaani.org/xz/xz-file-format.txt>) with any number of streams.

use std::io::ErrorKind;

use lzma_rust2::{Action, Status, XzStream, lzma2_get_memory_usage};
use millpond_core::Result;
use millpond_core::format::DecodeLimits;

use super::{Decode, Names, Piece, State, window_too_big};

pub(super) const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

pub(super) struct Xz {
    stream: Option<XzStream>,
    limits: DecodeLimits,
}

impl Xz {
    pub(super) fn new(limits: &DecodeLimits) -> Self {
        Self { stream: None, limits: *limits }
    }
}

impl Decode for Xz {
    fn names(&self) -> &'static Names {
        &Names { compression: "xz", unit: "stream", truncated: "truncated_xz", corrupt: "corrupt_xz" }
    }

    fn starts(&self, bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    fn start(&mut self, _: &[u8]) -> Result<()> {
        let dictionary = u32::try_from(self.limits.window_bytes_max).unwrap_or(u32::MAX);
        self.stream = Some(XzStream::new_mem_limit(false, lzma2_get_memory_usage(dictionary)));
        Ok(())
    }

    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Piece> {
        let Some(stream) = &mut self.stream else { return Ok(Piece { read: 0, written: 0, state: State::Ended }) };
        let (in_before, out_before) = (stream.total_in(), stream.total_out());
        let result = stream.process(input, out, Action::Run);
        let read = (stream.total_in() - in_before) as usize;
        let written = (stream.total_out() - out_before) as usize;
        let state = match result {
            Ok(result) if result.status == Status::StreamEnd => State::Ended,
            Ok(_) => State::More,
            Err(error) if error.kind() == ErrorKind::OutOfMemory => return Err(window_too_big("xz", &self.limits)),
            Err(error) => State::Corrupt(error.to_string()),
        };
        Ok(Piece { read, written, state })
    }
}
