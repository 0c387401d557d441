//! How fast the decoders are: `cargo run --release -p millpond-decode --example decode_speed [NAME…]`.
//!
//! Every input is generated in memory, about 100 MB of it, and decoded on one thread. A row tells the decompressed
//! megabytes per CPU-second of the whole decode, of parsing alone (the same input, no column asked for) and of building
//! alone (the difference of the two). `NAME` picks the cases whose name contains it.

use std::io::{Cursor, Write};
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeRequest, Delimited, Format};
use millpond_decode::Decoder;

const BYTES: usize = 100_000_000;
const ROUNDS: usize = 5;

/// One input and what is asked of it.
struct Case {
    name: &'static str,
    format: Format,
    input: fn() -> Vec<u8>,
    columns: &'static str,
    system: &'static [SystemColumn],
}

const LINE_COLUMNS: &str = "ts: timestamp; id: int; user: text; action: text; bytes: int; ok: boolean";
const TRAIL_6_COLUMNS: &str = "eventID: text; eventTime: timestamp; eventName: text; eventSource: text; awsRegion: text; \
                               sourceIPAddress: text";
const TRAIL_12_COLUMNS: &str = "eventTime: timestamp; eventSource: text; eventName: text; awsRegion: text; \
                                sourceIPAddress: text; userAgent: text; eventID: text; recipientAccountId: text; \
                                readOnly: boolean; errorCode: text; requestParameters: text; userIdentity: text";
const ZEEK_COLUMNS: &str =
    "ts: timestamp(s); uid: text; id.orig_h: text; id.resp_p: int; orig_bytes: int; conn_state: text";
const FLOW_COLUMNS: &str = "srcaddr: text; dstaddr: text; dstport: int; bytes: int; start: timestamp(s); action: text";
const ACCESS_COLUMNS: &str = "host: text; time: timestamp(%d/%b/%Y:%H:%M:%S %z); request: text; status: int; \
                              bytes: int; agent: text";
const ACCESS_PATTERN: &str = r#"^(?<host>\S+) \S+ (?<user>\S+) \[(?<time>[^\]]+)\] "(?<request>[^"]*)" (?<status>\d{3}) (?:(?<bytes>\d+)|-) "(?<referer>[^"]*)" "(?<agent>[^"]*)""#;

fn cases() -> Vec<Case> {
    let case = |name, format, input, columns| Case { name, format, input, columns, system: &[] };
    let space = Format::Delimited(Delimited::space());
    let access = Format::Regex { pattern: ACCESS_PATTERN.to_owned(), start: None };
    let rest = &[SystemColumn::Rest, SystemColumn::Raw];
    vec![
        case("ndjson, 6 columns", Format::Auto, ndjson, LINE_COLUMNS),
        Case { system: rest, ..case("ndjson, 6 columns, _rest and _raw", Format::Auto, ndjson, LINE_COLUMNS) },
        case("ndjson of cloudtrail, 6 columns", Format::Auto, cloudtrail_lines, TRAIL_6_COLUMNS),
        case("cloudtrail, 12 columns", Format::Auto, cloudtrail, TRAIL_12_COLUMNS),
        case("cloudtrail.gz, 12 columns", Format::Auto, || gzip(&cloudtrail()), TRAIL_12_COLUMNS),
        case("csv, 6 of 10 columns", Format::Auto, csv, LINE_COLUMNS),
        case("csv, quoted, 6 of 10 columns", Format::Auto, csv_quoted, LINE_COLUMNS),
        case("zeek conn, 6 of 21 columns", Format::Zeek, zeek, ZEEK_COLUMNS),
        case("space (vpc flow), 6 of 14 columns", space, flow, FLOW_COLUMNS),
        case("regex (access log), 6 of 8 columns", access, access_log, ACCESS_COLUMNS),
        case("lines", Format::Lines { start: None }, access_log, "line: text"),
    ]
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    println!("{:36} {:>8} {:>8} {:>9} {:>9} {:>9}", "MB per CPU-second", "rows", "ns/row", "decode", "parse", "build");
    for case in cases() {
        if wanted.is_empty() || wanted.iter().any(|part| case.name.contains(part.as_str())) {
            tell(&case);
        }
    }
    if wanted.is_empty() {
        inflate_alone(&gzip(&cloudtrail()));
    }
}

fn tell(case: &Case) {
    let bytes = (case.input)();
    let whole = Cost::measure(case, &bytes, true);
    let parse = Cost::measure(case, &bytes, false);
    let speed = |seconds: f64| if seconds > 0.0 { whole.decoded_bytes as f64 / 1e6 / seconds } else { f64::INFINITY };
    println!(
        "{:36} {:8} {:8.0} {:9.0} {:9.0} {:9.0}",
        case.name,
        whole.rows,
        whole.seconds * 1e9 / whole.rows as f64,
        speed(whole.seconds),
        speed(parse.seconds),
        speed(whole.seconds - parse.seconds),
    );
}

/// The median of several decodes of one input.
struct Cost {
    seconds: f64,
    rows: usize,
    decoded_bytes: u64,
}

impl Cost {
    fn measure(case: &Case, bytes: &[u8], with_columns: bool) -> Self {
        let mut costs: Vec<Self> = (0..ROUNDS).map(|_| Self::once(case, bytes, with_columns)).collect();
        costs.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        costs.swap_remove(ROUNDS / 2)
    }

    fn once(case: &Case, bytes: &[u8], with_columns: bool) -> Self {
        let (columns, system) = if with_columns { (case.columns, case.system) } else { ("", &[][..]) };
        let columns = columns.split(';').filter(|part| !part.is_empty()).map(column).collect();
        let request =
            DecodeRequest { system: system.to_vec(), ..DecodeRequest::new(case.format.clone(), columns, "memory") };
        let input = Cursor::new(bytes.to_vec());
        let start = cpu_seconds();
        let mut decoder = Decoder::open(Box::new(input), request).expect("the input opens");
        let mut rows = 0;
        while let Some(batch) = decoder.next_batch().expect("the input decodes") {
            rows += batch.num_rows();
        }
        let seconds = cpu_seconds() - start;
        let summary = decoder.summary();
        assert_eq!((summary.rejected, summary.rescued), (0, 0), "{}: every record is sound", case.name);
        Self { seconds, rows, decoded_bytes: summary.decoded_bytes }
    }
}

fn column(text: &str) -> Column {
    let (name, kind) = text.split_once(": ").expect("`name: type`");
    Column { name: name.trim().to_owned(), kind: ColumnType::parse(kind).expect("a type") }
}

fn inflate_alone(zipped: &[u8]) {
    let start = cpu_seconds();
    let mut decoder = flate2::read::MultiGzDecoder::new(zipped);
    let bytes = std::io::copy(&mut decoder, &mut std::io::sink()).expect("the input inflates");
    println!("{:36} {:8} {:8} {:9.0}", "inflate alone", "", "", bytes as f64 / 1e6 / (cpu_seconds() - start));
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

fn ndjson() -> Vec<u8> {
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

fn cloudtrail() -> Vec<u8> {
    let mut out = rows("{\"Records\":[", |out, row, r| {
        out.extend_from_slice(if row > 0 { b"," } else { b"" });
        cloudtrail_record(out, r)
    });
    out.extend_from_slice(b"]}");
    out
}

fn cloudtrail_lines() -> Vec<u8> {
    rows("", |out, _, r| {
        cloudtrail_record(out, r)?;
        out.write_all(b"\n")
    })
}

fn csv() -> Vec<u8> {
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

fn csv_quoted() -> Vec<u8> {
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

fn zeek() -> Vec<u8> {
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

fn flow() -> Vec<u8> {
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

fn access_log() -> Vec<u8> {
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

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
