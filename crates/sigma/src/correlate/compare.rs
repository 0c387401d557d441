//! What changed between two verdicts on a group.

use super::episode::Episode;

/// What changed, for a user.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Episodes that are new or have changed; whether no part of each was told before.
    pub(super) told: Vec<(Episode, bool)>,
    /// Episodes that are gone, and what each has become part of.
    pub(super) gone: Vec<(u128, Option<u128>)>,
}

/// Compares the episodes of a group, which are sorted by time and do not overlap.
pub(super) fn compare(before: &[Episode], after: &[Episode]) -> Difference {
    let told = after.iter().filter(|episode| same(before, episode) != Some(episode));
    let told = told.map(|episode| (episode.clone(), overlapping(before, episode).is_none()));
    let gone = before.iter().filter(|episode| same(after, episode).is_none());
    let gone = gone.map(|episode| (episode.id, overlapping(after, episode).map(|other| other.id)));
    Difference { told: told.collect(), gone: gone.collect() }
}

/// The episode of the same name, which starts at the same time.
fn same<'e>(episodes: &'e [Episode], wanted: &Episode) -> Option<&'e Episode> {
    let place = episodes.binary_search_by_key(&wanted.first_us, |episode| episode.first_us).ok()?;
    Some(&episodes[place]).filter(|episode| episode.id == wanted.id)
}

/// The last episode that has a time in common with another.
fn overlapping<'e>(episodes: &'e [Episode], other: &Episode) -> Option<&'e Episode> {
    let place = episodes.partition_point(|episode| episode.first_us <= other.last_us);
    Some(&episodes[place.checked_sub(1)?]).filter(|episode| episode.last_us >= other.first_us)
}
