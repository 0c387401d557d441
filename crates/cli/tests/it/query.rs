//! What people ask: query, receipts, quarantine, stats, explain, learn.

use serde_json::json;

use crate::pond::{Pond, Ran, app_log, millpond};

fn filled() -> Pond {
    let pond = Pond::with_app();
    pond.write("inbox/a.ndjson", app_log(0));
    pond.write("inbox/b.ndjson", app_log(10) + "broken { line\n");
    pond.write("inbox/notes.txt", "x");
    pond.run_once();
    pond
}

#[test]
fn rows_come_as_table_json_csv_or_arrow() {
    let pond = filled();
    let sql = "select user, bytes from app where bytes < 2 order by bytes";
    let table = pond.millpond(&["query", sql]).ok();
    assert_eq!(
        table.stdout,
        "+------+-------+\n| user | bytes |\n+------+-------+\n| ann  | 0     |\n| bob  | 1     |\n+------+-------+\n"
    );
    assert_eq!(table.stderr, "2 rows\n");
    assert_eq!(pond.millpond(&["query", "--csv", sql]).ok().stdout, "user,bytes\nann,0\nbob,1\n");
    assert_eq!(pond.query(sql), [json!({"user": "ann", "bytes": 0}), json!({"user": "bob", "bytes": 1})]);
    let arrow = millpond(&pond.path("."), &["query", "--arrow", sql]).output().expect("millpond");
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.stdout.as_slice(), None).expect("Arrow stream");
    assert_eq!(reader.map(|batch| batch.expect("batch").num_rows()).sum::<usize>(), 2);
}

#[test]
fn any_file_is_a_table_with_or_without_a_pond() {
    let pond = filled();
    assert_eq!(pond.value("select sum(bytes) from 'inbox/a.ndjson'"), 45);
    let folder = tempfile::tempdir().expect("folder");
    std::fs::write(folder.path().join("x.csv"), "name,size\na,1\nb,2\n").expect("file");
    let ran = Ran::of(
        millpond(folder.path(), &["query", "--json", "select max(size) as m from 'x.csv'"]).output().expect("millpond"),
    )
    .ok();
    assert_eq!(ran.json_lines(), [json!({"m": 2})]);
}

#[test]
fn only_reading_is_allowed() {
    let pond = filled();
    for sql in [
        "drop table app",
        "create table x as select 1",
        "insert into app select * from app",
        "copy app to 'x.csv'",
        "set a.b = 1",
    ] {
        assert_eq!(pond.millpond(&["query", sql]).code, Some(1), "{sql}");
    }
    let ran = pond.millpond(&["query", "select usr from app"]).fails(1);
    assert!(ran.stderr.contains("usr"), "{}", ran.stderr);
}

#[test]
fn receipts_are_listed_and_chosen() {
    let pond = filled();
    assert_eq!(pond.millpond(&["receipts", "--json"]).ok().json_lines().len(), 3);
    let unrouted = pond.millpond(&["receipts", "--json", "--status", "unrouted"]).ok().json_lines();
    assert!(
        unrouted.len() == 1 && unrouted[0]["object"].as_str().is_some_and(|o| o.ends_with("notes.txt")),
        "{unrouted:?}"
    );
    let receipt = &pond.millpond(&["receipts", "--json", "--object", "a.ndjson"]).ok().json_lines()[0];
    assert_eq!(receipt["rows_in"], 10);
    assert_eq!(receipt["fingerprint"].as_str().map(str::len), Some(64));
    assert!(receipt["memory_peak_bytes"].as_u64().is_some_and(|bytes| bytes > 10_000), "{receipt}");
    assert_eq!(receipt["outputs"].as_array().map(Vec::len), Some(2), "{receipt}");
    assert!(pond.millpond(&["receipts"]).ok().stdout.contains("app"));
}

#[test]
fn quarantine_is_listed_and_shown() {
    let pond = filled();
    let listed = pond.millpond(&["quarantine", "ls", "--json"]).ok().json_lines();
    assert_eq!((listed.len(), listed[0]["reason"].clone()), (1, json!("bad_json")));
    let id = listed[0]["id"].as_str().expect("id");
    let table = pond.millpond(&["quarantine", "ls", "--source", "app"]).ok().stdout;
    assert!(table.contains(id) && table.contains("| 13 "), "{table}");
    let shown = pond.millpond(&["quarantine", "show", id]).ok();
    assert_eq!(shown.stdout, "broken { line\n");
    assert!(shown.stderr.contains("b.ndjson"), "{}", shown.stderr);
    pond.millpond(&["quarantine", "show", "nosuch"]).fails(1);
}

#[test]
fn stats_tell_what_the_receipts_hold() {
    let pond = filled();
    let stats = &pond.millpond(&["stats", "--json"]).ok().json_lines()[0];
    assert_eq!(stats["days"][0]["databases"], 3);
    assert_eq!(stats["rows"]["rows_in"], 21);
    assert_eq!(stats["rows"]["quarantined"], 1);
    assert!(stats["file_bytes"]["p99"].as_f64().is_some_and(|bytes| bytes > 100.0), "{stats}");
    let text = pond.millpond(&["stats"]).ok().stdout;
    for title in [
        "Databases by day",
        "Distinct sources by day",
        "Source file size",
        "p99 of files below 200 MB",
        "Bytes by day",
        "Fetch speed",
        "Rows by fate",
        "Time per step",
    ] {
        assert!(text.contains(title), "no {title} in\n{text}");
    }
}

#[test]
fn explain_tells_what_would_happen_and_what_did() {
    let pond = Pond::with_app();
    pond.source("all", "[[match]]\nglob = '**'\n[format]\ntype = 'lines'\n", "select line from input");
    pond.write("inbox/a.ndjson", app_log(0));
    let before = pond.millpond(&["explain", "inbox/a.ndjson"]).ok().stdout;
    assert!(
        before.contains("source `app` by `**/*.ndjson*`")
            && before.contains("not `all`")
            && before.contains("not processed yet"),
        "{before}"
    );
    pond.run_once();
    let after = pond.millpond(&["explain", "--json", "a.ndjson"]).ok().json_lines();
    assert_eq!(after[0]["receipts"][0]["rows_out"], 9);
    assert_eq!(after[0]["format"]["format"], "json");
    assert_eq!(after[0]["columns"]["read"][0]["name"], "ts");
}

#[test]
fn a_learned_source_works() {
    let pond = Pond::empty();
    pond.write("samples/a.ndjson", app_log(0));
    pond.millpond(&["source", "learn", "samples/a.ndjson", "--write", "learned"]).ok();
    pond.write("inbox/learned/x.ndjson", app_log(10));
    pond.millpond(&["check"]).ok();
    pond.run_once();
    assert_eq!(
        pond.query("select count(*) as n, min(ts) as t, max(bytes) as b from learned"),
        [json!({"n": 10, "t": "2026-01-02T10:00:00Z", "b": 19})]
    );
    let printed = pond.millpond(&["source", "learn", "samples/a.ndjson"]).ok().stdout;
    assert!(printed.contains("ts = \"timestamp\"\nuser = \"text\"\nbytes = \"int\"\n"), "{printed}");
}
