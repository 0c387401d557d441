//! A message: one revision of an alert on its way to one destination.

use serde::{Deserialize, Serialize};

use super::{Alert, Change, Policy, Sample};
use crate::source::Severity;

/// One revision of an alert on its way to one destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The destination's name.
    pub destination: String,
    /// The alert as it stood.
    pub alert: Alert,
    /// Whether somebody only tries the destination.
    #[serde(default)]
    pub is_test: bool,
}

impl Message {
    /// By what a receiver recognises a message that comes twice: the alert's id and revision.
    pub fn id(&self) -> String {
        format!("{}.{}", self.alert.id, self.alert.revision)
    }

    /// The type of the event, such as `millpond.alert.opened`.
    pub fn event_type(&self) -> String {
        match self.is_test {
            true => "millpond.alert.test".to_owned(),
            false => format!("millpond.alert.{}", self.alert.change.name()),
        }
    }
}

/// The messages that a change of an alert makes, in the order of its policy's destinations; none where nobody is told.
pub fn messages(policies: &[Policy], alert: &Alert) -> Vec<Message> {
    let policy = policies.iter().find(|policy| policy.name == alert.alert).filter(|_| alert.change.is_told());
    let to = policy.map(|policy| policy.to.as_slice()).unwrap_or_default();
    let message =
        |destination: &String| Message { destination: destination.clone(), alert: alert.clone(), is_test: false };
    to.iter().map(message).collect()
}

/// A message that tells of nothing, to see whether it arrives. `now_us` is microseconds since 1970 in UTC.
pub fn test_message(destination: &str, now_us: i64) -> Message {
    let text = "This is a test of the destination: nothing happened.".to_owned();
    let alert = Alert {
        id: super::hash(["test", destination, &now_us.to_string()]),
        revision: 1,
        change: Change::Opened,
        alert: "test".to_owned(),
        key: vec![("rule".to_owned(), "test".to_owned())],
        severity: Severity::Informational,
        title: "Test of millpond's alerts".to_owned(),
        rule: "test".to_owned(),
        source: "millpond".to_owned(),
        technique: None,
        entity: Some(destination.to_owned()),
        message: Some(text.clone()),
        runbook: None,
        references: None,
        rules: vec!["test".to_owned()],
        entities: vec![destination.to_owned()],
        count: 1,
        first_us: now_us,
        last_us: now_us,
        decided_us: now_us,
        sample: vec![Sample {
            rule: "test".to_owned(),
            time_us: now_us,
            file: String::new(),
            row: None,
            message: Some(text),
        }],
    };
    Message { destination: destination.to_owned(), alert, is_test: true }
}
