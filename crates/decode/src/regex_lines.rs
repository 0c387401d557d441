//! Lines taken apart by the named groups of a regular expression.

use std::collections::BTreeMap;

use millpond_core::Result;
use regex::bytes::{CaptureLocations, Regex};

use super::Records;
use super::cells::{Cells, Fields};
use super::line_reader::{Framing, LineFormat, LineReader, expression};
use super::rows::Rows;
use super::values::Value;

/// Reads records through a regular expression.
struct RegexLines {
    regex: Regex,
    locations: CaptureLocations,
    /// The group numbers of each field; the first that takes part in a match has its value.
    groups: Vec<Vec<usize>>,
    fields: Fields,
}

/// Opens a reader of lines that match `pattern`.
///
/// # Errors
/// `BadConfig` for an expression that does not compile.
pub(super) fn open(pattern: &str, start: Option<&str>, rows: &Rows) -> Result<Box<dyn Records>> {
    let regex = expression(pattern)?;
    let named = regex.capture_names().enumerate().filter_map(|(group, name)| Some((name?.to_owned(), vec![group])));
    let fields = named.collect();
    open_groups(regex, fields, start, rows)
}

/// Opens a reader of lines that match `regex`, whose groups are the given fields.
///
/// # Errors
/// `BadConfig` for an expression of a start that does not compile.
pub(super) fn open_groups(
    regex: Regex,
    fields: Vec<(String, Vec<usize>)>,
    start: Option<&str>,
    rows: &Rows,
) -> Result<Box<dyn Records>> {
    let (names, groups) = fields.into_iter().unzip();
    let fields = Fields::new(names, rows);
    let format = RegexLines { locations: regex.capture_locations(), regex, groups, fields };
    Ok(Box::new(LineReader::new(Framing::new(start)?, format)))
}

impl LineFormat for RegexLines {
    fn read(&mut self, raw: &[u8], offset: u64, rows: &mut Rows) -> Result<()> {
        if self.regex.captures_read(&mut self.locations, raw).is_none() {
            let detail = "the line does not match the expression of the source".to_owned();
            rows.reject_record("no_match", detail, Some(offset), raw);
            return Ok(());
        }
        let (groups, locations) = (&self.groups, &self.locations);
        let cell = |field: usize| match groups[field].iter().find_map(|group| locations.get(*group)) {
            Some((start, end)) => Value::cell(&raw[start..end]),
            None => Value::NULL,
        };
        self.fields.push(rows, Cells { offset, raw, count: groups.len(), cell: &cell });
        Ok(())
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.fields.note(fields);
    }
}
