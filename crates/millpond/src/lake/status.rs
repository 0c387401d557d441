//! How a table stands: its files, rows and days, and what a compaction would take.

use std::collections::BTreeSet;

use millpond_core::Result;
use serde::Serialize;

use super::{Commit, Lake, files_of};
use crate::compaction::{Layout, planned};

/// How a table stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The table.
    pub table: String,
    /// Its version.
    pub version: u64,
    /// Files of that version.
    pub files: usize,
    /// Rows of these files.
    pub rows: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Bytes of the smallest file.
    pub smallest_bytes: u64,
    /// Half of the files have at most so many bytes.
    pub median_bytes: u64,
    /// Bytes of the largest file.
    pub largest_bytes: u64,
    /// Days with rows.
    pub days: usize,
    /// The first day, `YYYY-MM-DD`.
    pub first_day: Option<String>,
    /// The last day.
    pub last_day: Option<String>,
    /// Files that a compaction would take.
    pub files_to_compact: usize,
    /// Their bytes.
    pub bytes_to_compact: u64,
    /// The last commit, as far as the log tells.
    pub last_commit: Option<Commit>,
    /// The last batch that the table holds; 0: none.
    pub last_batch: i64,
}

impl Lake {
    /// How a table stands; `None`: it does not exist. `now_us` is microseconds since 1970 in UTC.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn status(&self, name: &str, layout: &Layout, now_us: i64) -> Result<Option<Status>> {
        let Some(table) = self.table(name).await? else { return Ok(None) };
        let files = files_of(name, &table)?;
        let mut sizes: Vec<u64> = files.iter().map(|file| file.bytes).collect();
        sizes.sort_unstable();
        let days: BTreeSet<&str> = files.iter().map(|file| file.day.as_str()).collect();
        let groups = planned(name, &table, layout, now_us)?;
        Ok(Some(Status {
            table: name.to_owned(),
            version: table.version().unwrap_or_default(),
            files: files.len(),
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: sizes.iter().sum(),
            smallest_bytes: sizes.first().copied().unwrap_or(0),
            median_bytes: sizes.get(sizes.len() / 2).copied().unwrap_or(0),
            largest_bytes: sizes.last().copied().unwrap_or(0),
            days: days.len(),
            first_day: days.first().map(|day| (*day).to_owned()),
            last_day: days.last().map(|day| (*day).to_owned()),
            files_to_compact: groups.iter().map(|group| group.files.len()).sum(),
            bytes_to_compact: groups.iter().map(|group| group.bytes()).sum(),
            last_commit: self.history(name, 1).await?.pop(),
            last_batch: self.batch_of(name, &table).await?,
        }))
    }
}
