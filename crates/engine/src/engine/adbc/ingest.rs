//! Handing rows to an engine.

use std::sync::Arc;

use adbc_core::error::Error as AdbcError;
use arrow::array::{ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use millpond_core::{Error, Result};

use super::session::Session;
use super::types::shared_schema;
use crate::encode::to_lake;

/// Rows that are handed over together: a call costs some milliseconds, and a held batch its memory.
const ROWS_MAX: usize = 65_536;
/// Bytes after which that is done sooner.
const BYTES_MAX: usize = 8 << 20;
/// The one column of a table of which no column is read, so that its rows can be counted.
const NOTHING: &str = "_nothing";

/// The columns of a table as engines hold it: those that are read, in types that every engine has.
pub(super) fn table_schema<'a>(schema: &Schema, columns: impl Iterator<Item = &'a str>) -> SchemaRef {
    let named = columns.filter_map(|name| schema.field_with_name(name).ok());
    let fields: Vec<Field> = named.cloned().collect();
    if fields.is_empty() {
        return Arc::new(Schema::new(vec![Field::new(NOTHING, DataType::Boolean, true)]));
    }
    shared_schema(&Schema::new(fields))
}

/// Batches on their way into a table of an engine.
pub(super) struct Ingest {
    table: String,
    schema: SchemaRef,
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    /// Rows handed over so far.
    pub(super) rows: u64,
    bytes: u64,
    bytes_max: Option<u64>,
}

impl Ingest {
    /// Rows for a table that there is, of at most so many bytes.
    pub(super) fn new(table: &str, schema: SchemaRef, bytes_max: Option<u64>) -> Self {
        let table = table.to_owned();
        Self { table, schema, waiting: Vec::new(), waiting_rows: 0, waiting_bytes: 0, rows: 0, bytes: 0, bytes_max }
    }

    /// Bytes of Arrow handed over or gathered so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes a batch with these columns among others, and hands over what has gathered once that is enough.
    pub(super) fn push(&mut self, session: &mut Session, batch: &RecordBatch) -> Result<(), Failure> {
        let batch = self.projected(batch)?;
        let bytes = batch.get_array_memory_size();
        self.bytes += bytes as u64;
        if let Some(max) = self.bytes_max.filter(|max| self.bytes > *max) {
            let error = Error::too_big(format!("`{}` holds more than {} MiB", self.table, max >> 20));
            return Err(Failure::Ours(error.hint("raise `memory` under `[limits]` in `source.toml`")));
        }
        self.waiting_rows += batch.num_rows();
        self.waiting_bytes += bytes;
        self.waiting.push(batch);
        if self.waiting_rows >= ROWS_MAX || self.waiting_bytes >= BYTES_MAX {
            return self.flush(session);
        }
        Ok(())
    }

    /// Hands over the rest.
    pub(super) fn flush(&mut self, session: &mut Session) -> Result<(), Failure> {
        let waiting = std::mem::take(&mut self.waiting);
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        let rows = concat_batches(&self.schema, &waiting)
            .map_err(|error| Error::bug("failed to join the batches of an engine's table").because(error))?;
        if rows.num_rows() > 0 {
            self.rows += rows.num_rows() as u64;
            session.append(&self.table, rows).map_err(Failure::Engine)?;
        }
        Ok(())
    }

    fn projected(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let column = |field: &Arc<Field>| -> Result<ArrayRef> {
            match batch.column_by_name(field.name()) {
                Some(column) => Ok(Arc::clone(column)),
                None if field.name() == NOTHING => Ok(Arc::new(BooleanArray::new_null(batch.num_rows()))),
                None => Err(Error::bug(format!("the decoder gave no column `{}`", field.name()))),
            }
        };
        let columns = self.schema.fields().iter().map(column).collect::<Result<Vec<_>>>()?;
        let fields = self.schema.fields().iter().zip(&columns);
        let fields: Vec<Field> =
            fields.map(|(field, column)| Field::new(field.name(), column.data_type().clone(), true)).collect();
        let picked = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns);
        let picked = picked.map_err(|error| Error::bug("failed to pick an engine's columns").because(error))?;
        to_lake(&picked, &self.schema)
    }
}

/// Why rows were not handed over.
pub(super) enum Failure {
    /// Before the engine saw them.
    Ours(Error),
    /// By the engine.
    Engine(AdbcError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}
