//! Apache Parquet (<https://parquet.apache.org/docs/file-format/>): kept in a temporary file, because its index is at
//! its end, and read by row group, only the columns that are asked for.

mod footer;

use std::io::BufReader;
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use millpond_core::Result;
use millpond_core::format::DecodeRequest;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{ChunkReader, Length};

use crate::Records;
use crate::columnar::{Batches, ColumnarReader, check_fields, guarded, needed};
use crate::rows::{BATCH_BYTES, Rows};
use crate::spool::{Section, SharedFile, Spooled, spool};
use crate::window::Window;

const NAME: &str = "Parquet";

/// Opens the reader.
///
/// # Errors
/// `BadInput` for a file whose index cannot be read, such as a cut or an encrypted one.
pub(crate) fn open(window: &mut Window, rows: &mut Rows, request: &DecodeRequest) -> Result<Box<dyn Records>> {
    let file = SharedFile(Arc::new(Spooled::new(spool(window)?)?));
    // With the schema given, the library does not read another one.
    let schema = footer::read_schema(&file.0, rows.limits.depth_max)?;
    let options = ArrowReaderOptions::new().with_parquet_schema(schema);
    let index = guarded(NAME, || ArrowReaderMetadata::load(&file, options)).map_err(|error| {
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

impl Length for SharedFile {
    fn len(&self) -> u64 {
        self.0.length()
    }
}

impl ChunkReader for SharedFile {
    type T = BufReader<Section>;

    fn get_read(&self, offset: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(Section::new(&self.0, offset, self.0.length())))
    }

    fn get_bytes(&self, offset: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.0.bytes_at(offset, length as u64).map_err(|error| ParquetError::External(error.into()))?;
        Ok(bytes.into())
    }
}

struct ParquetBatches {
    file: SharedFile,
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
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.index.clone())
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

/// The decompressed bytes of all columns, from the index.
///
/// # Errors
/// `BadInput` for an index that cannot be read.
pub(crate) fn decoded_bytes(index: &[u8]) -> Result<u64> {
    footer::decoded_bytes(index)
}
