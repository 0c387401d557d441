//! Compressions: bytes in, bytes out, any number of members, damage keeps what was good before it.
//!
//! There are two kinds. Most are fed with slices of any length ([`Decode`]); those made of blocks that only decode as
//! a whole ([`Blocks`]) hold one block at a time.

mod brotli;
mod bzip2;
mod deflate;
pub(super) mod detect;
mod lz4;
mod snappy;
mod xz;
mod zstd;

use millpond_core::format::{Compression, DecodeLimits};
use millpond_core::{Error, Result};

use super::raw::{Damage, RawInput};

/// Stray bytes kept for a reject.
const STRAY_BYTES_MAX: usize = 64 << 10;
/// Bytes looked at to see whether another member follows.
const HEAD_BYTES: usize = 64 << 10;

/// What one read of a codec gave.
pub(super) enum Step {
    Bytes(usize),
    End,
    /// The last bytes, and why no more follow.
    Damaged(usize, Damage),
}

/// One compression being undone.
pub(super) trait Codec: Send {
    /// Reads decompressed bytes into `out`.
    ///
    /// # Errors
    /// Those of the input, and `TooBig` for a member that needs more memory than allowed: damage is a [`Step`].
    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<Step>;
}

/// How a compression is called when something is wrong with it.
pub(super) struct Names {
    compression: &'static str,
    /// What it is made of, such as `member`.
    unit: &'static str,
    truncated: &'static str,
    corrupt: &'static str,
}

impl Names {
    fn truncated(&self) -> Damage {
        let detail = format!("the {} stream ends before its last {} is complete", self.compression, self.unit);
        Damage::cut(self.truncated, detail)
    }

    fn corrupt(&self, cause: &str) -> Damage {
        Damage::cut(self.corrupt, format!("the {} stream is damaged: {cause}", self.compression))
    }

    fn stray(&self, zeros: u64, raw: Vec<u8>) -> Damage {
        let padding = if zeros > 0 { format!(" and {zeros} bytes of padding") } else { String::new() };
        let detail =
            format!("{} bytes follow the last complete {} {}{padding}", raw.len(), self.compression, self.unit);
        Damage { reason: "stray_bytes", detail, raw, cuts_text: false }
    }
}

/// Sets up the codec of a compression.
///
/// # Errors
/// `Bug` for a library that cannot be set up.
pub(super) fn open(compression: Compression, limits: &DecodeLimits) -> Result<Box<dyn Codec>> {
    Ok(match compression {
        Compression::Gzip => Box::new(Concatenated::new(deflate::Gzip::default())),
        Compression::Zlib => Box::new(Concatenated::new(deflate::Zlib::default())),
        Compression::Zstd => Box::new(Concatenated::new(zstd::Zstd::new(limits)?)),
        Compression::Bzip2 => Box::new(Concatenated::new(bzip2::Bzip2::default())),
        Compression::Xz => Box::new(Concatenated::new(xz::Xz::new(limits))),
        Compression::Lz4 => Box::new(Blockwise::new(lz4::Lz4::default())),
        Compression::Snappy => Box::new(Blockwise::new(snappy::Framed::default())),
        Compression::HadoopSnappy => Box::new(Blockwise::new(snappy::Hadoop::default())),
        Compression::Brotli => Box::new(Concatenated::new(brotli::Brotli::new(limits))),
    })
}

/// The codec of a bare deflate stream (RFC 1951), as zip archives have it.
pub(super) fn open_deflate() -> Box<dyn Codec> {
    Box::new(Concatenated::new(deflate::RawDeflate::default()))
}

/// # Errors
/// `TooBig` for a window (or dictionary) of more bytes than allowed.
fn check_window(compression: &str, bytes: u64, limits: &DecodeLimits) -> Result<()> {
    if bytes <= limits.window_bytes_max {
        return Ok(());
    }
    Err(window_too_big(compression, limits).because(format!("it asks for {bytes} bytes")))
}

fn window_too_big(compression: &str, limits: &DecodeLimits) -> Error {
    let max = limits.window_bytes_max;
    Error::too_big(format!("the {compression} stream needs a window of more than {max} bytes to be decompressed"))
        .hint("raise `window_bytes` under `[limits]` in source.toml")
}

/// Undoes members one after the other, fed with slices.
pub(super) trait Decode: Send {
    fn names(&self) -> &'static Names;

    /// Whether bytes behind a complete member are another one.
    fn starts(&self, bytes: &[u8]) -> bool;

    /// Gets ready for the member that starts with these bytes.
    ///
    /// # Errors
    /// `TooBig` for one that needs more memory than allowed.
    fn start(&mut self, bytes: &[u8]) -> Result<()>;

    /// Decompresses from `input` to `out`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<Piece>;
}

/// What became of a slice.
pub(super) struct Piece {
    read: usize,
    written: usize,
    state: State,
}

/// What follows a piece.
pub(super) enum State {
    More,
    /// The member is complete.
    Ended,
    /// The rest of the member cannot be had.
    Corrupt(String),
}

/// Any number of members, with zero padding between and behind them.
pub(super) struct Concatenated<D> {
    decode: D,
    in_member: bool,
    any: bool,
}

impl<D: Decode> Concatenated<D> {
    fn new(decode: D) -> Self {
        Self { decode, in_member: false, any: false }
    }

    /// Looks at what follows a member: another one (`None`), the end or stray bytes. The first one is given.
    fn start_member(&mut self, raw: &mut RawInput) -> Result<Option<Step>> {
        let mut zeros = 0;
        loop {
            raw.fill_to(HEAD_BYTES)?;
            let bytes = raw.at_hand();
            if bytes.is_empty() {
                return Ok(Some(Step::End));
            }
            if !self.any || self.decode.starts(bytes) {
                self.decode.start(bytes)?;
                (self.in_member, self.any) = (true, true);
                return Ok(None);
            }
            let padding = bytes.iter().take_while(|byte| **byte == 0).count();
            zeros += padding as u64;
            raw.position += padding;
            if padding == 0 {
                let stray = raw.take_rest(STRAY_BYTES_MAX)?;
                return Ok(Some(Step::Damaged(0, self.decode.names().stray(zeros, stray))));
            }
        }
    }
}

impl<D: Decode> Codec for Concatenated<D> {
    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<Step> {
        loop {
            if !self.in_member
                && let Some(step) = self.start_member(raw)?
            {
                return Ok(step);
            }
            let at_end = raw.at_hand().is_empty() && !raw.fill()?;
            let Piece { read, written, state } = self.decode.decode(raw.at_hand(), out)?;
            raw.position += read;
            match state {
                State::Ended => self.in_member = false,
                State::More if at_end && written == 0 => {
                    return Ok(Step::Damaged(0, self.decode.names().truncated()));
                }
                State::More => {}
                State::Corrupt(cause) => {
                    return Ok(Step::Damaged(written, self.decode.names().corrupt(&cause)));
                }
            }
            if written > 0 {
                return Ok(Step::Bytes(written));
            }
        }
    }
}

/// Undoes blocks, each as a whole.
pub(super) trait Blocks: Send {
    fn names(&self) -> &'static Names;

    /// Decompresses the next block to `out`, which is empty.
    ///
    /// # Errors
    /// Those of the input.
    fn next(&mut self, raw: &mut RawInput, out: &mut Vec<u8>) -> Result<Block>;
}

/// What came next.
pub(super) enum Block {
    Decoded,
    /// The input ends behind a complete block.
    End,
    /// The bytes at hand are no block.
    Stray,
    Truncated,
    Corrupt(String),
}

/// Blocks, handed out in pieces.
pub(super) struct Blockwise<B> {
    blocks: B,
    block: Vec<u8>,
    position: usize,
}

impl<B: Blocks> Blockwise<B> {
    fn new(blocks: B) -> Self {
        Self { blocks, block: Vec::new(), position: 0 }
    }
}

impl<B: Blocks> Codec for Blockwise<B> {
    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<Step> {
        while self.position == self.block.len() {
            self.block.clear();
            self.position = 0;
            let next = self.blocks.next(raw, &mut self.block)?;
            let names = self.blocks.names();
            let damage = match next {
                Block::Decoded => continue,
                Block::End => return Ok(Step::End),
                Block::Stray => names.stray(0, raw.take_rest(STRAY_BYTES_MAX)?),
                Block::Truncated => names.truncated(),
                Block::Corrupt(cause) => names.corrupt(&cause),
            };
            return Ok(Step::Damaged(0, damage));
        }
        let count = out.len().min(self.block.len() - self.position);
        out[..count].copy_from_slice(&self.block[self.position..self.position + count]);
        self.position += count;
        Ok(Step::Bytes(count))
    }
}
