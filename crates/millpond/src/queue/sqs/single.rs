//! One message to a queue that is not read.

use aws_sdk_sqs::types::MessageAttributeValue;
use millpond_core::{Error, Result};

use super::address::{self, Address};
use super::failure::failed;
use super::{SqsQueue, client, find};

/// One message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Single<'a> {
    pub(crate) body: &'a str,
    /// In a FIFO queue messages of one group keep their order.
    pub(crate) group: &'a str,
    /// A FIFO queue drops a message whose id it has seen within five minutes.
    pub(crate) id: &'a str,
    /// Text attributes, by which a reader may select.
    pub(crate) attributes: [(&'a str, &'a str); 2],
}

impl SqsQueue {
    /// Sends one message to the queue at `url` ([`SqsQueue::open`]) and gives the id that SQS gave it. It needs no more
    /// than `sqs:SendMessage`.
    ///
    /// # Errors
    /// As [`SqsQueue::open`].
    pub(crate) async fn send_single(url: &str, message: Single<'_>) -> Result<String> {
        let address = Address::parse(url)?;
        let client = client(&address, &address::config(&address).await);
        let queue = match &address {
            Address::Url { url, .. } => url.clone(),
            Address::Name(name) => find(&client, url, name).await?,
        };
        let mut call = client.send_message().message_body(message.body);
        if queue.ends_with(".fifo") {
            call = call.message_group_id(message.group).message_deduplication_id(message.id);
        }
        for (name, value) in message.attributes {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            let value = value.map_err(|error| Error::bug("an attribute lacks its type").because(error))?;
            call = call.message_attributes(name, value);
        }
        let answer = call.queue_url(queue).send().await.map_err(|error| failed(url, "sqs:SendMessage", error))?;
        Ok(answer.message_id.unwrap_or_default())
    }
}
