//! A queue in this process, which keeps nothing beyond it: for notices that come in over HTTP, for simulations and tests.
//!
//! It does what an SQS standard queue does, by tokio's clock: where that is paused, so is the queue.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use millpond_core::Result;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Body, Depth, HOLD_MAX, Handle, Message, Queue, WAIT_MAX};

/// A queue in memory.
#[derive(Debug)]
pub struct MemoryQueue {
    name: String,
    hold: Duration,
    dead_letter: Option<DeadLetter>,
    state: Mutex<State>,
    /// Told of whatever may let a receiver go on earlier than it thought.
    changed: Notify,
}

/// Where messages go that nobody could deal with.
#[derive(Debug)]
struct DeadLetter {
    queue: Arc<MemoryQueue>,
    max_deliveries: u32,
}

#[derive(Debug, Default)]
struct State {
    messages: HashMap<u64, Stored>,
    /// Every message once, by the time from which it may be received.
    order: BTreeSet<(Instant, u64)>,
    next_id: u64,
    is_closed: bool,
}

#[derive(Debug)]
struct Stored {
    body: Body,
    deliveries: u32,
    visible_at: Instant,
}

impl MemoryQueue {
    /// An empty queue that holds a message for `hold`, at most twelve hours.
    pub fn new(name: impl Into<String>, hold: Duration) -> Self {
        Self {
            name: name.into(),
            hold: hold.min(HOLD_MAX),
            dead_letter: None,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Moves a message to `queue` instead of delivering it once more after `max_deliveries`. As with SQS it moves when
    /// somebody receives here, and its count goes with it.
    #[must_use]
    pub fn dead_letter(mut self, queue: Arc<Self>, max_deliveries: u32) -> Self {
        self.dead_letter = Some(DeadLetter { queue, max_deliveries });
        self
    }

    /// Adds a message.
    pub fn send(&self, body: Body) {
        self.state().add(body, 0);
        self.changed.notify_waiters();
    }

    /// Says that nobody sends any more: once everything is acknowledged, `receive` tells the end.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_waiters();
    }

    /// How many messages there are.
    pub fn depth(&self) -> Depth {
        let now = Instant::now();
        let mut depth = Depth::default();
        for message in self.state().messages.values() {
            match message.visible_at > now {
                true => depth.held += 1,
                false => depth.visible += 1,
            }
        }
        depth
    }

    /// What can be had now, or when to look again.
    fn look(&self, max: usize) -> Look {
        let now = Instant::now();
        let mut state = self.state();
        let (due, worn) = state.due(now, max, self.dead_letter.as_ref().map(|other| other.max_deliveries));
        if let Some(other) = &self.dead_letter {
            other.queue.take_over(worn.into_iter().filter_map(|id| state.remove(id)));
        }
        let messages: Vec<Message> =
            due.into_iter().filter_map(|id| state.deliver(id, now + self.hold, &self.name)).collect();
        if !messages.is_empty() {
            return Look::Messages(messages);
        }
        match state.order.first() {
            None if state.is_closed => Look::End,
            next => Look::Until(next.map(|(visible_at, _)| *visible_at)),
        }
    }

    /// Messages that another queue gives up, with their counts.
    fn take_over(&self, messages: impl Iterator<Item = Stored>) {
        let mut state = self.state();
        messages.for_each(|message| state.add(message.body, message.deliveries));
        drop(state);
        self.changed.notify_waiters();
    }

    /// Changes the messages whose handles are good; the others are somebody else's by now.
    fn change(&self, handles: &[Handle], change: impl Fn(&mut State, u64)) {
        let mut state = self.state();
        for handle in handles {
            if let Some(id) = state.find(&self.name, handle) {
                change(&mut state, id);
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn show_at(&self, handles: &[Handle], visible_at: Instant) {
        let now = Instant::now();
        self.change(handles, |state, id| state.reschedule(id, now, visible_at));
    }

    /// No call panics while it holds the lock, and if one did, every message would still be whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a receiver finds.
enum Look {
    Messages(Vec<Message>),
    End,
    /// Nothing before this time; `None`: nothing unless somebody sends.
    Until(Option<Instant>),
}

impl State {
    fn add(&mut self, body: Body, deliveries: u32) {
        let id = self.next_id;
        self.next_id += 1;
        let visible_at = Instant::now();
        self.messages.insert(id, Stored { body, deliveries, visible_at });
        self.order.insert((visible_at, id));
    }

    fn remove(&mut self, id: u64) -> Option<Stored> {
        let message = self.messages.remove(&id)?;
        self.order.remove(&(message.visible_at, id));
        Some(message)
    }

    /// Up to `max` messages that are due, and those met on the way that were delivered often enough.
    fn due(&self, now: Instant, max: usize, max_deliveries: Option<u32>) -> (Vec<u64>, Vec<u64>) {
        let (mut due, mut worn) = (Vec::new(), Vec::new());
        for (_, id) in self.order.range(..=(now, u64::MAX)) {
            if due.len() == max {
                break;
            }
            let deliveries = self.messages.get(id).map_or(0, |message| message.deliveries);
            match max_deliveries.is_some_and(|most| deliveries >= most) {
                true => worn.push(*id),
                false => due.push(*id),
            }
        }
        (due, worn)
    }

    fn deliver(&mut self, id: u64, visible_at: Instant, name: &str) -> Option<Message> {
        self.set_visible_at(id, visible_at);
        let message = self.messages.get_mut(&id)?;
        message.deliveries += 1;
        let handle = Handle(format!("{name}/{id}/{}", message.deliveries));
        Some(Message { handle, body: message.body.clone(), deliveries: message.deliveries })
    }

    /// The message that `handle` is the latest delivery of.
    fn find(&self, name: &str, handle: &Handle) -> Option<u64> {
        let (id, delivery) = handle.0.strip_prefix(name)?.strip_prefix('/')?.split_once('/')?;
        let (id, delivery) = (id.parse().ok()?, delivery.parse::<u32>().ok()?);
        (self.messages.get(&id)?.deliveries == delivery).then_some(id)
    }

    /// Another time for a message that is held; one whose hold is over stays as it is.
    fn reschedule(&mut self, id: u64, now: Instant, visible_at: Instant) {
        if self.messages.get(&id).is_some_and(|message| message.visible_at > now) {
            self.set_visible_at(id, visible_at);
        }
    }

    fn set_visible_at(&mut self, id: u64, visible_at: Instant) {
        if let Some(message) = self.messages.get_mut(&id) {
            self.order.remove(&(message.visible_at, id));
            self.order.insert((visible_at, id));
            message.visible_at = visible_at;
        }
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Option<Vec<Message>>> {
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        loop {
            // Before the look, so that nothing that changes after it is missed.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let next = match self.look(max) {
                Look::Messages(messages) => return Ok(Some(messages)),
                Look::End => return Ok(None),
                Look::Until(next) => next,
            };
            if max == 0 || Instant::now() >= deadline {
                return Ok(Some(Vec::new()));
            }
            let until = next.map_or(deadline, |next| next.min(deadline));
            // It ends early when something changed; either way, look again.
            let _ = tokio::time::timeout_at(until, changed).await;
        }
    }

    async fn ack(&self, handles: &[Handle]) -> Result<()> {
        self.change(handles, |state, id| drop(state.remove(id)));
        Ok(())
    }

    async fn release(&self, handles: &[Handle], delay: Duration) -> Result<()> {
        self.show_at(handles, Instant::now() + delay.min(HOLD_MAX));
        Ok(())
    }

    async fn extend(&self, handles: &[Handle]) -> Result<()> {
        self.show_at(handles, Instant::now() + self.hold);
        Ok(())
    }

    fn hold(&self) -> Option<Duration> {
        Some(self.hold)
    }
}
