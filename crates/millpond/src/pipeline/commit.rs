//! Commit: the end of a job as a receipt in its group, whichever end it is.

use millpond_core::notice::Problem;
use millpond_core::receipt::{Receipt, Status, Timings};
use millpond_core::{Error, Kind, Result};
use millpond_engine::decode::Reject;

use super::Job;
use super::group::{Group, Taken};
use super::write::{Held, Table, Written, origin, quarantine_rows, schema_fingerprint};
use crate::committer::void;

/// Tries of a job whose source or whose millpond fails it, before its file goes to quarantine.
pub const FAILURES_MAX: u32 = 3;

/// Takes a job that ended well into its group.
pub(super) async fn done(group: &mut Group<'_>, job: &Job<'_>, done: Written, memory: u64) -> Result<Taken> {
    let started = std::time::Instant::now();
    let summary = &done.finished.summary;
    let mut receipt = Receipt {
        balance: done.finished.balance,
        rescued: summary.rescued,
        damages: summary.damages,
        members: summary.members,
        bytes_in: done.bytes_in,
        bytes_decoded: summary.decoded_bytes,
        fingerprint: done.fingerprint.clone(),
        schema_fingerprint: schema_fingerprint(&summary.fields()),
        format: summary.format.to_owned(),
        compression: summary.compression.clone(),
        memory_peak_bytes: memory,
        ..job.receipt(Status::Done)
    };
    receipt.resources.spilled_bytes = done.finished.spilled_bytes;
    receipt.resources.parts = (done.finished.parts > 1).then_some(done.finished.parts);
    let mut write_us = 0;
    match (done.rows, done.duplicate_of) {
        (Some(rows), None) => {
            receipt.signals = rows.signals;
            write_us = rows.time.as_micros() as u64;
            group.write(job.id, &done.fingerprint, rows.rows).await?;
        }
        (_, first) => void(&mut receipt, first.map(|job| job.to_string()).unwrap_or_default()),
    }
    write_us += started.elapsed().as_micros() as u64;
    let total_us = job.started.elapsed().as_micros() as u64;
    let fetch_us = done.fetch_time.as_micros() as u64;
    let decode_us = (done.finished.decode_time.as_micros() as u64).saturating_sub(fetch_us);
    let transform_us = total_us.saturating_sub(fetch_us + decode_us + write_us);
    receipt.timings = Timings { fetch_us, decode_us, transform_us, write_us, total_us };
    group.node.planner.note(&receipt);
    Ok(group.note(job, receipt))
}

/// Takes a job that did not end well into its group: the file is put in quarantine, or the try is noted and the event
/// comes back.
pub(super) fn stopped(group: &mut Group<'_>, job: &Job<'_>, error: Error, memory: u64) -> Result<Taken> {
    if job.replaces.is_some() {
        // A replay that fails leaves what is there.
        return Err(error);
    }
    let is_file_at_fault = matches!(error.kind(), Kind::BadInput | Kind::TooBig);
    let is_last_try = job.attempt >= FAILURES_MAX;
    let status = if is_file_at_fault || is_last_try { Status::Quarantined } else { Status::Failed };
    let hint = error.hint_text().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    let mut receipt = Receipt {
        error_kind: Some(error.kind().name().to_owned()),
        error: Some(format!("{}{hint}", error.chain())),
        memory_peak_bytes: memory,
        ..job.receipt(status)
    };
    receipt.timings.total_us = job.started.elapsed().as_micros() as u64;
    if status == Status::Quarantined {
        quarantine_file(group, job, &error)?;
    }
    Ok(group.note(job, receipt))
}

/// Takes what nobody understands of a notice into its group: a receipt, and its bytes in quarantine.
pub(super) fn refused_notice(group: &mut Group<'_>, job: &Job<'_>, problem: &Problem) -> Result<Taken> {
    let kind = Kind::BadInput.name();
    let detail = format!("a notice that is not understood: {}", problem.detail);
    let receipt =
        Receipt { error_kind: Some(kind.to_owned()), error: Some(detail.clone()), ..job.receipt(Status::Quarantined) };
    quarantine(group, job, Reject { reason: kind, detail, raw: problem.raw.clone(), ..whole() })?;
    Ok(group.note(job, receipt))
}

/// Puts the row of the table `quarantine` for a whole file into the group's files. Its bytes stay where they are: the
/// row names the object.
fn quarantine_file(group: &mut Group<'_>, job: &Job<'_>, error: &Error) -> Result<()> {
    let hint = error.hint_text().map(|hint| format!("; {hint}")).unwrap_or_default();
    let detail = format!("the whole file: {}{hint}", error.chain());
    quarantine(group, job, Reject { reason: error.kind().name(), detail, ..whole() })
}

/// A reject that is no part of anything.
fn whole() -> Reject {
    Reject { member: None, row: None, offset: None, reason: "", detail: String::new(), raw: Vec::new() }
}

fn quarantine(group: &mut Group<'_>, job: &Job<'_>, reject: Reject) -> Result<()> {
    let source = job.source.map_or("", |source| &source.name);
    let rows = quarantine_rows(source, &job.object.uri, &[reject])?;
    group.shared_writers().write(&Held { table: Table::Quarantine, rows, origin: origin(job) })
}
