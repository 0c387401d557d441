//! `millpond run`: process what appears in the pond's inputs, or the named files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use millpond::lake::Lake;
use millpond::metrics::Metrics;
use millpond::pond::Pond;
use millpond::queue::Queue;
use millpond::store::Stores;
use millpond::worker::{Commits, Progress, Summary, Worker};
use millpond_core::Result;

use crate::{alerts, output, preview, progress, serve, stop};

/// Some files or records are in quarantine.
const QUARANTINED: u8 = 3;
/// Some objects come back: they failed or could not be read this time.
const COMES_BACK: u8 = 4;

pub(crate) const EXIT_CODES: &str = "Exit codes: 0 all is in the lake; 1 the run could not start or commit; 3 some files \
                                     or records are in quarantine; 4 some objects failed and come back; 130 interrupted.";

/// Exit codes: 0 all is in the lake, 1 the run could not start or commit, 3 some files or records are in quarantine,
/// 4 some objects come back, 130 interrupted.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Files, folders or URLs to process instead of the pond's inputs; those that no source matches are recognised by
    /// their content. Outside any pond, the shipped packs' rows of them are printed and nothing is kept
    #[arg(value_name = "FILE")]
    files: Vec<String>,
    /// Take what is there and end, instead of watching
    #[arg(long)]
    once: bool,
    /// Print a JSON line for each job and one for the summary, on stdout
    #[arg(long)]
    json: bool,
    /// Leave it to another process to commit: `millpond commit --watch`
    #[arg(long)]
    no_commit: bool,
    /// While watching, serve /health, /metrics (OpenMetrics) and POST /events (notices) on this address
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["once", "files"])]
    listen: Option<std::net::SocketAddr>,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: Arguments) -> Result<ExitCode> {
    let started = Instant::now();
    if pond.is_none() && !arguments.files.is_empty() && Pond::find(Path::new(".")).is_err() {
        return preview::run(&arguments.files, arguments.json, QUARANTINED).await;
    }
    let pond = load(pond).await?;
    let progress = Arc::new(Metrics::new(progress::choose(arguments.json)));
    let mut worker = Worker::open(pond, progress.clone(), stop::on_signal(), commits(arguments.no_commit)).await?;
    let summary = if !arguments.files.is_empty() {
        worker.run_files(&arguments.files, Path::new(".")).await?
    } else if arguments.once {
        worker.run_once().await?
    } else {
        progress.note("watching the inputs; Ctrl-C to stop");
        let events = match arguments.listen {
            Some(address) => Some(serve::serve(address, Arc::clone(&progress)).await? as Arc<dyn Queue>),
            None => None,
        };
        worker.watch(events).await?
    };
    drop((worker, progress));
    end(&summary, started, arguments.json)
}

/// Whether a worker commits and tells of alerts, or somebody else does both.
pub(crate) fn commits(is_elsewhere: bool) -> Commits {
    match is_elsewhere {
        true => Commits::Elsewhere,
        false => Commits::WithAlerts(alerts::surroundings()),
    }
}

/// Tells what a run did.
pub(crate) fn end(summary: &Summary, started: Instant, json: bool) -> Result<ExitCode> {
    match json {
        true => output::print(&format!("{}\n", progress::summary_json(summary, started.elapsed())))?,
        false => eprint!("{}", progress::summary_text(summary, started.elapsed())),
    }
    Ok(code(summary))
}

/// The pond that was named, or the nearest one.
pub(crate) async fn load(pond: Option<&Path>) -> Result<Pond> {
    Pond::load(&root(pond)?).await
}

/// The lake of that pond, for reading: a mistake in a source does not keep anyone from looking.
pub(crate) fn lake(pond: Option<&Path>) -> Result<Lake> {
    Pond::lake_of(&Stores::default(), &root(pond)?)
}

/// The folder of that pond.
pub(crate) fn root(pond: Option<&Path>) -> Result<PathBuf> {
    Pond::find(pond.unwrap_or(Path::new(".")))
}

fn code(summary: &Summary) -> ExitCode {
    if summary.is_interrupted {
        ExitCode::from(stop::INTERRUPTED)
    } else if summary.failed + summary.postponed > 0 {
        ExitCode::from(COMES_BACK)
    } else if summary.quarantined_files + summary.balance.quarantined > 0 {
        ExitCode::from(QUARANTINED)
    } else {
        ExitCode::SUCCESS
    }
}
