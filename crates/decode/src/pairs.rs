//! Records of named values that differ from record to record: what key-value, CEF, LEEF, Linux audit events and syslog
//! have in common.

use std::collections::BTreeMap;

use millpond_core::{Error, Result};

use crate::builders::write_member;
use crate::cells::CellSpan;
use crate::json::keys::Keys;
use crate::rows::{Record, Rows};
use crate::values::{Kind, Value};

/// The named values of the record at hand, each a piece of the record or of `scratch`.
pub(crate) struct Pairs {
    keys: Keys,
    /// The value of each column.
    columns: Vec<CellSpan>,
    /// The other values with their keys, where `_rest` is wanted.
    rest: Vec<(u32, CellSpan)>,
    /// By key, its last place in `rest`; of use only if that is the same key's.
    rest_places: Vec<usize>,
    /// Where values are written that do not stand in the record as they are.
    pub(crate) scratch: Vec<u8>,
    wants_rest: bool,
    freezes: bool,
    unknown: Option<u32>,
    /// Whether the file has more distinct fields than it may.
    overflow: bool,
    previous: Option<u32>,
}

/// A field by its name, for values that take work to write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name {
    key: u32,
    /// Whether anybody asks for its value.
    pub(crate) is_needed: bool,
}

const NO_VALUE: CellSpan = CellSpan { kind: Kind::Null, start: 0, end: 0, in_scratch: false };

impl Pairs {
    pub(crate) fn new(rows: &Rows) -> Self {
        let names = rows.columns().iter().map(|column| column.name.as_str());
        let keys = Keys::new(names, rows.limits.fields_max);
        let freezes = rows.frozen_names().is_some();
        let keys = match rows.frozen_names() {
            Some(names) => keys.declare(names),
            None => keys,
        };
        Self {
            keys,
            columns: vec![NO_VALUE; rows.columns().len()],
            rest: Vec::new(),
            rest_places: Vec::new(),
            scratch: Vec::new(),
            wants_rest: rows.wants_rest(),
            freezes,
            unknown: None,
            overflow: false,
            previous: None,
        }
    }

    /// Starts a record.
    pub(crate) fn clear(&mut self) {
        self.columns.fill(NO_VALUE);
        self.rest.clear();
        self.scratch.clear();
        self.unknown = None;
        self.previous = None;
    }

    /// Looks a name up. `None` once the file has more names than it may; [`emit`](Self::emit) tells.
    pub(crate) fn name(&mut self, name: &[u8]) -> Option<Name> {
        let Some(key) = self.keys.named(name, self.previous) else {
            self.overflow = true;
            return None;
        };
        self.previous = Some(key);
        let is_needed = self.wants_rest || self.keys.get(key).column.is_some();
        Some(Name { key, is_needed })
    }

    /// Sets a field to a piece of the record. The last of several fields of one name wins.
    pub(crate) fn set(&mut self, name: Name, kind: Kind, start: usize, end: usize) {
        self.put(name, CellSpan { kind, start, end, in_scratch: false });
    }

    /// Sets a field to what was written to `scratch` from `start` on.
    pub(crate) fn set_scratch(&mut self, name: Name, kind: Kind, start: usize) {
        self.put(name, CellSpan { kind, start, end: self.scratch.len(), in_scratch: true });
    }

    /// Sets a field by its name to a piece of the record.
    pub(crate) fn add(&mut self, name: &[u8], kind: Kind, start: usize, end: usize) {
        if let Some(name) = self.name(name) {
            self.set(name, kind, start, end);
        }
    }

    fn put(&mut self, name: Name, span: CellSpan) {
        self.keys.note_kind(name.key, span.kind.bit());
        let key = self.keys.get(name.key);
        if self.freezes && !key.declared {
            self.unknown = Some(name.key);
        }
        match key.column {
            Some(column) => self.columns[column as usize] = span,
            None if self.wants_rest => self.put_rest(name.key, span),
            None => {}
        }
    }

    fn put_rest(&mut self, key: u32, span: CellSpan) {
        let index = key as usize;
        if self.rest_places.len() <= index {
            self.rest_places.resize(index + 1, usize::MAX);
        }
        match self.rest.get_mut(self.rest_places[index]) {
            Some((before, place)) if *before == key => *place = span,
            _ => {
                self.rest_places[index] = self.rest.len();
                self.rest.push((key, span));
            }
        }
    }

    /// Appends the record.
    ///
    /// # Errors
    /// `TooBig` when the file has more distinct fields than it may.
    pub(crate) fn emit(&self, raw: &[u8], offset: Option<u64>, rows: &mut Rows) -> Result<()> {
        if self.overflow {
            return Err(Error::too_big(format!("the file has more than {} distinct fields", rows.limits.fields_max))
                .hint("raise `fields` under `[limits]` in source.toml"));
        }
        let unknown = self.unknown.map(|key| self.keys.get(key).name.as_str());
        let record = Record { offset, raw, misplaced: 0, unknown };
        let value = |span: &CellSpan| {
            let bytes = if span.in_scratch { &self.scratch[..] } else { raw };
            Value { kind: span.kind, bytes: &bytes[span.start..span.end] }
        };
        rows.push(
            &record,
            |column| value(&self.columns[column]),
            |out| {
                for (key, span) in &self.rest {
                    write_member(self.keys.get(*key).name.as_bytes(), &value(span), out);
                }
            },
        );
        Ok(())
    }

    pub(crate) fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        for key in self.keys.all() {
            *fields.entry(key.name.clone()).or_default() |= key.kinds;
        }
    }
}
