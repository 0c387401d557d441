//! The handler: one invocation from its event to its answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use millpond::clock::Clock;
use millpond::committer::{Committed, Committer};
use millpond::job_threads::JobThreads;
use millpond::ledger::Ledger;
use millpond::pipeline::{Node, Outcome, quarantine_notice};
use millpond::planner::Planner;
use millpond::queue::SqsQueue;
use millpond::store::Stores;
use millpond::traces;
use millpond_core::event::Event;
use millpond_core::lane::{Lane, Lanes};
use millpond_core::predict::FileSize;
use millpond_core::receipt::Status;
use millpond_core::route::route;
use millpond_core::{Error, Result, notice};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};
use tracing::Instrument;

use crate::batch::{Batch, Counts, failures, with_promotion};
use crate::beside::Beside;
use crate::jobs;
use crate::lanes::{Expected, lane_above, lane_for, of_pond, spill_bytes};
use crate::logging::process_memory_peak_bytes;
use crate::pond::Folder;
use crate::request::{Message, Request, read};
use crate::settings::{Mode, Settings, reserve};

/// What commits, and what follows.
#[derive(Debug)]
struct Committing {
    committer: Committer,
    beside: Beside,
}

/// What the function keeps from one invocation to the next.
#[derive(Debug)]
pub(crate) struct Handler {
    settings: Settings,
    node: Arc<Node>,
    threads: JobThreads,
    committing: Mutex<Committing>,
    /// The same node for batches of a lane that another one is above.
    promoting: Arc<Node>,
    /// The queues of the lanes, in their order, each opened when it is first needed.
    lanes: Vec<OnceCell<SqsQueue>>,
    _folder: Folder,
}

impl Handler {
    /// Reads the pond, prepares its SQL and opens the lake.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when one of them is wrong.
    pub(crate) async fn open(mut settings: Settings) -> Result<Self> {
        let started = Instant::now();
        let stores = Arc::new(Stores::default());
        let folder = Folder::open(&stores, &settings.pond).await?;
        let mut pond = folder.load().await?;
        let config = &mut pond.config;
        config.lake = settings.lake.clone().unwrap_or_else(|| config.lake.clone());
        config.memory_bytes = settings.job_memory_bytes() * settings.threads() as u64;
        config.job_memory_bytes = settings.job_memory_bytes();
        if settings.lanes.is_empty() {
            settings.lanes = of_pond(&config.lanes_anywhere());
        }
        if settings.mode == Mode::Route && settings.lanes.is_empty() {
            return Err(Error::bad_config("a router needs lanes with queues")
                .hint("give each `[lane]` of `millpond.toml` a `queue`, or set `MILLPOND_LANE_QUEUES`"));
        }
        let memory_bytes = settings.job_memory_bytes();
        let spill_bytes = spill_bytes(&config.lanes_anywhere(), memory_bytes);
        let lake = Arc::new(pond.open_lake(&stores).await?);
        // A function is one lane, whatever the pond has; its queue says which ones are above it.
        let lane = Lane { spill_bytes, ..Lane::new(format!("lambda-{}", settings.memory_mb), memory_bytes) };
        let planner = Planner::new(Lanes::new(vec![lane], 0), memory_bytes);
        if settings.mode == Mode::Route
            && let Err(error) = planner.read_history(&lake).await
        {
            // Without it sources are taken for new ones.
            tracing::warn!("{}", error.report());
        }
        let committer = Committer::new(Arc::clone(&lake), Arc::new(Ledger::new(Arc::clone(&lake))));
        let node = Node {
            pond: Arc::new(pond),
            lake,
            ledger: None,
            stores,
            clock: Clock::system(),
            io: tokio::runtime::Handle::current(),
            planner: Arc::new(planner),
            promotes: false,
        };
        let promoting = Arc::new(Node { promotes: true, ..node.clone() });
        let node = Arc::new(node);
        let handler = Self {
            threads: JobThreads::new(settings.threads())?,
            promoting,
            committing: Mutex::new(Committing { committer, beside: Beside::new(&node)? }),
            node,
            lanes: settings.lanes.iter().map(|_| OnceCell::new()).collect(),
            settings,
            _folder: folder,
        };
        tracing::info!(
            mode = ?handler.settings.mode,
            sources = handler.node.pond.sources.len(),
            lake = %handler.node.lake.url(),
            threads = handler.settings.threads(),
            job_memory_bytes = handler.settings.job_memory_bytes(),
            ms = millis(started),
            "ready"
        );
        Ok(handler)
    }

    /// Answers an invocation.
    ///
    /// # Errors
    /// When the whole invocation has to be tried again; messages of a queue come back one by one instead.
    pub(crate) async fn invoke(&self, event: LambdaEvent<Value>) -> Result<Value, Diagnostic> {
        let LambdaEvent { payload, context } = event;
        let span = tracing::error_span!("invocation", request_id = context.request_id);
        let answer = self.answer(&payload, &context).instrument(span.clone()).await;
        // Nothing runs between two invocations. What cannot be sent in half of the time that is left stays for the next.
        let left = context.deadline().duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        traces::flush(left / 2).await;
        answer.map_err(|error| {
            span.in_scope(|| tracing::error!("{}", error.report()));
            Diagnostic { error_type: error.kind().name().to_owned(), error_message: error.report() }
        })
    }

    async fn answer(&self, payload: &Value, context: &Context) -> Result<Value> {
        let deadline = deadline(context.deadline());
        match (read(payload), self.settings.mode) {
            (Request::Commit, _) => self.commit(deadline).await,
            // Whoever sends notices to the committer by mistake must not lose them.
            (Request::Messages(_), Mode::Commit) => Err(takes_no_notices()),
            (Request::Notice(text), Mode::Commit) if !notice::parse(text.as_bytes()).appeared.is_empty() => {
                Err(takes_no_notices())
            }
            (Request::Notice(_), Mode::Commit) => self.commit(deadline).await,
            (Request::Messages(messages), _) => {
                let (returned, _) = self.take(&messages, deadline).await;
                Ok(failures(&messages, &returned))
            }
            (Request::Notice(text), _) => {
                let message = Message {
                    id: String::new(),
                    queue: context.invoked_function_arn.clone(),
                    deliveries: 1,
                    body: text,
                };
                let (returned, counts) = self.take(&[message], deadline).await;
                match returned.is_empty() {
                    true => Ok(json!({
                        "events": counts.events,
                        "done": counts.done,
                        "forwarded": counts.forwarded,
                        "rows": counts.rows,
                    })),
                    false => Err(Error::transient(format!("{} of {} events come back", counts.failed, counts.events))),
                }
            }
        }
    }

    /// Deals with messages; gives the positions of those that come back.
    async fn take(&self, messages: &[Message], deadline: Instant) -> (BTreeSet<usize>, Counts) {
        let started = Instant::now();
        let batch = Batch::read(messages);
        let mut counts = Counts { messages: messages.len(), events: batch.deliveries.len(), ..Counts::default() };
        let mut returned = self.quarantine(messages, &batch).await;
        match self.settings.mode {
            Mode::Route => returned.extend(self.forward(messages, &batch, &mut counts).await),
            _ => returned.extend(self.process(messages, &batch, deadline, &mut counts).await),
        }
        if self.settings.mode == Mode::Both {
            self.commit_if_there_is_time(deadline).await;
        }
        counts.returned = returned.len();
        tracing::info!(
            messages = counts.messages,
            events = counts.events,
            done = counts.done,
            quarantined = counts.quarantined,
            forwarded = counts.forwarded,
            failed = counts.failed,
            returned = counts.returned,
            rows = counts.rows,
            bytes = counts.bytes,
            ms = millis(started),
            job_memory_peak_bytes = counts.job_memory_peak_bytes,
            memory_peak_bytes = process_memory_peak_bytes(),
            "batch"
        );
        (returned, counts)
    }

    /// Puts what nobody understands into quarantine; when that fails, the messages that it stands in come back.
    async fn quarantine(&self, messages: &[Message], batch: &Batch) -> BTreeSet<usize> {
        let Some(first) = batch.unreadable.first() else { return BTreeSet::new() };
        match quarantine_notice(&self.node, &messages[*first].queue, &batch.problems).await {
            Ok(()) => BTreeSet::new(),
            Err(error) => {
                tracing::warn!("{}", error.report());
                batch.unreadable.clone()
            }
        }
    }

    /// Runs the jobs of a batch; gives the positions of the messages that come back. Those with a job that is too large
    /// for this lane are sent on to the next one, if there is one.
    async fn process(
        &self,
        messages: &[Message],
        batch: &Batch,
        deadline: Instant,
        counts: &mut Counts,
    ) -> BTreeSet<usize> {
        // A batch has one queue.
        let above = messages.first().and_then(|message| lane_above(&self.settings.lanes, &message.queue));
        let node = if above.is_some() { &self.promoting } else { &self.node };
        let outcomes = jobs::run(node, &self.threads, &batch.deliveries, deadline).await;
        for (delivery, outcome) in batch.deliveries.iter().zip(&outcomes) {
            counts.add(outcome);
            if let Err(error) | Ok(Outcome::TooBig(error, _)) = outcome {
                tracing::warn!(object = delivery.event.uri, kind = error.kind().name(), "{}", error.report());
            }
        }
        let answering = Instant::now();
        let mut returned = batch.returned(&outcomes);
        if let Some(above) = above {
            // A message that comes back does so as a whole.
            let mut promoted = batch.promoted(&outcomes);
            promoted.retain(|position, _| !returned.contains(position));
            let body = |(position, promotion): (&usize, &&_)| with_promotion(&messages[*position].body, promotion);
            let bodies: Vec<String> = promoted.iter().map(body).collect();
            if !self.send(above, &bodies).await {
                returned.extend(promoted.keys());
            }
        }
        traces::acknowledged(batch.acknowledged(&outcomes, &returned), answering);
        returned
    }

    /// Sends each message on, as it is, to the queue of its largest object's lane; gives the positions of those that come
    /// back. Messages without an object end here.
    async fn forward(&self, messages: &[Message], batch: &Batch, counts: &mut Counts) -> BTreeSet<usize> {
        let mut lane_of: Vec<Option<usize>> = vec![None; messages.len()];
        for (position, delivery) in batch.message_of.iter().zip(&batch.deliveries) {
            let lane = lane_for(&self.settings.lanes, self.expected(&delivery.event).await);
            lane_of[*position] = lane_of[*position].max(Some(lane));
        }
        let mut returned = BTreeSet::new();
        for lane in 0..self.lanes.len() {
            let members: Vec<usize> = (0..messages.len()).filter(|position| lane_of[*position] == Some(lane)).collect();
            let bodies: Vec<String> = members.iter().map(|position| messages[*position].body.clone()).collect();
            if !self.send(lane, &bodies).await {
                returned.extend(members);
            }
        }
        counts.failed = batch.message_of.iter().filter(|position| returned.contains(position)).count();
        counts.forwarded = counts.events - counts.failed;
        returned
    }

    /// What is expected of the job of an event, from its notice and its source's past. The router looks at no object: a
    /// request for each would cost more than it saves.
    async fn expected(&self, event: &Event) -> Expected {
        let pond = &self.node.pond;
        let routed = route(&pond.sources, event.bucket.as_deref(), &event.key);
        let mut expected = Expected { size_bytes: event.size_bytes, memory_bytes: None };
        let Some(prepared) = routed.and_then(|route| pond.prepared(&route.source.name)) else {
            // Without a source there is no job, and any function can say so.
            return Expected { memory_bytes: Some(0), ..expected };
        };
        if let Some(stored_bytes) = event.size_bytes {
            let file = FileSize { stored_bytes, decoded_bytes: None };
            expected.memory_bytes = self.node.planner.predict(prepared, file).await.ok().map(|told| told.memory_bytes);
        }
        expected
    }

    /// Sends messages to the queue of a lane; says whether all of them are there.
    async fn send(&self, lane: usize, bodies: &[String]) -> bool {
        if bodies.is_empty() {
            return true;
        }
        let open = || SqsQueue::open(&self.settings.lanes[lane].queue);
        let sent = match self.lanes[lane].get_or_try_init(open).await {
            Ok(queue) => queue.send(bodies).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &sent {
            tracing::warn!("{}", error.report());
        }
        sent.is_ok()
    }

    /// Commits what is pending, then does what follows from it as far as there is time.
    ///
    /// # Errors
    /// When it fails, or time is up before everything is committed: nothing is lost, and the next call goes on.
    async fn commit(&self, deadline: Instant) -> Result<Value> {
        let started = Instant::now();
        let committing = &mut *self.committing.lock().await;
        let deadline = tokio::time::Instant::from_std(deadline);
        let committed = tokio::time::timeout_at(deadline, async {
            committing.beside.begin().await?;
            committing.committer.commit_pending().await
        });
        let committed = committed.await.map_err(|_| Error::transient("no time was left to commit everything"))??;
        committed.errors().for_each(|error| tracing::error!("{}", error.report()));
        let counts = counts_of(&committed);
        tracing::info!(
            jobs = committed.receipts.len(),
            rows = counts["rows"].as_u64(),
            dropped = committed.dropped,
            ms = millis(started),
            memory_peak_bytes = process_memory_peak_bytes(),
            "committed"
        );
        if tokio::time::timeout_at(deadline, committing.beside.pass()).await.is_err() {
            tracing::warn!("no time was left for all correlations, signals and alerts: the next call goes on");
        }
        Ok(counts)
    }

    /// What the batch handed over is safe: a commit that fails is done by the next one.
    async fn commit_if_there_is_time(&self, deadline: Instant) {
        if Instant::now() < deadline
            && let Err(error) = self.commit(deadline).await
        {
            tracing::warn!("{}", error.report());
        }
    }
}

fn takes_no_notices() -> Error {
    Error::bad_config("this function commits and takes no notices")
        .hint("map the queue to a function with `MILLPOND_MODE=job`")
}

/// What a commit answers.
fn counts_of(committed: &Committed) -> Value {
    let count = |status| committed.receipts.iter().filter(|receipt| receipt.status == status).count();
    json!({
        "jobs": committed.receipts.len(),
        "done": count(Status::Done),
        "duplicate": count(Status::Duplicate),
        "quarantined": count(Status::Quarantined),
        "unrouted": count(Status::Unrouted),
        "gone": count(Status::Gone),
        "failed": count(Status::Failed),
        "dropped": committed.dropped,
        "rows": committed.receipts.iter().map(|receipt| receipt.balance.rows_out).sum::<u64>(),
    })
}

/// When no job may begin any more, of an invocation that ends at `end`.
fn deadline(end: SystemTime) -> Instant {
    let left = end.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    Instant::now() + left.saturating_sub(reserve(left))
}

fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
