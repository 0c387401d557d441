//! Names that follow from content, the same in every process and release.

use millpond_core::Error;
use sha2::{Digest, Sha256};

use super::group::Entry;
use crate::correlation::Correlation;

/// The episode of a correlation and group that starts with this match.
pub(super) fn episode(correlation: &str, group: &[String], first: &Entry) -> u128 {
    let mut hash = Sha256::new();
    add(&mut hash, correlation);
    group.iter().for_each(|value| add(&mut hash, value));
    hash.update(first.time_us.to_le_bytes());
    hash.update(first.reference.to_le_bytes());
    number(hash)
}

/// What a correlation means, with that of the correlations it refers to: state of another meaning is of no use to it.
pub(super) fn meaning(label: &str, correlation: &Correlation, inner: &[u128]) -> Result<u128, Error> {
    let Correlation { kind, rules, group_by, aliases, timespan_seconds, thresholds, .. } = correlation;
    let definition = (label, kind, rules, group_by, aliases, timespan_seconds, thresholds, inner);
    let bytes = postcard::to_allocvec(&definition).map_err(|error| {
        Error::bug(format!("the definition of the correlation `{label}` cannot be encoded")).because(error)
    })?;
    Ok(number(Sha256::new_with_prefix(bytes)))
}

/// A tuple of values.
pub(super) fn tuple<'v>(values: impl Iterator<Item = &'v str>) -> u64 {
    let mut hash = Sha256::new();
    values.for_each(|value| add(&mut hash, value));
    number(hash) as u64
}

/// Bytes, to see damage.
pub(super) fn checksum(bytes: &[u8]) -> u128 {
    number(Sha256::new_with_prefix(bytes))
}

/// With the length in front, so that neighbours cannot trade letters.
fn add(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

fn number(hash: Sha256) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    u128::from_le_bytes(bytes)
}
