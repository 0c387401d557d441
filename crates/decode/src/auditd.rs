//! Linux audit records, the lines of one event assembled to one record.
//!
//! A line is `type=SYSCALL msg=audit(1364481363.243:24287): name=value …`; the kernel's own log says
//! `audit: type=1300 audit(…): …`. The number behind the colon is the event's; its lines come together or nearly so.
//! Sources: <https://github.com/linux-audit/audit-documentation/wiki/SPEC-Audit-Event-Enrichment>,
//! <https://github.com/torvalds/linux/blob/master/kernel/audit.c> (`audit_log_untrustedstring`).
//!
//! Each record type is a field. Types that an event repeats are lists of objects, always; every other type is one
//! object, and should it come again (long `EXECVE` do), its names are added to the same object.

use std::collections::{BTreeMap, VecDeque};

use memchr::memmem;
use millpond_core::Result;
use millpond_core::format::Format;

use crate::Records;
use crate::json::text;
use crate::key_value::{Pair, Token, Tokens};
use crate::line_reader::{Framing, LineFormat, LineReader};
use crate::pairs::Pairs;
use crate::rows::Rows;
use crate::syslog::header::{Header, Piece};
use crate::values::Kind;

/// Events whose lines may still come, at most.
const OPEN_MAX: usize = 8;
/// Record types that one event repeats.
const LISTS: [&str; 5] = ["AVC", "OBJ_PID", "PATH", "SOCKADDR", "USER_AVC"];
/// The record that ends an event of several.
const END: &str = "EOE";
/// Names whose values come from users. The kernel writes them in quotes, or as hexadecimal digits without quotes where
/// they hold quotes, blanks or other than ASCII.
const UNTRUSTED: [&[u8]; 11] =
    [b"acct", b"cmd", b"comm", b"cwd", b"data", b"exe", b"key", b"name", b"ocomm", b"path", b"proctitle"];
/// What separates a record from its values in words, which auditd adds with `log_format = ENRICHED`.
const ENRICHMENT: u8 = 0x1d;

/// Opens the reader.
pub(crate) fn open(rows: &Rows) -> Result<Box<dyn Records>> {
    let format = Auditd { pairs: Pairs::new(rows), open: VecDeque::new(), open_bytes: 0 };
    Ok(Box::new(LineReader::new(Framing::Lines, format)))
}

struct Auditd {
    pairs: Pairs,
    /// The events whose lines may still come, oldest first.
    open: VecDeque<Event>,
    open_bytes: usize,
}

/// One event, its lines in the order in which they came.
struct Event {
    offset: u64,
    raw: Vec<u8>,
    node: Vec<u8>,
    /// Both as written in the first line.
    time: Piece,
    serial: Piece,
    records: Vec<Record>,
}

/// One line of an event, by positions in its bytes.
struct Record {
    kind: String,
    /// The names and values.
    body: Piece,
}

/// What a line starts with, by positions in it.
struct Preamble {
    node: Vec<u8>,
    kind: String,
    time: Piece,
    serial: Piece,
    body: usize,
}

impl LineFormat for Auditd {
    fn read(&mut self, line: &[u8], offset: u64, rows: &mut Rows) -> Result<()> {
        let Some(preamble) = Preamble::parse(line) else {
            // What `ausearch` puts between events.
            if !line.starts_with(b"----") && !line.starts_with(b"time->") {
                let detail = "the line has no `type=` and `audit(time:number)`".to_owned();
                rows.reject_record("bad_audit", detail, Some(offset), line);
            }
            return Ok(());
        };
        let max = rows.limits.record_bytes_max;
        let ends = preamble.kind == END;
        let mut index = self.open.iter().position(|event| event.is_of(&preamble, line));
        if let Some(full) = index.filter(|index| self.open[*index].raw.len() + line.len() >= max) {
            self.close(full, rows)?;
            index = None;
        }
        self.open_bytes += line.len() + 1;
        let index = match index {
            Some(index) => {
                self.open[index].add(preamble, line);
                index
            }
            None => {
                self.open.push_back(Event::new(preamble, line, offset));
                self.open.len() - 1
            }
        };
        if ends {
            self.close(index, rows)?;
        }
        while self.open.len() > OPEN_MAX || (self.open_bytes > max && self.open.len() > 1) {
            self.close(0, rows)?;
        }
        Ok(())
    }

    fn finish(&mut self, rows: &mut Rows) -> Result<()> {
        while !self.open.is_empty() {
            self.close(0, rows)?;
        }
        Ok(())
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.pairs.note_fields(fields);
    }
}

impl Auditd {
    /// Hands out one event.
    fn close(&mut self, index: usize, rows: &mut Rows) -> Result<()> {
        let Some(event) = self.open.remove(index) else { return Ok(()) };
        self.open_bytes -= event.raw.len() + 1;
        let pairs = &mut self.pairs;
        pairs.clear();
        pairs.add(b"timestamp", Kind::Cell, event.time.start, event.time.end);
        pairs.add(b"event_id", Kind::Cell, event.serial.start, event.serial.end);
        if !event.node.is_empty() {
            set(b"node", Kind::Cell, pairs, |out| out.extend_from_slice(&event.node));
        }
        set(b"types", Kind::List, pairs, |out| {
            write_list(event.records.iter(), out, |record, out| text::quote(record.kind.as_bytes(), out));
        });
        let mut records: Vec<&Record> = event.records.iter().filter(|record| record.kind != END).collect();
        records.sort_by(|one, other| one.kind.cmp(&other.kind));
        for same in records.chunk_by(|one, other| one.kind == other.kind) {
            let kind = same[0].kind.as_str();
            if LISTS.contains(&kind) {
                set(kind.as_bytes(), Kind::List, pairs, |out| {
                    write_list(same.iter(), out, |record, out| write_object(&[record], &event.raw, out));
                });
            } else {
                set(kind.as_bytes(), Kind::Object, pairs, |out| write_object(same, &event.raw, out));
            }
        }
        pairs.emit(&event.raw, Some(event.offset), rows)
    }
}

impl Event {
    fn new(preamble: Preamble, line: &[u8], offset: u64) -> Self {
        let record = Record { kind: preamble.kind, body: Piece { start: preamble.body, end: line.len() } };
        let (time, serial) = (preamble.time, preamble.serial);
        Self { offset, raw: line.to_vec(), node: preamble.node, time, serial, records: vec![record] }
    }

    fn is_of(&self, preamble: &Preamble, line: &[u8]) -> bool {
        self.serial.of(&self.raw) == preamble.serial.of(line)
            && self.time.of(&self.raw) == preamble.time.of(line)
            && self.node == preamble.node
    }

    fn add(&mut self, preamble: Preamble, line: &[u8]) {
        self.raw.push(b'\n');
        let start = self.raw.len();
        self.raw.extend_from_slice(line);
        let body = Piece { start: start + preamble.body, end: self.raw.len() };
        self.records.push(Record { kind: preamble.kind, body });
    }
}

impl Preamble {
    /// `[node=n ]type=T msg=audit(time:serial):`; `None` for a line that is no audit record.
    fn parse(line: &[u8]) -> Option<Self> {
        let mark = memmem::find(line, b"audit(")?;
        let head = &line[..mark];
        let kind_start = memmem::find(head, b"type=")?;
        let kind = word(&head[kind_start + 5..]);
        let time_start = mark + 6;
        let length = line[time_start..].iter().position(|byte| !(byte.is_ascii_digit() || *byte == b'.'))?;
        let time = Piece { start: time_start, end: time_start + length };
        let serial_start = time.end + 1;
        let digits = line.get(serial_start..)?.iter().position(|byte| !byte.is_ascii_digit())?;
        let serial = Piece { start: serial_start, end: serial_start + digits };
        if kind.is_empty() || time.is_empty() || serial.is_empty() || line[time.end] != b':' || line[serial.end] != b')'
        {
            return None;
        }
        let body = serial.end + 1 + usize::from(line.get(serial.end + 1) == Some(&b':'));
        let before = &head[..kind_start];
        let node = match memmem::find(before, b"node=") {
            Some(at) => word(&before[at + 5..]).to_vec(),
            None if before.is_empty() => Vec::new(),
            // Syslog carried the record here.
            None => Header::parse(line).hostname.of(line).to_vec(),
        };
        let kind = String::from_utf8_lossy(kind);
        let kind = kind.parse().ok().and_then(type_name).map_or_else(|| kind.clone().into_owned(), str::to_owned);
        Some(Self { node, kind, time, serial, body })
    }
}

/// The bytes up to a space.
fn word(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b' ', bytes).unwrap_or(bytes.len())]
}

/// The names of the record types that the kernel writes as numbers, from `include/uapi/linux/audit.h`.
fn type_name(number: u32) -> Option<&'static str> {
    Some(match number {
        1006 => "LOGIN",
        1300 => "SYSCALL",
        1302 => "PATH",
        1303 => "IPC",
        1304 => "SOCKETCALL",
        1305 => "CONFIG_CHANGE",
        1306 => "SOCKADDR",
        1307 => "CWD",
        1309 => "EXECVE",
        1315 => "MQ_NOTIFY",
        1316 => "MQ_GETSETATTR",
        1317 => "KERNEL_OTHER",
        1318 => "OBJ_PID",
        1319 => "TTY",
        1320 => "EOE",
        1321 => "BPRM_FCAPS",
        1322 => "CAPSET",
        1323 => "MMAP",
        1324 => "NETFILTER_PKT",
        1325 => "NETFILTER_CFG",
        1326 => "SECCOMP",
        1327 => "PROCTITLE",
        1328 => "FEATURE_CHANGE",
        1330 => "KERN_MODULE",
        1331 => "FANOTIFY",
        1332 => "TIME_INJOFFSET",
        1333 => "TIME_ADJNTPVAL",
        1334 => "BPF",
        1335 => "EVENT_LISTENER",
        1336 => "URINGOP",
        1337 => "OPENAT2",
        1400 => "AVC",
        1401 => "SELINUX_ERR",
        1403 => "MAC_POLICY_LOAD",
        1404 => "MAC_STATUS",
        1405 => "MAC_CONFIG_CHANGE",
        1700 => "ANOM_PROMISCUOUS",
        1701 => "ANOM_ABEND",
        1702 => "ANOM_LINK",
        1800 => "INTEGRITY_DATA",
        1801 => "INTEGRITY_METADATA",
        1802 => "INTEGRITY_STATUS",
        1804 => "INTEGRITY_PCR",
        1805 => "INTEGRITY_RULE",
        2000 => "KERNEL",
        _ => return None,
    })
}

/// Sets a field to what `write` writes, which is called only where somebody asks for it.
fn set(field: &[u8], kind: Kind, pairs: &mut Pairs, write: impl FnOnce(&mut Vec<u8>)) {
    let Some(name) = pairs.name(field) else { return };
    let start = pairs.scratch.len();
    if name.is_needed {
        write(&mut pairs.scratch);
    }
    pairs.set_scratch(name, kind, start);
}

fn write_list<T>(items: impl Iterator<Item = T>, out: &mut Vec<u8>, mut write: impl FnMut(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// Writes the names and values of records of one type as one JSON object.
fn write_object(records: &[&Record], raw: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    let mut members = Members { out, is_first: true, words: Vec::new() };
    for record in records {
        members.write(&raw[..record.body.end], record.body.start, record.kind == "EXECVE");
    }
    members.write_words();
    out.push(b'}');
}

/// The members of an object as they are written.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
    /// What is no pair, such as `avc:  denied  { read } for`.
    words: Vec<u8>,
}

impl Members<'_> {
    fn write(&mut self, line: &[u8], start: usize, is_execve: bool) {
        let mut tokens = Tokens::new(line, start, b' ', false);
        while let Some(token) = tokens.next() {
            match token {
                Token::Pair(pair) if pair.quote == Some(b'\'') && pair.key.of(line) == b"msg" => {
                    let inner = message(line, &pair);
                    tokens.skip_to(inner.end + 1);
                    self.write_message(&line[..inner.end], inner.start);
                }
                Token::Pair(pair) => self.write_pair(&pair, line, is_execve),
                Token::Word(word) => {
                    if !self.words.is_empty() {
                        self.words.push(b' ');
                    }
                    self.words.extend_from_slice(word.of(line));
                }
            }
        }
    }

    /// The message of a program: its pairs, or itself where it has none.
    fn write_message(&mut self, line: &[u8], start: usize) {
        let has_pairs = Tokens::new(line, start, b' ', false).any(|token| matches!(token, Token::Pair(_)));
        if has_pairs {
            return self.write(line, start, false);
        }
        self.write_name(b"msg");
        text::quote(&line[start..], self.out);
    }

    fn write_pair(&mut self, pair: &Pair, line: &[u8], is_execve: bool) {
        let (key, value) = (pair.key.of(line), pair.value.of(line));
        self.write_name(key);
        if pair.quote.is_some() {
            return text::quote(value, self.out);
        }
        if value == b"(null)" {
            return self.out.extend_from_slice(b"null");
        }
        let is_untrusted = UNTRUSTED.contains(&key) || (is_execve && is_argument(key));
        match is_untrusted.then(|| from_hex(value)).flatten() {
            Some(mut decoded) => {
                if key == b"proctitle" {
                    decoded.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
                }
                text::quote(&decoded, self.out);
            }
            None => text::quote(value, self.out),
        }
    }

    fn write_words(&mut self) {
        if !self.words.is_empty() {
            self.write_name(b"message");
            text::quote(&self.words, self.out);
        }
    }

    fn write_name(&mut self, name: &[u8]) {
        if !std::mem::replace(&mut self.is_first, false) {
            self.out.push(b',');
        }
        text::quote(name, self.out);
        self.out.push(b':');
    }
}

/// The message of a program in single quotes: up to the last one, because names in it may hold such quotes.
fn message(line: &[u8], pair: &Pair) -> Piece {
    let start = pair.value.start;
    let end = memchr::memchr(ENRICHMENT, &line[start..]).map_or(line.len(), |found| start + found);
    let end = memchr::memrchr(b'\'', &line[start..end]).map_or(pair.value.end, |found| start + found);
    Piece { start, end }
}

/// `a0`, `a12`, `a2[1]`: the arguments of a program.
fn is_argument(key: &[u8]) -> bool {
    key.first() == Some(&b'a') && key.len() > 1 && key[1].is_ascii_digit() && !key.ends_with(b"_len")
}

/// The bytes that pairs of upper case hexadecimal digits stand for.
fn from_hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    if digits.is_empty() || digits.len() % 2 == 1 {
        return None;
    }
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// Whether lines are audit records, with the reason.
pub(crate) fn recognise<'a>(lines: impl Iterator<Item = &'a [u8]> + Clone) -> Option<(Format, String)> {
    let is_record = |line: &&[u8]| Preamble::parse(line).is_some();
    let (found, all) = (lines.clone().filter(is_record).count(), lines.count());
    (found > 0 && found * 4 >= all * 3)
        .then(|| (Format::Auditd, format!("{found} of the first {all} lines have `type=` and `audit(time:number)`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_are_bytes() {
        assert_eq!(from_hex(b"6C73"), Some(b"ls".to_vec()));
        for text in ["", "6", "6c73", "xx", "(null)"] {
            assert_eq!(from_hex(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn preambles_of_all_kinds_are_read() {
        let parse = |line: &str| {
            let line = line.as_bytes();
            let found = Preamble::parse(line)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Some(format!(
                "{} {} {} {}:{}",
                text(&found.node),
                found.kind,
                text(found.time.of(line)),
                text(found.serial.of(line)),
                text(&line[found.body..])
            ))
        };
        for (line, expected) in [
            ("type=CWD msg=audit(1.5:7): cwd=\"/\"", Some(" CWD 1.5 7: cwd=\"/\"")),
            ("node=h type=CWD msg=audit(1.5:7):", Some("h CWD 1.5 7:")),
            ("audit: type=1400 audit(1.5:7): a=1", Some(" AVC 1.5 7: a=1")),
            ("Oct 11 22:14:15 web audispd: type=CWD msg=audit(1.5:7): a=1", Some("web CWD 1.5 7: a=1")),
            ("type=UNKNOWN[1999] msg=audit(1.5:7): a=1", Some(" UNKNOWN[1999] 1.5 7: a=1")),
            ("type=CWD msg=audit(1.5): cwd=1", None),
            ("type=CWD msg=audit(:7): cwd=1", None),
            ("msg=audit(1.5:7): cwd=1", None),
            ("type=CWD msg=audit(1.5:7", None),
            ("", None),
        ] {
            assert_eq!(parse(line).as_deref(), expected, "{line}");
        }
    }
}
