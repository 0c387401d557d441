//! The worker: feeds the path from the pond's inputs, within the pond's budget, and commits as it goes.

mod alerts;
mod background;
mod lanes;
mod recognising;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt, TryStreamExt};
use millpond_core::balance::Balance;
use millpond_core::config::Input;
use millpond_core::event::Event;
use millpond_core::guard::{Guard, Pause, Spent};
use millpond_core::receipt::{Receipt, Status};
use millpond_core::route;
use millpond_core::source::Source;
use millpond_core::{Error, Kind, Result};
use tokio::sync::watch;
use tokio::time::Instant;

use self::alerts::Alerts;
use self::background::Background;
use self::lanes::{Ended, jobs_max};
use self::recognising::LookedInto;
use crate::alerting::{Alerter, Passed, Surroundings};
use crate::committer::{Committed, Committer};
use crate::correlating::{self, Correlating};
use crate::freshness::{Freshness, Stale};
use crate::hunt::{HuntWatch, Tell};
use crate::intake::{Intake, Item, read};
use crate::job_threads::JobThreads;
use crate::ledger::Ledger;
use crate::maintenance::Maintenance;
use crate::pipeline::{Node, Outcome, is_done, quarantine_notice, signal_pause};
use crate::pond::Pond;
use crate::queue::{Body, Inventory, ListQueue, Message, Queue, SqsQueue, WatchQueue};
use crate::store::{Place, Stores};

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
/// How often correlations are computed where nothing is committed.
const CORRELATE_INTERVAL: Duration = Duration::from_secs(10);
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
    /// A job was too large for its lane; its object waits in a larger one.
    fn promoted(&self, event: &Event, from: &str, to: &str, error: &Error) {
        self.note(&format!("`{}` goes from lane `{from}` to `{to}`: {}", event.uri, error.chain()));
    }
    /// Something else that a person may want to know.
    fn note(&self, text: &str);
    /// Correlations were computed.
    fn correlated(&self, passed: &correlating::Passed) {
        passed.lines().iter().for_each(|line| self.note(line));
    }
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
    /// Jobs that were too large for their lane and went on to a larger one.
    pub promoted: u64,
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

/// Who commits what a worker hands over, and tells of its alerts.
#[derive(Debug)]
pub enum Commits {
    /// Somebody else does both.
    Elsewhere,
    /// The worker commits and tells nobody.
    Here,
    /// The worker does both, where its pond has `[[alert]]`.
    WithAlerts(Surroundings),
}

/// A pond that is open for work.
pub struct Worker {
    node: Arc<Node>,
    ledger: Arc<Ledger>,
    /// `None`: somebody else commits.
    committer: Option<Committer>,
    maintenance: Maintenance,
    /// `None`: somebody else correlates.
    correlating: Option<Correlating>,
    last_correlated: Instant,
    /// `None`: somebody else tells of alerts, or there are none to tell of.
    alerts: Option<Alerts>,
    threads: JobThreads,
    progress: Arc<dyn Progress>,
    stop: watch::Receiver<bool>,
    freshness: Freshness,
    summary: Summary,
    guard: Guard,
    uncommitted: usize,
    last_commit: Instant,
    signals: Background,
    hunts: HuntWatch,
    /// Objects that were written before are passed over: microseconds since 1970 in UTC.
    since_us: Option<i64>,
    looked_into: LookedInto,
}

/// When a worker has done what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// Every queue has given what it has.
    Empty,
    /// It is told to stop.
    Stopped,
}

/// What is other in a pond that was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reload {
    /// Nothing, or it is wrong and the last good one stays.
    Same,
    /// Sources, or what they use: what nobody wanted may be wanted now.
    Sources,
    /// The inputs or the lanes, and perhaps the sources.
    Inputs,
}

/// What a queue gave, and which.
type Received = (usize, Result<Option<Vec<Message>>>);

impl Worker {
    /// Opens the lake of a pond, finishes what an earlier run left pending, and is ready. `stop` turns true when the
    /// worker should end after the jobs that run.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] when the lake cannot be used.
    pub async fn open(
        pond: Pond,
        progress: Arc<dyn Progress>,
        stop: watch::Receiver<bool>,
        commits: Commits,
    ) -> Result<Self> {
        let node = Node::open(pond).await?;
        let freshness = Freshness::of(&node.pond.root, node.clock.now_us());
        let committer = (!matches!(commits, Commits::Elsewhere)).then(|| node.committer());
        let correlating = committer.is_some().then(|| Correlating::new(Arc::clone(&node.lake), node.clock.clone()));
        if let (Some(correlating), Some(_)) = (&correlating, &node.pond.correlations) {
            correlating.begin(false).await?;
        }
        let alerts = match commits {
            Commits::WithAlerts(surroundings) => open_alerts(&node, surroundings).await?,
            Commits::Elsewhere | Commits::Here => None,
        };
        let threads = JobThreads::new(jobs_max(&node.pond))?;
        if let Err(error) = node.planner.read_history(&node.lake).await {
            progress.note(&error.report());
        }
        let hunts = HuntWatch::new(Arc::clone(&node.lake), node.clock.clone());
        let mut worker = Self {
            ledger: node.ledger(),
            maintenance: Maintenance::new(Arc::clone(&node.lake), node.clock.clone()),
            node: Arc::new(node),
            committer,
            correlating,
            last_correlated: Instant::now(),
            alerts,
            threads,
            progress,
            stop,
            freshness,
            summary: Summary::default(),
            guard: Guard::default(),
            uncommitted: 0,
            last_commit: Instant::now(),
            signals: Background::default(),
            hunts,
            since_us: None,
            looked_into: LookedInto::default(),
        };
        let committed = worker.commit().await?;
        committed.errors().for_each(|error| worker.progress.note(&error.report()));
        let left = committed.receipts.len();
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
        self.look_into_inputs()?;
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
            self.looked_into = LookedInto::named(place.url());
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
        let queue = ListQueue::resumed(&place, Arc::clone(&self.node.lake)).await?;
        self.backfill_from(queue, since_us).await
    }

    /// The same for the objects that an S3 Inventory lists: `manifest` is the address of its manifest, and only objects
    /// whose address begins with `prefix` count.
    ///
    /// # Errors
    /// [`Kind::BadInput`] when the inventory cannot be read as a whole, and as [`Worker::run_once`].
    pub async fn backfill_inventory(
        &mut self,
        manifest: &str,
        prefix: Option<&str>,
        folder: &std::path::Path,
        since_us: Option<i64>,
    ) -> Result<Summary> {
        let progress = Arc::clone(&self.progress);
        let tell = Arc::new(move |text: &str| progress.note(text));
        let inventory = Inventory::open(&self.node.stores, manifest, prefix, folder, tell).await?;
        let queue = ListQueue::of_inventory(inventory, Arc::clone(&self.node.lake)).await?;
        self.backfill_from(queue, since_us).await
    }

    async fn backfill_from(&mut self, queue: ListQueue, since_us: Option<i64>) -> Result<Summary> {
        let queue = Arc::new(queue);
        self.since_us = since_us;
        self.feed(vec![Arc::clone(&queue) as Arc<dyn Queue>], Until::Empty).await?;
        if !self.summary.is_interrupted && self.summary.failed + self.summary.postponed == 0 {
            queue.finish().await?;
        }
        Ok(self.summary.clone())
    }

    /// Takes objects as they appear in the inputs, or are told of by `events`, until asked to stop. A pond that changed is
    /// read again, its inputs, too; one that is broken is told, and the last good one stays.
    ///
    /// # Errors
    /// When an input cannot be opened, or the lake cannot be committed to.
    pub async fn watch(&mut self, events: Option<Arc<dyn Queue>>) -> Result<Summary> {
        let mut queues = self.watched(&events).await?;
        loop {
            self.feed(queues.clone(), Until::Stopped).await?;
            if *self.stop.borrow() {
                break;
            }
            match self.watched(&events).await {
                Ok(changed) => queues = changed,
                Err(error) => {
                    let text =
                        format!("the inputs changed and cannot be opened; the last ones stay\n{}", error.report());
                    self.progress.note(&text);
                }
            }
        }
        self.summary.is_interrupted = true;
        Ok(self.summary.clone())
    }

    /// The inputs as they are now, to be watched.
    async fn watched(&mut self, events: &Option<Arc<dyn Queue>>) -> Result<Vec<Arc<dyn Queue>>> {
        self.look_into_inputs()?;
        let poll = |url: &str| {
            let polls = self.node.pond.config.inputs.iter().filter_map(|input| match input {
                Input::Place { url: known, poll_ms, .. } if known == url => Some(Duration::from_millis(*poll_ms)),
                _ => None,
            });
            polls.min().unwrap_or(COMMIT_INTERVAL)
        };
        let mut queues: Vec<Arc<dyn Queue>> = Vec::new();
        for (place, url) in self.places()?.into_iter().zip(self.node.pond.config.place_urls()) {
            queues.push(Arc::new(WatchQueue::new(place, poll(url), self.node.clock.clone())));
        }
        queues.extend(self.queues().await?);
        queues.extend(events.clone());
        inputs(queues)
    }

    fn places(&self) -> Result<Vec<Place>> {
        places(&self.node.pond, &self.node.stores)
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

    /// Reads the pond again if a file of it changed or a table is to be refreshed.
    async fn reload(&mut self) -> Reload {
        let pond = &self.node.pond;
        let Some(stale) = self.freshness.stale(&pond.root, Some(&pond.config), self.node.clock.now_us()) else {
            return Reload::Same;
        };
        let loaded = async {
            let pond = Pond::load(&self.node.pond.root).await?;
            pond.open_lake(&self.node.stores).await?;
            places(&pond, &self.node.stores)?;
            Ok::<_, Error>(pond)
        };
        match loaded.await {
            Ok(pond) => {
                let has_inputs = pond.config.inputs == self.node.pond.config.inputs;
                // What waits was planned for the lanes as they were.
                let has_lanes = lanes::is_same(&pond, &self.node.pond);
                let planner = Arc::new(self.node.planner.for_pond(&pond));
                self.node = Arc::new(Node { pond: Arc::new(pond), planner, ..Node::clone(&self.node) });
                self.progress.note(match stale {
                    Stale::Files => "the pond changed and was read again",
                    Stale::Tables => "the tables that are joined were read again",
                });
                if has_inputs && has_lanes { Reload::Sources } else { Reload::Inputs }
            }
            Err(error) => {
                let what = match stale {
                    Stale::Files => "the pond changed and is wrong",
                    Stale::Tables => "failed to read the tables that are joined again",
                };
                self.progress.note(&format!("{what}; the last good one stays\n{}", error.report()));
                Reload::Same
            }
        }
    }

    /// Takes what queues give, a few groups of events at a time, until they are empty, the worker is asked to stop, or the
    /// pond has other inputs.
    async fn feed(&mut self, queues: Vec<Arc<dyn Queue>>, until: Until) -> Result<()> {
        let mut admission = self.admission()?;
        let mut stop = self.stop.clone();
        let mut intake = Intake::new(queues, self.node.planner.lanes().all().len());
        let mut receiving: FuturesUnordered<BoxFuture<'static, Received>> = FuturesUnordered::new();
        let mut idle: Vec<usize> = (0..intake.queues.len()).collect();
        let mut running: FuturesUnordered<BoxFuture<'static, Ended>> = FuturesUnordered::new();
        let mut tick = tokio::time::interval(TICK);
        let is_stopped = |stop: &watch::Receiver<bool>| *stop.borrow();
        let mut is_over = false;
        loop {
            if is_over || is_stopped(&stop) {
                receiving.clear();
                intake.give_up_waiting();
            } else if intake.waiting() < WAITING_MAX {
                receiving.extend(idle.drain(..).map(|index| receive(index, &intake.queues[index], until)));
            }
            while let Some(lane) = admission.next(&intake.wanted()) {
                let group = self.guarded(&mut intake, lane).await;
                if !group.is_empty() {
                    running.push(self.start(group, lane, &mut admission));
                }
            }
            self.note_queue_errors(intake.tell().await);
            if running.is_empty() && receiving.is_empty() && intake.waiting() == 0 {
                break;
            }
            tokio::select! {
                biased;
                Some(ended) = running.next() => {
                    admission.end(ended.lane, ended.share_bytes);
                    self.note_ends(&mut intake, ended.items, ended.outcomes).await?;
                }
                Some((index, received)) = receiving.next() => {
                    if self.note_received(&mut intake, index, received, until).await? {
                        idle.push(index);
                    }
                }
                _ = stop.wait_for(|stop| *stop), if !is_stopped(&stop) => {}
                _ = tick.tick(), if until == Until::Stopped => {
                    match self.reload().await {
                        Reload::Same => {}
                        Reload::Sources => intake.queues.iter().for_each(|queue| queue.tell_again()),
                        Reload::Inputs => is_over = true,
                    }
                    self.run_signals();
                    self.correlate_if_due().await;
                    self.hunt();
                    self.maintain();
                }
                passed = ended(&mut self.alerts) => self.note_alerts(passed),
            }
            if self.uncommitted >= COMMIT_JOBS
                || (self.uncommitted > 0 && self.last_commit.elapsed() >= COMMIT_INTERVAL)
            {
                self.commit_and_tell().await?;
            }
            if let Some(alerts) = &mut self.alerts {
                alerts.start_if_due(&self.node.pond);
            }
        }
        self.note_queue_errors(intake.tell().await);
        self.summary.is_interrupted |= is_stopped(&stop);
        self.commit_and_tell().await?;
        self.correlate().await;
        self.alert_last().await;
        Ok(())
    }

    /// Correlates what was committed. What goes wrong is told and stops no job: the next pass goes on.
    async fn correlate(&mut self) {
        let (Some(correlating), Some(correlations)) = (&mut self.correlating, &self.node.pond.correlations) else {
            return;
        };
        self.last_correlated = Instant::now();
        match correlating.pass(correlations).await {
            Ok(passed) => {
                self.progress.correlated(&passed);
                self.alerts.iter_mut().filter(|_| passed.rows() > 0).for_each(Alerts::set_due);
            }
            Err(error) => self.progress.note(&error.report()),
        }
    }

    /// The same where nothing was committed for a while: some episodes are over only then.
    async fn correlate_if_due(&mut self) {
        if self.last_correlated.elapsed() >= CORRELATE_INTERVAL {
            self.correlate().await;
        }
    }

    /// Waits for the pass over alerts that runs, and makes one after the last commit.
    async fn alert_last(&mut self) {
        let pond = Arc::clone(&self.node.pond);
        while let Some(alerts) = &mut self.alerts {
            alerts.start_if_due(&pond);
            if !alerts.is_running() {
                break;
            }
            let passed = alerts.ended().await;
            self.note_alerts(passed);
        }
    }

    /// What goes wrong with alerts is told and stops no job: it is in the lake, and the next pass goes on.
    fn note_alerts(&self, passed: Result<Passed>) {
        match passed {
            Ok(passed) => passed.lines().iter().for_each(|line| self.progress.note(line)),
            Err(error) => self.progress.note(&error.report()),
        }
    }

    /// Keeps the lake in shape, in the background, if it is this worker that commits.
    fn maintain(&mut self) {
        if self.committer.is_some() {
            let done = self.maintenance.tick(&self.node.pond.config, &self.node.pond.sources);
            done.iter().for_each(|text| self.progress.note(text));
        }
    }

    /// Runs the signals that are due beside the jobs, one call at a time: what is cut off is run again.
    fn run_signals(&mut self) {
        if self.committer.is_some() && !self.node.pond.periodic.is_empty() {
            self.signals.run(&self.node, &self.progress);
        }
    }

    /// Hunts in the background for lists of indicators that changed, if it is this worker that commits.
    fn hunt(&mut self) {
        if self.committer.is_some() {
            let progress = Arc::clone(&self.progress);
            let tell: Tell = Arc::new(move |text| progress.note(text));
            self.hunts.tick(&self.node.pond, &tell);
        }
    }

    fn note_queue_errors(&self, told: Result<()>) {
        if let Err(error) = told {
            self.progress.note(&error.report());
        }
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
        let mut accepted = Vec::with_capacity(messages.len());
        for message in messages {
            accepted.extend(self.note_message(intake, index, message, until).await?);
        }
        for (message, events) in lanes::plan(&self.node, accepted).await {
            intake.take(index, message, events);
        }
        Ok(!is_end)
    }

    /// Reads a message; gives it with those of its events that are still to be dealt with.
    async fn note_message(
        &mut self,
        intake: &mut Intake,
        index: usize,
        message: Message,
        until: Until,
    ) -> Result<Option<(Message, Vec<Event>)>> {
        let said = read(&message.body);
        if !said.problems.is_empty()
            && let Err(error) = quarantine_notice(&self.node, intake.queues[index].name(), &said.problems).await
        {
            self.progress.note(&error.report());
            intake.put_back(index, message);
            return Ok(None);
        }
        self.uncommitted += usize::from(!said.problems.is_empty());
        let is_listed = matches!(message.body, Body::Event(_));
        let mut events = Vec::with_capacity(said.events.len());
        let since_us = self.since_us;
        let is_asked = |event: &Event| since_us.is_none() || event.time_us >= since_us;
        for event in said.events.into_iter().filter(is_asked) {
            let event = match self.recognised(intake.queues[index].name(), event).await {
                Ok(event) => event,
                Err(error) => {
                    self.progress.note(&error.report());
                    intake.put_back(index, message);
                    return Ok(None);
                }
            };
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
        Ok(Some((message, events)))
    }

    fn note_done_before(&mut self, event: &Event) {
        self.summary.already_done += 1;
        self.progress.already_done(event);
    }

    /// The next group of a lane's events, but for those of sources that are left alone: they come back.
    async fn guarded(&mut self, intake: &mut Intake, lane: usize) -> Vec<Item> {
        let node = Arc::clone(&self.node);
        let mut group = Vec::new();
        let files_max = self.node.pond.config.group_files as usize;
        for item in intake.next_group(lane, lanes::threads(&self.node.pond), files_max) {
            let source = source_of(&node, &item.delivery.event);
            let now_us = node.clock.now_us();
            let pause =
                source.and_then(|source| Some((source, self.guard.check(&source.name, &source.budget, now_us)?)));
            match pause {
                None => group.push(item),
                Some((source, pause)) => {
                    if pause.begins {
                        self.tell_pause(source, &pause, None).await;
                    }
                    self.summary.postponed += 1;
                    intake.come_back(&item, Some(Duration::from_micros(pause.us as u64)));
                }
            }
        }
        group
    }

    /// Tells the guard what a job of a source cost, and whether it failed by its fault.
    async fn tell_guard(&mut self, event: &Event, spent: &Spent, failure: Option<&str>) {
        let node = Arc::clone(&self.node);
        let Some(source) = source_of(&node, event) else { return };
        let now_us = node.clock.now_us();
        if let Some(pause) = self.guard.note(&source.name, &source.budget, spent, failure.is_some(), now_us) {
            self.tell_pause(source, &pause, failure).await;
        }
    }

    /// Tells that a source is left alone from now on: here, and as a row of `signals`.
    async fn tell_pause(&mut self, source: &Source, pause: &Pause, failure: Option<&str>) {
        let seconds = pause.us / 1_000_000;
        let why = match failure {
            Some(failure) => format!("fails again and again and is left alone for {seconds} s: {failure}"),
            None => format!("has spent its `{}` of this hour and is left alone for {seconds} s", pause.cause),
        };
        self.progress.note(&format!("source `{}` {why}", source.name));
        match signal_pause(&self.node, source, pause, failure).await {
            Ok(()) => self.uncommitted += 1,
            Err(error) => self.progress.note(&error.report()),
        }
    }

    async fn note_ends(&mut self, intake: &mut Intake, items: Vec<Item>, outcomes: Vec<Result<Outcome>>) -> Result<()> {
        for (item, outcome) in items.into_iter().zip(outcomes) {
            let event = &item.delivery.event;
            match outcome {
                Ok(Outcome::AlreadyDone) => {
                    self.note_done_before(event);
                    intake.end(&item);
                }
                Ok(Outcome::Handed(receipt)) => {
                    self.uncommitted += 1;
                    intake.note_job(&item, &receipt);
                    self.progress.ended(&receipt);
                    if self.committer.is_none() {
                        // Whoever commits may find that it was done before; here it counts as it ended.
                        self.summary.add(&receipt);
                    }
                    let has_failed = receipt.status == Status::Failed;
                    let error = receipt.error.as_deref().unwrap_or("no reason given");
                    let spent = spent(&receipt);
                    self.tell_guard(event, &spent, has_failed.then_some(error)).await;
                    match has_failed {
                        true => intake.come_back(&item, None),
                        false => intake.end(&item),
                    }
                }
                Ok(Outcome::TooBig(error, promotion)) => self.promote(intake, item, &error, promotion),
                Err(error) if matches!(error.kind(), Kind::Transient | Kind::Conflict) => {
                    self.summary.postponed += 1;
                    self.progress.postponed(event, &error);
                    let spent = Spent { attempts: 1, ..Spent::default() };
                    let failure = error.chain();
                    let failure = (error.kind() == Kind::Transient).then_some(failure.as_str());
                    self.tell_guard(event, &spent, failure).await;
                    intake.come_back(&item, None);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn commit_and_tell(&mut self) -> Result<()> {
        let committed = self.commit().await?;
        committed.receipts.iter().for_each(|receipt| self.summary.add(receipt));
        committed.errors().for_each(|error| self.progress.note(&error.report()));
        if committed != Committed::default() {
            self.progress.committed(&committed);
            self.correlate().await;
            self.alerts.iter_mut().for_each(Alerts::set_due);
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

/// The folders and prefixes that a pond's inputs name.
///
/// # Errors
/// [`Kind::BadConfig`] when one of them cannot be opened, or lies in the lake, or the lake in it.
fn places(pond: &Pond, stores: &Stores) -> Result<Vec<Place>> {
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

/// Alerting for a pond that has any, from what is committed next.
async fn open_alerts(node: &Node, surroundings: Surroundings) -> Result<Option<Alerts>> {
    if node.pond.config.alerting.policies.is_empty() {
        return Ok(None);
    }
    let alerter = Alerter::new(Arc::clone(&node.lake), &node.pond.root, surroundings)?;
    alerter.begin(false).await?;
    Ok(Some(Alerts::new(alerter)))
}

/// Waits for a pass over alerts to end.
async fn ended(alerts: &mut Option<Alerts>) -> Result<Passed> {
    match alerts {
        Some(alerts) => alerts.ended().await,
        None => std::future::pending().await,
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

/// The source that takes an event.
fn source_of<'a>(node: &'a Node, event: &Event) -> Option<&'a Source> {
    route::source_of(&node.pond.sources, event)
}

/// What a job cost.
fn spent(receipt: &Receipt) -> Spent {
    let us = receipt.timings.total_us;
    Spent {
        attempts: 1,
        bytes: receipt.bytes_in,
        us,
        puts: receipt.outputs.len() as u64,
        memory_byte_us: receipt.resources.memory_limit_bytes as f64 * us as f64,
    }
}
