//! Harvest: rows of a signal's query as rows of the table `signals`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::json::LineDelimitedWriter;
use millpond_core::alert::SIGMA_BASE;
use millpond_core::source::Signal;
use millpond_core::{Error, Result};
use millpond_engine::rules::{RuleMatch, Rules};

/// Columns that a signal's query may give by name; every other one is kept in `fields`.
const NAMED: [&str; 4] = ["entity", "time", "message", "_row"];

/// The kind of rows that Sigma rules match.
pub(crate) const SIGMA: &str = "sigma";

/// The columns of the table `signals`, without `_job`.
pub fn signals_schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let texts = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    let columns = [
        ("source", DataType::Utf8),
        ("rule", DataType::Utf8),
        ("title", DataType::Utf8),
        ("severity", DataType::Utf8),
        ("technique", DataType::Utf8),
        ("entity", DataType::Utf8),
        ("time", time()),
        ("message", DataType::Utf8),
        ("fields", DataType::Utf8),
        ("file", DataType::Utf8),
        ("row", DataType::Int64),
        // Lakes of version 0.1 lack what follows until the first signal comes in that has it.
        ("kind", DataType::Utf8),
        ("author", DataType::Utf8),
        ("key", DataType::Utf8),
        ("runbook", DataType::Utf8),
        ("references", texts),
        ("window_start", time()),
        ("window_end", time()),
    ];
    Arc::new(Schema::new(columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}

/// What found a signal's rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finder<'a> {
    /// `sql`, `periodic` or `health`; `sigma` and `hunt` have no query.
    pub(crate) kind: &'static str,
    /// The source whose files were looked at; `None`: what the query gives as `source`.
    pub(crate) source: Option<&'a str>,
    /// The file that was looked at, if it was one.
    pub(crate) file: Option<&'a str>,
    /// The window that was looked at, if it was one: start and end in microseconds since 1970.
    pub(crate) window: Option<(i64, i64)>,
    /// The signal.
    pub(crate) signal: &'a Signal,
}

/// Rows of a signal as rows of the table.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when a named column has a type that cannot be its own.
pub(crate) fn signal_rows(finder: Finder<'_>, rows: &RecordBatch) -> Result<RecordBatch> {
    let Finder { kind, source, file, window, signal } = finder;
    let count = rows.num_rows();
    let constant =
        |text: Option<&str>| -> ArrayRef { Arc::new(StringArray::from_iter(std::iter::repeat_n(text, count))) };
    let named = |name: &str, kind: DataType| named_column(rows, name, &kind, &signal.name);
    let entity = signal.entity.as_deref().unwrap_or("entity");
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let columns = vec![
        match source {
            Some(source) => constant(Some(source)),
            None => named("source", DataType::Utf8)?,
        },
        constant(Some(&signal.name)),
        constant(Some(&signal.title)),
        constant(Some(signal.severity.name())),
        constant(signal.technique().as_deref()),
        named(entity, DataType::Utf8)?,
        match window {
            // A window's finding without a time is as old as the window.
            Some((_, end_us)) if rows.column_by_name("time").is_none() => times(Some(end_us - 1), count),
            _ => named("time", time)?,
        },
        named("message", DataType::Utf8)?,
        fields_json(rows, source.is_none())?,
        constant(file),
        named("_row", DataType::Int64)?,
        constant(Some(kind)),
        constant(signal.author.as_deref()),
        keys(signal, rows)?,
        constant(signal.runbook.as_deref()),
        references(&signal.references, count),
        times(window.map(|(start_us, _)| start_us), count),
        times(window.map(|(_, end_us)| end_us), count),
    ];
    RecordBatch::try_new(signals_schema(), columns)
        .map_err(|error| Error::bug("failed to build signal rows").because(error))
}

/// Records that Sigma rules match as rows of the table. Id, title and author of the rule stay with each.
pub(crate) fn rule_rows(source: &str, rules: &Rules, file: &str, found: &[RuleMatch]) -> Result<RecordBatch> {
    let about = |found: &RuleMatch| &rules.rules()[found.rule as usize].about;
    let kind = |found: &RuleMatch| if rules.is_silenced(found.rule) { SIGMA_BASE } else { SIGMA };
    let texts = |text: &dyn Fn(&RuleMatch) -> Option<String>| -> ArrayRef {
        Arc::new(found.iter().map(text).collect::<StringArray>())
    };
    let constant = |text: &str| texts(&|_| Some(text.to_owned()));
    let event_times: TimestampMicrosecondArray = found.iter().map(|found| found.time_us).collect();
    let mut references = ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
    found.iter().for_each(|found| references.append_value(about(found).references.iter().map(Some)));
    let columns = vec![
        constant(source),
        texts(&|found| Some(about(found).key().to_owned())),
        texts(&|found| Some(about(found).title.clone())),
        texts(&|found| Some(about(found).level.name().to_owned())),
        texts(&|found| about(found).technique()),
        texts(&|found| found.entity.clone()),
        Arc::new(event_times.with_timezone("UTC")),
        texts(&|_| None),
        texts(&|found| Some(fields_text(&found.fields))),
        constant(file),
        Arc::new(found.iter().map(|found| found.row).collect::<Int64Array>()),
        texts(&|found| Some(kind(found).to_owned())),
        texts(&|found| about(found).author.clone()),
        texts(&|_| None),
        texts(&|_| None),
        Arc::new(references.finish()),
        times(None, found.len()),
        times(None, found.len()),
    ];
    RecordBatch::try_new(signals_schema(), columns)
        .map_err(|error| Error::bug("failed to build the rows of matches").because(error))
}

fn fields_text(fields: &[(String, String)]) -> String {
    let object: serde_json::Map<String, serde_json::Value> =
        fields.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    serde_json::Value::Object(object).to_string()
}

/// A column of a query as a type, or NULLs where the query does not give it.
fn named_column(rows: &RecordBatch, name: &str, kind: &DataType, signal: &str) -> Result<ArrayRef> {
    let Some(column) = rows.column_by_name(name) else { return Ok(new_null_array(kind, rows.num_rows())) };
    cast(column, kind).map_err(|error| {
        Error::bad_config(format!("signal `{signal}` gives `{name}` as {}", column.data_type())).because(error)
    })
}

/// What tells one finding from another: the value of one column, or those of several as a JSON array of texts.
fn keys(signal: &Signal, rows: &RecordBatch) -> Result<ArrayRef> {
    let column = |name: &String| {
        let name = if name == "entity" { signal.entity.as_ref().unwrap_or(name) } else { name };
        named_column(rows, name, &DataType::Utf8, &signal.name)
    };
    let mut columns = signal.key.iter().map(column).collect::<Result<Vec<_>>>()?;
    if columns.len() < 2 {
        return Ok(columns.pop().unwrap_or_else(|| new_null_array(&DataType::Utf8, rows.num_rows())));
    }
    let texts: Vec<_> = columns.iter().map(|column| column.as_string::<i32>()).collect();
    let key = |row: usize| {
        let values = texts.iter().map(|text| text.is_valid(row).then(|| text.value(row)));
        serde_json::Value::from_iter(values).to_string()
    };
    Ok(Arc::new(StringArray::from_iter_values((0..rows.num_rows()).map(key))))
}

/// The same time for each row.
fn times(us: Option<i64>, count: usize) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(std::iter::repeat_n(us, count)).with_timezone("UTC"))
}

/// The same list of texts for each row; NULL where it is empty.
fn references(texts: &[String], count: usize) -> ArrayRef {
    let field = Field::new("element", DataType::Utf8, true);
    let mut lists = ListBuilder::new(StringBuilder::new()).with_field(field);
    for _ in 0..count {
        texts.iter().for_each(|text| lists.values().append_value(text));
        lists.append(!texts.is_empty());
    }
    Arc::new(lists.finish())
}

/// The columns that have no place of their own, as one JSON object a row.
fn fields_json(rows: &RecordBatch, has_source: bool) -> Result<ArrayRef> {
    let has_place = |name: &str| NAMED.contains(&name) || (has_source && name == "source");
    let others: Vec<usize> =
        (0..rows.num_columns()).filter(|index| !has_place(rows.schema_ref().field(*index).name())).collect();
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
    use arrow::array::Int64Array;
    use millpond_core::source::{Severity, Sql};

    #[test]
    fn named_columns_have_places_and_the_rest_is_json() {
        let rows = RecordBatch::try_from_iter([
            ("entity", Arc::new(StringArray::from(vec!["eve"])) as ArrayRef),
            ("_row", Arc::new(Int64Array::from(vec![7])) as ArrayRef),
            ("tries", Arc::new(Int64Array::from(vec![12])) as ArrayRef),
        ])
        .expect("rows");
        let sql = Sql { file: "spray.sql".into(), text: String::new() };
        let key = vec!["entity".to_owned(), "tries".to_owned()];
        let references = vec!["https://a.example".to_owned()];
        let signal = Signal { severity: Severity::High, key, references, ..Signal::new(sql) };
        let finder =
            Finder { kind: "sql", source: Some("okta"), file: Some("file:///x"), window: None, signal: &signal };
        let found = signal_rows(finder, &rows).expect("signals");
        let text = |name: &str| found.column_by_name(name).expect(name).as_string::<i32>().value(0).to_owned();
        assert_eq!(
            (text("entity"), text("severity"), text("fields")),
            ("eve".into(), "high".into(), r#"{"tries":12}"#.into())
        );
        assert_eq!((text("kind"), text("rule"), text("key")), ("sql".into(), "spray".into(), r#"["eve","12"]"#.into()));
        assert!(found.column_by_name("time").expect("time").is_null(0));
        assert_eq!(found.column_by_name("references").expect("references").as_list::<i32>().value(0).len(), 1);
    }
}
