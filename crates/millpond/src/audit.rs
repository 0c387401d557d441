//! The table `audit`: what was done to the lake besides adding to it, and by which rule.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::json::ReaderBuilder;
use millpond_core::{Error, Result};
use millpond_engine::encode::{Origin, TableWriter};
use serde::Serialize;

use crate::lake::Lake;
use crate::put::put_file;

/// The table.
pub const AUDIT: &str = "audit";

/// One thing that was done to one table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Entry {
    /// When it was done, microseconds since 1970 in UTC.
    #[serde(rename = "time")]
    pub time_us: i64,
    /// `vacuum`, `expire` or `erase`.
    pub action: String,
    /// The table.
    pub table: String,
    /// Which rows went, where rows went.
    pub predicate: Option<String>,
    /// More about it, as JSON.
    pub detail: String,
    /// Rows that went.
    pub rows: u64,
    /// Files that went or were written again.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// The table's version before.
    pub version_before: Option<u64>,
    /// The version that it was done in; the one before where that did not change.
    pub version_after: Option<u64>,
    /// The program's version.
    pub millpond: String,
}

/// The columns of the table `audit`; the names are those of [`Entry`] as it is serialised.
pub fn audit_schema() -> SchemaRef {
    let columns = [
        ("time", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("action", DataType::Utf8),
        ("table", DataType::Utf8),
        ("predicate", DataType::Utf8),
        ("detail", DataType::Utf8),
        ("rows", DataType::Int64),
        ("files", DataType::Int64),
        ("bytes", DataType::Int64),
        ("version_before", DataType::Int64),
        ("version_after", DataType::Int64),
        ("millpond", DataType::Utf8),
    ];
    Arc::new(Schema::new(columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}

/// Writes an entry down, in a commit of its own. It comes after what it tells of: when that is cut off between the two,
/// the history of the table has it alone.
///
/// # Errors
/// As [`Lake::append`], and [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not take it.
pub async fn record(lake: &Lake, entry: Entry) -> Result<()> {
    let entry = Entry { millpond: env!("CARGO_PKG_VERSION").to_owned(), ..entry };
    let schema = audit_schema();
    let failed = |error: arrow::error::ArrowError| Error::bug("failed to write the audit").because(error);
    let mut decoder = ReaderBuilder::new(Arc::clone(&schema)).build_decoder().map_err(failed)?;
    decoder.serialize(std::slice::from_ref(&entry)).map_err(failed)?;
    let mut writer = TableWriter::new(&schema, Some("time"), false);
    while let Some(rows) = decoder.flush().map_err(failed)? {
        writer.write(&rows, &Origin { job: None, day: 0 })?;
    }
    let mut files = Vec::new();
    for file in writer.finish()? {
        files.push(put_file(lake, AUDIT, &format!("{}-{}", entry.action, entry.time_us), file).await?);
    }
    lake.append(AUDIT, &schema, files).await.map(|_| ())
}
