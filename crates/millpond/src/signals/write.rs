//! Putting rows of the table `signals` that no job gave.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use millpond_core::{Error, Result};
use millpond_engine::encode::{JOB_COLUMN, Origin, TableWriter};

use super::state::SIGNALS;
use crate::lake::{Lake, LakeFile};
use crate::pipeline::signals_schema;
use crate::put::put_file;

/// The columns of the files: rows that no job gave have no job.
pub(crate) fn file_schema() -> SchemaRef {
    let job = Arc::new(Field::new(JOB_COLUMN, DataType::Utf8, true));
    Arc::new(Schema::new(signals_schema().fields().iter().cloned().chain([job]).collect::<Vec<_>>()))
}

/// Puts rows in files that begin with `name`, to be committed. Rows without a time lie in `day`, days since 1970.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when they cannot be stored.
pub(crate) async fn put_rows(lake: &Lake, rows: &RecordBatch, day: i32, name: &str) -> Result<Vec<LakeFile>> {
    let schema = file_schema();
    let job = new_null_array(&DataType::Utf8, rows.num_rows());
    let columns = rows.columns().iter().cloned().chain([job]).collect();
    let rows = RecordBatch::try_new(Arc::clone(&schema), columns);
    let rows = rows.map_err(|error| Error::bug("failed to build signal rows").because(error))?;
    let mut writer = TableWriter::new(&schema, Some("time"), false);
    writer.write(&rows, &Origin { job: None, day })?;
    let mut files = Vec::new();
    for file in writer.finish()? {
        files.push(put_file(lake, SIGNALS, name, file).await?);
    }
    Ok(files)
}
