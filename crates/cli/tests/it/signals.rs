//! `millpond signals`: signals over the lake, by the command.

use crate::pond::{Pond, app_log};

const MANY: &str = "-- title: Many records of one user\n-- severity: high\n-- key: entity\n-- every: 2s\n-- lookback: 1d\n\
                    select user as entity, count(*) as records, user || ' has ' || count(*) || ' records' as message\n\
                    from app group by user having count(*) >= 2 and max(_arrived) >= window_start()\n";
const FOUND: &str = "select count(*) from signals where kind = 'periodic'";

/// A pond with a signal over the lake and two files that arrive.
fn pond() -> Pond {
    let pond = Pond::with_app();
    let config = std::fs::read_to_string(pond.path("millpond.toml")).expect("config");
    pond.write("millpond.toml", config + "[health]\nenabled = false\n");
    pond.write("signals/many.sql", MANY);
    for n in 0..2 {
        pond.write(&format!("inbox/{n}.ndjson"), app_log(n * 10));
    }
    pond
}

/// A process that ends with the test, however that ends.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("ended");
    }
}

/// Does something until the signal has found its nine users: the window in which they arrived must be over.
fn until_found(pond: &Pond, step: impl Fn()) {
    for _ in 0..500 {
        step();
        if pond.value(FOUND) == 9 {
            return;
        }
    }
    panic!("found {} of 9", pond.value(FOUND));
}

#[test]
fn what_is_due_is_run_once() {
    let pond = pond();
    pond.run_once();
    let listed = pond.millpond(&["signals", "list"]).ok().stdout;
    assert!(listed.contains("many  periodic  high      2s     never ran"), "{listed}");
    let run = || drop(pond.millpond(&["signals", "run", "many", "--since", "30s"]).ok());
    until_found(&pond, run);
    let found = pond.query("select entity, key, severity, window_start, window_end from signals order by kind, entity");
    assert_eq!((&found[0]["key"], &found[0]["severity"]), (&"ann".into(), &"high".into()));
    let time = |name: &str| found[0][name].as_str().expect("time").to_owned();
    let window = ["--since", &time("window_start"), "--until", &time("window_end")];
    let dry = pond.millpond(&[&["signals", "run", "many", "--dry-run"], window.as_slice()].concat()).ok();
    assert!(dry.stdout.contains("many: ann has 2 records"), "{}", dry.stdout);
    assert!(dry.stderr.contains("1 windows, 9 signals would be found; nothing is written"), "{}", dry.stderr);
    let told = pond.millpond(&[&["signals", "backtest", "many"], window.as_slice()].concat()).ok().stderr;
    assert!(told.contains("`many` would have fired") && told.contains("of 1 windows"), "{told}");
    run();
    assert_eq!(pond.value(FOUND), 9, "nothing arrived since");
    let unknown = pond.millpond(&["signals", "run", "mny"]).fails(1).stderr;
    assert!(unknown.contains("did you mean `many`?"), "{unknown}");
}

#[test]
fn killed_between_rows_and_commit_it_finds_the_same() {
    let mut pond = pond();
    pond.run_once();
    for count in 1..4 {
        pond.set("MILLPOND_CRASH", &format!("signals:{count}"));
        let killed = pond.millpond(&["signals", "run", "--since", "30s"]);
        assert_eq!(killed.code, None, "{}", killed.stderr);
    }
    pond.unset("MILLPOND_CRASH");
    until_found(&pond, || drop(pond.millpond(&["signals", "run", "--since", "30s"]).ok()));
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
    let quiet = std::process::Stdio::null;
    let _running = Running(command.stdout(quiet()).stderr(quiet()).spawn().expect("millpond"));
    until_found(&pond, || ());
}

#[test]
fn the_health_of_sources_is_watched_unless_the_pond_says_no() {
    let pond = pond();
    assert!(!pond.millpond(&["signals", "list"]).ok().stdout.contains("health"));
    pond.write("millpond.toml", "[health]\noff = 'cost'\n");
    let listed = pond.millpond(&["signals", "list"]).ok().stdout;
    assert!(listed.contains("health_silent") && !listed.contains("health_cost"), "{listed}");
    pond.millpond(&["check"]).ok();
    pond.write("millpond.toml", "[health.sources.ap]\nenabled = false\n");
    let told = pond.millpond(&["check"]).fails(1).stderr;
    assert!(told.contains("millpond.toml:1: `[health.sources]` names `ap`") && told.contains("`app`?"), "{told}");
}
