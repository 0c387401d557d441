//! A queue as SQS is one: messages are held while they are worked on, and come back; they may come twice, late, in any
//! order. Nothing is ever given up.

use std::collections::{BTreeMap, BTreeSet};

use millpond_core::event::Event;

/// What a message says.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A notice, as its sender wrote it.
    Text(String),
    /// An object that a listing saw.
    Listed(Event),
}

/// One delivery of a message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: u64,
    pub(crate) deliveries: u32,
    pub(crate) body: Body,
}

#[derive(Debug)]
struct Stored {
    body: Body,
    deliveries: u32,
    visible_us: i64,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    messages: BTreeMap<u64, Stored>,
    by_time: BTreeSet<(i64, u64)>,
    sent: u64,
    /// Messages handed out so far, each time counted.
    pub(crate) deliveries: u64,
}

impl Queue {
    pub(crate) fn send(&mut self, body: Body, visible_us: i64) {
        self.sent += 1;
        self.messages.insert(self.sent, Stored { body, deliveries: 0, visible_us });
        self.by_time.insert((visible_us, self.sent));
    }

    /// Up to `max` messages, which come back after `hold_us` unless they are acknowledged.
    pub(crate) fn receive(&mut self, now_us: i64, max: usize, hold_us: i64) -> Vec<Message> {
        let ready: Vec<u64> =
            self.by_time.range(..=(now_us, u64::MAX)).take(max).map(|(_, message)| *message).collect();
        ready.into_iter().filter_map(|id| self.deliver(id, now_us + hold_us)).collect()
    }

    fn deliver(&mut self, id: u64, back_us: i64) -> Option<Message> {
        self.show_at(id, back_us);
        let stored = self.messages.get_mut(&id)?;
        stored.deliveries += 1;
        self.deliveries += 1;
        Some(Message { id, deliveries: stored.deliveries, body: stored.body.clone() })
    }

    fn show_at(&mut self, id: u64, visible_us: i64) {
        if let Some(stored) = self.messages.get_mut(&id) {
            self.by_time.remove(&(stored.visible_us, id));
            stored.visible_us = visible_us;
            self.by_time.insert((visible_us, id));
        }
    }

    /// The message that a delivery belongs to, unless it was delivered again since.
    fn is_held(&self, message: &Message) -> bool {
        self.messages.get(&message.id).is_some_and(|stored| stored.deliveries == message.deliveries)
    }

    pub(crate) fn ack(&mut self, message: &Message) {
        if self.is_held(message)
            && let Some(stored) = self.messages.remove(&message.id)
        {
            self.by_time.remove(&(stored.visible_us, message.id));
        }
    }

    pub(crate) fn release(&mut self, message: &Message, visible_us: i64) {
        if self.is_held(message) {
            self.show_at(message.id, visible_us);
        }
    }

    /// When the next message can be received.
    pub(crate) fn next_us(&self) -> Option<i64> {
        self.by_time.first().map(|(visible_us, _)| *visible_us)
    }

    /// Everything can be received now.
    pub(crate) fn show_all(&mut self, now_us: i64) {
        let ids: Vec<u64> = self.messages.keys().copied().collect();
        ids.into_iter().for_each(|id| self.show_at(id, now_us));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}
