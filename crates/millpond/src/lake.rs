//! The lake: one Delta table for each source and for each kind of record that millpond itself keeps.
//!
//! Rows come into a table only through [`Lake::commit`], called by the committer alone; maintenance replaces files by
//! others. Layout below the lake's root: `<table>/_delta_log/`, `<table>/_day=YYYY-MM-DD/<file>.parquet`, `_pending/` (what jobs hand to the committer)
//! and `_batches/` (what the committer is about to commit).

mod columns;
mod commit;
mod history;
mod status;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path as FilePath;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{Action, StructField, StructType, Transaction};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore, get_actions};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableError};
use millpond_core::units::nearest;
use millpond_core::{Error, Kind, Result};
use millpond_engine::encode::{DAY_COLUMN, fits};
use object_store::ObjectStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

pub(crate) use self::columns::arrow_schema;
use self::columns::{kernel_schema, missing_fields};
pub use self::commit::{Change, Rewrite};
use self::commit::{append, commit_actions, commit_error};
pub use self::history::Commit;
pub use self::status::Status;
use crate::store::{Stores, to_url};

/// The application id under which batches are recorded in each table.
const APP_ID: &str = "millpond";
/// Commits that may meet another writer in a row: a committer commits to a table once in seconds, and a try takes
/// milliseconds.
const REPLACE_TRIES_MAX: usize = 20;

/// One Parquet file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LakeFile {
    /// The path below the table.
    pub path: String,
    /// The partition, `YYYY-MM-DD`.
    pub day: String,
    /// Stored bytes.
    pub bytes: u64,
    /// Rows.
    pub rows: u64,
    /// Delta's statistics as JSON.
    pub statistics: String,
    /// Rows by the job that they come from, as long as the file is pending; a table's own files do not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<(String, u64)>,
}

/// What one version of a table changed in its rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Paths of files with new rows, below the table.
    pub added: Vec<String>,
    /// Paths of files whose rows went, or are in one of those that were added.
    pub removed: Vec<String>,
}

/// The tables below one root: a folder, or a prefix in an object store.
#[derive(Debug)]
pub struct Lake {
    root: Url,
    /// The store, rooted at the lake.
    pub store: Arc<dyn ObjectStore>,
    /// The same store, rooted where its addresses begin.
    whole: Arc<dyn ObjectStore>,
    tables: Mutex<HashMap<String, DeltaTable>>,
}

impl Lake {
    /// Opens a lake. `text` is a URL or a path relative to `folder`; a folder is made if it is missing.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when the place cannot hold a lake.
    pub fn open(stores: &Stores, text: &str, folder: &FilePath) -> Result<Self> {
        let failed = || Error::bad_config(format!("failed to open the lake `{text}`"));
        let mut root = to_url(text, folder)?;
        if matches!(root.scheme(), "http" | "https") {
            return Err(failed().hint("a lake is written to: use a path, or an `s3://`, `gs://` or `az://` URL"));
        }
        if let Ok(path) = root.to_file_path() {
            std::fs::create_dir_all(&path).map_err(|error| failed().because(error))?;
        }
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        let prefix = Path::from_url_path(root.path()).map_err(|error| failed().because(error))?;
        let mut base = root.clone();
        base.set_path("/");
        let whole = stores.store(base.as_str())?;
        let store = Arc::new(PrefixStore::new(Arc::clone(&whole), prefix));
        Ok(Self { root, store, whole, tables: Mutex::new(HashMap::new()) })
    }

    /// The lake as a URL, with a slash at the end.
    pub fn url(&self) -> &Url {
        &self.root
    }

    pub(crate) fn log_store(&self, name: &str) -> Result<LogStoreRef> {
        let url = self.root.join(&format!("{name}/"));
        let url = url.map_err(|error| Error::bug(format!("`{name}` is no table name")).because(error))?;
        let table = PrefixStore::new(Arc::clone(&self.store), name);
        Ok(default_logstore(Arc::new(table), Arc::clone(&self.whole), &url, &StorageConfig::default()))
    }

    /// The names of the tables, in order.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not answer.
    pub async fn tables(&self) -> Result<Vec<String>> {
        let listed = self.store.list_with_delimiter(None).await;
        let listed = listed.map_err(|error| Error::transient("failed to list the lake").because(error))?;
        let mut names = Vec::new();
        for folder in listed.common_prefixes {
            let name = folder.filename().unwrap_or_default().to_owned();
            if !name.starts_with('_') && self.table(&name).await?.is_some() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The tables of these names, or all.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) with the nearest name for one that does not exist.
    pub async fn named_tables(&self, names: &[String]) -> Result<Vec<String>> {
        let known = self.tables().await?;
        if names.is_empty() {
            return Ok(known);
        }
        if let Some(name) = names.iter().find(|name| !known.contains(name)) {
            let error = Error::bad_config(format!("the lake has no table `{name}`"));
            return Err(match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None if known.is_empty() => error.hint("it is empty: `millpond run --once` fills it"),
                None => error.hint(format!("its tables are {}", known.join(", "))),
            });
        }
        Ok(known.into_iter().filter(|table| names.contains(table)).collect())
    }

    /// A table at its newest version, if it exists.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when its log cannot be read.
    pub async fn table(&self, name: &str) -> Result<Option<DeltaTable>> {
        let failed = |error: DeltaTableError| Error::transient(format!("failed to read table `{name}`")).because(error);
        let mut tables = self.tables.lock().await;
        if let Some(table) = tables.get_mut(name) {
            table.update_state().await.map_err(failed)?;
            return Ok(Some(table.clone()));
        }
        if !self.has_log(name).await? {
            return Ok(None);
        }
        let mut table = DeltaTable::new(self.log_store(name)?);
        table.load().await.map_err(failed)?;
        tables.insert(name.to_owned(), table.clone());
        Ok(Some(table))
    }

    async fn has_log(&self, name: &str) -> Result<bool> {
        use futures::StreamExt;
        let first = self.store.list(Some(&Path::from(format!("{name}/_delta_log")))).next().await;
        match first {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) => Err(Error::transient(format!("failed to look for table `{name}`")).because(error)),
        }
    }

    /// A table as DataFusion reads it, if it exists.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn provider(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        match self.table(name).await? {
            Some(table) => provider_of(name, &table).await.map(Some),
            None => Ok(None),
        }
    }

    /// The columns of a table, if it exists.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn schema(&self, name: &str) -> Result<Option<SchemaRef>> {
        let Some(table) = self.table(name).await? else { return Ok(None) };
        Ok(Some(arrow_schema(name, &table)?))
    }

    /// The newest batch that a table holds; 0 when it holds none.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn last_batch(&self, name: &str) -> Result<i64> {
        match self.table(name).await? {
            Some(table) => self.batch_of(name, &table).await,
            None => Ok(0),
        }
    }

    /// The newest batch that a table held when it was read; 0 when it held none.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn batch_of(&self, name: &str, table: &DeltaTable) -> Result<i64> {
        Ok(self.mark(name, table, APP_ID).await?.unwrap_or(0))
    }

    /// The number that was last recorded under an application's name in a table, as it was read.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn mark(&self, name: &str, table: &DeltaTable, application: &str) -> Result<Option<i64>> {
        let failed = |error: DeltaTableError| Error::transient(format!("failed to read table `{name}`")).because(error);
        let state = table.snapshot().map_err(failed)?;
        state.transaction_version(table.log_store().as_ref(), application).await.map_err(failed)
    }

    /// Adds files to a table and records numbers under the names of applications, in one commit on top of `table` as it
    /// was read.
    ///
    /// # Errors
    /// [`Kind::Conflict`](millpond_core::Kind::Conflict) when another writer was first: look again and decide again.
    pub async fn append_marked(
        &self,
        name: &str,
        table: &DeltaTable,
        adds: Vec<LakeFile>,
        marks: &[(String, i64)],
    ) -> Result<u64> {
        let change = Change { adds, removes: Vec::new() };
        let marks = marks.iter().map(|(application, number)| Transaction::new(application, *number)).collect();
        let properties =
            CommitProperties::default().with_application_transactions(marks).with_metadata(change.metadata());
        commit_actions(name, table, change.actions(true), properties, append()).await
    }

    /// Says whether rows of `schema` can go into a table: new columns can be added, a type cannot change.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) that names the column.
    pub async fn check_schema(&self, name: &str, schema: &Schema) -> Result<()> {
        let Some(stored) = self.schema(name).await? else { return Ok(()) };
        for field in schema.fields() {
            if let Ok(known) = stored.field_with_name(field.name())
                && !fits(known.data_type(), field.data_type())
            {
                return Err(Error::bad_config(format!(
                    "table `{name}` holds column `{}` as {}, and the transform now gives {}",
                    field.name(),
                    known.data_type(),
                    field.data_type()
                ))
                .hint("cast it back, give it another name, or let the source write to a new `table`"));
            }
        }
        Ok(())
    }

    /// Carries out a batch's change of a table in one commit that records `batch`, on top of `table` as it was read. A
    /// table that already holds the batch is left as it is.
    ///
    /// # Errors
    /// [`Kind::Conflict`](millpond_core::Kind::Conflict) when another writer was first: look again and decide again.
    pub async fn commit(&self, name: &str, table: &DeltaTable, change: &Change, batch: i64) -> Result<()> {
        if self.batch_of(name, table).await? >= batch {
            return Ok(());
        }
        let properties = CommitProperties::default()
            .with_application_transaction(Transaction::new(APP_ID, batch))
            .with_metadata([("batch".to_owned(), batch.into())]);
        commit_actions(name, table, change.actions(true), properties, append()).await.map(|_| ())
    }

    /// Puts files in the place of others, in one commit; gives the version that holds it. `table` is as it was read when
    /// the change was decided. What others added since stays and is no conflict. Delta's own checker is not asked: it
    /// passes over removals that changed no rows, so that two compactions of the same files would double their rows.
    ///
    /// # Errors
    /// [`Kind::Conflict`](millpond_core::Kind::Conflict) when one of the files that go is gone already, or other writers
    /// were first too often: look again and decide again.
    pub async fn replace(&self, name: &str, table: &DeltaTable, change: &Change, rewrite: &Rewrite) -> Result<u64> {
        let mut table = table.clone();
        for _ in 0..REPLACE_TRIES_MAX {
            let actions = change.actions(rewrite.is_data_change());
            let properties = CommitProperties::default().with_metadata(change.metadata());
            match commit_actions(name, &table, actions, properties, rewrite.operation()).await {
                Err(error) if error.kind() == Kind::Conflict => {}
                other => return other,
            }
            table = self.table(name).await?.ok_or_else(|| Error::conflict(format!("table `{name}` is gone")))?;
            let live: HashSet<String> = files_of(name, &table)?.into_iter().map(|file| file.path).collect();
            if change.is_done(&live) {
                // The answer to the commit was lost, or another process made the same files of the same ones.
                return Ok(table.version().unwrap_or_default());
            }
            if let Some(gone) = change.removes.iter().find(|file| !live.contains(&file.path)) {
                return Err(Error::conflict(format!("`{name}/{}` was replaced by another writer", gone.path)));
            }
        }
        Err(Error::conflict(format!("other writers to table `{name}` were first {REPLACE_TRIES_MAX} times")))
    }

    /// Adds files to a table in one commit without a batch: what no job wrote.
    ///
    /// # Errors
    /// [`Kind::Conflict`](millpond_core::Kind::Conflict) when other writers were first too often.
    pub async fn append(&self, name: &str, schema: &Schema, adds: Vec<LakeFile>) -> Result<u64> {
        let change = Change { adds, removes: Vec::new() };
        let table = self.table_for(name, schema).await?;
        self.replace(name, &table, &change, &Rewrite::Append).await
    }

    /// The files of a table and its newest version, read together.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn files(&self, name: &str) -> Result<Option<(DeltaTable, Vec<LakeFile>)>> {
        let Some(table) = self.table(name).await? else { return Ok(None) };
        let files = files_of(name, &table)?;
        Ok(Some((table, files)))
    }

    /// The version of a table; `None`: it does not exist.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn version(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.table(name).await?.and_then(|table| table.version()))
    }

    /// What changed in a table in the version after `version - 1`. `None`: the log does not reach back so far.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn changes(&self, name: &str, version: u64) -> Result<Option<Changes>> {
        let failed = |error: DeltaTableError| Error::transient(format!("failed to read table `{name}`")).because(error);
        let log = self.log_store(name)?;
        let Some(bytes) = log.read_commit_entry(version as _).await.map_err(failed)? else { return Ok(None) };
        let mut changes = Changes::default();
        for action in get_actions(version as _, &bytes).map_err(failed)? {
            match action {
                Action::Add(add) if add.data_change => changes.added.push(add.path),
                Action::Remove(remove) if remove.data_change => changes.removed.push(remove.path),
                _ => {}
            }
        }
        Ok(Some(changes))
    }

    /// The table with at least these columns, made or given new ones as needed.
    ///
    /// # Errors
    /// [`Kind::Conflict`](millpond_core::Kind::Conflict) when another writer was first: look again.
    pub async fn table_for(&self, name: &str, schema: &Schema) -> Result<DeltaTable> {
        let Some(table) = self.table(name).await? else { return self.create(name, schema).await };
        let stored = arrow_schema(name, &table)?;
        let missing = missing_fields(&stored, schema);
        if missing.is_empty() {
            return Ok(table);
        }
        let fields: StructType = kernel_schema(name, &Schema::new(missing))?;
        let fields: Vec<StructField> = fields.fields().cloned().collect();
        let added = table.add_columns().with_fields(fields).await.map_err(|error| commit_error(name, error))?;
        self.tables.lock().await.insert(name.to_owned(), added.clone());
        Ok(added)
    }

    async fn create(&self, name: &str, schema: &Schema) -> Result<DeltaTable> {
        let day = Arc::new(Field::new(DAY_COLUMN, DataType::Date32, true));
        let schema = Schema::new(schema.fields().iter().cloned().chain([day]).collect::<Vec<_>>());
        let schema = kernel_schema(name, &schema)?;
        let created = CreateBuilder::new()
            .with_log_store(self.log_store(name)?)
            .with_columns(schema.fields().cloned().collect::<Vec<_>>())
            .with_partition_columns([DAY_COLUMN])
            .with_save_mode(SaveMode::Ignore)
            .await
            .map_err(|error| commit_error(name, error))?;
        self.tables.lock().await.insert(name.to_owned(), created.clone());
        Ok(created)
    }

    /// Rows of each table, from the statistics of its files.
    ///
    /// # Errors
    /// As [`Lake::table`].
    pub async fn row_counts(&self) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for name in self.tables().await? {
            if let Some(table) = self.table(&name).await? {
                let failed =
                    |error: DeltaTableError| Error::transient(format!("failed to read table `{name}`")).because(error);
                let rows = table
                    .snapshot()
                    .map_err(failed)?
                    .log_data()
                    .iter()
                    .filter_map(|file| file.num_records())
                    .sum::<usize>();
                counts.insert(name, rows as u64);
            }
        }
        Ok(counts)
    }
}

/// A table, as it was read, as DataFusion reads it.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when its log cannot be read.
pub async fn provider_of(name: &str, table: &DeltaTable) -> Result<Arc<dyn TableProvider>> {
    let provider = table.table_provider().await;
    provider.map_err(|error| Error::transient(format!("failed to open table `{name}`")).because(error))
}

/// The files of a table as it was read.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when its log cannot be read.
pub fn files_of(name: &str, table: &DeltaTable) -> Result<Vec<LakeFile>> {
    let failed = |error: DeltaTableError| Error::transient(format!("failed to read table `{name}`")).because(error);
    let state = table.snapshot().map_err(failed)?;
    let log = state.log_data();
    let files = log.iter().map(|file| {
        let path = file.path().into_owned();
        LakeFile {
            day: day_of(&path).to_owned(),
            path,
            bytes: file.size() as u64,
            rows: file.num_records().unwrap_or(0) as u64,
            statistics: file.stats().unwrap_or_default(),
            jobs: Vec::new(),
        }
    });
    Ok(files.collect())
}

/// The partition that a file's path names.
pub(crate) fn day_of(path: &str) -> &str {
    path.strip_prefix(DAY_COLUMN).and_then(|rest| rest.get(1..)).and_then(|rest| rest.split('/').next()).unwrap_or("")
}
