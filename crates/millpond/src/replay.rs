//! Replay: derives the rows of objects anew from their raw bytes, with the sources as they are now, and swaps them for
//! those that the lake has.
//!
//! First every object is processed again, and what that comes to is laid aside in `_replay/<id>/`, where no reader and no
//! committer looks. Then the committer takes all of it as one batch: in each table the old rows go and the new ones come
//! in one commit. What was laid aside stays after a crash, and the same replay goes on from there.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use futures::StreamExt;
use millpond_core::event::Event;
use millpond_core::job::JobId;
use millpond_core::receipt::{Output, Receipt};
use millpond_core::{Error, Kind, Result};
use object_store::path::Path;
use sha2::{Digest, Sha256};

use crate::committer::documents::{list, read_json};
use crate::committer::{Committed, Committer, Pending};
use crate::job_threads::JobThreads;
use crate::lake::Lake;
use crate::pipeline::{Delivery, Destination, Node, Outcome, Replaces, process_to};
use crate::query::Session;

/// Objects that are processed together.
const GROUP_FILES: usize = 256;
/// Stored bytes of the objects that are processed together.
const GROUP_BYTES: u64 = 8 << 20;

/// The jobs that a replay does again.
#[derive(Debug, Clone)]
pub struct Selection {
    /// What the replay lies under: the same selection under the same sources has the same.
    pub id: String,
    /// Their receipts as they are now.
    pub receipts: Vec<Receipt>,
}

/// What a replay came to, before it is committed.
#[derive(Debug, Default)]
pub struct Derived {
    /// The new receipt of each job that was done again, with the old one.
    pub changed: Vec<(Receipt, Receipt)>,
    /// Objects that could not be done again, and why: their rows stay as they are.
    pub kept: Vec<(Receipt, Error)>,
    pending: Vec<Path>,
}

/// What a replay tells while it works.
pub trait Progress: Send + Sync {
    /// So many of all objects are done.
    fn derived(&self, done: usize, all: usize);
}

/// Selects the jobs to do again: a condition over the columns of `receipts`, such as `source = 'okta-system'`.
///
/// # Errors
/// [`Kind::BadConfig`] when the condition is not right, [`Kind::Transient`] when the store does not answer.
pub async fn select(lake: &Lake, sources: &[millpond_core::source::Source], condition: &str) -> Result<Selection> {
    let session = Session::new(Some(lake), FilePath::new(".")).await?;
    let sql = format!(
        "select * from receipts where status in ('done', 'quarantined') and source <> '' and ({condition}\n) \
         order by source, object, object_version"
    );
    let (_, batches) = session.collect(&sql).await.map_err(|error| match error.kind() {
        Kind::BadConfig => {
            error.hint("write a condition over the columns of `receipts`, such as `source = 'okta-system'`")
        }
        _ => error,
    })?;
    let receipts = receipts_of(&batches)?;
    let mut hash = Sha256::new();
    for receipt in &receipts {
        let source = sources.iter().find(|source| source.name == receipt.source);
        hash.update(&receipt.job_id);
        // Another transform is another replay, whether or not somebody remembered to raise the version.
        hash.update(source.map(|source| source.own_transform().text.as_str()).unwrap_or_default());
        hash.update(source.map(|source| source.config.text.as_str()).unwrap_or_default());
    }
    let id = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Selection { id, receipts })
}

/// Rows of the table `receipts` as receipts.
fn receipts_of(batches: &[arrow::array::RecordBatch]) -> Result<Vec<Receipt>> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::bug("receipts of the lake are not as they were written").because(error)
    };
    let mut writer = arrow::json::LineDelimitedWriter::new(Vec::new());
    for batch in batches {
        writer.write(&times_as_numbers(batch)?).map_err(|error| failed(Box::new(error)))?;
    }
    let lines = writer.into_inner();
    let parsed = serde_json::Deserializer::from_slice(&lines).into_iter::<Receipt>();
    parsed.collect::<Result<_, _>>().map_err(|error| failed(Box::new(error)))
}

/// Times as the microseconds that receipts hold.
fn times_as_numbers(batch: &arrow::array::RecordBatch) -> Result<arrow::array::RecordBatch> {
    use arrow::datatypes::DataType;
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Timestamp(..) => arrow::compute::cast(column, &DataType::Int64),
        _ => Ok(Arc::clone(column)),
    });
    let columns = columns.collect::<Result<Vec<_>, _>>();
    let named = columns.and_then(|columns| {
        let names = batch.schema_ref().fields().iter().map(|field| field.name().clone());
        arrow::array::RecordBatch::try_from_iter(names.zip(columns))
    });
    named.map_err(|error| Error::bug("receipts of the lake are not as they were written").because(error))
}

impl Selection {
    fn folder(&self) -> String {
        format!("_replay/{}", self.id)
    }

    /// What the jobs wrote, by job.
    fn outputs(&self) -> BTreeMap<String, Vec<Output>> {
        self.receipts.iter().map(|receipt| (receipt.job_id.clone(), receipt.outputs.clone())).collect()
    }

    /// Does the jobs again, as far as an earlier call has not, and lays aside what they come to.
    ///
    /// # Errors
    /// [`Kind::Transient`] when the lake cannot be written; the next call goes on.
    pub async fn derive(&self, node: &Arc<Node>, progress: &dyn Progress) -> Result<Derived> {
        let mut derived = Derived::default();
        let mut left: BTreeMap<&str, &Receipt> =
            self.receipts.iter().map(|receipt| (receipt.job_id.as_str(), receipt)).collect();
        for listed in list(&node.lake, &self.folder(), None, usize::MAX, u64::MAX).await? {
            let pending: Option<Pending> = read_json(&node.lake, &listed.path).await?;
            derived.take_up(pending.into_iter().flat_map(|pending| pending.receipts), &mut left);
            derived.pending.push(listed.path);
        }
        let outputs = Arc::new(self.outputs());
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = JobThreads::new(jobs)?;
        let groups = groups(left.values().copied());
        let mut ended = futures::stream::iter(groups)
            .map(|group| {
                run_group(Arc::clone(node), threads.handle().clone(), self.folder(), Arc::clone(&outputs), group)
            })
            .buffer_unordered(jobs);
        while let Some(ended) = ended.next().await {
            for (old, outcome) in ended {
                match outcome {
                    Ok(Outcome::Handed(receipt)) => derived.note(old, *receipt),
                    Ok(Outcome::AlreadyDone) => derived.kept.push((old, Error::bug("the object came twice"))),
                    Ok(Outcome::TooBig(error, _)) => derived.kept.push((old, error)),
                    Err(error) => derived.kept.push((old, error)),
                }
            }
            progress.derived(derived.changed.len() + derived.kept.len(), self.receipts.len());
        }
        drop(ended);
        let laid = list(&node.lake, &self.folder(), None, usize::MAX, u64::MAX).await?;
        derived.pending = laid.into_iter().map(|listed| listed.path).collect();
        Ok(derived)
    }

    /// Swaps what was laid aside for what the lake has: one commit for each table, receipts last.
    ///
    /// # Errors
    /// As [`Committer::commit_pending`]; whoever commits next carries out what was begun.
    pub async fn swap(&self, derived: &Derived, committer: &mut Committer) -> Result<Committed> {
        if derived.changed.is_empty() {
            return Ok(Committed::default());
        }
        committer.commit_together(&derived.pending).await
    }
}

impl Derived {
    /// Takes up what an earlier call laid aside.
    fn take_up(&mut self, receipts: impl Iterator<Item = Receipt>, left: &mut BTreeMap<&str, &Receipt>) {
        for receipt in receipts {
            let old = receipt.replaces.as_deref().and_then(|job| left.remove(job));
            if let Some(old) = old {
                self.note(old.clone(), receipt);
            }
        }
    }

    fn note(&mut self, old: Receipt, new: Receipt) {
        self.changed.push((old, new));
    }
}

/// The jobs in groups of one source that share their files.
fn groups<'a>(receipts: impl Iterator<Item = &'a Receipt>) -> Vec<Vec<Receipt>> {
    let mut groups: Vec<Vec<Receipt>> = Vec::new();
    let mut bytes = 0;
    for receipt in receipts {
        bytes += receipt.bytes_in;
        match groups.last_mut() {
            Some(group) if group.len() < GROUP_FILES && bytes <= GROUP_BYTES => group.push(receipt.clone()),
            _ => {
                bytes = receipt.bytes_in;
                groups.push(vec![receipt.clone()]);
            }
        }
    }
    groups
}

async fn run_group(
    node: Arc<Node>,
    threads: tokio::runtime::Handle,
    folder: String,
    outputs: Arc<BTreeMap<String, Vec<Output>>>,
    group: Vec<Receipt>,
) -> Vec<(Receipt, Result<Outcome>)> {
    let job = threads.spawn_blocking(move || {
        let deliveries: Vec<Delivery> = group.iter().map(delivery).collect();
        let destination = Destination::Replay { folder: &folder, outputs: &outputs };
        let outcomes = node.io.block_on(process_to(destination, &node, &deliveries, None));
        group.into_iter().zip(outcomes).collect()
    });
    match job.await {
        Ok(ended) => ended,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The event that a job's object appeared, as it was when the job ran.
fn delivery(receipt: &Receipt) -> Delivery {
    let event = Event {
        uri: receipt.object.clone(),
        bucket: None,
        key: String::new(),
        version: Some(receipt.object_version.clone()),
        size_bytes: None,
        time_us: Some(receipt.object_modified_us),
        source: None,
    };
    let job = JobId::parse(&receipt.job_id);
    let replaces = job.map(|job| Replaces { job, source: receipt.source.clone() });
    Delivery { replaces, ..Delivery::new(event, 1) }
}
