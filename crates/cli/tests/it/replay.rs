//! Replay: old rows are swapped for new ones, whole or not at all.

use serde_json::{Value, json};

use crate::pond::{APP_SQL, Pond, app_log, millpond};

const NEW_SQL: &str =
    "select ts as time, upper(user) as user, bytes * 2 as bytes, _file, _row, now() as processed_at from input\n";

/// Six files over two runs, each of 10 records of which one is noise and one breaks.
fn pond() -> Pond {
    let pond = Pond::with_app();
    for n in 0..3 {
        pond.write(&format!("inbox/{n}.ndjson"), app_log(n * 10) + "broken\n");
    }
    pond.run_once();
    for n in 3..6 {
        pond.write(&format!("inbox/{n}.ndjson"), app_log(n * 10) + "broken\n");
    }
    pond.run_once();
    pond
}

fn state(pond: &Pond) -> Vec<Value> {
    let mut state = pond.query("select user, bytes, _file, _row from app order by _file, _row");
    state.extend(pond.query("select \"object\", row, reason from quarantine order by 1, 2"));
    state.extend(pond.query("select file, row, entity from signals order by 1, 2"));
    state.extend(pond.query("select \"object\", status, rows_in, rows_out, quarantined from receipts order by 1"));
    state
}

#[test]
fn a_replay_swaps_old_rows_for_new_and_a_dry_run_changes_nothing() {
    let pond = pond();
    let before = state(&pond);
    let jobs = pond.query("select distinct _job from app order by 1");
    pond.source("app", &crate::pond::APP_CONFIG.replace("version = 1", "version = 2"), NEW_SQL);
    let dry = pond.millpond(&["replay", "source = 'app'", "--dry-run", "--json"]).ok().json_lines();
    let change = json!({
        "source": "app", "jobs": 6, "rows_before": 54, "rows_after": 60, "signals_before": 6, "signals_after": 6,
        "quarantined_before": 6, "quarantined_after": 6,
    });
    assert_eq!(dry[0], json!({"swapped": false, "sources": [change], "kept": []}));
    assert_eq!(state(&pond), before);
    let done = pond.millpond(&["replay", "source = 'app'", "--json"]).ok().json_lines();
    assert_eq!(done[0], json!({"swapped": true, "sources": [change], "kept": []}));
    assert_eq!(pond.value("select count(*) from app"), 60);
    assert_eq!(pond.value("select count(*) from app where user <> upper(user)"), 0);
    assert_eq!(pond.value("select count(*) from quarantine"), 6);
    assert_eq!(pond.value("select count(*) from signals"), 6);
    assert_eq!(
        pond.query(
            "select count(*) as n, count(distinct \"object\") as objects, min(source_version) as version, \
                    count(replaces) as replays, sum(rows_out) as rows from receipts"
        ),
        [json!({"n": 6, "objects": 6, "version": 2, "replays": 6, "rows": 60})]
    );
    assert_ne!(pond.query("select distinct _job from app order by 1"), jobs);
    // What was replayed is done, and nothing is left to swap.
    pond.run_once();
    assert_eq!(pond.value("select count(*) from app"), 60);
    assert_eq!(std::fs::read_dir(pond.path("lake/_batches")).map_or(0, Iterator::count), 0);
    let none = pond.millpond(&["replay", "source = 'app' and source_version < 2", "--json"]).ok().json_lines();
    assert_eq!(none[0]["sources"], json!([]));
}

#[test]
fn a_replay_of_some_jobs_leaves_the_rows_of_others_in_the_same_files() {
    let pond = pond();
    pond.source("app", crate::pond::APP_CONFIG, NEW_SQL);
    pond.millpond(&["replay", "strpos(object, '/1.ndjson') > 0"]).ok();
    assert_eq!(pond.value("select count(*) from app"), 55);
    assert_eq!(pond.value("select count(*) from app where user = upper(user)"), 10);
    assert_eq!(pond.value("select count(*) from app where user = upper(user) and _file not like '%/1.ndjson'"), 0);
    assert_eq!(pond.value("select sum(rows_out) from receipts"), 55);
    assert_eq!(pond.value("select count(*) from quarantine"), 6);
}

#[test]
fn objects_that_are_gone_keep_their_rows() {
    let pond = pond();
    let before = state(&pond);
    pond.source("app", crate::pond::APP_CONFIG, NEW_SQL);
    std::fs::remove_file(pond.path("inbox/2.ndjson")).expect("file");
    let ran = pond.millpond(&["replay", "true"]).fails(4);
    assert!(ran.stderr.contains("2.ndjson` is gone") && ran.stderr.contains("--skip-failed"), "{}", ran.stderr);
    assert_eq!(state(&pond), before);
    pond.millpond(&["replay", "true", "--skip-failed"]).fails(4);
    assert_eq!(pond.value("select count(*) from app where user = upper(user)"), 50);
    assert_eq!(pond.value("select count(*) from app where _file like '%/2.ndjson' and user <> upper(user)"), 9);
}

#[test]
fn killed_at_each_step_a_replay_swaps_all_or_nothing_and_goes_on() {
    let done = {
        let pond = pond();
        pond.source("app", crate::pond::APP_CONFIG, NEW_SQL);
        pond.millpond(&["replay", "true"]).ok();
        pond.query("select user, bytes, _row from app order by 1, 2, 3")
    };
    for point in ["fetch", "put", "commit", "batch", "table:1", "table:2", "receipts", "cleanup"] {
        let mut pond = pond();
        pond.source("app", crate::pond::APP_CONFIG, NEW_SQL);
        pond.set("MILLPOND_CRASH", point);
        assert_eq!(pond.millpond(&["replay", "true"]).code, None, "killed at {point}");
        pond.unset("MILLPOND_CRASH");
        let count = pond.value("select count(*) from app");
        assert!(count == 54 || count == 60, "{count} rows after {point}");
        assert_eq!(
            pond.value("select count(*) from (select _file, _row from app group by 1, 2 having count(*) > 1)"),
            0
        );
        pond.millpond(&["replay", "true"]).ok();
        assert_eq!(pond.query("select user, bytes, _row from app order by 1, 2, 3"), done, "killed at {point}");
        assert_eq!(pond.value("select count(*) from receipts"), 6);
        assert_eq!(pond.value("select sum(rows_out) from receipts"), 60);
    }
}

#[test]
fn readers_see_the_old_rows_or_the_new_ones() {
    let pond = pond();
    pond.source("app", crate::pond::APP_CONFIG, NEW_SQL);
    let mut replay = millpond(&pond.path("."), &["replay", "true"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("millpond");
    let mut seen = std::collections::BTreeSet::new();
    loop {
        let is_over = replay.try_wait().expect("replay").is_some();
        let rows = pond.query("select count(*) as rows, sum(bytes) as bytes from app");
        seen.insert((rows[0]["rows"].as_i64(), rows[0]["bytes"].as_i64()));
        if is_over {
            break;
        }
    }
    let old: i64 = (0..60).filter(|n| n % 10 != 3).sum();
    let new: i64 = (0..60).map(|n| n * 2).sum();
    assert!(seen.contains(&(Some(60), Some(new))), "{seen:?}");
    assert!(seen.iter().all(|state| [(Some(54), Some(old)), (Some(60), Some(new))].contains(state)), "{seen:?}");
}

#[test]
fn what_was_in_quarantine_is_replayed_once_its_source_is_right() {
    let pond = Pond::empty();
    let strict = crate::pond::APP_CONFIG.replace("bytes = 'int'", "bytes = 'int'\n[policy]\ndrift = 'freeze'");
    pond.source("app", &strict, APP_SQL);
    pond.write("inbox/a.ndjson", app_log(0));
    pond.write("inbox/b.ndjson", "{\"ts\":\"2026-01-01T10:00:00Z\",\"user\":\"ann\",\"bytes\":1,\"new\":true}\n");
    pond.run_once();
    assert_eq!(pond.value("select count(*) from quarantine"), 1);
    let entries = pond.millpond(&["quarantine", "ls", "--json"]).ok().json_lines();
    let id = entries[0]["id"].as_str().expect("an id");
    let made = pond.millpond(&["quarantine", "to-test", id]).ok();
    assert!(std::fs::read(made.stdout.trim()).expect("input").starts_with(b"{\"ts\""), "{}", made.stdout);
    pond.source("app", crate::pond::APP_CONFIG, APP_SQL);
    pond.millpond(&["test", "app", "--update"]).ok();
    pond.millpond(&["quarantine", "replay"]).ok();
    assert_eq!(pond.value("select count(*) from quarantine"), 0);
    assert_eq!(pond.value("select count(*) from app"), 10);
    pond.millpond(&["test", "app"]).ok();
}
