//! Sources that fail again and again, or have spent their budget, are left alone for a while.

use std::sync::Arc;
use std::time::Duration;

use millpond_core::event::Event;
use millpond_core::guard::{Pause, Spent};
use millpond_core::receipt::Receipt;
use millpond_core::route;
use millpond_core::source::Source;

use super::{Worker, lanes};
use crate::intake::{Intake, Item};
use crate::pipeline::{Node, signal_pause};

impl Worker {
    /// The next group of a lane's events, but for those of sources that are left alone: they come back.
    pub(super) async fn guarded(&mut self, intake: &mut Intake, lane: usize) -> Vec<Item> {
        let node = Arc::clone(&self.node);
        let mut group = Vec::new();
        let files_max = self.node.pond.config.group_files as usize;
        for item in intake.next_group(lane, lanes::threads(&self.node.pond), files_max) {
            let source = source_of(&node, &item.delivery.event);
            let now_us = node.clock.now_us();
            let pause =
                source.and_then(|source| Some((source, self.guard.check(&source.name, &source.budget, now_us)?)));
            match pause {
                None => group.push(item),
                Some((source, pause)) => {
                    if pause.begins {
                        self.tell_pause(source, &pause, None).await;
                    }
                    self.summary.postponed += 1;
                    intake.come_back(&item, Some(Duration::from_micros(pause.us as u64)));
                }
            }
        }
        group
    }

    /// Tells the guard what a job of a source cost, and whether it failed by its fault.
    pub(super) async fn tell_guard(&mut self, event: &Event, spent: &Spent, failure: Option<&str>) {
        let node = Arc::clone(&self.node);
        let Some(source) = source_of(&node, event) else { return };
        let now_us = node.clock.now_us();
        if let Some(pause) = self.guard.note(&source.name, &source.budget, spent, failure.is_some(), now_us) {
            self.tell_pause(source, &pause, failure).await;
        }
    }

    /// Tells that a source is left alone from now on: here, and as a row of `signals`.
    async fn tell_pause(&mut self, source: &Source, pause: &Pause, failure: Option<&str>) {
        let seconds = pause.us / 1_000_000;
        let why = match failure {
            Some(failure) => format!("fails again and again and is left alone for {seconds} s: {failure}"),
            None => format!("has spent its `{}` of this hour and is left alone for {seconds} s", pause.cause),
        };
        self.progress.note(&format!("source `{}` {why}", source.name));
        match signal_pause(&self.node, source, pause, failure).await {
            Ok(()) => self.uncommitted += 1,
            Err(error) => self.progress.note(&error.report()),
        }
    }
}

/// The source that takes an event.
pub(super) fn source_of<'a>(node: &'a Node, event: &Event) -> Option<&'a Source> {
    route::source_of(&node.pond.sources, event)
}

/// What a job cost.
pub(super) fn spent(receipt: &Receipt) -> Spent {
    let us = receipt.timings.total_us;
    Spent {
        attempts: 1,
        bytes: receipt.bytes_in,
        us,
        puts: receipt.outputs.len() as u64,
        memory_byte_us: receipt.resources.memory_limit_bytes as f64 * us as f64,
    }
}
