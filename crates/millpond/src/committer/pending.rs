//! What jobs hand to the committer.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use millpond_core::receipt::{Output, Receipt};
use millpond_core::{Error, Result};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::PENDING;
use super::documents::put_new;
use crate::lake::{Lake, LakeFile};

/// The version of [`Pending`] as it is written.
const FORMAT: u32 = 2;

/// What one job, or several that share their files, hand to the committer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Pending {
    /// The version of this format.
    pub format: u32,
    /// What the files are named by: the job's id, or a hash of the jobs'.
    pub id: String,
    /// The receipt of each job.
    pub receipts: Vec<Receipt>,
    /// Whether a job is void if the same bytes were committed before under its source.
    pub skip_duplicates: bool,
    /// What the jobs wrote, by table.
    pub tables: Vec<PendingTable>,
    /// For a replay: what the jobs wrote whose place these take, by job.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<String, Vec<Output>>,
}

/// The files that were written for one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingTable {
    /// The table.
    pub table: String,
    /// Its columns as Delta writes them, without the partition.
    pub schema: serde_json::Value,
    /// The files.
    pub files: Vec<LakeFile>,
}

/// A pending commit in any version of its format. The first one held one receipt.
#[derive(Deserialize)]
struct Stored {
    format: u32,
    #[serde(default)]
    id: String,
    #[serde(default)]
    receipts: Vec<Receipt>,
    receipt: Option<Receipt>,
    skip_duplicates: bool,
    tables: Vec<PendingTable>,
    #[serde(default)]
    replaced: BTreeMap<String, Vec<Output>>,
}

impl TryFrom<Stored> for Pending {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored { format, id, receipts, receipt, skip_duplicates, mut tables, replaced } = stored;
        let (id, receipts) = match (format, receipt) {
            (FORMAT, None) => (id, receipts),
            (1, Some(receipt)) => {
                for file in tables.iter_mut().flat_map(|table| &mut table.files) {
                    file.jobs = vec![(receipt.job_id.clone(), file.rows)];
                }
                (receipt.job_id.clone(), vec![receipt])
            }
            _ => return Err(format!("a pending commit of format {format} is not known")),
        };
        Ok(Self { format: FORMAT, id, receipts, skip_duplicates, tables, replaced })
    }
}

impl Pending {
    /// A pending commit of the current format.
    pub fn new(id: String, receipts: Vec<Receipt>, skip_duplicates: bool, tables: Vec<PendingTable>) -> Self {
        Self { format: FORMAT, id, receipts, skip_duplicates, tables, replaced: BTreeMap::new() }
    }

    /// Notes what the jobs wrote whose place these take.
    pub(crate) fn note_replaced(&mut self, outputs: &BTreeMap<String, Vec<Output>>) {
        self.skip_duplicates = false;
        let jobs = self.receipts.iter().filter_map(|receipt| receipt.replaces.as_ref());
        self.replaced = jobs.filter_map(|job| Some((job.clone(), outputs.get(job)?.clone()))).collect();
    }

    /// Its key below `folder`: one for each end of its jobs and, where a try failed, for each number of tries.
    fn path(&self, folder: &str) -> Path {
        let failed = self.receipts.iter().filter(|receipt| !receipt.status.is_final());
        let tries = failed.map(|receipt| u64::from(receipt.attempt)).sum::<u64>();
        let name = if tries == 0 { self.id.clone() } else { format!("{}-failed-{tries}", self.id) };
        Path::from(format!("{folder}/{name}.json"))
    }

    /// Hands over. A pending commit that is already there stays: it belongs to the same jobs.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not take it.
    pub async fn put(&self, lake: &Lake) -> Result<()> {
        self.put_below(lake, PENDING).await.map(|_| ())
    }

    /// Puts it where the committer takes it only when it is told to; says where.
    pub(crate) async fn put_below(&self, lake: &Lake, folder: &str) -> Result<Path> {
        let path = self.path(folder);
        put_new(lake, &path, self).await.map(|_| path)
    }
}

impl PendingTable {
    /// The files of one table and its columns.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when Delta has no such type.
    pub fn new(table: &str, schema: &Schema, files: Vec<LakeFile>) -> Result<Self> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::bad_config(format!("failed to store the columns of `{table}`")).because(error)
        };
        let kernel: StructType = schema.try_into_kernel().map_err(|error| failed(Box::new(error)))?;
        let schema = serde_json::to_value(&kernel).map_err(|error| failed(Box::new(error)))?;
        Ok(Self { table: table.to_owned(), schema, files })
    }

    /// The columns.
    ///
    /// # Errors
    /// [`Kind::Bug`](millpond_core::Kind::Bug) when they are not what was written.
    pub(super) fn arrow_schema(&self) -> Result<Schema> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::bug(format!("a pending commit has unreadable columns for `{}`", self.table)).because(error)
        };
        let kernel: StructType =
            serde_json::from_value(self.schema.clone()).map_err(|error| failed(Box::new(error)))?;
        (&kernel).try_into_arrow().map_err(|error| failed(Box::new(error)))
    }
}
