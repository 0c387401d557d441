//! Admission: which lane may start a job now, so that the memory of all jobs together never exceeds the budget, small
//! files never wait behind large ones, and large ones come to their turn.

use crate::lane::Lanes;

/// What runs, by lane.
#[derive(Debug, Clone)]
pub struct Admission {
    budget_bytes: u64,
    threads: usize,
    lanes: Vec<Use>,
}

#[derive(Debug, Clone, Default)]
struct Use {
    /// Jobs at a time, where the lane says so.
    jobs_max: Option<u64>,
    /// Memory of one job: of the first lane it is kept free of larger jobs.
    memory_bytes: u64,
    jobs: u64,
    bytes: u64,
}

impl Admission {
    /// Nothing runs yet.
    pub fn new(lanes: &Lanes, budget_bytes: u64, threads: usize) -> Self {
        let of = |lane: &crate::lane::Lane| Use {
            jobs_max: lane.jobs,
            memory_bytes: lane.memory_bytes.min(budget_bytes),
            ..Use::default()
        };
        Self { budget_bytes, threads: threads.max(1), lanes: lanes.all().iter().map(of).collect() }
    }

    /// Jobs that may run at a time: one more than there are threads where there is only one, so that a small file does
    /// not wait for a large one.
    pub fn jobs_max(lanes: &Lanes, threads: usize) -> usize {
        if lanes.top() > 0 { threads.max(2) } else { threads.max(1) }
    }

    /// What a job takes of the budget that wants this much: a larger one takes what is there beside one small job.
    pub fn share(&self, lane: usize, wanted_bytes: u64) -> u64 {
        let kept = if lane == 0 { 0 } else { self.kept_bytes() };
        wanted_bytes.clamp(1, (self.budget_bytes - kept).max(1))
    }

    /// The lane whose next job may start. `waiting` holds for each lane what its next job wants of the budget, if one
    /// waits.
    ///
    /// Of the larger lanes the largest comes first. Where its job does not fit yet, the smaller ones start none, so that
    /// it will; only the smallest goes on, with what is kept for it.
    pub fn next(&self, waiting: &[Option<u64>]) -> Option<usize> {
        let mut is_held = false;
        for lane in (1..self.lanes.len()).rev() {
            let Some(bytes) = waiting.get(lane).copied().flatten() else { continue };
            if !self.has_turn(lane) {
                continue;
            }
            if self.fits_above(lane, bytes) {
                return Some(lane);
            }
            is_held = true;
            break;
        }
        let small = waiting.first().copied().flatten()?;
        self.small_fits(small, is_held).then_some(0)
    }

    /// Notes that a job began with this share.
    pub fn begin(&mut self, lane: usize, share_bytes: u64) {
        if let Some(used) = self.lanes.get_mut(lane) {
            used.jobs += 1;
            used.bytes += share_bytes;
        }
    }

    /// Notes that it ended.
    pub fn end(&mut self, lane: usize, share_bytes: u64) {
        if let Some(used) = self.lanes.get_mut(lane) {
            used.jobs = used.jobs.saturating_sub(1);
            used.bytes = used.bytes.saturating_sub(share_bytes);
        }
    }

    /// Jobs that run.
    pub fn running(&self) -> usize {
        self.lanes.iter().map(|used| used.jobs).sum::<u64>() as usize
    }

    /// Memory of all jobs that run.
    pub fn used_bytes(&self) -> u64 {
        self.lanes.iter().map(|used| used.bytes).sum()
    }

    /// What larger jobs leave for the smallest lane.
    fn kept_bytes(&self) -> u64 {
        match self.lanes.as_slice() {
            [small, _, ..] if small.memory_bytes < self.budget_bytes => small.memory_bytes,
            _ => 0,
        }
    }

    /// Whether a lane runs fewer jobs than it says.
    fn has_turn(&self, lane: usize) -> bool {
        self.lanes[lane].jobs_max.is_none_or(|most| self.lanes[lane].jobs < most)
    }

    /// Whether a job of a larger lane may start: it leaves memory and a thread for a small one.
    fn fits_above(&self, lane: usize, wanted_bytes: u64) -> bool {
        let large_jobs: u64 = self.lanes[1..].iter().map(|used| used.jobs).sum();
        let large_bytes: u64 = self.lanes[1..].iter().map(|used| used.bytes).sum();
        let small_bytes = self.lanes[0].bytes.max(self.kept_bytes());
        let threads = self.threads.saturating_sub(1).max(1);
        (large_jobs as usize) < threads
            && self.running() < self.threads
            && large_bytes + small_bytes + self.share(lane, wanted_bytes) <= self.budget_bytes
    }

    /// Whether a job of the smallest lane may start. While a larger one waits for memory, one at a time.
    fn small_fits(&self, wanted_bytes: u64, is_held: bool) -> bool {
        // With one thread a small job runs beside a large one, and never beside another small one.
        let is_beside_large = self.running() < self.threads.max(2) && self.lanes[0].jobs == 0;
        let is_within = (self.running() < self.threads || is_beside_large) && self.has_turn(0);
        let fits = self.used_bytes() + self.share(0, wanted_bytes) <= self.budget_bytes;
        is_within && fits && (!is_held || self.lanes[0].jobs == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admission(budget: u64, threads: usize) -> Admission {
        Admission::new(&Lanes::of_job_memory(256).within(budget), budget, threads)
    }

    #[test]
    fn a_small_file_starts_while_large_ones_run_and_wait() {
        for threads in [1, 2, 8] {
            let mut admission = admission(1_100, threads);
            let waiting = [Some(64), Some(256), Some(1_024)];
            assert_eq!(admission.next(&waiting), Some(2), "{threads}");
            admission.begin(2, 1_024);
            assert_eq!(admission.next(&waiting), Some(0), "{threads}");
            admission.begin(0, 64);
            assert_eq!(admission.next(&waiting), None, "{threads}");
        }
    }

    #[test]
    fn with_one_thread_small_files_come_one_after_the_other() {
        let mut admission = admission(1_100, 1);
        admission.begin(0, 51);
        assert_eq!(admission.next(&[Some(51), None, None]), None);
        assert_eq!(admission.next(&[Some(51), None, Some(1_024)]), None, "nor does a large one start beside it");
        admission.end(0, 51);
        assert_eq!(admission.next(&[Some(51), None, Some(1_024)]), Some(2));
    }

    #[test]
    fn a_large_file_is_not_starved_by_smaller_ones() {
        let mut admission = admission(1_100, 8);
        (0..3).for_each(|_| admission.begin(1, 256));
        (0..4).for_each(|_| admission.begin(0, 64));
        let waiting = [Some(64), Some(256), Some(1_024)];
        assert_eq!(admission.next(&waiting), None, "what ends makes room for the large one");
        (0..4).for_each(|_| admission.end(0, 64));
        assert_eq!(admission.next(&waiting), Some(0), "one small job at a time goes on");
        (0..3).for_each(|_| admission.end(1, 256));
        assert_eq!(admission.next(&waiting), Some(2));
    }

    #[test]
    fn a_lane_runs_no_more_jobs_than_it_says() {
        let mut lanes = Lanes::of_job_memory(256).all().to_vec();
        lanes[1].jobs = Some(1);
        let mut admission = Admission::new(&Lanes::new(lanes, 256), 10_000, 8);
        admission.begin(1, 256);
        assert_eq!(admission.next(&[None, Some(256), None]), None);
        assert_eq!(admission.next(&[None, Some(256), Some(1_024)]), Some(2));
    }

    #[test]
    fn one_lane_is_a_plain_budget() {
        let lanes = Lanes::new(Vec::new(), 100);
        let mut admission = Admission::new(&lanes, 250, 2);
        assert_eq!(Admission::jobs_max(&lanes, 2), 2);
        assert_eq!(admission.next(&[Some(100)]), Some(0));
        admission.begin(0, 100);
        assert_eq!(admission.next(&[Some(200)]), None, "it would exceed the budget");
        admission.begin(0, 100);
        assert_eq!(admission.next(&[Some(10)]), None, "there is no thread");
    }

    proptest! {
        /// Whatever comes and goes: the sum stays within the budget, and every job gets its turn.
        #[test]
        fn the_sum_never_exceeds_the_budget_and_everything_ends(
            budget in 80_u64..4_000,
            threads in 1_usize..6,
            jobs in prop::collection::vec((0_usize..3, 1_u64..5_000), 1..80),
            order in prop::collection::vec(any::<prop::sample::Index>(), 1..400),
        ) {
            let lanes = Lanes::of_job_memory(256).within(budget);
            let mut admission = Admission::new(&lanes, budget, threads);
            let mut waiting: Vec<Vec<u64>> = vec![Vec::new(); lanes.all().len()];
            jobs.iter().for_each(|(lane, bytes)| waiting[(*lane).min(lanes.top())].push(*bytes));
            let mut running: Vec<(usize, u64)> = Vec::new();
            let mut ends = order.iter().cycle();
            loop {
                let heads: Vec<Option<u64>> = waiting.iter().map(|lane| lane.last().copied()).collect();
                if let Some(lane) = admission.next(&heads) {
                    let wanted = waiting[lane].pop().expect("a lane that has a job");
                    let share = admission.share(lane, wanted);
                    admission.begin(lane, share);
                    running.push((lane, share));
                    prop_assert!(admission.used_bytes() <= budget);
                    prop_assert!(running.len() <= Admission::jobs_max(&lanes, threads));
                    continue;
                }
                if running.is_empty() {
                    break;
                }
                let index = ends.next().expect("a cycle").index(running.len());
                let (lane, share) = running.swap_remove(index);
                admission.end(lane, share);
            }
            prop_assert!(waiting.iter().all(Vec::is_empty), "left waiting: {waiting:?}");
        }
    }
}
