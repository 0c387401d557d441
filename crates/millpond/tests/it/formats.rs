//! Every version of every format that is kept in the lake is still read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millpond::committer::{Committer, Pending};
use millpond::lake::Lake;
use millpond::ledger::{Ledger, Question};
use millpond::store::Stores;
use millpond_core::receipt::Status;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn read(name: &str) -> (serde_json::Value, Pending) {
    let text = std::fs::read_to_string(golden(name)).expect("golden");
    (serde_json::from_str(&text).expect("JSON"), serde_json::from_str(&text).expect("pending"))
}

#[test]
fn a_pending_commit_of_version_1_is_one_of_one_job() {
    let (before, pending) = read("pending-v1.json");
    assert_eq!((pending.receipts.len(), pending.receipts[0].status, pending.tables.len()), (1, Status::Done, 3));
    assert_eq!(pending.id, pending.receipts[0].job_id);
    assert_keeps(&serde_json::to_value(&pending.receipts[0]).expect("JSON"), &before["receipt"]);
    assert_keeps(&serde_json::to_value(&pending.tables).expect("JSON"), &before["tables"]);
    for file in pending.tables.iter().flat_map(|table| &table.files) {
        assert_eq!(file.jobs, [(pending.id.clone(), file.rows)]);
    }
}

#[test]
fn a_pending_commit_of_version_2_reads_and_prints_the_same() {
    for (name, lanes, parts) in [
        ("pending-v2.json", ["", ""], None),
        ("pending-v2-lanes.json", ["small", "medium"], None),
        ("pending-v2-parts.json", ["small", "medium"], Some(4)),
    ] {
        let (before, pending) = read(name);
        assert_eq!((pending.format, pending.receipts.len()), (2, 2));
        assert_eq!([0, 1].map(|index| pending.receipts[index].resources.lane.as_str()), lanes, "{name}");
        assert_eq!([0, 1].map(|index| pending.receipts[index].resources.parts), [None, parts], "{name}");
        assert_keeps(&serde_json::to_value(&pending).expect("JSON"), &before);
    }
}

#[tokio::test]
async fn receipts_of_before_lanes_and_of_now_lie_in_one_table() {
    let folder = tempfile::tempdir().expect("folder");
    let (lake, _, mut committer) = open(folder.path());
    for name in ["pending-v1.json", "pending-v2-lanes.json"] {
        read(name).1.put(&lake).await.expect("put");
        committer.commit_pending().await.expect("commit");
    }
    let session = millpond::query::Session::new(Some(&lake), folder.path()).await.expect("session");
    let sql = "select lane, array_length(promotions) as n from receipts order by 1";
    let (_, rows) = session.collect(sql).await.expect("query");
    let told = arrow::util::pretty::pretty_format_batches(&rows).expect("rows").to_string();
    assert_eq!(rows.iter().map(|rows| rows.num_rows()).sum::<usize>(), 3);
    assert!(told.contains("| medium | 1 |") && told.contains("| small  | 0 |"), "{told}");
    let planner = millpond::planner::Planner::new(millpond_core::lane::Lanes::of_job_memory(1 << 28), 1 << 28);
    planner.read_history(&lake).await.expect("history");
    assert!(planner.jobs_known("app") > 0, "the past before lanes teaches, too");
}

#[tokio::test]
async fn receipts_of_before_parts_and_of_now_lie_in_one_table() {
    let folder = tempfile::tempdir().expect("folder");
    let (lake, _, mut committer) = open(folder.path());
    for name in ["pending-v1.json", "pending-v2-parts.json"] {
        read(name).1.put(&lake).await.expect("put");
        committer.commit_pending().await.expect("commit");
    }
    let session = millpond::query::Session::new(Some(&lake), folder.path()).await.expect("session");
    let sql = "select count(*) as n, count(parts) as split, max(parts) as parts from receipts";
    let (_, rows) = session.collect(sql).await.expect("query");
    let told = arrow::util::pretty::pretty_format_batches(&rows).expect("rows").to_string();
    assert!(told.contains("| 3 | 1     | 4     |"), "{told}");
}

/// Fields may be added; none may be lost or change.
fn assert_keeps(after: &serde_json::Value, before: &serde_json::Value) {
    use serde_json::Value;
    match (after, before) {
        (Value::Object(after), Value::Object(before)) => {
            for (name, value) in before {
                assert_keeps(after.get(name).unwrap_or_else(|| panic!("`{name}` is lost")), value);
            }
        }
        (Value::Array(after), Value::Array(before)) => {
            assert_eq!(after.len(), before.len());
            after.iter().zip(before).for_each(|(after, before)| assert_keeps(after, before));
        }
        (after, before) => assert_eq!(after, before),
    }
}

fn open(folder: &Path) -> (Arc<Lake>, Arc<Ledger>, Committer) {
    let lake = Arc::new(Lake::open(&Stores::default(), "lake", folder).expect("lake"));
    let ledger = Arc::new(Ledger::new(Arc::clone(&lake)));
    let committer = Committer::new(Arc::clone(&lake), Arc::clone(&ledger));
    (lake, ledger, committer)
}

#[tokio::test]
async fn a_batch_of_version_1_left_by_a_crash_is_committed() {
    let folder = tempfile::tempdir().expect("folder");
    let place = |below: &str| folder.path().join("lake").join(below);
    for below in ["_pending", "_batches"] {
        std::fs::create_dir_all(place(below)).expect("folder");
    }
    std::fs::copy(golden("pending-v1.json"), place("_pending/4946e3e6c583b373672e6c146297e71c.json")).expect("copy");
    std::fs::copy(golden("batch-v1.json"), place("_batches/00000000000000000001.json")).expect("copy");
    let (lake, _, mut committer) = open(folder.path());
    let committed = committer.commit_pending().await.expect("commit");
    assert_eq!((committed.receipts.len(), committed.dropped), (1, 0));
    let counts = lake.row_counts().await.expect("counts");
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [("app".to_owned(), 1), ("quarantine".to_owned(), 1), ("receipts".to_owned(), 1), ("signals".to_owned(), 1),]
    );
    let (_, ledger, _) = open(folder.path());
    ledger.refresh().await.expect("refresh");
    let job = ledger.done(Question::of(&committed.receipts[0])).await.expect("ledger");
    assert_eq!(job.map(|job| job.to_string()), Some(committed.receipts[0].job_id.clone()));
    assert_eq!(std::fs::read_dir(place("_pending")).expect("folder").count(), 0);
}

#[tokio::test]
async fn the_same_pending_commit_twice_is_committed_once() {
    let folder = tempfile::tempdir().expect("folder");
    let (lake, _, mut committer) = open(folder.path());
    let (_, pending) = read("pending-v1.json");
    for expected in [(1, 0), (0, 1)] {
        pending.put(&lake).await.expect("put");
        let committed = committer.commit_pending().await.expect("commit");
        assert_eq!((committed.receipts.len(), committed.dropped), expected);
    }
    assert_eq!(lake.row_counts().await.expect("counts")["app"], 1);
}

#[tokio::test]
async fn a_batch_that_names_what_an_earlier_one_committed_does_not_stop_the_lake() {
    let folder = tempfile::tempdir().expect("folder");
    let (lake, _, mut committer) = open(folder.path());
    let (_, pending) = read("pending-v1.json");
    pending.put(&lake).await.expect("put");
    committer.commit_pending().await.expect("commit");
    // As when a replay asks again for what another committer took over, committed and cleared up.
    let batch = std::fs::read_to_string(golden("batch-v1.json")).expect("golden");
    let batches = folder.path().join("lake/_batches");
    let second = batch.replace("\"number\":1", "\"number\":2").replace("\"number\": 1", "\"number\": 2");
    assert_ne!(second, batch);
    std::fs::create_dir_all(&batches).expect("folder");
    std::fs::write(batches.join("00000000000000000002.json"), second).expect("batch");
    let committed = committer.commit_pending().await.expect("commit");
    assert_eq!((committed.receipts.len(), committed.dropped), (0, 0));
    assert_eq!(lake.row_counts().await.expect("counts")["app"], 1);
    assert_eq!(std::fs::read_dir(batches).expect("folder").count(), 0);
}
