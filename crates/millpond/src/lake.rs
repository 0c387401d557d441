//! The lake: one Delta table for each source and for each kind of record that millpond itself keeps.
//!
//! Files come into a table only through [`Lake::add_files`], called by the committer alone. Layout below the lake's
//! root: `<table>/_delta_log/`, `<table>/_day=YYYY-MM-DD/<file>.parquet`, `_pending/` (what jobs hand to the committer)
//! and `_batches/` (what the committer is about to commit).

use std::collections::{BTreeMap, HashMap};
use std::path::Path as FilePath;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Add, StructField, StructType, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use millpond_core::{Error, Result};
use millpond_engine::encode::{DAY_COLUMN, fits};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use crate::store::to_url;

/// The application id under which batches are recorded in each table.
const APP_ID: &str = "millpond";

/// One Parquet file that a table takes in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAdd {
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
}

/// The tables below one root.
#[derive(Debug)]
pub struct Lake {
    root: Url,
    /// The store, rooted at the lake.
    pub store: Arc<dyn ObjectStore>,
    tables: Mutex<HashMap<String, DeltaTable>>,
}

impl Lake {
    /// Opens a lake; the folder is made if it is missing. `text` is a path relative to `folder` or a `file://` URL.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when the place cannot hold a lake.
    pub fn open(text: &str, folder: &FilePath) -> Result<Self> {
        let failed = || Error::bad_config(format!("failed to open the lake `{text}`"));
        let root = to_url(text, folder)?;
        let path = root
            .to_file_path()
            .map_err(|()| failed().hint("a lake lies in a folder: use a path or a `file://` URL"))?;
        std::fs::create_dir_all(&path).map_err(|error| failed().because(error))?;
        let store =
            object_store::local::LocalFileSystem::new_with_prefix(&path).map_err(|error| failed().because(error))?;
        let mut root = root;
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        Ok(Self { root, store: Arc::new(store.with_automatic_cleanup(false)), tables: Mutex::new(HashMap::new()) })
    }

    /// The lake as a URL, with a slash at the end.
    pub fn url(&self) -> &Url {
        &self.root
    }

    fn table_url(&self, name: &str) -> Result<Url> {
        self.root
            .join(&format!("{name}/"))
            .map_err(|error| Error::bug(format!("`{name}` is no table name")).because(error))
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
        let table = DeltaTableBuilder::from_url(self.table_url(name)?).map_err(failed)?.load().await.map_err(failed)?;
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
        let Some(table) = self.table(name).await? else { return Ok(None) };
        let provider = table.table_provider().await;
        provider.map(Some).map_err(|error| Error::transient(format!("failed to open table `{name}`")).because(error))
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
        let Some(table) = self.table(name).await? else { return Ok(0) };
        let failed = |error: DeltaTableError| Error::transient(format!("failed to read table `{name}`")).because(error);
        let state = table.snapshot().map_err(failed)?;
        let version = state.transaction_version(table.log_store().as_ref(), APP_ID).await.map_err(failed)?;
        Ok(version.unwrap_or(0))
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

    /// Adds files to a table in one commit that records `batch`; the table is made or given new columns as needed.
    /// A table that already holds the batch is left as it is.
    ///
    /// # Errors
    /// [`Kind::Conflict`](millpond_core::Kind::Conflict) when another writer was first: look again and decide again.
    pub async fn add_files(&self, name: &str, schema: &Schema, files: &[FileAdd], batch: i64) -> Result<()> {
        let table = self.table_with_schema(name, schema).await?;
        if self.last_batch(name).await? >= batch {
            return Ok(());
        }
        let actions = files.iter().map(|file| Action::Add(add_action(file))).collect();
        let properties = CommitProperties::default()
            .with_application_transaction(Transaction::new(APP_ID, batch))
            .with_max_retries(0)
            .with_metadata([("batch".to_owned(), batch.into())]);
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![DAY_COLUMN.to_owned()]),
            predicate: None,
        };
        let state = table.snapshot().map_err(|error| commit_error(name, error))?;
        let committed = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state.snapshot()), table.log_store(), operation)
            .await;
        committed.map(|_| ()).map_err(|error| commit_error(name, error))
    }

    /// The table with at least these columns.
    async fn table_with_schema(&self, name: &str, schema: &Schema) -> Result<DeltaTable> {
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
        let path = self.table_url(name)?;
        if let Ok(folder) = path.to_file_path() {
            std::fs::create_dir_all(&folder)
                .map_err(|error| Error::transient(format!("failed to make `{}`", folder.display())).because(error))?;
        }
        let created = CreateBuilder::new()
            .with_location(path.as_str())
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

fn arrow_schema(name: &str, table: &DeltaTable) -> Result<SchemaRef> {
    let failed =
        |error: &dyn std::fmt::Display| Error::transient(format!("failed to read the columns of `{name}`: {error}"));
    let state = table.snapshot().map_err(|error| failed(&error))?;
    let schema: Schema = state.schema().as_ref().try_into_arrow().map_err(|error| failed(&error))?;
    Ok(Arc::new(schema))
}

fn kernel_schema(name: &str, schema: &Schema) -> Result<StructType> {
    schema
        .try_into_kernel()
        .map_err(|error| Error::bad_config(format!("failed to store the columns of `{name}`")).because(error))
}

/// Fields that a table lacks; a struct that lacks fields counts as lacking.
fn missing_fields(stored: &Schema, given: &Schema) -> Vec<Arc<Field>> {
    let lacks = |field: &&Arc<Field>| match stored.field_with_name(field.name()) {
        Ok(known) => lacks_part(known.data_type(), field.data_type()),
        Err(_) => true,
    };
    given.fields().iter().filter(lacks).cloned().collect()
}

fn lacks_part(stored: &DataType, given: &DataType) -> bool {
    match (stored, given) {
        (DataType::Struct(stored), DataType::Struct(given)) => {
            given.iter().any(|field| match stored.iter().find(|known| known.name() == field.name()) {
                Some(known) => lacks_part(known.data_type(), field.data_type()),
                None => true,
            })
        }
        (DataType::List(stored), DataType::List(given)) => lacks_part(stored.data_type(), given.data_type()),
        _ => false,
    }
}

fn add_action(file: &FileAdd) -> Add {
    Add {
        path: file.path.clone(),
        partition_values: HashMap::from([(DAY_COLUMN.to_owned(), Some(file.day.clone()))]),
        size: file.bytes as i64,
        modification_time: chrono::Utc::now().timestamp_millis(),
        data_change: true,
        stats: Some(file.statistics.clone()),
        ..Add::default()
    }
}

fn commit_error(name: &str, error: DeltaTableError) -> Error {
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
