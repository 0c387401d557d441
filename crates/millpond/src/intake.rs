//! Messages on their way: what they announce, what became of it, and when they are acknowledged.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use millpond_core::event::Event;
use millpond_core::lane::Promotion;
use millpond_core::notice::{self, Problem};
use millpond_core::receipt::Receipt;
use millpond_core::{Error, Result};
use tokio::time::Instant;

use crate::pipeline::Delivery;
use crate::planner::Grant;
use crate::queue::{Body, Handle, Message, Queue};
use crate::traces::{self, Traced};

/// Wait before the second try of a message, doubled with each further one.
const BACKOFF: Duration = Duration::from_secs(5);
/// The longest wait before another try.
const BACKOFF_MAX: Duration = Duration::from_secs(600);
/// Stored bytes of the files that share a pending commit.
const GROUP_BYTES_MAX: u64 = 8 << 20;

/// One event of a message.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) delivery: Delivery,
    message: u64,
}

impl Item {
    /// The position of its lane; the smallest where no job is needed.
    fn lane(&self) -> usize {
        self.delivery.grant.as_ref().map_or(0, |grant| grant.position)
    }

    /// What its job may use.
    fn memory_bytes(&self) -> u64 {
        self.delivery.grant.as_ref().map_or(0, |grant| grant.memory_bytes)
    }
}

/// A message of which not everything has come to an end.
struct Open {
    queue: usize,
    handle: Handle,
    left: usize,
    /// The jobs that it led to.
    jobs: Vec<Traced>,
    /// When it comes back, if not all of it came to an end.
    comes_back: Option<Duration>,
}

/// The messages that were received and not yet acknowledged, and the events that wait for a job.
pub(crate) struct Intake {
    pub(crate) queues: Vec<Arc<dyn Queue>>,
    /// By lane.
    waiting: Vec<VecDeque<Item>>,
    open: HashMap<u64, Open>,
    next: u64,
    acks: Vec<Vec<Handle>>,
    acked_jobs: Vec<Traced>,
    releases: Vec<Vec<(Handle, Duration)>>,
    extended: Instant,
}

/// What a message says.
pub(crate) struct Read {
    pub(crate) events: Vec<Event>,
    /// What nobody understands, for quarantine.
    pub(crate) problems: Vec<Problem>,
}

/// Reads a message.
pub(crate) fn read(body: &Body) -> Read {
    match body {
        Body::Event(event) => Read { events: vec![event.clone()], problems: Vec::new() },
        Body::Text(text) => {
            let notice = notice::parse(text.as_bytes());
            Read { events: notice.appeared.into_iter().map(Event::from).collect(), problems: notice.problems }
        }
    }
}

impl Intake {
    /// Nothing was received yet; `lanes` is how many lanes events wait in.
    pub(crate) fn new(queues: Vec<Arc<dyn Queue>>, lanes: usize) -> Self {
        let count = queues.len();
        Self {
            queues,
            waiting: (0..lanes.max(1)).map(|_| VecDeque::new()).collect(),
            open: HashMap::new(),
            next: 0,
            acks: vec![Vec::new(); count],
            acked_jobs: Vec::new(),
            releases: vec![Vec::new(); count],
            extended: Instant::now(),
        }
    }

    /// Events that wait for a job.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }

    /// What the next job of each lane wants of the budget, where one waits.
    pub(crate) fn wanted(&self) -> Vec<Option<u64>> {
        self.waiting.iter().map(|lane| lane.front().map(Item::memory_bytes)).collect()
    }

    /// Takes in a message of which these events are still to be dealt with; with none it is acknowledged.
    pub(crate) fn take(&mut self, queue: usize, message: Message, events: Vec<(Event, Option<Grant>)>) {
        let Message { handle, deliveries, .. } = message;
        if events.is_empty() {
            self.acks[queue].push(handle);
            return;
        }
        self.next += 1;
        self.open.insert(self.next, Open { queue, handle, left: events.len(), jobs: Vec::new(), comes_back: None });
        let message = self.next;
        for (event, grant) in events {
            self.wait(Item { delivery: Delivery { grant, ..Delivery::new(event, deliveries) }, message });
        }
    }

    /// Lets an event wait in the lane that it was granted.
    fn wait(&mut self, item: Item) {
        let lane = item.lane().min(self.waiting.len() - 1);
        self.waiting[lane].push_back(item);
    }

    /// Lets an event wait again, for a job with more memory.
    pub(crate) fn promote(&mut self, item: Item, grant: Grant, promotion: Promotion) {
        let Item { mut delivery, message } = item;
        delivery.promotions.push(promotion);
        delivery.grant = Some(grant);
        self.wait(Item { delivery, message });
    }

    /// A message that could not be dealt with now.
    pub(crate) fn put_back(&mut self, queue: usize, message: Message) {
        let delay = backoff(message.deliveries);
        self.releases[queue].push((message.handle, delay));
    }

    /// The next events of a lane that share a pending commit, at most `files_max`, when there are `workers` to share the
    /// work: a large file alone, and one that wants more memory than the first.
    pub(crate) fn next_group(&mut self, lane: usize, workers: usize, files_max: usize) -> Vec<Item> {
        let Some(waiting) = self.waiting.get_mut(lane) else { return Vec::new() };
        let share = waiting.len().div_ceil(workers.max(1)).min(files_max);
        let memory_bytes = waiting.front().map_or(0, Item::memory_bytes);
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some(item) = waiting.front() {
            // An object of unknown size may be large.
            bytes += item.delivery.event.size_bytes.unwrap_or(GROUP_BYTES_MAX);
            let is_full = group.len() >= share || bytes > GROUP_BYTES_MAX || item.memory_bytes() > memory_bytes;
            if !group.is_empty() && is_full {
                break;
            }
            group.extend(waiting.pop_front());
        }
        group
    }

    /// Notes the job that an event led to.
    pub(crate) fn note_job(&mut self, item: &Item, receipt: &Receipt) {
        if traces::active().is_some()
            && let Some(open) = self.open.get_mut(&item.message)
        {
            open.jobs.push(Traced::of(receipt));
        }
    }

    /// Notes that an event came to its end.
    pub(crate) fn end(&mut self, item: &Item) {
        self.close(item, None);
    }

    /// Notes that an event has to come back, some time after it was tried or when a pause is over.
    pub(crate) fn come_back(&mut self, item: &Item, pause: Option<Duration>) {
        self.close(item, Some(pause.unwrap_or_else(|| backoff(item.delivery.number))));
    }

    fn close(&mut self, item: &Item, comes_back: Option<Duration>) {
        let Some(open) = self.open.get_mut(&item.message) else { return };
        open.left -= 1;
        open.comes_back = open.comes_back.max(comes_back);
        if open.left > 0 {
            return;
        }
        if let Some(open) = self.open.remove(&item.message) {
            match open.comes_back {
                None => {
                    self.acks[open.queue].push(open.handle);
                    self.acked_jobs.extend(open.jobs);
                }
                Some(delay) => self.releases[open.queue].push((open.handle, delay)),
            }
        }
    }

    /// Gives back what waits, so that another worker can take it at once.
    pub(crate) fn give_up_waiting(&mut self) -> usize {
        let waiting: Vec<Item> = self.waiting.iter_mut().flat_map(|lane| lane.drain(..)).collect();
        for item in &waiting {
            if let Some(open) = self.open.remove(&item.message) {
                self.releases[open.queue].push((open.handle, Duration::ZERO));
            }
        }
        waiting.len()
    }

    /// Tells the queues what was acknowledged and released since the last call, and that the rest is worked on.
    ///
    /// # Errors
    /// The first error of a queue; what it concerns comes back by itself and is found to be done.
    pub(crate) async fn tell(&mut self) -> Result<()> {
        let started = std::time::Instant::now();
        let mut first: Option<Error> = None;
        let is_beat = self.beat();
        for (index, queue) in self.queues.iter().enumerate() {
            let acks = std::mem::take(&mut self.acks[index]);
            if !acks.is_empty() {
                first = queue.ack(&acks).await.err().or(first);
            }
            let mut by_delay: HashMap<Duration, Vec<Handle>> = HashMap::new();
            for (handle, delay) in std::mem::take(&mut self.releases[index]) {
                by_delay.entry(delay).or_default().push(handle);
            }
            for (delay, handles) in by_delay {
                first = queue.release(&handles, delay).await.err().or(first);
            }
            if is_beat && queue.hold().is_some() {
                let of_queue = self.open.values().filter(|open| open.queue == index);
                let handles: Vec<Handle> = of_queue.map(|open| open.handle.clone()).collect();
                if !handles.is_empty() {
                    first = queue.extend(&handles).await.err().or(first);
                }
            }
        }
        traces::acknowledged(self.acked_jobs.drain(..), started);
        first.map_or(Ok(()), Err)
    }

    /// Whether a third of the shortest hold is over since the messages were last extended.
    fn beat(&mut self) -> bool {
        let Some(hold) = self.queues.iter().filter_map(|queue| queue.hold()).min() else { return false };
        let is_due = self.extended.elapsed() >= hold / 3;
        if is_due {
            self.extended = Instant::now();
        }
        is_due
    }
}

fn backoff(deliveries: u32) -> Duration {
    BACKOFF.saturating_mul(1 << deliveries.saturating_sub(1).min(10)).min(BACKOFF_MAX)
}
