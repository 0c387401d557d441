//! Alerting: reads what is new in the table `signals`, decides what becomes of alerts, writes that down, and tells.
//!
//! A *step* is a document, `_alerts/steps/<number>.json`, created only if it is not there: how far `signals` was read,
//! the groups that may grow, the messages that wait (the outbox), and the rows that the step adds to `alerts` and
//! `deliveries`. So whoever writes a step down has decided it, for everybody; a table that holds the number already is
//! passed over, and a crash anywhere leaves a step that is carried out again.
//!
//! A message is sent at least once. Whoever tries writes that down first (`_alerts/tries/…`, created only if it is not
//! there), so that two processes do not try at the same time; and what came of it after. A try without an end is taken for one
//! whose sender is gone, and the message is sent again under the same id.

mod outbox;
mod send;
mod step;
mod tables;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millpond_core::alert::{Change, Decision, SignalRow, decide, messages, test_message};
use millpond_core::config::PondConfig;
use millpond_core::{Error, Kind, Result};

pub use self::tables::{ALERTS, DELIVERIES, alerts_schema, deliveries_schema};

use self::outbox::Delivered;
use self::send::Sender;
use self::step::{Queued, STEPS, Step};
use crate::clock::Clock;
use crate::crash;
use crate::lake::Lake;
use crate::news::{self, Reader};
use crate::steps::TRIES_MAX;

/// The value of an environment variable by its name.
pub type Variable = dyn Fn(&str) -> Option<String> + Send + Sync;
/// Writes a line to the program's output.
pub type Print = dyn Fn(&str) -> Result<()> + Send + Sync;

/// What alerting asks of its surroundings.
#[derive(Clone)]
pub struct Surroundings {
    /// What time it is.
    pub clock: Clock,
    /// The environment.
    pub variable: Arc<Variable>,
    /// The output.
    pub print: Arc<Print>,
}

impl Surroundings {
    /// The system's clock and environment.
    pub fn system(print: impl Fn(&str) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { clock: Clock::system(), variable: Arc::new(|name| std::env::var(name).ok()), print: Arc::new(print) }
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// What one pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passed {
    /// Alerts that opened.
    pub opened: u64,
    /// Alerts that grew, or whose severity rose.
    pub grew: u64,
    /// Alerts that closed.
    pub closed: u64,
    /// Signals that a suppression held back.
    pub suppressed: u64,
    /// Messages that their receivers took.
    pub sent: u64,
    /// Messages that wait for another try.
    pub waiting: u64,
    /// Messages that are tried no more.
    pub given_up: u64,
    /// What a person should know: why a message was not taken, signals that could not be read.
    pub notes: Vec<String>,
}

impl Passed {
    /// Whether there is nothing to tell.
    pub fn is_silent(&self) -> bool {
        *self == Self { waiting: self.waiting, ..Self::default() }
    }

    /// What it did, for people: a sentence where anything happened, then the notes.
    pub fn lines(&self) -> Vec<String> {
        let parts = [(self.opened, "opened"), (self.grew, "grew"), (self.closed, "closed")];
        let alerts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let messages = [(self.sent, "sent"), (self.given_up, "given up")];
        let messages = messages.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let alerts = alerts.collect::<Vec<_>>().join(", ");
        let messages = messages.collect::<Vec<_>>().join(", ");
        let mut sentences = Vec::new();
        if !alerts.is_empty() {
            sentences.push(format!("alerts: {alerts}"));
        }
        if !messages.is_empty() {
            sentences.push(format!("messages: {messages}"));
        }
        if self.suppressed > 0 {
            sentences.push(format!("signals suppressed: {}", self.suppressed));
        }
        let sentence = sentences.join("; ");
        let told = if sentence.is_empty() { Vec::new() } else { vec![sentence] };
        told.into_iter().chain(self.notes.iter().cloned()).collect()
    }

    fn add(&mut self, decision: &Decision) {
        for alert in &decision.alerts {
            match alert.change {
                Change::Opened => self.opened += 1,
                Change::Grew | Change::Escalated => self.grew += 1,
                Change::Closed => self.closed += 1,
            }
        }
        self.suppressed += decision.suppressed;
    }
}

/// The alerting of one lake. Any number may work on it.
#[derive(Debug)]
pub struct Alerter {
    lake: Arc<Lake>,
    surroundings: Surroundings,
    folder: PathBuf,
    http: reqwest::Client,
    /// The last step that was carried out here.
    done: std::sync::atomic::AtomicI64,
}

impl Alerter {
    /// The alerting of a lake whose pond lies in `folder`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] when the machine's certificates cannot be read.
    pub fn new(lake: Arc<Lake>, folder: &Path, surroundings: Surroundings) -> Result<Self> {
        Ok(Self { lake, surroundings, folder: folder.to_owned(), http: send::client()?, done: 0.into() })
    }

    /// Says from where on signals are looked at, unless that was said before: from what is committed next, or with
    /// `from_start` from the first commit that the table's log has. Gives the signals that are left out.
    ///
    /// # Errors
    /// [`Kind::Transient`] when the lake does not answer.
    pub async fn begin(&self, from_start: bool) -> Result<u64> {
        if STEPS.newest_number(&self.lake).await? > 0 {
            return Ok(0);
        }
        let (version, rows) = news::beginning(&self.lake, from_start).await?;
        let first = Step::first(version);
        let is_first = STEPS.put(&self.lake, first.number, &first).await?;
        Ok(if is_first { rows } else { 0 })
    }

    /// Looks at what is new, decides, writes down, and sends what waits.
    ///
    /// # Errors
    /// [`Kind::Transient`] and [`Kind::Conflict`] when the lake does not answer or others were first too often: nothing is
    /// lost. A destination that does not answer is no error.
    pub async fn pass(&self, config: &PondConfig) -> Result<Passed> {
        self.begin(false).await?;
        let mut passed = Passed::default();
        let mut conflicts = 0;
        loop {
            match self.try_pass(config, &mut passed).await {
                Err(error) if error.kind() == Kind::Conflict && conflicts < TRIES_MAX => conflicts += 1,
                Err(error) => return Err(error),
                Ok(()) => return Ok(passed),
            }
        }
    }

    async fn try_pass(&self, config: &PondConfig, passed: &mut Passed) -> Result<()> {
        let mut step = self.newest().await?;
        let mut is_more = true;
        while is_more {
            (step, is_more) = self.take_in(step, config, passed).await?;
        }
        let sender = self.sender(config);
        let delivered = outbox::deliver(&self.lake, &sender, &step, &config.alerting).await?;
        passed.notes.extend(delivered.notes.iter().cloned());
        self.take_out(step, delivered, passed).await
    }

    /// Takes the next signals in; says whether there may be more.
    async fn take_in(&self, step: Step, config: &PondConfig, passed: &mut Passed) -> Result<(Step, bool)> {
        let takes = |signal: &SignalRow| config.alerting.policies.iter().any(|policy| policy.takes(signal));
        let reader = Reader { name: "alerting", takes: &takes };
        let news = news::read(&self.lake, reader, step.version).await?;
        let now_us = self.surroundings.clock.now_us();
        let mut decision = decide(&config.alerting, step.state.clone(), &news.rows, now_us);
        if !news.has_changes && decision.alerts.is_empty() && decision.state == step.state {
            return Ok((step, false));
        }
        let mut next = step.next(news.version, std::mem::take(&mut decision.state));
        for alert in &decision.alerts {
            let queued = messages(&config.alerting.policies, alert).into_iter();
            next.outbox.extend(queued.map(|message| Queued { message, queued_us: now_us }));
        }
        next.alerts.clone_from(&decision.alerts);
        let next = self.advance(next).await?;
        passed.add(&decision);
        passed.notes.extend(news.notes);
        Ok((next, news.is_more))
    }

    /// Takes what was delivered out of the outbox.
    async fn take_out(&self, step: Step, delivered: Delivered, passed: &mut Passed) -> Result<()> {
        passed.waiting = (step.outbox.len() - delivered.ended.len()) as u64;
        if delivered.ended.is_empty() {
            return Ok(());
        }
        let mut next = step.next(step.version, step.state.clone());
        next.outbox.retain(|queued| !delivered.ended.iter().any(|(ended, _)| ended == queued));
        next.deliveries = delivered.ended.into_iter().map(|(_, delivery)| delivery).collect();
        next.cleared = delivered.cleared;
        let is_sent = |delivery: &&tables::Delivery| delivery.status == tables::SENT;
        let (all, sent) = (next.deliveries.len() as u64, next.deliveries.iter().filter(is_sent).count() as u64);
        self.advance(next).await?;
        passed.sent += sent;
        passed.given_up += all - sent;
        Ok(())
    }

    /// The newest step, carried out.
    async fn newest(&self) -> Result<Step> {
        let step: Option<Step> = STEPS.newest(&self.lake).await?;
        let step = step.ok_or_else(|| Error::conflict("the first step of alerting was just removed"))?;
        self.carry_out(&step).await?;
        Ok(step)
    }

    /// Writes a step down and carries it out.
    async fn advance(&self, next: Step) -> Result<Step> {
        if !STEPS.put(&self.lake, next.number, &next).await? {
            return Err(Error::conflict(format!("another process took step {} of alerting", next.number)));
        }
        crash::point("step");
        self.carry_out(&next).await?;
        Ok(next)
    }

    async fn carry_out(&self, step: &Step) -> Result<()> {
        use std::sync::atomic::Ordering;
        if self.done.load(Ordering::Relaxed) < step.number {
            step::carry_out(&self.lake, step).await?;
            self.done.store(step.number, Ordering::Relaxed);
        }
        Ok(())
    }

    fn sender<'a>(&'a self, config: &'a PondConfig) -> Sender<'a> {
        Sender { http: &self.http, surroundings: &self.surroundings, folder: &self.folder, pond: &config.name }
    }

    /// Sends a message that says it is a test, and gives what the receiver answered.
    ///
    /// # Errors
    /// [`Kind::BadConfig`] when there is no such destination, or it cannot be used as it is configured;
    /// [`Kind::Transient`] when it did not take the message.
    pub async fn test(&self, config: &PondConfig, destination: &str) -> Result<String> {
        let destination = config.alerting.destination(destination)?;
        let message = test_message(&destination.name, self.surroundings.clock.now_us());
        let sent = self.sender(config).send(destination, &message).await;
        sent.map_err(|failure| failure.error)
    }
}
