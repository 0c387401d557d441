//! The ledger: all receipts. Says what is done, and is itself the table `receipts` of the lake.
//!
//! A look at it before a job saves work; what is done is decided by the committer, which holds the same facts. It keeps
//! 16 bytes for each object and source, 32 for each distinct content, and the address of the first object with it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arrow::array::{AsArray, RecordBatch};
use datafusion::prelude::SessionContext;
use millpond_core::event::Object;
use millpond_core::job::{JobId, WorkKey};
use millpond_core::receipt::{Receipt, Status};
use millpond_core::{Error, Result};
use millpond_engine::session;

use crate::lake::Lake;

/// The table of receipts.
pub const RECEIPTS: &str = "receipts";

/// What has been done.
#[derive(Debug, Default)]
pub struct Ledger {
    facts: RwLock<Facts>,
}

#[derive(Debug, Default)]
struct Facts {
    /// Jobs that ended for good.
    jobs: HashSet<JobId>,
    /// The same by object and source, whatever the source's version.
    work: HashSet<WorkKey>,
    /// The first object of each content under each source.
    contents: HashMap<WorkKey, Arc<str>>,
    /// Failed tries of jobs that have not ended.
    failures: HashMap<JobId, u32>,
}

impl Ledger {
    /// Reads the receipts of a lake.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the table cannot be read.
    pub async fn load(lake: &Lake) -> Result<Self> {
        let ledger = Self::default();
        let Some(provider) = lake.provider(RECEIPTS).await? else { return Ok(ledger) };
        let failed = |error| session::engine_error("failed to read the ledger", error);
        let context = SessionContext::new_with_state(session::state(session::config(1, 8_192)));
        let columns = ["job_id", "attempt", "status", "object", "object_version", "source", "fingerprint"];
        let rows = context.read_table(provider).map_err(failed)?.select_columns(&columns).map_err(failed)?;
        for batch in rows.collect().await.map_err(failed)? {
            ledger.read_batch(&batch)?;
        }
        Ok(ledger)
    }

    fn read_batch(&self, batch: &RecordBatch) -> Result<()> {
        let text = |index: usize| {
            let column = arrow::compute::cast(batch.column(index), &arrow::datatypes::DataType::Utf8);
            column.map_err(|error| Error::bug("the receipts have another shape").because(error))
        };
        let columns = [text(0)?, text(1)?, text(2)?, text(3)?, text(4)?, text(5)?, text(6)?];
        let [job, attempt, status, object, version, source, fingerprint] =
            columns.each_ref().map(|column| column.as_string::<i32>());
        let mut facts = self.write();
        for row in 0..batch.num_rows() {
            let Some(job) = JobId::parse(job.value(row)) else { continue };
            let entry = Entry {
                job,
                attempt: attempt.value(row).parse().unwrap_or(1),
                is_final: status.value(row) != Status::Failed.name(),
                is_done: status.value(row) == Status::Done.name(),
                work: WorkKey::new(object.value(row), version.value(row), source.value(row)),
                content: content_key(source.value(row), fingerprint.value(row)),
                object: object.value(row),
            };
            facts.record(&entry);
        }
        Ok(())
    }

    /// Notes a receipt that was committed.
    pub fn record(&self, receipt: &Receipt) {
        let Some(job) = JobId::parse(&receipt.job_id) else { return };
        self.write().record(&Entry {
            job,
            attempt: receipt.attempt,
            is_final: receipt.status.is_final(),
            is_done: receipt.status == Status::Done,
            work: WorkKey::new(&receipt.object, &receipt.object_version, &receipt.source),
            content: content_key(&receipt.source, &receipt.fingerprint),
            object: &receipt.object,
        });
    }

    /// Whether a job ended for good.
    pub fn has_job(&self, job: JobId) -> bool {
        self.read().jobs.contains(&job)
    }

    /// Whether a source has dealt with an object, in whatever version of the source. No source: nobody wanted it.
    pub fn has_work(&self, object: &Object, source: &str) -> bool {
        self.read().work.contains(&WorkKey::new(&object.uri, &object.version, source))
    }

    /// The object under which a source first saw these bytes.
    pub fn first_with_content(&self, source: &str, fingerprint: &str) -> Option<Arc<str>> {
        let facts = self.read();
        content_key(source, fingerprint).and_then(|key| facts.contents.get(&key)).cloned()
    }

    /// Failed tries of a job so far.
    pub fn failures(&self, job: JobId) -> u32 {
        self.read().failures.get(&job).copied().unwrap_or(0)
    }

    /// Jobs that ended for good.
    pub fn job_count(&self) -> usize {
        self.read().jobs.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, Facts> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Facts> {
        self.facts.write().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Entry<'a> {
    job: JobId,
    attempt: u32,
    is_final: bool,
    is_done: bool,
    work: WorkKey,
    content: Option<WorkKey>,
    object: &'a str,
}

impl Facts {
    fn record(&mut self, entry: &Entry<'_>) {
        if !entry.is_final {
            let failures = self.failures.entry(entry.job).or_default();
            *failures = (*failures).max(entry.attempt);
            return;
        }
        self.failures.remove(&entry.job);
        self.jobs.insert(entry.job);
        self.work.insert(entry.work);
        if let (true, Some(content)) = (entry.is_done, entry.content) {
            self.contents.entry(content).or_insert_with(|| entry.object.into());
        }
    }
}

/// A content under a source; a file that was not read to its end has no fingerprint.
fn content_key(source: &str, fingerprint: &str) -> Option<WorkKey> {
    (!fingerprint.is_empty()).then(|| WorkKey::new("content", fingerprint, source))
}
