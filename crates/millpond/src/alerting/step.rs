//! Steps: what alerting writes down before it does it.

use millpond_core::Result;
use millpond_core::alert::{Alert, Message, State};
use serde::{Deserialize, Serialize};

use super::tables::{self, ALERTS, DELIVERIES, Delivery};
use crate::lake::Lake;
use crate::steps::Steps;

/// Its documents. Nobody but alerting writes to its tables.
pub(super) const STEPS: Steps = Steps { folder: "_alerts/steps", name: "alerting", application: "millpond" };
/// The version of a step as it is written.
const FORMAT: u32 = 1;

/// What is known after a number of steps, and what the last of them adds to tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    format: u32,
    /// From 1.
    pub(super) number: i64,
    /// The version of the table `signals` up to which signals were taken in; `None`: from its first.
    pub(super) version: Option<u64>,
    /// The groups that may grow.
    pub(super) state: State,
    /// Messages that nobody took so far, in the order in which they were made.
    pub(super) outbox: Vec<Queued>,
    /// Rows for the table `alerts`.
    pub(super) alerts: Vec<Alert>,
    /// Rows for the table `deliveries`.
    pub(super) deliveries: Vec<Delivery>,
    /// Documents that nobody needs once this is carried out.
    pub(super) cleared: Vec<String>,
}

/// A message in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Queued {
    pub(super) message: Message,
    /// Microseconds since 1970 in UTC.
    pub(super) queued_us: i64,
}

impl Step {
    pub(super) fn first(version: Option<u64>) -> Self {
        let (state, outbox, alerts, deliveries, cleared) = Default::default();
        Self { format: FORMAT, number: 1, version, state, outbox, alerts, deliveries, cleared }
    }

    /// The step after this one, with the same outbox.
    pub(super) fn next(&self, version: Option<u64>, state: State) -> Self {
        let (number, outbox) = (self.number + 1, self.outbox.clone());
        Self { number, state, outbox, ..Self::first(version) }
    }
}

/// Adds a step's rows to the tables that do not hold them yet, and clears up what came before.
pub(super) async fn carry_out(lake: &Lake, step: &Step) -> Result<()> {
    let name = format!("step-{:020}", step.number);
    if !step.alerts.is_empty() {
        let files = tables::put_alerts(lake, &name, &step.alerts).await?;
        STEPS.commit(lake, ALERTS, &tables::alerts_schema(), files, step.number).await?;
    }
    if !step.deliveries.is_empty() {
        let files = tables::put_deliveries(lake, &name, &step.deliveries).await?;
        STEPS.commit(lake, DELIVERIES, &tables::deliveries_schema(), files, step.number).await?;
    }
    STEPS.clear_up(lake, step.number, &step.cleared).await
}
