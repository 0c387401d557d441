//! The worker: feeds the path from the pond's inputs, within the pond's budget, and commits as it goes.

mod alerts;
mod background;
mod guarding;
mod inputs;
mod lanes;
mod receiving;
mod recognising;
mod summary;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, TryStreamExt};
use millpond_core::event::Event;
use millpond_core::guard::{Guard, Spent};
use millpond_core::receipt::{Receipt, Status};
use millpond_core::{Error, Kind, Result};
use tokio::sync::watch;
use tokio::time::Instant;

use self::alerts::Alerts;
use self::background::Background;
use self::guarding::spent;
use self::inputs::{Reload, inputs};
use self::lanes::{Ended, jobs_max};
use self::receiving::{Received, receive};
use self::recognising::LookedInto;
pub use self::summary::Summary;
use crate::alerting::{Alerter, Passed, Surroundings};
use crate::committer::{Committed, Committer};
use crate::correlating::{self, Correlating};
use crate::freshness::Freshness;
use crate::hunt::{HuntWatch, Tell};
use crate::intake::{Intake, Item};
use crate::job_threads::JobThreads;
use crate::ledger::Ledger;
use crate::maintenance::Maintenance;
use crate::pipeline::{Node, Outcome};
use crate::pond::Pond;
use crate::queue::{Inventory, ListQueue, Queue};
use crate::store::Place;

/// Events that wait for a job: enough to keep every job busy and to let small files share their files.
const WAITING_MAX: usize = 2_000;
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

    fn note_done_before(&mut self, event: &Event) {
        self.summary.already_done += 1;
        self.progress.already_done(event);
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
