//! How far a periodic signal has come, recorded in the table `signals` as Delta's application transactions.

use deltalake_core::DeltaTable;
use millpond_core::Result;

use crate::lake::Lake;

/// The table of signals.
pub(crate) const SIGNALS: &str = "signals";

/// How far a signal has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// The end of the last window, microseconds since 1970 in UTC.
    pub end_us: i64,
    /// The last of the committer's batches that it has seen.
    pub batch: i64,
}

impl State {
    /// What is recorded of a signal; `None`: it never ran.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn read(lake: &Lake, signal: &str) -> Result<Option<Self>> {
        match lake.table(SIGNALS).await? {
            Some(table) => Self::read_from(lake, &table, signal).await,
            None => Ok(None),
        }
    }

    /// The same, of the table as it was read.
    pub(super) async fn read_from(lake: &Lake, table: &DeltaTable, signal: &str) -> Result<Option<Self>> {
        let [end, batch] = applications(signal);
        let end_us = lake.mark(SIGNALS, table, &end).await?;
        let batch = lake.mark(SIGNALS, table, &batch).await?;
        Ok(end_us.map(|end_us| Self { end_us, batch: batch.unwrap_or(0) }))
    }

    /// As it is recorded.
    pub(super) fn marks(&self, signal: &str) -> [(String, i64); 2] {
        let [end, batch] = applications(signal);
        [(end, self.end_us), (batch, self.batch)]
    }
}

/// The names under which the two numbers are recorded.
fn applications(signal: &str) -> [String; 2] {
    ["end", "batch"].map(|part| format!("millpond/signal/{signal}/{part}"))
}
