//! Apache Parquet (<https://parquet.apache.org/docs/file-format/>): kept in a temporary file, because its index is at
//! its end, and read by row group, only the columns that are asked for.

use arrow::array::RecordBatch;
use millpond_core::format::DecodeRequest;
use millpond_core::Result;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
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
    let builder = guarded(NAME, || ParquetRecordBatchReaderBuilder::try_new(file)).map_err(|error| {
        match error.chain().to_lowercase().contains("encrypt") {
            true => error.hint("encrypted files cannot be read"),
            false => error,
        }
    })?;
    let fields = builder.schema().fields().clone();
    check_fields(&fields, rows)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), needed(&fields, rows));
    let read_rows = rows_at_once(builder.metadata(), request.batch_rows);
    let reader = guarded(NAME, || builder.with_projection(mask).with_batch_size(read_rows).build())?;
    Ok(Box::new(ColumnarReader::new(NAME, ParquetBatches { reader: Some(reader) }, fields, rows)?))
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
    /// `None` behind the last batch and after an error.
    reader: Option<ParquetRecordBatchReader>,
}

impl Batches for ParquetBatches {
    fn next(&mut self, _: &mut Window, _: &mut Rows) -> Result<Option<RecordBatch>> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        let batch = guarded(NAME, || reader.next().transpose())?;
        if batch.is_some() {
            self.reader = Some(reader);
        }
        Ok(batch)
    }
}
