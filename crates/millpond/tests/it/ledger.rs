//! What the ledger knows, and that it knows what it does not.

use std::path::Path;
use std::sync::Arc;

use millpond::committer::{Committer, Pending};
use millpond::lake::Lake;
use millpond::ledger::{Ledger, Question};
use millpond::store::Stores;
use millpond_core::Kind;

/// A lake with one receipt.
async fn lake_of_one(folder: &Path) -> (Pending, Arc<Lake>) {
    let lake = open(folder);
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pending-v1.json"));
    let pending: Pending = serde_json::from_str(&text.expect("golden")).expect("pending");
    pending.put(&lake).await.expect("put");
    let ledger = Arc::new(Ledger::new(Arc::clone(&lake)));
    Committer::new(Arc::clone(&lake), ledger).commit_pending().await.expect("commit");
    (pending, lake)
}

fn open(folder: &Path) -> Arc<Lake> {
    Arc::new(Lake::open(&Stores::default(), "lake", folder).expect("lake"))
}

#[tokio::test]
async fn an_object_is_done_whatever_time_its_sender_gives() {
    let folder = tempfile::tempdir().expect("folder");
    let (pending, lake) = lake_of_one(folder.path()).await;
    let question = Question::of(&pending.receipts[0]);
    for (hours, is_done) in [(0, true), (24, true), (-24, true), (24 * 30, false)] {
        let asked = Question { modified_us: question.modified_us + hours * 3_600_000_000, ..question };
        let known = Ledger::new(Arc::clone(&lake)).done(asked).await.expect("ledger");
        // A small table is read as a whole, and yet a time that is far away is another object.
        assert_eq!(known.is_some(), is_done, "{hours} hours");
    }
}

#[tokio::test]
async fn a_ledger_that_cannot_be_read_now_can_be_asked_again() {
    let folder = tempfile::tempdir().expect("folder");
    let (pending, lake) = lake_of_one(folder.path()).await;
    let (_, files) = lake.files("receipts").await.expect("lake").expect("receipts");
    let [file] = files.as_slice() else { panic!("{} files of receipts", files.len()) };
    let path = |below: &str| folder.path().join("lake/receipts").join(below);
    std::fs::rename(path(&file.path), path("away.parquet")).expect("rename");
    let ledger = Ledger::new(open(folder.path()));
    let question = Question::of(&pending.receipts[0]);
    let error = ledger.done(question).await.expect_err("nothing to read");
    assert_eq!(error.kind(), Kind::Transient, "{}", error.report());
    std::fs::rename(path("away.parquet"), path(&file.path)).expect("rename");
    let job = ledger.done(question).await.expect("ledger").map(|job| job.to_string());
    assert_eq!(job, Some(pending.receipts[0].job_id.clone()));
}
