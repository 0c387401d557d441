//! Notices that objects appeared: one parser for what queues, webhooks and listings hand over.
//!
//! A body is recognised by what it says, never by where it came from, and so is each entry of a list: every sender
//! marks its own. Envelopes may lie inside each other (S3's notice in a topic's message in a queue's batch). Keys are
//! decoded by the rule of whoever wrote the entry, exactly once, and never by how a key looks: `a/%20b` is a fine name.
//!
//! | sender | recognised by | its keys |
//! |---|---|---|
//! | Lambda's batch of SQS or SNS messages | `eventSource` `aws:sqs`, `EventSource` `aws:sns` | those of the messages |
//! | SNS | `Type` `Notification` | those of the message |
//! | S3, MinIO | `eventSource` `aws:s3`, `minio:s3` | form-encoded |
//! | S3 through EventBridge | `source` `aws.s3` | as they are |
//! | Cloud Storage through Pub/Sub | attribute `eventType` `OBJECT_…` | as they are |
//! | Cloud Storage, the resource or a CloudEvent | `kind` `storage#object`, `type` `google.cloud.storage.…` | as they are |
//! | Azure Event Grid, own schema or CloudEvents | `eventType` or `type` `Microsoft.…` | percent-encoded, in a URL |
//! | a listing | `uri`, `objects`, or an address on each line | as they are |
//!
//! Nothing is fetched or looked up here, and sizes, tags and times are what the sender says: hints until the object is
//! asked.

mod aws;
mod azure;
mod google;
mod plain;
mod time;

#[cfg(test)]
mod tests;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::event::Event;

/// How many envelopes a body may lie in. A topic's message in a queue's body lies in two; the others are to spare.
const DEPTH_MAX: usize = 4;
/// The fields in which envelopes hold many entries: AWS's and MinIO's, Pub/Sub's, a listing's.
const LISTS: [&str; 3] = ["Records", "receivedMessages", "objects"];

/// What one message or request body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notice {
    /// Objects that appeared, in the order of the body. What is told twice is here twice.
    pub appeared: Vec<Appeared>,
    /// Entries about something else: removals, tagging, restores, folders. Counted, never an error.
    pub ignored: usize,
    /// Whether a message is one that the sender makes to test the way: `s3:TestEvent`, Event Grid's subscription
    /// validation.
    pub is_test: bool,
    /// Entries that could not be understood: for quarantine.
    pub problems: Vec<Problem>,
    /// The code of Azure Event Grid's subscription validation, which the HTTP endpoint has to answer.
    pub validation_code: Option<String>,
}

/// One object that appeared, as far as its sender tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appeared {
    /// The whole address: `s3://bucket/key`, `gs://bucket/key`, `az://container/key`, `file:///folder/key`. The key is
    /// appended as it is.
    pub uri: String,
    /// The bucket or container; `None` for local files.
    pub bucket: Option<String>,
    /// The key within the bucket, or the path of a local file without the first slash.
    pub key: String,
    /// Entity tag without quotes, where the sender gives one.
    pub etag: Option<String>,
    /// Version id where a bucket keeps versions, generation in Cloud Storage.
    pub version_id: Option<String>,
    /// Stored bytes.
    pub size_bytes: Option<u64>,
    /// When it happened according to the sender, microseconds since 1970 in UTC.
    pub time_us: Option<i64>,
    /// S3's sequencer: of two events of the *same key*, the greater number is the later one. A hint of order and
    /// nothing more; `None` where the text is no hexadecimal number.
    pub sequencer: Option<u128>,
}

/// An entry that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong with it.
    pub detail: String,
    /// The message as it was sent, once it was taken out of its envelopes; of one that lists entries the entry at fault,
    /// as JSON.
    pub raw: Vec<u8>,
}

/// Reads one body. Never fails: what cannot be understood is a problem with its bytes.
pub fn parse(body: &[u8]) -> Notice {
    let mut notice = Notice::default();
    notice.read_body(body, 0);
    notice
}

/// What one entry says.
enum Entry {
    Appeared(Appeared),
    SomethingElse,
    Test,
    /// With the code to answer.
    Validation(String),
}

/// An entry that was read; the error is the detail of a problem.
type Reading = Result<Entry, String>;

impl Notice {
    /// Reads a body that lies in `depth` envelopes.
    fn read_body(&mut self, body: &[u8], depth: usize) {
        if depth > DEPTH_MAX {
            return self.add_problem(format!("more than {DEPTH_MAX} envelopes inside each other"), body);
        }
        let json = str::from_utf8(body).ok().filter(|text| text.trim_start().starts_with(['{', '[', '"']));
        let Some(json) = json else { return self.read_lines(body) };
        match serde_json::from_str(json) {
            Ok(value) => self.read_value(&value, Some(body), depth),
            Err(error) => self.add_problem(format!("not JSON that can be read: {error}"), body),
        }
    }

    /// Reads a list, an envelope or an entry, which is all of `body`, or part of a list.
    fn read_value(&mut self, value: &Value, body: Option<&[u8]>, depth: usize) {
        if let Some(entries) = list(value) {
            entries.iter().for_each(|entry| self.read_value(entry, None, depth));
        } else if let Some(message) = aws::message(value) {
            self.read_body(message.as_bytes(), depth + 1);
        } else {
            match read_entry(value) {
                Ok(entry) => self.add(entry),
                Err(detail) => self.add_problem(detail, body.unwrap_or(value.to_string().as_bytes())),
            }
        }
    }

    /// Reads a listing with one address a line. A body that does not begin with one is something else altogether.
    fn read_lines(&mut self, body: &[u8]) {
        let mut lines = body
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .filter(|line| !line.trim_ascii().is_empty())
            .peekable();
        if !lines.peek().is_some_and(|line| plain::is_address(line)) {
            return self.add_problem("neither JSON nor a list of addresses".to_owned(), body);
        }
        for line in lines {
            match plain::read_line(line) {
                Ok(entry) => self.add(entry),
                Err(detail) => self.add_problem(detail, line),
            }
        }
    }

    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Appeared(appeared) if !appeared.is_folder() => self.appeared.push(appeared),
            Entry::Appeared(_) | Entry::SomethingElse => self.ignored += 1,
            Entry::Test => self.is_test = true,
            Entry::Validation(code) => {
                self.is_test = true;
                self.validation_code = Some(code);
            }
        }
    }

    fn add_problem(&mut self, detail: String, raw: &[u8]) {
        self.problems.push(Problem { detail, raw: raw.to_vec() });
    }
}

impl From<Appeared> for Event {
    fn from(appeared: Appeared) -> Self {
        Self {
            uri: appeared.uri,
            bucket: appeared.bucket,
            key: appeared.key,
            version: appeared.etag,
            size_bytes: appeared.size_bytes,
            time_us: appeared.time_us,
            source: None,
        }
    }
}

impl Appeared {
    /// An object of which nothing but the address is known.
    fn at(scheme: &str, bucket: &str, key: &str) -> Self {
        Self {
            uri: format!("{scheme}://{bucket}/{key}"),
            bucket: Some(bucket.to_owned()),
            key: key.to_owned(),
            ..Self::default()
        }
    }

    /// What consoles put into a bucket to show a folder: no bytes, under a name that ends with a slash. Who gives no
    /// size with such a name means a folder, too.
    fn is_folder(&self) -> bool {
        self.key.ends_with('/') && self.size_bytes.unwrap_or(0) == 0
    }
}

/// The entries of an array, or of an envelope that holds many.
fn list(value: &Value) -> Option<&Vec<Value>> {
    value.as_array().or_else(|| LISTS.iter().find_map(|field| value.get(field)?.as_array()))
}

fn read_entry(value: &Value) -> Reading {
    let reading =
        aws::read(value).or_else(|| google::read(value)).or_else(|| azure::read(value)).or_else(|| plain::read(value));
    reading.unwrap_or_else(|| Err("not a notice of a known kind".to_owned()))
}

/// The text at a JSON pointer; `None` where there is none, or an empty one.
fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// The text at a JSON pointer without which an entry says nothing.
fn required<'a>(value: &'a Value, pointer: &str) -> Result<&'a str, String> {
    text_at(value, pointer).ok_or_else(|| format!("no text in `{}`", pointer[1..].replace('/', ".")))
}

/// The count at a JSON pointer: a number, or digits in a text, as Google writes them.
fn count_at(value: &Value, pointer: &str) -> Option<u64> {
    let count = value.pointer(pointer)?;
    count.as_u64().or_else(|| count.as_str()?.parse().ok())
}

/// The entity tag at a JSON pointer, without quotes: some senders put them, some do not.
fn etag_at(value: &Value, pointer: &str) -> Option<String> {
    let tag = text_at(value, pointer)?.trim_matches('"');
    (!tag.is_empty()).then(|| tag.to_owned())
}

/// The time at a JSON pointer, microseconds since 1970 in UTC.
fn time_at(value: &Value, pointer: &str) -> Option<i64> {
    time::parse(text_at(value, pointer)?)
}

/// Bucket and key of `bucket/key`, where both are there.
fn bucket_and_key(path: &str) -> Option<(&str, &str)> {
    path.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
}

fn percent_decoded(key: &str) -> Result<String, String> {
    let decoded = percent_decode_str(key).decode_utf8();
    decoded.map(|key| key.into_owned()).map_err(|_| "a key that is not UTF-8".to_owned())
}
