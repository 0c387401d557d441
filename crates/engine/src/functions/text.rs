//! `base64_text`, `hex_text`: text that was encoded.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::row::Function;
use super::said;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::text("base64_text", |text| bytes_of_base64(said(text)?).and_then(text_of).map(Cow::Owned)),
        Function::text("hex_text", |text| bytes_of_hex(said(text)?).and_then(text_of).map(Cow::Owned)),
    ]
}

/// Padding may be there or not, and the last bits may be anything.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const USUAL: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
const FOR_URLS: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, LENIENT);

/// The bytes of base64 in either alphabet, with or without line breaks and padding.
pub(super) fn bytes_of_base64(text: &str) -> Option<Vec<u8>> {
    let has_blanks = text.contains(|c: char| c.is_ascii_whitespace());
    let plain = match has_blanks {
        true => Cow::Owned(text.split_ascii_whitespace().collect::<String>()),
        false => Cow::Borrowed(text),
    };
    let engine = if plain.contains(['-', '_']) { &FOR_URLS } else { &USUAL };
    engine.decode(plain.as_bytes()).ok()
}

/// The bytes of hexadecimal digits, which may have `0x` before them and blanks, colons or dashes between bytes.
fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let mut digits = Vec::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letter.is_ascii_whitespace() && !matches!(letter, ':' | '-')) {
        digits.push(letter.to_digit(16)? as u8);
    }
    let is_whole = !digits.is_empty() && digits.len().is_multiple_of(2);
    is_whole.then(|| digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect())
}

/// Bytes as text: UTF-8, or UTF-16 as Windows encodes commands. NUL between words (an audit log's `proctitle`) is a
/// blank, at the end nothing. `None` for bytes that are no text.
pub(super) fn text_of(bytes: Vec<u8>) -> Option<String> {
    let text = if is_utf16(&bytes) {
        let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        String::from_utf16(&units.collect::<Vec<_>>()).ok()?.trim_start_matches('\u{feff}').to_owned()
    } else {
        String::from_utf8(bytes).ok()?
    };
    let is_text = |c: char| !c.is_control() || matches!(c, '\0' | '\t' | '\n' | '\r' | '\u{1b}');
    text.chars().all(is_text).then(|| text.trim_end_matches('\0').replace('\0', " "))
}

/// Little-endian UTF-16 with letters of a Latin script for the most part, or a mark.
fn is_utf16(bytes: &[u8]) -> bool {
    if !bytes.len().is_multiple_of(2) {
        return false;
    }
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    bytes.starts_with(&[0xff, 0xfe]) || (zeros(1) * 4 > bytes.len() && zeros(0) == 0)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing};

    #[test]
    fn base64() {
        gives(
            "base64_text",
            &[
                ("aGVsbG8=", "hello"),
                ("aGVsbG8", "hello"),
                (" aGVs\nbG8= ", "hello"),
                ("w7zDn+KCrA==", "üß€"),
                ("w7zDn-KCrA", "üß€"),
                ("dwBoAG8AYQBtAGkA", "whoami"),
                ("//5oAGkA", "hi"),
                ("YQBi", "a b"),
            ],
        );
        gives_nothing("base64_text", &["", "-", "a", "!!!!", "aGVsbG8=x", "////", "AAEC", "é", "gICA"]);
    }

    #[test]
    fn hex() {
        gives(
            "hex_text",
            &[
                ("68656c6c6f", "hello"),
                ("0x68656C6C6F", "hello"),
                ("68:65 6c-6c:6f", "hello"),
                ("636174002F6574632F70617373776400", "cat /etc/passwd"),
                ("68006900", "hi"),
                ("c3bc", "ü"),
            ],
        );
        gives_nothing("hex_text", &["", "-", "6", "zz", "0x", "ff", "0102", "é6"]);
    }
}
