//! What the committer makes of what jobs believed.

use std::sync::Arc;

use millpond::committer::{Committer, Pending};
use millpond::lake::Lake;
use millpond::ledger::Ledger;
use millpond::store::Stores;
use millpond::vacuum::{RETENTION_MS, vacuum};
use millpond_core::receipt::{Receipt, Status};
use object_store::ObjectStoreExt;
use object_store::path::Path;

/// A receipt over the golden bytes under another name.
fn receipt(job: char, status: Status, first: Option<char>) -> Receipt {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pending-v1.json"));
    let pending: Pending = serde_json::from_str(&text.expect("golden")).expect("pending");
    Receipt {
        job_id: id(job),
        object: format!("file:///{job}"),
        status,
        duplicate_of: first.map(id),
        outputs: Vec::new(),
        ..pending.receipts[0].clone()
    }
}

fn id(job: char) -> String {
    job.to_string().repeat(32)
}

#[tokio::test]
async fn a_duplicate_names_the_job_whose_rows_are_in_the_lake() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = Arc::new(Lake::open(&Stores::default(), "lake", folder.path()).expect("lake"));
    let mut committer = Committer::new(Arc::clone(&lake), Arc::new(Ledger::new(Arc::clone(&lake))));
    let first = vec![receipt('c', Status::Done, None)];
    Pending::new(id('c'), first, true, Vec::new()).put(&lake).await.expect("put");
    committer.commit_pending().await.expect("commit");
    // Two of a kind in one group, which did not know of the first.
    let group = vec![receipt('a', Status::Done, None), receipt('b', Status::Duplicate, Some('a'))];
    Pending::new(id('d'), group, true, Vec::new()).put(&lake).await.expect("put");
    let committed = committer.commit_pending().await.expect("commit");
    for receipt in &committed.receipts {
        assert_eq!((receipt.status, receipt.duplicate_of.as_deref()), (Status::Duplicate, Some(id('c').as_str())));
    }
    assert_eq!(committed.receipts.len(), 2);
}

#[tokio::test]
async fn a_pending_commit_that_cannot_be_read_is_put_aside_and_the_others_are_committed() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = Arc::new(Lake::open(&Stores::default(), "lake", folder.path()).expect("lake"));
    let mut committer = Committer::new(Arc::clone(&lake), Arc::new(Ledger::new(Arc::clone(&lake))));
    Pending::new(id('a'), vec![receipt('a', Status::Done, None)], true, Vec::new()).put(&lake).await.expect("put");
    let cut = r#"{"format":2,"id":"b","receipts":["#;
    lake.store.put(&Path::from("_pending/b.json"), cut.into()).await.expect("put");
    let committed = committer.commit_pending().await.expect("commit");
    assert_eq!(
        (committed.receipts.len(), committed.unreadable.as_slice()),
        (1, &["_unreadable/b.json".to_owned()][..])
    );
    let error = committed.errors().next().expect("an error").report();
    assert!(error.contains("`_unreadable/b.json`"), "{error}");
    let aside = lake.store.get(&Path::from("_unreadable/b.json")).await.expect("aside").bytes().await.expect("bytes");
    assert_eq!(aside, cut);
    assert!(lake.store.head(&Path::from("_pending/b.json")).await.is_err(), "it is not met again");
    assert_eq!(committer.commit_pending().await.expect("commit"), Default::default());
    // What it may name is nobody's to remove.
    let error = vacuum(&lake, "receipts", RETENTION_MS, false, i64::MAX / 2).await.expect_err("vacuum");
    assert!(error.chain().contains("_unreadable/b.json"), "{}", error.chain());
}

/// A slow committer writes down a batch under a number that another one committed and cleared up meanwhile, and dies.
#[tokio::test]
async fn a_batch_begun_too_late_takes_nothing_with_it() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = Arc::new(Lake::open(&Stores::default(), "lake", folder.path()).expect("lake"));
    let mut committer = Committer::new(Arc::clone(&lake), Arc::new(Ledger::new(Arc::clone(&lake))));
    Pending::new(id('c'), vec![receipt('c', Status::Done, None)], true, Vec::new()).put(&lake).await.expect("put");
    committer.commit_pending().await.expect("commit");

    let late = receipt('a', Status::Failed, None);
    Pending::new(id('a'), vec![late], true, Vec::new()).put(&lake).await.expect("put");
    let batch = format!(r#"{{"format":1,"number":1,"pending":["_pending/{}.json"]}}"#, id('a'));
    let path = Path::from(format!("_batches/{:020}.json", 1));
    lake.store.put(&path, batch.into()).await.expect("put");

    let committed = committer.commit_pending().await.expect("commit");
    assert_eq!(committed.receipts.iter().map(|receipt| receipt.job_id.clone()).collect::<Vec<_>>(), [id('a')]);
    assert!(lake.store.head(&path).await.is_err(), "the batch is cleared up");
}
