//! Correlations, which say something about the matches of rules over time, and filters, which narrow rules.

use millpond_core::logsource::LogSource;
use serde::{Deserialize, Serialize};

use crate::condition::{Comparison, Expr};
use crate::rule::About;

/// A correlation: it holds when the matches of its rules within a span of time, group by group, are as it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// What it says about itself.
    pub about: About,
    /// What is counted or compared.
    pub kind: CorrelationKind,
    /// The rules and correlations whose matches it takes, by id or name.
    pub rules: Vec<String>,
    /// The fields that a group has in common; empty: all matches are one group.
    pub group_by: Vec<String>,
    /// Names for fields that are called differently in different rules.
    pub aliases: Vec<Alias>,
    /// How long the span is.
    pub timespan_seconds: u64,
    /// What the number has to be, all at once.
    pub thresholds: Vec<Threshold>,
    /// Whether its rules also raise their own signals.
    pub generate: bool,
}

/// What a correlation counts or compares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CorrelationKind {
    /// How many matches there are.
    EventCount,
    /// How many different values these fields have together.
    ValueCount(Vec<String>),
    /// How many of the rules matched; all, where nothing else is asked.
    Temporal,
    /// The same, in the order in which the rules are named.
    TemporalOrdered,
    /// The sum of a field.
    ValueSum(String),
    /// The mean of a field.
    ValueAverage(String),
    /// A percentile (0 to 100) of a field.
    ValuePercentile {
        /// The field.
        field: String,
        /// Which percentile.
        percentile: f64,
    },
}

/// What a number has to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// How it compares.
    pub comparison: Comparison,
    /// With what.
    pub number: f64,
}

/// A name for a field that rules call differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The name that `group-by` and `field` use.
    pub name: String,
    /// The field's name in each rule: (rule by id or name, field).
    pub fields: Vec<(String, String)>,
}

/// A filter: rules match only where it holds too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filter {
    /// What it says about itself.
    pub about: About,
    /// The log source of the rules that it narrows.
    pub logsource: LogSource,
    /// The rules that it narrows.
    pub rules: FilteredRules,
    /// What has to hold besides the rule's own condition.
    pub condition: Expr,
}

/// The rules that a filter narrows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FilteredRules {
    /// Every rule of its log source.
    Any,
    /// These, by id or name.
    Named(Vec<String>),
}
