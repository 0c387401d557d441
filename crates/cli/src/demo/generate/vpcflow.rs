//! AWS VPC flow logs in their default format.

use std::io;

use chrono::{DateTime, TimeDelta, Utc};

use super::random::Random;
use super::{ACCOUNT, ATTACKER, DROP, File, Timed, UPLOAD_BYTES, UPLOAD_MINUTES, VICTIM, Window};
use super::{before, gzip, joined_lines, step, windows, with_story};

/// Records of a busy file.
const ROWS: u64 = 7_850;
/// The file with stray bytes, by its place.
const STRAY: usize = 8;

const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                      action log-status";

pub(super) fn files(now: DateTime<Utc>, percent: u64) -> io::Result<Vec<File>> {
    let mut random = Random::new(2);
    let story = story(now);
    let mut files = Vec::new();
    for window in windows(now, 2, ROWS, &mut random) {
        let mut lines = vec![HEADER.to_owned()];
        lines.extend(with_story(&window, everyday(&window, percent, &mut random), &story));
        let file = File::sound(path(&window, &mut random), gzip(&joined_lines(&lines))?);
        files.push(if window.index == STRAY { with_stray_bytes(file, &mut random) } else { file });
    }
    Ok(files)
}

fn path(window: &Window, random: &mut Random) -> String {
    let (day, time) = (window.end.format("%Y/%m/%d"), window.end.format("%Y%m%dT%H%MZ"));
    let hash = random.between(0x1000_0000, 0xffff_ffff);
    format!(
        "AWSLogs/{ACCOUNT}/vpcflowlogs/us-east-1/{day}/\
         {ACCOUNT}_vpcflowlogs_us-east-1_fl-0a1b2c3d4e5f60718_{time}_{hash:08x}.log.gz"
    )
}

fn with_stray_bytes(mut file: File, random: &mut Random) -> File {
    file.bytes.extend(random.bytes(37));
    file.damaged("37 stray bytes follow the end of the gzip stream")
}

/// One flow.
struct Flow<'a> {
    source: &'a str,
    target: &'a str,
    ports: (u64, u64),
    protocol: u8,
    packets: u64,
    bytes: u64,
    seconds: (i64, i64),
    action: &'static str,
}

impl Flow<'_> {
    fn line(&self) -> String {
        let Self { source, target, ports: (from, to), protocol, packets, bytes, seconds: (start, end), action } = self;
        // The interface belongs to the address inside.
        let inside = if source.starts_with("10.") { source } else { target };
        let interface = inside.bytes().fold(7_u64, |hash, byte| (hash * 31 + u64::from(byte)) & 0xff_ffff);
        format!(
            "2 {ACCOUNT} eni-0a1b2c3d4e{interface:06x} {source} {target} {from} {to} {protocol} {packets} {bytes} \
             {start} {end} {action} OK"
        )
    }
}

fn everyday(window: &Window, percent: u64, random: &mut Random) -> Vec<Timed> {
    let end = window.end.timestamp();
    let moments = window.moments(percent, random);
    moments.into_iter().map(|time_us| (time_us, everyday_line(time_us / 1_000_000, end, random))).collect()
}

fn everyday_line(start: i64, end_max: i64, random: &mut Random) -> String {
    let end = (start + random.between(1, 60) as i64).min(end_max);
    if random.below(200) == 0 {
        return format!("2 {ACCOUNT} eni-0a1b2c3d4effffff - - - - - - - {start} {end} - NODATA");
    }
    let host = format!("10.20.{}.{}", random.between(1, 4), random.between(10, 40));
    let high = random.between(32_768, 61_000);
    let packets = random.between(2, 60);
    let flow = |source, target, ports, protocol, bytes, action| {
        Flow { source, target, ports, protocol, packets, bytes, seconds: (start, end), action }.line()
    };
    let small = packets * random.between(52, 900);
    match random.below(100) {
        0..30 => flow(&format!("192.0.2.{}", random.between(10, 250)), &host, (high, 443), 6, small, "ACCEPT"),
        30..55 => flow(&host, "10.20.4.12", (high, 5432), 6, small, "ACCEPT"),
        55..75 => {
            let server = format!("198.51.100.{}", random.between(30, 150));
            flow(&host, &server, (high, 443), 6, packets * random.between(200, 1_400), "ACCEPT")
        }
        75..90 => flow(&host, "10.20.0.2", (high, 53), 17, small.min(400), "ACCEPT"),
        90..96 => flow(&host, "169.254.169.123", (high, 123), 17, 76, "ACCEPT"),
        _ => {
            let scanner = format!("203.0.113.{}", random.between(100, 220));
            let port = *random.pick(&[22, 23, 80, 445, 1433, 3389, 5900, 6379, 8080, 9200]);
            flow(&scanner, &host, (high, port), 6, 44, "REJECT")
        }
    }
}

/// The scan, and the upload as the network sees it, a record a minute.
fn story(now: DateTime<Utc>) -> Vec<Timed> {
    let scan = (0..SCANNED.len() * 2).map(|index| {
        let time = before(now, step::SCAN) + TimeDelta::seconds(4 * index as i64);
        let target = if index % 2 == 0 { "10.20.1.15" } else { VICTIM };
        let flow = Flow {
            source: ATTACKER,
            target,
            ports: (40_000 + index as u64, SCANNED[index / 2]),
            protocol: 6,
            packets: 1,
            bytes: 44,
            seconds: (time.timestamp(), time.timestamp() + 1),
            action: "REJECT",
        };
        (time.timestamp_micros(), flow.line())
    });
    let upload = (0..UPLOAD_MINUTES).map(|minute| {
        let time = before(now, step::UPLOAD - minute);
        let bytes = UPLOAD_BYTES / UPLOAD_MINUTES as u64;
        let flow = Flow {
            source: VICTIM,
            target: DROP,
            ports: (50_500, 443),
            protocol: 6,
            packets: bytes / 1_400,
            bytes: bytes + bytes / 36,
            seconds: (time.timestamp(), time.timestamp() + 59),
            action: "ACCEPT",
        };
        (time.timestamp_micros(), flow.line())
    });
    scan.chain(upload).collect()
}

/// Ports that the attacker tries.
const SCANNED: [u64; 40] = [
    21, 22, 23, 25, 53, 80, 81, 88, 110, 111, 135, 139, 143, 389, 443, 445, 465, 587, 636, 873, 993, 1433, 1521, 2049,
    2375, 3000, 3306, 3389, 5000, 5432, 5601, 5900, 6379, 8000, 8080, 8443, 9000, 9200, 11211, 27017,
];
