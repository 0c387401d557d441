//! Whether engines agree: every source's transform over the inputs of its tests, on one engine after the other.
//!
//! The compiled-in engine is what the others are held against. Rows are compared whatever their order, value by value with
//! their types. A column that differs between two runs on the same engine, such as `now()`, tells nothing and is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::datatypes::SchemaRef;
use millpond_core::plan::Engine as Kind;
use millpond_core::{Error, Result};
use millpond_engine::prepare::Prepared;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::pond::Pond;
use crate::source_test::{Given, Rows, cases, execute};

/// Rows that are told of each difference.
const EXAMPLES_MAX: usize = 3;

/// A source's input on one engine, held against the compiled-in one.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The source.
    pub source: String,
    /// The test whose input it is; empty where the source was not even planned.
    pub case: String,
    /// The engine.
    pub engine: &'static str,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What came of a comparison.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The same rows and signals.
    Same {
        /// Rows of the table.
        rows: usize,
        /// Signals.
        signals: usize,
        /// Columns that no two runs give alike.
        unstable: BTreeSet<String>,
    },
    /// Others.
    Different {
        /// What differs.
        differences: Vec<Difference>,
    },
    /// The engine did not run it.
    Failed {
        /// Why.
        error: String,
        /// What helps.
        hint: Option<String>,
    },
    /// The engine is not there, and nobody asked for it by name.
    Absent {
        /// Why.
        error: String,
    },
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Difference {
    /// The type of a column.
    Type {
        /// The column.
        column: String,
        /// Its type on the compiled-in engine; `None`: it is not there.
        expected: Option<String>,
        /// Its type on the other.
        found: Option<String>,
    },
    /// Rows that only one of them gives.
    Rows {
        /// `rows` of the table, or `signals`.
        of: &'static str,
        /// How many only the compiled-in engine gives, and some of them.
        missing: SomeRows,
        /// How many only the other gives, and some of them.
        added: SomeRows,
    },
    /// Rows in or in quarantine.
    Count {
        /// Which.
        of: &'static str,
        /// How many on the compiled-in engine.
        expected: u64,
        /// How many on the other.
        found: u64,
    },
}

/// A number of rows, and a few of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SomeRows {
    /// How many.
    pub count: usize,
    /// The first.
    pub examples: Vec<Value>,
}

impl Comparison {
    /// Whether the engines do not agree.
    pub fn is_bad(&self) -> bool {
        matches!(self.outcome, Outcome::Different { .. } | Outcome::Failed { .. })
    }
}

/// Compares the engines over the tests' inputs of one source, or of all. With `engines`, those must be there; without,
/// those that are there are compared.
///
/// # Errors
/// When a source's own input cannot be read, or the compiled-in engine does not take its SQL.
pub async fn diff(pond: &Pond, source: Option<&str>, engines: &[Kind]) -> Result<Vec<Comparison>> {
    let others = [Kind::DuckDb, Kind::ChDb];
    let asked: Vec<Kind> = if engines.is_empty() { others.to_vec() } else { engines.to_vec() };
    let mut comparisons = Vec::new();
    for source in pond.sources.iter().filter(|own| source.is_none_or(|name| name == own.name)) {
        let folder = pond.root.join("sources").join(&source.name).join("tests");
        let cases = cases(&folder)?;
        if cases.is_empty() {
            continue;
        }
        let baseline = pond.prepare_on(source, Kind::DataFusion).await?;
        for kind in asked.iter().copied().filter(|kind| *kind != Kind::DataFusion) {
            let told = |case: &str, outcome| Comparison {
                source: source.name.clone(),
                case: case.to_owned(),
                engine: kind.name(),
                outcome,
            };
            if let Err(error) = pond.engines.get(kind) {
                let outcome =
                    if engines.is_empty() { Outcome::Absent { error: error.chain() } } else { failed(&error) };
                comparisons.push(told("", outcome));
                continue;
            }
            match pond.prepare_on(source, kind).await {
                Err(error) => comparisons.push(told("", failed(&error))),
                Ok(other) => {
                    for case in &cases {
                        let name = case.file_name().unwrap_or_default().to_string_lossy();
                        comparisons.push(told(&name, compare(&baseline, &other, case).await?));
                    }
                }
            }
        }
    }
    Ok(comparisons)
}

fn failed(error: &Error) -> Outcome {
    Outcome::Failed { error: error.chain(), hint: error.hint_text().map(str::to_owned) }
}

/// One input on two engines.
async fn compare(baseline: &Prepared, other: &Prepared, case: &Path) -> Result<Outcome> {
    let (first, second) = (execute(baseline, case).await?, execute(baseline, case).await?);
    let found = match execute(other, case).await {
        Ok(found) => found,
        Err(error) => return Ok(failed(&error)),
    };
    let fold = !other.engine().support().null_lists;
    let mut differences = types(&baseline.output_schema, &other.output_schema);
    let unstable = unstable(&first.rows, &second.rows);
    let told = unstable_in(&first.signals, &second.signals, &unstable);
    differences.extend(rows("rows", &first.rows, &found.rows, &unstable, fold));
    differences.extend(rows("signals", &first.signals, &found.signals, &told, fold));
    differences.extend(counts(&first, &found));
    if differences.is_empty() {
        return Ok(Outcome::Same { rows: found.rows.len(), signals: found.signals.len(), unstable });
    }
    Ok(Outcome::Different { differences })
}

/// Columns whose types are not alike.
fn types(expected: &SchemaRef, found: &SchemaRef) -> Vec<Difference> {
    let kind = |schema: &SchemaRef, name: &str| schema.field_with_name(name).ok().map(|f| f.data_type().to_string());
    let names: BTreeSet<&String> = expected.fields().iter().chain(found.fields()).map(|field| field.name()).collect();
    let both = names.into_iter().map(|name| (name, kind(expected, name), kind(found, name)));
    let unlike = both.filter(|(_, expected, found)| expected != found);
    unlike.map(|(name, expected, found)| Difference::Type { column: name.clone(), expected, found }).collect()
}

/// The columns that two runs of the same do not give alike.
fn unstable(first: &Rows, second: &Rows) -> BTreeSet<String> {
    let pairs = first.iter().zip(second);
    let unlike = pairs.flat_map(|(first, second)| {
        let names = first.keys().chain(second.keys());
        names.filter(|name| first.get(*name) != second.get(*name)).cloned().collect::<Vec<_>>()
    });
    unlike.collect()
}

fn unstable_in(first: &Rows, second: &Rows, of_rows: &BTreeSet<String>) -> BTreeSet<String> {
    let mut all = unstable(first, second);
    all.extend(of_rows.iter().cloned());
    all
}

/// Rows that only one side has, each as often as it has it more.
fn rows(
    of: &'static str,
    expected: &Rows,
    found: &Rows,
    unstable: &BTreeSet<String>,
    fold: bool,
) -> Option<Difference> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for row in expected {
        *counts.entry(canonical(row, unstable, fold)).or_default() += 1;
    }
    for row in found {
        *counts.entry(canonical(row, unstable, fold)).or_default() -= 1;
    }
    let only = |is_ours: fn(i64) -> bool| {
        let found: Vec<(&String, i64)> =
            counts.iter().filter(|(_, count)| is_ours(**count)).map(|(row, count)| (row, count.abs())).collect();
        let examples = found.iter().take(EXAMPLES_MAX).filter_map(|(row, _)| serde_json::from_str(row).ok());
        SomeRows { count: found.iter().map(|(_, count)| *count as usize).sum(), examples: examples.collect() }
    };
    let (missing, added) = (only(|count| count > 0), only(|count| count < 0));
    (missing.count + added.count > 0).then_some(Difference::Rows { of, missing, added })
}

/// A row as text that is the same for the same values: names in order, no NULLs. `fold`: an engine that has no NULL lists
/// gave one of the two, so those that are empty count as NULL.
fn canonical(row: &Map<String, Value>, unstable: &BTreeSet<String>, fold: bool) -> String {
    let kept = row.iter().filter(|(name, _)| !unstable.contains(*name));
    let kept: Map<String, Value> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    plain(&Value::Object(kept), fold).unwrap_or(Value::Object(Map::new())).to_string()
}

/// A value without what is NULL in it; `None`: it is NULL itself.
fn plain(value: &Value, fold: bool) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let fields: BTreeMap<&String, Value> =
                fields.iter().filter_map(|(name, value)| Some((name, plain(value, fold)?))).collect();
            let is_null = fold && fields.is_empty();
            (!is_null).then(|| Value::Object(fields.into_iter().map(|(name, value)| (name.clone(), value)).collect()))
        }
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().map(|item| plain(item, fold).unwrap_or(Value::Null)).collect();
            (!(fold && items.is_empty())).then_some(Value::Array(items))
        }
        other => Some(other.clone()),
    }
}

fn counts(expected: &Given, found: &Given) -> Vec<Difference> {
    let (a, b) = (expected.finished.balance, found.finished.balance);
    let counts = [("records", a.rows_in, b.rows_in), ("quarantined", a.quarantined, b.quarantined)];
    let unlike = counts.into_iter().filter(|(_, expected, found)| expected != found);
    unlike.map(|(of, expected, found)| Difference::Count { of, expected, found }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Rows {
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    fn differ(expected: &str, found: &str, fold: bool) -> Option<Difference> {
        rows("rows", &parsed(expected), &parsed(found), &BTreeSet::new(), fold)
    }

    #[test]
    fn order_does_not_matter_and_values_do() {
        assert_eq!(differ("{\"a\":1,\"b\":null}\n{\"a\":2}", "{\"a\":2}\n{\"a\":1}", false), None);
        let Some(Difference::Rows { missing, added, .. }) =
            differ("{\"a\":1}\n{\"a\":1}", "{\"a\":1}\n{\"a\":\"1\"}", false)
        else {
            panic!("a number is no text")
        };
        assert_eq!((missing.count, added.count), (1, 1));
        assert!(differ("{\"a\":1}\n{\"a\":1}", "{\"a\":1}", false).is_some(), "how often a row comes matters");
    }

    #[test]
    fn empty_lists_are_null_only_where_an_engine_has_no_others() {
        let (with, without) = ("{\"a\":[],\"b\":{\"c\":null},\"d\":[null]}", "{\"d\":[null]}");
        assert!(differ(with, without, false).is_some());
        assert_eq!(differ(with, without, true), None);
        assert!(differ("{\"a\":[null]}", "{}", true).is_some());
    }

    #[test]
    fn columns_that_no_two_runs_give_alike_tell_nothing() {
        let found = unstable(&parsed("{\"a\":1,\"now\":1}"), &parsed("{\"a\":1,\"now\":2}"));
        assert_eq!(found, BTreeSet::from(["now".to_owned()]));
        assert_eq!(rows("rows", &parsed("{\"a\":1,\"now\":1}"), &parsed("{\"a\":1,\"now\":3}"), &found, false), None);
    }
}
