//! The ledger: all receipts. Says what is done, and is itself the table `receipts` of the lake.
//!
//! It is read a day of objects at a time, as far as it is asked about, so what is held in memory follows from the days
//! that work is done in and not from the age of the lake: some 80 bytes for each object of those days. A look at it
//! before a job saves work; what is done is decided by the committer, which asks it too.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::prelude::SessionContext;
use datafusion::scalar::ScalarValue;
use millpond_core::job::{JobId, WorkKey};
use millpond_core::receipt::{Receipt, Status};
use millpond_core::{Error, Result};
use millpond_engine::session;
use tokio::sync::{Mutex, MutexGuard};

use crate::lake::{Lake, provider_of};
use crate::rewrite::read_file;

/// The table of receipts.
pub const RECEIPTS: &str = "receipts";
/// An object that is announced again, and the same bytes under another name, are recognised when the two times are within
/// this many days.
pub const CONTENT_DAYS: i32 = 2;
/// Objects that are remembered before the days that were asked about longest ago are forgotten.
const OBJECTS_MAX: usize = 4_000_000;
/// A table with no more receipts is read as a whole.
const WHOLE_MAX: u64 = 200_000;
/// What is read of a receipt.
const COLUMNS: [&str; 8] =
    ["job_id", "attempt", "status", "object", "object_version", "object_modified", "source", "fingerprint"];

const US_PER_DAY: i64 = 86_400_000_000;

/// What has been done.
#[derive(Debug)]
pub struct Ledger {
    lake: Arc<Lake>,
    facts: Mutex<Facts>,
}

/// What the ledger is asked about: an object under a source.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The object's address.
    pub uri: &'a str,
    /// Its version.
    pub version: &'a str,
    /// The source; empty: no source wants the object.
    pub source: &'a str,
    /// When the object was written, microseconds since 1970 in UTC.
    pub modified_us: i64,
}

/// What the work of a receipt is known by. That an object was gone says nothing of the same bytes when they are there
/// again, so it is known apart.
pub(crate) fn work_key(uri: &str, version: &str, source: &str, status: &str) -> WorkKey {
    match status == Status::Gone.name() {
        true => WorkKey::new(uri, version, &format!("{source}\0{status}")),
        false => WorkKey::new(uri, version, source),
    }
}

impl<'a> Question<'a> {
    /// The question whether the work of a receipt was done before.
    pub fn of(receipt: &'a Receipt) -> Self {
        Self {
            uri: &receipt.object,
            version: &receipt.object_version,
            source: &receipt.source,
            modified_us: receipt.object_modified_us,
        }
    }

    fn key(&self, status: Status) -> WorkKey {
        work_key(self.uri, self.version, self.source, status.name())
    }
}

#[derive(Debug, Default)]
struct Facts {
    /// The version of the table up to which the days are known.
    version: Option<u64>,
    days: HashMap<i32, Day>,
    /// Whether every day is known.
    is_whole: bool,
    /// Counts the questions, to tell which day was asked about last.
    clock: u64,
}

/// What is known of the objects that were written on one day.
#[derive(Debug, Default)]
struct Day {
    /// The jobs that ended for good, by object and source, whatever the source's version.
    work: HashMap<WorkKey, JobId>,
    /// The first job of each content under each source.
    contents: HashMap<WorkKey, JobId>,
    /// Failed tries of jobs that have not ended.
    failures: HashMap<JobId, u32>,
    /// When it was last asked about.
    used: u64,
}

impl Ledger {
    /// The ledger of a lake; nothing is read yet.
    pub fn new(lake: Arc<Lake>) -> Self {
        Self { lake, facts: Mutex::default() }
    }

    /// Takes in what was committed since the last call, by whomever.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the table cannot be read.
    pub async fn refresh(&self) -> Result<()> {
        let mut facts = self.facts.lock().await;
        let version = self.lake.version(RECEIPTS).await?;
        let (Some(known), Some(newest)) = (facts.version, version) else {
            *facts = Facts { version, ..Facts::default() };
            return Ok(());
        };
        for next in known + 1..=newest {
            match self.lake.changes(RECEIPTS, next).await? {
                Some(changes) if changes.removed.is_empty() => {
                    for path in changes.added {
                        let rows = read_file(&self.lake, RECEIPTS, &path, Some(&COLUMNS)).await?;
                        rows.iter().try_for_each(|rows| facts.read_batch(rows))?;
                    }
                }
                // Rows went or the log was cleaned up: what is known may be wrong.
                _ => {
                    *facts = Facts::default();
                    break;
                }
            }
        }
        facts.version = version;
        Ok(())
    }

    /// The job with which a source has dealt with an object, in whatever version of the source.
    ///
    /// # Errors
    /// As [`Ledger::refresh`].
    pub async fn done(&self, question: Question<'_>) -> Result<Option<JobId>> {
        self.known(&question, Status::Done).await
    }

    /// The job that found an object gone, or that dealt with it before it went.
    ///
    /// # Errors
    /// As [`Ledger::refresh`].
    pub async fn gone(&self, question: Question<'_>) -> Result<Option<JobId>> {
        match self.known(&question, Status::Gone).await? {
            Some(job) => Ok(Some(job)),
            None => self.known(&question, Status::Done).await,
        }
    }

    async fn known(&self, question: &Question<'_>, status: Status) -> Result<Option<JobId>> {
        // Of an object that nobody read the time is what a sender said, and midnight may lie between two of them.
        let days = days_around(question.modified_us);
        let facts = self.load(days.clone()).await?;
        let key = question.key(status);
        Ok(days.filter_map(|day| facts.days.get(&day)?.work.get(&key)).next().copied())
    }

    /// The job in which a source first saw these bytes, among objects written within [`CONTENT_DAYS`].
    ///
    /// # Errors
    /// As [`Ledger::refresh`].
    pub async fn first_with_content(&self, source: &str, fingerprint: &str, modified_us: i64) -> Result<Option<JobId>> {
        let Some(key) = content_key(source, fingerprint) else { return Ok(None) };
        let days = days_around(modified_us);
        let facts = self.load(days.clone()).await?;
        Ok(days.filter_map(|day| facts.days.get(&day)?.contents.get(&key)).next().copied())
    }

    /// Failed tries of a job so far.
    ///
    /// # Errors
    /// As [`Ledger::refresh`].
    pub async fn failures(&self, job: JobId, modified_us: i64) -> Result<u32> {
        let day = day_of(modified_us);
        let facts = self.load(day..=day).await?;
        Ok(facts.days.get(&day).and_then(|day| day.failures.get(&job)).copied().unwrap_or(0))
    }

    /// The facts, with these days in them.
    async fn load(&self, days: RangeInclusive<i32>) -> Result<MutexGuard<'_, Facts>> {
        let mut facts = self.facts.lock().await;
        facts.clock += 1;
        let clock = facts.clock;
        let missing: Vec<i32> = days.clone().filter(|day| !facts.days.contains_key(day)).collect();
        if let (Some(first), Some(last), false) = (missing.first(), missing.last(), facts.is_whole) {
            facts.make_room();
            missing.iter().for_each(|day| drop(facts.days.insert(*day, Day::default())));
            if let Err(error) = self.read_days(&mut facts, *first..=*last).await {
                // What was read in part must not pass for the whole.
                (facts.days, facts.is_whole) = (HashMap::new(), false);
                return Err(error);
            }
        }
        for day in days {
            if let Some(day) = facts.days.get_mut(&day) {
                day.used = clock;
            }
        }
        Ok(facts)
    }

    /// Reads the receipts of the objects written on some days, or all where there are few.
    async fn read_days(&self, facts: &mut Facts, days: RangeInclusive<i32>) -> Result<()> {
        let Some((table, files)) = self.lake.files(RECEIPTS).await? else { return Ok(()) };
        facts.is_whole = files.iter().map(|file| file.rows).sum::<u64>() <= WHOLE_MAX;
        // Whatever the engine says of it, a ledger that cannot be read now can be read later.
        let failed = |error: DataFusionError| Error::transient("failed to read the ledger").because(error);
        let context = SessionContext::new_with_state(session::state(session::config(1, 8_192)));
        let mut rows = context.read_table(provider_of(RECEIPTS, &table).await?).map_err(failed)?;
        if !facts.is_whole {
            rows = rows.filter(written_within(&days)).map_err(failed)?;
        }
        let rows = rows.select_columns(&COLUMNS).map_err(failed)?.collect().await.map_err(failed)?;
        rows.iter().try_for_each(|rows| facts.read_batch(rows))
    }
}

/// Whether an object was written from the start of the first day to the end of the last.
fn written_within(days: &RangeInclusive<i32>) -> Expr {
    let at =
        |day: i64| lit(ScalarValue::TimestampMicrosecond(Some(day.saturating_mul(US_PER_DAY)), Some("UTC".into())));
    let modified = || col("object_modified");
    modified().gt_eq(at((*days.start()).into())).and(modified().lt(at(i64::from(*days.end()) + 1)))
}

/// The days in which an object or its content is looked for.
fn days_around(us: i64) -> RangeInclusive<i32> {
    let day = day_of(us);
    day.saturating_sub(CONTENT_DAYS)..=day.saturating_add(CONTENT_DAYS)
}

fn day_of(us: i64) -> i32 {
    us.div_euclid(US_PER_DAY) as i32
}

impl Facts {
    /// Takes in receipts, as far as their days are known.
    fn read_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let column = |name: &str, kind: &DataType| {
            let column = batch.column_by_name(name).ok_or_else(|| Error::bug(format!("receipts have no `{name}`")))?;
            arrow::compute::cast(column, kind).map_err(|error| Error::bug("receipts have another shape").because(error))
        };
        let texts = ["job_id", "status", "object", "object_version", "source", "fingerprint"];
        let texts = texts.map(|name| column(name, &DataType::Utf8));
        let [job, status, object, version, source, fingerprint] = texts;
        let texts = [job?, status?, object?, version?, source?, fingerprint?];
        let [job, status, object, version, source, fingerprint] = texts.each_ref().map(|text| text.as_string::<i32>());
        let (attempts, modified) = (column("attempt", &DataType::Int64)?, column("object_modified", &DataType::Int64)?);
        let number =
            |column: &dyn arrow::array::Array, row| column.as_primitive::<arrow::datatypes::Int64Type>().value(row);
        for row in 0..batch.num_rows() {
            let Some(job) = JobId::parse(job.value(row)) else { continue };
            let modified_us = number(modified.as_ref(), row);
            let Some(day) = self.day(day_of(modified_us)) else { continue };
            let status = status.value(row);
            if status == Status::Failed.name() {
                let failures = day.failures.entry(job).or_default();
                *failures = (*failures).max(number(attempts.as_ref(), row) as u32);
                continue;
            }
            day.failures.remove(&job);
            day.work.insert(work_key(object.value(row), version.value(row), source.value(row), status), job);
            if status == Status::Done.name()
                && let Some(content) = content_key(source.value(row), fingerprint.value(row))
            {
                day.contents.entry(content).or_insert(job);
            }
        }
        Ok(())
    }

    /// A day that is known.
    fn day(&mut self, day: i32) -> Option<&mut Day> {
        match self.is_whole {
            true => Some(self.days.entry(day).or_default()),
            false => self.days.get_mut(&day),
        }
    }

    /// Forgets the days that were asked about longest ago while too much is remembered.
    fn make_room(&mut self) {
        while self.days.values().map(|day| day.work.len()).sum::<usize>() > OBJECTS_MAX {
            let oldest = self.days.iter().min_by_key(|(_, day)| day.used).map(|(day, _)| *day);
            oldest.map(|day| self.days.remove(&day));
        }
    }
}

/// A content under a source; a file that was not read to its end has no fingerprint.
fn content_key(source: &str, fingerprint: &str) -> Option<WorkKey> {
    (!fingerprint.is_empty()).then(|| WorkKey::new("content", fingerprint, source))
}
