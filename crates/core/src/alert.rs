//! Alerts: what people are told of signals.
//!
//! A *policy* (`[[alert]]`) takes the signals that it matches and groups them by its key. A group in which `threshold`
//! signals lie within `window` of each other becomes an alert; every further signal of the key makes that alert grow,
//! until `window` has passed without one. People are told when an alert opens and when its severity rises, and of
//! nothing between: one alert grows instead of many.
//!
//! Everything here is decided by its arguments. The same state and the same signals give the same alerts with the same
//! ids, whoever decides and in whatever order the signals of one call stand.

pub mod body;
mod config;
mod decide;
mod destination;
mod group;
mod message;
mod policy;
pub mod retry;
mod signal;
pub mod signature;
mod template;

use serde::{Deserialize, Serialize};

pub use self::config::AlertConfig;
pub use self::decide::{Decision, decide};
pub use self::destination::{Destination, Secret, Setting, Target};
pub use self::group::{Group, Mark, State};
pub use self::message::{Message, messages, test_message};
pub use self::policy::{Policy, Suppression};
pub use self::signal::{SIGMA_BASE, SignalRow};
pub use self::template::Template;
use crate::source::Severity;

/// Rules, entities and files that an alert names, at most: it is told of to people, and the table `signals` has all.
pub const NAMED_MAX: usize = 20;

/// What happened to an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not there before.
    Opened,
    /// It has more signals.
    Grew,
    /// It has more signals, and one of them is worse than those before.
    Escalated,
    /// No signal came for a window.
    Closed,
}

impl Change {
    /// The change as tables and messages write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Grew => "grew",
            Self::Escalated => "escalated",
            Self::Closed => "closed",
        }
    }

    /// Whether people are told.
    pub fn is_told(self) -> bool {
        matches!(self, Self::Opened | Self::Escalated)
    }
}

/// One revision of an alert: how it stands after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// 32 hexadecimal digits that follow from policy, key and first signal.
    pub id: String,
    /// From 1; each change makes a new one.
    pub revision: u32,
    /// What made this revision.
    pub change: Change,
    /// The name of the policy.
    pub alert: String,
    /// The columns of the key and their values.
    pub key: Vec<(String, String)>,
    /// The worst of its signals.
    pub severity: Severity,
    /// Of the worst signal, the first where several are.
    pub title: String,
    /// Its rule.
    pub rule: String,
    /// Its source.
    pub source: String,
    /// Its MITRE ATT&CK technique.
    pub technique: Option<String>,
    /// Who or what it is about.
    pub entity: Option<String>,
    /// Its sentence for a person.
    pub message: Option<String>,
    /// What to do about it.
    pub runbook: Option<String>,
    /// Where to read about it.
    pub references: Option<String>,
    /// The rules of all its signals, [`NAMED_MAX`] at most.
    pub rules: Vec<String>,
    /// Who or what all its signals are about, [`NAMED_MAX`] at most.
    pub entities: Vec<String>,
    /// Signals.
    pub count: u64,
    /// The earliest of them, microseconds since 1970 in UTC.
    pub first_us: i64,
    /// The latest of them.
    pub last_us: i64,
    /// When this revision was decided.
    pub decided_us: i64,
    /// Some of its signals.
    pub sample: Vec<Sample>,
}

/// Where one signal of an alert lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// The rule.
    pub rule: String,
    /// Microseconds since 1970 in UTC.
    pub time_us: i64,
    /// The object.
    pub file: String,
    /// The record in it.
    pub row: Option<i64>,
    /// Its sentence for a person.
    pub message: Option<String>,
}

/// The first half of SHA-256 over the parts in hexadecimal, each part preceded by its length.
fn hash<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    use sha2::{Digest, Sha256};
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part.as_bytes());
    }
    sha.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A text of at most `max` characters: what is longer ends with an ellipsis.
fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}
