//! Periodic signals: SQL over the lake, run over one window of time after the other.
//!
//! A window holds what *arrived* in it: the rows whose receipts were committed between its start and its end. What
//! arrived is decided by the committer's batches, which are in one order for everybody, and not by clocks: a window takes
//! the batches after those of the window before it, so a file is in exactly one window, however late it comes. How far a
//! signal has come is recorded in the table `signals` itself, in the commit that adds what it found: a run that is stopped
//! goes on where it was, and of two that run at the same time one counts.

mod arrivals;
mod backtest;
mod cases;
pub(crate) mod health;
mod run;
mod session;
mod state;
mod write;

pub use backtest::{Backtest, backtest};
pub use cases::{CaseResult, run_cases};
pub use run::{Choice, Run, Runner, Total};
pub(crate) use state::SIGNALS;
pub use state::State;
pub(crate) use write::{file_schema, put_rows};

use millpond_core::Result;
use millpond_core::config::Problems;
use millpond_core::signal::Signal;
use millpond_engine::{lint, prepare, sql};

use crate::pond::Pond;

/// The kind of signals about sources that are millpond's own.
pub(crate) const HEALTH: &str = "health";

/// A signal that runs over the lake, and which kind of them it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periodic {
    /// `periodic` or `health`: the column `kind` of its rows.
    pub kind: &'static str,
    /// The signal; it has a schedule.
    pub signal: Signal,
}

/// Plans every periodic signal of a pond against the columns that its sources give. Every mistake is added to
/// `problems`.
pub async fn check(pond: &Pond, problems: &mut Problems) {
    // Those of millpond itself are right, and every command that opens a pond would plan them.
    for periodic in pond.periodic.iter().filter(|periodic| periodic.kind != HEALTH) {
        if let Some((_, plan)) = plan(pond, &periodic.signal, problems).await {
            prepare::check_signal(&periodic.signal, plan.schema().as_arrow(), problems);
        }
    }
}

/// Looks for mistakes in periodic signals that run and find the wrong rows.
pub async fn lint(pond: &Pond, problems: &mut Problems) {
    for periodic in &pond.periodic {
        if let Some((state, plan)) = plan(pond, &periodic.signal, &mut Problems::default()).await {
            lint::lint_periodic(&state, &periodic.signal.sql, &plan, problems);
        }
    }
}

type Planned = (datafusion::execution::session_state::SessionState, datafusion::logical_expr::LogicalPlan);

/// The plan of a signal over tables without rows.
async fn plan(pond: &Pond, signal: &Signal, problems: &mut Problems) -> Option<Planned> {
    let sql = &signal.sql;
    let opened = session::over_given(pond, signal, session::EPOCH, &Default::default());
    let parsed = opened.and_then(|context| {
        let statement = sql::parse_query(&context.state(), &sql.text)?;
        Ok((context.state(), statement))
    });
    let (state, statement) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            problems.add(&sql.file, sql::line_in_message(&sql.text, &error.chain()), &error);
            return None;
        }
    };
    match state.statement_to_plan(statement).await {
        Ok(plan) => Some((state, plan)),
        Err(error) => {
            problems.add(&sql.file, sql::line_of(sql, &error), &session::plan_error(pond, signal, &error));
            None
        }
    }
}

/// Rows of the table `signals` as JSON objects; what is NULL is left out.
///
/// # Errors
/// [`Kind::Bug`](millpond_core::Kind::Bug) when they cannot be written as JSON.
pub fn as_json(rows: &arrow::array::RecordBatch) -> Result<Vec<serde_json::Map<String, serde_json::Value>>> {
    crate::source_test::to_rows(std::slice::from_ref(rows))
}

/// The periodic signals of these names, or all.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) with the nearest name for one that does not exist.
pub fn named<'a>(pond: &'a Pond, name: Option<&str>) -> Result<Vec<&'a Periodic>> {
    let Some(name) = name else { return Ok(pond.periodic.iter().collect()) };
    let found: Vec<&Periodic> = pond.periodic.iter().filter(|periodic| periodic.signal.name == name).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names = || pond.periodic.iter().map(|periodic| periodic.signal.name.as_str());
    let error = millpond_core::Error::bad_config(format!("the pond has no periodic signal `{name}`"));
    Err(match millpond_core::units::nearest(name, names()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`millpond signals list` lists them; one is a file of the folder `signals/`"),
    })
}
