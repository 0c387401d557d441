//! Compression, encodings, damage and limits of the byte stream.

use std::io::Write;

use flate2::write::GzEncoder;
use millpond_core::Kind;
use millpond_core::format::{DecodeLimits, DecodeRequest};

use super::{assert_decoded, auto, decode, try_decode};

const TEXT: &str = "{\"a\":1}\n{\"a\":2}\n";
const ROWS: [&str; 2] = [r#"{"a":1}"#, r#"{"a":2}"#];

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).expect("memory takes it")
}

#[test]
fn members_and_frames_follow_one_another() {
    let skippable = [0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9];
    for bytes in [
        gzip(TEXT.as_bytes()),
        [gzip(b"{\"a\":1}\n{\"a"), gzip(b""), gzip(b"\":2}\n")].concat(),
        [gzip(TEXT.as_bytes()), vec![0; 700]].concat(),
        zstd(TEXT.as_bytes()),
        [zstd(b"{\"a\":1}\n{\"a"), skippable.to_vec(), zstd(b"\":2}\n")].concat(),
    ] {
        assert_decoded(&decode(auto("a: int"), &bytes), &ROWS, &[]);
    }
}

#[test]
fn stray_bytes_are_kept() {
    for bytes in [gzip(TEXT.as_bytes()), zstd(TEXT.as_bytes())] {
        let decoded = decode(auto("a: int"), &[bytes.as_slice(), b"\n"].concat());
        assert_decoded(&decoded, &ROWS, &["- stray_bytes: \n"]);
    }
    let decoded = decode(auto("a: int"), &[gzip(TEXT.as_bytes()), vec![0; 9], b"tail".to_vec()].concat());
    assert_decoded(&decoded, &ROWS, &["- stray_bytes: tail"]);
}

#[test]
fn a_cut_stream_keeps_what_was_before() {
    let text: String = (0..50_000).map(|number| format!("{{\"a\":{}}}\n", number * 7919 % 50_021)).collect();
    for (bytes, reason) in [(gzip(text.as_bytes()), "truncated_gzip"), (zstd(text.as_bytes()), "truncated_zstd")] {
        let decoded = decode(auto("a: int"), &bytes[..bytes.len() - 9]);
        let reasons: Vec<&str> = decoded.rejects.iter().map(|reject| reject.reason).collect();
        assert_eq!(reasons.last(), Some(&reason));
        assert!(reasons.len() <= 2 && (reasons.len() == 1 || reasons[0] == "truncated_record"), "{reasons:?}");
        assert!(reason == "truncated_zstd" || decoded.rows.len() > 40_000, "{}", decoded.rows.len());
    }
}

#[test]
fn a_damaged_stream_keeps_what_was_before() {
    let mut bytes = gzip(TEXT.as_bytes());
    let length = bytes.len();
    bytes[length - 6] ^= 0xff; // the checksum
    let decoded = decode(auto("a: int"), &bytes);
    assert_eq!(decoded.rows.len() + decoded.rejects.len(), 3, "{:?}", decoded.rejected());
    assert_eq!(decoded.rejects.last().map(|reject| reject.reason), Some("corrupt_gzip"));
}

#[test]
fn utf16_is_read() {
    let little: Vec<u8> = [vec![0xff, 0xfe], TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
    let big: Vec<u8> = [vec![0xfe, 0xff], TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect()].concat();
    for bytes in [little.clone(), big, gzip(&little)] {
        assert_decoded(&decode(auto("a: int"), &bytes), &ROWS, &[]);
    }
}

#[test]
fn decompressed_bytes_are_limited() {
    let limits = DecodeLimits { decompressed_bytes_max: 100_000, ..DecodeLimits::default() };
    let bytes = gzip(TEXT.repeat(10_000).as_bytes());
    let request = DecodeRequest { limits, ..auto("a: int") };
    let error = try_decode(request, Box::new(std::io::Cursor::new(bytes))).err().expect("too big");
    assert_eq!(error.kind(), Kind::TooBig);
    assert!(error.hint_text().is_some_and(|hint| hint.contains("decompressed_bytes")));
}

#[test]
fn the_ratio_is_limited() {
    let limits = DecodeLimits { ratio_max: 100, ..DecodeLimits::default() };
    let bytes = gzip(&vec![b' '; 80 << 20]);
    let request = DecodeRequest { limits, ..auto("a: int") };
    let error = try_decode(request, Box::new(std::io::Cursor::new(bytes))).err().expect("too dense");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("ratio")), "{error:?}");
}

#[test]
fn rows_before_an_error_are_handed_out() {
    let limits = DecodeLimits { decompressed_bytes_max: 500_000, ..DecodeLimits::default() };
    let request = DecodeRequest { limits, ..auto("a: int") };
    let input = std::io::Cursor::new(TEXT.repeat(50_000).into_bytes());
    let mut decoder = millpond_decode::Decoder::open(Box::new(input), request).expect("the input opens");
    let mut rows = 0;
    let error = loop {
        match decoder.next_batch() {
            Ok(batch) => rows += batch.expect("an error comes before the end").num_rows(),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), Kind::TooBig);
    assert!(rows > 20_000, "{rows}");
}

/// Counts what is read through it.
struct Counted(std::io::Cursor<Vec<u8>>, std::sync::Arc<std::sync::atomic::AtomicU64>);

impl std::io::Read for Counted {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(out)?;
        self.1.fetch_add(count as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn the_input_is_read_to_its_end() {
    let gz = gzip(TEXT.as_bytes());
    for bytes in
        [gz.clone(), [gz.clone(), vec![7; 1 << 20]].concat(), [gz[..30].to_vec(), vec![0xff; 1 << 20]].concat()]
    {
        let counter = std::sync::Arc::default();
        let length = bytes.len() as u64;
        let input = Counted(std::io::Cursor::new(bytes), std::sync::Arc::clone(&counter));
        try_decode(auto("a: int"), Box::new(input)).expect("the input decodes");
        assert_eq!(counter.load(std::sync::atomic::Ordering::Relaxed), length);
    }
}
