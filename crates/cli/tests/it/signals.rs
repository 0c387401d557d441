//! `millpond signals`: signals over the lake, by the command.

use crate::pond::{Pond, app_log};

const MANY: &str = "-- title: Many records of one user\n-- severity: high\n-- key: entity\n-- every: 1s\n-- lookback: 1d\n\
                    select user as entity, count(*) as records, user || ' has ' || count(*) || ' records' as message\n\
                    from app group by user having count(*) >= 2 and max(_arrived) >= window_start()\n";

/// A pond with a signal over the lake and two files that arrived.
fn pond() -> Pond {
    let pond = Pond::with_app();
    pond.write("signals/many.sql", MANY);
    for n in 0..2 {
        pond.write(&format!("inbox/{n}.ndjson"), app_log(n * 10));
    }
    pond
}

#[test]
fn what_is_due_is_run_once() {
    let pond = pond();
    pond.run_once();
    let listed = pond.millpond(&["signals", "list"]).ok().stdout;
    assert!(listed.contains("many  periodic  high      1s     never ran"), "{listed}");
    let dry = pond.millpond(&["signals", "run", "many", "--since", "1m", "--dry-run"]).ok();
    assert!(dry.stdout.contains("many: ann has 2 records"), "{}", dry.stdout);
    assert_eq!(pond.value("select count(*) from signals where kind = 'periodic'"), 0);
    let ran = pond.millpond(&["signals", "run", "--since", "1m", "--json"]).ok();
    let entities = || pond.query("select entity, key, severity from signals where kind = 'periodic' order by entity");
    let found = entities();
    assert_eq!((found.len(), ran.json_lines().len()), (9, 9), "{}\n{}", ran.stdout, ran.stderr);
    assert_eq!((&found[0]["key"], &found[0]["severity"]), (&"ann".into(), &"high".into()));
    pond.millpond(&["signals", "run"]).ok();
    assert_eq!(entities(), found, "nothing arrived since");
    let unknown = pond.millpond(&["signals", "run", "mny"]).fails(1).stderr;
    assert!(unknown.contains("did you mean `many`?"), "{unknown}");
    let told = pond.millpond(&["signals", "backtest", "many", "--since", "20s"]).ok();
    assert!(told.stderr.contains("`many` would have fired"), "{}", told.stderr);
}

#[test]
fn killed_between_rows_and_commit_it_finds_the_same() {
    let mut pond = pond();
    pond.run_once();
    pond.set("MILLPOND_CRASH", "signals:5");
    let killed = pond.millpond(&["signals", "run", "--since", "1m"]);
    assert_eq!(killed.code, None, "{}", killed.stderr);
    pond.unset("MILLPOND_CRASH");
    pond.millpond(&["signals", "run", "--since", "1m"]).ok();
    assert_eq!(pond.value("select count(*) from signals where kind = 'periodic'"), 9);
}

#[test]
fn signals_have_tests_of_their_own() {
    let pond = pond();
    let case = "signals/tests/many/two";
    pond.write(&format!("{case}/app.ndjson"), "{\"user\":\"ann\"}\n{\"user\":\"ann\",\"_arrived\":\"2024-12-31T12:00:00Z\"}\n{\"user\":\"bob\"}\n{\"user\":\"old\",\"_arrived\":\"2024-12-30T00:00:00Z\"}\n");
    pond.write(&format!("{case}/expected.ndjson"), "{\"entity\":\"ann\",\"records\":2}\n");
    let passed = pond.millpond(&["signals", "test"]).ok().stdout;
    assert_eq!(passed, "ok     many/two: 1 signals\n");
    pond.write("signals/tests/many/csv/app.csv", "user,bytes\neve,1\neve,2\n");
    pond.write("signals/tests/many/csv/expected.ndjson", "{\"entity\":\"bob\"}\n");
    let failed = pond.millpond(&["signals", "test", "many"]).fails(1).stdout;
    assert!(failed.contains("expected.ndjson:1: `entity` is \"eve\", expected \"bob\""), "{failed}");
    pond.millpond(&["signals", "test", "--update"]).ok();
    pond.millpond(&["signals", "test"]).ok();
}

#[test]
fn a_committer_that_watches_runs_what_is_due() {
    let pond = pond();
    pond.millpond(&["run", "--once", "--no-commit"]).ok();
    let mut command = crate::pond::millpond(&pond.path(""), &["commit", "--watch", "--every", "1"]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().expect("millpond");
    let stderr = std::io::BufReader::new(child.stderr.take().expect("stderr"));
    let told = std::io::BufRead::lines(stderr).map_while(Result::ok).any(|line| line == "signal `many` found 9 rows");
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert!(told);
}
