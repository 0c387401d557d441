//! A listing as a queue: every object of a place once, in the store's order, without holding more than is worked on.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{BoxStream, Fuse};
use millpond_core::Result;
use millpond_core::event::Object;
use tokio::sync::Mutex;

use super::{Body, Handle, Message, Queue};

/// A listing that is gone through once. What is released is left for another listing.
pub struct ListQueue {
    name: String,
    objects: Mutex<Fuse<BoxStream<'static, Result<Object>>>>,
}

impl ListQueue {
    /// The queue of these objects, which people know by `name`.
    pub fn new(name: impl Into<String>, objects: BoxStream<'static, Result<Object>>) -> Self {
        Self { name: name.into(), objects: Mutex::new(objects.fuse()) }
    }
}

impl std::fmt::Debug for ListQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListQueue").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for ListQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn receive(&self, max: usize, _wait: Duration) -> Result<Option<Vec<Message>>> {
        let mut objects = self.objects.lock().await;
        let mut messages = Vec::new();
        while messages.len() < max {
            match objects.next().await {
                Some(object) => messages.push(message(object?, 1)),
                None if messages.is_empty() => return Ok(None),
                None => break,
            }
        }
        Ok(Some(messages))
    }

    async fn ack(&self, _handles: &[Handle]) -> Result<()> {
        Ok(())
    }

    async fn release(&self, _handles: &[Handle], _delay: Duration) -> Result<()> {
        Ok(())
    }

    async fn extend(&self, _handles: &[Handle]) -> Result<()> {
        Ok(())
    }

    fn hold(&self) -> Option<Duration> {
        None
    }
}

/// The message that an object was listed.
pub(super) fn message(object: Object, deliveries: u32) -> Message {
    Message { handle: Handle(object.uri.clone()), body: Body::Event(object.into()), deliveries }
}
