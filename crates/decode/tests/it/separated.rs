//! Separated values, Zeek, regular expressions, lines and Parquet.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray};
use millpond_core::columns::{Column, SystemColumn};
use millpond_core::format::{Delimited, Format, Header};
use millpond_decode::Decoder;
use parquet::arrow::ArrowWriter;

use super::{assert_decoded, auto, columns, decode, request, try_decode, with_system};

fn csv(text: &str) -> millpond_core::format::DecodeRequest {
    request(Format::Delimited(Delimited::csv()), columns(text))
}

#[test]
fn csv_with_quotes_and_lines_in_them() {
    let text = "a,b,c\r\n1,\"x,\"\"y\"\"\r\nz\",\r\n,\"\",\"q\"tail\r\n\r\n3,plain,end";
    let decoded = decode(csv("a: int; b: text; c: text"), text.as_bytes());
    let rows = [
        r#"{"a":1,"b":"x,\"y\"\r\nz","c":null}"#,
        r#"{"a":null,"b":"","c":"qtail"}"#,
        r#"{"a":3,"b":"plain","c":"end"}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn ragged_rows_are_kept() {
    let request = with_system(csv("a: int; c: text"), &[SystemColumn::Rest]);
    let decoded = decode(request, b"a,b,c\n1\n2,x,y,z,\"w\"\n");
    let rows = [
        r#"{"a":1,"c":null,"_rest":"{\"_missing\":2}"}"#,
        r#"{"a":2,"c":"y","_rest":"{\"b\":\"x\",\"_extra_1\":\"z\",\"_extra_2\":\"w\"}"}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
    assert_eq!(decoded.summary.rescued, 3);
}

#[test]
fn header_names_are_made_unique() {
    let decoded = decode(csv("a: text; column2: text; a_2: text"), b"a,,a\n1,2,3\n");
    assert_decoded(&decoded, &[r#"{"a":"1","column2":"2","a_2":"3"}"#], &[]);
}

#[test]
fn an_unclosed_quote_costs_its_line() {
    let decoded = decode(csv("a: int; b: text"), b"a,b\n1,\"x\n2,y\n3,z\n");
    assert_decoded(&decoded, &[r#"{"a":2,"b":"y"}"#, r#"{"a":3,"b":"z"}"#], &["0 unclosed_quote: 1,\"x"]);
}

#[test]
fn names_comments_and_null_text() {
    let dialect = Delimited {
        delimiter: b'|',
        comment: Some(b'#'),
        header: Header::Names(vec!["a".to_owned(), "b".to_owned()]),
        null: Some("NULL".to_owned()),
        ..Delimited::csv()
    };
    let decoded =
        decode(request(Format::Delimited(dialect), columns("a: int; b: text")), b"# c\n1|NULL\n#\n2|\"NULL\"\n");
    assert_decoded(&decoded, &[r#"{"a":1,"b":null}"#, r#"{"a":2,"b":"NULL"}"#], &[]);
}

#[test]
fn dialects_are_recognised() {
    for (text, format) in [
        ("a,b\n1,x\n", "csv"),
        ("a;b\n1;x\n", "csv"),
        ("a\tb\r\n1\tx\r\n", "tsv"),
        ("a|b\n1|x\n", "csv"),
        ("#Version: 1.0\n#Fields: a b \n1 x\n", "space"),
        ("#Fields: a b\n1\tx\n", "tsv"),
        ("just words\nmore words\n", "lines"),
    ] {
        let decoded = decode(auto("a: int; b: text"), text.as_bytes());
        assert_eq!(decoded.summary.format, format, "{text}");
        if format != "lines" {
            assert_eq!(decoded.rows, [r#"{"a":1,"b":"x"}"#], "{text}");
        }
        assert!(!decoded.summary.why.is_empty());
    }
}

#[test]
fn values_without_a_header_lose_no_record() {
    let decoded = decode(auto("column1: int; column3: text"), b"1,2,3\n4,5,6\r\n7,8,9\n");
    let rows = [r#"{"column1":1,"column3":"3"}"#, r#"{"column1":4,"column3":"6"}"#, r#"{"column1":7,"column3":"9"}"#];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn vpc_flow_logs() {
    let text = "version account-id srcaddr dstaddr srcport start action\n2 123 10.0.0.1 - 443 1669842701 ACCEPT\n";
    let decoded = decode(auto("srcaddr: text; dstaddr: text; srcport: int; start: timestamp(s)"), text.as_bytes());
    let rows = [r#"{"srcaddr":"10.0.0.1","dstaddr":null,"srcport":443,"start":"2022-11-30T21:11:41Z"}"#];
    assert_decoded(&decoded, &rows, &[]);
}

const ZEEK: &str = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n\
#fields\tts\tid.orig_p\tquery\tAA\tanswers\tTTLs\n#types\ttime\tport\tstring\tbool\tset[string]\tvector[interval]\n\
1379288667.631940\t1030\ta\\x09b\tF\tx,y\\x2cz\t36.000000,1.5\n\
1379288667.7\t-\t(empty)\tT\t(empty)\t-\n#close\t2014-04-03-10-08-27\n";

#[test]
fn zeek() {
    let request =
        auto("ts: timestamp(s); id.orig_p: int; query: text; AA: boolean; answers: list(text); TTLs: list(float)");
    let decoded = decode(request, ZEEK.as_bytes());
    let rows = [
        r#"{"ts":"2013-09-15T23:44:27.631940Z","id.orig_p":1030,"query":"a\tb","AA":false,"answers":["x","y,z"],"TTLs":[36.0,1.5]}"#,
        r#"{"ts":"2013-09-15T23:44:27.700Z","id.orig_p":null,"query":"","AA":true,"answers":[],"TTLs":null}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn zeek_headers_can_come_again() {
    let text = format!("{ZEEK}#fields\tquery\tts\n#types\tstring\ttime\nb\t1\n");
    let decoded = decode(auto("ts: timestamp(s); query: text"), text.as_bytes());
    assert_eq!(decoded.rows[2], r#"{"ts":"1970-01-01T00:00:01Z","query":"b"}"#);
}

#[test]
fn zeek_without_a_header_is_bad_input() {
    let error = try_decode(request(Format::Zeek, columns("a: int")), Box::new(b"1\t2\n".as_slice())).err();
    assert_eq!(error.map(|error| error.kind()), Some(millpond_core::Kind::BadInput));
}

#[test]
fn regular_expressions() {
    let pattern = r#"^(?<ip>\S+) \S+ (?<user>\S+ )?\[(?<time>[^\]]+)\] "(?<method>\w+)"#.to_owned();
    let request = request(
        Format::Regex { pattern, start: None },
        columns("time: timestamp(%d/%b/%Y:%H:%M:%S %z); ip: text; user: text"),
    );
    let decoded = decode(request, b"1.2.3.4 - bob [06/Feb/2006:02:00:38 +0200] \"GET\nnope\n::1 - [x] \"POST /\n");
    let rows =
        [r#"{"time":"2006-02-06T00:00:38Z","ip":"1.2.3.4","user":"bob "}"#, r#"{"time":null,"ip":"::1","user":null}"#];
    assert_decoded(&decoded, &rows, &["1 no_match: nope"]);
    assert_eq!(decoded.summary.rescued, 1);
}

#[test]
fn lines() {
    let decoded = decode(with_system(auto("line: text"), &[SystemColumn::Offset]), b"one two\r\n\nthr\xffee");
    assert_decoded(&decoded, &[r#"{"line":"one two","_offset":0}"#, "{\"line\":\"thr\u{ff}ee\",\"_offset\":10}"], &[]);
}

fn parquet_file() -> Vec<u8> {
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None, Some("12")]));
    let int: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(2), None]));
    let time: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(1500), None, Some(0)]));
    let batch = RecordBatch::try_from_iter([("t", text), ("i", int), ("ts", time)]).expect("a batch");
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("memory takes it");
    writer.close().expect("memory takes it");
    bytes
}

#[test]
fn parquet_is_read_as_declared() {
    let request =
        with_system(auto("i: text; t: int; ts: timestamp; none: text"), &[SystemColumn::Row, SystemColumn::Rescued]);
    let decoded = decode(request, &parquet_file());
    let rows = [
        r#"{"i":"1","t":null,"ts":"1970-01-01T00:00:01.500Z","none":null,"_row":0,"_rescued":"{\"t\":\"x\"}"}"#,
        r#"{"i":"2","t":null,"ts":null,"none":null,"_row":1,"_rescued":null}"#,
        r#"{"i":null,"t":12,"ts":"1970-01-01T00:00:00Z","none":null,"_row":2,"_rescued":null}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn parquet_says_its_columns() {
    let decoder = Decoder::open(Box::new(std::io::Cursor::new(parquet_file())), auto("")).expect("a file");
    let native: Vec<String> =
        decoder.native_columns().expect("types").iter().map(|Column { name, kind }| format!("{name} {kind}")).collect();
    assert_eq!(native, ["t text", "i int", "ts timestamp"]);
    assert_eq!(decode(auto(""), &parquet_file()).rows.len(), 3);
}

#[test]
fn broken_parquet_is_bad_input() {
    let bytes = parquet_file();
    for broken in [bytes[..bytes.len() / 2].to_vec(), b"PAR1".to_vec()] {
        let error = try_decode(auto("t: text"), Box::new(std::io::Cursor::new(broken))).err().expect("broken");
        assert_eq!(error.kind(), millpond_core::Kind::BadInput, "{error:?}");
    }
}
