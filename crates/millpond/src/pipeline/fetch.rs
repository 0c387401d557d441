//! Fetch: the object's bytes as a reader that counts, times and fingerprints what passes.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures::stream::BoxStream;
use futures::{SinkExt, StreamExt};
use millpond_core::event::{Event, Object};
use millpond_core::source::Source;
use millpond_core::{Error, Result};
use object_store::path::Path;
use object_store::{GetOptions, GetResultPayload, ObjectMeta, ObjectStore};
use tokio::task::JoinHandle;

use super::{Delivery, Node, is_done};
use crate::ledger::Question;
use crate::store::version_of;

/// Pieces of a remote object that are read ahead while the job decodes.
const READ_AHEAD: usize = 4;
/// A remote object up to this size is fetched as a whole, while other jobs run.
const WHOLE_BYTES_MAX: u64 = 1 << 20;

/// The bytes of an object.
pub(super) struct Input {
    inner: Box<dyn Read + Send>,
    meter: Meter,
}

/// What has passed so far; shared between the reader and the job.
#[derive(Clone, Default)]
pub(super) struct Meter(Arc<Mutex<Passed>>);

#[derive(Default)]
struct Passed {
    bytes: u64,
    hash: blake3::Hasher,
    waited: Duration,
}

impl Meter {
    fn lock(&self) -> std::sync::MutexGuard<'_, Passed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stored bytes read.
    pub(super) fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// An error unless exactly the announced bytes were read: a transfer that ended early, or a file that is still
    /// written to, must not pass for a whole one.
    ///
    /// # Errors
    /// [`Kind::Conflict`](millpond_core::Kind::Conflict): the object comes back.
    pub(super) fn check_size(&self, object: &Object) -> Result<()> {
        let (read, announced) = (self.bytes(), object.size_bytes);
        if read == announced {
            return Ok(());
        }
        Err(Error::conflict(format!("`{}` gave {read} bytes, announced were {announced}", object.uri)))
    }

    /// Time spent waiting for bytes.
    pub(super) fn waited(&self) -> Duration {
        self.lock().waited
    }

    /// BLAKE3 of the bytes read, in hexadecimal: what `b3sum` prints for the object.
    pub(super) fn fingerprint(&self) -> String {
        self.lock().hash.finalize().to_hex().to_string()
    }
}

impl Input {
    pub(super) fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let started = Instant::now();
        let read = self.inner.read(buffer)?;
        let mut passed = self.meter.lock();
        passed.waited += started.elapsed();
        passed.bytes += read as u64;
        passed.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// A fetch that was begun.
pub(super) enum Begun {
    /// There is nothing to wait for.
    Ended(Fetched),
    /// The store was asked for the object, as far as its event tells of it.
    Asked(Object, JoinHandle<object_store::Result<(ObjectMeta, Body)>>),
}

/// What came of fetching the object of an event.
pub(super) enum Fetched {
    /// It was dealt with before.
    Done,
    /// No source wants it, so nobody asked for it.
    Unwanted(Object),
    /// It is not there any more.
    Gone(Object),
    /// It cannot be asked for.
    Refused(Object, Error),
    /// What its store told of it, and its bytes.
    Object(Object, Input),
}

/// Begins to fetch the object of an event, unless the ledger knows it to be done.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the ledger does not answer.
pub(super) async fn begin(node: &Node, source: Option<&Source>, delivery: &Delivery) -> Result<Begun> {
    let event = &delivery.event;
    if delivery.replaces.is_none() && is_done(node, event).await? {
        return Ok(Begun::Ended(Fetched::Done));
    }
    let announced = announced(node, event);
    if source.is_none() {
        return Ok(Begun::Ended(Fetched::Unwanted(announced)));
    }
    Ok(match node.stores.locate(&event.uri) {
        Ok((store, path)) => Begun::Asked(announced, node.io.spawn(get(store, path))),
        Err(error) => Begun::Ended(Fetched::Refused(announced, error)),
    })
}

/// Waits for the object of an event, as it is now: an object that was written again after it was announced is read once,
/// in its newest content, whichever notice comes first.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not answer,
/// [`Kind::Conflict`](millpond_core::Kind::Conflict) when it gives the announced version in another size.
pub(super) async fn end(node: &Node, source: Option<&Source>, delivery: &Delivery, begun: Begun) -> Result<Fetched> {
    let (announced, asked) = match begun {
        Begun::Ended(fetched) => return Ok(fetched),
        Begun::Asked(announced, asked) => (announced, asked),
    };
    let event = &delivery.event;
    let got = asked.await;
    let got = got.map_err(|error| Error::bug(format!("the fetch of `{}` panicked", event.uri)).because(error))?;
    let (meta, body) = match got {
        Ok(got) => got,
        Err(object_store::Error::NotFound { .. }) => {
            // A replay does again what was done, and wants to hear of it.
            let is_known = delivery.replaces.is_none() && is_known_gone(node, source, &announced).await?;
            return Ok(if is_known { Fetched::Done } else { Fetched::Gone(announced) });
        }
        Err(error) => return Err(Error::transient(format!("failed to fetch `{}`", event.uri)).because(error)),
    };
    let version = version_of(&meta);
    let is_announced = event.version.as_ref() == Some(&version);
    if is_announced && event.size_bytes.is_some_and(|bytes| bytes != meta.size) {
        let (told, announced) = (meta.size, announced.size_bytes);
        return Err(Error::conflict(format!("`{}` gave {told} bytes, announced were {announced}", event.uri)));
    }
    let modified_us = meta.last_modified.timestamp_micros();
    let object = Object { version, size_bytes: meta.size, modified_us, ..announced };
    if !is_announced && delivery.replaces.is_some() {
        return Err(Error::conflict(format!("`{}` was written again since it was processed", event.uri)));
    }
    let found = || Event { source: event.source.clone(), ..object.clone().into() };
    if !is_announced && is_done(node, &found()).await? {
        return Ok(Fetched::Done);
    }
    Ok(Fetched::Object(object, Input { inner: reader(&node.io, body), meter: Meter::default() }))
}

/// The object of a job from its start once more.
///
/// # Errors
/// [`Kind::Conflict`](millpond_core::Kind::Conflict) when it is not what it was any more: its event comes back;
/// [`Kind::Transient`](millpond_core::Kind::Transient) when its store does not answer.
pub(super) async fn again(node: &Node, object: &Object) -> Result<Input> {
    let uri = &object.uri;
    let (store, path) = node.stores.locate(uri)?;
    let got = node.io.spawn(get(store, path)).await;
    let got = got.map_err(|error| Error::bug(format!("the fetch of `{uri}` panicked")).because(error))?;
    match got {
        Ok((meta, body)) if version_of(&meta) == object.version && meta.size == object.size_bytes => {
            Ok(Input { inner: reader(&node.io, body), meter: Meter::default() })
        }
        Ok(_) => Err(Error::conflict(format!("`{uri}` was written again while it was processed"))),
        Err(object_store::Error::NotFound { .. }) => {
            Err(Error::conflict(format!("`{uri}` was deleted while it was processed")))
        }
        Err(error) => Err(Error::transient(format!("failed to fetch `{uri}` again")).because(error)),
    }
}

/// Whether the ledger says that an object was gone before.
async fn is_known_gone(node: &Node, source: Option<&Source>, object: &Object) -> Result<bool> {
    let Some(ledger) = &node.ledger else { return Ok(false) };
    let source = source.map_or("", |source| &source.name);
    let Object { uri, version, modified_us, .. } = object;
    Ok(ledger.gone(Question { uri, version, source, modified_us: *modified_us }).await?.is_some())
}

/// An object as far as its event tells.
fn announced(node: &Node, event: &Event) -> Object {
    Object {
        uri: event.uri.clone(),
        bucket: event.bucket.clone(),
        key: event.key.clone(),
        version: event.version.clone().unwrap_or_default(),
        size_bytes: event.size_bytes.unwrap_or(0),
        modified_us: event.time_us.unwrap_or_else(|| node.clock.now_us()),
    }
}

/// The bytes of an object, as far as they are here.
pub(super) enum Body {
    File(std::fs::File),
    Whole(Bytes),
    Pieces(BoxStream<'static, object_store::Result<Bytes>>),
}

async fn get(store: Arc<dyn ObjectStore>, path: Path) -> object_store::Result<(ObjectMeta, Body)> {
    let got = store.get_opts(&path, GetOptions::default()).await?;
    let meta = got.meta.clone();
    let body = match got.payload {
        GetResultPayload::File(file, _) => Body::File(file),
        GetResultPayload::Stream(_) if meta.size <= WHOLE_BYTES_MAX => Body::Whole(got.bytes().await?),
        GetResultPayload::Stream(pieces) => Body::Pieces(pieces),
    };
    Ok((meta, body))
}

/// What the store tells of an object, and its bytes as a reader that may block its thread.
///
/// # Errors
/// The store's, as they are.
pub(crate) async fn open_object(
    io: &tokio::runtime::Handle,
    store: Arc<dyn ObjectStore>,
    path: Path,
) -> object_store::Result<(ObjectMeta, Box<dyn Read + Send>)> {
    let (meta, body) = get(store, path).await?;
    Ok((meta, reader(io, body)))
}

fn reader(io: &tokio::runtime::Handle, body: Body) -> Box<dyn Read + Send> {
    match body {
        Body::File(file) => Box::new(file),
        Body::Whole(bytes) => Box::new(bytes.reader()),
        Body::Pieces(mut pieces) => {
            let (mut sender, receiver) = futures::channel::mpsc::channel(READ_AHEAD);
            // The network runs elsewhere: this job's thread waits for pieces and decodes them.
            io.spawn(async move {
                while let Some(piece) = pieces.next().await {
                    if sender.send(piece).await.is_err() {
                        return;
                    }
                }
            });
            Box::new(Pieces { receiver, piece: Bytes::new() })
        }
    }
}

/// A reader over pieces that another task fetches.
struct Pieces {
    receiver: futures::channel::mpsc::Receiver<object_store::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match futures::executor::block_on(self.receiver.next()) {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
