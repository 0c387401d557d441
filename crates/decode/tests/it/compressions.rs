//! Every compression: members, padding, stray bytes, damage, windows, and what is not taken for one.

use std::io::{Cursor, Write};

use millpond_core::Kind;
use millpond_core::format::{Compression, DecodeLimits, DecodeRequest, Format};
use proptest::prelude::*;

use super::{Decoded, assert_decoded, auto, columns, decode, request, try_decode};

const TEXT: &str = "{\"a\":1}\n{\"a\":2}\n";
const ROWS: [&str; 2] = [r#"{"a":1}"#, r#"{"a":2}"#];

/// Compresses to one member.
pub(crate) fn pack(compression: Compression, text: &[u8]) -> Vec<u8> {
    let out = Vec::new();
    let packed = match compression {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        Compression::Zlib => {
            let mut encoder = flate2::write::ZlibEncoder::new(out, flate2::Compression::default());
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(out, 3).expect("an encoder");
            encoder.include_checksum(true).expect("a checksum");
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        Compression::Bzip2 => {
            let mut encoder = bzip2::write::BzEncoder::new(out, bzip2::Compression::fast());
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        Compression::Xz => {
            let mut encoder =
                lzma_rust2::XzWriter::new(out, lzma_rust2::XzOptions::with_preset(1)).expect("an encoder");
            encoder.write_all(text).and_then(|()| encoder.finish())
        }
        Compression::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .content_checksum(true)
                .block_checksums(true)
                .block_mode(lz4_flex::frame::BlockMode::Linked)
                .block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, out);
            encoder.write_all(text).expect("memory takes it");
            Ok(encoder.finish().expect("memory takes it"))
        }
        Compression::Snappy => {
            let mut encoder = snap::write::FrameEncoder::new(out);
            encoder.write_all(text).expect("memory takes it");
            Ok(encoder.into_inner().expect("memory takes it"))
        }
        Compression::HadoopSnappy => Ok(hadoop_snappy(text, 1 << 16)),
        Compression::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(out, 4096, 5, 22);
            encoder.write_all(text).expect("memory takes it");
            Ok(encoder.into_inner())
        }
    };
    packed.expect("memory takes it")
}

/// Hadoop's format in one block, its pieces from `piece` plain bytes each.
fn hadoop_snappy(text: &[u8], piece: usize) -> Vec<u8> {
    let mut out = (text.len() as u32).to_be_bytes().to_vec();
    for part in text.chunks(piece) {
        let packed = snap::raw::Encoder::new().compress_vec(part).expect("memory takes it");
        out.extend((packed.len() as u32).to_be_bytes());
        out.extend(packed);
    }
    out
}

/// What tells of truncation and of damage.
fn reasons(compression: Compression) -> [String; 2] {
    let name = compression.name().replace('-', "_");
    [format!("truncated_{name}"), format!("corrupt_{name}")]
}

/// Brotli only when it is declared; the others by their content.
fn request_for(compression: Compression, text: &str) -> DecodeRequest {
    let mut request = auto(text);
    request.packing.compression = (compression == Compression::Brotli).then_some(compression);
    request
}

fn lines(count: u64) -> String {
    (0..count).map(|number| format!("{{\"a\":{}}}\n", number * 7919 % 50_021)).collect()
}

fn row_numbers(decoded: &Decoded) -> Vec<u64> {
    let number = |row: &String| row.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect(row);
    decoded.rows.iter().map(number).collect()
}

/// Rows are those of [`lines`], from the first on.
#[track_caller]
fn assert_prefix(decoded: &Decoded) {
    for (index, number) in row_numbers(decoded).into_iter().enumerate() {
        assert_eq!(number, index as u64 * 7919 % 50_021, "row {index}");
    }
}

#[test]
fn every_compression_is_found_by_its_content() {
    for (name, compression) in Compression::NAMES {
        let decoded = decode(request_for(compression, "a: int"), &pack(compression, TEXT.as_bytes()));
        assert_decoded(&decoded, &ROWS, &[]);
        assert_eq!(decoded.summary.compression, name);
        assert_eq!(decoded.summary.decoded_bytes, TEXT.len() as u64);
    }
}

#[test]
fn long_files_of_every_compression_are_read() {
    let text = lines(200_000);
    for (name, compression) in Compression::NAMES {
        let decoded = decode(request_for(compression, "a: int"), &pack(compression, text.as_bytes()));
        assert_eq!((decoded.rows.len(), decoded.rejects.len()), (200_000, 0), "{name}");
        assert_prefix(&decoded);
    }
}

#[test]
fn members_of_every_compression_follow_one_another() {
    for (name, compression) in Compression::NAMES {
        let members = [&b"{\"a\":1}\n{\"a"[..], b"\":2}\n{\"a\":3}\n{\"a\":4}\n"].map(|text| pack(compression, text));
        let decoded = decode(request_for(compression, "a: int"), &members.concat());
        assert_eq!(row_numbers(&decoded), [1, 2, 3, 4], "{name}");
        assert!(decoded.rejects.is_empty(), "{name}: {:?}", decoded.rejected());
        let empty = pack(compression, b"");
        let decoded = decode(
            request_for(compression, "a: int"),
            &[&members[0], &empty, &members[1]].map(|part| part.as_slice()).concat(),
        );
        assert_eq!(row_numbers(&decoded), [1, 2, 3, 4], "{name} with an empty member");
    }
}

#[test]
fn stray_bytes_behind_every_compression_are_kept() {
    for (name, compression) in Compression::NAMES {
        // Hadoop's format has no mark: what follows is the length of a block.
        if compression == Compression::HadoopSnappy {
            continue;
        }
        let bytes = [pack(compression, TEXT.as_bytes()), b"\n".to_vec()].concat();
        let decoded = decode(request_for(compression, "a: int"), &bytes);
        assert_eq!(decoded.rejected(), ["- stray_bytes: \n"], "{name}");
        assert_eq!(row_numbers(&decoded), [1, 2], "{name}");
    }
}

#[test]
fn zeros_behind_members_are_padding() {
    for compression in [Compression::Gzip, Compression::Bzip2, Compression::Xz, Compression::Zstd, Compression::Zlib] {
        let member = pack(compression, TEXT.as_bytes());
        let bytes = [member.clone(), vec![0; 512], member, vec![0; 100_000]].concat();
        let decoded = decode(auto("a: int"), &bytes);
        assert_eq!(row_numbers(&decoded), [1, 2, 1, 2]);
        assert!(decoded.rejects.is_empty());
    }
}

/// Whether what a cut or damaged stream gave is right: rows from the first on, and nothing missing unsaid.
fn assert_told(decoded: &Decoded, compression: Compression, whole: usize, at: usize) {
    assert_prefix(decoded);
    let missing = decoded.rows.len() < whole;
    let known = reasons(compression);
    let told = decoded.rejects.iter().any(|reject| known.iter().any(|reason| reason == reject.reason));
    assert!(!missing || told, "{compression:?} at {at}: {:?}", decoded.rejected());
}

#[test]
fn every_compression_may_be_cut_at_every_byte() {
    let text = lines(60);
    for (name, compression) in Compression::NAMES {
        let bytes = pack(compression, text.as_bytes());
        let mut before = 0;
        for cut in 40..bytes.len() {
            let Ok(decoded) =
                try_decode(request_for(compression, "a: int"), Box::new(Cursor::new(bytes[..cut].to_vec())))
            else {
                panic!("{name} cut at {cut} does not open");
            };
            // The first bytes of zlib are not enough to know it: they give nothing yet.
            if compression == Compression::Zlib && cut < 100 && decoded.summary.compression == "none" {
                continue;
            }
            assert_told(&decoded, compression, 60, cut);
            assert!(decoded.rows.len() >= before, "{name} cut at {cut}");
            before = decoded.rows.len();
        }
        assert!(before >= 58 || matches!(name, "bzip2" | "lz4" | "snappy" | "hadoop-snappy"), "{name}: {before}");
    }
}

#[test]
fn a_cut_keeps_what_was_before_it() {
    let text = lines(100_000);
    for (name, compression) in Compression::NAMES {
        let bytes = pack(compression, text.as_bytes());
        let decoded = decode(request_for(compression, "a: int"), &bytes[..bytes.len() / 2]);
        assert_prefix(&decoded);
        // A block of bzip2 at level 1 has 100 kB, one of zstd 128 KiB.
        assert!((15_000..70_000).contains(&decoded.rows.len()), "{name}: {}", decoded.rows.len());
        let last = decoded.rejects.last().map(|reject| reject.reason.to_owned());
        assert_eq!(last, Some(reasons(compression)[0].clone()), "{name}");
    }
}

#[test]
fn large_windows_are_refused_by_name() {
    let text = lines(1000);
    let limits = DecodeLimits { window_bytes_max: 1 << 20, ..DecodeLimits::default() };
    let zstd = {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
        encoder.long_distance_matching(true).and_then(|()| encoder.window_log(27)).expect("a window");
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("memory takes it")
    };
    let xz = {
        let mut options = lzma_rust2::XzOptions::with_preset(1);
        options.lzma_options.dict_size = 64 << 20;
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).expect("an encoder");
        encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("memory takes it")
    };
    for (compression, bytes) in [
        (Compression::Zstd, zstd),
        (Compression::Xz, xz),
        (Compression::Brotli, pack(Compression::Brotli, text.as_bytes())),
    ] {
        assert_eq!(decode(request_for(compression, "a: int"), &bytes).rows.len(), 1000, "{compression:?}");
        let request = DecodeRequest { limits, ..request_for(compression, "a: int") };
        let error = try_decode(request, Box::new(Cursor::new(bytes))).err().expect("a window that is too large");
        assert_eq!(error.kind(), Kind::TooBig, "{error:?}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("window_bytes")), "{error:?}");
    }
}

#[test]
fn a_declaration_does_not_spoil_other_files() {
    for (name, declared) in Compression::NAMES {
        let mut request = auto("a: int");
        request.packing.compression = Some(declared);
        assert_decoded(&decode(request.clone(), TEXT.as_bytes()), &ROWS, &[]);
        assert_decoded(&decode(request.clone(), &pack(Compression::Gzip, TEXT.as_bytes())), &ROWS, &[]);
        let utf_16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_decoded(&decode(request.clone(), &utf_16), &ROWS, &[]);
        let empty = decode(request, b"");
        assert_eq!((empty.rows.len(), empty.rejects.len()), (0, 0), "{name}");
    }
}

#[test]
fn texts_are_taken_for_no_compression() {
    for text in ["BZh9 is a mark\n", "x^2 + y^2\n", "XG\n", "h^ \u{e9}\n", "\u{4}\"M\n", "(S'\\', 1)\n", "8O\n"] {
        let decoded = decode(request(Format::Lines { start: None }, columns("line: text")), text.as_bytes());
        assert_eq!(decoded.summary.compression, "none", "{text}");
        assert_eq!(decoded.rows.len(), 1, "{text}");
    }
}

#[test]
fn other_frames_of_lz4_are_read() {
    let block = lz4_flex::block::compress(TEXT.as_bytes());
    let legacy = [&[0x02, 0x21, 0x4c, 0x18][..], &(block.len() as u32).to_le_bytes(), &block].concat();
    let skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let frame = pack(Compression::Lz4, TEXT.as_bytes());
    let rows = |bytes: &[u8]| row_numbers(&decode(auto("a: int"), bytes));
    assert_eq!(rows(&legacy), [1, 2]);
    assert_eq!(rows(&[&skippable, frame.as_slice(), &legacy, &skippable, &legacy, &frame].concat()), [1, 2].repeat(4));
    let independent = lz4_flex::frame::FrameInfo::new().content_size(Some(TEXT.len() as u64));
    let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(independent, Vec::new());
    encoder.write_all(TEXT.as_bytes()).expect("memory takes it");
    assert_eq!(rows(&encoder.finish().expect("memory takes it")), [1, 2]);
    // Blocks that say they are longer than any can be.
    let decoded = decode(auto("a: int"), &[&legacy[..4], &[0xff, 0xff, 0xff, 0x7f, 1]].concat());
    assert_eq!(decoded.rejects[0].reason, "corrupt_lz4");
}

#[test]
fn other_chunks_of_snappy_are_read() {
    let framed = pack(Compression::Snappy, TEXT.as_bytes());
    let padding = [0xfe, 3, 0, 0, 0, 0, 0];
    let skippable = [0x80, 2, 0, 0, 7, 7];
    let bytes = [&framed[..10], &padding, &skippable, &framed[10..], &padding].concat();
    assert_decoded(&decode(auto("a: int"), &bytes), &ROWS, &[]);
    let mut bytes = framed;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(decode(auto("a: int"), &bytes).rejects[0].reason, "corrupt_snappy");
}

#[test]
fn pieces_of_a_hadoop_block_are_put_together() {
    let text = lines(5000);
    for piece in [100, 4096, 1 << 20] {
        let decoded = decode(auto("a: int"), &hadoop_snappy(text.as_bytes(), piece));
        assert_eq!((decoded.rows.len(), decoded.rejects.len()), (5000, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_harm_nothing_before_them(which in 0..Compression::NAMES.len(), at in 0.0..1.0, bit in 0..8_u8) {
        let compression = Compression::NAMES[which].1;
        let text = lines(3000);
        let mut bytes = pack(compression, text.as_bytes());
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] ^= 1 << bit;
        // What is damaged in its first bytes, before it gives any text, is another file.
        if at < 200 || compression == Compression::Brotli {
            let _ = try_decode(request_for(compression, "a: int"), Box::new(Cursor::new(bytes)));
            return Ok(());
        }
        let decoded = try_decode(request_for(compression, "a: int"), Box::new(Cursor::new(bytes)));
        if let Ok(decoded) = decoded {
            // Deflate gives out what it decoded before its checksum says no: rows behind the flip may be wrong.
            let [truncated, corrupt] = reasons(compression);
            let told = decoded.rejects.iter().any(|reject| reject.reason == truncated || reject.reason == corrupt);
            let same = decoded.rows.len() == 3000 && decoded.rejects.is_empty();
            // Hadoop's format has no checksum.
            prop_assert!(told || same || compression == Compression::HadoopSnappy, "{:?}", decoded.rejected());
        }
    }
}
