//! A day of files through the planner, on paper: when they arrive, which lane each goes to, what waits, what is promoted,
//! and what it costs beside functions of one size.
//!
//! The planner is the real one and learns as it goes. What a job truly takes is drawn for each source and file and is
//! not told to it. Time is virtual, and everything follows from the seed.

mod draw;
mod queueing;

use crate::lane::{Lanes, function_mb};
use crate::predict::{Basis, FileSize, History, Sample, Work};
use crate::price::{PriceList, Used};
use crate::sizing::{Fixed, FixedSizes, Need, time_us, used};

pub use draw::Sizes;
use draw::{Dice, SourceTruth};
use queueing::Queueing;

/// What a day is made of.
#[derive(Debug, Clone)]
pub struct Day {
    /// Files in the day.
    pub files: u64,
    /// How their sizes are spread.
    pub sizes: Sizes,
    /// The busiest moment's rate by the quietest one's.
    pub swing: f64,
    /// Sources; a few of them send most files.
    pub sources: usize,
    /// Time that a job waits for stores, in microseconds.
    pub wait_us: u64,
    /// Functions of each lane that may run at a time.
    pub concurrency_max: usize,
    /// What everything follows from.
    pub seed: u64,
}

/// What became of a day.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// By lane, from small to large.
    pub lanes: Vec<LaneDay>,
    /// Files that were too large for the largest lane.
    pub too_large: u64,
    /// Jobs that were promoted at least once.
    pub promoted: u64,
    /// Jobs whose prediction held what they took.
    pub held: u64,
    /// Predicted bytes over all jobs, and what they took.
    pub predicted_bytes: f64,
    /// See above.
    pub taken_bytes: f64,
    /// Stored bytes of all files.
    pub stored_bytes: u64,
    /// What all lanes used.
    pub used: Used,
    /// The cheapest single size, by its price on arm64; `None` without files.
    pub fixed: Option<Fixed>,
    /// Jobs predicted by the model alone.
    pub by_model: u64,
}

/// One lane's day.
#[derive(Debug, Clone)]
pub struct LaneDay {
    /// Its name.
    pub name: String,
    /// Its function, in MB.
    pub function_mb: u64,
    /// Jobs that began in it.
    pub jobs: u64,
    /// Of these, those that were too large for it.
    pub promoted: u64,
    /// What they used.
    pub used: Used,
    /// Most functions at a time.
    pub concurrency_peak: usize,
    /// Functions at a time over the day.
    pub concurrency_mean: f64,
    /// Files that waited for a function.
    pub queued: u64,
    /// The longest of these waits, in microseconds.
    pub queued_us_max: u64,
}

/// Stored bytes of a file from which on the planner looks at it, as the worker does.
const LOOK_BYTES_MIN: u64 = 1 << 20;
/// A job that sorts gets along with this much memory: it spills.
const SPILLING_BYTES: u64 = 48 << 20;
/// How much longer it then takes.
const SPILLING_SLOWDOWN: f64 = 1.4;
/// Files that a job's output is written to.
const PUTS: u64 = 1;

/// Lets a day pass.
pub fn simulate(day: &Day, lanes: &Lanes, prices: &PriceList) -> Outcome {
    let mut dice = Dice::new(day.seed);
    let sources: Vec<SourceTruth> = (0..day.sources.max(1)).map(|index| SourceTruth::draw(index, &mut dice)).collect();
    let mut lane_days: Vec<LaneDay> = lanes.all().iter().map(LaneDay::of).collect();
    let mut queueing: Vec<Queueing> = lanes.all().iter().map(|_| Queueing::new(day.concurrency_max)).collect();
    let mut outcome = Outcome::empty();
    let mut history = History::default();
    let mut fixed = FixedSizes::default();
    for arrival_us in draw::arrivals(day.files, day.swing, &mut dice) {
        let source = &sources[draw::popular(sources.len(), &mut dice)];
        let file = source.file(day.sizes, &mut dice);
        let looked = (file.stored_bytes >= LOOK_BYTES_MIN).then_some(file.decoded_bytes);
        let size = FileSize { stored_bytes: file.stored_bytes, decoded_bytes: looked };
        let prediction = history.predict(&source.name, source.work, size);
        let need = need(source.work, &file, day.wait_us);
        outcome.note(&prediction, &file);
        fixed.add(&need);
        let mut run = Run { need, file: &file, at_us: arrival_us, is_spilling: source.work == Work::Spilling };
        let first = lanes.for_memory(prediction.memory_bytes);
        let ended = run.through(lanes, first, &mut lane_days, &mut queueing);
        outcome.promoted += u64::from(ended != Some(first));
        outcome.too_large += u64::from(ended.is_none());
        if ended.is_some() {
            history.note(&source.name, file.sample(need.compute_us + need.wait_us));
        }
    }
    for (lane, queueing) in lane_days.iter_mut().zip(queueing) {
        queueing.tell(lane);
        outcome.used.add(&lane.used);
    }
    outcome.fixed = fixed.best(prices, prices.arm);
    outcome.lanes = lane_days;
    outcome
}

/// A file, and what its job truly takes.
#[derive(Debug, Clone, Copy)]
struct File {
    stored_bytes: u64,
    decoded_bytes: u64,
    memory_bytes: u64,
    compute_us: u64,
}

impl File {
    fn sample(&self, time_us: u64) -> Sample {
        let Self { stored_bytes, decoded_bytes, memory_bytes, .. } = *self;
        Sample { stored_bytes, decoded_bytes, memory_bytes, time_us }
    }
}

/// What a job needs to come to its end at all.
fn need(work: Work, file: &File, wait_us: u64) -> Need {
    let least = if work == Work::Spilling { file.memory_bytes.min(SPILLING_BYTES) } else { file.memory_bytes };
    Need { memory_bytes: least, compute_us: file.compute_us, wait_us, puts: PUTS }
}

/// One job on its way through the lanes.
struct Run<'a> {
    need: Need,
    file: &'a File,
    at_us: u64,
    is_spilling: bool,
}

impl Run<'_> {
    /// Runs it from the lane at a position on; gives the position where it ended, or nothing if none holds it.
    fn through(&mut self, lanes: &Lanes, first: usize, days: &mut [LaneDay], queues: &mut [Queueing]) -> Option<usize> {
        let mut position = first;
        loop {
            let lane = lanes.at(position);
            let fits = self.need.memory_bytes <= lane.memory_bytes;
            let tried = self.tried(lane.memory_bytes, fits);
            let day = &mut days[position];
            day.jobs += 1;
            day.used.add(&used(&tried, day.function_mb));
            self.at_us = queues[position].run(self.at_us, time_us(&tried, day.function_mb));
            if fits {
                return Some(position);
            }
            day.promoted += 1;
            let above = lanes.above(position)?;
            position = lanes.for_memory(self.need.memory_bytes).max(above);
        }
    }

    /// What a try takes in a lane: all of the job, or what it did before its memory was full.
    fn tried(&self, memory_bytes: u64, fits: bool) -> Need {
        let part = match fits {
            true if self.is_spilling && self.file.memory_bytes > memory_bytes => SPILLING_SLOWDOWN,
            true => 1.0,
            false => memory_bytes as f64 / self.need.memory_bytes as f64,
        };
        let puts = if fits { self.need.puts } else { 0 };
        Need { compute_us: (self.need.compute_us as f64 * part) as u64, puts, ..self.need }
    }
}

impl LaneDay {
    fn of(lane: &crate::lane::Lane) -> Self {
        Self {
            name: lane.name.clone(),
            function_mb: function_mb(lane.memory_bytes).unwrap_or(crate::lane::FUNCTION_MB_MAX),
            jobs: 0,
            promoted: 0,
            used: Used::default(),
            concurrency_peak: 0,
            concurrency_mean: 0.0,
            queued: 0,
            queued_us_max: 0,
        }
    }
}

impl Outcome {
    fn empty() -> Self {
        Self {
            lanes: Vec::new(),
            too_large: 0,
            promoted: 0,
            held: 0,
            predicted_bytes: 0.0,
            taken_bytes: 0.0,
            stored_bytes: 0,
            used: Used::default(),
            fixed: None,
            by_model: 0,
        }
    }

    fn note(&mut self, prediction: &crate::predict::Prediction, file: &File) {
        self.held += u64::from(prediction.memory_bytes >= file.memory_bytes);
        self.predicted_bytes += prediction.memory_bytes as f64;
        self.taken_bytes += file.memory_bytes as f64;
        self.stored_bytes += file.stored_bytes;
        self.by_model += u64::from(prediction.basis == Basis::Model);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::Lane;

    fn day(files: u64, seed: u64) -> Day {
        let sizes = Sizes::Talk;
        Day { files, sizes, swing: 33.0, sources: 50, wait_us: 130_000, concurrency_max: 1_000, seed }
    }

    fn lanes() -> Lanes {
        let lane = |name: &str, mib: u64| Lane::new(name, mib << 20);
        Lanes::new(vec![lane("small", 51), lane("medium", 358), lane("large", 1_360), lane("huge", 8_100)], 0)
    }

    #[test]
    fn a_day_in_lanes_uses_less_than_one_size_does_and_promotes_few() {
        let prices = PriceList::aws().expect("prices");
        for seed in 1..=3 {
            let outcome = simulate(&day(20_000, seed), &lanes(), &prices);
            let fixed = outcome.fixed.expect("a size");
            assert!(outcome.used.gb_seconds * 1.1 < fixed.used.gb_seconds, "{seed}: {:?} {fixed:?}", outcome.used);
            assert!(outcome.promoted * 100 < 20_000, "{seed}: {} promoted", outcome.promoted);
            let jobs: u64 = outcome.lanes.iter().map(|lane| lane.jobs - lane.promoted).sum();
            assert_eq!(jobs + outcome.too_large, 20_000);
        }
    }

    #[test]
    fn everything_follows_from_the_seed() {
        let prices = PriceList::aws().expect("prices");
        let told = |seed| format!("{:?}", simulate(&day(500, seed), &lanes(), &prices));
        assert_eq!(told(1), told(1));
        assert_ne!(told(1), told(2));
    }

    #[test]
    fn files_wait_where_there_are_too_few_functions() {
        let prices = PriceList::aws().expect("prices");
        let narrow = Day { concurrency_max: 1, ..day(20_000, 1) };
        let outcome = simulate(&narrow, &lanes(), &prices);
        assert!(outcome.lanes.iter().all(|lane| lane.concurrency_peak <= 1));
        assert!(outcome.lanes.iter().any(|lane| lane.queued > 0 && lane.queued_us_max > 0));
        let wide = simulate(&day(20_000, 1), &lanes(), &prices);
        assert_eq!(wide.lanes.iter().map(|lane| lane.queued).sum::<u64>(), 0);
    }

    #[test]
    fn a_job_that_no_lane_holds_is_told() {
        let prices = PriceList::aws().expect("prices");
        let tiny = Lanes::new(vec![Lane::new("tiny", 8 << 20)], 0);
        let outcome = simulate(&day(1_000, 1), &tiny, &prices);
        assert!(outcome.too_large > 0 && outcome.too_large == outcome.promoted, "{outcome:?}");
    }
}
