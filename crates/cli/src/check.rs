//! `millpond check`: everything that is wrong with the pond at once.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use millpond::pond::Pond;
use millpond_core::Result;
use millpond_core::config::Problems;
use serde_json::json;

use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print the problems as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let root = Pond::find(pond.unwrap_or(Path::new(".")))?;
    let mut problems = Problems::default();
    let pond = Pond::check(&root, &mut problems).await?;
    if problems.found.is_empty()
        && let Some(pond) = &pond
    {
        pond.open_lake(&millpond::store::Stores::default()).await?;
    }
    if arguments.json {
        let found: Vec<_> = problems
            .found
            .iter()
            .map(|problem| json!({"file": problem.file, "line": problem.line, "message": problem.message, "hint": problem.hint}))
            .collect();
        output::print(&format!("{}\n", json!({"problems": found})))?;
    } else {
        for problem in &problems.found {
            eprintln!("{problem}");
        }
        tell(pond.as_ref(), problems.found.len())?;
    }
    Ok(if problems.found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(pond: Option<&Pond>, problems: usize) -> Result<()> {
    let Some(pond) = pond.filter(|_| problems == 0) else {
        eprintln!("{problems} {}", if problems == 1 { "problem" } else { "problems" });
        return Ok(());
    };
    for prepared in pond.all_prepared() {
        let source = &prepared.source;
        output::print(&format!(
            "{:<20} version {}, {} columns in, {} out, {} signals\n",
            source.name,
            source.version,
            prepared.columns_used.len() + prepared.system_used.len(),
            prepared.output_schema.fields().len(),
            source.signals.len()
        ))?;
        if !prepared.undeclared.is_empty() {
            output::print(&format!("{:<20} not declared, read as text: {}\n", "", prepared.undeclared.join(", ")))?;
        }
    }
    eprintln!("no problems");
    Ok(())
}
