//! The tables as a periodic signal sees them: the rows that arrived in its window, and in the time that it looks back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::{SchemaError, TableReference};
use datafusion::datasource::MemTable;
use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{ColumnarValue, JoinType, Volatility, create_udf};
use datafusion::prelude::{DataFrame, SQLOptions, SessionContext, col, lit};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use millpond_core::lane::SPILL_BYTES;
use millpond_core::signal::{Signal, Window};
use millpond_core::source::Source;
use millpond_core::units::nearest;
use millpond_core::{Error, Result};
use millpond_engine::encode::{DAY_COLUMN, JOB_COLUMN};
use millpond_engine::{session, sql};

use super::arrivals::{ARRIVED, ARRIVED_JOB, Arrivals, Span, time};
use crate::audit::AUDIT;
use crate::lake::Lake;
use crate::ledger::RECEIPTS;
use crate::ocsf_views::{self, OCSF};
use crate::pond::Pond;
use crate::put::day_number;
use crate::query::{system_tables, widened};

/// Rows that one window of one signal may give: more is a mistake in its query, and nobody would read them.
const ROWS_MAX: usize = 10_000;
/// Rows that travel together.
const BATCH_ROWS: usize = 8_192;
/// A window for planning alone.
pub(super) const EPOCH: Window = Window { start_us: 0, end_us: 1_000_000 };
/// The table of signals.
const SIGNALS: &str = "signals";

/// The type of times in the lake.
pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Rows by the name of their table.
pub(super) type Given = BTreeMap<String, RecordBatch>;

/// A session over given rows: a table that has none is empty.
pub(super) fn over_given(pond: &Pond, signal: &Signal, window: Window, given: &Given) -> Result<SessionContext> {
    let context = empty_session(pond, window)?;
    for name in tables_read(pond, &context, signal)? {
        let table = match (given.get(&name), schema_of(pond, &name)) {
            (Some(rows), _) => MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).map_err(refused)?,
            (None, Some(schema)) => MemTable::try_new(schema, vec![Vec::new()]).map_err(refused)?,
            (None, None) => continue,
        };
        context.register_table(TableReference::bare(name), Arc::new(table)).map_err(refused)?;
    }
    Ok(context)
}

/// A session over the tables of a lake, as far as a signal names them.
pub(super) async fn over_lake(lake: &Lake, pond: &Pond, signal: &Signal, span: &Span) -> Result<SessionContext> {
    let context = empty_session(pond, span.window)?;
    let mut found = Vec::new();
    for name in tables_read(pond, &context, signal)? {
        let may_be_table = name.chars().all(|character| character.is_alphanumeric() || "_-".contains(character));
        let provider = if may_be_table { lake.provider(&name).await? } else { None };
        found.push((name, provider));
    }
    let has_jobs = |provider: &Arc<dyn TableProvider>| provider.schema().field_with_name(JOB_COLUMN).is_ok();
    let arrivals = match found.iter().any(|(_, provider)| provider.as_ref().is_some_and(has_jobs)) {
        true => Arrivals::read(lake, span).await?,
        false => Arrivals::none(),
    };
    for (name, provider) in found {
        let table = match (provider, schema_of(pond, &name)) {
            (Some(provider), _) => arrived_rows(&context, &name, provider, &arrivals, span).map_err(refused)?,
            (None, Some(schema)) => Arc::new(MemTable::try_new(schema, vec![Vec::new()]).map_err(refused)?),
            (None, None) => continue,
        };
        context.register_table(TableReference::bare(name), table).map_err(refused)?;
    }
    Ok(context)
}

/// The tables that a signal names, and those whose sources give events of the classes that it names as `ocsf.<class>`.
fn tables_read(pond: &Pond, context: &SessionContext, signal: &Signal) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for relation in sql::relations(&context.state(), &signal.sql.text)? {
        match relation.as_slice() {
            [table] => drop(names.insert(table.clone())),
            [schema, class] if schema == OCSF => names.extend(tables_of_class(pond, class)),
            _ => {}
        }
    }
    Ok(names)
}

fn tables_of_class<'a>(pond: &'a Pond, class: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let has_class = move |source: &Source| source.ocsf.iter().any(|ocsf| ocsf.classes.iter().any(|one| one == class));
    pond.sources.iter().filter(move |source| has_class(source)).map(|source| source.table.clone())
}

/// A session with the pond's enrichment tables, the views of OCSF and the functions of a window.
fn empty_session(pond: &Pond, window: Window) -> Result<SessionContext> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut state = SessionStateBuilder::new_from_existing(session::state(session::config(threads, BATCH_ROWS)))
        .with_runtime_env(session::runtime(pond.config.memory_bytes, SPILL_BYTES)?)
        .build();
    pond.tables.register(&mut state)?;
    let context = SessionContext::new_with_state(state);
    ocsf_views::register(&context)?;
    for (name, us) in [("window_start", window.start_us), ("window_end", window.end_us)] {
        let value = ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into()));
        let give = Arc::new(move |_: &[ColumnarValue]| Ok(ColumnarValue::Scalar(value.clone())));
        context.register_udf(create_udf(name, Vec::new(), time_type(), Volatility::Immutable, give));
    }
    Ok(context)
}

/// The columns of a table that the pond writes, whether or not it has rows yet.
pub(super) fn schema_of(pond: &Pond, name: &str) -> Option<SchemaRef> {
    let system = system_tables().into_iter().find(|(table, ..)| *table == name);
    let (schema, has_job) = match system {
        Some((_, schema, has_job)) => (schema, has_job),
        None => (pond.all_prepared().find(|prepared| prepared.source.table == name)?.output_schema.clone(), true),
    };
    let job = has_job.then(|| Arc::new(Field::new(JOB_COLUMN, DataType::Utf8, true)));
    let day = Arc::new(Field::new(DAY_COLUMN, DataType::Date32, true));
    let arrived = Arc::new(Field::new(ARRIVED, time_type(), true));
    let fields: Vec<_> = schema.fields().iter().cloned().chain(job).chain([day, arrived]).collect();
    Some(Arc::new(Schema::new(fields)))
}

/// The rows of a table that a run looks at, with the column `_arrived`.
fn arrived_rows(
    context: &SessionContext,
    name: &str,
    provider: Arc<dyn TableProvider>,
    arrivals: &Arrivals,
    span: &Span,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let provider = widened(context, name, provider)?;
    let has_job = provider.schema().field_with_name(JOB_COLUMN).is_ok();
    let rows = context.read_table(provider)?;
    let rows = match name {
        RECEIPTS => with_sql(context, rows, &span.arrived(), &span.condition())?,
        AUDIT => with_sql(context, rows, "time", &within("time", span))?,
        SIGNALS => {
            let periodic = rows.clone().filter(col(JOB_COLUMN).is_null())?;
            let periodic = with_sql(context, periodic, "window_end", &within("window_end", span))?;
            of_jobs(context, name, rows, arrivals)?.union(periodic)?
        }
        _ if has_job => of_jobs(context, name, rows, arrivals)?,
        // Somebody else's table: nothing is known of when its rows came.
        _ => rows,
    };
    Ok(rows.into_view())
}

/// Rows with what SQL says of them as `_arrived`, where a condition holds.
fn with_sql(
    context: &SessionContext,
    rows: DataFrame,
    arrived: &str,
    condition: &str,
) -> Result<DataFrame, DataFusionError> {
    let schema = rows.schema().clone();
    let (arrived, condition) = (context.parse_sql_expr(arrived, &schema)?, context.parse_sql_expr(condition, &schema)?);
    rows.filter(condition)?.with_column(ARRIVED, arrived)
}

/// Whether a column lies within what is looked at, as SQL.
fn within(column: &str, span: &Span) -> String {
    format!("{column} >= {} and {column} < {}", time(span.first_us()), time(span.window.end_us))
}

/// The rows of the jobs that arrived.
fn of_jobs(
    context: &SessionContext,
    name: &str,
    rows: DataFrame,
    arrivals: &Arrivals,
) -> Result<DataFrame, DataFusionError> {
    let days = arrivals.days(name).filter_map(|day| day_number(day).ok());
    let days: Vec<_> = days.map(|day| lit(ScalarValue::Date32(Some(day)))).collect();
    let rows = rows.filter(col(DAY_COLUMN).in_list(days, false))?;
    let table = arrivals.table().map_err(|error| DataFusionError::External(Box::new(error)))?;
    let jobs = context.read_table(table)?;
    rows.join(jobs, JoinType::Inner, &[JOB_COLUMN], &[ARRIVED_JOB], None)?.drop_columns(&[ARRIVED_JOB])
}

/// Runs a signal's query.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for SQL that does not plan or gives too many rows, else whatever
/// ended the query.
pub(super) async fn rows_of(pond: &Pond, context: &SessionContext, signal: &Signal) -> Result<RecordBatch> {
    let what = || format!("failed to run signal `{}`", signal.name);
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(&signal.sql.text, options).await;
    let frame = frame.map_err(|error| plan_error(pond, signal, &error))?;
    let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
    let mut stream = frame.execute_stream().await.map_err(|error| session::engine_error(&what(), error))?;
    let (mut batches, mut count) = (Vec::new(), 0);
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| session::engine_error(&what(), error))?;
        count += batch.num_rows();
        if count > ROWS_MAX {
            let error = Error::bad_config(format!("signal `{}` gives more than {ROWS_MAX} rows", signal.name));
            return Err(error.hint("say which rows matter, or group them: a signal is for a person to look at"));
        }
        batches.push(batch);
    }
    arrow::compute::concat_batches(&schema, &batches).map_err(|error| Error::bug(what()).because(error))
}

/// The planner's error with what helps here.
pub(super) fn plan_error(pond: &Pond, signal: &Signal, error: &DataFusionError) -> Error {
    if let DataFusionError::SchemaError(schema_error, _) = error.find_root()
        && let SchemaError::FieldNotFound { field, valid_fields } = schema_error.as_ref()
    {
        let error = Error::bad_config(format!("no column `{}`", field.flat_name()));
        let known: Vec<&str> = valid_fields.iter().map(|field| field.name.as_str()).collect();
        return match nearest(&field.name, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("its columns are {}", known.join(", "))),
        };
    }
    let message = sql::root_message(error);
    let told = Error::bad_config(message.clone());
    let Some(missing) = message.strip_prefix("table '").and_then(|rest| rest.split('\'').next()) else { return told };
    let missing = missing.rsplit('.').next().unwrap_or(missing);
    let sources = pond.all_prepared().map(|prepared| prepared.source.table.as_str());
    let known = sources.chain(system_tables().map(|(name, ..)| name)).chain(pond.tables.names());
    let error = Error::bad_config(format!("signal `{}` reads table `{missing}`, which no source writes", signal.name));
    match nearest(missing, known) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("tables are those of sources, `signals`, `receipts`, `quarantine`, `audit` and enrichment"),
    }
}

fn refused(error: DataFusionError) -> Error {
    session::engine_error("failed to open the tables of a signal", error)
}
