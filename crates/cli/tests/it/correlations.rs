//! Sigma correlations end to end: matches of several files, sources and workers become episodes, and each alerts once.

use serde_json::{Value, json};

use crate::pond::{Pond, millpond};
use crate::serve::Listening;

/// Rules over the portal, which says `ip`, and the gateway, which says `client`.
const RULES: &str = "\
title: Failed login
name: failed
logsource: {product: portal}
detection: {s: {outcome: failure}, condition: s}
---
title: Login
name: success
logsource: {product: portal}
detection: {s: {outcome: success}, condition: s}
---
title: Refused by the gateway
name: refused
logsource: {product: gateway}
detection: {s: {result: denied}, condition: s}
---
title: Many failures
id: 5c0a2d52-6c3f-4b1c-9f0e-0d7e6b1a0010
name: many
level: medium
author: Ada
tags: [attack.t1110]
references: [https://example.com/many]
correlation:
  type: event_count
  rules: [failed, refused]
  group-by: [ip]
  aliases: {ip: {refused: client}}
  timespan: 10m
  condition: {gte: 10}
---
title: Many accounts
name: spray
level: high
correlation:
  type: value_count
  rules: [failed, refused]
  group-by: [ip]
  aliases: {ip: {refused: client}}
  timespan: 10m
  condition: {field: user, gte: 5}
---
title: In after many failures
name: breach
level: critical
correlation:
  type: temporal_ordered
  rules: [many, success]
  group-by: [ip]
  timespan: 15m
  generate: true
";

fn source(pond: &Pond, name: &str, columns: &str) {
    let config = format!(
        "time = 'time'\n[[match]]\nglob = '{name}/**'\n[format]\ntype = 'json'\n[logsource]\nproduct = '{name}'\n\
         entity = ['user']\n[columns]\nts = 'timestamp'\n{columns}"
    );
    pond.source(name, &config, "select ts as time, user, _file, _row from input\n");
}

/// A pond with both sources and the rules; `more` is added to its configuration.
fn pond(more: &str) -> Pond {
    let pond = Pond::empty();
    source(&pond, "portal", "user = 'text'\n");
    source(&pond, "gateway", "user = 'text'\n");
    pond.write("rules/brute.yml", RULES);
    pond.write(
        "millpond.toml",
        format!("[[input]]\nurl = 'inbox'\n[budget]\njobs = 1\n[[alert]]\nname = 'all'\nwindow = '100000d'\n{more}"),
    );
    pond
}

fn portal(minute: u32, second: u32, outcome: &str) -> String {
    let time = format!("2026-01-01T10:{minute:02}:{second:02}Z");
    json!({"ts": time, "user": format!("u{}", second % 7), "ip": "192.0.2.9", "outcome": outcome}).to_string() + "\n"
}

fn gateway(minute: u32, second: u32) -> String {
    let time = format!("2026-01-01T10:{minute:02}:{second:02}Z");
    json!({"ts": time, "user": format!("g{second}"), "client": "192.0.2.9", "result": "denied"}).to_string() + "\n"
}

/// Ten failures in three files of two sources, and a success.
fn attack(pond: &Pond) {
    let other = r#"{"ts":"2026-01-01T10:00:00Z","user":"ann","ip":"198.51.100.1","outcome":"failure"}"#;
    pond.write("inbox/portal/1.json", (0..4).map(|n| portal(1, n, "failure")).collect::<String>() + other + "\n");
    pond.write("inbox/gateway/2.json", (0..3).map(|n| gateway(2, n)).collect::<String>());
    pond.write("inbox/portal/3.json", (0..3).map(|n| portal(3, n, "failure")).collect::<String>());
    pond.write("inbox/portal/4.json", portal(5, 0, "success"));
}

fn episodes(pond: &Pond) -> Vec<Value> {
    pond.query("select title, entity, severity, \"count\" as n, key from (select title, entity, severity, key, count(*) as \"count\" \
                from signals where kind = 'correlation' group by all) order by title")
}

fn titles(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["title"].as_str().unwrap_or_default()).collect()
}

fn alerts(pond: &Pond) -> Vec<Value> {
    pond.millpond(&["alerts", "list", "--json"]).ok().json_lines()
}

#[test]
fn what_workers_hand_over_becomes_episodes_that_alert_once() {
    let pond = pond("");
    attack(&pond);
    pond.millpond(&["run", "--no-commit", "inbox/portal/1.json", "inbox/gateway/2.json"]).ok();
    pond.millpond(&["run", "--no-commit", "inbox/portal/4.json", "inbox/portal/3.json"]).ok();
    let committed = pond.millpond(&["commit"]).ok();
    assert!(committed.stderr.contains("correlation `Many failures`: 1 found"), "{}", committed.stderr);

    let found = episodes(&pond);
    assert_eq!(titles(&found), ["In after many failures", "Many accounts", "Many failures"]);
    assert!(found.iter().all(|row| row["entity"] == "192.0.2.9" && row["n"] == 1), "{found:#?}");
    assert_eq!(found.iter().map(|row| &row["severity"]).collect::<Vec<_>>(), ["critical", "high", "medium"]);

    let row = &pond.query("select * from signals where title = 'Many failures'")[0];
    let fields: Value = serde_json::from_str(row["fields"].as_str().expect("fields")).expect("JSON");
    assert_eq!((&row["rule"], &row["author"]), (&json!("5c0a2d52-6c3f-4b1c-9f0e-0d7e6b1a0010"), &json!("Ada")));
    assert_eq!((&row["technique"], &row["references"]), (&json!("T1110"), &json!(["https://example.com/many"])));
    assert_eq!((&row["window_start"], &row["time"]), (&json!("2026-01-01T10:01:00Z"), &json!("2026-01-01T10:03:02Z")));
    assert_eq!(
        (&fields["value"], &fields["count"], &fields["group"]),
        (&json!(10.0), &json!(10), &json!({"ip": "192.0.2.9"}))
    );
    let matches = fields["matches"].as_array().expect("matches");
    assert_eq!(matches.len(), 10);
    let second = matches.iter().filter(|one| one["file"].as_str().is_some_and(|file| file.ends_with("2.json")));
    assert_eq!(second.map(|one| &one["row"]).collect::<Vec<_>>(), [0, 1, 2]);

    let kinds = pond.query("select kind, count(*) as n from signals group by 1 order by 1");
    let kinds: Vec<_> = kinds.iter().map(|row| (row["kind"].as_str().unwrap_or_default(), &row["n"])).collect();
    assert_eq!(kinds, [("correlation", &json!(3)), ("sigma", &json!(1)), ("sigma_base", &json!(11))]);
    let told = alerts(&pond);
    let mut told = titles(&told);
    told.sort_unstable();
    assert_eq!(told, ["In after many failures", "Login", "Many accounts", "Many failures"]);

    let again = pond.millpond(&["commit"]).ok();
    assert!(!again.stderr.contains("correlation"), "{}", again.stderr);
    assert_eq!(pond.millpond(&["signals", "correlate"]).ok().stderr, "");
    assert_eq!((episodes(&pond), alerts(&pond).len()), (found, 4));
}

#[test]
fn a_late_file_moves_the_beginning_and_is_no_second_alert() {
    let pond = pond("");
    attack(&pond);
    pond.run_once();
    let (found, told) = (episodes(&pond), alerts(&pond).len());
    assert_eq!((found.len(), told), (3, 4));
    pond.write("inbox/gateway/0.json", gateway(0, 30));
    let ran = pond.millpond(&["run", "--once"]).ok();
    assert!(!ran.stderr.contains("correlation"), "one match more is no news: {}", ran.stderr);
    assert_eq!((episodes(&pond), alerts(&pond).len()), (found.clone(), told));

    // Twice as many is: a row of the same episode, which its alert takes.
    pond.write("inbox/gateway/5.json", (0..12).map(|n| gateway(6, n)).collect::<String>());
    let ran = pond.millpond(&["run", "--once"]).ok();
    assert!(ran.stderr.contains("correlation `Many failures`: 1 grew"), "{}", ran.stderr);
    let grown = episodes(&pond);
    let keys = |rows: &[Value]| rows.iter().map(|row| row["key"].clone()).collect::<Vec<_>>();
    assert_eq!(keys(&grown), keys(&found));
    assert_eq!(grown[2]["n"], 2);
    let alert = alerts(&pond).into_iter().find(|alert| alert["title"] == "Many failures").expect("alert");
    assert_eq!((&alert["count"], alerts(&pond).len()), (&json!(2), told));
    let last =
        pond.value("select window_start from signals where title = 'Many failures' order by \"time\" desc limit 1");
    assert_eq!(last, "2026-01-01T10:00:30Z", "the late match is in it");
}

#[test]
fn killed_anywhere_nothing_is_lost_or_doubled() {
    let whole = pond("");
    attack(&whole);
    whole.run_once();
    let expected = episodes(&whole);
    assert_eq!(expected.len(), 3);
    for point in ["correlation:1", "episodes:1", "batch:1", "table:1", "table:3", "receipts:1", "step:1"] {
        let mut pond = pond("");
        attack(&pond);
        pond.set("MILLPOND_CRASH", point);
        let ran = pond.millpond(&["run", "--once"]);
        assert_eq!(ran.code, None, "`{point}` was never reached: {}", ran.stderr);
        pond.unset("MILLPOND_CRASH");
        pond.run_once();
        pond.run_once();
        let found = episodes(&pond);
        let shown =
            |rows: &[Value]| rows.iter().map(|row| (row["title"].clone(), row["n"].clone())).collect::<Vec<_>>();
        assert_eq!(shown(&found), shown(&expected), "killed at {point}");
        assert_eq!(alerts(&pond).len(), 4, "killed at {point}");
        let left = std::fs::read_dir(pond.path("lake/_correlations")).expect("folder").count();
        assert_eq!(left, 1, "killed at {point}");
    }
}

#[test]
fn several_at_once_find_it_once() {
    let pond = pond("");
    attack(&pond);
    pond.millpond(&["commit"]).ok();
    pond.millpond(&["run", "--once", "--no-commit"]).ok();
    let folder = pond.path("");
    let start = |_| millpond(&folder, &["commit"]).stderr(std::process::Stdio::null()).spawn().expect("millpond");
    let committers: Vec<_> = (0..3).map(start).collect();
    committers.into_iter().for_each(|mut one| assert!(one.wait().expect("end").success()));
    let found = episodes(&pond);
    assert_eq!(found.iter().map(|row| &row["n"]).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(alerts(&pond).len(), 4);
}

#[test]
fn what_was_seen_is_no_news_when_it_is_written_again() {
    let pond = pond("");
    attack(&pond);
    pond.millpond(&["run", "--once", "--no-commit"]).ok();
    pond.millpond(&["commit"]).ok();
    let found = episodes(&pond);
    assert_eq!(found.len(), 3);
    // The last step added rows, and whoever comes next makes sure of them: in whichever files they lie by then.
    pond.millpond(&["lake", "compact", "signals"]).ok();
    let history = pond.millpond(&["lake", "history", "signals"]).ok().stdout;
    assert!(history.contains("OPTIMIZE"), "{history}");
    assert_eq!(pond.millpond(&["signals", "correlate"]).ok().stderr, "");
    assert_eq!(episodes(&pond), found);
    source(&pond, "portal", "user = 'text'\nip = 'text'\n");
    pond.millpond(&["replay", "source = 'portal'"]).ok();
    assert_eq!(pond.millpond(&["signals", "correlate"]).ok().stderr, "");
    assert_eq!(episodes(&pond), found);
}

#[test]
fn what_cannot_be_used_is_told() {
    let pond = pond("[correlations]\nlate = '0s'\n");
    pond.write(
        "inbox/portal/1.json",
        portal(9, 0, "failure") + "{\"ts\":\"2026-01-01T10:09:00Z\",\"outcome\":\"failure\"}\n",
    );
    let ran = pond.millpond(&["run", "--once"]).ok();
    assert!(ran.stderr.contains("correlation `Many accounts`: 1 matches lack a field"), "{}", ran.stderr);
    attack(&pond);
    pond.write("inbox/portal/1.json", "");
    let ran = pond.millpond(&["run", "--once", "--no-commit"]).ok();
    assert!(!ran.stderr.contains("correlation"), "{}", ran.stderr);
    let committed = pond.millpond(&["commit", "--json"]).ok().json_lines();
    let told = committed.iter().find(|line| line["event"] == "correlated").expect("a line");
    assert_eq!(told["correlations"]["Many failures"]["left_out"]["late"], 6);
    assert_eq!(episodes(&pond), Vec::<Value>::new());
}

#[test]
fn an_alert_takes_no_match_that_is_for_correlations_alone() {
    let pond = pond("");
    pond.write("inbox/portal/1.json", portal(1, 0, "failure"));
    pond.run_once();
    assert_eq!(
        pond.query("select kind, fields from signals"),
        [json!({
            "kind": "sigma_base", "fields": r#"{"ip":"192.0.2.9","outcome":"failure","user":"u0"}"#,
        })]
    );
    assert_eq!(pond.value("select count(*) from signals where kind <> 'sigma_base'"), 0);
    assert!(!pond.path("lake/alerts").exists());
}

#[test]
fn a_pond_without_correlations_keeps_nothing_of_them() {
    let pond = Pond::with_app();
    pond.write("inbox/a.ndjson", crate::pond::app_log(0));
    pond.run_once();
    pond.millpond(&["commit"]).ok();
    assert!(!pond.path("lake/_correlations").exists());
    let refused = pond.millpond(&["signals", "correlate"]).fails(1).stderr;
    assert!(refused.contains("the pond has no correlations"), "{refused}");
}

#[test]
fn what_must_not_happen_is_told_once_it_cannot_any_more() {
    let pond = pond("[correlations]\nlate = '0s'\n");
    let correlation = "title: A lone failure\nname: lone\ncorrelation:\n  type: event_count\n  rules: [failed]\n  group-by: [ip]\n  \
                       timespan: 10m\n  condition: {lt: 2}\n";
    pond.write("rules/brute.yml", format!("{}---\n{correlation}", &RULES[..RULES.find("---").expect("rules")]));
    pond.write("inbox/portal/1.json", portal(1, 0, "failure"));
    pond.run_once();
    assert_eq!(episodes(&pond).len(), 0, "another may come");
    pond.write("inbox/portal/2.json", portal(30, 0, "failure"));
    pond.run_once();
    let found = pond.query("select window_end from signals where kind = 'correlation'");
    assert_eq!(found, [json!({"window_end": "2026-01-01T10:01:00Z"})]);
}

#[test]
fn a_worker_that_watches_correlates_and_counts() {
    let pond = pond("");
    let worker = Listening::on(&pond, None);
    attack(&pond);
    worker.metrics_with("millpond_correlation_episodes_total{correlation=\"In after many failures\"} 1");
    let metrics = worker.metrics_with("millpond_correlation_episodes_total{correlation=\"Many failures\"} 1");
    assert!(!metrics.contains("reason=\"late\"} 1"), "{metrics}");
    // Rules that change while it watches are read again.
    pond.write("rules/brute.yml", RULES.replace("gte: 10", "gte: 2"));
    pond.write(
        "inbox/portal/9.json",
        (0..2).map(|n| portal(50, n, "failure")).collect::<String>() + "{\"outcome\":\"failure\"}\n",
    );
    worker.metrics_with("millpond_correlation_episodes_total{correlation=\"Many failures\"} 2");
    worker.metrics_with("millpond_correlation_left_out_total{correlation=\"\",reason=\"untimed\"} 1");
}
