//! The rules that a team uses, by log source.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::Schema;
use millpond_core::logsource::{EventSource, LogSource};

use crate::collection::Collection;
use crate::condition::{Expr, Subject, Test};
use crate::correlation::Correlation;
use crate::matcher::Matcher;
use crate::rule::Rule;

/// Rules and correlations, ready to be matched.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    correlations: Vec<Correlation>,
    /// By rule, fields that stay with its matches besides those that it tests.
    kept: Vec<BTreeSet<String>>,
}

/// What rules look at in an event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The fields that they name.
    pub fields: BTreeSet<String>,
    /// Whether any of them looks at every value of an event.
    pub everything: bool,
}

impl RuleSet {
    /// The set of these.
    pub fn new(rules: Vec<Rule>, correlations: Vec<Correlation>) -> Self {
        Self { rules, correlations, kept: Vec::new() }
    }

    /// The rules alone.
    #[must_use]
    pub fn without_correlations(mut self) -> Self {
        self.correlations.clear();
        self
    }

    /// The same set, where matches of each rule also keep these fields, by the rule's names for them.
    #[must_use]
    pub fn keeping(mut self, fields: impl Fn(&Rule) -> BTreeSet<String>) -> Self {
        self.kept = self.rules.iter().map(fields).collect();
        self
    }

    /// The fields that matches of a rule keep besides those that it tests; `rule` is its place.
    pub fn kept(&self, rule: usize) -> impl Iterator<Item = &str> {
        self.kept.get(rule).into_iter().flatten().map(String::as_str)
    }

    /// What rules for events of a source look at, and what their matches keep.
    pub fn wanted<'a>(&'a self, events: &'a EventSource) -> Wanted {
        let mut wanted = Wanted::by(self.for_events(events));
        wanted.fields.extend(self.kept.iter().flatten().cloned());
        wanted
    }

    /// The rules; a [`Hit`](crate::Hit) names one by its place here.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The correlations over their matches.
    pub fn correlations(&self) -> &[Correlation] {
        &self.correlations
    }

    /// The rules for events that belong to any of these log sources, with their places.
    pub fn fitting<'a>(&'a self, sources: &'a [LogSource]) -> impl Iterator<Item = (u32, &'a Rule)> {
        let fits = |rule: &Rule| sources.iter().any(|source| rule.logsource.takes(source));
        (0u32..).zip(&self.rules).filter(move |(_, rule)| fits(rule))
    }

    /// The rules that may be for events of a source.
    pub fn for_events<'a>(&'a self, events: &'a EventSource) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|rule| events.may_fit(&rule.logsource))
    }

    /// The rules for events of these log sources, made ready for the columns of a schema. See [`Matcher::new`].
    pub fn matcher(&self, sources: &[LogSource], schema: &Schema, renames: &BTreeMap<String, String>) -> Matcher {
        Matcher::new(self.fitting(sources), schema, renames)
    }
}

impl Wanted {
    /// Whether there is no rule to look for anything.
    pub fn is_nothing(&self) -> bool {
        self.fields.is_empty() && !self.everything
    }

    /// What these rules look at.
    pub fn by<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Self {
        let mut wanted = Self::default();
        rules.into_iter().for_each(|rule| wanted.add(&rule.condition));
        wanted
    }

    fn add(&mut self, expr: &Expr) {
        match expr {
            Expr::All(exprs) | Expr::Any(exprs) => exprs.iter().for_each(|expr| self.add(expr)),
            Expr::Not(expr) => self.add(expr),
            Expr::Test(predicate) => {
                match &predicate.subject {
                    Subject::Field(field) => {
                        self.fields.insert(field.clone());
                    }
                    Subject::Anything => self.everything = true,
                }
                if let Test::OtherField { field, .. } = &predicate.test {
                    self.fields.insert(field.clone());
                }
            }
        }
    }
}

impl From<Collection> for RuleSet {
    fn from(collection: Collection) -> Self {
        Self::new(collection.rules, collection.correlations)
    }
}
