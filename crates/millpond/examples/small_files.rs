//! How fast small files are committed and what they cost in requests, with and without sharing their outputs.
//!
//! `cargo run --release -p millpond --example small_files -- 10000` processes so many files of 4 KB on stores in memory
//! that count their requests, and prints a table.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use millpond::clock::Clock;
use millpond::committer::Committer;
use millpond::ledger::Ledger;
use millpond::pipeline::{Delivery, Node, Outcome, process};
use millpond::planner::Planner;
use millpond::pond::Pond;
use millpond::store::{Place, Stores};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Events after which the committer is called.
const COMMIT_EVENTS: usize = 1_000;

/// A store that counts what it is asked for.
#[derive(Debug, Default)]
struct Counting {
    inner: InMemory,
    counts: Arc<Mutex<BTreeMap<&'static str, u64>>>,
}

impl Counting {
    fn count(&self, request: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(request).or_default() += 1;
    }
}

impl Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "counting {}", self.inner)
    }
}

#[async_trait]
impl ObjectStore for Counting {
    async fn put_opts(&self, path: &Path, body: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.count("PUT");
        self.inner.put_opts(path, body, options).await
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.count("PUT");
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.count(if options.head { "HEAD" } else { "GET" });
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.count("GET");
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.count("DELETE");
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count("LIST");
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count("LIST");
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.count("LIST");
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.count("COPY");
        self.inner.copy_opts(from, to, options).await
    }
}

/// Seconds of processor time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// A file of some 4 KB.
fn log(file: usize) -> String {
    let line = |row: usize| {
        format!(
            "{{\"ts\":\"2026-01-15T{:02}:{row:02}:00Z\",\"user\":\"user-{}\",\"action\":\"GetObject\",\
             \"address\":\"10.0.{}.{row}\",\"bytes\":{},\"request\":\"{file:08x}-{row:04x}-4c1f-9e2a-7b1d5f30a6c4\"}}\n",
            file % 24,
            file % 50,
            file % 256,
            file * row
        )
    };
    (0..26).map(line).collect()
}

async fn run(folder: &std::path::Path, files: usize, group: usize) {
    let stores = Arc::new(Stores::default());
    let (raw, lake) = (Arc::new(Counting::default()), Arc::new(Counting::default()));
    for file in 0..files {
        raw.inner.put(&Path::from(format!("logs/{file:08}.ndjson")), log(file).into()).await.expect("put");
    }
    stores.insert("memory://raw/", Arc::clone(&raw) as Arc<dyn ObjectStore>);
    stores.insert("memory://lake/", Arc::clone(&lake) as Arc<dyn ObjectStore>);
    let pond = Arc::new(Pond::load(folder).await.expect("pond"));
    let opened = Arc::new(pond.open_lake(&stores).await.expect("lake"));
    let ledger = Arc::new(Ledger::new(Arc::clone(&opened)));
    let place = Place::open(&stores, "memory://raw/logs", folder).expect("place");
    let mut committer = Committer::new(Arc::clone(&opened), Arc::clone(&ledger));
    let io = tokio::runtime::Handle::current();
    let planner = Arc::new(Planner::of(&pond));
    let node = Arc::new(Node {
        pond,
        lake: opened,
        ledger: Some(ledger),
        stores,
        clock: Clock::system(),
        io,
        planner,
        promotes: false,
    });
    let objects: Vec<_> = futures::StreamExt::collect(place.list()).await;
    let deliveries: Vec<Delivery> =
        objects.into_iter().map(|object| Delivery::new(object.expect("object").into(), 1)).collect();
    raw.counts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let (started, cpu) = (Instant::now(), cpu_seconds());
    for round in deliveries.chunks(COMMIT_EVENTS) {
        let halves = round.chunks(round.len().div_ceil(2)).map(|half| {
            let (node, half) = (Arc::clone(&node), half.to_vec());
            tokio::task::spawn_blocking(move || {
                for group in half.chunks(group) {
                    for outcome in node.io.block_on(process(&node, group, None)) {
                        assert!(matches!(outcome, Ok(Outcome::Handed(_))), "{outcome:?}");
                    }
                }
            })
        });
        for half in halves.collect::<Vec<_>>() {
            half.await.expect("jobs");
        }
        committer.commit_pending().await.expect("commit");
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let requests = |store: &Counting| {
        let counts = store.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let each = counts.iter().map(|(name, count)| format!("{name} {:.3}", *count as f64 / files as f64));
        each.collect::<Vec<_>>().join(", ")
    };
    println!(
        "| {group} | {:.0} | {:.2} | {} | {} |",
        files as f64 / seconds,
        cpu * 1e3 / files as f64,
        requests(&raw),
        requests(&lake)
    );
}

fn main() {
    let files = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000);
    let folder = tempfile::tempdir().expect("folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
        std::fs::write(path, text).expect("file");
    };
    write("millpond.toml", "[lake]\nurl = 'memory://lake/pond/'\n");
    write(
        "sources/app/source.toml",
        "time = 'time'\n[[match]]\nglob = '**'\n[format]\ntype = 'json'\n[columns]\nts = 'timestamp'\nuser = 'text'\n\
         action = 'text'\naddress = 'text'\nbytes = 'int'\nrequest = 'text'\n",
    );
    write(
        "sources/app/transform.sql",
        "select ts as time, user, action, address, bytes, request, _file, _row from input\n",
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("runtime");
    println!("{files} files of 4 KB\n");
    println!(
        "| files a group | files/s | CPU ms a file | requests to the bucket, a file | requests to the lake, a file |"
    );
    println!("|---|---|---|---|---|");
    for group in [256, 16, 1] {
        runtime.block_on(run(folder.path(), files, group));
    }
}
