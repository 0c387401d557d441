//! What queues give: messages read into events that are still to be dealt with.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use millpond_core::event::Event;
use millpond_core::{Kind, Result};

use super::{Until, Worker, lanes};
use crate::intake::{Intake, read};
use crate::pipeline::{is_done, quarantine_notice};
use crate::queue::{Body, Message, Queue};

/// Messages asked for at a time.
const RECEIVE_MAX: usize = 500;
/// Time that a queue may wait for its first message.
const RECEIVE_WAIT: Duration = Duration::from_secs(10);
/// The same where nothing more is expected than what is there.
const DRAIN_WAIT: Duration = Duration::from_secs(1);
/// Wait before a queue that did not answer is asked again.
const RECEIVE_RETRY: Duration = Duration::from_secs(5);

/// What a queue gave, and which.
pub(super) type Received = (usize, Result<Option<Vec<Message>>>);

impl Worker {
    /// Takes in what a queue gave; says whether there may be more.
    pub(super) async fn note_received(
        &mut self,
        intake: &mut Intake,
        index: usize,
        received: Result<Option<Vec<Message>>>,
        until: Until,
    ) -> Result<bool> {
        let messages = match received {
            Ok(Some(messages)) => messages,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == Kind::Transient && until == Until::Stopped => {
                self.progress.note(&error.report());
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let is_queue = intake.queues[index].hold().is_some();
        let is_end = messages.is_empty() && until == Until::Empty && is_queue;
        self.ledger.refresh().await?;
        let mut accepted = Vec::with_capacity(messages.len());
        for message in messages {
            accepted.extend(self.note_message(intake, index, message, until).await?);
        }
        for (message, events) in lanes::plan(&self.node, accepted).await {
            intake.take(index, message, events);
        }
        Ok(!is_end)
    }

    /// Reads a message; gives it with those of its events that are still to be dealt with.
    async fn note_message(
        &mut self,
        intake: &mut Intake,
        index: usize,
        message: Message,
        until: Until,
    ) -> Result<Option<(Message, Vec<Event>)>> {
        let said = read(&message.body);
        if !said.problems.is_empty()
            && let Err(error) = quarantine_notice(&self.node, intake.queues[index].name(), &said.problems).await
        {
            self.progress.note(&error.report());
            intake.put_back(index, message);
            return Ok(None);
        }
        self.uncommitted += usize::from(!said.problems.is_empty());
        let is_listed = matches!(message.body, Body::Event(_));
        let mut events = Vec::with_capacity(said.events.len());
        let since_us = self.since_us;
        let is_asked = |event: &Event| since_us.is_none() || event.time_us >= since_us;
        for event in said.events.into_iter().filter(is_asked) {
            let event = match self.recognised(intake.queues[index].name(), event).await {
                Ok(event) => event,
                Err(error) => {
                    self.progress.note(&error.report());
                    intake.put_back(index, message);
                    return Ok(None);
                }
            };
            if is_done(&self.node, &event).await? {
                // A sweep sees every object again: those that are done are not told again.
                if !(is_listed && until == Until::Stopped) {
                    self.summary.found += 1;
                    self.progress.found(&event);
                    self.note_done_before(&event);
                }
                continue;
            }
            self.summary.found += 1;
            self.progress.found(&event);
            events.push(event);
        }
        Ok(Some((message, events)))
    }
}

/// Asks a queue for messages.
pub(super) fn receive(index: usize, queue: &Arc<dyn Queue>, until: Until) -> BoxFuture<'static, Received> {
    let queue = Arc::clone(queue);
    let wait = if until == Until::Empty { DRAIN_WAIT } else { RECEIVE_WAIT };
    async move {
        let received = queue.receive(RECEIVE_MAX, wait).await;
        if received.is_err() && until == Until::Stopped {
            tokio::time::sleep(RECEIVE_RETRY).await;
        }
        (index, received)
    }
    .boxed()
}
