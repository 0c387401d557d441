//! A periodic signal's own tests: `signals/tests/<signal>/<case>/` with the rows of tables and what must be found.
//!
//! `<table>.ndjson` or `<table>.csv` holds the rows of a table, `expected.ndjson` what the signal must find, with the
//! columns of its query. The window begins at 2025-01-01 in UTC; a row arrives at its start unless it says otherwise in
//! `_arrived`, and is seen as it would be in the lake.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef, TimestampMicrosecondType};
use millpond_core::signal::Window;
use millpond_core::units::nearest;
use millpond_core::{Error, Result};

use super::arrivals::ARRIVED;
use super::run::found_rows;
use super::session::{Given, over_given, rows_of, schema_of};
use super::{Periodic, named};
use crate::pond::Pond;
use crate::source_test::{cases, compare, read_rows, rewrite, to_rows, unfold};

/// Where the windows of tests begin: 2025-01-01, a Wednesday, in UTC.
pub(super) const START_US: i64 = 1_735_689_600_000_000;
const EXPECTED: &str = "expected.ndjson";

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// The signal.
    pub signal: String,
    /// The case's folder.
    pub case: String,
    /// Rows that were found.
    pub rows: usize,
    /// What differs; empty when the case passed.
    pub differences: Vec<String>,
    /// Whether the expectation was rewritten.
    pub is_updated: bool,
}

/// Runs the tests of one periodic signal, or of all. With `update` the expectations are rewritten to what was found.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a name that does not exist and for files that are no rows.
pub async fn run_cases(pond: &Pond, name: Option<&str>, update: bool) -> Result<Vec<CaseResult>> {
    let mut results = Vec::new();
    for periodic in named(pond, name)? {
        let folder = pond.root.join("signals").join("tests").join(&periodic.signal.name);
        for case in cases(&folder)? {
            results.push(run_case(pond, periodic, &case, update).await?);
        }
    }
    Ok(results)
}

async fn run_case(pond: &Pond, periodic: &Periodic, case: &Path, update: bool) -> Result<CaseResult> {
    let given = find(pond, periodic, case).await?;
    let rows = to_rows(std::slice::from_ref(&given))?.into_iter().map(unfold).collect();
    let mut result = CaseResult {
        signal: periodic.signal.name.clone(),
        case: case.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        rows: given.num_rows(),
        differences: Vec::new(),
        is_updated: false,
    };
    let expected = case.join(EXPECTED);
    if update {
        result.is_updated = rewrite(&expected, &rows, &rows)?;
        return Ok(result);
    }
    result.differences = match read_rows(&expected)? {
        Some(wanted) => compare(EXPECTED, &wanted, &rows),
        None => vec![format!("nothing to hold against: write `{EXPECTED}`, or run with `--update`")],
    };
    Ok(result)
}

/// What the signal finds in a case.
async fn find(pond: &Pond, periodic: &Periodic, case: &Path) -> Result<RecordBatch> {
    let Some(schedule) = periodic.signal.schedule else { return Err(Error::bug("a signal without schedule")) };
    let window = Window { start_us: START_US, end_us: START_US + schedule.every_us };
    let mut given = Given::new();
    for path in tables_of(case)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let rows = read_table(pond, &name, &path)?;
        given.insert(name, arrived_within(&rows, START_US - schedule.lookback_us, window.end_us)?);
    }
    let context = over_given(pond, &periodic.signal, window, &given)?;
    let rows = rows_of(pond, &context, &periodic.signal).await?;
    found_rows(periodic, window, &rows)
}

/// The files of a case that hold rows of a table.
fn tables_of(case: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::bad_config(format!("failed to list `{}`", case.display())).because(error);
    let listed = std::fs::read_dir(case).map_err(failed)?;
    let mut paths =
        listed.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    let is_table = |path: &PathBuf| {
        let is_rows = path.extension().is_some_and(|ending| ending == "ndjson" || ending == "csv");
        is_rows && path.file_name().is_some_and(|name| name != EXPECTED)
    };
    paths.retain(is_table);
    paths.sort();
    Ok(paths)
}

/// The rows of a file in the columns of a table.
fn read_table(pond: &Pond, name: &str, path: &Path) -> Result<RecordBatch> {
    let schema = schema_of(pond, name).ok_or_else(|| no_table(pond, name, path))?;
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::bad_config(format!("failed to read `{}`", path.display())).because(error))?;
    let failed = |error: arrow::error::ArrowError| {
        Error::bad_config(format!("`{}` does not hold rows of table `{name}`", path.display())).because(error)
    };
    let is_csv = path.extension().is_some_and(|ending| ending == "csv");
    let rows = if is_csv { read_csv(&schema, &text) } else { read_json(&schema, &text) };
    with_arrival(&rows.map_err(failed)?)
}

fn no_table(pond: &Pond, name: &str, path: &Path) -> Error {
    let known = pond.all_prepared().map(|prepared| prepared.source.table.as_str());
    let error = Error::bad_config(format!("`{}` names table `{name}`, which no source writes", path.display()));
    match nearest(name, known.chain(["signals", "receipts", "quarantine", "audit"])) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("the file's name without its ending is that of a table"),
    }
}

fn read_json(schema: &SchemaRef, text: &str) -> Result<RecordBatch, arrow::error::ArrowError> {
    let reader = arrow::json::ReaderBuilder::new(Arc::clone(schema)).with_strict_mode(true);
    let batches = reader.build(text.as_bytes())?.collect::<Result<Vec<_>, _>>()?;
    arrow::compute::concat_batches(schema, &batches)
}

/// CSV names its columns in the first line; those that it does not name are NULL.
fn read_csv(schema: &SchemaRef, text: &str) -> Result<RecordBatch, arrow::error::ArrowError> {
    let heading = text.lines().next().unwrap_or_default();
    let named = heading.split(',').map(|name| schema.field_with_name(name.trim().trim_matches('"')).cloned());
    let named = Arc::new(Schema::new(named.collect::<Result<Vec<_>, _>>()?));
    let reader = arrow::csv::ReaderBuilder::new(Arc::clone(&named)).with_header(true).build(text.as_bytes())?;
    let rows = arrow::compute::concat_batches(&named, &reader.collect::<Result<Vec<_>, _>>()?)?;
    let column = |field: &Arc<arrow::datatypes::Field>| match rows.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => arrow::array::new_null_array(field.data_type(), rows.num_rows()),
    };
    RecordBatch::try_new(Arc::clone(schema), schema.fields().iter().map(column).collect())
}

/// A row that does not say when it arrived arrived at the start of the window.
fn with_arrival(rows: &RecordBatch) -> Result<RecordBatch> {
    let schema = rows.schema();
    let failed = |error: arrow::error::ArrowError| Error::bug("rows of a test have no arrival").because(error);
    let index = schema.index_of(ARRIVED).map_err(failed)?;
    let times = rows.column(index).as_primitive::<TimestampMicrosecondType>();
    let times = times.iter().map(|time| Some(time.unwrap_or(START_US)));
    let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
    columns[index] = Arc::new(times.collect::<TimestampMicrosecondArray>().with_timezone("UTC"));
    RecordBatch::try_new(schema, columns).map_err(failed)
}

/// The rows that arrived in a time.
fn arrived_within(rows: &RecordBatch, from_us: i64, to_us: i64) -> Result<RecordBatch> {
    let Some(column) = rows.column_by_name(ARRIVED) else { return Err(Error::bug("rows without arrival")) };
    let times = column.as_primitive::<TimestampMicrosecondType>();
    let mask: BooleanArray = times.iter().map(|time| time.map(|time| (from_us..to_us).contains(&time))).collect();
    filter_record_batch(rows, &mask).map_err(|error| Error::bug("failed to choose rows").because(error))
}
