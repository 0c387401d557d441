//! ArcSight Common Event Format:
//! `CEF:0|vendor|product|version|class id|name|severity|key=value key=value`.
//!
//! Source: ArcSight Common Event Format Implementation Standard, version 26,
//! <https://www.microfocus.com/documentation/arcsight/arcsight-smartconnectors-8.4/cef-implementation-standard/>.

use memchr::memmem::Finder;
use millpond_core::format::{Format, Payload};

use crate::pairs::Pairs;
use crate::values::Kind;

/// What every event starts with, behind a syslog header.
pub(crate) const MARK: &[u8] = b"CEF:";

/// The fields before the extension. The names are those of the standard's own table.
const FIELDS: [&[u8]; 7] = [
    b"cef_version",
    b"device_vendor",
    b"device_product",
    b"device_version",
    b"device_event_class_id",
    b"name",
    b"severity",
];

/// Where in a message the event starts; its start where there is no mark.
pub(crate) fn find(message: &[u8], mark: &Finder<'_>) -> usize {
    if message.starts_with(MARK) { 0 } else { mark.find(message).unwrap_or(0) }
}

/// Sets the fields of the event at `start`. What is none sets nothing.
///
/// A relay may have taken the mark away, so a version and six more cells make an event, too.
pub(crate) fn read(raw: &[u8], start: usize, pairs: &mut Pairs) {
    let start = if raw[start..].starts_with(MARK) { start + MARK.len() } else { start };
    let Some((cells, extension)) = split_header::<7>(raw, start) else { return };
    let version = &raw[cells[0].0..cells[0].1];
    if !version.first().is_some_and(u8::is_ascii_digit) || version.len() > 4 {
        return;
    }
    for (field, (start, end)) in FIELDS.iter().zip(cells) {
        set(field, raw, start, end, pairs);
    }
    read_extension(raw, extension, pairs);
}

/// Splits cells that end with `|`, the last one also at the end. Gives them and where the rest starts.
/// `\|` is no end.
pub(crate) fn split_header<const N: usize>(raw: &[u8], start: usize) -> Option<([(usize, usize); N], usize)> {
    let mut cells = [(0, 0); N];
    let mut at = start;
    for index in 0..N {
        let cell = at;
        loop {
            match memchr::memchr2(b'|', b'\\', &raw[at..]) {
                Some(found) if raw[at + found] == b'\\' => at = (at + found + 2).min(raw.len()),
                Some(found) => {
                    cells[index] = (cell, at + found);
                    at += found + 1;
                    break;
                }
                None if index == N - 1 => {
                    cells[index] = (cell, raw.len());
                    return Some((cells, raw.len()));
                }
                None => return None,
            }
        }
    }
    Some((cells, at))
}

/// Sets the pairs of an extension. A value ends before the next ` key=`, so it may hold spaces.
///
/// An `=` inside a value is written `\=`, whose backslash is no part of a key; one that nobody escaped is no end of a
/// key where no space and name come before it.
fn read_extension(raw: &[u8], start: usize, pairs: &mut Pairs) {
    let mut open: Option<((usize, usize), usize)> = None;
    for equals in memchr::memchr_iter(b'=', &raw[start..]).map(|found| start + found) {
        let from = open.map_or(start, |(_, value)| value);
        let name = raw[from..equals].iter().rev().take_while(|byte| is_key_byte(**byte)).count();
        let key = equals - name;
        if name == 0 || (key > start && !raw[key - 1].is_ascii_whitespace()) {
            continue;
        }
        if let Some((key, value)) = open {
            set_pair(raw, key, value, equals - name, pairs);
        }
        open = Some(((key, equals), equals + 1));
    }
    if let Some((key, value)) = open {
        set_pair(raw, key, value, raw.len(), pairs);
    }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'[' | b']') || byte >= 0x80
}

fn set_pair(raw: &[u8], key: (usize, usize), start: usize, end: usize, pairs: &mut Pairs) {
    let blanks = raw[start..end].iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    set(&raw[key.0..key.1], raw, start, end - blanks, pairs);
}

fn set(name: &[u8], raw: &[u8], start: usize, end: usize, pairs: &mut Pairs) {
    let Some(name) = pairs.name(name) else { return };
    if start == end {
        pairs.set(name, Kind::Null, start, end);
    } else if name.is_needed && memchr::memchr(b'\\', &raw[start..end]).is_some() {
        let from = pairs.scratch.len();
        unescape(&raw[start..end], &mut pairs.scratch);
        pairs.set_scratch(name, Kind::Cell, from);
    } else {
        pairs.set(name, Kind::Cell, start, end);
    }
}

/// Undoes `\|`, `\=`, `\\`, `\n` and `\r`; any other backslash stands for itself.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(found) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..found]);
        let (plain, length) = match rest.get(found + 1) {
            Some(b'n') => (b'\n', 2),
            Some(b'r') => (b'\r', 2),
            Some(escaped @ (b'|' | b'=' | b'\\')) => (*escaped, 2),
            _ => (b'\\', 1),
        };
        out.push(plain);
        rest = &rest[found + length..];
    }
    out.extend_from_slice(rest);
}

/// Whether half of the lines or more hold an event, with the reason.
pub(crate) fn recognise<'a>(lines: impl Iterator<Item = &'a [u8]> + Clone) -> Option<(Format, String)> {
    let is_event = |line: &&[u8]| {
        memchr::memmem::find(line, MARK).is_some_and(|at| {
            line.get(at + MARK.len()).is_some_and(u8::is_ascii_digit) && split_header::<7>(line, at).is_some()
        })
    };
    let (events, all) = (lines.clone().filter(is_event).count(), lines.count());
    (events > 0 && events * 2 >= all).then(|| {
        let why = format!("{events} of the first {all} lines hold `CEF:`, a version and cells");
        (Format::Syslog { payload: Payload::Cef, start: None }, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_end_with_bars_that_are_not_escaped() {
        let raw = br"CEF:0|a\|b|c\\|d";
        let (cells, rest) = split_header::<3>(raw, 4).expect("three cells and a rest");
        assert_eq!(cells.map(|(start, end)| &raw[start..end]), [&b"0"[..], br"a\|b", br"c\\"]);
        assert_eq!(&raw[rest..], b"d");
        assert_eq!(split_header::<5>(raw, 4), None);
    }

    #[test]
    fn escapes_are_undone() {
        let mut out = Vec::new();
        unescape(br"a\=b\\c\nd\re\|f\qg\", &mut out);
        assert_eq!(out, b"a=b\\c\nd\re|f\\qg\\");
    }
}
