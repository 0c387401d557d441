//! How fast the decoders are: `cargo run --release -p millpond-decode --example decode_speed`.
//!
//! Prints decompressed megabytes per CPU-second of this thread, for inputs generated in memory.

use std::io::{Cursor, Write};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use flate2::write::GzEncoder;
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeRequest, Format};
use millpond_decode::Decoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

const RECORDS: u64 = 200_000;
const ROUNDS: usize = 3;

fn main() {
    let ndjson = ndjson();
    let cloudtrail = cloudtrail();
    let zipped = gzip(&cloudtrail);
    let columns = "ts: timestamp; id: int; user: text; action: text; bytes: int; ok: boolean";
    measure("ndjson, 6 columns", &ndjson, columns, &[]);
    measure("ndjson, 6 columns, _rest and _raw", &ndjson, columns, &[SystemColumn::Rest, SystemColumn::Raw]);
    let columns = "eventTime: timestamp; eventSource: text; eventName: text; awsRegion: text; sourceIPAddress: text; \
                   userAgent: text; eventID: text; recipientAccountId: text; readOnly: boolean; errorCode: text; \
                   requestParameters: text; userIdentity: text";
    measure("cloudtrail, 12 columns", &cloudtrail, columns, &[]);
    measure("cloudtrail.gz, 12 columns", &zipped, columns, &[]);
    measure("cloudtrail.gz, no column", &zipped, "", &[]);
    let parquet = parquet();
    let columns = "ts: timestamp; id: int; user: text; action: text; src: text; bytes: int; ok: boolean; \
                   ratio: float; day: date; message: text";
    measure("parquet, 10 columns", &parquet, columns, &[]);
    measure("parquet, 10 columns, 1 misdeclared", &parquet, &columns.replace("id: int", "id: boolean"), &[]);
    measure("parquet, 2 columns", &parquet, "id: int; user: text", &[]);
    measure("parquet, 2 columns, _rest", &parquet, "id: int; user: text", &[SystemColumn::Rest]);
    inflate_alone(&zipped);
}

fn measure(name: &str, bytes: &[u8], columns: &str, system: &[SystemColumn]) {
    let (mut best, mut best_rows) = (0.0_f64, 0.0_f64);
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let input = Cursor::new(bytes.to_vec());
        let start = cpu_seconds();
        let mut decoder = Decoder::open(Box::new(input), request(columns, system)).expect("the input opens");
        rows = 0;
        while let Some(batch) = decoder.next_batch().expect("the input decodes") {
            rows += batch.num_rows();
        }
        let seconds = cpu_seconds() - start;
        best = best.max(decoder.summary().decoded_bytes as f64 / 1e6 / seconds);
        best_rows = best_rows.max(rows as f64 / 1e6 / seconds);
    }
    println!("{name:36} {rows:8} rows {best:8.0} MB and {best_rows:6.2} million rows per CPU-second");
}

fn inflate_alone(zipped: &[u8]) {
    let start = cpu_seconds();
    let mut decoder = flate2::read::MultiGzDecoder::new(zipped);
    let bytes = std::io::copy(&mut decoder, &mut std::io::sink()).expect("the input inflates");
    println!("{:36} {:13} {:8.0} MB per CPU-second", "inflate alone", "", bytes as f64 / 1e6 / (cpu_seconds() - start));
}

fn request(columns: &str, system: &[SystemColumn]) -> DecodeRequest {
    let column = |part: &str| {
        let (name, kind) = part.split_once(": ").expect("`name: type`");
        Column { name: name.trim().to_owned(), kind: ColumnType::parse(kind).expect("a type") }
    };
    let columns = columns.split(';').filter(|part| !part.is_empty()).map(column).collect();
    DecodeRequest { system: system.to_vec(), ..DecodeRequest::new(Format::Auto, columns, "memory") }
}

/// Seconds that this thread was on a CPU; wall time where the system does not tell.
fn cpu_seconds() -> f64 {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| START.get_or_init(Instant::now).elapsed().as_secs_f64(), |nanoseconds| nanoseconds / 1e9)
}

/// A number that looks random and is the same every time.
fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ number >> 29
}

fn ndjson() -> Vec<u8> {
    let mut out = Vec::new();
    for row in 0..RECORDS {
        let r = mix(row);
        writeln!(
            out,
            r#"{{"ts":"2024-03-{:02}T{:02}:{:02}:{:02}.{:03}Z","id":{row},"user":"user{}","action":"{}","src":"10.{}.{}.{}","bytes":{},"ok":{},"message":"session {:x} handled by worker {}","tags":["a","b{}"],"geo":{{"lat":{}.5,"lon":{}.25}}}}"#,
            r % 28 + 1, r % 24, r % 60, r % 59, r % 1000, r % 5000, ["login", "logout", "read", "write"][(r % 4) as usize],
            r % 256, r % 255, r % 254, r % 1_000_000, r.is_multiple_of(3), r, r % 64, r % 9, r % 90, r % 180,
        )
        .expect("memory takes it");
    }
    out
}

fn cloudtrail() -> Vec<u8> {
    let mut out = b"{\"Records\":[".to_vec();
    for row in 0..RECORDS {
        let r = mix(row);
        if row > 0 {
            out.push(b',');
        }
        write!(
            out,
            r#"{{"eventVersion":"1.08","userIdentity":{{"type":"AssumedRole","principalId":"AROA{r:016X}:session{}","arn":"arn:aws:sts::123456789012:assumed-role/role{}/session","accountId":"123456789012","accessKeyId":"ASIA{:016X}","sessionContext":{{"sessionIssuer":{{"type":"Role","userName":"role{}"}},"attributes":{{"creationDate":"2023-07-10T11:00:00Z","mfaAuthenticated":"false"}}}}}},"eventTime":"2023-07-10T11:{:02}:{:02}Z","eventSource":"{}.amazonaws.com","eventName":"{}","awsRegion":"us-east-1","sourceIPAddress":"{}.{}.{}.{}","userAgent":"aws-sdk-go/1.44.{} (go1.19; linux; amd64) \"exec-env\"/AWS_ECS","requestParameters":{{"bucketName":"bucket-{}","key":"data/{r:x}/part.parquet","Host":"s3.amazonaws.com"}},"responseElements":null,"additionalEventData":{{"SignatureVersion":"SigV4","bytesTransferredIn":0,"bytesTransferredOut":{}}},"requestID":"{:016X}","eventID":"{:08x}-0000-4000-8000-{:012x}","readOnly":{},"resources":[{{"accountId":"123456789012","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::bucket-{}"}}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"123456789012","eventCategory":"Data"}}"#,
            r % 999, r % 40, mix(r), r % 40, r % 60, r % 59, ["s3", "ec2", "sts", "kms"][(r % 4) as usize],
            ["GetObject", "PutObject", "ListObjects", "AssumeRole"][(r % 4) as usize], r % 223, r % 256, r % 255, r % 254, r % 300,
            r % 100, r % 100_000, mix(r + 1), r as u32, r >> 16, r.is_multiple_of(2), r % 100,
        )
        .expect("memory takes it");
    }
    out.extend_from_slice(b"]}");
    out
}

/// A million rows of ten columns of mixed types.
fn parquet() -> Vec<u8> {
    let rows = || (0..5 * RECORDS).map(mix);
    let texts =
        |text: &dyn Fn(u64) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows().map(text))) };
    let ts = TimestampMicrosecondArray::from_iter_values(rows().map(|r| 1_700_000_000_000_000 + (r >> 24) as i64));
    let columns: [(&str, ArrayRef); 10] = [
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("id", Arc::new(Int64Array::from_iter_values(0..5 * RECORDS as i64))),
        ("user", texts(&|r| format!("user{}", r % 5000))),
        ("action", texts(&|r| ["login", "logout", "read", "write"][(r % 4) as usize].to_owned())),
        ("src", texts(&|r| format!("10.{}.{}.{}", r % 256, r % 255, r % 254))),
        ("bytes", Arc::new(Int32Array::from_iter_values(rows().map(|r| (r % 1_000_000) as i32)))),
        ("ok", Arc::new(BooleanArray::from_iter(rows().map(|r| Some(r.is_multiple_of(3)))))),
        ("ratio", Arc::new(Float64Array::from_iter_values(rows().map(|r| (r % 1000) as f64 / 7.0)))),
        ("day", Arc::new(Date32Array::from_iter_values(rows().map(|r| 19_000 + (r % 1000) as i32)))),
        ("message", texts(&|r| format!("session {r:x} handled by worker {}", r % 64))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("memory takes it");
    writer.into_inner().expect("memory takes it")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
