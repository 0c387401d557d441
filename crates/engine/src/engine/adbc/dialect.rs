//! What differs between the engines that ADBC reaches.

use std::collections::BTreeSet;
use std::fmt::Debug;

use adbc_core::error::Error as AdbcError;
use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::dialect::Dialect as ParserDialect;
use millpond_core::plan::Engine as Kind;
use millpond_core::{Error, Result};

use super::library::Library;
use super::session::Session;
use crate::engine::Support;
use crate::limits::Limits;

/// One engine's ways.
pub(super) trait Dialect: Debug + Send + Sync {
    fn kind(&self) -> Kind;

    fn support(&self) -> Support;

    /// The function that sets the driver up, in the libraries that are published.
    fn entrypoint(&self) -> &'static str;

    /// A database within `limits` that reaches nothing outside. Functions that every engine has, `regexp_like(text, pattern)`
    /// and `md5(text)` as hexadecimal digits, are added where they are missing.
    fn open(&'static self, library: &Library, limits: &Limits) -> Result<Session>;

    /// The statement that makes a table.
    ///
    /// # Errors
    /// [`BadConfig`](millpond_core::Kind::BadConfig) for a type that the engine does not have.
    fn create_table(&self, name: &str, schema: &SchemaRef) -> Result<String>;

    /// Refuses a query that asks for more than its tables, where the engine itself would let it.
    ///
    /// # Errors
    /// [`BadConfig`](millpond_core::Kind::BadConfig) that names what it may not have.
    fn check(&self, session: &mut Session, query: &str, tables: &[String]) -> Result<()>;

    /// Takes what is left of the session's freedom: from here on it only reads.
    fn lock(&self, session: &mut Session) -> Result<()>;

    /// The transform as it is run: one query, whose columns have types that all engines share.
    fn shaped(&self, session: &mut Session, query: &str) -> Result<String, AdbcError>;

    /// Bytes of Arrow that a job's tables may hold, where the engine does not see to it.
    fn table_bytes_max(&self, limits: &Limits) -> Option<u64>;

    /// The query for the names of its aggregate functions.
    fn aggregates(&self) -> &'static str;

    /// How its SQL is read.
    fn parser(&self) -> Box<dyn ParserDialect>;

    /// Whether `*` leaves columns out by `exclude` rather than by `except`.
    fn excludes(&self) -> bool;

    /// What an error means to a job.
    fn meaning(&self, error: &AdbcError) -> Meaning;

    /// The column of `input` that a message says is missing. `aliases` are the names of `input` in the query.
    fn missing(&self, message: &str, query: &str, aliases: &BTreeSet<String>) -> Option<String>;

    /// The line of the query as it was sent that a message names, from 1.
    fn line(&self, message: &str) -> Option<usize>;
}

/// What an error of an engine means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Its memory, disk or time is used up.
    TooBig,
    /// It was interrupted.
    Stopped,
    /// It asked for something that it may not have.
    Forbidden,
    /// The SQL does not work, or not with this data.
    Wrong,
}

/// An error of an engine as one of ours.
pub(super) fn failed(dialect: &dyn Dialect, what: &str, error: &AdbcError) -> Error {
    let message = first_lines(&error.message);
    match dialect.meaning(error) {
        Meaning::TooBig => Error::too_big(what.to_owned())
            .because(message)
            .hint("raise `memory` or `time` under `[limits]` in `source.toml`"),
        Meaning::Stopped => Error::transient(what.to_owned()).because(message),
        Meaning::Forbidden => Error::bad_config(what.to_owned()).because(message).hint(
            "an engine reads no files and no network: tables come from `enrich/` and from quoted locations that \
             `[tables]` `allow` names",
        ),
        Meaning::Wrong => Error::bad_config(what.to_owned()).because(message),
    }
}

/// What an engine says, without the query that it repeats below.
pub(super) fn first_lines(message: &str) -> String {
    let lines = message.lines().take_while(|line| !line.starts_with("LINE ")).map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What stands between the first pair of `quote` after `before`.
pub(super) fn named_after(message: &str, before: &str, quote: char) -> Option<String> {
    let (_, rest) = message.split_once(before)?;
    let (name, _) = rest.strip_prefix(quote)?.split_once(quote)?;
    Some(name.to_owned())
}

/// A column that an engine cannot hold.
pub(super) fn no_type(engine: &str, column: &str, kind: &arrow::datatypes::DataType) -> Error {
    Error::bad_config(format!("`{engine}` has no type for column `{column}`, which is {kind}"))
        .hint("declare it as another type, or run the source on `datafusion`")
}
