//! Whether a JSON file has one record a line.

use millpond_core::Result;

use super::scan::{self, Stop, skip_between};
use crate::window::{Window, is_blank};

/// What one line looks like.
#[derive(PartialEq, Eq)]
enum Look {
    Array,
    Complete,
    Unfinished,
    NotJson,
}

/// Decides from the first lines: a first JSON line that is a complete object, or several, makes lines, one that goes on
/// in the next line makes documents, and an array is a document. Lines that are not JSON at all do not decide.
pub(super) fn is_lines(window: &mut Window, record_bytes_max: usize) -> Result<bool> {
    window.fill_to(1)?;
    if look(window.bytes()) == Look::Array {
        // It may be one line of any length: do not read it whole.
        return Ok(false);
    }
    let line = loop {
        match window.line(record_bytes_max)? {
            None => return Ok(true),
            Some(line) if is_blank(&window.bytes()[..line.length]) && !line.too_long => window.consume(line.next),
            Some(line) => break line,
        }
    };
    let first = look(&window.bytes()[..line.length]);
    match first {
        Look::Array => return Ok(false),
        Look::Complete => return Ok(true),
        Look::Unfinished if !line.ended => return Ok(!line.too_long),
        _ => {}
    }
    // An object that ends in a later line, even where one of its lines is an object of its own.
    if first == Look::Unfinished && look(window.bytes()) == Look::Complete {
        return Ok(false);
    }
    let line_end = window.line_end();
    let rest = window.bytes()[line.next..].split(|byte| *byte == line_end).filter(|line| !is_blank(line));
    let mut unfinished = first == Look::Unfinished;
    for text in rest {
        match look(text) {
            Look::Complete => return Ok(true),
            _ if unfinished => return Ok(false),
            Look::Unfinished => unfinished = true,
            Look::Array | Look::NotJson => {}
        }
    }
    Ok(!unfinished)
}

fn look(line: &[u8]) -> Look {
    let start = skip_between(line, 0);
    match line.get(start) {
        Some(b'[') => Look::Array,
        Some(b'{') => match scan::value(line, start, usize::MAX) {
            Ok((_, end)) if matches!(line.get(skip_between(line, end)), None | Some(b'{')) => Look::Complete,
            Err(Stop::Incomplete) => Look::Unfinished,
            _ => Look::NotJson,
        },
        _ => Look::NotJson,
    }
}
