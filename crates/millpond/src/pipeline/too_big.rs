//! The end of a job that reached a limit of memory: it goes on to a larger lane, or its file to quarantine with the size
//! that it would have needed.

use millpond_core::lane::Promotion;
use millpond_core::units::format_bytes;
use millpond_core::{Error, Result};

use super::Job;
use super::commit::stopped;
use super::group::{Group, Taken};

/// Ends a job. `read` is what of its object was read, and all of it, in stored bytes.
pub(super) fn ended(
    group: &mut Group<'_>,
    job: &mut Job<'_>,
    error: Error,
    peak_bytes: u64,
    read: (u64, u64),
) -> Result<Taken> {
    let limit_bytes = job.plan.as_ref().map_or(0, |plan| plan.memory_bytes);
    let needed_bytes = needed(peak_bytes.max(limit_bytes), read);
    let lane = job.grant.as_ref().map(|grant| grant.lane.clone()).unwrap_or_default();
    let promotion = Promotion { lane, reason: error.chain(), needed_bytes };
    if job.grant.as_ref().is_some_and(|grant| grant.has_above) && job.replaces.is_none() {
        return Ok(Taken::TooBig(error, promotion));
    }
    job.promotions.push(promotion);
    stopped(group, job, with_need(&error, needed_bytes), peak_bytes)
}

/// Memory for a whole file: what its first part took, scaled up. What was read ahead makes it too small at most, and a
/// base that does not grow makes it too large.
fn needed(held_bytes: u64, (read_bytes, all_bytes): (u64, u64)) -> u64 {
    let part = read_bytes.clamp(1, all_bytes.max(1)) as f64 / all_bytes.max(1) as f64;
    (held_bytes as f64 / part) as u64
}

fn with_need(error: &Error, needed_bytes: u64) -> Error {
    let told =
        Error::too_big(format!("{}; the whole file would need some {}", error.chain(), format_bytes(needed_bytes)));
    match error.hint_text() {
        Some(hint) => told.hint(hint),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_needs_follows_from_the_part_that_was_read() {
        for (held, read, all, expected) in [(100, 50, 100, 200), (100, 100, 100, 100), (100, 0, 0, 100), (8, 1, 4, 32)]
        {
            assert_eq!(needed(held, (read, all)), expected);
        }
    }
}
