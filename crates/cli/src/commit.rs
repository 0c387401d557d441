//! `millpond commit`: commit what workers handed over.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use millpond::committer::{Committed, Committer};
use millpond::ledger::Ledger;
use millpond_core::units::format_count;
use millpond_core::{Kind, Result};
use serde_json::json;

use crate::{alerts, output, run, stop};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Go on committing until stopped
    #[arg(long)]
    watch: bool,
    /// Seconds between two looks while watching
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    every: u64,
    /// Print a JSON line for each commit, on stdout
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let lake = Arc::new(run::lake(pond)?);
    let mut committer = Committer::new(Arc::clone(&lake), Arc::new(Ledger::new(Arc::clone(&lake))));
    let mut beside = alerts::Beside::open(&run::root(pond)?, lake)?;
    let mut stopped = stop::on_signal();
    loop {
        beside.begin().await?;
        match committer.commit_pending().await {
            Ok(committed) => {
                tell(&committed, arguments)?;
                beside.pass(arguments.json).await?;
            }
            // Nothing is lost, and the next look may find the store answering.
            Err(error) if arguments.watch && matches!(error.kind(), Kind::Transient | Kind::Conflict) => {
                eprintln!("{}", error.report());
            }
            Err(error) => return Err(error),
        }
        if !arguments.watch {
            return Ok(ExitCode::SUCCESS);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(arguments.every)) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(ExitCode::from(stop::INTERRUPTED)),
        }
    }
}

fn tell(committed: &Committed, arguments: &Arguments) -> Result<()> {
    let (jobs, dropped) = (committed.receipts.len() as u64, committed.dropped as u64);
    if arguments.json {
        return output::print(&format!("{}\n", json!({"event": "committed", "jobs": jobs, "dropped": dropped})));
    }
    if jobs + dropped > 0 || !arguments.watch {
        let doubled = if dropped > 0 {
            format!(", {} dropped that were committed before", format_count(dropped))
        } else {
            String::new()
        };
        eprintln!("committed {} jobs{doubled}", format_count(jobs));
    }
    Ok(())
}
