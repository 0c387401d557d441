//! `millpond hunt`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::pond::{Pond, Ran, millpond};

const CONFIG: &str = "time = 'ts'\nsort = ['src', 'ts']\nindicators = ['src', 'host', 'url']\n[[match]]\nglob = '**/*.ndjson'\n\
                      [format]\ntype = 'json'\n[columns]\nts = 'timestamp'\nsrc = 'text'\nhost = 'text'\nurl = 'text'\n\
                      hash = 'text'\nnames = ['text']\nhttp = { agent = 'text', peer = 'text' }\n";
const SQL: &str = "select ts, src, host, url, hash, names, http, _file, _row from input\n";

/// A pond with so many files of one day, each committed by itself.
fn pond(files: u32) -> Pond {
    let pond = Pond::empty();
    pond.source("net", CONFIG, SQL);
    for file in 0..files {
        pond.write(&format!("inbox/{file}.ndjson"), log(file, 1));
        pond.run_once();
    }
    pond
}

/// Twenty records of a day of January 2026.
fn log(file: u32, day: u32) -> String {
    let record = |n: u32| {
        json!({
            "ts": format!("2026-01-{day:02}T{:02}:00:00Z", n % 24),
            "src": format!("10.{file}.0.{n}"),
            "host": format!("h{n}.site{file}.example"),
            "url": format!("https://h{n}.site{file}.example/p?q={n}"),
            "hash": format!("{:032X}", n * 100 + file),
            "names": [format!("a{n}.example"), format!("B{n}.example")],
            "http": {"agent": "curl/8", "peer": format!("[2001:DB8:{file}::{n:X}]:443")},
        })
    };
    (0..20).map(|n| format!("{}\n", record(n))).collect()
}

fn found(ran: &Ran) -> Vec<(String, String, u64)> {
    let findings = ran.json_lines().into_iter().filter(|line| line["event"] == "found");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .map(|line| line["finding"].clone())
        .map(|found| (text(&found["indicator"]), text(&found["column"]), found["rows"].as_u64().unwrap_or(0)))
        .collect()
}

fn tally(ran: &Ran) -> Value {
    ran.json_lines().last().expect("a summary")["tally"].clone()
}

/// Hunts for these lines.
fn hunt(pond: &Pond, lines: &str, arguments: &[&str]) -> Ran {
    pond.write("list.txt", lines);
    let all = [&["hunt", "--iocs", "list.txt", "--json"], arguments].concat();
    pond.millpond(&all).ok()
}

const LIST: &str = "10.1.0.3\n10.2.0[.]0/30\nh4.site1.example\nhxxps://h5.site0.example/p\na6[.]example\nb7.example\n\
                    00000000000000000000000000000065\n2001:db8:1::8\n10.9.9.9\nabsent.example\n";

#[test]
fn nothing_is_missed_before_and_after_compaction() {
    let pond = pond(5);
    let expected = [
        ("b7.example", "names", "select count(*) from net where array_has(names, 'B7.example')"),
        ("a6.example", "names", "select count(*) from net where array_has(names, 'a6.example')"),
        ("h4.site1.example", "host", "select count(*) from net where lower(host) = 'h4.site1.example'"),
        ("10.1.0.3", "src", "select count(*) from net where src = '10.1.0.3'"),
        ("2001:db8:1::8", "http.peer", "select count(*) from net where http['peer'] = '[2001:DB8:1::8]:443'"),
        (
            "00000000000000000000000000000065",
            "hash",
            "select count(*) from net where hash = '00000000000000000000000000000065'",
        ),
        (
            "10.2.0.0/30",
            "src",
            "select count(*) from net where src in ('10.2.0.0', '10.2.0.1', '10.2.0.2', '10.2.0.3')",
        ),
        ("h5.site0.example/p", "url", "select count(*) from net where url like 'https://h5.site0.example/p?%'"),
    ];
    let mut expected: Vec<(String, String, u64)> = expected
        .map(|(indicator, column, sql)| (indicator.into(), column.into(), pond.value(sql).as_u64().expect("count")))
        .into();
    expected.sort();
    let hunted = |arguments: &[&str]| {
        let ran = hunt(&pond, LIST, arguments);
        let mut rows = found(&ran);
        rows.sort();
        (rows, ran)
    };
    let (before, ran) = hunted(&[]);
    assert_eq!(before, expected, "{}", ran.stderr);
    assert!(ran.stderr.contains("8 of 10 indicators found"), "{}", ran.stderr);
    pond.millpond(&["lake", "compact", "net"]).ok();
    let (after, ran) = hunted(&[]);
    assert_eq!(after, expected, "{}", ran.stderr);
    let indexed: Vec<_> =
        expected.iter().filter(|(_, column, _)| ["src", "host", "url"].contains(&column.as_str())).cloned().collect();
    assert_eq!(hunted(&["--indexed"]).0, indexed);
    assert_eq!(hunted(&["--columns", "http.peer,names"]).0.len(), 3);
    let sample = ran.json_lines().into_iter().find(|line| line["finding"]["indicator"] == "10.1.0.3").expect("found");
    let sample = &sample["finding"]["samples"][0];
    assert!(sample["_file"].as_str().is_some_and(|file| file.ends_with("/inbox/1.ndjson")), "{sample}");
    assert_eq!((&sample["_row"], &sample["time"]), (&3.into(), &"2026-01-01T03:00:00Z".into()));
}

#[test]
fn bloom_filters_and_bounds_skip_what_cannot_match() {
    let pond = pond(5);
    // Between the smallest and the largest value, and not there.
    let absent = "10.2.0.77\nh3.site2.examplee\n";
    let before = tally(&hunt(&pond, absent, &["--columns", "src,host"]));
    assert_eq!((&before["files"], &before["chunks_skipped_by_bloom"]), (&5.into(), &0.into()), "{before}");
    assert!(before["rows_read"].as_u64() > Some(0), "{before}");
    pond.millpond(&["lake", "compact", "net"]).ok();
    let after = tally(&hunt(&pond, absent, &["--columns", "src,host"]));
    assert_eq!((&after["files"], &after["files_skipped_by_footer"]), (&1.into(), &1.into()), "{after}");
    assert_eq!((&after["rows_read"], &after["chunks_skipped_by_bloom"]), (&0.into(), &2.into()), "{after}");
    // The log knows the bounds: the file is not even opened.
    let outside = tally(&hunt(&pond, "z.example\n", &["--columns", "src,host"]));
    assert_eq!((&outside["files_skipped_by_log"], &outside["bytes_read"]), (&1.into(), &0.into()), "{outside}");
    // Only the column that may have it is read.
    let one = tally(&hunt(&pond, "10.1.0.3\n", &["--indexed"]));
    assert_eq!((&one["chunks"], &one["files_read"]), (&3.into(), &1.into()), "{one}");
    assert!(one["chunks_skipped_by_statistics"].as_u64() > Some(0), "{one}");
}

#[test]
fn a_filter_is_not_asked_where_it_does_not_know_the_spelling() {
    let pond = pond(4);
    pond.write("inbox/odd.ndjson", log(9, 1).replace("h3.site9", "H3.Site9").replace("10.9.0.5", "::ffff:10.9.0.5"));
    pond.run_once();
    pond.millpond(&["lake", "compact", "net"]).ok();
    let rows = found(&hunt(&pond, "h3.site9.example\n10.9.0.5\n", &["--columns", "src,host"]));
    assert_eq!(rows, [("h3.site9.example".into(), "host".into(), 1), ("10.9.0.5".into(), "src".into(), 1)]);
}

#[test]
fn time_and_tables_narrow_a_hunt() {
    let pond = pond(1);
    pond.write("inbox/later.ndjson", log(0, 20));
    pond.run_once();
    let later = hunt(&pond, "10.0.0.7\n", &["--since", "2026-01-10"]);
    assert_eq!(found(&later), [("10.0.0.7".into(), "src".into(), 1)]);
    assert_eq!(tally(&later)["files_of_other_days"], 1);
    let hours = ["--since", "2026-01-01T06:00:00Z", "--until", "2026-01-01T07:00:00Z"];
    assert!(found(&hunt(&pond, "10.0.0.7\n", &hours)).is_empty(), "its time is seven");
    assert_eq!(found(&hunt(&pond, "10.0.0.6\n", &hours)).len(), 1);
    let subdomains = found(&hunt(&pond, "site0.example\n", &["--subdomains", "--columns", "host"]));
    assert_eq!(subdomains, [("site0.example".into(), "host".into(), 40)]);
    let unknown = pond.millpond(&["hunt", "--iocs", "list.txt", "--table", "nett"]).fails(1).stderr;
    assert!(unknown.contains("did you mean `net`?"), "{unknown}");
    let unknown = pond.millpond(&["hunt", "--iocs", "list.txt", "--columns", "hosts"]).fails(1).stderr;
    assert!(unknown.contains("text column `hosts`") && unknown.contains("did you mean `host`?"), "{unknown}");
}

#[test]
fn lists_of_every_kind_are_read_and_what_is_not_taken_is_told() {
    let pond = pond(1);
    let stix = r#"{"type":"bundle","objects":[
        {"type":"indicator","id":"indicator--1","pattern":"[ipv4-addr:value = '10.0.0.1'] OR [domain-name:value = 'h2.site0.example']"},
        {"type":"indicator","id":"indicator--2","pattern":"[ipv4-addr:value = '10.0.0.3' AND file:size > 3]"}]}"#;
    pond.write("bundle.json", stix);
    pond.write("event.json", r#"{"Event":{"Attribute":[{"type":"ip-dst","value":"10.0.0.4","to_ids":true}]}}"#);
    pond.write("list.csv", "type,value\nip,10.0.0[.]5\nip,nonsense\n");
    let lists = ["--iocs", "bundle.json", "--iocs", "event.json", "--iocs", "list.csv"];
    let csv = pond.millpond(&[&["hunt", "--csv"], &lists[..]].concat()).ok();
    assert_eq!(csv.stdout.lines().count(), 5, "{}", csv.stdout);
    assert!(csv.stdout.starts_with("kind,indicator,table,column,rows,first,last,_file,_row,value\n"));
    assert!(
        csv.stderr.contains("not taken: indicator--2") && csv.stderr.contains("line 3, `nonsense`"),
        "{}",
        csv.stderr
    );
    let table = pond.millpond(&[&["hunt"], &lists[..]].concat()).ok().stdout;
    assert!(table.starts_with("kind ") && table.contains("10.0.0.4"), "{table}");
    let gone = pond.millpond(&["hunt", "--iocs", "gone.txt"]).fails(1).stderr;
    assert!(gone.contains("nothing at"), "{gone}");
}

/// What hunts recorded.
fn recorded(pond: &Pond) -> Vec<Value> {
    pond.query("select * from signals where kind = 'hunt' order by entity, file, \"row\"")
}

#[test]
fn signals_are_recorded_once_however_often_they_are_found() {
    let mut pond = pond(5);
    let hunted = |pond: &Pond, lines: &str| {
        let ran = hunt(pond, lines, &["--signals"]);
        ran.json_lines().last().expect("a summary")["signals"].as_u64().expect("a count")
    };
    // Killed between the rows and their commit, nothing is recorded, and the next hunt records all.
    pond.set("MILLPOND_CRASH", "hunt");
    pond.write("list.txt", "10.1.0.3\n");
    assert_ne!(pond.millpond(&["hunt", "--iocs", "list.txt", "--signals"]).code, Some(0));
    pond.unset("MILLPOND_CRASH");
    assert!(recorded(&pond).is_empty());
    assert_eq!(hunted(&pond, "10.1.0.3 # command and control\n10.2.0.0/30\n"), 5);
    let rows = recorded(&pond);
    assert_eq!((rows.len(), &rows[0]["source"], &rows[0]["rule"]), (5, &"net".into(), &"ioc-hunt".into()));
    assert_eq!(
        (&rows[0]["entity"], &rows[0]["row"], &rows[0]["severity"]),
        (&"10.1.0.3".into(), &3.into(), &"medium".into())
    );
    assert_eq!(rows[0]["message"], "ip `10.1.0.3` in src of table `net`: command and control");
    let fields: Value = serde_json::from_str(rows[0]["fields"].as_str().expect("fields")).expect("JSON");
    assert_eq!((&fields["value"], &fields["columns"]), (&"10.1.0.3".into(), &json!(["src"])));
    // Another hunt, also over other files with the same rows, and one for more.
    assert_eq!(hunted(&pond, "10.1.0.3\n10.2.0.0/30\n"), 0);
    pond.millpond(&["lake", "compact"]).ok();
    assert_eq!(hunted(&pond, "10.1.0.3\n10.2.0.0/30\n10.3.0.4\n"), 1);
    pond.millpond(&["replay", "source = 'net'"]).ok();
    assert_eq!(hunted(&pond, "10.1.0.3\n10.2.0.0/30\n10.3.0.4\n"), 0);
    assert_eq!(recorded(&pond).len(), 6);
    let itself = pond.millpond(&["hunt", "--iocs", "list.txt", "--signals", "--table", "signals"]).fails(1).stderr;
    assert!(itself.contains("would find what it recorded"), "{itself}");
}

#[test]
fn hunts_at_the_same_time_record_once() {
    let pond = pond(2);
    pond.write("list.txt", (0..20).map(|n| format!("10.0.0.{n}\n")).collect::<String>());
    let start = || {
        millpond(&pond.path("."), &["hunt", "--iocs", "list.txt", "--signals"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    };
    let hunts: Vec<_> = (0..3).map(|_| start().expect("millpond")).collect();
    hunts.into_iter().for_each(|mut hunt| assert!(hunt.wait().expect("end").success()));
    assert_eq!(recorded(&pond).len(), 20);
}

#[test]
fn rows_that_do_not_say_where_they_come_from_are_told_apart_by_their_content() {
    let pond = pond(0);
    let config = CONFIG.replace("['src', 'host', 'url']", "['src']");
    pond.source("net", &config, "select ts, src, hash from input\n");
    for file in 0..2 {
        pond.write(&format!("inbox/{file}.ndjson"), log(file, 1));
        pond.run_once();
    }
    for (list, new) in [("10.0.0.0/30\n", 4), ("10.0.0.0/29\n10.0.0.0/30\n", 8), ("10.0.0.0/29\n", 0)] {
        let ran = hunt(&pond, list, &["--signals"]);
        assert_eq!(ran.json_lines().last().expect("a summary")["signals"], new, "{list}");
        pond.millpond(&["lake", "compact", "net"]).ok();
    }
}

/// The first line of a process that begins so; the process is ended.
fn line_of(pond: &Pond, arguments: &[&str], start: &str) -> String {
    let mut process = millpond(&pond.path("."), arguments);
    let mut process = process.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("millpond");
    let mut lines = BufReader::new(process.stderr.take().expect("stderr")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains(start));
    process.kill().expect("kill");
    process.wait().expect("end");
    line.unwrap_or_default()
}

#[test]
fn a_list_that_changed_is_hunted_for_what_is_new() {
    let pond = pond(2);
    let config = "[[input]]\nurl = 'inbox'\n[[hunt]]\nname = 'feed'\niocs = 'feed.txt'\nsince = '30000d'\n";
    pond.write("millpond.toml", config);
    pond.write("feed.txt", "10.0.0.1\n10.0.0.99\n");
    let first = line_of(&pond, &["commit", "--watch", "--every", "1"], "hunt `feed`");
    assert!(first.contains("1 of 2 new indicators found, 1 signals"), "{first}");
    pond.write("feed.txt", "10.0.0.1\n10.0.0.99\n10.1.0.2\nno good\n");
    let second = line_of(&pond, &["run"], "hunt `feed`");
    assert!(second.contains("1 of 1 new indicators found, 1 signals"), "{second}");
    assert!(second.contains("1 entries of the list not taken"), "{second}");
    assert_eq!(recorded(&pond).len(), 2);
    // Another lookback is another hunt, and what was recorded is not recorded again.
    pond.write("millpond.toml", config.replace("30000d", "20000d"));
    let third = line_of(&pond, &["commit", "--watch", "--every", "1"], "hunt `feed`");
    assert!(third.contains("2 of 3 new indicators found, 0 signals"), "{third}");
    pond.write("millpond.toml", config.replace("feed.txt", "gone.txt"));
    let fourth = line_of(&pond, &["commit", "--watch", "--every", "1"], "hunt `feed`");
    assert!(fourth.contains("nothing at"), "{fourth}");
}
