//! Character encodings: byte order marks, UTF-16 without one, Latin-1, and what a source declares, brought to UTF-8.

use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use millpond_core::{Error, Result};

use super::DETECT_BYTES;
use super::raw::RawInput;

/// Bytes transcoded at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes looked at for the zeros of UTF-16.
const UTF_16_BYTES: usize = 1024;

/// The text of a stream.
pub(super) enum Text {
    /// UTF-8, or taken for it.
    Plain,
    Transcoded(Box<Transcoded>),
}

pub(super) struct Transcoded {
    decoder: encoding_rs::Decoder,
    input: Vec<u8>,
    /// Whether the input has ended.
    ended: bool,
    /// Whether the decoder has given its last character.
    finished: bool,
}

impl Text {
    pub(super) fn new(encoding: Option<&'static Encoding>) -> Self {
        match encoding {
            None => Self::Plain,
            Some(encoding) => Self::Transcoded(Box::new(Transcoded {
                decoder: encoding.new_decoder_without_bom_handling(),
                input: Vec::new(),
                ended: false,
                finished: false,
            })),
        }
    }

    /// Reads text into `out`; 0 at the end.
    pub(super) fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<usize> {
        match self {
            Self::Plain => raw.take(out),
            Self::Transcoded(transcoded) => transcoded.read(raw, out),
        }
    }
}

impl Transcoded {
    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<usize> {
        while !self.finished {
            if self.input.is_empty() && !self.ended {
                self.input.resize(PIECE_BYTES, 0);
                let count = raw.take(&mut self.input)?;
                self.input.truncate(count);
                self.ended = count == 0;
            }
            let (result, read, written, _) = self.decoder.decode_to_utf8(&self.input, out, self.ended);
            self.input.drain(..read);
            self.finished = self.ended && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
            if result == CoderResult::OutputFull {
                return Err(Error::bug("failed to transcode text: the buffer is too small for one character"));
            }
        }
        Ok(0)
    }
}

/// An encoding by its label, such as `latin1` or `utf-16le`.
///
/// # Errors
/// `BadConfig` for a label that the WHATWG Encoding Standard does not have.
pub(crate) fn by_label(label: &str) -> Result<&'static Encoding> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        Error::bad_config(format!("`{label}` is not a character encoding"))
            .hint("use a label of the WHATWG Encoding Standard, such as `windows-1252`, `utf-16le` or `shift_jis`")
    })
}

/// The encoding of a text (`None` for UTF-8) and the length of its byte order mark.
///
/// A mark decides; then what the source declares; then zeros in every other byte mean UTF-16, and bytes that cannot be
/// UTF-8 in a text without any valid sequence of several bytes mean Latin-1 (read as its superset Windows-1252). Only
/// the bytes at hand are looked at: what comes later in a longer text decides nothing.
///
/// # Errors
/// `BadConfig` as [`by_label`].
pub(super) fn detect(bytes: &[u8], declared: Option<&str>) -> Result<(Option<&'static Encoding>, usize)> {
    if let Some((encoding, skip)) = Encoding::for_bom(bytes) {
        return Ok((Some(encoding).filter(|encoding| *encoding != UTF_8), skip));
    }
    let found = match declared {
        Some(label) => Some(by_label(label)?).filter(|encoding| *encoding != UTF_8),
        None => guess(bytes, bytes.len() < DETECT_BYTES),
    };
    Ok((found, 0))
}

/// `is_whole`: whether nothing follows `bytes`.
fn guess(bytes: &[u8], is_whole: bool) -> Option<&'static Encoding> {
    guess_utf_16(bytes).or_else(|| is_latin(bytes, is_whole).then_some(WINDOWS_1252))
}

fn guess_utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let first = &bytes[..bytes.len().min(UTF_16_BYTES)];
    match (has_wide_text(first, 1), has_wide_text(first, 0)) {
        (true, _) => Some(UTF_16LE),
        (_, true) => Some(UTF_16BE),
        _ => None,
    }
}

/// Whether bytes are UTF-16, by their mark or by their zeros.
pub(super) fn is_utf_16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || guess_utf_16(bytes).is_some()
}

/// Whether most pairs of bytes have a zero at `high`, as ASCII has, and none is a control character that text has not.
fn has_wide_text(bytes: &[u8], high: usize) -> bool {
    let pairs = || bytes.chunks_exact(2);
    let ascii = pairs().filter(|pair| pair[high] == 0).count();
    let has_control = pairs().any(|pair| pair[high] == 0 && pair[1 - high] < b'\t');
    pairs().len() >= 2 && ascii * 2 > pairs().len() && !has_control
}

/// Whether bytes beyond ASCII never make up UTF-8.
fn is_latin(bytes: &[u8], is_whole: bool) -> bool {
    let mut rest = bytes;
    let mut any = false;
    loop {
        let Err(error) = std::str::from_utf8(rest) else { return any && rest.is_ascii() };
        if !rest[..error.valid_up_to()].is_ascii() {
            return false;
        }
        match error.error_len() {
            Some(length) => rest = &rest[error.valid_up_to() + length..],
            // A character cut by the end of the bytes looked at is no sign of anything.
            None => return any || is_whole,
        }
        any = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_told_by_their_bytes() {
        let name = |bytes: &[u8]| detect(bytes, None).expect("no label").0.map(Encoding::name);
        assert_eq!(name(b"plain"), None);
        assert_eq!(name("stra\u{df}e".as_bytes()), None);
        assert_eq!(name(b"stra\xdfe, caf\xe9"), Some("windows-1252"));
        // One broken byte in a UTF-8 text does not make it Latin-1.
        assert_eq!(name(b"stra\xc3\x9fe \xff"), None);
        assert_eq!(name(b"a\0b\0c\0"), Some("UTF-16LE"));
        assert_eq!(name(b"\0a\0b\0c"), Some("UTF-16BE"));
        assert_eq!(name(b"\xff\xfea\0"), Some("UTF-16LE"));
        // The last character of a whole text is not cut.
        assert_eq!(name(b"caf\xe9"), Some("windows-1252"));
        // Half of a character of UTF-16 may well be a small number.
        assert_eq!(name(b"a\0b\0\x04\x01\0\x01c\0d\0"), Some("UTF-16LE"));
        // Small numbers of 16 bits are no text.
        assert_eq!(name(b"\x01\0\x02\0\x03\0"), None);
    }

    #[test]
    fn a_character_cut_by_the_end_of_what_is_looked_at_means_nothing() {
        for cut in ["\u{df}".as_bytes(), "\u{20ac}".as_bytes(), "\u{1f600}".as_bytes()] {
            for length in 1..cut.len() {
                let mut bytes = vec![b'x'; DETECT_BYTES - length];
                bytes.extend_from_slice(&cut[..length]);
                assert_eq!(detect(&bytes, None).expect("no label").0, None);
            }
        }
    }

    #[test]
    fn labels_are_checked() {
        assert!(by_label("latin1").is_ok());
        assert!(by_label("klingon").is_err());
    }
}
