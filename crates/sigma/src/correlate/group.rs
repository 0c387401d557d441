//! What is remembered of a group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::episode::{Episode, Known, join};
use super::measure::Measure;
use super::plan::Plan;
use super::windows::{Scope, Window, holding};

/// A match, as a group keeps it. The order of fields is the order of matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) time_us: i64,
    /// The rule's place in the correlation.
    pub(super) rule: u32,
    pub(super) reference: u128,
    /// The hash of a tuple of values, or the bits of a number.
    pub(super) value: u64,
}

/// The matches of a group, and what is left of those that are forgotten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Group {
    /// Sorted, each once.
    pub(super) entries: Vec<Entry>,
    /// Windows that end here or before are judged for good.
    pub(super) judged_us: i64,
    /// The parts of episodes made of these windows, as long as later windows may prolong them. They count and sample
    /// forgotten matches only.
    past: Vec<Episode>,
    /// Matches before it are forgotten.
    forgotten_before_us: i64,
}

/// What becomes of a group's matches.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Matches that are new, in any order.
    pub(super) added: Vec<Entry>,
    /// By rule and reference: its matches after this time are void.
    pub(super) removed: BTreeMap<(u32, u128), i64>,
}

/// The episodes of a group, and the windows that are not judged for good.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) episodes: Vec<Episode>,
    pub(super) windows: Vec<Window>,
}

/// The entries between two times, both included.
pub(super) fn between(entries: &[Entry], first_us: i64, last_us: i64) -> &[Entry] {
    let entries = &entries[entries.partition_point(|entry| entry.time_us < first_us)..];
    &entries[..entries.partition_point(|entry| entry.time_us <= last_us)]
}

impl Default for Group {
    fn default() -> Self {
        Self { entries: Vec::new(), judged_us: i64::MIN, past: Vec::new(), forgotten_before_us: i64::MIN }
    }
}

impl Group {
    /// The episodes, where windows that start before `settled_before_us` cannot change any more.
    pub(super) fn verdict(
        &self,
        plan: &Plan,
        key: &[String],
        settled_before_us: i64,
        measure: &mut Measure,
    ) -> Verdict {
        let scope = Scope { after_us: self.judged_us, settled_before_us };
        let windows = holding(&self.entries, plan, scope, measure);
        Verdict { episodes: join(self.known(plan, key, self.entries.len()), &windows), windows }
    }

    fn known<'g>(&'g self, plan: &'g Plan, key: &'g [String], counted: usize) -> Known<'g> {
        Known { plan, key, past: &self.past, entries: &self.entries, counted }
    }

    /// Takes matches in and out. Returns how many were too old for a group that had too many.
    pub(super) fn apply(&mut self, changes: Changes) -> u64 {
        let Changes { mut added, removed } = changes;
        let given = added.len();
        added.retain(|entry| entry.time_us >= self.forgotten_before_us);
        let too_old = given - added.len();
        if !removed.is_empty() {
            let is_void =
                |entry: &Entry| removed.get(&(entry.rule, entry.reference)).is_some_and(|after| entry.time_us > *after);
            self.entries.retain(|entry| !is_void(entry));
        }
        added.sort_unstable();
        self.entries.append(&mut added);
        // Two sorted runs, which a stable sort merges.
        self.entries.sort();
        self.entries.dedup_by_key(|entry| (entry.time_us, entry.rule, entry.reference));
        too_old as u64
    }

    /// Forgets matches before `cut_us`. `windows` are those that hold and are not judged for good; those that end by
    /// `judged_us` now are.
    pub(super) fn forget(&mut self, plan: &Plan, key: &[String], windows: &[Window], cut_us: i64, judged_us: i64) {
        let kept = self.entries.partition_point(|entry| entry.time_us < cut_us);
        let windows = &windows[..windows.partition_point(|window| window.last_us <= judged_us)];
        self.past = join(self.known(plan, key, kept), windows);
        self.past.retain(|part| part.last_us >= cut_us);
        self.entries.drain(..kept);
        self.entries.shrink_to(self.entries.len() * 2);
        self.judged_us = self.judged_us.max(judged_us);
        self.forgotten_before_us = self.forgotten_before_us.max(cut_us);
    }

    /// Whether there is anything before this time to forget.
    pub(super) fn reaches_before(&self, cut_us: i64) -> bool {
        self.entries.first().is_some_and(|entry| entry.time_us < cut_us)
            || self.past.iter().any(|part| part.last_us < cut_us)
    }

    /// The time of the last entry before this time.
    pub(super) fn last_before(&self, cut_us: i64) -> Option<i64> {
        let place = self.entries.partition_point(|entry| entry.time_us < cut_us);
        Some(self.entries[place.checked_sub(1)?].time_us)
    }

    /// Whether nothing is left of it.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.past.is_empty()
    }
}
