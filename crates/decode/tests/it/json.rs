//! JSON in all its shapes and types.

use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{Drift, Format};

use super::{assert_decoded, auto, columns, decode, request, with_system};

fn under(path: &[&str]) -> Format {
    let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
    Format::Json { records: vec![path].into_iter().filter(|path| !path.is_empty()).collect() }
}

#[test]
fn shapes_of_the_same_records() {
    let rows = [r#"{"a":1,"b":"x"}"#, r#"{"a":2,"b":null}"#];
    for text in [
        "{\"a\":1,\"b\":\"x\"}\n{\"a\":2}\n",
        "{\"a\":1,\"b\":\"x\"}\r\n\r\n{\"a\":2}",
        "{\"a\":1,\"b\":\"x\"}\r{\"a\":2}\r",
        "\u{feff}{\"a\":1,\"b\":\"x\"}\n{\"a\":2}\n",
        "{\"a\":1,\"b\":\"x\"} {\"a\":2}",
        "{\"a\":1,\"b\":\"x\"}{\"a\":2}\n",
        "[{\"a\":1,\"b\":\"x\"},{\"a\":2}]",
        "\n [\n  {\"a\":1,\"b\":\"x\"},\n  {\"a\":2}\n]\n",
        "{\n  \"a\": 1,\n  \"b\": \"x\"\n}\n{\n  \"a\": 2\n}\n",
        "{\"Records\":[{\"a\":1,\"b\":\"x\"},{\"a\":2}]}",
        "{\"Records\": [\n {\"a\":1,\"b\":\"x\"},\n {\"a\":2}],\n \"next\": {\"x\": [1, \"]}\"]}}\n",
        "{\"Records\":[{\"a\":1,\"b\":\"x\"}]}\n{\"Records\":[{\"a\":2}]}\n",
        "{\"value\":[{\"b\":\"x\",\"a\":1},{\"a\":2,\"c\":[]}],\"more\":null}",
        "[{\"a\":1,\"b\":\"x\"}]\n[{\"a\":2}]\n",
    ] {
        let decoded = decode(auto("a: int; b: text"), text.as_bytes());
        assert_eq!(decoded.rows, rows, "{text}");
        assert_eq!(decoded.rejected(), [""; 0], "{text}");
    }
}

#[test]
fn records_under_a_path() {
    let rows = [r#"{"a":1}"#, r#"{"a":2}"#];
    for (path, text) in [
        (vec!["x", "y"], r#"{"n":[1,2],"x":{"z":"}","y":[{"a":1},{"a":2}],"w":1}}"#),
        (vec!["x", "y"], r#"{"x":[{"y":[{"a":1}]},{"y":{"a":2}}]}"#),
        (vec!["x"], "[{\"x\":[{\"a\":1}]},{\"x\":[{\"a\":2}]}]"),
        (vec!["x"], "{\"\\u0078\":[{\"a\":1}]}\n{\"x\":null}\n{\"x\":[]}\n{}\n{\"x\":[{\"a\":2}]}"),
    ] {
        let decoded = decode(request(under(&path), columns("a: int")), text.as_bytes());
        assert_eq!(decoded.rows, rows, "{text}");
        assert_eq!(decoded.rejected(), [""; 0], "{text}");
    }
}

fn under_all(paths: &[&str]) -> Format {
    Format::Json { records: paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect() }
}

#[test]
fn a_document_without_the_path_is_a_record() {
    for text in [
        "{\"a\":1,\"b\":{\"c\":2}}\n{\"Records\":[{\"a\":2}]}",
        "[{\"a\":1,\"Records\":7},{\"Records\":[{\"a\":2}]}]",
        "{\"Records\":[]}{\"a\":1}{}{\"x\":[{\"a\":3}],\"Records\":[{\"a\":2}],\"y\":[]}",
        "{\"a\":1}\r{\"a\":2}",
    ] {
        let decoded = decode(request(under(&["Records"]), columns("a: int")), text.as_bytes());
        assert_eq!(decoded.rows, [r#"{"a":1}"#, r#"{"a":2}"#], "{text}");
        assert_eq!(decoded.rejected(), [""; 0], "{text}");
    }
}

#[test]
fn a_broken_document_is_told_where_records_are_wrapped() {
    let text = "{\"a\":1}\n{\"a\":tru}\n{\"Records\":[{\"a\":2}]}\n{\"a\":";
    let decoded = decode(request(under(&["Records"]), columns("a: int")), text.as_bytes());
    let rejects = ["1 bad_json: {\"a\":tru}", "3 truncated_record: {\"a\":"];
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":2}"#], &rejects);
}

#[test]
fn a_wrapper_that_leads_nowhere_is_told() {
    let text = "{\"x\":{\"a\":1}}\n{\"x\":{\"y\":[{\"a\":2}]}}";
    let decoded = decode(request(under(&["x", "y"]), columns("a: int")), text.as_bytes());
    assert_decoded(&decoded, &[r#"{"a":2}"#], &[r#"- no_records: {"a":1}"#]);
}

#[test]
fn records_under_several_paths_come_in_order() {
    let text = r#"{"detail":{"n":0,"items":[{"a":1}]},"Records":[{"a":2}],"x":[{"a":9}]}{"Records":[{"a":3}]}{"a":4}
        {"detail":{"items":{"a":5},"more":[{"a":6}]}}"#;
    let paths = under_all(&["Records", "detail.items", "detail.more", "Records.deeper"]);
    let decoded = decode(request(paths, columns("a: int")), text.as_bytes());
    let rows: Vec<String> = (1..=6).map(|a| format!("{{\"a\":{a}}}")).collect();
    assert_eq!(decoded.rows, rows);
    assert_eq!(decoded.rejected(), [""; 0]);
}

#[test]
fn records_stand_in_text() {
    let envelope = |texts: &[&str]| {
        let items: Vec<_> = texts.iter().map(|text| serde_json::json!({"id": "7", "message": text, "at": 1})).collect();
        serde_json::json!({"messageType": "DATA_MESSAGE", "logEvents": items}).to_string()
    };
    let text = [
        envelope(&["{\"a\":1,\"b\":\"\\\"x\\\"\"}", " {\"a\":2} "]),
        r#"{"a":3}{"logEvents":{"message":"{\u0022a\":4}"}}{"detail":"{}"}{"detail":"{\"a\":5}"}{"a":6,"detail":"x"}"#
            .to_owned(),
        envelope(&["no record", "{\"a\":7}", "{\"a\":8} {}", "{\"a\":", "[]"]),
    ];
    let paths = under_all(&["logEvents.message", "detail"]);
    let decoded = decode(request(paths, columns("a: int; b: text")), text.concat().as_bytes());
    let rows = [
        r#"{"a":1,"b":"\"x\""}"#,
        r#"{"a":2,"b":null}"#,
        r#"{"a":3,"b":null}"#,
        r#"{"a":4,"b":null}"#,
        r#"{"a":null,"b":null}"#,
        r#"{"a":5,"b":null}"#,
        r#"{"a":6,"b":null}"#,
        r#"{"a":7,"b":null}"#,
    ];
    let rejects = [
        "7 not_an_object: \"no record\"",
        "9 bad_json: {\"a\":8} {}",
        "10 bad_json: {\"a\":",
        "11 not_an_object: \"[]\"",
    ];
    assert_decoded(&decoded, &rows, &rejects);
}

#[test]
fn marks_and_separators_stand_between_documents() {
    for text in [
        "\u{feff}{\"a\":1}\n\u{feff}{\"a\":2}\n",
        "{\"a\":1}\u{feff}{\"a\":2}",
        "{\n\"a\":1}\n\u{feff}\u{feff}{\n\"a\":2}\u{feff}",
        "\u{1e}{\"a\":1}\n\u{1e}{\"a\":2}\n",
        "\u{1e}{\n\"a\":1\n}\n\u{1e}{\"a\":2}\n\u{1e}",
        "[{\"a\":1}]\n\u{feff}[{\"a\":2}]",
    ] {
        let decoded = decode(auto("a: int"), text.as_bytes());
        assert_eq!(decoded.rows, [r#"{"a":1}"#, r#"{"a":2}"#], "{text:?}");
        assert_eq!(decoded.rejected(), [""; 0], "{text:?}");
    }
}

#[test]
fn characters_that_json_forbids_are_kept() {
    let text = b"{\"t\":\"a\0b\\u0000c\td\x1f\"}\n";
    let json = Format::Json { records: Vec::new() };
    let decoded = decode(request(json, columns("t: text")), text);
    assert_decoded(&decoded, &[r#"{"t":"a\u0000b\u0000c\td\u001f"}"#], &[]);
}

#[test]
fn a_bare_array_holds_the_records_themselves() {
    let text = "[\n{\"a\":1,\"b\":[{}]},\n{\"a\":2}]";
    let decoded = decode(request(under(&["Records"]), columns("a: int")), text.as_bytes());
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":2}"#], &[]);
}

#[test]
fn empty_records_are_no_records() {
    for text in ["{\"Records\":[]}", "[]", "", "\n\n", " "] {
        let decoded = decode(auto("a: int"), text.as_bytes());
        assert_decoded(&decoded, &[], &[]);
        assert_eq!(decoded.summary.records, 0);
    }
    assert_eq!(decode(auto(""), b"").summary.format, "empty");
}

#[test]
fn text_is_what_was_written() {
    let text = r#"{"t":"a\n\u00e9\ud83d\ude00"}
{"t":12.50}
{"t":true}
{"t":{"x" : 1}}
{"t":[1, 2]}
{"t":"\ud800"}
{"t":null}
{"t":""}
{}
{"t":123456789012345678901234567890}"#;
    let decoded = decode(auto("t: text"), text.as_bytes());
    let rows = [
        r#"{"t":"a\né😀"}"#,
        r#"{"t":"12.50"}"#,
        r#"{"t":"true"}"#,
        r#"{"t":"{\"x\" : 1}"}"#,
        r#"{"t":"[1, 2]"}"#,
        "{\"t\":\"\u{fffd}\"}",
        r#"{"t":null}"#,
        r#"{"t":""}"#,
        r#"{"t":null}"#,
        r#"{"t":"123456789012345678901234567890"}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn text_of_pretty_objects_has_no_line_ends() {
    let decoded = decode(auto("t: text"), b"{\n \"t\": {\n  \"x y\": [1,\n 2]\n }\n}");
    assert_decoded(&decoded, &[r#"{"t":"{\"x y\":[1,2]}"}"#], &[]);
}

#[test]
fn bad_bytes_become_replacement_characters() {
    let text = b"{\"t\":\"a\xff\",\"u\":\"\xc3\x9f\"}\n{\"t\":\"\xc3\",\"u\":\"\xa9\"}\n";
    let decoded = decode(auto("t: text; u: text"), text);
    let rows = ["{\"t\":\"a\u{fffd}\",\"u\":\"\u{df}\"}", "{\"t\":\"\u{fffd}\",\"u\":\"\u{fffd}\"}"];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn every_type_reads_and_misfits_are_kept() {
    let text = r#"{"i":9223372036854775807,"f":1.5,"b":true,"d":12.5,"t":"2024-01-02T03:04:05.678Z","y":"2024-01-02"}
{"i":"443","f":"2","b":"False","d":"0.10","t":"2024-01-02 03:04:05+01:00","y":null}
{"i":9223372036854775808,"f":"x","b":1,"d":1.005,"t":"yesterday","y":"2024-02-30"}
{"i":443.0,"f":{},"b":[],"d":"","t":1,"y":"2024-02-29"}"#;
    let request = auto("i: int; f: float; b: boolean; d: decimal(10,2); t: timestamp; y: date");
    let decoded = decode(with_system(request, &[SystemColumn::Rescued]), text.as_bytes());
    let rows = [
        r#"{"i":9223372036854775807,"f":1.5,"b":true,"d":12.50,"t":"2024-01-02T03:04:05.678Z","y":"2024-01-02","_rescued":null}"#,
        r#"{"i":443,"f":2.0,"b":false,"d":0.10,"t":"2024-01-02T02:04:05Z","y":null,"_rescued":null}"#,
        r#"{"i":null,"f":null,"b":null,"d":null,"t":null,"y":null,"_rescued":"{\"i\":9223372036854775808,\"f\":\"x\",\"b\":1,\"d\":1.005,\"t\":\"yesterday\",\"y\":\"2024-02-30\"}"}"#,
        r#"{"i":443,"f":null,"b":null,"d":null,"t":null,"y":"2024-02-29","_rescued":"{\"f\":{},\"b\":[],\"d\":\"\",\"t\":1}"}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
    assert_eq!(decoded.summary.rescued, 10);
}

#[test]
fn epochs_in_every_unit() {
    let text = r#"{"s":1379288667.63194,"ms":"1379288667631","us":1379288667631940,"ns":1379288667631940123}"#;
    let decoded =
        decode(auto("s: timestamp(s); ms: timestamp(ms); us: timestamp(us); ns: timestamp(ns)"), text.as_bytes());
    let rows = [
        r#"{"s":"2013-09-15T23:44:27.631940Z","ms":"2013-09-15T23:44:27.631Z","us":"2013-09-15T23:44:27.631940Z","ns":"2013-09-15T23:44:27.631940Z"}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

fn nested() -> Vec<Column> {
    let field = |name: &str, kind| Column { name: name.to_owned(), kind };
    vec![
        field("s", ColumnType::Struct(vec![field("x", ColumnType::Int), field("y", ColumnType::Text)])),
        field("l", ColumnType::parse("list(int)").expect("a type")),
        field("m", ColumnType::parse("map(list(text))").expect("a type")),
    ]
}

#[test]
fn nested_types_fail_at_the_deepest_level() {
    let text = r#"{"s":{"y":"a","x":1,"z":{}},"l":[1,"2",null],"m":{"k\n":["v"],"n":null}}
{"s":{"x":"bad","y":[1]},"l":[1,{}],"m":{"k":[[1]],"j":7}}
{"s":[],"l":{},"m":"x"}
{"s":{},"l":[],"m":{}}
{"s":{"x":1,"x":2},"l":[1,],"m":null}"#;
    let request = with_system(request(under(&[]), nested()), &[SystemColumn::Rescued]);
    let decoded = decode(request, text.as_bytes());
    let rows = [
        r#"{"s":{"x":1,"y":"a"},"l":[1,2,null],"m":{"k\n":["v"],"n":null},"_rescued":null}"#,
        r#"{"s":{"x":null,"y":"[1]"},"l":[1,null],"m":{"k":["[1]"],"j":null},"_rescued":"{\"s.x\":\"bad\",\"l[1]\":{},\"m.j\":7}"}"#,
        r#"{"s":null,"l":null,"m":null,"_rescued":"{\"s\":[],\"l\":{},\"m\":\"x\"}"}"#,
        r#"{"s":{"x":null,"y":null},"l":[],"m":{},"_rescued":null}"#,
        r#"{"s":{"x":2,"y":null},"l":null,"m":null,"_rescued":"{\"l\":[1,]}"}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn names_are_exact_and_the_last_duplicate_wins() {
    let text = r#"{"Tag":1,"tag":2,"tag":3,"t\u0061g":4}
{"tag":5,"Tag":6}
{"TAG":7}"#;
    let decoded = decode(auto("tag: int; Tag: int"), text.as_bytes());
    assert_decoded(&decoded, &[r#"{"tag":4,"Tag":1}"#, r#"{"tag":5,"Tag":6}"#, r#"{"tag":null,"Tag":null}"#], &[]);
}

#[test]
fn system_columns() {
    let text = "{\"a\":1,\"b\":\"x\\\"y\",\"c\":[1]}\nbad\n{\"a\":\"q\"}\n";
    let decoded = decode(with_system(auto("a: int"), &SystemColumn::ALL), text.as_bytes());
    let rows = [
        r#"{"a":1,"_file":"s3://logs/a.json","_row":0,"_offset":0,"_raw":"{\"a\":1,\"b\":\"x\\\"y\",\"c\":[1]}","_rescued":null,"_rest":"{\"b\":\"x\\\"y\",\"c\":[1]}"}"#,
        r#"{"a":null,"_file":"s3://logs/a.json","_row":2,"_offset":31,"_raw":"{\"a\":\"q\"}","_rescued":"{\"a\":\"q\"}","_rest":null}"#,
    ];
    assert_decoded(&decoded, &rows, &["1 bad_json: bad"]);
    assert_eq!(decoded.rejects[0].offset, Some(27));
}

#[test]
fn no_columns_still_count() {
    let decoded = decode(auto(""), b"{\"a\":1}\n{\"a\":2}\n");
    assert_eq!(decoded.rows, ["{}", "{}"]);
    assert_eq!(decoded.summary.fields(), [("a".to_owned(), "number".to_owned())]);
}

#[test]
fn fields_and_kinds_are_reported() {
    let decoded = decode(auto("a: int"), b"{\"a\":1,\"b\":null}\n{\"a\":\"x\",\"c\":{},\"d\":[true]}\n");
    let fields: Vec<String> = decoded.summary.fields().iter().map(|(name, kinds)| format!("{name} {kinds}")).collect();
    assert_eq!(fields, ["a number|text", "b null", "c object", "d list"]);
}

#[test]
fn freeze_refuses_what_is_unknown_or_does_not_fit() {
    let mut request = auto("a: int");
    request.drift = Drift::Freeze;
    request.declared = vec!["a".to_owned(), "b".to_owned()];
    let decoded = decode(request, b"{\"a\":1,\"b\":2}\n{\"a\":1,\"c\":2}\n{\"a\":\"x\"}\n{\"a\":3}\n");
    let rejects = [r#"1 frozen: {"a":1,"c":2}"#, r#"2 frozen: {"a":"x"}"#];
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":3}"#], &rejects);
}

#[test]
fn discard_counts_without_keeping() {
    let mut request = with_system(auto("a: int"), &[SystemColumn::Rescued]);
    request.drift = Drift::Discard;
    let decoded = decode(request, b"{\"a\":\"x\"}\n");
    assert_decoded(&decoded, &[r#"{"a":null,"_rescued":null}"#], &[]);
    assert_eq!(decoded.summary.rescued, 1);
}

#[test]
fn batches_keep_their_size() {
    let mut request = auto("a: int");
    request.batch_rows = 2;
    let text = "{\"a\":1}\n".repeat(5);
    let input = Box::new(std::io::Cursor::new(text.into_bytes()));
    let mut decoder = millpond_decode::Decoder::open(input, request).expect("the input opens");
    let mut sizes = Vec::new();
    while let Some(batch) = decoder.next_batch().expect("the input decodes") {
        sizes.push(batch.num_rows());
    }
    assert_eq!(sizes, [2, 2, 1]);
}
