//! The signals over the lake, beside the jobs.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use super::Progress;
use crate::pipeline::Node;
use crate::pond::Pond;
use crate::signals::{self, Choice, Runner};

/// How often a worker that watches and commits looks for windows of signals that are due.
const SIGNALS_INTERVAL: Duration = Duration::from_secs(5);

/// A pond, and when the next of its signals is due: microseconds since 1970 in UTC.
type NextDue = (Arc<Pond>, i64);

/// The signals over the lake, while they run beside the jobs.
#[derive(Default)]
pub(super) struct Background {
    task: Option<tokio::task::JoinHandle<Option<NextDue>>>,
    started: Option<Instant>,
    /// The pond that the signals were last run of, and when the next of them is due.
    next: Option<NextDue>,
}

impl Background {
    /// Starts what is due unless it runs still or was looked at a moment ago.
    pub(super) fn run(&mut self, node: &Arc<Node>, progress: &Arc<dyn Progress>) {
        if self.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let ended = self.task.take().and_then(FutureExt::now_or_never);
        self.next = ended.and_then(|ended| ended.ok().flatten()).or_else(|| self.next.take());
        let is_of_pond = |pond: &Arc<Pond>| Arc::ptr_eq(pond, &node.pond);
        let waits = self.next.as_ref().is_some_and(|(pond, due)| is_of_pond(pond) && node.clock.now_us() < *due);
        if waits || self.started.is_some_and(|started| started.elapsed() < SIGNALS_INTERVAL) {
            return;
        }
        self.started = Some(Instant::now());
        let progress = Arc::clone(progress);
        let pond = Arc::clone(&node.pond);
        let runner = Runner::new(Arc::clone(&node.lake), Arc::clone(&pond), node.clock.clone());
        self.task = Some(tokio::spawn(async move {
            let mut tell = |run: &signals::Run| run.note().iter().for_each(|text| progress.note(text));
            match runner.run_due(&Choice::default(), &mut tell).await {
                Ok(total) => total.next_due_us.map(|next_us| (pond, next_us)),
                Err(error) => {
                    progress.note(&error.report());
                    None
                }
            }
        }));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.task.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
