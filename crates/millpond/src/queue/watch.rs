//! A place that is watched: swept again and again and, for a local folder, told of by the system as files are closed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use millpond_core::Result;
use millpond_core::event::Object;
use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::listing::message;
use super::{Handle, Message, Queue};
use crate::clock::Clock;
use crate::store::Place;

/// A local file that was written this recently may still be written to; a sweep leaves it to the next one.
const SETTLE: Duration = Duration::from_secs(1);
/// Objects that are remembered as dealt with, so that a sweep does not tell of them before they are committed.
const HANDED_MAX: usize = 100_000;

/// A place where objects appear. An object comes again with every sweep until it is acknowledged, and again once this
/// queue has forgotten it: the ledger knows better.
pub struct WatchQueue {
    name: String,
    place: Place,
    poll: Duration,
    clock: Clock,
    source: Mutex<Source>,
    book: std::sync::Mutex<Book>,
    /// Tells of files as they are closed; `None` where the system does not.
    _watcher: Option<RecommendedWatcher>,
}

/// Where objects are told of.
struct Source {
    sweep: Option<BoxStream<'static, Result<Object>>>,
    next_sweep: Instant,
    closed: UnboundedReceiver<PathBuf>,
}

/// What became of the objects told of, by address.
#[derive(Debug, Default)]
struct Book {
    /// Versions of those that are worked on.
    held: HashMap<String, String>,
    released: HashMap<String, Released>,
    /// Versions of those that are dealt with.
    handed: HashMap<String, String>,
}

/// An object that comes back.
#[derive(Debug)]
struct Released {
    not_before: Instant,
    deliveries: u32,
}

impl WatchQueue {
    /// Watches a place; it is swept every `poll`.
    pub fn new(place: Place, poll: Duration, clock: Clock) -> Self {
        let (sender, closed) = unbounded_channel();
        let watcher = place.folder().and_then(|folder| watcher(folder, sender));
        let source = Mutex::new(Source { sweep: None, next_sweep: Instant::now(), closed });
        Self { name: place.url(), place, poll, clock, source, book: Default::default(), _watcher: watcher }
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether a file was left alone long enough to be whole.
    fn is_settled(&self, object: &Object) -> bool {
        let age_us = self.clock.now_us() - object.modified_us;
        self.place.folder().is_none() || age_us >= SETTLE.as_micros() as i64
    }

    /// What a sweep or the system tells next; `None`: nothing until the next sweep or call.
    async fn next(&self, source: &mut Source, until: Instant) -> Result<Option<Object>> {
        loop {
            if let Some(sweep) = &mut source.sweep {
                match sweep.next().await {
                    Some(object) => {
                        let object = object.inspect_err(|_| source.sweep = None)?;
                        if self.is_settled(&object) {
                            return Ok(Some(object));
                        }
                        continue;
                    }
                    None => source.sweep = None,
                }
            }
            tokio::select! {
                biased;
                Some(path) = source.closed.recv() => {
                    if let Some(object) = self.place.object_at(&path).await {
                        return Ok(Some(object));
                    }
                }
                () = tokio::time::sleep_until(source.next_sweep), if source.next_sweep <= until => {
                    source.next_sweep = Instant::now() + self.poll;
                    source.sweep = Some(self.place.list());
                }
                () = tokio::time::sleep_until(until) => return Ok(None),
            }
        }
    }
}

/// Tells of every file below a folder that is closed after writing, or moved there.
fn watcher(folder: PathBuf, sender: UnboundedSender<PathBuf>) -> Option<RecommendedWatcher> {
    let told = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let is_whole = matches!(
            event.kind,
            EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
        );
        if is_whole && let Some(path) = event.paths.last() {
            // Nobody listens any more once the queue is gone.
            let _ = sender.send(path.clone());
        }
    };
    let mut watcher = notify::recommended_watcher(told).ok()?;
    watcher.watch(&folder, RecursiveMode::Recursive).ok()?;
    Some(watcher)
}

impl Book {
    /// Whether an object is to be told of now.
    fn is_due(&self, object: &Object) -> bool {
        !self.held.contains_key(&object.uri)
            && self.handed.get(&object.uri) != Some(&object.version)
            && self.released.get(&object.uri).is_none_or(|released| Instant::now() >= released.not_before)
    }

    fn hold(&mut self, object: Object) -> Message {
        let deliveries = self.released.get(&object.uri).map_or(1, |released| released.deliveries + 1);
        self.held.insert(object.uri.clone(), object.version.clone());
        message(object, deliveries)
    }

    fn ack(&mut self, uri: &str) {
        self.released.remove(uri);
        if let Some((uri, version)) = self.held.remove_entry(uri) {
            if self.handed.len() >= HANDED_MAX {
                self.handed.clear();
            }
            self.handed.insert(uri, version);
        }
    }

    fn release(&mut self, uri: &str, delay: Duration) {
        if self.held.remove(uri).is_none() {
            return;
        }
        let deliveries = self.released.get(uri).map_or(1, |released| released.deliveries + 1);
        self.released.insert(uri.to_owned(), Released { not_before: Instant::now() + delay, deliveries });
    }
}

impl std::fmt::Debug for WatchQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchQueue").field("name", &self.name).field("book", &self.book()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Queue for WatchQueue {
    fn name(&self) -> &str {
        &self.name
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Option<Vec<Message>>> {
        let mut source = self.source.lock().await;
        let until = Instant::now() + wait;
        let mut messages = Vec::new();
        while messages.len() < max {
            // Only the first is waited for.
            let until = if messages.is_empty() { until } else { Instant::now() };
            match self.next(&mut source, until).await {
                Ok(Some(object)) => {
                    let mut book = self.book();
                    if book.is_due(&object) {
                        messages.push(book.hold(object));
                    }
                }
                Ok(None) => break,
                Err(error) if messages.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(Some(messages))
    }

    async fn ack(&self, handles: &[Handle]) -> Result<()> {
        let mut book = self.book();
        handles.iter().for_each(|Handle(uri)| book.ack(uri));
        Ok(())
    }

    async fn release(&self, handles: &[Handle], delay: Duration) -> Result<()> {
        let mut book = self.book();
        handles.iter().for_each(|Handle(uri)| book.release(uri, delay));
        Ok(())
    }

    async fn extend(&self, _handles: &[Handle]) -> Result<()> {
        Ok(())
    }

    fn tell_again(&self) {
        self.book().handed.clear();
    }

    fn hold(&self) -> Option<Duration> {
        None
    }
}
