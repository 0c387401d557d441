//! `millpond test`: the sources' own tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use millpond::pack_speed::{PackSpeed, pack_speeds};
use millpond::source_test::{CaseResult, run_pack_over, run_pack_tests, run_tests};
use millpond_core::{Error, Result};

use crate::{output, run};

/// Differences of one case that are shown.
const DIFFERENCES_MAX: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The source to test; all of them by default
    source: Option<String>,
    /// Rewrite the expectations to what comes out
    #[arg(long)]
    update: bool,
    /// Test the packs in a folder, each by itself, without a pond; `sources` by default
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = "sources")]
    all: Option<PathBuf>,
    /// Run the named pack of `--all` over these files and hold the rows against OCSF, without expectations
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "all", requires = "source")]
    like: Vec<PathBuf>,
    /// Measure the packs of `--all` instead: how fast each is beside decoding alone, and what a small file takes
    #[arg(long, requires = "all", conflicts_with_all = ["like", "update"])]
    speed: bool,
    /// Print a JSON object for each case
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    if let (true, Some(folder)) = (arguments.speed, &arguments.all) {
        tell_speeds(folder, arguments).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let results = results(pond, arguments).await?;
    if results.is_empty() {
        return Err(Error::bad_config("no tests found")
            .hint("a test is a folder `sources/<name>/tests/<case>/` with an `input.*` file"));
    }
    match arguments.json {
        true => output::print_json_lines(&results)?,
        false => results.iter().try_for_each(|result| output::print(&told(result)))?,
    }
    let failed = results.iter().filter(|result| !result.differences.is_empty()).count();
    let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
    for (class, rows) in results.iter().flat_map(|result| &result.classes) {
        *classes.entry(class).or_default() += rows;
    }
    if !classes.is_empty() {
        let rows: u64 = classes.values().sum();
        eprintln!("{rows} rows of {} OCSF classes were held against the schema", classes.len());
    }
    eprintln!("{} passed, {failed} failed", results.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A table in Markdown, a line as each pack is measured.
async fn tell_speeds(folder: &Path, arguments: &Arguments) -> Result<()> {
    let mut printed = match arguments.json {
        true => Ok(()),
        false => output::print(
            "| pack | decode, MB/s | job, MB/s | decode / job | small file, ms |\n|---|---:|---:|---:|---:|\n",
        ),
    };
    let mut tell = |speed: PackSpeed| {
        let PackSpeed { pack, decode_mb_per_s, job_mb_per_s, small_file_ms } = &speed;
        let ratio = decode_mb_per_s / job_mb_per_s;
        let line = format!("| {pack} | {decode_mb_per_s:.0} | {job_mb_per_s:.0} | {ratio:.1} | {small_file_ms:.1} |\n");
        let print = || match arguments.json {
            true => output::print_json_lines(&[speed]),
            false => output::print(&line),
        };
        if printed.is_ok() {
            printed = print();
        }
    };
    pack_speeds(folder, arguments.source.as_deref(), &mut tell).await?;
    printed
}

async fn results(pond: Option<&Path>, arguments: &Arguments) -> Result<Vec<CaseResult>> {
    let name = arguments.source.as_deref();
    match (&arguments.all, name) {
        (Some(folder), Some(name)) if !arguments.like.is_empty() => run_pack_over(folder, name, &arguments.like).await,
        (Some(folder), name) => run_pack_tests(folder, name, arguments.update).await,
        (None, name) => {
            let pond = run::load(pond).await?;
            if let Some(name) = name {
                pond.source(name)?;
            }
            run_tests(&pond, name, arguments.update).await
        }
    }
}

/// A case for people: what came out of it, and what differs.
fn told(result: &CaseResult) -> String {
    let verdict = if result.differences.is_empty() { "ok" } else { "FAILED" };
    let classes: Vec<String> = result.classes.iter().map(|(class, rows)| format!("{rows} {class}")).collect();
    let classes = if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) };
    let updated = match result.updated.as_slice() {
        [] => String::new(),
        updated => format!(", rewrote {}", updated.join(" and ")),
    };
    let CaseResult { source, case, rows, signals, quarantined, .. } = result;
    let mut text = format!(
        "{verdict:<6} {source}/{case}: {rows} rows{classes}, {signals} signals, {quarantined} quarantined{updated}\n"
    );
    for difference in result.differences.iter().take(DIFFERENCES_MAX) {
        text.push_str(&format!("       {difference}\n"));
    }
    text
}
