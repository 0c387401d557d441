//! `millpond signals correlate`: correlations over matches, by itself or beside the committer.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use millpond::clock::Clock;
use millpond::correlating::{Correlating, Correlations, Passed};
use millpond::lake::Lake;
use millpond::pond::Pond;
use millpond_core::{Error, Kind, Result};
use serde_json::{Map, Value, json};

use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The first time: take also the matches that are in the lake already
    #[arg(long)]
    from_start: bool,
    /// Print a JSON line that says what was found
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(lake: Arc<Lake>, pond: &Pond, arguments: &Arguments) -> Result<ExitCode> {
    let Some(correlations) = &pond.correlations else {
        return Err(Error::bad_config("the pond has no correlations")
            .hint("a correlation is a YAML document with `correlation:` below `rules/`"));
    };
    let mut correlating = Correlating::new(lake, Clock::system());
    let passed_over = correlating.begin(arguments.from_start).await?;
    if passed_over > 0 {
        eprintln!(
            "correlations begin with what is committed from now on; {passed_over} signals that are in the lake are \
             passed over\n  hint: `--from-start` takes them in, where nothing was correlated before"
        );
    }
    tell(&correlating.pass(correlations).await?, arguments.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Correlating beside the committer, with the pond's rules as they are at each look. Whatever is wrong with them keeps
/// nobody from committing.
pub(crate) struct Beside {
    correlating: Correlating,
    /// `None`: there are none, or they cannot be used.
    correlations: Option<Correlations>,
    root: PathBuf,
    stamp: u64,
}

impl Beside {
    pub(crate) fn open(root: &Path, lake: Arc<Lake>) -> Self {
        let correlating = Correlating::new(lake, Clock::system());
        let mut beside = Self { correlating, correlations: None, root: root.to_owned(), stamp: Pond::stamp(root) };
        beside.read();
        beside
    }

    /// Correlations begin with what is committed from now on, in a pond that has any.
    pub(crate) async fn begin(&self) -> Result<()> {
        match self.correlations {
            None => Ok(()),
            Some(_) => self.correlating.begin(false).await.map(|_| ()),
        }
    }

    /// Correlates, in a pond that has correlations. What goes wrong is told and stops nobody else.
    pub(crate) async fn pass(&mut self, json: bool) -> Result<()> {
        let stamp = Pond::stamp(&self.root);
        if std::mem::replace(&mut self.stamp, stamp) != stamp {
            self.read();
        }
        let Some(correlations) = &self.correlations else { return Ok(()) };
        match self.correlating.pass(correlations).await {
            Ok(passed) => tell(&passed, json),
            Err(error) if matches!(error.kind(), Kind::Transient | Kind::Conflict) => {
                eprintln!("{}", error.report());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn read(&mut self) {
        match Pond::config_of(&self.root).and_then(|config| Correlations::read(&self.root, &config)) {
            Ok(correlations) => self.correlations = Some(correlations).filter(|read| !read.is_empty()),
            Err(error) => eprintln!("the correlations stay as they were: {}", error.report()),
        }
    }
}

fn tell(passed: &Passed, json: bool) -> Result<()> {
    if !json {
        passed.lines().iter().for_each(|line| eprintln!("{line}"));
        return Ok(());
    }
    let correlation = |(title, one): (&String, &millpond::correlating::OfCorrelation)| {
        let left_out: Map<String, Value> =
            one.left_out().into_iter().map(|(reason, _, count)| (reason.to_owned(), count.into())).collect();
        (title.clone(), json!({"found": one.found, "grew": one.grew, "left_out": left_out}))
    };
    let correlations: Map<String, Value> = passed.correlations.iter().map(correlation).collect();
    let line = json!({
        "event": "correlated",
        "correlations": correlations,
        "untimed": passed.untimed,
        "notes": passed.notes,
    });
    output::print(&format!("{line}\n"))
}
