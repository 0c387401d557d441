//! Plan: what a job is expected to take, and the lane that it goes to, before it starts.
//!
//! The prediction comes from the file's size ([`look`]), the kind of its source's SQL and what the source's earlier jobs
//! took ([`History`]). The planner learns from the receipts of its own jobs as they end; [`Planner::read_history`] adds
//! those of the lake.

pub mod look;
mod past;
pub mod told;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millpond_core::Result;
use millpond_core::lane::{Lanes, Promotion};
use millpond_core::predict::{FileSize, History, Prediction, Sample, Work};
use millpond_core::receipt::{Receipt, Resources, Status};
use millpond_core::source::Source;
use millpond_engine::prepare::Prepared;
use millpond_engine::run;

use crate::lake::Lake;
use crate::pond::Pond;

/// Plans jobs.
#[derive(Debug)]
pub struct Planner {
    lanes: Lanes,
    /// Memory of a job that nobody chose a lane for, at least.
    job_memory_bytes: u64,
    history: Arc<Mutex<History>>,
    /// The work of each source, with the source that it was found for: its SQL may change.
    works: Mutex<HashMap<String, (Arc<Source>, Work)>>,
}

/// What a job may use, and what it is expected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The position of its lane.
    pub position: usize,
    /// The lane's name.
    pub lane: String,
    /// Its memory.
    pub memory_bytes: u64,
    /// What it may spill.
    pub spill_bytes: u64,
    /// Whether there is a larger lane for it: when it reaches a limit of memory, it leaves nothing and goes there.
    pub has_above: bool,
    /// What it is expected to take.
    pub prediction: Prediction,
}

impl Grant {
    /// As a receipt keeps it.
    pub(crate) fn resources(&self, promotions: &[Promotion]) -> Resources {
        Resources {
            lane: self.lane.clone(),
            memory_limit_bytes: self.memory_bytes,
            predicted_memory_bytes: self.prediction.memory_bytes,
            predicted_us: self.prediction.time_us,
            predicted_disk_bytes: self.prediction.disk_bytes,
            predicted_by: self.prediction.basis.name().to_owned(),
            spilled_bytes: 0,
            promotions: promotions.to_vec(),
            parts: None,
        }
    }
}

impl Planner {
    /// A planner for these lanes that knows of no job yet. `job_memory_bytes` is what a job may use at least where nobody
    /// chose its lane, and so nobody takes it to a larger one.
    pub fn new(lanes: Lanes, job_memory_bytes: u64) -> Self {
        Self { lanes, job_memory_bytes, history: Arc::default(), works: Mutex::default() }
    }

    /// A planner for the lanes of a pond.
    pub fn of(pond: &Pond) -> Self {
        Self::new(pond.config.lanes(), pond.config.job_memory_bytes)
    }

    /// The same for a pond that was read again: what is known of jobs stays.
    pub fn for_pond(&self, pond: &Pond) -> Self {
        Self { history: Arc::clone(&self.history), ..Self::of(pond) }
    }

    /// The lanes.
    pub fn lanes(&self) -> &Lanes {
        &self.lanes
    }

    /// Learns what the newest jobs of a lake took.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the receipts cannot be read.
    pub async fn read_history(&self, lake: &Lake) -> Result<()> {
        let samples = past::samples(lake).await?;
        let mut history = self.history();
        samples.into_iter().for_each(|(source, sample)| history.note(&source, sample));
        Ok(())
    }

    /// Learns what a job took.
    pub fn note(&self, receipt: &Receipt) {
        if let (Status::Done, Some(sample)) = (receipt.status, sample_of(receipt)) {
            self.history().note(&receipt.source, sample);
        }
    }

    /// Jobs of a source that are known.
    pub fn jobs_known(&self, source: &str) -> usize {
        self.history().count(source)
    }

    /// How the memory of a source's SQL grows with its file.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when its SQL cannot be planned.
    pub async fn work(&self, prepared: &Prepared) -> Result<Work> {
        let source = &prepared.source;
        if let Some((known, work)) = self.works().get(&source.name)
            && Arc::ptr_eq(known, source)
        {
            return Ok(*work);
        }
        let work = run::work(prepared).await?;
        self.works().insert(source.name.clone(), (Arc::clone(source), work));
        Ok(work)
    }

    /// What a job of a source over a file will take.
    ///
    /// # Errors
    /// As [`Planner::work`].
    pub async fn predict(&self, prepared: &Prepared, file: FileSize) -> Result<Prediction> {
        let work = self.work(prepared).await?;
        Ok(self.history().predict(&prepared.source.name, work, file))
    }

    /// The position of the lane for a job: the smallest that holds it. A source that says how much memory its jobs have
    /// is taken at its word.
    pub fn position(&self, source: &Source, prediction: &Prediction) -> usize {
        self.lanes.for_memory(source.memory_bytes.unwrap_or(prediction.memory_bytes))
    }

    /// What a job may use in the lane at a position, from where it is taken on if that is too little.
    pub fn grant(&self, source: &Source, position: usize, prediction: Prediction) -> Grant {
        let lane = self.lanes.at(position);
        Grant {
            position: position.min(self.lanes.top()),
            lane: lane.name.clone(),
            memory_bytes: source.memory_bytes.unwrap_or(lane.memory_bytes),
            spill_bytes: lane.spill_bytes,
            has_above: source.memory_bytes.is_none() && self.lanes.above(position).is_some(),
            prediction,
        }
    }

    /// What a job may use that nobody chose a lane for.
    pub(crate) fn grant_alone(&self, source: &Source, prediction: Prediction) -> Grant {
        let least = self.lanes.for_memory(self.job_memory_bytes);
        let position = self.position(source, &prediction).max(least);
        Grant { has_above: false, ..self.grant(source, position, prediction) }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        // What was noted before a panic is as good as ever.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn works(&self) -> MutexGuard<'_, HashMap<String, (Arc<Source>, Work)>> {
        self.works.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a receipt teaches; `None` where its job's memory was not counted.
fn sample_of(receipt: &Receipt) -> Option<Sample> {
    (receipt.memory_peak_bytes > 0).then_some(Sample {
        stored_bytes: receipt.bytes_in,
        decoded_bytes: receipt.bytes_decoded,
        memory_bytes: receipt.memory_peak_bytes,
        time_us: receipt.timings.total_us,
    })
}
