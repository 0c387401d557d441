//! A store at which a future is dropped: at the n-th call, before it does anything or after it did all. Whatever still
//! runs in other threads meets a store that does not answer.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

/// No call is stopped.
const NEVER: u64 = u64::MAX;

/// A store whose calls may stop.
#[derive(Debug)]
pub(crate) struct Stopping {
    inner: Arc<dyn ObjectStore>,
    stops: Stops,
}

/// Says at which call it stops.
#[derive(Debug, Clone)]
pub(crate) struct Stops(Arc<State>);

#[derive(Debug)]
struct State {
    /// Points that are still passed. Each call has two: before and after.
    left: AtomicU64,
    is_over: AtomicBool,
    reached: Notify,
}

impl Stopping {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> (Self, Stops) {
        let stops = Stops(Arc::new(State {
            left: AtomicU64::new(NEVER),
            is_over: AtomicBool::new(false),
            reached: Notify::new(),
        }));
        (Self { inner, stops: stops.clone() }, stops)
    }

    async fn around<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.stops.point()?;
        let done = call.await;
        self.stops.point()?;
        done
    }
}

impl Stops {
    /// Drops the future when it has passed so many points; `None`: it was dropped.
    pub(crate) async fn run<T>(&self, points: u64, future: impl Future<Output = T>) -> Option<T> {
        self.0.is_over.store(false, Ordering::SeqCst);
        self.0.left.store(points, Ordering::SeqCst);
        let ended = tokio::select! {
            biased;
            () = self.0.reached.notified() => None,
            ended = future => Some(ended),
        };
        self.0.left.store(NEVER, Ordering::SeqCst);
        ended.filter(|_| !self.0.is_over.load(Ordering::SeqCst))
    }

    fn point(&self) -> Result<()> {
        let passed = self.0.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| match left {
            NEVER => Some(NEVER),
            left => left.checked_sub(1),
        });
        passed.map(|_| ()).map_err(|_| {
            self.0.is_over.store(true, Ordering::SeqCst);
            self.0.reached.notify_waiters();
            object_store::Error::Generic { store: "stopping", source: "the process has ended".into() }
        })
    }
}

impl fmt::Display for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopping {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Stopping {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.around(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.around(self.inner.put_multipart_opts(location, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.around(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let stops = self.stops.clone();
        let deleted = self.inner.delete_stream(locations);
        deleted
            .map(move |deleted| {
                stops.point()?;
                deleted
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (stops, listed) = (self.stops.clone(), self.inner.list(prefix));
        listed
            .map(move |listed| {
                stops.point()?;
                listed
            })
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.around(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.around(self.inner.copy_opts(from, to, options)).await
    }
}
