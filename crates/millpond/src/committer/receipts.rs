//! Receipts as rows of the table `receipts`.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::json::ReaderBuilder;
use millpond_core::receipt::Receipt;
use millpond_core::{Error, Result};
use millpond_engine::encode::{Origin, TableWriter};
use serde::Serialize;

use crate::lake::{Lake, LakeFile};
use crate::ledger::RECEIPTS;
use crate::put::put_file;

/// Writes receipts as files that a commit can name. They lie by the day of their object, by which the ledger is read.
pub(super) async fn put_receipts(
    lake: &Lake,
    name: &str,
    receipts: &[Receipt],
    (batch, committed): (i64, Option<i64>),
) -> Result<Vec<LakeFile>> {
    if receipts.is_empty() {
        return Ok(Vec::new());
    }
    let schema = receipts_schema();
    let failed = |error: arrow::error::ArrowError| Error::bug("failed to write receipts").because(error);
    let builder = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(receipts.len());
    let mut decoder = builder.build_decoder().map_err(failed)?;
    let rows: Vec<_> = receipts.iter().map(|receipt| Row { receipt, batch, committed }).collect();
    decoder.serialize(&rows).map_err(failed)?;
    let mut writer = TableWriter::new(&schema, Some("object_modified"), false);
    while let Some(rows) = decoder.flush().map_err(failed)? {
        writer.write(&rows, &Origin { job: None, day: 0 })?;
    }
    let mut files = Vec::new();
    for file in writer.finish()? {
        files.push(put_file(lake, RECEIPTS, name, file).await?);
    }
    Ok(files)
}

/// A receipt, and when it came into the lake.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    receipt: &'a Receipt,
    batch: i64,
    committed: Option<i64>,
}

/// The columns of the table `receipts`; the names are those of [`Receipt`] as it is serialised.
pub fn receipts_schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let output = DataType::Struct(
        vec![
            Field::new("table", DataType::Utf8, true),
            Field::new("path", DataType::Utf8, true),
            Field::new("rows", DataType::Int64, true),
            Field::new("bytes", DataType::Int64, true),
        ]
        .into(),
    );
    let promotion = DataType::Struct(
        vec![
            Field::new("lane", DataType::Utf8, true),
            Field::new("reason", DataType::Utf8, true),
            Field::new("needed_bytes", DataType::Int64, true),
        ]
        .into(),
    );
    let promotions = DataType::List(Arc::new(Field::new("element", promotion, true)));
    let outputs = DataType::List(Arc::new(Field::new("element", output, true)));
    let columns = [
        ("job_id", DataType::Utf8),
        ("attempt", DataType::Int32),
        ("status", DataType::Utf8),
        ("object", DataType::Utf8),
        ("object_version", DataType::Utf8),
        ("object_modified", time()),
        ("source", DataType::Utf8),
        ("source_version", DataType::Int32),
        ("table", DataType::Utf8),
        ("rows_in", DataType::Int64),
        ("rows_out", DataType::Int64),
        ("filtered", DataType::Int64),
        ("deduplicated", DataType::Int64),
        ("aggregated", DataType::Int64),
        ("quarantined", DataType::Int64),
        ("exploded", DataType::Int64),
        ("signals", DataType::Int64),
        ("rescued", DataType::Int64),
        ("damages", DataType::Int64),
        ("members", DataType::Int64),
        ("bytes_in", DataType::Int64),
        ("bytes_decoded", DataType::Int64),
        ("bytes_out", DataType::Int64),
        ("fingerprint", DataType::Utf8),
        ("schema_fingerprint", DataType::Utf8),
        ("format", DataType::Utf8),
        ("compression", DataType::Utf8),
        ("engine", DataType::Utf8),
        ("fetch_us", DataType::Int64),
        ("decode_us", DataType::Int64),
        ("transform_us", DataType::Int64),
        ("write_us", DataType::Int64),
        ("total_us", DataType::Int64),
        ("memory_peak_bytes", DataType::Int64),
        ("started", time()),
        ("outputs", outputs),
        ("error_kind", DataType::Utf8),
        ("error", DataType::Utf8),
        ("duplicate_of", DataType::Utf8),
        ("replaces", DataType::Utf8),
        ("millpond", DataType::Utf8),
        // Lakes of version 0.1 lack what follows until the first receipt comes in that has it.
        ("batch", DataType::Int64),
        ("committed", time()),
        ("lane", DataType::Utf8),
        ("memory_limit_bytes", DataType::Int64),
        ("predicted_memory_bytes", DataType::Int64),
        ("predicted_us", DataType::Int64),
        ("predicted_disk_bytes", DataType::Int64),
        ("predicted_by", DataType::Utf8),
        ("spilled_bytes", DataType::Int64),
        ("promotions", promotions),
        ("parts", DataType::Int64),
    ];
    Arc::new(Schema::new(columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}
