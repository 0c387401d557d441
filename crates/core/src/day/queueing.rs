//! Functions of one lane: how many run at a time, and what waits for one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::LaneDay;

const DAY_US: f64 = 86_400e6;

/// The functions of a lane that run.
pub(super) struct Queueing {
    functions_max: usize,
    /// When each of them ends.
    ends: BinaryHeap<Reverse<u64>>,
    peak: usize,
    busy_us: u64,
    queued: u64,
    queued_us_max: u64,
}

impl Queueing {
    pub(super) fn new(functions_max: usize) -> Self {
        let functions_max = functions_max.max(1);
        Self { functions_max, ends: BinaryHeap::new(), peak: 0, busy_us: 0, queued: 0, queued_us_max: 0 }
    }

    /// Runs a job that arrives at a moment as soon as a function is free; gives the moment when it ends.
    pub(super) fn run(&mut self, at_us: u64, time_us: u64) -> u64 {
        while self.ends.peek().is_some_and(|Reverse(end)| *end <= at_us) {
            self.ends.pop();
        }
        let mut start_us = at_us;
        if self.ends.len() >= self.functions_max
            && let Some(Reverse(free_us)) = self.ends.pop()
        {
            start_us = free_us;
            self.queued += 1;
            self.queued_us_max = self.queued_us_max.max(free_us - at_us);
        }
        let end_us = start_us + time_us;
        self.ends.push(Reverse(end_us));
        self.peak = self.peak.max(self.ends.len());
        self.busy_us += time_us;
        end_us
    }

    /// Tells what it came to.
    pub(super) fn tell(self, day: &mut LaneDay) {
        day.concurrency_peak = self.peak;
        day.concurrency_mean = self.busy_us as f64 / DAY_US;
        day.queued = self.queued;
        day.queued_us_max = self.queued_us_max;
    }
}
