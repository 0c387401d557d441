//! Episodes: windows that overlap, joined.

use serde::{Deserialize, Serialize};

use super::group::{Entry, between};
use super::identity;
use super::plan::Plan;
use super::windows::Window;

/// An episode of a group, or the part of it whose windows are over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Episode {
    pub(super) id: u128,
    pub(super) first_us: i64,
    pub(super) last_us: i64,
    pub(super) value: f64,
    /// How many matches it has.
    pub(super) count: u64,
    /// The first references of each rule: the rule's place, the reference.
    pub(super) sample: Vec<(u32, u128)>,
}

/// What is known of a group.
#[derive(Clone, Copy)]
pub(super) struct Known<'g> {
    pub(super) plan: &'g Plan,
    /// The values of `group-by`.
    pub(super) key: &'g [String],
    /// Parts of episodes whose windows are over.
    pub(super) past: &'g [Episode],
    /// All matches that are remembered.
    pub(super) entries: &'g [Entry],
    /// How many of the matches, from the first, are to be counted and sampled.
    pub(super) counted: usize,
}

/// The episodes that `windows` and past parts of episodes make, by time.
pub(super) fn join(known: Known<'_>, windows: &[Window]) -> Vec<Episode> {
    let as_window = |part: &Episode| Window { first_us: part.first_us, last_us: part.last_us, value: part.value };
    let mut pieces: Vec<Window> = known.past.iter().map(as_window).chain(windows.iter().copied()).collect();
    pieces.sort_by_key(|piece| piece.first_us);
    let mut joined: Vec<Window> = Vec::new();
    for piece in pieces {
        match joined.last_mut().filter(|last| piece.first_us <= last.last_us) {
            Some(last) => {
                last.last_us = last.last_us.max(piece.last_us);
                last.value = known.plan.peak(last.value, piece.value);
            }
            None => joined.push(piece),
        }
    }
    joined.into_iter().map(|span| describe(known, span)).collect()
}

fn describe(known: Known<'_>, span: Window) -> Episode {
    let Known { plan, key, past, entries, counted } = known;
    let Window { first_us, last_us, value } = span;
    let parts = || past.iter().filter(|part| (first_us..=last_us).contains(&part.first_us));
    let named_before = parts().find(|part| part.first_us == first_us).map(|part| part.id);
    let first = || between(entries, first_us, last_us).first();
    let id = named_before.or_else(|| first().map(|first| identity::episode(&plan.label, key, first)));
    let own = between(&entries[..counted], first_us, last_us);
    let count = parts().map(|part| part.count).sum::<u64>() + own.len() as u64;
    let references = own.iter().map(|entry| (entry.rule, entry.reference));
    let sample = sample(plan, parts().flat_map(|part| part.sample.iter().copied()).chain(references));
    // An episode starts with a match that is remembered, or with a part that has a name.
    Episode { id: id.unwrap_or_default(), first_us, last_us, value, count, sample }
}

/// The first references of each rule, each reference once.
fn sample(plan: &Plan, references: impl Iterator<Item = (u32, u128)>) -> Vec<(u32, u128)> {
    let mut room = vec![plan.told_per_rule; plan.inputs.len()];
    let mut missing = plan.told_per_rule * plan.inputs.len();
    let mut taken: Vec<(u32, u128)> = Vec::new();
    for (rule, reference) in references {
        if missing == 0 {
            break;
        }
        let room = &mut room[rule as usize];
        if *room > 0 && taken.iter().all(|(_, other)| *other != reference) {
            taken.push((rule, reference));
            *room -= 1;
            missing -= 1;
        }
    }
    taken
}
