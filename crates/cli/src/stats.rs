//! `millpond stats`: the pictures of a lake, in the terminal.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use millpond::query::Session;
use millpond::stats::{Percentiles, Stats, stats};
use millpond_core::units::{format_bytes, format_count};
use millpond_core::{Error, Result};

use crate::{output, run};

/// Characters of the longest bar.
const BAR_WIDTH: usize = 40;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let lake = run::lake(pond)?;
    let session = Session::new(Some(&lake), Path::new(".")).await?;
    let Some(stats) = stats(&session).await? else {
        eprintln!("no receipts yet: `millpond run --once` makes some");
        return Ok(ExitCode::SUCCESS);
    };
    let text = match arguments.json {
        true => {
            serde_json::to_string(&stats)
                .map_err(|error| Error::bug("failed to write the statistics").because(error))?
                + "\n"
        }
        false => to_text(&stats),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn to_text(stats: &Stats) -> String {
    let mut text = String::new();
    let days = |pick: fn(&millpond::stats::Day) -> u64| -> Vec<(String, u64)> {
        stats.days.iter().map(|day| (day.day.clone(), pick(day))).collect()
    };
    text.push_str(&bars("Databases by day", &days(|day| day.databases), format_count));
    text.push_str(&bars("Distinct sources by day", &days(|day| day.sources), format_count));
    text.push_str(&bars("Bytes by day", &days(|day| day.bytes_in), format_bytes));
    text.push_str("Source file size\n");
    text.push_str(&percentiles(&stats.file_bytes, |bytes| format_bytes(bytes as u64)));
    text.push_str(&format!(
        "  p99 of files below 200 MB  {}\n\n",
        format_bytes(stats.file_bytes_p99_below_200_mb as u64)
    ));
    text.push_str("Fetch speed per job\n");
    text.push_str(&percentiles(&stats.fetch_bytes_per_second, |speed| format!("{}/s", format_bytes(speed as u64))));
    text.push_str("\nPeak memory of a job\n");
    text.push_str(&percentiles(&stats.memory_peak_bytes, |bytes| format_bytes(bytes as u64)));
    text.push('\n');
    let rows = &stats.rows;
    let fates = [
        ("out", rows.rows_out),
        ("filtered", rows.filtered),
        ("deduplicated", rows.deduplicated),
        ("aggregated", rows.aggregated),
        ("quarantined", rows.quarantined),
    ];
    let fates = fates.map(|(name, count)| (name.to_owned(), count));
    text.push_str(&bars(
        &format!("Rows by fate, {} in, {} added", format_count(rows.rows_in), format_count(rows.exploded)),
        &fates,
        format_count,
    ));
    let steps = [
        ("fetch", stats.seconds.fetch),
        ("decode", stats.seconds.decode),
        ("transform", stats.seconds.transform),
        ("write", stats.seconds.write),
    ];
    let steps = steps.map(|(name, seconds)| (name.to_owned(), (seconds * 1e6) as u64));
    text.push_str(&bars("Time per step", &steps, millpond_core::units::format_us));
    text.push_str(&bars("Jobs by end", &stats.status, format_count));
    let sources: Vec<(String, u64)> = stats.sources.iter().map(|(name, _, rows)| (named(name), *rows)).collect();
    text.push_str(&bars("Records by source", &sources, format_count));
    text
}

fn named(source: &str) -> String {
    if source.is_empty() { "(no source)".to_owned() } else { source.to_owned() }
}

fn percentiles(percentiles: &Percentiles, show: impl Fn(f64) -> String) -> String {
    let all = [("p50", percentiles.p50), ("p90", percentiles.p90), ("p99", percentiles.p99)];
    all.map(|(name, value)| format!("  {name}  {}\n", show(value))).concat()
}

/// A titled list of bars.
fn bars(title: &str, rows: &[(String, u64)], show: impl Fn(u64) -> String) -> String {
    let longest = rows.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = format!("{title}\n");
    for (name, value) in rows {
        let length = (*value as f64 / longest as f64 * BAR_WIDTH as f64).ceil() as usize;
        text.push_str(&format!("  {name:<width$}  {:<BAR_WIDTH$}  {}\n", "█".repeat(length), show(*value)));
    }
    text.push('\n');
    text
}
