//! `millpond stats`: the pictures of a lake, in the terminal.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use millpond::lane_stats::{LaneStats, lane_stats};
use millpond::pond::Pond;
use millpond::query::Session;
use millpond::stats::{Percentiles, Stats, stats};
use millpond_core::units::{format_bytes, format_count};
use millpond_core::{Error, Result};

use crate::{output, run};

/// Characters of the longest bar.
const BAR_WIDTH: usize = 40;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show the lanes of a day instead: memory and time predicted and taken, GB-seconds and dollars as functions, beside
    /// the best single size
    #[arg(long)]
    lanes: bool,
    /// That day; by default the last on which jobs ran
    #[arg(long, value_name = "YYYY-MM-DD", requires = "lanes", value_parser = day)]
    day: Option<String>,
    /// Time that each job would wait for stores besides what it did: a local disk has none of S3's
    #[arg(long, value_name = "TIME", requires = "lanes", default_value = "0ms", value_parser = crate::simulate::time_us)]
    wait: u64,
    /// Another list of prices, of the shape that `millpond simulate --print-prices` prints
    #[arg(long, value_name = "FILE", requires = "lanes")]
    prices: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn day(text: &str) -> Result<String, String> {
    millpond_core::date::parse_day(text).map(|_| text.to_owned()).ok_or_else(|| "write it as `2026-12-31`".to_owned())
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let lake = run::lake(pond)?;
    let session = Session::new(Some(&lake), Path::new(".")).await?;
    if arguments.lanes {
        return lanes(pond, arguments, &session).await;
    }
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

async fn lanes(pond: Option<&Path>, arguments: &Arguments, session: &Session) -> Result<ExitCode> {
    let prices = crate::simulate::prices(arguments.prices.as_deref())?;
    let lanes = Pond::config_of(&run::root(pond)?)?.lanes_anywhere();
    let Some(stats) = lane_stats(session, arguments.day.as_deref(), &lanes, &prices, arguments.wait).await? else {
        eprintln!("no jobs ran then: `millpond run --once` runs some");
        return Ok(ExitCode::SUCCESS);
    };
    let text = match arguments.json {
        true => {
            let json = serde_json::to_string(&stats);
            json.map_err(|error| Error::bug("failed to write the statistics").because(error))? + "\n"
        }
        false => lanes_text(&stats),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn lanes_text(stats: &LaneStats) -> String {
    let mut text = format!("Lanes on {}\n", stats.day);
    text.push_str(&format!(
        "  {:<12} {:>9} {:>9} {:>10} {:>10} {:>10} {:>11} {:>10} {:>10} {:>10} {:>12}\n",
        "lane",
        "jobs",
        "promoted",
        "limit",
        "predicted",
        "taken",
        "undershot",
        "ratio p50",
        "ratio p01",
        "spilled",
        "GB-seconds"
    ));
    for lane in &stats.lanes {
        let mean = |bytes: u64| format_bytes(bytes / lane.jobs.max(1));
        text.push_str(&format!(
            "  {:<12} {:>9} {:>9} {:>10} {:>10} {:>10} {:>11} {:>10.2} {:>10.2} {:>10} {:>12.3}\n",
            if lane.lane.is_empty() { "(before)" } else { &lane.lane },
            format_count(lane.jobs),
            format_count(lane.promoted),
            format_bytes(lane.memory_limit_bytes),
            mean(lane.predicted_bytes),
            mean(lane.taken_bytes),
            format_count(lane.undershot),
            lane.ratio_p50,
            lane.ratio_p01,
            format_bytes(lane.spilled_bytes),
            lane.gb_seconds,
        ));
    }
    text.push_str("  predicted and taken are means of a job's memory; a ratio is predicted by taken\n\n");
    text.push_str("As functions of their size\n");
    text.push_str(&sum("lanes", "", stats.gb_seconds, stats.dollars));
    match &stats.fixed {
        Some(fixed) => {
            text.push_str(&sum("one size", &format!("{} MB", fixed.function_mb), fixed.gb_seconds, fixed.dollars));
            let ratio = fixed.gb_seconds / stats.gb_seconds.max(f64::MIN_POSITIVE);
            text.push_str(&format!("  ratio      {ratio:.2} times the GB-seconds\n"));
        }
        None => text.push_str("  one size   none holds a job of that day\n"),
    }
    if stats.too_large > 0 {
        text.push_str(&format!("  {} jobs are too large for any function\n", format_count(stats.too_large)));
    }
    text.push_str(&format!("  prices of {}\n", stats.prices));
    text
}

fn sum(name: &str, size: &str, gb_seconds: f64, dollars: millpond::lane_stats::Dollars) -> String {
    let (x86, arm) = (dollars.x86, dollars.arm);
    format!("  {name:<10} {size:<10} {gb_seconds:>12.3} GB-seconds  ${x86:.6} on x86  ${arm:.6} on arm64\n")
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
