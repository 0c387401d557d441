//! Cloud Storage's notices: through Pub/Sub, as a CloudEvent, or the object's resource alone.
//!
//! Formats: <https://cloud.google.com/storage/docs/pubsub-notifications>,
//! <https://cloud.google.com/storage/docs/json_api/v1/objects>, and `google/events/cloud/storage` of
//! <https://github.com/googleapis/google-cloudevents>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Appeared, Entry, Reading, count_at, etag_at, required, text_at, time_at};

/// CloudEvents of objects, in the version that is understood.
const CLOUD_EVENTS: &str = "google.cloud.storage.object.v1.";

/// Reads what Cloud Storage wrote; `None` for anything else.
pub(super) fn read(value: &Value) -> Option<Reading> {
    // Pub/Sub pushes and hands out messages inside an envelope; a client of it hands on the message.
    let message = value.get("message").unwrap_or(value);
    if let Some(event) = text_at(message, "/attributes/eventType").filter(|event| event.starts_with("OBJECT_")) {
        return Some(if event == "OBJECT_FINALIZE" { read_message(message) } else { Ok(Entry::SomethingElse) });
    }
    if let Some(event) = text_at(value, "/type").and_then(|name| name.strip_prefix(CLOUD_EVENTS)) {
        return Some(if event == "finalized" { read_resource(&value["data"]) } else { Ok(Entry::SomethingElse) });
    }
    (text_at(value, "/kind") == Some("storage#object")).then(|| read_resource(value))
}

fn read_message(message: &Value) -> Reading {
    let bucket = required(message, "/attributes/bucketId")?;
    let key = required(message, "/attributes/objectId")?;
    // Attributes say which object it is; the resource, which can be left out, adds to them.
    let resource = resource_of(message).unwrap_or_default();
    Ok(Entry::Appeared(Appeared {
        etag: etag_at(&resource, "/etag"),
        version_id: text_at(message, "/attributes/objectGeneration").map(str::to_owned),
        size_bytes: count_at(&resource, "/size"),
        time_us: time_at(message, "/attributes/eventTime"),
        ..Appeared::at("gs", bucket, key)
    }))
}

fn resource_of(message: &Value) -> Option<Value> {
    let json = STANDARD.decode(text_at(message, "/data")?).ok()?;
    serde_json::from_slice(&json).ok()
}

fn read_resource(resource: &Value) -> Reading {
    let bucket = required(resource, "/bucket")?;
    let key = required(resource, "/name")?;
    Ok(Entry::Appeared(Appeared {
        etag: etag_at(resource, "/etag"),
        version_id: text_at(resource, "/generation").map(str::to_owned),
        size_bytes: count_at(resource, "/size"),
        time_us: time_at(resource, "/timeCreated"),
        ..Appeared::at("gs", bucket, key)
    }))
}
