//! The worker: feeds the path from the pond's inputs, within the pond's budget, and commits as it goes.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryStreamExt};
use millpond_core::balance::Balance;
use millpond_core::config::Input;
use millpond_core::event::Event;
use millpond_core::guard::{Guard, Spent};
use millpond_core::plan::plan;
use millpond_core::receipt::{Receipt, Status};
use millpond_core::route::route;
use millpond_core::source::Source;
use millpond_core::{Error, Kind, Result};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::committer::{Committed, Committer};
use crate::intake::{Intake, Item, read};
use crate::job_threads::JobThreads;
use crate::ledger::Ledger;
use crate::pipeline::{Delivery, Node, Outcome, is_done, process, quarantine_notice};
use crate::pond::Pond;
use crate::queue::{Body, ListQueue, Message, Queue, SqsQueue, WatchQueue};
use crate::signals::{self, Choice, Runner};
use crate::store::Place;

/// Events that wait for a job: enough to keep every job busy and to let small files share their files.
const WAITING_MAX: usize = 2_000;
/// Messages asked for at a time.
const RECEIVE_MAX: usize = 500;
/// Time that a queue may wait for its first message.
const RECEIVE_WAIT: Duration = Duration::from_secs(10);
/// The same where nothing more is expected than what is there.
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// Wait before a queue that did not answer is asked again.
const RECEIVE_RETRY: Duration = Duration::from_secs(5);
/// Jobs handed over before the committer is called.
const COMMIT_JOBS: usize = 1_000;
/// Time after which it is called for fewer.
const COMMIT_INTERVAL: Duration = Duration::from_secs(2);
/// How often a worker that watches and commits looks for windows of signals that are due.
const SIGNALS_INTERVAL: Duration = Duration::from_secs(5);
/// How often the worker looks whether something is due.
const TICK: Duration = Duration::from_millis(500);

/// What is told while the worker runs.
pub trait Progress: Send + Sync {
    /// An object was found.
    fn found(&self, event: &Event);
    /// An object had been dealt with before.
    fn already_done(&self, event: &Event);
    /// A job came to an end; it is not committed yet.
    fn ended(&self, receipt: &Receipt);
    /// An object comes back later.
    fn postponed(&self, event: &Event, error: &Error);
    /// Jobs were committed; their receipts are final.
    fn committed(&self, committed: &Committed);
    /// Something else that a person may want to know.
    fn note(&self, text: &str);
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Objects found.
    pub found: u64,
    /// Objects that had been dealt with before.
    pub already_done: u64,
    /// Jobs by end.
    pub done: u64,
    /// Files whose bytes were seen before under another name.
    pub duplicates: u64,
    /// Files in quarantine as a whole.
    pub quarantined_files: u64,
    /// Objects that no source wants.
    pub unrouted: u64,
    /// Objects that were gone before they were read.
    pub gone: u64,
    /// Jobs that stopped and will be tried again.
    pub failed: u64,
    /// Objects that could not be read or stored this time.
    pub postponed: u64,
    /// Rows by fate over all jobs.
    pub balance: Balance,
    /// Files whose rows are not all accounted for; always 0 in a lake that was committed.
    pub unbalanced: u64,
    /// Rows harvested by signals.
    pub signals: u64,
    /// Stored bytes read.
    pub bytes_in: u64,
    /// Bytes after decompression.
    pub bytes_decoded: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// Whether the run was asked to stop.
    pub is_interrupted: bool,
}

impl Summary {
    fn add(&mut self, receipt: &Receipt) {
        match receipt.status {
            Status::Done => self.done += 1,
            Status::Duplicate => self.duplicates += 1,
            Status::Quarantined => self.quarantined_files += 1,
            Status::Unrouted => self.unrouted += 1,
            Status::Gone => self.gone += 1,
            Status::Failed => self.failed += 1,
        }
        self.balance.add(&receipt.balance);
        self.unbalanced += u64::from(!receipt.balance.holds());
        self.signals += receipt.signals;
        self.bytes_in += receipt.bytes_in;
        self.bytes_decoded += receipt.bytes_decoded;
        self.bytes_out += receipt.bytes_out;
    }
}

/// A pond that is open for work.
pub struct Worker {
    node: Arc<Node>,
    ledger: Arc<Ledger>,
    /// `None`: somebody else commits.
    committer: Option<Committer>,
    threads: JobThreads,
    progress: Arc<dyn Progress>,
    stop: watch::Receiver<bool>,
    stamp: u64,
    summary: Summary,
    guard: Guard,
    uncommitted: usize,
    last_commit: Instant,
    signals: Background,
    /// Objects that were written before are passed over: microseconds since 1970 in UTC.
    since_us: Option<i64>,
}

/// When a worker has done what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Every queue has given what it has.
    Empty,
    /// It is told to stop.
    Stopped,
}

/// What a queue gave, and which.
type Received = (usize, Result<Option<Vec<Message>>>);
/// What became of a group of events.
type Ended = (Vec<Item>, Vec<Result<Outcome>>);

impl Worker {
    /// Opens the lake of a pond, finishes what an earlier run left pending, and is ready. `stop` turns true when the
    /// worker should end after the jobs that run. With `commits` it commits what it hands over; without, somebody else
    /// does.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] when the lake cannot be used.
    pub async fn open(
        pond: Pond,
        progress: Arc<dyn Progress>,
        stop: watch::Receiver<bool>,
        commits: bool,
    ) -> Result<Self> {
        let stamp = Pond::stamp(&pond.root);
        let node = Node::open(pond).await?;
        let committer = commits.then(|| node.committer());
        let threads = JobThreads::new(jobs_max(&node.pond))?;
        let mut worker = Self {
            ledger: node.ledger(),
            node: Arc::new(node),
            committer,
            threads,
            progress,
            stop,
            stamp,
            summary: Summary::default(),
            guard: Guard::default(),
            uncommitted: 0,
            last_commit: Instant::now(),
            signals: Background::default(),
            since_us: None,
        };
        let left = worker.commit().await?.receipts.len();
        if left > 0 {
            worker.progress.note(&format!("committed {left} jobs that an earlier run left behind"));
        }
        Ok(worker)
    }

    /// What all jobs share.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Takes what the pond's inputs have, once.
    ///
    /// # Errors
    /// When an input cannot be opened or listed, or the lake cannot be committed to.
    pub async fn run_once(&mut self) -> Result<Summary> {
        let mut queues: Vec<Arc<dyn Queue>> = Vec::new();
        for place in self.places()? {
            queues.push(Arc::new(ListQueue::new(place.url(), place.list())));
        }
        queues.extend(self.queues().await?);
        self.feed(inputs(queues)?, Until::Empty).await?;
        Ok(self.summary.clone())
    }

    /// Takes the named objects: files, folders or URLs, relative to `folder`.
    ///
    /// # Errors
    /// When one of them is not there, and as [`Worker::run_once`].
    pub async fn run_files(&mut self, files: &[String], folder: &std::path::Path) -> Result<Summary> {
        let inputs = self.places()?;
        for file in files {
            let place = Place::open(&self.node.stores, file, folder)?;
            let inputs = inputs.clone();
            // A file of an input has the key that routes match there, however it is named here.
            let objects = place.objects().await?.map_ok(move |mut object| {
                let known = inputs.iter().find_map(|input| input.key_below(&object.uri));
                object.key = known.unwrap_or(object.key);
                object
            });
            let queue = ListQueue::new(place.url(), objects.boxed());
            self.feed(vec![Arc::new(queue)], Until::Empty).await?;
        }
        Ok(self.summary.clone())
    }

    /// Takes every object of a folder or prefix that was written at or after `since_us` (microseconds since 1970 in UTC),
    /// relative to `folder`. Interrupted, another call goes on where this one stopped.
    ///
    /// # Errors
    /// As [`Worker::run_once`].
    pub async fn backfill(&mut self, url: &str, folder: &std::path::Path, since_us: Option<i64>) -> Result<Summary> {
        let place = Place::open(&self.node.stores, url, folder)?;
        let queue = Arc::new(ListQueue::resumed(&place, Arc::clone(&self.node.lake)).await?);
        self.since_us = since_us;
        self.feed(vec![Arc::clone(&queue) as Arc<dyn Queue>], Until::Empty).await?;
        if !self.summary.is_interrupted && self.summary.failed + self.summary.postponed == 0 {
            queue.finish().await?;
        }
        Ok(self.summary.clone())
    }

    /// Takes objects as they appear in the inputs, or are told of by `events`, until asked to stop. Changed sources are read
    /// again, changed inputs with the next start; a broken pond is told and the last good one stays.
    ///
    /// # Errors
    /// When an input cannot be opened, or the lake cannot be committed to.
    pub async fn watch(&mut self, events: Option<Arc<dyn Queue>>) -> Result<Summary> {
        let poll = |url: &str| {
            let polls = self.node.pond.config.inputs.iter().filter_map(|input| match input {
                Input::Place { url: known, poll_ms } if known == url => Some(Duration::from_millis(*poll_ms)),
                _ => None,
            });
            polls.min().unwrap_or(COMMIT_INTERVAL)
        };
        let mut queues: Vec<Arc<dyn Queue>> = Vec::new();
        for (place, url) in self.places()?.into_iter().zip(self.node.pond.config.place_urls()) {
            queues.push(Arc::new(WatchQueue::new(place, poll(url), self.node.clock.clone())));
        }
        queues.extend(self.queues().await?);
        queues.extend(events);
        self.feed(inputs(queues)?, Until::Stopped).await?;
        self.summary.is_interrupted = true;
        Ok(self.summary.clone())
    }

    fn places(&self) -> Result<Vec<Place>> {
        let Node { pond, stores, .. } = self.node.as_ref();
        let folder_of = |place: &Place| format!("{}/", place.url().trim_end_matches('/'));
        let lake = folder_of(&Place::open(stores, &pond.config.lake, &pond.root)?);
        let places = pond.config.place_urls().map(|url| Place::open(stores, url, &pond.root));
        let places = places.collect::<Result<Vec<_>>>()?;
        for place in &places {
            let input = folder_of(place);
            if lake.starts_with(&input) || input.starts_with(&lake) {
                return Err(Error::bad_config(format!("the lake `{lake}` and the input `{input}` lie in each other"))
                    .hint("what millpond writes would be read again: give each a folder of its own"));
            }
        }
        Ok(places)
    }

    async fn queues(&self) -> Result<Vec<Arc<dyn Queue>>> {
        let mut queues: Vec<Arc<dyn Queue>> = Vec::new();
        for input in &self.node.pond.config.inputs {
            if let Input::Queue { url } = input {
                queues.push(Arc::new(SqsQueue::open(url).await?));
            }
        }
        Ok(queues)
    }

    /// Reads the pond again if a file of it changed; says whether it did.
    async fn reload(&mut self) -> bool {
        let stamp = Pond::stamp(&self.node.pond.root);
        if stamp == self.stamp {
            return false;
        }
        self.stamp = stamp;
        let loaded = async {
            let pond = Pond::load(&self.node.pond.root).await?;
            pond.open_lake(&self.node.stores).await?;
            Ok::<_, Error>(pond)
        };
        match loaded.await {
            Ok(pond) => {
                self.node = Arc::new(Node { pond: Arc::new(pond), ..Node::clone(&self.node) });
                self.progress.note("the pond changed and was read again");
                true
            }
            Err(error) => {
                let text = format!("the pond changed and is wrong; the last good one stays\n{}", error.report());
                self.progress.note(&text);
                false
            }
        }
    }

    /// Takes what queues give, a few groups of events at a time, until they are empty or the worker is asked to stop.
    async fn feed(&mut self, queues: Vec<Arc<dyn Queue>>, until: Until) -> Result<()> {
        let memory = Arc::new(Semaphore::new(to_mib(self.node.pond.config.memory_bytes) as usize));
        let mut stop = self.stop.clone();
        let mut intake = Intake::new(queues);
        let mut receiving: FuturesUnordered<BoxFuture<'static, Received>> = FuturesUnordered::new();
        let mut idle: Vec<usize> = (0..intake.queues.len()).collect();
        let mut running: FuturesUnordered<BoxFuture<'static, Ended>> = FuturesUnordered::new();
        let mut tick = tokio::time::interval(TICK);
        let is_stopped = |stop: &watch::Receiver<bool>| *stop.borrow();
        loop {
            if is_stopped(&stop) {
                receiving.clear();
                intake.give_up_waiting();
            } else if intake.waiting() < WAITING_MAX {
                receiving.extend(idle.drain(..).map(|index| receive(index, &intake.queues[index], until)));
            }
            let jobs_max = self.jobs_max()?;
            while running.len() < jobs_max && intake.waiting() > 0 {
                let group = self.guarded(&mut intake, jobs_max);
                if !group.is_empty() {
                    running.push(self.start(group, &memory));
                }
            }
            self.note_queue_errors(intake.tell().await);
            if running.is_empty() && receiving.is_empty() && intake.waiting() == 0 {
                break;
            }
            tokio::select! {
                biased;
                Some((items, outcomes)) = running.next() => self.note_ends(&mut intake, &items, outcomes)?,
                Some((index, received)) = receiving.next() => {
                    if self.note_received(&mut intake, index, received, until).await? {
                        idle.push(index);
                    }
                }
                _ = stop.wait_for(|stop| *stop), if !is_stopped(&stop) => {}
                _ = tick.tick() => {
                    if until == Until::Stopped {
                        if self.reload().await {
                            intake.queues.iter().for_each(|queue| queue.tell_again());
                        }
                        self.run_signals();
                    }
                }
            }
            if self.uncommitted >= COMMIT_JOBS
                || (self.uncommitted > 0 && self.last_commit.elapsed() >= COMMIT_INTERVAL)
            {
                self.commit_and_tell().await?;
            }
        }
        self.note_queue_errors(intake.tell().await);
        self.summary.is_interrupted |= is_stopped(&stop);
        self.commit_and_tell().await
    }

    /// Runs the signals that are due beside the jobs, one call at a time: what is cut off is run again.
    fn run_signals(&mut self) {
        if self.committer.is_some() && !self.node.pond.periodic.is_empty() {
            self.signals.run(&self.node, &self.progress);
        }
    }

    fn note_queue_errors(&self, told: Result<()>) {
        if let Err(error) = told {
            self.progress.note(&error.report());
        }
    }

    fn jobs_max(&mut self) -> Result<usize> {
        let jobs_max = jobs_max(&self.node.pond);
        if self.threads.jobs_max() != jobs_max {
            self.threads = JobThreads::new(jobs_max)?;
        }
        Ok(jobs_max)
    }

    /// Takes in what a queue gave; says whether there may be more.
    async fn note_received(
        &mut self,
        intake: &mut Intake,
        index: usize,
        received: Result<Option<Vec<Message>>>,
        until: Until,
    ) -> Result<bool> {
        let messages = match received {
            Ok(Some(messages)) => messages,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == Kind::Transient && until == Until::Stopped => {
                self.progress.note(&error.report());
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let is_queue = intake.queues[index].hold().is_some();
        let is_end = messages.is_empty() && until == Until::Empty && is_queue;
        self.ledger.refresh().await?;
        for message in messages {
            self.note_message(intake, index, message, until).await?;
        }
        Ok(!is_end)
    }

    async fn note_message(&mut self, intake: &mut Intake, index: usize, message: Message, until: Until) -> Result<()> {
        let said = read(&message.body);
        if !said.problems.is_empty()
            && let Err(error) = quarantine_notice(&self.node, intake.queues[index].name(), &said.problems).await
        {
            self.progress.note(&error.report());
            intake.put_back(index, message);
            return Ok(());
        }
        self.uncommitted += usize::from(!said.problems.is_empty());
        let is_listed = matches!(message.body, Body::Event(_));
        let mut events = Vec::with_capacity(said.events.len());
        let since_us = self.since_us;
        let is_asked = |event: &Event| since_us.is_none() || event.time_us >= since_us;
        for event in said.events.into_iter().filter(is_asked) {
            if is_done(&self.node, &event).await? {
                // A sweep sees every object again: those that are done are not told again.
                if !(is_listed && until == Until::Stopped) {
                    self.summary.found += 1;
                    self.progress.found(&event);
                    self.note_done_before(&event);
                }
                continue;
            }
            self.summary.found += 1;
            self.progress.found(&event);
            events.push(event);
        }
        intake.take(index, message, events);
        Ok(())
    }

    fn note_done_before(&mut self, event: &Event) {
        self.summary.already_done += 1;
        self.progress.already_done(event);
    }

    /// The next group of events, but for those of sources that are left alone: they come back.
    fn guarded(&mut self, intake: &mut Intake, workers: usize) -> Vec<Item> {
        let mut group = Vec::new();
        let files_max = self.node.pond.config.group_files as usize;
        for item in intake.next_group(workers, files_max) {
            let source = source_of(&self.node, &item.delivery.event);
            let now_us = self.node.clock.now_us();
            let pause = source.and_then(|source| self.guard.check(&source.name, &source.budget, now_us));
            match pause {
                None => group.push(item),
                Some(pause) => {
                    self.summary.postponed += 1;
                    intake.come_back(&item, Some(Duration::from_micros(pause.us as u64)));
                }
            }
        }
        group
    }

    /// Tells the guard what a job of a source cost, and whether it failed by its fault.
    fn tell_guard(&mut self, event: &Event, spent: &Spent, failure: Option<&str>) {
        let node = Arc::clone(&self.node);
        let Some(source) = source_of(&node, event) else { return };
        let now_us = node.clock.now_us();
        if let Some(pause) = self.guard.note(&source.name, &source.budget, spent, failure.is_some(), now_us) {
            self.progress.note(&format!(
                "source `{}` fails again and again and is left alone for {} s: {}",
                source.name,
                pause.us / 1_000_000,
                failure.unwrap_or_default()
            ));
        }
    }

    /// Starts a group of jobs on a thread of its own as soon as the budget has its memory.
    fn start(&self, items: Vec<Item>, memory: &Arc<Semaphore>) -> BoxFuture<'static, Ended> {
        let (node, memory) = (Arc::clone(&self.node), Arc::clone(memory));
        let threads = self.threads.handle().clone();
        let job_mib = items.iter().map(|item| memory_mib(&node, &item.delivery.event)).max().unwrap_or(1);
        // A job that wants more than there is runs alone.
        let job_mib = job_mib.min(to_mib(node.pond.config.memory_bytes));
        async move {
            // The semaphore is never closed, so a permit always comes.
            let permit = memory.acquire_many_owned(job_mib).await;
            let job = threads.spawn_blocking(move || {
                let _permit = permit;
                let deliveries: Vec<Delivery> = items.iter().map(|item| item.delivery.clone()).collect();
                let outcomes = node.io.block_on(process(&node, &deliveries, None));
                (items, outcomes)
            });
            match job.await {
                Ok(ended) => ended,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        .boxed()
    }

    fn note_ends(&mut self, intake: &mut Intake, items: &[Item], outcomes: Vec<Result<Outcome>>) -> Result<()> {
        for (item, outcome) in items.iter().zip(outcomes) {
            let event = &item.delivery.event;
            match outcome {
                Ok(Outcome::AlreadyDone) => {
                    self.note_done_before(event);
                    intake.end(item);
                }
                Ok(Outcome::Handed(receipt)) => {
                    self.uncommitted += 1;
                    self.progress.ended(&receipt);
                    if self.committer.is_none() {
                        // Whoever commits may find that it was done before; here it counts as it ended.
                        self.summary.add(&receipt);
                    }
                    let has_failed = receipt.status == Status::Failed;
                    let error = receipt.error.as_deref().unwrap_or("no reason given");
                    self.tell_guard(event, &spent(&self.node, &receipt), has_failed.then_some(error));
                    match has_failed {
                        true => intake.come_back(item, None),
                        false => intake.end(item),
                    }
                }
                // This worker's node promotes nothing, so nothing ends this way.
                Ok(Outcome::TooBig(error)) => return Err(error),
                Err(error) if matches!(error.kind(), Kind::Transient | Kind::Conflict) => {
                    self.summary.postponed += 1;
                    self.progress.postponed(event, &error);
                    let spent = Spent { attempts: 1, ..Spent::default() };
                    let failure = error.chain();
                    self.tell_guard(event, &spent, (error.kind() == Kind::Transient).then_some(failure.as_str()));
                    intake.come_back(item, None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn commit_and_tell(&mut self) -> Result<()> {
        let committed = self.commit().await?;
        committed.receipts.iter().for_each(|receipt| self.summary.add(receipt));
        if committed != Committed::default() {
            self.progress.committed(&committed);
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<Committed> {
        let committed = match &mut self.committer {
            Some(committer) => committer.commit_pending().await?,
            None => Committed::default(),
        };
        self.uncommitted = 0;
        self.last_commit = Instant::now();
        Ok(committed)
    }
}

/// A pond, and when the next of its signals is due: microseconds since 1970 in UTC.
type NextDue = (Arc<Pond>, i64);

/// The signals over the lake, while they run beside the jobs.
#[derive(Default)]
struct Background {
    task: Option<tokio::task::JoinHandle<Option<NextDue>>>,
    started: Option<Instant>,
    /// The pond that the signals were last run of, and when the next of them is due.
    next: Option<NextDue>,
}

impl Background {
    /// Starts what is due unless it runs still or was looked at a moment ago.
    fn run(&mut self, node: &Arc<Node>, progress: &Arc<dyn Progress>) {
        if self.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let ended = self.task.take().and_then(FutureExt::now_or_never);
        self.next = ended.and_then(|ended| ended.ok().flatten()).or_else(|| self.next.take());
        let is_of_pond = |pond: &Arc<Pond>| Arc::ptr_eq(pond, &node.pond);
        let waits = self.next.as_ref().is_some_and(|(pond, due)| is_of_pond(pond) && node.clock.now_us() < *due);
        if waits || self.started.is_some_and(|started| started.elapsed() < SIGNALS_INTERVAL) {
            return;
        }
        self.started = Some(Instant::now());
        let progress = Arc::clone(progress);
        let pond = Arc::clone(&node.pond);
        let runner = Runner::new(Arc::clone(&node.lake), Arc::clone(&pond), node.clock.clone());
        self.task = Some(tokio::spawn(async move {
            let mut tell = |run: &signals::Run| run.note().iter().for_each(|text| progress.note(text));
            match runner.run_due(&Choice::default(), &mut tell).await {
                Ok(total) => total.next_due_us.map(|next_us| (pond, next_us)),
                Err(error) => {
                    progress.note(&error.report());
                    None
                }
            }
        }));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.task.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// The queues; an error when there is none.
fn inputs(queues: Vec<Arc<dyn Queue>>) -> Result<Vec<Arc<dyn Queue>>> {
    match queues.is_empty() {
        false => Ok(queues),
        true => Err(Error::bad_config("the pond has no input")
            .hint("add `[[input]]` with `url = \"inbox\"` to `millpond.toml`, or name files: `millpond run FILE…`")),
    }
}

/// Asks a queue for messages.
fn receive(index: usize, queue: &Arc<dyn Queue>, until: Until) -> BoxFuture<'static, Received> {
    let queue = Arc::clone(queue);
    let wait = if until == Until::Empty { DRAIN_WAIT } else { RECEIVE_WAIT };
    async move {
        let received = queue.receive(RECEIVE_MAX, wait).await;
        if received.is_err() && until == Until::Stopped {
            tokio::time::sleep(RECEIVE_RETRY).await;
        }
        (index, received)
    }
    .boxed()
}

/// Jobs that a pond runs at a time: as many as there are processors, unless it says.
fn jobs_max(pond: &Pond) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    pond.config.jobs.map_or(processors, |jobs| jobs as usize).max(1)
}

/// The source that takes an event.
fn source_of<'a>(node: &'a Node, event: &Event) -> Option<&'a Source> {
    route(&node.pond.sources, event.bucket.as_deref(), &event.key).map(|route| route.source)
}

/// What a job cost.
fn spent(node: &Node, receipt: &Receipt) -> Spent {
    let us = receipt.timings.total_us;
    let memory_bytes = node.pond.config.job_memory_bytes;
    Spent {
        attempts: 1,
        bytes: receipt.bytes_in,
        us,
        puts: receipt.outputs.len() as u64,
        memory_byte_us: memory_bytes as f64 * us as f64,
    }
}

/// The memory that the job of an event may use.
fn memory_mib(node: &Node, event: &Event) -> u32 {
    let bytes = node.pond.config.job_memory_bytes;
    to_mib(source_of(node, event).map_or(bytes, |source| plan(source, bytes).memory_bytes))
}

fn to_mib(bytes: u64) -> u32 {
    u32::try_from(bytes >> 20).unwrap_or(u32::MAX).max(1)
}
