//! SNS, SQS and EventBridge. Credentials and endpoints come as with every AWS tool.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_eventbridge::error::ProvideErrorMetadata;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sns::types::MessageAttributeValue;
use millpond_core::Error;
use millpond_core::alert::Message;
use serde_json::{Value, json};

use super::Sent;
use crate::queue::{Single, SqsQueue};

/// One call with its retries: less than a try may take.
const CALL_MAX: Duration = Duration::from_secs(40);
/// What EventBridge's rules select by.
const EVENT_SOURCE: &str = "millpond";

/// Publishes to a topic. A FIFO topic drops a message that comes twice within five minutes.
pub(super) async fn publish(topic: &str, message: &Message, event: String) -> Sent {
    let client = aws_sdk_sns::Client::new(&config(region_of(topic)).await);
    let mut call = client.publish().topic_arn(topic).message(event);
    if topic.ends_with(".fifo") {
        call = call.message_group_id(&message.alert.id).message_deduplication_id(message.id());
    }
    for (name, value) in [("type", message.event_type().as_str()), ("severity", message.alert.severity.name())] {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let value = value.map_err(|error| Error::bug("an attribute lacks its type").because(error))?;
        call = call.message_attributes(name, value);
    }
    let answer = call.send().await.map_err(|error| refused(format!("topic `{topic}`"), "sns:Publish", error))?;
    Ok(answer.message_id.unwrap_or_default())
}

/// Sends to a queue. A FIFO queue drops a message that comes twice within five minutes.
pub(super) async fn enqueue(queue: &str, message: &Message, event: &str) -> Sent {
    let (kind, id) = (message.event_type(), message.id());
    let attributes = [("type", kind.as_str()), ("severity", message.alert.severity.name())];
    let single = Single { body: event, group: &message.alert.id, id: &id, attributes };
    Ok(SqsQueue::send_single(queue, single).await?)
}

/// Puts an event on a bus; the message's id is in its `detail`, because EventBridge gives events ids of its own.
pub(super) async fn put_event(bus: &str, message: &Message, detail: &Value) -> Sent {
    let mut detail = detail.clone();
    detail["id"] = json!(message.id());
    let entry = PutEventsRequestEntry::builder()
        .event_bus_name(bus)
        .source(EVENT_SOURCE)
        .detail_type(message.event_type())
        .detail(detail.to_string())
        .build();
    let client = aws_sdk_eventbridge::Client::new(&config(region_of(bus)).await);
    let answer = client.put_events().entries(entry).send().await;
    let answer = answer.map_err(|error| refused(format!("bus `{bus}`"), "events:PutEvents", error))?;
    match answer.entries().first() {
        Some(entry) if entry.error_code().is_none() => Ok(entry.event_id().unwrap_or_default().to_owned()),
        entry => {
            let reason =
                entry.and_then(|entry| entry.error_message().or(entry.error_code())).unwrap_or("no reason given");
            Err(Error::transient(format!("bus `{bus}` did not take the event: {reason}")).into())
        }
    }
}

/// The region of an ARN: `arn:aws:sns:REGION:ACCOUNT:NAME`. A plain name is of the environment's.
fn region_of(arn: &str) -> Option<&str> {
    arn.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2)).filter(|region| !region.is_empty())
}

async fn config(region: Option<&str>) -> SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_timeout(CALL_MAX).build();
    let defaults = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
    match region {
        Some(region) => defaults.region(Region::new(region.to_owned())).load().await,
        None => defaults.load().await,
    }
}

/// An error of AWS's clients, with the permission that may be missing.
fn refused<E>(what: String, permission: &str, error: E) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let code = error.code().unwrap_or("no answer").to_owned();
    let reason = error.message().unwrap_or_default().to_owned();
    let told = Error::transient(format!("{what} did not take the alert: {code} {reason}").trim_end().to_owned());
    told.because(error).hint(format!("`{permission}` must be allowed, and name, account and region right"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_tell_their_region() {
        assert_eq!(region_of("arn:aws:sns:eu-central-1:123456789012:alerts"), Some("eu-central-1"));
        assert_eq!((region_of("default"), region_of("arn:aws:events::1:event-bus/x")), (None, None));
    }
}
