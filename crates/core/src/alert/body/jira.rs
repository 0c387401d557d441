//! Issues of Jira by its REST API version 2, which takes plain text and which cloud and data center both have
//! (<https://developer.atlassian.com/cloud/jira/platform/rest/v2/api-group-issues/>).

use serde_json::{Value, json};

use super::{facts, line};
use crate::alert::{Message, Template, cut};

/// Characters of a summary.
const SUMMARY_MAX: usize = 255;

/// By what the issue of an alert is found again: Jira itself knows no id of ours.
pub fn label(message: &Message) -> String {
    format!("millpond-{}", message.alert.id)
}

/// A new issue.
pub fn issue(message: &Message, template: &Template, project: &str, issue_type: &str) -> Value {
    json!({"fields": {
        "project": {"key": project},
        "issuetype": {"name": issue_type},
        "summary": cut(&line(message, template), SUMMARY_MAX),
        "description": text(message),
        "labels": ["millpond", label(message)],
    }})
}

/// What is added to the issue of an alert whose severity rose.
pub fn comment(message: &Message, template: &Template) -> Value {
    json!({"body": format!("{}\n\n{}", line(message, template), text(message))})
}

fn text(message: &Message) -> String {
    let facts = facts(message).into_iter().map(|(name, value)| format!("{name}: {value}"));
    let sentence = message.alert.message.iter().map(|sentence| format!("{sentence}\n"));
    sentence.chain(facts).collect::<Vec<_>>().join("\n")
}
