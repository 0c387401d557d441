//! A lake whose table `signals` was made before it had all of its columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use millpond::committer::{Committer, Pending, PendingTable};
use millpond::compaction::Layout;
use millpond::lake::{Lake, LakeFile};
use millpond::ledger::Ledger;
use millpond::pipeline::signals_schema;
use millpond::query::Session;
use millpond::store::Stores;
use millpond_core::receipt::{Output, Receipt};
use millpond_engine::encode::{Origin, TableWriter};
use object_store::ObjectStoreExt;
use object_store::path::Path;

/// The columns as version 0.1 first had them.
fn old_schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let mut fields: Vec<Field> =
        ["source", "rule", "title", "severity", "technique", "entity"].into_iter().map(text).collect();
    fields.extend([Field::new("time", time, true), text("message"), text("fields"), text("file")]);
    fields.push(Field::new("row", DataType::Int64, true));
    Arc::new(Schema::new(fields))
}

/// Commits one signal of `rule` by a job, in the given columns.
async fn commit_signal(lake: &Arc<Lake>, schema: &SchemaRef, rule: &str, job: char) {
    let job = job.to_string().repeat(32);
    let text: ArrayRef = Arc::new(StringArray::from(vec![rule]));
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        "rule" | "key" => Arc::clone(&text),
        _ => arrow::array::new_null_array(field.data_type(), 1),
    });
    let rows = RecordBatch::try_new(Arc::clone(schema), columns.collect()).expect("rows");
    let mut writer = TableWriter::new(schema, Some("time"), true);
    writer.write(&rows, &Origin { job: Some(job.as_str().into()), day: 20_000 }).expect("written");
    let file_schema = Arc::clone(writer.file_schema());
    let mut file = writer.finish().expect("files").into_iter().next().expect("one file");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file.body, &mut bytes).expect("bytes");
    let path = format!("_day=2024-10-04/{job}.parquet");
    lake.store.put(&Path::from(format!("signals/{path}")), bytes.into()).await.expect("put");
    let output = Output { table: "signals".into(), path: path.clone(), rows: 1, bytes: file.bytes };
    let file = LakeFile {
        path,
        day: "2024-10-04".into(),
        bytes: file.bytes,
        rows: 1,
        statistics: file.statistics,
        jobs: vec![(job.clone(), 1)],
    };
    let golden = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pending-v1.json"));
    let golden: Pending = serde_json::from_str(&golden.expect("golden")).expect("pending");
    let receipt = Receipt {
        job_id: job.clone(),
        object: format!("file:///{job}"),
        fingerprint: job.clone(),
        outputs: vec![output],
        ..golden.receipts[0].clone()
    };
    let tables = vec![PendingTable::new("signals", &file_schema, vec![file]).expect("table")];
    Pending::new(job, vec![receipt], true, tables).put(lake).await.expect("pending");
    let mut committer = Committer::new(Arc::clone(lake), Arc::new(Ledger::new(Arc::clone(lake))));
    assert_eq!(committer.commit_pending().await.expect("commit").receipts.len(), 1);
}

async fn texts(lake: &Lake, query: &str) -> Vec<Option<String>> {
    let session = Session::new(Some(lake), std::path::Path::new(".")).await.expect("session");
    let (_, batches) = session.collect(query).await.expect(query);
    let column = |batch: &RecordBatch| arrow::compute::cast(batch.column(0), &DataType::Utf8).expect("text");
    let columns = batches.iter().map(column);
    columns
        .flat_map(|column| column.as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect::<Vec<_>>())
        .collect()
}

#[tokio::test]
async fn signals_of_an_older_version_stay_and_new_ones_join_them() {
    let folder = tempfile::tempdir().expect("folder");
    let lake = Arc::new(Lake::open(&Stores::default(), "lake", folder.path()).expect("lake"));
    commit_signal(&lake, &old_schema(), "old", 'a').await;
    // What the table lacks reads as NULL before anything new was written.
    assert_eq!(texts(&lake, "select key from signals where rule = 'old'").await, [None]);
    assert!(lake.schema("signals").await.expect("schema").expect("table").field_with_name("key").is_err());
    commit_signal(&lake, &signals_schema(), "new", 'b').await;
    let stored = lake.schema("signals").await.expect("schema").expect("table");
    for field in signals_schema().fields() {
        assert!(stored.field_with_name(field.name()).is_ok_and(|known| known.is_nullable()), "{}", field.name());
    }
    let expected = [None, Some("new".to_owned())];
    assert_eq!(texts(&lake, "select key from signals order by rule desc").await, expected);
    // Files of both kinds become one.
    millpond::compaction::compact(&lake, "signals", &Layout::of("signals", &[]), 1_800_000_000_000_000)
        .await
        .expect("compacted");
    assert_eq!(texts(&lake, "select key from signals order by rule desc").await, expected);
    assert_eq!(
        texts(&lake, "select count(*) from signals where references is null and _job is not null").await,
        [Some("2".to_owned())]
    );
}
