//! News: signals that came into the table since somebody looked last.
//!
//! What a version adds is what lies in its new files less what lay in those that it took out: a replay puts a signal in
//! the place of itself, and erasure and expiry write again what they keep. Compaction says of its files that no row
//! changed, and is passed over.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use millpond_core::alert::SignalRow;
use millpond_core::source::Severity;
use millpond_core::{Error, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use crate::lake::{Changes, Lake};
use crate::rewrite::read_file;

/// The table.
pub(crate) const SIGNALS: &str = "signals";
/// Signals taken in at a time, more only if one version has more.
const ROWS_MAX: usize = 20_000;
/// What is read, as far as the table has it.
const COLUMNS: [&str; 15] = [
    "source",
    "rule",
    "title",
    "severity",
    "technique",
    "entity",
    "message",
    "fields",
    "file",
    "kind",
    "key",
    "runbook",
    "references",
    "time",
    "row",
];

/// What is new.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Signals that are asked for.
    pub(crate) rows: Vec<SignalRow>,
    /// The version that was read last.
    pub(crate) version: Option<u64>,
    /// Whether any row came or went, whoever takes it.
    pub(crate) has_changes: bool,
    /// Whether there are newer versions.
    pub(crate) is_more: bool,
    /// What could not be read.
    pub(crate) notes: Vec<String>,
}

/// Who reads, and what.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    /// What it does, for notes: such as `alerting`.
    pub(crate) name: &'static str,
    /// Whether it asks for a signal.
    pub(crate) takes: &'a (dyn Fn(&SignalRow) -> bool + Send + Sync),
}

/// The version after which somebody new reads, and how many signals are passed over: those that are there, or none with
/// `from_start`.
pub(crate) async fn beginning(lake: &Lake, from_start: bool) -> Result<(Option<u64>, u64)> {
    let rows = lake.files(SIGNALS).await?;
    Ok(match rows {
        Some((table, files)) if !from_start => (table.version(), files.iter().map(|file| file.rows).sum()),
        _ => (None, 0),
    })
}

/// Reads the versions after `since`; `None`: from the first.
pub(crate) async fn read(lake: &Lake, reader: Reader<'_>, since: Option<u64>) -> Result<News> {
    let mut news = News { version: since, ..News::default() };
    let Some(newest) = lake.version(SIGNALS).await? else { return Ok(news) };
    for version in since.map_or(0, |since| since + 1)..=newest {
        match lake.changes(SIGNALS, version).await? {
            Some(changes) => news.take(lake, reader, &changes).await?,
            None => news.note_gap(reader, version),
        }
        news.version = Some(version);
        if news.rows.len() >= ROWS_MAX {
            news.is_more = version < newest;
            break;
        }
    }
    Ok(news)
}

impl News {
    async fn take(&mut self, lake: &Lake, reader: Reader<'_>, changes: &Changes) -> Result<()> {
        self.has_changes |= !(changes.added.is_empty() && changes.removed.is_empty());
        let mut gone: HashMap<String, u64> = HashMap::new();
        // Nothing can be told from what goes where nothing comes.
        for path in changes.removed.iter().filter(|_| !changes.added.is_empty()) {
            for signal in self.signals(lake, reader, path).await? {
                *gone.entry(signal.identity()).or_default() += 1;
            }
        }
        for path in &changes.added {
            let signals = self.signals(lake, reader, path).await?;
            let new = signals.into_iter().filter(|signal| is_new(&mut gone, signal));
            self.rows.extend(new.filter(|signal| (reader.takes)(signal)));
        }
        Ok(())
    }

    /// The signals of a file; none where it was vacuumed, which is told.
    async fn signals(&mut self, lake: &Lake, reader: Reader<'_>, path: &str) -> Result<Vec<SignalRow>> {
        match lake.store.head(&Path::from(format!("{SIGNALS}/{path}"))).await {
            Err(object_store::Error::NotFound { .. }) => {
                let name = reader.name;
                self.notes.push(format!("`{SIGNALS}/{path}` was vacuumed before {name} read it: look into the table"));
                return Ok(Vec::new());
            }
            Err(error) => return Err(Error::transient(format!("failed to look at `{SIGNALS}/{path}`")).because(error)),
            Ok(_) => {}
        }
        let batches = read_file(lake, SIGNALS, path, Some(&COLUMNS)).await?;
        let rows = batches.iter().map(rows_of).collect::<Result<Vec<_>>>()?;
        Ok(rows.into_iter().flatten().collect())
    }

    fn note_gap(&mut self, reader: Reader<'_>, version: u64) {
        self.has_changes = true;
        let name = reader.name;
        self.notes
            .push(format!("the log of `{SIGNALS}` has version {version} no more: {name} passed over its signals"));
    }
}

/// Whether a signal is none of those that went.
fn is_new(gone: &mut HashMap<String, u64>, signal: &SignalRow) -> bool {
    match gone.get_mut(&signal.identity()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    }
}

fn rows_of(batch: &RecordBatch) -> Result<Vec<SignalRow>> {
    let text = |name: &str| column(batch, name, &DataType::Utf8);
    let texts = COLUMNS[..13].iter().map(|name| text(name)).collect::<Result<Vec<_>>>()?;
    let time = column(batch, "time", &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
    let (time, row) = (cast_to(&time, "time", &DataType::Int64)?, column(batch, "row", &DataType::Int64)?);
    let at = |index: usize, row: usize| {
        let column = texts[index].as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let number = |column: &ArrayRef, row: usize| {
        let column = column.as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    let signal = |index: usize| SignalRow {
        source: at(0, index).unwrap_or_default(),
        rule: at(1, index).unwrap_or_default(),
        title: at(2, index).unwrap_or_default(),
        severity: severity(&at(3, index).unwrap_or_default()),
        technique: at(4, index),
        entity: at(5, index),
        message: at(6, index),
        fields: at(7, index),
        file: at(8, index).unwrap_or_default(),
        kind: at(9, index),
        key: at(10, index),
        runbook: at(11, index),
        references: at(12, index),
        time_us: number(&time, index),
        row: number(&row, index),
    };
    Ok((0..batch.num_rows()).map(signal).collect())
}

/// A column by its name; NULL where the file was written before the table had it.
fn column(batch: &RecordBatch, name: &str, kind: &DataType) -> Result<ArrayRef> {
    match batch.column_by_name(name) {
        Some(column) if *kind == DataType::Utf8 && matches!(column.data_type(), DataType::List(_)) => {
            joined(column, name)
        }
        Some(column) => cast_to(column, name, kind),
        None => Ok(new_null_array(kind, batch.num_rows())),
    }
}

/// The texts of each list, one a line.
fn joined(column: &ArrayRef, name: &str) -> Result<ArrayRef> {
    let list = column.as_list::<i32>();
    let mut rows: Vec<Option<String>> = Vec::with_capacity(list.len());
    for items in list.iter() {
        let texts = items.map(|items| cast_to(&items, name, &DataType::Utf8)).transpose()?;
        rows.push(texts.map(|texts| texts.as_string::<i32>().iter().flatten().collect::<Vec<_>>().join("\n")));
    }
    Ok(Arc::new(StringArray::from(rows)))
}

fn cast_to(column: &ArrayRef, name: &str, kind: &DataType) -> Result<ArrayRef> {
    cast(column, kind).map_err(|error| Error::bug(format!("`{SIGNALS}` has another `{name}`")).because(error))
}

fn severity(name: &str) -> Severity {
    Severity::NAMES.iter().find(|(known, _)| *known == name).map_or(Severity::default(), |(_, severity)| *severity)
}
