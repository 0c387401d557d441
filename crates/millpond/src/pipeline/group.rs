//! The jobs of one source that share the files that they write, and what they hand over together.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use millpond_core::event::Object;
use millpond_core::job::{JobId, WorkKey};
use millpond_core::lane::Promotion;
use millpond_core::receipt::{Receipt, Status};
use millpond_core::source::Duplicates;
use millpond_core::{Error, Result};
use millpond_engine::prepare::Prepared;
use sha2::{Digest, Sha256};

use super::write::{Rows, Writers};
use super::{Destination, Job, Node, Outcome};
use crate::committer::{Pending, PendingTable, output};
use crate::crash;

/// The jobs of one source that hand over together.
pub(super) struct Group<'a> {
    pub(super) node: &'a Node,
    pub(super) prepared: Option<&'a Prepared>,
    destination: Destination<'a>,
    writers: Option<Writers>,
    /// Files of jobs that are too large to share one.
    tables: Vec<PendingTable>,
    receipts: Vec<Receipt>,
    /// When each receipt's job started, and how long it was planned before.
    pub(super) started: Vec<(Instant, Duration)>,
    work: HashSet<WorkKey>,
    contents: HashMap<String, JobId>,
}

/// What became of one event, until its group is handed over.
pub(super) enum Taken {
    AlreadyDone,
    TooBig(Error, Promotion),
    /// Its receipt is this one of the group's.
    Receipt(usize),
}

impl<'a> Group<'a> {
    pub(super) fn new(node: &'a Node, prepared: Option<&'a Prepared>, destination: Destination<'a>) -> Self {
        Self {
            node,
            prepared,
            destination,
            writers: None,
            tables: Vec::new(),
            receipts: Vec::new(),
            started: Vec::new(),
            work: HashSet::new(),
            contents: HashMap::new(),
        }
    }

    fn source_name(&self) -> &str {
        self.prepared.map_or("", |prepared| &prepared.source.name)
    }

    /// Whether the same object came before in this group, as when it is announced twice.
    pub(super) fn has_taken(&self, object: &Object) -> bool {
        self.work.contains(&WorkKey::new(&object.uri, &object.version, self.source_name()))
    }

    /// The job in which these bytes were seen first, in this group or before.
    pub(super) async fn first_with_content(&self, fingerprint: &str, object: &Object) -> Result<Option<JobId>> {
        if let Some(first) = self.contents.get(fingerprint) {
            return Ok(Some(*first));
        }
        match &self.node.ledger {
            Some(ledger) => ledger.first_with_content(self.source_name(), fingerprint, object.modified_us).await,
            None => Ok(None),
        }
    }

    /// Takes the rows of a job in: into files of its own if it is large, else into those of the group.
    pub(super) async fn write(&mut self, job: JobId, fingerprint: &str, rows: Rows) -> Result<()> {
        match rows {
            Rows::Written(writers) => {
                let name = self.file_name(&job.to_string());
                self.tables.extend(writers.put(&self.node.lake, &name).await?);
            }
            Rows::Held(held) => {
                let writers = self.shared_writers();
                held.into_iter().try_for_each(|held| writers.write(&held))?;
            }
        }
        self.contents.insert(fingerprint.to_owned(), job);
        Ok(())
    }

    /// The writers that the group's jobs share.
    pub(super) fn shared_writers(&mut self) -> &mut Writers {
        let prepared = self.prepared;
        self.writers.get_or_insert_with(|| prepared.map(Writers::new).unwrap_or_default())
    }

    /// Notes the end of a job.
    pub(super) fn note(&mut self, job: &Job<'_>, receipt: Receipt) -> Taken {
        if receipt.status.is_final() && receipt.status != Status::Gone {
            self.work.insert(WorkKey::new(&receipt.object, &receipt.object_version, &receipt.source));
        }
        self.receipts.push(receipt);
        self.started.push((job.started, job.planned));
        Taken::Receipt(self.receipts.len() - 1)
    }

    /// Puts the shared files and one pending commit for all jobs, and gives their receipts.
    pub(super) async fn hand_over(mut self) -> Result<Vec<Receipt>> {
        if self.receipts.is_empty() {
            return Ok(Vec::new());
        }
        let id = self.file_name(&group_id(&self.receipts));
        if let Some(writers) = self.writers.take() {
            self.tables.extend(writers.put(&self.node.lake, &id).await?);
        }
        note_outputs(&mut self.receipts, &self.tables);
        let skip_duplicates = self.prepared.is_some_and(|prepared| prepared.source.duplicates == Duplicates::Skip);
        let receipts = std::mem::take(&mut self.receipts);
        let mut pending = Pending::new(id, receipts, skip_duplicates, std::mem::take(&mut self.tables));
        match self.destination {
            Destination::Committer => pending.put(&self.node.lake).await?,
            Destination::Replay { folder, outputs } => {
                pending.note_replaced(outputs);
                pending.put_below(&self.node.lake, folder).await?;
            }
        }
        crash::point("commit");
        Ok(pending.receipts)
    }

    /// What files are named by. A replay's never have the name of a file that it takes the place of.
    fn file_name(&self, id: &str) -> String {
        match self.destination {
            Destination::Committer => id.to_owned(),
            Destination::Replay { folder, .. } => {
                format!("{id}-{}", folder.rsplit('/').next().unwrap_or_default())
            }
        }
    }
}

impl Taken {
    /// What became of the event once its group was handed over, or could not be.
    pub(super) fn outcome(self, handed: &Result<Vec<Receipt>>) -> Result<Outcome> {
        match (self, handed) {
            (Self::AlreadyDone, _) => Ok(Outcome::AlreadyDone),
            (Self::TooBig(error, promotion), _) => Ok(Outcome::TooBig(error, promotion)),
            (Self::Receipt(index), Ok(receipts)) => Ok(Outcome::Handed(Box::new(receipts[index].clone()))),
            (Self::Receipt(_), Err(error)) => Err(Error::transient(error.chain())),
        }
    }
}

/// What the files of a group are named by: the id of its only job, or a hash of the ids of all.
fn group_id(receipts: &[Receipt]) -> String {
    if let [receipt] = receipts {
        return receipt.job_id.clone();
    }
    let mut hash = Sha256::new();
    receipts.iter().for_each(|receipt| hash.update(&receipt.job_id));
    hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tells each receipt which files hold its job's rows.
fn note_outputs(receipts: &mut [Receipt], tables: &[PendingTable]) {
    let mut by_job: HashMap<String, &mut Receipt> =
        receipts.iter_mut().map(|receipt| (receipt.job_id.clone(), receipt)).collect();
    for (table, file) in tables.iter().flat_map(|table| table.files.iter().map(move |file| (&table.table, file))) {
        for (job, rows) in &file.jobs {
            if let Some(receipt) = by_job.get_mut(job) {
                let output = output(table, file, *rows);
                receipt.bytes_out += output.bytes;
                receipt.outputs.push(output);
            }
        }
    }
}
