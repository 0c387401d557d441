//! Arrivals: when rows came into the lake, by the receipts of their jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::TableReference;
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use millpond_core::signal::Window;
use millpond_core::{Error, Result};
use millpond_engine::session;

use crate::lake::{Lake, day_of};
use crate::ledger::RECEIPTS;
use crate::query::widened;

/// The column that says when a row came into the lake.
pub(super) const ARRIVED: &str = "_arrived";
/// The job of an arrival, under a name that no table has.
pub(super) const ARRIVED_JOB: &str = "_arrived_job";

/// The rows that a run looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) window: Window,
    /// How far before the window it reaches.
    pub(super) lookback_us: i64,
    pub(super) order: Order,
}

/// What says when something arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The batches of the committer: those after the first number and up to the second are those of the window.
    Batches(i64, i64),
    /// The time at which each object was written, as if it had come in at once.
    Written,
}

impl Span {
    /// The first moment that is looked at.
    pub(super) fn first_us(&self) -> i64 {
        self.window.start_us.saturating_sub(self.lookback_us)
    }

    /// The arrival of a receipt as SQL.
    pub(super) fn arrived(&self) -> String {
        let Window { start_us, end_us } = self.window;
        match self.order {
            // A batch that took long to become visible arrived when it became visible.
            Order::Batches(after, _) => format!(
                "case when coalesce(batch, 0) > {after} \
                 then least(greatest(coalesce(committed, started), {}), {}) \
                 else least(coalesce(committed, started), {}) end",
                time(start_us),
                time(end_us - 1),
                time(start_us - 1)
            ),
            Order::Written => "least(object_modified, coalesce(committed, started))".to_owned(),
        }
    }

    /// Which receipts are looked at, as SQL; what is said twice lets files be passed over by their statistics.
    pub(super) fn condition(&self) -> String {
        let (from, arrived) = (time(self.first_us()), self.arrived());
        match self.order {
            Order::Batches(after, upto) => format!(
                "coalesce(batch, 0) <= {upto} and ({arrived}) >= {from} \
                 and (committed is null or committed >= {from} or batch > {after})"
            ),
            Order::Written => {
                let end = time(self.window.end_us);
                format!("object_modified >= {from} and ({arrived}) >= {from} and ({arrived}) < {end}")
            }
        }
    }
}

/// A time as SQL.
pub(super) fn time(us: i64) -> String {
    format!("arrow_cast({us}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

/// The receipts of a lake, to be asked in SQL as `receipts`; `None`: there are none.
pub(super) async fn receipts(lake: &Lake) -> Result<Option<SessionContext>> {
    let Some(provider) = lake.provider(RECEIPTS).await? else { return Ok(None) };
    let context = SessionContext::new_with_state(session::state(session::config(1, 8_192)));
    let provider = widened(&context, RECEIPTS, provider).map_err(failed)?;
    context.register_table(TableReference::bare(RECEIPTS), provider).map_err(failed)?;
    Ok(Some(context))
}

/// The last batch that was begun before a moment; 0: none was.
pub(super) async fn last_batch(lake: &Lake, before_us: i64) -> Result<i64> {
    let Some(context) = receipts(lake).await? else { return Ok(0) };
    let before = time(before_us);
    let query = format!(
        "select max(coalesce(batch, 0)) from receipts where coalesce(committed, started) < {before} \
         and (committed is null or committed < {before})"
    );
    let rows = collect(&context, &query).await?;
    let number = rows.first().filter(|rows| rows.num_rows() > 0 && rows.column(0).is_valid(0));
    Ok(number.map_or(0, |rows| rows.column(0).as_primitive::<Int64Type>().value(0)))
}

/// The jobs whose rows a run looks at.
pub(super) struct Arrivals {
    jobs: Vec<RecordBatch>,
    schema: SchemaRef,
    /// The days of each table in which rows of these jobs lie.
    days: BTreeMap<String, BTreeSet<String>>,
}

impl Arrivals {
    /// No job, for those who ask for none.
    pub(super) fn none() -> Self {
        let schema = Schema::new(vec![
            Field::new(ARRIVED_JOB, DataType::Utf8, true),
            Field::new(ARRIVED, super::session::time_type(), true),
        ]);
        Self { jobs: Vec::new(), schema: Arc::new(schema), days: BTreeMap::new() }
    }

    /// Reads them from the receipts.
    pub(super) async fn read(lake: &Lake, span: &Span) -> Result<Self> {
        let mut arrivals = Self::none();
        let Some(context) = receipts(lake).await? else { return Ok(arrivals) };
        let query = format!(
            "select job_id, {} as arrived, outputs from receipts where status <> 'failed' and {}",
            span.arrived(),
            span.condition()
        );
        for rows in collect(&context, &query).await? {
            arrivals.note_days(&rows)?;
            let columns =
                (0..2).map(|index| arrow::compute::cast(rows.column(index), arrivals.schema.field(index).data_type()));
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
            let jobs = RecordBatch::try_new(Arc::clone(&arrivals.schema), columns).map_err(unreadable)?;
            arrivals.jobs.push(jobs);
        }
        Ok(arrivals)
    }

    fn note_days(&mut self, rows: &RecordBatch) -> Result<()> {
        let outputs = rows.column(2).as_list_opt::<i32>().ok_or_else(|| unreadable("`outputs` is no list"))?;
        let output = outputs.values().as_struct_opt().ok_or_else(|| unreadable("an output is no struct"))?;
        let part = |name: &str| {
            let column = output.column_by_name(name).ok_or_else(|| unreadable(format!("an output has no `{name}`")))?;
            arrow::compute::cast(column, &DataType::Utf8).map_err(unreadable)
        };
        let (tables, paths) = (part("table")?, part("path")?);
        for (table, path) in tables.as_string::<i32>().iter().zip(paths.as_string::<i32>()) {
            if let (Some(table), Some(path)) = (table, path) {
                self.days.entry(table.to_owned()).or_default().insert(day_of(path).to_owned());
            }
        }
        Ok(())
    }

    /// The jobs and when they arrived, as a table.
    pub(super) fn table(&self) -> Result<Arc<dyn TableProvider>> {
        let table = MemTable::try_new(Arc::clone(&self.schema), vec![self.jobs.clone()]).map_err(failed)?;
        Ok(Arc::new(table))
    }

    /// The days in which the rows of a table lie.
    pub(super) fn days(&self, table: &str) -> impl Iterator<Item = &str> {
        self.days.get(table).into_iter().flatten().map(String::as_str)
    }
}

async fn collect(context: &SessionContext, query: &str) -> Result<Vec<RecordBatch>> {
    let frame = context.sql(query).await.map_err(failed)?;
    frame.collect().await.map_err(failed)
}

/// Whatever the engine says of them, receipts that cannot be read now can be read later.
fn failed(error: DataFusionError) -> Error {
    Error::transient("failed to read when rows arrived").because(error)
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::bug("receipts have another shape").because(error)
}
