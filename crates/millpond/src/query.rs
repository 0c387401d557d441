//! Queries by people: SQL over the lake's tables and over any file.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::{DataFusionError, TableReference};
use datafusion::datasource::MemTable;
use datafusion::execution::SessionStateBuilder;
use datafusion::prelude::{SQLOptions, SessionContext, lit};
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use futures::stream::BoxStream;
use millpond_core::format::DecodeLimits;
use millpond_core::source::Source;
use millpond_core::{Error, Result};
use millpond_engine::decode::learn;
use millpond_engine::encode::{DAY_COLUMN, JOB_COLUMN};
use millpond_engine::file_table::FileTable;
use millpond_engine::{functions, session, sql};

use crate::alerting::{ALERTS, DELIVERIES, alerts_schema, deliveries_schema};
use crate::audit::{AUDIT, audit_schema};
use crate::committer::receipts_schema;
use crate::lake::Lake;
use crate::ledger::RECEIPTS;
use crate::ocsf_views::{self, OCSF};
use crate::pipeline::{quarantine_schema, signals_schema};
use crate::pond::Pond;
use crate::store::{Place, Stores};
use crate::tables::databases;

/// Rows that travel together in a query.
const BATCH_ROWS: usize = 8_192;

/// A session over the tables of a lake. Files and URLs in quotes are opened as they are named.
pub struct Session {
    context: SessionContext,
    folder: std::path::PathBuf,
    /// The pond whose databases of addresses are read once a query needs them.
    pond: Option<std::path::PathBuf>,
    has_databases: tokio::sync::OnceCell<()>,
}

/// The rows of a query.
pub struct Rows {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows, as they come.
    pub batches: BoxStream<'static, Result<RecordBatch>>,
}

impl Session {
    /// A session over `lake`, if there is one; paths are relative to `folder`.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when a table cannot be read.
    pub async fn new(lake: Option<&Lake>, folder: &Path) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let state = session::state(session::config(threads, BATCH_ROWS));
        let context = SessionContext::new_with_state(SessionStateBuilder::new_from_existing(state).build());
        if let Some(lake) = lake {
            for name in lake.tables().await? {
                if let Some(provider) = lake.provider(&name).await? {
                    let failed = |error| session::engine_error(&format!("failed to open table `{name}`"), error);
                    let provider = widened(&context, &name, provider).map_err(failed)?;
                    context.register_table(TableReference::bare(name.as_str()), provider).map_err(failed)?;
                }
            }
        }
        ocsf_views::register(&context)?;
        let has_databases = tokio::sync::OnceCell::new();
        let session = Self { context, folder: folder.to_owned(), pond: None, has_databases };
        if lake.is_some() {
            session.add_empty_tables()?;
        }
        Ok(session)
    }

    /// The same session, where `geoip` and `asn` look addresses up in the databases of the pond in `root`.
    pub fn of_pond(self, root: &Path) -> Self {
        Self { pond: Some(root.to_owned()), ..self }
    }

    /// Reads the pond's databases of addresses when a query first asks for one.
    async fn open_databases(&self, text: &str) -> Result<()> {
        let Some(root) = &self.pond else { return Ok(()) };
        if sql::line_of_call(&self.context.state(), text, &["geoip", "asn"]).is_none() {
            return Ok(());
        }
        let open = || async {
            let databases = Arc::new(databases(&Pond::config_of(root)?.geoip, root).await?);
            let functions = functions::over(&databases);
            functions.iter().for_each(|function| self.context.register_udf(function.as_ref().clone()));
            Ok(())
        };
        self.has_databases.get_or_try_init(open).await.map(|_| ())
    }

    /// millpond's own tables exist from the start: one that holds nothing yet is empty.
    fn add_empty_tables(&self) -> Result<()> {
        let known = self.tables();
        let missing = system_tables().into_iter().filter(|(name, ..)| !known.iter().any(|table| table == name));
        for (name, schema, has_job) in missing {
            let job = has_job.then(|| Arc::new(Field::new(JOB_COLUMN, DataType::Utf8, true)));
            let day = Arc::new(Field::new(DAY_COLUMN, DataType::Date32, true));
            let fields: Vec<_> = schema.fields().iter().cloned().chain(job).chain([day]).collect();
            let failed = |error| session::engine_error(&format!("failed to open table `{name}`"), error);
            let empty = MemTable::try_new(Arc::new(Schema::new(fields)), vec![Vec::new()]).map_err(failed)?;
            self.context.register_table(TableReference::bare(name), Arc::new(empty)).map_err(failed)?;
        }
        Ok(())
    }

    /// The names of the tables.
    pub fn tables(&self) -> Vec<String> {
        let catalog = self.context.catalog("datafusion").and_then(|catalog| catalog.schema("public"));
        let mut names = catalog.map(|schema| schema.table_names()).unwrap_or_default();
        names.sort();
        names
    }

    /// The names of all columns of all tables, for completion.
    pub async fn columns(&self) -> Vec<String> {
        let mut names = Vec::new();
        for table in self.tables() {
            if let Ok(provider) = self.context.table_provider(TableReference::bare(table)).await {
                names.extend(provider.schema().fields().iter().map(|field| field.name().clone()));
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// Whether a query reads a table that one of the sources writes and that does not exist yet.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for SQL that does not parse.
    pub fn lacks_table_of(&self, text: &str, sources: &[Source]) -> Result<bool> {
        let known = self.tables();
        let lacks = |table: &String| !known.contains(table);
        let writes_class = |source: &Source, class: &String| {
            source.ocsf.iter().any(|ocsf| ocsf.classes.contains(class)) && known.contains(&source.table)
        };
        let relations = sql::relations(&self.context.state(), text)?;
        Ok(relations.iter().any(|relation| match relation.as_slice() {
            [table] => lacks(table) && sources.iter().any(|source| source.table == *table),
            [schema, class] => schema == OCSF && !sources.iter().any(|source| writes_class(source, class)),
            _ => false,
        }))
    }

    /// Starts a query. Only reading statements are allowed.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for SQL that does not plan; errors while it runs come with
    /// the rows.
    pub async fn run(&self, text: &str) -> Result<Rows> {
        let text = text.trim().trim_end_matches(';');
        for location in self.locations(text) {
            self.open_file(&location).await?;
        }
        self.open_databases(text).await?;
        let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let failed = |error: DataFusionError| {
            let message = sql::root_message(&error);
            let is_about_a_name = message.contains("not found") || message.contains("No field named");
            match Error::bad_config(message) {
                error if is_about_a_name => error.hint("names are matched exactly; `show tables` lists the tables"),
                error => error,
            }
        };
        let frame = self.context.sql_with_options(text, options).await.map_err(failed)?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let stream =
            frame.execute_stream().await.map_err(|error| session::engine_error("failed to start the query", error))?;
        let batches =
            stream.map(|batch| batch.map_err(|error| session::engine_error("failed to run the query", error)));
        Ok(Rows { schema, batches: batches.boxed() })
    }

    /// Runs a query and gathers its rows.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn collect(&self, text: &str) -> Result<(SchemaRef, Vec<RecordBatch>)> {
        let rows = self.run(text).await?;
        let batches: Vec<Result<RecordBatch>> = rows.batches.collect().await;
        Ok((rows.schema, batches.into_iter().collect::<Result<_>>()?))
    }

    /// Quoted locations; a statement that is no query (such as `show tables`) has none.
    fn locations(&self, text: &str) -> Vec<String> {
        let found = sql::locations(&self.context.state(), text);
        found.into_iter().flatten().collect()
    }

    /// Makes a file or URL a table under its quoted name: its format and columns are learned from its content.
    async fn open_file(&self, location: &str) -> Result<()> {
        if self.context.table_exist(TableReference::bare(location)).unwrap_or(false) {
            return Ok(());
        }
        let path = local_copy(location, &self.folder).await?;
        let open = path.opener();
        let learned = learn::learn(vec![(location.to_owned(), open()?)], DecodeLimits::default())
            .map_err(|error| Error::bad_input(format!("failed to read `{location}` as a table")).because(error))?;
        let table = FileTable::new(location, learned.format, learned.columns, open);
        let failed = |error| session::engine_error(&format!("failed to open `{location}`"), error);
        self.context.register_table(TableReference::bare(location), table.provider()?).map_err(failed)?;
        Ok(())
    }
}

/// The tables that millpond itself writes: name, columns, and whether its rows are those of jobs.
pub(crate) fn system_tables() -> [(&'static str, SchemaRef, bool); 6] {
    [
        (RECEIPTS, receipts_schema(), false),
        ("signals", signals_schema(), true),
        ("quarantine", quarantine_schema(), true),
        (ALERTS, alerts_schema(), false),
        (DELIVERIES, deliveries_schema(), false),
        (AUDIT, audit_schema(), false),
    ]
}

/// A table as this version writes it: a column that an older version did not write is NULL.
pub(crate) fn widened(
    context: &SessionContext,
    name: &str,
    provider: Arc<dyn TableProvider>,
) -> Result<Arc<dyn TableProvider>, DataFusionError> {
    let stored = provider.schema();
    let Some((_, schema, _)) = system_tables().into_iter().find(|(table, ..)| *table == name) else {
        return Ok(provider);
    };
    let missing: Vec<_> =
        schema.fields().iter().filter(|field| stored.field_with_name(field.name()).is_err()).collect();
    if missing.is_empty() {
        return Ok(provider);
    }
    let mut rows = context.read_table(provider)?;
    for field in missing {
        rows = rows.with_column(field.name(), lit(ScalarValue::try_new_null(field.data_type())?))?;
    }
    Ok(rows.into_view())
}

/// A file on disk: the one that was named, or a copy of a remote object.
enum Local {
    Named(std::path::PathBuf),
    Copy(Arc<tempfile::NamedTempFile>),
}

impl Local {
    fn opener(self) -> Arc<dyn Fn() -> Result<Box<dyn std::io::Read + Send>> + Send + Sync> {
        Arc::new(move || {
            let path = match &self {
                Self::Named(path) => path.as_path(),
                Self::Copy(file) => file.path(),
            };
            let opened = std::fs::File::open(path);
            let file = opened
                .map_err(|error| Error::bad_input(format!("failed to open `{}`", path.display())).because(error))?;
            Ok(Box::new(file))
        })
    }
}

async fn local_copy(location: &str, folder: &Path) -> Result<Local> {
    let stores = Stores::default();
    let place = Place::open(&stores, location, folder)?;
    if let Some(path) = place.folder() {
        return match path.is_file() {
            true => Ok(Local::Named(path)),
            false => Err(Error::bad_input(format!("`{location}` is no file"))
                .hint("name one file in quotes, such as `'inbox/a.json.gz'`")),
        };
    }
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Error::transient(format!("failed to fetch `{location}`")).because(error)
    };
    let mut objects = place.objects().await?;
    let object = objects.next().await.transpose()?;
    let object = object.ok_or_else(|| Error::bad_input(format!("nothing at `{location}`")))?;
    let (store, path) = stores.locate(&object.uri)?;
    let found = object_store::ObjectStoreExt::get(store.as_ref(), &path).await;
    let mut pieces = found.map_err(|error| failed(Box::new(error)))?.into_stream();
    let mut file = tempfile::NamedTempFile::new().map_err(|error| failed(Box::new(error)))?;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| failed(Box::new(error)))?;
        std::io::Write::write_all(&mut file, &piece).map_err(|error| failed(Box::new(error)))?;
    }
    Ok(Local::Copy(Arc::new(file)))
}
