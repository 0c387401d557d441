//! Apache Parquet (<https://parquet.apache.org/docs/file-format/>): kept in a temporary file, because its index is at
//! its end, and read by row group, only the columns that are asked for.

use std::fs::File;

use arrow::array::RecordBatch;
use millpond_core::Result;
use millpond_core::format::DecodeRequest;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::ParquetMetaData;

use crate::Records;
use crate::columnar::{Batches, ColumnarReader, check_fields, guarded, needed};
use crate::rows::{BATCH_BYTES, Rows};
use crate::spool::spool;
use crate::window::Window;

const NAME: &str = "Parquet";

/// Opens the reader.
///
/// # Errors
/// `BadInput` for a file whose index cannot be read, such as a cut or an encrypted one.
pub(crate) fn open(window: &mut Window, rows: &mut Rows, request: &DecodeRequest) -> Result<Box<dyn Records>> {
    let file = spool(window)?;
    let index = guarded(NAME, || ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())).map_err(|error| {
        match error.chain().to_lowercase().contains("encrypt") {
            true => error.hint("encrypted files cannot be read"),
            false => error,
        }
    })?;
    let fields = index.schema().fields().clone();
    check_fields(&fields, rows)?;
    let mask = ProjectionMask::roots(index.parquet_schema(), needed(&fields, rows));
    let batch_rows = rows_at_once(index.metadata(), request.batch_rows);
    let batches = ParquetBatches { file, index, mask, batch_rows, next_group: 0, group: None };
    Ok(Box::new(ColumnarReader::new(NAME, batches, fields, rows)?))
}

/// As many rows as make about one batch, by what the index says of the longest row group's rows.
fn rows_at_once(index: &ParquetMetaData, batch_rows: usize) -> usize {
    let row_bytes = |group: &parquet::file::metadata::RowGroupMetaData| {
        usize::try_from(group.total_byte_size() / group.num_rows().max(1)).unwrap_or(0)
    };
    let longest = index.row_groups().iter().map(row_bytes).max().unwrap_or(0);
    (BATCH_BYTES / longest.max(1)).clamp(1, batch_rows.max(1))
}

struct ParquetBatches {
    file: File,
    index: ArrowReaderMetadata,
    /// The columns to read.
    mask: ProjectionMask,
    batch_rows: usize,
    next_group: usize,
    /// The row group being read.
    group: Option<ParquetRecordBatchReader>,
}

impl ParquetBatches {
    /// Opens the next row group. Each has a reader of its own: damage in one does not cost rows of those before.
    fn open_group(&self, group: usize) -> Result<ParquetRecordBatchReader> {
        guarded(NAME, || {
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.try_clone()?, self.index.clone())
                .with_projection(self.mask.clone())
                .with_batch_size(self.batch_rows)
                .with_row_groups(vec![group])
                .build()
        })
    }
}

impl Batches for ParquetBatches {
    fn next(&mut self, _: &mut Window, _: &mut Rows) -> Result<Option<RecordBatch>> {
        loop {
            let mut group = match self.group.take() {
                Some(group) => group,
                None if self.next_group == self.index.metadata().num_row_groups() => return Ok(None),
                None => {
                    self.next_group += 1;
                    self.open_group(self.next_group - 1)?
                }
            };
            if let Some(batch) = guarded(NAME, || group.next().transpose())? {
                self.group = Some(group);
                return Ok(Some(batch));
            }
        }
    }
}
