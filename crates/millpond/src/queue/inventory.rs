//! An S3 Inventory as a listing: the objects of a bucket as its files name them, one file after the other, without holding
//! more than is worked on.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use futures::StreamExt;
use futures::stream::BoxStream;
use millpond_core::event::Object;
use millpond_core::format::DecodeRequest;
use millpond_core::inventory::{InventoryFile, Manifest};
use millpond_core::{Error, Result};
use millpond_engine::decode::{Decoder, Summary};
use object_store::ObjectStoreExt;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::listing::Listed;
use crate::pipeline::open_object;
use crate::store::{Place, Stores};

/// Batches of rows that are read ahead.
const BATCHES_AHEAD: usize = 2;

/// Hears which file is read.
pub type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// An inventory whose manifest was read.
pub struct Inventory {
    stores: Stores,
    /// The manifest's address.
    url: String,
    manifest: Manifest,
    /// Where the addresses of wanted objects begin.
    prefix: String,
    tell: Tell,
}

/// A place in an inventory: a file by its number, and rows of it that come before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Position {
    file: usize,
    rows: u64,
}

impl Inventory {
    /// Reads the manifest at `url`, or at a path relative to `folder`. Only objects whose address begins with `prefix`
    /// count, all if there is none; `tell` hears of each file.
    ///
    /// # Errors
    /// [`Kind::BadInput`](millpond_core::Kind::BadInput) when it is no manifest,
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when it cannot be read.
    pub async fn open(
        stores: &Stores,
        url: &str,
        prefix: Option<&str>,
        folder: &std::path::Path,
        tell: Tell,
    ) -> Result<Self> {
        let url = Place::open(stores, url, folder)?.url();
        let (store, path) = stores.locate(&url)?;
        let failed = |error| Error::transient(format!("failed to read `{url}`")).because(error);
        let bytes = match store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(failed)?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(Error::bad_input(format!("there is no manifest at `{url}`")));
            }
            Err(error) => return Err(failed(error)),
        };
        let manifest = Manifest::parse(&bytes)?;
        let prefix = match prefix {
            Some(prefix) => Place::open(stores, prefix, folder)?.url(),
            None => String::new(),
        };
        let bytes: u64 = manifest.files.iter().map(|file| file.size_bytes).sum();
        let (files, bytes) = (manifest.files.len(), millpond_core::units::format_bytes(bytes));
        tell(&format!("the inventory of `{}` has {files} files of {bytes}", manifest.bucket));
        Ok(Self { stores: stores.clone(), url, manifest, prefix, tell })
    }

    /// What the inventory is known by: the manifest's address and what is wanted of it.
    pub(super) fn name(&self) -> String {
        match self.prefix.as_str() {
            "" => self.url.clone(),
            prefix => format!("{} below {prefix}", self.url),
        }
    }

    /// The objects from behind `after` on, which is the mark of one of them.
    pub(super) fn list(self, after: Option<&str>) -> BoxStream<'static, Result<Listed>> {
        let from = after.and_then(|mark| self.position(mark)).unwrap_or_default();
        let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
        let io = Handle::current();
        let reading = tokio::task::spawn_blocking(move || {
            if let Err(error) = self.read(&io, from, &sender) {
                // Nobody listens any more once the run is stopped.
                let _ = sender.blocking_send(Err(error));
            }
        });
        let batches = futures::stream::unfold((receiver, Some(reading)), next_batch);
        let listed = |batch: Result<Vec<Listed>>| match batch {
            Ok(listed) => futures::stream::iter(listed.into_iter().map(Ok)).left_stream(),
            Err(error) => futures::stream::iter([Err(error)]).right_stream(),
        };
        batches.flat_map(listed).boxed()
    }

    /// The position behind the object with this mark, unless the mark is of another inventory.
    fn position(&self, mark: &str) -> Option<Position> {
        let (rows, key) = mark.split_once(' ')?;
        let file = self.manifest.files.iter().position(|file| file.key == key)?;
        Some(Position { file, rows: rows.parse().ok()? })
    }

    /// Reads the files one after the other, as far as somebody takes what they hold.
    fn read(&self, io: &Handle, from: Position, sender: &mpsc::Sender<Result<Vec<Listed>>>) -> Result<()> {
        let count = self.manifest.files.len();
        for (index, file) in self.manifest.files.iter().enumerate().skip(from.file) {
            (self.tell)(&format!("reading file {} of {count} of the inventory: `{}`", index + 1, file.key));
            let skip = if index == from.file { from.rows } else { 0 };
            let uri = self.file_uri(file);
            let failed = |error: Error| Error::new(error.kind(), format!("failed to read `{uri}`")).because(error);
            let bytes = io.block_on(self.open_file(io, &uri, file))?;
            if !self.read_file(file, bytes, skip, sender).map_err(failed)? {
                break;
            }
        }
        Ok(())
    }

    /// Where a file of the inventory lies: on disk beside the manifest's folder, as S3 lays it out.
    fn file_uri(&self, file: &InventoryFile) -> String {
        let mut segments = self.url.rsplitn(3, '/');
        if self.url.starts_with("file://")
            && let Some(folder) = segments.nth(2)
        {
            let name = file.key.rsplit('/').next().unwrap_or_default();
            return format!("{folder}/data/{name}");
        }
        let bucket: Vec<&str> = self.url.splitn(4, '/').take(3).collect();
        format!("{}/{}", bucket.join("/"), file.key)
    }

    async fn open_file(&self, io: &Handle, uri: &str, file: &InventoryFile) -> Result<Box<dyn Read + Send>> {
        let (store, path) = self.stores.locate(uri)?;
        let opened = open_object(io, store, path).await;
        let (meta, bytes) = opened.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Error::bad_input(format!("the inventory's file `{uri}` is gone")),
            error => Error::transient(format!("failed to read `{uri}`")).because(error),
        })?;
        match meta.size == file.size_bytes {
            true => Ok(bytes),
            false => Err(Error::bad_input(format!(
                "`{uri}` has {} bytes, and the manifest says {}",
                meta.size, file.size_bytes
            ))),
        }
    }

    /// Passes on what a file lists behind its first rows; says whether somebody still takes it.
    fn read_file(
        &self,
        file: &InventoryFile,
        bytes: Box<dyn Read + Send>,
        skip: u64,
        sender: &mpsc::Sender<Result<Vec<Listed>>>,
    ) -> Result<bool> {
        let request = DecodeRequest::new(self.manifest.format.clone(), Manifest::columns(), file.key.as_str());
        let mut decoder = Decoder::open(bytes, request)?;
        let mut rows = 0;
        while let Some(batch) = decoder.next_batch()? {
            let (first, behind) = (rows, rows + batch.num_rows() as u64);
            rows = behind;
            let wanted = (skip.saturating_sub(first).min(behind - first) as usize)..batch.num_rows();
            let mut listed = Vec::with_capacity(wanted.len());
            for row in wanted {
                if let Some(object) = self.object(&batch, row)? {
                    listed.push(Listed { object, mark: format!("{} {}", first + row as u64 + 1, file.key) });
                }
            }
            check(decoder.summary())?;
            if sender.blocking_send(Ok(listed)).is_err() {
                return Ok(false);
            }
        }
        check(decoder.summary())?;
        Ok(true)
    }

    /// The object of a row; `None`: it is not wanted, or is none any more.
    fn object(&self, batch: &RecordBatch, row: usize) -> Result<Option<Object>> {
        let read = Row { batch, row };
        if read.flag("is_latest") == Some(false) || read.flag("is_delete_marker") == Some(true) {
            return Ok(None);
        }
        let bucket = read.text("bucket")?;
        let key = self.manifest.key(read.text("key")?)?;
        let size_bytes = read.number::<Int64Type>("size")? as u64;
        let uri = format!("s3://{bucket}/{key}");
        // What consoles put to show a folder holds nothing.
        let is_folder = size_bytes == 0 && key.ends_with('/');
        if is_folder || !uri.starts_with(&self.prefix) {
            return Ok(None);
        }
        Ok(Some(Object {
            uri,
            bucket: Some(bucket.to_owned()),
            key,
            version: read.text("e_tag")?.trim_matches('"').to_owned(),
            size_bytes,
            modified_us: read.number::<TimestampMicrosecondType>("last_modified_date")?,
        }))
    }
}

impl std::fmt::Debug for Inventory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inventory").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The next batch; an error when the reader broke off without one.
async fn next_batch<T>(
    (mut receiver, mut reading): (mpsc::Receiver<Result<T>>, Option<JoinHandle<()>>),
) -> Option<(Result<T>, (mpsc::Receiver<Result<T>>, Option<JoinHandle<()>>))> {
    if let Some(batch) = receiver.recv().await {
        return Some((batch, (receiver, reading)));
    }
    let ended = reading.take()?.await;
    let error = ended.err().map(|error| Error::bug("the reader of an inventory panicked").because(error))?;
    Some((Err(error), (receiver, None)))
}

/// One row of an inventory.
struct Row<'a> {
    batch: &'a RecordBatch,
    row: usize,
}

impl Row<'_> {
    fn column(&self, name: &str) -> Option<&dyn Array> {
        self.batch.column_by_name(name).map(AsRef::as_ref).filter(|column| column.is_valid(self.row))
    }

    fn flag(&self, name: &str) -> Option<bool> {
        Some(self.column(name)?.as_boolean_opt()?.value(self.row))
    }

    fn text(&self, name: &str) -> Result<&str> {
        let column = self.column(name).and_then(|column| column.as_string_opt::<i32>());
        column.map(|column| column.value(self.row)).ok_or_else(|| missing(name))
    }

    fn number<T: arrow::datatypes::ArrowPrimitiveType<Native = i64>>(&self, name: &str) -> Result<i64> {
        let column = self.column(name).and_then(|column| column.as_primitive_opt::<T>());
        column.map(|column| column.value(self.row)).ok_or_else(|| missing(name))
    }
}

/// An error unless everything so far could be read: a row that is passed over is an object that nobody processes. A value
/// that does not fit its column is missed where it is wanted.
fn check(summary: &Summary) -> Result<()> {
    match summary.rejected + summary.damages {
        0 => Ok(()),
        _ => Err(Error::bad_input("the file is damaged, or is not in the format that the manifest says")),
    }
}

fn missing(name: &str) -> Error {
    Error::bad_input(format!("an object of the inventory has no `{name}`"))
}
