//! Records that are lines, or runs of lines: what all line formats have in common.

use std::collections::BTreeMap;

use millpond_core::columns::Column;
use millpond_core::{Error, Result};
use regex::bytes::Regex;

use crate::Records;
use crate::json::too_long;
use crate::rows::Rows;
use crate::syslog::header::counted_message;
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

    /// Hands out what it held back; called once, behind the last record.
    ///
    /// # Errors
    /// `TooBig` where a limit of the file is reached.
    fn finish(&mut self, _rows: &mut Rows) -> Result<()> {
        Ok(())
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
    /// A record has its length before it: octet counting, RFC 6587, 3.4.1.
    Counted,
}

/// Bytes read to find a length and a priority.
const COUNT_BYTES: usize = 16;

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

    /// Octet counting for a syslog stream whose first record has its length before it, else lines.
    ///
    /// Only the first record decides: a line further down may be made by somebody who wants the lines behind it to be
    /// taken for one message.
    ///
    /// # Errors
    /// Those of the input.
    pub(crate) fn lines_or_counted(window: &mut Window, max: usize) -> Result<Self> {
        Ok(if counted(window, max)?.is_some() { Self::Counted } else { Self::Lines })
    }

    /// The record at position 0; `None` at the end of the stream.
    fn next(&self, window: &mut Window, max: usize) -> Result<Option<Line>> {
        match self {
            Self::Lines => window.line(max),
            Self::Start(start) => window.lines_until(max, |line| start.is_match(line)),
            Self::Counted => match counted(window, max)? {
                Some(record) => Ok(Some(record)),
                None => window.line(max),
            },
        }
    }

    /// Rejects a record that is longer than it may be, and skips the rest of it.
    fn refuse_long(&self, window: &mut Window, line: Line, rows: &mut Rows) -> Result<()> {
        match (self, counted_message(window.bytes())) {
            (Self::Counted, Some((_, end))) => {
                let kept = &window.bytes()[..line.length];
                rows.reject_record("record_too_long", too_long(rows), Some(window.offset()), kept);
                window.skip(end)
            }
            _ => refuse_long_line(window, line, rows),
        }
    }
}

/// The record at position 0 by the length before it; `None` where there is none, or where it cannot be true.
fn counted(window: &mut Window, max: usize) -> Result<Option<Line>> {
    window.fill_to(COUNT_BYTES)?;
    let Some((start, end)) = counted_message(window.bytes()) else { return Ok(None) };
    if end - start > max {
        window.fill_to(end.min(max + COUNT_BYTES))?;
        let length = window.bytes().len().min(max);
        return Ok(Some(Line { length, next: length, ended: false, too_long: true }));
    }
    // A length may be followed by the next one, or by a line end that it does not count.
    window.fill_to(end + 2)?;
    let bytes = window.bytes();
    let Some(text) = bytes.get(..end) else { return Ok(None) };
    let next = match &bytes[end..] {
        [] | [b'0'..=b'9', ..] => end,
        [b'\n', ..] => end + 1,
        [b'\r', b'\n', ..] => end + 2,
        _ => return Ok(None),
    };
    let line_ends = text.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    Ok(Some(Line { length: end - line_ends, next, ended: true, too_long: false }))
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
            let Some(line) = self.framing.next(window, rows.limits.record_bytes_max)? else {
                self.format.finish(rows)?;
                return Ok(false);
            };
            if line.too_long {
                self.framing.refuse_long(window, line, rows)?;
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
