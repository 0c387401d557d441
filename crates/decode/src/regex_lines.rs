//! Lines taken apart by the named groups of a regular expression.

use std::collections::BTreeMap;

use millpond_core::{Error, Result};
use regex::bytes::{CaptureLocations, Regex};

use super::Records;
use super::cells::{Cells, Fields};
use super::json::refuse_long_line;
use super::rows::Rows;
use super::values::Value;
use super::window::{Window, is_blank};

/// Reads lines through a regular expression.
pub(super) struct RegexReader {
    regex: Regex,
    locations: CaptureLocations,
    /// The group number of each field.
    groups: Vec<usize>,
    fields: Fields,
}

impl RegexReader {
    pub(super) fn new(pattern: &str, rows: &Rows) -> Result<Self> {
        let regex = Regex::new(pattern)
            .map_err(|error| Error::bad_config(format!("`{pattern}` is not a regular expression")).because(error))?;
        let named = regex.capture_names().enumerate().filter_map(|(group, name)| Some((group, name?.to_owned())));
        let (groups, names): (Vec<usize>, Vec<String>) = named.unzip();
        let fields = Fields::new(names, rows);
        Ok(Self { locations: regex.capture_locations(), regex, groups, fields })
    }
}

impl Records for RegexReader {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        while !rows.is_full() {
            let Some(line) = window.line(rows.limits.record_bytes_max)? else { return Ok(false) };
            if line.too_long {
                refuse_long_line(window, line, rows)?;
                continue;
            }
            let raw = &window.bytes()[..line.length];
            let offset = window.offset();
            if !is_blank(raw) {
                if !line.ended && window.stream().is_cut() {
                    rows.reject_record(
                        "truncated_record",
                        "the file ends inside the line".to_owned(),
                        Some(offset),
                        raw,
                    );
                } else if self.regex.captures_read(&mut self.locations, raw).is_none() {
                    let detail = "the line does not match the expression of the source".to_owned();
                    rows.reject_record("no_match", detail, Some(offset), raw);
                } else {
                    let (groups, locations) = (&self.groups, &self.locations);
                    let cell = |field: usize| match locations.get(groups[field]) {
                        Some((start, end)) => Value::cell(&raw[start..end]),
                        None => Value::NULL,
                    };
                    self.fields.push(rows, Cells { offset, raw, count: groups.len(), cell: &cell });
                }
            }
            window.consume(line.next);
        }
        Ok(true)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.fields.note(fields);
    }
}
