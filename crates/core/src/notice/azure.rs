//! Azure Event Grid's notices of blobs, in its own schema and as CloudEvents.
//!
//! Formats: <https://learn.microsoft.com/en-us/azure/event-grid/event-schema-blob-storage>,
//! <https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema>.

use serde_json::Value;

use super::{Appeared, Entry, Reading, bucket_and_key, count_at, etag_at, percent_decoded, required, text_at, time_at};

/// Calls that make or extend a blob which a later call completes, and tells of again (Data Lake Storage, SFTP).
const UNFINISHED: [&str; 3] = ["CreateFile", "SftpCreate", "SftpWrite"];

/// Reads what Event Grid wrote; `None` for anything else.
pub(super) fn read(value: &Value) -> Option<Reading> {
    let event = text_at(value, "/eventType").or_else(|| text_at(value, "/type"))?;
    match event.strip_prefix("Microsoft.")? {
        "Storage.BlobCreated" => Some(read_blob(value)),
        "EventGrid.SubscriptionValidationEvent" => {
            Some(required(value, "/data/validationCode").map(|code| Entry::Validation(code.to_owned())))
        }
        _ => Some(Ok(Entry::SomethingElse)),
    }
}

fn read_blob(event: &Value) -> Reading {
    if text_at(event, "/data/api").is_some_and(|api| UNFINISHED.contains(&api)) {
        return Ok(Entry::SomethingElse);
    }
    let path = path_of(required(event, "/data/url")?).and_then(bucket_and_key);
    let (container, key) = path.ok_or("no container and key in `data.url`")?;
    Ok(Entry::Appeared(Appeared {
        etag: etag_at(event, "/data/eTag"),
        size_bytes: count_at(event, "/data/contentLength"),
        time_us: time_at(event, "/eventTime").or_else(|| time_at(event, "/time")),
        ..Appeared::at("az", &percent_decoded(container)?, &percent_decoded(key)?)
    }))
}

/// The path of a URL without the first slash. It goes to the end: such a URL has no query, and a `#` in a blob's name
/// is not encoded (<https://github.com/Azure/azure-sdk-for-net/issues/23634>).
fn path_of(url: &str) -> Option<&str> {
    let (_, host_and_path) = url.split_once("://")?;
    host_and_path.split_once('/').map(|(_, path)| path)
}
