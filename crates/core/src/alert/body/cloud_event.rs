//! CloudEvents 1.0 in structured JSON (<https://github.com/cloudevents/spec>), and its `data` alone.

use serde_json::{Map, Value, json};

use super::line;
use crate::alert::{Message, Sample, Template};
use crate::date::time_text;

/// The event that webhooks, queues, topics and files get. `pond` is the pond's name.
pub fn cloud_event(message: &Message, template: &Template, pond: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": message.id(),
        "source": format!("/millpond/{pond}"),
        "type": message.event_type(),
        "subject": message.alert.id,
        "time": time_text(message.alert.decided_us),
        "datacontenttype": "application/json",
        "data": detail(message, template),
    })
}

/// What is told of the alert.
pub fn detail(message: &Message, template: &Template) -> Value {
    let alert = &message.alert;
    let key: Map<String, Value> = alert.key.iter().map(|(column, value)| (column.clone(), json!(value))).collect();
    json!({
        "summary": line(message, template),
        "test": message.is_test,
        "alert_id": alert.id,
        "revision": alert.revision,
        "change": alert.change.name(),
        "alert": alert.alert,
        "key": key,
        "severity": alert.severity.name(),
        "title": alert.title,
        "rule": alert.rule,
        "source": alert.source,
        "technique": alert.technique,
        "entity": alert.entity,
        "message": alert.message,
        "runbook": alert.runbook,
        "references": alert.references,
        "rules": alert.rules,
        "entities": alert.entities,
        "count": alert.count,
        "first_time": time_text(alert.first_us),
        "last_time": time_text(alert.last_us),
        "sample": alert.sample.iter().map(sample).collect::<Vec<_>>(),
    })
}

fn sample(sample: &Sample) -> Value {
    json!({
        "rule": sample.rule,
        "time": time_text(sample.time_us),
        "file": sample.file,
        "row": sample.row,
        "message": sample.message,
    })
}
