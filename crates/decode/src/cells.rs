//! Records of cells under named fields: what delimited, Zeek and regular-expression lines have in common.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::builders::write_member;
use super::rows::{Record, Rows};
use super::values::{Kind, Value};

/// The fields of a file and the columns that they fill.
pub(super) struct Fields {
    names: Vec<String>,
    /// The field of each requested column.
    field_of_column: Vec<Option<usize>>,
    /// Whether a field fills no column.
    is_rest: Vec<bool>,
    /// A field that the source does not declare, where it freezes its columns.
    unknown: Option<String>,
    wants_rest: bool,
    kinds: Vec<u8>,
}

/// The cells of one record, each a piece of the record or, where it had to be rewritten, of `scratch`.
#[derive(Default)]
pub(super) struct CellBuffer {
    pub(super) spans: Vec<CellSpan>,
    pub(super) scratch: Vec<u8>,
}

/// One cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellSpan {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) in_scratch: bool,
}

impl CellBuffer {
    pub(super) fn clear(&mut self) {
        self.spans.clear();
        self.scratch.clear();
    }

    pub(super) fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.spans.push(CellSpan { kind, start, end, in_scratch: false });
    }

    /// Adds a cell that has been written to `scratch` from `start` on.
    pub(super) fn push_scratch(&mut self, kind: Kind, start: usize) {
        self.spans.push(CellSpan { kind, start, end: self.scratch.len(), in_scratch: true });
    }

    pub(super) fn get<'a>(&'a self, record: &'a [u8], index: usize) -> Value<'a> {
        let span = self.spans[index];
        let bytes = if span.in_scratch { &self.scratch[..] } else { record };
        Value { kind: span.kind, bytes: &bytes[span.start..span.end] }
    }
}

/// One record.
pub(super) struct Cells<'r, 'c, 'v> {
    pub(super) offset: u64,
    pub(super) raw: &'r [u8],
    /// Cells that there are; beyond the fields they have no name.
    pub(super) count: usize,
    pub(super) cell: &'c dyn Fn(usize) -> Value<'v>,
}

impl Fields {
    pub(super) fn new(names: Vec<String>, rows: &Rows) -> Self {
        let names = unique_names(names);
        let by_name: HashMap<&str, usize> =
            names.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
        let field_of_column: Vec<Option<usize>> =
            rows.columns().iter().map(|column| by_name.get(column.name.as_str()).copied()).collect();
        let mut is_rest = vec![true; names.len()];
        field_of_column.iter().flatten().for_each(|field| is_rest[*field] = false);
        let unknown = rows.frozen_names().and_then(|declared| {
            let undeclared = |(field, name): &(usize, &String)| is_rest[*field] && !declared.contains(name);
            names.iter().enumerate().find(undeclared).map(|(_, name)| name.clone())
        });
        let kinds = vec![0; names.len()];
        Self { names, field_of_column, is_rest, unknown, wants_rest: rows.wants_rest(), kinds }
    }

    /// Whether anything is asked of a field.
    pub(super) fn is_needed(&self, field: usize) -> bool {
        self.wants_rest || self.is_rest.get(field).is_some_and(|rest| !rest)
    }

    /// Appends a record. Missing cells are NULL, count as one misfit, and their number is in `_rest` as `_missing`; cells
    /// beyond the fields are counted, too, and go to `_rest` as `_extra_1` and so on.
    pub(super) fn push(&mut self, rows: &mut Rows, cells: Cells<'_, '_, '_>) {
        let named = cells.count.min(self.names.len());
        for (field, kinds) in self.kinds[..named].iter_mut().enumerate() {
            *kinds |= (cells.cell)(field).kind.bit();
        }
        let extra = cells.count - named;
        let missing = self.names.len() - named;
        let misplaced = extra as u64 + u64::from(missing > 0);
        let unknown = self.unknown.as_deref();
        let record = Record { offset: Some(cells.offset), raw: cells.raw, misplaced, unknown };
        let (columns, names, is_rest, wants_rest) =
            (&self.field_of_column, &self.names, &self.is_rest, self.wants_rest);
        let value = |column: usize| match columns[column] {
            Some(field) if field < named => (cells.cell)(field),
            _ => Value::NULL,
        };
        rows.push(&record, value, |out| {
            if !wants_rest {
                return;
            }
            for field in (0..named).filter(|field| is_rest[*field]) {
                let value = (cells.cell)(field);
                if value.kind != Kind::Null {
                    write_member(names[field].as_bytes(), &value, out);
                }
            }
            if missing > 0 {
                let count = missing.to_string();
                write_member(b"_missing", &Value { kind: Kind::Number, bytes: count.as_bytes() }, out);
            }
            for number in 1..=extra {
                write_member(format!("_extra_{number}").as_bytes(), &(cells.cell)(named + number - 1), out);
            }
        });
    }

    pub(super) fn note(&self, fields: &mut BTreeMap<String, u8>) {
        for (name, kinds) in self.names.iter().zip(&self.kinds) {
            *fields.entry(name.clone()).or_default() |= kinds;
        }
    }
}

/// Names for cells without one, and a number behind names that were there before.
fn unique_names(names: Vec<String>) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut unique = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let name = if name.is_empty() { format!("column{}", index + 1) } else { name };
        let mut candidate = name.clone();
        let mut number = 2;
        while !seen.insert(candidate.clone()) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        unique.push(candidate);
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_unique() {
        let names = ["a", "", "a", "a_2", "a"].map(str::to_owned).to_vec();
        assert_eq!(unique_names(names), ["a", "column2", "a_2", "a_2_2", "a_3"]);
    }
}
