//! What stands before the message of a syslog line.
//!
//! RFC 5424 (<https://www.rfc-editor.org/rfc/rfc5424>) is read to the letter. RFC 3164 describes what senders did in
//! 2001, and they do more now, so every part of its header may be missing, and the time may also be ISO 8601 (rsyslog),
//! have a year (Cisco ASA), a fraction, or a sequence number before it (Cisco IOS).

use crate::json::text;

/// A piece of a line by its positions; empty where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Piece {
    fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }

    pub(crate) fn of(self, line: &[u8]) -> &[u8] {
        &line[self.start..self.end]
    }
}

/// The header of one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// 0 to 191.
    pub(crate) priority: Option<u8>,
    /// 0 (`emerg`) to 7 (`debug`); of the priority, or of a word such as `WARNING` in its place.
    pub(crate) severity: Option<u8>,
    pub(crate) version: Piece,
    /// The number that Cisco IOS puts before the time.
    pub(crate) sequence: Piece,
    pub(crate) timestamp: Piece,
    pub(crate) hostname: Piece,
    pub(crate) appname: Piece,
    pub(crate) procid: Piece,
    pub(crate) msgid: Piece,
    pub(crate) structured_data: Piece,
    /// Where the message starts.
    pub(crate) message: usize,
}

/// The facilities by their number, RFC 5424 table 1; 13 to 15 as Linux distributions name them.
pub(crate) const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clockd", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

/// The severities by their number, RFC 5424 table 2.
pub(crate) const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

const SEVERITY_WORDS: [(&[u8], u8); 11] = [
    (b"EMERG", 0),
    (b"PANIC", 0),
    (b"ALERT", 1),
    (b"CRIT", 2),
    (b"ERR", 3),
    (b"ERROR", 3),
    (b"WARNING", 4),
    (b"WARN", 4),
    (b"NOTICE", 5),
    (b"INFO", 6),
    (b"DEBUG", 7),
];

const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";

impl Header {
    /// Reads the header of a line. A line without one is a message from its start.
    pub(crate) fn parse(line: &[u8]) -> Self {
        let mut header = Self::default();
        let mut at = 0;
        // In a stream with octet counting (RFC 6587, 3.4.1) a length stands before the priority.
        let counted = counted_message(line).map_or(0, |(start, _)| start);
        if let Some((priority, end)) = priority(line, counted) {
            header.priority = Some(priority);
            header.severity = Some(priority % 8);
            header.message = end;
            at = end;
        }
        if !header.read_rfc5424(line, at) {
            header.read_rfc3164(line, at);
        }
        if !header.is_empty() {
            header.message = skip_blanks(line, header.message);
        }
        header
    }

    /// Whether the line has no header at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.priority.is_none() && self.timestamp.is_empty() && self.version.is_empty()
    }

    /// Whether nothing but syslog has such a header: a version, a priority, or a time with a host or program behind it.
    pub(crate) fn is_certain(&self, line: &[u8]) -> bool {
        let named = !self.appname.is_empty() && (!self.hostname.is_empty() || self.severity.is_some());
        match line.get(self.timestamp.start) {
            _ if self.priority.is_some() || !self.version.is_empty() => true,
            // Any program may write ISO times, so more must speak for syslog.
            Some(first) if first.is_ascii_digit() => named && self.timestamp.of(line).get(10) == Some(&b'T'),
            _ => !self.hostname.is_empty() || !self.appname.is_empty(),
        }
    }

    /// `VERSION SP TIMESTAMP SP HOSTNAME SP APP-NAME SP PROCID SP MSGID SP STRUCTURED-DATA [SP MSG]`, where `-` is no
    /// value. Without a priority before it, only a time tells the version from other numbers.
    fn read_rfc5424(&mut self, line: &[u8], start: usize) -> bool {
        let digits = count_digits(line, start);
        if !(1..=3).contains(&digits) || line[start] == b'0' || line.get(start + digits) != Some(&b' ') {
            return false;
        }
        let time = token(line, start + digits + 1);
        let is_time = iso_time(line, time.start) == Some(time.end);
        if !is_time && (time.of(line) != b"-" || self.priority.is_none()) {
            return false;
        }
        let mut pieces = [time; 5];
        for index in 1..5 {
            pieces[index] = token(line, pieces[index - 1].end + 1);
            if pieces[index].is_empty() {
                return false;
            }
        }
        for piece in &mut pieces {
            if piece.of(line) == b"-" {
                piece.end = piece.start;
            }
        }
        self.version = Piece::new(start, start + digits);
        [self.timestamp, self.hostname, self.appname, self.procid, self.msgid] = pieces;
        // The end of the last piece may have been taken back.
        let data = line.len().min(token(line, pieces[4].start).end + 1);
        self.message = match line.get(data) {
            Some(b'-') if matches!(line.get(data + 1), None | Some(b' ')) => data + 1,
            Some(b'[') => match structured_data_end(line, data) {
                Some(end) => {
                    self.structured_data = Piece::new(data, end);
                    end
                }
                None => data,
            },
            _ => data,
        };
        let message = skip_blanks(line, self.message);
        if line[message..].starts_with(b"\xef\xbb\xbf") {
            self.message = message + 3;
        }
        true
    }

    /// `[sequence: ] time [host] [tag[pid]:] message`.
    fn read_rfc3164(&mut self, line: &[u8], start: usize) {
        let mut at = start;
        let digits = count_digits(line, at);
        if (1..=10).contains(&digits) && line[at + digits..].starts_with(b": ") {
            self.sequence = Piece::new(at, at + digits);
            at += digits + 2;
            self.hostname = origin(line, at);
            if !self.hostname.is_empty() {
                at = self.hostname.end + 2;
            }
        }
        // Cisco marks a clock that is not set (`*`) or not synchronised (`.`).
        let marked = at + usize::from(matches!(line.get(at), Some(b'*' | b'.')));
        let Some(end) = time(line, marked) else {
            (self.sequence, self.hostname) = Default::default();
            if self.priority.is_some() {
                self.message = self.read_tag(line, skip_blanks(line, start));
            }
            return;
        };
        self.timestamp = Piece::new(marked, end);
        let zone = zone_name(line, end);
        if line.get(zone) == Some(&b':') {
            self.message = zone + 1;
            return;
        }
        self.message = self.read_names(line, skip_blanks(line, end));
    }

    /// Reads host and tag. Gives where the message starts.
    fn read_names(&mut self, line: &[u8], start: usize) -> usize {
        let first = token(line, start);
        let next = skip_blanks(line, first.end);
        let word = SEVERITY_WORDS.iter().find(|(word, _)| *word == first.of(line));
        if let Some((_, severity)) = word {
            self.severity = Some(*severity);
            return self.read_tag(line, next);
        }
        if next == line.len() || !is_host(first.of(line)) {
            return self.read_tag(line, start);
        }
        self.hostname = first;
        // Cisco ASA: `host : message`.
        if line[next..].starts_with(b": ") {
            return next + 2;
        }
        self.read_tag(line, next)
    }

    /// Reads `tag:`, `tag[pid]:` or `tag[pid]`. Gives where the message starts: at `start` where there is no tag.
    fn read_tag(&mut self, line: &[u8], start: usize) -> usize {
        let mut at = start;
        let is_end = |at: usize| matches!(line.get(at), None | Some(b' '));
        while let Some(byte) = line.get(at) {
            match byte {
                b':' if at > start && is_end(at + 1) => {
                    self.appname = Piece::new(start, at);
                    return at + 1;
                }
                b'[' if at > start => {
                    let pid = at + 1;
                    let Some(length) = line[pid..].iter().position(|byte| matches!(byte, b']' | b' ')) else { break };
                    let end = pid + length;
                    if length == 0 || line[end] != b']' || !(is_end(end + 1) || line[end + 1] == b':') {
                        break;
                    }
                    self.appname = Piece::new(start, at);
                    self.procid = Piece::new(pid, end);
                    return end + 1 + usize::from(line.get(end + 1) == Some(&b':'));
                }
                b' ' | b'=' | b'|' | b'"' | b'{' | b'<' => break,
                _ => at += 1,
            }
            if *byte == b':' && at == start {
                break;
            }
        }
        start
    }
}

/// Where a message starts and ends that has its length before it: `57 <34>1 …`.
pub(crate) fn counted_message(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = count_digits(bytes, 0);
    if !(1..=9).contains(&digits) || bytes[0] == b'0' || bytes.get(digits) != Some(&b' ') {
        return None;
    }
    priority(bytes, digits + 1)?;
    let length = bytes[..digits].iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    Some((digits + 1, digits + 1 + length))
}

/// `<0>` to `<191>`, and where it ends.
fn priority(line: &[u8], start: usize) -> Option<(u8, usize)> {
    if line.get(start) != Some(&b'<') {
        return None;
    }
    let digits = count_digits(line, start + 1);
    let end = start + 1 + digits;
    if !(1..=3).contains(&digits) || line.get(end) != Some(&b'>') {
        return None;
    }
    let number = line[start + 1..end].iter().fold(0u16, |number, digit| number * 10 + u16::from(digit - b'0'));
    (number < 192).then_some((number as u8, end + 1))
}

/// Cisco's `logging origin-id`: `host: ` before the time.
fn origin(line: &[u8], start: usize) -> Piece {
    let word = token(line, start);
    let [host @ .., b':'] = word.of(line) else { return Piece::default() };
    let marked = word.end + 1 + usize::from(matches!(line.get(word.end + 1), Some(b'*' | b'.')));
    match is_host(host) && time(line, marked).is_some() {
        true => Piece::new(start, word.end - 1),
        false => Piece::default(),
    }
}

/// Whether a word can be a host: a name or an address, and no part of a message.
fn is_host(word: &[u8]) -> bool {
    let is_part = |byte: &u8| matches!(byte, 0..=b' ' | b'=' | b'"' | b'\'' | b'|' | b',' | b';' | b'{'..=b'~' | b'(' | b')' | b'<' | b'>');
    let is_tag = word.last() == Some(&b':') || (word.last() == Some(&b']') && word[0] != b'[');
    !word.is_empty() && !is_tag && !word.iter().any(is_part)
}

/// The word at `start`, up to a space or the end.
fn token(line: &[u8], start: usize) -> Piece {
    let start = start.min(line.len());
    let length = memchr::memchr(b' ', &line[start..]).unwrap_or(line.len() - start);
    Piece::new(start, start + length)
}

fn skip_blanks(line: &[u8], start: usize) -> usize {
    start + line[start..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn count_digits(line: &[u8], start: usize) -> usize {
    line.get(start..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A time of one of the two kinds; gives where it ends.
fn time(line: &[u8], start: usize) -> Option<usize> {
    let end = bsd_time(line, start).or_else(|| iso_time(line, start))?;
    matches!(line.get(end), None | Some(b' ' | b':' | b'\t')).then_some(end)
}

/// Whether the bytes have the shape of a pattern, in which `0` stands for any digit.
fn has_shape(line: &[u8], start: usize, shape: &[u8]) -> bool {
    let Some(bytes) = line.get(start..start + shape.len()) else { return false };
    bytes.iter().zip(shape).all(|(byte, shape)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
}

/// `[2023 ]Oct  1 [2023 ]22:14:15[.123][ 2023]`; gives where it ends.
fn bsd_time(line: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    if has_shape(line, at, b"0000 ") {
        at += 5;
    }
    month(line.get(at..at + 3)?)?;
    at = blanks(line, at + 3)?;
    let digits = count_digits(line, at);
    if !(1..=2).contains(&digits) {
        return None;
    }
    at = blanks(line, at + digits)?;
    if has_shape(line, at, b"0000 ") {
        at += 5;
    }
    if !has_shape(line, at, b"00:00:00") {
        return None;
    }
    at = skip_fraction(line, at + 8);
    let year = has_shape(line, at, b" 0000 ") && matches!(&line[at + 1..at + 3], b"19" | b"20");
    Some(at + if year { 5 } else { 0 })
}

/// The number of a month, from 1.
pub(crate) fn month(name: &[u8]) -> Option<u32> {
    MONTHS.chunks(3).position(|month| month == name).map(|index| index as u32 + 1)
}

fn blanks(line: &[u8], start: usize) -> Option<usize> {
    let end = skip_blanks(line, start);
    (end > start).then_some(end)
}

/// `2023-10-11T22:14:15[.003][Z|+02:00|+0200]`, also with a space for the `T`; gives where it ends.
fn iso_time(line: &[u8], start: usize) -> Option<usize> {
    if !has_shape(line, start, b"0000-00-00") || !matches!(line.get(start + 10), Some(b'T' | b' ')) {
        return None;
    }
    if !has_shape(line, start + 11, b"00:00:00") {
        return None;
    }
    let at = skip_fraction(line, start + 19);
    let zone = match line.get(at) {
        Some(b'Z') => 1,
        Some(b'+' | b'-') if has_shape(line, at + 1, b"00:00") => 6,
        Some(b'+' | b'-') if has_shape(line, at + 1, b"0000") => 5,
        Some(b'+' | b'-') if has_shape(line, at + 1, b"00") => 3,
        _ => 0,
    };
    Some(at + zone)
}

fn skip_fraction(line: &[u8], at: usize) -> usize {
    match line.get(at) {
        Some(b'.' | b',') if line.get(at + 1).is_some_and(u8::is_ascii_digit) => at + 1 + count_digits(line, at + 1),
        _ => at,
    }
}

/// Where a zone's name such as ` UTC` ends, if a colon follows it; else `start`.
fn zone_name(line: &[u8], start: usize) -> usize {
    if line.get(start) != Some(&b' ') {
        return start;
    }
    let letters = line[start + 1..].iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    let end = start + 1 + letters;
    if (2..=5).contains(&letters) && line.get(end) == Some(&b':') { end } else { start }
}

/// Where structured data ends; `None` where it is not closed.
fn structured_data_end(line: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while line.get(at) == Some(&b'[') {
        let mut quoted = false;
        loop {
            at += 1;
            match line.get(at)? {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                b']' if !quoted => break,
                _ => {}
            }
        }
        at += 1;
    }
    Some(at)
}

/// Writes structured data as a JSON object: `[id name="value"]` is `{"id":{"name":"value"}}`.
///
/// Inside values `\"`, `\\` and `\]` stand for the character behind the backslash (RFC 5424, 6.3.3).
pub(crate) fn write_structured_data(data: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    let mut value = Vec::new();
    let mut at = 0;
    while data.get(at) == Some(&b'[') {
        if at > 0 {
            out.push(b',');
        }
        let is_name_end = |byte: &u8| matches!(byte, b' ' | b']' | b'=');
        let name_end = |at: usize| at + data[at..].iter().position(is_name_end).unwrap_or(data.len() - at);
        let end = name_end(at + 1);
        text::quote(&data[at + 1..end], out);
        out.extend_from_slice(b":{");
        at = end;
        let mut first = true;
        while !matches!(data.get(at), None | Some(b']')) {
            let end = name_end(at);
            if !data[end..].starts_with(b"=\"") {
                at = end + 1;
                continue;
            }
            if !std::mem::replace(&mut first, false) {
                out.push(b',');
            }
            text::quote(&data[at..end], out);
            out.push(b':');
            value.clear();
            at = end + 2;
            while let Some(byte) = data.get(at) {
                match (byte, data.get(at + 1)) {
                    (b'"', _) => break,
                    (b'\\', Some(escaped @ (b'"' | b'\\' | b']'))) => {
                        value.push(*escaped);
                        at += 1;
                    }
                    _ => value.push(*byte),
                }
                at += 1;
            }
            text::quote(&value, out);
            at += 1;
        }
        out.push(b'}');
        at += 1;
    }
    out.push(b'}');
}
