//! What becomes an alert (`[[alert]]`), and what does not for a while (`[[suppress]]`).

use super::signal::KEY_COLUMNS;
use super::{SIGMA_BASE, SignalRow};
use crate::config::{Problems, Section};
use crate::date::day_text;
use crate::error::{Error, Result};
use crate::glob::Glob;
use crate::source::Severity;
use crate::units::nearest;

/// How long an alert waits for its next signal, unless it says.
const WINDOW_MS: u64 = 3_600_000;
/// Signals of one alert that are remembered until it opens are as many as this at most, twice.
const THRESHOLD_MAX: u64 = 10_000;
const DAY_US: i64 = 86_400_000_000;

/// One `[[alert]]`: which signals, grouped how, told to whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What it is called.
    pub name: String,
    /// Signals below it are not taken.
    pub severity_min: Severity,
    /// Of which sources; none: of all.
    pub sources: Globs,
    /// Of which rules.
    pub rules: Globs,
    /// Of which techniques; a signal without one only where none is named.
    pub techniques: Globs,
    /// The columns that signals of one alert have in common. None: the rule, and the signal's own key or, where it has
    /// none, its entity.
    pub key: Vec<String>,
    /// Microseconds: signals further apart belong to two alerts, and an alert closes after so long without one.
    pub window_us: i64,
    /// Signals within a window that make an alert.
    pub threshold: usize,
    /// Names of destinations.
    pub to: Vec<String>,
    /// Where it stands in the file.
    pub line: usize,
}

/// Patterns of which one must match; none: everything does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globs(Vec<Glob>);

impl Globs {
    fn parse(section: &mut Section<'_>, problems: &mut Problems, key: &'static str) -> Self {
        let mut globs = Vec::new();
        for text in section.texts(problems, key).unwrap_or_default() {
            match Glob::new("", &text) {
                Ok(glob) => globs.push(glob),
                Err(error) => section.refuse(problems, key, &error),
            }
        }
        Self(globs)
    }

    fn matches(&self, text: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|glob| glob.matches(text))
    }
}

impl Policy {
    /// Reads one `[[alert]]`.
    pub(super) fn parse(mut section: Section<'_>, problems: &mut Problems) -> Option<Self> {
        let name = section.parsed(problems, "name", word);
        if section.is_absent("name") {
            section.missing(problems, "name", "give it a name, such as `name = \"high\"`");
        }
        let window_ms = section.ms(problems, "window").unwrap_or(WINDOW_MS);
        let policy = Self {
            name: name.unwrap_or_default(),
            severity_min: section.choice(problems, "severity_min", &Severity::NAMES).unwrap_or(Severity::Informational),
            sources: Globs::parse(&mut section, problems, "sources"),
            rules: Globs::parse(&mut section, problems, "rules"),
            techniques: Globs::parse(&mut section, problems, "techniques"),
            key: key_columns(&mut section, problems),
            window_us: i64::try_from(window_ms).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000),
            threshold: section.count(problems, "threshold").unwrap_or(1) as usize,
            to: section.texts(problems, "to").unwrap_or_default(),
            line: section.line_of_key("to"),
        };
        if policy.window_us == 0 {
            section.refuse(problems, "window", &Error::bad_config("a window of no length holds no signal"));
        }
        if policy.threshold as u64 > THRESHOLD_MAX {
            let error = Error::bad_config(format!("a threshold of {} is too high", policy.threshold));
            section.refuse(problems, "threshold", &error.hint(format!("it can be {THRESHOLD_MAX} at most")));
        }
        section.finish(problems);
        (!policy.name.is_empty()).then_some(policy)
    }

    /// Whether it takes a signal; what is there for correlations alone it never does.
    pub fn takes(&self, signal: &SignalRow) -> bool {
        signal.kind.as_deref() != Some(SIGMA_BASE)
            && signal.severity >= self.severity_min
            && self.sources.matches(&signal.source)
            && self.rules.matches(&signal.rule)
            && self.techniques.matches(signal.technique.as_deref().unwrap_or_default())
    }

    /// What signals of one alert have in common: columns and their values.
    pub fn key_of(&self, signal: &SignalRow) -> Vec<(String, String)> {
        let own = if signal.key.is_some() { "key" } else { "entity" };
        let columns = match self.key.is_empty() {
            true => vec!["rule", own],
            false => self.key.iter().map(String::as_str).collect(),
        };
        columns.into_iter().map(|column| (column.to_owned(), signal.column(column))).collect()
    }
}

fn key_columns(section: &mut Section<'_>, problems: &mut Problems) -> Vec<String> {
    let columns = section.texts(problems, "key").unwrap_or_default();
    for column in columns.iter().filter(|column| !KEY_COLUMNS.contains(&column.as_str())) {
        if column.strip_prefix("fields.").is_some_and(|name| !name.is_empty()) {
            continue;
        }
        let error = Error::bad_config(format!("signals have no column `{column}`"));
        let error = match nearest(column, KEY_COLUMNS) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("a key can name {}, or `fields.NAME`", KEY_COLUMNS.join(", "))),
        };
        section.refuse(problems, "key", &error);
    }
    columns
}

/// A name that can stand in paths and messages.
pub(super) fn word(text: &str) -> Result<String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !text.is_empty() && text.chars().all(is_fine) {
        true => Ok(text.to_owned()),
        false => Err(Error::bad_config(format!("`{text}` is no name")).hint("use letters, digits, `-` and `_`")),
    }
}

/// One `[[suppress]]`: signals that are no part of any alert until a day, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Of which rules.
    pub rules: Globs,
    /// About whom or what.
    pub entities: Globs,
    /// The last day, days since 1970 in UTC.
    pub until_day: i64,
    /// Why.
    pub reason: String,
}

impl Suppression {
    /// Reads one `[[suppress]]`.
    pub(super) fn parse(mut section: Section<'_>, problems: &mut Problems) -> Option<Self> {
        let rules = Globs::parse(&mut section, problems, "rule");
        let entities = Globs::parse(&mut section, problems, "entity");
        if rules.0.is_empty() && entities.0.is_empty() {
            section.missing(problems, "rule", "name a `rule`, an `entity` or both: nothing suppresses everything");
        }
        let until_day = section.day(problems, "until");
        if section.is_absent("until") {
            section.missing(problems, "until", "say on which day it is looked at again, such as `until = 2026-12-31`");
        }
        let reason = section.text(problems, "reason");
        if section.is_absent("reason") || reason.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
            section.missing(problems, "reason", "say why, for whoever reads it next");
        }
        section.finish(problems);
        Some(Self { rules, entities, until_day: until_day?, reason: reason? })
    }

    /// Whether it holds a signal back at a time, microseconds since 1970 in UTC. The last day counts to its end.
    pub fn holds(&self, signal: &SignalRow, now_us: i64) -> bool {
        now_us.div_euclid(DAY_US) <= self.until_day
            && self.rules.matches(&signal.rule)
            && self.entities.matches(signal.entity.as_deref().unwrap_or_default())
    }

    /// The last day as it is written.
    pub fn until(&self) -> String {
        day_text(self.until_day)
    }
}
