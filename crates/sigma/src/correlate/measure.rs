//! The number of a window, kept up as matches enter and leave it. It depends on the window's matches alone, never on the
//! way to it.

use std::hash::Hash;

use hashbrown::HashMap;

use super::group::Entry;
use crate::correlation::CorrelationKind;

/// What one unit of a sum is: sums are integers, so that adding and taking away leaves nothing behind.
const UNITS: f64 = 1e9;
/// Numbers beyond it are taken for it: a thousand billion of them still fit into a sum.
const NUMBER_MAX: f64 = 1e17;

/// The number of a window. Matches enter in order and leave in the same order.
pub(super) enum Measure {
    /// How many references.
    Events(Rows),
    /// How many values, by their hash.
    Values(HashMap<u64, u32>),
    /// How many rules; of each, how many matches.
    Rules(Vec<u32>),
    /// How many rules in order.
    Chain(Chain),
    /// The sum of numbers.
    Sum(Rows, i128),
    /// Their mean.
    Average(Rows, i128),
    /// A percentile of them; they are sorted.
    Percentile(Rows, Vec<f64>, f64),
}

impl Measure {
    pub(super) fn new(kind: &CorrelationKind, rules: usize) -> Self {
        match kind {
            CorrelationKind::EventCount => Self::Events(Rows::default()),
            CorrelationKind::ValueCount(_) => Self::Values(HashMap::new()),
            CorrelationKind::Temporal => Self::Rules(vec![0; rules]),
            CorrelationKind::TemporalOrdered => Self::Chain(Chain::new(rules)),
            CorrelationKind::ValueSum(_) => Self::Sum(Rows::default(), 0),
            CorrelationKind::ValueAverage(_) => Self::Average(Rows::default(), 0),
            CorrelationKind::ValuePercentile { percentile, .. } => {
                Self::Percentile(Rows::default(), Vec::new(), *percentile)
            }
        }
    }

    /// A match enters the window.
    pub(super) fn add(&mut self, entry: &Entry) {
        match self {
            Self::Events(rows) => {
                rows.enter(entry);
            }
            Self::Values(counts) => {
                enter(counts, entry.value);
            }
            Self::Rules(counts) => counts[entry.rule as usize] += 1,
            Self::Chain(chain) => chain.add(entry),
            Self::Sum(rows, sum) | Self::Average(rows, sum) => {
                *sum += rows.enter(entry).map_or(0, units);
            }
            Self::Percentile(rows, sorted, _) => {
                if let Some(number) = rows.enter(entry) {
                    sorted.insert(sorted.partition_point(|other| *other < number), number);
                }
            }
        }
    }

    /// The match that entered first leaves the window.
    pub(super) fn remove(&mut self, entry: &Entry) {
        match self {
            Self::Events(rows) => {
                rows.leave(entry);
            }
            Self::Values(counts) => {
                leave(counts, entry.value);
            }
            Self::Rules(counts) => counts[entry.rule as usize] -= 1,
            Self::Chain(_) => {}
            Self::Sum(rows, sum) | Self::Average(rows, sum) => {
                *sum -= rows.leave(entry).map_or(0, units);
            }
            Self::Percentile(rows, sorted, _) => {
                if let Some(number) = rows.leave(entry) {
                    sorted.remove(sorted.partition_point(|other| *other < number));
                }
            }
        }
    }

    /// The number of the window, which has a match and starts at this time.
    pub(super) fn value(&self, start_us: i64) -> f64 {
        match self {
            Self::Events(rows) => rows.0.len() as f64,
            Self::Values(counts) => counts.len() as f64,
            Self::Rules(counts) => counts.iter().filter(|count| **count > 0).count() as f64,
            Self::Chain(chain) => chain.length(start_us) as f64,
            Self::Sum(_, sum) => *sum as f64 / UNITS,
            Self::Average(rows, sum) => *sum as f64 / UNITS / rows.0.len() as f64,
            Self::Percentile(_, sorted, percentile) => between(sorted, *percentile),
        }
    }

    /// Makes it ready for another group, once every match has left.
    pub(super) fn reset(&mut self) {
        if let Self::Chain(chain) = self {
            chain.latest.fill(i64::MIN);
        }
    }
}

/// The references in a window: how often each is there, and the number of the first time.
#[derive(Default)]
pub(super) struct Rows(HashMap<u128, (u32, f64)>);

impl Rows {
    /// The number, if the reference is new to the window.
    fn enter(&mut self, entry: &Entry) -> Option<f64> {
        let (count, number) = self.0.entry(entry.reference).or_insert_with(|| (0, f64::from_bits(entry.value)));
        *count += 1;
        (*count == 1).then_some(*number)
    }

    /// The number, if the reference is gone from the window.
    fn leave(&mut self, entry: &Entry) -> Option<f64> {
        let (count, number) = self.0.get_mut(&entry.reference)?;
        *count -= 1;
        let (is_gone, number) = (*count == 0, *number);
        if is_gone {
            self.0.remove(&entry.reference);
        }
        is_gone.then_some(number)
    }
}

fn enter<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) {
    *counts.entry(key).or_insert(0) += 1;
}

fn leave<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Whole part and fraction apart: an integer of 15 digits has no room for nine decimals in a float.
fn units(number: f64) -> i128 {
    let number = number.clamp(-NUMBER_MAX, NUMBER_MAX);
    number.trunc() as i128 * UNITS as i128 + (number.fract() * UNITS).round() as i128
}

/// The percentile of sorted numbers, linearly between neighbours.
fn between(sorted: &[f64], percentile: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = percentile / 100.0 * last as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// For each rule and length, the latest start of a chain of matches of that length in the order of rules that ends with
/// this rule. A window has a chain if one starts in it, so nothing needs to leave.
pub(super) struct Chain {
    rules: usize,
    latest: Vec<i64>,
}

impl Chain {
    fn new(rules: usize) -> Self {
        Self { rules, latest: vec![i64::MIN; rules * rules] }
    }

    fn add(&mut self, entry: &Entry) {
        let (rule, rules) = (entry.rule as usize, self.rules);
        self.latest[rule * rules] = entry.time_us;
        for length in 1..=rule {
            let before = (0..rule).map(|before| self.latest[before * rules + length - 1]).max().unwrap_or(i64::MIN);
            let here = &mut self.latest[rule * rules + length];
            *here = before.max(*here);
        }
    }

    fn length(&self, start_us: i64) -> usize {
        let starts_within = |length: &usize| {
            (0..self.rules).any(|rule| self.latest[rule * self.rules + length - 1] >= start_us.max(i64::MIN + 1))
        };
        (1..=self.rules).rev().find(starts_within).unwrap_or(0)
    }
}
