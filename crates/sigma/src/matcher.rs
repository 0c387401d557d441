//! Matching: every rule for one kind of event, over the columns of a batch, in one pass.
//!
//! Rules are made of *atoms*, distinct tests of one value of one field. What atoms a value passes depends on the value
//! alone, so it is worked out once for each distinct text ([`fields`]), by one automaton a field. A row unites what its
//! values pass. A rule is looked at only where one of its *witnesses* passes: a set of atoms of which it needs at least
//! one ([`program`]). What is costly or seldom asked for is tested only then.

mod atoms;
mod fields;
mod program;
mod value_test;
mod values;
mod wildcard;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use crate::rule::Rule;
use atoms::Atoms;
use fields::FieldMatcher;
use program::{Node, RowTest};
use values::Values;

pub(crate) use value_test::ValueTest;
pub(crate) use values::FieldTexts;

/// A row of a batch that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hit {
    /// The row, from 0.
    pub row: u32,
    /// The rule, by its place among those that the matcher was made of.
    pub rule: u32,
}

/// Rules made ready for events of one log source and the columns of one schema.
pub struct Matcher {
    schema: SchemaRef,
    programs: Vec<Program>,
    /// Programs that no witness leads to.
    always: Vec<u32>,
    atoms: Atoms,
    /// Programs by the atom that is a witness of theirs.
    witnessed: Vec<Vec<u32>>,
    fields: Vec<FieldMatcher>,
    row: RowState,
}

/// A rule as a program.
struct Program {
    rule: u32,
    node: Node,
}

/// What is known of the row at hand. A stamp is that of the row where it was set last.
struct RowState {
    stamp: u32,
    fired: Vec<u32>,
    looked_at: Vec<u32>,
    candidates: Vec<u32>,
}

impl Matcher {
    /// Makes `rules` ready. `renames` leads from the name of a field in rules to its name in `schema`, where they differ.
    /// Hits name a rule by its place in `rules`.
    pub fn new<'r>(
        rules: impl IntoIterator<Item = (u32, &'r Rule)>,
        schema: &Schema,
        renames: &BTreeMap<String, String>,
    ) -> Self {
        let mut atoms = Atoms::new(schema, renames);
        let mut programs = Vec::new();
        for (rule, source) in rules {
            match atoms.node(&source.condition) {
                Node::Never => {}
                node => programs.push(Program { rule, node }),
            }
        }
        let mut always = Vec::new();
        let mut witnessed = vec![Vec::new(); atoms.len()];
        for (index, program) in (0u32..).zip(&programs) {
            match program.node.witnesses(&atoms) {
                Some(witnesses) => witnesses.iter().for_each(|atom| witnessed[*atom as usize].push(index)),
                None => always.push(index),
            }
        }
        witnessed.iter_mut().for_each(Vec::dedup);
        let fields = FieldMatcher::all(&mut atoms, &witnessed);
        let row = RowState {
            stamp: 0,
            fired: vec![0; atoms.len()],
            looked_at: vec![0; programs.len()],
            candidates: Vec::new(),
        };
        Self { schema: Arc::new(schema.clone()), programs, always, atoms, witnessed, fields, row }
    }

    /// How many of the rules can match such events at all: those that need a field which no column gives are left out.
    pub fn rules(&self) -> usize {
        self.programs.len()
    }

    /// Adds the hits among `rows` of a batch of the schema that the matcher was made for.
    pub fn find(&mut self, batch: &RecordBatch, rows: impl IntoIterator<Item = u32>, hits: &mut Vec<Hit>) {
        debug_assert_eq!(self.schema.fields().len(), batch.num_columns(), "a batch of another schema");
        if self.programs.is_empty() {
            return;
        }
        let columns: Vec<Values<'_>> = self.atoms.places().iter().map(|place| place.values(batch)).collect();
        for row in rows {
            self.fire(&columns, row as usize);
            for at in 0..self.row.candidates.len() {
                let program = &self.programs[self.row.candidates[at] as usize];
                let view = RowView { atoms: &self.atoms, columns: &columns, state: &self.row, row: row as usize };
                if view.holds(&program.node) {
                    hits.push(Hit { row, rule: program.rule });
                }
            }
        }
    }

    /// Notes which indexed atoms pass in a row, and which programs they make worth a look.
    fn fire(&mut self, columns: &[Values<'_>], row: usize) {
        let state = &mut self.row;
        state.next();
        state.candidates.extend_from_slice(&self.always);
        for matcher in &mut self.fields {
            columns[matcher.place()].each(row, &mut |value| {
                for atom in matcher.passed(value, &self.atoms) {
                    state.pass(*atom, &self.witnessed);
                }
                true
            });
        }
    }
}

impl RowState {
    fn next(&mut self) {
        self.candidates.clear();
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.fired.fill(0);
            self.looked_at.fill(0);
            self.stamp = 1;
        }
    }

    fn pass(&mut self, atom: u32, witnessed: &[Vec<u32>]) {
        let fired = &mut self.fired[atom as usize];
        if *fired == self.stamp {
            return;
        }
        *fired = self.stamp;
        for program in &witnessed[atom as usize] {
            let looked_at = &mut self.looked_at[*program as usize];
            if *looked_at != self.stamp {
                *looked_at = self.stamp;
                self.candidates.push(*program);
            }
        }
    }
}

/// One row, for the evaluation of programs.
struct RowView<'a> {
    atoms: &'a Atoms,
    columns: &'a [Values<'a>],
    state: &'a RowState,
    row: usize,
}

impl RowView<'_> {
    fn holds(&self, node: &Node) -> bool {
        match node {
            Node::Always => true,
            Node::Never => false,
            Node::All(nodes) => nodes.iter().all(|node| self.holds(node)),
            Node::Any(nodes) => nodes.iter().any(|node| self.holds(node)),
            Node::Not(node) => !self.holds(node),
            Node::Atom(atom) => self.passes(*atom),
            Node::Row(test) => self.row_passes(test),
        }
    }

    fn passes(&self, index: u32) -> bool {
        let atom = self.atoms.get(index);
        match atom.is_indexed {
            true => self.state.fired[index as usize] == self.state.stamp,
            false => self.any(atom.place, &mut |value| atom.test.passes(value)),
        }
    }

    fn row_passes(&self, test: &RowTest) -> bool {
        match test {
            RowTest::Exists(place) => self.any(*place, &mut |_| true),
            RowTest::Null(place) => !self.any(*place, &mut |_| true),
            RowTest::OtherField { place, other, placement, cased } => self.any(*place, &mut |value| {
                self.any(*other, &mut |other| value_test::stands(value, other, *placement, *cased))
            }),
        }
    }

    /// Whether any value of a place in this row is as asked.
    fn any(&self, place: usize, test: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut found = false;
        self.columns[place].each(self.row, &mut |value| {
            found = test(value);
            !found
        });
        found
    }
}
