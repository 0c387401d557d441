//! How fast the decoders are: `cargo run --release -p millpond-decode --example decode_speed [NAME…]`.
//!
//! Every input is generated in memory, about 100 MB of it, and decoded on one thread. A row tells the decompressed
//! megabytes per CPU-second of the whole decode, of parsing alone (the same input, no column asked for) and of building
//! alone (the difference of the two). `NAME` picks the cases whose name contains it.

mod inputs;

use std::io::Cursor;
use std::time::Instant;

use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{Compression, DecodeRequest, Delimited, Format, Packing, Payload};
use millpond_decode::Decoder;

const ROUNDS: usize = 5;

/// One input and what is asked of it.
struct Case {
    name: &'static str,
    format: Format,
    input: fn() -> Vec<u8>,
    columns: &'static str,
    system: &'static [SystemColumn],
    compression: Option<Compression>,
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
const SYSLOG_COLUMNS: &str =
    "timestamp: text; hostname: text; appname: text; procid: int; severity: text; message: text";
const CEF_COLUMNS: &str =
    "device_vendor: text; name: text; severity: int; src: text; dst: text; spt: int; act: text; msg: text";
const PAIR_COLUMNS: &str =
    "date: date; devname: text; level: text; srcip: text; srcport: int; dstip: text; action: text; msg: text";
const AUDIT_COLUMNS: &str =
    "timestamp: timestamp(s); event_id: int; SYSCALL: text; EXECVE: text; PATH: text; PROCTITLE: text";
const TYPED_COLUMNS: &str = "ts: timestamp; id: int; user: text; action: text; src: text; bytes: int; ok: boolean; \
                             ratio: float; day: date; message: text";
const ACCESS_PATTERN: &str = r#"^(?<host>\S+) \S+ (?<user>\S+) \[(?<time>[^\]]+)\] "(?<request>[^"]*)" (?<status>\d{3}) (?:(?<bytes>\d+)|-) "(?<referer>[^"]*)" "(?<agent>[^"]*)""#;

fn cases() -> Vec<Case> {
    let case = |name, format, input, columns| Case { name, format, input, columns, system: &[], compression: None };
    let space = Format::Delimited(Delimited::space());
    let access = Format::Regex { pattern: ACCESS_PATTERN.to_owned(), start: None };
    let rest = &[SystemColumn::Rest, SystemColumn::Raw];
    let syslog = |payload| Format::Syslog { payload, start: None };
    let mut cases = vec![
        case("ndjson, 6 columns", Format::Auto, inputs::ndjson, LINE_COLUMNS),
        Case { system: rest, ..case("ndjson, 6 columns, _rest and _raw", Format::Auto, inputs::ndjson, LINE_COLUMNS) },
        case("ndjson of cloudtrail, 6 columns", Format::Auto, inputs::cloudtrail_lines, TRAIL_6_COLUMNS),
        case("cloudtrail, 12 columns", Format::Auto, inputs::cloudtrail, TRAIL_12_COLUMNS),
        case("cloudtrail.gz, 12 columns", Format::Auto, || inputs::gzip(&inputs::cloudtrail()), TRAIL_12_COLUMNS),
        case("csv, 6 of 10 columns", Format::Auto, inputs::csv, LINE_COLUMNS),
        case("csv, quoted, 6 of 10 columns", Format::Auto, inputs::csv_quoted, LINE_COLUMNS),
        case("zeek conn, 6 of 21 columns", Format::Zeek, inputs::zeek, ZEEK_COLUMNS),
        case("space (vpc flow), 6 of 14 columns", space, inputs::flow, FLOW_COLUMNS),
        case("regex (access log), 6 of 8 columns", access, inputs::access_log, ACCESS_COLUMNS),
        case("lines", Format::Lines { start: None }, inputs::access_log, "line: text"),
        case("syslog RFC 3164, 6 columns", syslog(Payload::Text), inputs::rfc3164, SYSLOG_COLUMNS),
        case("syslog RFC 5424, 6 columns", syslog(Payload::Text), inputs::rfc5424, SYSLOG_COLUMNS),
        case("cef, 8 columns", syslog(Payload::Cef), inputs::cef, CEF_COLUMNS),
        case("leef, 8 columns", syslog(Payload::Leef), inputs::leef, CEF_COLUMNS),
        case("kv, 8 columns", Format::KeyValue, inputs::key_value, PAIR_COLUMNS),
        case("auditd, 6 columns", Format::Auditd, inputs::auditd, AUDIT_COLUMNS),
        case("parquet, 10 columns", Format::Parquet, inputs::parquet, TYPED_COLUMNS),
        case("parquet, 2 columns", Format::Parquet, inputs::parquet, "id: int; user: text"),
    ];
    let packed = |(name, compression, input)| Case { compression, ..case(name, Format::Auto, input, "") };
    cases.extend(inputs::PACKED.map(packed));
    cases
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
        inflate_alone(&inputs::gzip(&inputs::cloudtrail()));
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
        let packing = Packing { compression: case.compression, encoding: None };
        let request = DecodeRequest {
            system: system.to_vec(),
            packing,
            ..DecodeRequest::new(case.format.clone(), columns, "memory")
        };
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
