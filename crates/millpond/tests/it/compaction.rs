//! Many small files become few large ones with the same rows, whatever happens meanwhile.

use std::sync::Arc;

use futures::TryStreamExt;
use millpond::compaction::{Layout, compact, planned};
use millpond::lake::{Change, Lake, Rewrite, files_of, provider_of};
use millpond::ledger::{Ledger, Question, RECEIPTS};
use millpond::store::Stores;
use millpond_core::Kind;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::landing::{Landed, START_US, TABLE, US_PER_DAY, commit, landed, open, query, rows};
use crate::stopping::Stopping;

/// A week later, so that every day is over.
pub(crate) const NOW_US: i64 = START_US + 7 * US_PER_DAY;

pub(crate) fn layout() -> Layout {
    Layout { sort: vec!["time".into()], indicators: vec!["source_ip".into(), "user".into()] }
}

async fn count_files(lake: &Lake, table: &str) -> usize {
    lake.files(table).await.expect("files").expect("table").1.len()
}

#[tokio::test]
async fn two_hundred_files_of_three_days_become_three_with_the_same_rows() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(200, 3, 20), 50).await;
    let before = rows(&lake, TABLE).await;
    let (pinned, _) = lake.files(TABLE).await.expect("files").expect("table");
    assert_eq!(before.len(), 200 * 20 + 1, "the heading and the rows");

    let done = compact(&lake, TABLE, &layout(), NOW_US).await.expect("compaction").expect("table");
    assert_eq!((done.files_before, done.files_after, done.rows, done.commits), (200, 3, 4_000, 3));
    assert_eq!(count_files(&lake, TABLE).await, 3);
    assert_eq!(rows(&lake, TABLE).await, before);
    let (table, files) = lake.files(TABLE).await.expect("files").expect("table");
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 4_000);
    assert!(planned(TABLE, &table, &layout(), NOW_US).expect("plan").is_empty(), "it is at rest");

    // Who reads the version before reads what it holds.
    assert_eq!(files_of(TABLE, &pinned).expect("files").len(), 200);
    let context = datafusion::prelude::SessionContext::new();
    let old = context.read_table(provider_of(TABLE, &pinned).await.expect("provider")).expect("table");
    assert_eq!(old.count().await.expect("count"), 4_000);
    // Its history says what happened, and readers of changes pass over it.
    let history = lake.history(TABLE, 3).await.expect("history");
    assert!(history.iter().all(|commit| commit.operation == "OPTIMIZE" && commit.batch.is_none()), "{history:?}");
    let changes = lake.changes(TABLE, done.version_after).await.expect("log").expect("version");
    assert_eq!((changes.added.len(), changes.removed.len()), (0, 0));
}

#[tokio::test]
async fn files_are_sorted_and_indicators_have_bloom_filters() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    commit(&lake, &landed(6, 1, 100), 6).await;
    compact(&lake, TABLE, &layout(), NOW_US).await.expect("compaction").expect("table");
    let (_, files) = lake.files(TABLE).await.expect("files").expect("table");
    let bytes = std::fs::read(folder.path().join("lake").join(TABLE).join(&files[0].path)).expect("file");
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes));
    let reader = reader.expect("parquet");
    let columns = reader.metadata().row_group(0).columns();
    let blooms: Vec<&str> = columns
        .iter()
        .filter(|column| column.bloom_filter_offset().is_some())
        .map(|column| column.column_descr().name())
        .collect();
    assert_eq!(blooms, ["source_ip", "user"]);
    let rows: Vec<_> = reader.build().expect("reader").map(|rows| rows.expect("rows")).collect();
    let times = rows.iter().flat_map(|rows| {
        let times = arrow::array::AsArray::as_primitive::<arrow::datatypes::TimestampMicrosecondType>(&rows["time"]);
        times.values().to_vec()
    });
    assert!(times.is_sorted());
}

#[tokio::test]
async fn rows_that_land_meanwhile_stay() {
    let folder = tempfile::tempdir().expect("folder");
    let (lake, other) = (open(folder.path()), open(folder.path()));
    let all = landed(90, 3, 10);
    commit(&lake, &all[..60], 60).await;
    let writes = tokio::spawn(async move { commit(&other, &all[60..], 3).await });
    let mut compacted = 0;
    while !writes.is_finished() {
        compacted += compact(&lake, TABLE, &layout(), NOW_US).await.expect("compaction").expect("table").commits;
        tokio::task::yield_now().await;
    }
    writes.await.expect("writes");
    assert!(compacted >= 3);
    compact(&lake, TABLE, &layout(), NOW_US).await.expect("compaction").expect("table");
    let counts = query(&lake, "select count(*) as x, count(distinct \"_job\") as y from app").await;
    assert_eq!(counts[0], "| 900 | 90 |");
    assert!(count_files(&lake, TABLE).await <= 6);
}

#[tokio::test]
async fn two_at_once_double_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let (lake, other) = (open(folder.path()), open(folder.path()));
    commit(&lake, &landed(80, 4, 10), 80).await;
    let before = rows(&lake, TABLE).await;
    let layout = layout();
    let (one, two) = tokio::join!(compact(&lake, TABLE, &layout, NOW_US), compact(&other, TABLE, &layout, NOW_US));
    let commits = one.expect("one").expect("table").commits + two.expect("two").expect("table").commits;
    assert!(commits >= 4);
    assert_eq!(rows(&lake, TABLE).await, before);
    assert_eq!(count_files(&lake, TABLE).await, 4);
}

/// Delta's own conflict checker lets the second of these through: neither changes rows.
#[tokio::test]
async fn files_that_another_replaced_are_not_replaced_again() {
    let folder = tempfile::tempdir().expect("folder");
    let (lake, other) = (open(folder.path()), open(folder.path()));
    commit(&lake, &landed(10, 1, 10), 10).await;
    let before = rows(&lake, TABLE).await;
    let (table, files) = lake.files(TABLE).await.expect("files").expect("table");
    // What another compaction would put in their place: here any file will do, the commit looks at names alone.
    let mut mine = files[0].clone();
    mine.path = mine.path.replace("-0.parquet", "-mine.parquet");
    let change = Change { adds: vec![mine], removes: files };
    compact(&other, TABLE, &layout(), NOW_US).await.expect("compaction").expect("table");
    let rewrite = Rewrite::Compact { target_bytes: 1 };
    let refused = lake.replace(TABLE, &table, &change, &rewrite).await.expect_err("conflict");
    assert_eq!(refused.kind(), Kind::Conflict, "{}", refused.report());
    assert_eq!(rows(&lake, TABLE).await, before);
}

#[tokio::test]
async fn a_commit_that_adds_is_no_conflict() {
    let folder = tempfile::tempdir().expect("folder");
    let (lake, other) = (open(folder.path()), open(folder.path()));
    commit(&lake, &landed(10, 1, 10), 10).await;
    let (table, files) = lake.files(TABLE).await.expect("files").expect("table");
    // Another committer adds rows and, with them, a column.
    let late = Landed { number: 99, day: 0, rows: 10, has_user: true };
    commit(&other, &[late], 1).await;
    let change = Change { adds: vec![files[0].clone()], removes: files[1..].to_vec() };
    lake.replace(TABLE, &table, &change, &Rewrite::Compact { target_bytes: 1 }).await.expect("no conflict");
    assert_eq!(count_files(&lake, TABLE).await, 2);
}

#[tokio::test]
async fn the_ledger_knows_what_is_done_after_its_receipts_are_compacted() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = open(folder.path());
    let all = landed(40, 2, 5);
    let ledger = Ledger::new(Arc::clone(&lake));
    commit(&lake, &all[..30], 2).await;
    ledger.refresh().await.expect("refresh");
    let before = rows(&lake, RECEIPTS).await;
    assert_eq!(count_files(&lake, RECEIPTS).await, 30);
    let layout = Layout::of(RECEIPTS, &[]);
    let done = compact(&lake, RECEIPTS, &layout, NOW_US).await.expect("compaction").expect("table");
    assert_eq!((done.files_after, done.rows), (2, 30));
    assert_eq!(rows(&lake, RECEIPTS).await, before);
    commit(&lake, &all[30..], 10).await;
    ledger.refresh().await.expect("refresh");
    for ledger in [ledger, Ledger::new(Arc::clone(&lake))] {
        ledger.refresh().await.expect("refresh");
        for file in &all {
            let uri = format!("file:///pond/inbox/{}.ndjson", file.number);
            let modified_us = START_US + file.day * US_PER_DAY + file.number as i64;
            let question = Question { uri: &uri, version: "9960a3-660e24c34906e-6a", source: "app", modified_us };
            let job = ledger.done(question).await.expect("ledger").expect("done");
            assert_eq!(job.to_string(), file.job());
        }
    }
    assert_eq!(lake.last_batch(RECEIPTS).await.expect("batch"), 16, "the number of the last batch is kept");
}

/// A compaction that ends at any call of the store leaves the table whole, and the next one finishes.
#[tokio::test]
async fn it_may_end_anywhere() {
    let memory = Arc::new(InMemory::new());
    let (store, stops) = Stopping::new(Arc::clone(&memory) as Arc<dyn ObjectStore>);
    let stores = Stores::default();
    stores.insert("memory:///", Arc::new(store));
    let at = |name: &str| Arc::new(Lake::open(&stores, &format!("memory:///{name}"), ".".as_ref()).expect("lake"));
    commit(&at("template"), &landed(6, 2, 4), 6).await;
    let before = rows(&at("template"), TABLE).await;
    let files: Vec<_> = memory.list(Some(&"template".into())).try_collect().await.expect("list");
    let mut stopped = 0;
    for call in 0.. {
        let name = format!("copy{call}");
        for file in &files {
            let to = file.location.as_ref().replacen("template", &name, 1);
            object_store::ObjectStoreExt::copy(memory.as_ref(), &file.location, &to.as_str().into())
                .await
                .expect("copy");
        }
        let lake = at(&name);
        let ended = stops.run(call, compact(&lake, TABLE, &layout(), NOW_US)).await;
        let lake = at(&name);
        assert_eq!(rows(&lake, TABLE).await, before, "after call {call}");
        compact(&lake, TABLE, &layout(), NOW_US).await.expect("retry").expect("table");
        assert_eq!(rows(&lake, TABLE).await, before, "after call {call} and another try");
        assert_eq!(count_files(&lake, TABLE).await, 2, "after call {call}");
        if let Some(done) = ended {
            assert_eq!(done.expect("compaction").expect("table").commits, 2);
            break;
        }
        stopped += 1;
    }
    assert!(stopped > 20, "{stopped} calls");
}
