//! The keys of the objects at one place, each known by an index.
//!
//! Records of one file repeat their keys in nearly the same order, so the key that followed last time is tried first
//! and costs one comparison.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;

use super::scan::{self, Scan, Stop};
use super::text;
use crate::values::Span;

/// No key.
const NONE: u32 = u32::MAX;

/// One key as it is written.
pub(crate) struct Key {
    /// As written between the quotes, with the closing quote.
    quoted: Box<[u8]>,
    /// Its name, escapes undone.
    pub(crate) name: String,
    /// The index of the column it fills.
    pub(crate) column: Option<u32>,
    /// Whether the source knows it.
    pub(crate) declared: bool,
    /// The kinds of values seen, as bits of `kinds`.
    pub(crate) kinds: u8,
    /// The key that followed last time.
    next: u32,
}

/// All keys seen at one place.
pub(crate) struct Keys {
    keys: Vec<Key>,
    by_text: HashMap<Box<[u8]>, u32, RandomState64>,
    columns: HashMap<String, u32>,
    declared: Option<Vec<String>>,
    first: u32,
    keys_max: usize,
}

impl Keys {
    /// `columns` are the names to fill, by their index.
    pub(crate) fn new<'a>(columns: impl Iterator<Item = &'a str>, keys_max: usize) -> Self {
        Self {
            keys: Vec::new(),
            by_text: HashMap::with_hasher(RandomState64::new()),
            columns: columns.enumerate().map(|(index, name)| (name.to_owned(), index as u32)).collect(),
            declared: None,
            first: NONE,
            keys_max,
        }
    }

    /// Names that the source knows besides the columns.
    pub(crate) fn declare(mut self, names: &[String]) -> Self {
        self.declared = Some(names.to_vec());
        self
    }

    pub(crate) fn all(&self) -> &[Key] {
        &self.keys
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &Key {
        &self.keys[index as usize]
    }

    #[inline]
    pub(crate) fn note_kind(&mut self, index: u32, bit: u8) {
        self.keys[index as usize].kinds |= bit;
    }

    /// Reads the key whose text starts at `start`, behind its opening quote; `previous` is the key before it.
    /// Gives its index (`None` once more keys were seen than are kept) and the position behind its closing quote.
    #[inline]
    pub(crate) fn read(&mut self, bytes: &[u8], start: usize, previous: Option<u32>) -> Scan<(Option<u32>, usize)> {
        let rest = &bytes[start..];
        let guess = match previous {
            Some(previous) => self.keys[previous as usize].next,
            None => self.first,
        };
        if let Some(key) = self.keys.get(guess as usize) {
            if rest.starts_with(&key.quoted) {
                return Ok((Some(guess), start + key.quoted.len()));
            }
            // One optional field is missing: try the one behind it.
            let second = key.next;
            if let Some(key) = self.keys.get(second as usize)
                && rest.starts_with(&key.quoted)
            {
                return Ok((Some(second), start + key.quoted.len()));
            }
        }
        self.look_up(bytes, start, previous)
    }

    fn look_up(&mut self, bytes: &[u8], start: usize, previous: Option<u32>) -> Scan<(Option<u32>, usize)> {
        let (end, _) = scan::string(bytes, start)?;
        let quoted = &bytes[start..=end];
        let index = match self.by_text.get(quoted) {
            Some(index) => *index,
            None if self.keys.len() >= self.keys_max => return Ok((None, end + 1)),
            None => self.add(quoted),
        };
        match previous {
            Some(previous) => self.keys[previous as usize].next = index,
            None => self.first = index,
        }
        Ok((Some(index), end + 1))
    }

    /// The index of a name as it is, without quotes and escapes; `None` once more keys were seen than are kept.
    pub(crate) fn named(&mut self, name: &[u8], previous: Option<u32>) -> Option<u32> {
        let guess = previous.map_or(self.first, |previous| self.keys[previous as usize].next);
        if self.keys.get(guess as usize).is_some_and(|key| key.name.as_bytes() == name) {
            return Some(guess);
        }
        let index = match self.by_text.get(name) {
            Some(index) => *index,
            None if self.keys.len() >= self.keys_max => return None,
            None => self.add_named(name, String::from_utf8_lossy(name).into_owned()),
        };
        match previous {
            Some(previous) => self.keys[previous as usize].next = index,
            None => self.first = index,
        }
        Some(index)
    }

    fn add(&mut self, quoted: &[u8]) -> u32 {
        let mut name = Vec::new();
        text::unescape(&quoted[..quoted.len() - 1], &mut name);
        self.add_named(quoted, String::from_utf8_lossy(&name).into_owned())
    }

    fn add_named(&mut self, quoted: &[u8], name: String) -> u32 {
        let index = self.keys.len() as u32;
        let column = self.columns.get(&name).copied();
        let declared = column.is_some() || self.declared.as_ref().is_none_or(|names| names.contains(&name));
        self.keys.push(Key { quoted: quoted.into(), name, column, declared, kinds: 0, next: NONE });
        self.by_text.insert(quoted.into(), index);
        index
    }

    /// The column of a name, for keys that are not kept.
    pub(crate) fn column_of(&self, quoted: &[u8]) -> Option<u32> {
        let mut name = Vec::new();
        text::unescape(quoted.strip_suffix(b"\"").unwrap_or(quoted), &mut name);
        self.columns.get(std::str::from_utf8(&name).ok()?).copied()
    }
}

/// Walks the fields of the object at `start`. Gives the position behind it.
///
/// `field` gets each key's index, where its text with the closing quote lies, and the span of the value.
#[inline]
pub(crate) fn fields(
    bytes: &[u8],
    start: usize,
    depth_max: usize,
    keys: &mut Keys,
    mut field: impl FnMut(&mut Keys, Option<u32>, Range<usize>, Span),
) -> Scan<usize> {
    if depth_max == 0 {
        return Err(Stop::TooDeep);
    }
    let mut at = scan::skip_whitespace(bytes, start + 1);
    if bytes.get(at) == Some(&b'}') {
        return Ok(at + 1);
    }
    let mut previous = None;
    loop {
        match bytes.get(at) {
            Some(b'"') => {}
            None => return Err(Stop::Incomplete),
            Some(_) => return Err(Stop::Malformed(at, "a field name was expected")),
        }
        let key_start = at + 1;
        let (key, key_end) = keys.read(bytes, key_start, previous)?;
        at = scan::skip_whitespace(bytes, key_end);
        match bytes.get(at) {
            Some(b':') => at = scan::skip_whitespace(bytes, at + 1),
            None => return Err(Stop::Incomplete),
            Some(_) => return Err(Stop::Malformed(at, "`:` was expected")),
        }
        let (span, end) = scan::value(bytes, at, depth_max - 1)?;
        field(keys, key, key_start..key_end, span);
        previous = key.or(previous);
        at = scan::skip_whitespace(bytes, end);
        match bytes.get(at) {
            Some(b',') => at = scan::skip_whitespace(bytes, at + 1),
            Some(b'}') => return Ok(at + 1),
            None => return Err(Stop::Incomplete),
            Some(_) => return Err(Stop::Malformed(at, "`,` or `}` was expected")),
        }
    }
}

/// A fast hash for short keys, seeded at random so that a file cannot aim at collisions.
struct RandomState64 {
    seed: u64,
}

impl RandomState64 {
    fn new() -> Self {
        Self { seed: RandomState::new().hash_one(0) | 1 }
    }
}

impl BuildHasher for RandomState64 {
    type Hasher = KeyHasher;

    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { state: self.seed }
    }
}

struct KeyHasher {
    state: u64,
}

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let product = u128::from(self.state ^ u64::from_le_bytes(word)) * 0x9e37_79b9_7f4a_7c15;
            self.state = (product >> 64) as u64 ^ product as u64;
        }
    }

    fn finish(&self) -> u64 {
        self.state
    }
}
