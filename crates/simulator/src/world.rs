//! What all processes of one run share: virtual time, the gates at which store calls wait, faults, and the trace.
//!
//! A store call parks at a gate and goes on when the driver opens it, so that between any two calls of one process any
//! calls of others can happen. Whether a call fails follows from the seed, the process, the operation, the path and how
//! often that process called it, never from the order in which threads run.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;

use crate::random::{Random, hash};

pub(crate) const MS: i64 = 1_000;
pub(crate) const SECOND: i64 = 1_000 * MS;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
/// Lines of the trace that are told when a run fails.
const TRACE_LINES: usize = 60;

/// How often what goes wrong.
#[derive(Debug, Clone)]
pub(crate) struct Rates {
    /// Store calls that fail, in 10,000; each kind of failure has its share.
    pub(crate) faults: u64,
    /// Store calls that are slow, in 10,000.
    pub(crate) slow: u64,
    /// Runs of a process that end in a crash, in 1,000.
    pub(crate) crashes: u64,
    /// Runs of a process that sleep for long at some call, in 1,000.
    pub(crate) sleeps: u64,
}

/// The kind of a store call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Get,
    Put,
    Create,
    List,
    Delete,
    Upload,
}

impl Op {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Put => "put",
            Self::Create => "create",
            Self::List => "list",
            Self::Delete => "delete",
            Self::Upload => "upload",
        }
    }
}

/// What goes wrong with one store call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An error, and nothing happened.
    Before,
    /// The store asks to slow down, and nothing happened.
    Throttled,
    /// It happened, and the caller sees an error.
    After,
    /// A conditional put happened, was tried again by the client, and the caller is told that it was there before.
    CreateLost,
    /// The bytes end early without an error.
    Torn,
    /// The process ends before the call.
    CrashBefore,
    /// The process ends after the call took effect.
    CrashAfter,
}

impl Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Before => "failed",
            Self::Throttled => "throttled",
            Self::After => "outcome unknown",
            Self::CreateLost => "create lost",
            Self::Torn => "torn",
            Self::CrashBefore => "crash before",
            Self::CrashAfter => "crash after",
        }
    }
}

/// A process that was ended: its calls do nothing any more.
#[derive(Debug)]
pub(crate) struct Ended;

#[derive(Debug, Default)]
struct Gate {
    process: u32,
    is_open: bool,
    waker: Option<Waker>,
}

/// When a process crashes or sleeps, in store calls from the start of what it does now.
#[derive(Debug, Default)]
struct Fate {
    calls: u64,
    crash_at: Option<(u64, Fault)>,
    sleep_at: Option<(u64, i64)>,
    is_doomed: bool,
    is_dead: bool,
    /// Whether its calls do not wait: what it does then is one step for everybody else.
    is_hasty: bool,
    seen: HashMap<u64, u32>,
}

/// A call that parked since the driver last looked.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Parked {
    pub(crate) key: u64,
    pub(crate) gate: u64,
    pub(crate) latency_us: i64,
}

#[derive(Debug)]
struct State {
    seed: u64,
    rates: Rates,
    is_faulty: bool,
    start_us: i64,
    now_us: i64,
    gates: BTreeMap<u64, Gate>,
    gates_made: u64,
    parked: Vec<Parked>,
    fates: HashMap<u32, Fate>,
    faults: BTreeMap<&'static str, u64>,
    trace: VecDeque<String>,
    trace_hash: blake3::Hasher,
    is_traced: bool,
    activity: u64,
}

/// What all processes share.
#[derive(Debug, Clone)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
    thread: ThreadId,
}

impl World {
    pub(crate) fn new(seed: u64, rates: Rates, start_us: i64, is_traced: bool) -> Self {
        let state = State {
            seed: Random::new(seed).fork("faults").next(),
            rates,
            is_faulty: true,
            start_us,
            now_us: start_us,
            gates: BTreeMap::new(),
            gates_made: 0,
            parked: Vec::new(),
            fates: HashMap::new(),
            faults: BTreeMap::new(),
            trace: VecDeque::new(),
            trace_hash: blake3::Hasher::new(),
            is_traced,
            activity: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), thread: std::thread::current().id() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.lock().now_us
    }

    /// Time passes; it never goes back.
    pub(crate) fn advance(&self, to_us: i64) {
        let mut state = self.lock();
        state.now_us = state.now_us.max(to_us);
    }

    /// From now on nothing fails any more.
    pub(crate) fn calm(&self) {
        self.lock().is_faulty = false;
    }

    pub(crate) fn is_faulty(&self) -> bool {
        self.lock().is_faulty
    }

    /// Notes an event in the trace.
    pub(crate) fn trace(&self, line: &str) {
        self.lock().trace(line);
    }

    /// Notes something that went wrong outside of the stores.
    pub(crate) fn count(&self, what: &'static str) {
        *self.lock().faults.entry(what).or_default() += 1;
    }

    pub(crate) fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.lock().faults.clone()
    }

    pub(crate) fn trace_hash(&self) -> String {
        self.lock().trace_hash.finalize().to_hex()[..16].to_owned()
    }

    pub(crate) fn trace_lines(&self) -> Vec<String> {
        self.lock().trace.iter().cloned().collect()
    }

    /// A process begins something; decides whether it will crash or sleep on the way.
    pub(crate) fn begin(&self, process: u32, random: &mut Random, calls_max: u64) {
        let mut state = self.lock();
        let (crashes, sleeps) = (random.permille(state.rates.crashes), random.permille(state.rates.sleeps));
        let crash = match random.below(2) {
            0 => Fault::CrashBefore,
            _ => Fault::CrashAfter,
        };
        let (crash_at, sleep_at) = (1 + random.below(calls_max), 1 + random.below(calls_max));
        let sleep_us = random.between(1, 200) as i64 * MINUTE;
        let is_faulty = state.is_faulty;
        let fate = state.fates.entry(process).or_default();
        fate.calls = 0;
        fate.crash_at = (crashes && is_faulty).then_some((crash_at, crash));
        fate.sleep_at = (sleeps && is_faulty).then_some((sleep_at, sleep_us));
    }

    /// Whether a process reached its crash.
    pub(crate) fn is_doomed(&self, process: u32) -> bool {
        self.lock().fates.get(&process).is_some_and(|fate| fate.is_doomed)
    }

    /// From now on, or no longer, a process's calls do not wait, as if it were alone.
    pub(crate) fn hurry(&self, process: u32, is_hasty: bool) {
        self.lock().fates.entry(process).or_default().is_hasty = is_hasty;
    }

    /// Ends a process: nothing that it still does has an effect.
    pub(crate) fn end(&self, process: u32) {
        let mut state = self.lock();
        let fate = state.fates.entry(process).or_default();
        (fate.is_dead, fate.seen) = (true, HashMap::new());
        let own: Vec<u64> = state.gates.iter().filter(|(_, gate)| gate.process == process).map(|(id, _)| *id).collect();
        let wakers: Vec<Waker> = own.iter().filter_map(|id| state.gates.remove(id)?.waker).collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// What parked since the last call, in an order that no thread has a part in.
    pub(crate) fn take_parked(&self) -> Vec<Parked> {
        let mut parked = std::mem::take(&mut self.lock().parked);
        parked.sort();
        parked
    }

    /// Opens a gate, unless whoever waited has gone; says whose it was.
    pub(crate) fn open(&self, gate: u64) -> Option<u32> {
        let mut state = self.lock();
        let gate = state.gates.get_mut(&gate)?;
        gate.is_open = true;
        let (process, waker) = (gate.process, gate.waker.take());
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        Some(process)
    }

    /// Whether a call of the process waits at a gate.
    pub(crate) fn is_parked(&self, process: u32) -> bool {
        self.lock().gates.values().any(|gate| gate.process == process && !gate.is_open)
    }

    /// Counts what happens at gates, to tell when nothing happens any more.
    pub(crate) fn activity(&self) -> u64 {
        self.lock().activity
    }

    /// A store call: waits for its turn and says what goes wrong with it. Calls from other threads (those in which
    /// Delta's log is read) do not wait, and what they read cannot change.
    pub(crate) async fn enter(&self, process: u32, op: Op, path: &str) -> Result<Option<Fault>, Ended> {
        let path = without_content_hash(path);
        let is_hasty = self.lock().fates.get(&process).is_some_and(|fate| fate.is_hasty);
        let is_gated = !is_hasty && std::thread::current().id() == self.thread;
        let Some(call) = self.lock().call(process, op, &path, is_gated) else { return Err(Ended) };
        if is_gated {
            Waiting { world: self.clone(), gate: call.gate }.await?;
            self.lock().tell(process, op, &path, &call);
        }
        if call.fault == Some(Fault::CrashBefore) {
            self.crash(process).await;
        }
        Ok(call.fault)
    }

    /// The end of a process: the driver sees that it is doomed and drops what it does.
    pub(crate) async fn crash(&self, process: u32) {
        self.lock().fates.entry(process).or_default().is_doomed = true;
        futures::future::pending::<()>().await;
    }
}

/// A store call, as it was decided when it came.
struct Call {
    gate: u64,
    fault: Option<Fault>,
    note: &'static str,
}

impl State {
    fn trace(&mut self, line: &str) {
        let line = format!("{:>10.3} {line}", (self.now_us - self.start_us) as f64 / SECOND as f64);
        self.trace_hash.update(line.as_bytes());
        if self.is_traced {
            println!("{line}");
        }
        if self.trace.len() == TRACE_LINES {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
    }

    fn tell(&mut self, process: u32, op: Op, path: &str, call: &Call) {
        let fault = call.fault.map(|fault| format!(" {}", fault.name().to_uppercase())).unwrap_or_default();
        self.trace(&format!("p{process} {} {path}{}{fault}", op.name(), call.note));
    }

    /// Decides what becomes of a call; `None`: the process has ended.
    fn call(&mut self, process: u32, op: Op, path: &str, is_gated: bool) -> Option<Call> {
        let (seed, is_faulty, rates) = (self.seed, self.is_faulty, self.rates.clone());
        let fate = self.fates.entry(process).or_default();
        if fate.is_dead {
            return None;
        }
        let what = hash(seed, &[op.name(), path]);
        let nth = fate.seen.entry(what).or_default();
        *nth += 1;
        let mut random = Random::new(what ^ (u64::from(process) << 32) ^ u64::from(*nth));
        let key = random.next();
        let (mut fault, mut note) = (None, "");
        let mut latency_us = random.between(4, 80) as i64 * MS;
        if is_faulty && random.below(10_000) < rates.faults {
            fault = fault_of(op, random.below(10), is_gated);
        }
        if is_faulty && random.below(10_000) < rates.slow {
            (latency_us, note) = (random.between(5, 600) as i64 * SECOND, " slow");
        }
        let mut gate = 0;
        if is_gated {
            fate.calls += 1;
            if let Some((_, crash)) = fate.crash_at.filter(|(at, _)| *at == fate.calls) {
                fault = Some(crash);
            }
            if let Some((_, sleep_us)) = fate.sleep_at.filter(|(at, _)| *at == fate.calls) {
                (latency_us, note) = (sleep_us, " slept");
            }
            self.gates_made += 1;
            gate = self.gates_made;
            self.gates.insert(gate, Gate { process, ..Gate::default() });
            self.parked.push(Parked { key, gate, latency_us });
            self.activity += 1;
        }
        if let Some(fault) = fault {
            *self.faults.entry(fault.name()).or_default() += 1;
        }
        if !note.is_empty() {
            *self.faults.entry(note.trim()).or_default() += 1;
        }
        Some(Call { gate, fault, note })
    }
}

fn fault_of(op: Op, dice: u64, is_gated: bool) -> Option<Fault> {
    let fault = match (op, dice) {
        (_, 0..=2) => Fault::Before,
        (_, 3..=4) => Fault::Throttled,
        (Op::Create, 5..=7) => Fault::CreateLost,
        (Op::Get, 5..=7) => Fault::Torn,
        _ => Fault::After,
    };
    // What is read in other threads is Delta's log: it fails as a whole or not at all.
    match is_gated {
        true => Some(fault),
        false => (op == Op::Get || op == Op::List).then_some(Fault::Before),
    }
}

/// A path without the hash of a content that has wall times in it.
fn without_content_hash(path: &str) -> String {
    match path.strip_suffix(".parquet").and_then(|path| path.rsplit_once('-')) {
        // What a compaction writes is named by what it read.
        Some(_) if path.contains("/compact") => path.split("/compact").next().unwrap_or_default().to_owned(),
        Some((name, hash)) if hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name.to_owned(),
        _ => path.to_owned(),
    }
}

/// A call that waits at its gate.
struct Waiting {
    world: World,
    gate: u64,
}

impl Future for Waiting {
    type Output = Result<(), Ended>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.world.lock();
        state.activity += 1;
        match state.gates.get_mut(&self.gate) {
            None => Poll::Ready(Err(Ended)),
            Some(gate) if gate.is_open => {
                state.gates.remove(&self.gate);
                Poll::Ready(Ok(()))
            }
            Some(gate) => {
                gate.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.world.lock().gates.remove(&self.gate);
    }
}
