//! An S3 Inventory as a listing: real files in its formats.

use std::io::Write;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use flate2::Compression;
use flate2::write::GzEncoder;
use millpond::lake::Lake;
use millpond::queue::{Body, Handle, Inventory, ListQueue, Queue};
use millpond::store::Stores;
use millpond_core::event::Event;
use millpond_core::{Kind, Result};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::json;

const CSV: &str = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass";
const PARQUET: &str = "message s3.inventory { required binary bucket (UTF8); required binary key (UTF8); \
                       optional boolean is_latest; optional boolean is_delete_marker; optional int64 size; \
                       optional int64 last_modified_date (TIMESTAMP_MILLIS); optional binary e_tag (UTF8); }";
const MANIFEST: &str = "i/logs/all/2026-03-02T01-00Z/manifest.json";

/// A bucket of inventories, and a lake.
struct Bucket {
    stores: Stores,
    store: Arc<InMemory>,
    lake: Arc<Lake>,
}

impl Bucket {
    fn new() -> Self {
        let (stores, store) = (Stores::default(), Arc::new(InMemory::new()));
        stores.insert("memory://lists/", Arc::clone(&store) as Arc<dyn ObjectStore>);
        stores.insert("memory://lake/", Arc::new(InMemory::new()));
        let lake = Arc::new(Lake::open(&stores, "memory://lake/", FilePath::new(".")).expect("lake"));
        Self { stores, store, lake }
    }

    /// Puts an inventory of these files.
    async fn put(&self, format: &str, schema: &str, files: &[Vec<u8>]) {
        let mut named = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let key = format!("i/logs/all/data/{number}.bin");
            named.push(json!({"key": key, "size": file.len(), "MD5checksum": "x"}));
            self.store.put(&Path::from(key), file.clone().into()).await.expect("put");
        }
        let manifest = json!({"sourceBucket": "logs", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
                              "creationTimestamp": "1514944800000", "fileFormat": format, "fileSchema": schema,
                              "files": named});
        self.store.put(&Path::from(MANIFEST), manifest.to_string().into()).await.expect("put");
    }

    async fn queue(&self, prefix: Option<&str>) -> ListQueue {
        let url = format!("memory://lists/{MANIFEST}");
        let tell = Arc::new(|_: &str| {});
        let inventory = Inventory::open(&self.stores, &url, prefix, FilePath::new("."), tell).await.expect("inventory");
        ListQueue::of_inventory(inventory, Arc::clone(&self.lake)).await.expect("queue")
    }
}

async fn receive(queue: &ListQueue, max: usize) -> Result<Vec<(Handle, Event)>> {
    let messages = queue.receive(max, Duration::ZERO).await?.unwrap_or_default();
    let event = |body| match body {
        Body::Event(event) => event,
        Body::Text(text) => panic!("{text}"),
    };
    Ok(messages.into_iter().map(|message| (message.handle, event(message.body))).collect())
}

fn gz(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("gz");
    encoder.finish().expect("gz")
}

fn parquet(rows: &RecordBatch) -> Vec<u8> {
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), rows.schema(), None).expect("writer");
    writer.write(rows).expect("rows");
    writer.into_inner().expect("file")
}

fn expected() -> Event {
    Event {
        uri: "s3://logs/a b/c+d%1.gz".into(),
        bucket: Some("logs".into()),
        key: "a b/c+d%1.gz".into(),
        version: Some("33a1".into()),
        size_bytes: Some(12),
        time_us: Some(1_772_413_200_000_000),
        source: None,
    }
}

#[tokio::test]
async fn objects_are_as_a_listing_tells_them_and_what_is_gone_is_passed_over() {
    let bucket = Bucket::new();
    let rows = "\"logs\",\"a+b/c%2Bd%251.gz\",\"v2\",\"true\",\"false\",\"12\",\"2026-03-02T01:00:00.000Z\",\"33a1\",\"STANDARD\"\n\
                \"logs\",\"a+b/c%2Bd%251.gz\",\"v1\",\"false\",\"false\",\"9\",\"2026-03-01T01:00:00.000Z\",\"22\",\"STANDARD\"\n\
                \"logs\",\"deleted\",\"v9\",\"true\",\"true\",\"\",\"2026-03-01T01:00:00.000Z\",\"\",\"\"\n\
                \"logs\",\"folder/\",\"v9\",\"true\",\"false\",\"0\",\"2026-03-01T01:00:00.000Z\",\"d4\",\"STANDARD\"\n";
    bucket.put("CSV", CSV, &[gz(rows)]).await;
    let listed = receive(&bucket.queue(None).await, 10).await.expect("listed");
    assert_eq!(listed.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), [expected()]);
    let elsewhere = receive(&bucket.queue(Some("s3://logs/other")).await, 10).await.expect("listed");
    assert_eq!(elsewhere, []);
}

#[tokio::test]
async fn parquet_lists_the_same() {
    let bucket = Bucket::new();
    let text = |values: [Option<&str>; 3]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    let flags = |values: [bool; 3]| Arc::new(BooleanArray::from(values.to_vec())) as ArrayRef;
    let time = TimestampMillisecondArray::from(vec![1_772_413_200_000; 3]).with_timezone("UTC");
    let rows = RecordBatch::try_from_iter([
        ("bucket", text([Some("logs"); 3])),
        ("key", text([Some("old"), Some("a b/c+d%1.gz"), Some("deleted")])),
        ("is_latest", flags([false, true, true])),
        ("is_delete_marker", flags([false, false, true])),
        ("size", Arc::new(Int64Array::from(vec![Some(9), Some(12), None])) as ArrayRef),
        ("last_modified_date", Arc::new(time)),
        ("e_tag", text([Some("22"), Some("33a1"), None])),
    ]);
    bucket.put("Parquet", PARQUET, &[parquet(&rows.expect("rows"))]).await;
    let listed = receive(&bucket.queue(None).await, 10).await.expect("listed");
    assert_eq!(listed.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), [expected()]);
}

fn numbered(from: usize, count: usize) -> Vec<u8> {
    let row = |n: usize| format!("logs,{n:06},v,true,false,1,2026-03-02T01:00:00.000Z,e{n},STANDARD\n");
    gz(&(from..from + count).map(row).collect::<String>())
}

#[tokio::test]
async fn an_interrupted_backfill_goes_on_where_it_was() {
    let bucket = Bucket::new();
    let files = [numbered(0, 4_000), numbered(4_000, 4_000), numbered(8_000, 100)];
    bucket.put("CSV", CSV, &files).await;
    let queue = bucket.queue(None).await;
    let listed = receive(&queue, 7_000).await.expect("listed");
    assert_eq!(listed.len(), 7_000);
    let handles: Vec<Handle> = listed.into_iter().map(|(handle, _)| handle).collect();
    // Everything but one object of the second file is dealt with before the run breaks off.
    let open = 5_500;
    queue.ack(&handles[open + 1..]).await.expect("ack");
    queue.ack(&handles[..open]).await.expect("ack");
    // The first file is not even looked at again.
    bucket.store.delete(&Path::from("i/logs/all/data/0.bin")).await.expect("delete");
    let again = bucket.queue(None).await;
    let rest = receive(&again, 10_000).await.expect("listed");
    assert_eq!((rest[0].1.key.as_str(), rest.len()), ("005500", 8_100 - open));
    // Another part of the same inventory is another backfill.
    assert!(receive(&bucket.queue(Some("s3://logs/00")).await, 1).await.is_err(), "the first file is gone");
    again.finish().await.expect("finish");
    assert!(receive(&bucket.queue(None).await, 1).await.is_err(), "it begins anew");
}

#[tokio::test]
async fn a_file_that_is_not_whole_ends_the_listing_with_an_error() {
    let whole = numbered(0, 100);
    let cut = whole[..whole.len() - 20].to_vec();
    for (damaged, told) in [
        (gz("logs,only-a-key\n"), "`size`"),
        (gz("logs,a,v,true,false,many,2026-03-02T01:00:00.000Z,e,S\n"), "`size`"),
        (cut, "damaged"),
    ] {
        let bucket = Bucket::new();
        bucket.put("CSV", CSV, &[damaged]).await;
        let error = receive(&bucket.queue(None).await, 10_000).await.expect_err(told);
        assert!(error.kind() == Kind::BadInput && error.chain().contains(told), "{}", error.chain());
    }
    let bucket = Bucket::new();
    bucket.put("CSV", CSV, &[numbered(0, 1)]).await;
    bucket.store.put(&Path::from("i/logs/all/data/0.bin"), numbered(0, 2_000).into()).await.expect("put");
    let error = receive(&bucket.queue(None).await, 10).await.expect_err("another file");
    assert!(error.chain().contains("the manifest says"), "{}", error.chain());
}
