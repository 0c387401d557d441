//! The worker's lanes: what waits is planned, admitted by the bytes that it may use, and promoted when that was too little.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use millpond_core::admission::Admission;
use millpond_core::event::Event;
use millpond_core::lane::Promotion;
use millpond_core::predict::FileSize;
use millpond_core::{Error, Result};

use super::Worker;
use super::guarding::source_of;
use crate::intake::{Intake, Item};
use crate::job_threads::JobThreads;
use crate::pipeline::{Delivery, Node, Outcome, process};
use crate::planner::Grant;
use crate::planner::look::look;
use crate::pond::Pond;
use crate::queue::Message;

/// Stored bytes of an object from which on it is looked at before it is planned. A smaller one fits the smallest lane
/// with any likely compression, and a look costs requests.
const LOOK_BYTES_MIN: u64 = 1 << 20;
/// Objects that are looked at at the same time.
const LOOKS_MAX: usize = 16;

/// A group of jobs that came to its end.
pub(super) struct Ended {
    pub(super) lane: usize,
    /// What it took of the budget.
    pub(super) share_bytes: u64,
    pub(super) items: Vec<Item>,
    pub(super) outcomes: Vec<Result<Outcome>>,
}

impl Worker {
    /// Admission to the pond's lanes, with threads for as many jobs as it lets run.
    pub(super) fn admission(&mut self) -> Result<Admission> {
        let pond = &self.node.pond;
        let jobs_max = jobs_max(pond);
        if self.threads.jobs_max() != jobs_max {
            self.threads = JobThreads::new(jobs_max)?;
        }
        Ok(Admission::new(self.node.planner.lanes(), pond.config.memory_bytes, threads(pond)))
    }

    /// Starts a group of a lane's jobs on a thread of its own.
    pub(super) fn start(&self, items: Vec<Item>, lane: usize, admission: &mut Admission) -> BoxFuture<'static, Ended> {
        let grants = items.iter().filter_map(|item| item.delivery.grant.as_ref());
        let wanted_bytes = grants.map(|grant| grant.memory_bytes).max().unwrap_or(0);
        let share_bytes = admission.share(lane, wanted_bytes);
        admission.begin(lane, share_bytes);
        let node = Arc::clone(&self.node);
        let job = self.threads.handle().spawn_blocking(move || {
            let deliveries: Vec<Delivery> = items.iter().map(|item| item.delivery.clone()).collect();
            let outcomes = node.io.block_on(process(&node, &deliveries, None));
            Ended { lane, share_bytes, items, outcomes }
        });
        async move {
            match job.await {
                Ok(ended) => ended,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        }
        .boxed()
    }

    /// Lets an object wait for a larger lane: the smallest above its own that holds what it seems to need, so that it is
    /// tried once in each lane at most and never in one of the same size.
    pub(super) fn promote(&mut self, intake: &mut Intake, item: Item, error: &Error, promotion: Promotion) {
        let node = Arc::clone(&self.node);
        let (Some(source), Some(before)) = (source_of(&node, &item.delivery.event), item.delivery.grant.clone()) else {
            // Its source went while it ran: it comes back and is routed again.
            return intake.come_back(&item, None);
        };
        let lanes = node.planner.lanes();
        let above = lanes.above(before.position).unwrap_or(lanes.top());
        let position = lanes.for_memory(promotion.needed_bytes).max(above);
        let grant = node.planner.grant(source, position, before.prediction);
        self.summary.promoted += 1;
        self.progress.promoted(&item.delivery.event, &before.lane, &grant.lane, error);
        intake.promote(item, grant, promotion);
    }
}

/// Jobs that a pond runs at a time.
pub(super) fn jobs_max(pond: &Pond) -> usize {
    Admission::jobs_max(&pond.config.lanes(), threads(pond))
}

/// Whether jobs are planned and admitted in the same way.
pub(super) fn is_same(a: &Pond, b: &Pond) -> bool {
    let of = |pond: &Pond| (pond.config.lanes(), pond.config.memory_bytes, pond.config.jobs);
    of(a) == of(b)
}

/// Threads for jobs: as many as there are processors, unless the pond says.
pub(super) fn threads(pond: &Pond) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    pond.config.jobs.map_or(processors, |jobs| jobs as usize).max(1)
}

/// Plans the job of every event.
pub(super) async fn plan(
    node: &Arc<Node>,
    messages: Vec<(Message, Vec<Event>)>,
) -> Vec<(Message, Vec<(Event, Option<Grant>)>)> {
    let (messages, events): (Vec<_>, Vec<_>) = messages.into_iter().unzip();
    let counts: Vec<usize> = events.iter().map(Vec::len).collect();
    let planned = events.into_iter().flatten().map(|event| async {
        let grant = grant(node, &event).await;
        (event, grant)
    });
    let planned: Vec<_> = futures::stream::iter(planned).buffered(LOOKS_MAX).collect().await;
    let mut planned = planned.into_iter();
    let of_message = |count: usize| planned.by_ref().take(count).collect();
    let by_message: Vec<Vec<_>> = counts.into_iter().map(of_message).collect();
    messages.into_iter().zip(by_message).collect()
}

/// What the job of an event may use; `None` where there is no job. An object that cannot be looked at is planned by its
/// stored size: whatever is wrong with it shows when it is fetched.
async fn grant(node: &Node, event: &Event) -> Option<Grant> {
    let source = source_of(node, event)?;
    let prepared = node.pond.prepared(&source.name)?;
    let stored_bytes = event.size_bytes.unwrap_or(LOOK_BYTES_MIN);
    let mut file = FileSize { stored_bytes, decoded_bytes: None };
    if stored_bytes >= LOOK_BYTES_MIN
        && event.size_bytes.is_some()
        && let Ok(looked) = look(&node.stores, prepared, &event.uri, stored_bytes).await
    {
        file = looked.size;
    }
    let prediction = node.planner.predict(prepared, file).await.ok()?;
    let position = node.planner.position(source, &prediction);
    Some(node.planner.grant(source, position, prediction))
}
