//! Maintenance: what keeps a lake in shape while somebody commits to it, when the pond says how often
//! (`[lake]` `compact_every`).
//!
//! It runs beside the commits and never holds them up: a compaction that meets another writer looks again, and so does a
//! commit. Any number of processes may do it at once: whoever comes second finds nothing left to do.

use std::sync::Arc;

use futures::FutureExt;
use millpond_core::Result;
use millpond_core::config::PondConfig;
use millpond_core::source::Source;
use millpond_core::units::{format_bytes, format_count};
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::compaction::{Layout, compact};
use crate::expire::expire;
use crate::lake::Lake;
use crate::vacuum::{RETENTION_MS, vacuum};

const US_PER_DAY: i64 = 86_400_000_000;

/// The maintenance of one lake, done by a process that runs for long.
pub struct Maintenance {
    lake: Arc<Lake>,
    clock: Clock,
    /// When it is due, microseconds since 1970 in UTC.
    due_us: i64,
    /// The day, since 1970, on which rows and files were last removed.
    removed_day: Option<i64>,
    /// What it did, in words; while it runs.
    running: Option<JoinHandle<Vec<String>>>,
}

/// What is to be done to a lake.
struct Round {
    lake: Arc<Lake>,
    sources: Vec<Source>,
    retention_days: Vec<(String, u64)>,
    /// Whether rows that are too old go, and files that nobody names: once a day, because it looks at every file.
    removes: bool,
    now_us: i64,
}

impl Maintenance {
    /// Due at once: a lake that was left alone is looked after first.
    pub fn new(lake: Arc<Lake>, clock: Clock) -> Self {
        Self { lake, clock, due_us: i64::MIN, removed_day: None, running: None }
    }

    /// Begins another round if one is due and none runs; gives what the last one did, in words, once it is over. To be
    /// called every now and then, in a runtime.
    pub fn tick(&mut self, config: &PondConfig, sources: &[Source]) -> Vec<String> {
        let done = self.take_done();
        let now_us = self.clock.now_us();
        let Some(every_ms) = config.compact_every_ms else { return done };
        if self.running.is_some() || now_us < self.due_us {
            return done;
        }
        let today = now_us.div_euclid(US_PER_DAY);
        let round = Round {
            lake: Arc::clone(&self.lake),
            sources: sources.to_vec(),
            retention_days: config.retention_days.clone(),
            removes: self.removed_day.replace(today) != Some(today),
            now_us,
        };
        let runtime = tokio::runtime::Handle::current();
        // Rows are sorted and encoded, so it wants a thread of its own.
        self.running = Some(tokio::task::spawn_blocking(move || runtime.block_on(round.run())));
        self.due_us = now_us.saturating_add_unsigned(every_ms.saturating_mul(1_000));
        done
    }

    /// Whether a round is on its way, or over and not told of.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// What the round did that ended since the last call.
    fn take_done(&mut self) -> Vec<String> {
        let Some(ended) = self.running.as_mut().and_then(|running| running.now_or_never()) else { return Vec::new() };
        self.running = None;
        ended.unwrap_or_else(|error| vec![format!("the maintenance of the lake broke off: {error}")])
    }
}

impl std::fmt::Debug for Maintenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maintenance").field("due_us", &self.due_us).finish_non_exhaustive()
    }
}

impl Round {
    /// Looks after every table; what cannot be done to one is told, and the others go on.
    async fn run(self) -> Vec<String> {
        let mut told = Vec::new();
        match self.lake.tables().await {
            Ok(tables) => {
                for table in tables {
                    self.keep(&table, &mut told).await;
                }
            }
            Err(error) => told.push(error.report()),
        }
        told
    }

    async fn keep(&self, table: &str, told: &mut Vec<String>) {
        let mut note = |done: Result<Option<String>>| told.extend(done.unwrap_or_else(|error| Some(error.report())));
        note(self.compact(table).await);
        if self.removes {
            note(self.expire(table).await);
            note(self.vacuum(table).await);
        }
    }

    async fn compact(&self, table: &str) -> Result<Option<String>> {
        let done = compact(&self.lake, table, &Layout::of(table, &self.sources), self.now_us).await?;
        Ok(done.filter(|done| done.commits > 0).map(|done| {
            format!(
                "compacted `{table}`: {} files of {} are now {} of {}",
                format_count(done.files_before),
                format_bytes(done.bytes_before),
                format_count(done.files_after),
                format_bytes(done.bytes_after)
            )
        }))
    }

    async fn expire(&self, table: &str) -> Result<Option<String>> {
        let Some((_, keep_days)) = self.retention_days.iter().find(|(name, _)| name == table) else { return Ok(None) };
        let done = expire(&self.lake, table, *keep_days, false, self.now_us).await?;
        Ok(done.filter(|done| done.files > 0).map(|done| {
            let rows = format_count(done.rows);
            format!("expired `{table}`: {rows} rows of {} days before {} are out", done.days.len(), done.first_kept)
        }))
    }

    async fn vacuum(&self, table: &str) -> Result<Option<String>> {
        let done = vacuum(&self.lake, table, RETENTION_MS, false, self.now_us).await?;
        Ok(done.filter(|done| !done.files.is_empty()).map(|done| {
            let (files, bytes) = (format_count(done.files.len() as u64), format_bytes(done.bytes()));
            format!("vacuumed `{table}`: {files} files of {bytes} removed")
        }))
    }
}
