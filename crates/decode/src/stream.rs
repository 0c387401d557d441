//! The input as plain text bytes: compressions undone, byte order mark removed, other encodings brought to UTF-8,
//! limits kept.
//!
//! Damage never hides what was good before it: a truncated or corrupt stream ends where it broke, and the reason is
//! kept as [`Damage`] for the decoder to report.

mod codec;
mod encoding;
mod raw;

use std::io::{self, Read};
use std::sync::Arc;

use millpond_core::format::{Compression, DecodeLimits, Packing};
use millpond_core::{Error, Result};

use codec::{Codec, Step};
use encoding::Text;
pub(crate) use encoding::by_label as encoding_by_label;
use raw::RawInput;
pub(crate) use raw::{Damage, Meter, Stored, read_error};

/// Bytes looked at to find the compression and the encoding.
const DETECT_BYTES: usize = 64 << 10;

/// The decompressed, transcoded input.
pub(crate) struct Stream {
    raw: RawInput,
    text: Text,
    meter: Arc<Meter>,
    compressions: Vec<&'static str>,
    encoding: Option<&'static str>,
    /// Bytes given so far.
    given: u64,
    /// Whether the bytes are an archive, so that its members are the text.
    is_archive: bool,
}

impl Stream {
    /// Finds the compressions and, for text, the encoding. `is_text`: whether the format is one of text. `depth`: the
    /// compressions and archives around the input.
    ///
    /// # Errors
    /// Those of the input; `TooBig` for more compressions inside each other than allowed, `BadConfig` for an encoding
    /// that does not exist.
    pub(crate) fn open(
        input: Box<dyn Read + Send>,
        packing: &Packing,
        is_text: bool,
        depth: usize,
        meter: &Arc<Meter>,
    ) -> Result<Self> {
        let mut raw = RawInput::new(input);
        let mut compressions = Vec::new();
        loop {
            raw.fill_to(DETECT_BYTES)?;
            let declared = packing.compression.filter(|_| compressions.is_empty());
            let Some(compression) = codec::detect::decide(raw.at_hand(), declared) else { break };
            if depth + compressions.len() >= meter.limits().nesting_max {
                return Err(too_nested(meter));
            }
            compressions.push(compression.name());
            raw = RawInput::new(Box::new(Decompressed::open(compression, raw, meter)?));
        }
        let mut encoding = None;
        let text = if is_text && !crate::magic::is_binary(raw.at_hand()) {
            let (found, skip) = encoding::detect(raw.at_hand(), packing.encoding.as_deref())?;
            raw.position += skip;
            encoding = found.map(encoding_rs::Encoding::name);
            Text::new(found)
        } else {
            Text::new(None)
        };
        let meter = Arc::clone(meter);
        Ok(Self { raw, text, meter, compressions, encoding, given: 0, is_archive: false })
    }

    /// The compressions, outermost first.
    pub(crate) fn compressions(&self) -> &[&'static str] {
        &self.compressions
    }

    /// The character encoding, where it is not UTF-8.
    pub(crate) fn encoding(&self) -> Option<&'static str> {
        self.encoding
    }

    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Whether the text is known to miss bytes at its end.
    pub(crate) fn is_cut(&self) -> bool {
        self.meter.is_cut()
    }

    /// Reads text into `out`; 0 at the end.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let count = self.text.read(&mut self.raw, out)?;
        self.given += count as u64;
        self.meter.add_work(count as u64)?;
        if self.is_archive {
            self.meter.check(self.given)?;
        } else {
            self.meter.add_text(count)?;
        }
        Ok(count)
    }

    /// Says that the bytes are an archive: what was read of them counts no more as text.
    pub(crate) fn set_archive(&mut self) {
        self.is_archive = true;
        self.meter.take_back_text(self.given);
    }
}

pub(crate) fn too_nested(meter: &Meter) -> Error {
    let max = meter.limits().nesting_max;
    Error::too_big(format!("the file has more than {max} compressions and archives inside each other"))
        .hint("raise `nesting` under `[limits]` in source.toml")
}

/// One compression undone.
struct Decompressed {
    codec: Box<dyn Codec>,
    raw: RawInput,
    meter: Arc<Meter>,
    decoded_bytes: u64,
    ended: bool,
}

impl Decompressed {
    fn open(compression: Compression, raw: RawInput, meter: &Arc<Meter>) -> Result<Self> {
        let codec = codec::open(compression, meter.limits())?;
        Ok(Self { codec, raw, meter: Arc::clone(meter), decoded_bytes: 0, ended: false })
    }

    fn step(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        let count = match self.codec.read(&mut self.raw, out)? {
            Step::Bytes(count) => count,
            Step::End => 0,
            Step::Damaged(count, damage) => {
                self.meter.add_damage(damage);
                self.ended = true;
                count
            }
        };
        self.ended |= count == 0;
        self.decoded_bytes += count as u64;
        self.meter.add_work(count as u64)?;
        self.meter.check(self.decoded_bytes)?;
        Ok(count)
    }
}

impl Read for Decompressed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.step(out).map_err(io::Error::other)
    }
}

/// How the bytes of a zip member are packed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Packed {
    Stored,
    /// RFC 1951 without a wrapper.
    Deflate,
    As(Compression),
}

/// Unpacks the bytes of one zip member.
pub(crate) struct Unpacked {
    /// `None` for stored bytes.
    codec: Option<Box<dyn Codec>>,
    raw: RawInput,
}

impl Unpacked {
    /// # Errors
    /// `Bug` for a library that cannot be set up.
    pub(crate) fn open(packed: Packed, input: Box<dyn Read + Send>, limits: &DecodeLimits) -> Result<Self> {
        let codec = match packed {
            Packed::Stored => None,
            Packed::Deflate => Some(codec::open_deflate()),
            Packed::As(compression) => Some(codec::open(compression, limits)?),
        };
        Ok(Self { codec, raw: RawInput::new(input) })
    }

    /// Reads into `out`; nothing follows 0 bytes, nor damage.
    ///
    /// # Errors
    /// Those of the input and of limits.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Result<(usize, Option<Damage>)> {
        let Some(codec) = &mut self.codec else { return Ok((self.raw.take(out)?, None)) };
        Ok(match codec.read(&mut self.raw, out)? {
            Step::Bytes(count) => (count, None),
            Step::End => (0, None),
            Step::Damaged(count, damage) => (count, Some(damage)),
        })
    }
}
