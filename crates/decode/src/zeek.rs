//! Zeek's TSV logs: the header names separators, fields and types, and can come again further down.

use std::collections::BTreeMap;

use millpond_core::columns::{Column, ColumnType, EpochUnit, TimeFormat};
use millpond_core::{Error, Result};

use super::Records;
use super::cells::{CellBuffer, CellSpan, Cells, Fields};
use super::find;
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
        let cells = &mut self.cells;
        let mut start = 0;
        find::each(raw, self.header.separator, |end| {
            cells.push(Kind::Cell, start, end);
            start = end + 1;
        });
        cells.push(Kind::Cell, start, raw.len());
        for field in 0..cells.spans.len() {
            self.header.type_cell(field, raw, fields.is_needed(field), cells);
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
    /// The type of the items of each field that is a set or a vector.
    item_types: Vec<Option<String>>,
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
            item_types: Vec::new(),
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
                self.item_types.clear();
            }
            b"#types" => {
                self.types = names();
                self.item_types = self.types.iter().map(|kind| item_type(kind).map(str::to_owned)).collect();
            }
            _ => {}
        }
        matches!(key, b"#fields" | b"#types")
    }

    /// Makes of a cell what its type and the words for nothing say.
    #[inline]
    fn type_cell(&self, field: usize, raw: &[u8], needed: bool, cells: &mut CellBuffer) {
        let span = &mut cells.spans[field];
        let cell = &raw[span.start..span.end];
        let item_type = self.item_types.get(field).and_then(Option::as_deref);
        if is_word(cell, &self.unset) {
            span.kind = Kind::Null;
        } else if item_type.is_some() {
            span.kind = Kind::List;
        } else if is_word(cell, &self.empty) {
            span.end = span.start;
        }
        if needed && matches!(span.kind, Kind::List | Kind::Cell) {
            let cell = &raw[span.start..span.end];
            self.rewrite_cell(field, item_type, cell, cells);
        }
    }

    /// Writes lists as JSON and undoes escapes.
    fn rewrite_cell(&self, field: usize, item_type: Option<&str>, cell: &[u8], cells: &mut CellBuffer) {
        let start = cells.scratch.len();
        let kind = match item_type {
            Some(item_type) => {
                self.write_list(cell, item_type, &mut cells.scratch);
                Kind::List
            }
            None if find::either(cell, 0, b'\\', b'\\').is_some() => {
                unescape(cell, &mut cells.scratch);
                Kind::Cell
            }
            None => return,
        };
        cells.spans[field] = CellSpan { kind, start, end: cells.scratch.len(), in_scratch: true };
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

/// Whether a cell is one word; most differ in their first byte.
#[inline]
fn is_word(cell: &[u8], word: &[u8]) -> bool {
    cell.first() == word.first() && cell == word
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
