//! Lanes over a day of receipts: what was predicted and what came true, what it would use and cost as functions, and what
//! the best single size would.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use futures::TryStreamExt;
use millpond_core::lane::{FUNCTION_MB_MAX, Lanes, function_mb};
use millpond_core::predict::quantile;
use millpond_core::price::{PriceList, Used};
use millpond_core::sizing::{Fixed, FixedSizes, Need, used};
use millpond_core::{Error, Result};
use serde::Serialize;

use crate::ledger::RECEIPTS;
use crate::query::Session;

/// Jobs whose ratios of predicted to taken memory are kept to tell their quantiles; past it those of the others are not.
const RATIOS_MAX: usize = 1_000_000;

/// A day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LaneStats {
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// Jobs that ran, by the lane in which each came to its end; lanes of before have no name.
    pub lanes: Vec<OneLane>,
    /// What all lanes use as functions.
    pub gb_seconds: f64,
    /// The same in dollars.
    pub dollars: Dollars,
    /// The cheapest single size that holds every job.
    pub fixed: Option<FixedSize>,
    /// Jobs that no function holds.
    pub too_large: u64,
    /// The prices' day and place.
    pub prices: String,
}

/// A sum for each kind of processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Dollars {
    /// x86-64.
    pub x86: f64,
    /// arm64.
    pub arm: f64,
}

/// A single size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FixedSize {
    /// The size, in MB.
    pub function_mb: u64,
    /// What all jobs use in it.
    pub gb_seconds: f64,
    /// The same in dollars.
    pub dollars: Dollars,
}

/// One lane.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OneLane {
    /// Its name.
    pub lane: String,
    /// Jobs that came to their end in it.
    pub jobs: u64,
    /// Jobs that were too large for it.
    pub promoted: u64,
    /// The most that a job of it could use.
    pub memory_limit_bytes: u64,
    /// The function that holds it, in MB.
    pub function_mb: u64,
    /// Memory predicted, over all its jobs.
    pub predicted_bytes: u64,
    /// Memory taken, over all its jobs.
    pub taken_bytes: u64,
    /// Jobs that took more than was predicted.
    pub undershot: u64,
    /// Predicted by taken memory: the middle job.
    pub ratio_p50: f64,
    /// All but one in a hundred jobs are at least this: below 1 the prediction was too small.
    pub ratio_p01: f64,
    /// Time predicted, in microseconds, over all jobs.
    pub predicted_us: u64,
    /// Time taken.
    pub taken_us: u64,
    /// Bytes spilled.
    pub spilled_bytes: u64,
    /// What it uses as functions.
    pub gb_seconds: f64,
}

/// A receipt, as far as lanes go.
struct Job {
    lane: String,
    limit_bytes: u64,
    predicted_bytes: u64,
    predicted_us: u64,
    taken_bytes: u64,
    taken_us: u64,
    wait_us: u64,
    puts: u64,
    spilled_bytes: u64,
    promoted_from: Vec<String>,
}

/// Reads a day of a lake: the named one, or the last on which jobs ran. `None` when nothing ran then. `wait_us` is added
/// to the wait of each job: on a local disk there is none, and in the cloud there is.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the receipts cannot be read.
pub async fn lane_stats(
    session: &Session,
    day: Option<&str>,
    lanes: &Lanes,
    prices: &PriceList,
    wait_us: u64,
) -> Result<Option<LaneStats>> {
    if !session.tables().iter().any(|table| table == RECEIPTS) {
        return Ok(None);
    }
    let Some(day) = day_of(session, day).await? else { return Ok(None) };
    let mut sums = Sums::new(lanes, wait_us);
    let mut rows = session.run(&sql(&day)).await?.batches;
    while let Some(batch) = rows.try_next().await? {
        read(&batch)?.iter().for_each(|job| sums.add(job));
    }
    Ok(sums.end(day, prices))
}

async fn day_of(session: &Session, day: Option<&str>) -> Result<Option<String>> {
    if let Some(day) = day {
        return Ok(Some(day.to_owned()));
    }
    let sql = "select cast(cast(max(started) as date) as varchar) from receipts where memory_peak_bytes > 0";
    let (_, batches) = session.collect(sql).await?;
    let first = batches.iter().find(|batch| batch.num_rows() > 0);
    let column = first.map(|batch| cast(batch.column(0), &DataType::Utf8)).transpose().map_err(unexpected)?;
    Ok(column.and_then(|column| {
        let texts = column.as_string::<i32>();
        texts.is_valid(0).then(|| texts.value(0).to_owned())
    }))
}

/// The jobs of a day that ran; objects that nobody wanted had none.
fn sql(day: &str) -> String {
    let day = day.replace('\'', "''");
    format!(
        "select coalesce(lane, '') as lane, memory_limit_bytes, predicted_memory_bytes, predicted_us, memory_peak_bytes, \
         total_us, fetch_us, coalesce(array_length(outputs), 0) as puts, spilled_bytes, promotions from receipts \
         where cast(started as date) = date '{day}' and memory_peak_bytes > 0"
    )
}

fn unexpected(error: arrow::error::ArrowError) -> Error {
    Error::bug("the receipts have another shape").because(error)
}

fn read(batch: &RecordBatch) -> Result<Vec<Job>> {
    let column = |index: usize, kind: &DataType| cast(batch.column(index), kind).map_err(unexpected);
    let lane = column(0, &DataType::Utf8)?;
    let numbers = (1..9).map(|index| column(index, &DataType::Int64)).collect::<Result<Vec<_>>>()?;
    let number = |index: usize, row: usize| {
        let column = numbers[index - 1].as_primitive::<Int64Type>();
        if column.is_valid(row) { column.value(row).max(0) as u64 } else { 0 }
    };
    let job = |row| Job {
        lane: lane.as_string::<i32>().value(row).to_owned(),
        limit_bytes: number(1, row),
        predicted_bytes: number(2, row),
        predicted_us: number(3, row),
        taken_bytes: number(4, row),
        taken_us: number(5, row),
        wait_us: number(6, row),
        puts: number(7, row),
        spilled_bytes: number(8, row),
        promoted_from: lanes_in(batch.column(9), row),
    };
    Ok((0..batch.num_rows()).map(job).collect())
}

/// The lanes that a receipt names as too small; none in those of before.
fn lanes_in(promotions: &ArrayRef, row: usize) -> Vec<String> {
    let Some(list) = promotions.as_list_opt::<i32>().filter(|list| list.is_valid(row)) else { return Vec::new() };
    let promotions = list.value(row);
    let lanes = promotions.as_struct_opt().and_then(|promotion| promotion.column_by_name("lane").cloned());
    let lanes = lanes.and_then(|lanes| cast(&lanes, &DataType::Utf8).ok());
    lanes.map_or_else(Vec::new, |lanes| lanes.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
}

/// What is added up job by job.
struct Sums<'a> {
    lanes: &'a Lanes,
    wait_us: u64,
    by_lane: BTreeMap<String, (OneLane, Vec<f64>)>,
    used: Used,
    fixed: FixedSizes,
}

impl<'a> Sums<'a> {
    fn new(lanes: &'a Lanes, wait_us: u64) -> Self {
        Self { lanes, wait_us, by_lane: BTreeMap::new(), used: Used::default(), fixed: FixedSizes::default() }
    }

    fn add(&mut self, job: &Job) {
        let need = Need {
            memory_bytes: job.taken_bytes,
            compute_us: job.taken_us.saturating_sub(job.wait_us),
            wait_us: job.wait_us + self.wait_us,
            puts: job.puts,
        };
        self.fixed.add(&need);
        let function_mb = function_of(job.limit_bytes.max(job.taken_bytes));
        let used_here = used(&need, function_mb);
        self.used.add(&used_here);
        self.add_to_lane(job, function_mb, used_here.gb_seconds);
        for name in &job.promoted_from {
            self.add_try(name, &need);
        }
    }

    fn add_to_lane(&mut self, job: &Job, function_mb: u64, gb_seconds: f64) {
        let (lane, ratios) = self.by_lane.entry(job.lane.clone()).or_default();
        lane.lane.clone_from(&job.lane);
        lane.jobs += 1;
        lane.memory_limit_bytes = lane.memory_limit_bytes.max(job.limit_bytes);
        lane.function_mb = lane.function_mb.max(function_mb);
        lane.taken_us += job.taken_us;
        lane.taken_bytes += job.taken_bytes;
        lane.spilled_bytes += job.spilled_bytes;
        lane.gb_seconds += gb_seconds;
        if job.predicted_bytes == 0 {
            return;
        }
        lane.predicted_bytes += job.predicted_bytes;
        lane.predicted_us += job.predicted_us;
        lane.undershot += u64::from(job.predicted_bytes < job.taken_bytes);
        if ratios.len() < RATIOS_MAX {
            ratios.push(job.predicted_bytes as f64 / job.taken_bytes.max(1) as f64);
        }
    }

    /// Adds what a job used in a lane that it was too large for: as much of it as that lane's memory is of what it took.
    fn add_try(&mut self, name: &str, need: &Need) {
        let position = self.lanes.named(name);
        let limit_bytes = position.map_or(0, |position| self.lanes.at(position).memory_bytes);
        let part = (limit_bytes as f64 / need.memory_bytes.max(1) as f64).min(1.0);
        let tried = Need { compute_us: (need.compute_us as f64 * part) as u64, puts: 0, ..*need };
        let tried = used(&tried, function_of(limit_bytes));
        self.used.add(&tried);
        let (lane, _) = self.by_lane.entry(name.to_owned()).or_default();
        name.clone_into(&mut lane.lane);
        lane.memory_limit_bytes = lane.memory_limit_bytes.max(limit_bytes);
        lane.function_mb = lane.function_mb.max(function_of(limit_bytes));
        lane.promoted += 1;
        lane.gb_seconds += tried.gb_seconds;
    }

    fn end(self, day: String, prices: &PriceList) -> Option<LaneStats> {
        let dollars =
            |used: &Used| Dollars { x86: prices.dollars(prices.x86, used), arm: prices.dollars(prices.arm, used) };
        let fixed_size = |fixed: Fixed| FixedSize {
            function_mb: fixed.mb,
            gb_seconds: fixed.used.gb_seconds,
            dollars: dollars(&fixed.used),
        };
        let mut lanes: Vec<OneLane> = Vec::with_capacity(self.by_lane.len());
        for (lane, ratios) in self.by_lane.into_values() {
            let ratio_p50 = quantile(ratios.clone(), 0.5).unwrap_or(0.0);
            let ratio_p01 = quantile(ratios, 0.01).unwrap_or(0.0);
            lanes.push(OneLane { ratio_p50, ratio_p01, ..lane });
        }
        lanes.sort_by_key(|lane| lane.memory_limit_bytes);
        (!lanes.is_empty()).then(|| LaneStats {
            day,
            lanes,
            gb_seconds: self.used.gb_seconds,
            dollars: dollars(&self.used),
            fixed: self.fixed.best(prices, prices.arm).map(fixed_size),
            too_large: self.fixed.too_large(),
            prices: format!("{}, {}", prices.date, prices.region),
        })
    }
}

/// The function for this much memory; the largest where none is large enough.
fn function_of(memory_bytes: u64) -> u64 {
    function_mb(memory_bytes).unwrap_or(FUNCTION_MB_MAX)
}
