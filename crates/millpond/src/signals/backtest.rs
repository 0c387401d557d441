//! What a signal would have found, had it run all the time.

use millpond_core::Result;
use millpond_core::signal::Window;

use super::Periodic;
use super::arrivals::{Order, Span};
use super::run::{Run, evaluate};
use crate::lake::Lake;
use crate::pond::Pond;

/// What a signal would have found.
#[derive(Debug, Default)]
pub struct Backtest {
    /// Windows that were looked at.
    pub windows: u64,
    /// Those in which it would have found something, in order.
    pub runs: Vec<Run>,
}

impl Backtest {
    /// Rows that it would have found.
    pub fn rows(&self) -> usize {
        self.runs.iter().map(|run| run.rows.num_rows()).sum()
    }
}

/// Runs a signal over the windows between two moments (microseconds since 1970 in UTC) as if every file had come in when
/// it was written. Nothing is written.
///
/// # Errors
/// What ended the query in one of the windows.
pub async fn backtest(lake: &Lake, pond: &Pond, periodic: &Periodic, since_us: i64, until_us: i64) -> Result<Backtest> {
    let mut done = Backtest::default();
    let Some(schedule) = periodic.signal.schedule else { return Ok(done) };
    let mut window: Window = schedule.first_from(since_us);
    while window.end_us <= until_us {
        let span = Span { window, lookback_us: schedule.lookback_us, order: Order::Written };
        let rows = evaluate(lake, pond, periodic, &span).await?;
        done.windows += 1;
        if rows.num_rows() > 0 {
            done.runs.push(Run { signal: periodic.signal.name.clone(), window, rows, error: None });
        }
        window = schedule.window_from(window.end_us);
    }
    Ok(done)
}
