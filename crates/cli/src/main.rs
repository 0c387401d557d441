//! The `millpond` command. One file for each subcommand; what they do is in the library.

mod alerts;
mod backfill;
mod check;
mod command;
mod commit;
mod correlate;
mod demo;
mod engines;
mod erase;
mod explain;
mod hunt;
mod init;
mod lake;
mod output;
mod plan;
mod preview;
mod progress;
mod quarantine;
mod query;
mod receipts;
mod recognize;
mod replay;
mod run;
mod scan;
mod serve;
mod shell;
mod sigma;
mod signals;
mod simulate;
mod source;
mod stats;
mod stop;
mod test;

use std::process::ExitCode;

use std::time::Duration;

use clap::Parser;
use millpond::memory::Counting;
use millpond::traces;

use crate::command::{Cli, Command};

/// Time that a command may take at its end to send the traces that wait.
const TRACES_LIMIT: Duration = Duration::from_secs(10);

/// mimalloc, for its speed with many small buffers, behind the counter that gives each job's peak.
#[global_allocator]
static ALLOCATOR: Counting<mimalloc::MiMalloc> = Counting(mimalloc::MiMalloc);

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A panic ends one job, whose receipt tells of it; the log gets a line with the place.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&format!("failed to start: {error}")),
    };
    let ended = runtime.block_on(async {
        start_traces(&cli.command);
        let ended = dispatch(cli).await;
        traces::flush(TRACES_LIMIT).await;
        ended
    });
    // What still reads ahead for a job that ended early is not waited for.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => output::fail(&error.report()),
    }
}

/// Commands that run jobs or commit tell a collector of it, if the environment names one.
fn start_traces(command: &Command) {
    let is_traced = matches!(command, Command::Run(_) | Command::Backfill(_) | Command::Commit(_) | Command::Replay(_));
    let tell = |error: &millpond_core::Error| eprintln!("{}", error.report());
    if is_traced && let Err(error) = traces::start(tell) {
        tell(&error);
    }
}

async fn dispatch(cli: Cli) -> millpond_core::Result<ExitCode> {
    let pond = cli.pond.as_deref();
    match cli.command {
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Init(arguments) => init::run(&arguments),
        Command::Run(arguments) => run::run(pond, arguments).await,
        Command::Backfill(arguments) => backfill::run(pond, &arguments).await,
        Command::Commit(arguments) => commit::run(pond, &arguments).await,
        Command::Check(arguments) => check::run(pond, &arguments).await,
        Command::Test(arguments) => test::run(pond, &arguments).await,
        Command::Explain(arguments) => explain::run(pond, &arguments).await,
        Command::Plan(arguments) => plan::run(pond, &arguments).await,
        Command::Query(arguments) => query::run(pond, arguments).await,
        Command::Receipts(arguments) => receipts::run(pond, &arguments).await,
        Command::Quarantine(arguments) => quarantine::run(pond, arguments.command).await,
        Command::Replay(arguments) => replay::run(pond, &arguments).await,
        Command::Stats(arguments) => stats::run(pond, &arguments).await,
        Command::Simulate(arguments) => simulate::run(pond, &arguments),
        Command::Lake(arguments) => lake::run(pond, arguments.command).await,
        Command::Alerts(arguments) => alerts::run(pond, arguments.command).await,
        Command::Erase(arguments) => erase::run(pond, &arguments).await,
        Command::Recognize(arguments) => recognize::run(pond, &arguments),
        Command::Engines(arguments) => engines::run(pond, arguments).await,
        Command::Hunt(arguments) => hunt::run(pond, &arguments).await,
        Command::Signals(arguments) => signals::run(pond, arguments.command).await,
        Command::Source(arguments) => source::run(pond, arguments.command).await,
        Command::Scan(arguments) => scan::run(&arguments),
        Command::Sigma(arguments) => sigma::run(&arguments.command),
    }
}
