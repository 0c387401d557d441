//! Sizing: what jobs would use in functions of one size or of several, reckoned from what each of them needs.
//!
//! Lambda gives processor time in proportion to memory, so a job that computes takes longer in a small function and uses
//! no fewer GB-seconds there; a job that waits does. Above one whole processor a job of one thread pays for others.

use crate::lane::{FUNCTION_MB_MAX, FUNCTION_MB_MIN, function_mb};
use crate::price::{FunctionPrice, PriceList, Used};

/// Memory that comes with one whole processor, MB (<https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>).
pub const MB_PER_PROCESSOR: u64 = 1_769;

/// What one job needs, wherever it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Peak of its memory.
    pub memory_bytes: u64,
    /// Time that it computes on one whole processor, in microseconds.
    pub compute_us: u64,
    /// Time that it waits for stores, in microseconds.
    pub wait_us: u64,
    /// Files that it writes, those that it shares with others in part.
    pub puts: u64,
}

/// Time that a job takes in a function of this size, in microseconds.
pub fn time_us(need: &Need, mb: u64) -> u64 {
    let slowdown = (MB_PER_PROCESSOR as f64 / mb.max(1) as f64).max(1.0);
    need.wait_us + (need.compute_us as f64 * slowdown) as u64
}

/// What a job uses in a function of this size, one job for each call.
pub fn used(need: &Need, mb: u64) -> Used {
    let seconds = time_us(need, mb) as f64 / 1e6;
    // A message is sent, received and deleted.
    Used { gb_seconds: seconds * mb as f64 / 1_024.0, calls: 1, gets: 1, puts: need.puts, queue_calls: 3 }
}

/// A day in functions of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fixed {
    /// The size.
    pub mb: u64,
    /// What all jobs use together.
    pub used: Used,
    /// Dollars for it.
    pub dollars: f64,
}

/// Sizes that are tried: powers of two, one whole processor, and the largest.
const SIZES_MB: [u64; 13] = [
    FUNCTION_MB_MIN,
    256,
    512,
    768,
    1_024,
    1_536,
    MB_PER_PROCESSOR,
    2_048,
    3_008,
    4_096,
    6_144,
    8_192,
    FUNCTION_MB_MAX,
];

/// Jobs in functions of one size: what each size would use, added up as the jobs come by.
#[derive(Debug, Clone)]
pub struct FixedSizes {
    used: Vec<Used>,
    /// The smallest function that holds every job so far.
    needed_mb: u64,
    /// Jobs that no function holds.
    too_large: u64,
}

impl Default for FixedSizes {
    fn default() -> Self {
        Self { used: vec![Used::default(); SIZES_MB.len()], needed_mb: 0, too_large: 0 }
    }
}

impl FixedSizes {
    /// Adds a job.
    pub fn add(&mut self, need: &Need) {
        match function_mb(need.memory_bytes) {
            Some(mb) => self.needed_mb = self.needed_mb.max(mb),
            None => self.too_large += 1,
        }
        for (used_mb, total) in SIZES_MB.iter().zip(&mut self.used) {
            total.add(&used(need, *used_mb));
        }
    }

    /// Jobs that no function holds: they are left out of what the best size has to hold.
    pub fn too_large(&self) -> u64 {
        self.too_large
    }

    /// The cheapest size in which no job runs out of memory; `None` without jobs.
    pub fn best(&self, prices: &PriceList, function: FunctionPrice) -> Option<Fixed> {
        let sizes = SIZES_MB.iter().zip(&self.used).filter(|(mb, _)| **mb >= self.needed_mb);
        let fixed = sizes.map(|(mb, used)| Fixed { mb: *mb, used: *used, dollars: prices.dollars(function, used) });
        fixed.filter(|fixed| fixed.used.calls > 0).min_by(|a, b| a.dollars.total_cmp(&b.dollars))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn need(memory_bytes: u64, compute_us: u64, wait_us: u64) -> Need {
        Need { memory_bytes, compute_us, wait_us, puts: 1 }
    }

    #[test]
    fn computing_uses_the_same_in_every_function_up_to_a_processor_and_waiting_does_not() {
        let more = |need: &Need, mb, than_mb| used(need, mb).gb_seconds / used(need, than_mb).gb_seconds;
        let is = |ratio: f64, expected: f64| assert!((ratio - expected).abs() < 1e-5, "{ratio} {expected}");
        let computes = need(MIB, 1_000_000, 0);
        is(more(&computes, 128, MB_PER_PROCESSOR), 1.0);
        is(more(&computes, 2 * MB_PER_PROCESSOR, MB_PER_PROCESSOR), 2.0);
        let waits = need(MIB, 0, 1_000_000);
        is(more(&waits, 1_024, 128), 8.0);
    }

    #[test]
    fn one_size_has_to_hold_the_largest_job() {
        let prices = PriceList::aws().expect("prices");
        let mut sizes = FixedSizes::default();
        assert_eq!(sizes.best(&prices, prices.arm), None);
        (0..100).for_each(|_| sizes.add(&need(10 * MIB, 1_000, 50_000)));
        assert_eq!(sizes.best(&prices, prices.arm).expect("best").mb, 128);
        sizes.add(&need(2_000 * MIB, 1_000_000, 50_000));
        let best = sizes.best(&prices, prices.arm).expect("best");
        assert_eq!((best.mb, best.used.calls, sizes.too_large()), (3_008, 101, 0));
        sizes.add(&need(20_000 * MIB, 1_000_000, 50_000));
        assert_eq!((sizes.best(&prices, prices.arm).expect("best").mb, sizes.too_large()), (3_008, 1));
    }
}
