//! Files that would make a format's library overflow its stack, which ends the process and not only the test: they end
//! in an error.

use std::io::Cursor;

use millpond_core::format::{DecodeRequest, Format};
use millpond_core::{Error, Kind};

use super::columnar::avro_file;
use super::{request, try_decode};

/// A number of seven bits a byte, the lowest first, as protocol buffers and Thrift write it.
fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn error_of(request: DecodeRequest, bytes: &[u8]) -> Error {
    match try_decode(request, Box::new(Cursor::new(bytes.to_vec()))) {
        Ok(decoded) => panic!("the file decodes: {:?}", decoded.rejects),
        Err(error) => error,
    }
}

fn with_depth(format: Format, depth_max: usize) -> DecodeRequest {
    let mut request = request(format, Vec::new());
    request.limits.depth_max = depth_max;
    request
}

/// A field of bytes of a protocol buffer.
fn field(id: u8, bytes: &[u8]) -> Vec<u8> {
    [&[id << 3 | 2][..], &number(bytes.len() as u64), bytes].concat()
}

/// An ORC file without rows, of which each type holds the next one, and the last one of them this.
fn orc_of_types(count: u64, last: Option<u64>) -> Vec<u8> {
    let kind = |index: u64| {
        let held = if index + 1 < count { Some(index + 1) } else { last };
        match held {
            // A struct with one member.
            Some(held) => [&[0x08, 12][..], &field(2, &number(held)), &field(3, b"x")].concat(),
            // A number.
            None => vec![0x08, 3],
        }
    };
    let footer: Vec<u8> = (0..count).flat_map(|index| field(4, &kind(index))).collect();
    // Bytes of the footer; no compression; bytes of the metadata; `ORC` as field 8000.
    let mut postscript = [&[0x08][..], &number(footer.len() as u64), &[0x10, 0, 0x28, 0]].concat();
    postscript.extend([0x82, 0xf4, 0x03, 3, b'O', b'R', b'C']);
    [b"ORC", &footer[..], &postscript, &[postscript.len() as u8]].concat()
}

#[test]
fn orc_types_that_nest_for_ever_are_refused() {
    for last in [0, 1 << 32] {
        let error = error_of(request(Format::Orc, Vec::new()), &orc_of_types(3, Some(last)));
        assert_eq!(error.kind(), Kind::BadInput);
    }
    let error = error_of(with_depth(Format::Orc, 20), &orc_of_types(100_000, None));
    assert_eq!(error.kind(), Kind::TooBig);
    assert_eq!(error.to_string(), "the file's types are nested more than 20 deep");
    assert_eq!(error.hint_text(), Some("raise `depth` under `[limits]` in source.toml"));
}

#[test]
fn orc_types_may_be_nested_as_deep_as_the_limit_says() {
    for (depth_max, count) in [(20, 21), (usize::MAX, 201)] {
        let decoded = try_decode(with_depth(Format::Orc, depth_max), Box::new(Cursor::new(orc_of_types(count, None))));
        assert_eq!(decoded.expect("within the limit").rows.len(), 0);
        let error = error_of(with_depth(Format::Orc, depth_max), &orc_of_types(count + 1, None));
        assert_eq!(error.kind(), Kind::TooBig);
    }
}

/// A Parquet file without rows, whose schema is this many groups in each other and a column.
fn parquet_of_groups(count: u64) -> Vec<u8> {
    // Optional, its name, its children.
    let group = [0x35, 2, 0x18, 1, b'g', 0x15, 2, 0];
    let column = [0x15, 2, 0x25, 2, 0x18, 1, b'c', 0];
    // The version, the schema, the number of rows, no row groups.
    let start = [&[0x15, 2, 0x19, 0xfc][..], &number(count + 1)].concat();
    let footer = [&start[..], &group.repeat(count as usize)[..], &column, &[0x16, 0, 0x19, 0x0c, 0]].concat();
    [b"PAR1", &footer[..], &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

#[test]
fn parquet_groups_that_nest_too_deep_are_refused() {
    let error = error_of(with_depth(Format::Parquet, 20), &parquet_of_groups(50_000));
    assert_eq!(error.kind(), Kind::TooBig);
    assert_eq!(error.to_string(), "the file's schema is nested more than 20 deep");
    assert_eq!(error.hint_text(), Some("raise `depth` under `[limits]` in source.toml"));
}

#[test]
fn parquet_groups_may_be_nested_as_deep_as_the_limit_says() {
    for (depth_max, count) in [(20, 20), (usize::MAX, 256)] {
        let file = Box::new(Cursor::new(parquet_of_groups(count)));
        let decoded = try_decode(with_depth(Format::Parquet, depth_max), file).expect("within the limit");
        assert_eq!(decoded.rows.len(), 0);
        let error = error_of(with_depth(Format::Parquet, depth_max), &parquet_of_groups(count + 1));
        assert_eq!(error.kind(), Kind::TooBig);
    }
}

fn avro_of(fields: &[String]) -> Vec<u8> {
    avro_file(&format!(r#"{{"type":"record","name":"r","fields":[{}]}}"#, fields.join(",")), 0, b"")
}

/// An Avro file whose types each hold the one before, by its name, once or more.
fn avro_of_names(count: usize, each: usize) -> Vec<u8> {
    let field = |index: usize| {
        let kind = if index == 0 { "int".to_owned() } else { format!("r{}", index - 1) };
        let inner: Vec<String> = (0..each).map(|place| format!(r#"{{"name":"f{place}","type":"{kind}"}}"#)).collect();
        let inner = inner.join(",");
        format!(r#"{{"name":"f{index}","type":{{"type":"record","name":"r{index}","fields":[{inner}]}}}}"#)
    };
    avro_of(&(0..count).map(field).collect::<Vec<_>>())
}

#[test]
fn avro_names_of_too_much_are_refused() {
    let error = error_of(with_depth(Format::Avro, 20), &avro_of_names(10_000, 1));
    assert_eq!(error.kind(), Kind::TooBig);
    assert_eq!(error.to_string(), "the file's schema is nested more than 20 deep");
    assert_eq!(error.hint_text(), Some("raise `depth` under `[limits]` in source.toml"));
    let error = error_of(with_depth(Format::Avro, 50), &avro_of_names(40, 2));
    assert_eq!(error.kind(), Kind::TooBig);
}

#[test]
fn avro_types_may_be_nested_as_deep_as_the_limit_says() {
    for (depth_max, count) in [(20, 19), (usize::MAX, 63)] {
        let file = Box::new(Cursor::new(avro_of_names(count, 1)));
        let decoded = try_decode(with_depth(Format::Avro, depth_max), file).expect("within the limit");
        assert_eq!(decoded.rows.len(), 0);
        let error = error_of(with_depth(Format::Avro, depth_max), &avro_of_names(count + 1, 1));
        assert_eq!(error.kind(), Kind::TooBig);
    }
}

#[test]
fn avro_records_of_themselves_and_deep_json_are_refused() {
    let itself = r#"{"name":"next","type":["null","r"]}"#.to_owned();
    assert_eq!(error_of(request(Format::Avro, Vec::new()), &avro_of(&[itself])).kind(), Kind::BadInput);
    for (open, close) in [(r#"{"type":"array","items":"#, "}"), (r#"{"type":"#, "}"), ("[", "]")] {
        for count in [100, 100_000] {
            let kind = format!(r#"{}"int"{}"#, open.repeat(count), close.repeat(count));
            let field = format!(r#"{{"name":"a","type":{kind}}}"#);
            let error = error_of(request(Format::Avro, Vec::new()), &avro_of(&[field]));
            assert!(matches!(error.kind(), Kind::BadInput | Kind::TooBig), "{open} {count}: {error:?}");
        }
    }
}
