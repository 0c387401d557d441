//! What was committed to a table, newest first.

use deltalake_core::DeltaTableError;
use deltalake_core::kernel::{Action, CommitInfo};
use deltalake_core::logstore::get_actions;
use millpond_core::{Error, Result};
use serde::Serialize;

use super::Lake;

/// One commit to a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Commit {
    /// The table's version that it made.
    pub version: u64,
    /// Milliseconds since 1970 in UTC.
    pub time_ms: Option<i64>,
    /// In Delta's words, such as `WRITE`, `OPTIMIZE`, `DELETE`.
    pub operation: String,
    /// The committer's batch, of a commit that carried out one.
    pub batch: Option<i64>,
    /// Files that came in.
    pub files_added: u64,
    /// Files that went out.
    pub files_removed: u64,
    /// Rows of the files that came in, from their statistics.
    pub rows_added: u64,
    /// Bytes of the files that came in.
    pub bytes_added: u64,
}

impl Lake {
    /// The newest commits of a table, at most `limit`, as far as its log reaches back.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn history(&self, name: &str, limit: usize) -> Result<Vec<Commit>> {
        let failed = |error: DeltaTableError| Error::transient(format!("failed to read table `{name}`")).because(error);
        let Some(newest) = self.version(name).await? else { return Ok(Vec::new()) };
        let log = self.log_store(name)?;
        let mut commits = Vec::new();
        for version in (0..=newest).rev().take(limit) {
            // Older commits are in a checkpoint, and their files were cleaned up.
            let Some(bytes) = log.read_commit_entry(version as _).await.map_err(failed)? else { break };
            commits.push(read(version, get_actions(version as _, &bytes).map_err(failed)?));
        }
        Ok(commits)
    }
}

fn read(version: u64, actions: Vec<Action>) -> Commit {
    let mut commit = Commit {
        version,
        time_ms: None,
        operation: String::new(),
        batch: None,
        files_added: 0,
        files_removed: 0,
        rows_added: 0,
        bytes_added: 0,
    };
    for action in actions {
        match action {
            Action::Add(add) => {
                commit.files_added += 1;
                commit.bytes_added += add.size.max(0) as u64;
                commit.rows_added += add.stats.as_deref().map_or(0, rows);
            }
            Action::Remove(_) => commit.files_removed += 1,
            Action::CommitInfo(CommitInfo { timestamp, operation, info, .. }) => {
                commit.time_ms = timestamp;
                commit.operation = operation.unwrap_or_default();
                commit.batch = info.get("batch").and_then(serde_json::Value::as_i64);
            }
            _ => {}
        }
    }
    commit
}

fn rows(statistics: &str) -> u64 {
    let statistics: Option<serde_json::Value> = serde_json::from_str(statistics).ok();
    statistics.and_then(|statistics| statistics["numRecords"].as_u64()).unwrap_or(0)
}
