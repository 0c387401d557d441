//! Broken records: what is good stays, what is bad is told, with its bytes.

use millpond_core::Kind;
use millpond_core::format::{DecodeLimits, DecodeRequest, Format};

use super::{Decoded, assert_decoded, auto, columns, decode, request, try_decode};

fn limited(text: &str, limits: DecodeLimits) -> DecodeRequest {
    DecodeRequest { limits, ..auto(text) }
}

fn a(decoded: &Decoded) -> Vec<&str> {
    decoded.rows.iter().map(String::as_str).collect()
}

#[test]
fn a_bad_line_costs_a_line() {
    let text =
        "{\"a\":1}\n{\"a\":\nnot json\n{\"a\":2,}\n[1]\n\"x\"\n{\"a\":3} trailing\n{\"a\":tru}\n{\"a\":4}\n{\"a\":5";
    let decoded = decode(auto("a: int"), text.as_bytes());
    let rejects = [
        "1 bad_json: {\"a\":",
        "2 bad_json: not json",
        "3 bad_json: {\"a\":2,}",
        "4 not_an_object: [1]",
        "5 not_an_object: \"x\"",
        "6 bad_json: {\"a\":3} trailing",
        "7 bad_json: {\"a\":tru}",
        "9 bad_json: {\"a\":5",
    ];
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":4}"#], &rejects);
}

#[test]
fn lines_whose_first_is_bad_are_still_lines() {
    for first in ["garbage", "{\"a\":", "{bad}"] {
        let text = format!("{first}\n{{\"a\":1}}\n{{\"a\":2}}\n");
        let json = request(Format::Json { records: Vec::new() }, columns("a: int"));
        let decoded = decode(json, text.as_bytes());
        assert_eq!(a(&decoded), [r#"{"a":1}"#, r#"{"a":2}"#], "{first}");
        assert_eq!(decoded.rejected(), [format!("0 bad_json: {first}")]);
    }
}

#[test]
fn documents_go_on_behind_a_bad_one() {
    let text = "{\n \"a\": 1\n}\n{\n \"a\": tru\n}\n{\n \"a\": \"x\n}\n{\n \"a\": 2\n}\n";
    let decoded = decode(auto("a: int"), text.as_bytes());
    let rejects = ["1 bad_json: {\n \"a\": tru\n}", "2 bad_json: {\n \"a\": \"x\n}"];
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":2}"#], &rejects);
}

#[test]
fn items_go_on_behind_a_bad_one() {
    let text = r#"{"Records":[{"a":1},{"a":tru},7,"x",[{"a":0}],{"a":2,"b":[}]},{"a":3}]}"#;
    let decoded = decode(auto("a: int"), text.as_bytes());
    assert_eq!(a(&decoded), [r#"{"a":1}"#, r#"{"a":3}"#]);
    let rejects = [
        "1 bad_json: {\"a\":tru}",
        "2 not_an_object: 7",
        "3 not_an_object: \"x\"",
        "4 not_an_object: [{\"a\":0}]",
        "5 bad_json: {\"a\":2,\"b\":[}]},",
    ];
    assert_eq!(decoded.rejected(), rejects);
}

#[test]
fn a_cut_document_keeps_its_records() {
    let decoded = decode(auto("a: int"), br#"{"Records":[{"a":1},{"a":2},{"a":"#);
    assert_eq!(a(&decoded), [r#"{"a":1}"#, r#"{"a":2}"#]);
    assert_eq!(decoded.rejected(), ["2 truncated_record: {\"a\":", "- truncated_document: "]);

    let text = "{\"Records\":[{\"a\":1}\n{\"Records\":[{\"a\":2}]}";
    let decoded = decode(auto("a: int"), text.as_bytes());
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":2}"#], &["- truncated_document: "]);
}

#[test]
fn wrongly_closed_documents_do_not_spoil_the_next() {
    for (text, told) in [
        ("{\"Records\":[{\"a\":1}}\n{\"Records\":[{\"a\":2}]}", "- bad_json: }"),
        ("{\"Records\":[{\"a\":1}]]\n{\"Records\":[{\"a\":2}]}", "- bad_json: ]"),
    ] {
        let decoded = decode(auto("a: int"), text.as_bytes());
        assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":2}"#], &[told]);
    }
}

#[test]
fn many_broken_records_take_linear_time() {
    let text = format!("[{}", "{\"a\":1},{\"a\":tru,\"b\":{\"c\":1},".repeat(100_000));
    let decoded = decode(auto("a: int"), text.as_bytes());
    assert_eq!(decoded.rows.len(), 100_000);
    let text = "{\"a\":{[\n".repeat(100_000);
    assert_eq!(decode(auto("a: int"), text.as_bytes()).rows.len(), 0);
}

#[test]
fn text_between_documents_is_refused() {
    let decoded = decode(auto("a: int"), b"{\n\"a\":1}\n]garbage\n42\n{\"a\":\n2}");
    let rejects = ["1 bad_json: ]garbage", "2 not_an_object: 42"];
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":2}"#], &rejects);
}

#[test]
fn long_records_are_skipped() {
    let limits = DecodeLimits { record_bytes_max: 20, ..DecodeLimits::default() };
    let long = format!("{{\"a\":9,\"b\":\"{}\"}}", "x".repeat(1 << 20));
    for text in [
        format!("{{\"a\":1}}\n{long}\n{{\"a\":2}}\n"),
        format!("[{{\"a\":1}},{long},{{\"a\":2}}]"),
        format!("{{\"Records\":[{{\"a\":1}},{long},{{\"a\":2}}]}}"),
    ] {
        let decoded = decode(limited("a: int", limits), text.as_bytes());
        assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":2}"#], &[&format!("1 record_too_long: {}", &long[..20])]);
    }
}

#[test]
fn deep_records_are_refused() {
    let limits = DecodeLimits { depth_max: 4, ..DecodeLimits::default() };
    let deep = "{\"a\":[[[[1]]]]}";
    for text in [format!("{{\"a\":[[[1]]]}}\n{deep}\n{{\"a\":2}}\n"), format!("[{{\"a\":[[[1]]]}},{deep},{{\"a\":2}}]")]
    {
        let decoded = decode(limited("a: text", limits), text.as_bytes());
        assert_decoded(&decoded, &[r#"{"a":"[[[1]]]"}"#, r#"{"a":"2"}"#], &[&format!("1 too_deep: {deep}")]);
    }
    let bomb = "[".repeat(1 << 20);
    assert_eq!(decode(auto("a: int"), bomb.as_bytes()).rows.len(), 0);
    let bomb = "{\"a\":".repeat(1 << 20);
    assert_eq!(decode(auto("a: int"), bomb.as_bytes()).rows.len(), 0);
}

#[test]
fn too_many_fields_are_too_big() {
    let limits = DecodeLimits { fields_max: 2, ..DecodeLimits::default() };
    for text in ["{\"a\":1}\n{\"b\":1,\"c\":2}\n", "a,b,c\n1,2,3\n"] {
        let request = limited("a: int", limits);
        let error = try_decode(request, Box::new(std::io::Cursor::new(text))).err().expect("too many fields");
        assert_eq!(error.kind(), Kind::TooBig, "{error:?}");
    }
}

#[test]
fn a_binary_file_where_text_is_declared_is_refused_as_a_whole() {
    let declared = request(millpond_core::format::Format::Json { records: Vec::new() }, columns("a: int"));
    let error = try_decode(declared, Box::new(&b"SQLite format 3\0\x10\0\n{\n"[..])).err().expect("an error");
    assert_eq!(error.kind(), Kind::BadInput);
    assert!(error.to_string().contains("the file is `sqlite`, and the source declares `json`"), "{error}");
    assert!(error.hint_text().is_some());
    // The bytes of a text decide nothing: a source may declare what it likes.
    let lines = request(millpond_core::format::Format::Lines { start: None }, columns("line: text"));
    assert_decoded(&decode(lines, b"{\"a\":1}"), &[r#"{"line":"{\"a\":1}"}"#], &[]);
}
