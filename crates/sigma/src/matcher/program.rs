//! A rule as a program over atoms, and what must pass before it is worth a look.

use super::atoms::Atoms;
use crate::condition::Placement;

/// A boolean expression over atoms.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Always,
    Never,
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    /// By its index among the atoms.
    Atom(u32),
    Row(RowTest),
}

/// A test that is not one of a single value.
#[derive(Debug, PartialEq)]
pub(super) enum RowTest {
    Exists(usize),
    Null(usize),
    OtherField { place: usize, other: usize, placement: Placement, cased: bool },
}

impl Node {
    /// Constants are worked out.
    pub(super) fn all(nodes: impl Iterator<Item = Node>) -> Self {
        let mut kept = Vec::new();
        for node in nodes {
            match node {
                Self::Never => return Self::Never,
                Self::Always => {}
                Self::All(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Self::Always,
            1 => kept.remove(0),
            _ => Self::All(kept),
        }
    }

    /// Constants are worked out.
    pub(super) fn any(nodes: impl Iterator<Item = Node>) -> Self {
        let mut kept = Vec::new();
        for node in nodes {
            match node {
                Self::Always => return Self::Always,
                Self::Never => {}
                Self::Any(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Self::Never,
            1 => kept.remove(0),
            _ => Self::Any(kept),
        }
    }

    /// Constants are worked out.
    pub(super) fn negated(node: Node) -> Self {
        match node {
            Self::Always => Self::Never,
            Self::Never => Self::Always,
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }

    /// A set of atoms of which at least one passes wherever this holds; `None` where there is no such set.
    pub(super) fn witnesses(&self, atoms: &Atoms) -> Option<Vec<u32>> {
        self.best_witnesses(atoms).map(|(witnesses, _)| witnesses)
    }

    /// With how often one of them is thought to pass.
    fn best_witnesses(&self, atoms: &Atoms) -> Option<(Vec<u32>, f64)> {
        match self {
            Self::Never => Some((Vec::new(), 0.0)),
            Self::Always | Self::Not(_) | Self::Row(_) => None,
            Self::Atom(atom) => atoms.frequency(*atom).map(|frequency| (vec![*atom], frequency)),
            Self::All(nodes) => {
                let known = nodes.iter().filter_map(|node| node.best_witnesses(atoms));
                known.min_by(|(_, left), (_, right)| left.total_cmp(right))
            }
            Self::Any(nodes) => {
                let mut united = (Vec::new(), 0.0);
                for node in nodes {
                    let (witnesses, frequency) = node.best_witnesses(atoms)?;
                    united.0.extend(witnesses);
                    united.1 += frequency;
                }
                Some(united)
            }
        }
    }
}
