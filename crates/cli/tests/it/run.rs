//! `millpond run`: rows, receipts, quarantine, and that nothing is done twice.

use std::fs;
use std::io::Write;

use serde_json::{Value, json};

use crate::pond::{APP_CONFIG, APP_SQL, PLAIN_CONFIG, Pond, Ran, app_log, millpond, summary};

#[test]
fn files_become_rows_signals_and_receipts() {
    let pond = Pond::with_app();
    pond.write("inbox/a.ndjson", app_log(0));
    pond.write("inbox/b/c.ndjson", app_log(10) + "this is no JSON\n");
    let lines = pond.run_once();
    let told = summary(&lines);
    assert_eq!(told["files"]["done"], 2);
    assert_eq!(
        told["rows"],
        json!({"rows_in": 21, "rows_out": 18, "filtered": 2, "deduplicated": 0, "aggregated": 0, "quarantined": 1, "exploded": 0})
    );
    assert_eq!((told["signals"].clone(), told["unbalanced_files"].clone()), (json!(2), json!(0)));
    assert_eq!(pond.value("select count(*) from app"), 18);
    assert_eq!(pond.value("select count(distinct _day) from app"), 2);
    let signals = pond.query("select rule, severity, entity, row, fields, file from signals order by file");
    assert_eq!(signals[0]["rule"], "root");
    assert_eq!(
        (signals[0]["severity"].clone(), signals[0]["row"].clone(), signals[0]["fields"].clone()),
        (json!("high"), json!(2), json!("{\"bytes\":2}"))
    );
    let quarantined = pond.query("select source, row, reason, encode(raw, 'hex') as raw from quarantine");
    assert_eq!(
        quarantined,
        [json!({"source": "app", "row": 10, "reason": "bad_json", "raw": "74686973206973206e6f204a534f4e"})]
    );
    // Every row names a job whose receipt is there.
    assert_eq!(pond.value("select count(*) from app join receipts on app._job = receipts.job_id"), 18);
}

#[test]
fn a_second_run_does_nothing() {
    let pond = Pond::with_app();
    (0..20).for_each(|n| pond.write(&format!("inbox/{n}.ndjson"), app_log(n)));
    pond.run_once();
    let before = pond.value("select count(*) from receipts");
    let lines = pond.run_once();
    assert_eq!(summary(&lines)["files"]["already_done"], 20);
    assert_eq!(summary(&lines)["files"]["done"], 0);
    assert_eq!(pond.value("select count(*) from receipts"), before);
    assert_eq!(pond.value("select count(*) from app"), 180);
}

#[test]
fn the_same_bytes_under_another_name_are_recognised() {
    let pond = Pond::with_app();
    pond.write("inbox/a.ndjson", app_log(0));
    pond.run_once();
    pond.write("inbox/b.ndjson", app_log(0));
    pond.write("inbox/c.ndjson", app_log(0));
    let lines = pond.run_once();
    assert_eq!(summary(&lines)["files"]["duplicate"], 2);
    assert_eq!(summary(&lines)["rows"]["deduplicated"], 20);
    assert_eq!(pond.value("select count(*) from app"), 9);
    assert_eq!(pond.value("select count(*) from receipts d join receipts f on d.duplicate_of = f.job_id where f.object like '%a.ndjson'"), 2);
}

#[test]
fn a_touched_file_is_not_doubled() {
    let pond = Pond::with_app();
    pond.write("inbox/a.ndjson", app_log(0));
    pond.run_once();
    fs::remove_file(pond.path("inbox/a.ndjson")).expect("file");
    pond.write("inbox/a.ndjson", app_log(0));
    assert_eq!(summary(&pond.run_once())["files"]["duplicate"], 1);
    assert_eq!(pond.value("select count(*) from app"), 9);
}

#[test]
fn a_named_file_of_an_input_has_the_key_of_the_input() {
    let pond = Pond::empty();
    pond.source("app", &PLAIN_CONFIG.replace("**/*.ndjson*", "logs/a*"), "select user from input");
    pond.write("inbox/logs/a.ndjson", app_log(0));
    pond.millpond(&["run", "inbox/logs/a.ndjson"]).ok();
    assert_eq!(pond.value("select count(*) from app"), 10);
}

#[test]
fn the_same_bytes_in_one_batch_are_recognised() {
    let pond = Pond::with_app();
    (0..6).for_each(|n| pond.write(&format!("inbox/{n}.ndjson"), app_log(0)));
    pond.run_once();
    assert_eq!(pond.value("select count(*) from app"), 9);
    assert_eq!(pond.value("select count(*) from signals"), 1);
    assert_eq!(pond.value("select sum(rows_in - rows_out - filtered - deduplicated - quarantined) from receipts"), 0);
}

#[test]
fn a_source_may_want_duplicates() {
    let pond = Pond::empty();
    pond.source("app", &format!("{APP_CONFIG}[policy]\nduplicates = 'process'\n"), APP_SQL);
    pond.write("inbox/a.ndjson", app_log(0));
    pond.write("inbox/b.ndjson", app_log(0));
    pond.run_once();
    assert_eq!(pond.value("select count(*) from app"), 18);
}

#[test]
fn a_corrected_file_under_the_same_name_is_a_new_job() {
    let pond = Pond::with_app();
    pond.write("inbox/a.ndjson", app_log(0));
    pond.run_once();
    pond.write("inbox/a.ndjson", app_log(0) + &app_log(10));
    assert_eq!(summary(&pond.run_once())["files"]["done"], 1);
    assert_eq!(pond.value("select count(*) from receipts"), 2);
}

#[test]
fn what_no_source_wants_is_counted_once_and_taken_when_a_source_comes() {
    let pond = Pond::with_app();
    pond.write("inbox/x.txt", "hello\n");
    assert_eq!(summary(&pond.run_once())["files"]["unrouted"], 1);
    assert_eq!(summary(&pond.run_once())["files"]["already_done"], 1);
    pond.source("text", "[[match]]\nglob = '**/*.txt'\n[format]\ntype = 'lines'\n", "select line from input");
    assert_eq!(summary(&pond.run_once())["files"]["done"], 1);
    assert_eq!(pond.query("select line from text"), [json!({"line": "hello"})]);
}

#[test]
fn a_bad_file_costs_a_file() {
    let pond = Pond::with_app();
    pond.write("inbox/a.ndjson", app_log(0));
    pond.write("inbox/b.ndjson", b"PK\x03\x04 a zip archive in disguise");
    let ran = pond.millpond(&["run", "--once"]).fails(3);
    assert!(ran.stderr.contains("quarantined") && ran.stderr.contains("b.ndjson"), "{}", ran.stderr);
    assert_eq!(pond.value("select count(*) from app"), 9);
    assert_eq!(pond.query("select reason, row from quarantine"), [json!({"reason": "bad_input"})]);
    assert_eq!(pond.value("select error_kind from receipts where status = 'quarantined'"), "bad_input");
}

#[test]
fn a_limit_ends_in_a_receipt_that_names_it() {
    let pond = Pond::empty();
    pond.source("app", &format!("{APP_CONFIG}[limits]\ndecompressed_bytes = '1 KiB'\n"), APP_SQL);
    pond.write("inbox/a.ndjson", (0..100).map(|n| app_log(n * 10)).collect::<String>());
    pond.millpond(&["run", "--once"]).fails(3);
    let receipt = &pond.query("select status, error_kind, error from receipts")[0];
    assert_eq!((receipt["status"].clone(), receipt["error_kind"].clone()), (json!("quarantined"), json!("too_big")));
    assert!(receipt["error"].to_string().contains("decompressed_bytes"), "{receipt}");
}

#[test]
fn sql_that_fails_on_a_file_is_tried_again_and_then_put_in_quarantine() {
    let pond = Pond::empty();
    pond.source("app", APP_CONFIG, "select ts as time, 1 / (bytes - 5) as n from input");
    pond.write("inbox/a.ndjson", app_log(0));
    for _ in 0..2 {
        let ran = pond.millpond(&["run", "--once"]).fails(4);
        assert!(ran.stderr.contains("Divide by zero"), "{}", ran.stderr);
    }
    pond.millpond(&["run", "--once"]).fails(3);
    assert_eq!(
        pond.value("select string_agg(status, ',' order by attempt) from receipts"),
        "failed,failed,quarantined"
    );
    assert_eq!(summary(&pond.run_once())["files"]["already_done"], 1);
}

#[test]
fn a_panic_ends_one_job() {
    let mut pond = Pond::with_app();
    (0..5).for_each(|n| pond.write(&format!("inbox/{n}.ndjson"), app_log(n * 10)));
    pond.set("MILLPOND_CRASH", "panic@transform:2");
    pond.millpond(&["run", "--once"]).fails(4);
    assert_eq!(pond.value("select count(*) from receipts where status = 'failed' and error_kind = 'bug'"), 1);
    assert_eq!(pond.value("select count(*) from app"), 36);
    pond.unset("MILLPOND_CRASH");
    pond.run_once();
    assert_eq!(pond.value("select count(*) from app"), 45);
}

#[test]
fn named_files_are_run_wherever_they_lie() {
    let pond = Pond::with_app();
    pond.write("elsewhere/a.ndjson", app_log(0));
    pond.write("elsewhere/b.ndjson", app_log(10));
    pond.millpond(&["run", "elsewhere/a.ndjson"]).ok();
    assert_eq!(pond.value("select count(*) from app"), 9);
    pond.millpond(&["run", "elsewhere"]).ok();
    assert_eq!(pond.value("select count(*) from app"), 18);
    let ran = pond.millpond(&["run", "nowhere.ndjson"]).fails(1);
    assert!(ran.stderr.contains("nothing at"), "{}", ran.stderr);
}

#[test]
fn values_that_do_not_fit_are_rescued_frozen_or_discarded() {
    for (drift, rows, rescued, quarantined) in [("rescue", 2, 1, 0), ("discard", 2, 0, 0), ("freeze", 1, 0, 1)] {
        let pond = Pond::empty();
        let sql = "select bytes, _rescued as rescued, _rest as rest from input";
        pond.source("app", &format!("{PLAIN_CONFIG}[policy]\ndrift = '{drift}'\n"), sql);
        pond.write(
            "inbox/a.ndjson",
            "{\"user\":\"ann\",\"bytes\":1}\n{\"user\":\"bob\",\"bytes\":\"many\",\"new\":[1]}\n",
        );
        pond.run_once();
        assert_eq!(pond.value("select count(*) from app"), rows, "{drift}");
        assert_eq!(pond.value("select count(rescued) from app"), rescued, "{drift}");
        assert_eq!(pond.value("select coalesce(sum(quarantined), 0) from receipts"), quarantined, "{drift}");
    }
}

#[test]
fn new_columns_come_into_the_table_and_changed_types_are_refused() {
    let pond = Pond::empty();
    pond.source("app", PLAIN_CONFIG, "select user from input");
    pond.write("inbox/a.ndjson", app_log(0));
    pond.run_once();
    pond.source("app", PLAIN_CONFIG, "select user, bytes from input");
    pond.write("inbox/b.ndjson", app_log(10));
    pond.run_once();
    assert_eq!(
        pond.query("select count(*) as rows, count(bytes) as bytes from app"),
        [json!({"rows": 20, "bytes": 10})]
    );
    pond.source("app", PLAIN_CONFIG, "select cast(bytes as varchar) as bytes from input");
    let ran = pond.millpond(&["run", "--once"]).fails(1);
    assert!(ran.stderr.contains("table `app` holds column `bytes` as Int64"), "{}", ran.stderr);
}

#[test]
fn two_workers_at_once_double_nothing() {
    let pond = Pond::with_app();
    for day in 0..40 {
        pond.write(&format!("inbox/{day}.ndjson"), app_log(day));
    }
    let start = || {
        millpond(&pond.path("."), &["run", "--once", "--json"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("millpond")
    };
    let workers = [start(), start()];
    for worker in workers {
        let ran = Ran::of(worker.wait_with_output().expect("end"));
        assert!(ran.code == Some(0) || ran.code == Some(3), "{}", ran.stderr);
    }
    assert_eq!(pond.value("select count(*) from receipts"), 40);
    assert_eq!(pond.value("select count(distinct object) from receipts"), 40);
    assert_eq!(pond.value("select count(*) from app"), pond.value("select sum(rows_out) from receipts"));
    pond.run_once();
    assert_eq!(pond.value("select count(*) from receipts"), 40);
}

#[test]
fn a_source_that_fails_again_and_again_is_left_alone_and_the_others_go_on() {
    let pond = Pond::with_app();
    let config = crate::pond::APP_CONFIG.replace("'**/*.ndjson*'", "'bad/**'");
    pond.source("bad", &config, "select ts as time, bytes / (bytes - bytes) as x from input\n");
    pond.write("millpond.toml", "[[input]]\nurl = 'inbox'\n[budget]\njobs = 1\n");
    for n in 0..8 {
        pond.write(&format!("inbox/bad/{n}.log"), app_log(n * 10));
    }
    let ran = pond.millpond(&["run", "--once"]).fails(4);
    assert!(ran.stderr.contains("source `bad` fails again and again and is left alone for 30 s"), "{}", ran.stderr);
    pond.write("inbox/good.ndjson", app_log(0));
    pond.millpond(&["run", "--once"]).fails(4);
    assert_eq!(pond.value("select count(*) from app"), 9);
}

#[test]
fn while_watching_a_new_source_takes_what_nobody_wanted() {
    let pond = Pond::empty();
    pond.write("millpond.toml", "[[input]]\nurl = 'inbox'\npoll = '20 ms'\n");
    pond.write("inbox/a.ndjson", app_log(0));
    let mut child = millpond(&pond.path("."), &["run", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("millpond");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("stdout")));
    let mut wait_for = |text: &str| {
        let found = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(text)));
        assert!(found.is_some(), "no {text}");
    };
    wait_for("\"status\":\"unrouted\"");
    pond.source("app", crate::pond::APP_CONFIG, crate::pond::APP_SQL);
    wait_for("\"status\":\"done\"");
    std::process::Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    child.wait().expect("end");
    assert_eq!(pond.value("select count(*) from app"), 9);
}

#[test]
fn what_one_process_hands_over_another_commits() {
    let pond = Pond::with_app();
    for n in 0..3 {
        pond.write(&format!("inbox/{n}.ndjson"), app_log(n * 10));
    }
    pond.millpond(&["run", "--once", "--no-commit"]).ok();
    assert!(!pond.path("lake/app/_delta_log").exists());
    // Nobody knows yet that they are done, so they are handed over once more and dropped.
    pond.millpond(&["run", "--once", "--no-commit"]).ok();
    let committed = pond.millpond(&["commit", "--json"]).ok().json_lines();
    assert_eq!((&committed[0]["jobs"], &committed[0]["dropped"]), (&json!(3), &json!(0)));
    assert_eq!(pond.value("select count(*) from app"), 27);
    assert_eq!(pond.value("select count(*) from receipts"), 3);
    assert_eq!(pond.millpond(&["commit", "--json"]).ok().json_lines()[0]["jobs"], 0);
}

#[test]
fn a_backfill_takes_what_was_written_since() {
    let pond = Pond::with_app();
    pond.write("old/a.ndjson", app_log(0));
    pond.write("old/b.ndjson", app_log(10));
    let file = fs::File::options().write(true).open(pond.path("old/a.ndjson")).expect("file");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).expect("time");
    let lines = pond.millpond(&["backfill", "old", "--since", "2024-01-01", "--json"]).ok().json_lines();
    assert_eq!(summary(&lines)["files"]["done"], 1);
    let lines = pond.millpond(&["backfill", "old", "--json"]).ok().json_lines();
    assert_eq!((&summary(&lines)["files"]["done"], &summary(&lines)["files"]["already_done"]), (&json!(1), &json!(1)));
    assert_eq!(pond.value("select count(*) from app"), 18);
    let wrong = pond.millpond(&["backfill", "old", "--since", "yesterday"]).fails(2);
    assert!(wrong.stderr.contains("`yesterday` is not a day or time"), "{}", wrong.stderr);
}

#[test]
fn watching_takes_files_as_they_appear_and_stops_when_asked() {
    let pond = Pond::with_app();
    pond.write("millpond.toml", "[[input]]\nurl = 'inbox'\npoll = '20 ms'\n");
    let mut child = millpond(&pond.path("."), &["run", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("millpond");
    pond.write("inbox/a.ndjson", app_log(0));
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().expect("stdout")));
    let committed = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("\"committed\"")));
    assert!(committed.is_some(), "nothing was committed");
    // SIGTERM, as an orchestrator sends it.
    std::process::Command::new("kill").arg(child.id().to_string()).status().expect("kill");
    assert_eq!(Ran::of(child.wait_with_output().expect("end")).code, Some(130));
    assert_eq!(pond.value("select count(*) from app"), 9);
}

#[test]
fn gzip_in_members_with_damage_keeps_what_is_good() {
    let pond = Pond::with_app();
    let member = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("gzip");
        encoder.finish().expect("gzip")
    };
    let whole = [member(&app_log(0)), member(&app_log(10))].concat();
    pond.write("inbox/a.ndjson.gz", [whole.clone(), b"stray".to_vec()].concat());
    let many: String = (2..200).map(|n| app_log(n * 10)).collect();
    let cut = member(&many);
    pond.write("inbox/b.ndjson.gz", &cut[..cut.len() / 2]);
    let lines = pond.run_once();
    assert_eq!(summary(&lines)["unbalanced_files"], 0);
    assert_eq!(pond.value("select rows_out from receipts where object like '%a.ndjson.gz'"), 18);
    assert!(pond.value("select rows_out from receipts where object like '%b.ndjson.gz'").as_u64().expect("rows") > 100);
    let reasons = pond.query("select distinct reason from quarantine order by reason");
    assert!(
        reasons.contains(&json!({"reason": "stray_bytes"})) && reasons.contains(&json!({"reason": "truncated_gzip"})),
        "{reasons:?}"
    );
}

#[test]
fn a_lake_inside_an_input_is_refused() {
    let pond = Pond::with_app();
    pond.write("millpond.toml", "[[input]]\nurl = '.'\n");
    let ran = pond.millpond(&["run", "--once"]).fails(1);
    assert!(ran.stderr.contains("lie in each other"), "{}", ran.stderr);
}

/// The rows that say that a source is left alone.
fn paused(pond: &Pond) -> Vec<Value> {
    pond.query("select source, severity, entity, message, fields from signals where rule = 'source-paused'")
}

#[test]
fn a_source_that_fails_again_and_again_shows_among_the_signals() {
    let pond = Pond::empty();
    pond.source("app", PLAIN_CONFIG, "select ts, 1 / (bytes - bytes) as broken from input");
    for n in 0..12 {
        pond.write(&format!("inbox/{n}.ndjson"), app_log(n));
    }
    pond.millpond(&["run", "--once"]).fails(4);
    let rows = paused(&pond);
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(
        (&rows[0]["source"], &rows[0]["severity"], &rows[0]["entity"]),
        (&json!("app"), &json!("high"), &json!("app"))
    );
    let message = rows[0]["message"].as_str().expect("a message");
    assert!(message.contains("left alone until 20") && message.contains("Divide by zero"), "{message}");
    // It is no job's.
    assert_eq!(pond.value("select count(*) from receipts where signals > 0"), 0);
}

#[test]
fn a_budget_that_is_spent_shows_once_among_the_signals() {
    let pond = Pond::empty();
    pond.write("millpond.toml", "[[input]]\nurl = 'inbox'\n[budget]\njobs = 1\ngroup_files = 1\n");
    pond.source("app", &format!("{PLAIN_CONFIG}[budget]\nattempts = 2\n"), "select ts, user from input");
    for n in 0..6 {
        pond.write(&format!("inbox/{n}.ndjson"), app_log(n * 10));
    }
    let ran = pond.millpond(&["run", "--once"]).fails(4);
    let rows = paused(&pond);
    let hour_turned = rows.len() == 2;
    assert!(rows.len() == 1 || hour_turned, "{rows:?}\n{}", ran.stderr);
    assert!(rows[0]["message"].as_str().expect("a message").contains("has spent its `attempts`"), "{rows:?}");
    assert!(rows[0]["fields"].as_str().expect("fields").contains("\"cause\":\"attempts\""), "{rows:?}");
}

#[test]
fn a_pending_commit_that_cannot_be_read_keeps_nobody_from_committing() {
    let pond = Pond::with_app();
    pond.write("lake/_pending/0.json", "{\"format\":2");
    pond.write("inbox/a.ndjson", app_log(0));
    let ran = pond.millpond(&["run", "--once"]).ok();
    assert!(ran.stderr.contains("was put to `_unreadable/0.json`"), "{}", ran.stderr);
    assert_eq!(pond.value("select count(*) from app"), 9);
    assert!(pond.path("lake/_unreadable/0.json").is_file() && !pond.path("lake/_pending/0.json").exists());
}
