//! What a batch commits once everything that was committed before is cut out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::datatypes::Schema;
use millpond_core::job::{JobId, WorkKey};
use millpond_core::receipt::{Output, Receipt, Status};
use millpond_core::{Error, Kind, Result};

use super::pending::{Pending, PendingTable};
use super::{Replaced, output_day, void};
use crate::lake::{Lake, LakeFile};
use crate::ledger::{Ledger, Question, work_key};
use crate::put::day_text;
use crate::rewrite;

const US_PER_DAY: i64 = 86_400_000_000;

/// The files and receipts of a batch, chosen from its pending commits one after the other.
pub(super) struct Chosen<'a> {
    lake: &'a Lake,
    ledger: &'a Ledger,
    batch: i64,
    pub(super) receipts: Vec<Receipt>,
    pub(super) dropped: usize,
    tables: BTreeMap<String, (Schema, Vec<LakeFile>)>,
    work: HashMap<WorkKey, JobId>,
    contents: HashMap<(String, String), String>,
    replaced: BTreeMap<String, Replaced>,
}

/// What becomes of one job of a pending commit.
enum Verdict {
    Keep,
    /// Its bytes were committed before, by this job.
    Void(String),
    /// It was itself committed before.
    Drop,
}

impl<'a> Chosen<'a> {
    pub(super) fn new(lake: &'a Lake, ledger: &'a Ledger, batch: i64) -> Self {
        Self {
            lake,
            ledger,
            batch,
            receipts: Vec::new(),
            dropped: 0,
            tables: BTreeMap::new(),
            work: HashMap::new(),
            contents: HashMap::new(),
            replaced: BTreeMap::new(),
        }
    }

    /// Takes in one pending commit: what is new of it.
    pub(super) async fn take(&mut self, pending: Pending) -> Result<()> {
        let Pending { id, receipts, skip_duplicates, mut tables, replaced, .. } = pending;
        let mut kept = Vec::with_capacity(receipts.len());
        let mut cut = HashSet::new();
        for mut receipt in receipts {
            match self.judge(&receipt, skip_duplicates).await? {
                // The job that it names may itself have turned out to be a duplicate.
                Verdict::Keep if receipt.status == Status::Duplicate => {
                    let first = self.first_with_content(&receipt).await?;
                    receipt.duplicate_of = first.or(receipt.duplicate_of);
                }
                Verdict::Keep => {}
                Verdict::Void(first) => {
                    cut.insert(receipt.job_id.clone());
                    void(&mut receipt, first);
                }
                Verdict::Drop => {
                    self.dropped += 1;
                    cut.insert(receipt.job_id);
                    continue;
                }
            }
            self.remember(&receipt)?;
            kept.push(receipt);
        }
        self.refuse_misfits(&mut tables, &mut kept, &mut cut).await?;
        for table in tables {
            let files = self.cut_out(&table, &id, &mut kept, &cut).await?;
            self.add(table, files)?;
        }
        for receipt in &kept {
            self.note_replaced(receipt, &replaced);
        }
        self.receipts.extend(kept);
        Ok(())
    }

    async fn judge(&self, receipt: &Receipt, skip_duplicates: bool) -> Result<Verdict> {
        let job = job_of(receipt)?;
        let question = Question::of(receipt);
        let known = match self.work.get(&work_of(receipt)) {
            Some(known) => Some(*known),
            None if receipt.status == Status::Gone => self.ledger.gone(question).await?,
            None => self.ledger.done(question).await?,
        };
        let replaces = receipt.replaces.as_deref().and_then(JobId::parse);
        // A replay takes the place of exactly the job that it names; anything else is done once.
        if known != replaces {
            return Ok(Verdict::Drop);
        }
        if !receipt.status.is_final() {
            let failures = self.ledger.failures(job, receipt.object_modified_us).await?;
            return Ok(if failures >= receipt.attempt { Verdict::Drop } else { Verdict::Keep });
        }
        if !skip_duplicates || receipt.status != Status::Done || receipt.fingerprint.is_empty() {
            return Ok(Verdict::Keep);
        }
        Ok(self.first_with_content(receipt).await?.map_or(Verdict::Keep, Verdict::Void))
    }

    /// The job that has the bytes of a receipt's object in the lake.
    async fn first_with_content(&self, receipt: &Receipt) -> Result<Option<String>> {
        let first = self.ledger.first_with_content(&receipt.source, &receipt.fingerprint, receipt.object_modified_us);
        let first = first.await?.map(|job| job.to_string());
        let content = (receipt.source.clone(), receipt.fingerprint.clone());
        Ok(first.or_else(|| self.contents.get(&content).cloned()))
    }

    fn remember(&mut self, receipt: &Receipt) -> Result<()> {
        if receipt.status.is_final() {
            self.work.insert(work_of(receipt), job_of(receipt)?);
        }
        if receipt.status == Status::Done && !receipt.fingerprint.is_empty() {
            let content = (receipt.source.clone(), receipt.fingerprint.clone());
            self.contents.entry(content).or_insert_with(|| receipt.job_id.clone());
        }
        Ok(())
    }

    /// Makes every job fail whose columns do not fit their table: none of its rows may come in.
    async fn refuse_misfits(
        &mut self,
        tables: &mut Vec<PendingTable>,
        receipts: &mut [Receipt],
        cut: &mut HashSet<String>,
    ) -> Result<()> {
        let mut fitting = Vec::with_capacity(tables.len());
        for table in std::mem::take(tables) {
            let error = match self.check(&table).await {
                Ok(()) => {
                    fitting.push(table);
                    continue;
                }
                Err(error) if error.kind() == Kind::BadConfig => error,
                Err(error) => return Err(error),
            };
            for receipt in receipts.iter_mut() {
                if receipt.outputs.iter().any(|output| output.table == table.table) {
                    self.forget(receipt);
                    cut.insert(receipt.job_id.clone());
                    refuse(receipt, &error);
                }
            }
        }
        *tables = fitting;
        Ok(())
    }

    fn forget(&mut self, receipt: &Receipt) {
        self.work.remove(&work_of(receipt));
        self.contents.retain(|_, job| *job != receipt.job_id);
    }

    /// Whether a table's columns fit what is there and what other jobs of the batch give.
    async fn check(&self, table: &PendingTable) -> Result<()> {
        let schema = table.arrow_schema()?;
        match self.tables.get(&table.table) {
            Some((known, _)) if *known == schema => Ok(()),
            Some((known, _)) => merge(known, schema, &table.table).map(|_| ()),
            None => self.lake.check_schema(&table.table, &schema).await,
        }
    }

    /// The files of a table without the rows of jobs that are cut out.
    async fn cut_out(
        &self,
        table: &PendingTable,
        id: &str,
        receipts: &mut [Receipt],
        cut: &HashSet<String>,
    ) -> Result<Vec<LakeFile>> {
        let mut files = Vec::with_capacity(table.files.len());
        for file in &table.files {
            let holders: HashSet<&String> =
                file.jobs.iter().map(|(job, _)| job).filter(|job| cut.contains(*job)).collect();
            if holders.is_empty() {
                files.push(file.clone());
                continue;
            }
            if holders.len() == file.jobs.len() {
                continue;
            }
            let name = format!("{id}-cut-{:020}", self.batch);
            let Some(rest) = rewrite::without(self.lake, &table.table, file, cut, &name).await? else { continue };
            let outputs = receipts.iter_mut().flat_map(|receipt| &mut receipt.outputs);
            let is_same = |output: &&mut Output| output.table == table.table && output.path == file.path;
            outputs.filter(is_same).for_each(|output| output.path.clone_from(&rest.path));
            files.push(rest);
        }
        Ok(files)
    }

    fn add(&mut self, table: PendingTable, files: Vec<LakeFile>) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let schema = table.arrow_schema()?;
        match self.tables.entry(table.table) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert((schema, files));
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let merged = merge(&entry.get().0, schema, entry.key())?;
                entry.get_mut().0 = merged;
                entry.get_mut().1.extend(files);
            }
        }
        Ok(())
    }

    fn note_replaced(&mut self, receipt: &Receipt, outputs: &BTreeMap<String, Vec<Output>>) {
        let Some(job) = receipt.replaces.as_ref().filter(|_| receipt.status.is_final()) else { return };
        for output in outputs.get(job).into_iter().flatten() {
            self.replaced.entry(output.table.clone()).or_default().add(job, output_day(output));
        }
    }

    /// Every table that the batch changes, but for the receipts.
    pub(super) fn table_names(&self) -> BTreeSet<String> {
        self.tables.keys().chain(self.replaced.keys()).cloned().collect()
    }

    /// The columns that a table needs.
    pub(super) fn schema(&self, table: &str) -> Schema {
        self.tables.get(table).map_or_else(Schema::empty, |(schema, _)| schema.clone())
    }

    /// The files that come into a table.
    pub(super) fn files(&self, table: &str) -> Vec<LakeFile> {
        self.tables.get(table).map(|(_, files)| files.clone()).unwrap_or_default()
    }

    /// The jobs whose rows go out of a table.
    pub(super) fn replaced_in(&mut self, table: &str) -> Replaced {
        self.replaced.remove(table).unwrap_or_default()
    }

    /// The jobs whose receipts go.
    pub(super) fn replaced_receipts(&self) -> Replaced {
        let mut replaced = Replaced::default();
        for receipt in self.receipts.iter().filter(|receipt| receipt.status.is_final()) {
            if let Some(job) = &receipt.replaces {
                replaced.add(job, &day_text(receipt.object_modified_us.div_euclid(US_PER_DAY) as i32));
            }
        }
        replaced
    }
}

fn job_of(receipt: &Receipt) -> Result<JobId> {
    JobId::parse(&receipt.job_id).ok_or_else(|| Error::bug(format!("`{}` is no job id", receipt.job_id)))
}

fn work_of(receipt: &Receipt) -> WorkKey {
    work_key(&receipt.object, &receipt.object_version, &receipt.source, receipt.status.name())
}

/// Makes a receipt that of a failed try: its rows do not fit the table. The event comes back.
fn refuse(receipt: &mut Receipt, error: &Error) {
    receipt.status = Status::Failed;
    receipt.error_kind = Some(error.kind().name().to_owned());
    receipt.error = Some(error.report());
    receipt.bytes_out = 0;
    receipt.outputs.clear();
}

fn merge(known: &Schema, other: Schema, table: &str) -> Result<Schema> {
    Schema::try_merge([known.clone(), other]).map_err(|error| {
        Error::bad_config(format!("two jobs give table `{table}` columns that do not fit")).because(error)
    })
}
