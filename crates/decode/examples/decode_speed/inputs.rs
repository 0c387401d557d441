//! The inputs, generated in memory: the same bytes every time.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use flate2::write::GzEncoder;
use millpond_core::format::Compression;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// Decompressed bytes of an input, about.
const BYTES: usize = 100_000_000;
const FITS: &str = "memory takes it";

/// A number that looks random and is the same every time.
fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number ^ number >> 29
}

/// Writes rows behind a head until there are enough bytes.
fn rows(head: &str, mut write_row: impl FnMut(&mut Vec<u8>, u64, u64) -> std::io::Result<()>) -> Vec<u8> {
    let mut out = Vec::with_capacity(BYTES + (1 << 16));
    out.extend_from_slice(head.as_bytes());
    let mut row = 0;
    while out.len() < BYTES {
        write_row(&mut out, row, mix(row)).expect("memory takes it");
        row += 1;
    }
    out
}

pub(super) fn ndjson() -> Vec<u8> {
    rows("", |out, row, r| {
        writeln!(
            out,
            r#"{{"ts":"2024-03-{:02}T{:02}:{:02}:{:02}.{:03}Z","id":{row},"user":"user{}","action":"{}","src":"10.{}.{}.{}","bytes":{},"ok":{},"message":"session {:x} handled by worker {}","tags":["a","b{}"],"geo":{{"lat":{}.5,"lon":{}.25}}}}"#,
            r % 28 + 1,
            r % 24,
            r % 60,
            r % 59,
            r % 1000,
            r % 5000,
            ["login", "logout", "read", "write"][(r % 4) as usize],
            r % 256,
            r % 255,
            r % 254,
            r % 1_000_000,
            r.is_multiple_of(3),
            r,
            r % 64,
            r % 9,
            r % 90,
            r % 180,
        )
    })
}

fn cloudtrail_record(out: &mut Vec<u8>, r: u64) -> std::io::Result<()> {
    write!(
        out,
        r#"{{"eventVersion":"1.08","userIdentity":{{"type":"AssumedRole","principalId":"AROA{r:016X}:session{}","arn":"arn:aws:sts::123456789012:assumed-role/role{}/session","accountId":"123456789012","accessKeyId":"ASIA{:016X}","sessionContext":{{"sessionIssuer":{{"type":"Role","userName":"role{}"}},"attributes":{{"creationDate":"2023-07-10T11:00:00Z","mfaAuthenticated":"false"}}}}}},"eventTime":"2023-07-10T11:{:02}:{:02}Z","eventSource":"{}.amazonaws.com","eventName":"{}","awsRegion":"us-east-1","sourceIPAddress":"{}.{}.{}.{}","userAgent":"aws-sdk-go/1.44.{} (go1.19; linux; amd64) \"exec-env\"/AWS_ECS","requestParameters":{{"bucketName":"bucket-{}","key":"data/{r:x}/part.parquet","Host":"s3.amazonaws.com"}},"responseElements":null,"additionalEventData":{{"SignatureVersion":"SigV4","bytesTransferredIn":0,"bytesTransferredOut":{}}},"requestID":"{:016X}","eventID":"{:08x}-0000-4000-8000-{:012x}","readOnly":{},"resources":[{{"accountId":"123456789012","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::bucket-{}"}}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"123456789012","eventCategory":"Data"}}"#,
        r % 999,
        r % 40,
        mix(r),
        r % 40,
        r % 60,
        r % 59,
        ["s3", "ec2", "sts", "kms"][(r % 4) as usize],
        ["GetObject", "PutObject", "ListObjects", "AssumeRole"][(r % 4) as usize],
        r % 223,
        r % 256,
        r % 255,
        r % 254,
        r % 300,
        r % 100,
        r % 100_000,
        mix(r + 1),
        r as u32,
        r >> 16,
        r.is_multiple_of(2),
        r % 100,
    )
}

pub(super) fn cloudtrail() -> Vec<u8> {
    let mut out = rows("{\"Records\":[", |out, row, r| {
        out.extend_from_slice(if row > 0 { b"," } else { b"" });
        cloudtrail_record(out, r)
    });
    out.extend_from_slice(b"]}");
    out
}

pub(super) fn cloudtrail_lines() -> Vec<u8> {
    rows("", |out, _, r| {
        cloudtrail_record(out, r)?;
        out.write_all(b"\n")
    })
}

pub(super) fn csv() -> Vec<u8> {
    rows("ts,id,user,action,src,bytes,ok,message,lat,lon\n", |out, row, r| {
        writeln!(
            out,
            "2024-03-{:02}T{:02}:{:02}:{:02}.{:03}Z,{row},user{},{},10.{}.{}.{},{},{},session {:x} handled by worker {},{}.5,{}.25",
            r % 28 + 1,
            r % 24,
            r % 60,
            r % 59,
            r % 1000,
            r % 5000,
            ["login", "logout", "read", "write"][(r % 4) as usize],
            r % 256,
            r % 255,
            r % 254,
            r % 1_000_000,
            r.is_multiple_of(3),
            r,
            r % 64,
            r % 90,
            r % 180,
        )
    })
}

pub(super) fn csv_quoted() -> Vec<u8> {
    rows("ts,id,user,action,src,bytes,ok,message,lat,lon\r\n", |out, row, r| {
        write!(
            out,
            "\"2024-03-{:02}T{:02}:{:02}:{:02}.{:03}Z\",{row},\"user{}\",\"{}\",10.{}.{}.{},{},{},\"session \"\"{:x}\"\", handled by worker {}\",{}.5,{}.25\r\n",
            r % 28 + 1,
            r % 24,
            r % 60,
            r % 59,
            r % 1000,
            r % 5000,
            ["login", "logout", "read", "write"][(r % 4) as usize],
            r % 256,
            r % 255,
            r % 254,
            r % 1_000_000,
            r.is_multiple_of(3),
            r,
            r % 64,
            r % 90,
            r % 180,
        )
    })
}

pub(super) fn zeek() -> Vec<u8> {
    let head = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
        #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\t\
        conn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\t\
        tunnel_parents\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\t\
        bool\tcount\tstring\tcount\tcount\tcount\tcount\tset[string]\n";
    rows(head, |out, row, r| {
        writeln!(
            out,
            "{}.{:06}\tC{:016x}\t10.{}.{}.{}\t{}\t192.0.2.{}\t{}\ttcp\t{}\t{}.{:06}\t{}\t{}\tSF\tT\tF\t0\tShADadFf\t{}\t{}\t{}\t{}\t-",
            1_700_000_000 + row / 100,
            r % 1_000_000,
            r,
            r % 256,
            r % 255,
            r % 254,
            1024 + r % 60_000,
            r % 250,
            [53, 80, 443, 8443][(r % 4) as usize],
            ["dns", "http", "ssl", "-"][(r % 4) as usize],
            r % 60,
            r % 999_999,
            r % 100_000,
            r % 1_000_000,
            r % 100,
            r % 200_000,
            r % 300,
            r % 2_000_000,
        )
    })
}

pub(super) fn flow() -> Vec<u8> {
    let head = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                log-status\n";
    rows(head, |out, row, r| {
        writeln!(
            out,
            "2 123456789012 eni-{:017x} 10.{}.{}.{} 192.0.2.{} {} {} 6 {} {} {} {} {} OK",
            r,
            r % 256,
            r % 255,
            r % 254,
            r % 250,
            1024 + r % 60_000,
            [53, 80, 443, 8443][(r % 4) as usize],
            r % 100,
            r % 1_000_000,
            1_700_000_000 + row / 100,
            1_700_000_060 + row / 100,
            ["ACCEPT", "REJECT"][(r % 2) as usize],
        )
    })
}

pub(super) fn access_log() -> Vec<u8> {
    rows("", |out, row, r| {
        writeln!(
            out,
            "10.{}.{}.{} - {} [{:02}/Nov/2026:{:02}:{:02}:{:02} +0000] \"GET /items/{:x}?page={} HTTP/1.1\" {} {} \"https://www.example.com/start\" \"Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0\"",
            r % 256,
            r % 255,
            r % 254,
            ["-", "ann", "bob"][(r % 3) as usize],
            r % 28 + 1,
            row % 24,
            r % 60,
            r % 59,
            r,
            r % 50,
            [200, 301, 404, 500][(r % 4) as usize],
            r % 100_000,
            r % 120,
            r % 120,
        )
    })
}

fn rfc3164_line(row: u64, r: u64) -> String {
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

pub(super) fn rfc3164() -> Vec<u8> {
    lines(rfc3164_line)
}

fn rfc5424_line(row: u64, r: u64) -> String {
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

pub(super) fn rfc5424() -> Vec<u8> {
    lines(rfc5424_line)
}

fn cef_line(row: u64, r: u64) -> String {
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

pub(super) fn cef() -> Vec<u8> {
    lines(cef_line)
}

fn leef_line(row: u64, r: u64) -> String {
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

pub(super) fn leef() -> Vec<u8> {
    lines(leef_line)
}

fn key_value_line(row: u64, r: u64) -> String {
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

pub(super) fn key_value() -> Vec<u8> {
    lines(key_value_line)
}

fn auditd_line(row: u64, r: u64) -> String {
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

pub(super) fn auditd() -> Vec<u8> {
    lines(auditd_line)
}

fn lines(line: fn(u64, u64) -> String) -> Vec<u8> {
    rows("", |out, row, r| out.write_all(line(row, r).as_bytes()))
}

/// A million rows of ten columns of mixed types.
pub(super) fn parquet() -> Vec<u8> {
    const ROWS: u64 = 1_000_000;
    let rows = || (0..ROWS).map(mix);
    let texts =
        |text: &dyn Fn(u64) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows().map(text))) };
    let ts = TimestampMicrosecondArray::from_iter_values(rows().map(|r| 1_700_000_000_000_000 + (r >> 24) as i64));
    let columns: [(&str, ArrayRef); 10] = [
        ("ts", Arc::new(ts.with_timezone("UTC"))),
        ("id", Arc::new(Int64Array::from_iter_values(0..ROWS as i64))),
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

/// A compression around lines of JSON: its name, the declaration that it needs, the input.
type Packed = (&'static str, Option<Compression>, fn() -> Vec<u8>);

/// The same lines in every compression, to be read without columns, so that little but the decompression is left.
pub(super) const PACKED: [Packed; 9] = [
    ("ndjson.gzip, no column", None, || gzip(&ndjson())),
    ("ndjson.zlib, no column", None, zlib),
    ("ndjson.zstd, no column", None, || zstd::encode_all(&ndjson()[..], 3).expect(FITS)),
    ("ndjson.bzip2, no column", None, bzip2),
    ("ndjson.xz, no column", None, xz),
    ("ndjson.lz4, no column", None, lz4),
    ("ndjson.snappy, no column", None, snappy),
    ("ndjson.hadoop-snappy, no column", None, hadoop_snappy),
    ("ndjson.brotli, no column", Some(Compression::Brotli), brotli),
];

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect(FITS);
    encoder.finish().expect(FITS)
}

fn zlib() -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(&ndjson()).expect(FITS);
    encoder.finish().expect(FITS)
}

fn bzip2() -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    encoder.write_all(&ndjson()).expect(FITS);
    encoder.finish().expect(FITS)
}

fn xz() -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).expect(FITS);
    encoder.write_all(&ndjson()).expect(FITS);
    encoder.finish().expect(FITS)
}

fn lz4() -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(&ndjson()).expect(FITS);
    encoder.finish().expect(FITS)
}

fn snappy() -> Vec<u8> {
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(&ndjson()).expect(FITS);
    encoder.into_inner().expect(FITS)
}

fn hadoop_snappy() -> Vec<u8> {
    let mut out = Vec::new();
    for block in ndjson().chunks(256 << 10) {
        let piece = snap::raw::Encoder::new().compress_vec(block).expect(FITS);
        out.extend((block.len() as u32).to_be_bytes());
        out.extend((piece.len() as u32).to_be_bytes());
        out.extend(piece);
    }
    out
}

fn brotli() -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    encoder.write_all(&ndjson()).expect(FITS);
    encoder.into_inner()
}
