//! `millpond engines`: which SQL engines there are, whether they work, and whether they agree.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use millpond::engines::{self, Comparison, Difference, EngineReport, Outcome};
use millpond::pond::Pond;
use millpond_core::plan::Engine;
use millpond_core::{Error, Result};
use millpond_engine::engine::Engines;

use crate::{output, run};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sources' transforms over the inputs of their tests on every engine, and compare the rows
    Diff(DiffArguments),
}

#[derive(Debug, Args)]
struct DiffArguments {
    /// The source to compare; all of them by default
    source: Option<String>,
    /// An engine that must be there; by default those that are there are compared
    #[arg(long = "engine", value_name = "NAME")]
    engines: Vec<String>,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        None => list(pond, arguments.json).await,
        Some(Command::Diff(diff)) => compare(&run::load(pond).await?, &diff, arguments.json).await,
    }
}

/// Lists the engines; without a pond, as one that names no libraries has them.
async fn list(pond: Option<&Path>, json: bool) -> Result<ExitCode> {
    let root = match pond {
        Some(pond) => Some(Pond::find(pond)?),
        None => Pond::find(Path::new(".")).ok(),
    };
    let (engines, sources) = match &root {
        Some(root) => {
            let config = Pond::config_of(root)?;
            let mut sources = Pond::sources_of(root)?;
            sources.iter_mut().for_each(|source| source.engine = source.engine.or(Some(config.engine)));
            (Engines::new(root, &config.drivers), sources)
        }
        None => (Engines::default(), Vec::new()),
    };
    let reports = engines::check(&engines, &sources).await;
    if json {
        output::print_json_lines(&reports)?;
    } else {
        output::print(&reports.iter().map(text_of).collect::<String>())?;
    }
    // An engine that no source uses may be missing.
    let is_well = reports.iter().all(|report| report.works || report.sources.is_empty());
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn text_of(report: &EngineReport) -> String {
    let mut text = format!("{:<11} ", report.engine);
    let ms = |ms: Option<f64>| ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    if report.works {
        let version = report.version.as_deref().unwrap_or("");
        let load = if report.library.is_some() { format!("load {}, ", ms(report.load_ms)) } else { String::new() };
        let _ = write!(text, "ok       {version:<10} {load}plan {}, job {}", ms(report.plan_ms), ms(report.job_ms));
        let _ = write!(text, "  {}", report.library.as_deref().unwrap_or("compiled in"));
    } else {
        let _ = write!(text, "missing  {}", report.error.as_deref().unwrap_or(""));
        if let Some(hint) = &report.hint {
            let _ = write!(text, "\n            hint: {hint}");
        }
    }
    if !report.sources.is_empty() {
        let _ = write!(text, "\n            runs {}", report.sources.join(", "));
    }
    text.push('\n');
    text
}

async fn compare(pond: &Pond, arguments: &DiffArguments, json: bool) -> Result<ExitCode> {
    if let Some(name) = &arguments.source {
        pond.source(name)?;
    }
    let engines = arguments.engines.iter().map(|name| named(name)).collect::<Result<Vec<_>>>()?;
    let comparisons = engines::diff(pond, arguments.source.as_deref(), &engines).await?;
    if comparisons.is_empty() {
        return Err(Error::bad_config("nothing to compare: no source has tests")
            .hint("a test is a folder `sources/<name>/tests/<case>/` with an `input.*` file"));
    }
    if json {
        output::print_json_lines(&comparisons)?;
    } else {
        output::print(&comparisons.iter().map(comparison_text).collect::<String>())?;
    }
    let bad = comparisons.iter().filter(|comparison| comparison.is_bad()).count();
    let absent = comparisons.iter().filter(|c| matches!(c.outcome, Outcome::Absent { .. })).count();
    eprintln!("{} the same, {bad} not, {absent} not compared", comparisons.len() - bad - absent);
    Ok(if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn named(name: &str) -> Result<Engine> {
    Engine::named(name).ok_or_else(|| {
        let names: Vec<String> = Engine::NAMES.iter().map(|(name, _)| format!("`{name}`")).collect();
        Error::bad_config(format!("`{name}` is no engine")).hint(format!("engines are {}", names.join(", ")))
    })
}

fn comparison_text(comparison: &Comparison) -> String {
    let Comparison { source, case, engine, outcome } = comparison;
    let what = if case.is_empty() { source.clone() } else { format!("{source}/{case}") };
    match outcome {
        Outcome::Same { rows, signals, unstable } => {
            let left_out = if unstable.is_empty() {
                String::new()
            } else {
                format!(" (not compared: {})", unstable.iter().cloned().collect::<Vec<_>>().join(", "))
            };
            format!("same       {engine:<8} {what}: {rows} rows, {signals} signals{left_out}\n")
        }
        Outcome::Different { differences } => {
            let told: String = differences.iter().map(difference_text).collect();
            format!("DIFFERENT  {engine:<8} {what}\n{told}")
        }
        Outcome::Failed { error, hint } => {
            let hint = hint.as_ref().map_or_else(String::new, |hint| format!("             hint: {hint}\n"));
            format!("FAILED     {engine:<8} {what}\n           {}\n{hint}", error.replace('\n', "\n           "))
        }
        Outcome::Absent { error } => format!("absent     {engine:<8} {what}: {error}\n"),
    }
}

fn difference_text(difference: &Difference) -> String {
    match difference {
        Difference::Type { column, expected, found } => {
            let kind = |kind: &Option<String>| kind.clone().unwrap_or_else(|| "missing".to_owned());
            format!("           column `{column}` is {}, on `datafusion` {}\n", kind(found), kind(expected))
        }
        Difference::Rows { of, missing, added } => {
            let mut text = format!("           {of}: {} missing, {} more\n", missing.count, added.count);
            for (sign, rows) in [('-', missing), ('+', added)] {
                for row in &rows.examples {
                    let _ = writeln!(text, "             {sign} {row}");
                }
            }
            text
        }
        Difference::Count { of, expected, found } => {
            format!("           {of}: {found}, on `datafusion` {expected}\n")
        }
    }
}
