//! Documents with `correlation`.

use super::about::{about, choice, text, texts};
use super::fault::{Fault, Result, fault, fault_with_hint, hint_of_names};
use super::yaml::{Entry, Node, Value};
use crate::condition::Comparison;
use crate::correlation::{Alias, Correlation, CorrelationKind, Threshold};

/// A correlation whose references are not followed yet.
pub(crate) struct Unresolved {
    pub(crate) correlation: Correlation,
    /// The line on which each of its rules is named.
    pub(crate) lines: Vec<u32>,
}

/// How many rules a correlation or a filter may name.
const RULES_MAX: usize = 10_000;

/// The types that there are.
#[derive(Clone, Copy, PartialEq)]
enum Type {
    EventCount,
    ValueCount,
    Temporal,
    TemporalOrdered,
    Sum,
    Average,
    /// A percentile that the type itself says.
    Percentile(f64),
    /// A percentile that the condition says.
    AnyPercentile,
}

const TYPES: [(&str, Type); 10] = [
    ("event_count", Type::EventCount),
    ("value_count", Type::ValueCount),
    ("temporal", Type::Temporal),
    ("temporal_ordered", Type::TemporalOrdered),
    ("value_sum", Type::Sum),
    ("value_avg", Type::Average),
    ("value_min", Type::Percentile(0.0)),
    ("value_median", Type::Percentile(50.0)),
    ("value_max", Type::Percentile(100.0)),
    ("value_percentile", Type::AnyPercentile),
];

const COMPARISONS: [(&str, Comparison); 6] = [
    ("lt", Comparison::Less),
    ("lte", Comparison::LessOrEqual),
    ("gt", Comparison::Greater),
    ("gte", Comparison::GreaterOrEqual),
    ("eq", Comparison::Equal),
    ("neq", Comparison::NotEqual),
];

const FORMS: &str = "write it like `gte: 10`; several bounds hold all at once";

/// Reads a correlation.
pub(crate) fn correlation(document: &Node, section: &Node, file: &str) -> Result<Unresolved> {
    let about = about(document, file)?;
    if !matches!(section.value, Value::Map(_)) {
        return fault(section.line, format!("`correlation` is {}, not a map", section.kind()));
    }
    let Some(type_) = choice(section, "type", &TYPES)? else {
        let hint = hint_of_names("", TYPES.iter().map(|(name, _)| *name));
        return fault_with_hint(section.line, "the correlation has no `type`", hint);
    };
    let condition = Condition::read(section, type_)?;
    let named = condition.named.clone();
    let rules = named.map_or_else(|| references(section), Ok)?;
    let lines = rules.iter().map(|(_, line)| *line).collect();
    let rules: Vec<String> = rules.into_iter().map(|(rule, _)| rule).collect();
    let correlation = Correlation {
        about,
        thresholds: condition.thresholds(rules.len()),
        kind: condition.kind(type_, section)?,
        rules,
        group_by: texts(section, "group-by")?,
        aliases: aliases(section)?,
        timespan_seconds: timespan(section)?,
        generate: generate(document, section)?,
    };
    Ok(Unresolved { correlation, lines })
}

/// What a condition says, in whichever form.
struct Condition {
    line: u32,
    bounds: Vec<Threshold>,
    fields: Vec<String>,
    percentile: Option<f64>,
    /// The rules that a condition in words names, with their lines.
    named: Option<Vec<(String, u32)>>,
}

impl Condition {
    fn read(section: &Node, type_: Type) -> Result<Self> {
        let is_temporal = matches!(type_, Type::Temporal | Type::TemporalOrdered);
        let none = Self { line: section.line, bounds: vec![], fields: vec![], percentile: None, named: None };
        match section.get("condition") {
            Some(node @ Node { value: Value::Map(_), line }) => {
                Self { line: *line, ..none }.with_bounds(node, is_temporal)
            }
            Some(Node { value: Value::Text(text), line }) if is_temporal => {
                Self { line: *line, ..none }.with_words(text, section)
            }
            Some(node) => {
                let message = format!("`condition` of the correlation is {}, not a map", node.kind());
                fault_with_hint(node.line, message, FORMS)
            }
            None if is_temporal => Ok(none),
            None => fault_with_hint(section.line, "the correlation has no `condition`", FORMS),
        }
    }

    fn with_bounds(mut self, node: &Node, is_temporal: bool) -> Result<Self> {
        for entry in node.entries() {
            match (entry.key.as_str(), COMPARISONS.iter().find(|(name, _)| *name == entry.key)) {
                (_, Some((_, comparison))) => {
                    self.bounds.push(Threshold { comparison: *comparison, number: number(entry)? });
                }
                ("field", _) => self.fields = texts(node, "field")?,
                ("percentile", _) => self.percentile = Some(number(entry)?),
                (other, _) => {
                    let known = COMPARISONS.iter().map(|(name, _)| *name).chain(["field", "percentile"]);
                    let message = format!("the correlation's `condition` cannot have `{other}`");
                    return fault_with_hint(entry.line, message, hint_of_names(other, known));
                }
            }
        }
        if self.bounds.is_empty() && !is_temporal {
            return fault_with_hint(self.line, "the correlation's `condition` says no number", FORMS);
        }
        Ok(self)
    }

    /// `a and b and c`: all of these rules; `a or b`: one of them at least.
    fn with_words(mut self, text: &str, section: &Node) -> Result<Self> {
        let words: Vec<&str> = text.split_whitespace().take(2 * RULES_MAX).collect();
        let is = |word: &str, expected: &str| word.eq_ignore_ascii_case(expected);
        let joints: Vec<&str> = words.iter().skip(1).step_by(2).copied().collect();
        let names: Vec<&str> = words.iter().step_by(2).copied().collect();
        let joins_all = joints.iter().all(|word| is(word, "and"));
        let joins_any = joints.iter().all(|word| is(word, "or"));
        let is_name =
            |name: &&str| !["and", "or", "not"].iter().any(|word| is(name, word)) && !name.contains(['(', ')']);
        if !(joins_all || joins_any) || names.len() != joints.len() + 1 || !names.iter().all(is_name) {
            let hint = "name rules with `and` between all of them or `or` between all of them; \
                        a correlation can itself be among the rules of another";
            return fault_with_hint(self.line, format!("the correlation's condition `{text}` cannot be used"), hint);
        }
        if let Some(twice) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
        {
            return fault(self.line, format!("the correlation's condition names `{twice}` twice"));
        }
        let listed = if section.get("rules").is_some() { references(section)? } else { Vec::new() };
        let place = |name: &&str| listed.iter().position(|(rule, _)| rule == name);
        if let Some(missing) = names.iter().find(|name| !listed.is_empty() && place(name).is_none()) {
            let hint = hint_of_names(missing, listed.iter().map(|(rule, _)| rule.as_str()));
            return fault_with_hint(
                self.line,
                format!("the correlation's condition names `{missing}`, which is not among its `rules`"),
                hint,
            );
        }
        let mut named = names;
        named.sort_by_key(place);
        let number = if joins_all { named.len() as f64 } else { 1.0 };
        self.bounds = vec![Threshold { comparison: Comparison::GreaterOrEqual, number }];
        self.named = Some(named.into_iter().map(|name| (name.to_owned(), self.line)).collect());
        Ok(self)
    }

    /// The bounds; a temporal correlation without any asks for all of its rules.
    fn thresholds(&self, rules: usize) -> Vec<Threshold> {
        let all = Threshold { comparison: Comparison::GreaterOrEqual, number: rules as f64 };
        if self.bounds.is_empty() { vec![all] } else { self.bounds.clone() }
    }

    fn kind(&self, type_: Type, section: &Node) -> Result<CorrelationKind> {
        if self.percentile.is_some() && type_ != Type::AnyPercentile {
            return fault(self.line, "only a correlation of the type `value_percentile` has a `percentile`");
        }
        match type_ {
            Type::EventCount | Type::Temporal | Type::TemporalOrdered if !self.fields.is_empty() => {
                let hint = "to count values, the type is `value_count`";
                fault_with_hint(self.line, "a correlation of this type has no `field`", hint)
            }
            Type::EventCount => Ok(CorrelationKind::EventCount),
            Type::Temporal => Ok(CorrelationKind::Temporal),
            Type::TemporalOrdered => Ok(CorrelationKind::TemporalOrdered),
            Type::ValueCount if self.fields.is_empty() => self.fields_missing(section),
            Type::ValueCount => Ok(CorrelationKind::ValueCount(self.fields.clone())),
            Type::Sum => Ok(CorrelationKind::ValueSum(self.field(section)?)),
            Type::Average => Ok(CorrelationKind::ValueAverage(self.field(section)?)),
            Type::Percentile(percentile) => {
                Ok(CorrelationKind::ValuePercentile { field: self.field(section)?, percentile })
            }
            Type::AnyPercentile => Ok(CorrelationKind::ValuePercentile {
                field: self.field(section)?,
                percentile: self.asked_percentile()?,
            }),
        }
    }

    fn asked_percentile(&self) -> Result<f64> {
        match self.percentile {
            Some(percentile) if (0.0..=100.0).contains(&percentile) => Ok(percentile),
            Some(percentile) => fault(self.line, format!("`percentile` is from 0 to 100, and not {percentile}")),
            None => {
                let hint = "such as `percentile: 95`, beside `field` and the bounds";
                fault_with_hint(self.line, "the correlation does not say which `percentile`", hint)
            }
        }
    }

    /// The one field.
    fn field(&self, section: &Node) -> Result<String> {
        match self.fields.as_slice() {
            [field] => Ok(field.clone()),
            [] => self.fields_missing(section),
            _ => fault(self.line, "a correlation of this type has one `field`"),
        }
    }

    fn fields_missing<T>(&self, section: &Node) -> Result<T> {
        let hint = match section.get("field") {
            Some(_) => "`field` stands in `condition`, beside the bounds",
            None => "say which, beside the bounds: `field: User`",
        };
        fault_with_hint(self.line, "the correlation's `condition` has no `field`", hint)
    }
}

fn number(entry: &Entry) -> Result<f64> {
    let parsed =
        entry.node.scalar().and_then(|text| text.trim().parse::<f64>().ok()).filter(|number| number.is_finite());
    match parsed {
        Some(number) => Ok(number),
        None => fault(entry.node.line, format!("`{}` of the correlation is no number", entry.key)),
    }
}

/// The rules that a section names, with their lines.
pub(crate) fn references(section: &Node) -> Result<Vec<(String, u32)>> {
    let members = section.get("rules").map(Node::members).unwrap_or_default();
    if members.len() > RULES_MAX {
        return fault(section.line, format!("`rules` names {} rules, and may name {RULES_MAX}", members.len()));
    }
    let mut found: Vec<(String, u32)> = Vec::new();
    for member in members {
        match member.scalar().filter(|name| !name.is_empty()) {
            Some(name) if found.iter().any(|(before, _)| *before == *name) => {
                return fault(member.line, format!("`rules` names `{name}` twice"));
            }
            Some(name) => found.push((name.into_owned(), member.line)),
            None => {
                return fault(
                    member.line,
                    format!("`rules` has {} where the id or name of a rule belongs", member.kind()),
                );
            }
        }
    }
    if found.is_empty() {
        return fault_with_hint(section.line, "there are no `rules`", "name the rules by id or name");
    }
    Ok(found)
}

fn aliases(section: &Node) -> Result<Vec<Alias>> {
    let Some(aliases) = section.get("aliases") else { return Ok(Vec::new()) };
    let form = "write it like `ip: {rule_name: SourceIp}`";
    let alias = |entry: &Entry| {
        let field = |field: &Entry| match field.node.scalar() {
            Some(name) => Ok((field.key.clone(), name.into_owned())),
            None => fault_with_hint(field.line, format!("the alias `{}` names no field", entry.key), form),
        };
        let fields: Vec<(String, String)> = entry.node.entries().iter().map(field).collect::<Result<_>>()?;
        if fields.is_empty() {
            return fault_with_hint(entry.line, format!("the alias `{}` names no field", entry.key), form);
        }
        Ok(Alias { name: entry.key.clone(), fields })
    };
    if aliases.entries().is_empty() && aliases.value != Value::Map(Vec::new()) {
        return fault_with_hint(aliases.line, format!("`aliases` is {}, not a map", aliases.kind()), form);
    }
    aliases.entries().iter().map(alias).collect()
}

/// A span such as `90m`, in seconds.
fn timespan(section: &Node) -> Result<u64> {
    let hint = "write a number and `s`, `m`, `h`, `d` or `w`, such as `90m`";
    let Some(written) = text(section, "timespan")? else {
        return fault_with_hint(section.line, "the correlation has no `timespan`", hint);
    };
    let line = section.get("timespan").map_or(section.line, |node| node.line);
    match seconds(&written) {
        Some(seconds) => Ok(seconds),
        None => Err(Fault::new(
            line,
            millpond_core::Error::bad_config(format!("`{written}` is no span of time")).hint(hint),
        )),
    }
}

fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].trim_end().parse().ok().filter(|number| *number > 0)?;
    number.checked_mul(seconds)
}

/// Stands beside `correlation` or within it.
fn generate(document: &Node, section: &Node) -> Result<bool> {
    match section.get("generate").or_else(|| document.get("generate")) {
        None | Some(Node { value: Value::Boolean(false), .. }) => Ok(false),
        Some(Node { value: Value::Boolean(true), .. }) => Ok(true),
        Some(node) => fault(node.line, "`generate` is `true` or `false`"),
    }
}
