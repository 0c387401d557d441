//! `[[hunt]]`: lists of indicators that are looked at again and again, and hunted for when they changed.
//!
//! What was hunted for is kept in the lake, `_hunts/<name>.json`, after its signals were recorded. A process that is
//! stopped between the two, and two processes at the same time, hunt twice and record once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use millpond_core::config::HuntConfig;
use millpond_core::indicator::{Indicator, IndicatorSet};
use millpond_core::units::format_count;
use millpond_core::{Error, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::signals::{About, hunt_and_record};
use super::{Columns, Hunter, Report, Request, open};
use crate::clock::Clock;
use crate::lake::Lake;
use crate::pond::Pond;

/// Files that are looked at at the same time, beside whatever else the process does.
const FILES_MAX: usize = 2;

/// Who hears what a hunt came to.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// What was hunted for.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// The list's bytes, as a hash.
    fingerprint: String,
    /// Where and how far back, as a hash: a hunt that is changed is another hunt.
    scope: String,
    /// The indicators of the list, as hashes.
    seen: BTreeSet<String>,
}

/// The hunts of a pond, run beside other work, one at a time.
pub struct HuntWatch {
    lake: Arc<Lake>,
    clock: Clock,
    /// When each list was last looked at, microseconds since 1970.
    looked: Arc<Mutex<HashMap<String, i64>>>,
    task: Option<JoinHandle<()>>,
}

impl HuntWatch {
    /// Hunts in `lake`; every list is looked at when it is first asked.
    pub fn new(lake: Arc<Lake>, clock: Clock) -> Self {
        Self { lake, clock, looked: Arc::default(), task: None }
    }

    /// Starts what is due, unless something runs still. What goes wrong is told, and tried again when it is due.
    pub fn tick(&mut self, pond: &Arc<Pond>, tell: &Tell) {
        let is_running = self.task.as_ref().is_some_and(|task| !task.is_finished());
        if is_running || pond.config.hunts.is_empty() {
            return;
        }
        let (lake, clock, looked) = (Arc::clone(&self.lake), self.clock.clone(), Arc::clone(&self.looked));
        let (pond, tell) = (Arc::clone(pond), Arc::clone(tell));
        self.task = Some(tokio::spawn(async move {
            let mut looked = looked.lock().await;
            for hunt in &pond.config.hunts {
                let now_us = clock.now_us();
                let every_us = (hunt.every_ms as i64).saturating_mul(1_000);
                if looked.get(&hunt.name).is_some_and(|last| now_us < last.saturating_add(every_us)) {
                    continue;
                }
                looked.insert(hunt.name.clone(), now_us);
                match run(&lake, &pond, hunt, now_us).await {
                    Ok(Some(text)) => tell(&text),
                    Ok(None) => {}
                    Err(error) => tell(&format!("hunt `{}`: {}", hunt.name, error.report())),
                }
            }
        }));
    }
}

impl Drop for HuntWatch {
    fn drop(&mut self) {
        self.task.iter().for_each(JoinHandle::abort);
    }
}

/// Hunts for what is new in a list; `None`: nothing is.
async fn run(lake: &Lake, pond: &Pond, hunt: &HuntConfig, now_us: i64) -> Result<Option<String>> {
    let list = open(&hunt.iocs, &pond.root).await?;
    let scope = blake3::hash(format!("{}\0{}", hunt.since_ms, hunt.tables.join("\0")).as_bytes()).to_hex().to_string();
    let before = read_state(lake, &hunt.name).await?.filter(|state| state.scope == scope).unwrap_or_default();
    if before.fingerprint == list.fingerprint {
        return Ok(None);
    }
    let all = list.feed.taken.iter().map(|listed| &listed.indicator);
    let seen: BTreeSet<String> = all.clone().map(hash).collect();
    let new = all.filter(|indicator| !before.seen.contains(&hash(indicator))).cloned();
    let indicators = IndicatorSet::new(new, false);
    let state = State { fingerprint: list.fingerprint.clone(), scope, seen };
    let count = indicators.indicators().len() as u64;
    let mut text = None;
    if count > 0 {
        let request = Request {
            indicators: Arc::new(indicators),
            tables: hunt.tables.clone(),
            columns: Columns::Text,
            since_us: Some(now_us.saturating_sub((hunt.since_ms as i64).saturating_mul(1_000))),
            until_us: None,
            files_max: FILES_MAX,
        };
        let about = About { notes: list.notes(), hunt: Some(hunt.name.clone()), now_us };
        let (report, signals) = hunt_and_record(lake, &pond.sources, &request, &about, &mut Silent).await?;
        text = Some(told(hunt, &report, count, signals, list.feed.refused.len() as u64));
    }
    write_state(lake, &hunt.name, &state).await?;
    Ok(text)
}

fn told(hunt: &HuntConfig, report: &Report, count: u64, signals: u64, refused: u64) -> String {
    let refused = match refused {
        0 => String::new(),
        refused => format!(", {} entries of the list not taken", format_count(refused)),
    };
    format!(
        "hunt `{}`: {} of {} new indicators found, {} signals; {} of {} files skipped{refused}",
        hunt.name,
        format_count(report.found),
        format_count(count),
        format_count(signals),
        format_count(report.tally.files_skipped()),
        format_count(report.tally.files),
    )
}

/// Nobody watches a hunt in the background.
struct Silent;

impl Hunter for Silent {
    fn looked(&mut self, _: &Report, _: u64) {}
}

/// An indicator in 16 hexadecimal digits.
fn hash(indicator: &Indicator) -> String {
    let text = format!("{}\0{}", indicator.kind().name(), indicator.value());
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

fn path(name: &str) -> Path {
    Path::from(format!("_hunts/{name}.json"))
}

async fn read_state(lake: &Lake, name: &str) -> Result<Option<State>> {
    let path = path(name);
    let failed = |error| Error::transient(format!("failed to read `{path}`")).because(error);
    let bytes = match lake.store.get(&path).await {
        Ok(found) => found.bytes().await.map_err(failed)?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    // What cannot be read was written by another version: the list is hunted for again, and nothing is recorded twice.
    Ok(serde_json::from_slice(&bytes).ok())
}

async fn write_state(lake: &Lake, name: &str, state: &State) -> Result<()> {
    let path = path(name);
    let bytes = serde_json::to_vec(state).map_err(|error| Error::bug("failed to write JSON").because(error))?;
    let put = lake.store.put(&path, bytes.into()).await;
    put.map(|_| ()).map_err(|error| Error::transient(format!("failed to put `{path}`")).because(error))
}
