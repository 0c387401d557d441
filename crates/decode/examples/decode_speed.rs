//! How fast the decoders are: `cargo run --release -p millpond-engine --example decode_speed`.
//!
//! Prints decompressed megabytes per CPU-second of this thread, for inputs generated in memory.

use std::io::{Cursor, Write};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{Compression as Packed, DecodeRequest, Format};
use millpond_decode::Decoder;

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
    inflate_alone(&zipped);
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
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
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

fn measure(name: &str, bytes: &[u8], columns: &str, system: &[SystemColumn]) {
    measure_request(name, bytes, &request(columns, system));
}

fn measure_request(name: &str, bytes: &[u8], request: &DecodeRequest) {
    let mut best = 0.0_f64;
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
    }
    println!("{name:36} {rows:8} rows {best:8.0} MB per CPU-second");
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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
