//! `millpond lake` and `millpond erase`.

use std::io::{BufRead, BufReader};

use crate::pond::{APP_CONFIG, APP_SQL, Pond, app_log, millpond};

/// A pond with so many files in its lake, each committed by itself.
fn pond(files: u64) -> Pond {
    let pond = Pond::empty();
    pond.source("app", &format!("sort = ['user', 'time']\nindicators = ['user']\n{APP_CONFIG}"), APP_SQL);
    for file in 0..files {
        pond.write(&format!("inbox/{file}.ndjson"), log(file));
        pond.run_once();
    }
    pond
}

/// Another log of the same day.
fn log(file: u64) -> String {
    app_log(0).replace("\"bytes\":", &format!("\"bytes\":{}", file + 1))
}

#[test]
fn tables_are_compacted_and_their_history_tells() {
    let pond = pond(5);
    let rows = pond.query("select * from app order by time, _file, _row");
    let before = pond.millpond(&["lake", "status", "app", "--json"]).ok().json_lines();
    assert_eq!((&before[0]["files"], &before[0]["files_to_compact"]), (&5.into(), &5.into()), "{before:?}");
    assert_eq!(before[0]["last_batch"], 5, "{before:?}");
    let told = pond.millpond(&["lake", "compact", "app"]).ok();
    assert!(told.stdout.starts_with("app: ") && told.stdout.contains("5 files of"), "{}", told.stdout);
    assert!(told.stderr.contains("app: 5 files of"), "{}", told.stderr);
    assert_eq!(pond.query("select * from app order by time, _file, _row"), rows);
    let after = pond.millpond(&["lake", "status", "--json"]).ok().json_lines();
    let app = after.iter().find(|line| line["table"] == "app").expect("app");
    assert_eq!((&app["files"], &app["files_to_compact"], &app["rows"]), (&1.into(), &0.into(), &before[0]["rows"]));
    assert!(pond.millpond(&["lake", "status"]).ok().stdout.starts_with("table"), "a table of text");
    assert_eq!(pond.millpond(&["lake", "compact", "app"]).ok().stdout, "app: nothing to do\n");
    let history = pond.millpond(&["lake", "history", "app", "--limit", "2", "--json"]).ok().json_lines();
    assert_eq!((&history[0]["operation"], &history[0]["files_removed"]), (&"OPTIMIZE".into(), &5.into()));
    assert_eq!((&history[1]["operation"], &history[1]["batch"]), (&"WRITE".into(), &5.into()));
    // What was done is done: nothing is taken again after the receipts were compacted.
    pond.millpond(&["lake", "compact"]).ok();
    pond.run_once();
    assert_eq!(pond.query("select * from app order by time, _file, _row"), rows);
}

#[test]
fn rows_are_erased_with_a_proof() {
    let pond = pond(2);
    let before = pond.value("select count(*) from app");
    let matching = pond.value("select count(*) from app where \"user\" = 'ann'").as_u64().expect("count");
    let dry = pond.millpond(&["erase", "--where", "user = 'ann'", "--dry-run"]).ok().stdout;
    assert!(dry.contains(&format!("app: {matching} rows in")), "{dry}");
    assert_eq!(pond.value("select count(*) from app"), before);
    let told = pond.millpond(&["erase", "--where", "user = 'ann'"]).ok();
    assert!(told.stdout.contains(&format!("app: {matching} rows erased")), "{}", told.stdout);
    assert!(told.stderr.contains("until `millpond lake vacuum`"), "{}", told.stderr);
    assert_eq!(pond.value("select count(*) from app where \"user\" = 'ann'"), 0);
    assert_eq!(pond.value("select sum(rows) from audit where action = 'erase'"), matching);
    let wrong = pond.millpond(&["erase", "--where", "usr = 'ann'"]).fails(1).stderr;
    assert!(wrong.contains("has a column `usr`") && wrong.contains("did you mean `user`?"), "{wrong}");
}

#[test]
fn what_is_old_goes_and_mistakes_are_told() {
    let pond = pond(1);
    let config = std::fs::read_to_string(pond.path("millpond.toml")).expect("config");
    pond.write("millpond.toml", format!("{config}[lake.retention]\napp = '3d'\n"));
    let told = pond.millpond(&["lake", "expire"]).ok().stdout;
    assert!(told.starts_with("app: ") && told.contains("wait for vacuum"), "{told}");
    assert_eq!(pond.value("select count(*) from app"), 0);
    let kept = pond.millpond(&["lake", "vacuum", "app"]).ok().stdout;
    assert_eq!(kept, "app: 0 files of 0 B removed\n");
    let short = pond.millpond(&["lake", "vacuum", "--retention", "1h"]).fails(1).stderr;
    assert!(short.contains("hint: stop all of them first, then say `--allow-short`"), "{short}");
    let listed =
        pond.millpond(&["lake", "vacuum", "app", "--retention", "0s", "--allow-short", "--dry-run"]).ok().stdout;
    assert!(listed.contains("app: 1 files of") && listed.contains("would go"), "{listed}");
    let unknown = pond.millpond(&["lake", "compact", "ap"]).fails(1).stderr;
    assert!(unknown.contains("the lake has no table `ap`") && unknown.contains("did you mean `app`?"), "{unknown}");
    pond.write("millpond.toml", format!("{config}[lake.retention]\nap = '3d'\n"));
    assert!(pond.millpond(&["lake", "expire"]).fails(1).stderr.contains("did you mean `app`?"));
}

#[test]
fn a_process_that_commits_for_long_compacts_by_itself() {
    let pond = pond(3);
    let files = "select count(distinct _file) from app";
    let before = pond.value(files);
    pond.write("millpond.toml", "[[input]]\nurl = 'inbox'\n[lake]\ncompact_every = '1h'\n");
    let mut committing = millpond(&pond.path("."), &["commit", "--watch", "--every", "1"]);
    let mut committing = committing.stderr(std::process::Stdio::piped()).spawn().expect("millpond");
    let mut lines = BufReader::new(committing.stderr.take().expect("stderr")).lines().map_while(Result::ok);
    let line = lines.find(|line| line.starts_with("compacted `app`: "));
    committing.kill().expect("kill");
    committing.wait().expect("end");
    assert!(line.is_some(), "it ended without");
    assert_eq!(pond.value(files), before);
    let history = pond.millpond(&["lake", "history", "app", "--json"]).ok();
    assert!(history.stdout.contains("OPTIMIZE"), "{}", history.stdout);
}
