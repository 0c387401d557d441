//! Any file as a table, for queries by people: decoded anew for every scan, in bounded memory.

use std::fmt;
use std::io::Read;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use millpond_core::columns::{Column, SystemColumn};
use millpond_core::format::{DecodeRequest, Format};
use millpond_core::{Error, Result};

use millpond_decode::{Decoder, arrow_schema};

/// Opens the file again for each scan.
pub type Open = Arc<dyn Fn() -> Result<Box<dyn Read + Send>> + Send + Sync>;

/// Columns of a queried file besides its own.
const SYSTEM: [SystemColumn; 2] = [SystemColumn::Row, SystemColumn::Raw];

/// A file with a known format and known columns. Records that cannot be read are left out.
pub struct FileTable {
    name: String,
    format: Format,
    columns: Vec<Column>,
    schema: SchemaRef,
    open: Open,
}

impl FileTable {
    /// The file that `open` opens; besides its columns it has `_row` and `_raw`.
    pub fn new(name: &str, format: Format, columns: Vec<Column>, open: Open) -> Self {
        let schema = arrow_schema(&columns, &SYSTEM);
        Self { name: name.to_owned(), format, columns, schema, open }
    }

    /// The table as DataFusion reads it.
    ///
    /// # Errors
    /// [`Kind::Bug`](millpond_core::Kind::Bug) when DataFusion refuses the schema.
    pub fn provider(self) -> Result<Arc<dyn TableProvider>> {
        let schema = Arc::clone(&self.schema);
        let table = StreamingTable::try_new(schema, vec![Arc::new(self)]);
        let table =
            table.map_err(|error| Error::bug("failed to build a file's table").because(error.strip_backtrace()))?;
        Ok(Arc::new(table))
    }

    fn decoder(&self, batch_rows: usize) -> Result<Decoder> {
        let request = DecodeRequest {
            system: SYSTEM.to_vec(),
            batch_rows,
            ..DecodeRequest::new(self.format.clone(), self.columns.clone(), &self.name)
        };
        Decoder::open((self.open)()?, request)
    }
}

impl fmt::Debug for FileTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTable").field("name", &self.name).field("format", &self.format).finish_non_exhaustive()
    }
}

impl PartitionStream for FileTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let external = |error: Error| DataFusionError::External(Box::new(error));
        let mut decoder = self.decoder(context.session_config().batch_size()).map_err(external);
        let mut is_over = false;
        let rows = futures::stream::poll_fn(move |_| {
            if is_over {
                return std::task::Poll::Ready(None);
            }
            let next = match &mut decoder {
                Ok(decoder) => decoder.next_batch().map_err(external).transpose(),
                Err(error) => Some(Err(std::mem::replace(error, DataFusionError::Internal(String::new())))),
            };
            if let Ok(decoder) = &mut decoder {
                decoder.take_rejects();
            }
            is_over = !matches!(next, Some(Ok(_)));
            std::task::Poll::Ready(next)
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}
