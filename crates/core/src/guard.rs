//! The guard: leaves a source alone for a while when it fails again and again, or spends more than it may.
//!
//! A source whose bucket refuses every read, or whose SQL breaks on every file, must not cost many times what it costs
//! when it is well. Its events come back later; those of the other sources go on.

use std::collections::HashMap;

/// Failures in a row after which a source is left alone.
const FAILURES: u32 = 5;
/// How long it is left alone at first, doubled with each time that it fails again; microseconds.
const PAUSE_US: i64 = 30 * 1_000_000;
/// How long at most.
const PAUSE_MAX_US: i64 = 3_600 * 1_000_000;
const HOUR_US: i64 = 3_600 * 1_000_000;

/// Dollars for a gigabyte of memory for a second: AWS Lambda on arm64, us-east-1, list price
/// (<https://aws.amazon.com/lambda/pricing/>).
const DOLLARS_PER_GB_SECOND: f64 = 0.000_013_333_4;
/// Dollars for reading one object and putting one: Amazon S3 Standard, us-east-1, list price
/// (<https://aws.amazon.com/s3/pricing/>).
const DOLLARS_PER_GET: f64 = 0.000_000_4;
const DOLLARS_PER_PUT: f64 = 0.000_005;

/// What a source may spend in an hour, and how often it may fail in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Failures in a row.
    pub failures: u32,
    /// Jobs begun.
    pub attempts: Option<u64>,
    /// Stored bytes read.
    pub bytes: Option<u64>,
    /// Seconds of jobs.
    pub seconds: Option<u64>,
    /// Dollars, as [`Spent::dollars`] estimates them.
    pub dollars: Option<f64>,
}

impl Default for Budget {
    fn default() -> Self {
        Self { failures: FAILURES, attempts: None, bytes: None, seconds: None, dollars: None }
    }
}

/// What jobs cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spent {
    /// Jobs begun.
    pub attempts: u64,
    /// Stored bytes read.
    pub bytes: u64,
    /// Microseconds of jobs.
    pub us: u64,
    /// Files written.
    pub puts: u64,
    /// Memory that the jobs were given, times their time: byte-microseconds.
    pub memory_byte_us: f64,
}

impl Spent {
    /// An estimate of what this costs in AWS, at list prices and without what is free.
    pub fn dollars(&self) -> f64 {
        let gb_seconds = self.memory_byte_us / 1e6 / (1u64 << 30) as f64;
        gb_seconds * DOLLARS_PER_GB_SECOND + self.attempts as f64 * DOLLARS_PER_GET + self.puts as f64 * DOLLARS_PER_PUT
    }

    fn add(&mut self, other: &Self) {
        self.attempts += other.attempts;
        self.bytes += other.bytes;
        self.us += other.us;
        self.puts += other.puts;
        self.memory_byte_us += other.memory_byte_us;
    }

    fn exceeds(&self, budget: &Budget) -> Option<&'static str> {
        let over = |spent: u64, most: Option<u64>| most.is_some_and(|most| spent >= most);
        match () {
            () if over(self.attempts, budget.attempts) => Some("attempts"),
            () if over(self.bytes, budget.bytes) => Some("bytes"),
            () if over(self.us / 1_000_000, budget.seconds) => Some("seconds"),
            () if budget.dollars.is_some_and(|most| self.dollars() >= most) => Some("dollars"),
            () => None,
        }
    }
}

/// The guard of all sources.
#[derive(Debug, Default)]
pub struct Guard {
    sources: HashMap<String, State>,
}

/// Why and how long a source is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Microseconds from now.
    pub us: i64,
    /// What it is about: `failures`, or the part of the budget that is spent.
    pub cause: &'static str,
    /// Whether it begins here: so that it is told once.
    pub begins: bool,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Times that it was left alone since it last went well.
    pauses: u32,
    closed_until_us: i64,
    is_probing: bool,
    hour: i64,
    spent: Spent,
    /// Whether it was told that this hour's budget is spent.
    is_spent_told: bool,
}

impl Guard {
    /// Whether a source is to be left alone at `now_us` (microseconds since 1970 in UTC). After a pause one caller is let
    /// through to try, and the others wait for what becomes of it.
    pub fn check(&mut self, source: &str, budget: &Budget, now_us: i64) -> Option<Pause> {
        let state = self.sources.entry(source.to_owned()).or_default();
        state.turn_hour(now_us);
        if let Some(cause) = state.spent.exceeds(budget) {
            let begins = !std::mem::replace(&mut state.is_spent_told, true);
            return Some(Pause { us: HOUR_US - now_us.rem_euclid(HOUR_US), cause, begins });
        }
        if now_us < state.closed_until_us {
            return Some(Pause { us: state.closed_until_us - now_us, cause: "failures", begins: false });
        }
        if state.pauses == 0 {
            return None;
        }
        if std::mem::replace(&mut state.is_probing, true) {
            return Some(Pause { us: PAUSE_US, cause: "failures", begins: false });
        }
        None
    }

    /// Notes what a job cost, and whether it was the source's fault that it failed. A pause that begins is returned.
    pub fn note(
        &mut self,
        source: &str,
        budget: &Budget,
        spent: &Spent,
        has_failed: bool,
        now_us: i64,
    ) -> Option<Pause> {
        let state = self.sources.entry(source.to_owned()).or_default();
        state.turn_hour(now_us);
        state.spent.add(spent);
        let was_probing = std::mem::take(&mut state.is_probing);
        if !has_failed {
            (state.failures, state.pauses) = (0, 0);
            return None;
        }
        state.failures += 1;
        let is_closed = now_us < state.closed_until_us;
        if is_closed || (state.failures < budget.failures.max(1) && !was_probing) {
            return None;
        }
        let us = PAUSE_US.saturating_mul(1 << state.pauses.min(16)).min(PAUSE_MAX_US);
        state.pauses += 1;
        state.closed_until_us = now_us + us;
        Some(Pause { us, cause: "failures", begins: true })
    }
}

impl State {
    fn turn_hour(&mut self, now_us: i64) {
        let hour = now_us.div_euclid(HOUR_US);
        if self.hour != hour {
            self.hour = hour;
            self.spent = Spent::default();
            self.is_spent_told = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000;
    const SECOND: i64 = 1_000_000;

    fn fail(guard: &mut Guard, now_us: i64) -> Option<Pause> {
        guard.note("s", &Budget::default(), &Spent::default(), true, now_us)
    }

    #[test]
    fn failures_in_a_row_close_a_source_and_one_success_opens_it() {
        let mut guard = Guard::default();
        let budget = Budget::default();
        for _ in 1..FAILURES {
            assert_eq!(fail(&mut guard, NOW), None);
        }
        assert_eq!(fail(&mut guard, NOW), Some(Pause { us: PAUSE_US, cause: "failures", begins: true }));
        assert_eq!(guard.check("s", &budget, NOW + SECOND).map(|pause| pause.us), Some(PAUSE_US - SECOND));
        assert_eq!(guard.check("other", &budget, NOW), None);
        // One is let through to try.
        let later = NOW + PAUSE_US;
        assert_eq!(guard.check("s", &budget, later), None);
        assert!(guard.check("s", &budget, later).is_some());
        assert_eq!(fail(&mut guard, later).map(|pause| pause.us), Some(2 * PAUSE_US));
        let later = later + 2 * PAUSE_US;
        assert_eq!(guard.check("s", &budget, later), None);
        guard.note("s", &budget, &Spent::default(), false, later);
        assert_eq!(guard.check("s", &budget, later), None);
        assert_eq!(guard.check("s", &budget, later), None);
    }

    #[test]
    fn a_broken_source_costs_a_few_dozen_attempts_a_day() {
        let (mut guard, mut attempts) = (Guard::default(), 0);
        for second in 0..86_400 {
            let now = NOW + second * SECOND;
            if guard.check("s", &Budget::default(), now).is_none() {
                attempts += 1;
                fail(&mut guard, now);
            }
        }
        assert!((20..60).contains(&attempts), "{attempts}");
    }

    #[test]
    fn a_budget_holds_until_the_hour_is_over() {
        let mut guard = Guard::default();
        let budget = Budget { bytes: Some(100), ..Budget::default() };
        let spent = Spent { bytes: 60, attempts: 1, ..Spent::default() };
        assert_eq!(guard.check("s", &budget, NOW), None);
        guard.note("s", &budget, &spent, false, NOW);
        assert_eq!(guard.check("s", &budget, NOW), None);
        guard.note("s", &budget, &spent, false, NOW);
        let pause = guard.check("s", &budget, NOW).expect("a pause");
        assert_eq!((pause.cause, pause.begins), ("bytes", true));
        // It is told once in the hour.
        assert_eq!(guard.check("s", &budget, NOW).map(|pause| pause.begins), Some(false));
        assert_eq!(guard.check("s", &budget, NOW + pause.us), None);
    }

    #[test]
    fn money_is_estimated_from_memory_time_and_requests() {
        let hour_of_a_gb = Spent { memory_byte_us: (1u64 << 30) as f64 * HOUR_US as f64, ..Spent::default() };
        assert!((hour_of_a_gb.dollars() - 0.048).abs() < 0.001);
        let requests = Spent { attempts: 1_000_000, puts: 1_000_000, ..Spent::default() };
        assert!((requests.dollars() - 5.4).abs() < 1e-9);
    }
}
