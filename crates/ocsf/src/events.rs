//! Rows as the JSON that OCSF describes.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use arrow::error::ArrowError;
use arrow::json::LineDelimitedWriter;
use serde_json::{Map, Value};

use crate::conform::conform;

/// Each row as an event: times are milliseconds since 1970, what is NULL is left out.
///
/// # Errors
/// When a column has a type that JSON cannot hold.
pub fn events(batch: &RecordBatch) -> Result<Vec<Map<String, Value>>, ArrowError> {
    let milliseconds = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let column = with_times(column, field, &milliseconds)?;
        columns.push((field.name().clone(), with_times(&column, field, &DataType::Int64)?));
    }
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(name, column.data_type().clone(), true)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?;
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(&batch)?;
    writer.finish()?;
    let lines = serde_json::Deserializer::from_slice(&writer.into_inner()).into_iter().collect::<Result<_, _>>();
    lines.map_err(|error| ArrowError::JsonError(error.to_string()))
}

/// A column with its times, at every depth, as `time`.
fn with_times(column: &ArrayRef, field: &FieldRef, time: &DataType) -> Result<ArrayRef, ArrowError> {
    conform(column, &replaced(field.data_type(), time))
}

fn replaced(kind: &DataType, time: &DataType) -> DataType {
    let field = |field: &FieldRef| Arc::new(Field::new(field.name(), replaced(field.data_type(), time), true));
    match kind {
        DataType::Timestamp(..) => time.clone(),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::List(item) => DataType::List(field(item)),
        other => other.clone(),
    }
}
