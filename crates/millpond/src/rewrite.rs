//! Reading single files of a table, and writing them again without some of their rows.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use millpond_core::{Error, Result};
use millpond_engine::encode::{JOB_COLUMN, Origin, TableWriter};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStream};
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use crate::lake::{Lake, LakeFile};
use crate::put::{day_number, put_file};

/// A file in the lake's store, as the Parquet reader asks for it.
#[derive(Debug)]
pub(crate) struct StoredFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    bytes: u64,
}

impl AsyncFileReader for StoredFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        async move { self.store.get_range(&self.path, range).await.map_err(Into::into) }.boxed()
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
    let reader = StoredFile { store: Arc::clone(&lake.store), path, bytes: meta.size };
    let mut builder = ParquetRecordBatchStreamBuilder::new(reader).await.map_err(failed)?;
    if let Some(columns) = columns {
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        builder = builder.with_projection(mask);
    }
    builder.build().map_err(failed)
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
