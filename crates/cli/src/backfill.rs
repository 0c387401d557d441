//! `millpond backfill`: process what lies under a prefix already.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use millpond::worker::Worker;
use millpond_core::{Error, Result};

use crate::{progress, run, stop};

#[derive(Debug, Args)]
#[command(after_help = run::EXIT_CODES)]
pub(crate) struct Arguments {
    /// A folder, or a prefix such as s3://bucket/AWSLogs/
    #[arg(value_name = "PREFIX", required_unless_present = "inventory")]
    prefix: Option<String>,
    /// Take the objects that an S3 Inventory lists instead of listing: the address of its manifest.json
    #[arg(long, value_name = "MANIFEST")]
    inventory: Option<String>,
    /// Only objects written at or after this day or time in UTC, such as 2026-01-31 or 2026-01-31T06:00:00Z
    #[arg(long, value_parser = parse_time)]
    since: Option<i64>,
    /// Print a JSON line for each job and one for the summary, on stdout
    #[arg(long)]
    json: bool,
    /// Leave it to another process to commit
    #[arg(long)]
    no_commit: bool,
}

/// Microseconds since 1970 of a day or time.
pub(crate) fn parse_time(text: &str) -> Result<i64> {
    let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    let time = match day {
        Some(midnight) => Some(midnight.and_utc()),
        None => chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
    };
    time.map(|time| time.timestamp_micros()).ok_or_else(|| {
        Error::bad_config(format!("`{text}` is not a day or time")).hint("write `2026-01-31` or `2026-01-31T06:00:00Z`")
    })
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    let pond = run::load(pond).await?;
    let progress = progress::choose(arguments.json);
    let mut worker = Worker::open(pond, progress.clone(), stop::on_signal(), run::commits(arguments.no_commit)).await?;
    let (prefix, folder) = (arguments.prefix.as_deref(), Path::new("."));
    let summary = match &arguments.inventory {
        Some(manifest) => worker.backfill_inventory(manifest, prefix, folder, arguments.since).await?,
        None => worker.backfill(prefix.unwrap_or_default(), folder, arguments.since).await?,
    };
    drop((worker, progress));
    run::end(&summary, started, arguments.json)
}
