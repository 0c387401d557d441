//! Calls that take ten entries each, of which some may fail: those are tried once more.

use std::ops::Range;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    SendMessageBatchRequestEntry,
};
use futures::future::join_all;
use millpond_core::{Error, Result};

use super::failure::{failed, is_over};
use super::{BATCH, CALLS_MAX, Handle, SqsQueue};

/// Bytes of one call, and so of one message.
const BYTES_MAX: usize = 1024 * 1024;

/// Deletes messages.
pub(super) async fn delete(queue: &SqsQueue, handles: &[Handle]) -> Result<()> {
    Batch { queue, call: Call::Delete }.twice(texts(handles)).await
}

/// Hides messages for `seconds` from now.
pub(super) async fn hide(queue: &SqsQueue, handles: &[Handle], seconds: i32) -> Result<()> {
    Batch { queue, call: Call::Hide { seconds } }.twice(texts(handles)).await
}

/// Sends messages.
pub(super) async fn send(queue: &SqsQueue, bodies: &[String]) -> Result<()> {
    if let Some(body) = bodies.iter().find(|body| body.is_empty() || body.len() > BYTES_MAX) {
        let length = body.len();
        return Err(Error::bad_input(format!("failed to send a message of {length} bytes to queue `{}`", queue.name))
            .hint("SQS takes messages of 1 byte to 1 MiB"));
    }
    Batch { queue, call: Call::Send }.twice(bodies.iter().map(String::as_str).collect()).await
}

fn texts(handles: &[Handle]) -> Vec<&str> {
    handles.iter().map(|handle| handle.0.as_str()).collect()
}

struct Batch<'a> {
    queue: &'a SqsQueue,
    call: Call,
}

/// What to do with the entries, which are handles, or bodies to send.
#[derive(Clone, Copy)]
enum Call {
    Delete,
    Hide { seconds: i32 },
    Send,
}

/// Entries that failed, and why the first of them did.
#[derive(Default)]
struct Failures<'a> {
    entries: Vec<&'a str>,
    reason: String,
}

impl Batch<'_> {
    /// Carries out the call for all entries, and once more for those that failed.
    async fn twice(&self, entries: Vec<&str>) -> Result<()> {
        let first = self.once(&entries).await?;
        if first.entries.is_empty() {
            return Ok(());
        }
        let second = self.once(&first.entries).await?;
        if second.entries.is_empty() {
            return Ok(());
        }
        let (name, what, reason) = (&self.queue.name, self.call.name(), second.reason);
        let (failed, all) = (second.entries.len(), entries.len());
        Err(Error::transient(format!("queue `{name}` did not {what} {failed} of {all} messages: {reason}")))
    }

    /// Where a whole call fails the others are made all the same, so that little is left to do again.
    async fn once<'e>(&self, entries: &[&'e str]) -> Result<Failures<'e>> {
        let mut failures = Failures::default();
        let mut broken = None;
        let calls: Vec<&[&str]> = cut(entries).into_iter().map(|range| &entries[range]).collect();
        for wave in calls.chunks(CALLS_MAX) {
            let answers = join_all(wave.iter().map(|entries| self.one(entries))).await;
            for (entries, answer) in wave.iter().zip(answers) {
                match answer {
                    Ok(failed) => failures.add(entries, &failed),
                    Err(error) => broken = Some(error),
                }
            }
        }
        match broken {
            Some(error) => Err(error),
            None => Ok(failures),
        }
    }

    /// One call, and which of its entries failed.
    async fn one(&self, entries: &[&str]) -> Result<Vec<BatchResultErrorEntry>> {
        match self.call {
            Call::Delete => self.delete(entries).await,
            Call::Hide { seconds } => self.hide(entries, seconds).await,
            Call::Send => self.send(entries).await,
        }
    }

    async fn delete(&self, handles: &[&str]) -> Result<Vec<BatchResultErrorEntry>> {
        let entries = numbered(handles, |id, handle| {
            DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build()
        })?;
        let call = self.queue.client.delete_message_batch().queue_url(&self.queue.url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| failed(&self.queue.name, "sqs:DeleteMessage", error))?;
        Ok(answer.failed.into_iter().filter(|entry| !is_over(entry)).collect())
    }

    async fn hide(&self, handles: &[&str], seconds: i32) -> Result<Vec<BatchResultErrorEntry>> {
        let entries = numbered(handles, |id, handle| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id).receipt_handle(handle);
            entry.visibility_timeout(seconds).build()
        })?;
        let call = self.queue.client.change_message_visibility_batch();
        let answer = call.queue_url(&self.queue.url).set_entries(Some(entries)).send().await;
        let answer = answer.map_err(|error| failed(&self.queue.name, "sqs:ChangeMessageVisibility", error))?;
        Ok(answer.failed.into_iter().filter(|entry| !is_over(entry)).collect())
    }

    async fn send(&self, bodies: &[&str]) -> Result<Vec<BatchResultErrorEntry>> {
        let entries =
            numbered(bodies, |id, body| SendMessageBatchRequestEntry::builder().id(id).message_body(body).build())?;
        let call = self.queue.client.send_message_batch().queue_url(&self.queue.url).set_entries(Some(entries));
        let answer = call.send().await.map_err(|error| failed(&self.queue.name, "sqs:SendMessage", error))?;
        Ok(answer.failed)
    }
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Hide { .. } => "change the visibility of",
            Self::Send => "take",
        }
    }
}

impl<'a> Failures<'a> {
    fn add(&mut self, entries: &[&'a str], failed: &[BatchResultErrorEntry]) {
        for failure in failed {
            self.entries.extend(failure.id().parse().ok().and_then(|place: usize| entries.get(place)));
            if self.reason.is_empty() {
                self.reason = format!("{} {}", failure.code(), failure.message().unwrap_or_default()).trim().to_owned();
            }
        }
    }
}

/// Entries whose ids are their places.
fn numbered<E>(texts: &[&str], entry: impl Fn(String, &str) -> Result<E, BuildError>) -> Result<Vec<E>> {
    let entries = texts.iter().enumerate().map(|(place, text)| entry(place.to_string(), text));
    entries.collect::<Result<_, _>>().map_err(|error| Error::bug("a request to SQS lacks a field").because(error))
}

/// Calls of ten entries, none longer than SQS takes. Handles are some hundred bytes.
fn cut(entries: &[&str]) -> Vec<Range<usize>> {
    let (mut calls, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (place, entry) in entries.iter().enumerate() {
        if place - start == BATCH || bytes + entry.len() > BYTES_MAX {
            calls.push(start..place);
            (start, bytes) = (place, 0);
        }
        bytes += entry.len();
    }
    calls.push(start..entries.len());
    // Where there is no entry, there is no call.
    calls.retain(|call| !call.is_empty());
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_hold_ten_entries_and_a_mebibyte() {
        let calls = |sizes: &[usize]| {
            let bodies: Vec<String> = sizes.iter().map(|size| "x".repeat(*size)).collect();
            cut(&bodies.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert!(calls(&[]).is_empty());
        assert_eq!(calls(&[1; 21]), [0..10, 10..20, 20..21]);
        assert_eq!(calls(&[BYTES_MAX, 1, BYTES_MAX - 1, 2]), [0..1, 1..3, 3..4]);
    }
}
