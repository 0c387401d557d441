//! Events of PagerDuty's Events API v2 (<https://developer.pagerduty.com/docs/send-alert-event>).

use serde_json::{Value, json};

use super::{detail, line};
use crate::alert::{Message, Template};
use crate::date::time_text;
use crate::source::Severity;

/// The event that opens an incident, or raises the one that is there: both have the alert's id as `dedup_key`.
pub fn pagerduty(message: &Message, template: &Template, routing_key: &str, pond: &str) -> Value {
    let alert = &message.alert;
    let link = alert.runbook.as_deref().filter(|text| text.starts_with("https://") || text.starts_with("http://"));
    let links: Vec<Value> = link.map(|href| json!({"href": href, "text": "Runbook"})).into_iter().collect();
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": alert.id,
        "client": "millpond",
        "links": links,
        "payload": {
            "summary": line(message, template),
            "source": alert.entity.as_deref().unwrap_or(&alert.source),
            "severity": severity(alert.severity),
            "timestamp": time_text(alert.last_us),
            "component": pond,
            "group": alert.source,
            "class": alert.rule,
            "custom_details": detail(message, template),
        },
    })
}

/// PagerDuty's four words.
fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational | Severity::Low => "info",
        Severity::Medium => "warning",
        Severity::High => "error",
        Severity::Critical => "critical",
    }
}
