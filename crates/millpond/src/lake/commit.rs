//! One commit to one table.

use std::collections::{HashMap, HashSet};

use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, Remove};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use millpond_core::{Error, Result};
use millpond_engine::encode::DAY_COLUMN;

use super::LakeFile;

/// What one commit does to a table's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Files that come in.
    pub adds: Vec<LakeFile>,
    /// Files that go out; their bytes stay until the table is vacuumed.
    pub removes: Vec<LakeFile>,
}

impl Change {
    /// As Delta writes it.
    pub(super) fn actions(&self, is_data_change: bool) -> Vec<Action> {
        let adds = self.adds.iter().map(|file| Action::Add(add_action(file, is_data_change)));
        let removes = self.removes.iter().map(|file| Action::Remove(remove_action(file, is_data_change)));
        adds.chain(removes).collect()
    }

    /// What the commit says of itself to those who read the history.
    pub(super) fn metadata(&self) -> [(String, serde_json::Value); 2] {
        let rows = |files: &[LakeFile]| files.iter().map(|file| file.rows).sum::<u64>();
        [("rowsAdded".to_owned(), rows(&self.adds).into()), ("rowsRemoved".to_owned(), rows(&self.removes).into())]
    }

    /// Whether a table with these files is as this change would leave it.
    pub(super) fn is_done(&self, live: &HashSet<String>) -> bool {
        !self.adds.is_empty()
            && self.adds.iter().all(|file| live.contains(&file.path))
            && !self.removes.iter().any(|file| live.contains(&file.path))
    }
}

/// Why files take the place of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// The same rows in other files, so readers of changes pass over it.
    Compact {
        /// Bytes of a file that is large enough.
        target_bytes: u64,
    },
    /// Rows go for which a predicate is true.
    Delete {
        /// The predicate.
        predicate: String,
    },
    /// Nothing goes.
    Append,
}

impl Rewrite {
    /// Whether rows come or go.
    pub(super) fn is_data_change(&self) -> bool {
        !matches!(self, Self::Compact { .. })
    }

    /// As Delta's history tells it.
    pub(super) fn operation(&self) -> DeltaOperation {
        match self {
            Self::Compact { target_bytes } => {
                DeltaOperation::Optimize { predicate: None, target_size: *target_bytes as i64 }
            }
            Self::Delete { predicate } => DeltaOperation::Delete { predicate: Some(predicate.clone()) },
            Self::Append => append(),
        }
    }
}

/// How Delta's history calls a commit that adds files.
pub(super) fn append() -> DeltaOperation {
    DeltaOperation::Write { mode: SaveMode::Append, partition_by: Some(vec![DAY_COLUMN.to_owned()]), predicate: None }
}

/// One commit, against exactly the version that `table` was read at; gives its version.
pub(super) async fn commit_actions(
    name: &str,
    table: &DeltaTable,
    actions: Vec<Action>,
    properties: CommitProperties,
    operation: DeltaOperation,
) -> Result<u64> {
    let state = table.snapshot().map_err(|error| commit_error(name, error))?;
    let committed = CommitBuilder::from(properties.with_max_retries(0))
        .with_actions(actions)
        .build(Some(state.snapshot()), table.log_store(), operation)
        .await;
    committed.map(|done| done.version()).map_err(|error| commit_error(name, error))
}

fn partition(file: &LakeFile) -> HashMap<String, Option<String>> {
    HashMap::from([(DAY_COLUMN.to_owned(), Some(file.day.clone()))])
}

fn add_action(file: &LakeFile, is_data_change: bool) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: partition(file),
        size: file.bytes as i64,
        modification_time: chrono::Utc::now().timestamp_millis(),
        data_change: is_data_change,
        stats: Some(file.statistics.clone()),
        ..Add::default()
    }
}

fn remove_action(file: &LakeFile, is_data_change: bool) -> Remove {
    Remove {
        path: file.path.clone(),
        data_change: is_data_change,
        deletion_timestamp: Some(chrono::Utc::now().timestamp_millis()),
        extended_file_metadata: Some(true),
        partition_values: Some(partition(file)),
        size: Some(file.bytes as i64),
        ..Remove::default()
    }
}

/// An error of Delta's as ours: another writer that was first is a conflict.
pub(super) fn commit_error(name: &str, error: DeltaTableError) -> Error {
    let message = format!("failed to commit to table `{name}`");
    match error {
        DeltaTableError::VersionAlreadyExists(_)
        | DeltaTableError::Transaction {
            source:
                TransactionError::CommitConflict(_)
                | TransactionError::VersionAlreadyExists(_)
                | TransactionError::MaxCommitAttempts(_),
        } => Error::conflict(message).because(error),
        _ => Error::transient(message).because(error),
    }
}
