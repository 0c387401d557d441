//! Fetch: the object's bytes as a reader that counts, times and fingerprints what passes.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use futures::{SinkExt, StreamExt};
use millpond_core::event::Object;
use millpond_core::{Error, Result};
use object_store::{GetOptions, GetResult, GetResultPayload, ObjectStore};

use super::Node;
use crate::store::{Place, version_of};

/// Pieces of a remote object that are read ahead while the job decodes.
const READ_AHEAD: usize = 4;

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

/// Opens an object; its version must be the one that was announced.
///
/// # Errors
/// [`Kind::Conflict`](millpond_core::Kind::Conflict) when the object is gone or has changed since,
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the store does not answer.
pub(super) async fn fetch(node: &Node, place: &Place, object: &Object) -> Result<Input> {
    let path = place.path_of(object)?;
    let found = place.store.get_opts(&path, GetOptions::default()).await.map_err(|error| match error {
        object_store::Error::NotFound { .. } => {
            Error::conflict(format!("`{}` is gone", object.uri)).hint("it was removed after it was announced")
        }
        other => Error::transient(format!("failed to fetch `{}`", object.uri)).because(other),
    })?;
    if version_of(&found.meta) != object.version {
        return Err(Error::conflict(format!("`{}` changed after it was announced", object.uri)));
    }
    Ok(Input { inner: reader(node, found), meter: Meter::default() })
}

fn reader(node: &Node, found: GetResult) -> Box<dyn Read + Send> {
    match found.payload {
        GetResultPayload::File(file, _) => Box::new(file),
        GetResultPayload::Stream(mut pieces) => {
            let (mut sender, receiver) = futures::channel::mpsc::channel(READ_AHEAD);
            // The network runs elsewhere: this job's thread waits for pieces and decodes them.
            node.io.spawn(async move {
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
