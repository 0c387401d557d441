//! The committer: the one writer of table metadata and the only arbiter of what is done.
//!
//! Jobs hand over *pending commits*: receipts, and the files that were written. The committer takes many of them as a
//! *batch*: it first writes down which ones (create-if-absent, so two committers agree), then adds their files to each
//! table in one commit that records the batch's number, receipts last, then clears up. A crash anywhere leaves a batch
//! that is carried out again; tables that already record its number are passed over. What was committed before, by job
//! or by content, is cut out here, whatever the jobs believed.
//!
//! What is decided for a batch follows from its pending commits and from the receipts before it, and from nothing else,
//! so that two committers that carry out the same batch do the same.

mod chosen;
pub(crate) mod documents;
mod pending;
mod receipts;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use millpond_core::receipt::{Output, Receipt};
use millpond_core::{Error, Kind, Result};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

pub use pending::{Pending, PendingTable};
pub use receipts::receipts_schema;

use crate::clock::Clock;
use crate::crash;
use crate::lake::{Change, Lake, LakeFile, day_of, files_of};
use crate::ledger::{Ledger, RECEIPTS};
use crate::rewrite;
use crate::traces;
use chosen::Chosen;
use documents::{delete, list, put_new, read_json};

/// Where jobs put their pending commits.
const PENDING: &str = "_pending";
const BATCHES: &str = "_batches";
/// Where pending commits lie that cannot be read.
const UNREADABLE: &str = "_unreadable";
/// Pending commits of one batch, at most.
const BATCH_PENDING_MAX: usize = 1_000;
/// Bytes of the pending commits of one batch: they are all held in memory.
const BATCH_BYTES_MAX: u64 = 32 << 20;
/// Pending commits read at the same time.
const READS_MAX: usize = 16;
/// The version of a batch as it is written.
const FORMAT: u32 = 1;
/// Calls that may meet another writer in a row before it is an error.
const TRIES_MAX: usize = 20;

/// The pending commits that are committed together.
#[derive(Debug, Serialize, Deserialize)]
struct Batch {
    format: u32,
    number: i64,
    /// When it was begun, microseconds since 1970 in UTC by the clock of whoever began it: the time of its receipts.
    #[serde(default)]
    begun: Option<i64>,
    /// Paths of pending commits.
    pending: Vec<String>,
}

impl Batch {
    fn paths(&self) -> Vec<Path> {
        self.pending.iter().map(|path| Path::from(path.as_str())).collect()
    }
}

fn batch_path(number: i64) -> Path {
    Path::from(format!("{BATCHES}/{number:020}.json"))
}

/// The number of the batch that lies there.
fn batch_number(path: &Path) -> Option<i64> {
    path.filename()?.strip_suffix(".json")?.parse().ok()
}

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Committed {
    /// The receipts of the jobs committed, as they stand in the ledger: a job whose content came twice is a duplicate
    /// here, whatever it believed.
    pub receipts: Vec<Receipt>,
    /// Jobs dropped because their object or content was committed before.
    pub dropped: usize,
    /// Where pending commits were put that nobody can read: their jobs are not in the lake.
    pub unreadable: Vec<String>,
}

impl Committed {
    /// What somebody has to look at: one error for each pending commit that cannot be read.
    pub fn errors(&self) -> impl Iterator<Item = Error> {
        self.unreadable.iter().map(|path| {
            Error::bad_input(format!("a pending commit cannot be read and was put to `{path}` in the lake")).hint(
                "its jobs are not in the lake: if a newer version wrote it, move it back to `_pending/` and let that \
                 version commit; else remove it and process its objects again",
            )
        })
    }

    fn add(&mut self, other: Self) {
        self.receipts.extend(other.receipts);
        self.dropped += other.dropped;
        self.unreadable.extend(other.unreadable);
    }
}

/// The committer of one lake.
#[derive(Debug)]
pub struct Committer {
    lake: Arc<Lake>,
    ledger: Arc<Ledger>,
    clock: Clock,
    /// The last pending commit that was taken: the next batch starts after it, so that none waits for ever.
    taken: Option<Path>,
}

impl Committer {
    /// A committer; any number may work on one lake, and one at a time gets on.
    pub fn new(lake: Arc<Lake>, ledger: Arc<Ledger>) -> Self {
        Self { lake, ledger, clock: Clock::system(), taken: None }
    }

    /// The same by another clock.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Commits everything that is pending and returns what it did.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) and [`Kind::Conflict`](millpond_core::Kind::Conflict): nothing
    /// is lost; the next call goes on where this one stopped.
    pub async fn commit_pending(&mut self) -> Result<Committed> {
        let mut total = Committed::default();
        let mut conflicts = 0;
        loop {
            match self.step(None).await {
                Ok(Some(done)) => {
                    conflicts = 0;
                    total.add(done.committed);
                }
                Ok(None) => return Ok(total),
                // Another writer was first: look again and decide again.
                Err(error) if error.kind() == Kind::Conflict && conflicts < TRIES_MAX => conflicts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Commits these pending commits together, in one commit of each table. Other batches may come before.
    ///
    /// # Errors
    /// As [`Committer::commit_pending`].
    pub(crate) async fn commit_together(&mut self, pending: &[Path]) -> Result<Committed> {
        let mut conflicts = 0;
        loop {
            match self.step(Some(pending)).await {
                Ok(Some(done)) if done.is_asked => return Ok(done.committed),
                Ok(_) => conflicts = 0,
                Err(error) if error.kind() == Kind::Conflict && conflicts < TRIES_MAX => conflicts += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Carries out the next batch, if there is one: what was written down before, else what is asked for, else what is
    /// pending.
    async fn step(&mut self, asked: Option<&[Path]>) -> Result<Option<Step>> {
        let last = self.lake.last_batch(RECEIPTS).await?;
        self.clear_finished(last).await?;
        self.ledger.refresh().await?;
        let Some(batch) = self.next_batch(last + 1, asked).await? else { return Ok(None) };
        let started = std::time::Instant::now();
        let committed = self.carry_out(&batch).await?;
        traces::committed(&committed.receipts, started);
        self.clear(&batch).await?;
        let is_asked = asked.is_some_and(|asked| asked == batch.paths());
        Ok(Some(Step { committed, is_asked }))
    }

    /// The batch of this number: the one written down before a crash, or a new one.
    async fn next_batch(&mut self, number: i64, asked: Option<&[Path]>) -> Result<Option<Batch>> {
        if let Some(batch) = read_json(&self.lake, &batch_path(number)).await? {
            self.check_to_come(number).await?;
            return Ok(Some(batch));
        }
        let pending = match asked {
            Some(asked) => asked.iter().map(ToString::to_string).collect(),
            None => self.take_pending().await?,
        };
        if pending.is_empty() {
            return Ok(None);
        }
        let batch = Batch { format: FORMAT, number, begun: Some(self.clock.now_us()), pending };
        if !put_new(&self.lake, &batch_path(number), &batch).await? {
            return Err(Error::conflict(format!("another committer began batch {number}")));
        }
        self.check_to_come(number).await?;
        crash::point("batch");
        Ok(Some(batch))
    }

    /// A committer that was slow may begin a batch whose number is long committed and cleared up. Only what is written
    /// down while the number is still to come can be relied on, and its document is there to be looked at before that.
    async fn check_to_come(&self, number: i64) -> Result<()> {
        match self.lake.last_batch(RECEIPTS).await? >= number {
            true => Err(Error::conflict(format!("another committer committed batch {number}"))),
            false => Ok(()),
        }
    }

    async fn take_pending(&mut self) -> Result<Vec<String>> {
        let offset = self.taken.take();
        let find = |offset| list(&self.lake, PENDING, offset, BATCH_PENDING_MAX, BATCH_BYTES_MAX);
        let mut found = find(offset.as_ref()).await?;
        if found.is_empty() && offset.is_some() {
            found = find(None).await?;
        }
        self.taken = found.last().map(|listed| listed.path.clone());
        Ok(found.into_iter().map(|listed| listed.path.to_string()).collect())
    }

    async fn carry_out(&self, batch: &Batch) -> Result<Committed> {
        let lake = &self.lake;
        let mut reads = futures::stream::iter(batch.paths())
            .map(|path| async move { (read_json::<Pending>(lake, &path).await, path) })
            .buffered(READS_MAX);
        let mut chosen = Chosen::new(lake, &self.ledger, batch.number);
        let mut unreadable = Vec::new();
        while let Some((pending, path)) = reads.next().await {
            match pending {
                Ok(Some(pending)) => chosen.take(pending).await?,
                // Another committer cleared it up: after this batch, or after one before that named it too (what was asked
                // for came to be committed by somebody else, or a slow committer cleared up again what was handed over
                // again). In the second case everything in it was committed before, and it would be dropped.
                Ok(None) => self.check_to_come(batch.number).await?,
                // It would keep everyone from committing. What a replay laid aside is committed as a whole or not at all.
                Err(error) if error.kind() == Kind::BadInput && path.as_ref().starts_with(PENDING) => {
                    unreadable.push(self.put_aside(&path).await?);
                }
                Err(error) => return Err(error),
            }
        }
        for table in chosen.table_names() {
            let schema = chosen.schema(&table);
            let adds = chosen.files(&table);
            self.commit_table(&table, &schema, adds, chosen.replaced_in(&table), batch.number).await?;
            crash::point("table");
        }
        let name = format!("batch-{:020}", batch.number);
        let when = (batch.number, batch.begun);
        let adds = receipts::put_receipts(lake, &name, &chosen.receipts, when).await?;
        let replaced = chosen.replaced_receipts();
        self.commit_table(RECEIPTS, &receipts_schema(), adds, replaced, batch.number).await?;
        crash::point("receipts");
        Ok(Committed { receipts: chosen.receipts, dropped: chosen.dropped, unreadable })
    }

    /// Copies a pending commit that cannot be read to where nobody takes it; says where. It goes with its batch.
    async fn put_aside(&self, path: &Path) -> Result<String> {
        let aside = Path::from(format!("{UNREADABLE}/{}", path.filename().unwrap_or_default()));
        match self.lake.store.copy(path, &aside).await {
            Ok(()) => Ok(aside.to_string()),
            // Another committer was first, and cleared it up.
            Err(object_store::Error::NotFound { .. }) => {
                Err(Error::conflict(format!("another committer put `{path}` aside")))
            }
            Err(error) => Err(Error::transient(format!("failed to put `{path}` aside")).because(error)),
        }
    }

    /// Adds a batch's files to one table and takes out the rows of jobs that it replaces, in one commit.
    async fn commit_table(
        &self,
        table: &str,
        schema: &arrow::datatypes::Schema,
        adds: Vec<LakeFile>,
        replaced: Replaced,
        batch: i64,
    ) -> Result<()> {
        let opened = self.lake.table_for(table, schema).await?;
        let mut change = Change { adds, removes: Vec::new() };
        if !replaced.jobs.is_empty() && self.lake.batch_of(table, &opened).await? < batch {
            for file in files_of(table, &opened)?.into_iter().filter(|file| replaced.days.contains(&file.day)) {
                if !rewrite::holds_rows_of(&self.lake, table, &file, &replaced.jobs).await? {
                    continue;
                }
                let name = format!("batch-{batch:020}-rest");
                change.adds.extend(rewrite::without(&self.lake, table, &file, &replaced.jobs, &name).await?);
                change.removes.push(file);
            }
        }
        self.lake.commit(table, &opened, &change, batch).await
    }

    /// Removes documents of batches whose numbers are committed: a crash came before that, or a slow committer began them
    /// anew. Nobody can tell which, so what they name stays: what was committed is dropped by the batch that takes it next.
    async fn clear_finished(&self, last: i64) -> Result<()> {
        let listed = list(&self.lake, BATCHES, None, usize::MAX, u64::MAX).await?;
        let paths = listed.into_iter().map(|listed| listed.path);
        let finished: Vec<Path> =
            paths.filter(|path| batch_number(path).is_some_and(|number| number <= last)).collect();
        delete(&self.lake, &finished).await
    }

    /// Removes a batch's pending commits, then the batch.
    async fn clear(&self, batch: &Batch) -> Result<()> {
        delete(&self.lake, &batch.paths()).await?;
        crash::point("cleanup");
        delete(&self.lake, &[batch_path(batch.number)]).await
    }
}

/// What one step did, and whether it was what the caller asked for.
struct Step {
    committed: Committed,
    is_asked: bool,
}

/// Jobs whose rows go out of a table, and the partitions that they can lie in.
#[derive(Debug, Default)]
struct Replaced {
    jobs: std::collections::HashSet<String>,
    days: BTreeSet<String>,
}

impl Replaced {
    fn add(&mut self, job: &str, day: &str) {
        self.jobs.insert(job.to_owned());
        self.days.insert(day.to_owned());
    }
}

/// What a receipt says of a file of which some rows are its job's.
pub(crate) fn output(table: &str, file: &LakeFile, rows: u64) -> Output {
    // Of a file that jobs share, each has as many bytes as it has rows.
    let bytes = u128::from(file.bytes) * u128::from(rows) / u128::from(file.rows.max(1));
    Output { table: table.to_owned(), path: file.path.clone(), rows, bytes: bytes as u64 }
}

/// The partition of an output.
fn output_day(output: &Output) -> &str {
    day_of(&output.path)
}

/// Makes a receipt that of a duplicate: every row that was written counts as deduplicated.
pub(crate) fn void(receipt: &mut Receipt, first: String) {
    let balance = &mut receipt.balance;
    // Whatever became of the rows inside the transform, none of them reaches a table.
    balance.deduplicated = balance.rows_in;
    (balance.rows_out, balance.filtered, balance.aggregated, balance.exploded, balance.quarantined) = (0, 0, 0, 0, 0);
    receipt.status = millpond_core::receipt::Status::Duplicate;
    receipt.signals = 0;
    receipt.bytes_out = 0;
    receipt.outputs.clear();
    receipt.duplicate_of = Some(first);
}
