//! Traces, as a collector gets them.

use std::collections::BTreeMap;
use std::net::TcpListener;

use millpond_testkit::Collector;
use serde_json::Value;

use crate::pond::{Pond, app_log};

fn text<'a>(span: &'a Value, member: &str) -> &'a str {
    span[member].as_str().unwrap_or_default()
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a str {
    let found = span["attributes"].as_array().expect("attributes").iter().find(|attribute| attribute["key"] == key);
    let value = &found.unwrap_or_else(|| panic!("no `{key}` in {span}"))["value"];
    value["stringValue"].as_str().or(value["intValue"].as_str()).expect("a value")
}

fn microseconds(span: &Value, member: &str) -> i64 {
    text(span, member).parse::<i64>().expect("a time") / 1_000
}

#[test]
fn a_job_is_a_trace_with_a_span_for_each_step() {
    let collector = Collector::start();
    let mut pond = Pond::with_app();
    pond.set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address());
    pond.set("OTEL_EXPORTER_OTLP_HEADERS", "x-team=soc");
    pond.write("inbox/a.ndjson", app_log(0));
    pond.write("inbox/b.txt", "nobody wants it");
    pond.run_once();

    let head = &collector.heads()[0];
    assert!(head.starts_with("post /v1/traces http/1.1") && head.contains("x-team: soc"), "{head}");
    let receipt = &pond.query("select * from receipts where source = 'app'")[0];
    let job_id = text(receipt, "job_id").to_owned();
    let spans: BTreeMap<String, Value> = collector
        .spans()
        .into_iter()
        .filter(|span| text(span, "traceId") == job_id)
        .map(|span| (text(&span, "name").to_owned(), span))
        .collect();
    let mut names: Vec<&str> = spans.keys().map(String::as_str).collect();
    names.sort_by_key(|name| microseconds(&spans[*name], "startTimeUnixNano"));
    let mut expected =
        ["job", "receive", "route", "plan", "fetch", "decode", "transform", "write", "commit", "ack"].to_vec();
    expected.sort();
    names.sort();
    assert_eq!(names, expected);

    let job = &spans["job"];
    assert!(job["parentSpanId"].is_null() && job["status"].is_null(), "{job}");
    assert_eq!(attribute(job, "millpond.source"), "app");
    assert_eq!(attribute(job, "millpond.object"), text(receipt, "object"));
    assert_eq!(attribute(job, "millpond.job_id"), job_id);
    assert_eq!(attribute(job, "millpond.size_bytes"), app_log(0).len().to_string());
    assert_eq!(attribute(job, "millpond.outcome"), "done");
    for (name, span) in spans.iter().filter(|(name, _)| *name != "job") {
        assert_eq!(span["parentSpanId"], job["spanId"], "{name}");
        assert!(microseconds(span, "startTimeUnixNano") >= microseconds(job, "startTimeUnixNano"), "{name}");
    }
    // A span is as long as the receipt says.
    for step in ["fetch", "decode", "transform", "write"] {
        let span = &spans[step];
        let took = microseconds(span, "endTimeUnixNano") - microseconds(span, "startTimeUnixNano");
        assert_eq!(receipt[format!("{step}_us")], took, "{step}");
    }

    let unrouted =
        collector.spans().into_iter().find(|span| text(span, "name") == "job" && text(span, "traceId") != job_id);
    assert_eq!(attribute(&unrouted.expect("a trace"), "millpond.outcome"), "unrouted");
}

#[test]
fn another_process_adds_the_commit_to_the_trace() {
    let collector = Collector::start();
    let mut pond = Pond::with_app();
    pond.set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{}/own/path", collector.address()));
    pond.write("inbox/a.ndjson", app_log(0));
    pond.millpond(&["run", "--once", "--no-commit"]).ok();
    assert!(collector.heads()[0].starts_with("post /own/path http/1.1"), "{:?}", collector.heads());
    let job = collector.spans().into_iter().find(|span| text(span, "name") == "job").expect("a job");
    assert!(collector.spans().iter().all(|span| text(span, "name") != "commit"));
    pond.millpond(&["commit"]).ok();
    let commit = collector.spans().into_iter().find(|span| text(span, "name") == "commit").expect("a commit");
    assert_eq!((&commit["traceId"], &commit["parentSpanId"]), (&job["traceId"], &job["spanId"]));
}

#[test]
fn a_collector_that_is_away_costs_a_line_and_nothing_else() {
    let mut pond = Pond::with_app();
    // Nothing listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").expect("port").local_addr().expect("address").port();
    pond.set("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://127.0.0.1:{port}"));
    pond.write("inbox/a.ndjson", app_log(0));
    let ran = pond.millpond(&["run", "--once"]).ok();
    assert!(ran.stderr.contains("spans could not be sent to"), "{}", ran.stderr);
    assert_eq!(pond.value("select count(*) from app"), 9);
}
