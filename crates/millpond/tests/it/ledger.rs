//! The ledger over a lake that cannot be read.

use std::sync::Arc;

use millpond::committer::{Committer, Pending};
use millpond::lake::Lake;
use millpond::ledger::{Ledger, Question};
use millpond::store::Stores;
use millpond_core::Kind;

#[tokio::test]
async fn a_ledger_that_cannot_be_read_now_can_be_asked_again() {
    let folder = tempfile::tempdir().expect("folder");
    let open = || Arc::new(Lake::open(&Stores::default(), "lake", folder.path()).expect("lake"));
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pending-v1.json"));
    let pending: Pending = serde_json::from_str(&text.expect("golden")).expect("pending");
    let lake = open();
    pending.put(&lake).await.expect("put");
    let ledger = Arc::new(Ledger::new(Arc::clone(&lake)));
    Committer::new(Arc::clone(&lake), ledger).commit_pending().await.expect("commit");
    let (_, files) = lake.files("receipts").await.expect("lake").expect("receipts");
    let [file] = files.as_slice() else { panic!("{} files of receipts", files.len()) };
    let path = |below: &str| folder.path().join("lake/receipts").join(below);
    std::fs::rename(path(&file.path), path("away.parquet")).expect("rename");
    let ledger = Ledger::new(open());
    let question = Question::of(&pending.receipts[0]);
    let error = ledger.done(question).await.expect_err("nothing to read");
    assert_eq!(error.kind(), Kind::Transient, "{}", error.report());
    std::fs::rename(path("away.parquet"), path(&file.path)).expect("rename");
    let job = ledger.done(question).await.expect("ledger").map(|job| job.to_string());
    assert_eq!(job, Some(pending.receipts[0].job_id.clone()));
}
