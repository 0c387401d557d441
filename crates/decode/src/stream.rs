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

use millpond_core::format::{Compression, Packing};
use millpond_core::{Error, Result};

use codec::{Codec, Step};
use encoding::Text;
pub(crate) use encoding::by_label as encoding_by_label;
use raw::RawInput;
pub(crate) use raw::{Damage, Meter, Stored};

/// Bytes looked at to find the compression and the encoding.
const DETECT_BYTES: usize = 64 << 10;

/// The decompressed, transcoded input.
pub(crate) struct Stream {
    raw: RawInput,
    text: Text,
    meter: Arc<Meter>,
    compressions: Vec<&'static str>,
    encoding: Option<&'static str>,
}

impl Stream {
    /// Finds the compressions and, for text, the encoding. `is_text`: whether the format is one of text.
    ///
    /// # Errors
    /// Those of the input; `TooBig` for more compressions inside each other than allowed, `BadConfig` for an encoding
    /// that does not exist.
    pub(crate) fn open(
        input: Box<dyn Read + Send>,
        packing: &Packing,
        is_text: bool,
        meter: &Arc<Meter>,
    ) -> Result<Self> {
        let mut raw = RawInput::new(input);
        let mut compressions = Vec::new();
        loop {
            raw.fill_to(DETECT_BYTES)?;
            let declared = packing.compression.filter(|_| compressions.is_empty());
            let Some(compression) = codec::detect(raw.at_hand()).or(declared) else { break };
            if compressions.len() >= meter.limits().nesting_max {
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
        Ok(Self { raw, text, meter: Arc::clone(meter), compressions, encoding })
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
        self.meter.add_text(count)?;
        Ok(count)
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
        let codec = codec::open(compression)?;
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
        self.meter.check(self.decoded_bytes)?;
        Ok(count)
    }
}

impl Read for Decompressed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.step(out).map_err(io::Error::other)
    }
}
