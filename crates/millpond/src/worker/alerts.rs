//! Alerting beside the jobs: a receiver that does not answer must not keep jobs waiting.

use std::sync::Arc;
use std::time::Duration;

use millpond_core::{Error, Result};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::alerting::{Alerter, Passed};
use crate::pond::Pond;

/// How often the outbox and quiet alerts are looked at where nothing is committed: the first wait of a retry, twice.
const INTERVAL: Duration = Duration::from_secs(10);

/// The passes of a worker, one at a time.
pub(super) struct Alerts {
    alerter: Arc<Alerter>,
    running: Option<JoinHandle<Result<Passed>>>,
    last: Instant,
    is_due: bool,
}

impl Alerts {
    pub(super) fn new(alerter: Alerter) -> Self {
        Self { alerter: Arc::new(alerter), running: None, last: Instant::now(), is_due: true }
    }

    /// Says that signals may have been committed.
    pub(super) fn set_due(&mut self) {
        self.is_due = true;
    }

    /// Starts a pass where one is due and none runs.
    pub(super) fn start_if_due(&mut self, pond: &Arc<Pond>) {
        self.is_due |= self.last.elapsed() >= INTERVAL;
        if self.running.is_none() && self.is_due {
            (self.is_due, self.last) = (false, Instant::now());
            let (alerter, pond) = (Arc::clone(&self.alerter), Arc::clone(pond));
            self.running = Some(tokio::spawn(async move { alerter.pass(&pond.config).await }));
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Waits for the pass that runs, for ever where none does.
    pub(super) async fn ended(&mut self) -> Result<Passed> {
        let Some(running) = &mut self.running else { return std::future::pending().await };
        let ended = running.await;
        self.running = None;
        ended.unwrap_or_else(|error| Err(Error::bug("a pass over alerts broke off").because(error)))
    }
}
