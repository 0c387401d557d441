//! Compaction: many small files of a table become few large ones with the same rows, sorted and made to be read.
//!
//! Any number of processes may compact a lake while a committer adds to it. A commit names the files that it replaces; it
//! fails when one of them is gone, and the table is planned again. What a compaction wrote and did not commit is named by
//! no table, and vacuum removes it.

pub mod plan;

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::config::SpillCompression;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder, TaskContext};
use datafusion::logical_expr::col;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionContext;
use deltalake_core::DeltaTable;
use futures::StreamExt;
use futures::stream::BoxStream;
use millpond_core::lane::SPILL_BYTES;
use millpond_core::source::Source;
use millpond_core::{Error, Kind, Result};
use millpond_engine::encode::{DAY_COLUMN, Finish, Origin, TableWriter};
use millpond_engine::session;
use serde::Serialize;

use crate::lake::{Change, Lake, LakeFile, Rewrite, arrow_schema, files_of};
use crate::put::{day_number, day_text, put_file};
use crate::rewrite::{Tally, read_files, tally_file};
use plan::{Group, plan};

/// Memory of a sort: what does not fit is spilled to the temporary folder.
const SORT_BYTES: u64 = 256 << 20;
/// Rows that travel together: few, because rows may be wide, such as the raw records of `quarantine`.
const BATCH_ROWS: usize = 1_024;
/// Conflicts in a row before a table is left for the next call.
const CONFLICTS_MAX: u32 = 5;
/// A day gets its rows until this long after midnight, microseconds: objects of its last minutes land then.
const CLOSED_AFTER_US: i64 = 15 * 60 * 1_000_000;
const US_PER_DAY: i64 = 86_400_000_000;

/// How a table's files are laid out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Columns by which rows are sorted; those that the table lacks are passed over.
    pub sort: Vec<String>,
    /// Columns with bloom filters.
    pub indicators: Vec<String>,
}

impl Layout {
    /// The layout of a table: millpond's own are known, others are as their sources say. Where several sources write to
    /// one table, the first that says how to sort decides, and the indicators of all count.
    pub fn of(table: &str, sources: &[Source]) -> Self {
        let own = |sort: &[&str], indicators: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Self { sort: owned(sort), indicators: owned(indicators) }
        };
        match table {
            "receipts" => own(&["object_modified", "object"], &["job_id", "object", "fingerprint"]),
            "signals" => own(&["time", "entity"], &["entity"]),
            "quarantine" => own(&["source", "object", "row"], &[]),
            "audit" => own(&["time"], &[]),
            _ => {
                let writers = || sources.iter().filter(|source| source.table == table);
                let sorted = writers().find(|source| !source.sort.is_empty()).map(|source| source.sort.clone());
                let sort = sorted.or_else(|| writers().find_map(|source| source.time.clone()).map(|time| vec![time]));
                let mut indicators: Vec<String> = writers().flat_map(Source::indicators).collect();
                indicators.sort();
                indicators.dedup();
                Self { sort: sort.unwrap_or_default(), indicators }
            }
        }
    }
}

/// What a compaction did to a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Commits: one for each group of files.
    pub commits: u64,
    /// Files that went.
    pub files_before: u64,
    /// Files that came in their place.
    pub files_after: u64,
    /// Bytes of the files that went.
    pub bytes_before: u64,
    /// Bytes of the files that came.
    pub bytes_after: u64,
    /// Rows that were written again.
    pub rows: u64,
    /// The version before the first commit.
    pub version_before: u64,
    /// The version of the last commit, or the one before.
    pub version_after: u64,
}

/// The first day that still gets rows, as partitions are written.
pub fn open_from(now_us: i64) -> String {
    day_text((now_us - CLOSED_AFTER_US).div_euclid(US_PER_DAY) as i32)
}

/// Compacts one table as far as it is worth while; `None`: it does not exist. `now_us` is microseconds since 1970.
///
/// # Errors
/// [`Kind::Conflict`] when others replaced the same files again and again, [`Kind::Transient`] when the store does not
/// answer, [`Kind::Bug`] when what was written does not hold the same rows; in each case what was committed before holds,
/// and nothing else changed.
pub async fn compact(lake: &Lake, name: &str, layout: &Layout, now_us: i64) -> Result<Option<Compacted>> {
    let open_from = open_from(now_us);
    let mut done = Compacted::default();
    let mut conflicts = 0;
    'planned: loop {
        let Some((table, files)) = lake.files(name).await? else { return Ok(None) };
        if done.commits == 0 {
            (done.version_before, done.version_after) = (version(&table), version(&table));
        }
        for group in plan(&files, &open_from, layout.sort.first().map(String::as_str)) {
            match compact_group(lake, name, &table, &group, layout).await {
                Ok((files, version)) => {
                    done.add(&group, &files, version);
                    conflicts = 0;
                }
                // Another writer replaced some of the files: what is worth while has changed.
                Err(error) if error.kind() == Kind::Conflict && conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    continue 'planned;
                }
                Err(error) => return Err(error),
            }
        }
        return Ok(Some(done));
    }
}

/// What a compaction of a table would take, as it stands.
///
/// # Errors
/// [`Kind::Transient`] when the table's log cannot be read.
pub fn planned(name: &str, table: &DeltaTable, layout: &Layout, now_us: i64) -> Result<Vec<Group>> {
    Ok(plan(&files_of(name, table)?, &open_from(now_us), layout.sort.first().map(String::as_str)))
}

fn version(table: &DeltaTable) -> u64 {
    table.version().unwrap_or_default()
}

impl Compacted {
    fn add(&mut self, group: &Group, files: &[LakeFile], version: u64) {
        self.commits += 1;
        self.files_before += group.files.len() as u64;
        self.files_after += files.len() as u64;
        self.bytes_before += group.bytes();
        self.bytes_after += files.iter().map(|file| file.bytes).sum::<u64>();
        self.rows += files.iter().map(|file| file.rows).sum::<u64>();
        self.version_after = version;
    }
}

/// Writes the rows of a group to one file, makes sure that they are all there, and commits.
async fn compact_group(
    lake: &Lake,
    name: &str,
    table: &DeltaTable,
    group: &Group,
    layout: &Layout,
) -> Result<(Vec<LakeFile>, u64)> {
    let schema = file_schema(name, table)?;
    let read = Arc::new(Mutex::new(Tally::default()));
    let rows = counted(read_files(lake, name, group.files.clone(), &schema), Arc::clone(&read));
    let rows = sort(rows, &schema, &layout.sort).await?;
    let finish = Finish::Compacted { indicators: layout.indicators.clone() };
    let adds = write_day(lake, name, &schema, rows, finish, (&group.day, &group_name(group))).await?;
    let read = *read.lock().unwrap_or_else(PoisonError::into_inner);
    verify(lake, name, &schema, read, &adds).await?;
    if group.files.iter().all(|file| !file.statistics.is_empty()) && group.rows() != read.rows {
        return Err(Error::bug(format!(
            "`{name}` of {} should hold {} rows and holds {}: it is left as it is",
            group.day,
            group.rows(),
            read.rows
        )));
    }
    let change = Change { adds, removes: group.files.clone() };
    let rewrite = Rewrite::Compact { target_bytes: group.target_bytes };
    let version = lake.replace(name, table, &change, &rewrite).await?;
    Ok((change.adds, version))
}

/// The columns of a table's files: all but the partition.
pub(crate) fn file_schema(name: &str, table: &DeltaTable) -> Result<SchemaRef> {
    let schema = arrow_schema(name, table)?;
    let fields = schema.fields().iter().filter(|field| field.name() != DAY_COLUMN).cloned();
    Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
}

/// What a group's file is called: it follows from the files that it replaces.
fn group_name(group: &Group) -> String {
    let mut hash = blake3::Hasher::new();
    group.files.iter().for_each(|file| {
        hash.update(file.path.as_bytes());
    });
    format!("compact-{}", &hash.finalize().to_hex()[..16])
}

/// Passes rows on and counts them.
fn counted(
    rows: BoxStream<'static, Result<RecordBatch>>,
    tally: Arc<Mutex<Tally>>,
) -> BoxStream<'static, Result<RecordBatch>> {
    let count = move |rows: Result<RecordBatch>| {
        let rows = rows?;
        tally.lock().unwrap_or_else(PoisonError::into_inner).add(&rows)?;
        Ok(rows)
    };
    rows.map(count).boxed()
}

/// Writes rows of one day as the file `name`.
pub(crate) async fn write_day(
    lake: &Lake,
    table: &str,
    schema: &SchemaRef,
    mut rows: BoxStream<'static, Result<RecordBatch>>,
    finish: Finish,
    (day, name): (&str, &str),
) -> Result<Vec<LakeFile>> {
    let mut writer = TableWriter::rewriter(schema, finish);
    let origin = Origin { job: None, day: day_number(day)? };
    while let Some(rows) = rows.next().await {
        writer.write(&rows?, &origin)?;
    }
    let mut files = Vec::new();
    for file in writer.finish()? {
        files.push(put_file(lake, table, name, file).await?);
    }
    Ok(files)
}

/// Makes sure that files, as they lie in the store, hold exactly the rows that were counted.
///
/// # Errors
/// [`Kind::Bug`] when they do not.
pub(crate) async fn verify(
    lake: &Lake,
    name: &str,
    schema: &SchemaRef,
    expected: Tally,
    files: &[LakeFile],
) -> Result<()> {
    let mut written = Tally::default();
    for file in files {
        written.join(tally_file(lake, name, file, schema).await?);
    }
    if written == expected {
        return Ok(());
    }
    let message = format!(
        "`{name}` was not written again with the same rows: {} went in and {} came out",
        expected.rows, written.rows
    );
    Err(Error::bug(message).hint("nothing was changed; please report it"))
}

/// Rows in the order of these columns, as far as the table has them. Sorts in bounded memory.
async fn sort(
    rows: BoxStream<'static, Result<RecordBatch>>,
    schema: &SchemaRef,
    columns: &[String],
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let is_sortable = |name: &&String| schema.field_with_name(name).is_ok_and(|field| !field.data_type().is_nested());
    let order: Vec<_> = columns.iter().filter(is_sortable).map(|name| col(quoted(name)).sort(true, false)).collect();
    if order.is_empty() {
        return Ok(rows);
    }
    let failed = |error| session::engine_error("failed to sort a table's rows", error);
    let mut config = session::config(1, BATCH_ROWS);
    config.options_mut().execution.spill_compression = SpillCompression::Lz4Frame;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(session::runtime(SORT_BYTES, SPILL_BYTES)?)
        .with_default_features()
        .build();
    let once = Once { schema: Arc::clone(schema), rows: Mutex::new(Some(rows)) };
    let table = StreamingTable::try_new(Arc::clone(schema), vec![Arc::new(once)]).map_err(failed)?;
    let frame = SessionContext::new_with_state(state).read_table(Arc::new(table)).map_err(failed)?;
    let sorted = frame.sort(order).map_err(failed)?.execute_stream().await.map_err(failed)?;
    Ok(sorted.map(move |rows| rows.map_err(failed)).boxed())
}

/// A column's name as it is, whatever its letters and points.
fn quoted(name: &str) -> datafusion::common::Column {
    datafusion::common::Column::new_unqualified(name)
}

/// Rows that are read once.
struct Once {
    schema: SchemaRef,
    rows: Mutex<Option<BoxStream<'static, Result<RecordBatch>>>>,
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rows = rows
            .unwrap_or_else(|| futures::stream::iter([Err(Error::bug("the rows of a sort are read twice"))]).boxed());
        let rows = rows.map(|rows| rows.map_err(|error| DataFusionError::External(Box::new(error))));
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_over_a_quarter_of_an_hour_after_midnight() {
        let at = |time: &str| open_from(chrono::DateTime::parse_from_rfc3339(time).expect("time").timestamp_micros());
        assert_eq!(at("2026-03-02T00:14:59Z"), "2026-03-01");
        assert_eq!(at("2026-03-02T00:15:00Z"), "2026-03-02");
    }
}
