//! JSON: lines, arrays, concatenated and pretty-printed documents, and records under a path.
//!
//! Only the requested columns are read; everything else is skipped by its quotes and brackets. No document is ever
//! held whole, only the record at hand.

use std::collections::BTreeMap;
use std::ops::Range;

use millpond_core::{Error, Result};

pub(super) mod keys;
pub(super) mod scan;
pub(super) mod text;

mod documents;
mod shape;

use super::Records;
use super::builders;
use super::line_reader::refuse_long_line;
use super::rows::{Record, Rows};
use super::values::Span;
use super::window::{Line, Window};
use documents::Documents;
use keys::Keys;
use scan::{Scan, Stop, skip_whitespace};

/// Reads records of JSON.
pub(super) struct JsonReader {
    record: RecordReader,
    /// `None`: one record a line.
    documents: Option<Documents>,
    shape: String,
}

impl JsonReader {
    pub(super) fn open(paths: &[Vec<String>], window: &mut Window, rows: &mut Rows) -> Result<Self> {
        let path = paths.first().map_or(&[][..], Vec::as_slice);
        let record = RecordReader::new(rows);
        let lines = path.is_empty() && shape::is_lines(window, rows.limits.record_bytes_max)?;
        let shape = match (lines, path) {
            (true, _) => "one record a line".to_owned(),
            (false, []) => "documents or an array, read record by record".to_owned(),
            (false, path) => format!("records under `{}`", path.join(".")),
        };
        Ok(Self { record, documents: (!lines).then(|| Documents::new(path)), shape })
    }

    /// Reads one line: a record, several, or a reject.
    fn read_line(&mut self, window: &Window, line: Line, rows: &mut Rows) -> Result<()> {
        let bytes = &window.bytes()[..line.length];
        let mut at = skip_whitespace(bytes, 0);
        while at < bytes.len() {
            let offset = window.offset() + at as u64;
            let refused = match self.record.scan(bytes, at, rows) {
                Ok(end) => match bytes.get(skip_whitespace(bytes, end)) {
                    None | Some(b'{') => {
                        self.record.emit(bytes, at, end, Some(offset), rows)?;
                        at = skip_whitespace(bytes, end);
                        continue;
                    }
                    Some(_) => Stop::Malformed(end, "more follows the record on its line"),
                },
                Err(stop) => stop,
            };
            let raw = &bytes[at..];
            if refused == Stop::Incomplete && !line.ended && window.stream().is_cut() {
                rows.reject_record("truncated_record", "the file ends inside the record".to_owned(), Some(offset), raw);
            } else {
                refuse(refused, at, offset, raw, rows);
            }
            return Ok(());
        }
        Ok(())
    }
}

/// Rejects the bytes of one record for the reason that its scan gave.
pub(super) fn refuse(stop: Stop, start: usize, offset: u64, raw: &[u8], rows: &mut Rows) {
    let (reason, detail) = match stop {
        Stop::TooDeep => {
            let depth = rows.limits.depth_max;
            ("too_deep", format!("the record is nested more than {depth} deep; raise `depth` under `[limits]`"))
        }
        Stop::Incomplete => ("bad_json", "the record ends inside a value".to_owned()),
        Stop::Malformed(..) if is_other_value(raw) => {
            ("not_an_object", "the record is JSON but not an object".to_owned())
        }
        Stop::Malformed(at, what) => ("bad_json", format!("{what} at byte {} of the record", at - start)),
    };
    rows.reject_record(reason, detail, Some(offset), raw);
}

/// Whether the bytes are one JSON value that is not an object.
fn is_other_value(raw: &[u8]) -> bool {
    let raw = raw.trim_ascii();
    raw.first() != Some(&b'{') && matches!(scan::value(raw, 0, usize::MAX), Ok((_, end)) if end == raw.len())
}

impl Records for JsonReader {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        if let Some(documents) = &mut self.documents {
            return documents.read(&mut self.record, window, rows);
        }
        while !rows.is_full() {
            let Some(line) = window.line(rows.limits.record_bytes_max)? else { return Ok(false) };
            if line.too_long {
                refuse_long_line(window, line, rows)?;
                continue;
            }
            self.read_line(window, line, rows)?;
            window.consume(line.next);
        }
        Ok(true)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.record.note_fields(fields);
    }

    fn shape(&self) -> Option<&str> {
        Some(&self.shape)
    }
}

pub(super) fn too_long(rows: &Rows) -> String {
    let max = rows.limits.record_bytes_max;
    format!("the record has more than {max} bytes; its first {max} are kept; raise `record_bytes` under `[limits]`")
}

/// A field that no column is asked for.
struct RestField {
    key: u32,
    /// Where the key lies, with its closing quote.
    text: Range<usize>,
    span: Span,
}

/// Reads the fields of one record.
pub(super) struct RecordReader {
    keys: Keys,
    /// The value of each column in the record at hand.
    spans: Vec<Span>,
    /// The other fields of the record at hand, where `_rest` is wanted.
    rest: Vec<RestField>,
    /// By key, its last place in `rest`; of use only if that is the same key's.
    rest_places: Vec<usize>,
    wants_rest: bool,
    freezes: bool,
    unknown: Option<u32>,
    /// Whether the file has more distinct fields than it may.
    overflow: bool,
}

impl RecordReader {
    pub(super) fn new(rows: &Rows) -> Self {
        let names = rows.columns().iter().map(|column| column.name.as_str());
        let keys = Keys::new(names, rows.limits.fields_max);
        let keys = match rows.frozen_names() {
            Some(names) => keys.declare(names),
            None => keys,
        };
        Self {
            keys,
            spans: vec![Span::NULL; rows.columns().len()],
            rest: Vec::new(),
            rest_places: Vec::new(),
            wants_rest: rows.wants_rest(),
            freezes: rows.frozen_names().is_some(),
            unknown: None,
            overflow: false,
        }
    }

    pub(super) fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        for key in self.keys.all() {
            match fields.get_mut(&key.name) {
                Some(bits) => *bits |= key.kinds,
                None => {
                    fields.insert(key.name.clone(), key.kinds);
                }
            }
        }
    }

    /// Finds the fields of the object at `start`. Gives the position behind it.
    pub(super) fn scan(&mut self, bytes: &[u8], start: usize, rows: &Rows) -> Scan<usize> {
        if bytes[start] != b'{' {
            return Err(Stop::Malformed(start, "`{` was expected"));
        }
        self.spans.fill(Span::NULL);
        self.rest.clear();
        self.unknown = None;
        let (spans, rest, unknown, overflow) = (&mut self.spans, &mut self.rest, &mut self.unknown, &mut self.overflow);
        let places = &mut self.rest_places;
        let (wants_rest, freezes) = (self.wants_rest, self.freezes);
        keys::fields(bytes, start, rows.limits.depth_max, &mut self.keys, |keys, index, text, span| {
            let Some(index) = index else {
                *overflow = true;
                return;
            };
            keys.note_kind(index, span.kind.bit());
            let key = keys.get(index);
            match key.column {
                Some(column) => spans[column as usize] = span,
                None if wants_rest => add_rest(rest, places, RestField { key: index, text, span }),
                None => {}
            }
            if freezes && !key.declared {
                *unknown = Some(index);
            }
        })
    }

    /// Appends the record that was scanned last.
    pub(super) fn emit(
        &mut self,
        bytes: &[u8],
        start: usize,
        end: usize,
        offset: Option<u64>,
        rows: &mut Rows,
    ) -> Result<()> {
        if self.overflow {
            return Err(Error::too_big(format!("the file has more than {} distinct fields", rows.limits.fields_max))
                .hint("raise `fields` under `[limits]` in source.toml"));
        }
        let unknown = self.unknown.map(|index| self.keys.get(index).name.as_str());
        let record = Record { offset, raw: &bytes[start..end], misplaced: 0, unknown };
        let (spans, rest) = (&self.spans, &self.rest);
        rows.push(&record, |column| spans[column].of(bytes), |out| write_rest(bytes, rest, out));
        Ok(())
    }
}

/// The last of several fields of one name wins.
fn add_rest(rest: &mut Vec<RestField>, places: &mut Vec<usize>, field: RestField) {
    let key = field.key as usize;
    if places.len() <= key {
        places.resize(key + 1, usize::MAX);
    }
    match rest.get_mut(places[key]) {
        Some(before) if before.key == field.key => *before = field,
        _ => {
            places[key] = rest.len();
            rest.push(field);
        }
    }
}

fn write_rest(bytes: &[u8], rest: &[RestField], out: &mut Vec<u8>) {
    for field in rest {
        if !out.is_empty() {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(&bytes[field.text.clone()]);
        out.push(b':');
        builders::write_json(&field.span.of(bytes), out);
    }
}
