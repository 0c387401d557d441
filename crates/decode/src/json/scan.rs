//! Finding where JSON values end, without building anything from them.
//!
//! A string ends at its quote, a container where its brackets balance. What lies inside a skipped container is not
//! looked at further, so its numbers and literals are not checked.

use crate::values::{Kind, Span};

/// Why a scan stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytes ended first.
    Incomplete,
    /// The bytes at this position are not JSON.
    Malformed(usize, &'static str),
    /// Brackets are nested too deeply.
    TooDeep,
}

pub(crate) type Scan<T> = Result<T, Stop>;

/// The position of the next byte that is not whitespace.
#[inline]
pub(crate) fn skip_whitespace(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

const QUOTES: u64 = 0x2222_2222_2222_2222;
const BACKSLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// High bits where a byte is zero; bits above the first one found may be wrong.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

/// The first quote or backslash at or behind `at`.
#[inline]
fn find_quote_or_backslash(bytes: &[u8], mut at: usize) -> Option<usize> {
    // Most strings are short: four words by hand before the call into memchr.
    for _ in 0..4 {
        let Some(chunk) = bytes.get(at..at + 8) else { break };
        let word = u64::from_le_bytes(chunk.try_into().unwrap_or_default());
        let found = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES);
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    Some(at + memchr::memchr2(b'"', b'\\', rest)?)
}

/// Scans a string whose content starts at `start`. Gives the position of the closing quote and whether there are escapes.
#[inline]
pub(crate) fn string(bytes: &[u8], start: usize) -> Scan<(usize, bool)> {
    let mut at = start;
    let mut escaped = false;
    loop {
        let found = find_quote_or_backslash(bytes, at).ok_or(Stop::Incomplete)?;
        if bytes[found] == b'"' {
            return Ok((found, escaped));
        }
        escaped = true;
        at = found + 2;
    }
}

/// Scans an object or array that starts at `start`, one level below `depth`. Gives the position behind it.
pub(crate) fn container(bytes: &[u8], start: usize, depth_max: usize) -> Scan<usize> {
    // One bit a level, set for an object; nesting beyond 128 is not checked for the kind of bracket.
    let mut objects: u128 = 0;
    let mut depth = 0usize;
    let mut deepest = 0usize;
    let mut at = start;
    loop {
        match bytes.get(at) {
            None => return Err(Stop::Incomplete),
            Some(b'"') => at = string(bytes, at + 1)?.0,
            Some(open @ (b'{' | b'[')) => {
                objects = objects << 1 | u128::from(*open == b'{');
                depth += 1;
                deepest = deepest.max(depth);
                if depth > depth_max {
                    return Err(Stop::TooDeep);
                }
            }
            Some(close @ (b'}' | b']')) => {
                if deepest <= 128 && (objects & 1 == 1) != (*close == b'}') {
                    return Err(Stop::Malformed(at, "a bracket does not match"));
                }
                objects >>= 1;
                depth -= 1;
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            Some(_) => {}
        }
        at += 1;
    }
}

/// Scans the value at `start` (no whitespace before it). Gives its span and the position behind it.
#[inline]
pub(crate) fn value(bytes: &[u8], start: usize, depth_max: usize) -> Scan<(Span, usize)> {
    let span = |kind, from: usize, to: usize| Span { kind, start: from as u32, end: to as u32 };
    match bytes.get(start) {
        None => Err(Stop::Incomplete),
        Some(b'"') => {
            let (end, escaped) = string(bytes, start + 1)?;
            let kind = if escaped { Kind::Escaped } else { Kind::Text };
            Ok((span(kind, start + 1, end), end + 1))
        }
        Some(b'{') => container(bytes, start, depth_max).map(|end| (span(Kind::Object, start, end), end)),
        Some(b'[') => container(bytes, start, depth_max).map(|end| (span(Kind::List, start, end), end)),
        Some(b'-' | b'0'..=b'9') => number(bytes, start).map(|end| (span(Kind::Number, start, end), end)),
        Some(b't') => literal(bytes, start, b"true").map(|end| (span(Kind::True, start, end), end)),
        Some(b'f') => literal(bytes, start, b"false").map(|end| (span(Kind::False, start, end), end)),
        Some(b'n') => literal(bytes, start, b"null").map(|end| (span(Kind::Null, start, end), end)),
        Some(_) => Err(Stop::Malformed(start, "a value was expected")),
    }
}

fn literal(bytes: &[u8], start: usize, word: &'static [u8]) -> Scan<usize> {
    let rest = &bytes[start..];
    if rest.starts_with(word) {
        Ok(start + word.len())
    } else if word.starts_with(rest) {
        Err(Stop::Incomplete)
    } else {
        Err(Stop::Malformed(start, "a value was expected"))
    }
}

/// A number after RFC 8259; at the end of the bytes it may go on, which only the caller can know.
fn number(bytes: &[u8], start: usize) -> Scan<usize> {
    let wrong = |at| Err(Stop::Malformed(at, "a number was expected"));
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        at
    };
    let mut at = start + usize::from(bytes[start] == b'-');
    let integer = at;
    at = digits(at);
    if at == integer || (bytes[integer] == b'0' && at > integer + 1) {
        return if at == bytes.len() && at == integer { Err(Stop::Incomplete) } else { wrong(at) };
    }
    if bytes.get(at) == Some(&b'.') {
        let fraction = at + 1;
        at = digits(fraction);
        if at == fraction {
            return if at == bytes.len() { Err(Stop::Incomplete) } else { wrong(at) };
        }
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let exponent = at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(exponent);
        if at == exponent {
            return if at >= bytes.len() { Err(Stop::Incomplete) } else { wrong(at) };
        }
    }
    Ok(at)
}

/// Walks the items of an array (`array[0]` is its bracket). The array has been scanned and is balanced.
pub(crate) fn items(array: &[u8], depth_max: usize, mut item: impl FnMut(Span)) -> Scan<()> {
    let mut at = skip_whitespace(array, 1);
    if array.get(at) == Some(&b']') {
        return Ok(());
    }
    loop {
        let (span, end) = value(array, at, depth_max)?;
        item(span);
        at = skip_whitespace(array, end);
        match array.get(at) {
            Some(b',') => at = skip_whitespace(array, at + 1),
            Some(b']') => return Ok(()),
            None => return Err(Stop::Incomplete),
            Some(_) => return Err(Stop::Malformed(at, "`,` or `]` was expected")),
        }
    }
}

/// Walks the members of an object (`object[0]` is its brace), giving the spans of key and value.
pub(crate) fn members(object: &[u8], depth_max: usize, mut member: impl FnMut(Span, Span)) -> Scan<()> {
    let mut at = skip_whitespace(object, 1);
    if object.get(at) == Some(&b'}') {
        return Ok(());
    }
    loop {
        if object.get(at) != Some(&b'"') {
            return Err(Stop::Malformed(at, "a field name was expected"));
        }
        let (key, end) = value(object, at, depth_max)?;
        at = skip_whitespace(object, end);
        if object.get(at) != Some(&b':') {
            return Err(Stop::Malformed(at, "`:` was expected"));
        }
        let (span, end) = value(object, skip_whitespace(object, at + 1), depth_max)?;
        member(key, span);
        at = skip_whitespace(object, end);
        match object.get(at) {
            Some(b',') => at = skip_whitespace(object, at + 1),
            Some(b'}') => return Ok(()),
            None => return Err(Stop::Incomplete),
            Some(_) => return Err(Stop::Malformed(at, "`,` or `}` was expected")),
        }
    }
}

/// Skips one value over any number of chunks, holding none of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Skipper {
    depth: u64,
    in_string: bool,
    escaped: bool,
    started: bool,
}

impl Skipper {
    /// Goes on in the next chunk. `Some(n)`: the value ends before position `n`; `None`: it goes on.
    ///
    /// A scalar ends at the first delimiter, which is not part of it.
    pub(crate) fn skip(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < chunk.len() {
            let byte = chunk[at];
            if self.in_string {
                if self.escaped {
                    self.escaped = false;
                } else if byte == b'\\' {
                    self.escaped = true;
                } else if byte == b'"' {
                    self.in_string = false;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                } else {
                    at = memchr::memchr2(b'"', b'\\', &chunk[at..]).map_or(chunk.len(), |found| at + found);
                    continue;
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' if self.depth == 0 => return Some(at),
                    b'}' | b']' => {
                        self.depth -= 1;
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    b',' | b' ' | b'\n' | b'\r' | b'\t' if self.depth == 0 && self.started => return Some(at),
                    _ => {}
                }
                self.started = true;
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_end_where_they_end() {
        for (text, length) in [
            (r#""a\"b" x"#, 6),
            ("12.5e-3,", 7),
            ("true}", 4),
            (r#"{"a":[1,{"b":"]}"}]} "#, 20),
            ("[]", 2),
            ("null", 4),
        ] {
            assert_eq!(value(text.as_bytes(), 0, 9).map(|(_, end)| end), Ok(length), "{text}");
        }
    }

    #[test]
    fn broken_values_are_told_from_unfinished_ones() {
        for text in ["tru", "\"abc", "\"abc\\", "{\"a\":", "[1,", "-", "1.", "1e"] {
            assert_eq!(value(text.as_bytes(), 0, 9).err(), Some(Stop::Incomplete), "{text}");
        }
        for text in ["nil", "{\"a\":[}", "01", "-x", "1.x", "}", "NaN"] {
            assert!(matches!(value(text.as_bytes(), 0, 9), Err(Stop::Malformed(..))), "{text}");
        }
        assert_eq!(value(b"[[[]]]", 0, 2).err(), Some(Stop::TooDeep));
    }

    #[test]
    fn skipping_does_not_depend_on_chunks() {
        let text = br#"{"a":"x\"}","b":[1,2,{"c":"]"}]} rest"#;
        for cut in 0..32 {
            let mut skipper = Skipper::default();
            assert_eq!(skipper.skip(&text[..cut]), None, "{cut}");
            assert_eq!(skipper.skip(&text[cut..]), Some(32 - cut), "{cut}");
        }
    }
}
