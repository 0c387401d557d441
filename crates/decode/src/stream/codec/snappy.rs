//! Snappy in its framing format (<https://github.com/google/snappy/blob/main/framing_format.txt>) and in Hadoop's block
//! format (`BlockCompressorStream`).

use std::io::{Cursor, Read};

use millpond_core::Result;
use snap::raw::{Decoder, decompress_len};
use snap::read::FrameDecoder;

use super::{Block, Blocks, Names};
use crate::stream::raw::RawInput;

/// The chunk that starts a stream.
pub(super) const STREAM_IDENTIFIER: &[u8; 10] = b"\xff\x06\0\0sNaPpY";
/// Bytes of a chunk of data: a checksum and at most 65,536 bytes, which compress to at most 76,490.
const CHUNK_BYTES_MAX: usize = 4 + 76_490;
/// Bytes of a Hadoop block, compressed or not. Writers use 256 KiB (`io.compression.codec.snappy.buffersize`).
const HADOOP_BLOCK_BYTES_MAX: usize = 64 << 20;

/// The framing format, any number of streams.
pub(super) struct Framed {
    /// Reads what it is given, chunk by chunk, and checks it.
    decoder: FrameDecoder<Cursor<Vec<u8>>>,
}

impl Default for Framed {
    fn default() -> Self {
        Self { decoder: FrameDecoder::new(Cursor::default()) }
    }
}

impl Blocks for Framed {
    fn names(&self) -> &'static Names {
        &Names { compression: "snappy", unit: "chunk", truncated: "truncated_snappy", corrupt: "corrupt_snappy" }
    }

    fn next(&mut self, raw: &mut RawInput, out: &mut Vec<u8>) -> Result<Block> {
        raw.fill_to(4)?;
        let (kind, length) = match raw.at_hand() {
            [] => return Ok(Block::End),
            // Kinds that readers must refuse: nothing writes them.
            [0x02..=0x7f, ..] => return Ok(Block::Stray),
            [kind, a, b, c, ..] => (*kind, u32::from_le_bytes([*a, *b, *c, 0]) as usize),
            _ => return Ok(Block::Truncated),
        };
        // Padding, and kinds that readers must pass over.
        if (0x80..=0xfe).contains(&kind) {
            let is_whole = raw.skip(4 + length as u64)?;
            return Ok(if is_whole { Block::Decoded } else { Block::Truncated });
        }
        if length > CHUNK_BYTES_MAX {
            return Ok(Block::Corrupt(format!("a chunk has {length} bytes")));
        }
        let input = self.decoder.get_mut();
        input.set_position(0);
        input.get_mut().clear();
        if !raw.take_exact(4 + length, input.get_mut())? {
            return Ok(Block::Truncated);
        }
        Ok(match self.decoder.read_to_end(out) {
            Ok(_) => Block::Decoded,
            Err(error) => Block::Corrupt(error.to_string()),
        })
    }
}

/// Hadoop's blocks: the length of the plain bytes, then, until they are complete, the length of a compressed piece and
/// the piece; lengths are 32 bits, big-endian.
#[derive(Default)]
pub(super) struct Hadoop {
    /// Plain bytes of the block that are still to come.
    left: usize,
    piece: Vec<u8>,
    decoder: Decoder,
}

fn length_at_hand(raw: &mut RawInput) -> Result<Option<usize>> {
    raw.fill_to(4)?;
    Ok(raw.at_hand().first_chunk().map(|bytes| u32::from_be_bytes(*bytes) as usize))
}

impl Blocks for Hadoop {
    fn names(&self) -> &'static Names {
        &Names {
            compression: "hadoop-snappy",
            unit: "block",
            truncated: "truncated_hadoop_snappy",
            corrupt: "corrupt_hadoop_snappy",
        }
    }

    fn next(&mut self, raw: &mut RawInput, out: &mut Vec<u8>) -> Result<Block> {
        let length = length_at_hand(raw)?;
        if self.left == 0 && raw.at_hand().is_empty() {
            return Ok(Block::End);
        }
        let Some(length) = length else { return Ok(Block::Truncated) };
        raw.position += 4;
        if self.left == 0 {
            self.left = length;
            return Ok(Block::Decoded);
        }
        if length > HADOOP_BLOCK_BYTES_MAX {
            return Ok(Block::Corrupt(format!("a block has {length} bytes")));
        }
        self.piece.clear();
        if !raw.take_exact(length, &mut self.piece)? {
            return Ok(Block::Truncated);
        }
        let plain = match decompress_len(&self.piece) {
            Ok(plain) if plain > 0 && plain <= self.left.min(HADOOP_BLOCK_BYTES_MAX) => plain,
            Ok(plain) => return Ok(Block::Corrupt(format!("a block says that it holds {plain} bytes"))),
            Err(error) => return Ok(Block::Corrupt(error.to_string())),
        };
        out.resize(plain, 0);
        if let Err(error) = self.decoder.decompress(&self.piece, out) {
            out.clear();
            return Ok(Block::Corrupt(error.to_string()));
        }
        self.left -= plain;
        Ok(Block::Decoded)
    }
}

/// The plain bytes of the first block in Hadoop's format, as far as they are at hand; `None` for bytes that cannot be
/// such a block. The format of the pieces: <https://github.com/google/snappy/blob/main/format_description.txt>.
pub(super) fn hadoop_prefix(bytes: &[u8]) -> Option<Vec<u8>> {
    let plain_length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let piece_length = u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    let piece = &bytes[8..];
    let is_cut = piece.len() < piece_length;
    let piece = &piece[..piece_length.min(piece.len())];
    let declared = decompress_len(piece).ok()?;
    if plain_length == 0 || declared == 0 || declared > plain_length || plain_length > HADOOP_BLOCK_BYTES_MAX {
        return None;
    }
    if !is_cut {
        return Decoder::new().decompress_vec(piece).ok();
    }
    let mut at = piece.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let mut out = Vec::new();
    while let Some(tag) = piece.get(at) {
        at += 1;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte));
        let top = usize::from(tag >> 2);
        let extra = match tag & 3 {
            0 => top.saturating_sub(59),
            kind => [1, 2, 4][usize::from(kind) - 1],
        };
        let Some(tail) = piece.get(at..at + extra) else { break };
        at += extra;
        if tag & 3 == 0 {
            let length = if extra == 0 { top } else { number(tail) } + 1;
            let end = (at + length).min(piece.len());
            out.extend_from_slice(&piece[at.min(end)..end]);
            at += length;
        } else {
            let (length, offset) = match tag & 3 {
                1 => ((top & 7) + 4, (top >> 3) << 8 | number(tail)),
                _ => (top + 1, number(tail)),
            };
            let start = out.len().checked_sub(offset).filter(|_| offset > 0)?;
            (0..length).for_each(|index| out.push(out[start + index]));
        }
        if out.len() > declared {
            return None;
        }
    }
    Some(out)
}
