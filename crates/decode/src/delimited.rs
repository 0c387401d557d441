//! Separated values: CSV, TSV, space-separated, and W3C logs with their `#Fields:` line.
//!
//! In CSV a record can span lines inside quotes. In logs (`space`, or with brackets) it cannot: there a quote closes
//! only in front of a delimiter or the end of the line, so that one stray quote costs at most its own line. Short
//! records are filled with NULL, long ones keep their extra cells in `_rest`; both are counted.

use std::collections::BTreeMap;

use millpond_core::format::{Delimited, Header};
use millpond_core::{Error, Result};

use super::Records;
use super::cells::{CellBuffer, Cells, Fields};
use super::line_reader::refuse_long_line;
use super::rows::Rows;
use super::values::{Kind, Value};
use super::window::{Line, Window, is_blank};

/// What W3C logs put before their field names.
pub(super) const W3C_FIELDS: &[u8] = b"#Fields:";
/// Bytes of a record that goes on over several lines. More than that is a quote that was never closed.
const LINES_BYTES_MAX: usize = 1 << 20;

/// Reads separated values.
pub(super) struct DelimitedReader {
    dialect: Delimited,
    /// Lines still to be passed over.
    skip: usize,
    fields: Option<Fields>,
    /// The fields of headers before the one at hand.
    past: BTreeMap<String, u8>,
    cells: CellBuffer,
}

/// What became of a record with quotes.
pub(super) enum Split {
    Record(Line),
    /// A cell over several lines ends in the middle of another one: its opening quote was none.
    Stray,
    /// The record does not end in the bytes at hand.
    Unclosed,
}

impl DelimitedReader {
    pub(super) fn new(dialect: Delimited, rows: &Rows) -> Self {
        let fields = match &dialect.header {
            Header::FirstLine => None,
            Header::Names(names) => Some(Fields::new(names.clone(), rows)),
        };
        Self { skip: dialect.skip, dialect, fields, past: BTreeMap::new(), cells: CellBuffer::default() }
    }

    /// Reads the record that starts with `line`.
    fn read_record(&mut self, line: Line, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let bytes = &window.bytes()[..line.length];
        let record = if is_log(&self.dialect) {
            split_log(&self.dialect, bytes, &mut self.cells);
            line
        } else if self.dialect.quote.is_some_and(|quote| memchr::memchr(quote, bytes).is_some()) {
            match self.split_quoted(line, window, rows)? {
                Split::Record(record) => record,
                Split::Unclosed if is_cut_in(line, window, rows) => return self.refuse_cut(window, rows),
                _ if self.fields.is_none() => {
                    // Names with a quote in them are better than a record taken for names.
                    split_plain(&self.dialect, &window.bytes()[..line.length], &mut self.cells);
                    line
                }
                _ => return self.refuse_unclosed(line, window, rows),
            }
        } else {
            split_plain(&self.dialect, bytes, &mut self.cells);
            line
        };
        let raw = &window.bytes()[..record.length];
        let offset = window.offset();
        if !record.ended && window.stream().is_cut() {
            rows.reject_record("truncated_record", CUT.to_owned(), Some(offset), raw);
        } else if let Some(fields) = &mut self.fields {
            let cells = &self.cells;
            fields.push(rows, Cells { offset, raw, count: cells.spans.len(), cell: &|index| cells.get(raw, index) });
        } else {
            let names = (0..self.cells.spans.len()).map(|index| to_name(self.cells.get(raw, index).bytes)).collect();
            self.set_fields(names, rows)?;
        }
        window.consume(record.next);
        Ok(())
    }

    /// Splits a record with quotes, which can go on over lines.
    fn split_quoted(&mut self, line: Line, window: &mut Window, rows: &Rows) -> Result<Split> {
        let max = quoted_bytes_max(line, rows);
        loop {
            let is_whole = window.at_end() && window.bytes().len() <= max;
            let bytes = &window.bytes()[..window.bytes().len().min(max)];
            match split_quoted(&self.dialect, bytes, is_whole, window.line_end(), &mut self.cells) {
                Split::Unclosed if !is_whole && bytes.len() < max => {
                    window.grow()?;
                }
                Split::Record(record) if record.length + 2 > max => return Ok(Split::Unclosed),
                split => return Ok(split),
            }
        }
    }

    /// Rejects a record whose quote is not closed. Its first line goes; what follows is read as records again.
    fn refuse_unclosed(&self, line: Line, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let detail = "a quote in the record is not closed".to_owned();
        rows.reject_record("unclosed_quote", detail, Some(window.offset()), &window.bytes()[..line.length]);
        window.consume(line.next);
        Ok(())
    }

    /// Rejects a record whose quote may well have been closed behind the cut.
    fn refuse_cut(&self, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let raw = window.bytes();
        let all = raw.len();
        rows.reject_record("truncated_record", CUT.to_owned(), Some(window.offset()), raw);
        window.consume(all);
        Ok(())
    }

    /// Takes the field names of a W3C log.
    fn read_comment(&mut self, line: &[u8], rows: &Rows) -> Result<()> {
        if self.dialect.header == Header::FirstLine && line.starts_with(W3C_FIELDS) {
            self.set_fields(w3c_names(line, self.dialect.delimiter), rows)?;
        }
        Ok(())
    }

    fn set_fields(&mut self, names: Vec<String>, rows: &Rows) -> Result<()> {
        if names.len() > rows.limits.fields_max {
            return Err(Error::too_big(format!(
                "the header has {} fields, more than {}",
                names.len(),
                rows.limits.fields_max
            ))
            .hint("raise `fields` under `[limits]` in source.toml"));
        }
        if let Some(before) = self.fields.replace(Fields::new(names, rows)) {
            before.note(&mut self.past);
        }
        Ok(())
    }
}

impl Records for DelimitedReader {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        while !rows.is_full() {
            let Some(line) = window.line(rows.limits.record_bytes_max)? else { return Ok(false) };
            if self.skip > 0 {
                self.skip -= 1;
                pass_over(line, window)?;
                continue;
            }
            if line.too_long {
                if self.fields.is_none() {
                    return Err(header_too_long(rows));
                }
                refuse_long_line(window, line, rows)?;
                continue;
            }
            let text = &window.bytes()[..line.length];
            if is_blank_record(text, self.dialect.delimiter) {
                window.consume(line.next);
            } else if self.dialect.comment.is_some() && text.first() == self.dialect.comment.as_ref() {
                self.read_comment(text, rows)?;
                window.consume(line.next);
            } else {
                self.read_record(line, window, rows)?;
            }
        }
        Ok(true)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        for (name, kinds) in &self.past {
            *fields.entry(name.clone()).or_default() |= kinds;
        }
        if let Some(own) = &self.fields {
            own.note(fields);
        }
    }
}

const CUT: &str = "the file ends inside the record";

/// Whether records are lines and quotes are those of logs.
fn is_log(dialect: &Delimited) -> bool {
    dialect.repeated || dialect.brackets
}

/// Bytes looked at for the end of a record that starts with `line`, its line end included.
fn quoted_bytes_max(line: Line, rows: &Rows) -> usize {
    line.length.max(LINES_BYTES_MAX.min(rows.limits.record_bytes_max)) + 2
}

/// Whether the file is cut inside the record that starts with `line`.
fn is_cut_in(line: Line, window: &Window, rows: &Rows) -> bool {
    window.at_end() && window.stream().is_cut() && window.bytes().len() <= quoted_bytes_max(line, rows)
}

fn pass_over(line: Line, window: &mut Window) -> Result<()> {
    window.consume(line.next);
    if line.too_long { window.skip_line() } else { Ok(()) }
}

fn header_too_long(rows: &Rows) -> Error {
    let max = rows.limits.record_bytes_max;
    Error::too_big(format!("the header line is longer than {max} bytes"))
        .hint("raise `record_bytes` under `[limits]` in source.toml, or name the fields with `header`")
}

/// A line of tabs is a record of empty cells where tabs separate.
fn is_blank_record(line: &[u8], delimiter: u8) -> bool {
    is_blank(line) && (delimiter == b' ' || !line.contains(&delimiter))
}

fn to_name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// The names in a `#Fields:` line. They stand between blanks, also where tabs are between the values (CloudFront), or
/// between the commas of Exchange's logs.
fn w3c_names(line: &[u8], delimiter: u8) -> Vec<String> {
    let names = line[W3C_FIELDS.len()..].split(|byte| byte.is_ascii_whitespace() || *byte == delimiter);
    names.filter(|name| !name.is_empty()).map(to_name).collect()
}

fn is_null(dialect: &Delimited, cell: &[u8]) -> bool {
    dialect.null.as_ref().is_some_and(|null| null.as_bytes() == cell)
}

fn cell_kind(dialect: &Delimited, cell: &[u8]) -> Kind {
    if cell.is_empty() || is_null(dialect, cell) { Kind::Null } else { Kind::Cell }
}

/// Splits a record without quotes.
fn split_plain(dialect: &Delimited, line: &[u8], cells: &mut CellBuffer) {
    cells.clear();
    let mut start = 0;
    for end in memchr::memchr_iter(dialect.delimiter, line).chain([line.len()]) {
        if !(dialect.repeated && start == end) {
            cells.push(cell_kind(dialect, &line[start..end]), start, end);
        }
        start = end + 1;
    }
}

/// Splits a line of a log: `"…"` and, where the dialect has brackets, `[…]` are one cell when a delimiter or the end of
/// the line follows; else they are text. What stands for no value does so between quotes, too (`"-"`).
pub(super) fn split_log(dialect: &Delimited, line: &[u8], cells: &mut CellBuffer) {
    let has_marks = match (dialect.quote, dialect.brackets) {
        (Some(quote), true) => memchr::memchr2(quote, b'[', line).is_some(),
        (Some(quote), false) => memchr::memchr(quote, line).is_some(),
        (None, brackets) => brackets,
    };
    if !has_marks {
        return split_plain(dialect, line, cells);
    }
    cells.clear();
    let delimiter = dialect.delimiter;
    // Once no quote closes behind a position, none closes behind a later one; and a bracket is looked for once. So a
    // line is read in linear time, whatever is in it.
    let (mut quote, mut bracket) = (dialect.quote, 0);
    let mut at = 0;
    loop {
        if dialect.repeated {
            at += line[at..].iter().take_while(|byte| **byte == delimiter).count();
            if at == line.len() {
                return;
            }
        }
        let first = line.get(at).copied();
        let close = if first.is_some() && first == quote {
            let close = closing_quote(line, at + 1, line[at], dialect);
            quote = quote.filter(|_| close.is_some());
            close
        } else if dialect.brackets && first == Some(b'[') {
            if bracket <= at {
                bracket = memchr::memchr(b']', &line[at..]).map_or(line.len(), |found| at + found);
            }
            (bracket < line.len() && ends_cell(line, bracket + 1, delimiter)).then_some((bracket, false))
        } else {
            None
        };
        let end = match close {
            Some((close, holds_quotes)) => {
                push_enclosed(dialect, line, at + 1..close, holds_quotes, cells);
                close + 1
            }
            None => {
                let end = memchr::memchr(delimiter, &line[at..]).map_or(line.len(), |found| at + found);
                cells.push(cell_kind(dialect, &line[at..end]), at, end);
                end
            }
        };
        if end == line.len() {
            return;
        }
        at = end + 1;
    }
}

/// The first quote from `from` on that is not escaped and that a delimiter or the end of the line follows, and whether
/// there are others before it.
fn closing_quote(line: &[u8], from: usize, quote: u8, dialect: &Delimited) -> Option<(usize, bool)> {
    let mut holds_quotes = false;
    for found in memchr::memchr_iter(quote, &line[from..]) {
        let at = from + found;
        if ends_cell(line, at + 1, dialect.delimiter) {
            let escapes = line[from..at].iter().rev().take_while(|byte| Some(**byte) == dialect.escape).count();
            if escapes.is_multiple_of(2) {
                return Some((at, holds_quotes));
            }
        }
        holds_quotes = true;
    }
    None
}

fn ends_cell(line: &[u8], at: usize, delimiter: u8) -> bool {
    line.get(at).is_none_or(|byte| *byte == delimiter)
}

/// Adds a cell of a log that stood between marks. `holds_quotes`: whether there may be escaped quotes in it.
fn push_enclosed(
    dialect: &Delimited,
    line: &[u8],
    range: std::ops::Range<usize>,
    holds_quotes: bool,
    cells: &mut CellBuffer,
) {
    let cell = &line[range.clone()];
    let kind = if is_null(dialect, cell) { Kind::Null } else { Kind::Cell };
    if !holds_quotes {
        return cells.push(kind, range.start, range.end);
    }
    let start = cells.scratch.len();
    for (index, byte) in cell.iter().enumerate() {
        if !(Some(*byte) == dialect.escape && cell.get(index + 1).copied() == dialect.quote) {
            cells.scratch.push(*byte);
        }
    }
    cells.push_scratch(kind, start);
}

/// Splits the first record of `bytes`, minding quotes. `is_whole`: whether nothing follows `bytes`.
pub(super) fn split_quoted(
    dialect: &Delimited,
    bytes: &[u8],
    is_whole: bool,
    line_end: u8,
    cells: &mut CellBuffer,
) -> Split {
    cells.clear();
    let text = Text { dialect, bytes, is_whole, line_end };
    let mut at = 0;
    loop {
        let is_quoted = dialect.quote.is_some() && bytes.get(at) == dialect.quote.as_ref();
        let end = match if is_quoted { text.quoted_cell(at, cells) } else { text.plain_cell(at, cells) } {
            CellEnd::At(end) => end,
            CellEnd::Unknown => return Split::Unclosed,
            CellEnd::Stray => return Split::Stray,
        };
        if bytes.get(end) == Some(&dialect.delimiter) {
            at = end + 1;
            continue;
        }
        let length = if end > 0 && bytes[end - 1] == b'\r' { end - 1 } else { end };
        let next = (end + 1).min(bytes.len());
        return Split::Record(Line { length, next, ended: end < bytes.len(), too_long: false });
    }
}

/// What [`split_quoted`] looks at.
struct Text<'a> {
    dialect: &'a Delimited,
    bytes: &'a [u8],
    is_whole: bool,
    line_end: u8,
}

/// Where a cell ends.
enum CellEnd {
    /// At this delimiter or line end, or at the end of the text.
    At(usize),
    Unknown,
    Stray,
}

impl Text<'_> {
    /// The next delimiter or line end from `at` on; `None` where it is still to come.
    #[inline]
    fn end_of_cell(&self, at: usize) -> Option<usize> {
        match memchr::memchr2(self.dialect.delimiter, self.line_end, &self.bytes[at..]) {
            Some(found) => Some(at + found),
            None => self.is_whole.then_some(self.bytes.len()),
        }
    }

    /// Adds the cell at `at`; quotes in it are text.
    #[inline]
    fn plain_cell(&self, at: usize, cells: &mut CellBuffer) -> CellEnd {
        let Some(end) = self.end_of_cell(at) else { return CellEnd::Unknown };
        let is_last = self.bytes.get(end) != Some(&self.dialect.delimiter);
        let text_end = if is_last && end > at && self.bytes[end - 1] == b'\r' { end - 1 } else { end };
        cells.push(cell_kind(self.dialect, &self.bytes[at..text_end]), at, text_end);
        CellEnd::At(end)
    }

    /// Adds the quoted cell at `at`; what follows its closing quote is kept as part of it.
    #[inline]
    fn quoted_cell(&self, at: usize, cells: &mut CellBuffer) -> CellEnd {
        let bytes = self.bytes;
        let (quote, scratch) = (bytes[at], cells.scratch.len());
        // What is before `piece` is in the scratch.
        let (mut piece, mut from) = (at + 1, at + 1);
        let close = loop {
            let Some(found) = self.quote_or_escape(from, quote) else { return CellEnd::Unknown };
            match bytes.get(found + 1) {
                None if !self.is_whole => return CellEnd::Unknown,
                // The quote is part of the cell; the one that doubles it, or the escape, is not.
                Some(next) if *next == quote => {
                    let left_out = if bytes[found] == quote { found + 1 } else { found };
                    cells.scratch.extend_from_slice(&bytes[piece..left_out]);
                    (piece, from) = (left_out + 1, found + 2);
                }
                _ if bytes[found] == quote => break found,
                Some(next) if *next == bytes[found] => from = found + 2,
                _ => from = found + 1,
            }
        };
        let Some(end) = self.end_of_cell(close + 1) else { return CellEnd::Unknown };
        let tail = bytes[close + 1..end].strip_suffix(b"\r").unwrap_or(&bytes[close + 1..end]);
        if !is_blank(tail) && memchr::memchr(self.line_end, &bytes[at..close]).is_some() {
            return CellEnd::Stray;
        }
        if piece == at + 1 && tail.is_empty() {
            cells.push(Kind::Cell, at + 1, close);
        } else {
            cells.scratch.extend_from_slice(&bytes[piece..close]);
            cells.scratch.extend_from_slice(tail);
            cells.push_scratch(Kind::Cell, scratch);
        }
        CellEnd::At(end)
    }

    fn quote_or_escape(&self, from: usize, quote: u8) -> Option<usize> {
        let rest = &self.bytes[from..];
        let found = match self.dialect.escape {
            Some(escape) => memchr::memchr2(quote, escape, rest),
            None => memchr::memchr(quote, rest),
        };
        found.map(|found| from + found)
    }
}

/// The cells of the record at hand, as they are looked at to recognise a format.
pub(super) fn cells_of<'a>(record: &'a [u8], cells: &'a CellBuffer) -> Vec<&'a [u8]> {
    (0..cells.spans.len()).map(|index| -> Value<'a> { cells.get(record, index) }).map(|cell| cell.bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(line: &str) -> Vec<String> {
        let mut cells = CellBuffer::default();
        split_log(&Delimited::space(), line.as_bytes(), &mut cells);
        let show = |span: usize| match cells.get(line.as_bytes(), span) {
            Value { kind: Kind::Null, .. } => "NULL".to_owned(),
            value => String::from_utf8_lossy(value.bytes).into_owned(),
        };
        (0..cells.spans.len()).map(show).collect()
    }

    #[test]
    fn marks_close_in_front_of_a_blank() {
        assert_eq!(log(r#"a  [b c] "d e" - "-" "" f"#), ["a", "b c", "d e", "NULL", "NULL", "", "f"]);
        assert_eq!(log(r#"[::1]:80 [x]y] "a"b" "c\" d" "e\\" "#), ["[::1]:80", "[x]y]", r#"a"b"#, r#"c" d"#, r"e\\"]);
    }

    #[test]
    fn a_mark_that_does_not_close_is_text() {
        assert_eq!(log(r#"[a "b c"#), ["[a", "\"b", "c"]);
        assert_eq!(log(r#"" a" [ "#), [" a", "["]);
    }
}
