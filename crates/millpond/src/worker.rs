//! The worker: feeds the path from the pond's inputs, within the pond's budget, and commits as it goes.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{BoxStream, FuturesUnordered};
use futures::{FutureExt, StreamExt, TryStreamExt};
use millpond_core::balance::Balance;
use millpond_core::event::Object;
use millpond_core::plan::plan;
use millpond_core::receipt::{Receipt, Status};
use millpond_core::route::route;
use millpond_core::{Error, Kind, Result};
use tokio::sync::{Semaphore, watch};

use crate::committer::{Committed, commit_pending};
use crate::job_threads::JobThreads;
use crate::ledger::Ledger;
use crate::pipeline::{Node, Outcome, is_done, process};
use crate::pond::Pond;
use crate::store::Place;

/// Objects listed ahead of the jobs, so that progress knows how much is to come without holding a whole bucket's names.
const LISTED_MAX: usize = 10_000;
/// Jobs handed over before the committer is called.
const COMMIT_JOBS: usize = 1_000;
/// Time after which it is called for fewer.
const COMMIT_INTERVAL: Duration = Duration::from_secs(2);
/// A local file that was written this recently may still be written to; while watching it waits for the next sweep.
const SETTLE: Duration = Duration::from_secs(1);
/// Wait before the second try of an object, doubled with each further one.
const BACKOFF: Duration = Duration::from_secs(5);
/// The longest wait before another try.
const BACKOFF_MAX: Duration = Duration::from_secs(600);
/// Calls of the committer that may meet another writer before it is an error.
const COMMIT_TRIES: usize = 5;

/// What is told while the worker runs.
pub trait Progress: Send + Sync {
    /// An object was found.
    fn found(&self, object: &Object);
    /// An object had been dealt with before.
    fn already_done(&self, object: &Object);
    /// A job came to an end; it is not committed yet.
    fn ended(&self, receipt: &Receipt);
    /// An object comes back later.
    fn postponed(&self, object: &Object, error: &Error);
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

/// A pond that is open for work: nobody else commits to its lake meanwhile.
pub struct Worker {
    node: Arc<Node>,
    threads: JobThreads,
    progress: Arc<dyn Progress>,
    stop: watch::Receiver<bool>,
    stamp: u64,
    later: HashMap<String, Later>,
    summary: Summary,
    uncommitted: usize,
    last_commit: Instant,
    _lock: std::fs::File,
}

/// When an object may be tried again.
struct Later {
    tries: u32,
    not_before: Instant,
}

impl Worker {
    /// Opens the lake of a pond, finishes what an earlier run left pending, and is ready. `stop` turns true when the
    /// worker should end after the jobs that run.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] when the lake cannot be used or another worker uses it.
    pub async fn open(pond: Pond, progress: Arc<dyn Progress>, stop: watch::Receiver<bool>) -> Result<Self> {
        let lake = Arc::new(pond.open_lake().await?);
        let lock = lock(&lake)?;
        let ledger = Arc::new(Ledger::load(&lake).await?);
        let stamp = Pond::stamp(&pond.root);
        let node = Node { pond, lake, ledger, io: tokio::runtime::Handle::current() };
        let mut worker = Self {
            threads: JobThreads::new(jobs_max(&node.pond))?,
            node: Arc::new(node),
            progress,
            stop,
            stamp,
            later: HashMap::new(),
            summary: Summary::default(),
            uncommitted: 0,
            last_commit: Instant::now(),
            _lock: lock,
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

    /// Takes every object of the pond's inputs once.
    ///
    /// # Errors
    /// When an input cannot be opened or listed, or the lake cannot be committed to.
    pub async fn run_once(&mut self) -> Result<Summary> {
        for place in self.inputs_to_list()? {
            let events = place.list();
            self.drain(&place, events, None).await?;
        }
        Ok(self.summary.clone())
    }

    /// Takes the named objects: files, folders or URLs, relative to `folder`.
    ///
    /// # Errors
    /// When one of them is not there, and as [`Worker::run_once`].
    pub async fn run_files(&mut self, files: &[String], folder: &std::path::Path) -> Result<Summary> {
        let inputs = self.inputs()?;
        for file in files {
            let place = Place::open(file, folder)?;
            // A file of an input has the key that routes match there, however it is named here.
            let events = place.objects().await?.map_ok(|mut object| {
                let known = inputs.iter().find_map(|input| input.key_below(&object.uri));
                object.key = known.unwrap_or(object.key);
                object
            });
            self.drain(&place, events.boxed(), None).await?;
        }
        Ok(self.summary.clone())
    }

    /// Takes objects as they appear, until asked to stop. A changed pond is read again; a broken one is told and the
    /// last good one stays.
    ///
    /// # Errors
    /// When the lake cannot be committed to.
    pub async fn watch(&mut self) -> Result<Summary> {
        while !*self.stop.borrow() {
            self.reload().await;
            for place in self.inputs_to_list()? {
                let settle = place.folder().map(|_| SETTLE);
                // A sweep sees every object again: those that are done are not told again.
                let node = Arc::clone(&self.node);
                let is_new = move |object: &Result<Object>| {
                    let is_done = object.as_ref().is_ok_and(|object| is_done(&node, object));
                    futures::future::ready(!is_done)
                };
                let events = place.list().filter(is_new).boxed();
                match self.drain(&place, events, settle).await {
                    Err(error) if error.kind() == Kind::Transient => self.progress.note(&error.report()),
                    other => other?,
                }
            }
            let poll = self.node.pond.config.inputs.iter().map(|input| input.poll_ms).min().unwrap_or(2_000);
            let mut stop = self.stop.clone();
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(poll)) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        }
        self.summary.is_interrupted = true;
        Ok(self.summary.clone())
    }

    /// The pond's inputs; an error when there is none.
    fn inputs_to_list(&self) -> Result<Vec<Place>> {
        let inputs = self.inputs()?;
        match inputs.is_empty() {
            false => Ok(inputs),
            true => Err(Error::bad_config("the pond has no input").hint(
                "add `[[input]]` with `url = \"inbox\"` to `millpond.toml`, or name files: `millpond run FILE…`",
            )),
        }
    }

    fn inputs(&self) -> Result<Vec<Place>> {
        let pond = &self.node.pond;
        let places = pond.config.inputs.iter().map(|input| Place::open(&input.url, &pond.root));
        let places = places.collect::<Result<Vec<_>>>()?;
        let lake = self.node.lake.url().to_file_path().unwrap_or_default();
        for folder in places.iter().filter_map(Place::folder) {
            if lake.starts_with(&folder) || folder.starts_with(&lake) {
                return Err(Error::bad_config(format!(
                    "the lake `{}` and the input `{}` lie in each other",
                    lake.display(),
                    folder.display()
                ))
                .hint("what millpond writes would be read again: give each a folder of its own"));
            }
        }
        Ok(places)
    }

    async fn reload(&mut self) {
        let stamp = Pond::stamp(&self.node.pond.root);
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        let loaded = async {
            let pond = Pond::load(&self.node.pond.root).await?;
            pond.open_lake().await?;
            Ok::<_, Error>(pond)
        };
        match loaded.await {
            Ok(pond) => {
                let Node { lake, ledger, io, .. } = self.node.as_ref();
                let (lake, ledger, io) = (Arc::clone(lake), Arc::clone(ledger), io.clone());
                self.node = Arc::new(Node { pond, lake, ledger, io });
                self.progress.note("the pond changed and was read again");
            }
            Err(error) => self
                .progress
                .note(&format!("the pond changed and is wrong; the last good one stays\n{}", error.report())),
        }
    }

    /// Runs the jobs of a stream of events, a few at a time, until the stream ends or the worker is asked to stop.
    async fn drain(
        &mut self,
        place: &Place,
        events: BoxStream<'_, Result<Object>>,
        settle: Option<Duration>,
    ) -> Result<()> {
        let config = &self.node.pond.config;
        let jobs_max = jobs_max(&self.node.pond);
        if self.threads.jobs_max() != jobs_max {
            self.threads = JobThreads::new(jobs_max)?;
        }
        let memory = Arc::new(Semaphore::new(to_mib(config.memory_bytes) as usize));
        let memory_mib = to_mib(config.memory_bytes);
        let mut events = events.fuse();
        let mut running = FuturesUnordered::new();
        let mut waiting = VecDeque::new();
        let mut stop = self.stop.clone();
        loop {
            let is_stopping = *stop.borrow();
            if running.is_empty() && (is_stopping || (events.is_done() && waiting.is_empty())) {
                break;
            }
            tokio::select! {
                biased;
                Some(ended) = running.next() => self.note_end(ended)?,
                _ = stop.wait_for(|stop| *stop), if !is_stopping => {}
                event = events.next(), if !is_stopping && waiting.len() < LISTED_MAX && !events.is_done() => {
                    if let Some(event) = event {
                        let object = event?;
                        if self.may_start(&object, settle) {
                            self.summary.found += 1;
                            self.progress.found(&object);
                            waiting.push_back(object);
                        }
                    }
                }
            }
            while !*stop.borrow()
                && running.len() < jobs_max
                && let Some(object) = waiting.pop_front()
            {
                running.push(self.start(place, object, &memory, memory_mib));
            }
            if self.uncommitted >= COMMIT_JOBS
                || (self.uncommitted > 0 && self.last_commit.elapsed() >= COMMIT_INTERVAL)
            {
                self.commit_and_tell().await?;
            }
        }
        self.summary.found -= waiting.len() as u64;
        self.summary.is_interrupted |= *stop.borrow();
        self.commit_and_tell().await
    }

    fn may_start(&self, object: &Object, settle: Option<Duration>) -> bool {
        let is_settled = settle.is_none_or(|settle| {
            let age_us = chrono::Utc::now().timestamp_micros() - object.modified_us;
            age_us >= settle.as_micros() as i64
        });
        is_settled && self.later.get(&object.uri).is_none_or(|later| Instant::now() >= later.not_before)
    }

    /// Starts one job on a thread of its own as soon as the budget has its memory.
    fn start(
        &self,
        place: &Place,
        object: Object,
        memory: &Arc<Semaphore>,
        memory_mib: u32,
    ) -> impl Future<Output = (Object, Result<Outcome>)> + use<> {
        let (node, place, memory) = (Arc::clone(&self.node), place.clone(), Arc::clone(memory));
        let threads = self.threads.handle().clone();
        let job_memory_bytes = node.pond.config.job_memory_bytes;
        let planned = route(&node.pond.sources, &object).map(|route| plan(route.source, job_memory_bytes).memory_bytes);
        // A job that wants more than there is runs alone.
        let job_mib = to_mib(planned.unwrap_or(job_memory_bytes)).min(memory_mib);
        async move {
            // The semaphore is never closed, so a permit always comes.
            let permit = memory.acquire_many_owned(job_mib).await;
            let job = threads.spawn_blocking(move || {
                let _permit = permit;
                let outcome = node.io.block_on(process(&node, &place, &object));
                (object, outcome)
            });
            match job.await {
                Ok(ended) => ended,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        .boxed()
    }

    fn note_end(&mut self, (object, outcome): (Object, Result<Outcome>)) -> Result<()> {
        match outcome {
            Ok(Outcome::AlreadyDone) => {
                self.summary.already_done += 1;
                self.progress.already_done(&object);
            }
            Ok(Outcome::Handed(receipt)) => {
                self.uncommitted += 1;
                self.progress.ended(&receipt);
                match receipt.status {
                    Status::Failed => self.put_off(&object),
                    _ => drop(self.later.remove(&object.uri)),
                }
            }
            Err(error) if matches!(error.kind(), Kind::Transient | Kind::Conflict) => {
                self.summary.postponed += 1;
                self.progress.postponed(&object, &error);
                self.put_off(&object);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn put_off(&mut self, object: &Object) {
        let tries = self.later.get(&object.uri).map_or(1, |later| later.tries + 1);
        let wait = BACKOFF.saturating_mul(1 << (tries - 1).min(10)).min(BACKOFF_MAX);
        self.later.insert(object.uri.clone(), Later { tries, not_before: Instant::now() + wait });
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
        let mut tries = 0;
        let committed = loop {
            match commit_pending(&self.node.lake, &self.node.ledger).await {
                Err(error) if error.kind() == Kind::Conflict && tries < COMMIT_TRIES => tries += 1,
                other => break other?,
            }
        };
        self.uncommitted = 0;
        self.last_commit = Instant::now();
        Ok(committed)
    }
}

/// Jobs that a pond runs at a time: as many as there are processors, unless it says.
fn jobs_max(pond: &Pond) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    pond.config.jobs.map_or(processors, |jobs| jobs as usize).max(1)
}

fn to_mib(bytes: u64) -> u32 {
    u32::try_from(bytes >> 20).unwrap_or(u32::MAX).max(1)
}

/// Takes the lake's lock: its ledger is held in memory, so only one process may commit.
fn lock(lake: &crate::lake::Lake) -> Result<std::fs::File> {
    let folder = lake.url().to_file_path().map_err(|()| Error::bug("the lake is no folder"))?;
    let path = folder.join("_lock");
    let failed = |error| Error::bad_config(format!("failed to lock `{}`", path.display())).because(error);
    let file = std::fs::File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Error::bad_config(format!("another millpond writes to `{}`", folder.display()))
                .hint("one worker commits to a lake at a time: stop the other, or wait for it"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
    }
}
