//! The jobs of an invocation, on as many threads as the function's memory pays for.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use millpond::job_threads::JobThreads;
use millpond::pipeline::{Delivery, Node, Outcome, process};
use millpond_core::{Error, Result};

/// Stored bytes that are not worth a second thread: files that share a pending commit cost fewer requests.
const SHARE_BYTES_MIN: u64 = 8 << 20;

/// Takes deliveries through the path; one outcome for each, in their order. The first share of them runs on this thread,
/// which it blocks. Nothing begins after `deadline`.
pub(crate) async fn run(
    node: &Arc<Node>,
    threads: &JobThreads,
    deliveries: &[Delivery],
    deadline: Instant,
) -> Vec<Result<Outcome>> {
    let mut shares = share(deliveries, threads.jobs_max());
    let own = if shares.is_empty() { Vec::new() } else { shares.remove(0) };
    let others: Vec<_> = shares
        .into_iter()
        .map(|positions| {
            let (node, chosen) = (Arc::clone(node), choose(deliveries, &positions));
            let job = move || node.io.clone().block_on(guarded(&node, &chosen, deadline));
            (positions, threads.handle().spawn_blocking(job))
        })
        .collect();
    let mut outcomes: Vec<(usize, Result<Outcome>)> = Vec::with_capacity(deliveries.len());
    let ended = guarded(node, &choose(deliveries, &own), deadline).await;
    outcomes.extend(own.into_iter().zip(ended));
    for (positions, job) in others {
        let ended = job.await;
        // A thread that ended without an answer leaves its share for another time.
        let ended = ended.unwrap_or_else(|error| lost(positions.len(), &error.to_string()));
        outcomes.extend(positions.into_iter().zip(ended));
    }
    outcomes.sort_by_key(|(position, _)| *position);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// [`process`], whose panics between two jobs are errors here: the process stays warm.
async fn guarded(node: &Node, deliveries: &[Delivery], deadline: Instant) -> Vec<Result<Outcome>> {
    let ended = AssertUnwindSafe(process(node, deliveries, Some(deadline))).catch_unwind().await;
    ended.unwrap_or_else(|panic| lost(deliveries.len(), message(panic.as_ref())))
}

fn lost(count: usize, reason: &str) -> Vec<Result<Outcome>> {
    (0..count).map(|_| Err(Error::bug(format!("the batch panicked: {reason}")))).collect()
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn choose(deliveries: &[Delivery], positions: &[usize]) -> Vec<Delivery> {
    positions.iter().map(|position| deliveries[*position].clone()).collect()
}

/// The positions of the deliveries by share: the largest object first, each into the share with the fewest bytes. Objects
/// of unknown size may be large.
fn share(deliveries: &[Delivery], threads: usize) -> Vec<Vec<usize>> {
    let bytes = |position: &usize| deliveries[*position].event.size_bytes.unwrap_or(SHARE_BYTES_MIN);
    let mut positions: Vec<usize> = (0..deliveries.len()).collect();
    let total: u64 = positions.iter().map(bytes).sum();
    let count = usize::try_from(total.div_ceil(SHARE_BYTES_MIN)).unwrap_or(threads).clamp(1, threads.max(1));
    positions.sort_by_key(|position| std::cmp::Reverse(bytes(position)));
    let mut shares: Vec<(u64, Vec<usize>)> = vec![(0, Vec::new()); count];
    for position in positions {
        if let Some((taken, share)) = shares.iter_mut().min_by_key(|(taken, _)| *taken) {
            *taken += bytes(&position);
            share.push(position);
        }
    }
    let mut shares: Vec<Vec<usize>> = shares.into_iter().map(|(_, share)| share).collect();
    shares.retain(|share| !share.is_empty());
    shares.iter_mut().for_each(|share| share.sort_unstable());
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use millpond_core::event::Event;

    fn deliveries(sizes: &[Option<u64>]) -> Vec<Delivery> {
        let event = |size_bytes: &Option<u64>| Event {
            uri: String::new(),
            bucket: None,
            key: String::new(),
            version: None,
            size_bytes: *size_bytes,
            time_us: None,
            source: None,
        };
        sizes.iter().map(|size| Delivery::new(event(size), 1)).collect()
    }

    #[test]
    fn small_files_stay_together_and_large_ones_are_spread() {
        let mib = |count: u64| Some(count << 20);
        for (sizes, threads, expected) in [
            (vec![], 2, vec![]),
            (vec![Some(1), Some(2), Some(3)], 4, vec![vec![0, 1, 2]]),
            (vec![mib(9), Some(1), mib(20), mib(10)], 2, vec![vec![0, 1, 3], vec![2]]),
            (vec![mib(9), mib(20)], 1, vec![vec![0, 1]]),
            (vec![None, None], 2, vec![vec![0], vec![1]]),
        ] {
            let mut shares = share(&deliveries(&sizes), threads);
            shares.sort();
            let mut expected: Vec<Vec<usize>> = expected;
            expected.sort();
            assert_eq!(shares, expected, "{sizes:?}");
        }
    }
}
