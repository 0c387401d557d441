//! Sampling: the first records of any file, or a reason.

use std::io::{Cursor, Write};

use millpond_core::Kind;
use millpond_decode::sample::{Asked, Sample, sample};
use proptest::prelude::*;

fn sampled(bytes: &[u8]) -> millpond_core::Result<Sample> {
    sample(Box::new(Cursor::new(bytes.to_vec())), "x", &Asked::first(200))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("written");
    encoder.finish().expect("packed")
}

fn names(sample: &Sample, record: usize) -> Vec<&str> {
    let mut names: Vec<&str> = sample.records[record].fields.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn records_come_with_fields_and_text() {
    let found = sampled(&gzip(b"{\"a\":{\"b\":1}}\n{\"a\":null}\nnot JSON\n")).expect("records");
    assert_eq!((found.format, found.compression.as_str(), found.is_whole), ("json", "gzip", true));
    assert_eq!(found.records.len(), 3);
    assert_eq!((names(&found, 0), names(&found, 1), names(&found, 2)), (vec!["a"], vec!["a"], vec![]));
    assert_eq!(found.records[0].raw, "{\"a\":{\"b\":1}}");
    assert_eq!(found.records[2].raw, "not JSON");
}

#[test]
fn a_header_gives_every_record_its_fields() {
    let found = sampled(b"name,age,city\nann,,x\nbob,30,\ncid,31,y\n").expect("records");
    assert_eq!(found.format, "csv");
    assert_eq!(names(&found, 0), ["age", "city", "name"]);
    assert!(found.records[0].fields["age"].is_null());
    let zeek = b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tx\n\
                 #fields\tts\tuid\tnote\n#types\ttime\tstring\tstring\n1.0\ta\t-\n";
    assert_eq!(names(&sampled(zeek).expect("records"), 0), ["note", "ts", "uid"]);
}

#[test]
fn the_first_records_are_enough() {
    let text: String = (0..5_000).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    let found = sampled(text.as_bytes()).expect("records");
    assert_eq!((found.records.len(), found.is_whole), (200, false));
    assert_eq!(found.records[199].fields["n"], 199);
}

#[test]
fn damage_costs_what_lies_behind_it() {
    let text: String = (0..50_000).map(|n| format!("{{\"n\":{}}}\n", n * 7919 % 1_000_003)).collect();
    let packed = gzip(text.as_bytes());
    let found = sampled(&packed[..packed.len() / 2]).expect("records");
    assert_eq!(found.records.len(), 200);
    let found = sampled(&gzip(b"{\"n\":1}\n{\"n\":2}\n")[..24]);
    assert!(found.is_ok_and(|found| found.records.len() <= 2));
}

#[test]
fn what_has_no_records_says_so() {
    assert_eq!(sampled(b"").expect("empty").format, "empty");
    for bytes in [b"SQLite format 3\0rest".as_slice(), b"Rar!\x1a\x07\x01\x00rest", b"\x7fELF\x02\x01\x01\0\0\0\0"] {
        let error = sampled(bytes).expect_err("no reader");
        assert_eq!(error.kind(), Kind::BadInput, "{error:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), start in 0usize..6) {
        let starts = [&b""[..], b"{", b"#separator \\x09\n", b"PK\x03\x04", b"\x1f\x8b\x08\0", b"ElfFile\0"];
        let found = sampled(&[starts[start], &bytes].concat());
        prop_assert!(found.map_or(0, |found| found.records.len()) <= 200);
    }
}
