//! What goes from a lake, what stays, and what is written down about it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::TryStreamExt;
use millpond::clock::Clock;
use millpond::compaction::{Layout, compact};
use millpond::erase::erase;
use millpond::expire::{check_names, expire};
use millpond::lake::{Lake, provider_of};
use millpond::maintenance::Maintenance;
use millpond::vacuum::{RETENTION_MS, check_retention, vacuum};
use millpond_core::config::{PondConfig, Problems};
use object_store::{ObjectStore, ObjectStoreExt};

use crate::compaction::{NOW_US, layout};
use crate::landing::{Landed, TABLE, US_PER_DAY, commit, landed, open, query, rows};

const HOUR_US: i64 = 3_600_000_000;

fn now_us() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// The one cell of a query.
async fn cell(lake: &Lake, sql: &str) -> String {
    let rows = query(lake, &format!("select cast(({sql}) as varchar) as x")).await;
    let cells: Vec<&str> = rows.iter().map(|row| row.trim_matches(['|', ' '])).collect();
    cells.into_iter().find(|cell| *cell != "x").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn rows_are_erased_from_every_file_that_holds_them_and_from_no_other() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(20, 2, 50), 20).await;
    let (_, files) = lake.files(TABLE).await.expect("files").expect("table");
    let expected = query(&lake, "select * from app where \"user\" is null or \"user\" <> 'user7'").await;
    let matching: u64 = cell(&lake, "select count(*) from app where \"user\" = 'user7'").await.parse().expect("count");
    assert!(matching > 0);

    // `user` is a word of SQL; here it is a column.
    let counted =
        erase(&lake, TABLE, "user = 'user7'", &layout(), true, now_us()).await.expect("erase").expect("table");
    assert_eq!((counted.rows, counted.version_after), (matching, counted.version_before));
    assert_eq!(cell(&lake, "select count(*) from app where \"user\" = 'user7'").await, matching.to_string());

    let done = erase(&lake, TABLE, "user = 'user7'", &layout(), false, now_us()).await.expect("erase").expect("table");
    assert_eq!((done.rows, done.files), (matching, counted.files));
    assert_eq!(rows(&lake, TABLE).await, expected, "rows without a user stay");
    let (_, after) = lake.files(TABLE).await.expect("files").expect("table");
    let untouched = files.iter().filter(|file| after.iter().any(|other| other.path == file.path)).count();
    assert_eq!(untouched as u64, 20 - done.files, "files without such rows are as they were");

    let proof = query(&lake, "select action, \"table\", predicate, rows, files from audit").await;
    assert_eq!(proof.len(), 2, "{proof:?}");
    assert!(proof.iter().any(|row| row.contains("erase") && row.contains("user = 'user7'")), "{proof:?}");
    // The bytes are in the old version, until vacuum.
    let freed = vacuum(&lake, TABLE, RETENTION_MS, false, now_us() + 8 * US_PER_DAY).await.expect("vacuum");
    assert_eq!(freed.expect("table").files.len() as u64, done.files);
    assert_eq!(rows(&lake, TABLE).await, expected);
}

#[tokio::test]
async fn what_cannot_be_erased_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(2, 1, 5), 2).await;
    let ask = async |text: &'static str| erase(&lake, TABLE, text, &Layout::default(), false, now_us()).await;
    assert_eq!(ask("usr = 'x'").await.expect("erase").expect("table").lacks.as_deref(), Some("usr"));
    for (text, message) in [
        ("user = ", "failed to read the predicate `user = `"),
        ("bytes + 1", "the predicate `bytes + 1` is Int64, and neither true nor false"),
    ] {
        let error = ask(text).await.expect_err("an error").report();
        assert!(error.starts_with(message), "{error}");
    }
    assert_eq!(cell(&lake, "select count(*) from app").await, "10");
    // A whole file may go, by its day too.
    assert_eq!(ask("_day = '2026-03-02'").await.expect("erase").expect("table").rows, 10);
    assert_eq!(cell(&lake, "select count(*) from app").await, "0");
}

#[tokio::test]
async fn vacuum_keeps_what_a_version_within_the_retention_needs() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(12, 2, 5), 12).await;
    let pinned = lake.table(TABLE).await.expect("table").expect("table");
    compact(&lake, TABLE, &layout(), NOW_US).await.expect("compaction").expect("table");
    let count = async |table| {
        let context = datafusion::prelude::SessionContext::new();
        context.read_table(provider_of(TABLE, table).await.expect("provider")).expect("table").count().await
    };
    let in_days = |days: i64| now_us() + days * US_PER_DAY;
    let young = vacuum(&lake, TABLE, RETENTION_MS, false, in_days(6)).await.expect("vacuum").expect("table");
    assert!(young.files.is_empty());
    assert_eq!(count(&pinned).await.expect("count"), 60);
    let listed = vacuum(&lake, TABLE, RETENTION_MS, true, in_days(8)).await.expect("vacuum").expect("table");
    assert_eq!(listed.files.len(), 12);
    assert_eq!(count(&pinned).await.expect("count"), 60, "a dry run removes nothing");
    let done = vacuum(&lake, TABLE, RETENTION_MS, false, in_days(8)).await.expect("vacuum").expect("table");
    assert_eq!(done, listed);
    assert_eq!(cell(&lake, "select count(*) from app").await, "60");
    assert_eq!(cell(&lake, "select sum(files) from audit where action = 'vacuum'").await, "12");
}

#[tokio::test]
async fn vacuum_takes_what_was_left_behind_but_not_what_was_handed_over() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(3, 1, 5), 3).await;
    // A job was cut off before it handed over, another one handed over and nobody committed for a month.
    let orphan = format!("{TABLE}/_day=2026-03-02/left-0.parquet");
    lake.store.put(&orphan.as_str().into(), "rows".into()).await.expect("put");
    let waiting = Landed { number: 50, day: 0, rows: 5, has_user: false };
    waiting.hand_over(&lake).await;
    let later = now_us() + 30 * US_PER_DAY;
    let done = vacuum(&lake, TABLE, RETENTION_MS, false, later).await.expect("vacuum").expect("table");
    assert_eq!(done.files.keys().collect::<Vec<_>>(), ["_day=2026-03-02/left-0.parquet"]);
    commit(&lake, &[waiting], 1).await;
    assert_eq!(cell(&lake, "select count(*) from app").await, "20");
    // Who cannot read what was handed over removes nothing.
    lake.store.put(&"_pending/newer.json".into(), "?".into()).await.expect("put");
    lake.store.put(&orphan.as_str().into(), "rows".into()).await.expect("put");
    let refused = vacuum(&lake, TABLE, RETENTION_MS, false, later).await.expect_err("refused").report();
    assert!(refused.starts_with("`_pending/newer.json` in the lake is not what millpond wrote"), "{refused}");
}

#[test]
fn a_retention_is_neither_too_short_nor_too_long() {
    const HOUR_MS: u64 = 3_600_000;
    assert!(check_retention(RETENTION_MS, false).is_ok() && check_retention(24 * HOUR_MS, false).is_ok());
    assert!(check_retention(23 * HOUR_MS, false).is_err() && check_retention(0, true).is_ok());
    assert!(check_retention(8 * 24 * HOUR_MS, true).is_err());
}

#[tokio::test]
async fn old_days_expire_whole_and_in_one_commit() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(30, 3, 5), 30).await;
    let version = lake.version(TABLE).await.expect("version").expect("table");
    // A week after the first day: the days are 7, 6 and 5 days old.
    let counted = expire(&lake, TABLE, 6, true, NOW_US).await.expect("expire").expect("table");
    assert_eq!((counted.days.len(), counted.files, counted.rows), (1, 10, 50));
    assert_eq!(lake.version(TABLE).await.expect("version"), Some(version));
    let done = expire(&lake, TABLE, 5, false, NOW_US).await.expect("expire").expect("table");
    assert_eq!((done.days, done.files), (vec!["2026-03-02".to_owned(), "2026-03-03".to_owned()], 20));
    assert_eq!(lake.version(TABLE).await.expect("version"), Some(version + 1));
    assert_eq!(cell(&lake, "select count(*) from app").await, "50");
    assert_eq!(cell(&lake, "select cast(min(_day) as varchar) from app").await, "2026-03-04");
    assert_eq!(cell(&lake, "select predicate from audit").await, "_day < '2026-03-04'");
    assert_eq!(lake.history(TABLE, 1).await.expect("history")[0].operation, "DELETE");
    let again = expire(&lake, TABLE, 5, false, NOW_US).await.expect("expire").expect("table");
    assert_eq!(again.files, 0);
}

#[test]
fn a_retention_names_tables_that_there_are() {
    let known = ["signals".to_owned(), "app".to_owned()];
    assert!(check_names(&[("app".into(), 3)], &known).is_ok());
    let error = check_names(&[("signal".into(), 3)], &known).expect_err("an error").report();
    assert!(error.contains("did you mean `signals`?"), "{error}");
}

/// delta-rs and DuckDB read a compacted table with the same rows.
#[tokio::test]
async fn foreign_readers_read_what_was_compacted() {
    const READ: &str = "import sys, json, deltalake, duckdb\n\
        files = deltalake.DeltaTable(sys.argv[1]).file_uris()\n\
        rows = duckdb.sql('select count(*), count(\"user\"), sum(bytes) from read_parquet(' + repr(files) + ')').fetchall()[0]\n\
        print(json.dumps([len(files)] + [int(cell) for cell in rows]))";
    let Some(python) = millpond_testkit::peer("MILLPOND_PEER_PYTHON") else { return };
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(30, 3, 50), 30).await;
    let mut expected = vec!["3".to_owned()];
    for sum in ["count(*)", "count(\"user\")", "sum(bytes)"] {
        expected.push(cell(&lake, &format!("select {sum} from app")).await);
    }
    compact(&lake, TABLE, &layout(), NOW_US).await.expect("compaction").expect("table");
    let table: &Path = &folder.path().join("lake").join(TABLE);
    let output = std::process::Command::new(python).args(["-c", READ]).arg(table).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("[{}]", expected.join(", ")));
}

/// What the next round does, once it is over; nothing when none is due.
async fn round(maintenance: &mut Maintenance, config: &PondConfig) -> Vec<String> {
    let mut told = maintenance.tick(config, &[]);
    while told.is_empty() && maintenance.is_running() {
        tokio::task::yield_now().await;
        told = maintenance.tick(config, &[]);
    }
    told
}

#[tokio::test]
async fn a_lake_is_looked_after_as_often_as_the_pond_says() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(40, 2, 10), 20).await;
    let before = rows(&lake, TABLE).await;
    let text = "[lake]\ncompact_every = '1h'\n[lake.retention]\napp = '30d'\n";
    let config = PondConfig::parse("millpond.toml", text, 1, &mut Problems::default()).expect("config");
    let time_us = Arc::new(AtomicI64::new(NOW_US));
    let told_us = Arc::clone(&time_us);
    let clock = Clock::new(move || told_us.load(Ordering::SeqCst));
    let pass = |us: i64| time_us.fetch_add(us, Ordering::SeqCst);

    let mut never = Maintenance::new(Arc::clone(&lake), clock.clone());
    let silent = PondConfig { compact_every_ms: None, ..config.clone() };
    assert!(never.tick(&silent, &[]).is_empty() && !never.is_running());

    let mut one = Maintenance::new(Arc::clone(&lake), clock.clone());
    let told = round(&mut one, &config).await;
    assert!(told.iter().any(|line| line.starts_with("compacted `app`: 40 files")), "{told:?}");
    assert_eq!(rows(&lake, TABLE).await, before);
    // Within the hour nothing is done, whatever comes; another process finds nothing left.
    commit(&lake, &[Landed { number: 900, day: 0, rows: 10, has_user: true }], 1).await;
    commit(&lake, &[Landed { number: 901, day: 0, rows: 10, has_user: true }], 1).await;
    pass(HOUR_US - 1);
    assert!(round(&mut one, &config).await.is_empty());
    pass(1);
    let told = round(&mut one, &config).await;
    assert!(told.iter().any(|line| line.starts_with("compacted `app`: ")), "{told:?}");
    assert!(round(&mut Maintenance::new(Arc::clone(&lake), clock.clone()), &config).await.is_empty());

    // A month later the first day's rows go, then the second's; the files go once no version of a week names them.
    pass(24 * US_PER_DAY);
    let told = round(&mut one, &config).await;
    assert!(told.iter().any(|line| line.starts_with("expired `app`: 220 rows of 1 days")), "{told:?}");
    assert_eq!(cell(&lake, "select count(*) from app").await, "200");
    let files = stored(&lake).await;
    time_us.store(now_us() + 8 * US_PER_DAY, Ordering::SeqCst);
    let told = round(&mut one, &config).await;
    assert!(told.iter().any(|line| line.starts_with("vacuumed `app`: ")), "{told:?}");
    assert!(stored(&lake).await < files);
    assert_eq!(cell(&lake, "select count(*) from app").await, "0");
}

#[tokio::test]
async fn two_processes_may_look_after_a_lake_at_once() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(30, 3, 10), 30).await;
    let before = rows(&lake, TABLE).await;
    let text = "[lake]\ncompact_every = '1h'\n";
    let config = PondConfig::parse("millpond.toml", text, 1, &mut Problems::default()).expect("config");
    let new = || Maintenance::new(open(folder.path()), Clock::new(|| NOW_US));
    let (mut one, mut two) = (new(), new());
    let told = [&mut one, &mut two].map(|maintenance| maintenance.tick(&config, &[]));
    assert!(told.iter().all(Vec::is_empty));
    // Somebody commits meanwhile.
    commit(&lake, &[Landed { number: 900, day: 0, rows: 10, has_user: true }], 1).await;
    let told = [round(&mut one, &config).await, round(&mut two, &config).await];
    assert!(told.iter().flatten().all(|line| line.starts_with("compacted")), "{told:?}");
    assert_eq!(rows(&lake, TABLE).await.len(), before.len() + 10);
    assert_eq!(cell(&lake, "select count(*) from receipts").await, "31");
}

/// Files of a table, whoever names them.
async fn stored(lake: &Lake) -> usize {
    lake.store.list(Some(&TABLE.into())).try_collect::<Vec<_>>().await.expect("list").len()
}
