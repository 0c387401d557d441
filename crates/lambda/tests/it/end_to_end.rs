//! From the bucket to the lake, with nothing in between but what AWS has: notices, a queue, functions.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use millpond_testkit::{MiniStack, peer, zip};
use serde_json::{Value, json};

use crate::pond::{FILES, ROWS, app_log, bootstrap};

const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);
/// How long a message is held: after a crash it comes back after so many seconds.
const HOLD_SECONDS: u32 = 5;
const TIMEOUT_SECONDS: u32 = 60;

/// MiniStack with the buckets `raw`, `lake` and `pond`, the pond in the last, and a function `commit`.
fn start() -> Option<MiniStack> {
    let server = MiniStack::start()?;
    ["raw", "lake", "pond"].iter().for_each(|bucket| server.create_bucket(bucket));
    for (path, text) in FILES {
        server.put_object("pond", &format!("team/{path}"), text.as_bytes());
    }
    create_function(&server, "commit", 512, "", &[("MILLPOND_MODE", "commit")]);
    Some(server)
}

/// A function of the real binary, which a shell script starts after what `before` says.
fn create_function(server: &MiniStack, name: &str, memory_mb: u32, before: &str, environment: &[(&str, &str)]) {
    let script = format!("#!/bin/sh\n{before}\nexec '{}'\n", bootstrap().display());
    let all = [("MILLPOND_POND", "s3://pond/team/"), ("MILLPOND_LAKE", "s3://lake/security")];
    let environment: Vec<(&str, &str)> = all.iter().chain(environment).copied().collect();
    server.create_function(name, &zip(&[("bootstrap", script.as_bytes())]), &environment, memory_mb, TIMEOUT_SECONDS);
}

/// Commits until so many jobs are committed and the queues are empty; the jobs by their end.
fn commit_until(server: &MiniStack, queues: &[&str], jobs: u64) -> BTreeMap<String, u64> {
    let start = Instant::now();
    let mut total: BTreeMap<String, u64> = BTreeMap::new();
    loop {
        let counts = server.invoke("commit", &json!({}));
        for (name, count) in counts.as_object().expect("counts") {
            *total.entry(name.clone()).or_default() += count.as_u64().unwrap_or_else(|| panic!("{counts}"));
        }
        let left: u64 = queues.iter().map(|queue| depth(server, queue)).sum();
        if total["jobs"] >= jobs && left == 0 && counts["jobs"] == 0 && counts["dropped"] == 0 {
            return total;
        }
        assert!(start.elapsed() < PATIENCE, "{total:?}, and {left} messages are left");
        std::thread::park_timeout(PAUSE);
    }
}

/// Messages of a queue, whoever holds them.
fn depth(server: &MiniStack, queue: &str) -> u64 {
    let answer = server.sqs("GetQueueAttributes", &json!({"QueueUrl": queue, "AttributeNames": ["All"]}));
    ["", "NotVisible", "Delayed"]
        .map(|kind| {
            let count = &answer["Attributes"][format!("ApproximateNumberOfMessages{kind}")];
            count.as_str().expect("a count").parse::<u64>().expect("a number")
        })
        .iter()
        .sum()
}

fn send(server: &MiniStack, queue: &str, body: &str) {
    server.sqs("SendMessage", &json!({"QueueUrl": queue, "MessageBody": body}));
}

/// What S3 tells of an object.
fn notice(key: &str, size: usize) -> String {
    let object = json!({"key": key, "size": size});
    let s3 = json!({"bucket": {"name": "raw"}, "object": object});
    let record = json!({"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3});
    json!({"Records": [record]}).to_string()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).expect("gzip");
    encoder.finish().expect("gzip")
}

/// What delta-rs reads in a table of the lake.
fn read(server: &MiniStack, python: &str, sql: &[(&str, &str)]) -> Vec<Value> {
    const READ: &str = "import sys, json, deltalake\n\
        for table, sql in json.loads(sys.argv[1]):\n  \
          delta = deltalake.DeltaTable(f's3://lake/security/{table}')\n  \
          rows = deltalake.QueryBuilder().register('t', delta).execute(sql).read_all()\n  \
          columns = [rows.column(i).to_pylist() for i in range(rows.num_columns)]\n  \
          print(json.dumps([list(row) for row in zip(*columns)]))\n";
    let mut command = Command::new(python);
    command.args(["-c", READ, &json!(sql).to_string()]).envs(server.environment());
    let output = command.output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn objects_become_rows_exactly_once_over_duplicates_and_a_crash() {
    let (Some(server), Some(python)) = (start(), peer("MILLPOND_PEER_PYTHON")) else { return };
    let marker = tempfile::tempdir().expect("folder");
    // The first process dies in the middle of its outputs; those after it do not.
    let once = format!("mkdir '{}/crashed' 2>/dev/null && export MILLPOND_CRASH=put:2", marker.path().display());
    create_function(&server, "job", 512, &once, &[]);
    let dead = server.create_queue("dead", 30);
    let queue = server.create_queue_above("in", HOLD_SECONDS, "dead", 5);
    server.notify_queue("raw", "logs/", "in");
    server.map_queue("job", "in", 10);

    let mut objects: Vec<(String, Vec<u8>)> =
        (0..30).map(|n| (format!("logs/{n}.ndjson.gz"), gzip(&app_log(n * 10)))).collect();
    objects.push(("logs/a+b%20%C3%BC.ndjson".to_owned(), (app_log(300) + "broken\n").into_bytes()));
    objects.push(("logs/again.ndjson.gz".to_owned(), gzip(&app_log(0))));
    objects.push(("logs/database.ndjson".to_owned(), [b"SQLite format 3\0".as_slice(), &[0; 84]].concat()));
    for (path, body) in &objects {
        server.put_object("raw", path, body);
    }
    for (path, body) in &objects {
        // As S3 encodes what stands encoded in the URL: `+` is a plus there, and a blank in a notice.
        send(&server, &queue, &notice(&path.replace('+', "%2B"), body.len()));
    }
    send(&server, &queue, "garbage");
    send(&server, &queue, &notice("logs/gone.ndjson", 3));
    // Nobody looks at it, so it is known by what its notice says: S3 has to tell of it again.
    server.put_object("raw", "logs/unwanted.txt", b"x");
    server.put_object("raw", "logs/unwanted.txt", b"x");

    let jobs = objects.len() as u64 + 3;
    let total = commit_until(&server, &[&queue], jobs);
    assert!(marker.path().join("crashed").exists(), "a process died");
    // `again` has the bytes of `0`; whichever is committed first is done and the other a duplicate.
    let done = 31;
    let ends = ["jobs", "done", "duplicate", "quarantined", "unrouted", "gone", "failed", "rows"];
    assert_eq!(ends.map(|end| total[end]), [jobs, done, 1, 2, 1, 1, 0, done * ROWS], "{total:?}");
    assert_eq!(depth(&server, &dead), 0);
    let told = read(
        &server,
        &python,
        &[
            ("app", "select count(*), count(distinct _file), count(distinct _file || cast(_row as varchar)) from t"),
            ("signals", "select count(*) from t"),
            ("receipts", "select count(*), count(distinct object), sum(rows_out) from t"),
            (
                "quarantine",
                "select reason, object like 's3://raw/logs/%', cast(raw as varchar) from t order by reason, 3",
            ),
            ("app", "select distinct _file from t where _file like '%ndjson'"),
        ],
    );
    let rows = done * ROWS;
    assert_eq!(told[0], json!([[rows, done, rows]]));
    assert_eq!(told[1], json!([[done]]));
    // The notice that nobody understands stands under the queue.
    assert_eq!(told[2], json!([[jobs, jobs, rows]]));
    let kept = json!([["bad_input", true, ""], ["bad_input", false, "garbage"], ["bad_json", true, "broken"]]);
    assert_eq!(told[3], kept, "the database, the notice, the record");
    assert_eq!(told[4], json!([["s3://raw/logs/a+b ü.ndjson"]]));
}

#[test]
fn a_router_sends_notices_to_the_lane_of_their_size() {
    let Some(server) = start() else { return };
    let [notices, small, large] = ["notices", "small", "large"].map(|name| server.create_queue(name, HOLD_SECONDS));
    let lanes = json!([{"max_bytes": 1_000, "queue": small}, {"queue": large}]).to_string();
    create_function(&server, "route", 128, "", &[("MILLPOND_MODE", "route"), ("MILLPOND_LANE_QUEUES", &lanes)]);
    create_function(&server, "job", 512, "", &[]);
    server.notify_queue("raw", "", "notices");
    server.map_queue("route", "notices", 10);
    for n in 0..6 {
        server.put_object("raw", &format!("{n}.ndjson"), app_log(n * 10).as_bytes());
    }
    let long: String = (0..4).map(|n| app_log(100 + n * 10)).collect();
    server.put_object("raw", "long.ndjson", long.as_bytes());
    send(&server, &notices, "garbage");
    let start = Instant::now();
    while (depth(&server, &notices), depth(&server, &small), depth(&server, &large)) != (0, 6, 1) {
        assert!(
            start.elapsed() < PATIENCE,
            "{} {} {}",
            depth(&server, &notices),
            depth(&server, &small),
            depth(&server, &large)
        );
        std::thread::park_timeout(PAUSE);
    }
    server.map_queue("job", "small", 10);
    server.map_queue("job", "large", 1);
    let total = commit_until(&server, &[&small, &large], 8);
    assert_eq!((total["done"], total["quarantined"], total["rows"]), (7, 1, 10 * ROWS), "{total:?}");
}

#[test]
fn a_job_that_reaches_the_limit_of_its_lane_goes_on_to_the_next() {
    let (Some(server), Some(python)) = (start(), peer("MILLPOND_PEER_PYTHON")) else { return };
    let [small, large] = ["small", "large"].map(|name| server.create_queue(name, HOLD_SECONDS));
    let lanes = json!([{"max_bytes": 1_000, "queue": small}, {"queue": large}]).to_string();
    for (name, memory_mb) in [("small", 2), ("large", 40)] {
        create_function(&server, name, memory_mb, "", &[("MILLPOND_LANE_QUEUES", &lanes)]);
        server.map_queue(name, name, 10);
    }
    let keys = |count: u32| (0..count).map(|n| format!("{{\"key\":\"{n:>200}\"}}\n")).collect::<String>();
    // One mebibyte of keys is what the small lane has; the second file is too much for it, and the third for both.
    for (name, count) in [("few.keys", 10), ("many.keys", 10_000), ("many.sorted", 100_000)] {
        let lines = keys(count);
        server.put_object("raw", name, lines.as_bytes());
        send(&server, &small, &notice(name, lines.len()));
    }
    // What no lane can take is in quarantine in the last.
    let fields: String = (0..20_000).map(|n| format!("{{\"f{n}\":1}}\n")).collect();
    server.put_object("raw", "wide.ndjson", fields.as_bytes());
    send(&server, &small, &notice("wide.ndjson", fields.len()));
    let total = commit_until(&server, &[&small, &large], 4);
    assert_eq!((total["done"], total["quarantined"], total["rows"]), (3, 1, 110_010), "{total:?}");
    let lanes = "select lane, parts > 1, array_length(promotions), promotions[1]['lane'], promotions[2]['lane'], \
                 promotions[1]['reason'] like '%memory%' or promotions[1]['reason'] like '%row_number%' from t \
                 where object like '%/many.%' order by source";
    let told = read(
        &server,
        &python,
        &[("receipts", lanes), ("sorted", "select count(*), count(distinct _row), count(distinct key) from t")],
    );
    let promoted = json!(["lambda-40", null, 1, "lambda-2", null, true]);
    let split = json!(["lambda-40", true, 2, "lambda-2", "lambda-40", true]);
    assert_eq!(told[0], json!([promoted, split]), "one receipt each, with its reasons");
    assert_eq!(told[1], json!([[100_000, 100_000, 100_000]]));
}
