//! Engines in shared libraries, reached through ADBC, the database interface of Arrow.
//!
//! A job gets a database of its own: the columns of `input` that its transform reads become a table there, the records are
//! handed over as Arrow batches, and the transform's rows come back as Arrow batches. What differs between the libraries is
//! a [`dialect::Dialect`]: how a database is limited and locked, what types are called, what its errors mean.
//!
//! An engine that is not compiled in sees nothing of the machine: no files but its own temporary folder, no network, no
//! extensions, no other settings than those given.

mod chdb;
mod dialect;
mod duckdb;
mod ingest;
mod job;
mod library;
mod nulls;
mod plan;
mod session;
mod shape;
mod types;

use std::sync::Arc;

use datafusion::execution::session_state::SessionState;
use millpond_core::Result;
use millpond_core::config::Driver;
use millpond_core::plan::Engine as Kind;

use super::{Engine, Planner, Support};
use crate::limits::{Limits, Stop};
use crate::tables::Tables;
use dialect::Dialect;
use library::Library;

pub use library::Loaded;

/// Memory in which SQL is planned: over empty tables, and those that it joins.
const PLANNING_BYTES: u64 = 512 << 20;

/// An engine whose library is loaded.
#[derive(Debug, Clone)]
pub struct Adbc {
    dialect: &'static dyn Dialect,
    library: Arc<Library>,
}

impl Adbc {
    /// Loads the library of an engine, once for each process. A relative path of `driver` is one below `root`.
    ///
    /// # Errors
    /// [`BadConfig`](millpond_core::Kind::BadConfig) when there is no such library, or no such engine in it.
    pub fn load(kind: Kind, driver: &Driver, root: &std::path::Path) -> Result<Self> {
        let dialect: &'static dyn Dialect = match kind {
            Kind::DuckDb => &duckdb::DuckDb,
            Kind::ChDb => &chdb::ChDb,
            Kind::DataFusion => {
                return Err(millpond_core::Error::bug("`datafusion` is compiled in and has no library"));
            }
        };
        Ok(Self { dialect, library: library::load(dialect, driver, root)? })
    }

    /// What was loaded.
    pub fn loaded(&self) -> &Loaded {
        &self.library.loaded
    }

    /// The version that the engine tells, from a session as jobs have it.
    ///
    /// # Errors
    /// [`BadConfig`](millpond_core::Kind::BadConfig) when no session can be opened.
    pub fn version(&self) -> Result<String> {
        let mut session = self.dialect.open(&self.library, &planning_limits())?;
        session.text("select version()")
    }
}

impl Engine for Adbc {
    fn kind(&self) -> Kind {
        self.dialect.kind()
    }

    fn support(&self) -> Support {
        self.dialect.support()
    }

    fn planner<'a>(&'a self, _: &'a SessionState, tables: &'a Tables) -> Result<Box<dyn Planner + 'a>> {
        Ok(Box::new(plan::AdbcPlanner::open(self, tables)?))
    }
}

/// What planning may use.
fn planning_limits() -> Limits {
    Limits { memory_bytes: PLANNING_BYTES, spill_bytes: 0, threads: 1, batch_rows: 1_024, stop: Stop::after(None) }
}
