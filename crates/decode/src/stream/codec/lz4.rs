//! LZ4 frames (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>), any number of them, legacy and skippable
//! ones included.
//!
//! The layout of frames is followed here, so that the end of a file inside a frame is told from the end of a frame.
//! The library gets one block after the other and checks them.

use std::io::{BufRead, Cursor};

use lz4_flex::frame::FrameDecoder;
use millpond_core::Result;

use super::zstd::is_skippable;
use super::{Block, Blocks, Names};
use crate::stream::raw::RawInput;

pub(super) const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
pub(super) const LEGACY_MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];
/// Bytes of a block: those of a legacy frame hold 8 MiB, and a block that does not compress is a little longer.
const BLOCK_BYTES_MAX: usize = (8 << 20) + (64 << 10);
/// Bytes of the longest header: magic, flags, block size, content size, dictionary, checksum.
const HEADER_BYTES_MAX: usize = 19;

#[derive(Default)]
pub(super) struct Lz4 {
    /// `None` between frames.
    frame: Option<Frame>,
}

struct Frame {
    /// Reads what it is given, piece by piece.
    decoder: FrameDecoder<Cursor<Vec<u8>>>,
    is_legacy: bool,
    /// Bytes of the checksum behind each block.
    block_checksum: usize,
    /// Bytes of the checksum behind the end mark.
    content_checksum: usize,
}

impl Frame {
    fn new(flags: u8, is_legacy: bool) -> Self {
        let bytes_of = |bit: u8| if flags & bit != 0 { 4 } else { 0 };
        Self {
            decoder: FrameDecoder::new(Cursor::default()),
            is_legacy,
            block_checksum: bytes_of(0x10),
            content_checksum: bytes_of(0x04),
        }
    }

    /// Gives the next `count` bytes to the decoder and takes what comes out.
    fn feed(&mut self, count: usize, raw: &mut RawInput, out: &mut Vec<u8>) -> Result<Block> {
        let input = self.decoder.get_mut();
        input.set_position(0);
        input.get_mut().clear();
        if !raw.take_exact(count, input.get_mut())? {
            return Ok(Block::Truncated);
        }
        loop {
            let count = match self.decoder.fill_buf() {
                Ok([]) => return Ok(Block::Decoded),
                Ok(bytes) => {
                    out.extend_from_slice(bytes);
                    bytes.len()
                }
                Err(error) => return Ok(Block::Corrupt(error.to_string())),
            };
            self.decoder.consume(count);
        }
    }
}

/// Whether bytes start a frame of any kind.
pub(super) fn starts_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC) || bytes.starts_with(&LEGACY_MAGIC) || is_skippable(bytes)
}

impl Lz4 {
    /// Reads the header of the frame at hand, or passes over it when it is to be skipped.
    fn start_frame(&mut self, raw: &mut RawInput, out: &mut Vec<u8>) -> Result<Block> {
        raw.fill_to(HEADER_BYTES_MAX)?;
        let bytes = raw.at_hand();
        if bytes.is_empty() {
            return Ok(Block::End);
        }
        if !starts_frame(bytes) {
            return Ok(Block::Stray);
        }
        if is_skippable(bytes) {
            let Some(length) = bytes.get(4..8) else { return Ok(Block::Truncated) };
            let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
            let is_whole = raw.skip(8 + u64::from(length))?;
            return Ok(if is_whole { Block::Decoded } else { Block::Truncated });
        }
        let is_legacy = bytes.starts_with(&LEGACY_MAGIC);
        let flags = if is_legacy { 0 } else { bytes.get(4).copied().unwrap_or(0) };
        let header = match is_legacy {
            true => 4,
            false => 7 + if flags & 0x08 != 0 { 8 } else { 0 } + if flags & 0x01 != 0 { 4 } else { 0 },
        };
        self.frame.insert(Frame::new(flags, is_legacy)).feed(header, raw, out)
    }
}

impl Blocks for Lz4 {
    fn names(&self) -> &'static Names {
        &Names { compression: "lz4", unit: "frame", truncated: "truncated_lz4", corrupt: "corrupt_lz4" }
    }

    fn next(&mut self, raw: &mut RawInput, out: &mut Vec<u8>) -> Result<Block> {
        let Some(frame) = &mut self.frame else { return self.start_frame(raw, out) };
        raw.fill_to(4)?;
        let bytes = raw.at_hand();
        // A legacy frame has no end mark: it lasts to the end of the file or to the next frame.
        if frame.is_legacy && (bytes.is_empty() || starts_frame(bytes)) {
            self.frame = None;
            return Ok(Block::Decoded);
        }
        let Some(word) = bytes.get(..4) else { return Ok(Block::Truncated) };
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        if word == 0 {
            let end = frame.feed(4 + frame.content_checksum, raw, out)?;
            self.frame = None;
            return Ok(end);
        }
        // The highest bit says that the block is not compressed.
        let length = (word & 0x7fff_ffff) as usize;
        if length > BLOCK_BYTES_MAX {
            return Ok(Block::Corrupt(format!("a block has {length} bytes")));
        }
        frame.feed(4 + length + frame.block_checksum, raw, out)
    }
}
