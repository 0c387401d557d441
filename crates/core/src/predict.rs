//! Predicting what a job will take before it starts: memory, time and disk.
//!
//! A model says how memory grows with the decompressed bytes of a file under a kind of SQL. What a source's earlier jobs
//! took corrects it: each is compared with what the model says of it, and a high quantile of those ratios is what the next
//! prediction is multiplied by. A source that has run too seldom keeps the model as its floor.

use std::collections::{HashMap, VecDeque};

use serde::{Deserialize, Serialize};

/// How the memory of a source's SQL grows with its file. The order is that of growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Rows pass through; memory does not depend on the file once it has some size.
    Streaming,
    /// One key of each row or group is kept, as by `qualify row_number()` and aggregates.
    Keys,
    /// Rows are kept and go to disk when memory is short, as in sorts.
    Spilling,
    /// Rows are kept, whatever memory there is, as by window functions and the build side of joins.
    Holding,
    /// An engine in a library holds the file, and takes memory before the first row, of which receipts do not tell.
    Outside,
}

impl Work {
    /// The name as it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Streaming => "streaming",
            Self::Keys => "keys",
            Self::Spilling => "spilling",
            Self::Holding => "holding",
            Self::Outside => "outside",
        }
    }

    /// Bytes kept for each decompressed byte. Measured on CloudTrail, VPC flow and NDJSON: `docs/guide/resources.md`.
    fn kept_share(self) -> f64 {
        match self {
            Self::Streaming => 0.0,
            Self::Keys => 0.1,
            Self::Spilling => 0.6,
            Self::Holding | Self::Outside => 0.9,
        }
    }

    /// Bytes for an empty file.
    fn base_bytes(self) -> f64 {
        match self {
            Self::Outside => OUTSIDE_BYTES,
            _ => BASE_BYTES,
        }
    }
}

/// What is known of a file before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSize {
    /// Stored bytes.
    pub stored_bytes: u64,
    /// Decompressed bytes, where the file tells or a sample of it was looked at.
    pub decoded_bytes: Option<u64>,
}

/// What a job is expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prediction {
    /// Peak of its memory.
    pub memory_bytes: u64,
    /// From its first step to its pending commit, in microseconds.
    pub time_us: u64,
    /// What it writes to the temporary folder.
    pub disk_bytes: u64,
    /// Decompressed bytes of its file.
    pub decoded_bytes: u64,
    /// Where the numbers come from.
    pub basis: Basis,
}

/// Where a prediction comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The model alone: the source has run too seldom.
    Model,
    /// The model, corrected by all jobs of the source.
    Source,
    /// The model, corrected by those jobs of the source whose files were about as large.
    Size,
}

impl Basis {
    /// The name as receipts keep it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Source => "source",
            Self::Size => "size",
        }
    }
}

/// What one job took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Stored bytes of its file.
    pub stored_bytes: u64,
    /// Decompressed bytes.
    pub decoded_bytes: u64,
    /// Peak of its memory.
    pub memory_bytes: u64,
    /// Its time, in microseconds.
    pub time_us: u64,
}

/// Jobs of a source that are remembered.
const SAMPLES_MAX: usize = 256;
/// Jobs that a correction needs: with fewer, one odd file would decide.
const SAMPLES_MIN: usize = 8;
/// Sources that are remembered; past it a source that is not known yet keeps the model.
const SOURCES_MAX: usize = 10_000;
/// Files within this factor of each other are about as large.
const NEAR_FACTOR: f64 = 2.0;
/// The part of the jobs that should fit what is predicted, before the margin.
const MEMORY_QUANTILE: f64 = 0.95;
/// What is added to the quantile: the next file is none of those seen.
const MEMORY_MARGIN: f64 = 1.2;
/// The quantile of decompressed to stored bytes that is expected of a file that does not tell.
const EXPANSION_QUANTILE: f64 = 0.9;
/// The same for a source without history: what text in gzip comes to, at most times.
const EXPANSION: f64 = 12.0;
/// Corrections beyond these bounds say that the model is wrong or the sample is, and are not believed.
const RATIO_BOUNDS: (f64, f64) = (1.0 / 32.0, 16.0);

/// Memory of a job on an empty file: session, plans, a decoder's buffers.
const BASE_BYTES: f64 = 5.0 * MIB;
/// The same where an engine in a library does the work: an assumption, so that no such job begins in the smallest lane.
const OUTSIDE_BYTES: f64 = 128.0 * MIB;
/// Decompressed bytes from which on a streaming job's memory does not grow: row groups are full and batches are as large
/// as they get.
const STREAM_GROWTH_BYTES: f64 = 20.0 * MIB;
/// Bytes held for each decompressed byte until then: rows that wait to share a file, and open row groups.
const STREAM_SHARE: f64 = 1.2;
/// Microseconds of a job on an empty file.
const BASE_US: f64 = 5_000.0;
/// Bytes in a microsecond from a store, and through decoder, SQL and encoder (`docs/reference/benchmarks.md`).
const FETCH_BYTES_PER_US: f64 = 80.0;
const WORK_BYTES_PER_US: f64 = 150.0;
/// A job's outputs lie in memory up to this size, then in the temporary folder.
const SPOOL_BYTES: f64 = 4.0 * MIB;
/// Bytes of Parquet for each decompressed byte, at most times.
const OUTPUT_SHARE: f64 = 0.12;
const MIB: f64 = (1u64 << 20) as f64;

/// Memory that the model expects of a job.
fn model_memory(work: Work, decoded_bytes: f64) -> f64 {
    work.base_bytes() + STREAM_SHARE * decoded_bytes.min(STREAM_GROWTH_BYTES) + work.kept_share() * decoded_bytes
}

/// Microseconds that the model expects of a job.
fn model_time(stored_bytes: f64, decoded_bytes: f64) -> f64 {
    BASE_US + stored_bytes / FETCH_BYTES_PER_US + decoded_bytes / WORK_BYTES_PER_US
}

/// Bytes in the temporary folder that the model expects of a job whose memory is not short.
fn model_disk(work: Work, decoded_bytes: f64) -> f64 {
    let output = OUTPUT_SHARE * decoded_bytes;
    let spilled = if work == Work::Spilling { work.kept_share() * decoded_bytes } else { 0.0 };
    spilled + if output > SPOOL_BYTES { output } else { 0.0 }
}

/// What the jobs of each source took, the newest last.
#[derive(Debug, Clone, Default)]
pub struct History {
    sources: HashMap<String, VecDeque<Sample>>,
}

impl History {
    /// Remembers what a job took.
    pub fn note(&mut self, source: &str, sample: Sample) {
        if !self.sources.contains_key(source) && self.sources.len() >= SOURCES_MAX {
            return;
        }
        let samples = self.sources.entry(source.to_owned()).or_default();
        if samples.len() >= SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// Jobs of a source that are remembered.
    pub fn count(&self, source: &str) -> usize {
        self.sources.get(source).map_or(0, VecDeque::len)
    }

    /// What a job of a source will take.
    pub fn predict(&self, source: &str, work: Work, file: FileSize) -> Prediction {
        let none = VecDeque::new();
        // Receipts tell what millpond itself took, and that is not what such a job needs.
        let known = self.sources.get(source).filter(|_| work != Work::Outside);
        let samples = known.unwrap_or(&none);
        let decoded = file.decoded_bytes.map_or_else(|| file.stored_bytes as f64 * expansion(samples), |n| n as f64);
        let is_near = |sample: &&Sample| {
            let (low, high) = (decoded / NEAR_FACTOR, decoded * NEAR_FACTOR);
            (low..=high).contains(&(sample.decoded_bytes as f64))
        };
        let near: Vec<&Sample> = samples.iter().filter(is_near).collect();
        let all: Vec<&Sample> = samples.iter().collect();
        let (chosen, basis) = match (near.len() >= SAMPLES_MIN, all.len() >= SAMPLES_MIN) {
            (true, _) => (near, Basis::Size),
            (false, true) => (all, Basis::Source),
            (false, false) => (all, Basis::Model),
        };
        let memory = memory_correction(&chosen, work, basis);
        let time = time_correction(&chosen, basis);
        Prediction {
            memory_bytes: (model_memory(work, decoded) * memory) as u64,
            time_us: (model_time(file.stored_bytes as f64, decoded) * time) as u64,
            disk_bytes: model_disk(work, decoded) as u64,
            decoded_bytes: decoded as u64,
            basis,
        }
    }
}

/// Decompressed bytes for each stored byte.
fn expansion(samples: &VecDeque<Sample>) -> f64 {
    let ratios = samples.iter().filter(|sample| sample.stored_bytes > 0);
    let ratios = ratios.map(|sample| sample.decoded_bytes as f64 / sample.stored_bytes as f64).collect::<Vec<_>>();
    if ratios.len() < SAMPLES_MIN {
        return ratios.iter().copied().fold(EXPANSION, f64::max);
    }
    quantile(ratios, EXPANSION_QUANTILE).unwrap_or(EXPANSION).max(1.0)
}

/// What the model's memory is multiplied by. Few jobs can only raise it: the model is a new source's floor.
fn memory_correction(samples: &[&Sample], work: Work, basis: Basis) -> f64 {
    let ratio = |sample: &&Sample| sample.memory_bytes as f64 / model_memory(work, sample.decoded_bytes as f64);
    let ratios = samples.iter().filter(|sample| sample.memory_bytes > 0).map(ratio).collect();
    let correction = quantile(ratios, MEMORY_QUANTILE).map_or(1.0, |ratio| ratio * MEMORY_MARGIN);
    let floor = if basis == Basis::Model { 1.0 } else { RATIO_BOUNDS.0 };
    correction.clamp(floor, RATIO_BOUNDS.1)
}

/// What the model's time is multiplied by: the middle, because nothing breaks when a job takes longer.
fn time_correction(samples: &[&Sample], basis: Basis) -> f64 {
    if basis == Basis::Model {
        return 1.0;
    }
    let ratio =
        |sample: &&Sample| sample.time_us as f64 / model_time(sample.stored_bytes as f64, sample.decoded_bytes as f64);
    quantile(samples.iter().map(ratio).collect(), 0.5).unwrap_or(1.0).clamp(RATIO_BOUNDS.0, RATIO_BOUNDS.1)
}

/// The smallest value that this part of all values does not exceed.
pub fn quantile(mut values: Vec<f64>, part: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let position = (values.len() as f64 * part).ceil() as usize;
    values.get(position.saturating_sub(1).min(values.len().saturating_sub(1))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: FileSize = FileSize { stored_bytes: 1 << 20, decoded_bytes: Some(10 << 20) };

    fn sample(decoded_bytes: u64, memory_bytes: u64) -> Sample {
        Sample { stored_bytes: decoded_bytes / 10, decoded_bytes, memory_bytes, time_us: 100_000 }
    }

    #[test]
    fn memory_grows_with_the_file_unless_the_sql_streams() {
        let history = History::default();
        let memory = |work, mib: u64| {
            let file = FileSize { stored_bytes: mib << 17, decoded_bytes: Some(mib << 20) };
            history.predict("s", work, file).memory_bytes >> 20
        };
        assert_eq!(memory(Work::Streaming, 100), memory(Work::Streaming, 10_000));
        assert!(memory(Work::Streaming, 1) < memory(Work::Streaming, 100));
        let growth: Vec<u64> =
            [Work::Keys, Work::Spilling, Work::Holding].map(|work| memory(work, 10_000) / memory(work, 1_000)).into();
        assert!(growth.iter().all(|growth| (5..=10).contains(growth)), "{growth:?}");
        assert!(Work::Streaming < Work::Keys && Work::Spilling < Work::Holding);
    }

    #[test]
    fn few_jobs_raise_a_prediction_and_never_lower_it() {
        let mut history = History::default();
        let model = history.predict("s", Work::Streaming, SIZE);
        assert_eq!(model.basis, Basis::Model);
        (0..SAMPLES_MIN - 1).for_each(|_| history.note("s", sample(10 << 20, 1 << 20)));
        assert_eq!(history.predict("s", Work::Streaming, SIZE).memory_bytes, model.memory_bytes);
        history.note("s", sample(100 << 20, 1 << 20));
        assert!(history.predict("s", Work::Streaming, SIZE).memory_bytes < model.memory_bytes / 2);
        let mut heavy = History::default();
        heavy.note("s", sample(10 << 20, 80 << 20));
        assert!(heavy.predict("s", Work::Streaming, SIZE).memory_bytes >= 80 << 20);
    }

    #[test]
    fn jobs_on_files_of_the_same_size_count_before_others() {
        let mut history = History::default();
        (0..100).for_each(|_| history.note("s", sample(1 << 20, 1 << 20)));
        (0..SAMPLES_MIN).for_each(|_| history.note("s", sample(10 << 20, 40 << 20)));
        let near = history.predict("s", Work::Streaming, SIZE);
        assert_eq!((near.basis, near.memory_bytes.div_ceil(1 << 20)), (Basis::Size, 48));
        let far = FileSize { stored_bytes: 100 << 20, decoded_bytes: Some(1 << 30) };
        assert_eq!(history.predict("s", Work::Streaming, far).basis, Basis::Source);
        assert_eq!(history.predict("other", Work::Streaming, SIZE).basis, Basis::Model);
    }

    #[test]
    fn one_odd_job_among_many_decides_nothing() {
        let mut history = History::default();
        (0..99).for_each(|_| history.note("s", sample(10 << 20, 4 << 20)));
        let before = history.predict("s", Work::Streaming, SIZE);
        history.note("s", sample(10 << 20, 1 << 30));
        assert_eq!(history.predict("s", Work::Streaming, SIZE), before);
    }

    #[test]
    fn a_file_that_does_not_tell_its_size_expands_as_the_others_did() {
        let silent = FileSize { stored_bytes: 1 << 20, decoded_bytes: None };
        let mut history = History::default();
        assert_eq!(history.predict("s", Work::Keys, silent).decoded_bytes, 12 << 20);
        (0..SAMPLES_MIN).for_each(|_| history.note("s", sample(40 << 20, 4 << 20)));
        assert_eq!(history.predict("s", Work::Keys, silent).decoded_bytes, 10 << 20);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut history = History::default();
        (0..2 * SAMPLES_MAX).for_each(|_| history.note("s", sample(1, 1)));
        assert_eq!(history.count("s"), SAMPLES_MAX);
        (0..2 * SOURCES_MAX).for_each(|n| history.note(&n.to_string(), sample(1, 1)));
        assert_eq!(history.sources.len(), SOURCES_MAX);
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = || (1..=100).rev().map(f64::from).collect::<Vec<_>>();
        let found = [0.0, 0.5, 0.95, 1.0].map(|part| quantile(values(), part));
        assert_eq!(found, [Some(1.0), Some(50.0), Some(95.0), Some(100.0)]);
        assert_eq!(quantile(Vec::new(), 0.5), None);
    }
}
