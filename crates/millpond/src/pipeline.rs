//! The path of one object: receive -> route -> plan -> fetch -> decode -> transform -> write -> commit -> ack.
//!
//! [`process`] reads top to bottom and is what every entry point calls. *Receive* and *ack* belong to the caller (a
//! listing has nothing to acknowledge); *decode* and *transform* are one pass in the engine, driven by the sink that
//! *write* provides. A job runs on one thread, on which it may block.

mod commit;
mod fetch;
mod harvest;
mod write;

use std::sync::Arc;
use std::time::Instant;

use futures::FutureExt;
use millpond_core::event::Object;
use millpond_core::job::JobId;
use millpond_core::plan::{Plan, plan};
use millpond_core::receipt::{Receipt, Status};
use millpond_core::route::route;
use millpond_core::source::{Duplicates, Source};
use millpond_core::{Error, Kind, Result};
use millpond_engine::prepare::Prepared;
use millpond_engine::run::InputFile;

pub use commit::FAILURES_MAX;
pub(crate) use harvest::signal_rows;
pub use harvest::signals_schema;
pub use write::quarantine_schema;

use crate::crash;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::memory;
use crate::pond::Pond;
use crate::store::Place;

/// What every job on this machine shares.
#[derive(Debug)]
pub struct Node {
    /// The pond: configuration, sources, tables.
    pub pond: Pond,
    /// Where results go.
    pub lake: Arc<Lake>,
    /// What is done.
    pub ledger: Arc<Ledger>,
    /// The runtime on which network reads run while a job's thread decodes.
    pub io: tokio::runtime::Handle,
}

/// What became of an event.
#[derive(Debug)]
pub enum Outcome {
    /// A pending commit was handed over; the receipt says with which end.
    Handed(Box<Receipt>),
    /// The object was dealt with before.
    AlreadyDone,
}

/// One try at one job.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) id: JobId,
    pub(crate) object: &'a Object,
    pub(crate) source: Option<&'a Source>,
    pub(crate) attempt: u32,
    pub(crate) started: Instant,
    pub(crate) started_us: i64,
}

/// Takes one object through the path. The caller acknowledges its event when this returns an outcome.
///
/// # Errors
/// [`Kind::Transient`] and [`Kind::Conflict`]: nothing was recorded and the event comes back. Every other error ends in
/// a receipt.
pub async fn process(node: &Node, place: &Place, object: &Object) -> Result<Outcome> {
    let memory = memory::measure();
    let source = route(&node.pond.sources, object).map(|route| route.source);
    crash::point("route");
    if is_done(node, object) {
        return Ok(Outcome::AlreadyDone);
    }
    let job = Job::new(node, object, source);
    let Some(prepared) = source.and_then(|source| node.pond.prepared(&source.name)) else {
        return commit::unrouted(node, &job).await;
    };
    let plan = plan(&prepared.source, node.pond.config.job_memory_bytes);
    // A panic must end this job and no other, so it becomes an error here.
    let attempt = std::panic::AssertUnwindSafe(run(node, place, &job, prepared, &plan)).catch_unwind().await;
    match attempt.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))) {
        Ok(done) => commit::done(node, &job, prepared, done, memory.peak_bytes()).await,
        Err(error) if matches!(error.kind(), Kind::Transient | Kind::Conflict) => Err(error),
        Err(error) => commit::stopped(node, &job, &plan, &error, memory.peak_bytes()).await,
    }
}

/// Whether the ledger says that the source which takes an object has dealt with it, or that no source wants it.
pub fn is_done(node: &Node, object: &Object) -> bool {
    let source = route(&node.pond.sources, object).map_or("", |route| &route.source.name);
    node.ledger.has_work(object, source)
}

/// Fetch, decode, transform, write: everything that a job does before it hands over.
async fn run(node: &Node, place: &Place, job: &Job<'_>, prepared: &Prepared, plan: &Plan) -> Result<write::Written> {
    let input = fetch::fetch(node, place, job.object).await?;
    crash::point("fetch");
    let meter = input.meter();
    let mut sink = write::LakeSink::new(job, prepared, &meter);
    crash::point("decode");
    let object = &job.object;
    let input = InputFile { name: &object.uri, modified_us: object.modified_us, bytes: Box::new(input) };
    let finished = millpond_engine::run::run(prepared, plan, input, &mut sink).await?;
    crash::point("transform");
    finished.check_balance()?;
    meter.check_size(job.object)?;
    let fingerprint = meter.fingerprint();
    if prepared.source.duplicates == Duplicates::Skip
        && let Some(first) = node.ledger.first_with_content(&prepared.source.name, &fingerprint)
    {
        return Ok(write::Written::duplicate(finished, &meter, fingerprint, first));
    }
    sink.put(&node.lake, finished, fingerprint).await
}

impl<'a> Job<'a> {
    fn new(node: &Node, object: &'a Object, source: Option<&'a Source>) -> Self {
        let (name, version) = source.map_or(("", 0), |source| (source.name.as_str(), source.version));
        let id = JobId::new(object, name, version);
        Self {
            id,
            object,
            source,
            attempt: node.ledger.failures(id) + 1,
            started: Instant::now(),
            started_us: chrono::Utc::now().timestamp_micros(),
        }
    }

    /// A receipt of this job on which nothing has happened yet.
    pub(crate) fn receipt(&self, status: Status) -> Receipt {
        Receipt {
            job_id: self.id.to_string(),
            attempt: self.attempt,
            status,
            object: self.object.uri.clone(),
            object_version: self.object.version.clone(),
            object_modified_us: self.object.modified_us,
            source: self.source.map(|source| source.name.clone()).unwrap_or_default(),
            source_version: self.source.map_or(0, |source| source.version),
            table: self.source.map(|source| source.table.clone()).unwrap_or_default(),
            balance: Default::default(),
            signals: 0,
            rescued: 0,
            damages: 0,
            members: 0,
            bytes_in: self.object.size_bytes,
            bytes_decoded: 0,
            bytes_out: 0,
            fingerprint: String::new(),
            schema_fingerprint: String::new(),
            format: String::new(),
            compression: String::new(),
            engine: self.source.map(|source| source.engine.name().to_owned()).unwrap_or_default(),
            timings: Default::default(),
            memory_peak_bytes: 0,
            started_us: self.started_us,
            outputs: Vec::new(),
            error_kind: None,
            error: None,
            millpond: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The day of the object, for rows without a time: days since 1970.
    pub(crate) fn object_day(&self) -> i32 {
        self.object.modified_us.div_euclid(86_400_000_000) as i32
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    Error::bug(format!("the job panicked: {text}")).hint("please report it; the file is kept and tried again")
}
