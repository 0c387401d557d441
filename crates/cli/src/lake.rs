//! `millpond lake`: how the tables stand, and what keeps them in shape.

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use millpond::clock::Clock;
use millpond::compaction::{Layout, compact};
use millpond::expire::{check_names, expire};
use millpond::lake::{Commit, Lake, Status};
use millpond::pond::Pond;
use millpond::vacuum::{check_retention, vacuum};
use millpond_core::Result;
use millpond_core::source::{SYSTEM_TABLES, Source};
use millpond_core::units::{format_bytes, format_count, parse_ms};
use serde_json::json;

use crate::output::{self, Column, text_table};
use crate::run;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show files, rows, bytes and days of each table, and what a compaction would take
    Status(Which),
    /// Make few large files of many small ones, with the same rows
    Compact(Which),
    /// Remove files that no version within the retention names
    Vacuum {
        /// Only these tables
        #[arg(value_name = "TABLE")]
        tables: Vec<String>,
        /// How long versions can still be read, such as 7d or 36h
        #[arg(long, value_name = "TIME", default_value = "7d")]
        retention: String,
        /// Allow a retention below a day: nothing else may run
        #[arg(long)]
        allow_short: bool,
        /// List the files, and remove nothing
        #[arg(long)]
        dry_run: bool,
        /// Print JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Take out the days that are older than `[lake.retention]` keeps
    Expire {
        /// Only these tables
        #[arg(value_name = "TABLE")]
        tables: Vec<String>,
        /// Tell what would go, and take nothing out
        #[arg(long)]
        dry_run: bool,
        /// Print JSON lines
        #[arg(long)]
        json: bool,
    },
    /// List the commits of a table, newest first
    History {
        /// The table
        table: String,
        /// Commits to show
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Print JSON lines
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only these tables
    #[arg(value_name = "TABLE")]
    tables: Vec<String>,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, command: Command) -> Result<ExitCode> {
    let root = run::root(pond)?;
    let lake = run::lake(pond)?;
    match command {
        Command::Status(which) => status(&lake, &Pond::sources_of(&root)?, &which).await?,
        Command::Compact(which) => compact_tables(&lake, &Pond::sources_of(&root)?, &which).await?,
        Command::Vacuum { tables, retention, allow_short, dry_run, json } => {
            let retention_ms = parse_ms(&retention)?;
            check_retention(retention_ms, allow_short)?;
            vacuum_tables(&lake, &tables, retention_ms, (dry_run, json)).await?;
        }
        Command::Expire { tables, dry_run, json } => {
            let retention_days = Pond::config_of(&root)?.retention_days;
            check_names(&retention_days, &known_tables(&lake, &Pond::sources_of(&root)?).await?)?;
            expire_tables(&lake, &retention_days, &tables, (dry_run, json)).await?;
        }
        Command::History { table, limit, json } => history(&lake, &table, limit, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(lake: &Lake, sources: &[Source], which: &Which) -> Result<()> {
    let now_us = Clock::system().now_us();
    let mut found = Vec::new();
    for table in lake.named_tables(&which.tables).await? {
        found.extend(lake.status(&table, &Layout::of(&table, sources), now_us).await?);
    }
    if which.json {
        return output::print_json_lines(&found);
    }
    let columns: [Column<Status>; 11] = [
        ("table", |status| status.table.clone()),
        ("files", |status| format_count(status.files as u64)),
        ("rows", |status| format_count(status.rows)),
        ("bytes", |status| format_bytes(status.bytes)),
        ("smallest", |status| format_bytes(status.smallest_bytes)),
        ("median", |status| format_bytes(status.median_bytes)),
        ("largest", |status| format_bytes(status.largest_bytes)),
        ("days", |status| format_count(status.days as u64)),
        ("to compact", |status| format_count(status.files_to_compact as u64)),
        ("version", |status| status.version.to_string()),
        ("last commit", last_commit),
    ];
    output::print(&text_table(&columns, &found))
}

/// When the last commit was, and of which batch.
fn last_commit(status: &Status) -> String {
    let time = status.last_commit.as_ref().and_then(|commit| commit.time_ms).map(time_text).unwrap_or_default();
    if status.last_batch > 0 { format!("{time}, batch {}", status.last_batch) } else { time }
}

async fn compact_tables(lake: &Lake, sources: &[Source], which: &Which) -> Result<()> {
    let now_us = Clock::system().now_us();
    for table in lake.named_tables(&which.tables).await? {
        let layout = Layout::of(&table, sources);
        let Some(status) = lake.status(&table, &layout, now_us).await? else { continue };
        if status.files_to_compact > 0 {
            let (files, bytes) = (format_count(status.files_to_compact as u64), format_bytes(status.bytes_to_compact));
            eprintln!("{table}: {files} files of {bytes} to write again");
        }
        let Some(done) = compact(lake, &table, &layout, now_us).await? else { continue };
        let text = match which.json {
            true => format!("{}\n", json!({ "table": table, "compacted": done })),
            false if done.commits == 0 => format!("{table}: nothing to do\n"),
            false => format!(
                "{table}: {} rows, {} files of {} are now {} of {}\n",
                format_count(done.rows),
                format_count(done.files_before),
                format_bytes(done.bytes_before),
                format_count(done.files_after),
                format_bytes(done.bytes_after)
            ),
        };
        output::print(&text)?;
    }
    Ok(())
}

async fn vacuum_tables(
    lake: &Lake,
    tables: &[String],
    retention_ms: u64,
    (is_dry_run, json): (bool, bool),
) -> Result<()> {
    for table in lake.named_tables(tables).await? {
        let Some(done) = vacuum(lake, &table, retention_ms, is_dry_run, Clock::system().now_us()).await? else {
            continue;
        };
        if json {
            output::print(&format!("{}\n", json!({ "table": table, "dry_run": is_dry_run, "vacuumed": done })))?;
            continue;
        }
        for (path, bytes) in done.files.iter().filter(|_| is_dry_run) {
            output::print(&format!("{table}/{path}  {}\n", format_bytes(*bytes)))?;
        }
        let (files, bytes) = (format_count(done.files.len() as u64), format_bytes(done.bytes()));
        let verb = if is_dry_run { "would go" } else { "removed" };
        output::print(&format!("{table}: {files} files of {bytes} {verb}\n"))?;
    }
    Ok(())
}

/// Every table that there is or may be: a system table begins with its first row, a source's with its first file.
async fn known_tables(lake: &Lake, sources: &[Source]) -> Result<Vec<String>> {
    let mut known = lake.tables().await?;
    known.extend(SYSTEM_TABLES.map(str::to_owned));
    known.extend(sources.iter().map(|source| source.table.clone()));
    Ok(known)
}

async fn expire_tables(
    lake: &Lake,
    retention_days: &[(String, u64)],
    tables: &[String],
    (is_dry_run, json): (bool, bool),
) -> Result<()> {
    let named = lake.named_tables(tables).await?;
    if retention_days.is_empty() {
        eprintln!("`[lake.retention]` in `millpond.toml` names no table: all rows are kept");
    }
    for (table, keep_days) in retention_days.iter().filter(|(table, _)| named.contains(table)) {
        let Some(done) = expire(lake, table, *keep_days, is_dry_run, Clock::system().now_us()).await? else { continue };
        let verb = if is_dry_run { "would go" } else { "are out" };
        let text = match json {
            true => format!("{}\n", json!({ "table": table, "dry_run": is_dry_run, "expired": done })),
            false => format!(
                "{table}: {} rows of {} days before {} {verb}; {} files of {} wait for vacuum\n",
                format_count(done.rows),
                done.days.len(),
                done.first_kept,
                format_count(done.files),
                format_bytes(done.bytes)
            ),
        };
        output::print(&text)?;
    }
    Ok(())
}

async fn history(lake: &Lake, table: &str, limit: usize, json: bool) -> Result<()> {
    lake.named_tables(&[table.to_owned()]).await?;
    let commits = lake.history(table, limit).await?;
    if json {
        return output::print_json_lines(&commits);
    }
    let columns: [Column<Commit>; 7] = [
        ("version", |commit| commit.version.to_string()),
        ("time", |commit| commit.time_ms.map(time_text).unwrap_or_default()),
        ("operation", |commit| commit.operation.clone()),
        ("batch", |commit| commit.batch.map(|batch| batch.to_string()).unwrap_or_default()),
        ("files", |commit| format!("+{} -{}", commit.files_added, commit.files_removed)),
        ("rows in them", |commit| format_count(commit.rows_added)),
        ("bytes", |commit| format_bytes(commit.bytes_added)),
    ];
    output::print(&text_table(&columns, &commits))
}

/// Milliseconds since 1970 as people read them, in UTC.
fn time_text(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
