//! Windows that slide over the matches of a group.

use super::group::Entry;
use super::measure::Measure;
use super::plan::Plan;

/// A window for which the correlation holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    /// The time of its first match.
    pub(super) first_us: i64,
    /// The time of its last match.
    pub(super) last_us: i64,
    /// Its number.
    pub(super) value: f64,
}

/// Which windows of a group count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// Those that end later than this.
    pub(super) after_us: i64,
    /// For correlations that more matches may undo, those that start before this: no match can be added to them.
    pub(super) settled_before_us: i64,
}

/// The windows for which the correlation holds, by their ends. `entries` are sorted; `measure` is empty, before and
/// after.
pub(super) fn holding(entries: &[Entry], plan: &Plan, scope: Scope, measure: &mut Measure) -> Vec<Window> {
    let mut found = Vec::new();
    let (mut start, mut end) = (0, 0);
    while let Some(Entry { time_us: last_us, .. }) = entries.get(end) {
        while let Some(entry) = entries.get(end).filter(|entry| entry.time_us == *last_us) {
            measure.add(entry);
            end += 1;
        }
        while entries[start].time_us < last_us.saturating_sub(plan.timespan_us) {
            measure.remove(&entries[start]);
            start += 1;
        }
        let first_us = entries[start].time_us;
        if *last_us > scope.after_us && is_judged(plan, first_us, entries.get(end), scope) {
            let value = measure.value(first_us);
            if plan.holds(value) {
                found.push(Window { first_us, last_us: *last_us, value });
            }
        }
    }
    entries[start..].iter().for_each(|entry| measure.remove(entry));
    measure.reset();
    found
}

/// Whether a window is one on which the correlation is judged: any, or only full and settled ones.
fn is_judged(plan: &Plan, first_us: i64, next: Option<&Entry>, scope: Scope) -> bool {
    let is_full = || next.is_none_or(|next| next.time_us.saturating_sub(plan.timespan_us) > first_us);
    plan.is_rising || (first_us < scope.settled_before_us && is_full())
}
