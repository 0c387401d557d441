//! The processes of a run: what each of them does between two looks of the driver.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::TryStreamExt;
use millpond::clock::Clock;
use millpond::committer::{Committed, Committer};
use millpond::compaction::{self, Layout};
use millpond::lake::Lake;
use millpond::ledger::Ledger;
use millpond::pipeline::{Delivery, Node, Outcome, is_done, process, quarantine_notice};
use millpond::planner::Planner;
use millpond::pond::Pond;
use millpond::replay;
use millpond::store::{Place, Stores};
use millpond_core::event::Event;
use millpond_core::notice;
use millpond_core::receipt::Receipt;
use millpond_core::{Kind, Result};

use crate::queue::{Body, Message};
use crate::store::{Bucket, FaultStore};
use crate::truth::BUCKET;
use crate::world::World;

/// The queue's name, which is what receipts of bad notices say.
pub(crate) const QUEUE: &str = "sqs://simulated";
/// The lake's address.
pub(crate) const LAKE: &str = "memory://lake/";

/// The two buckets of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Buckets {
    pub(crate) raw: Bucket,
    pub(crate) lake: Bucket,
}

/// The stores as a process sees them.
pub(crate) fn stores(world: &World, buckets: &Buckets, process: u32) -> Stores {
    let stores = Stores::default();
    let store =
        |bucket: &Bucket, can_tear| FaultStore { bucket: bucket.clone(), world: world.clone(), process, can_tear };
    stores.insert(BUCKET, Arc::new(store(&buckets.raw, true)));
    stores.insert(LAKE, Arc::new(store(&buckets.lake, false)));
    stores
}

/// Opens the lake as a new process does: nothing is known of it.
///
/// # Errors
/// When it cannot be opened.
pub(crate) fn open_committer(world: &World, buckets: &Buckets, process: u32) -> Result<Committer> {
    let lake = Arc::new(Lake::open(&stores(world, buckets, process), LAKE, std::path::Path::new("/"))?);
    let ledger = Arc::new(Ledger::new(Arc::clone(&lake)));
    let clock = world.clone();
    Ok(Committer::new(lake, ledger).with_clock(Clock::new(move || clock.now_us())))
}

/// A machine on which jobs run, with a clock of its own.
///
/// # Errors
/// When the lake cannot be opened.
pub(crate) fn open_node(
    world: &World,
    buckets: &Buckets,
    process: u32,
    pond: &Arc<Pond>,
    skew_us: i64,
    looks_before: bool,
) -> Result<Arc<Node>> {
    let stores = stores(world, buckets, process);
    let lake = Arc::new(Lake::open(&stores, LAKE, std::path::Path::new("/"))?);
    let ledger = looks_before.then(|| Arc::new(Ledger::new(Arc::clone(&lake))));
    let clock = world.clone();
    Ok(Arc::new(Node {
        pond: Arc::clone(pond),
        lake,
        ledger,
        stores: Arc::new(stores),
        clock: Clock::new(move || clock.now_us() + skew_us),
        io: tokio::runtime::Handle::current(),
        planner: Arc::new(Planner::of(pond)),
        promotes: false,
    }))
}

/// The same machine after its pond was read again.
pub(crate) fn with_pond(node: &Node, pond: &Arc<Pond>) -> Arc<Node> {
    Arc::new(Node { pond: Arc::clone(pond), ..Node::clone(node) })
}

/// What a process came to.
pub(crate) enum End {
    Worked(Worked),
    Committed(Committer, Result<Committed>),
    /// What a listing saw that is not done.
    Swept(Result<Vec<Event>>),
    /// Files that a compaction replaced.
    Compacted(Result<u64>),
    /// Jobs that were done again.
    Replayed(Result<usize>),
}

/// What became of the messages that a worker took.
#[derive(Default)]
pub(crate) struct Worked {
    pub(crate) acks: Vec<Message>,
    pub(crate) releases: Vec<Message>,
    /// Receipts that were handed over.
    pub(crate) handed: Vec<Receipt>,
    /// Errors that no worker survives.
    pub(crate) fatal: Option<String>,
}

/// One round of a worker: what `worker.rs` does with what a queue gave.
pub(crate) async fn work(node: Arc<Node>, messages: Vec<Message>) -> End {
    let mut worked = Worked::default();
    if let Some(ledger) = &node.ledger
        && ledger.refresh().await.is_err()
    {
        worked.releases = messages;
        return End::Worked(worked);
    }
    let (mut open, mut deliveries) = (Vec::new(), Vec::new());
    for message in messages {
        match events_of(&node, &message).await {
            Ok(events) if events.is_empty() => worked.acks.push(message),
            Ok(events) => {
                let number = message.deliveries;
                let first = deliveries.len();
                deliveries.extend(events.into_iter().map(|event| Delivery::new(event, number)));
                open.push((message, first..deliveries.len()));
            }
            Err(_) => worked.releases.push(message),
        }
    }
    let outcomes = process(&node, &deliveries, None).await;
    let comes_back: Vec<bool> = outcomes.into_iter().map(|outcome| note_outcome(&mut worked, outcome)).collect();
    for (message, events) in open {
        match comes_back[events].contains(&true) {
            true => worked.releases.push(message),
            false => worked.acks.push(message),
        }
    }
    End::Worked(worked)
}

/// The events of a message that are not done; what nobody understands goes to quarantine.
async fn events_of(node: &Node, message: &Message) -> Result<Vec<Event>> {
    let events = match &message.body {
        Body::Listed(event) => vec![event.clone()],
        Body::Text(text) => {
            let notice = notice::parse(text.as_bytes());
            if !notice.problems.is_empty() {
                quarantine_notice(node, QUEUE, &notice.problems).await?;
            }
            notice.appeared.into_iter().map(Event::from).collect()
        }
    };
    let mut open = Vec::with_capacity(events.len());
    for event in events {
        if !is_done(node, &event).await? {
            open.push(event);
        }
    }
    Ok(open)
}

/// Whether the event comes back.
fn note_outcome(worked: &mut Worked, outcome: Result<Outcome>) -> bool {
    match outcome {
        Ok(Outcome::AlreadyDone) => false,
        Ok(Outcome::TooBig(error, _)) => {
            worked.fatal = Some(error.report());
            true
        }
        Ok(Outcome::Handed(receipt)) => {
            let comes_back = !receipt.status.is_final();
            worked.handed.push(*receipt);
            comes_back
        }
        Err(error) => {
            if !matches!(error.kind(), Kind::Transient | Kind::Conflict) {
                worked.fatal = Some(error.report());
            }
            true
        }
    }
}

/// One run of a committer.
pub(crate) async fn commit(mut committer: Committer) -> End {
    let committed = committer.commit_pending().await;
    End::Committed(committer, committed)
}

/// Lists the bucket, as a sweep does, and tells what is not done.
pub(crate) async fn sweep(node: Arc<Node>) -> End {
    let swept = async {
        let place = Place::open(&node.stores, BUCKET, &node.pond.root)?;
        let objects: Vec<_> = place.list().try_collect().await?;
        let mut open = Vec::new();
        for object in objects {
            let event = Event::from(object);
            if !is_done(&node, &event).await? {
                open.push(event);
            }
        }
        Ok(open)
    };
    End::Swept(swept.await)
}

/// Compacts every table; days up to `now_us` are over.
pub(crate) async fn compact(node: Arc<Node>, now_us: i64) -> End {
    let compacted = async {
        let mut files = 0;
        for table in node.lake.tables().await? {
            let layout = Layout::of(&table, &node.pond.sources);
            let done = compaction::compact(&node.lake, &table, &layout, now_us).await?;
            files += done.map_or(0, |done| done.files_before);
        }
        Ok(files)
    };
    End::Compacted(compacted.await)
}

/// Does some jobs again. They run on threads of their own, so deriving is one step for everybody else; what they come to
/// is swapped in turn with all others.
pub(crate) async fn replay(world: World, process: u32, node: Arc<Node>, condition: String) -> End {
    let replayed = async {
        world.hurry(process, true);
        let selection = replay::select(&node.lake, &node.pond.sources, &condition).await?;
        let derived = selection.derive(&node, &Silent).await?;
        world.hurry(process, false);
        let ledger = Arc::new(Ledger::new(Arc::clone(&node.lake)));
        let mut committer = Committer::new(Arc::clone(&node.lake), ledger).with_clock(node.clock.clone());
        selection.swap(&derived, &mut committer).await?;
        Ok(derived.changed.len())
    };
    End::Replayed(replayed.await)
}

/// Nobody is told.
struct Silent;

impl replay::Progress for Silent {
    fn derived(&self, _done: usize, _all: usize) {}
}

/// Tells whether a future wants to be polled.
#[derive(Debug, Default)]
struct Flag {
    is_set: AtomicBool,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.is_set.store(true, Ordering::SeqCst);
    }
}

/// Something that a process does at the moment.
pub(crate) struct Running {
    pub(crate) process: u32,
    future: Pin<Box<dyn Future<Output = End>>>,
    flag: Arc<Flag>,
}

impl Running {
    pub(crate) fn new(process: u32, future: impl Future<Output = End> + 'static) -> Self {
        let flag = Flag { is_set: AtomicBool::new(true) };
        Self { process, future: Box::pin(future), flag: Arc::new(flag) }
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.flag.is_set.load(Ordering::SeqCst)
    }

    /// Goes on, if it can.
    pub(crate) fn poll(&mut self) -> Option<End> {
        if !self.flag.is_set.swap(false, Ordering::SeqCst) {
            return None;
        }
        let waker = Waker::from(Arc::clone(&self.flag));
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(end) => Some(end),
            Poll::Pending => None,
        }
    }
}
