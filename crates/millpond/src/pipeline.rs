//! The path of objects: receive -> route -> plan -> fetch -> decode -> transform -> write -> commit -> ack.
//!
//! [`process`] reads top to bottom and is what every entry point calls. *Receive* and *ack* belong to the caller (a
//! listing has nothing to acknowledge); *decode* and *transform* are one pass in the engine, driven by the sink that
//! *write* provides. It runs on one thread, on which it may block.
//!
//! Objects that are given together are a *group*: each has its own job, with its own database, limits and fate, but
//! those of one source share the files that they write and hand over together, because a request costs more than a
//! small file's work.

mod commit;
mod fetch;
mod group;
mod harvest;
mod paused;
mod too_big;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use millpond_core::event::{Event, Object};
use millpond_core::job::JobId;
use millpond_core::lane::Promotion;
use millpond_core::notice::Problem;
use millpond_core::plan::{Plan, plan};
use millpond_core::predict::FileSize;
use millpond_core::receipt::{Output, Receipt, Status};
use millpond_core::route::source_of;
use millpond_core::source::{Duplicates, Source};
use millpond_core::{Error, Kind, Result};
use millpond_engine::parts::Parts;
use millpond_engine::prepare::Prepared;
use millpond_engine::run::{InputFile, run_in_parts};

pub use commit::FAILURES_MAX;
pub(crate) use fetch::open_object;
pub use harvest::signals_schema;
pub(crate) use harvest::{Finder, SIGMA, signal_rows};
pub(crate) use paused::signal_pause;
pub use write::quarantine_schema;

use crate::clock::Clock;
use crate::committer::Committer;
use crate::crash;
use crate::lake::Lake;
use crate::ledger::{Ledger, Question};
use crate::memory::{self, Measure};
use crate::planner::{Grant, Planner};
use crate::pond::Pond;
use crate::store::Stores;
use crate::traces::{self, Before};
use fetch::Fetched;
use group::Group;
use too_big::Reached;

/// Objects of a group that are fetched ahead of the one that is decoded.
const FETCHES_MAX: usize = 16;

/// What every job on this machine shares.
#[derive(Debug, Clone)]
pub struct Node {
    /// The pond: configuration, sources, tables.
    pub pond: Arc<Pond>,
    /// Where results go.
    pub lake: Arc<Lake>,
    /// What is done. `None`: nobody looks before a job, and the committer alone tells.
    pub ledger: Option<Arc<Ledger>>,
    /// Where objects are.
    pub stores: Arc<Stores>,
    /// What time it is.
    pub clock: Clock,
    /// The runtime on which network reads run while a job's thread decodes.
    pub io: tokio::runtime::Handle,
    /// What jobs may use, and are expected to.
    pub planner: Arc<Planner>,
    /// Whether there is a larger machine for a job that reaches a limit of memory: it then leaves nothing here and ends
    /// as [`Outcome::TooBig`], as does one that was granted a lane with another above. Else its file goes to quarantine.
    pub promotes: bool,
}

impl Node {
    /// What jobs of a pond need on this machine, with the lake that the pond names.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] when the lake cannot be used.
    pub async fn open(pond: Pond) -> Result<Self> {
        let stores = Arc::new(Stores::default());
        let lake = Arc::new(pond.open_lake(&stores).await?);
        let ledger = Some(Arc::new(Ledger::new(Arc::clone(&lake))));
        let io = tokio::runtime::Handle::current();
        let planner = Arc::new(Planner::of(&pond));
        let pond = Arc::new(pond);
        Ok(Self { pond, lake, ledger, stores, clock: Clock::system(), io, planner, promotes: false })
    }

    /// The ledger of the node's lake.
    pub fn ledger(&self) -> Arc<Ledger> {
        self.ledger.clone().unwrap_or_else(|| Arc::new(Ledger::new(Arc::clone(&self.lake))))
    }

    /// A committer of the node's lake.
    pub fn committer(&self) -> Committer {
        Committer::new(Arc::clone(&self.lake), self.ledger()).with_clock(self.clock.clone())
    }
}

/// An event, and how often it was delivered so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The event.
    pub event: Event,
    /// Deliveries with this one, from 1.
    pub number: u32,
    /// When it was taken in.
    pub(crate) received: Instant,
    /// For a replay: what is done again.
    pub(crate) replaces: Option<Replaces>,
    /// What its job may use, where its lane was chosen before.
    pub grant: Option<Grant>,
    /// The lanes that its job was too large for before.
    pub promotions: Vec<Promotion>,
}

/// The job whose rows a new one's take the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaces {
    pub(crate) job: JobId,
    /// Its source, which does it again whatever the routes say now.
    pub(crate) source: String,
}

impl Delivery {
    /// An event that was delivered for the `number`th time.
    pub fn new(event: Event, number: u32) -> Self {
        let received = Instant::now();
        Self { event, number, received, replaces: None, grant: None, promotions: Vec::new() }
    }
}

/// Where jobs hand over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Destination<'a> {
    /// To the committer.
    Committer,
    /// To a replay, which lies in this folder of the lake until it is committed as a whole.
    Replay {
        /// The folder.
        folder: &'a str,
        /// What the jobs wrote whose place the new ones take, by job.
        outputs: &'a BTreeMap<String, Vec<Output>>,
    },
}

/// What became of an event.
#[derive(Debug)]
pub enum Outcome {
    /// A pending commit was handed over; the receipt says with which end.
    Handed(Box<Receipt>),
    /// The object was dealt with before.
    AlreadyDone,
    /// The job reached this limit of memory, and there is a larger lane or machine: the event is for that one.
    TooBig(Error, Promotion),
}

/// One try at one job.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) id: JobId,
    pub(crate) object: Object,
    pub(crate) source: Option<&'a Source>,
    /// What it may use; `None` without a source.
    pub(crate) plan: Option<Plan>,
    /// The lane that this comes from, and what the job is expected to take.
    pub(crate) grant: Option<Grant>,
    /// The lanes that it was too large for.
    pub(crate) promotions: Vec<Promotion>,
    pub(crate) attempt: u32,
    /// How long it was planned before it started.
    pub(crate) planned: Duration,
    pub(crate) started: Instant,
    pub(crate) started_us: i64,
    /// The job whose rows this one's take the place of.
    pub(crate) replaces: Option<JobId>,
}

/// Takes objects through the path, those of one source as a group. The caller acknowledges the events whose outcome is
/// no error; there is one outcome for each delivery, in their order. Once `deadline` has passed no further job starts.
///
/// # Errors
/// [`Kind::Transient`] and [`Kind::Conflict`]: nothing was recorded and the event comes back. Every other error ends in
/// a receipt.
pub async fn process(node: &Node, deliveries: &[Delivery], deadline: Option<Instant>) -> Vec<Result<Outcome>> {
    process_to(Destination::Committer, node, deliveries, deadline).await
}

/// As [`process`], handing over where it is told to.
pub(crate) async fn process_to(
    destination: Destination<'_>,
    node: &Node,
    deliveries: &[Delivery],
    deadline: Option<Instant>,
) -> Vec<Result<Outcome>> {
    let mut outcomes: Vec<Option<Result<Outcome>>> = deliveries.iter().map(|_| None).collect();
    let begun = Instant::now();
    let groups = by_source(&node.pond.sources, deliveries);
    let routed = (begun, Instant::now());
    for (source, members) in groups {
        let events: Vec<&Delivery> = members.iter().map(|member| &deliveries[*member]).collect();
        let group = Group::new(node, source.and_then(|source| node.pond.prepared(&source.name)), destination);
        let ended = process_group(group, source, &events, routed, deadline).await;
        for (member, outcome) in members.into_iter().zip(ended) {
            outcomes[member] = Some(outcome);
        }
    }
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(Error::bug("an event has no outcome")))).collect()
}

/// The positions of the deliveries that each source takes, in the order in which sources first appear.
fn by_source<'a>(sources: &'a [Source], deliveries: &[Delivery]) -> Vec<(Option<&'a Source>, Vec<usize>)> {
    let mut groups: Vec<(Option<&Source>, Vec<usize>)> = Vec::new();
    for (position, delivery) in deliveries.iter().enumerate() {
        let event = &delivery.event;
        let source = match &delivery.replaces {
            Some(replaces) => sources.iter().find(|source| source.name == replaces.source),
            None => source_of(sources, event),
        };
        crash::point("route");
        let name = |source: &Option<&Source>| source.map(|source| source.name.clone());
        match groups.iter_mut().find(|(known, _)| name(known) == name(&source)) {
            Some((_, members)) => members.push(position),
            None => groups.push((source, vec![position])),
        }
    }
    groups
}

/// Takes the objects of one source through the path, one after the other, and hands over what they came to.
async fn process_group(
    mut group: Group<'_>,
    source: Option<&Source>,
    deliveries: &[&Delivery],
    routed: (Instant, Instant),
    deadline: Option<Instant>,
) -> Vec<Result<Outcome>> {
    let node = group.node;
    let mut taken = Vec::with_capacity(deliveries.len());
    // Fetches run by themselves: one that waited for the ledger while nobody drives it would keep the others from it.
    let mut begun = VecDeque::new();
    for (index, delivery) in deliveries.iter().enumerate() {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            taken.push(Err(Error::transient("no time was left to begin the job")));
            continue;
        }
        while begun.len() < FETCHES_MAX
            && let Some(ahead) = deliveries.get(index + begun.len())
        {
            begun.push_back(fetch::begin(node, source, ahead).await);
        }
        taken.push(match begun.pop_front() {
            Some(Ok(begun)) => match fetch::end(node, source, delivery, begun).await {
                Ok(fetched) => take(&mut group, source, delivery, fetched).await,
                Err(error) => Err(error),
            },
            Some(Err(error)) => Err(error),
            None => Err(Error::bug("an event was not fetched")),
        });
    }
    let started = std::mem::take(&mut group.started);
    let handed = group.hand_over().await;
    if let (Some(traces), Ok(receipts)) = (traces::active(), &handed) {
        for (delivery, taken) in deliveries.iter().zip(&taken) {
            if let Ok(group::Taken::Receipt(index)) = taken {
                let before = Before { received: delivery.received, routed, started: started[*index] };
                traces.job(&receipts[*index], &before);
            }
        }
    }
    taken.into_iter().map(|taken| taken.and_then(|taken| taken.outcome(&handed))).collect()
}

/// Runs the job of one object in its group; what it comes to is handed over with the group.
async fn take(
    group: &mut Group<'_>,
    source: Option<&Source>,
    delivery: &Delivery,
    fetched: Fetched,
) -> Result<group::Taken> {
    let memory = memory::measure();
    let node = group.node;
    let is_replay = delivery.replaces.is_some();
    let (object, input) = match fetched {
        Fetched::Done => return Ok(group::Taken::AlreadyDone),
        Fetched::Unwanted(object) if is_replay => {
            return Err(Error::conflict(format!("the source of `{}` is gone", object.uri)));
        }
        Fetched::Gone(object) if is_replay => return Err(Error::conflict(format!("`{}` is gone", object.uri))),
        Fetched::Unwanted(object) => {
            let job = Job::new(node, object, source, delivery).await?;
            return Ok(group.note(&job, job.receipt(Status::Unrouted)));
        }
        Fetched::Gone(object) => {
            let job = Job::new(node, object, source, delivery).await?;
            return Ok(group.note(&job, job.receipt(Status::Gone)));
        }
        Fetched::Refused(object, error) => {
            let job = Job::new(node, object, source, delivery).await?;
            return commit::stopped(group, &job, error, memory.peak_bytes());
        }
        Fetched::Object(object, input) => (object, input),
    };
    crash::point("fetch");
    if group.has_taken(&object) {
        return Ok(group::Taken::AlreadyDone);
    }
    let job = Job::new(node, object, source, delivery).await?;
    let prepared = group.prepared.ok_or_else(|| Error::bug("a source without a plan took an object"))?;
    let (meter, parts) = (input.meter(), Parts::whole());
    match run(group, &job, prepared, input, &parts).await {
        Err(error) if error.needs_memory() => {
            let read = (meter.bytes(), job.object.size_bytes);
            too_big::ended(group, job, prepared, Reached { error, read, parts }, &memory).await
        }
        ended => end(group, &job, ended, &memory).await,
    }
}

/// The end of a job that has no further try before it.
async fn end(
    group: &mut Group<'_>,
    job: &Job<'_>,
    ended: Result<write::Written>,
    memory: &Measure,
) -> Result<group::Taken> {
    match ended {
        Ok(written) => commit::done(group, job, written, memory.peak_bytes()).await,
        Err(error) if matches!(error.kind(), Kind::Transient | Kind::Conflict) => Err(error),
        Err(error) => commit::stopped(group, job, error, memory.peak_bytes()),
    }
}

/// Everything that a job does before it is part of its group. A panic must end this job and no other, so it becomes an
/// error here.
async fn run(
    group: &Group<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    input: fetch::Input,
    parts: &Parts,
) -> Result<write::Written> {
    let attempt = std::panic::AssertUnwindSafe(work(group, job, prepared, input, parts)).catch_unwind().await;
    attempt.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
}

/// Decode, transform, write.
async fn work(
    group: &Group<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    input: fetch::Input,
    parts: &Parts,
) -> Result<write::Written> {
    let plan = job.plan.as_ref().ok_or_else(|| Error::bug("a job without a plan"))?;
    let meter = input.meter();
    let mut sink = write::JobSink::new(job, prepared);
    crash::point("decode");
    let object = &job.object;
    let input = InputFile { name: &object.uri, modified_us: object.modified_us, bytes: Box::new(input) };
    let finished = run_in_parts(parts, prepared, plan, input, &mut sink).await?;
    crash::point("transform");
    finished.check_balance()?;
    meter.check_size(object)?;
    let fingerprint = meter.fingerprint();
    let duplicate_of = match prepared.source.duplicates {
        Duplicates::Skip if job.replaces.is_none() => group.first_with_content(&fingerprint, object).await?,
        _ => None,
    };
    let rows = if duplicate_of.is_none() { Some(sink.end()?) } else { None };
    crash::point("write");
    Ok(write::Written {
        finished,
        fingerprint,
        fetch_time: meter.waited(),
        bytes_in: meter.bytes(),
        rows,
        duplicate_of,
    })
}

/// Whether the ledger says that a source has dealt with an object, or that no source wants it.
///
/// # Errors
/// [`Kind::Transient`] when the ledger cannot be read.
pub async fn is_done(node: &Node, event: &Event) -> Result<bool> {
    let source = source_of(&node.pond.sources, event).map_or("", |source| &source.name);
    let (Some(ledger), Some(version), Some(modified_us)) = (&node.ledger, &event.version, event.time_us) else {
        return Ok(false);
    };
    Ok(ledger.done(Question { uri: &event.uri, version, source, modified_us }).await?.is_some())
}

/// Hands over what nobody understands of a notice: its bytes go to quarantine, and the message can be acknowledged.
///
/// # Errors
/// [`Kind::Transient`] when the store does not take it: the message comes back.
pub async fn quarantine_notice(node: &Node, queue: &str, problems: &[Problem]) -> Result<()> {
    let mut group = Group::new(node, None, Destination::Committer);
    for problem in problems {
        // The same bytes are one notice, however often they come.
        let hash = blake3::hash(&problem.raw).to_hex().to_string();
        let object = Object {
            uri: queue.to_owned(),
            bucket: None,
            key: String::new(),
            version: hash,
            size_bytes: problem.raw.len() as u64,
            modified_us: node.clock.now_us(),
        };
        if !group.has_taken(&object) {
            let job = Job {
                id: JobId::new(&object, "", 0),
                object,
                source: None,
                plan: None,
                grant: None,
                promotions: Vec::new(),
                attempt: 1,
                planned: Duration::ZERO,
                started: Instant::now(),
                started_us: node.clock.now_us(),
                replaces: None,
            };
            commit::refused_notice(&mut group, &job, problem)?;
        }
    }
    group.hand_over().await.map(|_| ())
}

impl<'a> Job<'a> {
    async fn new(node: &Node, object: Object, source: Option<&'a Source>, delivery: &Delivery) -> Result<Self> {
        let begun = Instant::now();
        let (name, version) = source.map_or(("", 0), |source| (source.name.as_str(), source.version));
        let id = JobId::new(&object, name, version);
        let failures = match &node.ledger {
            Some(ledger) => ledger.failures(id, object.modified_us).await?,
            None => 0,
        };
        let grant = match source {
            Some(source) => grant(node, source, &object, delivery).await?,
            None => None,
        };
        Ok(Self {
            id,
            source,
            plan: source.map(|source| planned(node, source, grant.as_ref())),
            grant,
            promotions: delivery.promotions.clone(),
            object,
            attempt: delivery.number.max(failures + 1),
            planned: begun.elapsed(),
            started: Instant::now(),
            started_us: node.clock.now_us(),
            replaces: delivery.replaces.as_ref().map(|replaces| replaces.job),
        })
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
            engine: self.source.map(|source| source.engine().name().to_owned()).unwrap_or_default(),
            timings: Default::default(),
            memory_peak_bytes: 0,
            resources: self.grant.as_ref().map(|grant| grant.resources(&self.promotions)).unwrap_or_default(),
            started_us: self.started_us,
            outputs: Vec::new(),
            error_kind: None,
            error: None,
            duplicate_of: None,
            replaces: self.replaces.map(|job| job.to_string()),
            millpond: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The day of the object, for rows without a time: days since 1970.
    pub(crate) fn object_day(&self) -> i32 {
        self.object.modified_us.div_euclid(86_400_000_000) as i32
    }
}

/// What a job may use: what was granted, or what its object's size and its source's past make likely.
async fn grant(node: &Node, source: &Source, object: &Object, delivery: &Delivery) -> Result<Option<Grant>> {
    if delivery.grant.is_some() {
        return Ok(delivery.grant.clone());
    }
    let Some(prepared) = node.pond.prepared(&source.name) else { return Ok(None) };
    let file = FileSize { stored_bytes: object.size_bytes, decoded_bytes: None };
    let prediction = node.planner.predict(prepared, file).await?;
    let grant = node.planner.grant_alone(source, prediction);
    let has_above = node.promotes && source.memory_bytes.is_none();
    Ok(Some(Grant { has_above, ..grant }))
}

fn planned(node: &Node, source: &Source, grant: Option<&Grant>) -> Plan {
    let plan = plan(source, node.pond.config.job_memory_bytes);
    match grant {
        Some(grant) => Plan { memory_bytes: grant.memory_bytes, spill_bytes: grant.spill_bytes, ..plan },
        None => plan,
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned());
    Error::bug(format!("the job panicked: {text}")).hint("please report it; the file is kept and tried again")
}
