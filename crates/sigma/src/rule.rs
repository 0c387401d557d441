//! A rule, read and worked out.

use millpond_core::logsource::LogSource;
use millpond_core::source::Severity;
use serde::{Deserialize, Serialize};

use crate::condition::Expr;

/// A detection rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What it says about itself.
    pub about: About,
    /// Which events it is for.
    pub logsource: LogSource,
    /// When it matches.
    pub condition: Expr,
}

/// What a rule, a correlation or a filter says about itself. Id, title and author stay with every match, as the
/// Detection Rule License asks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct About {
    /// Its UUID, or other name that is unique; empty where it has none.
    pub id: String,
    /// The name by which correlations refer to it.
    pub name: Option<String>,
    /// What a person reads first.
    pub title: String,
    /// Whether it is fit for use.
    pub status: Option<Status>,
    /// How bad a match is.
    pub level: Severity,
    /// Who wrote it.
    pub author: Option<String>,
    /// What it finds, and why that matters.
    pub description: Option<String>,
    /// Where to read on.
    pub references: Vec<String>,
    /// Such as `attack.t1078.004`.
    pub tags: Vec<String>,
    /// What also matches without being an attack.
    pub false_positives: Vec<String>,
    /// The fields that help to judge a match.
    pub fields: Vec<String>,
    /// The file that it stands in.
    pub file: String,
    /// The line on which it starts, from 1.
    pub line: u32,
}

impl About {
    /// What names it among others: its id, else its name, else its title.
    pub fn key(&self) -> &str {
        match (self.id.as_str(), &self.name) {
            ("", Some(name)) => name,
            ("", None) => &self.title,
            (id, _) => id,
        }
    }

    /// The first ATT&CK technique among the tags, as MITRE writes it: `T1078.004`.
    pub fn technique(&self) -> Option<String> {
        self.tags.iter().find_map(|tag| {
            let technique = tag.strip_prefix("attack.t")?;
            technique.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("T{technique}"))
        })
    }
}

/// Whether a rule is fit for use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Needs no tuning in most places.
    Stable,
    /// Tried, may need tuning.
    Test,
    /// May give many false positives.
    Experimental,
    /// Replaced by another.
    Deprecated,
    /// Cannot be used with the present specification.
    Unsupported,
}

impl Status {
    /// Every status, by name.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("stable", Self::Stable),
        ("test", Self::Test),
        ("experimental", Self::Experimental),
        ("deprecated", Self::Deprecated),
        ("unsupported", Self::Unsupported),
    ];
}
