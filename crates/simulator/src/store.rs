//! A store in memory as one process sees it: every call waits for its turn, and some go wrong.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::world::{Ended, Fault, Op, World};

/// Objects that one request removes.
const DELETE_CHUNK: usize = 25;

/// A bucket: what is stored, and when and as what in virtual time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bucket {
    pub(crate) objects: InMemory,
    marks: Arc<Mutex<HashMap<Path, Mark>>>,
}

/// What the store tells of an object.
#[derive(Debug, Clone)]
struct Mark {
    written_us: i64,
    e_tag: Option<String>,
}

impl Bucket {
    fn marks(&self) -> MutexGuard<'_, HashMap<Path, Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an object whose tag is that of its content, as S3 does.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes, e_tag: &str, now_us: i64) -> Result<()> {
        let path = Path::from(key);
        self.objects.put(&path, bytes.into()).await?;
        self.marks().insert(path, Mark { written_us: now_us, e_tag: Some(e_tag.to_owned()) });
        Ok(())
    }

    pub(crate) async fn remove(&self, key: &str) -> Result<()> {
        self.objects.delete(&Path::from(key)).await
    }

    /// Every key below a prefix.
    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let prefix = Path::from(prefix);
        self.objects.list(Some(&prefix)).map_ok(|meta| meta.location.to_string()).try_collect().await
    }

    /// The bytes of an object.
    pub(crate) async fn bytes(&self, key: &str) -> Result<Bytes> {
        self.objects.get(&Path::from(key)).await?.bytes().await
    }

    fn told(&self, mut meta: ObjectMeta) -> ObjectMeta {
        if let Some(mark) = self.marks().get(&meta.location) {
            meta.last_modified = DateTime::<Utc>::from_timestamp_micros(mark.written_us).unwrap_or_default();
            meta.e_tag = mark.e_tag.clone().or(meta.e_tag);
        }
        meta
    }
}

/// A bucket as one process sees it.
#[derive(Debug, Clone)]
pub(crate) struct FaultStore {
    /// Whether reads may end early without an error: jobs check the size, and nothing else is read so.
    pub(crate) can_tear: bool,
    pub(crate) bucket: Bucket,
    pub(crate) world: World,
    pub(crate) process: u32,
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simulated store of process {}", self.process)
    }
}

impl FaultStore {
    /// Waits for the call's turn. An error: nothing happened.
    async fn enter(&self, op: Op, path: &str) -> Result<Option<Fault>> {
        match self.world.enter(self.process, op, path).await {
            Ok(Some(Fault::Before)) => Err(error("the connection was reset")),
            Ok(Some(Fault::Throttled)) => Err(error("503 Slow Down")),
            Ok(fault) => Ok(fault),
            Err(Ended) => Err(error("the process has ended")),
        }
    }

    /// What the caller sees of a call that happened.
    async fn leave<T>(&self, fault: Option<Fault>, result: Result<T>) -> Result<T> {
        match fault {
            Some(Fault::After) => result.and_then(|_| Err(error("the time for the answer is over"))),
            Some(Fault::CrashAfter) => {
                self.world.crash(self.process).await;
                result
            }
            _ => result,
        }
    }

    fn mark(&self, path: &Path) {
        let written_us = self.world.now_us();
        self.bucket.marks().insert(path.clone(), Mark { written_us, e_tag: None });
    }
}

fn error(text: &str) -> Error {
    Error::Generic { store: "simulated", source: text.into() }
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let op = if options.mode == PutMode::Create { Op::Create } else { Op::Put };
        let fault = self.enter(op, path.as_ref()).await?;
        let result = self.bucket.objects.put_opts(path, payload, options).await;
        if result.is_ok() {
            self.mark(path);
        }
        if fault == Some(Fault::CreateLost) && result.is_ok() {
            let source = "the first try of this request made it".into();
            return Err(Error::AlreadyExists { path: path.to_string(), source });
        }
        self.leave(fault, result).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let fault = self.enter(Op::Upload, path.as_ref()).await?;
        let inner = self.bucket.objects.put_multipart_opts(path, options).await;
        let inner = self.leave(fault, inner).await?;
        Ok(Box::new(Upload { store: self.clone(), path: path.clone(), inner }))
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let fault = self.enter(Op::Get, path.as_ref()).await?;
        let result = self.bucket.objects.get_opts(path, options).await;
        let mut got = self.leave(fault, result).await?;
        got.meta = self.bucket.told(got.meta);
        match fault {
            Some(Fault::Torn) if self.can_tear => torn(got).await,
            Some(Fault::Torn) => Err(error("the connection was closed")),
            _ => Ok(got),
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let removed = paths.chunks(DELETE_CHUNK).then(move |paths| {
            let store = store.clone();
            async move { store.delete_chunk(paths).await }
        });
        removed.flat_map(futures::stream::iter).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (store, prefix) = (self.clone(), prefix.cloned());
        let listed = async move {
            let name = prefix.as_ref().map(ToString::to_string).unwrap_or_default();
            let fault = match store.enter(Op::List, &name).await {
                Ok(fault) => fault,
                Err(error) => return vec![Err(error)],
            };
            let found: Vec<Result<ObjectMeta>> = store.bucket.objects.list(prefix.as_ref()).collect().await;
            match store.leave(fault, Ok(found)).await {
                Ok(found) => found.into_iter().map(|meta| meta.map(|meta| store.bucket.told(meta))).collect(),
                Err(error) => vec![Err(error)],
            }
        };
        futures::stream::once(listed).flat_map(futures::stream::iter).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let name = prefix.map(ToString::to_string).unwrap_or_default();
        let fault = self.enter(Op::List, &name).await?;
        let listed = self.bucket.objects.list_with_delimiter(prefix).await;
        self.leave(fault, listed).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fault = self.enter(Op::Put, to.as_ref()).await?;
        let copied = self.bucket.objects.copy_opts(from, to, options).await;
        self.leave(fault, copied).await
    }
}

impl FaultStore {
    async fn delete_chunk(&self, paths: Vec<Result<Path>>) -> Vec<Result<Path>> {
        let first = paths.iter().find_map(|path| path.as_ref().ok()).cloned().unwrap_or_default();
        let fault = match self.enter(Op::Delete, first.as_ref()).await {
            Ok(fault) => fault,
            Err(error) => return vec![Err(error)],
        };
        for path in paths.iter().flatten() {
            if let Err(error) = self.bucket.objects.delete(path).await {
                return vec![Err(error)];
            }
        }
        match self.leave(fault, Ok(())).await {
            Ok(()) => paths,
            Err(error) => vec![Err(error)],
        }
    }
}

/// An answer whose bytes end early, without an error.
async fn torn(got: GetResult) -> Result<GetResult> {
    let (meta, range, attributes) = (got.meta.clone(), got.range.clone(), got.attributes.clone());
    let bytes = got.bytes().await?;
    let part = bytes.slice(..bytes.len() / 2);
    let payload = GetResultPayload::Stream(futures::stream::once(async { Ok(part) }).boxed());
    Ok(GetResult { payload, meta, range, attributes })
}

/// A large object in parts: they may all arrive and the last word be lost.
#[derive(Debug)]
struct Upload {
    store: FaultStore,
    path: Path,
    inner: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.inner.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fault = self.store.enter(Op::Put, self.path.as_ref()).await?;
        let result = self.inner.complete().await;
        self.store.mark(&self.path);
        self.store.leave(fault, result).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
