//! Commit: the end of a job as one pending commit, whichever end it is.

use millpond_core::plan::Plan;
use millpond_core::receipt::{Receipt, Status, Timings};
use millpond_core::source::Duplicates;
use millpond_core::{Error, Kind, Result};
use millpond_engine::decode::Reject;
use millpond_engine::encode::TableWriter;
use millpond_engine::prepare::Prepared;

use super::write::{Written, quarantine_rows, quarantine_schema, schema_fingerprint};
use super::{Job, Node, Outcome};
use crate::committer::{Pending, PendingTable, output, put_file, void};
use crate::crash;

/// Tries of a job whose source or whose millpond fails it, before its file goes to quarantine.
pub const FAILURES_MAX: u32 = 3;

/// Hands over a job that ended well.
pub(super) async fn done(
    node: &Node,
    job: &Job<'_>,
    prepared: &Prepared,
    done: Written,
    memory: u64,
) -> Result<Outcome> {
    let fields = done.finished.summary.fields();
    let mut receipt = Receipt {
        balance: done.finished.balance,
        signals: done.signals,
        rescued: done.finished.summary.rescued,
        damages: done.finished.summary.damages,
        members: done.finished.summary.members,
        bytes_in: done.bytes_in,
        bytes_decoded: done.finished.summary.decoded_bytes,
        bytes_out: done.outputs.iter().map(|file| file.bytes).sum(),
        fingerprint: done.fingerprint.clone(),
        schema_fingerprint: schema_fingerprint(&fields),
        format: done.finished.summary.format.to_owned(),
        compression: done.finished.summary.compression.clone(),
        memory_peak_bytes: memory,
        timings: timings(job, &done),
        outputs: done.outputs,
        ..job.receipt(Status::Done)
    };
    if let Some(first) = done.duplicate_of {
        void(&mut receipt, &first);
    }
    let skip_duplicates = prepared.source.duplicates == Duplicates::Skip;
    hand_over(node, receipt, skip_duplicates, done.tables).await
}

fn timings(job: &Job<'_>, done: &Written) -> Timings {
    let total_us = job.started.elapsed().as_micros() as u64;
    let fetch_us = done.fetch_time.as_micros() as u64;
    let decode_us = (done.finished.decode_time.as_micros() as u64).saturating_sub(fetch_us);
    let write_us = done.write_time.as_micros() as u64;
    let transform_us = total_us.saturating_sub(fetch_us + decode_us + write_us);
    Timings { fetch_us, decode_us, transform_us, write_us, total_us }
}

/// Hands over an object that no source wants.
pub(super) async fn unrouted(node: &Node, job: &Job<'_>) -> Result<Outcome> {
    hand_over(node, job.receipt(Status::Unrouted), false, Vec::new()).await
}

/// Hands over a job that did not end well: the file is put in quarantine, or the try is noted and the event comes back.
pub(super) async fn stopped(node: &Node, job: &Job<'_>, plan: &Plan, error: &Error, memory: u64) -> Result<Outcome> {
    let is_file_at_fault = matches!(error.kind(), Kind::BadInput | Kind::TooBig);
    let is_last_try = job.attempt >= FAILURES_MAX;
    let status = if is_file_at_fault || is_last_try { Status::Quarantined } else { Status::Failed };
    let hint = error.hint_text().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    let mut receipt = Receipt {
        error_kind: Some(error.kind().name().to_owned()),
        error: Some(format!("{}{hint}", error.chain())),
        memory_peak_bytes: memory,
        engine: plan.engine.name().to_owned(),
        ..job.receipt(status)
    };
    receipt.timings.total_us = job.started.elapsed().as_micros() as u64;
    let mut tables = Vec::new();
    if status == Status::Quarantined {
        let table = quarantined_file(node, job, error).await?;
        receipt.outputs = table.files.iter().map(|file| output(&table.table, file)).collect();
        receipt.bytes_out = receipt.outputs.iter().map(|file| file.bytes).sum();
        tables.push(table);
    }
    hand_over(node, receipt, false, tables).await
}

/// The row of the table `quarantine` for a whole file. Its bytes stay where they are: the row names the object.
async fn quarantined_file(node: &Node, job: &Job<'_>, error: &Error) -> Result<PendingTable> {
    let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
    let detail = format!("the whole file: {}{hint}", error.chain());
    let reject = Reject { member: None, row: None, offset: None, reason: error.kind().name(), detail, raw: Vec::new() };
    let source = job.source.map_or("", |source| &source.name);
    let rows = quarantine_rows(source, &job.object.uri, &[reject])?;
    let job_id = job.id.to_string();
    let mut writer = TableWriter::new(&quarantine_schema(), None, Some(&job_id), job.object_day());
    writer.write(&rows)?;
    let schema = std::sync::Arc::clone(writer.file_schema());
    let mut files = Vec::new();
    for file in writer.finish()? {
        files.push(put_file(&node.lake, "quarantine", &job_id, file).await?);
    }
    PendingTable::new("quarantine", &schema, files)
}

async fn hand_over(node: &Node, receipt: Receipt, skip_duplicates: bool, tables: Vec<PendingTable>) -> Result<Outcome> {
    let pending = Pending::new(receipt, skip_duplicates, tables);
    pending.put(&node.lake).await?;
    crash::point("commit");
    Ok(Outcome::Handed(Box::new(pending.receipt)))
}
