//! Zeek's TSV logs: the header names separators, fields and types, and can come again further down.

use std::collections::BTreeMap;

use millpond_core::columns::{Column, ColumnType, EpochUnit, TimeFormat};
use millpond_core::{Error, Result};

use super::Records;
use super::cells::{CellBuffer, Cells, Fields};
use super::json::text;
use super::line_reader::{Framing, LineFormat, LineReader};
use super::rows::Rows;
use super::values::Kind;
use super::window::{Window, is_blank};

/// Reads Zeek's TSV.
struct Zeek {
    header: ZeekHeader,
    fields: Option<Fields>,
    /// The fields of headers before the one at hand.
    past: BTreeMap<String, u8>,
    cells: CellBuffer,
}

/// Opens a reader, its header read.
///
/// # Errors
/// `BadInput` when no `#fields` line comes first.
pub(super) fn open(window: &mut Window, rows: &Rows) -> Result<Box<dyn Records>> {
    let mut zeek =
        Zeek { header: ZeekHeader::new(), fields: None, past: BTreeMap::new(), cells: CellBuffer::default() };
    while let Some(line) = window.line(rows.limits.record_bytes_max)? {
        let text = &window.bytes()[..line.length];
        if line.too_long || !(text.starts_with(b"#") || is_blank(text)) {
            break;
        }
        zeek.read_header(text, rows)?;
        window.consume(line.next);
    }
    if zeek.fields.is_none() {
        return Err(Error::bad_input(
            "failed to read the file as Zeek: no `#fields` line comes before the first record",
        )
        .hint("Zeek logs written as JSON are `format = \"json\"`"));
    }
    Ok(Box::new(LineReader::new(Framing::Lines, zeek)))
}

impl Zeek {
    fn read_header(&mut self, line: &[u8], rows: &Rows) -> Result<()> {
        if !self.header.read(line) {
            return Ok(());
        }
        if self.header.names.len() > rows.limits.fields_max {
            return Err(Error::too_big(format!("the header has more than {} fields", rows.limits.fields_max))
                .hint("raise `fields` under `[limits]` in source.toml"));
        }
        if let Some(before) = self.fields.replace(Fields::new(self.header.names.clone(), rows)) {
            before.note(&mut self.past);
        }
        Ok(())
    }

    fn read_record(&mut self, raw: &[u8], offset: u64, rows: &mut Rows) {
        let Some(fields) = &mut self.fields else { return };
        self.cells.clear();
        let mut start = 0;
        for (field, end) in memchr::memchr_iter(self.header.separator, raw).chain([raw.len()]).enumerate() {
            self.header.push_cell(field, raw, start..end, fields.is_needed(field), &mut self.cells);
            start = end + 1;
        }
        let cells = &self.cells;
        let (found, expected) = (cells.spans.len(), self.header.names.len());
        if found != expected {
            // A cell cut in half would pass for a value, so the line is not used in part.
            let detail = format!("the line has {found} cells, the header names {expected}");
            rows.reject_record("ragged", detail, Some(offset), raw);
            return;
        }
        fields.push(rows, Cells { offset, raw, count: cells.spans.len(), cell: &|index| cells.get(raw, index) });
    }
}

impl LineFormat for Zeek {
    fn read(&mut self, record: &[u8], offset: u64, rows: &mut Rows) -> Result<()> {
        if record.starts_with(b"#") {
            return self.read_header(record, rows);
        }
        self.read_record(record, offset, rows);
        Ok(())
    }

    fn is_record(&self, line: &[u8]) -> bool {
        !line.starts_with(b"#")
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        for (name, kinds) in &self.past {
            *fields.entry(name.clone()).or_default() |= kinds;
        }
        if let Some(own) = &self.fields {
            own.note(fields);
        }
    }

    fn native_columns(&self) -> Option<Vec<Column>> {
        let column = |(index, name): (usize, &String)| Column {
            name: name.clone(),
            kind: column_type(self.header.types.get(index).map_or("string", String::as_str)),
        };
        Some(self.header.names.iter().enumerate().map(column).collect())
    }
}

/// What the `#` lines say.
struct ZeekHeader {
    separator: u8,
    set_separator: Vec<u8>,
    empty: Vec<u8>,
    unset: Vec<u8>,
    names: Vec<String>,
    types: Vec<String>,
}

impl ZeekHeader {
    fn new() -> Self {
        Self {
            separator: b'\t',
            set_separator: b",".to_vec(),
            empty: b"(empty)".to_vec(),
            unset: b"-".to_vec(),
            names: Vec::new(),
            types: Vec::new(),
        }
    }

    /// Reads one `#` line; `true` when it names the fields or their types.
    fn read(&mut self, line: &[u8]) -> bool {
        if let Some(separator) = line.strip_prefix(b"#separator ") {
            self.separator = unescaped(separator).first().copied().unwrap_or(b'\t');
            return false;
        }
        let mut parts = line.split(|byte| *byte == self.separator);
        let key = parts.next().unwrap_or_default();
        let values: Vec<&[u8]> = parts.collect();
        let first = || values.first().map(|value| unescaped(value));
        let names = || values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
        match key {
            b"#set_separator" => self.set_separator = first().unwrap_or_default(),
            b"#empty_field" => self.empty = first().unwrap_or_default(),
            b"#unset_field" => self.unset = first().unwrap_or_default(),
            b"#fields" => {
                self.names = names();
                self.types.clear();
            }
            b"#types" => self.types = names(),
            _ => {}
        }
        matches!(key, b"#fields" | b"#types")
    }

    fn push_cell(&self, field: usize, raw: &[u8], range: std::ops::Range<usize>, needed: bool, cells: &mut CellBuffer) {
        let cell = &raw[range.clone()];
        if cell == self.unset {
            return cells.push(Kind::Null, range.start, range.end);
        }
        let item = self.types.get(field).and_then(|kind| item_type(kind));
        let scratch = cells.scratch.len();
        match item {
            Some(item) if needed => {
                self.write_list(cell, item, &mut cells.scratch);
                cells.push_scratch(Kind::List, scratch);
            }
            Some(_) => cells.push(Kind::List, range.start, range.end),
            None if cell == self.empty => cells.push(Kind::Cell, range.start, range.start),
            None if needed && memchr::memchr(b'\\', cell).is_some() => {
                unescape(cell, &mut cells.scratch);
                cells.push_scratch(Kind::Cell, scratch);
            }
            None => cells.push(Kind::Cell, range.start, range.end),
        }
    }

    /// Writes a set or vector as a JSON array.
    fn write_list(&self, cell: &[u8], item_type: &str, out: &mut Vec<u8>) {
        out.push(b'[');
        if cell != self.empty && !self.set_separator.is_empty() {
            let separator = self.set_separator[0];
            for (index, item) in cell.split(|byte| *byte == separator).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                match (item, item_type) {
                    (item, _) if item == self.unset => out.extend_from_slice(b"null"),
                    (b"T", "bool") => out.extend_from_slice(b"true"),
                    (b"F", "bool") => out.extend_from_slice(b"false"),
                    (item, kind) if is_numeric(kind) && is_plain_number(item) => out.extend_from_slice(item),
                    (item, _) => text::quote(&unescaped(item), out),
                }
            }
        }
        out.push(b']');
    }
}

fn is_plain_number(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    digits.first().is_some_and(u8::is_ascii_digit)
        && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && digits.last().is_some_and(u8::is_ascii_digit)
        && (digits[0] != b'0' || digits.len() == 1 || digits[1] == b'.')
}

fn is_numeric(kind: &str) -> bool {
    matches!(kind, "count" | "int" | "port" | "double" | "interval" | "time")
}

/// The type of the items of `set[T]`, `table[T]` and `vector[T]`.
fn item_type(kind: &str) -> Option<&str> {
    let (container, item) = kind.strip_suffix(']')?.split_once('[')?;
    matches!(container, "set" | "table" | "vector").then_some(item)
}

fn column_type(kind: &str) -> ColumnType {
    if let Some(item) = item_type(kind) {
        return ColumnType::List(Box::new(column_type(item)));
    }
    match kind {
        "time" => ColumnType::Timestamp(TimeFormat::Epoch(EpochUnit::Seconds)),
        "count" | "int" | "port" => ColumnType::Int,
        "double" | "interval" => ColumnType::Float,
        "bool" => ColumnType::Boolean,
        _ => ColumnType::Text,
    }
}

/// Undoes `\xNN` and `\\`. Bytes that are no text, which is control characters and what is no UTF-8, stay as they are
/// written: so they have one value in TSV and in Zeek's JSON, which spells them in this way, too.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(found) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..found]);
        rest = &rest[found..];
        match escaped_byte(rest) {
            Some(b' '..=b'~' | 8..=10 | 12 | 13) => {
                out.extend(escaped_byte(rest));
                rest = &rest[4..];
            }
            Some(0x80..) => {
                let bytes: Vec<u8> = rest.chunks(4).map_while(escaped_byte).take_while(|byte| *byte >= 0x80).collect();
                for chunk in bytes.utf8_chunks() {
                    out.extend_from_slice(chunk.valid().as_bytes());
                    chunk.invalid().iter().for_each(|byte| out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()));
                }
                rest = &rest[4 * bytes.len()..];
            }
            Some(_) => {
                out.extend_from_slice(&rest[..4]);
                rest = &rest[4..];
            }
            None => {
                out.push(b'\\');
                rest = &rest[if rest.starts_with(b"\\\\") { 2 } else { 1 }..];
            }
        }
    }
    out.extend_from_slice(rest);
}

/// The byte that `\xNN` at the start of a text stands for.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    let hex = text.strip_prefix(b"\\x")?.get(..2)?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(hex[0])? * 16 + digit(hex[1])?).ok()
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    unescape(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescaped(br"a\x09b\\c\xzz\"), b"a\tb\\c\\xzz\\");
        assert_eq!(unescaped(br"\xc3\xa9 \xff\xc3\xa9\xc3 \x00"), "\u{e9} \\xff\u{e9}\\xc3 \\x00".as_bytes());
    }

    #[test]
    fn types_become_columns() {
        assert_eq!(column_type("time").to_string(), "timestamp(s)");
        assert_eq!(column_type("vector[interval]").to_string(), "list(float)");
        assert_eq!(column_type("set[addr]").to_string(), "list(text)");
        assert_eq!(column_type("enum").to_string(), "text");
    }
}
