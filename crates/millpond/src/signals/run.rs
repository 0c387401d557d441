//! Running what is due: one window of one signal after the other, in the order in which they fall due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::RecordBatch;
use millpond_core::signal::{Schedule, Window};
use millpond_core::{Error, Kind, Result};

use super::arrivals::{Order, Span, last_batch};
use super::state::{SIGNALS, State};
use super::write::{file_schema, put_rows};
use super::{Periodic, named, session};
use crate::clock::Clock;
use crate::crash;
use crate::lake::{Lake, LakeFile};
use crate::pipeline::{Finder, signal_rows, signals_schema};
use crate::pond::Pond;

/// Other writers that may be first in a row: the committer writes to the table once in seconds, and a try takes
/// milliseconds.
const TRIES_MAX: usize = 20;
const US_PER_DAY: i64 = 86_400_000_000;

/// Which windows are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// One signal; `None`: all.
    pub name: Option<String>,
    /// Where a signal that never ran begins, microseconds since 1970 in UTC; `None`: with the last window that is over.
    pub since_us: Option<i64>,
    /// No window that ends later; `None`: all that are due.
    pub until_us: Option<i64>,
    /// Whether nothing is written.
    pub is_dry: bool,
}

/// One window of one signal.
#[derive(Debug)]
pub struct Run {
    /// The signal.
    pub signal: String,
    /// The window.
    pub window: Window,
    /// What it found, in the columns of the table `signals`; empty where it failed.
    pub rows: RecordBatch,
    /// Why it failed: the signal stays where it is and is run again the next time.
    pub error: Option<Error>,
}

impl Run {
    /// What a person may want to know of it; `None`: nothing was found.
    pub fn note(&self) -> Option<String> {
        match (&self.error, self.rows.num_rows()) {
            (Some(error), _) => Some(error.report()),
            (None, 0) => None,
            (None, rows) => {
                Some(format!("signal `{}` found {rows} {}", self.signal, if rows == 1 { "row" } else { "rows" }))
            }
        }
    }
}

/// What a call did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    /// Windows that were run.
    pub windows: u64,
    /// Rows that were found.
    pub rows: u64,
    /// Signals that failed.
    pub failed: u64,
    /// When the next window falls due, microseconds since 1970 in UTC; `None`: there is no signal. A signal that failed
    /// is due at once.
    pub next_due_us: Option<i64>,
}

/// Runs the periodic signals of a pond.
#[derive(Debug, Clone)]
pub struct Runner {
    lake: Arc<Lake>,
    pond: Arc<Pond>,
    clock: Clock,
}

/// A window that is due, and how far its signal had come.
struct Due<'a> {
    periodic: &'a Periodic,
    window: Window,
    /// `None`: it never ran.
    before: Option<State>,
    due_us: i64,
}

/// A window that was run, before it is recorded.
struct Found<'a> {
    due: Due<'a>,
    after: State,
    run: Run,
}

/// The last batches before some moments: the windows of a round mostly begin and end together.
#[derive(Debug, Default)]
struct Batches(BTreeMap<i64, i64>);

impl Batches {
    async fn last(&mut self, lake: &Lake, before_us: i64) -> Result<i64> {
        if let Some(known) = self.0.get(&before_us) {
            return Ok(*known);
        }
        let last = last_batch(lake, before_us).await?;
        self.0.insert(before_us, last);
        Ok(last)
    }
}

impl Runner {
    /// A runner; any number may run on one lake, and each window counts once.
    pub fn new(lake: Arc<Lake>, pond: Arc<Pond>, clock: Clock) -> Self {
        Self { lake, pond, clock }
    }

    /// Runs every window that is due when it is called. `told` hears of each once it is recorded.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] for a name that does not exist; [`Kind::Transient`] and
    /// [`Kind::Conflict`] when the lake does not answer: nothing is lost, the next call goes on.
    pub async fn run_due(&self, choice: &Choice, told: &mut (dyn FnMut(&Run) + Send)) -> Result<Total> {
        let mut total = Total::default();
        // What falls due meanwhile is for the next call: windows that are shorter than a run would never end.
        let now_us = self.clock.now_us();
        let mut given_up: BTreeSet<String> = BTreeSet::new();
        let mut states = self.states(choice).await?;
        loop {
            let (round, next_due_us) = self.next_round(choice, now_us, &states, &given_up)?;
            if round.is_empty() {
                return Ok(Total { next_due_us, ..total });
            }
            let mut found = Vec::new();
            let mut batches = Batches::default();
            for due in round {
                let ran = self.run_window(due, &mut batches).await?;
                if ran.run.error.is_some() {
                    given_up.insert(ran.run.signal.clone());
                    total.failed += 1;
                    told(&ran.run);
                } else {
                    found.push(ran);
                }
            }
            let recorded = if choice.is_dry { found } else { self.record(found).await? };
            for ran in &recorded {
                total.windows += 1;
                total.rows += ran.run.rows.num_rows() as u64;
                told(&ran.run);
            }
            states = match choice.is_dry {
                true => {
                    states.extend(recorded.iter().map(|ran| (ran.run.signal.clone(), Some(ran.after))));
                    states
                }
                false => self.states(choice).await?,
            };
        }
    }

    /// How far each signal has come.
    async fn states(&self, choice: &Choice) -> Result<BTreeMap<String, Option<State>>> {
        let mut states = BTreeMap::new();
        let table = self.lake.table(SIGNALS).await?;
        for periodic in named(&self.pond, choice.name.as_deref())? {
            let name = periodic.signal.name.clone();
            // A dry run from a moment on passes over what was done.
            let is_anew = choice.is_dry && choice.since_us.is_some();
            let state = match table.as_ref().filter(|_| !is_anew) {
                Some(table) => State::read_from(&self.lake, table, &name).await?,
                None => None,
            };
            states.insert(name, state);
        }
        Ok(states)
    }

    /// The windows that fell due first, of all signals, and when the first that is not due will be.
    fn next_round(
        &self,
        choice: &Choice,
        now_us: i64,
        states: &BTreeMap<String, Option<State>>,
        given_up: &BTreeSet<String>,
    ) -> Result<(Vec<Due<'_>>, Option<i64>)> {
        let mut due = Vec::new();
        let mut next_due_us: Option<i64> = None;
        for periodic in named(&self.pond, choice.name.as_deref())? {
            let Some(schedule) = periodic.signal.schedule else { continue };
            let before = states.get(&periodic.signal.name).copied().flatten();
            let window = next_window(&schedule, before, choice, now_us);
            let due_us = schedule.due_us(window);
            next_due_us = Some(next_due_us.map_or(due_us, |next| next.min(due_us)));
            let is_over = due_us <= now_us && choice.until_us.is_none_or(|until| window.end_us <= until);
            if is_over && !given_up.contains(&periodic.signal.name) {
                due.push(Due { periodic, window, before, due_us });
            }
        }
        let first = due.iter().map(|due| due.due_us).min();
        due.retain(|due| Some(due.due_us) == first);
        Ok((due, next_due_us))
    }

    async fn run_window<'a>(&self, due: Due<'a>, batches: &mut Batches) -> Result<Found<'a>> {
        let signal = &due.periodic.signal;
        let window = due.window;
        let after_batch = match due.before {
            Some(state) => state.batch,
            None => batches.last(&self.lake, window.start_us).await?,
        };
        let batch = batches.last(&self.lake, window.end_us).await?.max(after_batch);
        let lookback_us = signal.schedule.map_or(0, |schedule| schedule.lookback_us);
        let span = Span { window, lookback_us, order: Order::Batches(after_batch, batch) };
        let (rows, error) = match evaluate(&self.lake, &self.pond, due.periodic, &span).await {
            Ok(rows) => (rows, None),
            Err(error) if matches!(error.kind(), Kind::Transient | Kind::Conflict) => return Err(error),
            Err(error) => (RecordBatch::new_empty(signals_schema()), Some(error)),
        };
        let run = Run { signal: signal.name.clone(), window, rows, error };
        Ok(Found { due, after: State { end_us: window.end_us, batch }, run })
    }

    /// Writes what was found and how far the signals have come, in one commit; gives what this call recorded.
    async fn record<'a>(&self, mut found: Vec<Found<'a>>) -> Result<Vec<Found<'a>>> {
        let mut files: BTreeMap<String, Vec<LakeFile>> = BTreeMap::new();
        for ran in &found {
            files.insert(ran.run.signal.clone(), self.put(ran).await?);
        }
        crash::point("signals");
        for _ in 0..TRIES_MAX {
            let table = self.lake.table_for(SIGNALS, &file_schema()).await?;
            let mut still = Vec::with_capacity(found.len());
            for ran in found {
                // Another process may have recorded the window meanwhile.
                if State::read_from(&self.lake, &table, &ran.run.signal).await? == ran.due.before {
                    still.push(ran);
                }
            }
            found = still;
            if found.is_empty() {
                return Ok(found);
            }
            let adds = found.iter().flat_map(|ran| files.get(&ran.run.signal).cloned().unwrap_or_default()).collect();
            let marks: Vec<_> = found.iter().flat_map(|ran| ran.after.marks(&ran.run.signal)).collect();
            match self.lake.append_marked(SIGNALS, &table, adds, &marks).await {
                Ok(_) => return Ok(found),
                Err(error) if error.kind() == Kind::Conflict => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::conflict(format!("other writers to table `{SIGNALS}` were first {TRIES_MAX} times")))
    }

    async fn put(&self, ran: &Found<'_>) -> Result<Vec<LakeFile>> {
        let day = ran.run.window.start_us.div_euclid(US_PER_DAY) as i32;
        let name = format!("signal-{}-{}", ran.run.signal, ran.run.window.end_us);
        put_rows(&self.lake, &ran.run.rows, day, &name).await
    }
}

fn next_window(schedule: &Schedule, before: Option<State>, choice: &Choice, now_us: i64) -> Window {
    match (before, choice.since_us) {
        (Some(state), _) => schedule.window_from(state.end_us),
        (None, Some(since_us)) => schedule.first_from(since_us),
        (None, None) => schedule.last_due(choice.until_us.unwrap_or(i64::MAX).min(now_us)),
    }
}

/// What a signal finds in a window, in the columns of the table `signals`.
pub(super) async fn evaluate(lake: &Lake, pond: &Pond, periodic: &Periodic, span: &Span) -> Result<RecordBatch> {
    let context = session::over_lake(lake, pond, &periodic.signal, span).await?;
    let rows = session::rows_of(pond, &context, &periodic.signal).await?;
    found_rows(periodic, span.window, &rows)
}

/// A signal's rows in the columns of the table `signals`.
pub(super) fn found_rows(periodic: &Periodic, window: Window, rows: &RecordBatch) -> Result<RecordBatch> {
    let window = Some((window.start_us, window.end_us));
    let finder = Finder { kind: periodic.kind, source: None, file: None, window, signal: &periodic.signal };
    signal_rows(finder, rows)
}
