//! S3's notices, direct, through SNS, SQS and EventBridge, and MinIO's, which are made after them.
//!
//! Formats: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>,
//! <https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-s3.html>, and `internal/event` of
//! <https://github.com/minio/minio>.

use serde_json::Value;

use super::{Appeared, Entry, Reading, count_at, etag_at, percent_decoded, required, text_at, time_at};

/// The major version of S3's notices that is understood; minor ones only add fields.
const MAJOR_VERSION: &str = "2";
/// What MinIO tells as `ObjectCreated` although no object was.
const NOT_CREATED: [&str; 4] = ["PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold"];

/// The message that an entry of a queue or topic carries.
pub(super) fn message(value: &Value) -> Option<&str> {
    if says(value, "/eventSource", "aws:sqs") {
        text_at(value, "/body")
    } else if says(value, "/EventSource", "aws:sns") {
        text_at(value, "/Sns/Message")
    } else if says(value, "/Type", "Notification") {
        text_at(value, "/Message")
    } else {
        None
    }
}

/// Reads what S3 or MinIO wrote; `None` for anything else.
pub(super) fn read(value: &Value) -> Option<Reading> {
    if says(value, "/eventSource", "aws:s3") {
        Some(read_record(value, None))
    } else if says(value, "/eventSource", "minio:s3") {
        // MinIO leaves out a size of 0.
        Some(read_record(value, Some(0)))
    } else if says(value, "/source", "aws.s3") {
        Some(read_event_bridge(value))
    } else if says(value, "/Event", "s3:TestEvent") {
        Some(Ok(Entry::Test))
    } else {
        None
    }
}

fn says(value: &Value, pointer: &str, expected: &str) -> bool {
    text_at(value, pointer) == Some(expected)
}

fn read_record(record: &Value, size_if_absent: Option<u64>) -> Reading {
    let version = required(record, "/eventVersion")?;
    if version.split('.').next() != Some(MAJOR_VERSION) {
        return Err(format!("`eventVersion` `{version}` is not {MAJOR_VERSION}.x"));
    }
    if !is_creation(required(record, "/eventName")?) {
        return Ok(Entry::SomethingElse);
    }
    let bucket = required(record, "/s3/bucket/name")?;
    let key = form_decoded(required(record, "/s3/object/key")?)?;
    Ok(Entry::Appeared(Appeared {
        etag: etag_at(record, "/s3/object/eTag"),
        version_id: version_at(record, "/s3/object/versionId"),
        size_bytes: count_at(record, "/s3/object/size").or(size_if_absent),
        time_us: time_at(record, "/eventTime"),
        sequencer: sequencer_at(record, "/s3/object/sequencer"),
        ..Appeared::at("s3", bucket, &key)
    }))
}

fn read_event_bridge(event: &Value) -> Reading {
    match required(event, "/detail-type")? {
        "Object Created" => {}
        other if other.starts_with("Object ") => return Ok(Entry::SomethingElse),
        // Such as CloudTrail's `AWS API Call`, which can be of an object that appeared.
        other => return Err(format!("`detail-type` `{other}` is not one of S3's own")),
    }
    let bucket = required(event, "/detail/bucket/name")?;
    let key = required(event, "/detail/object/key")?;
    Ok(Entry::Appeared(Appeared {
        // AWS writes `etag`, some that imitate it `eTag`.
        etag: etag_at(event, "/detail/object/etag").or_else(|| etag_at(event, "/detail/object/eTag")),
        version_id: version_at(event, "/detail/object/version-id"),
        size_bytes: count_at(event, "/detail/object/size"),
        time_us: time_at(event, "/time"),
        sequencer: sequencer_at(event, "/detail/object/sequencer"),
        ..Appeared::at("s3", bucket, key)
    }))
}

/// Whether an event tells of a new object. MinIO puts `s3:` before the name, S3 does not.
fn is_creation(event_name: &str) -> bool {
    let name = event_name.strip_prefix("s3:").unwrap_or(event_name);
    name.strip_prefix("ObjectCreated:").is_some_and(|how| !NOT_CREATED.contains(&how))
}

/// A key in the encoding of forms: a `+` is a space, and only what is left of `%2B` is a plus.
fn form_decoded(key: &str) -> Result<String, String> {
    percent_decoded(&key.replace('+', " "))
}

/// The version id at a JSON pointer. S3 calls the only version of an object in a bucket without versions `null`.
fn version_at(value: &Value, pointer: &str) -> Option<String> {
    text_at(value, pointer).filter(|id| *id != "null").map(str::to_owned)
}

/// The sequencer at a JSON pointer, as the hexadecimal *number* it is: texts of different lengths would sort wrongly.
fn sequencer_at(value: &Value, pointer: &str) -> Option<u128> {
    u128::from_str_radix(text_at(value, pointer)?, 16).ok()
}
