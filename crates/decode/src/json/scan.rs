//! Finding where JSON values end, without building anything from them.
//!
//! A string ends at its quote, a container where its brackets balance. What lies inside a skipped container is not
//! looked at further, so its numbers and literals are not checked.

use wide::u8x16;

use crate::find::{self, LANES};
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
    // Most JSON is written without whitespace.
    while bytes.get(at).is_some_and(|byte| *byte <= b' ' && matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// The mark of UTF-8, which stands between documents where files were put together.
pub(crate) const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The position behind whitespace, record separators (RFC 7464) and byte order marks.
#[inline]
pub(crate) fn skip_between(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = skip_whitespace(bytes, at);
        match bytes.get(at) {
            Some(0x1e) => at += 1,
            Some(0xef) if bytes[at..].starts_with(&BYTE_ORDER_MARK) => at += BYTE_ORDER_MARK.len(),
            _ => return at,
        }
    }
}

/// Bytes of a block of which [`container`] knows every bracket.
const BLOCK: usize = 4 * LANES;

/// Scans a string whose content starts at `start`. Gives the position of the closing quote and whether there are escapes.
#[inline]
pub(crate) fn string(bytes: &[u8], start: usize) -> Scan<(usize, bool)> {
    let found = find::either(bytes, start, b'"', b'\\').ok_or(Stop::Incomplete)?;
    if bytes[found] == b'"' { Ok((found, false)) } else { string_with_escapes(bytes, found) }
}

/// The same from its first backslash on.
fn string_with_escapes(bytes: &[u8], mut found: usize) -> Scan<(usize, bool)> {
    while bytes[found] != b'"' {
        found = find::either(bytes, found + 2, b'"', b'\\').ok_or(Stop::Incomplete)?;
    }
    Ok((found, true))
}

/// What [`container`] needs to know of 64 bytes, one bit for each.
struct Block {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Block {
    #[inline]
    fn new(bytes: &[u8; BLOCK]) -> Self {
        let mut block = Self { quotes: 0, backslashes: 0, opens: 0, closes: 0 };
        for (index, chunk) in bytes.as_chunks::<LANES>().0.iter().enumerate() {
            let chunk = u8x16::new(*chunk);
            let bits = |found: u8x16| u64::from(found.to_bitmask()) << (index * LANES);
            // The braces are the brackets with one bit more.
            let as_brace = chunk | u8x16::splat(0x20);
            block.quotes |= bits(chunk.simd_eq(u8x16::splat(b'"')));
            block.backslashes |= bits(chunk.simd_eq(u8x16::splat(b'\\')));
            block.opens |= bits(as_brace.simd_eq(u8x16::splat(b'{')));
            block.closes |= bits(as_brace.simd_eq(u8x16::splat(b'}')));
        }
        block
    }

    /// The block at `at`; behind the last byte there is nothing.
    #[inline]
    fn at(bytes: &[u8], at: usize) -> Self {
        let rest = &bytes[at..];
        if let Some(block) = rest.first_chunk() {
            return Self::new(block);
        }
        if let Some(last) = bytes.last_chunk::<BLOCK>() {
            return Self::new(last).behind(BLOCK - rest.len());
        }
        let mut padded = [b' '; BLOCK];
        padded[..rest.len()].copy_from_slice(rest);
        Self::new(&padded)
    }

    /// Without its first `count` bytes, which are fewer than all.
    fn behind(self, count: usize) -> Self {
        Self {
            quotes: self.quotes >> count,
            backslashes: self.backslashes >> count,
            opens: self.opens >> count,
            closes: self.closes >> count,
        }
    }
}

/// What lies inside strings, followed over blocks.
#[derive(Debug, Clone, Copy, Default)]
struct Strings {
    /// All bits set inside a string.
    inside: u64,
    /// Whether the last byte was a backslash that escapes the next.
    escapes_next: bool,
}

impl Strings {
    /// One bit for each byte of the block inside a string, its opening quote included.
    #[inline]
    fn mask(&mut self, block: &Block) -> u64 {
        let mut quotes = block.quotes;
        if block.backslashes != 0 || self.escapes_next {
            quotes &= !self.escaped(block.backslashes);
        }
        let mut inside = quotes;
        for shift in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << shift;
        }
        inside ^= self.inside;
        // The sign of the last bit, spread.
        self.inside = ((inside as i64) >> 63) as u64;
        inside
    }

    /// One bit for each byte behind a backslash that is not itself escaped.
    fn escaped(&mut self, backslashes: u64) -> u64 {
        let mut escaped = u64::from(self.escapes_next);
        let mut left = backslashes & !escaped;
        self.escapes_next = false;
        while left != 0 {
            let backslash = left & left.wrapping_neg();
            let next = backslash << 1;
            self.escapes_next = next == 0;
            escaped |= next;
            left &= !(backslash | next);
        }
        escaped
    }
}

/// Scans an object or array that starts at `start`, one level below `depth`. Gives the position behind it.
pub(crate) fn container(bytes: &[u8], start: usize, depth_max: usize) -> Scan<usize> {
    // One bit a level, set for an object; nesting beyond 128 is not checked for the kind of bracket.
    let mut objects: u128 = 0;
    let mut depth = 0usize;
    let mut deepest = 0usize;
    let mut strings = Strings::default();
    let mut at = start;
    while at < bytes.len() {
        let block = Block::at(bytes, at);
        let mut brackets = (block.opens | block.closes) & !strings.mask(&block);
        while brackets != 0 {
            let place = brackets.trailing_zeros();
            brackets &= brackets - 1;
            let found = at + place as usize;
            let is_object = bytes[found] & 0x20 != 0;
            if block.opens >> place & 1 == 1 {
                objects = objects << 1 | u128::from(is_object);
                depth += 1;
                deepest = deepest.max(depth);
                if depth > depth_max {
                    return Err(Stop::TooDeep);
                }
                continue;
            }
            if deepest <= 128 && (objects & 1 == 1) != is_object {
                return Err(Stop::Malformed(found, "a bracket does not match"));
            }
            objects >>= 1;
            depth -= 1;
            if depth == 0 {
                return Ok(found + 1);
            }
        }
        at += BLOCK;
    }
    Err(Stop::Incomplete)
}

/// Scans the value at `start` (no whitespace before it). Gives its span and the position behind it.
// Its result is too large for registers, and a trip through memory for each value costs a third of all scanning.
#[inline(always)]
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
