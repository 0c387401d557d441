//! The inputs of a pond, and the pond itself when it is to be read again.

use std::sync::Arc;
use std::time::Duration;

use millpond_core::config::Input;
use millpond_core::{Error, Result};

use super::{COMMIT_INTERVAL, Worker, lanes};
use crate::freshness::Stale;
use crate::pipeline::Node;
use crate::pond::Pond;
use crate::queue::{Queue, SqsQueue, WatchQueue};
use crate::store::{Place, Stores};

/// What is other in a pond that was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reload {
    /// Nothing that tells what is wanted, or it is wrong and the last good one stays.
    Same,
    /// Sources, or what they use: what nobody wanted may be wanted now.
    Sources,
    /// The inputs or the lanes, and perhaps the sources.
    Inputs,
}

impl Worker {
    /// The inputs as they are now, to be watched.
    pub(super) async fn watched(&mut self, events: &Option<Arc<dyn Queue>>) -> Result<Vec<Arc<dyn Queue>>> {
        self.look_into_inputs()?;
        let poll = |url: &str| {
            let polls = self.node.pond.config.inputs.iter().filter_map(|input| match input {
                Input::Place { url: known, poll_ms, .. } if known == url => Some(Duration::from_millis(*poll_ms)),
                _ => None,
            });
            polls.min().unwrap_or(COMMIT_INTERVAL)
        };
        let mut queues: Vec<Arc<dyn Queue>> = Vec::new();
        for (place, url) in self.places()?.into_iter().zip(self.node.pond.config.place_urls()) {
            queues.push(Arc::new(WatchQueue::new(place, poll(url), self.node.clock.clone())));
        }
        queues.extend(self.queues().await?);
        queues.extend(events.clone());
        inputs(queues)
    }

    pub(super) fn places(&self) -> Result<Vec<Place>> {
        places(&self.node.pond, &self.node.stores)
    }

    pub(super) async fn queues(&self) -> Result<Vec<Arc<dyn Queue>>> {
        let mut queues: Vec<Arc<dyn Queue>> = Vec::new();
        for input in &self.node.pond.config.inputs {
            if let Input::Queue { url } = input {
                queues.push(Arc::new(SqsQueue::open(url).await?));
            }
        }
        Ok(queues)
    }

    /// Reads the pond again if a file of it changed or a table is to be refreshed.
    pub(super) async fn reload(&mut self) -> Reload {
        let pond = &self.node.pond;
        let Some(stale) = self.freshness.stale(&pond.root, Some(&pond.config), self.node.clock.now_us()) else {
            return Reload::Same;
        };
        let loaded = async {
            let pond = Pond::load(&self.node.pond.root).await?;
            pond.open_lake(&self.node.stores).await?;
            places(&pond, &self.node.stores)?;
            Ok::<_, Error>(pond)
        };
        match loaded.await {
            Ok(pond) => {
                let has_inputs = pond.config.inputs == self.node.pond.config.inputs;
                // What waits was planned for the lanes as they were.
                let has_lanes = lanes::is_same(&pond, &self.node.pond);
                let planner = Arc::new(self.node.planner.for_pond(&pond));
                self.node = Arc::new(Node { pond: Arc::new(pond), planner, ..Node::clone(&self.node) });
                self.progress.note(match stale {
                    Stale::Files => "the pond changed and was read again",
                    Stale::Tables => "the tables that are joined were read again",
                });
                match stale {
                    Stale::Tables => Reload::Same,
                    Stale::Files if has_inputs && has_lanes => Reload::Sources,
                    Stale::Files => Reload::Inputs,
                }
            }
            Err(error) => {
                self.freshness.note_failure();
                let what = match stale {
                    Stale::Files => "the pond changed and is wrong",
                    Stale::Tables => "failed to read the tables that are joined again",
                };
                self.progress.note(&format!("{what}; the last good one stays\n{}", error.report()));
                Reload::Same
            }
        }
    }
}

/// The folders and prefixes that a pond's inputs name.
///
/// # Errors
/// [`Kind::BadConfig`] when one of them cannot be opened, or lies in the lake, or the lake in it.
fn places(pond: &Pond, stores: &Stores) -> Result<Vec<Place>> {
    let folder_of = |place: &Place| format!("{}/", place.url().trim_end_matches('/'));
    let lake = folder_of(&Place::open(stores, &pond.config.lake, &pond.root)?);
    let places = pond.config.place_urls().map(|url| Place::open(stores, url, &pond.root));
    let places = places.collect::<Result<Vec<_>>>()?;
    for place in &places {
        let input = folder_of(place);
        if lake.starts_with(&input) || input.starts_with(&lake) {
            return Err(Error::bad_config(format!("the lake `{lake}` and the input `{input}` lie in each other"))
                .hint("what millpond writes would be read again: give each a folder of its own"));
        }
    }
    Ok(places)
}

/// The queues; an error when there is none.
pub(super) fn inputs(queues: Vec<Arc<dyn Queue>>) -> Result<Vec<Arc<dyn Queue>>> {
    match queues.is_empty() {
        false => Ok(queues),
        true => Err(Error::bad_config("the pond has no input")
            .hint("add `[[input]]` with `url = \"inbox\"` to `millpond.toml`, or name files: `millpond run FILE…`")),
    }
}
