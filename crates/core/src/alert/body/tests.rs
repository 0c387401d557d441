//! Bodies held against files: whoever receives them relies on every name.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::alert::{Alert, Change, Sample, test_message};
use crate::source::Severity;

fn message(change: Change) -> Message {
    let alert = Alert {
        id: "00112233445566778899aabbccddeeff".into(),
        revision: if change == Change::Opened { 1 } else { 3 },
        change,
        alert: "high".into(),
        key: vec![("rule".into(), "no-mfa".into()), ("entity".into(), "eve".into())],
        severity: Severity::High,
        title: "Console login without MFA".into(),
        rule: "no-mfa".into(),
        source: "aws-cloudtrail".into(),
        technique: Some("T1078.004".into()),
        entity: Some("eve".into()),
        message: Some("eve logged in from <192.0.2.7> & nobody asked".into()),
        runbook: Some("https://wiki.example.com/no-mfa".into()),
        references: None,
        rules: vec!["no-mfa".into()],
        entities: vec!["eve".into()],
        count: 2,
        first_us: 1_795_365_776_860_000,
        last_us: 1_795_365_900_000_000,
        decided_us: 1_795_366_000_000_000,
        sample: vec![Sample {
            rule: "no-mfa".into(),
            time_us: 1_795_365_776_860_000,
            file: "s3://raw/a.json.gz".into(),
            row: Some(7),
            message: Some("eve logged in".into()),
        }],
    };
    Message { destination: "soc".into(), alert, is_test: false }
}

/// Compares with a file, or writes it anew where `MILLPOND_UPDATE_GOLDEN` is set.
fn hold(name: &str, body: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/alert/body/golden").join(name);
    let text = format!("{}\n", serde_json::to_string_pretty(body).expect("text"));
    if std::env::var_os("MILLPOND_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("file");
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "{name}");
}

#[test]
fn bodies_are_what_receivers_know() {
    let (opened, escalated, template) = (message(Change::Opened), message(Change::Escalated), Template::default());
    hold("cloud_event.json", &cloud_event(&opened, &template, "soc"));
    hold("slack_opened.json", &slack(&opened, &template));
    hold("slack_escalated.json", &slack(&escalated, &template));
    hold("pagerduty.json", &pagerduty(&opened, &template, "KEY", "soc"));
    hold("jira_issue.json", &issue(&opened, &template, "SEC", "Task"));
    hold("jira_comment.json", &comment(&escalated, &template));
}

#[test]
fn a_test_says_that_it_is_one() {
    let (message, template) = (test_message("soc", 0), Template::default());
    let event = cloud_event(&message, &template, "soc");
    assert_eq!((&event["type"], &event["data"]["test"]), (&"millpond.alert.test".into(), &true.into()));
    assert!(slack(&message, &template)["text"].as_str().expect("text").starts_with("TEST "));
}

#[test]
fn long_texts_stay_within_what_slack_takes() {
    let mut message = message(Change::Escalated);
    message.alert.title = "x".repeat(10_000);
    message.alert.message = Some("y".repeat(10_000));
    message.alert.key = vec![("key".into(), "z".repeat(10_000))];
    let body = slack(&message, &Template::default());
    let texts = body["blocks"].as_array().expect("blocks").iter().flat_map(|block| {
        let fields = block["fields"].as_array().into_iter().flatten();
        fields
            .map(|field| (2_000, &field["text"]))
            .chain([(if block["type"] == "header" { 150 } else { 3_000 }, &block["text"]["text"])])
    });
    for (max, text) in texts {
        assert!(text.as_str().unwrap_or_default().chars().count() <= max, "{text}");
    }
}
