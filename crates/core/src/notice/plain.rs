//! Listings: addresses, one a line or in JSON, as people and scripts write them.

use serde_json::Value;

use super::{Appeared, Entry, Reading, bucket_and_key, count_at, etag_at, text_at};

/// How the address of a local file begins.
const FILE: &str = "file:///";
/// How addresses begin.
const BEGINNINGS: [&str; 4] = ["s3://", "gs://", "az://", FILE];

/// Reads an address, or an object that has its address in `uri`; `None` for anything else.
pub(super) fn read(value: &Value) -> Option<Reading> {
    let uri = value.as_str().or_else(|| text_at(value, "/uri"))?;
    Some(appeared(uri).map(|appeared| {
        Entry::Appeared(Appeared { etag: etag_at(value, "/etag"), size_bytes: count_at(value, "/size"), ..appeared })
    }))
}

/// Reads a line that holds an address and nothing else.
pub(super) fn read_line(line: &[u8]) -> Reading {
    let uri = str::from_utf8(line).map_err(|_| "an address that is not UTF-8")?;
    appeared(uri).map(Entry::Appeared)
}

/// Whether a line begins as an address does.
pub(super) fn is_address(line: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning.as_bytes()))
}

/// The object at an address. What follows the bucket is the key as it is, with all blanks and percent signs.
fn appeared(uri: &str) -> Result<Appeared, String> {
    if let Some(key) = uri.strip_prefix(FILE).filter(|key| !key.is_empty()) {
        return Ok(Appeared { uri: uri.to_owned(), key: key.to_owned(), ..Appeared::default() });
    }
    let (scheme, path) = uri.split_once("://").filter(|_| is_address(uri.as_bytes())).unwrap_or_default();
    let (bucket, key) =
        bucket_and_key(path).ok_or("not an address such as `s3://bucket/key` or `file:///folder/key`")?;
    Ok(Appeared::at(scheme, bucket, key))
}
