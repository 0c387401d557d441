//! `millpond alerts`: list alerts, send what waits, try a destination.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use millpond::alerting::{Alerter, Passed, Surroundings};
use millpond::lake::Lake;
use millpond::pond::Pond;
use millpond::query::Session;
use millpond_core::config::PondConfig;
use millpond_core::{Kind, Result};
use serde_json::json;

use crate::output::{self, Format, print_rows};
use crate::{run, stop};

/// Some messages were not taken and are tried again.
const COMES_BACK: u8 = 4;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List alerts as they stand, the newest signals first
    List {
        /// Only those that are open
        #[arg(long)]
        open: bool,
        /// Alerts to show
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Print JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Decide what is new and send what waits; exit code 4 where messages wait for another try
    Send {
        /// Go on until stopped
        #[arg(long)]
        watch: bool,
        /// Seconds between two looks while watching
        #[arg(long, default_value_t = 10, value_name = "SECONDS")]
        every: u64,
        /// The first time: take also the signals that are in the lake already
        #[arg(long)]
        from_start: bool,
        /// Print a JSON line for each look, on stdout
        #[arg(long)]
        json: bool,
    },
    /// Send a message that says it is a test, and print what the receiver answered
    Test {
        /// The name of the destination in `millpond.toml`
        destination: String,
    },
}

pub(crate) async fn run(pond: Option<&Path>, command: Command) -> Result<ExitCode> {
    let (root, lake) = (run::root(pond)?, Arc::new(run::lake(pond)?));
    match command {
        Command::List { open, limit, json } => list(&lake, open, limit, json).await,
        Command::Send { watch, every, from_start, json } => {
            let beside = Beside::open(&root, lake)?;
            send(beside, watch.then_some(every), from_start, json).await
        }
        Command::Test { destination } => {
            let alerter = Alerter::new(lake, &root, surroundings())?;
            let answer = alerter.test(&Pond::config_of(&root)?, &destination).await?;
            output::print(&format!("{destination}: {answer}\n"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The system's clock and environment, and this program's output.
pub(crate) fn surroundings() -> Surroundings {
    Surroundings::system(|line| output::print(&format!("{line}\n")))
}

async fn list(lake: &Lake, open: bool, limit: u32, json: bool) -> Result<ExitCode> {
    let session = Session::new(Some(lake), Path::new(".")).await?;
    let condition = if open { "status = 'open'" } else { "true" };
    let columns = match json {
        true => "* except (place, \"_day\")",
        false => {
            "left(alert_id, 8) as id, status, severity, alert, title, entity, \"count\" as signals, first_time, last_time"
        }
    };
    let sql = format!(
        "select {columns} from (select *, row_number() over (partition by alert_id order by revision desc) as place \
         from alerts) where place = 1 and {condition} order by last_time desc, alert_id limit {limit}"
    );
    let (schema, batches) = session.collect(&sql).await?;
    print_rows(&schema, &batches, if json { Format::Json } else { Format::Table })?;
    Ok(ExitCode::SUCCESS)
}

async fn send(mut beside: Beside, every: Option<u64>, from_start: bool, json: bool) -> Result<ExitCode> {
    let left_out = beside.alerter.begin(from_start).await?;
    if left_out > 0 {
        eprintln!(
            "alerts begin with what is committed from now on; {left_out} signals that are in the lake are left out\n  \
             hint: `--from-start` takes them in, where nothing was decided before"
        );
    }
    let mut stopped = stop::on_signal();
    loop {
        let passed = match beside.look(json).await {
            // Nothing is lost, and the next look may find the lake answering.
            Err(error) if every.is_some() && matches!(error.kind(), Kind::Transient | Kind::Conflict) => {
                eprintln!("{}", error.report());
                Passed::default()
            }
            other => other?,
        };
        let Some(every) = every else {
            return Ok(if passed.waiting > 0 { ExitCode::from(COMES_BACK) } else { ExitCode::SUCCESS });
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(every)) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(ExitCode::from(stop::INTERRUPTED)),
        }
    }
}

/// Alerting beside something else, with the pond's configuration as it is at each look.
pub(crate) struct Beside {
    alerter: Alerter,
    root: PathBuf,
    config: PondConfig,
}

impl Beside {
    pub(crate) fn open(root: &Path, lake: Arc<Lake>) -> Result<Self> {
        let alerter = Alerter::new(lake, root, surroundings())?;
        Ok(Self { alerter, root: root.to_owned(), config: Pond::config_of(root)? })
    }

    /// Alerts begin with what is committed from now on, in a pond that has any.
    pub(crate) async fn begin(&self) -> Result<()> {
        match self.config.alerting.policies.is_empty() {
            true => Ok(()),
            false => self.alerter.begin(false).await.map(|_| ()),
        }
    }

    /// Decides and sends, in a pond that has alerts. What goes wrong is told and stops nobody else.
    pub(crate) async fn pass(&mut self, json: bool) -> Result<()> {
        if self.config.alerting.policies.is_empty() {
            return Ok(());
        }
        match self.look(json).await {
            Err(error) if matches!(error.kind(), Kind::Transient | Kind::Conflict) => eprintln!("{}", error.report()),
            other => drop(other?),
        }
        Ok(())
    }

    async fn look(&mut self, json: bool) -> Result<Passed> {
        match Pond::config_of(&self.root) {
            Ok(config) => self.config = config,
            Err(error) => eprintln!("the pond is wrong; the last good one stays\n{}", error.report()),
        }
        let passed = self.alerter.pass(&self.config).await?;
        tell(&passed, json)?;
        Ok(passed)
    }
}

fn tell(passed: &Passed, json: bool) -> Result<()> {
    if !json {
        passed.lines().iter().for_each(|line| eprintln!("{line}"));
        return Ok(());
    }
    let line = json!({
        "event": "alerted",
        "opened": passed.opened,
        "grew": passed.grew,
        "closed": passed.closed,
        "suppressed": passed.suppressed,
        "sent": passed.sent,
        "waiting": passed.waiting,
        "given_up": passed.given_up,
        "notes": passed.notes,
    });
    output::print(&format!("{line}\n"))
}
