//! Reading single files of a table, and writing them again without some of their rows.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{CastOptions, cast, filter_record_batch};
use arrow::datatypes::{DataType, FieldRef, SchemaRef};
use bytes::Bytes;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use datafusion::common::nested_struct::cast_column;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use millpond_core::{Error, Result};
use millpond_engine::encode::{JOB_COLUMN, Origin, TableWriter};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::lake::{Lake, LakeFile};
use crate::put::{day_number, put_file};

/// Files that are opened while the one before is read: most of what a small file takes is waiting for it.
const FILES_AHEAD: usize = 16;
/// A file up to this size is fetched in one request: footer, index and columns would take one each.
const WHOLE_BYTES_MAX: u64 = 4 << 20;

/// A file in the lake's store, as the Parquet reader asks for it.
#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
    /// All of a small file, once it was asked for anything.
    whole: Option<Bytes>,
    /// Bytes that were fetched, of it and of its clones.
    fetched: Arc<AtomicU64>,
}

impl StoredFile {
    /// A file of so many bytes, of which nothing is fetched yet.
    pub(crate) fn new(store: &Arc<dyn ObjectStore>, path: Path, bytes: u64) -> Self {
        Self { store: Arc::clone(store), path, bytes, whole: None, fetched: Arc::default() }
    }

    /// Bytes that were fetched, of it and of its clones.
    pub(crate) fn fetched_bytes(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    async fn read(&mut self, range: Range<u64>) -> parquet::errors::Result<Bytes> {
        if self.bytes > WHOLE_BYTES_MAX {
            self.fetched.fetch_add(range.end - range.start, Ordering::Relaxed);
            return Ok(self.store.get_range(&self.path, range).await?);
        }
        let whole = match &self.whole {
            Some(whole) => whole,
            None => {
                self.fetched.fetch_add(self.bytes, Ordering::Relaxed);
                self.whole.insert(self.store.get(&self.path).await?.bytes().await?)
            }
        };
        if range.end > whole.len() as u64 {
            return Err(ParquetError::EOF(format!("`{}` is shorter than its table says", self.path)));
        }
        Ok(whole.slice(range.start as usize..range.end as usize))
    }
}

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.read(range).boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        async move {
            let bytes = self.bytes;
            ParquetMetaDataReader::new().load_and_finish(self, bytes).await.map(Arc::new)
        }
        .boxed()
    }
}

/// The rows of a file, a batch at a time; all columns unless some are named.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when it cannot be read.
pub(crate) async fn open_file(
    lake: &Lake,
    table: &str,
    path: &str,
    columns: Option<&[&str]>,
) -> Result<ParquetRecordBatchStream<StoredFile>> {
    let message = format!("failed to read `{table}/{path}`");
    let failed = |error| Error::transient(&message).because(error);
    let path = Path::from(format!("{table}/{path}"));
    let meta = lake.store.head(&path).await.map_err(|error| Error::transient(&message).because(error))?;
    let reader = StoredFile::new(&lake.store, path, meta.size);
    let mut builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(failed)?;
    if let Some(columns) = columns {
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        builder = builder.with_projection(mask);
    }
    builder.build().map_err(failed)
}

/// The rows of several files one after the other, with the columns of their table: what a file does not have is NULL.
pub(crate) fn read_files(
    lake: &Lake,
    table: &str,
    files: Vec<LakeFile>,
    schema: &SchemaRef,
) -> BoxStream<'static, Result<RecordBatch>> {
    let (store, schema) = (Arc::clone(&lake.store), Arc::clone(schema));
    let table = table.to_owned();
    let opened = futures::stream::iter(files).map(move |file| {
        let path = Path::from(format!("{table}/{}", file.path));
        open_stored(StoredFile::new(&store, path, file.bytes))
    });
    let rows = opened.buffered(FILES_AHEAD).try_flatten();
    rows.map(move |rows| align(&rows?, &schema)).boxed()
}

async fn open_stored(file: StoredFile) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let message = format!("failed to read `{}`", file.path);
    let failed = |error| Error::transient(message.clone()).because(error);
    let rows = ParquetRecordBatchStreamBuilder::new(file).await.map_err(failed)?.build().map_err(failed)?;
    Ok(rows.map_err(move |error| Error::transient(message.clone()).because(error)).boxed())
}

/// Rows with the columns of a table, in its order and types.
fn align(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let column = |field: &FieldRef| -> Result<ArrayRef> {
        let Some(column) = rows.column_by_name(field.name()) else {
            return Ok(new_null_array(field.data_type(), rows.num_rows()));
        };
        cast_column(column, field.data_type(), &options).map_err(|error| {
            Error::bad_input(format!("column `{}` does not fit its table", field.name())).because(error)
        })
    };
    let columns = schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Error::bug("failed to bring rows to the columns of their table").because(error))
}

/// How many rows there are and what is in them, whatever their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Rows.
    pub(crate) rows: u64,
    /// The sum of a hash of each row, over all its columns.
    hash: u64,
}

impl Tally {
    /// Counts rows in; those that are compared must have the same columns in the same order.
    pub(crate) fn add(&mut self, rows: &RecordBatch) -> Result<()> {
        let mut hashes = vec![0; rows.num_rows()];
        let state = RandomState::with_seed(0);
        create_hashes(rows.columns(), &state, &mut hashes)
            .map_err(|error| Error::bug("failed to hash rows").because(error))?;
        self.rows += rows.num_rows() as u64;
        self.hash = hashes.iter().fold(self.hash, |sum, hash| sum.wrapping_add(*hash));
        Ok(())
    }

    /// Counts in what another counted.
    pub(crate) fn join(&mut self, other: Self) {
        self.rows += other.rows;
        self.hash = self.hash.wrapping_add(other.hash);
    }
}

/// What is in a file as it lies in the store.
///
/// # Errors
/// As [`open_file`].
pub(crate) async fn tally_file(lake: &Lake, table: &str, file: &LakeFile, schema: &SchemaRef) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut rows = read_files(lake, table, vec![file.clone()], schema);
    while let Some(rows) = rows.next().await {
        tally.add(&rows?)?;
    }
    Ok(tally)
}

/// All rows of a file.
///
/// # Errors
/// As [`open_file`].
pub(crate) async fn read_file(
    lake: &Lake,
    table: &str,
    path: &str,
    columns: Option<&[&str]>,
) -> Result<Vec<RecordBatch>> {
    let rows = open_file(lake, table, path, columns).await?.try_collect().await;
    rows.map_err(|error| Error::transient(format!("failed to read `{table}/{path}`")).because(error))
}

/// Which rows of a batch belong to none of these jobs. Rows name their job in `_job`, receipts in `job_id`.
fn not_of(jobs: &HashSet<String>, rows: &RecordBatch) -> Result<BooleanArray> {
    let column = rows.column_by_name(JOB_COLUMN).or_else(|| rows.column_by_name("job_id"));
    let column = column.ok_or_else(|| Error::bug("a file of the lake does not name its jobs"))?;
    let column = cast(column, &DataType::Utf8).map_err(|error| Error::bug("a job is no text").because(error))?;
    Ok(column.as_string::<i32>().iter().map(|job| Some(!job.is_some_and(|job| jobs.contains(job)))).collect())
}

/// Whether a file holds rows of these jobs.
///
/// # Errors
/// As [`open_file`].
pub(crate) async fn holds_rows_of(lake: &Lake, table: &str, file: &LakeFile, jobs: &HashSet<String>) -> Result<bool> {
    let mut rows = open_file(lake, table, &file.path, Some(&[JOB_COLUMN, "job_id"])).await?;
    while let Some(rows) = rows.next().await {
        let rows = rows.map_err(|error| Error::transient(format!("failed to read `{}`", file.path)).because(error))?;
        if not_of(jobs, &rows)?.false_count() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes a file again without the rows of these jobs, under the name `name`. `None`: no row is left.
///
/// # Errors
/// As [`open_file`], and [`Kind::Transient`](millpond_core::Kind::Transient) when it cannot be written.
pub(crate) async fn without(
    lake: &Lake,
    table: &str,
    file: &LakeFile,
    jobs: &HashSet<String>,
    name: &str,
) -> Result<Option<LakeFile>> {
    let mut stream = open_file(lake, table, &file.path, None).await?;
    let mut writer = TableWriter::new(stream.schema(), None, false);
    let origin = Origin { job: None, day: day_number(&file.day)? };
    while let Some(rows) = stream.next().await {
        let rows = rows.map_err(|error| Error::transient(format!("failed to read `{}`", file.path)).because(error))?;
        let kept = filter_record_batch(&rows, &not_of(jobs, &rows)?);
        writer.write(&kept.map_err(|error| Error::bug("failed to cut rows out").because(error))?, &origin)?;
    }
    // Rows of one day give one file, or none.
    match writer.finish()?.into_iter().next() {
        Some(kept) => put_file(lake, table, name, kept).await.map(Some),
        None => Ok(None),
    }
}
