//! IBM Log Event Extended Format:
//! `LEEF:1.0|vendor|product|version|event id|key=value<tab>key=value`, in 2.0 with a cell for the delimiter.
//!
//! Source: <https://www.ibm.com/docs/en/dsm?topic=leef-overview>.

use memchr::memmem::Finder;
use millpond_core::format::{Format, Payload};

use crate::cef::split_header;
use crate::pairs::Pairs;
use crate::values::Kind;

/// What every event starts with, behind a syslog header.
pub(crate) const MARK: &[u8] = b"LEEF:";

/// The fields before the attributes.
const FIELDS: [&[u8]; 5] = [b"leef_version", b"device_vendor", b"device_product", b"device_version", b"event_id"];

/// Where in a message the event starts; its start where there is no mark.
pub(crate) fn find(message: &[u8], mark: &Finder<'_>) -> usize {
    if message.starts_with(MARK) { 0 } else { mark.find(message).unwrap_or(0) }
}

/// Sets the fields of the event at `start`. What is none sets nothing.
pub(crate) fn read(raw: &[u8], start: usize, pairs: &mut Pairs) {
    if !raw[start..].starts_with(MARK) {
        return;
    }
    let Some((cells, mut at)) = split_header::<5>(raw, start + MARK.len()) else { return };
    for (field, (start, end)) in FIELDS.iter().zip(cells) {
        let kind = if start == end { Kind::Null } else { Kind::Cell };
        pairs.add(field, kind, start, end);
    }
    let mut delimiter = b'\t';
    if raw[cells[0].0..].starts_with(b"2")
        && let Some((named, length)) = named_delimiter(&raw[at..])
    {
        delimiter = named;
        at += length;
    }
    read_attributes(raw, at, delimiter, pairs);
}

/// The delimiter in its cell, and the length of the cell with its `|`: one character, or a code such as `x09` or
/// `0x5E`; an empty cell is a tab.
fn named_delimiter(rest: &[u8]) -> Option<(u8, usize)> {
    let end = memchr::memchr(b'|', rest.get(..8).unwrap_or(rest))?;
    // The delimiter can be the bar itself.
    if end == 0 && rest.get(1) == Some(&b'|') {
        return Some((b'|', 2));
    }
    let code = |hex: &[u8]| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok();
    let delimiter = match &rest[..end] {
        [] => b'\t',
        [byte] => *byte,
        [b'x' | b'X', hex @ ..] | [b'0', b'x' | b'X', hex @ ..] => code(hex)?,
        _ => return None,
    };
    Some((delimiter, end + 1))
}

/// Sets the attributes. What has no `=` belongs to the value before it.
fn read_attributes(raw: &[u8], start: usize, delimiter: u8, pairs: &mut Pairs) {
    // The key and the start of the value that is read.
    let mut open: Option<((usize, usize), usize)> = None;
    let mut at = start;
    let trim = |end: usize| end - raw[start..end].iter().rev().take_while(|byte| **byte == delimiter).count();
    for end in memchr::memchr_iter(delimiter, &raw[start..]).map(|found| start + found).chain([raw.len()]) {
        match memchr::memchr(b'=', &raw[at..end]) {
            Some(length) if length > 0 => {
                let key = at + raw[at..at + length].iter().take_while(|byte| **byte == b' ').count();
                if let Some((key, value)) = open.replace(((key, at + length), at + length + 1)) {
                    set(raw, key, value, trim(at - 1), pairs);
                }
            }
            _ => {}
        }
        at = end + 1;
    }
    if let Some((key, value)) = open {
        set(raw, key, value, trim(raw.len()), pairs);
    }
}

fn set(raw: &[u8], key: (usize, usize), start: usize, end: usize, pairs: &mut Pairs) {
    let kind = if start >= end { Kind::Null } else { Kind::Cell };
    pairs.add(&raw[key.0..key.1], kind, start, end.max(start));
}

/// Whether half of the lines or more hold an event, with the reason.
pub(crate) fn recognise<'a>(lines: impl Iterator<Item = &'a [u8]> + Clone) -> Option<(Format, String)> {
    let is_event = |line: &&[u8]| {
        memchr::memmem::find(line, MARK).is_some_and(|at| {
            line.get(at + MARK.len()).is_some_and(u8::is_ascii_digit) && split_header::<5>(line, at).is_some()
        })
    };
    let (events, all) = (lines.clone().filter(is_event).count(), lines.count());
    (events > 0 && events * 2 >= all).then(|| {
        let why = format!("{events} of the first {all} lines hold `LEEF:`, a version and cells");
        (Format::Syslog { payload: Payload::Leef, start: None }, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_characters_or_codes() {
        for (cell, expected) in [
            ("^|a=1", Some((b'^', 2))),
            ("x09|a=1", Some((9, 4))),
            ("0x5E|a=1", Some((b'^', 5))),
            ("|a=1", Some((9, 1))),
            ("||a=1", Some((b'|', 2))),
            ("a=1|2", None),
            ("xzz|a", None),
            ("", None),
        ] {
            assert_eq!(named_delimiter(cell.as_bytes()), expected, "{cell}");
        }
    }
}
