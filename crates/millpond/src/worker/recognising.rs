//! Objects that no route takes, or only one that takes everything: a look into them tells the source that they are for.
//!
//! The source is then part of the job's id, as with a route, so the ledger and the committer know what was done. An
//! object of a watched input is looked into once: what the ledger knows of it, under any source, is believed.

use std::collections::BTreeSet;

use millpond_core::config::Input;
use millpond_core::event::Event;
use millpond_core::recognize::RECORDS_LOOKED_AT;
use millpond_core::route::is_open;
use millpond_core::{Error, Result};
use millpond_engine::decode::sample::{Asked, Sample, sample};

use super::Worker;
use crate::pipeline::{is_done, open_object};
use crate::recognize::{Candidates, Recognised};

/// Whose objects are looked into.
#[derive(Debug, Default)]
pub(super) struct LookedInto {
    /// Queues, by name.
    queues: BTreeSet<String>,
    /// Whether a person named the objects: they are looked into each time, and it is told which pack would take them.
    are_named: bool,
}

impl LookedInto {
    /// The objects of a queue, which a person named.
    pub(super) fn named(queue: String) -> Self {
        Self { queues: BTreeSet::from([queue]), are_named: true }
    }
}

impl Worker {
    /// Looks into what the inputs with `recognize` give.
    pub(super) fn look_into_inputs(&mut self) -> Result<()> {
        let places = self.places()?;
        let inputs = self.node.pond.config.inputs.iter().filter_map(|input| match input {
            Input::Place { recognize, .. } => Some(*recognize),
            Input::Queue { .. } => None,
        });
        let queues = places.iter().zip(inputs).filter(|(_, recognize)| *recognize).map(|(place, _)| place.url());
        self.looked_into = LookedInto { queues: queues.collect(), are_named: false };
        Ok(())
    }

    /// The event of a queue, with the source that its object's content tells where that is asked for.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the object cannot be read now.
    pub(super) async fn recognised(&self, queue: &str, event: Event) -> Result<Event> {
        let sources = &self.node.pond.sources;
        if !self.looked_into.queues.contains(queue) || !is_open(sources, &event) {
            return Ok(event);
        }
        if !self.looked_into.are_named
            && let Some(known) = self.known(&event).await?
        {
            return Ok(known);
        }
        let Some(sample) = self.sample(&event.uri).await? else { return Ok(event) };
        let own = Candidates::of_sources(sources).judge(&sample).source;
        if let Some(Recognised { source, confidence, .. }) = own {
            self.progress.note(&format!("`{}`: recognised as {source}, {confidence} %", event.uri));
            return Ok(Event { source: Some(source), ..event });
        }
        if self.looked_into.are_named
            && let Some(pack) = Candidates::shipped()?.judge(&sample).source
        {
            let Recognised { source, confidence, .. } = pack;
            self.progress.note(&format!(
                "`{}`: it looks like {source}, {confidence} %, which the pond lacks\n  hint: `millpond source add {source}`",
                event.uri
            ));
        }
        Ok(event)
    }

    /// The event under the source that has dealt with it, or as it is where it was found that none wants it; `None`: it is
    /// new.
    async fn known(&self, event: &Event) -> Result<Option<Event>> {
        if is_done(&self.node, event).await? {
            return Ok(Some(event.clone()));
        }
        for source in self.node.pond.sources.iter().filter(|source| !source.recognizers.is_empty()) {
            let told = Event { source: Some(source.name.clone()), ..event.clone() };
            if is_done(&self.node, &told).await? {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    /// The first records of an object; `None`: it has none that can be read, or it is gone.
    async fn sample(&self, uri: &str) -> Result<Option<Sample>> {
        let Ok((store, path)) = self.node.stores.locate(uri) else { return Ok(None) };
        let reader = match open_object(&self.node.io, store, path).await {
            Ok((_, reader)) => reader,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(Error::transient(format!("failed to look into `{uri}`")).because(error)),
        };
        let name = uri.to_owned();
        let sampled =
            self.threads.handle().spawn_blocking(move || sample(reader, &name, &Asked::first(RECORDS_LOOKED_AT))).await;
        match sampled {
            Ok(sample) => Ok(sample.ok()),
            Err(error) => {
                self.progress.note(&format!("failed to look into `{uri}`: {error}"));
                Ok(None)
            }
        }
    }
}
