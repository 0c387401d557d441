//! `millpond test`: the sources' own tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use millpond::source_test::{run_pack_over, run_pack_tests, run_tests};
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
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let name = arguments.source.as_deref();
    let results = match (&arguments.all, name) {
        (Some(folder), Some(name)) if !arguments.like.is_empty() => {
            let mut results = Vec::new();
            for file in &arguments.like {
                results.push(run_pack_over(folder, name, file).await?);
            }
            results
        }
        (Some(folder), name) => run_pack_tests(folder, name, arguments.update).await?,
        (None, name) => {
            let pond = run::load(pond).await?;
            if let Some(name) = name {
                pond.source(name)?;
            }
            run_tests(&pond, name, arguments.update).await?
        }
    };
    if results.is_empty() {
        return Err(Error::bad_config("no tests found")
            .hint("a test is a folder `sources/<name>/tests/<case>/` with an `input.*` file"));
    }
    let mut classes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut failed = 0;
    for result in &results {
        let verdict = if result.differences.is_empty() { "ok" } else { "FAILED" };
        failed += usize::from(!result.differences.is_empty());
        let updated = if result.updated.is_empty() {
            String::new()
        } else {
            format!(", rewrote {}", result.updated.join(" and "))
        };
        output::print(&format!(
            "{verdict:<6} {}/{}: {} rows{}, {} signals, {} quarantined{updated}\n",
            result.source,
            result.case,
            result.rows,
            told(&result.classes),
            result.signals,
            result.quarantined
        ))?;
        for (class, rows) in &result.classes {
            *classes.entry(class).or_default() += rows;
        }
        for difference in result.differences.iter().take(DIFFERENCES_MAX) {
            output::print(&format!("       {difference}\n"))?;
        }
    }
    if !classes.is_empty() {
        let rows: u64 = classes.values().sum();
        eprintln!("{rows} rows of {} OCSF classes were held against the schema", classes.len());
    }
    eprintln!("{} passed, {failed} failed", results.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The classes of a case's rows, in brackets.
fn told(classes: &BTreeMap<String, u64>) -> String {
    let classes: Vec<String> = classes.iter().map(|(class, rows)| format!("{rows} {class}")).collect();
    if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) }
}
