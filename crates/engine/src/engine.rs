//! The port to SQL engines: what millpond needs of whatever runs a source's transform.
//!
//! An [`Engine`] plans a transform against the declared columns before any data comes, runs it over a stream of batches
//! under [`Limits`], and tells what became of the rows. [`datafusion`] is compiled in; [`adbc`] reaches shared libraries.
//! Decoding and encoding are millpond's own on every engine, and so are signals and Sigma rules, which run on the compiled-in
//! one in the same pass: an engine sees the file's records and gives the table's rows, and never an object store or a
//! file that the pond does not allow.

pub mod adbc;
mod datafusion;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::datafusion::common::DataFusionError;
use ::datafusion::execution::session_state::SessionState;
use ::datafusion::logical_expr::LogicalPlan;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use millpond_core::balance::Balance;
use millpond_core::config::Driver;
use millpond_core::plan::Engine as Kind;
use millpond_core::predict::Work;
use millpond_core::source::Sql;
use millpond_core::{Error, Result};

use crate::limits::Limits;
use crate::shared::SharedStream;
use crate::tables::Tables;

pub use datafusion::DataFusion;
pub(crate) use datafusion::{Compiled, JobQuery, columns_read, planning_state, scans, spilled_bytes};

/// Batches on their way through a job. An error of ours travels in [`DataFusionError::External`].
pub type Rows = BoxStream<'static, Result<RecordBatch, DataFusionError>>;

/// The engines that a pond can use. A library is loaded when it is first asked for, once for each process.
#[derive(Debug, Clone, Default)]
pub struct Engines {
    root: PathBuf,
    drivers: Vec<(Kind, Driver)>,
}

impl Engines {
    /// The engines of the pond in `root`, whose configuration names these libraries.
    pub fn new(root: &Path, drivers: &[(Kind, Driver)]) -> Self {
        Self { root: root.to_owned(), drivers: drivers.to_vec() }
    }

    /// One engine.
    ///
    /// # Errors
    /// [`BadConfig`](millpond_core::Kind::BadConfig) when its library cannot be loaded.
    pub fn get(&self, kind: Kind) -> Result<Arc<dyn Engine>> {
        match kind {
            Kind::DataFusion => Ok(Arc::new(DataFusion)),
            Kind::DuckDb | Kind::ChDb => Ok(Arc::new(self.adbc(kind)?)),
        }
    }

    /// One of the engines in shared libraries.
    ///
    /// # Errors
    /// As [`Engines::get`].
    pub fn adbc(&self, kind: Kind) -> Result<adbc::Adbc> {
        let named = self.drivers.iter().find(|(of, _)| *of == kind);
        adbc::Adbc::load(kind, &named.map(|(_, driver)| driver.clone()).unwrap_or_default(), &self.root)
    }
}

/// What an engine can and cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Support {
    /// Whether rows can come out before all have gone in.
    pub streams: bool,
    /// Whether each operator counts its rows. Else rows that went in and did not come out have one fate together.
    pub counts_operators: bool,
    /// Whether `a` and `A` are different columns.
    pub exact_names: bool,
    /// Whether a list or a map can be NULL. Else one that is empty is taken for NULL.
    pub null_lists: bool,
    /// Whether rows come out in the order in which they went in, unless the SQL says otherwise.
    pub keeps_order: bool,
    /// Whether it goes on, on disk, where its memory ends.
    pub spills: bool,
    /// Whether it takes its memory from a pool of its own rather than from the job's session.
    pub own_memory: bool,
}

/// One SQL engine.
pub trait Engine: fmt::Debug + Send + Sync {
    /// Which one it is.
    fn kind(&self) -> Kind;

    /// What it can do.
    fn support(&self) -> Support;

    /// What plans SQL over `input` and `tables`. `session` is the compiled-in engine's, which knows the tables already.
    ///
    /// # Errors
    /// [`BadConfig`](millpond_core::Kind::BadConfig) when the engine cannot be loaded, or refuses a table.
    fn planner<'a>(&'a self, session: &'a SessionState, tables: &'a Tables) -> Result<Box<dyn Planner + 'a>>;
}

/// Plans the transform of one source, as often as it takes to know its columns.
#[async_trait]
pub trait Planner: Send {
    /// Plans one SELECT over the columns of `input`. Those in `hidden` are there for who names them, and no part of `*`.
    ///
    /// # Errors
    /// A [`Refusal`], which tells a missing column of `input` apart from other mistakes.
    async fn plan(
        &mut self,
        query: &Sql,
        input: &SchemaRef,
        hidden: &[String],
    ) -> Result<Arc<dyn Transform>, Box<Refusal>>;
}

/// Why SQL was not planned.
#[derive(Debug)]
pub struct Refusal {
    /// The column of `input` that it names and that is not there: it can be added.
    pub missing: Option<String>,
    /// The line of the SQL, from 1.
    pub line: usize,
    /// What is wrong.
    pub error: Error,
}

/// A planned transform, which all jobs of its source start from.
#[async_trait]
pub trait Transform: fmt::Debug + Send + Sync {
    /// The columns that it gives.
    fn schema(&self) -> SchemaRef;

    /// The columns of `input` that it reads.
    ///
    /// # Errors
    /// [`BadConfig`](millpond_core::Kind::BadConfig) when the engine cannot run what it planned.
    async fn columns_read(&self) -> Result<BTreeSet<String>>;

    /// Its plan, where the compiled-in engine made it: what the lints of signals look into.
    fn logical_plan(&self) -> Option<&LogicalPlan> {
        None
    }

    /// How its memory grows with the file. `session` plans as jobs of this source do.
    ///
    /// # Errors
    /// As [`Transform::columns_read`].
    async fn work(&self, session: &SessionState) -> Result<Work>;

    /// What of its SQL needs the rows of the whole file at once, in words; `None` where each row is looked at by itself, so
    /// that a file in parts gives the same rows. `session` plans as jobs of this source do.
    ///
    /// # Errors
    /// As [`Transform::columns_read`].
    async fn obstacle(&self, _session: &SessionState) -> Result<Option<String>> {
        Ok(Some("SQL on an engine in a library, which does not tell how it works".to_owned()))
    }

    /// How the engine goes about it, for people. `session` plans as jobs of this source do.
    ///
    /// # Errors
    /// As [`Transform::columns_read`].
    async fn explain(&self, session: &SessionState) -> Result<String>;

    /// Makes the engine ready for one job.
    ///
    /// # Errors
    /// [`Transient`](millpond_core::Kind::Transient) when the machine lacks what it needs, else as
    /// [`Transform::columns_read`].
    async fn start(&self, job: &JobSession<'_>) -> Result<Box<dyn Running>>;
}

/// What a job gives its transform.
pub struct JobSession<'a> {
    /// The compiled-in engine's session of this job, with its memory, functions and tables.
    pub session: &'a SessionState,
    /// The SQL's file, for messages.
    pub file: &'a str,
    /// What the transform may use.
    pub limits: &'a Limits,
    /// When the file was written, microseconds since 1970.
    pub modified_us: i64,
}

/// A transform in a job.
pub trait Running: Send {
    /// How often it reads its input from the start.
    fn input_readers(&self) -> usize;

    /// Starts it. The stream may block its thread, and does what it does while it is polled.
    ///
    /// # Errors
    /// As [`Transform::start`].
    fn rows(&mut self, input: &Input) -> Result<Rows>;

    /// What it wrote to the temporary folder, where the engine tells.
    fn spilled_bytes(&self) -> u64 {
        0
    }

    /// What became of the rows, once the stream has ended.
    ///
    /// # Errors
    /// [`Bug`](millpond_core::Kind::Bug) when the engine saw other rows than it was given.
    fn balance(&self, seen: &Seen) -> Result<Balance>;
}

/// The records of the file, as the transform gets them.
#[derive(Clone)]
pub struct Input {
    pub(crate) schema: SchemaRef,
    pub(crate) stream: Arc<SharedStream>,
}

impl Input {
    /// The columns; there may be more than the transform reads.
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The records from the start.
    ///
    /// # Errors
    /// When it is read more often than [`Running::input_readers`] says.
    pub fn rows(&self) -> Result<Rows, DataFusionError> {
        Ok(self.stream.reader()?.boxed())
    }
}

/// What was counted at both ends of a transform, by those who gave and took the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Records in the file.
    pub records: u64,
    /// Those that could not be read.
    pub rejected: u64,
    /// Those that the decoder handed over.
    pub delivered: u64,
    /// Rows that came out.
    pub rows_out: u64,
}
