//! Records that are lines, or runs of lines: what all line formats have in common.

use std::collections::BTreeMap;

use millpond_core::columns::Column;
use millpond_core::{Error, Result};
use regex::bytes::Regex;

use crate::Records;
use crate::json::too_long;
use crate::rows::Rows;
use crate::window::{Line, Window, is_blank};

/// What one format makes of a line.
pub(crate) trait LineFormat: Send {
    /// Reads one record, which is not blank and whole: a row, a reject, or nothing where it is a header.
    ///
    /// # Errors
    /// `TooBig` where a limit of the file is reached.
    fn read(&mut self, record: &[u8], offset: u64, rows: &mut Rows) -> Result<()>;

    /// Whether a line is a record, not a header or a comment, so that it is missed where the file is cut in it.
    fn is_record(&self, _line: &[u8]) -> bool {
        true
    }

    /// Adds the fields seen to the summary.
    fn note_fields(&self, fields: &mut BTreeMap<String, u8>);

    /// The columns with types that the file itself declares, where it does.
    fn native_columns(&self) -> Option<Vec<Column>> {
        None
    }
}

/// How the records are found.
pub(crate) enum Framing {
    /// Each line is one.
    Lines,
    /// A record starts with each line that matches; other lines belong to the record before them.
    Start(Regex),
}

impl Framing {
    /// Lines, or runs of lines where `start` says how they start.
    ///
    /// # Errors
    /// `BadConfig` for an expression that does not compile.
    pub(crate) fn new(start: Option<&str>) -> Result<Self> {
        Ok(match start {
            Some(pattern) => Self::Start(expression(pattern)?),
            None => Self::Lines,
        })
    }

    /// The record at position 0; `None` at the end of the stream.
    fn next(&self, window: &mut Window, max: usize) -> Result<Option<Line>> {
        match self {
            Self::Lines => window.line(max),
            Self::Start(start) => window.lines_until(max, |line| start.is_match(line)),
        }
    }
}

/// Compiles a regular expression of a source.
///
/// # Errors
/// `BadConfig` that names it.
pub(crate) fn expression(pattern: &str) -> Result<Regex> {
    Regex::new(pattern)
        .map_err(|error| Error::bad_config(format!("`{pattern}` is not a regular expression")).because(error))
}

/// Reads the records of one line format.
pub(crate) struct LineReader<F> {
    framing: Framing,
    format: F,
}

impl<F: LineFormat> LineReader<F> {
    pub(crate) fn new(framing: Framing, format: F) -> Self {
        Self { framing, format }
    }
}

impl<F: LineFormat> Records for LineReader<F> {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        while !rows.is_full() {
            let Some(line) = self.framing.next(window, rows.limits.record_bytes_max)? else { return Ok(false) };
            if line.too_long {
                refuse_long_line(window, line, rows)?;
                continue;
            }
            let record = &window.bytes()[..line.length];
            if !is_blank(record) {
                let offset = window.offset();
                if !line.ended && window.stream().is_cut() && self.format.is_record(record) {
                    let detail = "the file ends inside the record".to_owned();
                    rows.reject_record("truncated_record", detail, Some(offset), record);
                } else {
                    self.format.read(record, offset, rows)?;
                }
            }
            window.consume(line.next);
        }
        Ok(true)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.format.note_fields(fields);
    }

    fn native_columns(&self) -> Option<Vec<Column>> {
        self.format.native_columns()
    }
}

/// Rejects a line that is longer than a record may be, and skips the rest of it.
pub(crate) fn refuse_long_line(window: &mut Window, line: Line, rows: &mut Rows) -> Result<()> {
    let offset = window.offset();
    rows.reject_record("record_too_long", too_long(rows), Some(offset), &window.bytes()[..line.length]);
    window.consume(line.next);
    window.skip_line()
}
