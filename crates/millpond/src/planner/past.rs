//! What the newest jobs of a lake took, from its receipts.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use futures::{StreamExt, TryStreamExt};
use millpond_core::predict::Sample;
use millpond_core::receipt::Status;
use millpond_core::{Error, Result};

use crate::lake::Lake;
use crate::ledger::RECEIPTS;
use crate::rewrite::read_file;

/// Receipts that are read, in whole files: a start must not take longer with the age of the lake.
const ROWS_MAX: u64 = 50_000;
/// Files that are read: each costs requests.
const FILES_MAX: usize = 16;
/// What is read of a receipt; every version of the table has it.
const COLUMNS: [&str; 6] = ["source", "status", "bytes_in", "bytes_decoded", "memory_peak_bytes", "total_us"];

/// The jobs that came to a good end, with their source, oldest first.
pub(super) async fn samples(lake: &Lake) -> Result<Vec<(String, Sample)>> {
    let Some((_, mut files)) = lake.files(RECEIPTS).await? else { return Ok(Vec::new()) };
    files.sort_by(|a, b| b.day.cmp(&a.day));
    let mut rows = 0;
    let newest = files.iter().take(FILES_MAX).take_while(|file| {
        let is_first = rows == 0;
        rows += file.rows;
        is_first || rows <= ROWS_MAX
    });
    let read = newest.map(|file| read_file(lake, RECEIPTS, &file.path, Some(&COLUMNS)));
    let newest: Vec<Vec<RecordBatch>> = futures::stream::iter(read).buffered(FILES_MAX).try_collect().await?;
    let mut samples = Vec::new();
    for batch in newest.iter().rev().flatten() {
        samples.extend(read_batch(batch)?);
    }
    Ok(samples)
}

fn read_batch(batch: &RecordBatch) -> Result<Vec<(String, Sample)>> {
    let column = |name: &str, kind: &DataType| {
        let column = batch.column_by_name(name).ok_or_else(|| Error::bug(format!("receipts have no `{name}`")))?;
        cast(column, kind).map_err(|error| Error::bug("receipts have another shape").because(error))
    };
    let (source, status) = (column("source", &DataType::Utf8)?, column("status", &DataType::Utf8)?);
    let numbers = [COLUMNS[2], COLUMNS[3], COLUMNS[4], COLUMNS[5]].map(|name| column(name, &DataType::Int64));
    let [stored, decoded, memory, time] = numbers;
    let numbers = [stored?, decoded?, memory?, time?];
    let number = |index: usize, row: usize| numbers[index].as_primitive::<Int64Type>().value(row).max(0) as u64;
    let is_good = |row: &usize| status.as_string::<i32>().value(*row) == Status::Done.name() && number(2, *row) > 0;
    let rows = (0..batch.num_rows()).filter(is_good).map(|row| {
        let sample = Sample {
            stored_bytes: number(0, row),
            decoded_bytes: number(1, row),
            memory_bytes: number(2, row),
            time_us: number(3, row),
        };
        (source.as_string::<i32>().value(row).to_owned(), sample)
    });
    Ok(rows.collect())
}
