//! `millpond run` on a queue of SQS, with everything in object stores.

use std::time::{Duration, Instant};

use millpond_testkit::MiniStack;
use serde_json::{Value, json};

use crate::pond::{APP_CONFIG, APP_SQL, Pond, app_log, summary};

const PATIENCE: Duration = Duration::from_secs(120);
/// How long a message is held: after a crash it comes back after so many seconds.
const HOLD_SECONDS: u32 = 3;

/// A pond whose input is the queue and whose lake lies in a bucket.
fn pond_on(server: &MiniStack, queue: &str) -> Pond {
    let mut pond = Pond::with_app();
    pond.write("millpond.toml", format!("[[input]]\nqueue = '{queue}'\n[lake]\nurl = 's3://lake/security'\n"));
    pond.source("app", APP_CONFIG, APP_SQL);
    for (key, value) in server.environment() {
        pond.set(key, &value);
    }
    pond
}

fn send(server: &MiniStack, queue: &str, body: &str) {
    server.sqs("SendMessage", &json!({"QueueUrl": queue, "MessageBody": body}));
}

/// Messages of a queue, whoever holds them.
fn depth(server: &MiniStack, queue: &str) -> u64 {
    let answer = server.sqs("GetQueueAttributes", &json!({"QueueUrl": queue, "AttributeNames": ["All"]}));
    let count = |kind| answer["Attributes"][format!("ApproximateNumberOfMessages{kind}")].as_str()?.parse::<u64>().ok();
    ["", "NotVisible", "Delayed"].map(|kind| count(kind).expect("a number")).iter().sum()
}

/// Runs until nothing is left: what a process held that died comes back after its hold.
fn drain(pond: &Pond, server: &MiniStack, queue: &str) -> Vec<Value> {
    let start = Instant::now();
    let mut lines = pond.run_once();
    while depth(server, queue) > 0 {
        assert!(start.elapsed() < PATIENCE, "{} messages are left", depth(server, queue));
        lines = pond.run_once();
    }
    lines
}

#[test]
fn a_queue_is_drained_exactly_once_over_duplicates_and_crashes() {
    let Some(server) = MiniStack::start() else { return };
    ["raw", "lake"].iter().for_each(|bucket| server.create_bucket(bucket));
    let dead = server.create_queue("dead", 30);
    let queue = server.create_queue_above("in", HOLD_SECONDS, "dead", 10);
    server.notify_queue("raw", "logs/", "in");
    let mut pond = pond_on(&server, &queue);
    let put = |n: u32| server.put_object("raw", &format!("logs/{n}.ndjson"), (app_log(n * 10) + "broken\n").as_bytes());
    for n in 0..20 {
        put(n);
        // A listing tells of the same objects.
        send(&server, &queue, &format!("s3://raw/logs/{n}.ndjson"));
    }
    send(&server, &queue, "garbage");
    for point in ["put:2", "commit:1", "table:1", "receipts:1"] {
        pond.set("MILLPOND_CRASH", point);
        let start = Instant::now();
        while pond.millpond(&["run", "--once"]).code.is_some() {
            assert!(start.elapsed() < PATIENCE, "`{point}` was not reached");
            put(0);
        }
    }
    pond.unset("MILLPOND_CRASH");
    drain(&pond, &server, &queue);
    assert_eq!(depth(&server, &dead), 0);
    let count = |sql: &str| pond.value(sql);
    assert_eq!(count("select count(*) from app"), 180);
    assert_eq!(count("select count(distinct _file || '#' || _row) from app"), 180);
    assert_eq!(count("select count(*) from signals"), 20);
    assert_eq!(count("select count(*) from quarantine"), 21);
    assert_eq!(
        pond.query(
            "select status, count(*) as jobs, count(distinct object) as objects from receipts group by 1 order by 1"
        ),
        [
            json!({"status": "done", "jobs": 20, "objects": 20}),
            json!({"status": "quarantined", "jobs": 1, "objects": 1})
        ]
    );
    // Everything told once more: nothing is done again.
    for n in 0..20 {
        send(&server, &queue, &format!("s3://raw/logs/{n}.ndjson"));
    }
    put(3);
    let lines = drain(&pond, &server, &queue);
    assert_eq!(summary(&lines)["files"]["done"], 0);
    assert_eq!(pond.value("select count(*) from app"), 180);
}

#[test]
fn an_inventory_is_backfilled_in_place_of_a_listing() {
    let Some(server) = MiniStack::start() else { return };
    ["raw", "lake", "lists"].iter().for_each(|bucket| server.create_bucket(bucket));
    let mut pond = Pond::with_app();
    pond.write("millpond.toml", "[lake]\nurl = 's3://lake/security'\n");
    for (key, value) in server.environment() {
        pond.set(key, &value);
    }
    let mut rows = String::new();
    for n in 0..4 {
        let key = format!("logs/a-{n}.ndjson");
        let body = app_log(n * 10);
        server.put_object("raw", &key, body.as_bytes());
        let modified = "2026-03-02T01:00:00.000Z";
        rows.push_str(&format!("raw,logs%2Fa-{n}.ndjson,{},{modified},e{n}\n", body.len()));
    }
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut file, rows.as_bytes()).expect("gz");
    let file = file.finish().expect("gz");
    let key = "i/raw/all/data/1.csv.gz";
    server.put_object("lists", key, &file);
    let manifest = json!({"sourceBucket": "raw", "destinationBucket": "arn:aws:s3:::lists", "version": "2016-11-30",
                          "creationTimestamp": "1514944800000", "fileFormat": "CSV",
                          "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag",
                          "files": [{"key": key, "size": file.len(), "MD5checksum": "x"}]});
    server.put_object("lists", "i/raw/all/2026-03-02T01-00Z/manifest.json", manifest.to_string().as_bytes());
    let url = "s3://lists/i/raw/all/2026-03-02T01-00Z/manifest.json";
    let some = pond.millpond(&["backfill", "s3://raw/logs/a-3", "--inventory", url]).ok();
    assert!(some.stderr.contains("the inventory of `raw` has 1 files"), "{}", some.stderr);
    assert_eq!(pond.value("select count(*) from app"), 9);
    pond.millpond(&["backfill", "--inventory", url]).ok();
    assert_eq!(pond.value("select count(*) from app"), 36);
    assert_eq!(pond.value("select count(*) from receipts where status = 'done'"), 4);
}
