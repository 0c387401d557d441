//! Amazon SQS, standard queues, and what speaks like it.

mod address;
mod batch;
mod failure;
mod single;

use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{Message as SqsMessage, MessageSystemAttributeName, QueueAttributeName};
use futures::future::join_all;
use millpond_core::{Error, Result};

use self::address::Address;
use self::failure::failed;
pub(crate) use self::single::Single;
use super::{Body, Depth, HOLD_MAX, Handle, Message, Queue, WAIT_MAX};

/// Messages of one call: SQS takes and gives no more.
const BATCH: usize = 10;
/// Calls at the same time: what one HTTP/1 client keeps open without trouble.
const CALLS_MAX: usize = 16;
/// How long one try of a call may take: the longest wait, and time to answer.
const TRY_MAX: Duration = WAIT_MAX.saturating_add(Duration::from_secs(10));
/// A message may be hidden for [`HOLD_MAX`] counted from when it was received, and a longer delay is refused. An hour of
/// it is left for what was done before the release.
const DELAY_MAX: Duration = HOLD_MAX.saturating_sub(Duration::from_secs(60 * 60));

/// A queue of SQS.
#[derive(Debug)]
pub struct SqsQueue {
    client: Client,
    name: String,
    url: String,
    hold: Duration,
}

impl SqsQueue {
    /// Opens the queue at `url`: `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`, the same at an emulator's host, or
    /// `sqs://NAME` in the environment's account and region. Credentials come as with every AWS tool. The endpoint is the
    /// environment's `AWS_ENDPOINT_URL`; else the host of a URL that is not AWS's.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when this is no queue's URL, the queue does not exist or may
    /// not be looked at; [`Kind::Transient`](millpond_core::Kind::Transient) when it does not answer.
    pub async fn open(url: &str) -> Result<Self> {
        let address = Address::parse(url)?;
        let config = address::config(&address).await;
        Self::connect(url, &address, &config).await
    }

    /// Opens the queue at `url` with a configuration that is there already, whose region is the queue's.
    ///
    /// # Errors
    /// As [`SqsQueue::open`].
    pub async fn open_with(url: &str, config: &SdkConfig) -> Result<Self> {
        Self::connect(url, &Address::parse(url)?, config).await
    }

    async fn connect(name: &str, address: &Address, config: &SdkConfig) -> Result<Self> {
        let client = client(address, config);
        let url = match address {
            Address::Url { url, .. } => url.clone(),
            Address::Name(queue) => find(&client, name, queue).await?,
        };
        let queue = Self { client, name: name.to_owned(), url, hold: Duration::ZERO };
        let hold = Duration::from_secs(queue.attribute(QueueAttributeName::VisibilityTimeout).await?);
        if hold.is_zero() {
            return Err(Error::bad_config(format!("queue `{name}` holds no message: its visibility timeout is 0"))
                .hint("set it to some minutes: a message that is still worked on is held again before that is over"));
        }
        Ok(Self { hold, ..queue })
    }

    /// Sends messages, up to 1 MiB each. When it fails some may have been sent.
    ///
    /// # Errors
    /// [`Kind::BadInput`](millpond_core::Kind::BadInput) for a body that is empty or too long, before any is sent; else as
    /// [`Queue::receive`].
    pub async fn send(&self, bodies: &[String]) -> Result<()> {
        batch::send(self, bodies).await
    }

    /// How many messages there are, as far as SQS knows.
    ///
    /// # Errors
    /// As [`Queue::receive`].
    pub async fn depth(&self) -> Result<Depth> {
        let (visible, held, delayed) = futures::try_join!(
            self.attribute(QueueAttributeName::ApproximateNumberOfMessages),
            self.attribute(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            self.attribute(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
        )?;
        Ok(Depth { visible, held, delayed })
    }

    async fn attribute(&self, name: QueueAttributeName) -> Result<u64> {
        let call = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let answer = call.send().await.map_err(|error| failed(&self.name, "sqs:GetQueueAttributes", error))?;
        let value = answer.attributes().and_then(|attributes| attributes.get(&name)?.parse().ok());
        value.ok_or_else(|| Error::transient(format!("queue `{}` does not tell its `{name}`", self.name)))
    }

    /// One call. Dropped before its answer, the messages that it got come back after their hold.
    async fn receive_once(&self, max: usize, wait: Duration) -> Result<Vec<Message>> {
        let call = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(int(max))
            .wait_time_seconds(seconds(wait.min(WAIT_MAX)))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = call.send().await.map_err(|error| failed(&self.name, "sqs:ReceiveMessage", error))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(message).collect())
    }

    /// More messages after a full call, as long as calls are full; what has been received is never lost to an error.
    async fn receive_more(&self, max: usize, messages: &mut Vec<Message>) {
        let mut is_full = true;
        while is_full && messages.len() < max {
            let sizes = batches(max - messages.len()).take(CALLS_MAX);
            let calls = sizes.map(async |size| (size, self.receive_once(size, Duration::ZERO).await));
            for (size, received) in join_all(calls).await {
                match received {
                    Ok(received) => {
                        is_full &= received.len() == size;
                        messages.extend(received);
                    }
                    Err(error) => {
                        // Whoever calls next is told, if it lasts.
                        tracing::warn!("{}", error.chain());
                        is_full = false;
                    }
                }
            }
        }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    fn name(&self) -> &str {
        &self.name
    }

    /// SQS waits whole seconds, so `wait` is rounded up.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Option<Vec<Message>>> {
        if max == 0 {
            return Ok(Some(Vec::new()));
        }
        let mut messages = self.receive_once(max.min(BATCH), wait).await?;
        if messages.len() == BATCH {
            self.receive_more(max, &mut messages).await;
        }
        Ok(Some(messages))
    }

    async fn ack(&self, handles: &[Handle]) -> Result<()> {
        batch::delete(self, handles).await
    }

    /// SQS counts whole seconds, so `delay` is rounded up; it is shortened to eleven hours.
    async fn release(&self, handles: &[Handle], delay: Duration) -> Result<()> {
        batch::hide(self, handles, seconds(delay.min(DELAY_MAX))).await
    }

    async fn extend(&self, handles: &[Handle]) -> Result<()> {
        batch::hide(self, handles, seconds(self.hold)).await
    }

    fn hold(&self) -> Option<Duration> {
        Some(self.hold)
    }
}

fn client(address: &Address, config: &SdkConfig) -> Client {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(TRY_MAX).build();
    let mut builder = aws_sdk_sqs::config::Builder::from(config).timeout_config(timeouts);
    let is_set = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_SQS").is_some();
    if let (false, Some(endpoint)) = (is_set, address.endpoint()) {
        builder = builder.endpoint_url(endpoint);
    }
    Client::from_conf(builder.build())
}

async fn find(client: &Client, name: &str, queue: &str) -> Result<String> {
    let answer = client.get_queue_url().queue_name(queue).send().await;
    let answer = answer.map_err(|error| failed(name, "sqs:GetQueueUrl", error))?;
    answer.queue_url.ok_or_else(|| Error::transient(format!("failed to find queue `{name}`: the answer has no URL")))
}

fn message(message: SqsMessage) -> Message {
    let count = message.attributes.as_ref();
    let count = count.and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok());
    Message {
        // SQS always tells both; without a handle the message can only come back.
        handle: Handle(message.receipt_handle.unwrap_or_default()),
        body: Body::Text(message.body.unwrap_or_default()),
        deliveries: count.unwrap_or(1),
    }
}

/// `count` in tens, the rest last.
fn batches(count: usize) -> impl Iterator<Item = usize> {
    (0..count).step_by(BATCH).map(move |start| (count - start).min(BATCH))
}

/// Whole seconds, rounded up; every duration here is hours at most.
fn seconds(duration: Duration) -> i32 {
    let rest = u64::from(duration.subsec_nanos() > 0);
    i32::try_from(duration.as_secs() + rest).unwrap_or(i32::MAX)
}

/// A number that is 10 at most.
fn int(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
