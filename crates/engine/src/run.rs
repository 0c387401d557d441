//! Running one job's SQL: decode, transform and signals in one pass over the file.

use std::cell::RefCell;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use futures::StreamExt;
use futures::future::{LocalBoxFuture, try_join_all};
use millpond_core::balance::Balance;
use millpond_core::columns::SystemColumn;
use millpond_core::plan::Plan;
use millpond_core::predict::Work;
use millpond_core::{Error, Result};

use crate::job_memory::JobMemory;
use crate::prepare::{INPUT, OUTPUT, Prepared};
use crate::row_number::StreamingRowNumber;
use crate::rules::{JobScanner, RuleMatch};
use crate::session::{self, engine_error};
use crate::shared::{JobStreams, SharedScan, SharedStream};
use crate::sql;
use millpond_decode::{Decoder, Reject, Summary};

/// Where the rows of a job go.
pub trait Sink {
    /// Rows of the transform.
    ///
    /// # Errors
    /// Whatever keeps the rows from being written; it ends the job.
    fn output(&mut self, batch: RecordBatch) -> Result<()>;

    /// Rows of the signal with this index among the source's signals.
    ///
    /// # Errors
    /// As [`Sink::output`].
    fn signal(&mut self, index: usize, batch: RecordBatch) -> Result<()>;

    /// Records that rules match, in the order of the file.
    ///
    /// # Errors
    /// As [`Sink::output`].
    fn matches(&mut self, found: Vec<RuleMatch>) -> Result<()>;

    /// A record or piece of the file that could not be used.
    ///
    /// # Errors
    /// As [`Sink::output`].
    fn reject(&mut self, reject: Reject) -> Result<()>;
}

/// The file that a job reads.
pub struct InputFile<'a> {
    /// What `_file` holds.
    pub name: &'a str,
    /// When it was written, microseconds since 1970 in UTC: times without a year are of the year before it.
    pub modified_us: i64,
    /// Its stored bytes.
    pub bytes: Box<dyn Read + Send>,
}

/// What is known of a job whose rows have all reached the sink.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Rows by fate.
    pub balance: Balance,
    /// What the decoder saw.
    pub summary: Summary,
    /// Time spent in the decoder, reading its input included.
    pub decode_time: Duration,
    /// What sorts and aggregates wrote to the temporary folder.
    pub spilled_bytes: u64,
}

/// Runs a prepared source over the bytes of one file.
///
/// The future does the decoding itself and never waits for anything but the session, so it wants a thread of its own.
///
/// # Errors
/// The decoder's errors as they are; an error of the SQL while it runs is [`Kind::BadConfig`](millpond_core::Kind);
/// a limit is [`Kind::TooBig`](millpond_core::Kind).
pub async fn run(prepared: &Prepared, plan: &Plan, input: InputFile<'_>, sink: &mut dyn Sink) -> Result<Finished> {
    let mut state = job_state(prepared, plan)?;
    let memory = JobMemory::new(plan.memory_bytes, &state.runtime_env().memory_pool);
    let decoding = Arc::new(Mutex::new(Decoding::open(prepared, plan, input, memory)?));
    let transform = physical(&state, &prepared.transform, &prepared.source.transform.file).await?;
    let mut signals = Vec::with_capacity(prepared.signals.len());
    for (logical, signal) in prepared.signals.iter().zip(&prepared.source.signals) {
        signals.push(physical(&state, logical, &signal.sql.file).await?);
    }
    let streams = shared_streams(&mut state, &decoding, &transform, &signals)?;
    let rows_out = drive(prepared, &state, &streams, &signals, &decoding, sink).await?;
    drop(streams);
    let mut decoding = lock(&decoding);
    decoding.drain(sink)?;
    let summary = decoding.decoder.summary().clone();
    let balance = crate::account::balance(&transform, summary.records, summary.rejected, decoding.delivered, rows_out);
    let spilled_bytes = signals.iter().chain([&transform]).map(spilled_bytes).sum();
    Ok(Finished { balance, summary, decode_time: decoding.time, spilled_bytes })
}

/// The decoder of a running job, shared by the stream that reads it and the job that ends it.
struct Decoding {
    decoder: Decoder,
    /// Rows handed over so far.
    delivered: u64,
    time: Duration,
    scanner: Option<JobScanner>,
    /// Found, and not yet passed to the sink.
    found: Vec<RuleMatch>,
    memory: JobMemory,
}

impl Decoding {
    fn open(prepared: &Prepared, plan: &Plan, input: InputFile<'_>, memory: JobMemory) -> Result<Self> {
        let started = Instant::now();
        let decoder = Decoder::open(input.bytes, prepared.decode_request(plan, input.name, input.modified_us))?;
        let scanner = prepared.rules.as_ref().map(|rules| rules.scanner(&decoder.schema()));
        let time = started.elapsed();
        Ok(Self { decoder, delivered: 0, time, scanner, found: Vec::new(), memory })
    }

    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let started = Instant::now();
        let batch = self.decoder.next_batch()?;
        self.time += started.elapsed();
        self.delivered += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        self.memory.check()?;
        if let (Some(scanner), Some(batch)) = (&mut self.scanner, &batch) {
            self.found.extend(scanner.scan(batch));
        }
        Ok(batch)
    }

    /// Reads what no query asked for: a `limit` stops early, but every record is counted.
    fn drain(&mut self, sink: &mut dyn Sink) -> Result<()> {
        while self.next()?.is_some() {
            self.pass_on(sink)?;
        }
        self.pass_on(sink)
    }

    /// Gives the sink what was found and refused so far.
    fn pass_on(&mut self, sink: &mut dyn Sink) -> Result<()> {
        if !self.found.is_empty() {
            sink.matches(std::mem::take(&mut self.found))?;
        }
        self.decoder.take_rejects().into_iter().try_for_each(|reject| sink.reject(reject))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic while the lock is held ends the job, so what it guards is not used again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The prepared session with this job's memory, spill space and clock.
fn job_state(prepared: &Prepared, plan: &Plan) -> Result<SessionState> {
    let config = session::config(1, plan.batch_rows);
    let runtime = session::runtime(plan.memory_bytes, plan.spill_bytes)?;
    let mut state = planning_state(prepared, config).with_runtime_env(runtime).build();
    state.mark_start_execution();
    Ok(state)
}

/// The prepared session as jobs plan in it.
fn planning_state(prepared: &Prepared, config: SessionConfig) -> SessionStateBuilder {
    // The catalog is the prepared one: a new default catalog would take its place and hide `input`.
    let config = config.with_create_default_catalog_and_schema(false);
    SessionStateBuilder::new_from_existing(prepared.state.clone())
        .with_config(config)
        .with_physical_optimizer_rules(rules(prepared))
}

/// DataFusion's rules for physical plans, and ours before them.
fn rules(prepared: &Prepared) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    // A source may declare a column `_row` of its own; then the ordinal is not among its system columns.
    let has_ordinal = prepared.system_used.contains(&SystemColumn::Row);
    let ours = StreamingRowNumber { input_order: has_ordinal.then(|| SystemColumn::Row.name()) };
    let mut rules = PhysicalOptimizer::new().rules;
    rules.insert(0, Arc::new(ours));
    rules
}

async fn physical(state: &SessionState, logical: &LogicalPlan, file: &str) -> Result<Arc<dyn ExecutionPlan>> {
    let planned = state.create_physical_plan(logical).await;
    planned.map_err(|error| engine_error(&format!("failed to plan `{file}`"), error))
}

/// What a plan's operators wrote to the temporary folder.
fn spilled_bytes(plan: &Arc<dyn ExecutionPlan>) -> u64 {
    let own = plan.metrics().and_then(|metrics| metrics.spilled_bytes()).unwrap_or(0) as u64;
    own + plan.children().into_iter().map(spilled_bytes).sum::<u64>()
}

/// How often a plan scans a shared table.
fn scans(plan: &Arc<dyn ExecutionPlan>, table: &str) -> usize {
    let own =
        (plan.as_ref() as &dyn std::any::Any).downcast_ref::<SharedScan>().is_some_and(|scan| scan.table == table);
    usize::from(own) + plan.children().into_iter().map(|child| scans(child, table)).sum::<usize>()
}

/// Sets up `input` over the decoder and `output` over the transform, and makes both known to the session's scans.
fn shared_streams(
    state: &mut SessionState,
    decoding: &Arc<Mutex<Decoding>>,
    transform: &Arc<dyn ExecutionPlan>,
    signals: &[Arc<dyn ExecutionPlan>],
) -> Result<Arc<SharedStream>> {
    let pool = Arc::clone(&state.runtime_env().memory_pool);
    let decoder = Arc::clone(decoding);
    let rows = futures::stream::poll_fn(move |_| {
        let next = lock(&decoder).next().map_err(|error| DataFusionError::External(Box::new(error)));
        std::task::Poll::Ready(next.transpose())
    });
    let readers = scans(transform, INPUT) + signals.iter().map(|signal| scans(signal, INPUT)).sum::<usize>();
    let input = SharedStream::new(INPUT, rows.boxed(), readers, &pool);
    let input_schema = lock(decoding).decoder.schema();
    let input_entry = (INPUT, input_schema, input);

    let inputs = JobStreams { by_name: vec![(input_entry.0, Arc::clone(&input_entry.1), Arc::clone(&input_entry.2))] };
    let context = context_with(state, inputs);
    let rows = execute_stream(Arc::clone(transform), context)
        .map_err(|error| engine_error("failed to start the transform", error))?;
    let readers = 1 + signals.iter().map(|signal| scans(signal, OUTPUT)).sum::<usize>();
    let output = SharedStream::new(OUTPUT, rows.boxed(), readers, &pool);
    let both = JobStreams { by_name: vec![input_entry, (OUTPUT, transform.schema(), Arc::clone(&output))] };
    state.config_mut().set_extension(Arc::new(both));
    Ok(output)
}

fn context_with(state: &SessionState, streams: JobStreams) -> Arc<TaskContext> {
    let mut state = state.clone();
    state.config_mut().set_extension(Arc::new(streams));
    state.task_ctx()
}

type Batches = futures::stream::BoxStream<'static, Result<RecordBatch, DataFusionError>>;

/// Pulls the transform's rows and every signal's rows side by side until all have ended.
async fn drive(
    prepared: &Prepared,
    state: &SessionState,
    output: &Arc<SharedStream>,
    signals: &[Arc<dyn ExecutionPlan>],
    decoding: &Arc<Mutex<Decoding>>,
    sink: &mut dyn Sink,
) -> Result<u64> {
    let source = &prepared.source;
    let context = state.task_ctx();
    let mut streams: Vec<(Option<usize>, &str, Batches)> = Vec::new();
    let started = |error| engine_error("failed to start the transform", error);
    streams.push((None, &source.transform.file, output.reader().map_err(started)?.boxed()));
    for (index, (plan, signal)) in signals.iter().zip(&source.signals).enumerate() {
        let rows = execute_stream(Arc::clone(plan), Arc::clone(&context))
            .map_err(|error| engine_error(&format!("failed to start `{}`", signal.sql.file), error))?;
        streams.push((Some(index), &signal.sql.file, rows));
    }
    let sink = RefCell::new(sink);
    let queries = streams.into_iter().map(|(signal, file, mut rows)| -> LocalBoxFuture<'_, Result<u64>> {
        let sink = &sink;
        Box::pin(async move {
            let mut count = 0;
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(|error| engine_error(&format!("failed to run `{file}`"), error))?;
                count += batch.num_rows() as u64;
                let mut sink = sink.borrow_mut();
                let mut decoding = lock(decoding);
                decoding.pass_on(&mut **sink)?;
                match signal {
                    None => sink.output(batch)?,
                    Some(index) => sink.signal(index, batch)?,
                }
                decoding.memory.check()?;
            }
            Ok(count)
        })
    });
    let counts = try_join_all(queries).await?;
    Ok(counts.first().copied().unwrap_or(0))
}

/// How the memory of a source's SQL grows with its file.
///
/// # Errors
/// As [`run`], for planning.
pub async fn work(prepared: &Prepared) -> Result<Work> {
    let state = planning_state(prepared, prepared.state.config().clone()).build();
    let mut plans = vec![physical(&state, &prepared.transform, &prepared.source.transform.file).await?];
    for (logical, signal) in prepared.signals.iter().zip(&prepared.source.signals) {
        plans.push(physical(&state, logical, &signal.sql.file).await?);
    }
    Ok(crate::work::of_plans(&plans))
}

/// The physical plans of a source as text, for `explain`.
///
/// # Errors
/// As [`run`], for planning.
pub async fn explain(prepared: &Prepared) -> Result<String> {
    let state = planning_state(prepared, prepared.state.config().clone()).build();
    let plan = physical(&state, &prepared.transform, &prepared.source.transform.file).await?;
    Ok(datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string())
}

/// The quoted locations that a source's SQL reads. SQL that does not parse has none; planning tells what is wrong.
pub fn locations(source: &millpond_core::source::Source) -> std::collections::BTreeSet<String> {
    let queries = std::iter::once(&source.transform).chain(source.signals.iter().map(|signal| &signal.sql));
    queries.flat_map(locations_of).collect()
}

/// The same of one query.
pub fn locations_of(query: &millpond_core::source::Sql) -> std::collections::BTreeSet<String> {
    let state = session::state(session::config(1, 1_024));
    sql::locations(&state, &query.text).unwrap_or_default()
}

impl Finished {
    /// An error when some row is not accounted for.
    ///
    /// # Errors
    /// [`Kind::Bug`](millpond_core::Kind::Bug): the job must not be committed.
    pub fn check_balance(&self) -> Result<()> {
        if self.balance.holds() {
            return Ok(());
        }
        Err(Error::bug(format!("{} rows are not accounted for: {:?}", self.balance.difference(), self.balance))
            .hint("this is a mistake in millpond: please report it with the source's SQL"))
    }
}
