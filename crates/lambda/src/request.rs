//! What wakes the function: Lambda's events, told apart by what they say.

use serde_json::Value;

/// What is asked of the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Commit what is pending.
    Commit,
    /// Messages of a queue, of which each is answered for.
    Messages(Vec<Message>),
    /// A notice that comes straight from its sender (S3, SNS, EventBridge): all of it comes back or none.
    Notice(String),
}

/// One message of an SQS batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// What its failure is told by.
    pub(crate) id: String,
    /// The queue's ARN.
    pub(crate) queue: String,
    /// How often it was delivered, with this time; from 1.
    pub(crate) deliveries: u32,
    pub(crate) body: String,
}

/// Reads the event of an invocation.
pub(crate) fn read(event: &Value) -> Request {
    if event["millpond"] == "commit" {
        return Request::Commit;
    }
    let records = event["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let messages: Option<Vec<Message>> = records.iter().map(message).collect();
    match messages {
        Some(messages) if !messages.is_empty() => Request::Messages(messages),
        _ => Request::Notice(event.to_string()),
    }
}

fn message(record: &Value) -> Option<Message> {
    let text = |name: &str| record[name].as_str().map(str::to_owned);
    if record["eventSource"] != "aws:sqs" {
        return None;
    }
    let deliveries = record["attributes"]["ApproximateReceiveCount"].as_str().and_then(|count| count.parse().ok());
    Some(Message {
        id: text("messageId").filter(|id| !id.is_empty())?,
        queue: text("eventSourceARN").unwrap_or_default(),
        deliveries: deliveries.unwrap_or(1),
        body: text("body").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_told_apart_by_what_they_say() {
        let sqs = json!({"Records": [
            {"messageId": "a", "body": "x", "attributes": {"ApproximateReceiveCount": "3"}, "eventSource": "aws:sqs",
             "eventSourceARN": "arn:aws:sqs:us-east-1:1:in"},
            {"messageId": "b", "body": "y", "attributes": {}, "eventSource": "aws:sqs"},
        ]});
        let message = |id: &str, queue: &str, deliveries, body: &str| Message {
            id: id.into(),
            queue: queue.into(),
            deliveries,
            body: body.into(),
        };
        let s3 = json!({"Records": [{"eventSource": "aws:s3"}]});
        let unnamed = json!({"Records": [{"eventSource": "aws:sqs", "body": "x"}]});
        for (event, request) in [
            (json!({"millpond": "commit"}), Request::Commit),
            (
                sqs,
                Request::Messages(vec![message("a", "arn:aws:sqs:us-east-1:1:in", 3, "x"), message("b", "", 1, "y")]),
            ),
            (s3.clone(), Request::Notice(s3.to_string())),
            // Without an id its failure could not be told: it is dealt with as a whole.
            (unnamed.clone(), Request::Notice(unnamed.to_string())),
            (json!({"Records": []}), Request::Notice(r#"{"Records":[]}"#.into())),
            (json!("text"), Request::Notice(r#""text""#.into())),
        ] {
            assert_eq!(read(&event), request, "{event}");
        }
    }
}
