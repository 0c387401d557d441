//! Queues: where notices that objects appeared come from, and where they are acknowledged.
//!
//! A queue hands out messages and forgets those that are acknowledged. A message that is neither acknowledged nor
//! released comes back by itself once its hold is over; it may come twice, late and out of order. Nothing here knows what
//! became of an object before: that is the ledger's and the committer's business.
//!
//! Every queue passes the same suite of tests (`tests/it/queues.rs`).

mod inventory;
mod listing;
mod memory;
mod sqs;
mod watch;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use millpond_core::Result;
use millpond_core::event::Event;

pub use self::inventory::{Inventory, Tell};
pub use self::listing::ListQueue;
pub use self::memory::MemoryQueue;
pub(crate) use self::sqs::Single;
pub use self::sqs::SqsQueue;
pub use self::watch::WatchQueue;

/// SQS holds no receiver longer.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// SQS hides no message longer, counted from when it was received.
const HOLD_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// One message, held by whoever received it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What the queue knows this delivery by.
    pub handle: Handle,
    /// What it says.
    pub body: Body,
    /// How often it was delivered so far, with this time; from 1.
    pub deliveries: u32,
}

/// What a queue knows one delivery of a message by; worthless once the message's hold is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Handle(pub String);

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// The text that a sender wrote, to be read by [`millpond_core::notice::parse`].
    Text(String),
    /// An object that a listing saw.
    Event(Event),
}

/// How many messages a queue has, as far as it knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that can be received.
    pub visible: u64,
    /// Messages that were received, and are neither acknowledged nor back.
    pub held: u64,
    /// Messages that nobody could receive yet.
    pub delayed: u64,
}

/// A source of messages.
#[async_trait]
pub trait Queue: Debug + Send + Sync {
    /// The queue as people name it: its URL, or the folder.
    fn name(&self) -> &str;

    /// Up to `max` messages. Waits up to `wait` for the first; fewer than `max`, or none, is no sign of the end. `None`:
    /// nothing will ever come again, as at the end of a listing.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the queue does not answer,
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when it does not exist or may not be read.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Option<Vec<Message>>>;

    /// Messages that are dealt with: they do not come back. A handle whose hold is over is no error.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when some may come back all the same.
    async fn ack(&self, handles: &[Handle]) -> Result<()>;

    /// Messages that come back after `delay`, which the queue may shorten. A handle whose hold is over is no error.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when some come back at another time.
    async fn release(&self, handles: &[Handle], delay: Duration) -> Result<()>;

    /// Messages that are still worked on: each is held for [`Queue::hold`] from now. A handle whose hold is over is no
    /// error.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when some may come back meanwhile.
    async fn extend(&self, handles: &[Handle]) -> Result<()>;

    /// Says that what was dealt with may be due again, as when a new source wants it: it is told of once more.
    fn tell_again(&self) {}

    /// Says that the end was reached and everything before it is dealt with.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when what the queue keeps of its progress cannot be removed.
    async fn finish(&self) -> Result<()> {
        Ok(())
    }

    /// How long a message is held before it comes back by itself; `None`: until this process ends.
    fn hold(&self) -> Option<Duration>;
}
