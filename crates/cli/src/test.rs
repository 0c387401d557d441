//! `millpond test`: the sources' own tests.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use millpond::source_test::run_tests;
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
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let pond = run::load(pond).await?;
    let name = arguments.source.as_deref();
    if let Some(name) = name {
        pond.source(name)?;
    }
    let results = run_tests(&pond, name, arguments.update).await?;
    if results.is_empty() {
        return Err(Error::bad_config("no tests found")
            .hint("a test is a folder `sources/<name>/tests/<case>/` with an `input.*` file"));
    }
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
            "{verdict:<6} {}/{}: {} rows, {} signals, {} quarantined{updated}\n",
            result.source, result.case, result.rows, result.signals, result.quarantined
        ))?;
        for difference in result.differences.iter().take(DIFFERENCES_MAX) {
            output::print(&format!("       {difference}\n"))?;
        }
    }
    eprintln!("{} passed, {failed} failed", results.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
