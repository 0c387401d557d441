//! Separated values: CSV, TSV, space-separated, and W3C logs with their `#Fields:` line.
//!
//! A record can span lines inside quotes. Short records are filled with NULL, long ones keep their extra cells in
//! `_rest`.

use std::collections::BTreeMap;

use millpond_core::format::{Delimited, Header};
use millpond_core::{Error, Result};

use super::Records;
use super::cells::{CellBuffer, Cells, Fields};
use super::find;
use super::line_reader::refuse_long_line;
use super::rows::Rows;
use super::values::{Kind, Value};
use super::window::{Line, Window, is_blank};

/// What W3C logs put before their field names.
const W3C_FIELDS: &[u8] = b"#Fields:";

/// Reads separated values.
pub(super) struct DelimitedReader {
    dialect: Delimited,
    fields: Option<Fields>,
    cells: CellBuffer,
}

impl DelimitedReader {
    pub(super) fn new(dialect: Delimited, rows: &Rows) -> Self {
        let fields = match &dialect.header {
            Header::FirstLine => None,
            Header::Names(names) => Some(Fields::new(names.clone(), rows)),
        };
        Self { dialect, fields, cells: CellBuffer::default() }
    }

    /// Reads the record that starts with `line`.
    fn read_record(&mut self, line: Line, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let bytes = &window.bytes()[..line.length];
        let has_quote = self.dialect.quote.is_some_and(|quote| memchr::memchr(quote, bytes).is_some());
        let record = if has_quote {
            match self.split_quoted(window, rows)? {
                Some(record) => record,
                None => return self.refuse_unclosed(line, window, rows),
            }
        } else {
            split_plain(&self.dialect, bytes, &mut self.cells);
            line
        };
        let raw = &window.bytes()[..record.length];
        let offset = window.offset();
        if !record.ended && window.stream().is_cut() {
            rows.reject_record("truncated_record", "the file ends inside the record".to_owned(), Some(offset), raw);
        } else if let Some(fields) = &mut self.fields {
            let cells = &self.cells;
            fields.push(rows, Cells { offset, raw, count: cells.spans.len(), cell: &|index| cells.get(raw, index) });
        } else {
            let names = (0..self.cells.spans.len()).map(|index| to_name(&self.cells.get(raw, index))).collect();
            self.fields = Some(new_fields(names, rows)?);
        }
        window.consume(record.next);
        Ok(())
    }

    /// Splits a record with quotes, which can go on over lines. `None` when a quote is not closed.
    fn split_quoted(&mut self, window: &mut Window, rows: &Rows) -> Result<Option<Line>> {
        loop {
            let line_end = window.line_end();
            match split_quoted(&self.dialect, window.bytes(), window.at_end(), line_end, &mut self.cells) {
                Some(record) if record.length <= rows.limits.record_bytes_max => return Ok(Some(record)),
                Some(_) => return Ok(None),
                None if window.bytes().len() > rows.limits.record_bytes_max => return Ok(None),
                None => {
                    // At the end of the input the next attempt closes what is open, or gives up.
                    if !window.grow()? && !window.at_end() {
                        return Ok(None);
                    }
                    if window.at_end() && is_unclosed(&self.dialect, window.bytes(), line_end, &mut self.cells) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Rejects a record whose quote is not closed. Its first line goes; what follows is read as records again.
    fn refuse_unclosed(&self, line: Line, window: &mut Window, rows: &mut Rows) -> Result<()> {
        let offset = Some(window.offset());
        if window.at_end() && window.stream().is_cut() {
            let raw = window.bytes();
            let all = raw.len();
            rows.reject_record("truncated_record", "the file ends inside the record".to_owned(), offset, raw);
            window.consume(all);
            return Ok(());
        }
        let detail = "a quote in the record is not closed".to_owned();
        rows.reject_record("unclosed_quote", detail, offset, &window.bytes()[..line.length]);
        window.consume(line.next);
        Ok(())
    }

    /// Takes the field names of a W3C log.
    fn read_comment(&mut self, line: &[u8], rows: &Rows) -> Result<()> {
        if self.dialect.header == Header::FirstLine && line.starts_with(W3C_FIELDS) {
            let names = line[W3C_FIELDS.len()..].split(u8::is_ascii_whitespace).filter(|name| !name.is_empty());
            let names = names.map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            self.fields = Some(new_fields(names, rows)?);
        }
        Ok(())
    }
}

impl Records for DelimitedReader {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        while !rows.is_full() {
            let Some(line) = window.line(rows.limits.record_bytes_max)? else { return Ok(false) };
            if line.too_long {
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
        if let Some(own) = &self.fields {
            own.note(fields);
        }
    }
}

/// A line of tabs is a record of empty cells where tabs separate.
fn is_blank_record(line: &[u8], delimiter: u8) -> bool {
    is_blank(line) && (delimiter == b' ' || !line.contains(&delimiter))
}

fn new_fields(names: Vec<String>, rows: &Rows) -> Result<Fields> {
    if names.len() > rows.limits.fields_max {
        return Err(Error::too_big(format!(
            "the header has {} fields, more than {}",
            names.len(),
            rows.limits.fields_max
        ))
        .hint("raise `fields` under `[limits]` in source.toml"));
    }
    Ok(Fields::new(names, rows))
}

fn to_name(value: &Value<'_>) -> String {
    String::from_utf8_lossy(value.bytes).into_owned()
}

#[inline]
fn cell_kind(dialect: &Delimited, cell: &[u8]) -> Kind {
    match cell.first() {
        None => Kind::Null,
        Some(first) => match &dialect.null {
            Some(null) if null.as_bytes().first() == Some(first) && null.as_bytes() == cell => Kind::Null,
            _ => Kind::Cell,
        },
    }
}

/// Splits a record without quotes.
fn split_plain(dialect: &Delimited, line: &[u8], cells: &mut CellBuffer) {
    cells.clear();
    let mut start = 0;
    let mut end_cell = |end: usize| {
        if !(dialect.repeated && start == end) {
            cells.push(cell_kind(dialect, &line[start..end]), start, end);
        }
        start = end + 1;
    };
    find::each(line, dialect.delimiter, &mut end_cell);
    end_cell(line.len());
}

/// Splits the first record of `bytes`, minding quotes; `None` when it does not end in them.
pub(super) fn split_quoted(
    dialect: &Delimited,
    bytes: &[u8],
    at_end: bool,
    line_end: u8,
    cells: &mut CellBuffer,
) -> Option<Line> {
    cells.clear();
    let mut at = 0;
    loop {
        if dialect.repeated {
            at += bytes[at..].iter().take_while(|byte| **byte == dialect.delimiter).count();
        }
        let quoted = dialect.quote.is_some() && bytes.get(at) == dialect.quote.as_ref();
        let end = if quoted {
            quoted_cell(dialect, bytes, at, at_end, line_end, cells)?
        } else {
            plain_cell(dialect, bytes, at, at_end, line_end, cells)?
        };
        if bytes.get(end) == Some(&dialect.delimiter) {
            at = end + 1;
            continue;
        }
        let length = if end > 0 && bytes[end - 1] == b'\r' { end - 1 } else { end };
        return Some(Line { length, next: (end + 1).min(bytes.len()), ended: end < bytes.len(), too_long: false });
    }
}

/// Adds the cell at `at`. Gives the position of the delimiter or line end behind it.
fn plain_cell(
    dialect: &Delimited,
    bytes: &[u8],
    at: usize,
    at_end: bool,
    line_end: u8,
    cells: &mut CellBuffer,
) -> Option<usize> {
    let end = match find::either(bytes, at, dialect.delimiter, line_end) {
        Some(found) => found,
        None if at_end => bytes.len(),
        None => return None,
    };
    let is_last = bytes.get(end) != Some(&dialect.delimiter);
    let text_end = if is_last && end > at && bytes[end - 1] == b'\r' { end - 1 } else { end };
    if !(dialect.repeated && is_last && text_end == at) {
        cells.push(cell_kind(dialect, &bytes[at..text_end]), at, text_end);
    }
    Some(end)
}

/// Adds the quoted cell at `at`; what follows its closing quote is kept as part of it.
fn quoted_cell(
    dialect: &Delimited,
    bytes: &[u8],
    at: usize,
    at_end: bool,
    line_end: u8,
    cells: &mut CellBuffer,
) -> Option<usize> {
    let quote = dialect.quote?;
    let start = cells.scratch.len();
    let mut piece = at + 1;
    let mut pieces = 0;
    let close = loop {
        let close = find::either(bytes, piece, quote, quote)?;
        match bytes.get(close + 1) {
            Some(next) if *next == quote => {
                cells.scratch.extend_from_slice(&bytes[piece..=close]);
                piece = close + 2;
                pieces += 1;
            }
            None if !at_end => return None,
            _ => break close,
        }
    };
    let end = match find::either(bytes, close + 1, dialect.delimiter, line_end) {
        Some(found) => found,
        None if at_end => bytes.len(),
        None => return None,
    };
    let tail = bytes[close + 1..end].strip_suffix(b"\r").unwrap_or(&bytes[close + 1..end]);
    if pieces == 0 && tail.is_empty() {
        cells.push(Kind::Cell, at + 1, close);
        return Some(end);
    }
    cells.scratch.extend_from_slice(&bytes[piece..close]);
    cells.scratch.extend_from_slice(tail);
    cells.push_scratch(Kind::Cell, start);
    Some(end)
}

fn is_unclosed(dialect: &Delimited, bytes: &[u8], line_end: u8, cells: &mut CellBuffer) -> bool {
    split_quoted(dialect, bytes, true, line_end, cells).is_none()
}
