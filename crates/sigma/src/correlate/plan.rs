//! Correlations made ready: which matches each takes, under which names, and in which order they are computed.

use std::collections::{BTreeSet, HashMap};

use millpond_core::{Error, Result};

use super::identity;
use crate::condition::Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
use crate::correlation::{Correlation, CorrelationKind, Threshold};
use crate::rule::{About, Rule};
use crate::rule_set::RuleSet;

/// The most rules of a `temporal_ordered`: each match costs the square of their number.
const ORDERED_RULES_MAX: usize = 100;

/// Bounds of what is remembered and told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most matches that a group keeps; the oldest are forgotten, and [`LeftOut`](crate::LeftOut) says how many.
    pub matches_per_group: usize,
    /// The most groups that a correlation keeps; those whose last match is the oldest are forgotten.
    pub groups: usize,
    /// The most references of each rule in a [`Found`](crate::Found).
    pub told_per_rule: usize,
}

impl Default for Limits {
    /// 10,000 matches (half a megabyte) of each of 200,000 groups, 10 references of each rule.
    fn default() -> Self {
        Self { matches_per_group: 10_000, groups: 200_000, told_per_rule: 10 }
    }
}

/// The correlations of a rule set, ready to be computed.
#[derive(Debug)]
pub struct Correlator {
    /// In the order of the rule set.
    pub(super) plans: Vec<Plan>,
    /// The plans, each after those whose results it takes.
    pub(super) order: Vec<usize>,
    pub(super) limits: Limits,
    /// Who takes the matches of a rule, by its id and by its name.
    takers: HashMap<String, Vec<Taker>>,
    silenced: BTreeSet<String>,
}

/// A place at which a plan takes matches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taker {
    pub(super) plan: usize,
    /// The rule's place in the correlation.
    pub(super) rule: u32,
}

/// A correlation, made ready.
#[derive(Debug)]
pub(super) struct Plan {
    /// Its id, or else its name or title.
    pub(super) label: String,
    /// What it means, as a number.
    pub(super) meaning: u128,
    pub(super) kind: CorrelationKind,
    thresholds: Vec<Threshold>,
    pub(super) timespan_us: i64,
    pub(super) group_by: Vec<String>,
    /// Its rules.
    pub(super) inputs: Vec<Input>,
    /// Whether more matches can fulfil but not undo it.
    pub(super) is_rising: bool,
    /// How long its matches may change after the matches of rules have settled.
    delay_us: i64,
    /// Whether it is computed for others only.
    pub(super) is_silent: bool,
    /// Who takes its episodes.
    pub(super) takers: Vec<Taker>,
    pub(super) told_per_rule: usize,
}

/// A rule of a correlation: what its fields are called.
#[derive(Debug)]
pub(super) struct Input {
    group_by: Vec<String>,
    values: Vec<String>,
}

/// What a reference leads to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Rule(usize),
    Correlation(usize),
}

impl Correlator {
    /// Makes the correlations of a set ready.
    ///
    /// # Errors
    ///
    /// Fails when a correlation refers to what is not in the set, or to itself; when it counts to more matches than a
    /// group may keep; when a `temporal_ordered` has more than 100 rules. A set that was read with nothing taken out of it
    /// fails for the last two alone.
    pub fn new(set: &RuleSet, limits: Limits) -> Result<Self> {
        let known = targets(set);
        let mut uses = Vec::new();
        for correlation in set.correlations() {
            Self::check(correlation, limits)?;
            uses.push(followed(correlation, &known)?);
        }
        let order = order(set.correlations(), &uses)?;
        let silenced = silenced(set.correlations(), &uses);
        let ready = |(index, correlation): (usize, &Correlation)| {
            let is_silent = silenced.contains(&Target::Correlation(index));
            Plan::new(correlation, set, &uses[index], is_silent, limits)
        };
        let mut plans: Vec<Plan> = set.correlations().iter().enumerate().map(ready).collect();
        for index in order.iter().copied() {
            rest(&mut plans, index, &uses[index], &set.correlations()[index])?;
        }
        let takers = takers(set, &uses, &order);
        let rules = silenced.iter().filter_map(|target| target.rule(set));
        let silenced = rules.flat_map(|rule| labels(&rule.about)).map(str::to_owned).collect();
        Ok(Self { plans, order, limits, takers, silenced })
    }

    /// Says whether a correlation is within the limits.
    ///
    /// # Errors
    ///
    /// Fails when it counts to more matches than a group may keep, or is a `temporal_ordered` with more than 100 rules.
    pub fn check(correlation: &Correlation, limits: Limits) -> Result<()> {
        let (label, rules) = (label(&correlation.about), correlation.rules.len());
        if correlation.kind == CorrelationKind::TemporalOrdered && rules > ORDERED_RULES_MAX {
            let message =
                format!("the correlation `{label}` has {rules} rules, and may have {ORDERED_RULES_MAX} in order");
            return Err(Error::bad_config(message).hint("make correlations of its parts, and one over these"));
        }
        let counts = matches!(correlation.kind, CorrelationKind::EventCount | CorrelationKind::ValueCount(_));
        let most = correlation.thresholds.iter().map(|threshold| threshold.number).fold(0.0, f64::max);
        if counts && most >= limits.matches_per_group as f64 {
            let kept = limits.matches_per_group;
            let message = format!("the correlation `{label}` counts to {most}, and a group keeps {kept} matches");
            return Err(
                Error::bad_config(message).hint("lower the bound with a shorter `timespan`, or raise the limit")
            );
        }
        Ok(())
    }

    /// The ids and names of rules that raise no signals of their own: correlations refer to them, and none of these says
    /// `generate: true`.
    pub fn silenced_rules(&self) -> &BTreeSet<String> {
        &self.silenced
    }

    /// Whether any correlation takes the matches of a rule, by its id or name.
    pub fn takes(&self, rule: &str) -> bool {
        self.takers.contains_key(rule)
    }

    /// The fields that correlations ask for of the matches of a rule, by the rule's names for them.
    pub fn fields_of(&self, rule: &About) -> BTreeSet<String> {
        let taker = labels(rule).find_map(|label| self.takers.get(label));
        let inputs = taker.into_iter().flatten().map(|taker| &self.plans[taker.plan].inputs[taker.rule as usize]);
        inputs.flat_map(|input| input.group_by.iter().chain(&input.values).cloned()).collect()
    }

    /// Microseconds: no match changes an episode that ended longer than this before the time that
    /// [`State::expire`](crate::State::expire) has passed.
    pub fn reach_us(&self) -> i64 {
        self.plans.iter().fold(0, |reach: i64, plan| reach.saturating_add(plan.timespan_us))
    }

    /// Who takes the matches of a rule.
    pub(super) fn takers(&self, rule: &str) -> &[Taker] {
        self.takers.get(rule).map_or(&[], Vec::as_slice)
    }
}

impl Plan {
    fn new(correlation: &Correlation, set: &RuleSet, uses: &[Target], is_silent: bool, limits: Limits) -> Self {
        let about = |target: &Target| match target {
            Target::Rule(place) => &set.rules()[*place].about,
            Target::Correlation(place) => &set.correlations()[*place].about,
        };
        Self {
            label: label(&correlation.about).to_owned(),
            meaning: 0,
            kind: correlation.kind.clone(),
            thresholds: correlation.thresholds.clone(),
            timespan_us: i64::try_from(correlation.timespan_seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000),
            group_by: correlation.group_by.clone(),
            inputs: uses.iter().map(|target| Input::new(correlation, about(target))).collect(),
            is_rising: is_rising(correlation),
            delay_us: 0,
            is_silent,
            takers: Vec::new(),
            told_per_rule: limits.told_per_rule,
        }
    }

    /// Whether a number is within all bounds.
    pub(super) fn holds(&self, value: f64) -> bool {
        self.thresholds.iter().all(|threshold| threshold.comparison.holds(value, threshold.number))
    }

    /// The number to tell of two windows.
    pub(super) fn peak(&self, one: f64, other: f64) -> f64 {
        let is_upper = |threshold: &Threshold| matches!(threshold.comparison, Less | LessOrEqual);
        if self.thresholds.iter().all(is_upper) { one.min(other) } else { one.max(other) }
    }

    /// The time before which windows start that no match can be added to, once every match before `horizon_us` is in.
    pub(super) fn settled_before(&self, horizon_us: i64) -> i64 {
        horizon_us.saturating_sub(self.delay_us).saturating_sub(self.timespan_us)
    }

    /// The group of a match and its value, if it has what that takes.
    pub(super) fn place<'f>(
        &self,
        rule: u32,
        field: impl Fn(&str) -> Option<&'f str> + Copy,
    ) -> Option<(Vec<String>, u64)> {
        let input = &self.inputs[rule as usize];
        let value = self.value(&input.values, field)?;
        let group = input.group_by.iter().map(|name| field(name).map(str::to_owned)).collect::<Option<_>>()?;
        Some((group, value))
    }

    fn value<'f>(&self, names: &[String], field: impl Fn(&str) -> Option<&'f str> + Copy) -> Option<u64> {
        let number = |name: &String| field(name)?.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        match &self.kind {
            CorrelationKind::EventCount | CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => Some(0),
            CorrelationKind::ValueCount(_) => {
                let values: Vec<&str> = names.iter().map(|name| field(name)).collect::<Option<_>>()?;
                Some(identity::tuple(values.into_iter()))
            }
            CorrelationKind::ValueSum(_) => number(names.first()?).filter(|number| *number >= 0.0).map(bits),
            CorrelationKind::ValueAverage(_) | CorrelationKind::ValuePercentile { .. } => {
                number(names.first()?).map(bits)
            }
        }
    }
}

/// Zero has two forms, of which one is enough.
fn bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

impl Input {
    fn new(correlation: &Correlation, rule: &About) -> Self {
        let called = |name: &String| {
            let alias = correlation.aliases.iter().find(|alias| alias.name == *name);
            let field = alias.and_then(|alias| {
                alias.fields.iter().find(|(label, _)| labels(rule).any(|other| other == label)).map(|(_, field)| field)
            });
            field.unwrap_or(name).clone()
        };
        let values = match &correlation.kind {
            CorrelationKind::ValueCount(fields) => fields.iter().map(called).collect(),
            CorrelationKind::ValueSum(field)
            | CorrelationKind::ValueAverage(field)
            | CorrelationKind::ValuePercentile { field, .. } => vec![called(field)],
            CorrelationKind::EventCount | CorrelationKind::Temporal | CorrelationKind::TemporalOrdered => vec![],
        };
        Self { group_by: correlation.group_by.iter().map(called).collect(), values }
    }
}

fn is_rising(correlation: &Correlation) -> bool {
    let all = |comparisons: [_; 2]| {
        correlation.thresholds.iter().all(|threshold| comparisons.contains(&threshold.comparison))
    };
    match &correlation.kind {
        CorrelationKind::ValueAverage(_) => false,
        CorrelationKind::ValuePercentile { percentile, .. } => {
            (*percentile == 100.0 && all([Greater, GreaterOrEqual])) || (*percentile == 0.0 && all([Less, LessOrEqual]))
        }
        _ => all([Greater, GreaterOrEqual]),
    }
}

impl Target {
    fn rule(self, set: &RuleSet) -> Option<&Rule> {
        match self {
            Self::Rule(place) => set.rules().get(place),
            Self::Correlation(_) => None,
        }
    }
}

/// Lets a plan rest on those whose results it takes, which are complete.
fn rest(plans: &mut [Plan], index: usize, uses: &[Target], correlation: &Correlation) -> Result<()> {
    let mut meanings = Vec::new();
    for (rule, target) in (0u32..).zip(uses) {
        let Target::Correlation(inner) = *target else { continue };
        let inner = &mut plans[inner];
        inner.takers.push(Taker { plan: index, rule });
        meanings.push(inner.meaning);
        let delay_us = inner.delay_us.saturating_add(inner.timespan_us);
        plans[index].delay_us = plans[index].delay_us.max(delay_us);
    }
    plans[index].meaning = identity::meaning(&plans[index].label, correlation, &meanings)?;
    Ok(())
}

/// Who takes the matches of a rule, by its id and by its name.
fn takers(set: &RuleSet, uses: &[Vec<Target>], order: &[usize]) -> HashMap<String, Vec<Taker>> {
    let mut takers: HashMap<String, Vec<Taker>> = HashMap::new();
    for plan in order.iter().copied() {
        for (rule, target) in (0u32..).zip(&uses[plan]) {
            for label in target.rule(set).into_iter().flat_map(|rule| labels(&rule.about)) {
                takers.entry(label.to_owned()).or_default().push(Taker { plan, rule });
            }
        }
    }
    takers
}

/// What has which id or name.
fn targets(set: &RuleSet) -> HashMap<&str, Target> {
    let rules = set.rules().iter().enumerate().map(|(place, rule)| (&rule.about, Target::Rule(place)));
    let correlations = set.correlations().iter().enumerate();
    let correlations = correlations.map(|(place, one)| (&one.about, Target::Correlation(place)));
    rules.chain(correlations).flat_map(|(about, target)| labels(about).map(move |label| (label, target))).collect()
}

/// What a correlation's references lead to.
fn followed(correlation: &Correlation, known: &HashMap<&str, Target>) -> Result<Vec<Target>> {
    let target = |name: &String| {
        let message = format!("the correlation `{}` refers to `{name}`, which is not there", label(&correlation.about));
        known
            .get(name.as_str())
            .copied()
            .ok_or_else(|| Error::bad_config(message).hint("add the rule, or take the correlation out as well"))
    };
    correlation.rules.iter().map(target).collect()
}

/// The correlations, each after those that it refers to.
fn order(correlations: &[Correlation], uses: &[Vec<Target>]) -> Result<Vec<usize>> {
    let mut waits: Vec<usize> = uses.iter().map(|targets| inner(targets).count()).collect();
    let mut users = vec![Vec::new(); uses.len()];
    for (index, targets) in uses.iter().enumerate() {
        inner(targets).for_each(|target| users[target].push(index));
    }
    let mut order: Vec<usize> = (0..uses.len()).filter(|index| waits[*index] == 0).collect();
    let mut next = 0;
    while let Some(index) = order.get(next).copied() {
        next += 1;
        for user in &users[index] {
            waits[*user] -= 1;
            if waits[*user] == 0 {
                order.push(*user);
            }
        }
    }
    match (0..uses.len()).find(|index| waits[*index] > 0) {
        None => Ok(order),
        Some(index) => {
            let label = label(&correlations[index].about);
            Err(Error::bad_config(format!("the correlation `{label}` refers to itself, perhaps through others"))
                .hint("a correlation has to rest on rules in the end"))
        }
    }
}

fn inner(targets: &[Target]) -> impl Iterator<Item = usize> {
    targets.iter().filter_map(|target| match target {
        Target::Correlation(place) => Some(*place),
        Target::Rule(_) => None,
    })
}

/// What is referred to by correlations of which none says `generate: true`.
fn silenced(correlations: &[Correlation], uses: &[Vec<Target>]) -> BTreeSet<Target> {
    let by = |generate: bool| -> BTreeSet<Target> {
        let those = correlations.iter().zip(uses).filter(|(one, _)| one.generate == generate);
        those.flat_map(|(_, targets)| targets.iter().copied()).collect()
    };
    &by(false) - &by(true)
}

fn labels(about: &About) -> impl Iterator<Item = &str> {
    [Some(about.id.as_str()), about.name.as_deref()].into_iter().flatten().filter(|label| !label.is_empty())
}

fn label(about: &About) -> &str {
    labels(about).next().unwrap_or(&about.title)
}
