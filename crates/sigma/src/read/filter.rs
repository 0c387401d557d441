//! Documents with `filter`, and what they do to rules.

use super::about::{about, logsource};
use super::context::Context;
use super::correlation::references;
use super::detection::detection;
use super::fault::{Result, fault, fault_with_hint};
use super::yaml::{Node, Value};
use crate::condition::Expr;
use crate::correlation::{Filter, FilteredRules};
use crate::rule::Rule;

/// A filter whose references are not followed yet.
pub(crate) struct Unresolved {
    pub(crate) filter: Filter,
    /// The line on which each of its rules is named.
    pub(crate) lines: Vec<u32>,
}

/// Reads a filter.
pub(crate) fn filter(document: &Node, section: &Node, file: &str, context: &Context) -> Result<Unresolved> {
    let about = about(document, file)?;
    let logsource = logsource(document)?;
    if !matches!(section.value, Value::Map(_)) {
        return fault(section.line, format!("`filter` is {}, not a map", section.kind()));
    }
    let (rules, lines) = rules(section)?;
    let condition = detection(section, &["rules"], context)?;
    Ok(Unresolved { filter: Filter { about, logsource, rules, condition }, lines })
}

fn rules(section: &Node) -> Result<(FilteredRules, Vec<u32>)> {
    let Some(rules) = section.get("rules") else {
        return fault_with_hint(
            section.line,
            "the filter has no `rules`",
            "name rules by id or name, or write `rules: any`",
        );
    };
    match &rules.value {
        Value::Text(text) if ["any", "all"].iter().any(|word| text.eq_ignore_ascii_case(word)) => {
            Ok((FilteredRules::Any, Vec::new()))
        }
        Value::List(members) if members.is_empty() => Ok((FilteredRules::Any, Vec::new())),
        _ => {
            let (names, lines) = references(section)?.into_iter().unzip();
            Ok((FilteredRules::Named(names), lines))
        }
    }
}

/// Narrows the rules that a filter names: they match where it holds too.
pub(crate) fn apply(filter: &Filter, rules: &mut [Rule]) {
    for rule in rules.iter_mut().filter(|rule| filter.logsource.takes(&rule.logsource) && is_named(filter, rule)) {
        let own = std::mem::replace(&mut rule.condition, Expr::All(Vec::new()));
        rule.condition = Expr::all(vec![own, filter.condition.clone()]);
    }
}

fn is_named(filter: &Filter, rule: &Rule) -> bool {
    match &filter.rules {
        FilteredRules::Any => true,
        FilteredRules::Named(names) => {
            names.iter().any(|name| *name == rule.about.id || rule.about.name.as_ref() == Some(name))
        }
    }
}
