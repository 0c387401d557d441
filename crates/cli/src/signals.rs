//! `millpond signals`: the signals that run over the lake.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use clap::{Args, Subcommand};
use millpond::clock::Clock;
use millpond::lake::Lake;
use millpond::packs;
use millpond::pond::Pond;
use millpond::signals::{Choice, Run, Runner, State, Total, backtest, named, run_cases};
use millpond::store::Stores;
use millpond_core::units::{format_count, format_span_us, parse_ms};
use millpond_core::{Error, Kind, Result};
use serde_json::{Value, json};

use crate::output::{self, Column, text_table};
use crate::{backfill, correlate, run, stop};

/// How often `--watch` looks for windows that are due.
const LOOK: Duration = Duration::from_secs(5);
const US_PER_MINUTE: i64 = 60_000_000;
/// Differences of one case that are shown.
const DIFFERENCES_MAX: usize = 20;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the periodic signals, and how far each has come
    List {
        /// Print JSON lines
        #[arg(long)]
        json: bool,
    },
    /// List the shipped signals, which look at the events of all sources of OCSF
    Shipped,
    /// Copy a shipped signal and its tests into the pond
    Add {
        /// The signal
        signal: String,
    },
    /// Run every window that is due
    Run(RunArguments),
    /// Compute the Sigma correlations over the matches that are new in the lake
    Correlate(correlate::Arguments),
    /// Run the signals' own tests, in `signals/tests/NAME/`
    Test {
        /// The signal to test; all of them by default
        name: Option<String>,
        /// Rewrite the expectations to what is found
        #[arg(long)]
        update: bool,
    },
    /// Tell what a signal would have found, had it run all the time; nothing is written
    Backtest {
        /// The signal
        name: String,
        /// From when on: a time ago such as 30d, or a day or time such as 2026-11-22 or 2026-11-22T12:00:00Z
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: i64,
        /// Until when; now by default
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<i64>,
        /// Print a JSON line for each row
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The signal to run; all of them by default
    name: Option<String>,
    /// Go on until stopped
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    /// Where a signal that never ran begins: a time ago such as 7d, or a day or time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// No window that ends later
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// Tell what would be found, and write nothing; with `--since` from there on, whatever ran before
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON line for each row and each signal that failed
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, command: Command) -> Result<ExitCode> {
    match command {
        Command::Shipped => packs::signals().iter().try_for_each(|name| output::print(&format!("{name}\n")))?,
        Command::Add { signal } => add(pond.unwrap_or(Path::new(".")), &signal)?,
        Command::Correlate(arguments) => {
            let (lake, pond) = open(pond).await?;
            return correlate::run(lake, &pond, &arguments).await;
        }
        Command::List { json } => {
            let (lake, pond) = open(pond).await?;
            return list(&lake, &pond, json).await;
        }
        Command::Run(arguments) => {
            let (lake, pond) = open(pond).await?;
            return run_due(lake, pond, &arguments).await;
        }
        Command::Test { name, update } => return test(&open(pond).await?.1, name.as_deref(), update).await,
        Command::Backtest { name, since, until, json } => {
            let (lake, pond) = open(pond).await?;
            let until = until.unwrap_or_else(|| Clock::system().now_us());
            return tell_backtest(&lake, &pond, &name, (since, until), json).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(pond: Option<&Path>) -> Result<(Arc<Lake>, Arc<Pond>)> {
    let pond = run::load(pond).await?;
    let lake = pond.open_lake(&Stores::default()).await?;
    Ok((Arc::new(lake), Arc::new(pond)))
}

fn add(pond: &Path, signal: &str) -> Result<()> {
    packs::install_signal(signal, &Pond::find(pond)?.join("signals"))?;
    eprintln!("added `signals/{signal}.sql`; `millpond signals test {signal}` tries it");
    Ok(())
}

/// Microseconds since 1970: a day, a time, or a time ago.
pub(crate) fn moment(text: &str) -> Result<i64, String> {
    match parse_ms(text) {
        Ok(ms) => Ok(Clock::system().now_us().saturating_sub((ms as i64).saturating_mul(1_000))),
        Err(_) => backfill::parse_time(text).map_err(|error| error.report()),
    }
}

/// A line of `millpond signals list`.
struct Listed {
    name: String,
    kind: &'static str,
    severity: &'static str,
    every: String,
    state: Option<State>,
    title: String,
}

async fn list(lake: &Lake, pond: &Pond, json: bool) -> Result<ExitCode> {
    let mut found = Vec::new();
    for periodic in &pond.periodic {
        let signal = &periodic.signal;
        found.push(Listed {
            name: signal.name.clone(),
            kind: periodic.kind,
            severity: signal.severity.name(),
            every: signal.schedule.map(|schedule| format_span_us(schedule.every_us)).unwrap_or_default(),
            state: State::read(lake, &signal.name).await?,
            title: signal.title.clone(),
        });
    }
    if json {
        let line = |listed: &Listed| {
            json!({
                "name": listed.name, "kind": listed.kind, "severity": listed.severity, "every": listed.every,
                "title": listed.title, "until": listed.state.map(|state| time_text(state.end_us)),
            })
        };
        output::print_json_lines(&found.iter().map(line).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let columns: [Column<Listed>; 6] = [
        ("name", |listed| listed.name.clone()),
        ("kind", |listed| listed.kind.to_owned()),
        ("severity", |listed| listed.severity.to_owned()),
        ("every", |listed| listed.every.clone()),
        ("done until", |listed| listed.state.map_or_else(|| "never ran".to_owned(), |state| time_text(state.end_us))),
        ("title", |listed| listed.title.clone()),
    ];
    output::print(&text_table(&columns, &found))?;
    Ok(ExitCode::SUCCESS)
}

async fn run_due(lake: Arc<Lake>, pond: Arc<Pond>, arguments: &RunArguments) -> Result<ExitCode> {
    let runner = Runner::new(lake, pond, Clock::system());
    let choice = Choice {
        name: arguments.name.clone(),
        since_us: arguments.since,
        until_us: arguments.until,
        is_dry: arguments.dry_run,
    };
    let mut stopped = stop::on_signal();
    loop {
        let mut told = Told { json: arguments.json, result: Ok(()) };
        let done = runner.run_due(&choice, &mut |run| told.run(run)).await;
        told.result?;
        let total = match done {
            Ok(total) => total,
            Err(error) if arguments.watch && matches!(error.kind(), Kind::Transient | Kind::Conflict) => {
                eprintln!("{}", error.report());
                Total::default()
            }
            Err(error) => return Err(error),
        };
        if !arguments.watch {
            let (windows, rows) = (format_count(total.windows), format_count(total.rows));
            let verb = if arguments.dry_run { "would be found; nothing is written" } else { "found" };
            eprintln!("{windows} windows, {rows} signals {verb}");
            return Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(ExitCode::from(stop::INTERRUPTED)),
        }
    }
}

/// Tells of each window that found something or failed.
struct Told {
    json: bool,
    result: Result<()>,
}

impl Told {
    fn run(&mut self, run: &Run) {
        let told = match &run.error {
            Some(error) if self.json => output::print(&format!(
                "{}\n",
                json!({"rule": run.signal, "window_end": time_text(run.window.end_us), "error": error.chain()})
            )),
            Some(error) => {
                eprintln!("{}", error.report());
                Ok(())
            }
            None => print_rows(&run.rows, self.json),
        };
        if self.result.is_ok() {
            self.result = told;
        }
    }
}

/// Prints found rows: a line of text or of JSON for each.
fn print_rows(rows: &RecordBatch, json: bool) -> Result<()> {
    for row in millpond::signals::as_json(rows)? {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let line = match json {
            true => format!("{}\n", Value::Object(row)),
            false => format!(
                "{:<13} {}  {}: {}\n",
                text("severity"),
                text("time"),
                text("rule"),
                [text("message"), text("entity"), text("title")]
                    .into_iter()
                    .find(|text| !text.is_empty())
                    .unwrap_or_default()
            ),
        };
        output::print(&line)?;
    }
    Ok(())
}

async fn tell_backtest(
    lake: &Lake,
    pond: &Pond,
    name: &str,
    (since_us, until_us): (i64, i64),
    json: bool,
) -> Result<ExitCode> {
    let mut told = (0, 0, 0);
    for periodic in named(pond, Some(name))? {
        let done = backtest(lake, pond, periodic, since_us, until_us).await?;
        for run in &done.runs {
            print_rows(&run.rows, json)?;
        }
        told = (done.rows() as u64, done.runs.len() as u64, done.windows);
    }
    let (rows, fired, windows) = told;
    let span = format_span_us((until_us - since_us + US_PER_MINUTE / 2) / US_PER_MINUTE * US_PER_MINUTE);
    eprintln!(
        "`{name}` would have fired {} times in {span}: in {} of {} windows",
        format_count(rows),
        format_count(fired),
        format_count(windows)
    );
    Ok(ExitCode::SUCCESS)
}

async fn test(pond: &Pond, name: Option<&str>, update: bool) -> Result<ExitCode> {
    let results = run_cases(pond, name, update).await?;
    if results.is_empty() {
        return Err(Error::bad_config("no tests found")
            .hint("a test is a folder `signals/tests/<signal>/<case>/` with `<table>.ndjson` and `expected.ndjson`"));
    }
    let mut failed = 0;
    for result in &results {
        let verdict = if result.differences.is_empty() { "ok" } else { "FAILED" };
        failed += usize::from(!result.differences.is_empty());
        let updated = if result.is_updated { ", rewrote expected.ndjson" } else { "" };
        output::print(&format!("{verdict:<6} {}/{}: {} signals{updated}\n", result.signal, result.case, result.rows))?;
        for difference in result.differences.iter().take(DIFFERENCES_MAX) {
            output::print(&format!("       {difference}\n"))?;
        }
    }
    eprintln!("{} passed, {failed} failed", results.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Microseconds since 1970 as people read them, in UTC.
fn time_text(us: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(us).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
