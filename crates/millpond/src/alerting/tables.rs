//! The tables `alerts`, a row for each revision of an alert, and `deliveries`, a row for each message that came to an
//! end.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use millpond_core::Result;
use millpond_core::alert::{Alert, Change};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::lake::{Lake, LakeFile};
use crate::put::put_rows;

/// The table of alerts.
pub const ALERTS: &str = "alerts";
/// The table of messages that were sent or given up.
pub const DELIVERIES: &str = "deliveries";

/// The receiver took it.
pub(super) const SENT: &str = "sent";
/// It is tried no more.
pub(super) const GIVEN_UP: &str = "given_up";

/// How a message came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delivery {
    /// When, microseconds since 1970 in UTC.
    pub(super) time: i64,
    pub(super) message_id: String,
    pub(super) alert_id: String,
    pub(super) revision: u32,
    pub(super) destination: String,
    /// [`SENT`] or [`GIVEN_UP`].
    pub(super) status: String,
    pub(super) attempts: u32,
    /// When the message was made.
    pub(super) queued: i64,
    /// What the receiver said, or why it was given up.
    pub(super) answer: String,
}

/// The columns of the table `alerts`.
pub fn alerts_schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    schema([
        ("time", time()),
        ("alert_id", DataType::Utf8),
        ("revision", DataType::Int32),
        ("change", DataType::Utf8),
        ("status", DataType::Utf8),
        ("alert", DataType::Utf8),
        ("key", DataType::Utf8),
        ("severity", DataType::Utf8),
        ("title", DataType::Utf8),
        ("rule", DataType::Utf8),
        ("source", DataType::Utf8),
        ("technique", DataType::Utf8),
        ("entity", DataType::Utf8),
        ("message", DataType::Utf8),
        ("runbook", DataType::Utf8),
        ("references", DataType::Utf8),
        ("rules", DataType::Utf8),
        ("entities", DataType::Utf8),
        ("count", DataType::Int64),
        ("first_time", time()),
        ("last_time", time()),
        ("sample", DataType::Utf8),
    ])
}

/// The columns of the table `deliveries`.
pub fn deliveries_schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    schema([
        ("time", time()),
        ("message_id", DataType::Utf8),
        ("alert_id", DataType::Utf8),
        ("revision", DataType::Int32),
        ("destination", DataType::Utf8),
        ("status", DataType::Utf8),
        ("attempts", DataType::Int32),
        ("queued", time()),
        ("answer", DataType::Utf8),
    ])
}

fn schema<const N: usize>(columns: [(&str, DataType); N]) -> SchemaRef {
    Arc::new(Schema::new(columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}

/// Writes revisions of alerts as files that a commit can name.
pub(super) async fn put_alerts(lake: &Lake, name: &str, alerts: &[Alert]) -> Result<Vec<LakeFile>> {
    let rows: Vec<Value> = alerts.iter().map(alert_row).collect();
    put_rows(lake, ALERTS, name, &alerts_schema(), &rows).await
}

/// Writes ends of messages as files that a commit can name.
pub(super) async fn put_deliveries(lake: &Lake, name: &str, deliveries: &[Delivery]) -> Result<Vec<LakeFile>> {
    put_rows(lake, DELIVERIES, name, &deliveries_schema(), deliveries).await
}

/// Lists and objects are JSON in text, as `fields` is in `signals`: every reader of the lake can look into them.
fn alert_row(alert: &Alert) -> Value {
    let key: serde_json::Map<String, Value> =
        alert.key.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let status = if alert.change == Change::Closed { "closed" } else { "open" };
    json!({
        "time": alert.decided_us,
        "alert_id": alert.id,
        "revision": alert.revision,
        "change": alert.change.name(),
        "status": status,
        "alert": alert.alert,
        "key": Value::Object(key).to_string(),
        "severity": alert.severity.name(),
        "title": alert.title,
        "rule": alert.rule,
        "source": alert.source,
        "technique": alert.technique,
        "entity": alert.entity,
        "message": alert.message,
        "runbook": alert.runbook,
        "references": alert.references,
        "rules": json!(alert.rules).to_string(),
        "entities": json!(alert.entities).to_string(),
        "count": alert.count,
        "first_time": alert.first_us,
        "last_time": alert.last_us,
        "sample": json!(alert.sample).to_string(),
    })
}
