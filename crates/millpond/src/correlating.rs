//! Correlating: what the matches of Sigma rules in the table `signals` say together, whichever file, source or worker they
//! come from.
//!
//! A pass reads the matches that came in since the pass before, in whatever order they came, and adds a row of the kind
//! `correlation` for each episode that begins ([`millpond_sigma::State`] says what an episode is), and another when it
//! has twice the matches or the value of its last row. All rows of an episode have one `key`, also where a late match
//! moves its beginning or joins it with another.
//!
//! How far `signals` was read, what is remembered and the rows that follow are one [step](crate::steps),
//! `_correlations/<number>.json`; the commit that adds the rows records the number.
//!
//! What is remembered ends some time after it came in (`[correlations]` `late`). That time is one of the clock, and what
//! it ends is everything before the last match that had come *then*: while a backfill brings the days of one source and
//! then those of another, none of them is late.

mod horizon;
mod memory;
mod passed;
mod rows;

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use millpond_core::alert::{SIGMA_BASE, SignalRow};
use millpond_core::config::{PondConfig, Problems};
use millpond_core::{Error, Kind, Result};
use millpond_engine::encode::JOB_COLUMN;
use millpond_sigma::{About, Correlator, Limits, RuleSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::passed::{OfCorrelation, Passed};

use self::memory::Memory;
use crate::clock::Clock;
use crate::crash;
use crate::lake::Lake;
use crate::news::{self, Reader, SIGNALS};
use crate::pipeline::{SIGMA, signals_schema};
use crate::put::put_rows;
use crate::rules;
use crate::steps::{Steps, TRIES_MAX};

const STEPS: Steps = Steps { folder: "_correlations", name: "correlating", application: "millpond/correlations" };
/// The version of a step as it is written.
const FORMAT: u32 = 1;

/// The correlations of a pond, ready to be computed.
#[derive(Debug)]
pub struct Correlations {
    pub(crate) correlator: Correlator,
    /// What each says about itself.
    about: Vec<About>,
    /// How long matches may come late, in microseconds of the clock.
    late_us: i64,
}

/// What is known after a number of steps, and what the last of them adds to `signals`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Step {
    format: u32,
    /// From 1.
    number: i64,
    /// The version of `signals` up to which matches were taken in; `None`: from its first.
    version: Option<u64>,
    memory: Memory,
    rows: Vec<Value>,
}

/// The correlating of one lake. Any number may work on it.
#[derive(Debug)]
pub struct Correlating {
    lake: Arc<Lake>,
    clock: Clock,
    /// The last step that was seen here; it is carried out.
    last: Option<Step>,
}

impl Correlations {
    /// Makes correlations ready.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] when one is beyond the limits.
    pub fn new(rules: &RuleSet, config: &PondConfig) -> Result<Self> {
        let correlator = Correlator::new(rules, Limits::default())?;
        let about = rules.correlations().iter().map(|correlation| correlation.about.clone()).collect();
        let late_us = i64::try_from(config.correlation_late_ms).unwrap_or(i64::MAX).saturating_mul(1_000);
        Ok(Self { correlator, about, late_us })
    }

    /// The correlations of the pond in a folder, of which nothing else is read.
    ///
    /// # Errors
    /// As [`Correlations::new`], and when a file cannot be read.
    pub fn read(root: &Path, config: &PondConfig) -> Result<Self> {
        Self::new(&rules::of_pond(root, &[], &mut Problems::default())?, config)
    }

    /// Whether all correlations are within the limits; tells of each that is not, with file and line.
    pub(crate) fn check(rules: &RuleSet, problems: &mut Problems) -> bool {
        let mut are_within = true;
        for correlation in rules.correlations() {
            if let Err(error) = Correlator::check(correlation, Limits::default()) {
                problems.add(&correlation.about.file, correlation.about.line as usize, &error);
                are_within = false;
            }
        }
        are_within
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.about.is_empty()
    }

    /// Whether a row of `signals` is a match of a rule that one of them takes.
    fn takes(&self, signal: &SignalRow) -> bool {
        matches!(signal.kind.as_deref(), Some(SIGMA | SIGMA_BASE)) && self.correlator.takes(&signal.rule)
    }
}

impl Step {
    fn first(version: Option<u64>) -> Self {
        Self { format: FORMAT, number: 1, version, memory: Memory::default(), rows: Vec::new() }
    }
}

impl Correlating {
    /// The correlating of a lake.
    pub fn new(lake: Arc<Lake>, clock: Clock) -> Self {
        Self { lake, clock, last: None }
    }

    /// Says from where on matches are looked at, unless that was said before: from what is committed next, or with
    /// `from_start` from the first commit that the table's log has. Gives the signals that are passed over.
    ///
    /// # Errors
    /// [`Kind::Transient`] when the lake does not answer.
    pub async fn begin(&self, from_start: bool) -> Result<u64> {
        if self.last.is_some() || STEPS.newest_number(&self.lake).await? > 0 {
            return Ok(0);
        }
        let (version, passed_over) = news::beginning(&self.lake, from_start).await?;
        let first = Step::first(version);
        let is_first = STEPS.put(&self.lake, first.number, &first).await?;
        Ok(if is_first { passed_over } else { 0 })
    }

    /// Takes in the matches that are new, and writes down what they make.
    ///
    /// # Errors
    /// [`Kind::Transient`] and [`Kind::Conflict`] when the lake does not answer or others were first too often: nothing is
    /// lost.
    pub async fn pass(&mut self, correlations: &Correlations) -> Result<Passed> {
        self.begin(false).await?;
        let mut passed = Passed::default();
        let mut conflicts = 0;
        loop {
            match self.try_pass(correlations, &mut passed).await {
                Err(error) if error.kind() == Kind::Conflict && conflicts < TRIES_MAX => conflicts += 1,
                Err(error) => return Err(error),
                Ok(()) => return Ok(passed),
            }
        }
    }

    async fn try_pass(&mut self, correlations: &Correlations, passed: &mut Passed) -> Result<()> {
        let mut step = self.newest().await?;
        let mut is_more = true;
        while is_more {
            (step, is_more) = self.take_in(step, correlations, passed).await?;
        }
        self.last = Some(step);
        Ok(())
    }

    /// Takes the next matches in; says whether there may be more.
    async fn take_in(&self, step: Step, correlations: &Correlations, passed: &mut Passed) -> Result<(Step, bool)> {
        let takes = |signal: &SignalRow| correlations.takes(signal);
        let reader = Reader { name: "correlating", takes: &takes };
        let news = news::read(&self.lake, reader, step.version).await?;
        let now_us = self.clock.now_us();
        if !news.has_changes && !step.memory.is_due(correlations, now_us) {
            return Ok((step, false));
        }
        let mut next = Step { number: step.number + 1, version: news.version, rows: Vec::new(), ..step };
        let told = next.memory.absorb(correlations, &news.rows, now_us);
        next.rows = told.rows;
        self.advance(&next).await?;
        passed.add(told.passed);
        passed.notes.extend(news.notes);
        Ok((next, news.is_more))
    }

    /// The newest step, carried out.
    async fn newest(&mut self) -> Result<Step> {
        let number = STEPS.newest_number(&self.lake).await?;
        if let Some(step) = self.last.take().filter(|step| step.number == number) {
            return Ok(step);
        }
        let step: Option<Step> = STEPS.newest(&self.lake).await?;
        let step = step.ok_or_else(|| Error::conflict("the first step of correlating was just removed"))?;
        self.carry_out(&step).await?;
        Ok(step)
    }

    /// Writes a step down and carries it out.
    async fn advance(&self, next: &Step) -> Result<()> {
        if !STEPS.put(&self.lake, next.number, next).await? {
            return Err(Error::conflict(format!("another process took step {} of correlating", next.number)));
        }
        crash::point("correlation");
        self.carry_out(next).await
    }

    async fn carry_out(&self, step: &Step) -> Result<()> {
        if !step.rows.is_empty() {
            let schema = Arc::new(file_schema());
            let name = format!("correlations-{:020}", step.number);
            let files = put_rows(&self.lake, SIGNALS, &name, &schema, &step.rows).await?;
            crash::point("episodes");
            STEPS.commit(&self.lake, SIGNALS, &schema, files, step.number).await?;
        }
        STEPS.clear_up(&self.lake, step.number, &[]).await
    }
}

/// The columns of the files: rows that no job gave have no job.
fn file_schema() -> Schema {
    let job = Arc::new(Field::new(JOB_COLUMN, DataType::Utf8, true));
    Schema::new(signals_schema().fields().iter().cloned().chain([job]).collect::<Vec<_>>())
}
