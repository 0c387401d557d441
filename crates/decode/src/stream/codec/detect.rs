//! Which compression bytes have, from the bytes alone.

use millpond_core::format::{Compression, DecodeLimits};

use super::brotli::Brotli;
use super::deflate::{GZIP_MAGIC, Zlib};
use super::{Decode, State, bzip2, lz4, snappy, xz, zstd};
use crate::magic;
use crate::stream::encoding;

/// Bytes that a trial gives at most.
const TRIAL_BYTES: usize = 64 << 10;
/// Plain bytes from which on a stream is believed whose end is not at hand.
const BELIEVED_BYTES: usize = 16;
/// Plain bytes from which on a stream is believed that is damaged behind them.
const BELIEVED_DAMAGED_BYTES: usize = 64;

/// The compression of bytes: the one that they show; else the one that is declared, where they can have it.
///
/// A declaration never makes rubbish of a plain file: bytes that are text or of a known format stay as they are, and
/// so do bytes without the magic of the declared compression. So it matters only where the bytes do not show the
/// compression, which is brotli, and zlib and Hadoop's Snappy around what is not recognised.
pub(in crate::stream) fn decide(bytes: &[u8], declared: Option<Compression>) -> Option<Compression> {
    shown(bytes).or_else(|| declared.filter(|compression| can_be(*compression, bytes)))
}

/// The compression that the first bytes show.
fn shown(bytes: &[u8]) -> Option<Compression> {
    by_magic(bytes).or_else(|| {
        if is_zlib(bytes) {
            Some(Compression::Zlib)
        } else if is_hadoop_snappy(bytes) {
            Some(Compression::HadoopSnappy)
        } else {
            None
        }
    })
}

fn by_magic(bytes: &[u8]) -> Option<Compression> {
    match bytes {
        _ if bytes.starts_with(&GZIP_MAGIC) => Some(Compression::Gzip),
        _ if bytes.starts_with(&zstd::MAGIC) => Some(Compression::Zstd),
        _ if bytes.starts_with(&xz::MAGIC) => Some(Compression::Xz),
        _ if bytes.starts_with(&lz4::MAGIC) || bytes.starts_with(&lz4::LEGACY_MAGIC) => Some(Compression::Lz4),
        _ if bytes.starts_with(snappy::STREAM_IDENTIFIER) => Some(Compression::Snappy),
        _ if bzip2::starts_stream(bytes) => Some(Compression::Bzip2),
        _ if zstd::is_skippable(bytes) => Some(behind_skippable(bytes)),
        _ => None,
    }
}

/// Skippable frames are in zstd files and in LZ4 files: the first frame behind them tells.
fn behind_skippable(mut bytes: &[u8]) -> Compression {
    while zstd::is_skippable(bytes)
        && let Some(length) = bytes[4..].first_chunk()
    {
        let length = u32::from_le_bytes(*length) as usize;
        bytes = bytes.get(8 + length..).unwrap_or_default();
    }
    let is_lz4 = bytes.starts_with(&lz4::MAGIC) || bytes.starts_with(&lz4::LEGACY_MAGIC);
    if is_lz4 { Compression::Lz4 } else { Compression::Zstd }
}

/// Whether bytes without a magic can be what the source declares.
fn can_be(compression: Compression, bytes: &[u8]) -> bool {
    let decodes = match compression {
        Compression::Brotli => decodes_as_brotli(bytes),
        Compression::Zlib => has_zlib_header(bytes),
        Compression::HadoopSnappy => bytes.starts_with(&[0; 4]) || snappy::hadoop_prefix(bytes).is_some(),
        _ => return false,
    };
    let is_known = magic::is_binary(bytes) || is_text(bytes);
    // What does not decode and is no text either is told as damage of the declared compression.
    !bytes.is_empty() && !is_known && (decodes || has_control(bytes) && !is_utf_16(bytes))
}

/// Whether bytes are a zlib stream: a header (RFC 1950, 2.2), and a trial that gives something sensible.
pub(super) fn is_zlib(bytes: &[u8]) -> bool {
    has_zlib_header(bytes) && !is_text(bytes) && trial(&mut Zlib::default(), bytes).is_some_and(|trial| trial.is_good())
}

fn has_zlib_header(bytes: &[u8]) -> bool {
    let [method, flags, ..] = *bytes else { return false };
    let is_deflate = method & 0x0f == 8 && method >> 4 <= 7;
    let has_dictionary = flags & 0x20 != 0;
    is_deflate && !has_dictionary && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}

fn is_hadoop_snappy(bytes: &[u8]) -> bool {
    // Blocks of 16 MiB or more are not guessed: without the zero the first bytes could be text.
    bytes.first() == Some(&0)
        && !is_utf_16(bytes)
        && snappy::hadoop_prefix(bytes).is_some_and(|plain| is_sensible(&plain) && !plain.is_empty())
}

/// Whether bytes decode as brotli as far as they are at hand, with a result that makes sense.
pub(super) fn decodes_as_brotli(bytes: &[u8]) -> bool {
    trial(&mut Brotli::new(&DecodeLimits::default()), bytes).is_some_and(|trial| trial.is_good())
}

struct Trial {
    plain: Vec<u8>,
    state: State,
}

impl Trial {
    fn is_good(&self) -> bool {
        let enough = match self.state {
            State::Ended => 0,
            State::More => BELIEVED_BYTES,
            State::Corrupt(_) => BELIEVED_DAMAGED_BYTES,
        };
        self.plain.len() >= enough && is_sensible(&self.plain)
    }
}

/// Decodes the bytes at hand; `None` where that cannot even start.
fn trial(decode: &mut dyn Decode, bytes: &[u8]) -> Option<Trial> {
    let mut plain = vec![0; TRIAL_BYTES];
    let (mut read, mut written) = (0, 0);
    decode.start(bytes).ok()?;
    loop {
        let piece = decode.decode(&bytes[read..], &mut plain[written..]).ok()?;
        read += piece.read;
        written += piece.written;
        let is_stuck = written == plain.len() || (piece.read, piece.written) == (0, 0);
        if matches!(piece.state, State::More) && !is_stuck {
            continue;
        }
        plain.truncate(written);
        return Some(Trial { plain, state: piece.state });
    }
}

/// Whether plain bytes are something that is read here: text, a known format, or another compression.
fn is_sensible(plain: &[u8]) -> bool {
    !has_control(plain) || is_utf_16(plain) || magic::is_binary(plain) || by_magic(plain).is_some()
}

/// Whether bytes are UTF-8 without control characters.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf_8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        // A character may be cut by the end of the bytes at hand.
        Err(error) => error.error_len().is_none(),
    };
    is_utf_8 && !has_control(bytes)
}

/// Whether bytes have control characters that texts do not have; white space, backspace and escape are common.
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| matches!(byte, 0..=7 | 14..=26 | 28..=31))
}

fn is_utf_16(bytes: &[u8]) -> bool {
    encoding::is_utf_16(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    #[test]
    fn texts_are_no_zlib() {
        // Each of these starts like a zlib header.
        for text in ["x^2 + y^2 = z^2", "x^", "XG", "HG line of a log\nHG\n", "8O", "h^ \u{e9}\n", "X\u{85}"] {
            assert_eq!(shown(text.as_bytes()), None, "{text}");
            assert_eq!(shown(text.repeat(1000).as_bytes()), None, "{text}");
        }
        assert_eq!(shown(b"x\x9c is a byte of Windows-1252"), None);
        assert_eq!(shown(b"x^\x01a text with a control character\n"), None);
    }

    #[test]
    fn zlib_is_seen() {
        for text in [&b""[..], b"a", b"{\"a\":1}\n", &b"{\"a\":1}\n".repeat(9000)] {
            assert_eq!(shown(&zlib(text)), Some(Compression::Zlib));
        }
        let long = zlib(&(0..20_000).flat_map(|number| format!("{number}\n").into_bytes()).collect::<Vec<u8>>());
        assert_eq!(shown(&long[..long.len() / 2]), Some(Compression::Zlib));
    }

    #[test]
    fn hadoop_snappy_is_seen() {
        let text: Vec<u8> = (0..40_000).flat_map(|number| format!("{{\"a\":{number}}}\n").into_bytes()).collect();
        let piece = snap::raw::Encoder::new().compress_vec(&text).expect("memory takes it");
        let bytes = [&(text.len() as u32).to_be_bytes()[..], &(piece.len() as u32).to_be_bytes(), &piece].concat();
        assert!(bytes.len() > 70_000);
        assert_eq!(shown(&bytes), Some(Compression::HadoopSnappy));
        for cut in [100, 5000, 65_536] {
            assert_eq!(shown(&bytes[..cut]), Some(Compression::HadoopSnappy));
            let plain = snappy::hadoop_prefix(&bytes[..cut]).expect("a block");
            assert!(text.starts_with(&plain) && plain.len() > cut / 2);
        }
        assert_eq!(shown(&[0; 4096]), None);
        assert_eq!(shown(b"\0a\0b\0c\0d\0e\0f"), None);
    }

    #[test]
    fn a_declaration_yields_to_the_content() {
        let brotli = Some(Compression::Brotli);
        assert_eq!(decide(b"{\"a\":1}\n", brotli), None);
        assert_eq!(decide(b";", brotli), None, "also a whole brotli stream");
        assert_eq!(decide(b"stra\xdfe\n", brotli), None);
        assert_eq!(decide(b"a\0b\0c\0", brotli), None);
        assert_eq!(decide(b"PK\x03\x04", brotli), None);
        assert_eq!(decide(&[0x1f, 0x8b, 8], brotli), Some(Compression::Gzip));
        assert_eq!(decide(b"\x0b\x02\x80hello\x03", brotli), brotli);
        assert_eq!(decide(b"\x0b\x00\x80\xff\xfe\xfd", brotli), brotli);
        assert_eq!(decide(b"{\"a\":1}\n", Some(Compression::Gzip)), None);
    }
}
