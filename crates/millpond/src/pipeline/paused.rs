//! A source that is left alone shows in the lake: one row of the table `signals` for each pause.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use millpond_core::guard::Pause;
use millpond_core::source::{Severity, Signal, Source, Sql};
use millpond_core::{Error, Result};
use millpond_engine::encode::{Origin, to_lake};

use super::Node;
use super::harvest::{Finder, signal_rows, signals_schema};
use super::write::{Held, Table, Writers};
use crate::committer::Pending;

/// The rule that these rows are of.
const RULE: &str = "source-paused";
const US_PER_DAY: i64 = 86_400_000_000;

/// Hands over the signal that a source is left alone, and for which failure, if it is one. It is no job's: the pending
/// commit has no receipt, and no receipt has the row's `_job`, which follows from the pause. What cannot be put is not
/// tried again, so that no pause shows twice.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not take it.
pub(crate) async fn signal_pause(node: &Node, source: &Source, pause: &Pause, failure: Option<&str>) -> Result<()> {
    let now_us = node.clock.now_us();
    let rows = rows(source, pause, failure, now_us)?;
    let hash = blake3::hash(format!("{RULE}\n{}\n{now_us}", source.name).as_bytes()).to_hex();
    let id = hash[..32].to_owned();
    let origin = Origin { job: Some(id.as_str().into()), day: now_us.div_euclid(US_PER_DAY) as i32 };
    let rows = to_lake(&rows, &signals_schema())?;
    let mut writers = Writers::default();
    writers.write(&Held { table: Table::Signals, rows, origin })?;
    let tables = writers.put(&node.lake, &id).await?;
    Pending::new(id, Vec::new(), false, tables).put(&node.lake).await
}

fn rows(source: &Source, pause: &Pause, failure: Option<&str>, now_us: i64) -> Result<RecordBatch> {
    let until = chrono::DateTime::from_timestamp_micros(now_us + pause.us).unwrap_or_default();
    let until = until.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let why = match failure {
        Some(failure) => format!("it fails again and again: {failure}"),
        None => format!("it has spent its `{}` of this hour", pause.cause),
    };
    let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
    let columns = [
        ("entity", text(&source.name)),
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![now_us])) as ArrayRef),
        ("message", text(&format!("source `{}` is left alone until {until}: {why}", source.name))),
        ("cause", text(pause.cause)),
        ("until", text(&until)),
    ];
    let rows = RecordBatch::try_from_iter(columns);
    let rows = rows.map_err(|error| Error::bug("failed to build the signal of a pause").because(error))?;
    let (signal, source) = (signal(), Some(source.name.as_str()));
    signal_rows(Finder { kind: "health", source, file: None, window: None, signal: &signal }, &rows)
}

/// The signal, as if a file of the source said it.
fn signal() -> Signal {
    let sql = Sql { file: String::new(), text: String::new() };
    Signal {
        name: RULE.to_owned(),
        title: "A source is left alone".to_owned(),
        severity: Severity::High,
        ..Signal::new(sql)
    }
}
