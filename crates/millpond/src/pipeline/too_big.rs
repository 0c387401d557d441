//! The end of a job that reached a limit of memory: it goes on to a larger lane. Where there is none its file is run in
//! parts, and if that cannot be, goes to quarantine with the size that it would have needed.

use millpond_core::lane::Promotion;
use millpond_core::units::format_bytes;
use millpond_core::{Error, Result};
use millpond_engine::parts::Parts;
use millpond_engine::prepare::Prepared;
use millpond_engine::run::obstacle;

use super::commit::stopped;
use super::group::{Group, Taken};
use super::write::Written;
use super::{Job, end, fetch, run};
use crate::memory::Measure;

/// A limit of memory that a job reached with its whole file.
pub(super) struct Reached {
    pub(super) error: Error,
    /// What was read of its object, and all of it, in stored bytes.
    pub(super) read: (u64, u64),
    /// How far the SQL came.
    pub(super) parts: Parts,
}

/// Ends a job, or runs its file in parts.
pub(super) async fn ended(
    group: &mut Group<'_>,
    mut job: Job<'_>,
    prepared: &Prepared,
    reached: Reached,
    memory: &Measure,
) -> Result<Taken> {
    let promotion = promotion(&job, &reached, memory.peak_bytes());
    if job.grant.as_ref().is_some_and(|grant| grant.has_above) && job.replaces.is_none() {
        return Ok(Taken::TooBig(reached.error, promotion));
    }
    let needed_bytes = promotion.needed_bytes;
    job.promotions.push(promotion);
    match in_parts(group, &job, prepared, reached.parts).await {
        Ok(written) => end(group, &job, Ok(written), memory).await,
        Err(Stopped::Failed(error)) => end(group, &job, Err(error), memory).await,
        Err(Stopped::TooBig(why)) => {
            stopped(group, &job, with_need(&reached.error, needed_bytes, &why), memory.peak_bytes())
        }
    }
}

/// Why a file was not run in parts.
enum Stopped {
    /// The job failed, and not for memory.
    Failed(Error),
    /// It is too large in parts, too, or may not be split.
    TooBig(String),
}

/// Runs a file again in parts, each half as large as what was too much before, down to one batch.
async fn in_parts(group: &Group<'_>, job: &Job<'_>, prepared: &Prepared, mut tried: Parts) -> Result<Written, Stopped> {
    if let Some(what) = obstacle(prepared).await.map_err(Stopped::Failed)? {
        return Err(Stopped::TooBig(format!("it is not run in parts, because {what} needs the whole file")));
    }
    while let Some(parts) = tried.halved() {
        let input = fetch::again(group.node, &job.object).await.map_err(Stopped::Failed)?;
        match run(group, job, prepared, input, &parts).await {
            Err(error) if error.needs_memory() => tried = parts,
            ended => return ended.map_err(Stopped::Failed),
        }
    }
    Err(Stopped::TooBig("a single batch of records is too large, too".to_owned()))
}

/// The lane that a job was too large for, as its receipt keeps it.
fn promotion(job: &Job<'_>, reached: &Reached, peak_bytes: u64) -> Promotion {
    let limit_bytes = job.plan.as_ref().map_or(0, |plan| plan.memory_bytes);
    let lane = job.grant.as_ref().map(|grant| grant.lane.clone()).unwrap_or_default();
    let needed_bytes = needed(peak_bytes.max(limit_bytes), reached.read);
    Promotion { lane, reason: reached.error.chain(), needed_bytes }
}

/// Memory for a whole file: what its first part took, scaled up. What was read ahead makes it too small at most, and a
/// base that does not grow makes it too large.
fn needed(held_bytes: u64, (read_bytes, all_bytes): (u64, u64)) -> u64 {
    let part = read_bytes.clamp(1, all_bytes.max(1)) as f64 / all_bytes.max(1) as f64;
    (held_bytes as f64 / part) as u64
}

fn with_need(error: &Error, needed_bytes: u64, why: &str) -> Error {
    let (reached, needed) = (error.chain(), format_bytes(needed_bytes));
    let told = Error::too_big(format!("{reached}; the whole file would need some {needed}; {why}"));
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
