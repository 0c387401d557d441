//! Signals over the lake: every row is in exactly one window, whatever comes late, stops or runs twice.

use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use millpond::clock::Clock;
use millpond::committer::Committer;
use millpond::lake::Lake;
use millpond::ledger::Ledger;
use millpond::pond::Pond;
use millpond::query::Session;
use millpond::signals::{Choice, Run, Runner, State, as_json, backtest, named};
use millpond_core::config::Problems;
use tempfile::TempDir;

use crate::landing::{Landed, START_US, open};

pub(crate) const MINUTE_US: i64 = 60_000_000;
const COUNT: &str = "-- title: Rows\n-- every: 15m\nselect count(*) as n from app having count(*) > 0\n";

/// A pond, its lake and a clock that stands still.
pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) lake: Arc<Lake>,
    now_us: Arc<AtomicI64>,
}

impl Bench {
    pub(crate) fn new(signals: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let write = |below: &str, text: &str| {
            let path = folder.path().join(below);
            std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
            std::fs::write(path, text).expect("file");
        };
        // What is watched of the sources is a matter of other tests.
        write("millpond.toml", "[health]\nenabled = false\n");
        write(
            "sources/app/source.toml",
            "time = 'time'\n[columns]\ntime = 'timestamp'\nsource_ip = 'text'\nbytes = 'int'\nuser = 'text'\n",
        );
        write("sources/app/transform.sql", "select time, source_ip, bytes, user from input");
        signals.iter().for_each(|(name, text)| write(&format!("signals/{name}.sql"), text));
        let lake = open(&folder.path().join("lake"));
        Self { folder, lake, now_us: Arc::new(AtomicI64::new(START_US)) }
    }

    pub(crate) fn clock(&self) -> Clock {
        let now_us = Arc::clone(&self.now_us);
        Clock::new(move || now_us.load(Ordering::Relaxed))
    }

    /// Sets the clock to so many minutes after the start.
    pub(crate) fn at(&self, minute: i64) {
        self.now_us.store(START_US + minute * MINUTE_US, Ordering::Relaxed);
    }

    pub(crate) async fn pond(&self) -> Arc<Pond> {
        Arc::new(Pond::load(self.folder.path()).await.expect("pond"))
    }

    /// Commits a file of some rows by the clock as it stands.
    async fn land(&self, number: u64, rows: u64) {
        Landed { number, day: (number % 3) as i64, rows, has_user: true }.hand_over(&self.lake).await;
        let committer = Committer::new(Arc::clone(&self.lake), Arc::new(Ledger::new(Arc::clone(&self.lake))));
        committer.with_clock(self.clock()).commit_pending().await.expect("commit");
    }

    pub(crate) async fn runner(&self) -> Runner {
        Runner::new(Arc::clone(&self.lake), self.pond().await, self.clock())
    }

    /// Runs what is due, and gives the windows and what each found.
    pub(crate) async fn run(&self, choice: &Choice) -> Vec<(i64, i64, String)> {
        let mut told = Vec::new();
        let runner = self.runner().await;
        runner.run_due(choice, &mut |run| told.push(shown(run))).await.expect("run");
        told
    }

    /// Writes a file of the pond.
    pub(crate) fn write(&self, below: &str, text: &str) {
        let path = self.folder.path().join(below);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("file");
    }

    pub(crate) async fn values(&self, query: &str) -> Vec<String> {
        let session = Session::new(Some(&self.lake), FilePath::new(".")).await.expect("session");
        let (_, batches) = session.collect(query).await.expect(query);
        let rows = batches.iter().flat_map(|batch| as_json(batch).expect("rows"));
        rows.map(|row| row.into_iter().next().map(|(_, value)| value.to_string()).unwrap_or_default()).collect()
    }
}

/// The minutes of a window, and what it found.
fn shown(run: &Run) -> (i64, i64, String) {
    let minute = |us: i64| (us - START_US) / MINUTE_US;
    let rows = as_json(&run.rows).expect("rows");
    let fields = rows.iter().map(|row| row.get("fields").and_then(|fields| fields.as_str()).unwrap_or("-").to_owned());
    let found = match &run.error {
        Some(error) => error.chain(),
        None => fields.collect::<Vec<_>>().join(" "),
    };
    (minute(run.window.start_us), minute(run.window.end_us), found)
}

fn since(minute: i64) -> Choice {
    Choice { since_us: Some(START_US + minute * MINUTE_US), ..Choice::default() }
}

fn window(start: i64, end: i64, found: &str) -> (i64, i64, String) {
    (start, end, found.to_owned())
}

#[tokio::test]
async fn every_file_is_in_one_window_however_late() {
    let bench = Bench::new(&[("count", COUNT)]);
    bench.at(5);
    bench.land(0, 10).await;
    bench.at(20);
    bench.land(1, 20).await;
    assert_eq!(bench.run(&since(0)).await, [window(0, 15, r#"{"n":10}"#)]);
    // A committer whose clock is slow: its batch is of a time that was looked at.
    bench.at(10);
    bench.land(2, 40).await;
    bench.at(46);
    bench.land(3, 80).await;
    assert_eq!(bench.run(&since(0)).await, [window(15, 30, r#"{"n":60}"#), window(30, 45, "")]);
    assert_eq!(bench.run(&since(0)).await, []);
    bench.at(60);
    assert_eq!(bench.run(&Choice::default()).await, [window(45, 60, r#"{"n":80}"#)]);
    let found =
        bench.values("select fields from signals where rule = 'count' and kind = 'periodic' order by window_end");
    assert_eq!(found.await.len(), 3);
    assert_eq!(bench.values("select count(*) from signals where _job is null and time < window_end").await, ["3"]);
}

#[tokio::test]
async fn of_two_runs_at_the_same_time_one_counts() {
    let bench = Bench::new(&[("count", COUNT)]);
    bench.at(5);
    bench.land(0, 10).await;
    bench.at(45);
    let (one, other) = (bench.runner().await, bench.runner().await);
    let choice = since(0);
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let (mut tell_a, mut tell_b) = (|run: &Run| a.push(shown(run)), |run: &Run| b.push(shown(run)));
    let (first, second) = tokio::join!(one.run_due(&choice, &mut tell_a), other.run_due(&choice, &mut tell_b));
    assert_eq!(first.expect("run").windows + second.expect("run").windows, 3);
    assert_eq!(a.len() + b.len(), 3);
    assert_eq!(bench.values("select fields from signals").await, [r#""{\"n\":10}""#]);
}

#[tokio::test]
async fn a_window_looks_back_and_tells_old_from_new() {
    let sql = "-- every: 15m\n-- lookback: 30m\n-- key: source_ip\nselect count(*) as all_rows, \
               count(*) filter (where _arrived >= window_start()) as new_rows, min(source_ip) as source_ip from app\n";
    let bench = Bench::new(&[("seen", sql)]);
    for (minute, rows) in [(5, 1), (20, 2), (35, 4), (50, 8)] {
        bench.at(minute);
        bench.land(rows, rows).await;
    }
    bench.at(60);
    let counts: Vec<String> = bench.run(&since(0)).await.into_iter().map(|(_, _, found)| found).collect();
    let is = |index: usize, text: &str| assert!(counts[index].contains(text), "{counts:?}");
    is(0, r#""all_rows":1,"new_rows":1"#);
    is(1, r#""all_rows":3,"new_rows":2"#);
    is(2, r#""all_rows":7,"new_rows":4"#);
    // What arrived more than half an hour before the window is out of sight.
    is(3, r#""all_rows":14,"new_rows":8"#);
    assert_eq!(bench.values("select count(*) from signals where key is not null").await, ["4"]);
}

#[tokio::test]
async fn nothing_is_written_by_a_dry_run_and_a_late_window_waits() {
    let bench = Bench::new(&[("count", &COUNT.replace("-- every: 15m\n", "-- every: 15m\n-- late: 1h\n"))]);
    bench.at(5);
    bench.land(0, 10).await;
    bench.at(74);
    assert_eq!(bench.run(&since(0)).await, []);
    bench.at(75);
    let dry = Choice { is_dry: true, ..since(0) };
    assert_eq!(bench.run(&dry).await, [window(0, 15, r#"{"n":10}"#)]);
    assert_eq!(State::read(&bench.lake, "count").await.expect("state"), None);
    assert_eq!(bench.run(&since(0)).await, [window(0, 15, r#"{"n":10}"#)]);
    assert_eq!(bench.run(&dry).await, [window(0, 15, r#"{"n":10}"#)], "a dry run passes over what was done");
}

#[tokio::test]
async fn a_signal_that_fails_stays_and_the_others_go_on() {
    let broken = "-- every: 15m\nselect 1 / count(*) as n from app where bytes < 0\n";
    let bench = Bench::new(&[("broken", broken), ("count", COUNT)]);
    bench.at(5);
    bench.land(0, 10).await;
    bench.at(30);
    let told = bench.run(&since(0)).await;
    assert!(told.len() == 3 && told.iter().any(|(_, _, found)| found.contains("signal `broken`")), "{told:?}");
    assert_eq!(State::read(&bench.lake, "broken").await.expect("state"), None);
    assert_eq!(bench.values("select count(*) from signals").await, ["1"]);
}

#[tokio::test]
async fn a_backtest_takes_files_when_they_were_written() {
    let bench = Bench::new(&[("count", COUNT)]);
    // All of them come in at once, long after they were written.
    bench.at(9_000);
    for number in [0, 3, 1] {
        bench.land(number, 10).await;
    }
    let pond = bench.pond().await;
    let periodic = named(&pond, Some("count")).expect("signal")[0];
    let until_us = START_US + 2 * 1_440 * MINUTE_US;
    let done = backtest(&bench.lake, &pond, periodic, START_US, until_us).await.expect("backtest");
    let told: Vec<_> = done.runs.iter().map(shown).collect();
    assert_eq!(told, [window(0, 15, r#"{"n":20}"#), window(1_440, 1_455, r#"{"n":10}"#)]);
    assert_eq!((done.windows, done.rows()), (192, 2));
    assert!(bench.lake.table("signals").await.expect("lake").is_none());
}

#[tokio::test]
async fn mistakes_are_told_with_file_and_line() {
    let bench = Bench::new(&[
        ("a", "-- every: 15m\nselect user\nfrom ap\n"),
        ("b", "-- every: 15m\nselect nosuch from app\n"),
        ("c", "-- title: No window\nselect user from app\n"),
        ("d", "-- every: 15m\n-- entity: usr\nselect user from app\n"),
    ]);
    let mut problems = Problems::default();
    Pond::check(bench.folder.path(), &mut problems).await.expect("pond");
    let told: Vec<String> = problems.found.iter().map(ToString::to_string).collect();
    for start in [
        "signals/c.sql:1: `every` is missing",
        "signals/a.sql:3: signal `a` reads table `ap`, which no source writes\n  hint: did you mean `app`?",
        "signals/b.sql:2: ",
        "signals/d.sql:2: `entity` names `usr`, which the query does not give\n  hint: did you mean `user`?",
    ] {
        assert!(told.iter().any(|told| told.starts_with(start)), "no {start:?} in {told:#?}");
    }
    assert_eq!(told.len(), 4, "{told:#?}");
}
