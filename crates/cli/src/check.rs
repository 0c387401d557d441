//! `millpond check`: everything that is wrong with the pond at once.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use millpond::pond::Pond;
use millpond_core::Result;
use millpond_core::config::{Problem, Problems};
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
    if let Some(pond) = &pond {
        pond.lint(&mut problems).await;
    }
    if problems.found.is_empty()
        && let Some(pond) = &pond
    {
        pond.open_lake(&millpond::store::Stores::default()).await?;
    }
    if arguments.json {
        let (found, warnings) = (in_json(&problems.found), in_json(&problems.warnings));
        output::print(&format!("{}\n", json!({"problems": found, "warnings": warnings})))?;
    } else {
        problems.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        problems.found.iter().for_each(|problem| eprintln!("{problem}"));
        tell(pond.as_ref(), &problems)?;
    }
    Ok(if problems.found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_json(problems: &[Problem]) -> Vec<serde_json::Value> {
    let one = |problem: &Problem| json!({"file": problem.file, "line": problem.line, "message": problem.message, "hint": problem.hint});
    problems.iter().map(one).collect()
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn tell(pond: Option<&Pond>, problems: &Problems) -> Result<()> {
    let warnings = match problems.warnings.len() {
        0 => String::new(),
        count => format!(", {}", counted(count, "warning")),
    };
    let Some(pond) = pond.filter(|_| problems.found.is_empty()) else {
        eprintln!("{}{warnings}", counted(problems.found.len(), "problem"));
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
    eprintln!("no problems{warnings}");
    Ok(())
}
