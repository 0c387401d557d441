//! Putting encoded files where the lake keeps them.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::json::ReaderBuilder;
use bytes::Bytes;
use millpond_core::{Error, Result};
use millpond_engine::encode::{EncodedFile, Origin, TableWriter};
use object_store::path::Path;
use object_store::{ObjectStoreExt, WriteMultipart};
use serde::Serialize;

use crate::lake::{Lake, LakeFile};

/// Bytes of one part of a large file; S3 wants at least 5 MiB
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const PART_BYTES: u64 = 8 << 20;

/// Puts an encoded file where its content says, so that a retry with the same rows overwrites itself and one with other
/// rows (a transform that asks for the time, say) leaves the first as it was committed.
pub(crate) async fn put_file(lake: &Lake, table: &str, name: &str, mut file: EncodedFile) -> Result<LakeFile> {
    let day = day_text(file.day);
    let content = content_hash(&mut file)?;
    let path = format!("_day={day}/{name}-{}-{content}.parquet", file.part);
    let key = Path::from(format!("{table}/{path}"));
    let put = put_body(lake, &key, &mut file).await;
    put.map_err(|error| Error::transient(format!("failed to put `{key}`")).because(error))?;
    let jobs = file.jobs.iter().map(|(job, rows)| (job.to_string(), *rows)).collect();
    Ok(LakeFile { path, day, bytes: file.bytes, rows: file.rows, statistics: file.statistics, jobs })
}

/// Puts rows that no job gave, parted by the day of their `time`, as files that a commit can name.
pub(crate) async fn put_rows(
    lake: &Lake,
    table: &str,
    name: &str,
    schema: &SchemaRef,
    rows: &[impl Serialize],
) -> Result<Vec<LakeFile>> {
    let failed =
        |error: arrow::error::ArrowError| Error::bug(format!("failed to write rows of `{table}`")).because(error);
    let builder = ReaderBuilder::new(Arc::clone(schema)).with_batch_size(rows.len().max(1));
    let mut decoder = builder.build_decoder().map_err(failed)?;
    decoder.serialize(rows).map_err(failed)?;
    let mut writer = TableWriter::new(schema, Some("time"), false);
    while let Some(rows) = decoder.flush().map_err(failed)? {
        writer.write(&rows, &Origin { job: None, day: 0 })?;
    }
    let mut files = Vec::new();
    for file in writer.finish()? {
        files.push(put_file(lake, table, name, file).await?);
    }
    Ok(files)
}

/// The first 8 digits of the BLAKE3 of a file's bytes, in hexadecimal; the file is rewound.
fn content_hash(file: &mut EncodedFile) -> Result<String> {
    let failed = |error| Error::transient("failed to read back an encoded file").because(error);
    let mut hash = blake3::Hasher::new();
    hash.update_reader(&mut file.body).map_err(failed)?;
    std::io::Seek::rewind(&mut file.body).map_err(failed)?;
    Ok(hash.finalize().to_hex()[..8].to_owned())
}

/// Puts a file in one piece, or in parts where it is large; it appears whole or not at all.
async fn put_body(
    lake: &Lake,
    key: &Path,
    file: &mut EncodedFile,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut parts = match file.bytes {
        0..=PART_BYTES => None,
        _ => Some(WriteMultipart::new_with_chunk_size(lake.store.put_multipart(key).await?, PART_BYTES as usize)),
    };
    let mut left = file.bytes;
    loop {
        let mut piece = Vec::with_capacity(left.min(PART_BYTES) as usize);
        left = left.saturating_sub(PART_BYTES);
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut file.body, PART_BYTES), &mut piece)?;
        match &mut parts {
            None => return Ok(lake.store.put(key, Bytes::from(piece).into()).await.map(|_| ())?),
            Some(parts) if !piece.is_empty() => {
                parts.wait_for_capacity(1).await?;
                parts.put(Bytes::from(piece));
            }
            Some(_) => break,
        }
    }
    match parts {
        Some(parts) => Ok(parts.finish().await.map(|_| ())?),
        None => Ok(()),
    }
}

/// A partition as it is written: `YYYY-MM-DD`.
pub(crate) fn day_text(day: i32) -> String {
    let date = chrono::DateTime::from_timestamp(i64::from(day) * 86_400, 0).unwrap_or_default();
    date.format("%Y-%m-%d").to_string()
}

/// Days since 1970 of a partition written `YYYY-MM-DD`.
///
/// # Errors
/// [`Kind::Bug`](millpond_core::Kind::Bug) when it is none.
pub(crate) fn day_number(day: &str) -> Result<i32> {
    let date = chrono::NaiveDate::parse_from_str(day, "%Y-%m-%d");
    let date = date.map_err(|error| Error::bug(format!("`{day}` is no partition")).because(error))?;
    Ok(chrono::Datelike::num_days_from_ce(&date) - chrono::Datelike::num_days_from_ce(&chrono::NaiveDate::default()))
}
