//! A batch of messages: the events that they tell of, and which of the messages come back.

use std::collections::{BTreeMap, BTreeSet};

use millpond::pipeline::{Delivery, Outcome};
use millpond::traces::Traced;
use millpond_core::Result;
use millpond_core::event::Event;
use millpond_core::lane::Promotion;
use millpond_core::notice::{self, Problem};
use millpond_core::receipt::{Receipt, Status};
use serde_json::{Value, json};

use crate::request::Message;

/// The messages of one invocation, read.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// What is to be done, of all messages.
    pub(crate) deliveries: Vec<Delivery>,
    /// The position of the message that each of them stands in.
    pub(crate) message_of: Vec<usize>,
    /// What nobody understands.
    pub(crate) problems: Vec<Problem>,
    /// The positions of the messages that it stands in.
    pub(crate) unreadable: BTreeSet<usize>,
}

impl Batch {
    /// Reads each message by itself: one that nobody understands takes nothing from the others.
    pub(crate) fn read(messages: &[Message]) -> Self {
        let mut batch = Self::default();
        for (position, message) in messages.iter().enumerate() {
            let notice = notice::parse(message.body.as_bytes());
            let promotions = promotions_in(&message.body);
            for appeared in notice.appeared {
                let mut delivery = Delivery::new(Event::from(appeared), message.deliveries);
                delivery.promotions = promotions.clone();
                batch.deliveries.push(delivery);
                batch.message_of.push(position);
            }
            if !notice.problems.is_empty() {
                batch.problems.extend(notice.problems);
                batch.unreadable.insert(position);
            }
        }
        batch
    }

    /// The positions of the messages of which an event is for a larger lane, each with what that one reached.
    pub(crate) fn promoted<'a>(&self, outcomes: &'a [Result<Outcome>]) -> BTreeMap<usize, &'a Promotion> {
        let ends = self.message_of.iter().zip(outcomes);
        let promoted = ends.filter_map(|(position, outcome)| match outcome {
            Ok(Outcome::TooBig(_, promotion)) => Some((*position, promotion)),
            _ => None,
        });
        promoted.collect()
    }

    /// The jobs of the messages that do not come back.
    pub(crate) fn acknowledged<'a>(
        &'a self,
        outcomes: &'a [Result<Outcome>],
        returned: &'a BTreeSet<usize>,
    ) -> impl Iterator<Item = Traced> + 'a {
        let ended = self.message_of.iter().zip(outcomes).filter(|(position, _)| !returned.contains(position));
        ended.filter_map(|(_, outcome)| match outcome {
            Ok(Outcome::Handed(receipt)) => Some(Traced::of(receipt)),
            _ => None,
        })
    }

    /// The positions of the messages of which an event comes back.
    pub(crate) fn returned(&self, outcomes: &[Result<Outcome>]) -> BTreeSet<usize> {
        let ends = self.message_of.iter().zip(outcomes);
        ends.filter(|(_, outcome)| comes_back(outcome)).map(|(position, _)| *position).collect()
    }
}

/// Where a message says which lanes it was too large for. No sender of notices has such a field.
const PROMOTIONS: &str = "millpond_promotions";
/// Lanes that a message may have passed: a list without end would be somebody's mistake.
const PROMOTIONS_MAX: usize = 16;

/// The lanes that a message was too large for.
fn promotions_in(body: &str) -> Vec<Promotion> {
    // Most messages name none, and need not be read twice.
    if !body.contains(PROMOTIONS) {
        return Vec::new();
    }
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    serde_json::from_value(body[PROMOTIONS].clone()).unwrap_or_default()
}

/// A message as it goes on to a larger lane: with the reason. One that is no JSON object goes as it is.
pub(crate) fn with_promotion(body: &str, promotion: &Promotion) -> String {
    let mut promotions = promotions_in(body);
    promotions.push(promotion.clone());
    promotions.truncate(PROMOTIONS_MAX);
    match serde_json::from_str(body) {
        Ok(Value::Object(mut fields)) => {
            fields.insert(PROMOTIONS.to_owned(), json!(promotions));
            Value::Object(fields).to_string()
        }
        _ => body.to_owned(),
    }
}

/// Whether an event has not come to its end.
fn comes_back(outcome: &Result<Outcome>) -> bool {
    match outcome {
        Ok(Outcome::AlreadyDone | Outcome::TooBig(..)) => false,
        Ok(Outcome::Handed(receipt)) => !receipt.status.is_final(),
        Err(_) => true,
    }
}

/// What Lambda wants to hear of a batch: the messages that come back.
pub(crate) fn failures(messages: &[Message], returned: &BTreeSet<usize>) -> Value {
    let failures = returned.iter().filter_map(|position| messages.get(*position));
    json!({"batchItemFailures": failures.map(|message| json!({"itemIdentifier": message.id})).collect::<Vec<_>>()})
}

/// What an invocation did, for its line in the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) messages: usize,
    pub(crate) events: usize,
    /// Events that came to their end, whichever it is.
    pub(crate) done: usize,
    /// Of these: files in quarantine as a whole.
    pub(crate) quarantined: usize,
    /// Events that went on to a larger lane, or a router's to any.
    pub(crate) forwarded: usize,
    /// Events that did not.
    pub(crate) failed: usize,
    /// Messages that come back.
    pub(crate) returned: usize,
    /// Rows that go into tables.
    pub(crate) rows: u64,
    /// Stored bytes read.
    pub(crate) bytes: u64,
    /// The most memory that a job allocated.
    pub(crate) job_memory_peak_bytes: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, outcome: &Result<Outcome>) {
        match outcome {
            Ok(Outcome::TooBig(..)) => self.forwarded += 1,
            outcome if comes_back(outcome) => self.failed += 1,
            _ => self.done += 1,
        }
        if let Ok(Outcome::Handed(receipt)) = outcome {
            self.add_receipt(receipt);
        }
    }

    fn add_receipt(&mut self, receipt: &Receipt) {
        self.quarantined += usize::from(receipt.status == Status::Quarantined);
        self.rows += receipt.balance.rows_out;
        self.bytes += receipt.bytes_in;
        self.job_memory_peak_bytes = self.job_memory_peak_bytes.max(receipt.memory_peak_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millpond_core::Error;

    fn message(id: &str, deliveries: u32, body: &str) -> Message {
        Message { id: id.into(), queue: "arn:aws:sqs:us-east-1:1:in".into(), deliveries, body: body.into() }
    }

    fn s3(keys: &[&str]) -> String {
        let records: Vec<Value> = keys
            .iter()
            .map(|key| {
                let object = json!({"key": key, "size": 3, "eTag": "e"});
                json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "raw"}, "object": object}})
            })
            .collect();
        json!({"Records": records}).to_string()
    }

    #[test]
    fn each_message_is_read_by_itself() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"raw"}"#;
        let messages = [
            message("a", 1, &s3(&["x", "y+z"])),
            message("b", 2, "garbage"),
            message("c", 1, test),
            message("d", 3, &s3(&["w"])),
        ];
        let batch = Batch::read(&messages);
        let read: Vec<(&str, u32)> =
            batch.deliveries.iter().map(|delivery| (delivery.event.key.as_str(), delivery.number)).collect();
        assert_eq!(read, [("x", 1), ("y z", 1), ("w", 3)]);
        assert_eq!(batch.message_of, [0, 0, 3]);
        assert_eq!((batch.problems.len(), batch.unreadable), (1, BTreeSet::from([1])));
    }

    #[test]
    fn a_message_comes_back_when_one_of_its_events_does() {
        let messages = [message("a", 1, &s3(&["1", "2"])), message("b", 1, &s3(&["3"])), message("c", 1, &s3(&["4"]))];
        let batch = Batch::read(&messages);
        let receipt = |status| Ok(Outcome::Handed(Box::new(receipt_of(status))));
        let done = || Ok(Outcome::AlreadyDone);
        let late = || Err(Error::transient("late"));
        for (outcomes, expected) in [
            (vec![done(), done(), done(), done()], vec![]),
            (vec![done(), late(), done(), done()], vec!["a"]),
            (vec![late(), late(), done(), late()], vec!["a", "c"]),
            (vec![receipt("done"), receipt("quarantined"), receipt("failed"), receipt("duplicate")], vec!["b"]),
            (vec![receipt("gone"), receipt("unrouted"), done(), Err(Error::bug("broken"))], vec!["c"]),
        ] {
            let expected: Vec<Value> = expected.iter().map(|id| json!({"itemIdentifier": id})).collect();
            let answer = failures(&messages, &batch.returned(&outcomes));
            assert_eq!(answer, json!({"batchItemFailures": expected}), "{outcomes:?}");
        }
    }

    #[test]
    fn a_message_takes_the_reasons_along_and_says_the_same() {
        let promotion = |lane: &str| Promotion { lane: lane.into(), reason: "memory".into(), needed_bytes: 7 };
        let body = s3(&["x"]);
        let once = with_promotion(&body, &promotion("small"));
        let twice = with_promotion(&once, &promotion("medium"));
        let batch = Batch::read(&[message("a", 1, &body), message("b", 1, &twice), message("c", 1, "[]")]);
        assert_eq!(batch.deliveries[0].event, batch.deliveries[1].event);
        assert_eq!(batch.deliveries[0].promotions, []);
        assert_eq!(batch.deliveries[1].promotions, [promotion("small"), promotion("medium")]);
        assert_eq!(with_promotion("[1]", &promotion("small")), "[1]");
    }

    /// A receipt of which only the status matters.
    fn receipt_of(status: &str) -> Receipt {
        let mut receipt = json!({
            "job_id": "", "attempt": 1, "status": "done", "object": "", "object_version": "", "object_modified": 0,
            "source": "", "source_version": 0, "table": "", "signals": 0, "rescued": 0, "damages": 0,
            "members": 0, "bytes_in": 0, "bytes_decoded": 0, "bytes_out": 0, "fingerprint": "",
            "schema_fingerprint": "", "format": "", "compression": "", "engine": "", "memory_peak_bytes": 0,
            "started": 0, "outputs": [], "millpond": "",
        });
        let times = ["fetch_us", "decode_us", "transform_us", "write_us", "total_us"];
        let rows = ["rows_in", "rows_out", "filtered", "deduplicated", "aggregated", "quarantined", "exploded"];
        for row in times.into_iter().chain(rows) {
            receipt[row] = json!(0);
        }
        receipt["status"] = json!(status);
        serde_json::from_value(receipt).expect("receipt")
    }
}
