//! Every version of every format that is kept in the lake is still read.

use std::path::{Path, PathBuf};

use millpond::committer::{Pending, commit_pending};
use millpond::lake::Lake;
use millpond::ledger::Ledger;
use millpond_core::receipt::Status;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

#[test]
fn pending_commits_of_version_1_read_and_print_the_same() {
    let text = std::fs::read_to_string(golden("pending-v1.json")).expect("golden");
    let pending: Pending = serde_json::from_str(&text).expect("pending");
    assert_eq!((pending.format, pending.receipt.status, pending.tables.len()), (1, Status::Done, 3));
    let before: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_keeps(&serde_json::to_value(&pending).expect("JSON"), &before);
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

#[tokio::test]
async fn a_batch_of_version_1_left_by_a_crash_is_committed() {
    let folder = tempfile::tempdir().expect("folder");
    let place = |below: &str| folder.path().join("lake").join(below);
    for below in ["_pending", "_batches"] {
        std::fs::create_dir_all(place(below)).expect("folder");
    }
    std::fs::copy(golden("pending-v1.json"), place("_pending/4946e3e6c583b373672e6c146297e71c.json")).expect("copy");
    std::fs::copy(golden("batch-v1.json"), place("_batches/00000000000000000001.json")).expect("copy");
    let lake = Lake::open("lake", folder.path()).expect("lake");
    let ledger = Ledger::load(&lake).await.expect("ledger");
    let committed = commit_pending(&lake, &ledger).await.expect("commit");
    assert_eq!((committed.receipts.len(), committed.dropped), (1, 0));
    let counts = lake.row_counts().await.expect("counts");
    assert_eq!(
        counts.into_iter().collect::<Vec<_>>(),
        [("app".to_owned(), 1), ("quarantine".to_owned(), 1), ("receipts".to_owned(), 1), ("signals".to_owned(), 1),]
    );
    assert_eq!(Ledger::load(&lake).await.expect("ledger").job_count(), 1);
    assert_eq!(std::fs::read_dir(place("_pending")).expect("folder").count(), 0);
}

#[tokio::test]
async fn the_same_pending_commit_twice_is_committed_once() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = Lake::open("lake", folder.path()).expect("lake");
    let ledger = Ledger::load(&lake).await.expect("ledger");
    let text = std::fs::read_to_string(golden("pending-v1.json")).expect("golden");
    let pending: Pending = serde_json::from_str(&text).expect("pending");
    for expected in [(1, 0), (0, 1)] {
        pending.put(&lake).await.expect("put");
        let committed = commit_pending(&lake, &ledger).await.expect("commit");
        assert_eq!((committed.receipts.len(), committed.dropped), expected);
    }
    assert_eq!(lake.row_counts().await.expect("counts")["app"], 1);
}
