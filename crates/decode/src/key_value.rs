//! Lines of `name=value` pairs, behind a syslog header or without one.
//!
//! Blanks stand between pairs, or one of `,`, `;` and `|`. Which of them is found for each line: the first separator
//! that has a pair on either side. A value in quotes may hold separators; `\"`, `\'` and `\\` stand for the character
//! behind the backslash, and any other backslash for itself, so that `"C:\new"` stays what it is.

use millpond_core::Result;
use millpond_core::format::{Format, Payload};

use crate::Records;
use crate::pairs::Pairs;
use crate::rows::Rows;
use crate::syslog;
use crate::syslog::header::{Header, Piece};
use crate::values::Kind;
use crate::window::Window;

/// Pairs that a line must start with to be taken for pairs when nobody says so.
const PAIRS_TO_RECOGNISE: usize = 4;

/// Opens the reader.
///
/// # Errors
/// Those of the input.
pub(crate) fn open(window: &mut Window, rows: &Rows) -> Result<Box<dyn Records>> {
    syslog::open(Payload::KeyValue, None, window, rows)
}

/// Sets the pairs of the message at `start`, and what is no pair as `message`.
pub(crate) fn read(raw: &[u8], start: usize, pairs: &mut Pairs) {
    let separator = separator(raw, start);
    let mut words = Vec::new();
    let mut has_message = false;
    for token in Tokens::new(raw, start, separator, true) {
        match token {
            Token::Pair(pair) => {
                has_message |= pair.key.of(raw) == b"message";
                set(&pair, raw, pairs);
            }
            Token::Word(word) => {
                if !words.is_empty() {
                    words.push(b' ');
                }
                words.extend_from_slice(word.of(raw));
            }
        }
    }
    if !has_message
        && !words.is_empty()
        && let Some(name) = pairs.name(b"message")
    {
        let from = pairs.scratch.len();
        pairs.scratch.append(&mut words);
        pairs.set_scratch(name, Kind::Cell, from);
    }
}

fn set(pair: &Pair, raw: &[u8], pairs: &mut Pairs) {
    let Some(name) = pairs.name(pair.key.of(raw)) else { return };
    let value = pair.value;
    if value.is_empty() && pair.quote.is_none() {
        pairs.set(name, Kind::Null, value.start, value.end);
    } else if pair.escaped && name.is_needed {
        let from = pairs.scratch.len();
        unescape(value.of(raw), &mut pairs.scratch);
        pairs.set_scratch(name, Kind::Cell, from);
    } else {
        pairs.set(name, Kind::Cell, value.start, value.end);
    }
}

fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(found) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..found]);
        match rest.get(found + 1) {
            Some(escaped @ (b'"' | b'\'' | b'\\')) => {
                out.push(*escaped);
                rest = &rest[found + 2..];
            }
            _ => {
                out.push(b'\\');
                rest = &rest[found + 1..];
            }
        }
    }
    out.extend_from_slice(rest);
}

/// One part of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Pair(Pair),
    /// What is no pair.
    Word(Piece),
}

/// A name and a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) key: Piece,
    /// Without its quotes.
    pub(crate) value: Piece,
    pub(crate) quote: Option<u8>,
    /// Whether there are backslashes between the quotes.
    pub(crate) escaped: bool,
}

/// The pairs and words of a line.
pub(crate) struct Tokens<'a> {
    line: &'a [u8],
    at: usize,
    /// A space stands for any blank.
    separator: u8,
    /// Whether backslashes mean something between quotes.
    escapes: bool,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(line: &'a [u8], start: usize, separator: u8, escapes: bool) -> Self {
        Self { line, at: start, separator, escapes }
    }

    /// Goes on at a later position.
    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at.clamp(self.at, self.line.len());
    }

    /// Where an unquoted value that starts at `start` ends.
    fn value_end(&self, start: usize) -> usize {
        let rest = &self.line[start..];
        let length = match self.separator {
            b' ' => rest.iter().position(|byte| is_blank(*byte)),
            separator => memchr::memchr(separator, rest),
        };
        start + length.unwrap_or(rest.len())
    }

    /// Where the quote that starts at `start` is closed, and whether there are backslashes before.
    fn closing(&self, start: usize) -> Option<(usize, bool)> {
        let quote = self.line[start];
        let mut at = start + 1;
        if !self.escapes {
            return Some((at + memchr::memchr(quote, &self.line[at..])?, false));
        }
        let mut escaped = false;
        loop {
            at += memchr::memchr2(quote, b'\\', self.line.get(at..)?)?;
            if self.line[at] == quote {
                return Some((at, escaped));
            }
            escaped = true;
            at += 2;
        }
    }

    fn pair(&mut self, key: Piece) -> Pair {
        let start = key.end + 1;
        if let Some(quote @ (b'"' | b'\'')) = self.line.get(start)
            && let Some((end, escaped)) = self.closing(start)
        {
            self.at = end + 1;
            return Pair { key, value: Piece { start: start + 1, end }, quote: Some(*quote), escaped };
        }
        let end = self.value_end(start);
        self.at = end;
        let blanks = self.line[start..end].iter().rev().take_while(|byte| is_blank(**byte)).count();
        Pair { key, value: Piece { start, end: end - blanks }, quote: None, escaped: false }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let is_between = |byte: u8| is_blank(byte) || byte == self.separator;
        let skipped = self.line[self.at..].iter().position(|byte| !is_between(*byte))?;
        let start = self.at + skipped;
        let end = key_end(self.line, start);
        if end > start && self.line.get(end) == Some(&b'=') {
            return Some(Token::Pair(self.pair(Piece { start, end })));
        }
        let rest = &self.line[end..];
        let end = end + rest.iter().position(|byte| is_between(*byte)).unwrap_or(rest.len());
        self.at = end;
        Some(Token::Word(Piece { start, end }))
    }
}

/// Blanks, and the group separator that auditd puts before what it has looked up.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x1d)
}

fn is_separator(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b',' | b';' | b'|')
}

/// Where the bytes that a name is made of end.
fn key_end(line: &[u8], start: usize) -> usize {
    let is_part = |byte: &&u8| {
        byte.is_ascii_alphanumeric()
            || matches!(**byte, b'_' | b'.' | b'-' | b'/' | b'@' | b':' | b'[' | b']' | b'#' | b'$' | b'*')
            || **byte >= 0x80
    };
    start + line[start..].iter().take_while(is_part).count()
}

/// What stands between the pairs of a line: a space for any blanks, or `,`, `;` or `|`.
fn separator(line: &[u8], start: usize) -> u8 {
    let mut tokens = Tokens::new(line, start, b' ', true);
    let is_pair = |at: usize| {
        let end = key_end(line, at);
        end > at && line.get(end) == Some(&b'=')
    };
    // A first value without quotes ends where a separator comes that a pair follows.
    let mut at = loop {
        match tokens.next() {
            None => return b' ',
            Some(Token::Word(_)) => {}
            Some(Token::Pair(Pair { quote: Some(_), .. })) => break tokens.at,
            Some(Token::Pair(pair)) => break pair.value.start,
        }
    };
    while let Some(found) = line[at..].iter().position(|byte| is_separator(*byte)) {
        let separator = line[at + found];
        let blanks = line[at + found + 1..].iter().take_while(|byte| is_blank(**byte)).count();
        at += found + 1 + blanks;
        if is_pair(at) {
            return if is_blank(separator) { b' ' } else { separator };
        }
    }
    b' '
}

/// Whether a message starts with pairs and is little else.
pub(crate) fn is_pairs(message: &[u8]) -> bool {
    let tokens = Tokens::new(message, 0, separator(message, 0), true);
    tokens.take_while(|token| matches!(token, Token::Pair(_))).take(PAIRS_TO_RECOGNISE).count() == PAIRS_TO_RECOGNISE
}

/// Whether lines are pairs, with the reason.
pub(crate) fn recognise<'a>(lines: impl Iterator<Item = &'a [u8]> + Clone) -> Option<(Format, String)> {
    let starts_with_pairs = |line: &&[u8]| is_pairs(&line[Header::parse(line).message..]);
    let (found, all) = (lines.clone().filter(starts_with_pairs).count(), lines.count());
    (found > 0 && found * 4 >= all * 3).then(|| {
        let why = format!("{found} of the first {all} lines start with {PAIRS_TO_RECOGNISE} `name=value` pairs");
        (Format::KeyValue, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each token as `key=value` or a word, with the separator before all.
    fn tokens(line: &str) -> String {
        let line = line.as_bytes();
        let separator = separator(line, 0);
        let mut out = format!("{}:", char::from(separator));
        for token in Tokens::new(line, 0, separator, true) {
            let text = |piece: Piece| String::from_utf8_lossy(piece.of(line)).into_owned();
            match token {
                Token::Pair(pair) => out.push_str(&format!(" <{}={}>", text(pair.key), text(pair.value))),
                Token::Word(word) => out.push_str(&format!(" {}", text(word))),
            }
        }
        out
    }

    #[test]
    fn separators_are_found() {
        for (line, expected) in [
            ("a=1 b=2", " : <a=1> <b=2>"),
            ("a=1\tb=2", " : <a=1> <b=2>"),
            ("a=1, b=2 c", ",: <a=1> <b=2 c>"),
            ("a=x y,b=2", ",: <a=x y> <b=2>"),
            ("a=1,2 b=3", " : <a=1,2> <b=3>"),
            ("a=1 ; b=\"x;y\";c=", ";: <a=1> <b=x;y> <c=>"),
            ("a=\"1\"|b=2|", "|: <a=1> <b=2>"),
            ("x said a=1, b=2", ",: x said <a=1> <b=2>"),
            ("only=one two three", " : <only=one> two three"),
            ("IN=e0 OUT= DF SYN=", " : <IN=e0> <OUT=> DF <SYN=>"),
            ("a=\"x \\\" y\" b='it\\'s'", " : <a=x \\\" y> <b=it\\'s>"),
            ("a=\"open b=1", " : <a=\"open> <b=1>"),
            ("a=\"x\"y b=1", " : <a=x> y <b=1>"),
            ("http://h/?q=1 a=b=c", " : http://h/?q=1 <a=b=c>"),
            ("no pairs, here", " : no pairs, here"),
            ("", " :"),
            ("=", " : ="),
        ] {
            assert_eq!(tokens(line), expected, "{line}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        let mut out = Vec::new();
        unescape(br#"\"a\" \'b\' C:\new\\ \"#, &mut out);
        assert_eq!(out, br#""a" 'b' C:\new\ \"#);
    }
}
