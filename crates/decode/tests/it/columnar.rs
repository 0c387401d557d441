//! Formats that store columns: what their own writers wrote comes back, and what is damaged costs as little as it can.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Int32Type, Schema};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
use arrow_avro::compression::CompressionCodec;
use arrow_avro::writer::WriterBuilder;
use arrow_avro::writer::format::AvroOcfFormat;
use millpond_core::Kind;
use millpond_core::columns::{Column, SystemColumn};
use millpond_core::format::{DecodeLimits, DecodeRequest, Drift, Format};
use millpond_decode::Decoder;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;

use super::{Decoded, assert_decoded, auto, columns, decode, request, try_decode, with_system};

/// Two batches of plain types, which every format can hold.
fn batches() -> Vec<RecordBatch> {
    let batch = |first: i64| {
        let id: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + 3));
        let name: ArrayRef = Arc::new(StringArray::from(vec![Some("ann"), None, Some("bob \"b\"")]));
        let ok: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None]));
        let score: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.5), None, Some(-3.0)]));
        let at: ArrayRef = Arc::new(
            TimestampMicrosecondArray::from(vec![Some(1_500_000), None, Some(-2_000_000)]).with_timezone("UTC"),
        );
        let day: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(19_000), None]));
        RecordBatch::try_from_iter_with_nullable([
            ("id", id, true),
            ("name", name, true),
            ("ok", ok, true),
            ("score", score, true),
            ("at", at, true),
            ("day", day, true),
        ])
        .expect("a batch")
    };
    vec![batch(0), batch(3)]
}

const COLUMNS: &str = "id: int; name: text; ok: boolean; score: float; at: timestamp; day: date";

fn rows() -> Vec<String> {
    let row = |id: i64| match id % 3 {
        0 => format!(
            r#"{{"id":{id},"name":"ann","ok":true,"score":0.5,"at":"1970-01-01T00:00:01.500Z","day":"1970-01-01"}}"#
        ),
        1 => format!(r#"{{"id":{id},"name":null,"ok":false,"score":null,"at":null,"day":"2022-01-08"}}"#),
        _ => {
            format!(r#"{{"id":{id},"name":"bob \"b\"","ok":null,"score":-3.0,"at":"1969-12-31T23:59:58Z","day":null}}"#)
        }
    };
    (0..6).map(row).collect()
}

fn parquet_of(batches: &[RecordBatch]) -> Vec<u8> {
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(3)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batches[0].schema(), Some(properties)).expect("a writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("memory takes it"));
    writer.close().expect("memory takes it");
    bytes
}

fn stream_of(batches: &[RecordBatch], options: IpcWriteOptions) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options).expect("a writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("memory takes it"));
    writer.into_inner().expect("memory takes it")
}

fn file_of(batches: &[RecordBatch], options: IpcWriteOptions) -> Vec<u8> {
    let schema = batches[0].schema();
    let mut writer = FileWriter::try_new_with_options(Vec::new(), &schema, options).expect("a writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("memory takes it"));
    writer.into_inner().expect("memory takes it")
}

fn avro_of(batches: &[RecordBatch], codec: Option<CompressionCodec>) -> Vec<u8> {
    let schema = batches[0].schema().as_ref().clone();
    let builder = WriterBuilder::new(schema).with_compression(codec);
    let mut writer = builder.build::<_, AvroOcfFormat>(Vec::new()).expect("a writer");
    batches.iter().for_each(|batch| writer.write(batch).expect("memory takes it"));
    writer.finish().expect("memory takes it");
    writer.into_inner()
}

fn orc_of(batches: &[RecordBatch], compression: Option<orc_rust::compression::CompressionType>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut builder = orc_rust::ArrowWriterBuilder::new(&mut bytes, batches[0].schema());
    if let Some(compression) = compression {
        builder = builder.with_compression(compression);
    }
    let mut writer = builder.try_build().expect("a writer");
    for batch in batches {
        writer.write(batch).expect("memory takes it");
        writer.flush_stripe().expect("memory takes it");
    }
    writer.close().expect("memory takes it");
    bytes
}

fn compressed(kind: CompressionType) -> IpcWriteOptions {
    IpcWriteOptions::default().try_with_compression(Some(kind)).expect("options")
}

/// The two batches in every format, with and without compression.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let batches = batches();
    vec![
        ("parquet", parquet_of(&batches)),
        ("stream", stream_of(&batches, IpcWriteOptions::default())),
        ("stream lz4", stream_of(&batches, compressed(CompressionType::LZ4_FRAME))),
        ("file", file_of(&batches, IpcWriteOptions::default())),
        ("file lz4", file_of(&batches, compressed(CompressionType::LZ4_FRAME))),
        ("avro", avro_of(&batches, None)),
        ("avro deflate", avro_of(&batches, Some(CompressionCodec::Deflate))),
        ("avro snappy", avro_of(&batches, Some(CompressionCodec::Snappy))),
        ("avro zstd", avro_of(&batches, Some(CompressionCodec::ZStandard))),
        ("avro bzip2", avro_of(&batches, Some(CompressionCodec::Bzip2))),
        ("orc", orc_of(&batches, None)),
        ("orc zstd", orc_of(&batches, Some(orc_rust::compression::CompressionType::Zstd))),
    ]
}

fn open(request: DecodeRequest, bytes: &[u8]) -> millpond_core::Result<Decoded> {
    try_decode(request, Box::new(Cursor::new(bytes.to_vec())))
}

#[test]
fn every_format_gives_the_same_rows() {
    for (name, bytes) in files() {
        let decoded = open(auto(COLUMNS), &bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(decoded.rows, rows(), "{name}");
        assert_eq!(decoded.rejected(), [""; 0], "{name}");
        let narrow = decode(auto("day: date; none: int"), &bytes);
        assert_eq!(narrow.rows[1], r#"{"day":"2022-01-08","none":null}"#, "{name}");
        assert_eq!(decode(auto(""), &bytes).rows.len(), 6, "{name}");
    }
}

#[test]
fn every_format_says_its_columns() {
    for (name, bytes) in files() {
        let decoder = Decoder::open(Box::new(Cursor::new(bytes)), auto("")).expect(name);
        let native = decoder.native_columns().expect("types");
        let native: Vec<String> = native.iter().map(|Column { name, kind }| format!("{name} {kind}")).collect();
        assert_eq!(native, ["id int", "name text", "ok boolean", "score float", "at timestamp", "day date"], "{name}");
    }
}

#[test]
fn every_format_fills_system_columns() {
    for (name, bytes) in files() {
        let request =
            DecodeRequest { batch_rows: 2, ..with_system(auto("id: boolean; name: int"), &SystemColumn::ALL) };
        let decoded = decode(request, &bytes);
        let expected = r#"{"id":null,"name":null,"_file":"s3://logs/a.json","_row":5,"_offset":null,"_raw":"{\"id\":5,\"name\":\"bob \\\"b\\\"\",\"score\":-3.0,\"at\":\"1969-12-31T23:59:58Z\"}","_rescued":"{\"id\":5,\"name\":\"bob \\\"b\\\"\"}","_rest":"{\"score\":-3.0,\"at\":\"1969-12-31T23:59:58Z\"}"}"#;
        assert_eq!(decoded.rows[5], expected, "{name}");
        assert_eq!(decoded.summary.rescued, 10, "{name}");
    }
}

#[test]
fn frozen_sources_refuse_records() {
    for (name, bytes) in files() {
        let declared: Vec<String> = ["id", "name", "ok", "at", "day"].map(str::to_owned).to_vec();
        let request = DecodeRequest { drift: Drift::Freeze, declared, ..auto("id: int") };
        let decoded = decode(request, &bytes);
        assert_eq!(decoded.rows, [r#"{"id":1}"#, r#"{"id":4}"#], "{name}");
        assert_eq!(decoded.rejects.iter().filter(|reject| reject.reason == "frozen").count(), 4, "{name}");
    }
}

#[test]
fn pieces_do_not_matter() {
    struct Single(Cursor<Vec<u8>>);
    impl std::io::Read for Single {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let length = out.len().min(7);
            self.0.read(&mut out[..length])
        }
    }
    for (name, bytes) in files() {
        let decoded = try_decode(auto(COLUMNS), Box::new(Single(Cursor::new(bytes)))).expect(name);
        assert_eq!(decoded.rows, rows(), "{name}");
    }
}

#[test]
fn a_cut_file_keeps_the_rows_before() {
    for (name, bytes) in files() {
        let format = Decoder::open(Box::new(Cursor::new(bytes.clone())), auto("")).expect(name).format().clone();
        let step = if matches!(name, "stream" | "avro snappy") { 1 } else { 13 };
        for cut in (1..bytes.len()).step_by(step) {
            let outcome = open(request(format.clone(), columns(COLUMNS)), &bytes[..cut]);
            let decoded = match outcome {
                Ok(decoded) => decoded,
                Err(error) => {
                    assert_eq!(error.kind(), Kind::BadInput, "{name} {cut}");
                    continue;
                }
            };
            assert!(matches!(decoded.rows.len(), 0 | 3 | 6), "{name} {cut}");
            assert_eq!(decoded.rows, rows()[..decoded.rows.len()], "{name} {cut}");
            for reject in &decoded.rejects {
                assert!(
                    matches!(reject.reason, "truncated_arrow" | "truncated_avro"),
                    "{name} {cut}: {}",
                    reject.reason
                );
            }
        }
        // Formats that are read from their start keep something.
        let half = open(request(format.clone(), columns(COLUMNS)), &bytes[..bytes.len() - 20]);
        match format {
            Format::Parquet | Format::Orc => assert!(half.is_err(), "{name}"),
            _ => assert!(!half.expect(name).rows.is_empty(), "{name}"),
        }
    }
}

#[test]
fn a_damaged_block_costs_itself() {
    let many: Vec<RecordBatch> = batches().into_iter().cycle().take(6).collect();
    for codec in [CompressionCodec::Snappy, CompressionCodec::Deflate] {
        let mut bytes = avro_of(&many, Some(codec));
        let marker: Vec<u8> = bytes[bytes.len() - 16..].to_vec();
        let blocks: Vec<usize> = memchr_all(&bytes, &marker);
        // The third block's data.
        let at = (blocks[2] + 16 + blocks[3]) / 2;
        bytes[at] ^= 0x55;
        let decoded = decode(auto(COLUMNS), &bytes);
        assert_eq!(decoded.rows.len(), 15, "{codec:?}");
        assert_eq!(decoded.rejects.len(), 1);
        assert_eq!(decoded.rejects[0].reason, "corrupt_avro");
        assert_eq!(decoded.rejects[0].offset, Some(blocks[2] as u64 + 16));
        // And its marker.
        let mut bytes = avro_of(&many, Some(codec));
        bytes[blocks[3]] ^= 0x55;
        let decoded = decode(auto(COLUMNS), &bytes);
        assert_eq!((decoded.rows.len(), decoded.rejects[0].reason), (12, "corrupt_avro"));
    }
}

fn memchr_all(bytes: &[u8], needle: &[u8]) -> Vec<usize> {
    bytes.windows(needle.len()).enumerate().filter(|(_, window)| *window == needle).map(|(at, _)| at).collect()
}

/// Two batches that are worth compressing.
fn large() -> Vec<RecordBatch> {
    let batch = |first: i64| {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + 1000));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..1000).map(|row| format!("text {}", row % 7))));
        RecordBatch::try_from_iter([("id", ids), ("t", texts)]).expect("a batch")
    };
    vec![batch(0), batch(1000)]
}

#[test]
fn compressed_messages_are_read() {
    for kind in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        for bytes in [stream_of(&large(), compressed(kind)), file_of(&large(), compressed(kind))] {
            assert!(bytes.len() < 20_000, "the writer compresses");
            let decoded = decode(auto("id: int; t: text"), &bytes);
            assert_eq!((decoded.rows.len(), decoded.rejects.len()), (2000, 0));
            assert_eq!(decoded.rows[1999], r#"{"id":1999,"t":"text 5"}"#);
        }
    }
}

#[test]
fn a_damaged_message_costs_itself() {
    let bytes = stream_of(&large(), compressed(CompressionType::ZSTD));
    let frame = memchr_all(&bytes, &[0x28, 0xb5, 0x2f, 0xfd])[0];
    let mut broken = bytes.clone();
    broken[frame] ^= 0x55;
    // The decompressed length stands before the frame.
    let mut huge = bytes.clone();
    huge[frame - 8..frame].copy_from_slice(&(1i64 << 60).to_le_bytes());
    for bytes in [broken, huge] {
        let decoded = decode(auto("id: int; t: text"), &bytes);
        assert_eq!((decoded.rows.len(), decoded.rejects.len()), (1000, 1));
        assert_eq!(decoded.rows[0], r#"{"id":1000,"t":"text 0"}"#);
        assert_eq!(decoded.rejects[0].reason, "corrupt_arrow");
    }
}

#[test]
fn a_damaged_row_group_keeps_the_ones_before() {
    let bytes = parquet_of(&batches());
    let index = ParquetMetaDataReader::new().parse_and_finish(&bytes::Bytes::from(bytes.clone())).expect("an index");
    let (second, _) = index.row_group(1).column(1).byte_range();
    let mut broken = bytes;
    broken[second as usize..second as usize + 8].fill(0xff);
    let mut decoder = Decoder::open(Box::new(Cursor::new(broken)), auto("name: text")).expect("the index is sound");
    let mut count = 0;
    let error = loop {
        match decoder.next_batch() {
            Ok(Some(batch)) => count += batch.num_rows(),
            Ok(None) => panic!("the damage was not seen"),
            Err(error) => break error,
        }
    };
    assert_eq!((count, error.kind()), (3, Kind::BadInput));
}

#[test]
fn dictionaries_grow_and_change() {
    let batch = |values: &[&str]| {
        let texts: ArrayRef = Arc::new(values.iter().copied().collect::<DictionaryArray<Int32Type>>());
        RecordBatch::try_from_iter([("t", texts)]).expect("a batch")
    };
    let batches = [batch(&["a", "b", "a"]), batch(&["a", "b", "c"]), batch(&["x", "a"])];
    let delta = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Delta);
    for bytes in [
        stream_of(&batches, IpcWriteOptions::default()),
        stream_of(&batches, delta.clone()),
        file_of(&batches[..2], delta),
    ] {
        let decoded = decode(auto("t: text"), &bytes);
        let texts: Vec<String> =
            ["a", "b", "a", "a", "b", "c", "x", "a"].map(|text| format!(r#"{{"t":"{text}"}}"#)).to_vec();
        assert_eq!(decoded.rows, texts[..decoded.rows.len()]);
        assert!(decoded.rows.len() >= 6);
    }
}

#[test]
fn dictionaries_do_not_expand_without_end() {
    let text = "x".repeat(1 << 20);
    let keys = Int32Array::from_iter_values((0..1000).map(|_| 0));
    let texts: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(StringArray::from(vec![text.as_str()]))));
    let batch = RecordBatch::try_from_iter([("t", texts)]).expect("a batch");
    let bytes = stream_of(std::slice::from_ref(&batch), IpcWriteOptions::default());
    let limits = DecodeLimits { decompressed_bytes_max: 100 << 20, ..DecodeLimits::default() };
    let error = open(DecodeRequest { limits, ..auto("t: text") }, &bytes).err().expect("a bomb");
    assert_eq!(error.kind(), Kind::TooBig, "{error:?}");
    let limits = DecodeLimits { ratio_max: 50, ..DecodeLimits::default() };
    let error = open(DecodeRequest { limits, ..auto("t: text") }, &bytes).err().expect("a bomb");
    assert_eq!(error.kind(), Kind::TooBig, "{error:?}");
}

#[test]
fn bytes_behind_a_stream_are_told() {
    let bytes = [stream_of(&batches(), IpcWriteOptions::default()), b"more".to_vec()].concat();
    let decoded = decode(auto(COLUMNS), &bytes);
    assert_eq!((decoded.rows.len(), decoded.rejected()), (6, vec!["- stray_bytes: more".to_owned()]));
}

/// Nested columns whose names differ by case.
fn nested() -> RecordBatch {
    let fields = Fields::from(vec![Field::new("id", DataType::Int32, true), Field::new("ID", DataType::Utf8, true)]);
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
    let user: ArrayRef = Arc::new(StructArray::new(fields, vec![ids, names], Some(vec![true, false].into())));
    let tags: ArrayRef = {
        let items: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
        let field = Arc::new(Field::new_list_field(DataType::Int64, true));
        Arc::new(ListArray::new(field, OffsetBuffer::from_lengths([2, 1]), items, None))
    };
    let labels: ArrayRef = {
        let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
        builder.keys().append_value("k");
        builder.values().append_value("v");
        builder.append(true).expect("a map");
        builder.append(false).expect("a map");
        Arc::new(builder.finish())
    };
    RecordBatch::try_from_iter_with_nullable([("user", user, true), ("tags", tags, true), ("labels", labels, true)])
        .expect("a batch")
}

#[test]
fn nested_columns_keep_their_shape() {
    let batch = nested();
    for (name, bytes) in [
        ("parquet", parquet_of(std::slice::from_ref(&batch))),
        ("arrow", stream_of(std::slice::from_ref(&batch), IpcWriteOptions::default())),
        ("avro", avro_of(std::slice::from_ref(&batch), None)),
    ] {
        let mut request = auto("tags: list(int); labels: map(text)");
        let user = "id: int; ID: text; Id: text";
        request
            .columns
            .push(Column { name: "user".to_owned(), kind: millpond_core::columns::ColumnType::Struct(columns(user)) });
        let rows = [
            r#"{"tags":[1,null],"labels":{"k":"v"},"user":{"id":1,"ID":"x","Id":null}}"#,
            r#"{"tags":[3],"labels":null,"user":null}"#,
        ];
        assert_eq!(decode(request, &bytes).rows, rows, "{name}");
        let rows = [
            r#"{"user":"{\"id\":1,\"ID\":\"x\"}","tags":"[1,null]","labels":"{\"k\":\"v\"}"}"#,
            r#"{"user":null,"tags":"[3]","labels":null}"#,
        ];
        assert_eq!(decode(auto("user: text; tags: text; labels: text"), &bytes).rows, rows, "{name}");
    }
}

fn avro_long(value: i64) -> Vec<u8> {
    let mut bits = ((value << 1) ^ (value >> 63)) as u64;
    let mut out = Vec::new();
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
    out
}

fn avro_text(text: &str) -> Vec<u8> {
    [avro_long(text.len() as i64), text.as_bytes().to_vec()].concat()
}

/// A file of one uncompressed block.
pub(crate) fn avro_file(schema: &str, count: i64, data: &[u8]) -> Vec<u8> {
    let marker = [7; 16];
    [
        b"Obj\x01".to_vec(),
        avro_long(1),
        avro_text("avro.schema"),
        avro_text(schema),
        avro_long(0),
        marker.to_vec(),
        avro_long(count),
        avro_long(data.len() as i64),
        data.to_vec(),
        marker.to_vec(),
    ]
    .concat()
}

const EVERYTHING: &str = r#"{"type":"record","name":"r","fields":[
    {"name":"n","type":["null","long"]},
    {"name":"u","type":["null","string","long"]},
    {"name":"e","type":{"type":"enum","name":"color","symbols":["red","green"]}},
    {"name":"f","type":{"type":"fixed","name":"four","size":2}},
    {"name":"b","type":"bytes"},
    {"name":"m","type":{"type":"map","values":"int"}},
    {"name":"l","type":{"type":"array","items":"string"}},
    {"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"d","type":{"type":"int","logicalType":"date"}},
    {"name":"g","type":{"type":"string","logicalType":"uuid"}},
    {"name":"c","type":{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}}]}"#;

#[test]
fn avro_types() {
    let guid = "0e0cd4c0-0f7b-4f5b-9d5e-0f6c5a1c7c11";
    let record = |union: Vec<u8>| {
        [
            vec![2],
            avro_long(-7),
            union,
            avro_long(1),
            vec![0xab, 0xcd],
            avro_text("hi"),
            [avro_long(1), avro_text("k"), avro_long(5), avro_long(0)].concat(),
            [avro_long(2), avro_text("x"), avro_text("y"), avro_long(0)].concat(),
            avro_long(1500),
            avro_long(1),
            avro_text(guid),
            [avro_long(2), vec![0x04, 0xd2]].concat(),
        ]
        .concat()
    };
    let data = [
        record([avro_long(1), avro_text("s")].concat()),
        record([avro_long(2), avro_long(9)].concat()),
        record(avro_long(0)),
    ];
    let bytes = avro_file(EVERYTHING, 3, &data.concat());
    let request = auto(
        "n: int; u: text; e: text; f: text; b: text; m: map(int); l: list(text); t: timestamp; d: date; g: text; \
         c: decimal(8,3)",
    );
    let row = |union: &str| {
        format!(
            r#"{{"n":-7,"u":{union},"e":"green","f":"abcd","b":"6869","m":{{"k":5}},"l":["x","y"],"t":"1970-01-01T00:00:01.500Z","d":"1970-01-02","g":"{guid}","c":12.340}}"#
        )
    };
    assert_eq!(decode(request, &bytes).rows, [row("\"s\""), row("\"9\""), row("null")]);
    let decoder = Decoder::open(Box::new(Cursor::new(bytes)), auto("")).expect("a file");
    let native: Vec<String> =
        decoder.native_columns().expect("types").iter().map(|column| column.kind.to_string()).collect();
    let expected =
        ["int", "text", "text", "text", "text", "map(int)", "list(text)", "timestamp", "date", "text", "decimal(6,2)"];
    assert_eq!(native, expected);
}

#[test]
fn avro_lies_are_refused() {
    let schema = |kind: &str| format!(r#"{{"type":"record","name":"r","fields":[{{"name":"a","type":{kind}}}]}}"#);
    let text = schema("\"string\"");
    // More records than bytes, a text longer than the block, fewer records than bytes.
    for (count, data) in [(i64::MAX, avro_text("x")), (1, avro_long(i64::MAX)), (2, avro_text("x"))] {
        let decoded = decode(auto("a: text"), &avro_file(&text, count, &data));
        assert_eq!((decoded.rows.len(), decoded.rejects[0].reason), (0, "corrupt_avro"), "{count}");
    }
    // Records and items without bytes.
    for (kind, data) in [("\"null\"", vec![]), (r#"{"type":"array","items":"null"}"#, avro_long(1 << 40))] {
        let error = open(auto("a: text"), &avro_file(&schema(kind), 1 << 40, &data)).err().expect("no bytes");
        assert_eq!(error.kind(), Kind::BadInput, "{kind}");
    }
    for schema in ["", "\"string\"", "{\"type\":\"record\"}", "[]"] {
        let error = open(auto("a: text"), &avro_file(schema, 0, b"")).err().expect("no schema");
        assert_eq!(error.kind(), Kind::BadInput, "{schema}");
    }
}

#[test]
fn empty_files_have_no_rows() {
    let none = vec![batches()[0].slice(0, 0)];
    for bytes in [
        parquet_of(&none),
        stream_of(&none, IpcWriteOptions::default()),
        file_of(&none, IpcWriteOptions::default()),
        avro_of(&none, None),
        orc_of(&none, None),
    ] {
        assert_decoded(&decode(auto(COLUMNS), &bytes), &[], &[]);
    }
    let schema = Arc::new(Schema::empty());
    let options = RecordBatchOptions::new().with_row_count(Some(2));
    let bare = RecordBatch::try_new_with_options(schema, vec![], &options).expect("a batch");
    let decoded = decode(auto("a: int"), &stream_of(&[bare], IpcWriteOptions::default()));
    assert_eq!(decoded.rows, [r#"{"a":null}"#; 2]);
}

#[test]
fn limits_hold_in_every_format() {
    for (name, bytes) in files() {
        let limits = DecodeLimits { fields_max: 5, ..DecodeLimits::default() };
        let error = open(DecodeRequest { limits, ..auto("id: int") }, &bytes).err().expect(name);
        assert_eq!(error.kind(), Kind::TooBig, "{name}: {error:?}");
        let limits = DecodeLimits { record_bytes_max: 6, ..DecodeLimits::default() };
        let decoded = decode(DecodeRequest { limits, ..auto("name: text") }, &bytes);
        assert_eq!(decoded.rows.len(), 4, "{name}");
        assert_eq!(decoded.rejects.iter().filter(|reject| reject.reason == "record_too_long").count(), 2, "{name}");
    }
}

#[test]
fn samples_have_the_records_that_are_known() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples"));
    let Ok(manifest) = std::fs::read_to_string(root.join("MANIFEST.tsv")) else {
        eprintln!("skipped: there are no samples in {}", root.display());
        return;
    };
    let samples = manifest.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    for sample in samples.filter(|cells| cells.get(2) == Some(&"parquet")) {
        let bytes = std::fs::read(root.join(sample[0])).expect("a sample");
        let native = Decoder::open(Box::new(Cursor::new(bytes.clone())), auto("")).expect("a file").native_columns();
        let request = with_system(request(Format::Auto, native.expect("types")), &SystemColumn::ALL);
        let decoded = decode(request, &bytes);
        assert_eq!(decoded.rows.len().to_string(), sample[6], "{}", sample[0]);
        assert_eq!((decoded.summary.rescued, decoded.rejects.len()), (0, 0), "{}", sample[0]);
    }
}

proptest! {
    #[test]
    fn damage_never_panics(which in 0usize..13, flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..5)) {
        let mut files = files();
        files.push(("nested", parquet_of(&[nested()])));
        let (name, mut bytes) = files.swap_remove(which);
        for (position, byte) in flips {
            let length = bytes.len();
            bytes[position % length] = byte;
        }
        let limits = DecodeLimits { decompressed_bytes_max: 1 << 26, ..DecodeLimits::default() };
        let request = with_system(auto("id: int; name: text; at: timestamp; score: int"), &SystemColumn::ALL);
        match open(DecodeRequest { limits, ..request }, &bytes) {
            Ok(decoded) => prop_assert!(decoded.rows.len() < 1 << 22),
            Err(error) => prop_assert!(matches!(error.kind(), Kind::BadInput | Kind::TooBig), "{name}: {error:?}"),
        }
    }
}
