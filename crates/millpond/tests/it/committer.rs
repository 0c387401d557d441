//! What the committer makes of what jobs believed.

use std::sync::Arc;

use millpond::committer::{Committer, Pending};
use millpond::lake::Lake;
use millpond::ledger::Ledger;
use millpond::store::Stores;
use millpond_core::receipt::{Receipt, Status};

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
