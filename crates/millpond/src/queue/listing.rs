//! A listing as a queue: every object of a place once, in the store's order, without holding more than is worked on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{BoxStream, Fuse};
use millpond_core::Result;
use millpond_core::event::Object;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::{Body, Handle, Inventory, Message, Queue};
use crate::committer::documents::{delete, put, read_json};
use crate::lake::Lake;
use crate::store::Place;

/// Objects after which it is written down how far a listing came.
const CHECKPOINT_OBJECTS: usize = 5_000;
/// The version of [`Reached`] as it is written.
const FORMAT: u32 = 1;

/// A listing that is gone through once. What is released is left for another listing.
pub struct ListQueue {
    name: String,
    objects: tokio::sync::Mutex<Fuse<BoxStream<'static, Result<Listed>>>>,
    checkpoint: Option<Checkpoint>,
}

/// An object, and what a listing can go on behind.
pub(super) struct Listed {
    pub(super) object: Object,
    /// The object's address, or where it stands.
    pub(super) mark: String,
}

/// How far a listing came, kept in the lake so that another run goes on from there.
struct Checkpoint {
    lake: Arc<Lake>,
    path: Path,
    url: String,
    walked: Mutex<Walked>,
}

/// What a listing gave, in its order.
#[derive(Default)]
struct Walked {
    next: u64,
    numbers: BTreeMap<String, u64>,
    open: BTreeMap<u64, (String, bool)>,
    /// The mark of the last object before which everything is acknowledged, and how many were since it was written down.
    reached: Option<String>,
    unsaved: usize,
}

/// How far a listing came, as it is written.
#[derive(Debug, Serialize, Deserialize)]
struct Reached {
    format: u32,
    url: String,
    /// The mark of the last object before which everything is acknowledged.
    after: String,
}

impl ListQueue {
    /// The queue of these objects, which people know by `name`.
    pub fn new(name: impl Into<String>, objects: BoxStream<'static, Result<Object>>) -> Self {
        let listed = objects.map(|object| object.map(|object| Listed { mark: object.uri.clone(), object }));
        Self::with(name.into(), listed.boxed(), None)
    }

    fn with(name: String, listed: BoxStream<'static, Result<Listed>>, checkpoint: Option<Checkpoint>) -> Self {
        Self { name, objects: tokio::sync::Mutex::new(listed.fuse()), checkpoint }
    }

    /// The queue of the objects of a place, from where an interrupted run over the same place left off. Local folders
    /// have no order to go on in: they are listed from the start, and the ledger knows what is done.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the lake does not tell how far the last run came.
    pub async fn resumed(place: &Place, lake: Arc<Lake>) -> Result<Self> {
        if place.folder().is_some() {
            return Ok(Self::new(place.url(), place.list()));
        }
        let (checkpoint, after) = Checkpoint::open(lake, place.url()).await?;
        let objects = match &after {
            Some(after) => place.list_after(after),
            None => place.list(),
        };
        Ok(Self { checkpoint: Some(checkpoint), ..Self::new(place.url(), objects) })
    }

    /// The queue of the objects of an inventory, from where an interrupted run over the same one left off.
    ///
    /// # Errors
    /// As [`ListQueue::resumed`].
    pub async fn of_inventory(inventory: Inventory, lake: Arc<Lake>) -> Result<Self> {
        let name = inventory.name();
        let (checkpoint, after) = Checkpoint::open(lake, name.clone()).await?;
        Ok(Self::with(name, inventory.list(after.as_deref()), Some(checkpoint)))
    }
}

impl Checkpoint {
    /// The checkpoint of a listing, and the mark that an interrupted run left.
    async fn open(lake: Arc<Lake>, url: String) -> Result<(Self, Option<String>)> {
        let hash = blake3::hash(url.as_bytes()).to_hex();
        let path = Path::from(format!("_state/listing-{}.json", &hash[..16]));
        let reached: Option<Reached> = read_json(&lake, &path).await?;
        let checkpoint = Self { lake, path, url, walked: Mutex::default() };
        Ok((checkpoint, reached.map(|reached| reached.after)))
    }

    fn walked(&self) -> MutexGuard<'_, Walked> {
        self.walked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down how far the listing came, if that is worth a request.
    async fn save(&self) -> Result<()> {
        let after = {
            let mut walked = self.walked();
            if walked.unsaved < CHECKPOINT_OBJECTS {
                return Ok(());
            }
            walked.unsaved = 0;
            walked.reached.clone()
        };
        match after {
            Some(after) => put(&self.lake, &self.path, &Reached { format: FORMAT, url: self.url.clone(), after }).await,
            None => Ok(()),
        }
    }
}

impl Walked {
    fn give(&mut self, listed: &Listed) {
        self.numbers.insert(listed.object.uri.clone(), self.next);
        self.open.insert(self.next, (listed.mark.clone(), false));
        self.next += 1;
    }

    fn ack(&mut self, uri: &str) {
        if let Some(number) = self.numbers.remove(uri)
            && let Some((_, is_acked)) = self.open.get_mut(&number)
        {
            *is_acked = true;
        }
        while let Some(first) = self.open.first_entry().filter(|first| first.get().1) {
            self.reached = Some(first.remove().0);
            self.unsaved += 1;
        }
    }
}

impl std::fmt::Debug for ListQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListQueue").field("name", &self.name).finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for ListQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn receive(&self, max: usize, _wait: Duration) -> Result<Option<Vec<Message>>> {
        let mut objects = self.objects.lock().await;
        let mut messages = Vec::new();
        while messages.len() < max {
            let Some(listed) = objects.next().await else { break };
            let listed = listed?;
            if let Some(checkpoint) = &self.checkpoint {
                checkpoint.walked().give(&listed);
            }
            messages.push(message(listed.object, 1));
        }
        Ok(if messages.is_empty() && max > 0 { None } else { Some(messages) })
    }

    async fn ack(&self, handles: &[Handle]) -> Result<()> {
        let Some(checkpoint) = &self.checkpoint else { return Ok(()) };
        handles.iter().for_each(|Handle(uri)| checkpoint.walked().ack(uri));
        checkpoint.save().await
    }

    async fn release(&self, _handles: &[Handle], _delay: Duration) -> Result<()> {
        Ok(())
    }

    async fn extend(&self, _handles: &[Handle]) -> Result<()> {
        Ok(())
    }

    fn hold(&self) -> Option<Duration> {
        None
    }

    async fn finish(&self) -> Result<()> {
        match &self.checkpoint {
            Some(checkpoint) => delete(&checkpoint.lake, std::slice::from_ref(&checkpoint.path)).await,
            None => Ok(()),
        }
    }
}

/// The message that an object was listed.
pub(super) fn message(object: Object, deliveries: u32) -> Message {
    Message { handle: Handle(object.uri.clone()), body: Body::Event(object.into()), deliveries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Stores;
    use object_store::ObjectStoreExt;

    async fn place(stores: &Stores, objects: usize) -> Place {
        let store = Arc::new(object_store::memory::InMemory::new());
        for number in 0..objects {
            store.put(&Path::from(format!("logs/{number:06}")), "x".into()).await.expect("put");
        }
        stores.insert("memory://raw/", store);
        stores.insert("memory://lake/", Arc::new(object_store::memory::InMemory::new()));
        Place::open(stores, "memory://raw/logs", std::path::Path::new(".")).expect("place")
    }

    #[tokio::test]
    async fn an_interrupted_listing_goes_on_behind_the_first_object_that_is_not_done() {
        let stores = Stores::default();
        let place = place(&stores, 3 * CHECKPOINT_OBJECTS).await;
        let lake = Arc::new(Lake::open(&stores, "memory://lake/", std::path::Path::new(".")).expect("lake"));
        let queue = ListQueue::resumed(&place, Arc::clone(&lake)).await.expect("queue");
        let messages = queue.receive(2 * CHECKPOINT_OBJECTS, Duration::ZERO).await.expect("receive").expect("more");
        let handles: Vec<Handle> = messages.into_iter().map(|message| message.handle).collect();
        let open = CHECKPOINT_OBJECTS + 7;
        queue.ack(&handles[open + 1..]).await.expect("ack");
        queue.ack(&handles[..open]).await.expect("ack");
        let again = ListQueue::resumed(&place, Arc::clone(&lake)).await.expect("queue");
        let first = again.receive(1, Duration::ZERO).await.expect("receive").expect("more");
        assert_eq!(first[0].handle, handles[open]);
        again.finish().await.expect("finish");
        let anew = ListQueue::resumed(&place, lake).await.expect("queue");
        let first = anew.receive(1, Duration::ZERO).await.expect("receive").expect("more");
        assert_eq!(first[0].handle, handles[0]);
    }
}
