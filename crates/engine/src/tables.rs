//! Tables that a source's SQL joins besides `input`: enrichment by name, files and URLs by their quoted location.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, TableReference};
use datafusion::datasource::MemTable;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use millpond_core::{Error, Result};

use crate::functions::{self, Databases};

/// The tables of one pond, held in memory and shared by its jobs.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    by_name: BTreeMap<String, (Arc<MemTable>, Table)>,
    /// Where `geoip` and `asn` look addresses up.
    pub databases: Arc<Databases>,
}

/// One table of a pond.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) name: String,
    schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Table {
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Tables {
    /// Adds a table under its name or quoted location.
    ///
    /// # Errors
    /// [`Kind::Bug`](millpond_core::Kind::Bug) when a batch does not have the schema.
    pub fn add(&mut self, name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<()> {
        // The batches are shared, not copied.
        let plain = Table { name: name.to_owned(), schema: Arc::clone(&schema), batches: batches.clone() };
        let table = MemTable::try_new(schema, vec![batches])
            .map_err(|error| Error::bug(format!("failed to build table `{name}`")).because(error.strip_backtrace()))?;
        self.by_name.insert(name.to_owned(), (Arc::new(table), plain));
        Ok(())
    }

    /// The names of the tables.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// Those of the tables that have one of these names.
    pub(crate) fn named(&self, names: &[String]) -> Vec<Table> {
        let known = names.iter().filter_map(|name| self.by_name.get(name));
        known.map(|(_, table)| table.clone()).collect()
    }

    /// Makes every table known to a session, and the databases of addresses.
    ///
    /// # Errors
    /// [`Kind::Bug`](millpond_core::Kind::Bug) when the session refuses one.
    pub fn register(&self, state: &mut SessionState) -> Result<()> {
        for function in functions::over(&self.databases) {
            let refused = |error: DataFusionError| Error::bug("failed to register a function").because(error);
            state.register_udf(function).map_err(refused)?;
        }
        for (name, (table, _)) in &self.by_name {
            register(state, name, Arc::clone(table) as _)?;
        }
        Ok(())
    }
}

/// Makes one table known to a session, replacing another of that name.
pub(crate) fn register(
    state: &SessionState,
    name: &str,
    table: Arc<dyn datafusion::catalog::TableProvider>,
) -> Result<()> {
    let refused = |error: datafusion::error::DataFusionError| {
        Error::bug(format!("failed to register table `{name}`")).because(error.strip_backtrace())
    };
    let schema = state.schema_for_ref(TableReference::bare(name.to_owned())).map_err(refused)?;
    schema.deregister_table(name).map_err(refused)?;
    schema.register_table(name.to_owned(), table).map_err(refused)?;
    Ok(())
}
