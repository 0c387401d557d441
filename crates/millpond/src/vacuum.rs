//! Vacuum: files that no version within the retention names leave the store, and with them what was erased, expired,
//! compacted or left by jobs that were interrupted.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::Duration;
use deltalake_core::operations::vacuum::{Clock, VacuumMode};
use futures::TryStreamExt;
use millpond_core::{Error, Result};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::{Entry, record};
use crate::committer::documents::delete;
use crate::lake::Lake;

/// How long files stay that a version names, unless told otherwise: longer than any query, and long enough to look at
/// how a table was last week.
pub const RETENTION_MS: u64 = 7 * MS_PER_DAY;
/// Readers and jobs that still run may need younger files.
pub const RETENTION_MS_MIN: u64 = MS_PER_DAY;
/// Delta's log remembers for so long which files were removed (`delta.deletedFileRetentionDuration`); beyond it, one
/// that an old version names looks like one that was left behind.
const RETENTION_MS_MAX: u64 = 7 * MS_PER_DAY;
const MS_PER_DAY: u64 = 86_400_000;

/// What a vacuum removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Vacuumed {
    /// Files, by their path below the table, with their bytes.
    pub files: BTreeMap<String, u64>,
}

impl Vacuumed {
    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.values().sum()
    }
}

/// Makes sure that a retention keeps what somebody may be using.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when it is too short, unless `allow_short`, or too long.
pub fn check_retention(retention_ms: u64, allow_short: bool) -> Result<()> {
    if retention_ms < RETENTION_MS_MIN && !allow_short {
        return Err(Error::bad_config("a retention below a day removes files that queries and jobs may be using")
            .hint("stop all of them first, then say `--allow-short`"));
    }
    if retention_ms > RETENTION_MS_MAX {
        return Err(Error::bad_config("a table remembers for 7 days which of its files were removed")
            .hint("choose a retention of at most `7d`, or call vacuum less often"));
    }
    Ok(())
}

/// Removes what no version of a table within the retention names and no job has handed over; with `is_dry_run` only
/// tells. `None`: the table does not exist. `now_us` is microseconds since 1970.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not answer: what was removed is removed;
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) when a document of the committer cannot be read: nothing is removed.
pub async fn vacuum(
    lake: &Lake,
    name: &str,
    retention_ms: u64,
    is_dry_run: bool,
    now_us: i64,
) -> Result<Option<Vacuumed>> {
    // Looked at first: what is committed from now on is in the version that is read next, or young.
    let handed_over = handed_over(lake).await?;
    let Some(table) = lake.table(name).await? else { return Ok(None) };
    let version = table.version();
    let planned = table
        .vacuum()
        .with_mode(VacuumMode::Full)
        .with_retention_period(Duration::milliseconds(retention_ms as i64))
        .with_enforce_retention_duration(false)
        .with_clock(Arc::new(Now(now_us / 1_000)))
        .with_dry_run(true)
        .await;
    let (_, planned) =
        planned.map_err(|error| Error::transient(format!("failed to look through table `{name}`")).because(error))?;
    let stored = stored_files(lake, name, now_us / 1_000 - retention_ms as i64).await?;
    let files = planned.files_deleted.into_iter().filter(|path| !handed_over.contains(path));
    let files = files.filter_map(|path| stored.get(&path).map(|bytes| (path, *bytes))).collect();
    let done = Vacuumed { files };
    if is_dry_run || done.files.is_empty() {
        return Ok(Some(done));
    }
    let paths: Vec<Path> = done.files.keys().map(|path| Path::from(format!("{name}/{path}"))).collect();
    delete(lake, &paths).await?;
    let entry = Entry {
        time_us: now_us,
        action: "vacuum".to_owned(),
        table: name.to_owned(),
        detail: json!({ "retention_ms": retention_ms }).to_string(),
        files: done.files.len() as u64,
        bytes: done.bytes(),
        version_before: version,
        version_after: version,
        ..Entry::default()
    };
    record(lake, entry).await?;
    Ok(Some(done))
}

/// What time it is, for Delta.
#[derive(Debug)]
struct Now(i64);

impl Clock for Now {
    fn current_timestamp_millis(&self) -> i64 {
        self.0
    }
}

/// Every file below a table that was written before a time, with its bytes. A try of a job may just have put one again
/// that another try left.
async fn stored_files(lake: &Lake, name: &str, before_ms: i64) -> Result<BTreeMap<String, u64>> {
    let failed = |error| Error::transient(format!("failed to list table `{name}`")).because(error);
    let folder = Path::from(name);
    let listed: Vec<_> = lake.store.list(Some(&folder)).try_collect().await.map_err(failed)?;
    let old = listed.into_iter().filter(|meta| meta.last_modified.timestamp_millis() < before_ms);
    let below = |path: &Path| path.as_ref().strip_prefix(name).map(|path| path.trim_start_matches('/').to_owned());
    Ok(old.filter_map(|meta| Some((below(&meta.location)?, meta.size))).collect())
}

/// Paths that the committer's documents name: pending commits, batches and whatever else lies in folders that begin with
/// `_`. No table names these files yet.
async fn handed_over(lake: &Lake) -> Result<HashSet<String>> {
    let failed = |error| Error::transient("failed to look at what jobs handed over").because(error);
    let mut paths = HashSet::new();
    let folders = lake.store.list_with_delimiter(None).await.map_err(failed)?.common_prefixes;
    for folder in folders.iter().filter(|folder| folder.filename().is_some_and(|name| name.starts_with('_'))) {
        let listed: Vec<_> = lake.store.list(Some(folder)).try_collect().await.map_err(failed)?;
        for document in listed.iter().filter(|document| document.location.extension() == Some("json")) {
            let bytes = match lake.store.get(&document.location).await {
                Ok(found) => found.bytes().await.map_err(failed)?,
                // It was committed meanwhile: the table has its files.
                Err(object_store::Error::NotFound { .. }) => continue,
                Err(error) => return Err(failed(error)),
            };
            collect_paths(&parse(&document.location, &bytes)?, &mut paths);
        }
    }
    Ok(paths)
}

fn parse(path: &Path, bytes: &Bytes) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::bad_input(format!("`{path}` in the lake is not what millpond wrote, and may name files"))
            .because(error)
            .hint("was it written by a newer version?")
    })
}

/// Every text called `path`, wherever it stands.
fn collect_paths(value: &Value, paths: &mut HashSet<String>) {
    match value {
        Value::Object(members) => {
            paths.extend(members.get("path").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| collect_paths(value, paths));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_paths(value, paths)),
        _ => {}
    }
}
