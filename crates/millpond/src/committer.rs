//! The committer: the one writer of table metadata and the only arbiter of what is done.
//!
//! A job hands over one *pending commit*: its receipt and the files that it wrote. The committer takes many of them as a
//! *batch*: it first writes down which ones (create-if-absent, so two committers agree), then adds their files to each
//! table in one commit that records the batch's number, receipts last, then clears up. A crash anywhere leaves a batch
//! that is carried out again; tables that already record its number are passed over. What was committed before, by job
//! or by content, is dropped here, whatever the jobs believed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::json::ReaderBuilder;
use bytes::Bytes;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use futures::{StreamExt, TryStreamExt};
use millpond_core::job::JobId;
use millpond_core::receipt::{Output, Receipt, Status};
use millpond_core::{Error, Kind, Result};
use millpond_engine::encode::{EncodedFile, TableWriter};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, WriteMultipart};
use serde::{Deserialize, Serialize};

use crate::crash;
use crate::lake::{FileAdd, Lake};
use crate::ledger::{Ledger, RECEIPTS};

/// Pending commits of one batch, at most.
const BATCH_JOBS_MAX: usize = 1_000;
/// Pending commits read at the same time.
const READS_MAX: usize = 16;
/// Bytes of one part of a large file; S3 wants at least 5 MiB
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const PART_BYTES: u64 = 8 << 20;
/// The version of [`Pending`] and of a batch as they are written.
const FORMAT: u32 = 1;

/// What a job hands to the committer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The version of this format.
    pub format: u32,
    /// The job's receipt.
    pub receipt: Receipt,
    /// Whether the job is void if the same bytes were committed before under this source.
    pub skip_duplicates: bool,
    /// What the job wrote, by table.
    pub tables: Vec<PendingTable>,
}

/// The files that one job wrote for one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTable {
    /// The table.
    pub table: String,
    /// Its columns as Delta writes them, without the partition.
    pub schema: serde_json::Value,
    /// The files.
    pub files: Vec<FileAdd>,
}

impl Pending {
    /// A pending commit of the current format.
    pub fn new(receipt: Receipt, skip_duplicates: bool, tables: Vec<PendingTable>) -> Self {
        Self { format: FORMAT, receipt, skip_duplicates, tables }
    }

    /// Its key: one for the end of a job, one for each failed try, so that a retry finds itself.
    fn path(&self) -> Path {
        let receipt = &self.receipt;
        Path::from(match receipt.status {
            Status::Failed => format!("_pending/{}-failed-{}.json", receipt.job_id, receipt.attempt),
            _ => format!("_pending/{}.json", receipt.job_id),
        })
    }

    /// Hands over. A pending commit that is already there stays: it belongs to the same job.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not take it.
    pub async fn put(&self, lake: &Lake) -> Result<()> {
        put_new(lake, &self.path(), self).await.map(|_| ())
    }
}

impl PendingTable {
    /// The files of one table and its columns.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when Delta has no such type.
    pub fn new(table: &str, schema: &Schema, files: Vec<FileAdd>) -> Result<Self> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::bad_config(format!("failed to store the columns of `{table}`")).because(error)
        };
        let kernel: StructType = schema.try_into_kernel().map_err(|error| failed(Box::new(error)))?;
        let schema = serde_json::to_value(&kernel).map_err(|error| failed(Box::new(error)))?;
        Ok(Self { table: table.to_owned(), schema, files })
    }

    fn arrow_schema(&self) -> Result<Schema> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::bug(format!("a pending commit has unreadable columns for `{}`", self.table)).because(error)
        };
        let kernel: StructType =
            serde_json::from_value(self.schema.clone()).map_err(|error| failed(Box::new(error)))?;
        (&kernel).try_into_arrow().map_err(|error| failed(Box::new(error)))
    }
}

/// The pending commits that are committed together.
#[derive(Debug, Serialize, Deserialize)]
struct Batch {
    format: u32,
    number: i64,
    /// Paths of pending commits.
    pending: Vec<String>,
}

fn batch_path(number: i64) -> Path {
    Path::from(format!("_batches/{number:020}.json"))
}

/// Creates an object unless it is there; says whether it was created.
async fn put_new(lake: &Lake, path: &Path, value: &impl Serialize) -> Result<bool> {
    let body =
        serde_json::to_vec(value).map_err(|error| Error::bug(format!("failed to write `{path}`")).because(error))?;
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match lake.store.put_opts(path, Bytes::from(body).into(), options).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(Error::transient(format!("failed to put `{path}`")).because(error)),
    }
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The receipts of the jobs committed, as they stand in the ledger: a job whose content came twice is a duplicate
    /// here, whatever it believed.
    pub receipts: Vec<Receipt>,
    /// Pending commits dropped because their job or content was committed before.
    pub dropped: usize,
}

/// Commits everything that is pending and returns what it did.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) and [`Kind::Conflict`](millpond_core::Kind::Conflict): nothing is
/// lost; the next call goes on where this one stopped.
pub async fn commit_pending(lake: &Lake, ledger: &Ledger) -> Result<Committed> {
    let mut total = Committed::default();
    loop {
        let last = lake.last_batch(RECEIPTS).await?;
        clear_finished(lake, last).await?;
        let Some(batch) = next_batch(lake, last + 1).await? else { return Ok(total) };
        let done = commit_batch(lake, ledger, &batch).await?;
        total.receipts.extend(done.receipts);
        total.dropped += done.dropped;
        clear(lake, &batch).await?;
    }
}

/// The batch of this number: the one written down before a crash, or a new one of what is pending.
async fn next_batch(lake: &Lake, number: i64) -> Result<Option<Batch>> {
    if let Some(batch) = read_json(lake, &batch_path(number)).await? {
        return Ok(Some(batch));
    }
    let mut pending = list(lake, "_pending").await?;
    pending.sort();
    pending.truncate(BATCH_JOBS_MAX);
    if pending.is_empty() {
        return Ok(None);
    }
    let batch = Batch { format: FORMAT, number, pending };
    if put_new(lake, &batch_path(number), &batch).await? {
        crash::point("batch");
        return Ok(Some(batch));
    }
    // Another committer was first: carry out what it wrote down.
    read_json(lake, &batch_path(number)).await
}

async fn commit_batch(lake: &Lake, ledger: &Ledger, batch: &Batch) -> Result<Committed> {
    let mut reads = futures::stream::iter(&batch.pending)
        .map(|path| async move {
            let read: Result<Option<Pending>> = read_json(lake, &Path::from(path.as_str())).await;
            read?.ok_or_else(|| Error::conflict(format!("pending commit `{path}` was cleared by another committer")))
        })
        .buffered(READS_MAX);
    let mut chosen = Chosen::default();
    while let Some(pending) = reads.next().await {
        chosen.take(pending?, lake, ledger).await?;
    }
    for (table, (schema, files)) in &chosen.tables {
        lake.add_files(table, schema, files, batch.number).await?;
        crash::point("table");
    }
    commit_receipts(lake, batch.number, &chosen.receipts).await?;
    crash::point("receipts");
    chosen.receipts.iter().for_each(|receipt| ledger.record(receipt));
    Ok(Committed { receipts: chosen.receipts, dropped: chosen.dropped })
}

/// What a batch commits once everything that was committed before is cut out.
#[derive(Default)]
struct Chosen {
    tables: BTreeMap<String, (Schema, Vec<FileAdd>)>,
    receipts: Vec<Receipt>,
    jobs: HashSet<JobId>,
    contents: HashMap<(String, String), String>,
    dropped: usize,
}

impl Chosen {
    async fn take(&mut self, pending: Pending, lake: &Lake, ledger: &Ledger) -> Result<()> {
        let mut receipt = pending.receipt;
        let is_known = |job| ledger.has_job(job) || self.jobs.contains(&job);
        let job =
            JobId::parse(&receipt.job_id).ok_or_else(|| Error::bug(format!("`{}` is no job id", receipt.job_id)))?;
        if is_known(job) || (!receipt.status.is_final() && ledger.failures(job) >= receipt.attempt) {
            self.dropped += 1;
            return Ok(());
        }
        match self.first_with_content(&receipt, ledger) {
            Some(first) if pending.skip_duplicates => void(&mut receipt, &first),
            _ => match self.add_tables(pending.tables, lake).await {
                Err(error) if error.kind() == Kind::BadConfig => refuse(&mut receipt, &error),
                added => added?,
            },
        }
        if receipt.status.is_final() {
            self.jobs.insert(job);
        }
        if receipt.status == Status::Done && !receipt.fingerprint.is_empty() {
            let content = (receipt.source.clone(), receipt.fingerprint.clone());
            self.contents.entry(content).or_insert_with(|| receipt.object.clone());
        }
        self.receipts.push(receipt);
        Ok(())
    }

    /// The object under which the same source first saw these bytes, in the ledger or earlier in this batch.
    fn first_with_content(&self, receipt: &Receipt, ledger: &Ledger) -> Option<String> {
        if receipt.status != Status::Done || receipt.fingerprint.is_empty() {
            return None;
        }
        let content = (receipt.source.clone(), receipt.fingerprint.clone());
        let known = ledger.first_with_content(&receipt.source, &receipt.fingerprint);
        known.map(|first| first.to_string()).or_else(|| self.contents.get(&content).cloned())
    }

    /// Adds a job's files to those of the batch: all of them, or none if one does not fit its table.
    async fn add_tables(&mut self, tables: Vec<PendingTable>, lake: &Lake) -> Result<()> {
        let mut merged = Vec::with_capacity(tables.len());
        for table in tables {
            let schema = table.arrow_schema()?;
            let schema = match self.tables.get(&table.table) {
                Some((known, _)) if *known == schema => schema,
                Some((known, _)) => merge(known, schema, &table.table)?,
                None => {
                    lake.check_schema(&table.table, &schema).await?;
                    schema
                }
            };
            merged.push((table.table, schema, table.files));
        }
        for (name, schema, files) in merged {
            let entry = self.tables.entry(name).or_insert_with(|| (schema.clone(), Vec::new()));
            entry.0 = schema;
            entry.1.extend(files);
        }
        Ok(())
    }
}

/// Makes a receipt that of a failed try: its rows do not fit the table. The event comes back.
fn refuse(receipt: &mut Receipt, error: &Error) {
    receipt.status = Status::Failed;
    receipt.error_kind = Some(error.kind().name().to_owned());
    receipt.error = Some(error.report());
    receipt.bytes_out = 0;
    receipt.outputs.clear();
}

fn merge(known: &Schema, other: Schema, table: &str) -> Result<Schema> {
    Schema::try_merge([known.clone(), other]).map_err(|error| {
        Error::bad_config(format!("two jobs give table `{table}` columns that do not fit")).because(error)
    })
}

/// Makes a receipt that of a duplicate: every row that was written counts as deduplicated.
pub(crate) fn void(receipt: &mut Receipt, first: &str) {
    let balance = &mut receipt.balance;
    // Whatever became of the rows inside the transform, none of them reaches a table.
    balance.deduplicated = balance.rows_in;
    (balance.rows_out, balance.filtered, balance.aggregated, balance.exploded, balance.quarantined) = (0, 0, 0, 0, 0);
    receipt.status = Status::Duplicate;
    receipt.signals = 0;
    receipt.bytes_out = 0;
    receipt.outputs.clear();
    receipt.error = Some(format!("same bytes as `{first}`"));
}

/// Removes batches that were committed, and what they name, in case a crash came between.
async fn clear_finished(lake: &Lake, last: i64) -> Result<()> {
    for path in list(lake, "_batches").await? {
        let batch: Option<Batch> = read_json(lake, &Path::from(path.as_str())).await?;
        if let Some(batch) = batch
            && batch.number <= last
        {
            clear(lake, &batch).await?;
        }
    }
    Ok(())
}

/// Removes a batch's pending commits, then the batch.
async fn clear(lake: &Lake, batch: &Batch) -> Result<()> {
    for path in &batch.pending {
        delete(lake, &Path::from(path.as_str())).await?;
    }
    crash::point("cleanup");
    delete(lake, &batch_path(batch.number)).await
}

async fn delete(lake: &Lake, path: &Path) -> Result<()> {
    match lake.store.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(Error::transient(format!("failed to remove `{path}`")).because(error)),
    }
}

async fn list(lake: &Lake, folder: &str) -> Result<Vec<String>> {
    let listed = lake.store.list(Some(&Path::from(folder))).map_ok(|meta| meta.location.to_string());
    listed.try_collect().await.map_err(|error| Error::transient(format!("failed to list `{folder}`")).because(error))
}

async fn read_json<T: for<'de> Deserialize<'de>>(lake: &Lake, path: &Path) -> Result<Option<T>> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::transient(format!("failed to read `{path}`")).because(error)
    };
    let bytes = match lake.store.get(path).await {
        Ok(found) => found.bytes().await.map_err(|error| failed(Box::new(error)))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(Box::new(error))),
    };
    let value = serde_json::from_slice(&bytes);
    value.map(Some).map_err(|error| {
        Error::bad_input(format!("`{path}` in the lake is not what millpond wrote"))
            .because(error)
            .hint("was it written by a newer version?")
    })
}

/// Writes the receipts of a batch as one file and commits it: from here on the jobs are done.
async fn commit_receipts(lake: &Lake, batch: i64, receipts: &[Receipt]) -> Result<()> {
    let schema = receipts_schema();
    let mut files = Vec::new();
    if !receipts.is_empty() {
        let failed = |error: arrow::error::ArrowError| Error::bug("failed to write receipts").because(error);
        let builder = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(receipts.len());
        let mut decoder = builder.build_decoder().map_err(failed)?;
        decoder.serialize(receipts).map_err(failed)?;
        let mut writer = TableWriter::new(&schema, Some("started"), None, 0);
        while let Some(rows) = decoder.flush().map_err(failed)? {
            writer.write(&rows)?;
        }
        for file in writer.finish()? {
            files.push(put_file(lake, RECEIPTS, &format!("batch-{batch:020}"), file).await?);
        }
    }
    lake.add_files(RECEIPTS, &schema, &files, batch).await
}

/// Puts an encoded file where its content says, so that a retry with the same rows overwrites itself and one with other
/// rows (a transform that asks for the time, say) leaves the first as it was committed.
pub(crate) async fn put_file(lake: &Lake, table: &str, name: &str, mut file: EncodedFile) -> Result<FileAdd> {
    let day = day_text(file.day);
    let content = content_hash(&mut file)?;
    let path = format!("_day={day}/{name}-{}-{content}.parquet", file.part);
    let key = Path::from(format!("{table}/{path}"));
    let put = put_body(lake, &key, &mut file).await;
    put.map_err(|error| Error::transient(format!("failed to put `{key}`")).because(error))?;
    Ok(FileAdd { path, day, bytes: file.bytes, rows: file.rows, statistics: file.statistics })
}

/// The first 8 digits of the BLAKE3 of a file's bytes, in hexadecimal; the file is rewound.
fn content_hash(file: &mut EncodedFile) -> Result<String> {
    let failed = |error| Error::transient("failed to read back an encoded file").because(error);
    let mut hash = blake3::Hasher::new();
    hash.update_reader(&mut file.body).map_err(failed)?;
    std::io::Seek::rewind(&mut file.body).map_err(failed)?;
    Ok(hash.finalize().to_hex()[..8].to_owned())
}

/// Puts a file in one piece, or in parts where it is large; it appears whole or not at all.
async fn put_body(
    lake: &Lake,
    key: &Path,
    file: &mut EncodedFile,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut parts = match file.bytes {
        0..=PART_BYTES => None,
        _ => Some(WriteMultipart::new_with_chunk_size(lake.store.put_multipart(key).await?, PART_BYTES as usize)),
    };
    let mut left = file.bytes;
    loop {
        let mut piece = Vec::with_capacity(left.min(PART_BYTES) as usize);
        left = left.saturating_sub(PART_BYTES);
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut file.body, PART_BYTES), &mut piece)?;
        match &mut parts {
            None => return Ok(lake.store.put(key, Bytes::from(piece).into()).await.map(|_| ())?),
            Some(parts) if !piece.is_empty() => {
                parts.wait_for_capacity(1).await?;
                parts.put(Bytes::from(piece));
            }
            Some(_) => break,
        }
    }
    match parts {
        Some(parts) => Ok(parts.finish().await.map(|_| ())?),
        None => Ok(()),
    }
}

/// What a receipt says of a file.
pub(crate) fn output(table: &str, file: &FileAdd) -> Output {
    Output { table: table.to_owned(), path: file.path.clone(), rows: file.rows, bytes: file.bytes }
}

fn day_text(day: i32) -> String {
    let date = chrono::DateTime::from_timestamp(i64::from(day) * 86_400, 0).unwrap_or_default();
    date.format("%Y-%m-%d").to_string()
}

/// The columns of the table `receipts`; the names are those of [`Receipt`] as it is serialised.
pub fn receipts_schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let output = DataType::Struct(
        vec![
            Field::new("table", DataType::Utf8, true),
            Field::new("path", DataType::Utf8, true),
            Field::new("rows", DataType::Int64, true),
            Field::new("bytes", DataType::Int64, true),
        ]
        .into(),
    );
    let outputs = DataType::List(Arc::new(Field::new("element", output, true)));
    let columns = [
        ("job_id", DataType::Utf8),
        ("attempt", DataType::Int32),
        ("status", DataType::Utf8),
        ("object", DataType::Utf8),
        ("object_version", DataType::Utf8),
        ("object_modified", time()),
        ("source", DataType::Utf8),
        ("source_version", DataType::Int32),
        ("table", DataType::Utf8),
        ("rows_in", DataType::Int64),
        ("rows_out", DataType::Int64),
        ("filtered", DataType::Int64),
        ("deduplicated", DataType::Int64),
        ("aggregated", DataType::Int64),
        ("quarantined", DataType::Int64),
        ("exploded", DataType::Int64),
        ("signals", DataType::Int64),
        ("rescued", DataType::Int64),
        ("damages", DataType::Int64),
        ("members", DataType::Int64),
        ("bytes_in", DataType::Int64),
        ("bytes_decoded", DataType::Int64),
        ("bytes_out", DataType::Int64),
        ("fingerprint", DataType::Utf8),
        ("schema_fingerprint", DataType::Utf8),
        ("format", DataType::Utf8),
        ("compression", DataType::Utf8),
        ("engine", DataType::Utf8),
        ("fetch_us", DataType::Int64),
        ("decode_us", DataType::Int64),
        ("transform_us", DataType::Int64),
        ("write_us", DataType::Int64),
        ("total_us", DataType::Int64),
        ("memory_peak_bytes", DataType::Int64),
        ("started", time()),
        ("outputs", outputs),
        ("error_kind", DataType::Utf8),
        ("error", DataType::Utf8),
        ("millpond", DataType::Utf8),
    ];
    Arc::new(Schema::new(columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}
