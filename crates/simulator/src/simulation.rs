//! The driver: what happens when, in virtual time.

mod arrivals;
mod report;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millpond::committer::Committer;
use millpond::pipeline::Node;
use millpond::pond::Pond;
use millpond_core::Kind;
use millpond_core::receipt::Receipt;

pub(crate) use self::report::Report;
use crate::check::{self, Findings};
use crate::process::{
    Buckets, End, Running, Worked, commit, compact, open_committer, open_node, replay, sweep, with_pond, work,
};
use crate::queue::{Body, Queue};
use crate::random::Random;
use crate::sources::{SOURCES, VERSIONS, write_pond};
use crate::truth::Truth;
use crate::world::{HOUR, MINUTE, MS, Rates, SECOND, World};

/// The end of 2079: far enough ahead that nothing counts as old by the system's clock.
const MIDNIGHT_US: i64 = 3_471_292_800 * SECOND;
/// Files that arrive in a virtual second, on average.
const FILES_PER_SECOND: u64 = 5;
/// Sweeps after which everything must be done, once nothing fails any more.
const LAST_SWEEPS_MAX: usize = 8;
/// Real time that a process may take between two store calls before something is wrong with the simulator.
const STUCK: Duration = Duration::from_secs(60);

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) files: u64,
    pub(crate) seed: u64,
    pub(crate) is_traced: bool,
}

/// What happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    /// Something happens to the bucket.
    Arrive,
    /// A worker looks into the queue.
    Work(usize),
    /// A committer commits.
    Commit(usize),
    /// The bucket is listed.
    Sweep,
    /// The tables are compacted.
    Compact,
    /// Some jobs are done again.
    Replay,
    /// Somebody reads the lake.
    Look,
    /// The sources are edited.
    Edit,
    /// A store call goes on.
    Open(u64),
}

/// A worker: the machine, unless it crashed, and which sources it knows.
#[derive(Default)]
struct Worker {
    node: Option<Arc<Node>>,
    version: usize,
    is_busy: bool,
    process: u32,
}

#[derive(Default)]
struct CommitterSlot {
    committer: Option<Committer>,
    is_busy: bool,
    process: u32,
}

/// Whom a running process belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Worker(usize),
    Committer(usize),
    Sweep,
    Compaction,
    Replay,
}

/// How this seed differs from others.
#[derive(Debug)]
struct Style {
    workers: usize,
    committers: usize,
    commit_us: i64,
    /// Time between two looks of a worker into the queue.
    pause_us: i64,
    batch_max: u64,
    hold_us: i64,
    copies: u64,
    compacts: bool,
    replays: bool,
}

struct Simulation {
    world: World,
    buckets: Buckets,
    truth: Truth,
    queue: Queue,
    ponds: Vec<Arc<Pond>>,
    style: Style,
    arrivals: Random,
    notices: Random,
    fates: Random,
    agenda: BinaryHeap<Reverse<(i64, u64, Action)>>,
    planned: u64,
    running: Vec<(Role, Running)>,
    workers: Vec<Worker>,
    committers: Vec<CommitterSlot>,
    processes: u32,
    files_left: u64,
    edited: bool,
    handed: Vec<Receipt>,
    handed_at_commit: usize,
    findings: Findings,
    report: Report,
}

/// Runs one seed to its end and checks what came of it.
pub(crate) fn run(options: &Options) -> Report {
    let started = Instant::now();
    // One thread for blocking work too: what was asked of it before a marker is done when the marker is.
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build();
    let mut report = match runtime {
        Ok(runtime) => runtime.block_on(run_async(options)),
        Err(error) => Report { failures: vec![format!("no runtime: {error}")], ..Report::default() },
    };
    report.seconds = started.elapsed().as_secs_f64();
    report
}

async fn run_async(options: &Options) -> Report {
    let mut simulation = match Simulation::new(options).await {
        Ok(simulation) => simulation,
        Err(text) => return Report { seed: options.seed, failures: vec![text], ..Report::default() },
    };
    let ended = simulation.run().await;
    let Simulation { world, truth, buckets, handed, mut findings, mut report, queue, .. } = simulation;
    match ended {
        Ok(()) => check::at_the_end(&buckets, &truth, &handed, &mut findings).await,
        Err(text) => findings.fail(text),
    }
    report.deliveries = queue.deliveries;
    report.rows = truth.rows();
    report.faults = world.faults();
    (report.lost, report.doubled) = (findings.lost, findings.doubled);
    report.failures = findings.texts();
    report.trace_hash = world.trace_hash();
    report.trace = world.trace_lines();
    report
}

impl Style {
    fn of(random: &mut Random) -> Self {
        Self {
            workers: random.between(2, 4) as usize,
            committers: random.between(1, 3) as usize,
            commit_us: random.between(20, 120) as i64 * SECOND,
            pause_us: random.between(1, 30) as i64 * SECOND,
            batch_max: random.between(5, 60),
            hold_us: random.between(1, 30) as i64 * MINUTE,
            copies: random.between(20, 80),
            compacts: random.permille(600),
            replays: random.permille(500),
        }
    }

    fn rates(random: &mut Random) -> Rates {
        let faults = [0, 10, 30, 80][random.below(4) as usize];
        let crashes = [0, 50, 150, 300][random.below(4) as usize];
        Rates { faults, slow: random.between(0, 60), crashes, sleeps: random.between(0, 60) }
    }
}

impl Simulation {
    async fn new(options: &Options) -> Result<Self, String> {
        let random = Random::new(options.seed);
        let mut styles = random.fork("style");
        let (style, rates) = (Style::of(&mut styles), Style::rates(&mut styles));
        // Midnight, at which days part, comes while files do.
        let start_us = MIDNIGHT_US - styles.below(span_us(options.files) as u64 + 1) as i64;
        let mut ponds = Vec::new();
        for version in VERSIONS {
            let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
            write_pond(folder.path(), version).map_err(|error| error.to_string())?;
            ponds.push(Arc::new(Pond::load(folder.path()).await.map_err(|error| error.report())?));
        }
        let mut simulation = Self {
            world: World::new(options.seed, rates, start_us, options.is_traced),
            buckets: Buckets::default(),
            truth: Truth::default(),
            queue: Queue::default(),
            ponds,
            workers: (0..style.workers).map(|_| Worker::default()).collect(),
            committers: (0..style.committers).map(|_| CommitterSlot::default()).collect(),
            style,
            arrivals: random.fork("arrivals"),
            notices: random.fork("notices"),
            fates: random.fork("fates"),
            agenda: BinaryHeap::new(),
            planned: 0,
            running: Vec::new(),
            processes: 0,
            files_left: options.files,
            edited: false,
            handed: Vec::new(),
            handed_at_commit: 0,
            findings: Findings::default(),
            report: Report { seed: options.seed, ..Report::default() },
        };
        simulation.plan_start(options.files);
        Ok(simulation)
    }

    fn plan_start(&mut self, files: u64) {
        let span_us = span_us(files);
        self.plan(0, Action::Arrive);
        (0..self.workers.len()).for_each(|index| self.plan(SECOND + index as i64 * MS, Action::Work(index)));
        for index in 0..self.committers.len() {
            self.plan(self.style.commit_us * (index as i64 + 1) / 2, Action::Commit(index));
        }
        for part in 1..=3 {
            self.plan(span_us * part / 4, Action::Look);
            self.plan(span_us * part / 3 + 20 * MINUTE, Action::Sweep);
        }
        let mut sides = self.fates.fork("sides");
        let mut within = |end_us: i64| sides.below(end_us as u64 + 1) as i64;
        if within(1_000) < 700 {
            self.plan(within(span_us), Action::Edit);
        }
        for _ in 0..if self.style.compacts { 4 } else { 0 } {
            self.plan(within(2 * span_us) + MINUTE, Action::Compact);
        }
        for _ in 0..if self.style.replays { 3 } else { 0 } {
            self.plan(within(2 * span_us) + MINUTE, Action::Replay);
        }
    }

    fn plan(&mut self, after_us: i64, action: Action) {
        self.planned += 1;
        self.agenda.push(Reverse((self.world.now_us() + after_us, self.planned, action)));
    }

    /// Everything, until nothing is left to do.
    async fn run(&mut self) -> Result<(), String> {
        while let Some(Reverse((time_us, _, action))) = self.agenda.pop() {
            self.world.advance(time_us);
            self.act(action).await?;
            self.settle().await?;
            if self.is_time_to_calm_down() {
                self.world.trace("-- calm");
                self.world.calm();
                self.queue.show_all(self.world.now_us());
            }
        }
        self.finish().await
    }

    /// Once everything arrived and nothing moves but what waits to come again.
    fn is_time_to_calm_down(&self) -> bool {
        self.world.is_faulty() && self.files_left == 0 && self.queue.is_empty() && self.running.is_empty()
    }

    /// Lists, works and commits without faults until there is nothing more.
    async fn finish(&mut self) -> Result<(), String> {
        self.world.calm();
        for _ in 0..LAST_SWEEPS_MAX {
            self.start_sweep()?;
            self.drain().await?;
            let is_clean = self.queue.is_empty();
            while !self.queue.is_empty() {
                self.queue.show_all(self.world.now_us());
                self.start_work(0)?;
                self.drain().await?;
            }
            self.committers[0].committer = None;
            self.start_commit(0)?;
            self.drain().await?;
            if is_clean {
                return Ok(());
            }
        }
        Err(format!("after {LAST_SWEEPS_MAX} sweeps without faults something is still not done"))
    }

    /// Runs what runs to its end.
    async fn drain(&mut self) -> Result<(), String> {
        self.settle().await?;
        while !self.running.is_empty() {
            let Some(Reverse((time_us, _, action))) = self.agenda.pop() else {
                return Err("something runs and waits for nothing".to_owned());
            };
            self.world.advance(time_us);
            if let Action::Open(gate) = action {
                self.world.open(gate);
            }
            self.settle().await?;
        }
        Ok(())
    }

    async fn act(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Open(gate) => {
                self.world.open(gate);
            }
            Action::Arrive => self.arrive().await?,
            Action::Work(index) => self.start_work(index)?,
            Action::Commit(index) => self.start_commit(index)?,
            Action::Sweep => self.start_sweep()?,
            Action::Compact => self.start_compaction()?,
            Action::Replay => self.start_replay()?,
            Action::Edit => {
                self.world.trace("the sources are edited");
                self.edited = true;
            }
            Action::Look => {
                self.report.snapshots += 1;
                check::on_the_way(&self.buckets, &self.truth, &mut self.findings).await;
                self.world.trace(&format!("a look at the lake: {} failures so far", self.findings.count()));
            }
        }
        Ok(())
    }

    /// Whether anything will still change the lake.
    fn is_over(&self) -> bool {
        !self.world.is_faulty()
    }

    fn start(&mut self, role: Role, process: u32, calls_max: u64, future: impl Future<Output = End> + 'static) {
        self.world.begin(process, &mut self.fates, calls_max);
        self.running.push((role, Running::new(process, future)));
    }

    fn start_work(&mut self, index: usize) -> Result<(), String> {
        if self.workers[index].is_busy {
            return Ok(());
        }
        let now_us = self.world.now_us();
        let max = self.fates.between(1, self.style.batch_max) as usize;
        let messages = self.queue.receive(now_us, max, self.style.hold_us);
        if messages.is_empty() {
            if !self.is_over() {
                let next_us = self.queue.next_us().unwrap_or(now_us + MINUTE).max(now_us + SECOND);
                self.plan((next_us - now_us).min(10 * MINUTE), Action::Work(index));
            }
            return Ok(());
        }
        let node = self.node(index)?;
        let process = self.workers[index].process;
        self.world.trace(&format!("worker {index} (p{process}) takes {} messages", messages.len()));
        self.report.groups += 1;
        self.workers[index].is_busy = true;
        self.start(Role::Worker(index), process, 40, work(node, messages));
        Ok(())
    }

    /// A worker's machine: the one it has, with the sources read again now and then, or a new one after a crash.
    fn node(&mut self, index: usize) -> Result<Arc<Node>, String> {
        let newest = usize::from(self.edited);
        let is_read_again = self.fates.permille(300);
        let worker = &mut self.workers[index];
        if let Some(node) = &worker.node {
            if worker.version == newest || !is_read_again {
                return Ok(Arc::clone(node));
            }
            worker.version = newest;
            let node = with_pond(node, &self.ponds[newest]);
            worker.node = Some(Arc::clone(&node));
            return Ok(node);
        }
        self.processes += 1;
        (worker.process, worker.version) = (self.processes, newest);
        let skew_us = match self.fates.below(3) {
            0 => 0,
            1 => self.fates.below(600) as i64 * SECOND,
            _ => (self.fates.below(480) as i64 - 240) * MINUTE,
        };
        let looks_before = self.fates.permille(750);
        let pond = &self.ponds[newest];
        let node = open_node(&self.world, &self.buckets, worker.process, pond, skew_us, looks_before);
        let node = node.map_err(|error| error.report())?;
        worker.node = Some(Arc::clone(&node));
        Ok(node)
    }

    fn start_commit(&mut self, index: usize) -> Result<(), String> {
        if self.committers[index].is_busy {
            return Ok(());
        }
        let committer = match self.committers[index].committer.take() {
            Some(committer) => committer,
            None => {
                self.processes += 1;
                self.committers[index].process = self.processes;
                open_committer(&self.world, &self.buckets, self.processes).map_err(|error| error.report())?
            }
        };
        let process = self.committers[index].process;
        self.world.trace(&format!("committer {index} (p{process}) starts"));
        self.committers[index].is_busy = true;
        self.start(Role::Committer(index), process, 60, commit(committer));
        Ok(())
    }

    /// A process that knows nothing yet, and its machine.
    fn new_node(&mut self) -> Result<(u32, Arc<Node>), String> {
        self.processes += 1;
        let pond = &self.ponds[usize::from(self.edited)];
        let node = open_node(&self.world, &self.buckets, self.processes, pond, 0, true);
        Ok((self.processes, node.map_err(|error| error.report())?))
    }

    fn start_compaction(&mut self) -> Result<(), String> {
        let (process, node) = self.new_node()?;
        // Some believe that the day is over.
        let ahead_us = if self.fates.permille(500) { 24 * HOUR } else { 0 };
        self.world.trace(&format!("a compaction (p{process}) starts"));
        self.start(Role::Compaction, process, 150, compact(node, self.world.now_us() + ahead_us));
        Ok(())
    }

    fn start_replay(&mut self) -> Result<(), String> {
        let (process, node) = self.new_node()?;
        let source = SOURCES[self.fates.below(SOURCES.len() as u64) as usize].name;
        let condition = format!("source = '{source}' and object_version like '{:x}%'", self.fates.below(16));
        self.world.trace(&format!("a replay (p{process}) of {condition} starts"));
        let future = replay(self.world.clone(), process, node, condition);
        self.start(Role::Replay, process, 60, future);
        Ok(())
    }

    fn start_sweep(&mut self) -> Result<(), String> {
        let (process, node) = self.new_node()?;
        self.world.trace(&format!("a sweep (p{process}) starts"));
        self.start(Role::Sweep, process, 20, sweep(node));
        Ok(())
    }

    /// Lets everything run that can, until every process has ended or waits at a gate.
    async fn settle(&mut self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let before = self.world.activity();
            self.poll_woken();
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            // What was given to the other thread is done when this is.
            let _ = tokio::task::spawn_blocking(|| ()).await;
            tokio::task::yield_now().await;
            let is_quiet = self.world.activity() == before && !self.running.iter().any(|(_, run)| run.is_woken());
            if is_quiet && self.running.iter().all(|(_, run)| self.world.is_parked(run.process)) {
                break;
            }
            if started.elapsed() > STUCK {
                let stuck: Vec<Role> = self.running.iter().map(|(role, _)| *role).collect();
                return Err(format!("{stuck:?} neither end nor call a store"));
            }
        }
        let parked = self.world.take_parked();
        parked.into_iter().for_each(|call| self.plan(call.latency_us, Action::Open(call.gate)));
        Ok(())
    }

    fn poll_woken(&mut self) {
        let mut at = 0;
        while at < self.running.len() {
            let end = self.running[at].1.poll();
            let process = self.running[at].1.process;
            if self.world.is_doomed(process) {
                let (role, running) = self.running.remove(at);
                self.world.end(process);
                drop(running);
                self.note_crash(role);
            } else if let Some(end) = end {
                let (role, _) = self.running.remove(at);
                self.note_end(role, end);
            } else {
                at += 1;
            }
        }
    }

    fn note_crash(&mut self, role: Role) {
        self.report.crashes += 1;
        self.world.trace(&format!("{role:?} crashed"));
        let restart_us = self.fates.between(1, 300) as i64 * SECOND;
        match role {
            Role::Worker(index) => {
                self.workers[index] = Worker::default();
                self.plan(restart_us, Action::Work(index));
            }
            Role::Committer(index) => {
                self.committers[index] = CommitterSlot::default();
                // What a committer leaves behind is what a reader sees until another one comes.
                self.plan(0, Action::Look);
                self.plan(restart_us, Action::Commit(index));
            }
            Role::Sweep => self.plan(restart_us, Action::Sweep),
            Role::Compaction | Role::Replay => self.plan(0, Action::Look),
        }
    }

    fn note_end(&mut self, role: Role, end: End) {
        match (role, end) {
            (Role::Worker(index), End::Worked(worked)) => self.note_worked(index, worked),
            (Role::Committer(index), End::Committed(committer, result)) => {
                self.note_committed(index, committer, result);
            }
            (Role::Sweep, End::Swept(Ok(events))) => {
                self.world.trace(&format!("the sweep found {} objects", events.len()));
                let now_us = self.world.now_us();
                events.into_iter().for_each(|event| self.queue.send(Body::Listed(event), now_us));
            }
            (Role::Sweep, End::Swept(Err(_))) => self.plan(MINUTE, Action::Sweep),
            (Role::Compaction, End::Compacted(result)) => self.note_side(role, result.map(|files| files as usize)),
            (Role::Replay, End::Replayed(result)) => self.note_side(role, result),
            (role, _) => self.findings.fail(format!("{role:?} ended as something else")),
        }
    }

    /// The end of a compaction or a replay: of how many files or jobs.
    fn note_side(&mut self, role: Role, result: millpond_core::Result<usize>) {
        match result {
            Ok(count) => {
                self.world.trace(&format!("{role:?} replaced {count}"));
                match role {
                    Role::Compaction => self.report.compacted += count as u64,
                    _ => self.report.replayed += count as u64,
                }
            }
            Err(error) => {
                // A person sees it and calls again, or does not.
                self.world.trace(&format!("{role:?} failed: {}", error.kind().name()));
                if error.kind() == Kind::Bug {
                    self.findings.fail(format!("{role:?} found a bug: {}", error.report()));
                }
            }
        }
    }

    fn note_worked(&mut self, index: usize, worked: Worked) {
        let (acked, released, handed) = (worked.acks.len(), worked.releases.len(), worked.handed.len());
        self.world.trace(&format!("worker {index} handed {handed}, acks {acked}, releases {released}"));
        let now_us = self.world.now_us();
        for message in worked.acks {
            match self.world.is_faulty() && self.notices.permille(10) {
                true => self.world.count("lost ack"),
                false => self.queue.ack(&message),
            }
        }
        for message in worked.releases {
            let delay_us = self.notices.between(1, 120) as i64 * SECOND;
            self.queue.release(&message, now_us + delay_us);
        }
        if let Some(fatal) = worked.fatal {
            self.findings.fail(format!("worker {index} got an error that no retry helps: {fatal}"));
        }
        self.handed.extend(worked.handed);
        self.workers[index].is_busy = false;
        if !self.is_over() {
            let pause_us = self.fates.below(self.style.pause_us as u64) as i64;
            self.plan(pause_us, Action::Work(index));
        }
    }

    fn note_committed(
        &mut self,
        index: usize,
        committer: Committer,
        result: millpond_core::Result<millpond::committer::Committed>,
    ) {
        self.report.commits += 1;
        let failed_before = self.report.failed_commits;
        match result {
            Ok(committed) => {
                let (receipts, dropped) = (committed.receipts.len(), committed.dropped);
                self.world.trace(&format!("committer {index} committed {receipts} receipts, dropped {dropped}"));
                self.report.receipts += receipts as u64;
                self.report.dropped += dropped as u64;
            }
            Err(error) => {
                self.report.failed_commits += 1;
                self.world.trace(&format!("committer {index} failed: {}", error.kind().name()));
                if !matches!(error.kind(), Kind::Transient | Kind::Conflict) {
                    self.findings.fail(format!("a committer got an error that no retry helps: {}", error.report()));
                }
            }
        }
        let is_failed = self.report.failed_commits > failed_before;
        let slot = &mut self.committers[index];
        slot.is_busy = false;
        // Now and then another process takes over.
        slot.committer = (!self.fates.permille(200)).then_some(committer);
        if !self.is_over() {
            // Where nothing is handed over there is little to interrupt.
            let wait = if self.handed.len() > self.handed_at_commit { 1 } else { 10 };
            self.handed_at_commit = self.handed.len();
            let wait_us = if is_failed { 5 * SECOND } else { self.style.commit_us * wait };
            self.plan(wait_us, Action::Commit(index));
        }
    }
}

/// The time in which so many files arrive, on average.
fn span_us(files: u64) -> i64 {
    (files / FILES_PER_SECOND) as i64 * SECOND
}
