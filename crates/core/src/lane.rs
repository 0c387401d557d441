//! Lanes: size classes of jobs. On one machine a lane is what a job takes of the budget; in the cloud it is a function of
//! that size behind a queue of its own.

use serde::{Deserialize, Serialize};

/// A size class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Its name, as receipts keep it.
    pub name: String,
    /// Memory of one of its jobs: rows, decoder and open files together.
    pub memory_bytes: u64,
    /// Bytes that one of its jobs may spill to the temporary folder.
    pub spill_bytes: u64,
    /// Jobs of the lane at a time on one machine, where it says so.
    pub jobs: Option<u64>,
    /// The URL of its queue, or `sqs://NAME`, where it is a function of its own.
    pub queue: Option<String>,
}

/// Bytes that a job may spill where its lane does not say.
pub const SPILL_BYTES: u64 = 10 << 30;

/// The lanes of a pond, from small to large; there is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes(Vec<Lane>);

impl Lane {
    /// A lane that says no more than its size.
    pub fn new(name: impl Into<String>, memory_bytes: u64) -> Self {
        Self { name: name.into(), memory_bytes, spill_bytes: SPILL_BYTES, jobs: None, queue: None }
    }
}

impl Lanes {
    /// Lanes in order of their memory. Without any there is one that takes every job.
    pub fn new(mut lanes: Vec<Lane>, memory_bytes: u64) -> Self {
        lanes.sort_by_key(|lane| lane.memory_bytes);
        if lanes.is_empty() {
            lanes.push(Lane::new("all", memory_bytes));
        }
        Self(lanes)
    }

    /// What a pond has that names none: a fifth of a job's memory, all of it, and four times that. Of 256 MiB these are
    /// what functions of 128, 384 and 1,344 MB hold.
    pub fn of_job_memory(job_memory_bytes: u64) -> Self {
        let lane = |name: &str, memory_bytes: u64| Lane::new(name, memory_bytes.max(1));
        let lanes = vec![
            lane("small", job_memory_bytes / 5),
            lane("medium", job_memory_bytes),
            lane("large", job_memory_bytes.saturating_mul(4)),
        ];
        Self::new(lanes, job_memory_bytes)
    }

    /// The same lanes on a machine with this much memory for all jobs: beside every larger lane one job of the smallest
    /// must fit, so that it never waits for them. Lanes that come to the same size are one, under the smaller one's name.
    pub fn within(&self, budget_bytes: u64) -> Self {
        let small_bytes = self.0.first().map_or(budget_bytes, |lane| lane.memory_bytes.min(budget_bytes));
        let rest_bytes = budget_bytes - small_bytes;
        let mut lanes: Vec<Lane> = Vec::with_capacity(self.0.len());
        for (position, lane) in self.0.iter().enumerate() {
            let most_bytes = if position == 0 { budget_bytes } else { rest_bytes };
            let memory_bytes = lane.memory_bytes.min(most_bytes);
            if lanes.last().is_none_or(|last| last.memory_bytes < memory_bytes) {
                lanes.push(Lane { memory_bytes, ..lane.clone() });
            }
        }
        Self(lanes)
    }

    /// Every lane, from small to large.
    pub fn all(&self) -> &[Lane] {
        &self.0
    }

    /// The lane at a position; the largest past the end.
    pub fn at(&self, position: usize) -> &Lane {
        // There is at least one, by construction.
        &self.0[position.min(self.top())]
    }

    /// The position of the largest.
    pub fn top(&self) -> usize {
        self.0.len() - 1
    }

    /// The position of the smallest lane that holds a job of this memory; the largest where none does.
    pub fn for_memory(&self, memory_bytes: u64) -> usize {
        self.0.iter().position(|lane| lane.memory_bytes >= memory_bytes).unwrap_or(self.top())
    }

    /// The lane above a position, if there is one.
    pub fn above(&self, position: usize) -> Option<usize> {
        (position < self.top()).then_some(position + 1)
    }

    /// The position of a lane by name.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|lane| lane.name == name)
    }
}

/// A job that was too large for a lane and went on to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promotion {
    /// The lane that it was too large for.
    pub lane: String,
    /// What it reached there.
    pub reason: String,
    /// Memory that it would have needed, as far as could be told from the part of the file that was read.
    pub needed_bytes: u64,
}

/// Memory of the process itself in a function of its own: program, runtime, what is fetched ahead. An assumption on the safe
/// side of the peaks in `docs/guide/resources.md`; a test holds jobs to it under a limit that the kernel enforces.
const PROCESS_BYTES: u64 = 64 << 20;
/// A job may exceed its memory by a quarter for a moment, between two looks at it.
const OVERSHOOT_DIVISOR: u64 = 4;
/// Sizes of a function: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>.
pub const FUNCTION_MB_MIN: u64 = 128;
/// The largest.
pub const FUNCTION_MB_MAX: u64 = 10_240;

/// Memory of a job in a function of `function_mb` that runs `threads` jobs at a time.
pub fn job_memory_bytes(function_mb: u64, threads: u64) -> u64 {
    let function_bytes = function_mb << 20;
    // A function that is smaller than any on sale, as emulators have them, still gives its jobs something.
    let left = function_bytes.saturating_sub(PROCESS_BYTES).max(function_bytes / 2) / threads.max(1);
    // x + x / 4 = left
    left * OVERSHOOT_DIVISOR / (OVERSHOOT_DIVISOR + 1)
}

/// The smallest function, in MB, whose one job at a time may use this memory; `None` where no function is that large.
pub fn function_mb(job_memory_bytes: u64) -> Option<u64> {
    let bytes = job_memory_bytes + job_memory_bytes.div_ceil(OVERSHOOT_DIVISOR) + PROCESS_BYTES;
    let mb = bytes.div_ceil(1 << 20).max(FUNCTION_MB_MIN);
    (mb <= FUNCTION_MB_MAX).then_some(mb)
}

/// What a job's memory may come to for a moment before it is stopped.
pub fn memory_stop_bytes(memory_bytes: u64) -> u64 {
    memory_bytes + memory_bytes / OVERSHOOT_DIVISOR
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(lanes: &Lanes) -> Vec<(&str, u64)> {
        lanes.all().iter().map(|lane| (lane.name.as_str(), lane.memory_bytes)).collect()
    }

    #[test]
    fn a_job_goes_to_the_smallest_lane_that_holds_it() {
        let lanes = Lanes::of_job_memory(256);
        assert_eq!(sizes(&lanes), [("small", 51), ("medium", 256), ("large", 1_024)]);
        for (memory, lane) in [(0, 0), (51, 0), (52, 1), (256, 1), (1_024, 2), (9_999, 2)] {
            assert_eq!(lanes.for_memory(memory), lane, "{memory}");
        }
        assert_eq!((lanes.above(0), lanes.above(2)), (Some(1), None));
    }

    #[test]
    fn beside_every_lane_one_job_of_the_smallest_fits() {
        for (budget, expected) in [
            (10_000, vec![("small", 51), ("medium", 256), ("large", 1_024)]),
            (1_000, vec![("small", 51), ("medium", 256), ("large", 949)]),
            (300, vec![("small", 51), ("medium", 249)]),
            (100, vec![("small", 51)]),
            (40, vec![("small", 40)]),
        ] {
            let lanes = Lanes::of_job_memory(256).within(budget);
            assert_eq!(sizes(&lanes), expected, "{budget}");
            let small = lanes.at(0).memory_bytes;
            assert!(lanes.all()[1..].iter().all(|lane| lane.memory_bytes + small <= budget));
        }
    }

    #[test]
    fn a_function_and_the_memory_of_its_job_follow_from_each_other() {
        for job in [1, 51 << 20, 64 << 20, 256 << 20, 1 << 30, 8_000 << 20] {
            let mb = function_mb(job).expect("function");
            assert!(job_memory_bytes(mb, 1) >= job, "{job}: {mb}");
            assert!(mb == FUNCTION_MB_MIN || job_memory_bytes(mb - 2, 1) < job, "{job}: {mb}");
        }
        assert_eq!(function_mb(9_000 << 20), None);
        assert!(memory_stop_bytes(job_memory_bytes(512, 1)) + PROCESS_BYTES <= 512 << 20);
    }
}
