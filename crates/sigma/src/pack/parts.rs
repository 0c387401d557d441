//! The parts of a pack: written, and read again.

use std::collections::BTreeMap;

use millpond_core::logsource::LogSource;
use millpond_core::{Error, Result};
use serde::de::DeserializeOwned;
use zstd::bulk::Decompressor;

use super::conditions::{self, Reader};
use super::layout::{DEPTH_MAX, Part, STEPS_MAX, Section, UNPACKED_BYTES_MAX, damaged, encoded};
use crate::condition::Expr;
use crate::rule::Rule;

/// A pack is written seldom and read often, and how long it takes to unpack hardly depends on the level.
const LEVEL: i32 = 12;

/// Puts parts together.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) parts: Vec<u8>,
    unpacked: u64,
}

impl Writer {
    /// Writes rules, those of one log source together; each with its place among all.
    pub(super) fn sections(&mut self, rules: &[Rule]) -> Result<Vec<Section>> {
        check(rules)?;
        let mut by_source: BTreeMap<&LogSource, Vec<(u32, &Rule)>> = BTreeMap::new();
        for (place, rule) in (0u32..).zip(rules) {
            by_source.entry(&rule.logsource).or_default().push((place, rule));
        }
        let mut sections = Vec::new();
        for (logsource, rules) in by_source {
            let part = self.part(&encoded_rules(&rules)?)?;
            sections.push(Section { logsource: logsource.clone(), rules: rules.len() as u32, part });
        }
        Ok(sections)
    }

    /// Adds a part.
    pub(super) fn part(&mut self, bytes: &[u8]) -> Result<Part> {
        self.unpacked += bytes.len() as u64;
        if self.unpacked > UNPACKED_BYTES_MAX {
            let message = format!("the rules come to more than {UNPACKED_BYTES_MAX} bytes, the most that a pack holds");
            return Err(Error::bad_config(message).hint("compile fewer rules"));
        }
        let packed =
            zstd::bulk::compress(bytes, LEVEL).map_err(|cause| Error::bug("cannot compress rules").because(cause))?;
        let part = Part { offset: self.parts.len() as u64, length: packed.len() as u64, unpacked: bytes.len() as u64 };
        self.parts.extend(packed);
        Ok(part)
    }
}

/// Refuses more than a pack holds.
fn check(rules: &[Rule]) -> Result<()> {
    let mut steps = 0;
    for rule in rules {
        steps += rule.condition.size();
        if steps > STEPS_MAX as usize || depth(&rule.condition) > DEPTH_MAX {
            let message = format!("a pack cannot hold rule `{}` besides those before it", rule.about.title);
            let limits = format!("a pack holds {STEPS_MAX} tests and operators, {DEPTH_MAX} deep in each other");
            return Err(Error::bad_config(message).hint(limits));
        }
    }
    Ok(())
}

/// Rules one after the other, each behind its place among all.
fn encoded_rules(rules: &[(u32, &Rule)]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (place, rule) in rules {
        bytes.extend(encoded(&(place, &rule.about))?);
        conditions::write(&rule.condition, &mut bytes)?;
    }
    Ok(bytes)
}

fn depth(expr: &Expr) -> u32 {
    match expr {
        Expr::All(members) | Expr::Any(members) => 1 + members.iter().map(depth).max().unwrap_or(0),
        Expr::Not(inner) => 1 + depth(inner),
        Expr::Test(_) => 1,
    }
}

/// Takes parts apart.
pub(super) struct Loader<'b> {
    parts: &'b [u8],
    decompressor: Decompressor<'static>,
    unpacked: Vec<u8>,
    steps_left: u32,
    /// With the place of each among all.
    rules: Vec<(u32, Rule)>,
}

impl<'b> Loader<'b> {
    /// Of these parts.
    pub(super) fn new(parts: &'b [u8]) -> Result<Self> {
        let decompressor = Decompressor::new().map_err(|cause| Error::bug("cannot unpack rules").because(cause))?;
        Ok(Self { parts, decompressor, unpacked: Vec::new(), steps_left: STEPS_MAX, rules: Vec::new() })
    }

    /// Reads the rules of a log source.
    pub(super) fn section(&mut self, section: &Section) -> Result<()> {
        self.unpack(&section.part)?;
        let mut reader = Reader::new(&self.unpacked, &mut self.steps_left);
        for _ in 0..section.rules {
            let (place, about) = reader.next()?;
            let condition = reader.condition()?;
            self.rules.push((place, Rule { about, logsource: section.logsource.clone(), condition }));
        }
        if reader.is_empty() { Ok(()) } else { Err(damaged()) }
    }

    /// Reads a list.
    pub(super) fn list<T: DeserializeOwned>(&mut self, part: &Part) -> Result<Vec<T>> {
        self.unpack(part)?;
        postcard::from_bytes(&self.unpacked).map_err(|_| damaged())
    }

    /// The rules that were read, in their order.
    pub(super) fn rules(mut self) -> Vec<Rule> {
        self.rules.sort_unstable_by_key(|(place, _)| *place);
        self.rules.into_iter().map(|(_, rule)| rule).collect()
    }

    fn unpack(&mut self, part: &Part) -> Result<()> {
        let length = part.unpacked as usize;
        self.unpacked.clear();
        self.unpacked.reserve(length);
        let unpacked = self.decompressor.decompress_to_buffer(part.of(self.parts)?, &mut self.unpacked);
        if unpacked.is_ok_and(|found| found == length) { Ok(()) } else { Err(damaged()) }
    }
}
