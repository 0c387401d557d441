//! Rules by the file: read, checked, filters applied.

use std::fmt;

use millpond_core::Error;

use crate::correlation::{Correlation, Filter};
use crate::rule::Rule;

/// A file of rules: its name for messages, and its text.
#[derive(Debug, Clone)]
pub struct RuleFile {
    /// Where it lies.
    pub name: String,
    /// YAML, of one document or several.
    pub text: String,
}

/// All that was read from files.
#[derive(Debug, Default)]
pub struct Collection {
    /// The rules, narrowed by the filters that name them.
    pub rules: Vec<Rule>,
    /// The correlations; all that they refer to is here.
    pub correlations: Vec<Correlation>,
    /// The filters, already part of the rules.
    pub filters: Vec<Filter>,
    /// What was refused, each with its reason.
    pub rejections: Vec<Rejection>,
}

/// A document that was refused.
#[derive(Debug)]
pub struct Rejection {
    /// The file.
    pub file: String,
    /// The line that is at fault, from 1.
    pub line: u32,
    /// The id or title of the rule, where it could be read.
    pub rule: Option<String>,
    /// Why, and the way out.
    pub error: Error,
}

impl fmt::Display for Rejection {
    /// Such as `rules/x.yml:12: there is no `condition``, with the hint on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.error.report())
    }
}
