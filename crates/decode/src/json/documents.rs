//! JSON documents of any size, record by record: concatenated, pretty-printed, in arrays, or under a path.
//!
//! Wrappers are walked member by member and never held; what does not lead to records is skipped.

use millpond_core::Result;

use super::scan::{self, BYTE_ORDER_MARK, Scan, Skipper, Stop, skip_whitespace};
use super::{RecordReader, refuse, text, too_long};
use crate::rows::Rows;
use crate::values::{Kind, Span};
use crate::window::Window;

/// Bytes of a wrapper kept for the reject of one without records.
const WRAPPER_BYTES_MAX: usize = 64 << 10;

/// Looking for the end of a broken record may take this many bytes, and [`SEARCH_RATIO`] times those already read, so
/// that a file of broken records takes linear time.
const SEARCH_BYTES_FREE: u64 = 64 << 20;
const SEARCH_RATIO: u64 = 8;

/// Where the reader stands: inside which wrappers.
pub(super) struct Documents {
    paths: Paths,
    frames: Vec<Frame>,
    /// Bytes looked through for the ends of broken records.
    searched_bytes: u64,
}

/// All paths to records, as a tree of names.
struct Paths {
    places: Vec<Place>,
}

/// A place in the tree; the first is that of a whole document.
#[derive(Default)]
struct Place {
    /// Its name from the top, with dots between.
    name: String,
    /// The names that lead on, and where; none: objects here are records.
    members: Vec<(String, usize)>,
}

/// The place of a whole document.
const TOP: usize = 0;

impl Paths {
    /// Where one path is the start of another, the shorter one leads to the records.
    fn new(paths: &[Vec<String>]) -> Self {
        let mut places = vec![Place::default()];
        let mut sorted: Vec<&Vec<String>> = paths.iter().collect();
        sorted.sort_by_key(|path| path.len());
        for path in sorted {
            let is_new = |place: &Place| place.members.is_empty();
            let mut at = TOP;
            for (level, name) in path.iter().enumerate() {
                let known = places[at].members.iter().find(|(known, _)| known == name).map(|(_, to)| *to);
                at = match known {
                    Some(to) if is_new(&places[to]) => break,
                    Some(to) => to,
                    None => {
                        let to = places.len();
                        places.push(Place { name: path[..=level].join("."), members: Vec::new() });
                        places[at].members.push((name.clone(), to));
                        to
                    }
                };
            }
        }
        Self { places }
    }

    fn holds_records(&self, place: usize) -> bool {
        self.places[place].members.is_empty()
    }

    /// Where a member of an object at `place` leads.
    fn member(&self, place: usize, key: &[u8], kind: Kind) -> Option<usize> {
        self.places[place].members.iter().find(|(name, _)| is_name(key, kind, name)).map(|(_, to)| *to)
    }

    /// The names of what an object at `place` must have one of.
    fn expected(&self, place: usize) -> String {
        let names = self.places[place].members.iter().map(|(_, to)| format!("`{}`", self.places[*to].name));
        names.collect::<Vec<_>>().join(" or ")
    }
}

/// An open array or object around the records.
enum Frame {
    /// Its items stand at this place of the paths.
    Array { place: usize, items: bool },
    /// One of its members leads on.
    Object(Wrapper),
}

/// An open object on the way to the records.
struct Wrapper {
    place: usize,
    found: bool,
    offset: u64,
    /// Its other members, up to a limit.
    others: Vec<u8>,
}

impl Documents {
    pub(super) fn new(paths: &[Vec<String>]) -> Self {
        Self { paths: Paths::new(paths), frames: Vec::new(), searched_bytes: 0 }
    }

    pub(super) fn read(&mut self, record: &mut RecordReader, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        while !rows.is_full() {
            let Some(comma) = skip_separators(window)? else {
                self.end(window, rows);
                return Ok(false);
            };
            match self.frames.last() {
                None => self.document(record, window, rows)?,
                Some(Frame::Array { .. }) => self.item(comma, record, window, rows)?,
                Some(Frame::Object(_)) => self.member(record, window, rows)?,
            }
        }
        Ok(true)
    }

    fn end(&mut self, window: &Window, rows: &mut Rows) {
        if !self.frames.is_empty() && !window.stream().is_cut() {
            let detail = "the file ends before its array or object is closed".to_owned();
            rows.reject_part("truncated_document", detail, Some(window.offset()), Vec::new());
        }
        self.frames.clear();
    }

    /// At the top: a document starts here.
    fn document(&mut self, record: &mut RecordReader, window: &mut Window, rows: &mut Rows) -> Result<()> {
        match window.bytes()[0] {
            b'{' | b'[' => self.value(TOP, record, window, rows),
            _ => refuse_line(window, rows),
        }
    }

    /// In an array: an item, behind a comma or not, or the end.
    fn item(&mut self, comma: bool, record: &mut RecordReader, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let Some(Frame::Array { place, items }) = self.frames.last_mut() else { return Ok(()) };
        let (place, has_items) = (*place, std::mem::replace(items, true));
        let first = window.bytes()[0];
        match first {
            b']' => {
                window.consume(1);
                self.frames.pop();
                Ok(())
            }
            b'}' => self.mismatch(window, rows),
            b'{' if has_items && !comma && self.starts_document(window)? => {
                let detail = "the document ends before its array is closed".to_owned();
                rows.reject_part("truncated_document", detail, Some(window.offset()), Vec::new());
                self.frames.clear();
                Ok(())
            }
            b'{' => self.value(place, record, window, rows),
            b'"' if self.paths.holds_records(place) => record_in_text(record, window, rows),
            b'[' if !self.paths.holds_records(place) => self.value(place, record, window, rows),
            _ => refuse_item(window, rows),
        }
    }

    /// Whether the object at hand is a new wrapper although its predecessor's array is still open.
    fn starts_document(&self, window: &mut Window) -> Result<bool> {
        let firsts = &self.paths.places[TOP].members;
        let Some(longest) = firsts.iter().map(|(name, _)| name.len()).max() else { return Ok(false) };
        window.fill_to(longest + 64)?;
        let bytes = window.bytes();
        let key = &bytes[skip_whitespace(bytes, 1).min(bytes.len())..];
        let Ok((span, value)) = member_head(key) else { return Ok(false) };
        let span = span.of(key);
        let is_first = self.paths.member(TOP, span.bytes, span.kind).is_some();
        Ok(is_first && matches!(key.get(value), Some(b'[' | b'{')))
    }

    /// Whether a whole document wraps records rather than being one: it has a member on the way to records, which holds
    /// an array, an object or nothing. An empty object wraps nothing; one that is longer than a record is a wrapper.
    fn is_wrapper(&self, window: &mut Window, record_bytes_max: usize) -> Result<bool> {
        loop {
            match self.find_path(window.bytes()) {
                Ok(is_wrapper) => return Ok(is_wrapper),
                Err(Stop::Incomplete) if window.bytes().len() > record_bytes_max => return Ok(true),
                Err(Stop::Incomplete) if window.grow()? => {}
                Err(_) => return Ok(false),
            }
        }
    }

    fn find_path(&self, bytes: &[u8]) -> Scan<bool> {
        let mut at = skip_whitespace(bytes, 1);
        if bytes.get(at) == Some(&b'}') {
            return Ok(true);
        }
        loop {
            match bytes.get(at) {
                Some(b'"') => {}
                None => return Err(Stop::Incomplete),
                Some(_) => return Err(Stop::Malformed(at, "a field name was expected")),
            }
            let rest = &bytes[at..];
            let (key, value) = member_head(rest)?;
            let key = key.of(rest);
            if let Some(place) = self.paths.member(TOP, key.bytes, key.kind) {
                let is_text = self.paths.holds_records(place) && rest[value..].starts_with(b"\"{");
                if is_text || matches!(rest[value], b'[' | b'{' | b'n') {
                    return Ok(true);
                }
            }
            let (_, end) = scan::value(rest, value, usize::MAX)?;
            at = skip_whitespace(bytes, at + end);
            match bytes.get(at) {
                Some(b',') => at = skip_whitespace(bytes, at + 1),
                Some(b'}') => return Ok(false),
                None => return Err(Stop::Incomplete),
                Some(_) => return Err(Stop::Malformed(at, "`,` or `}` was expected")),
            }
        }
    }

    /// In an object: a member or its end.
    fn member(&mut self, record: &mut RecordReader, window: &mut Window, rows: &mut Rows) -> Result<()> {
        match window.bytes()[0] {
            b'}' => {
                window.consume(1);
                if let Some(Frame::Object(wrapper)) = self.frames.pop() {
                    self.close(wrapper, rows);
                }
                return Ok(());
            }
            b'"' => {}
            _ => return self.mismatch(window, rows),
        }
        let (key, value_start) = loop {
            match member_head(window.bytes()) {
                Ok(head) => break head,
                Err(Stop::Incomplete) if window.bytes().len() <= rows.limits.record_bytes_max && window.grow()? => {}
                Err(_) => return self.mismatch(window, rows),
            }
        };
        let Some(Frame::Object(wrapper)) = self.frames.last_mut() else { return Ok(()) };
        let Some(place) = self.paths.member(wrapper.place, key.of(window.bytes()).bytes, key.kind) else {
            wrapper.keep(&window.bytes()[..value_start]);
            window.consume(value_start);
            return skip_value(window, |bytes| wrapper.keep(bytes));
        };
        wrapper.found = true;
        window.consume(value_start);
        if window.bytes()[0] == b'n' {
            return skip_value(window, |_| {});
        }
        self.value(place, record, window, rows)
    }

    fn close(&self, wrapper: Wrapper, rows: &mut Rows) {
        if wrapper.found || wrapper.others.is_empty() {
            return;
        }
        let detail = format!("the document has no {}", self.paths.expected(wrapper.place));
        let raw = [b"{".as_slice(), &wrapper.others, b"}"].concat();
        rows.reject_part("no_records", detail, Some(wrapper.offset), raw);
    }

    /// The value at hand stands at this place of the paths.
    fn value(&mut self, place: usize, record: &mut RecordReader, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let offset = window.offset();
        match window.bytes()[0] {
            b'{' => {
                let is_record = self.paths.holds_records(place)
                    || place == TOP && !self.is_wrapper(window, rows.limits.record_bytes_max)?;
                if is_record {
                    return self.record(record, window, rows);
                }
                window.consume(1);
                self.push(Frame::Object(Wrapper { place, found: false, offset, others: Vec::new() }), window, rows)
            }
            b'[' => {
                window.consume(1);
                self.push(Frame::Array { place, items: false }, window, rows)
            }
            b'"' if self.paths.holds_records(place) => record_in_text(record, window, rows),
            _ => refuse_item(window, rows),
        }
    }

    fn push(&mut self, frame: Frame, window: &mut Window, rows: &mut Rows) -> Result<()> {
        if self.frames.len() >= rows.limits.depth_max {
            self.frames.clear();
            refuse(Stop::TooDeep, 0, window.offset(), b"", rows);
            return window.skip_line();
        }
        self.frames.push(frame);
        Ok(())
    }

    /// The record at hand.
    fn record(&mut self, reader: &mut RecordReader, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let max = rows.limits.record_bytes_max;
        loop {
            let offset = window.offset();
            match reader.scan(window.bytes(), 0, rows) {
                Ok(end) if end <= max => {
                    reader.emit(window.bytes(), 0, end, Some(offset), rows)?;
                    window.consume(end);
                    return Ok(());
                }
                Ok(_) => return refuse_long(window, rows),
                Err(Stop::Incomplete) if window.bytes().len() > max => return refuse_long(window, rows),
                Err(Stop::Incomplete) if window.grow()? => {}
                Err(stop) => return self.broken(stop, window, rows),
            }
        }
    }

    /// Rejects a record that cannot be read, and goes on where the next one starts.
    fn broken(&mut self, stop: Stop, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let offset = window.offset();
        let at = match stop {
            Stop::Malformed(at, _) => at,
            _ => 0,
        };
        let end = self.find_end(at, window, rows)?;
        let bytes = window.bytes();
        let Some(end) = end else {
            let all = bytes.len();
            if window.at_end() && stop == Stop::Incomplete {
                rows.reject_record(
                    "truncated_record",
                    "the file ends inside the record".to_owned(),
                    Some(offset),
                    bytes,
                );
            } else {
                refuse(stop, 0, offset, bytes, rows);
            }
            window.consume(all);
            return Ok(());
        };
        refuse(stop, 0, offset, bytes[..end].trim_ascii_end(), rows);
        window.consume(end);
        Ok(())
    }

    /// Where a broken record ends: where its brackets balance, or where a line starts with an object, whichever is
    /// first; else, inside an array, where an object follows a comma.
    fn find_end(&mut self, at: usize, window: &mut Window, rows: &Rows) -> Result<Option<usize>> {
        let line_start = [window.line_end(), b'{'];
        while self.searched_bytes < SEARCH_BYTES_FREE + SEARCH_RATIO * window.offset() {
            let bytes = window.bytes();
            let balanced = scan::container(bytes, 0, usize::MAX);
            let searched = match balanced {
                Ok(end) => end,
                Err(Stop::Malformed(at, _)) => at,
                Err(_) => bytes.len(),
            };
            self.searched_bytes += searched as u64;
            if let Some(found) = memchr::memmem::find(&bytes[..searched], &line_start) {
                return Ok(Some(found + 1));
            }
            match balanced {
                Ok(end) => return Ok(Some(end)),
                Err(Stop::Incomplete) if bytes.len() <= rows.limits.record_bytes_max && window.grow()? => {}
                Err(_) => break,
            }
        }
        let bytes = window.bytes();
        if self.frames.is_empty() {
            return Ok(memchr::memmem::find(bytes, &line_start).map(|found| found + 1));
        }
        let follows_comma = |open: &usize| *open > at && bytes[..*open].trim_ascii_end().last() == Some(&b',');
        Ok(memchr::memchr_iter(b'{', bytes).find(follows_comma))
    }

    /// A bracket closes what is not open, or no member stands where one should: leave the wrapper.
    fn mismatch(&mut self, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let first = window.bytes()[0];
        let detail = "the brackets around the records do not match".to_owned();
        rows.reject_part("bad_json", detail, Some(window.offset()), vec![first]);
        match first {
            b'}' | b']' => {
                window.consume(1);
                while let Some(frame) = self.frames.pop() {
                    if matches!(frame, Frame::Object(_)) == (first == b'}') {
                        break;
                    }
                }
                Ok(())
            }
            b'{' | b'[' => {
                self.frames.clear();
                Ok(())
            }
            _ => {
                self.frames.clear();
                refuse_line(window, rows)
            }
        }
    }
}

impl Wrapper {
    fn keep(&mut self, bytes: &[u8]) {
        let room = WRAPPER_BYTES_MAX - self.others.len();
        if !self.others.is_empty() && bytes.first() == Some(&b'"') && self.others.last() != Some(&b':') && room > 0 {
            self.others.push(b',');
        }
        let room = WRAPPER_BYTES_MAX - self.others.len();
        self.others.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// Skips whitespace, commas, record separators (RFC 7464) and the byte order marks of files put together. Says whether
/// there was a comma; `None` at the end.
fn skip_separators(window: &mut Window) -> Result<Option<bool>> {
    let mut comma = false;
    loop {
        let bytes = window.bytes();
        let count = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | b',' | 0x1e)).count();
        comma |= bytes[..count].contains(&b',');
        window.consume(count);
        if window.bytes().first() == Some(&BYTE_ORDER_MARK[0]) {
            window.fill_to(BYTE_ORDER_MARK.len())?;
        }
        if window.bytes().starts_with(&BYTE_ORDER_MARK) {
            window.consume(BYTE_ORDER_MARK.len());
        } else if !window.bytes().is_empty() {
            return Ok(Some(comma));
        } else if !window.fill()? {
            return Ok(None);
        }
    }
}

/// The key of the member at hand and where its value starts.
fn member_head(bytes: &[u8]) -> Scan<(Span, usize)> {
    let (key, end) = scan::value(bytes, 0, 1)?;
    let colon = skip_whitespace(bytes, end);
    match bytes.get(colon) {
        None => return Err(Stop::Incomplete),
        Some(b':') => {}
        Some(_) => return Err(Stop::Malformed(colon, "`:` was expected")),
    }
    let value = skip_whitespace(bytes, colon + 1);
    if value == bytes.len() { Err(Stop::Incomplete) } else { Ok((key, value)) }
}

fn is_name(key: &[u8], kind: Kind, name: &str) -> bool {
    if kind != Kind::Escaped {
        return key == name.as_bytes();
    }
    let mut plain = Vec::new();
    text::unescape(key, &mut plain);
    plain == name.as_bytes()
}

/// Skips the value at hand, of any size, showing its bytes.
fn skip_value(window: &mut Window, mut show: impl FnMut(&[u8])) -> Result<()> {
    let mut skipper = Skipper::default();
    loop {
        let bytes = window.bytes();
        if let Some(end) = skipper.skip(bytes) {
            show(&bytes[..end]);
            window.consume(end);
            return Ok(());
        }
        show(bytes);
        window.consume(bytes.len());
        if !window.fill()? {
            return Ok(());
        }
    }
}

/// Rejects the line at hand, which belongs to no document.
fn refuse_line(window: &mut Window, rows: &mut Rows) -> Result<()> {
    let Some(line) = window.line(rows.limits.record_bytes_max)? else { return Ok(()) };
    if line.too_long {
        return crate::line_reader::refuse_long_line(window, line, rows);
    }
    let raw = &window.bytes()[..line.length];
    refuse(Stop::Malformed(0, "`{` or `[` was expected"), 0, window.offset(), raw, rows);
    window.consume(line.next);
    Ok(())
}

/// The text at hand holds a record: its JSON stands in it once more escaped, as CloudWatch Logs wraps events.
fn record_in_text(reader: &mut RecordReader, window: &mut Window, rows: &mut Rows) -> Result<()> {
    let (max, offset) = (rows.limits.record_bytes_max, window.offset());
    let (span, end) = loop {
        match scan::value(window.bytes(), 0, usize::MAX) {
            Ok((_, end)) if end > max => return refuse_long(window, rows),
            Ok(found) => break found,
            Err(Stop::Incomplete) if window.bytes().len() > max => return refuse_long(window, rows),
            Err(Stop::Incomplete) if window.grow()? => {}
            Err(_) => return refuse_item(window, rows),
        }
    };
    let text = span.of(window.bytes());
    let mut record = Vec::with_capacity(text.bytes.len());
    match text.kind {
        Kind::Escaped => text::unescape(text.bytes, &mut record),
        _ => record.extend_from_slice(text.bytes),
    }
    let start = skip_whitespace(&record, 0);
    if record.get(start) != Some(&b'{') {
        return refuse_item(window, rows);
    }
    window.consume(end);
    match reader.scan(&record, start, rows) {
        Ok(end) if skip_whitespace(&record, end) == record.len() => {
            reader.emit(&record, start, end, Some(offset), rows)
        }
        Ok(end) => {
            refuse(Stop::Malformed(end, "more follows the record in its text"), start, offset, &record, rows);
            Ok(())
        }
        Err(stop) => {
            refuse(stop, start, offset, &record, rows);
            Ok(())
        }
    }
}

/// Rejects an item that is not an object.
fn refuse_item(window: &mut Window, rows: &mut Rows) -> Result<()> {
    let max = rows.limits.record_bytes_max;
    let offset = window.offset();
    let mut raw = Vec::new();
    skip_value(window, |bytes| raw.extend_from_slice(&bytes[..bytes.len().min(max - raw.len())]))?;
    if window.offset() == offset {
        // A bracket that closes nothing.
        raw.extend_from_slice(&window.bytes()[..1]);
        window.consume(1);
    }
    refuse(Stop::Malformed(0, "`{` was expected"), 0, offset, &raw, rows);
    Ok(())
}

/// Rejects a record that is longer than it may be, and skips the rest of it.
fn refuse_long(window: &mut Window, rows: &mut Rows) -> Result<()> {
    let max = rows.limits.record_bytes_max.min(window.bytes().len());
    rows.reject_record("record_too_long", too_long(rows), Some(window.offset()), &window.bytes()[..max]);
    skip_value(window, |_| {})
}
