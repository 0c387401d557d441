//! Logs for the demo: two days of a small company, an attack in the middle of them, and the damage of everyday life.
//!
//! Everything is made up: names, accounts and addresses are those reserved for documentation. The same `now` gives the
//! same bytes, so the numbers of a demo can be told again. Nothing here knows how the logs are read.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, SubsecRound, TimeDelta, Timelike, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

mod cloudtrail;
mod okta;
mod random;
mod vpcflow;
mod zeek;

use random::Random;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generated {
    /// Files in all.
    pub(crate) files: usize,
    /// Their bytes as stored.
    pub(crate) bytes: u64,
    /// Files that are not as they should be: the path below the inbox, and what is wrong in one phrase.
    pub(crate) broken: Vec<(String, String)>,
    /// The attack, a sentence a step, in order of time.
    pub(crate) story: Vec<String>,
}

/// Writes the logs of the two days before `now` below `inbox`.
///
/// # Errors
/// When a folder or file cannot be written.
pub(crate) fn generate(inbox: &Path, now: DateTime<Utc>) -> io::Result<Generated> {
    generate_share(inbox, now, FULL)
}

fn generate_share(inbox: &Path, now: DateTime<Utc>, percent: u64) -> io::Result<Generated> {
    let now = now.trunc_subsecs(0);
    let files = files(now, percent)?;
    for file in &files {
        let path = inbox.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, &file.bytes)?;
    }
    let broken = |file: &File| file.damage.clone().map(|damage| (file.path.clone(), damage));
    Ok(Generated {
        files: files.len(),
        bytes: files.iter().map(|file| file.bytes.len() as u64).sum(),
        broken: files.iter().filter_map(broken).collect(),
        story: story(now),
    })
}

/// Rows in percent of what a demo has; tests want fewer.
const FULL: u64 = 100;
/// How far back the logs go.
const HOURS: i64 = 48;

/// The account of the company's cloud.
const ACCOUNT: &str = "111122223333";
/// The people: their login is also their name in AWS. The attacker gets in as the first.
const PEOPLE: [&str; 20] = [
    "j.doe",
    "a.fischer",
    "b.okafor",
    "c.tanaka",
    "d.silva",
    "e.novak",
    "f.moreau",
    "g.haddad",
    "h.lindqvist",
    "i.rossi",
    "k.meyer",
    "l.santos",
    "m.lee",
    "n.petrov",
    "o.garcia",
    "p.nowak",
    "r.khan",
    "s.jensen",
    "t.murphy",
    "v.popescu",
];

/// Where the attack comes from.
const ATTACKER: &str = "203.0.113.66";
/// Where the stolen data goes.
const DROP: &str = "198.51.100.23";
/// The server it is taken from.
const VICTIM: &str = "10.20.3.41";
/// Who the attacker becomes.
const STOLEN: &str = "j.doe";
/// Whose access key the attacker makes.
const SERVICE_USER: &str = "svc-backup";

/// The steps of the attack, in minutes before `now`. Each source tells its part.
mod step {
    /// Ports are tried from outside.
    pub(super) const SCAN: i64 = 460;
    /// One password is tried on many users.
    pub(super) const SPRAY: i64 = 425;
    /// It fits one of them.
    pub(super) const LOGIN: i64 = 410;
    /// That user's second factor goes.
    pub(super) const FACTOR: i64 = 404;
    /// The AWS console is entered.
    pub(super) const CONSOLE: i64 = 348;
    /// An access key is made for another user.
    pub(super) const KEY: i64 = 341;
    /// A server starts to call home; the connection is logged when it ends.
    pub(super) const HOME: i64 = 330;
    /// The trail is stopped.
    pub(super) const STOP: i64 = 232;
    /// Data is sent out.
    pub(super) const UPLOAD: i64 = 220;
}

/// How long the server's call home lasts, in minutes.
const HOME_MINUTES: i64 = 275;
/// How long the upload lasts, in minutes.
const UPLOAD_MINUTES: i64 = 32;
/// What is uploaded.
const UPLOAD_BYTES: u64 = 4 << 30;

fn story(now: DateTime<Utc>) -> Vec<String> {
    let at = |minutes| before(now, minutes).format("%Y-%m-%d %H:%M");
    vec![
        format!("{} {ATTACKER} tries the ports of two servers and is rejected (VPC flow)", at(step::SCAN)),
        format!("{} {ATTACKER} tries a password on {} users (Okta)", at(step::SPRAY), okta::SPRAYED),
        format!("{} the password fits {STOLEN} (Okta)", at(step::LOGIN)),
        format!("{} {STOLEN} loses the second factor (Okta)", at(step::FACTOR)),
        format!("{} {STOLEN} enters the AWS console without a second factor (CloudTrail)", at(step::CONSOLE)),
        format!("{} {STOLEN} makes an access key for {SERVICE_USER} (CloudTrail)", at(step::KEY)),
        format!("{} {VICTIM} connects to {DROP} and stays connected for hours (Zeek)", at(step::HOME)),
        format!("{} {SERVICE_USER} stops the audit trail (CloudTrail)", at(step::STOP)),
        format!("{} {VICTIM} sends 4 GiB to {DROP} (Zeek, VPC flow)", at(step::UPLOAD)),
    ]
}

fn before(now: DateTime<Utc>, minutes: i64) -> DateTime<Utc> {
    now - TimeDelta::minutes(minutes)
}

/// One file of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    /// The path below the inbox, with `/`.
    path: String,
    bytes: Vec<u8>,
    /// What is wrong with it.
    damage: Option<String>,
}

impl File {
    fn sound(path: String, bytes: Vec<u8>) -> Self {
        Self { path, bytes, damage: None }
    }

    fn damaged(mut self, damage: &str) -> Self {
        self.damage = Some(damage.to_owned());
        self
    }
}

/// Every file, `percent` of the rows of a demo in each.
fn files(now: DateTime<Utc>, percent: u64) -> io::Result<Vec<File>> {
    let mut files = cloudtrail::files(now, percent)?;
    files.extend(vpcflow::files(now, percent)?);
    files.extend(okta::files(now, percent)?);
    files.extend(zeek::files(now, percent)?);
    let notes = b"# To do\n\n- ask who still writes to this bucket\n- rotate the backup key\n".to_vec();
    files.push(File::sound("notes/todo.md".to_owned(), notes).damaged("no source wants it"));
    Ok(files)
}

/// The time that one file covers, and how much happens in it.
struct Window {
    /// Its place among the files of its source, the oldest first.
    index: usize,
    start: DateTime<Utc>,
    end: DateTime<Utc>,
    rows: u64,
}

/// One window after the other up to `now`; `rows` is what a busy one has.
fn windows(now: DateTime<Utc>, hours: i64, rows: u64, random: &mut Random) -> Vec<Window> {
    let window = |index: i64| {
        let start = now - TimeDelta::hours(HOURS - index * hours);
        let busy = if (7..18).contains(&start.hour()) { 100 } else { 35 };
        let quiet = index % 7 == 3;
        let rows = if quiet { 40 } else { rows * busy * (40 + random.below(120)) / 10_000 };
        Window { index: index as usize, start, end: start + TimeDelta::hours(hours), rows }
    };
    (0..HOURS / hours).map(window).collect()
}

impl Window {
    /// The moments at which something happens, in microseconds since 1970 and in order.
    fn moments(&self, percent: u64, random: &mut Random) -> Vec<i64> {
        let count = (self.rows * percent / 100).max(4);
        let gap = ((self.end - self.start).num_seconds() * 1_000_000) as u64 / count;
        let start = self.start.timestamp_micros();
        (0..count).map(|index| start + (index * gap + random.below(gap)) as i64).collect()
    }

    fn holds(&self, time_us: i64) -> bool {
        (self.start.timestamp_micros()..self.end.timestamp_micros()).contains(&time_us)
    }
}

/// A record and when it is written, in microseconds since 1970.
type Timed = (i64, String);

/// The window's records and the part of the story that falls into it, in order.
fn with_story(window: &Window, mut records: Vec<Timed>, story: &[Timed]) -> Vec<String> {
    records.extend(story.iter().filter(|(time, _)| window.holds(*time)).cloned());
    records.sort_by_key(|(time, _)| *time);
    records.into_iter().map(|(_, record)| record).collect()
}

fn from_micros(time_us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time_us).unwrap_or_default()
}

fn joined_lines(lines: &[String]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for line in lines {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    text
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 6), Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read;

    use flate2::read::MultiGzDecoder;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_785_405_600, 0).expect("time")
    }

    /// What can be read of a file.
    fn text(file: &File) -> String {
        let mut text = Vec::new();
        if file.path.ends_with(".gz") {
            // Damaged files give what lies before the damage.
            let _ = MultiGzDecoder::new(file.bytes.as_slice()).read_to_end(&mut text);
        } else {
            text.clone_from(&file.bytes);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn all_text() -> String {
        files(now(), 2).expect("files").iter().map(text).collect()
    }

    #[test]
    fn the_same_time_gives_the_same_bytes() {
        let first = files(now(), 2).expect("files");
        assert_eq!(first, files(now(), 2).expect("files"));
        let later = files(now() + TimeDelta::hours(1), 2).expect("files");
        assert_ne!(first, later);
    }

    #[test]
    fn paths_are_distinct_and_plain() {
        let files = files(now(), 2).expect("files");
        let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths.len(), files.len());
        assert!((60..=80).contains(&files.len()), "{} files", files.len());
        let is_plain = |path: &&str| path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        assert!(paths.iter().all(is_plain), "{paths:?}");
    }

    #[test]
    fn times_lie_within_two_days() {
        let text = all_text();
        let (earliest, latest) = (now() - TimeDelta::hours(HOURS), now());
        let iso = text.split("\"published\":\"").chain(text.split("\"eventTime\":\"")).skip(1);
        let mut seen = 0;
        for time in iso.filter_map(|rest| DateTime::parse_from_rfc3339(rest.split('"').next()?).ok()) {
            seen += 1;
            assert!((earliest..=latest).contains(&time.to_utc()), "{time}");
        }
        let epoch = text.lines().filter_map(|line| match line.split(['\t', ' ']).collect::<Vec<_>>().as_slice() {
            ["2", .., end, _, "OK"] => end.parse::<i64>().ok(),
            [ts, _, _, _, ..] => ts.split_once('.').filter(|(_, micros)| micros.len() == 6)?.0.parse().ok(),
            _ => None,
        });
        for seconds in epoch {
            seen += 1;
            assert!((earliest.timestamp()..=latest.timestamp()).contains(&seconds), "{seconds}");
        }
        assert!(seen > 1_000, "{seen}");
    }

    #[test]
    fn the_story_is_in_the_logs() {
        let text = all_text();
        for part in [
            "\"alternateId\":\"j.doe@example.com\"",
            "\"eventType\":\"user.mfa.factor.deactivate\"",
            "\"MFAUsed\":\"No\"",
            "\"requestParameters\":{\"userName\":\"svc-backup\"}",
            "\"eventName\":\"StopLogging\"",
            "\t4294967296\t",
        ] {
            assert!(text.contains(part), "{part}");
        }
        let is_scan = |line: &&str| line.contains(" 203.0.113.66 ") && line.ends_with("REJECT OK");
        assert!(text.lines().filter(is_scan).count() >= 40);
        let story = story(now());
        assert!(story.is_sorted(), "{story:?}");
    }

    #[test]
    fn what_is_broken_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        let generated = generate_share(folder.path(), now(), 2).expect("logs");
        assert_eq!(generated.broken.len(), 7, "{:?}", generated.broken);
        for (path, _) in &generated.broken {
            assert!(folder.path().join(path).is_file(), "{path}");
        }
        let stored = |path: &str| fs::metadata(folder.path().join(path)).map_or(0, |data| data.len());
        let bytes: u64 = files(now(), 2).expect("files").iter().map(|file| stored(&file.path)).sum();
        assert_eq!(bytes, generated.bytes);
    }
}
