//! Windows events as XML: one after another, in lines or over lines, in a wrapper or behind a header of syslog.
//!
//! An event is what lies between `<Event` and `</Event>`, with any prefix of a namespace. Text before it on its line
//! belongs to it, tags around events and the XML declaration are no records, and other text is refused.

use std::collections::BTreeMap;

use memchr::memmem;
use millpond_core::Result;
use millpond_core::columns::Column;

use crate::Records;
use crate::json::too_long;
use crate::rows::Rows;
use crate::window::Window;
use crate::windows_event::EventReader;

/// Bytes of text without an event that are refused as one part, at most.
const GAP_BYTES: usize = 64 << 10;
/// Bytes of a tag that are looked at to tell whether it is one of an event.
const TAG_BYTES: usize = 64;

/// Opens the reader.
pub(crate) fn open(rows: &Rows) -> Result<Box<dyn Records>> {
    Ok(Box::new(WindowsXml { events: EventReader::new(rows), skips: false }))
}

/// Whether a text starts with a Windows event.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    let Search::Found(start) = find_start(bytes, 0) else { return false };
    let (before, line) = bytes[..start].split_at(line_start(&bytes[..start]));
    let is_quoted = matches!(line.last(), Some(b'"' | b'\'' | b',' | b';' | b'|'));
    if is_quoted || !is_wrapping(before) {
        return false;
    }
    let event = &bytes[start..];
    let Some(end) = memchr::memchr(b'>', event) else { return false };
    let has_namespace = memmem::find(&event[..end], b"schemas.microsoft.com/win/").is_some();
    let inner = event[end + 1..].trim_ascii_start();
    has_namespace || (inner.starts_with(b"<") && is_tag_of(&inner[1..], b"System") == Some(true))
}

/// Reads events between text that is none.
struct WindowsXml {
    events: EventReader,
    /// Whether the rest of an event that was too long comes first.
    skips: bool,
}

impl Records for WindowsXml {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        while !rows.is_full() {
            if self.skips {
                skip_event(window)?;
                self.skips = false;
            }
            match read_gap(window, rows)? {
                Gap::End => return Ok(false),
                Gap::More => {}
                Gap::Event(start) => self.read_event(window, start, rows)?,
            }
        }
        Ok(true)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.events.note_fields(fields);
    }

    fn native_columns(&self) -> Option<Vec<Column>> {
        Some(self.events.native_columns())
    }
}

impl WindowsXml {
    /// Reads the record at position 0, whose event is at `start`.
    fn read_event(&mut self, window: &mut Window, start: usize, rows: &mut Rows) -> Result<()> {
        let max = rows.limits.record_bytes_max;
        let offset = window.offset();
        let mut searched = start;
        let end = loop {
            let bytes = window.bytes();
            let found = find_end(bytes, start, searched);
            let reached = if let Search::Found(end) = found { end } else { bytes.len() };
            if reached > max {
                rows.reject_record("record_too_long", too_long(rows), Some(offset), &bytes[..max]);
                window.consume(max.max(start + 1));
                self.skips = true;
                return Ok(());
            }
            match found {
                Search::Found(end) => break end,
                Search::NotBefore(position) => searched = position,
            }
            if !window.grow()? {
                let detail = "the file ends inside the event".to_owned();
                rows.reject_record("truncated_record", detail, Some(offset), window.bytes());
                window.consume(window.bytes().len());
                return Ok(());
            }
        };
        let raw = &window.bytes()[..end];
        let (prefix, event) = raw.split_at(start);
        match self.events.read(prefix, event, rows.limits.depth_max) {
            Ok(()) => self.events.emit(raw, offset, rows)?,
            Err(refusal) => rows.reject_record(refusal.reason, refusal.detail, Some(offset), raw),
        }
        window.consume(end);
        Ok(())
    }
}

/// What follows text without an event.
enum Gap {
    /// A record at position 0, its event at this position.
    Event(usize),
    /// Perhaps more text.
    More,
    /// Nothing.
    End,
}

/// Reads up to the next record, refusing text that belongs to none.
fn read_gap(window: &mut Window, rows: &mut Rows) -> Result<Gap> {
    let mut searched = 0;
    let start = loop {
        match find_start(window.bytes(), searched) {
            Search::Found(start) => break Some(start),
            Search::NotBefore(position) => searched = position,
        }
        if searched >= GAP_BYTES || !window.grow()? {
            break None;
        }
    };
    let reached = start.unwrap_or(searched);
    if reached >= GAP_BYTES {
        let lines = line_start(&window.bytes()[..GAP_BYTES]);
        refuse_text(window, if lines == 0 { GAP_BYTES } else { lines }, rows);
        return Ok(Gap::More);
    }
    let Some(start) = start else {
        refuse_text(window, window.bytes().len(), rows);
        return Ok(Gap::End);
    };
    let before = &window.bytes()[..start];
    let line = if is_wrapping(before) { start } else { line_start(before) };
    let line = if is_wrapping(&before[line..]) { start } else { line };
    refuse_text(window, line, rows);
    Ok(Gap::Event(start - line))
}

/// Consumes text that belongs to no record, and refuses it unless it is made of tags.
fn refuse_text(window: &mut Window, count: usize, rows: &mut Rows) {
    let text = &window.bytes()[..count];
    if !is_wrapping(text) {
        let detail = "the text lies between events".to_owned();
        rows.reject_part("stray_text", detail, Some(window.offset()), text.to_vec());
    }
    window.consume(count);
}

/// Consumes up to the end of the event, or to the start of the next.
fn skip_event(window: &mut Window) -> Result<()> {
    loop {
        let position = match next_mark(window.bytes(), 0) {
            Mark::Start(position) | Mark::End(position) => {
                window.consume(position);
                return Ok(());
            }
            Mark::Section { start, .. } => start + 1,
            Mark::None(position) => position,
        };
        let is_stuck = position == 0;
        window.consume(position);
        if is_stuck && !window.fill()? {
            window.consume(window.bytes().len());
            return Ok(());
        }
    }
}

/// What a search gave.
enum Search {
    Found(usize),
    /// It is not before this position, where the search goes on once there is more text.
    NotBefore(usize),
}

/// Finds the start of an event.
fn find_start(bytes: &[u8], from: usize) -> Search {
    let mut from = from;
    loop {
        match next_mark(bytes, from) {
            Mark::Start(start) => return Search::Found(start),
            Mark::End(end) => from = end,
            Mark::Section { start, .. } => from = start + 1,
            Mark::None(position) => return Search::NotBefore(position),
        }
    }
}

/// Finds the end of the event at `start`: behind its end tag, or where another event starts.
fn find_end(bytes: &[u8], start: usize, from: usize) -> Search {
    let mut from = from;
    if from == start {
        let Some(end) = memchr::memchr(b'>', &bytes[start..]) else { return Search::NotBefore(start) };
        from = start + end + 1;
        if bytes[from - 2] == b'/' {
            return Search::Found(from);
        }
    }
    loop {
        match next_mark(bytes, from) {
            Mark::End(end) => return Search::Found(end),
            Mark::Start(next) => {
                let line = start + line_start(&bytes[start..next]);
                return Search::Found(if line > start { line } else { next });
            }
            Mark::Section { start, close } => match memmem::find(&bytes[start..], close) {
                Some(end) => from = start + end + close.len(),
                None => return Search::NotBefore(start),
            },
            Mark::None(position) => return Search::NotBefore(position),
        }
    }
}

/// A place in a text that says where events are.
enum Mark {
    /// The start tag of an event starts here.
    Start(usize),
    /// The end tag of an event ends here.
    End(usize),
    /// A comment or a CDATA section, in which tags mean nothing.
    Section { start: usize, close: &'static [u8] },
    /// None before this position.
    None(usize),
}

/// The first mark at `from` or behind it.
fn next_mark(bytes: &[u8], from: usize) -> Mark {
    for start in memchr::memchr_iter(b'<', &bytes[from..]).map(|found| from + found) {
        let tag = &bytes[start + 1..];
        let is_short = tag.len() < TAG_BYTES;
        match tag.first() {
            Some(b'/') => match is_tag_of(&tag[1..], b"Event") {
                Some(true) => match memchr::memchr(b'>', &tag[..tag.len().min(TAG_BYTES)]) {
                    Some(end) => return Mark::End(start + 1 + end + 1),
                    None if is_short => return Mark::None(start),
                    None => {}
                },
                Some(false) => {}
                None => return Mark::None(start),
            },
            Some(b'!') if tag.starts_with(b"!--") => return Mark::Section { start, close: b"-->" },
            Some(b'!') if tag.starts_with(b"![CDATA[") => return Mark::Section { start, close: b"]]>" },
            Some(b'!') if tag.len() < b"![CDATA[".len() => return Mark::None(start),
            _ => match is_tag_of(tag, b"Event") {
                Some(true) => return Mark::Start(start),
                Some(false) => {}
                None => return Mark::None(start),
            },
        }
    }
    Mark::None(bytes.len())
}

/// Whether a tag, behind its `<` or `</`, has the name, with or without a prefix; `None` where too little of it is there.
fn is_tag_of(tag: &[u8], name: &[u8]) -> Option<bool> {
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':') || *byte >= 0x80;
    let length = tag.iter().take(TAG_BYTES).take_while(|byte| is_name(byte)).count();
    match tag.get(length) {
        None => None,
        Some(_) if length == TAG_BYTES => Some(false),
        Some(behind) => {
            let is_end = behind.is_ascii_whitespace() || matches!(behind, b'>' | b'/');
            let local = tag[..length].rsplit(|byte| *byte == b':').next();
            Some(is_end && local == Some(name))
        }
    }
}

/// Whether a text is made of tags, comments and blanks alone.
fn is_wrapping(text: &[u8]) -> bool {
    let mut rest = text.trim_ascii_start();
    while let [b'<', first, ..] = rest {
        let is_tag = first.is_ascii_alphabetic() || matches!(first, b'_' | b'/' | b'?' | b'!');
        let close: &[u8] = if rest.starts_with(b"<!--") { b"-->" } else { b">" };
        let Some(end) = memmem::find(rest, close).filter(|_| is_tag) else { return false };
        rest = rest[end + close.len()..].trim_ascii_start();
    }
    rest.is_empty()
}

/// Where the last line of a text starts.
fn line_start(text: &[u8]) -> usize {
    memchr::memrchr2(b'\n', b'\r', text).map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_recognised() {
        for text in [
            "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System/></Event>",
            "<?xml version=\"1.0\"?>\r\n<!-- x --><Events>\n <e:Event>\n <e:System>",
            "<13>Apr 29 12:00:00 host Microsoft: <Event><System><EventID>1</EventID>",
        ] {
            assert!(looks_like(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "<Event",
            "<Event><Name/></Event>",
            "<Events><System/></Events>",
            "first line\n<Event><System/></Event>",
            "a,\"<Event><System/></Event>\"",
        ] {
            assert!(!looks_like(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn tags_are_told_by_their_local_name() {
        assert_eq!(is_tag_of(b"Event>", b"Event"), Some(true));
        assert_eq!(is_tag_of(b"ns0:Event\n", b"Event"), Some(true));
        assert_eq!(is_tag_of(b"Events>", b"Event"), Some(false));
        assert_eq!(is_tag_of(b"EventID>", b"Event"), Some(false));
        assert_eq!(is_tag_of(b"Even", b"Event"), None);
        assert_eq!(is_tag_of("x".repeat(65).as_bytes(), b"Event"), Some(false));
    }
}
