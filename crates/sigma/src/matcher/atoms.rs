//! Atoms: the distinct tests of single values in all rules, and the places that they look at.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use hashbrown::HashMap;

use super::program::{Node, RowTest};
use super::value_test::ValueTest;
use super::values::Place;
use crate::condition::{Expr, Placement, Predicate, Subject, Test};
use crate::pattern::Pattern;

/// How often a literal that stands in one value of a thousand is thought to pass.
const RARE: f64 = 0.001;
/// A place with less than this part of all atoms is better passed over than looked at in every row: [`LONELY_COST`] says
/// how much rarer a witness there has to be.
const LONELY_PART: usize = 16;
const LONELY_COST: f64 = 4.0;

/// A test of the values at one place.
pub(super) struct Atom {
    pub(super) place: usize,
    pub(super) test: ValueTest,
    /// Whether it is worked out for every value; the others are tested when a program asks.
    pub(super) is_indexed: bool,
}

/// All atoms of a matcher.
pub(super) struct Atoms {
    atoms: Vec<Atom>,
    places: Vec<Place>,
    /// How many atoms are at each place.
    at_place: Vec<usize>,
    by_text: HashMap<(usize, bool, Pattern), u32>,
    by_subject: HashMap<Subject, Option<usize>>,
    schema: Schema,
    renames: BTreeMap<String, String>,
}

impl Atoms {
    pub(super) fn new(schema: &Schema, renames: &BTreeMap<String, String>) -> Self {
        Self {
            atoms: Vec::new(),
            places: Vec::new(),
            at_place: Vec::new(),
            by_text: HashMap::new(),
            by_subject: HashMap::new(),
            schema: schema.clone(),
            renames: renames.clone(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.atoms.len()
    }

    pub(super) fn get(&self, index: u32) -> &Atom {
        &self.atoms[index as usize]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut Atom {
        &mut self.atoms[index as usize]
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The program of an expression; its tests become atoms. What tests a field that no column gives is decided here.
    pub(super) fn node(&mut self, expr: &Expr) -> Node {
        match expr {
            Expr::All(exprs) => {
                let nodes: Vec<Node> = exprs.iter().map(|expr| self.node(expr)).collect();
                Node::all(nodes.into_iter())
            }
            Expr::Any(exprs) => {
                let nodes: Vec<Node> = exprs.iter().map(|expr| self.node(expr)).collect();
                Node::any(nodes.into_iter())
            }
            Expr::Not(expr) => Node::negated(self.node(expr)),
            Expr::Test(predicate) => self.predicate(predicate),
        }
    }

    fn predicate(&mut self, predicate: &Predicate) -> Node {
        let Some(place) = self.place(&predicate.subject) else {
            return if predicate.test == Test::Null { Node::Always } else { Node::Never };
        };
        match &predicate.test {
            Test::Null => Node::Row(RowTest::Null(place)),
            Test::Exists => Node::Row(RowTest::Exists(place)),
            Test::OtherField { field, placement, cased } => match self.place(&Subject::Field(field.clone())) {
                Some(other) => Node::Row(RowTest::OtherField { place, other, placement: *placement, cased: *cased }),
                None => Node::Never,
            },
            Test::Text { pattern, cased } => self.text(place, pattern, *cased, &predicate.test),
            test => self.add(place, test),
        }
    }

    fn text(&mut self, place: usize, pattern: &Pattern, cased: bool, test: &Test) -> Node {
        let pattern = if cased { pattern.clone() } else { pattern.folded() };
        let key = (place, cased, pattern);
        if let Some(known) = self.by_text.get(&key) {
            return Node::Atom(*known);
        }
        let node = self.add(place, test);
        if let Node::Atom(atom) = node {
            self.by_text.insert(key, atom);
        }
        node
    }

    fn add(&mut self, place: usize, test: &Test) -> Node {
        let Some(test) = ValueTest::new(test) else { return Node::Never };
        self.atoms.push(Atom { place, test, is_indexed: false });
        self.at_place[place] += 1;
        Node::Atom((self.atoms.len() - 1) as u32)
    }

    fn place(&mut self, subject: &Subject) -> Option<usize> {
        if let Some(known) = self.by_subject.get(subject) {
            return *known;
        }
        let place = match subject {
            Subject::Anything => Some(Place::everything(&self.schema)),
            Subject::Field(field) => {
                let name = self.renames.get(field).unwrap_or(field);
                Place::find(&self.schema, name)
            }
        };
        let index = place.map(|place| {
            self.places.push(place);
            self.at_place.push(0);
            self.places.len() - 1
        });
        self.by_subject.insert(subject.clone(), index);
        index
    }

    /// How often an atom is thought to pass, in parts of one; `None` where it can be no witness. Long texts are rare;
    /// what no automaton finds costs a test of every value, and is taken only where there is nothing else.
    pub(super) fn frequency(&self, index: u32) -> Option<f64> {
        let atom = self.get(index);
        if self.places[atom.place].is_costly() {
            return None;
        }
        let by_length = |text: &str| RARE + 1.0 / (1.0 + text.len() as f64).powi(2);
        let is_lonely = self.at_place[atom.place] * LONELY_PART < self.atoms.len();
        let frequency = match &atom.test {
            ValueTest::Whole(text) | ValueTest::Stands(text, Placement::Start | Placement::End) => by_length(text),
            ValueTest::Stands(text, _) => by_length(text) * 2.0,
            ValueTest::Wildcard { gate, .. } if !gate.is_empty() => by_length(gate) * 3.0,
            _ => 10.0,
        };
        Some(if is_lonely { frequency * LONELY_COST } else { frequency })
    }
}
