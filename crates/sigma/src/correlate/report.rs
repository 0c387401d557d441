//! What goes in and what comes out.

use std::collections::BTreeMap;

/// A match of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The rule, by id or name.
    pub rule: String,
    /// When the event was, in microseconds since 1970.
    pub time_us: i64,
    /// The fields that correlations ask for, by the rule's names for them. Null is left out.
    pub fields: BTreeMap<String, String>,
    /// Names the row, such as by file and place. One row has one time.
    pub reference: u128,
}

/// An episode: a time during which a correlation held for a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Follows from the correlation, the group and the first match.
    pub id: u128,
    /// The correlation, by its place among those of the rule set.
    pub correlation: usize,
    /// The fields of `group-by` and what they have in common.
    pub group: Vec<(String, String)>,
    /// The time of its first match, in microseconds since 1970.
    pub first_us: i64,
    /// The time of its last match, in microseconds since 1970.
    pub last_us: i64,
    /// The greatest number that one of its windows reached; the least, where all bounds are upper ones.
    pub value: f64,
    /// How many matches it has; a row that two rules match has two.
    pub count: u64,
    /// The first references of each rule, by time; [`Limits::told_per_rule`](crate::Limits) says how many. For a
    /// correlation among the rules they are ids of its episodes.
    pub matches: Vec<u128>,
    /// Whether no part of it was told before.
    pub is_new: bool,
}

/// An episode that was told and is none any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawn {
    /// The id it was told with.
    pub id: u128,
    /// The correlation, by its place among those of the rule set.
    pub correlation: usize,
    /// The episode that it has become part of, if any.
    pub replaced_by: Option<u128>,
}

/// Matches that a correlation could not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Matches that came after [`State::expire`](crate::State::expire) had passed their time.
    pub late: u64,
    /// Matches without a field of `group-by`, or without a value to count or calculate with.
    pub lacking: u64,
    /// Matches forgotten early because their group had too many.
    pub crowded: u64,
    /// Groups forgotten early because there were too many.
    pub groups: u64,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Episodes that are new or have changed, by correlation, group and time.
    pub found: Vec<Found>,
    /// Episodes that are none any more.
    pub withdrawn: Vec<Withdrawn>,
    /// What was left out, by the correlation's place among those of the rule set.
    pub left_out: BTreeMap<usize, LeftOut>,
}

impl Report {
    /// The correlation's entry of what was left out.
    pub(super) fn left_out_of(&mut self, correlation: usize) -> &mut LeftOut {
        self.left_out.entry(correlation).or_default()
    }
}
