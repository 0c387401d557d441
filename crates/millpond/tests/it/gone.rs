//! Objects that are gone when they are to be read, and come back.

use std::sync::Arc;

use millpond::ledger::Ledger;
use millpond::pipeline::{Delivery, Node, Outcome, process};
use millpond::pond::Pond;
use millpond_core::event::Event;
use millpond_core::receipt::Status;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;

/// The version that a store in memory gives to the first object that is put.
const FIRST: &str = "0";

async fn node(folder: &std::path::Path) -> (Node, Arc<InMemory>) {
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("file");
    };
    write("millpond.toml", "");
    write(
        "sources/app/source.toml",
        "[[match]]\nglob = '**/*.ndjson'\n[format]\ntype = 'json'\n[columns]\nn = 'int'\n",
    );
    write("sources/app/transform.sql", "select n from input");
    let node = Node::open(Pond::load(folder).await.expect("pond")).await.expect("node");
    let raw = Arc::new(InMemory::new());
    node.stores.insert("memory://raw/", Arc::clone(&raw) as Arc<dyn object_store::ObjectStore>);
    (node, raw)
}

fn told(node: &Node) -> Delivery {
    let event = Event {
        uri: "memory://raw/a.ndjson".into(),
        bucket: Some("raw".into()),
        key: "a.ndjson".into(),
        version: Some(FIRST.into()),
        size_bytes: None,
        time_us: Some(node.clock.now_us()),
        source: None,
    };
    Delivery::new(event, 1)
}

/// The end of the job that a notice leads to; `None`: the object was dealt with before.
async fn end(node: &Node) -> Option<Status> {
    match process(node, &[told(node)], None).await.remove(0).expect("an outcome") {
        Outcome::Handed(receipt) => Some(receipt.status),
        Outcome::AlreadyDone => None,
        Outcome::TooBig(error, _) => panic!("{}", error.chain()),
    }
}

async fn commit(node: &Node) -> Vec<Status> {
    let ledger = node.ledger();
    let committed = node.committer().commit_pending().await.expect("commit");
    ledger.refresh().await.expect("refresh");
    committed.receipts.iter().map(|receipt| receipt.status).collect()
}

#[tokio::test]
async fn the_same_bytes_are_processed_once_they_are_there_again() {
    let folder = tempfile::tempdir().expect("folder");
    let (node, raw) = node(folder.path()).await;
    assert_eq!(end(&node).await, Some(Status::Gone));
    assert_eq!(commit(&node).await, [Status::Gone]);
    assert_eq!(end(&node).await, None, "gone is told once");
    raw.put(&Path::from("a.ndjson"), "{\"n\":1}\n".into()).await.expect("put");
    assert_eq!(end(&node).await, Some(Status::Done));
    assert_eq!(commit(&node).await, [Status::Done]);
    assert_eq!(end(&node).await, None);
    raw.delete(&Path::from("a.ndjson")).await.expect("delete");
    assert_eq!(end(&node).await, None, "what is done needs no object");
}

#[tokio::test]
async fn the_committer_alone_judges_the_same() {
    let folder = tempfile::tempdir().expect("folder");
    let (node, raw) = node(folder.path()).await;
    let blind = Node { ledger: None, ..node.clone() };
    let mut ends = Vec::new();
    for _ in 0..2 {
        end(&blind).await;
        ends.extend(commit(&node).await);
    }
    raw.put(&Path::from("a.ndjson"), "{\"n\":1}\n".into()).await.expect("put");
    for _ in 0..2 {
        end(&blind).await;
        ends.extend(commit(&node).await);
    }
    raw.delete(&Path::from("a.ndjson")).await.expect("delete");
    end(&blind).await;
    ends.extend(commit(&node).await);
    assert_eq!(ends, [Status::Gone, Status::Done]);
    let ledger = Ledger::new(Arc::clone(&node.lake));
    assert!(ledger.refresh().await.is_ok());
}
