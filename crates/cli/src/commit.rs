//! `millpond commit`: commit what workers handed over.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use millpond::clock::Clock;
use millpond::committer::{Committed, Committer};
use millpond::freshness::Freshness;
use millpond::hunt::{HuntWatch, Tell};
use millpond::lake::Lake;
use millpond::ledger::Ledger;
use millpond::maintenance::Maintenance;
use millpond::pond::Pond;
use millpond::signals::{Choice, Run, Runner};
use millpond_core::units::format_count;
use millpond_core::{Kind, Result};
use serde_json::json;

use crate::{alerts, correlate, output, run, stop};

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
    let root = run::root(pond)?;
    let config = Pond::config_of(&root)?;
    let is_kept = arguments.watch && config.compact_every_ms.is_some();
    let sources = if is_kept { Pond::sources_of(&root)? } else { Vec::new() };
    let mut maintenance = is_kept.then(|| Maintenance::new(Arc::clone(&lake), Clock::system()));
    let mut committer = Committer::new(Arc::clone(&lake), Arc::new(Ledger::new(Arc::clone(&lake))));
    let mut signals = Signals::new(pond, Arc::clone(&lake))?;
    let mut correlating = correlate::Beside::open(&root, Arc::clone(&lake));
    let mut hunts = HuntWatch::new(Arc::clone(&lake), Clock::system());
    let tell_hunt: Tell = Arc::new(|text| eprintln!("{text}"));
    let mut beside = alerts::Beside::open(&root, lake)?;
    let mut stopped = stop::on_signal();
    loop {
        correlating.begin().await?;
        beside.begin().await?;
        match committer.commit_pending().await {
            Ok(committed) => {
                tell(&committed, arguments)?;
                correlating.pass(arguments.json).await?;
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
        if let Some(maintenance) = &mut maintenance {
            maintenance.tick(&config, &sources).iter().for_each(|text| eprintln!("{text}"));
        }
        signals.run_due().await;
        if let Some(pond) = &signals.pond {
            hunts.tick(pond, &tell_hunt);
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(arguments.every)) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(ExitCode::from(stop::INTERRUPTED)),
        }
    }
}

/// The signals over the lake, run between commits. Whatever is wrong with them or the pond keeps nobody from committing.
struct Signals {
    root: PathBuf,
    lake: Arc<Lake>,
    freshness: Freshness,
    pond: Option<Arc<Pond>>,
    runner: Option<Runner>,
    /// When the next window falls due, microseconds since 1970.
    next_due_us: i64,
}

impl Signals {
    fn new(pond: Option<&Path>, lake: Arc<Lake>) -> Result<Self> {
        Ok(Self {
            root: run::root(pond)?,
            lake,
            freshness: Freshness::default(),
            pond: None,
            runner: None,
            next_due_us: 0,
        })
    }

    async fn run_due(&mut self) {
        self.reload().await;
        let Some(runner) = self.runner.as_ref().filter(|_| self.next_due_us <= Clock::system().now_us()) else {
            return;
        };
        let mut tell = |run: &Run| run.note().iter().for_each(|text| eprintln!("{text}"));
        match runner.run_due(&Choice::default(), &mut tell).await {
            Ok(total) => self.next_due_us = total.next_due_us.unwrap_or(i64::MAX),
            Err(error) => eprintln!("{}", error.report()),
        }
    }

    /// Reads the pond again if a file of it changed or a table is to be refreshed.
    async fn reload(&mut self) {
        let config = self.pond.as_ref().map(|pond| &pond.config);
        if self.freshness.stale(&self.root, config, Clock::system().now_us()).is_none() {
            return;
        }
        self.next_due_us = 0;
        match Pond::load(&self.root).await {
            Ok(pond) => {
                let pond = Arc::new(pond);
                self.runner = Some(Runner::new(Arc::clone(&self.lake), Arc::clone(&pond), Clock::system()));
                self.pond = Some(pond);
            }
            Err(error) => {
                self.freshness.note_failure();
                eprintln!("no signals run over the lake: {}", error.report());
            }
        }
    }
}

fn tell(committed: &Committed, arguments: &Arguments) -> Result<()> {
    committed.errors().for_each(|error| eprintln!("{}", error.report()));
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
