//! Statistics of a lake from its receipts: how many databases ran, over what, how fast, and what became of the rows.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use millpond_core::balance::Balance;
use millpond_core::{Error, Result};
use serde::Serialize;

use crate::ledger::RECEIPTS;
use crate::query::Session;

/// The limit of the last size percentile: a few giant files hide what the others are like.
const SMALLER_BYTES: u64 = 200_000_000;

/// One day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Day {
    /// `YYYY-MM-DD`, UTC.
    pub day: String,
    /// Jobs, each with its own database.
    pub databases: u64,
    /// Distinct sources.
    pub sources: u64,
    /// Stored bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Records found.
    pub rows_in: u64,
}

/// Percentiles of something over all jobs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Half are at most this.
    pub p50: f64,
    /// Nine in ten are at most this.
    pub p90: f64,
    /// All but one in a hundred are at most this.
    pub p99: f64,
}

/// Time spent in one step over all jobs, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct StepSeconds {
    /// Waiting for bytes.
    pub fetch: f64,
    /// Decompressing and decoding.
    pub decode: f64,
    /// SQL.
    pub transform: f64,
    /// Encoding and putting.
    pub write: f64,
}

/// Everything that `millpond stats` shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stats {
    /// By day on which the jobs ran.
    pub days: Vec<Day>,
    /// Jobs by end.
    pub status: Vec<(String, u64)>,
    /// Jobs and records by source; an empty name stands for objects that no source wants.
    pub sources: Vec<(String, u64, u64)>,
    /// Rows by fate.
    pub rows: Balance,
    /// Stored bytes of a file.
    pub file_bytes: Percentiles,
    /// The last percentile of files below 200 MB.
    pub file_bytes_p99_below_200_mb: f64,
    /// Stored bytes per second of fetching.
    pub fetch_bytes_per_second: Percentiles,
    /// Time by step.
    pub seconds: StepSeconds,
    /// Peak memory of a job.
    pub memory_peak_bytes: Percentiles,
}

/// Reads the statistics of a lake; `None` when nothing has run yet.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the receipts cannot be read.
pub async fn stats(session: &Session) -> Result<Option<Stats>> {
    if !session.tables().iter().any(|table| table == RECEIPTS) {
        return Ok(None);
    }
    Ok(Some(Stats {
        days: days(session).await?,
        status: pairs(session, "select status, count(*) from receipts group by status order by 2 desc").await?,
        sources: sources(session).await?,
        rows: rows(session).await?,
        file_bytes: percentiles(session, "cast(bytes_in as double)", "true").await?,
        file_bytes_p99_below_200_mb: percentiles(
            session,
            "cast(bytes_in as double)",
            &format!("bytes_in < {SMALLER_BYTES}"),
        )
        .await?
        .p99,
        fetch_bytes_per_second: percentiles(session, "bytes_in * 1e6 / fetch_us", "fetch_us > 0").await?,
        seconds: seconds(session).await?,
        memory_peak_bytes: percentiles(session, "cast(memory_peak_bytes as double)", "memory_peak_bytes > 0").await?,
    }))
}

/// One table of a query's rows.
async fn table(session: &Session, sql: &str) -> Result<Vec<RecordBatch>> {
    let (_, batches) = session.collect(sql).await?;
    Ok(batches.into_iter().filter(|batch| batch.num_rows() > 0).collect())
}

fn texts(batch: &RecordBatch, index: usize) -> Result<Vec<String>> {
    let column = cast(batch.column(index), &DataType::Utf8).map_err(unexpected)?;
    Ok(column.as_string::<i32>().iter().map(|text| text.unwrap_or_default().to_owned()).collect())
}

fn counts(batch: &RecordBatch, index: usize) -> Result<Vec<u64>> {
    let column = cast(batch.column(index), &DataType::Int64).map_err(unexpected)?;
    Ok(column.as_primitive::<Int64Type>().iter().map(|count| count.unwrap_or(0).max(0) as u64).collect())
}

fn numbers(batch: &RecordBatch, index: usize) -> Result<Vec<f64>> {
    let column = cast(batch.column(index), &DataType::Float64).map_err(unexpected)?;
    Ok(column.as_primitive::<Float64Type>().iter().map(|number| number.unwrap_or(0.0)).collect())
}

fn unexpected(error: arrow::error::ArrowError) -> Error {
    Error::bug("the receipts have another shape").because(error)
}

async fn days(session: &Session) -> Result<Vec<Day>> {
    let sql = "select cast(cast(started as date) as varchar) as day, count(*), count(distinct source), sum(bytes_in), \
               sum(bytes_out), sum(rows_in) from receipts group by 1 order by 1";
    let mut days = Vec::new();
    for batch in table(session, sql).await? {
        let (day, jobs, sources) = (texts(&batch, 0)?, counts(&batch, 1)?, counts(&batch, 2)?);
        let (bytes_in, bytes_out, rows_in) = (counts(&batch, 3)?, counts(&batch, 4)?, counts(&batch, 5)?);
        days.extend(day.into_iter().enumerate().map(|(row, day)| Day {
            day,
            databases: jobs[row],
            sources: sources[row],
            bytes_in: bytes_in[row],
            bytes_out: bytes_out[row],
            rows_in: rows_in[row],
        }));
    }
    Ok(days)
}

async fn pairs(session: &Session, sql: &str) -> Result<Vec<(String, u64)>> {
    let mut pairs = Vec::new();
    for batch in table(session, sql).await? {
        pairs.extend(texts(&batch, 0)?.into_iter().zip(counts(&batch, 1)?));
    }
    Ok(pairs)
}

async fn sources(session: &Session) -> Result<Vec<(String, u64, u64)>> {
    let sql = "select source, count(*), sum(rows_in) from receipts group by source order by 3 desc, 1";
    let mut sources = Vec::new();
    for batch in table(session, sql).await? {
        let counted = counts(&batch, 1)?.into_iter().zip(counts(&batch, 2)?);
        sources.extend(texts(&batch, 0)?.into_iter().zip(counted).map(|(source, (jobs, rows))| (source, jobs, rows)));
    }
    Ok(sources)
}

/// The one row of an aggregate without groups.
async fn one_row<const N: usize>(session: &Session, sql: &str) -> Result<[f64; N]> {
    let mut values = [0.0; N];
    for batch in table(session, sql).await? {
        for (index, value) in values.iter_mut().enumerate() {
            *value = numbers(&batch, index)?.first().copied().unwrap_or(0.0);
        }
    }
    Ok(values)
}

async fn rows(session: &Session) -> Result<Balance> {
    let sql = "select sum(rows_in), sum(rows_out), sum(filtered), sum(deduplicated), sum(aggregated), sum(quarantined), \
               sum(exploded) from receipts";
    let [rows_in, rows_out, filtered, deduplicated, aggregated, quarantined, exploded] =
        one_row(session, sql).await?.map(|n| n as u64);
    Ok(Balance { rows_in, rows_out, filtered, deduplicated, aggregated, quarantined, exploded })
}

async fn percentiles(session: &Session, what: &str, condition: &str) -> Result<Percentiles> {
    let cuts =
        ["0.5", "0.9", "0.99"].map(|cut| format!("approx_percentile_cont({cut}) within group (order by {what})"));
    let sql = format!("select {} from receipts where {condition}", cuts.join(", "));
    let [p50, p90, p99] = one_row(session, &sql).await?;
    Ok(Percentiles { p50, p90, p99 })
}

async fn seconds(session: &Session) -> Result<StepSeconds> {
    let sql =
        "select sum(fetch_us) / 1e6, sum(decode_us) / 1e6, sum(transform_us) / 1e6, sum(write_us) / 1e6 from receipts";
    let [fetch, decode, transform, write] = one_row(session, sql).await?;
    Ok(StepSeconds { fetch, decode, transform, write })
}
