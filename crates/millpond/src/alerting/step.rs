//! Steps: what alerting writes down before it does it.

use millpond_core::alert::{Alert, Message, State};
use millpond_core::{Error, Kind, Result};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::TRIES_MAX;
use super::tables::{self, ALERTS, DELIVERIES, Delivery};
use crate::committer::documents::{delete, list, put_new, read_json};
use crate::lake::{Change, Lake, LakeFile};

const STEPS: &str = "_alerts/steps";
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

fn path(number: i64) -> Path {
    Path::from(format!("{STEPS}/{number:020}.json"))
}

/// The numbers of the steps that lie there: one, and those that nobody has cleared up yet.
async fn numbers(lake: &Lake) -> Result<Vec<i64>> {
    let listed = list(lake, STEPS, None, usize::MAX, u64::MAX).await?;
    let number = |path: &Path| path.filename()?.strip_suffix(".json")?.parse().ok();
    Ok(listed.iter().filter_map(|listed| number(&listed.path)).collect())
}

/// The number of the newest step; 0: there is none.
pub(super) async fn newest_number(lake: &Lake) -> Result<i64> {
    Ok(numbers(lake).await?.into_iter().max().unwrap_or(0))
}

/// The newest step, if there is one.
pub(super) async fn newest(lake: &Lake) -> Result<Option<Step>> {
    for _ in 0..TRIES_MAX {
        let number = newest_number(lake).await?;
        if number == 0 {
            return Ok(None);
        }
        // One that is gone was followed by another.
        if let Some(step) = read_json(lake, &path(number)).await? {
            return Ok(Some(step));
        }
    }
    Err(Error::conflict("the steps of alerting change faster than they can be read"))
}

/// Writes a step down; says whether it is the one that counts.
pub(super) async fn put(lake: &Lake, step: &Step) -> Result<bool> {
    if !put_new(lake, &path(step.number), step).await? {
        return Ok(false);
    }
    // A process that was slow may write down a step that is long cleared up.
    if newest_number(lake).await? > step.number {
        delete(lake, &[path(step.number)]).await?;
        return Ok(false);
    }
    Ok(true)
}

/// Adds a step's rows to the tables that do not hold them yet, and clears up what came before.
pub(super) async fn carry_out(lake: &Lake, step: &Step) -> Result<()> {
    let name = format!("step-{:020}", step.number);
    if !step.alerts.is_empty() {
        let files = tables::put_alerts(lake, &name, &step.alerts).await?;
        commit(lake, ALERTS, &tables::alerts_schema(), files, step.number).await?;
    }
    if !step.deliveries.is_empty() {
        let files = tables::put_deliveries(lake, &name, &step.deliveries).await?;
        commit(lake, DELIVERIES, &tables::deliveries_schema(), files, step.number).await?;
    }
    let mut over: Vec<Path> = step.cleared.iter().map(|path| Path::from(path.as_str())).collect();
    over.extend(numbers(lake).await?.into_iter().filter(|number| *number < step.number).map(path));
    delete(lake, &over).await
}

async fn commit(
    lake: &Lake,
    table: &str,
    schema: &arrow::datatypes::Schema,
    adds: Vec<LakeFile>,
    number: i64,
) -> Result<()> {
    let change = Change { adds, removes: Vec::new() };
    let mut conflicts = 0;
    loop {
        let committed = async {
            let opened = lake.table_for(table, schema).await?;
            lake.commit(table, &opened, &change, number).await
        };
        match committed.await {
            Err(error) if error.kind() == Kind::Conflict && conflicts < TRIES_MAX => conflicts += 1,
            other => return other,
        }
    }
}
