//! Running one job's SQL: decode, transform and signals in one pass over the file.

use std::cell::RefCell;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use futures::future::{LocalBoxFuture, try_join_all};
use millpond_core::balance::Balance;
use millpond_core::columns::SystemColumn;
use millpond_core::plan::Plan;
use millpond_core::predict::Work;
use millpond_core::{Error, Result};

use crate::engine::{Input, JobSession, Rows, Running, Seen, planning_state, scans, spilled_bytes};
use crate::functions::FileTime;
use crate::job_memory::JobMemory;
use crate::limits::{Limits, Stop};
use crate::parts::{self, Parts};
use crate::prepare::{INPUT, OUTPUT, Prepared};
use crate::rules::{JobScanner, RuleMatch};
use crate::session::{self, engine_error};
use crate::shared::{JobStreams, SharedStream};
use crate::{sql, work};
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
    /// Parts that the file was run in; 1: as a whole.
    pub parts: u64,
}

/// Runs a prepared source over the bytes of one file, within the plan's time.
///
/// The future does the decoding itself and never waits for anything but the engines, so it wants a thread of its own.
///
/// # Errors
/// The decoder's errors as they are; an error of the SQL while it runs is [`Kind::BadConfig`](millpond_core::Kind);
/// a limit is [`Kind::TooBig`](millpond_core::Kind).
pub async fn run(prepared: &Prepared, plan: &Plan, input: InputFile<'_>, sink: &mut dyn Sink) -> Result<Finished> {
    run_in_parts(&Parts::whole(), prepared, plan, input, sink).await
}

/// As [`run`], in parts, one after the other. Only SQL without an [`obstacle`] gives the same rows.
///
/// # Errors
/// As [`run`].
pub async fn run_in_parts(
    parts: &Parts,
    prepared: &Prepared,
    plan: &Plan,
    input: InputFile<'_>,
    sink: &mut dyn Sink,
) -> Result<Finished> {
    let stop = Stop::after(plan.time_ms.map(Duration::from_millis));
    run_all(&stop, parts, prepared, plan, input, sink).await
}

/// As [`run`], until it is done or `stop` says that it must end.
///
/// # Errors
/// As [`run`], and those of [`Stop::check`].
pub async fn run_until(
    stop: &Stop,
    prepared: &Prepared,
    plan: &Plan,
    input: InputFile<'_>,
    sink: &mut dyn Sink,
) -> Result<Finished> {
    run_all(stop, &Parts::whole(), prepared, plan, input, sink).await
}

/// Opens the decoder, and runs the SQL over each part of what it gives.
async fn run_all(
    stop: &Stop,
    parts: &Parts,
    prepared: &Prepared,
    plan: &Plan,
    input: InputFile<'_>,
    sink: &mut dyn Sink,
) -> Result<Finished> {
    let shares = Shares::of(prepared, plan);
    let state = job_state(prepared, plan, shares.session_bytes, input.modified_us)?;
    let memory = JobMemory::new(shares.session_bytes, &state.runtime_env().memory_pool);
    let modified_us = input.modified_us;
    let decoding = Decoding::open(prepared, plan, input, parts.clone(), memory, stop.clone())?;
    let decoding = Arc::new(Mutex::new(decoding));
    let limits = Limits {
        memory_bytes: shares.engine_bytes,
        spill_bytes: plan.spill_bytes,
        threads: 1,
        batch_rows: plan.batch_rows,
        stop: stop.clone(),
    };
    let file = &prepared.transform_sql().file;
    let job = JobSession { session: &state, file, limits: &limits, modified_us };
    let (mut balance, mut spilled_bytes, mut count) = (Balance::default(), 0, 0);
    while !lock(&decoding).is_over {
        parts.begin();
        let part = run_part(prepared, &job, &decoding, sink).await?;
        balance.add(&part.balance);
        spilled_bytes += part.spilled_bytes;
        // A file that ends where a part does has nothing left for another.
        count += u64::from(parts.reached() > 0);
    }
    let decoding = lock(&decoding);
    let (summary, decode_time) = (decoding.decoder.summary().clone(), decoding.time);
    Ok(Finished { balance, summary, decode_time, spilled_bytes, parts: count.max(1) })
}

/// What came of one part.
struct Part {
    balance: Balance,
    spilled_bytes: u64,
}

/// Plans and runs the SQL over one part. What it held is let go of at its end.
async fn run_part(
    prepared: &Prepared,
    job: &JobSession<'_>,
    decoding: &Arc<Mutex<Decoding>>,
    sink: &mut dyn Sink,
) -> Result<Part> {
    let mut state = job.session.clone();
    let before = lock(decoding).seen();
    let mut transform = prepared.transform.start(job).await?;
    let mut signals = Vec::with_capacity(prepared.signals.len());
    for (query, signal) in prepared.signals.iter().zip(&prepared.source.signals) {
        signals.push(query.physical(&state, &signal.sql.file).await?);
    }
    let streams = shared_streams(&mut state, decoding, prepared, transform.as_mut(), &signals)?;
    let rows_out = drive(prepared, &state, &streams, &signals, decoding, sink).await?;
    drop(streams);
    lock(decoding).drain(sink)?;
    let after = lock(decoding).seen();
    let seen = Seen {
        records: after.records - before.records,
        rejected: after.rejected - before.rejected,
        delivered: after.delivered - before.delivered,
        rows_out,
    };
    let balance = transform.balance(&seen)?;
    let spilled_bytes = transform.spilled_bytes() + signals.iter().map(spilled_bytes).sum::<u64>();
    Ok(Part { balance, spilled_bytes })
}

/// How a job's memory is parted.
struct Shares {
    /// For the session in which the signals run.
    session_bytes: u64,
    /// For an engine with memory of its own.
    engine_bytes: u64,
}

impl Shares {
    fn of(prepared: &Prepared, plan: &Plan) -> Self {
        let all = plan.memory_bytes;
        if !prepared.engine.support().own_memory {
            return Self { session_bytes: all, engine_bytes: all };
        }
        // The engine holds the file's rows; signals mostly look at what passes.
        Self { session_bytes: all / 4, engine_bytes: all - all / 4 }
    }
}

/// The decoder of a running job, shared by the stream that reads it and the job that ends it.
struct Decoding {
    decoder: Decoder,
    /// How much of the file the SQL gets at a time.
    parts: Parts,
    /// Whether the file has ended.
    is_over: bool,
    /// Rows handed over so far.
    delivered: u64,
    time: Duration,
    scanner: Option<JobScanner>,
    /// Found, and not yet passed to the sink.
    found: Vec<RuleMatch>,
    memory: JobMemory,
    stop: Stop,
}

impl Decoding {
    fn open(
        prepared: &Prepared,
        plan: &Plan,
        input: InputFile<'_>,
        parts: Parts,
        memory: JobMemory,
        stop: Stop,
    ) -> Result<Self> {
        let started = Instant::now();
        let decoder = Decoder::open(input.bytes, prepared.decode_request(plan, input.name, input.modified_us))?;
        let scanner = prepared.rules.as_ref().map(|rules| rules.scanner(&decoder.schema()));
        let time = started.elapsed();
        Ok(Self { decoder, parts, is_over: false, delivered: 0, time, scanner, found: Vec::new(), memory, stop })
    }

    /// The next batch of the part; `None` at its end, and at that of the file.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        if self.parts.is_full() {
            return Ok(None);
        }
        self.stop.check()?;
        let started = Instant::now();
        let batch = self.decoder.next_batch()?;
        self.time += started.elapsed();
        match &batch {
            Some(_) => self.parts.count(),
            None => self.is_over = true,
        }
        self.delivered += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        self.memory.check()?;
        if let (Some(scanner), Some(batch)) = (&mut self.scanner, &batch) {
            self.found.extend(scanner.scan(batch));
        }
        Ok(batch)
    }

    /// What was seen of the file so far; nobody knows here how many rows came out.
    fn seen(&self) -> Seen {
        let Summary { records, rejected, .. } = *self.decoder.summary();
        Seen { records, rejected, delivered: self.delivered, rows_out: 0 }
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

/// The prepared session with this job's memory, spill space and clock, and the time of its file.
fn job_state(prepared: &Prepared, plan: &Plan, memory_bytes: u64, modified_us: i64) -> Result<SessionState> {
    let mut config = session::config(1, plan.batch_rows);
    config.options_mut().extensions.insert(FileTime { modified_us: Some(modified_us) });
    let runtime = session::runtime(memory_bytes, plan.spill_bytes)?;
    let state = planning_state(&prepared.state, config, has_ordinal(prepared)).with_runtime_env(runtime);
    let mut state = state.build();
    state.mark_start_execution();
    Ok(state)
}

/// Whether `input` ascends by its column `_row`.
fn has_ordinal(prepared: &Prepared) -> bool {
    // A source may declare a column `_row` of its own; then the ordinal is not among its system columns.
    prepared.system_used.contains(&SystemColumn::Row)
}

/// Sets up `input` over the decoder and `output` over the transform, and makes both known to the session's scans.
fn shared_streams(
    state: &mut SessionState,
    decoding: &Arc<Mutex<Decoding>>,
    prepared: &Prepared,
    transform: &mut dyn Running,
    signals: &[Arc<dyn ExecutionPlan>],
) -> Result<Arc<SharedStream>> {
    let pool = Arc::clone(&state.runtime_env().memory_pool);
    let decoder = Arc::clone(decoding);
    let rows = futures::stream::poll_fn(move |_| {
        let next = lock(&decoder).next().map_err(|error| DataFusionError::External(Box::new(error)));
        std::task::Poll::Ready(next.transpose())
    });
    let readers = transform.input_readers() + signals.iter().map(|signal| scans(signal, INPUT)).sum::<usize>();
    let stream = SharedStream::new(INPUT, rows.boxed(), readers, &pool);
    let input = Input { schema: lock(decoding).decoder.schema(), stream };
    let stop = lock(decoding).stop.clone();
    let rows = transform.rows(&input)?.map(move |batch| {
        stop.check().map_err(|error| DataFusionError::External(Box::new(error)))?;
        batch
    });
    let readers = 1 + signals.iter().map(|signal| scans(signal, OUTPUT)).sum::<usize>();
    let output = SharedStream::new(OUTPUT, rows.boxed(), readers, &pool);
    let input = (INPUT, input.schema, input.stream);
    let both = JobStreams { by_name: vec![input, (OUTPUT, prepared.transform.schema(), Arc::clone(&output))] };
    state.config_mut().set_extension(Arc::new(both));
    Ok(output)
}

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
    let mut streams: Vec<(Option<usize>, &str, Rows)> = Vec::new();
    let started = |error| engine_error("failed to start the transform", error);
    streams.push((None, &prepared.transform_sql().file, output.reader().map_err(started)?.boxed()));
    for (index, (plan, signal)) in signals.iter().zip(&source.signals).enumerate() {
        let rows = execute_stream(Arc::clone(plan), Arc::clone(&context))
            .map_err(|error| engine_error(&format!("failed to start `{}`", signal.sql.file), error))?;
        streams.push((Some(index), &signal.sql.file, rows.boxed()));
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
    let config = prepared.state.config().clone();
    let state = planning_state(&prepared.state, config, has_ordinal(prepared)).build();
    let transform = prepared.transform.work(&state).await?;
    let mut signals = Vec::with_capacity(prepared.signals.len());
    for (query, signal) in prepared.signals.iter().zip(&prepared.source.signals) {
        signals.push(query.physical(&state, &signal.sql.file).await?);
    }
    Ok(transform.max(work::of_plans(&signals)))
}

/// What of a source's SQL, signals included, needs the rows of the whole file at once, in words; `None` where a file in
/// parts gives the same rows.
///
/// # Errors
/// As [`run`], for planning.
pub async fn obstacle(prepared: &Prepared) -> Result<Option<String>> {
    let config = prepared.state.config().clone();
    let state = planning_state(&prepared.state, config, has_ordinal(prepared)).build();
    if let Some(what) = prepared.transform.obstacle(&state).await? {
        return Ok(Some(what));
    }
    for (query, signal) in prepared.signals.iter().zip(&prepared.source.signals) {
        if let Some(what) = parts::obstacle(&[query.physical(&state, &signal.sql.file).await?]) {
            return Ok(Some(format!("{what} in `{}`", signal.sql.file)));
        }
    }
    Ok(None)
}

/// How the engine goes about a source's transform, for `explain`.
///
/// # Errors
/// As [`run`], for planning.
pub async fn explain(prepared: &Prepared) -> Result<String> {
    let config = prepared.state.config().clone();
    let state = planning_state(&prepared.state, config, has_ordinal(prepared)).build();
    prepared.transform.explain(&state).await
}

/// The quoted locations that a source's SQL reads. SQL that does not parse has none; planning tells what is wrong.
pub fn locations(source: &millpond_core::source::Source) -> std::collections::BTreeSet<String> {
    let queries = std::iter::once(source.own_transform()).chain(source.signals.iter().map(|signal| &signal.sql));
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
