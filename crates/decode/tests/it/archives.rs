//! Archives: members of every kind, nested ones, damaged ones, hostile ones.

use std::io::{Cursor, Read};
use std::path::Path;

use millpond_core::Kind;
use millpond_core::columns::SystemColumn;
use millpond_core::format::{Compression, DecodeLimits, DecodeRequest};
use proptest::prelude::*;

use super::compressions::pack;
use super::{Decoded, auto, decode, try_decode, with_system};

const FILE: &str = "s3://logs/a.json";

fn line(number: usize) -> Vec<u8> {
    format!("{{\"a\":{number}}}\n").into_bytes()
}

// Writers.

/// One header and the bytes behind it.
fn tar_member(name: &[u8], kind: u8, body: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", body.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    with_sum(&mut header);
    let padding = body.len().next_multiple_of(512) - body.len();
    [&header[..], body, &vec![0; padding]].concat()
}

fn with_sum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u64 = header[..512].iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out: Vec<u8> = members.iter().flat_map(|(name, body)| tar_member(name.as_bytes(), b'0', body)).collect();
    out.extend([0; 1024]);
    out
}

/// A member of a zip.
#[derive(Clone)]
struct Zipped<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    packed: Vec<u8>,
    crc: u32,
    bytes: u64,
    /// Sizes in the ZIP64 field.
    is_wide: bool,
    /// Sizes behind the bytes.
    is_streamed: bool,
}

impl<'a> Zipped<'a> {
    fn new(name: &'a str, method: u16, plain: &[u8]) -> Self {
        let packed = match method {
            8 => {
                let zlib = pack(Compression::Zlib, plain);
                zlib[2..zlib.len() - 4].to_vec()
            }
            12 => pack(Compression::Bzip2, plain),
            93 => pack(Compression::Zstd, plain),
            95 => pack(Compression::Xz, plain),
            _ => plain.to_vec(),
        };
        let mut crc = flate2::Crc::new();
        crc.update(plain);
        let bytes = plain.len() as u64;
        Self {
            name: name.as_bytes(),
            flags: 0,
            method,
            packed,
            crc: crc.sum(),
            bytes,
            is_wide: false,
            is_streamed: false,
        }
    }

    fn streamed(self) -> Self {
        Self { is_streamed: true, ..self }
    }

    fn wide(self) -> Self {
        Self { is_wide: true, ..self }
    }

    fn sizes(&self, out: &mut Vec<u8>, crc: u32, packed: u64, bytes: u64) {
        out.extend(crc.to_le_bytes());
        for size in [packed, bytes] {
            out.extend(if self.is_wide { u32::MAX } else { size as u32 }.to_le_bytes());
        }
    }

    fn extra(&self, packed: u64, bytes: u64, offset: Option<u64>) -> Vec<u8> {
        if !self.is_wide {
            return Vec::new();
        }
        let numbers: Vec<u8> =
            [Some(bytes), Some(packed), offset].into_iter().flatten().flat_map(u64::to_le_bytes).collect();
        [&1_u16.to_le_bytes()[..], &(numbers.len() as u16).to_le_bytes(), &numbers].concat()
    }

    fn local(&self) -> Vec<u8> {
        let (crc, packed, bytes) =
            if self.is_streamed { (0, 0, 0) } else { (self.crc, self.packed.len() as u64, self.bytes) };
        let flags = self.flags | if self.is_streamed { 8 } else { 0 };
        let extra = self.extra(packed, bytes, None);
        let mut out = b"PK\x03\x04\x14\0".to_vec();
        out.extend([flags, self.method, 0, 0].map(u16::to_le_bytes).concat());
        self.sizes(&mut out, crc, packed, bytes);
        out.extend([self.name.len() as u16, extra.len() as u16].map(u16::to_le_bytes).concat());
        out.extend(self.name);
        out.extend(extra);
        out.extend(&self.packed);
        if self.is_streamed {
            out.extend(b"PK\x07\x08");
            out.extend(self.crc.to_le_bytes());
            let sizes = [self.packed.len() as u64, self.bytes];
            match self.is_wide {
                true => out.extend(sizes.map(u64::to_le_bytes).concat()),
                false => out.extend(sizes.map(|size| (size as u32).to_le_bytes()).concat()),
            }
        }
        out
    }

    fn entry(&self, offset: u64) -> Vec<u8> {
        let packed = self.packed.len() as u64;
        let flags = self.flags | if self.is_streamed { 8 } else { 0 };
        let extra = self.extra(packed, self.bytes, Some(offset));
        let mut out = b"PK\x01\x02\x14\x03\x14\0".to_vec();
        out.extend([flags, self.method, 0, 0].map(u16::to_le_bytes).concat());
        self.sizes(&mut out, self.crc, packed, self.bytes);
        out.extend([self.name.len() as u16, extra.len() as u16, 0, 0, 0].map(u16::to_le_bytes).concat());
        out.extend([0; 4]);
        out.extend(if self.is_wide { u32::MAX } else { offset as u32 }.to_le_bytes());
        out.extend(self.name);
        out.extend(extra);
        out
    }
}

fn zip(members: &[Zipped<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        directory.extend(member.entry(out.len() as u64));
        out.extend(member.local());
    }
    let (start, length) = (out.len() as u64, directory.len() as u64);
    out.extend(directory);
    let is_wide = members.iter().any(|member| member.is_wide);
    if is_wide {
        let end = out.len() as u64;
        out.extend(b"PK\x06\x06");
        out.extend(44_u64.to_le_bytes());
        out.extend([45_u16, 45].map(u16::to_le_bytes).concat());
        out.extend([0; 8]);
        out.extend([members.len() as u64, members.len() as u64, length, start].map(u64::to_le_bytes).concat());
        out.extend(b"PK\x06\x07\0\0\0\0");
        out.extend(end.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
    }
    out.extend(b"PK\x05\x06\0\0\0\0");
    let count = members.len() as u16;
    out.extend([count, count].map(u16::to_le_bytes).concat());
    let (length, start) = if is_wide { (u32::MAX, u32::MAX) } else { (length as u32, start as u32) };
    out.extend([length, start].map(u32::to_le_bytes).concat());
    out.extend([0, 0]);
    out
}

fn seven_zip(members: &[(&str, &[u8])], is_solid: bool) -> Vec<u8> {
    use sevenz_rust2::{ArchiveEntry, ArchiveWriter, SourceReader};
    let mut writer = ArchiveWriter::new(Cursor::new(Vec::new())).expect("a writer");
    let options = sevenz_rust2::encoder_options::Lzma2Options::from_level(1);
    writer.set_content_methods(vec![options.into()]);
    if is_solid {
        let entries = members.iter().map(|(name, _)| ArchiveEntry::new_file(name)).collect();
        let readers = members.iter().map(|(_, body)| SourceReader::new(*body)).collect();
        writer.push_archive_entries(entries, readers).expect("memory takes it");
    } else {
        for (name, body) in members {
            writer.push_archive_entry(ArchiveEntry::new_file(name), Some(*body)).expect("memory takes it");
        }
    }
    writer.finish().expect("memory takes it").into_inner()
}

// What comes out.

fn with_file() -> DecodeRequest {
    with_system(auto("a: int"), &[SystemColumn::File])
}

/// Each row as `member:a`.
fn rows(decoded: &Decoded) -> Vec<String> {
    let short = |row: &String| {
        let (a, file) = row.split_once(",\"_file\":\"").expect(row);
        let member = file.strip_prefix(FILE).expect(row).trim_start_matches("!/").trim_end_matches("\"}");
        format!("{member}:{}", a.trim_start_matches("{\"a\":"))
    };
    decoded.rows.iter().map(short).collect()
}

/// Each reject as `member reason`.
fn told(decoded: &Decoded) -> Vec<String> {
    let member = |reject: &millpond_decode::Reject| reject.member.as_deref().unwrap_or("-").to_owned();
    decoded.rejects.iter().map(|reject| format!("{} {}", member(reject), reject.reason)).collect()
}

#[track_caller]
fn assert_members(bytes: &[u8], expected_rows: &[&str], expected_told: &[&str]) -> Decoded {
    let decoded = decode(with_file(), bytes);
    assert_eq!(rows(&decoded), expected_rows);
    assert_eq!(told(&decoded), expected_told, "{:?}", decoded.rejects);
    // The same in pieces of one byte.
    let slow = try_decode(with_file(), Box::new(Dripping(Cursor::new(bytes.to_vec())))).expect("the input decodes");
    assert_eq!((rows(&slow), told(&slow)), (rows(&decoded), told(&decoded)));
    decoded
}

struct Dripping(Cursor<Vec<u8>>);

impl Read for Dripping {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = out.len().min(1);
        self.0.read(&mut out[..length])
    }
}

fn error(request: DecodeRequest, bytes: Vec<u8>) -> millpond_core::Error {
    try_decode(request, Box::new(Cursor::new(bytes))).err().expect("an error")
}

#[track_caller]
fn assert_too_big(limits: DecodeLimits, bytes: Vec<u8>, key: &str) {
    let error = error(DecodeRequest { limits, ..with_file() }, bytes);
    assert_eq!(error.kind(), Kind::TooBig, "{error:?}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains(key)), "{error:?}");
}

#[test]
fn members_are_files_of_their_own() {
    let csv = b"a,b\n3,x\n4,y\n";
    let gz = pack(Compression::Gzip, &line(2));
    let members: [(&str, &[u8]); 3] = [("x/1.json", &line(1)), ("2.json.gz", &gz), ("3.csv", csv)];
    let expected = ["x/1.json:1", "2.json.gz:2", "3.csv:3", "3.csv:4"];
    for (name, bytes) in [
        ("tar", tar(&members)),
        ("zip", zip(&members.map(|(name, body)| Zipped::new(name, 8, body)))),
        ("7z", seven_zip(&members, false)),
        ("7z", seven_zip(&members, true)),
    ] {
        let decoded = assert_members(&bytes, &expected, &[]);
        let summary = &decoded.summary;
        assert_eq!((summary.members, summary.format), (3, "mixed"));
        assert_eq!(summary.compression, name);
        assert_eq!(summary.decoded_bytes, 8 + 8 + 12, "{name}");
    }
}

#[test]
fn archives_nest() {
    let inner = pack(Compression::Gzip, &tar(&[("in/1.json", &line(1)), ("in/2.json", &line(2))]));
    let bytes = zip(&[
        Zipped::new("logs.tgz", 0, &inner),
        Zipped::new("3.json", 8, &line(3)),
        Zipped::new("deep.7z", 0, &seven_zip(&[("4.json", &line(4))], false)),
    ]);
    let expected = ["logs.tgz!/in/1.json:1", "logs.tgz!/in/2.json:2", "3.json:3", "deep.7z!/4.json:4"];
    let decoded = assert_members(&pack(Compression::Xz, &bytes), &expected, &[]);
    assert_eq!(decoded.summary.compression, "xz+zip+gzip+tar");
    assert_eq!(decoded.summary.members, 6);
}

#[test]
fn nesting_is_limited() {
    let mut bytes = tar(&[("1.json", &line(1))]);
    for compression in [Compression::Xz, Compression::Gzip] {
        bytes = pack(compression, &bytes);
    }
    let limits = |nesting_max| DecodeLimits { nesting_max, ..DecodeLimits::default() };
    let decoded = decode(DecodeRequest { limits: limits(3), ..with_file() }, &bytes);
    assert_eq!(rows(&decoded), ["1.json:1"]);
    assert_too_big(limits(2), bytes.clone(), "nesting");
    assert_too_big(limits(1), bytes, "nesting");
    let mut bytes = line(1);
    for _ in 0..9 {
        bytes = zip(&[Zipped::new("z", 0, &bytes)]);
    }
    assert_too_big(DecodeLimits::default(), bytes, "nesting");
}

#[test]
fn an_archive_without_files_has_no_rows() {
    let folder = tar_member(b"folder/", b'5', b"");
    for bytes in [
        vec![0; 1024],
        vec![0; 10_240],
        [folder, vec![0; 1024]].concat(),
        zip(&[]),
        zip(&[Zipped::new("folder/", 0, b"")]),
        seven_zip(&[], false),
    ] {
        assert_members(&bytes, &[], &[]);
    }
    for bytes in [tar(&[("empty", b"")]), zip(&[Zipped::new("empty", 8, b"")]), seven_zip(&[("empty", b"")], false)] {
        let decoded = assert_members(&bytes, &[], &[]);
        assert_eq!((decoded.summary.members, decoded.summary.format), (1, "empty"));
    }
}

#[test]
fn members_that_cannot_be_read_are_told() {
    let mut encrypted = Zipped::new("secret.json", 8, &line(1));
    encrypted.flags = 1;
    let bytes = zip(&[
        encrypted,
        Zipped::new("picture.png", 8, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
        Zipped::new("deflate64.json", 9, &line(1)),
        Zipped::new("lzma.json", 14, &line(1)),
        Zipped::new("odd.json", 77, &line(1)),
        Zipped::new("__MACOSX/._2.json", 8, b"\0\x05\x16\x07\0\x02\0\0Mac OS X"),
        Zipped::new("2.json", 8, &line(2)),
    ]);
    let unreadable = ["secret.json", "picture.png", "deflate64.json", "lzma.json", "odd.json", "__MACOSX/._2.json"]
        .map(|name| format!("{name} unreadable_member"));
    let decoded = assert_members(&bytes, &["2.json:2"], &unreadable.each_ref().map(String::as_str));
    assert_eq!(decoded.rejects[0].detail, "the member is encrypted");
    assert_eq!(decoded.summary.members, 7);
}

#[test]
fn ten_thousand_members_are_read() {
    let names: Vec<String> = (0..10_000).map(|number| format!("{number}.json")).collect();
    let bodies: Vec<Vec<u8>> = (0..10_000).map(line).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(bodies.iter().map(Vec::as_slice)).collect();
    let zipped: Vec<Zipped<'_>> = members.iter().map(|(name, body)| Zipped::new(name, 0, body)).collect();
    for bytes in [tar(&members), zip(&zipped), seven_zip(&members, true)] {
        let decoded = decode(with_file(), &bytes);
        assert_eq!((decoded.rows.len(), decoded.rejects.len(), decoded.summary.members), (10_000, 0, 10_000));
        assert_eq!(rows(&decoded)[9_999], "9999.json:9999");
        let limits = DecodeLimits { members_max: 9_999, ..DecodeLimits::default() };
        assert_too_big(limits, bytes, "members");
    }
}

#[test]
fn tars_have_names_of_every_kind() {
    let long = format!("{}/1.json", "x".repeat(300));
    let mut prefixed = tar_member(b"2.json", b'0', &line(2));
    prefixed[345..350].copy_from_slice(b"a/b/c");
    with_sum(&mut prefixed);
    let mut old = tar_member(b"3.json", 0, &line(3));
    old[257..265].fill(0);
    with_sum(&mut old);
    let mut wide = tar_member(b"4.json", b'7', &line(4));
    wide[124..136].copy_from_slice(b"\x80\0\0\0\0\0\0\0\0\0\0\x08");
    with_sum(&mut wide);
    let mut sized = tar_member(b"short", b'0', &line(5));
    sized[124..136].copy_from_slice(b"00000000000\0");
    with_sum(&mut sized);
    let bytes = [
        tar_member(b"././@LongLink", b'K', b"target\0"),
        tar_member(b"././@LongLink", b'L', format!("{long}\0").as_bytes()),
        tar_member(b"xxx", b'0', &line(1)),
        tar_member(b"link", b'2', b""),
        tar_member(b"hard", b'1', b""),
        prefixed,
        old.clone(),
        wide,
        tar_member(b"PaxHeaders/5", b'x', "18 path=p\u{e4}x.json\n9 size=8\n".as_bytes()),
        sized,
        tar_member(b"6.json", b'0', &line(6)),
        vec![0; 1024],
    ]
    .concat();
    let expected = [&format!("{long}:1"), "a/b/c/2.json:2", "3.json:3", "4.json:4", "p\u{e4}x.json:5", "6.json:6"];
    assert_members(&bytes, &expected, &[]);
    // Without a magic in the first header.
    assert_members(&[old, vec![0; 1024]].concat(), &["3.json:3"], &[]);
}

#[test]
fn sparse_members_of_tars_are_refused() {
    let mut sparse = tar_member(b"sparse", b'S', &line(1));
    sparse[482] = 1;
    with_sum(&mut sparse);
    let map = [0; 512];
    let sparse = [&sparse[..512], &map, &sparse[512..]].concat();
    let bytes = [
        sparse,
        tar_member(b"x", b'x', b"22 GNU.sparse.major=1\n25 GNU.sparse.name=other\n"),
        tar_member(b"y", b'0', &line(2)),
        tar_member(b"z", b'M', &line(3)),
        tar(&[("4.json", &line(4))]),
    ]
    .concat();
    let told = ["sparse unreadable_member", "other unreadable_member", "z unreadable_member"];
    assert_members(&bytes, &["4.json:4"], &told);
}

#[test]
fn tars_follow_one_another() {
    let bytes = [tar(&[("1.json", &line(1))]), vec![0; 8192], tar(&[("2.json", &line(2))])].concat();
    assert_members(&bytes, &["1.json:1", "2.json:2"], &[]);
    let stray = [tar(&[("1.json", &line(1))]), b"x".repeat(600)].concat();
    assert_members(&stray, &["1.json:1"], &["- stray_bytes"]);
}

#[test]
fn damaged_tars_keep_what_was_before() {
    let mut bytes = tar(&[("1.json", &line(1)), ("2.json", &line(2)), ("3.json", &line(3))]);
    bytes[2048] ^= 1;
    assert_members(&bytes, &["1.json:1", "2.json:2"], &["- corrupt_tar"]);
    let bytes = tar(&[("1.json", &line(1)), ("2.json", &line(2))]);
    assert_members(&bytes[..2048], &["1.json:1", "2.json:2"], &["- truncated_tar"]);
    assert_members(&bytes[..1540], &["1.json:1"], &["2.json truncated_record", "2.json truncated_tar"]);
}

#[test]
fn zips_have_members_of_every_kind() {
    let mut named = Zipped::new("", 8, &line(6));
    named.name = b"\x84.json";
    let members = [
        Zipped::new("stored", 0, &line(1)),
        Zipped::new("deflated", 8, &line(2)).streamed(),
        Zipped::new("bzip2", 12, &line(3)),
        Zipped::new("zstd", 93, &line(4)).wide(),
        Zipped::new("xz", 95, &line(5)).wide().streamed(),
        named,
    ];
    let expected = ["stored:1", "deflated:2", "bzip2:3", "zstd:4", "xz:5", "\u{e4}.json:6"];
    let bytes = zip(&members);
    assert_members(&bytes, &expected, &[]);
    let commented = {
        let mut bytes = bytes.clone();
        let length = bytes.len();
        bytes[length - 2..].copy_from_slice(&22_u16.to_le_bytes());
        [bytes, b"PK\x05\x06 is in the comment".to_vec()[..22].to_vec()].concat()
    };
    assert_members(&commented, &expected, &[]);
    let mut stray = bytes.clone();
    stray.extend(b"stray");
    let decoded = assert_members(&stray, &expected, &["- stray_bytes"]);
    assert_eq!(decoded.rejects[0].raw, b"stray");
    // Without its directory.
    let headers: Vec<u8> = members.iter().flat_map(Zipped::local).collect();
    assert_members(&headers, &expected, &["- truncated_zip"]);
    // With a broken one.
    let mut broken = bytes.clone();
    broken[headers.len()] ^= 1;
    assert_members(&broken, &expected, &["- corrupt_zip"]);
}

#[test]
fn wrong_checksums_are_told() {
    let mut bytes = zip(&[Zipped::new("1.json", 0, &line(1)), Zipped::new("2.json", 0, &line(2))]);
    let at = bytes.windows(7).position(|window| window == b"{\"a\":1}").expect("the record");
    bytes[at + 5] = b'9';
    assert_members(&bytes, &["1.json:9", "2.json:2"], &["1.json corrupt_zip"]);
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![b' '; 65 << 20];
    let limits = DecodeLimits { ratio_max: 100, ..DecodeLimits::default() };
    let one = Zipped::new("bomb", 8, &zeros);
    assert_too_big(limits, zip(std::slice::from_ref(&one)), "ratio");
    assert_too_big(limits, pack(Compression::Gzip, &tar(&[("bomb", &zeros)])), "ratio");
    let seven_zip = seven_zip(&[("bomb", &zeros)], false);
    assert_too_big(limits, seven_zip.clone(), "ratio");
    let limits = DecodeLimits { decompressed_bytes_max: 1 << 20, ..DecodeLimits::default() };
    assert_too_big(limits, seven_zip, "decompressed_bytes");
    // Members that share their bytes.
    let local = one.local();
    let count = 30_000;
    let directory = one.entry(0).repeat(count);
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend([count as u16, count as u16].map(u16::to_le_bytes).concat());
    end.extend([directory.len() as u32, local.len() as u32].map(u32::to_le_bytes).concat());
    end.extend([0, 0]);
    let limits = DecodeLimits { decompressed_bytes_max: 200 << 20, ..DecodeLimits::default() };
    assert_too_big(limits, [local, directory, end].concat(), "decompressed_bytes");
}

#[test]
fn large_dictionaries_of_7z_are_refused() {
    let bytes = seven_zip(&[("1.json", &line(1))], false);
    assert_too_big(DecodeLimits { window_bytes_max: 1 << 10, ..DecodeLimits::default() }, bytes, "window_bytes");
}

#[test]
fn a_7z_that_is_cut_is_bad_input() {
    let bytes = seven_zip(&[("1.json", &line(1))], false);
    for cut in 6..bytes.len() {
        assert_eq!(error(with_file(), bytes[..cut].to_vec()).kind(), Kind::BadInput, "{cut}");
    }
}

#[test]
fn a_broken_block_of_a_7z_costs_its_members() {
    let text: Vec<u8> = (0..5000).flat_map(line).collect();
    let members: [(&str, &[u8]); 3] = [("1", &line(1)), ("2", &text), ("3", &line(3))];
    let mut bytes = seven_zip(&members, false);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    let decoded = decode(with_file(), &bytes);
    let rows = rows(&decoded);
    assert_eq!((rows.first().map(String::as_str), rows.last().map(String::as_str)), (Some("1:1"), Some("3:3")));
    assert!(
        told(&decoded).iter().any(|told| told == "2 corrupt_7z" || told == "2 unreadable_member"),
        "{:?}",
        told(&decoded)
    );
}

/// A tar and a zip with the same three members.
fn small_archives() -> [Vec<u8>; 3] {
    let text: Vec<u8> = (0..20).flat_map(|_| line(2)).collect();
    let members: [(&str, &[u8]); 3] = [("1.json", &line(1)), ("2.json", &text), ("3.json", &line(3))];
    let zipped = members.map(|(name, body)| Zipped::new(name, 8, body));
    [tar(&members), zip(&zipped), zip(&zipped.map(Zipped::streamed))]
}

#[test]
fn archives_may_be_cut_at_every_byte() {
    for bytes in small_archives() {
        let whole = rows(&decode(with_file(), &bytes));
        for cut in 512.min(bytes.len() / 8)..bytes.len() {
            let decoded = match try_decode(with_file(), Box::new(Cursor::new(bytes[..cut].to_vec()))) {
                Ok(decoded) => decoded,
                // Cut inside the header of its first member.
                Err(error) => {
                    assert!(error.kind() == Kind::BadInput && cut < 512, "{cut}: {error:?}");
                    continue;
                }
            };
            let rows = rows(&decoded);
            assert!(whole.starts_with(&rows), "{cut}: {rows:?}");
            // All that can miss without a word is the second block of zeros.
            assert!(rows.len() == whole.len() || !decoded.rejects.is_empty(), "{cut}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_harm_no_member_before_them(which in 0..3_usize, at in 0.0..1.0, bit in 0..8_u8) {
        let mut bytes = small_archives()[which].clone();
        let at = (at * bytes.len() as f64) as usize;
        bytes[at] ^= 1 << bit;
        let second = if which == 0 { 1024 } else { 70 };
        if let Ok(decoded) = try_decode(with_file(), Box::new(Cursor::new(bytes))) {
            let names = rows(&decoded);
            // The directory of a zip is behind all members, and what it says of them counts.
            if at >= second && (which == 0 || at < 130) {
                prop_assert_eq!(names.first().map(String::as_str), Some("1.json:1"));
            }
        }
    }

    #[test]
    fn flipped_bits_of_a_7z_do_not_panic(flips in proptest::collection::vec((0.0..1.0, 0..8_u8), 1..4), solid: bool) {
        let text: Vec<u8> = (0..200).flat_map(line).collect();
        let mut bytes = seven_zip(&[("1.json", &line(1)), ("2.json", &text)], solid);
        for (at, bit) in flips {
            let at = (at * bytes.len() as f64) as usize;
            bytes[at] ^= 1 << bit;
        }
        let _ = try_decode(with_file(), Box::new(Cursor::new(bytes)));
    }
}

#[test]
fn real_zips_have_the_records_of_the_manifest() {
    let samples = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples"));
    let Ok(manifest) = std::fs::read_to_string(samples.join("MANIFEST.tsv")) else {
        eprintln!("skipped: there are no samples in {}", samples.display());
        return;
    };
    for line in manifest.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        if cells[3] != "zip" {
            continue;
        }
        let bytes = std::fs::read(samples.join(cells[0])).expect("a sample");
        let decoded = decode(auto("EventID: int"), &bytes);
        assert_eq!(decoded.summary.records.to_string(), cells[6], "{}", cells[0]);
        assert_eq!(decoded.summary.decoded_bytes.to_string(), cells[5], "{}", cells[0]);
        assert!(decoded.rejects.is_empty(), "{}: {:?}", cells[0], decoded.rejects.first());
    }
}
