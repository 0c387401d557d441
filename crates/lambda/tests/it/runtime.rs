//! The bootstrap against a Runtime API whose deadlines the test sets.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use millpond_testkit::{Answer, Collector, Function, Receiver};
use serde_json::{Value, json};

use crate::pond::{Pond, ROWS, app_log, bootstrap};

const MINUTE: Duration = Duration::from_secs(60);

/// A batch of SQS whose messages say this; each is known by its position.
fn batch(bodies: &[String]) -> Value {
    let record = |(position, body): (usize, &String)| {
        let attributes = json!({"ApproximateReceiveCount": "1"});
        json!({"messageId": position.to_string(), "body": body, "attributes": attributes, "eventSource": "aws:sqs",
               "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:in"})
    };
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()})
}

/// The answer that names these messages.
fn returned(positions: &[usize]) -> Answer {
    let name = |position: &usize| json!({"itemIdentifier": position.to_string()});
    Answer::Response(json!({"batchItemFailures": positions.iter().map(name).collect::<Vec<_>>()}))
}

fn function(pond: &Pond, environment: &[(&str, &str)]) -> Function {
    let (folder, lake) = (pond.text("pond"), pond.text("lake"));
    let own = [("MILLPOND_POND", folder.as_str()), ("MILLPOND_LAKE", &lake), ("MILLPOND_LOG", "warn")];
    Function::start(bootstrap(), 512, &[&own, environment].concat())
}

/// Files of the pond's folder `raw`, as a listing announces them.
fn announce(pond: &Pond, names: &[&str]) -> Vec<String> {
    names
        .iter()
        .map(|name| json!({"uri": format!("file://{}", pond.text(&format!("raw/{name}")))}).to_string())
        .collect()
}

fn commit(function: &mut Function) -> Value {
    match function.invoke(json!({"millpond": "commit"}), MINUTE) {
        Answer::Response(counts) => counts,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_is_done_and_committed_when_asked() {
    let pond = Pond::new();
    pond.write("raw/a.ndjson", app_log(0));
    pond.write("raw/b.ndjson", app_log(10) + "broken\n");
    pond.write("raw/c.txt", "nobody wants this");
    let mut function = function(&pond, &[]);
    let mut bodies = announce(&pond, &["a.ndjson", "b.ndjson", "c.txt", "a.ndjson", "gone.ndjson"]);
    bodies.push("garbage".to_owned());
    bodies.push(json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"}).to_string());
    assert_eq!(function.invoke(batch(&bodies), MINUTE), returned(&[]));
    let counts = commit(&mut function);
    let expected = json!({"jobs": 5, "done": 2, "duplicate": 0, "quarantined": 1, "unrouted": 1, "gone": 1, "failed": 0,
                          "dropped": 0, "rows": 2 * ROWS});
    assert_eq!(counts, expected);
    // The same process, warm: what is announced again is run again, and the committer drops it.
    assert_eq!(function.invoke(batch(&bodies[..2]), MINUTE), returned(&[]));
    let again = commit(&mut function);
    assert_eq!((&again["jobs"], &again["dropped"]), (&json!(0), &json!(2)), "{again}");
    // Straight from its sender.
    pond.write("raw/d.ndjson", app_log(20));
    let notice: Value = serde_json::from_str(&announce(&pond, &["d.ndjson"])[0]).expect("JSON");
    let answer = function.invoke(notice, MINUTE);
    assert_eq!(answer, Answer::Response(json!({"events": 1, "done": 1, "forwarded": 0, "rows": ROWS})));
    assert_eq!(commit(&mut function)["rows"], ROWS);
}

#[test]
fn what_was_not_begun_in_time_comes_back() {
    let pond = Pond::new();
    // Of the three seconds two are kept for the answer; the first object comes when the third second is over.
    let time = Duration::from_secs(3);
    let port = serve_s3(app_log(0), Duration::from_millis(1_100));
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut function = function(
        &pond,
        &[
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
        ],
    );
    assert_eq!(commit(&mut function)["jobs"], 0, "it is warm");
    let bodies = ["a", "b", "c"].map(|name| json!({"uri": format!("s3://raw/{name}.ndjson")}).to_string());
    assert_eq!(function.invoke(batch(&bodies), time), returned(&[1, 2]));
    assert_eq!(function.invoke(batch(&bodies), Duration::from_secs(1)), returned(&[0, 1, 2]), "no time at all");
    let notice: Value = serde_json::from_str(&bodies[1]).expect("JSON");
    let Answer::Error(error) = function.invoke(notice, Duration::from_secs(1)) else { panic!("no error") };
    assert_eq!(error, json!({"errorType": "transient", "errorMessage": "1 of 1 events come back"}));
    assert_eq!(commit(&mut function)["rows"], ROWS, "the first was handed over");
    assert_eq!(function.invoke(batch(&bodies), MINUTE), returned(&[]));
    let counts = commit(&mut function);
    assert_eq!((&counts["duplicate"], &counts["dropped"]), (&json!(2), &json!(1)), "{counts}");
}

/// Serves the same bytes as every object of every bucket, each `delay` after it was asked for.
fn serve_s3(body: String, delay: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let body = body.clone();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().expect("stream")).lines().map_while(Result::ok);
                lines.find(String::is_empty);
                let start = Instant::now();
                while start.elapsed() < delay {
                    std::thread::park_timeout(delay.saturating_sub(start.elapsed()));
                }
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"v1\"\r\n\
                     Last-Modified: Sun, 01 Feb 2026 10:00:00 GMT\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes());
            });
        }
    });
    port
}

#[test]
fn a_panic_between_jobs_fails_its_batch_and_the_process_goes_on() {
    let pond = Pond::new();
    pond.write("raw/a.ndjson", app_log(0));
    pond.write("raw/b.ndjson", app_log(10));
    let mut function = function(&pond, &[("MILLPOND_CRASH", "panic@commit:1")]);
    let bodies = announce(&pond, &["a.ndjson", "b.ndjson"]);
    assert_eq!(function.invoke(batch(&bodies), MINUTE), returned(&[0, 1]));
    assert_eq!(function.invoke(batch(&bodies), MINUTE), returned(&[]));
    assert_eq!(commit(&mut function)["rows"], 2 * ROWS);
}

#[test]
fn a_batch_is_shared_by_the_threads_that_the_memory_pays_for() {
    let pond = Pond::new();
    let names = ["a.ndjson", "b.ndjson", "c.ndjson"];
    for (name, start) in names.into_iter().zip([0, 10, 20]) {
        pond.write(&format!("raw/{name}"), app_log(start));
    }
    let (folder, lake) = (pond.text("pond"), pond.text("lake"));
    let mut function = Function::start(
        bootstrap(),
        3_538,
        &[("MILLPOND_POND", &folder), ("MILLPOND_LAKE", &lake), ("MILLPOND_LOG", "warn")],
    );
    // Their sizes are not told, so they may be large.
    assert_eq!(function.invoke(batch(&announce(&pond, &names)), MINUTE), returned(&[]));
    let pending = std::fs::read_dir(pond.path("lake/_pending")).expect("pending").count();
    assert_eq!(pending, 2, "one pending commit of each thread");
    assert_eq!(commit(&mut function)["rows"], 3 * ROWS);
}

#[test]
fn a_function_that_runs_jobs_can_commit_too() {
    let pond = Pond::new();
    pond.write("raw/a.ndjson", app_log(0));
    let mut function = function(&pond, &[("MILLPOND_MODE", "both")]);
    assert_eq!(function.invoke(batch(&announce(&pond, &["a.ndjson"])), MINUTE), returned(&[]));
    assert_eq!(std::fs::read_dir(pond.path("lake/_pending")).expect("pending").count(), 0);
    assert_eq!(commit(&mut function)["jobs"], 0, "it was committed");
}

/// Root in three files, each handed over by a call of its own, and one alert.
#[test]
fn what_is_committed_is_correlated_and_told_once() {
    let receiver = Receiver::taking();
    let pond = Pond::new();
    let rule = "title: Root\nname: root\nlogsource: {product: app}\ndetection: {s: {user: root}, condition: s}\n---\n\
                title: Root thrice\nlevel: critical\ncorrelation: {type: event_count, rules: [root], group-by: [user], \
                timespan: 5d, condition: {gte: 3}}\n";
    pond.write("pond/rules/root.yml", rule);
    let source = std::fs::read_to_string(pond.path("pond/sources/app/source.toml")).expect("source");
    let source = source.replace("[columns]", "[logsource]\nproduct = 'app'\n[columns]");
    pond.write("pond/sources/app/source.toml", source);
    let alerts = "name = 'test'\n[[alert]]\nname = 'all'\nseverity_min = 'critical'\nto = 'hook'\n\
                  [destination.hook]\ntype = 'webhook'\nurl = 'env:HOOK_URL'\n";
    pond.write("pond/millpond.toml", alerts);
    let url = receiver.url("/hook");
    let mut function = function(&pond, &[("HOOK_URL", &url)]);
    commit(&mut function);
    for (name, start) in [("a", 0), ("b", 10), ("c", 20)] {
        assert_eq!(receiver.received().len(), 0, "before {name}");
        let file = format!("{name}.ndjson");
        pond.write(&format!("raw/{file}"), app_log(start));
        assert_eq!(function.invoke(batch(&announce(&pond, &[&file])), MINUTE), returned(&[]));
        commit(&mut function);
    }
    commit(&mut function);
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    let data = &received[0].json()["data"];
    assert_eq!((&data["title"], &data["entity"]), (&json!("Root thrice"), &json!("root")));
}

#[test]
fn the_committer_takes_no_notices() {
    let pond = Pond::new();
    pond.write("raw/a.ndjson", app_log(0));
    let mut function = function(&pond, &[("MILLPOND_MODE", "commit")]);
    let bodies = announce(&pond, &["a.ndjson"]);
    for event in [batch(&bodies), serde_json::from_str(&bodies[0]).expect("JSON")] {
        let Answer::Error(error) = function.invoke(event, MINUTE) else { panic!("no error") };
        assert_eq!(error["errorType"], "bad_config", "{error}");
    }
    let scheduled = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
    let Answer::Response(counts) = function.invoke(scheduled, MINUTE) else { panic!("no response") };
    assert_eq!(counts["jobs"], 0);
}

#[test]
fn a_function_that_is_wrong_does_not_start() {
    let pond = Pond::new();
    pond.write("pond/sources/app/transform.sql", "select nothing from nowhere");
    assert_eq!(function(&pond, &[]).invoke(json!({}), MINUTE), Answer::Exit(Some(1)));
}

#[test]
fn traces_are_sent_before_the_answer() {
    let pond = Pond::new();
    let collector = Collector::start();
    pond.write("raw/a.ndjson", app_log(0));
    let mut function = function(&pond, &[("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address())]);
    let bodies = announce(&pond, &["a.ndjson"]);
    assert_eq!(function.invoke(batch(&bodies), MINUTE), returned(&[]));
    // Nothing is waited for: whoever has the answer can look.
    let names = || {
        let mut names: Vec<String> =
            collector.spans().iter().map(|span| span["name"].as_str().expect("a name").to_owned()).collect();
        names.sort();
        names
    };
    let steps = ["ack", "decode", "fetch", "job", "plan", "receive", "route", "transform", "write"];
    assert_eq!(names(), steps);
    commit(&mut function);
    assert_eq!(names(), [&["ack", "commit"], &steps[1..]].concat());
    let trace = collector.spans()[0]["traceId"].clone();
    assert!(collector.spans().iter().all(|span| span["traceId"] == trace), "{:?}", collector.spans());
}
