//! What a function does beside committing: correlations, signals over the lake, alerts. Each goes on where the last call
//! stopped, whichever function that was.

use std::sync::Arc;

use millpond::alerting::{Alerter, Surroundings};
use millpond::correlating::Correlating;
use millpond::pipeline::Node;
use millpond::signals::{Choice, Run, Runner};
use millpond_core::{Error, Result};

/// What runs after each commit.
#[derive(Debug)]
pub(crate) struct Beside {
    node: Arc<Node>,
    correlating: Correlating,
    runner: Runner,
    /// When the next window of a signal falls due, microseconds since 1970.
    next_due_us: i64,
    /// `None`: the pond has no alerts.
    alerter: Option<Alerter>,
}

impl Beside {
    /// What is to be done for this pond.
    ///
    /// # Errors
    /// When no connections can be made at all.
    pub(crate) fn new(node: &Arc<Node>) -> Result<Self> {
        let lake = || Arc::clone(&node.lake);
        let alerter = match node.pond.config.alerting.policies.is_empty() {
            true => None,
            false => Some(Alerter::new(lake(), &node.pond.root, Surroundings::system(print))?),
        };
        Ok(Self {
            correlating: Correlating::new(lake(), node.clock.clone()),
            runner: Runner::new(lake(), Arc::clone(&node.pond), node.clock.clone()),
            next_due_us: 0,
            alerter,
            node: Arc::clone(node),
        })
    }

    /// Correlations and alerts begin with what is committed from now on.
    ///
    /// # Errors
    /// When the lake does not answer.
    pub(crate) async fn begin(&self) -> Result<()> {
        if self.node.pond.correlations.is_some() {
            self.correlating.begin(false).await?;
        }
        match &self.alerter {
            Some(alerter) => alerter.begin(false).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Does what is due. What goes wrong is logged and keeps nothing else from being done; the next call goes on.
    pub(crate) async fn pass(&mut self) {
        if let Some(correlations) = &self.node.pond.correlations {
            log(self.correlating.pass(correlations).await.map(|passed| passed.lines()));
        }
        if self.next_due_us <= self.node.clock.now_us() {
            let mut tell = |run: &Run| run.note().iter().for_each(|line| tracing::info!("{line}"));
            match self.runner.run_due(&Choice::default(), &mut tell).await {
                Ok(total) => self.next_due_us = total.next_due_us.unwrap_or(i64::MAX),
                Err(error) => warn(&error),
            }
        }
        if let Some(alerter) = &self.alerter {
            log(alerter.pass(&self.node.pond.config).await.map(|passed| passed.lines()));
        }
    }
}

/// What a destination `stdout` prints goes to the function's log.
fn print(line: &str) -> Result<()> {
    tracing::info!("{line}");
    Ok(())
}

fn log(lines: Result<Vec<String>>) {
    match lines {
        Ok(lines) => lines.iter().for_each(|line| tracing::info!("{line}")),
        Err(error) => warn(&error),
    }
}

fn warn(error: &Error) {
    tracing::warn!("{}", error.report());
}
