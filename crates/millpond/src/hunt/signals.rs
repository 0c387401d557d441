//! Rows that a hunt found as rows of the table `signals`, each exactly once however often it is found.
//!
//! A finding is known by its key: a hash of the indicator, the table and the record. The keys that the table holds are
//! read at the version that is committed on top of; whoever was first makes the other look again.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::DataFusionError;
use datafusion::prelude::{SessionContext, col, lit};
use deltalake_core::DeltaTable;
use futures::FutureExt;
use futures::future::BoxFuture;
use millpond_core::indicator::{Indicator, IndicatorSet};
use millpond_core::source::{Severity, Source};
use millpond_core::{Error, Kind, Result};
use millpond_engine::session;
use serde_json::json;

use super::report::Sample;
use super::{Collector, Hit, Hunter, Report, Request, hunt_for};
use crate::crash;
use crate::lake::{Lake, provider_of};
use crate::pipeline::signals_schema;
use crate::query::widened;
use crate::signals::{SIGNALS, file_schema, put_rows};

/// `kind` and `rule` of the rows.
const KIND: &str = "hunt";
const RULE: &str = "ioc-hunt";
const TITLE: &str = "Indicator of compromise in past events";
/// Rows that are committed at a time.
const ROWS_MAX: usize = 50_000;
/// Other writers that may be first in a row: the committer writes to the table once in seconds, and a try takes
/// milliseconds.
const TRIES_MAX: usize = 20;
const US_PER_DAY: i64 = 86_400_000_000;

/// What is said of the rows of a hunt.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// What lists say of their indicators.
    pub notes: HashMap<Indicator, String>,
    /// The name of the hunt, if it has one.
    pub hunt: Option<String>,
    /// When it is, microseconds since 1970: the day of rows without a time.
    pub now_us: i64,
}

/// Looks for indicators and records each row that has one in the table `signals`. Gives the number of new rows.
///
/// # Errors
/// As [`hunt`](super::hunt()), and [`Kind::Conflict`] when others committed to the table again and again. What was
/// recorded stays, and another hunt goes on.
pub async fn hunt_and_record(
    lake: &Lake,
    sources: &[Source],
    request: &Request,
    about: &About,
    told: &mut dyn Hunter,
) -> Result<(Report, u64)> {
    if request.tables.iter().any(|table| table == SIGNALS) {
        return Err(Error::bad_config("a hunt that records signals cannot look through the table `signals`")
            .hint("it would find what it recorded: name other tables, or hunt without `--signals`"));
    }
    let indicators = Arc::clone(&request.indicators);
    let mut recorder = Recorder { lake, sources, about, indicators, waiting: BTreeMap::new(), recorded: 0 };
    let report = hunt_for(lake, sources, request, told, Some(&mut recorder)).await?;
    recorder.record().await?;
    Ok((report, recorder.recorded))
}

/// A row of the table.
struct Row {
    source: String,
    table: String,
    indicator: u32,
    columns: BTreeSet<String>,
    sample: Sample,
}

struct Recorder<'a> {
    lake: &'a Lake,
    sources: &'a [Source],
    about: &'a About,
    indicators: Arc<IndicatorSet>,
    /// What is not committed yet, by key.
    waiting: BTreeMap<String, Row>,
    recorded: u64,
}

impl Collector for Recorder<'_> {
    fn take<'a>(&'a mut self, table: &'a str, hits: Vec<Hit>) -> BoxFuture<'a, Result<()>> {
        async move {
            let source = source_of(table, self.sources);
            for hit in hits {
                let indicator = &self.indicators.indicators()[hit.indicator as usize];
                let row = self.waiting.entry(key(indicator, table, &hit.identity)).or_insert_with(|| Row {
                    source: source.clone(),
                    table: table.to_owned(),
                    indicator: hit.indicator,
                    columns: BTreeSet::new(),
                    sample: hit.sample,
                });
                row.columns.insert(hit.column);
            }
            match self.waiting.len() >= ROWS_MAX {
                true => self.record().await,
                false => Ok(()),
            }
        }
        .boxed()
    }
}

impl Recorder<'_> {
    /// Commits what waits and is not there yet.
    async fn record(&mut self) -> Result<()> {
        let mut waiting = std::mem::take(&mut self.waiting);
        for _ in 0..TRIES_MAX {
            if waiting.is_empty() {
                return Ok(());
            }
            let table = self.lake.table_for(SIGNALS, &file_schema()).await?;
            let known = known_keys(&table).await?;
            waiting.retain(|key, _| !known.contains(key));
            if waiting.is_empty() {
                return Ok(());
            }
            let rows = self.rows(&waiting)?;
            let day = self.about.now_us.div_euclid(US_PER_DAY) as i32;
            let adds = put_rows(self.lake, &rows, day, KIND).await?;
            crash::point("hunt");
            match self.lake.append_marked(SIGNALS, &table, adds, &[]).await {
                Ok(_) => {
                    self.recorded += waiting.len() as u64;
                    return Ok(());
                }
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict(format!("other writers to table `{SIGNALS}` were first {TRIES_MAX} times")))
    }

    fn rows(&self, waiting: &BTreeMap<String, Row>) -> Result<RecordBatch> {
        let texts = |text: &dyn Fn(&Row) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(waiting.values().map(text)))
        };
        let times: TimestampMicrosecondArray = waiting.values().map(|row| row.sample.time_us).collect();
        let schema = signals_schema();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "source" => texts(&|row| row.source.clone()),
                "rule" => texts(&|_| RULE.to_owned()),
                "title" => texts(&|_| TITLE.to_owned()),
                "severity" => texts(&|_| Severity::Medium.name().to_owned()),
                "entity" => texts(&|row| self.indicator(row).value().to_owned()),
                "time" => Arc::new(times.clone().with_timezone("UTC")),
                "message" => texts(&|row| self.message(row)),
                "fields" => texts(&|row| self.fields(row)),
                "file" => texts(&|row| row.sample.file.clone()),
                "row" => Arc::new(waiting.values().map(|row| row.sample.row).collect::<Int64Array>()),
                "kind" => texts(&|_| KIND.to_owned()),
                "key" => Arc::new(StringArray::from_iter_values(waiting.keys())),
                _ => new_null_array(field.data_type(), waiting.len()),
            }
        });
        let columns = columns.collect();
        RecordBatch::try_new(schema, columns).map_err(|error| Error::bug("failed to build signal rows").because(error))
    }

    fn indicator(&self, row: &Row) -> &Indicator {
        &self.indicators.indicators()[row.indicator as usize]
    }

    fn message(&self, row: &Row) -> String {
        let (indicator, columns) = (self.indicator(row), row.columns.iter().cloned().collect::<Vec<_>>().join(", "));
        let note = self.about.notes.get(indicator).map(|note| format!(": {note}")).unwrap_or_default();
        format!("{} `{}` in {columns} of table `{}`{note}", indicator.kind().name(), indicator.value(), row.table)
    }

    fn fields(&self, row: &Row) -> String {
        let indicator = self.indicator(row);
        let mut fields = json!({
            "table": row.table, "columns": row.columns, "value": row.sample.value,
            "indicator_kind": indicator.kind().name(),
        });
        let optional = [("note", self.about.notes.get(indicator)), ("hunt", self.about.hunt.as_ref())];
        for (name, text) in optional {
            if let Some(text) = text {
                fields[name] = text.as_str().into();
            }
        }
        fields.to_string()
    }
}

/// The source whose rows a table holds; the table itself where several write to it.
fn source_of(table: &str, sources: &[Source]) -> String {
    let mut writers = sources.iter().filter(|source| source.table == table);
    match (writers.next(), writers.next()) {
        (Some(only), None) => only.name.clone(),
        _ => table.to_owned(),
    }
}

/// What tells one finding from another, in 32 hexadecimal digits.
fn key(indicator: &Indicator, table: &str, identity: &str) -> String {
    let text = format!("{}\0{}\0{table}\0{identity}", indicator.kind().name(), indicator.value());
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

/// The keys of what hunts recorded, in the table as it was read.
async fn known_keys(table: &DeltaTable) -> Result<HashSet<String>> {
    let failed = |error: DataFusionError| Error::transient("failed to read what hunts recorded").because(error);
    let context = SessionContext::new_with_state(session::state(session::config(1, 8_192)));
    let provider = widened(&context, SIGNALS, provider_of(SIGNALS, table).await?).map_err(failed)?;
    let rows = context.read_table(provider).map_err(failed)?;
    let rows = rows.filter(col("kind").eq(lit(KIND))).and_then(|rows| rows.select(vec![col("key")])).map_err(failed)?;
    let mut known = HashSet::new();
    for batch in rows.collect().await.map_err(failed)? {
        let keys = cast(batch.column(0), &DataType::Utf8);
        let keys = keys.map_err(|error| Error::bug("the keys of signals are no texts").because(error))?;
        known.extend(keys.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    Ok(known)
}
