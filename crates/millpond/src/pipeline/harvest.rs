//! Harvest: rows of a signal's query as rows of the table `signals`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::json::LineDelimitedWriter;
use millpond_core::source::Signal;
use millpond_core::{Error, Result};

/// Columns that a signal's query may give by name; every other one is kept in `fields`.
const NAMED: [(&str, DataType); 4] = [
    ("entity", DataType::Utf8),
    ("time", DataType::Timestamp(TimeUnit::Microsecond, None)),
    ("message", DataType::Utf8),
    ("_row", DataType::Int64),
];

/// The columns of the table `signals`, without `_job`.
pub fn signals_schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = [
        ("source", DataType::Utf8),
        ("rule", DataType::Utf8),
        ("title", DataType::Utf8),
        ("severity", DataType::Utf8),
        ("technique", DataType::Utf8),
        ("entity", DataType::Utf8),
        ("time", time),
        ("message", DataType::Utf8),
        ("fields", DataType::Utf8),
        ("file", DataType::Utf8),
        ("row", DataType::Int64),
    ];
    Arc::new(Schema::new(columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}

/// Rows of a signal as rows of the table.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when a named column has a type that cannot be its own.
pub(crate) fn signal_rows(source: &str, signal: &Signal, file: &str, rows: &RecordBatch) -> Result<RecordBatch> {
    let count = rows.num_rows();
    let constant = |text: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, count))) as ArrayRef;
    let schema = signals_schema();
    let named = |name: &str, target: &DataType| -> Result<ArrayRef> {
        let Some(column) = rows.column_by_name(name) else { return Ok(new_null_array(target, count)) };
        cast(column, target).map_err(|error| {
            Error::bad_config(format!("signal `{}` gives `{name}` as {}", signal.name, column.data_type()))
                .because(error)
        })
    };
    let target = |name: &str| schema.field_with_name(name).map_or(DataType::Utf8, |field| field.data_type().clone());
    let columns = vec![
        constant(source),
        constant(&signal.name),
        constant(&signal.title),
        constant(signal.severity.name()),
        match &signal.technique {
            Some(technique) => constant(technique),
            None => new_null_array(&DataType::Utf8, count),
        },
        named("entity", &target("entity"))?,
        named("time", &target("time"))?,
        named("message", &target("message"))?,
        fields_json(rows)?,
        constant(file),
        named("_row", &target("row"))?,
    ];
    RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(|error| Error::bug("failed to build signal rows").because(error))
}

/// The columns that have no place of their own, as one JSON object a row.
fn fields_json(rows: &RecordBatch) -> Result<ArrayRef> {
    let is_named = |name: &str| NAMED.iter().any(|(known, _)| *known == name);
    let others: Vec<usize> =
        (0..rows.num_columns()).filter(|index| !is_named(rows.schema_ref().field(*index).name())).collect();
    if others.is_empty() {
        return Ok(new_null_array(&DataType::Utf8, rows.num_rows()));
    }
    let failed = |error| Error::bad_config("failed to write a signal's columns as JSON").because(error);
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write(&rows.project(&others).map_err(failed)?).map_err(failed)?;
    let text =
        String::from_utf8(writer.into_inner()).map_err(|error| Error::bug("JSON is not UTF-8").because(error))?;
    let lines = StringArray::from(text.lines().collect::<Vec<_>>());
    match lines.len() == rows.num_rows() {
        true => Ok(Arc::new(lines)),
        false => Err(Error::bug("a signal's columns gave another number of JSON lines than rows")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, Int64Array};
    use millpond_core::source::{Severity, Sql};

    #[test]
    fn named_columns_have_places_and_the_rest_is_json() {
        let rows = RecordBatch::try_from_iter([
            ("entity", Arc::new(StringArray::from(vec!["eve"])) as ArrayRef),
            ("_row", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
            ("tries", Arc::new(Int64Array::from(vec![12])) as ArrayRef),
        ])
        .expect("rows");
        let sql = Sql { file: "x.sql".into(), text: String::new() };
        let signal =
            Signal { name: "spray".into(), title: "Spray".into(), severity: Severity::High, technique: None, sql };
        let found = signal_rows("okta", &signal, "file:///x", &rows).expect("signals");
        let text = |name: &str| found.column_by_name(name).expect(name).as_string::<i32>().value(0).to_owned();
        assert_eq!(
            (text("entity"), text("severity"), text("fields")),
            ("eve".into(), "high".into(), r#"{"tries":12}"#.into())
        );
        assert!(found.column_by_name("time").expect("time").is_null(0));
    }
}
