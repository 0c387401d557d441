//! What is sent to each kind of destination. Nothing here depends on when it is sent, so that a message that is sent
//! twice is the same twice.

mod cloud_event;
mod jira;
mod pagerduty;
mod slack;

pub use self::cloud_event::{cloud_event, detail};
pub use self::jira::{comment, issue, label};
pub use self::pagerduty::pagerduty;
pub use self::slack::slack;

use super::{Message, Template};
use crate::date::time_text;

/// The line that people read first; a test says so.
pub fn line(message: &Message, template: &Template) -> String {
    let line = template.line(&message.alert);
    match message.is_test {
        true => format!("TEST {line}"),
        false => line,
    }
}

/// Names and values for people, as far as there are any.
fn facts(message: &Message) -> Vec<(&'static str, String)> {
    let alert = &message.alert;
    let key = alert.key.iter().map(|(column, value)| format!("{column} = {value}")).collect::<Vec<_>>().join(", ");
    let span = match alert.count {
        1 => time_text(alert.first_us),
        _ => format!("{} to {}", time_text(alert.first_us), time_text(alert.last_us)),
    };
    let facts = [
        ("Severity", Some(alert.severity.name().to_owned())),
        ("Entity", alert.entity.clone()),
        ("Rule", Some(alert.rules.join(", "))),
        ("Source", Some(alert.source.clone())),
        ("Technique", alert.technique.clone()),
        ("Signals", Some(alert.count.to_string())),
        ("When", Some(span)),
        ("Key", Some(key)),
        ("Runbook", alert.runbook.clone()),
        ("References", alert.references.clone()),
        ("Alert", Some(alert.id.clone())),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))).collect()
}

#[cfg(test)]
mod tests;
