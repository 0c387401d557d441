//! A signal: a query whose rows are detections, and what the comments on top of its file say about it.

mod front_matter;
mod window;

use crate::config::Problems;
use crate::error::Error;
use crate::source::Sql;

pub use window::Window;

/// A query that gives detections: of one file while it is processed, or of the lake from time to time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// The file's name without its ending.
    pub name: String,
    /// What a person reads first.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// MITRE ATT&CK techniques, such as `T1078.004`.
    pub techniques: Vec<String>,
    /// What it finds, and why that matters.
    pub description: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// The column of the query that says who or what a row is about; `None`: its column `entity`, if it has one.
    pub entity: Option<String>,
    /// Columns of the query that tell one finding from another; empty: no two rows are the same finding.
    pub key: Vec<String>,
    /// Where to read more: URLs or titles.
    pub references: Vec<String>,
    /// What to do when it fires: a URL, or a sentence.
    pub runbook: Option<String>,
    /// What it fires on that is harmless.
    pub false_positives: Vec<String>,
    /// When it runs over the lake; `None`: over each file.
    pub schedule: Option<Schedule>,
    /// The query.
    pub sql: Sql,
}

/// When a periodic signal runs, and over what. All times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// The length of a window; windows lie end to end from 1970 on.
    pub every_us: i64,
    /// How far before the start of its window a run looks back.
    pub lookback_us: i64,
    /// How long after the end of its window a run waits.
    pub late_us: i64,
}

/// How bad a signal is, in Sigma's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize)]
pub enum Severity {
    /// Worth knowing.
    Informational,
    /// Unusual.
    Low,
    /// To be looked at.
    #[default]
    Medium,
    /// To be looked at today.
    High,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// Every severity, by name.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("informational", Self::Informational),
        ("low", Self::Low),
        ("medium", Self::Medium),
        ("high", Self::High),
        ("critical", Self::Critical),
    ];

    /// The severity's name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

impl Signal {
    /// Reads a signal that is harvested from files: it has no `every`. Every problem is added to `problems`; a signal
    /// with any is not returned.
    pub fn parse_harvested(sql: &Sql, problems: &mut Problems) -> Option<Self> {
        let signal = Self::parse(sql, problems)?;
        if signal.schedule.is_none() {
            return Some(signal);
        }
        let error = Error::bad_config("a source's signal runs over each file and has no `every`");
        let line = front_matter::line_of(&sql.text, "every");
        problems.add(
            &sql.file,
            line,
            &error.hint("a signal over the lake is a file of the pond's own folder `signals/`"),
        );
        None
    }

    /// Reads a signal that runs over the lake: it has `every`. As [`Signal::parse_harvested`].
    pub fn parse_periodic(sql: &Sql, problems: &mut Problems) -> Option<Self> {
        let signal = Self::parse(sql, problems)?;
        if signal.schedule.is_some() {
            return Some(signal);
        }
        let error = Error::bad_config("`every` is missing: it says how often the signal runs over the lake");
        problems.add(&sql.file, 1, &error.hint("write `-- every: 15m` above the query"));
        None
    }

    /// A signal of which nothing is known but its query: its name is that of the file.
    pub fn new(sql: Sql) -> Self {
        let stem = sql.file.rsplit('/').next().unwrap_or(&sql.file);
        let name = stem.strip_suffix(".sql").unwrap_or(stem).to_owned();
        Self {
            title: name.clone(),
            name,
            severity: Severity::default(),
            techniques: Vec::new(),
            description: None,
            author: None,
            entity: None,
            key: Vec::new(),
            references: Vec::new(),
            runbook: None,
            false_positives: Vec::new(),
            schedule: None,
            sql,
        }
    }

    /// The line on which a key of the comments on top stands, from 1; the first where it does not.
    pub fn line_of(&self, key: &str) -> usize {
        front_matter::line_of(&self.sql.text, key)
    }

    /// The techniques as one text, such as `T1078.004, T1110`; `None`: it names none.
    pub fn technique(&self) -> Option<String> {
        (!self.techniques.is_empty()).then(|| self.techniques.join(", "))
    }
}
