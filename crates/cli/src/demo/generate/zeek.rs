//! Zeek connection logs in their own TSV, a folder a day.

use std::io;

use chrono::{DateTime, TimeDelta, Utc};

use super::random::Random;
use super::{DROP, File, HOME_MINUTES, Timed, UPLOAD_BYTES, UPLOAD_MINUTES, VICTIM, Window};
use super::{before, gzip, joined_lines, step, windows, with_story};

/// Connections of a busy file.
const ROWS: u64 = 5_800;
/// The ragged file, by its place. It is not compressed, nor is the last one, so that they can be looked at.
const RAGGED: usize = 9;
const LAST: usize = 15;

const FIELDS: &str = "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\t\
                      resp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\t\
                      resp_pkts\tresp_ip_bytes\ttunnel_parents";
const TYPES: &str = "time\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\t\
                     count\tstring\tcount\tcount\tcount\tcount\tset[string]";

pub(super) fn files(now: DateTime<Utc>, percent: u64) -> io::Result<Vec<File>> {
    let mut random = Random::new(4);
    let story = story(now, &mut random);
    let mut files = Vec::new();
    for window in windows(now, 3, ROWS, &mut random) {
        let mut lines = with_story(&window, everyday(&window, percent, &mut random), &story);
        if window.index == RAGGED {
            make_ragged(&mut lines);
        }
        let text = joined_lines(&framed(&window, lines));
        let path = path(&window);
        files.push(match window.index {
            RAGGED => File::sound(path, text).damaged("five lines in the middle have too few or too many fields"),
            LAST => File::sound(path, text),
            _ => File::sound(format!("{path}.gz"), gzip(&text)?),
        });
    }
    Ok(files)
}

/// Zeek writes the times with `:`, which some file systems refuse.
fn path(window: &Window) -> String {
    let (day, start, end) =
        (window.start.format("%Y-%m-%d"), window.start.format("%H.%M.%S"), window.end.format("%H.%M.%S"));
    format!("zeek/{day}/conn.{start}-{end}.log")
}

fn framed(window: &Window, lines: Vec<String>) -> Vec<String> {
    let time = |time: DateTime<Utc>| time.format("%Y-%m-%d-%H-%M-%S");
    let mut framed: Vec<String> = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-"]
        .into_iter()
        .map(str::to_owned)
        .collect();
    framed.push("#path\tconn".to_owned());
    framed.push(format!("#open\t{}", time(window.start)));
    framed.push(format!("#fields\t{FIELDS}"));
    framed.push(format!("#types\t{TYPES}"));
    framed.extend(lines);
    framed.push(format!("#close\t{}", time(window.end)));
    framed
}

/// A full disk cut some lines, and two got glued together.
fn make_ragged(lines: &mut [String]) {
    let middle = lines.len() / 2;
    for (offset, fields) in [(0, 9), (1, 3), (2, 20), (4, 14)] {
        if let Some(line) = lines.get_mut(middle + offset) {
            *line = line.split('\t').take(fields).collect::<Vec<_>>().join("\t");
        }
    }
    if let Some(line) = lines.get_mut(middle + 3) {
        *line = format!("{line}\t{line}");
    }
}

/// One connection.
struct Connection<'a> {
    start_us: i64,
    duration_us: i64,
    source: &'a str,
    source_port: u64,
    target: &'a str,
    target_port: u64,
    protocol: &'a str,
    service: &'a str,
    sent: u64,
    received: u64,
}

fn line(connection: &Connection<'_>, random: &mut Random) -> String {
    let Connection {
        start_us,
        duration_us,
        source,
        source_port,
        target,
        target_port,
        protocol,
        service,
        sent,
        received,
    } = connection;
    let is_local = |address: &str| if address.starts_with("10.") { 'T' } else { 'F' };
    let (local_source, local_target) = (is_local(source), is_local(target));
    let (start, start_micros) = (start_us / 1_000_000, start_us % 1_000_000);
    let (duration, duration_micros) = (duration_us / 1_000_000, duration_us % 1_000_000);
    let (packets_out, packets_in) = (1 + sent / 1_400, 1 + received / 1_400);
    let (ip_out, ip_in) = (sent + packets_out * 40, received + packets_in * 40);
    let history = if *protocol == "tcp" { "ShADadFf" } else { "Dd" };
    let uid = random.word(17);
    format!(
        "{start}.{start_micros:06}\tC{uid}\t{source}\t{source_port}\t{target}\t{target_port}\t{protocol}\t{service}\t\
         {duration}.{duration_micros:06}\t{sent}\t{received}\tSF\t{local_source}\t{local_target}\t0\t{history}\t\
         {packets_out}\t{ip_out}\t{packets_in}\t{ip_in}\t(empty)"
    )
}

fn everyday(window: &Window, percent: u64, random: &mut Random) -> Vec<Timed> {
    let end_us = window.end.timestamp_micros();
    let moments = window.moments(percent, random);
    moments.into_iter().map(|time_us| (time_us, everyday_line(time_us, end_us, random))).collect()
}

fn everyday_line(start_us: i64, end_us: i64, random: &mut Random) -> String {
    let host = format!("10.20.{}.{}", random.between(1, 4), random.between(10, 90));
    let server = format!("198.51.100.{}", random.between(30, 150));
    let (target, target_port, protocol, service, seconds) = match random.below(100) {
        0..45 => ("10.20.0.2", 53, "udp", "dns", 1),
        45..80 => (server.as_str(), 443, "tcp", "ssl", 120),
        80..88 => ("10.20.4.12", 5432, "tcp", "-", 600),
        88..93 => (server.as_str(), 80, "tcp", "http", 30),
        93..97 => ("10.20.0.3", 123, "udp", "ntp", 1),
        97 => ("10.20.4.20", 22, "tcp", "ssh", 3_000),
        _ => ("10.20.4.30", 445, "tcp", "smb", 300),
    };
    let bytes_max = if protocol == "udp" { 300 } else { 60_000 };
    let connection = Connection {
        start_us,
        duration_us: (random.below(seconds * 1_000_000) as i64).min(end_us - start_us),
        source: &host,
        source_port: random.between(32_768, 61_000),
        target,
        target_port,
        protocol,
        service,
        sent: random.between(30, bytes_max),
        received: random.between(60, bytes_max * 8),
    };
    line(&connection, random)
}

/// The call home and the upload, each logged when it ends.
fn story(now: DateTime<Utc>, random: &mut Random) -> Vec<Timed> {
    let mut connection = |started: i64, minutes: i64, target_port: u64, sent: u64, received: u64| {
        let start = before(now, started);
        let connection = Connection {
            start_us: start.timestamp_micros() + 318_442,
            duration_us: minutes * 60_000_000 + 512_907,
            source: VICTIM,
            source_port: 50_000 + target_port % 1_000,
            target: DROP,
            target_port,
            protocol: "tcp",
            service: "ssl",
            sent,
            received,
        };
        ((start + TimeDelta::minutes(minutes)).timestamp_micros(), line(&connection, random))
    };
    vec![
        connection(step::HOME, HOME_MINUTES, 8_443, 412_380, 388_104),
        connection(step::UPLOAD, UPLOAD_MINUTES, 443, UPLOAD_BYTES, 1_204_224),
    ]
}
