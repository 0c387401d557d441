//! `millpond simulate`: a day of files through the planner, on paper.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use millpond_core::config::PondConfig;
use millpond_core::day::{Day, Outcome, Sizes, simulate};
use millpond_core::lane::{FUNCTION_MB_MAX, FUNCTION_MB_MIN, Lane, Lanes, job_memory_bytes};
use millpond_core::price::{PriceList, aws_text};
use millpond_core::units::{format_bytes, format_count, format_us, parse_ms};
use millpond_core::{Error, Result};
use serde_json::{Value, json};

use crate::{output, run};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files in the day; 691,200 are eight a second
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    files: u64,
    /// How their sizes are spread: `talk` (half below 250 kB, a tail to hundreds of MB), `small`, `large`
    #[arg(long, value_name = "NAME", default_value = "talk", value_parser = sizes)]
    distribution: Sizes,
    /// The busiest moment's rate by the quietest one's
    #[arg(long, value_name = "FACTOR", default_value_t = 33.0)]
    swing: f64,
    /// Sources that send them
    #[arg(long, value_name = "N", default_value_t = 200)]
    sources: usize,
    /// Time that a job waits for stores
    #[arg(long, value_name = "TIME", default_value = "130ms", value_parser = time_us)]
    wait: u64,
    /// Functions of a lane that may run at a time
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    concurrency: usize,
    /// The lanes as sizes of functions in MB; by default the pond's `[lane]`, or 128,512,1769,10240
    #[arg(long, value_name = "MB,MB,…", value_delimiter = ',')]
    lanes: Vec<u64>,
    /// What everything follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Another list of prices, of the same shape
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Print the list of prices that is used without `--prices`, and end
    #[arg(long)]
    print_prices: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The functions of lanes where nobody says.
const FUNCTIONS_MB: [u64; 4] = [FUNCTION_MB_MIN, 512, 1_769, FUNCTION_MB_MAX];

pub(crate) fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    if arguments.print_prices {
        output::print(aws_text())?;
        return Ok(ExitCode::SUCCESS);
    }
    let prices = prices(arguments.prices.as_deref())?;
    let lanes = lanes(pond, &arguments.lanes)?;
    let day = Day {
        files: arguments.files,
        sizes: arguments.distribution,
        swing: arguments.swing,
        sources: arguments.sources,
        wait_us: arguments.wait,
        concurrency_max: arguments.concurrency,
        seed: arguments.seed,
    };
    let outcome = simulate(&day, &lanes, &prices);
    match arguments.json {
        true => output::print(&format!("{}\n", to_json(&outcome, &prices)))?,
        false => output::print(&to_text(&day, &outcome, &prices))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The list in a file, or the one that comes with the program.
pub(crate) fn prices(file: Option<&Path>) -> Result<PriceList> {
    let Some(file) = file else { return PriceList::aws() };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::bad_config(format!("failed to read the prices in `{name}`")).because(error))?;
    PriceList::parse(&name, &text)
}

/// The lanes that were named, those of the pond, or what suits most.
fn lanes(pond: Option<&Path>, functions_mb: &[u64]) -> Result<Lanes> {
    if let Some(wrong) = functions_mb.iter().find(|mb| !(FUNCTION_MB_MIN..=FUNCTION_MB_MAX).contains(*mb)) {
        return Err(Error::bad_config(format!("no function has `{wrong}` MB"))
            .hint(format!("Lambda sells {FUNCTION_MB_MIN} to {FUNCTION_MB_MAX} MB")));
    }
    let config: Option<PondConfig> = match run::root(pond) {
        Ok(root) => Some(millpond::pond::Pond::config_of(&root)?),
        Err(error) if pond.is_some() => return Err(error),
        Err(_) => None,
    };
    match config.filter(|config| functions_mb.is_empty() && !config.lanes.is_empty()) {
        Some(config) => Ok(config.lanes_anywhere()),
        None if functions_mb.is_empty() => Ok(of_functions(&FUNCTIONS_MB)),
        None => Ok(of_functions(functions_mb)),
    }
}

fn of_functions(functions_mb: &[u64]) -> Lanes {
    let lane = |mb: &u64| Lane::new(format!("{mb} MB"), job_memory_bytes(*mb, 1));
    Lanes::new(functions_mb.iter().map(lane).collect(), 0)
}

fn sizes(text: &str) -> Result<Sizes, String> {
    let found = Sizes::NAMES.iter().find(|(name, _)| *name == text);
    let names = || Sizes::NAMES.map(|(name, _)| name).join(", ");
    found.map(|(_, sizes)| *sizes).ok_or_else(|| format!("it can be {}", names()))
}

/// A duration, in microseconds.
pub(crate) fn time_us(text: &str) -> Result<u64, String> {
    parse_ms(text).map(|ms| ms * 1_000).map_err(|error| error.report())
}

fn to_text(day: &Day, outcome: &Outcome, prices: &PriceList) -> String {
    let mut text = format!(
        "{} files in a day, {} stored; {} sources, rate 1 to {}, {} of waiting in each job, seed {}\n\n",
        format_count(day.files),
        format_bytes(outcome.stored_bytes),
        day.sources,
        day.swing,
        format_us(day.wait_us),
        day.seed,
    );
    text.push_str(&format!(
        "{:<10} {:>8} {:>10} {:>9} {:>13} {:>10} {:>9} {:>9} {:>12}\n",
        "lane", "MB", "jobs", "promoted", "GB-seconds", "at a time", "at most", "queued", "longest wait"
    ));
    for lane in &outcome.lanes {
        text.push_str(&format!(
            "{:<10} {:>8} {:>10} {:>9} {:>13} {:>10.2} {:>9} {:>9} {:>12}\n",
            lane.name,
            format_count(lane.function_mb),
            format_count(lane.jobs),
            format_count(lane.promoted),
            format_count(lane.used.gb_seconds as u64),
            lane.concurrency_mean,
            format_count(lane.concurrency_peak as u64),
            format_count(lane.queued),
            format_us(lane.queued_us_max),
        ));
    }
    text.push('\n');
    text.push_str(&verdict(day, outcome, prices));
    text
}

fn verdict(day: &Day, outcome: &Outcome, prices: &PriceList) -> String {
    let percent = |count: u64| 100.0 * count as f64 / day.files.max(1) as f64;
    let mut text = format!(
        "predicted  {:.2} % of the jobs within their prediction; {:.1} times the memory taken was predicted; {:.2} % by the model alone\n\
         promoted   {:.2} % of the jobs; {} too large for the largest lane\n",
        percent(outcome.held),
        outcome.predicted_bytes / outcome.taken_bytes.max(1.0),
        percent(outcome.by_model),
        percent(outcome.promoted),
        format_count(outcome.too_large),
    );
    let dollars = |used| (prices.dollars(prices.x86, used), prices.dollars(prices.arm, used));
    let (x86, arm) = dollars(&outcome.used);
    text.push_str(&format!(
        "lanes      {} GB-seconds, ${x86:.2} on x86, ${arm:.2} on arm64, requests included\n",
        format_count(outcome.used.gb_seconds as u64)
    ));
    if let Some(fixed) = &outcome.fixed {
        let (x86, arm) = dollars(&fixed.used);
        text.push_str(&format!(
            "one size   {} GB-seconds at {} MB, the cheapest that holds every job; ${x86:.2} on x86, ${arm:.2} on arm64\n\
             ratio      {:.2} times the GB-seconds, {:.2} times the dollars (arm64)\n",
            format_count(fixed.used.gb_seconds as u64),
            format_count(fixed.mb),
            fixed.used.gb_seconds / outcome.used.gb_seconds.max(f64::MIN_POSITIVE),
            arm / prices.dollars(prices.arm, &outcome.used).max(f64::MIN_POSITIVE),
        ));
    }
    text.push_str(&format!("prices     of {}, {}\n", prices.date, prices.region));
    text
}

fn to_json(outcome: &Outcome, prices: &PriceList) -> Value {
    let lanes: Vec<Value> = outcome
        .lanes
        .iter()
        .map(|lane| {
            json!({
                "lane": lane.name, "function_mb": lane.function_mb, "jobs": lane.jobs, "promoted": lane.promoted,
                "gb_seconds": lane.used.gb_seconds, "concurrency_mean": lane.concurrency_mean,
                "concurrency_peak": lane.concurrency_peak, "queued": lane.queued, "queued_us_max": lane.queued_us_max,
            })
        })
        .collect();
    let fixed = outcome.fixed.as_ref().map(|fixed| {
        json!({
            "function_mb": fixed.mb, "gb_seconds": fixed.used.gb_seconds,
            "dollars_x86": prices.dollars(prices.x86, &fixed.used),
            "dollars_arm": prices.dollars(prices.arm, &fixed.used),
        })
    });
    json!({
        "lanes": lanes, "promoted": outcome.promoted, "too_large": outcome.too_large, "held": outcome.held,
        "stored_bytes": outcome.stored_bytes, "gb_seconds": outcome.used.gb_seconds,
        "predicted_to_taken": outcome.predicted_bytes / outcome.taken_bytes.max(1.0),
        "dollars_x86": prices.dollars(prices.x86, &outcome.used),
        "dollars_arm": prices.dollars(prices.arm, &outcome.used),
        "fixed": fixed, "prices": {"date": prices.date, "region": prices.region},
    })
}
