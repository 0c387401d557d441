//! A source's own tests: `tests/<case>/` with an input, the table's rows and the signals that it must give.
//!
//! `input.*` is decoded and transformed as in a job. `expected.ndjson` holds the table's rows in order, and
//! `expected-signals.ndjson` the signals in the order of the source's signal files, with the columns of their queries and
//! `rule`, `title` and `severity`. In both, a row names only the columns that matter, and a column that is absent from the
//! output equals NULL. A file that is absent is not checked. Rows that have
//! `_row` are held against them in its order.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::json::LineDelimitedWriter;
use millpond_core::config::Problems;
use millpond_core::plan::plan;
use millpond_core::source::Source;
use millpond_core::{Error, Result};
use millpond_engine::decode::Reject;
use millpond_engine::encode::{lake_schema, to_lake};
use millpond_engine::engine::Engines;
use millpond_engine::prepare::{Prepared, prepare};
use millpond_engine::rules::RuleMatch;
use millpond_engine::run::{Finished, InputFile, Sink, run};
use millpond_engine::tables::Tables;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::pipeline::{Finder, signal_rows};
use crate::pond::{self, Pond};

/// When the files of tests count as written, so that times without a year mean the same every day: 2025-01-01 in UTC.
const WRITTEN_US: i64 = 1_735_689_600_000_000;
/// Memory of a test's job.
const MEMORY_BYTES: u64 = 256 << 20;
const ROWS: &str = "expected.ndjson";
const SIGNALS: &str = "expected-signals.ndjson";

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseResult {
    /// The source.
    pub source: String,
    /// The case's folder.
    pub case: String,
    /// Records of the input, broken ones included.
    pub records: u64,
    /// Rows of the table.
    pub rows: usize,
    /// Signals.
    pub signals: usize,
    /// Records in quarantine.
    pub quarantined: u64,
    /// Rows of each OCSF class, by its name; empty where the source has no `[ocsf]`.
    pub classes: BTreeMap<String, u64>,
    /// What differs; empty when the case passed.
    pub differences: Vec<String>,
    /// Files that were rewritten.
    pub updated: Vec<String>,
}

/// Rows as JSON objects.
pub(crate) type Rows = Vec<Map<String, Value>>;

/// Runs the tests of one source, or of all. With `update` the expectations are rewritten to what came out.
///
/// # Errors
/// When a case has no input, or an expectation is no JSON.
pub async fn run_tests(pond: &Pond, source: Option<&str>, update: bool) -> Result<Vec<CaseResult>> {
    let mut results = Vec::new();
    for prepared in pond.all_prepared() {
        if source.is_some_and(|name| name != prepared.source.name) {
            continue;
        }
        let folder = pond.root.join("sources").join(&prepared.source.name).join("tests");
        for case in cases(&folder)? {
            results.push(run_case(prepared, &case, update).await?);
        }
    }
    Ok(results)
}

/// Runs the tests of the packs in a folder, each by itself, as if it were the only source of a pond. What is wrong with a
/// pack's configuration or SQL is the difference of a case of its own, so that one pack does not keep others from being
/// tested.
///
/// # Errors
/// When the folder has no pack of that name, or none at all.
pub async fn run_pack_tests(folder: &Path, pack: Option<&str>, update: bool) -> Result<Vec<CaseResult>> {
    let mut results = Vec::new();
    for (source, problems) in pond::read_packs(folder, pack)? {
        let (name, mut problems) = (source.as_ref().map(|source| source.name.clone()), problems);
        let prepared = match source {
            Some(source) => prepare_pack(source, &mut problems).await?,
            None => None,
        };
        match prepared {
            Some(prepared) => {
                for case in cases(&folder.join(&prepared.source.name).join("tests"))? {
                    results.push(run_case(&prepared, &case, update).await?);
                }
            }
            None => results.push(unplanned(name.unwrap_or_default(), problems)),
        }
    }
    if results.is_empty() {
        return Err(Error::bad_config(format!("`{}` has no packs with tests", folder.display()))
            .hint("a pack is a folder with `source.toml`, `transform.sql` and `tests/<case>/input.*`"));
    }
    Ok(results)
}

/// Runs a pack over any files and holds its rows against the OCSF schema, without expectations.
///
/// # Errors
/// When the pack does not plan, or a file cannot be read.
pub async fn run_pack_over(folder: &Path, pack: &str, files: &[PathBuf]) -> Result<Vec<CaseResult>> {
    let mut results = Vec::new();
    for prepared in prepared_packs(folder, Some(pack)).await? {
        for file in files {
            let given = execute(&prepared, file).await?;
            results.push(outcome(&prepared, file.to_string_lossy().into_owned(), &given));
        }
    }
    Ok(results)
}

/// The packs in a folder, or one of them, with their planned SQL.
///
/// # Errors
/// When one does not plan, or the folder has none of that name.
pub(crate) async fn prepared_packs(folder: &Path, pack: Option<&str>) -> Result<Vec<Prepared>> {
    let mut packs = Vec::new();
    for (source, mut problems) in pond::read_packs(folder, pack)? {
        let prepared = match source {
            Some(source) => prepare_pack(source, &mut problems).await?,
            None => None,
        };
        problems.into_result()?;
        packs.extend(prepared);
    }
    Ok(packs)
}

async fn prepare_pack(source: Source, problems: &mut Problems) -> Result<Option<Prepared>> {
    let engine = Engines::default().get(source.engine())?;
    Ok(prepare(&Arc::new(source), &engine, &Tables::default(), problems).await)
}

fn unplanned(source: String, problems: Problems) -> CaseResult {
    CaseResult {
        source,
        case: "check".to_owned(),
        records: 0,
        rows: 0,
        signals: 0,
        quarantined: 0,
        classes: BTreeMap::new(),
        differences: problems.found.iter().map(ToString::to_string).collect(),
        updated: Vec::new(),
    }
}

/// What came of an input by itself: how many rows, of which classes, and what breaks the schema.
fn outcome(prepared: &Prepared, case: String, given: &Given) -> CaseResult {
    CaseResult {
        source: prepared.source.name.clone(),
        case,
        records: given.finished.balance.rows_in,
        rows: given.rows.len(),
        signals: given.signals.len(),
        quarantined: given.finished.balance.quarantined,
        classes: given.ocsf.classes.clone(),
        differences: given.ocsf.wrong.clone(),
        updated: Vec::new(),
    }
}

/// The cases of a folder, by name.
pub(crate) fn cases(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |error| Error::bad_config(format!("failed to list `{}`", folder.display())).because(error);
    let listed = std::fs::read_dir(folder).map_err(failed)?;
    let mut cases =
        listed.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    cases.retain(|path| path.is_dir());
    cases.sort();
    Ok(cases)
}

async fn run_case(prepared: &Prepared, case: &Path, update: bool) -> Result<CaseResult> {
    let given = execute(prepared, case).await?;
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut result = outcome(prepared, name(case), &given);
    if update {
        let again = execute(prepared, case).await?;
        for (file, rows, other) in [(ROWS, &given.rows, &again.rows), (SIGNALS, &given.signals, &again.signals)] {
            if rewrite(&case.join(file), rows, other)? {
                result.updated.push(file.to_owned());
            }
        }
        // What breaks the schema is no expectation: it stays told.
        return Ok(result);
    }
    let mut is_checked = false;
    for (file, rows) in [(ROWS, &given.rows), (SIGNALS, &given.signals)] {
        if let Some(expected) = read_rows(&case.join(file))? {
            is_checked = true;
            result.differences.extend(compare(file, &expected, rows));
        }
    }
    if !is_checked {
        result.differences.push(format!("nothing to hold against: write `{ROWS}`, or run with `--update`"));
    }
    Ok(result)
}

/// What one input gives.
pub(crate) struct Given {
    pub(crate) rows: Rows,
    pub(crate) signals: Rows,
    pub(crate) finished: Finished,
    ocsf: Held,
}

/// Rows held against the OCSF schema.
#[derive(Debug, Default)]
struct Held {
    classes: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

impl Held {
    fn rows(prepared: &Prepared, batches: &[RecordBatch]) -> Result<Self> {
        let mut held = Self::default();
        if prepared.source.ocsf.is_none() {
            return Ok(held);
        }
        let mut number = 0;
        for batch in batches {
            let events = millpond_ocsf::events(batch)
                .map_err(|error| Error::bug("failed to write rows as OCSF events").because(error))?;
            for event in events {
                number += 1;
                let class = event.get("class_uid").and_then(Value::as_i64);
                let class = class.and_then(|uid| millpond_ocsf::Schema::get().class_name(uid)).unwrap_or("unknown");
                *held.classes.entry(class.to_owned()).or_default() += 1;
                let findings = millpond_ocsf::validate(&event);
                let errors = findings.into_iter().filter(|finding| finding.level == millpond_ocsf::Level::Error);
                held.wrong.extend(errors.map(|finding| format!("row {number} ({class}): {finding}")));
            }
        }
        Ok(held)
    }
}

pub(crate) async fn execute(prepared: &Prepared, case: &Path) -> Result<Given> {
    let input = if case.is_dir() { input_of(case)? } else { case.to_owned() };
    let opened = File::open(&input);
    let file =
        opened.map_err(|error| Error::bad_config(format!("failed to open `{}`", input.display())).because(error))?;
    let name = input.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut sink =
        Collected { prepared, file: &name, rows: Vec::new(), signals: vec![Vec::new(); prepared.source.signals.len()] };
    let input = InputFile { name: &name, modified_us: WRITTEN_US, bytes: Box::new(file) };
    let finished = run(prepared, &plan(&prepared.source, MEMORY_BYTES), input, &mut sink).await?;
    finished.check_balance()?;
    let in_order = |rows: Rows| if prepared.engine().support().keeps_order { rows } else { by_ordinal(rows) };
    let mut signals = Vec::new();
    for batches in &sink.signals {
        signals.extend(in_order(to_rows(batches)?.into_iter().map(unfold).collect()));
    }
    let ocsf = Held::rows(prepared, &sink.rows)?;
    Ok(Given { rows: by_ordinal(to_rows(&sink.rows)?), signals, finished, ocsf })
}

/// Rows in the order of the file, as expectations have them, where they tell it: engines, and `union all`, give them in any.
fn by_ordinal(mut rows: Rows) -> Rows {
    if rows.iter().all(|row| row.get("_row").is_some_and(Value::is_i64)) {
        rows.sort_by_key(|row| row["_row"].as_i64());
    }
    rows
}

/// A row of the table `signals` with the names that the signal's query gave: `fields` apart, `row` as `_row`.
pub(crate) fn unfold(mut row: Map<String, Value>) -> Map<String, Value> {
    let fields =
        row.remove("fields").and_then(|fields| serde_json::from_str::<Map<String, Value>>(fields.as_str()?).ok());
    if let Some(number) = row.remove("row") {
        row.insert("_row".to_owned(), number);
    }
    row.extend(fields.into_iter().flatten());
    row
}

pub(crate) fn input_of(case: &Path) -> Result<PathBuf> {
    let entries = std::fs::read_dir(case).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut inputs =
        entries.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("input")));
    inputs.next().ok_or_else(|| {
        Error::bad_config(format!("`{}` has no input", case.display()))
            .hint("add a file `input.json`, `input.log.gz` or the like")
    })
}

struct Collected<'a> {
    prepared: &'a Prepared,
    file: &'a str,
    rows: Vec<RecordBatch>,
    signals: Vec<Vec<RecordBatch>>,
}

impl Sink for Collected<'_> {
    fn output(&mut self, batch: RecordBatch) -> Result<()> {
        self.rows.push(to_lake(&batch, &lake_schema(&batch.schema()))?);
        Ok(())
    }

    fn signal(&mut self, index: usize, batch: RecordBatch) -> Result<()> {
        let source = &self.prepared.source;
        if batch.num_rows() > 0 {
            let signal = &source.signals[index];
            let finder =
                Finder { kind: "sql", source: Some(&source.name), file: Some(self.file), window: None, signal };
            self.signals[index].push(signal_rows(finder, &batch)?);
        }
        Ok(())
    }

    /// The pond's rules are no part of a source, and change without it.
    fn matches(&mut self, _: Vec<RuleMatch>) -> Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: Reject) -> Result<()> {
        Ok(())
    }
}

/// Batches as JSON objects.
pub(crate) fn to_rows(batches: &[RecordBatch]) -> Result<Rows> {
    let failed = |error: &dyn std::fmt::Display| Error::bug(format!("failed to write rows as JSON: {error}"));
    let mut writer = LineDelimitedWriter::new(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>()).map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error))?;
    let lines = serde_json::Deserializer::from_slice(&writer.into_inner()).into_iter().collect::<Result<Rows, _>>();
    lines.map_err(|error| failed(&error))
}

/// The JSON objects of a file; `None`: it is not there.
pub(crate) fn read_rows(path: &Path) -> Result<Option<Rows>> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(None) };
    let rows = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(|(index, line)| {
        serde_json::from_str(line).map_err(|error| {
            Error::bad_config(format!("{}:{}: not a JSON object", path.display(), index + 1)).because(error)
        })
    });
    rows.collect::<Result<Rows>>().map(Some)
}

/// Where the rows differ from what was expected, in the columns that were named.
pub(crate) fn compare(file: &str, expected: &Rows, given: &Rows) -> Vec<String> {
    let mut differences = Vec::new();
    for (index, (expected, given)) in expected.iter().zip(given).enumerate() {
        for (column, wanted) in expected {
            let found = given.get(column).unwrap_or(&Value::Null);
            if !equals(wanted, found) {
                differences.push(format!("{file}:{}: `{column}` is {found}, expected {wanted}", index + 1));
            }
        }
    }
    if expected.len() != given.len() {
        differences.push(format!("{file}: {} rows, expected {}", given.len(), expected.len()));
    }
    differences
}

/// Whether two values are the same, a missing field being NULL.
fn equals(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let names: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
            names
                .into_iter()
                .all(|name| equals(wanted.get(name).unwrap_or(&Value::Null), found.get(name).unwrap_or(&Value::Null)))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| equals(wanted, found))
        }
        (Value::Number(wanted), Value::Number(found)) => wanted == found || wanted.as_f64() == found.as_f64(),
        _ => wanted == found,
    }
}

/// Writes what came out, in the columns that were expected before, or in all that are the same in a second run.
pub(crate) fn rewrite(path: &Path, rows: &Rows, again: &Rows) -> Result<bool> {
    let before = read_rows(path)?;
    if before.is_none() && rows.is_empty() {
        return Ok(false);
    }
    let named: BTreeSet<String> = before.iter().flatten().flat_map(|row| row.keys().cloned()).collect();
    let is_stable =
        |index: usize, column: &str, value: &Value| again.get(index).and_then(|row| row.get(column)) == Some(value);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let kept = row.iter().filter(|(column, value)| {
            if named.is_empty() { is_stable(index, column, value) } else { named.contains(column.as_str()) }
        });
        let kept: Map<String, Value> = kept.map(|(column, value)| (column.clone(), value.clone())).collect();
        text.push_str(&Value::Object(kept).to_string());
        text.push('\n');
    }
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    std::fs::write(path, text)
        .map_err(|error| Error::bad_config(format!("failed to write `{}`", path.display())).because(error))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Rows {
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    #[test]
    fn only_named_columns_are_held_against() {
        assert!(compare("x", &rows(r#"{"a":1,"gone":null}"#), &rows(r#"{"a":1.0,"b":2}"#)).is_empty());
        assert_eq!(compare("x", &rows(r#"{"a":1}"#), &rows(r#"{"a":2}"#)), ["x:1: `a` is 2, expected 1"]);
        assert_eq!(compare("x", &rows(r#"{"a":1}"#), &rows("")), ["x: 0 rows, expected 1"]);
    }
}
