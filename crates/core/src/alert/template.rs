//! The one line that people read of an alert, as a text with names in braces.

use super::{Alert, cut};
use crate::date::time_text;
use crate::error::{Error, Result};
use crate::units::nearest;

/// The line unless a destination says otherwise.
const DEFAULT: &str = "[{severity}] {title}: {entity} ({count})";
/// What can stand in braces.
const NAMES: [&str; 14] = [
    "alert",
    "change",
    "count",
    "entity",
    "first",
    "id",
    "last",
    "message",
    "rule",
    "runbook",
    "severity",
    "source",
    "technique",
    "title",
];
/// Characters of a line: what PagerDuty takes (<https://developer.pagerduty.com/docs/send-alert-event>).
const LINE_MAX: usize = 1_024;

/// A template that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Name(String),
}

impl Default for Template {
    fn default() -> Self {
        // The text above is one that parses.
        Self::parse(DEFAULT).unwrap_or(Self(Vec::new()))
    }
}

impl Template {
    /// Reads a template: `{title}` stands for the alert's title, `{{` for a brace.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) for a brace without its partner or a name that alerts do not have.
    pub fn parse(text: &str) -> Result<Self> {
        let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                literal.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (name, after) = name.ok_or_else(|| unbalanced(text))?;
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Name(known(name)?));
            rest = after;
        }
        literal.push_str(rest);
        parts.push(Part::Text(literal));
        Ok(Self(parts))
    }

    /// The line for an alert.
    pub fn line(&self, alert: &Alert) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Name(name) => value(alert, name),
        });
        let line = parts.collect::<String>();
        cut(&line.split_whitespace().collect::<Vec<_>>().join(" "), LINE_MAX)
    }
}

fn unbalanced(text: &str) -> Error {
    Error::bad_config(format!("template `{text}` has a brace without its partner"))
        .hint("write a brace that is meant as it is twice: `{{`")
}

fn known(name: &str) -> Result<String> {
    if NAMES.contains(&name) {
        return Ok(name.to_owned());
    }
    let error = Error::bad_config(format!("alerts have no `{{{name}}}`"));
    Err(match nearest(name, NAMES) {
        Some(near) => error.hint(format!("did you mean `{{{near}}}`?")),
        None => error.hint(format!("a template can name {}", NAMES.join(", "))),
    })
}

fn value(alert: &Alert, name: &str) -> String {
    let optional = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    match name {
        "alert" => alert.alert.clone(),
        "change" => alert.change.name().to_owned(),
        "count" => match alert.count {
            1 => "1 signal".to_owned(),
            count => format!("{count} signals"),
        },
        "entity" => optional(&alert.entity),
        "first" => time_text(alert.first_us),
        "id" => alert.id.clone(),
        "last" => time_text(alert.last_us),
        "message" => optional(&alert.message),
        "rule" => alert.rule.clone(),
        "runbook" => optional(&alert.runbook),
        "severity" => alert.severity.name().to_owned(),
        "source" => alert.source.clone(),
        "technique" => optional(&alert.technique),
        _ => alert.title.clone(),
    }
}
