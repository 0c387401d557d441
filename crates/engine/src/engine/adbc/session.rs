//! A database of one job, or of planning, in an engine.

use adbc_core::error::Error as AdbcError;
use adbc_core::options::{IngestMode, OptionStatement};
use adbc_core::{Connection, Optionable, Statement};
use adbc_driver_manager::{ManagedConnection, ManagedDatabase, ManagedStatement};
use arrow::array::{AsArray, RecordBatch, RecordBatchReader};
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use millpond_core::{Error, Result};

use super::dialect::{Dialect, failed};
use crate::limits::Stop;

/// Rows from an engine.
pub(super) type Reader = Box<dyn RecordBatchReader + Send + 'static>;

/// A connection, with what must outlive it.
pub(super) struct Session {
    pub(super) dialect: &'static dyn Dialect,
    pub(super) connection: ManagedConnection,
    /// Where its tables are, for engines that would put them elsewhere.
    pub(super) default_schema: Option<String>,
    /// Runs when the connection is closed: what the engine does not clear up by itself.
    _cleanup: Option<Cleanup>,
    _database: ManagedDatabase,
    /// Where the engine may write.
    _folder: Option<tempfile::TempDir>,
}

/// What happens at the end of a session.
pub(super) struct Cleanup(pub(super) Option<Box<dyn FnOnce() + Send>>);

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let Some(cleanup) = self.0.take() {
            cleanup();
        }
    }
}

impl Session {
    pub(super) fn new(
        dialect: &'static dyn Dialect,
        connection: ManagedConnection,
        database: ManagedDatabase,
        cleanup: Option<Cleanup>,
        folder: Option<tempfile::TempDir>,
    ) -> Self {
        Self { dialect, connection, default_schema: None, _cleanup: cleanup, _database: database, _folder: folder }
    }

    /// A statement that is ready to run.
    pub(super) fn statement(&mut self, sql: &str) -> Result<ManagedStatement, AdbcError> {
        let mut statement = self.connection.new_statement()?;
        statement.set_sql_query(sql)?;
        Ok(statement)
    }

    /// Runs a statement whose rows nobody wants.
    pub(super) fn execute(&mut self, sql: &str) -> Result<(), AdbcError> {
        let mut statement = self.statement(sql)?;
        for batch in statement.execute()? {
            batch.map_err(of_arrow)?;
        }
        Ok(())
    }

    /// Runs a statement of millpond's own, which only fails where the engine is not what it should be.
    pub(super) fn set_up(&mut self, sql: &str) -> Result<()> {
        let dialect = self.dialect;
        self.execute(sql).map_err(|error| {
            let name = dialect.kind().name();
            Error::bad_config(format!("engine `{name}` refused `{sql}`")).because(error.message)
        })
    }

    /// The columns that a query gives.
    pub(super) fn schema(&mut self, sql: &str) -> Result<SchemaRef, AdbcError> {
        let mut statement = self.statement(sql)?;
        let reader = statement.execute()?;
        Ok(reader.schema())
    }

    /// All rows of a small query.
    pub(super) fn rows(&mut self, sql: &str) -> Result<Vec<RecordBatch>, AdbcError> {
        let mut statement = self.statement(sql)?;
        statement.execute()?.map(|batch| batch.map_err(of_arrow)).collect()
    }

    /// The first column of a small query.
    pub(super) fn texts(&mut self, sql: &str) -> Result<Vec<String>> {
        let dialect = self.dialect;
        let failed = |error| failed(dialect, &format!("failed to ask `{sql}`"), &error);
        let mut texts = Vec::new();
        for batch in self.rows(sql).map_err(failed)? {
            let column = arrow::compute::cast(batch.column(0), &DataType::Utf8);
            let column = column.map_err(|error| Error::bug("an engine's answer is no text").because(error))?;
            texts.extend(column.as_string::<i32>().iter().flatten().map(str::to_owned));
        }
        Ok(texts)
    }

    /// The value of a query with one.
    pub(super) fn text(&mut self, sql: &str) -> Result<String> {
        let texts = self.texts(sql)?;
        texts.into_iter().next().ok_or_else(|| Error::bug(format!("`{sql}` has no answer")))
    }

    /// How many rows a table has.
    pub(super) fn count(&mut self, table: &str) -> Result<u64> {
        let sql = format!("select cast(count(*) as bigint) from {}", quoted(table));
        let dialect = self.dialect;
        let rows = self.rows(&sql).map_err(|error| failed(dialect, &format!("failed to count `{table}`"), &error))?;
        let count = rows.first().and_then(|batch| batch.column(0).as_primitive_opt::<Int64Type>().map(|c| c.value(0)));
        count.map(|count| count as u64).ok_or_else(|| Error::bug(format!("`{table}` was not counted")))
    }

    /// Adds rows to a table that there is.
    pub(super) fn append(&mut self, table: &str, rows: RecordBatch) -> Result<(), AdbcError> {
        let mut statement = self.connection.new_statement()?;
        statement.set_option(OptionStatement::TargetTable, table.into())?;
        if let Some(schema) = &self.default_schema {
            statement.set_option(OptionStatement::TargetDbSchema, schema.as_str().into())?;
        }
        statement.set_option(OptionStatement::IngestMode, IngestMode::Append.into())?;
        statement.bind(rows)?;
        statement.execute_update().map(drop)
    }

    /// What a failed statement means, where the job was stopped meanwhile.
    pub(super) fn failure(&self, stop: &Stop, what: &str, error: &AdbcError) -> Error {
        stop.check().err().unwrap_or_else(|| failed(self.dialect, what, error))
    }
}

/// An error that came with a batch.
pub(super) fn of_arrow(error: arrow::error::ArrowError) -> AdbcError {
    let message = match error {
        arrow::error::ArrowError::CDataInterface(message) => message,
        other => other.to_string(),
    };
    AdbcError::with_message_and_status(message, adbc_core::error::Status::Unknown)
}

/// A name as SQL of every engine has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
