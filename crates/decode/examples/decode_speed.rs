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
use millpond_core::format::{Compression as Packed, DecodeRequest, Format};
use millpond_decode::Decoder;
use parquet::arrow::ArrowWriter;
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
    let columns = "timestamp: text; hostname: text; appname: text; procid: int; severity: text; message: text";
    measure("syslog RFC 3164, 6 columns", &lines(rfc3164), columns, &[]);
    measure("syslog RFC 5424, 6 columns", &lines(rfc5424), columns, &[]);
    let columns =
        "device_vendor: text; name: text; severity: int; src: text; dst: text; spt: int; act: text; msg: text";
    measure("cef, 8 columns", &lines(cef), columns, &[]);
    measure("leef, 8 columns", &lines(leef), columns, &[]);
    let columns =
        "date: date; devname: text; level: text; srcip: text; srcport: int; dstip: text; action: text; msg: text";
    measure("kv, 8 columns", &lines(key_value), columns, &[]);
    measure("kv, 8 columns, _rest and _raw", &lines(key_value), columns, &[SystemColumn::Rest, SystemColumn::Raw]);
    let columns = "timestamp: timestamp(s); event_id: int; SYSCALL: text; EXECVE: text; PATH: text; PROCTITLE: text";
    measure("auditd, 6 columns", &lines(auditd), columns, &[]);
    compressions(&ndjson);
}

/// Each compression around the same lines, read without columns, so that little but the decompression is left.
fn compressions(ndjson: &[u8]) {
    measure("ndjson, no column", ndjson, "", &[]);
    for (compression, packed) in packed(ndjson) {
        let mut request = request("", &[]);
        request.packing.compression = (compression == "brotli").then_some(Packed::Brotli);
        measure_request(&format!("ndjson.{compression}, no column"), &packed, &request);
    }
}

fn packed(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    const FITS: &str = "memory takes it";
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    zlib.write_all(text).expect(FITS);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(text).expect(FITS);
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).expect(FITS);
    xz.write_all(text).expect(FITS);
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(text).expect(FITS);
    let mut snappy = snap::write::FrameEncoder::new(Vec::new());
    snappy.write_all(text).expect(FITS);
    let mut hadoop = Vec::new();
    for block in text.chunks(256 << 10) {
        let piece = snap::raw::Encoder::new().compress_vec(block).expect(FITS);
        hadoop.extend((block.len() as u32).to_be_bytes());
        hadoop.extend((piece.len() as u32).to_be_bytes());
        hadoop.extend(piece);
    }
    let mut brotli = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    brotli.write_all(text).expect(FITS);
    vec![
        ("gzip", gzip(text)),
        ("zlib", zlib.finish().expect(FITS)),
        ("zstd", zstd::encode_all(text, 3).expect(FITS)),
        ("bzip2", bzip2.finish().expect(FITS)),
        ("xz", xz.finish().expect(FITS)),
        ("lz4", lz4.finish().expect(FITS)),
        ("snappy", snappy.into_inner().expect(FITS)),
        ("hadoop-snappy", hadoop),
        ("brotli", brotli.into_inner()),
    ]
}

/// Records by their number and a number that looks random.
fn lines(line: fn(u64, u64) -> String) -> Vec<u8> {
    (0..RECORDS).flat_map(|row| line(row, mix(row)).into_bytes()).collect()
}

fn rfc3164(row: u64, r: u64) -> String {
    format!(
        "<38>Mar {:2} {:02}:{:02}:{:02} web-{} sshd[{}]: Failed password for invalid user user{} from 10.{}.{}.{} port {} ssh2\n",
        r % 28 + 1,
        r % 24,
        r % 60,
        row % 60,
        r % 40,
        r % 30_000,
        r % 5000,
        r % 256,
        r % 255,
        r % 254,
        r % 65_000,
    )
}

fn rfc5424(row: u64, r: u64) -> String {
    format!(
        "<38>1 2024-03-{:02}T{:02}:{:02}:{:02}.{:06}Z web-{} sshd {} ID47 [meta sequenceId=\"{row}\"] Failed password for user{} from 10.{}.{}.{}\n",
        r % 28 + 1,
        r % 24,
        r % 60,
        row % 60,
        r % 1_000_000,
        r % 40,
        r % 30_000,
        r % 5000,
        r % 256,
        r % 255,
        r % 254,
    )
}

fn cef(row: u64, r: u64) -> String {
    format!(
        "<134>Mar {:2} 10:00:00 fw-{} CEF:0|Vendor|Product|1.0|{}|Connection denied|{}|rt={row} src=10.{}.{}.{} dst=10.0.{}.{} spt={} dpt=443 proto=TCP act=blocked cs1Label=Rule Name cs1=Block the rest app=HTTPS msg=Denied by rule {} of the policy\n",
        r % 28 + 1,
        r % 9,
        r % 900,
        r % 10,
        r % 256,
        r % 255,
        r % 254,
        r % 253,
        r % 252,
        r % 65_000,
        r % 70,
    )
}

fn leef(row: u64, r: u64) -> String {
    format!(
        "<134>Mar {:2} 10:00:00 fw-{} LEEF:1.0|Vendor|Product|1.0|{}|devTime={row}\tname=Connection denied\tseverity={}\tsrc=10.{}.{}.{}\tdst=10.0.{}.{}\tspt={}\tdstPort=443\tproto=TCP\tact=blocked\tpolicy=Block the rest\tmsg=Denied by rule {} of the policy\n",
        r % 28 + 1,
        r % 9,
        r % 900,
        r % 10,
        r % 256,
        r % 255,
        r % 254,
        r % 253,
        r % 252,
        r % 65_000,
        r % 70,
    )
}

fn key_value(row: u64, r: u64) -> String {
    format!(
        "date=2024-03-{:02} time={:02}:{:02}:{:02} devname=\"fw-{}\" devid=\"FG{row:08}\" logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" level=\"notice\" vd=\"root\" srcip=10.{}.{}.{} srcport={} srcintf=\"lan\" dstip=10.0.{}.{} dstport=443 policyid={} action=\"deny\" msg=\"Denied by the policy\" sentbyte={} rcvdbyte=0\n",
        r % 28 + 1,
        r % 24,
        r % 60,
        row % 60,
        r % 9,
        r % 256,
        r % 255,
        r % 254,
        r % 65_000,
        r % 253,
        r % 252,
        r % 70,
        r % 9_999,
    )
}

fn auditd(row: u64, r: u64) -> String {
    let id = format!("msg=audit({}.{:03}:{row}):", 1_700_000_000 + row, r % 1000);
    format!(
        "type=SYSCALL {id} arch=c000003e syscall=59 success=yes exit=0 a0=55d{:x} a1=7f a2=7f a3=8 items=2 ppid={} pid={} auid=1000 uid=0 gid=0 euid=0 tty=pts0 ses={} comm=\"ls\" exe=\"/usr/bin/ls\" key=\"exec\"\n\
         type=EXECVE {id} argc=2 a0=\"ls\" a1=\"-l\"\n\
         type=PATH {id} item=0 name=\"/usr/bin/ls\" inode={} dev=08:01 mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL\n\
         type=PATH {id} item=1 name=\"/lib64/ld-linux-x86-64.so.2\" inode={} dev=08:01 mode=0100755 ouid=0 ogid=0 nametype=NORMAL\n\
         type=PROCTITLE {id} proctitle=6C73002D6C\n",
        r % 4096,
        r % 30_000,
        r % 29_999,
        r % 900,
        r % 99_999,
        r % 88_888,
    )
}

fn measure(name: &str, bytes: &[u8], columns: &str, system: &[SystemColumn]) {
    measure_request(name, bytes, &request(columns, system));
}

fn measure_request(name: &str, bytes: &[u8], request: &DecodeRequest) {
    let (mut best, mut best_rows) = (0.0_f64, 0.0_f64);
    let mut rows = 0;
    for _ in 0..ROUNDS {
        let input = Cursor::new(bytes.to_vec());
        let start = cpu_seconds();
        let mut decoder = Decoder::open(Box::new(input), request.clone()).expect("the input opens");
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
    let properties = WriterProperties::builder().set_compression(parquet::basic::Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("memory takes it");
    writer.into_inner().expect("memory takes it")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
