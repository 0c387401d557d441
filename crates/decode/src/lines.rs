//! Lines: one record a line, the whole line in the field `line`.

use std::collections::BTreeMap;

use millpond_core::Result;

use super::line_reader::{Framing, LineFormat, LineReader};
use super::rows::{Record, Rows};
use super::values::Value;
use super::{Records, builders, kinds};

/// The one field.
const FIELD: &str = "line";

struct Lines {
    /// Which columns are the line; any other is NULL.
    is_line: Vec<bool>,
    requested: bool,
    /// Whether the source freezes its columns and the line is not among them.
    unknown: bool,
    any: bool,
}

/// Opens a reader of lines, or of runs of lines where `start` says how they start.
///
/// # Errors
/// `BadConfig` for an expression that does not compile.
pub(super) fn open(start: Option<&str>, rows: &Rows) -> Result<Box<dyn Records>> {
    let is_line: Vec<bool> = rows.columns().iter().map(|column| column.name == FIELD).collect();
    let requested = is_line.contains(&true);
    let unknown = rows.frozen_names().is_some_and(|names| !requested && !names.iter().any(|name| name == FIELD));
    let format = Lines { is_line, requested, unknown, any: false };
    Ok(Box::new(LineReader::new(Framing::new(start)?, format)))
}

impl LineFormat for Lines {
    fn read(&mut self, raw: &[u8], offset: u64, rows: &mut Rows) -> Result<()> {
        self.any = true;
        let record = Record { offset: Some(offset), raw, misplaced: 0, unknown: self.unknown.then_some(FIELD) };
        let value = |column: usize| if self.is_line[column] { Value::cell(raw) } else { Value::NULL };
        rows.push(&record, value, |out| {
            if !self.requested {
                builders::write_member(FIELD.as_bytes(), &Value::cell(raw), out);
            }
        });
        Ok(())
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        if self.any {
            fields.insert(FIELD.to_owned(), kinds::TEXT);
        }
    }
}
