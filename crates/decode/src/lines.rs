//! Lines: one record a line, the whole line in the field `line`.

use std::collections::BTreeMap;

use millpond_core::Result;

use super::json::refuse_long_line;
use super::rows::{Record, Rows};
use super::values::Value;
use super::window::{Window, is_blank};
use super::{Records, builders, kinds};

/// The one field.
const FIELD: &str = "line";

/// Reads lines.
pub(super) struct LinesReader {
    /// Which columns are the line; any other is NULL.
    is_line: Vec<bool>,
    any: bool,
}

impl LinesReader {
    pub(super) fn new(rows: &Rows) -> Self {
        Self { is_line: rows.columns().iter().map(|column| column.name == FIELD).collect(), any: false }
    }
}

impl Records for LinesReader {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        let requested = self.is_line.contains(&true);
        let frozen = rows.frozen_names().is_some_and(|names| !requested && !names.iter().any(|name| name == FIELD));
        while !rows.is_full() {
            let Some(line) = window.line(rows.limits.record_bytes_max)? else { return Ok(false) };
            if line.too_long {
                refuse_long_line(window, line, rows)?;
                continue;
            }
            let raw = &window.bytes()[..line.length];
            if !is_blank(raw) {
                let offset = Some(window.offset());
                if !line.ended && window.stream().is_cut() {
                    rows.reject_record("truncated_record", "the file ends inside the line".to_owned(), offset, raw);
                } else {
                    self.any = true;
                    let record = Record { offset, raw, misplaced: 0, unknown: frozen.then_some(FIELD) };
                    let value = |column: usize| if self.is_line[column] { Value::cell(raw) } else { Value::NULL };
                    rows.push(&record, value, |out| {
                        if !requested {
                            builders::write_member(FIELD.as_bytes(), &Value::cell(raw), out);
                        }
                    });
                }
            }
            window.consume(line.next);
        }
        Ok(true)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        if self.any {
            fields.insert(FIELD.to_owned(), kinds::TEXT);
        }
    }
}
