//! Small files in a lake, as jobs hand them over, and what a table holds.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Schema;
use arrow::util::pretty::pretty_format_batches;
use millpond::committer::{Committer, Pending, PendingTable};
use millpond::lake::{Lake, LakeFile};
use millpond::ledger::Ledger;
use millpond::query::Session;
use millpond::store::Stores;
use millpond_core::receipt::{Output, Receipt};
use millpond_engine::encode::{Origin, TableWriter, lake_schema};
use object_store::ObjectStoreExt;
use object_store::path::Path;

/// 2026-03-02T00:00:00Z, the first day that files land in.
pub(crate) const START_US: i64 = 1_772_409_600_000_000;
pub(crate) const US_PER_DAY: i64 = 86_400_000_000;
/// The table that they land in.
pub(crate) const TABLE: &str = "app";

/// One small file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Landed {
    /// Its number: makes the job, the object and the values.
    pub(crate) number: u64,
    /// Days after the first.
    pub(crate) day: i64,
    /// Rows.
    pub(crate) rows: u64,
    /// Whether it has the column `user`.
    pub(crate) has_user: bool,
}

impl Landed {
    /// The job's id.
    pub(crate) fn job(&self) -> String {
        format!("{:032x}", self.number + 1)
    }

    fn batch(&self) -> RecordBatch {
        let mix = |row: u64| (self.number * self.rows + row).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        let rows = 0..self.rows;
        let time = |row| START_US + self.day * US_PER_DAY + (mix(row) % 86_400) as i64 * 1_000_000;
        let times = TimestampMicrosecondArray::from_iter_values(rows.clone().map(time)).with_timezone("UTC");
        let ip = |row| format!("10.{}.{}.{}", mix(row) % 4, mix(row) / 4 % 256, mix(row) / 1024 % 256);
        let bytes =
            Int64Array::from_iter(rows.clone().map(|row| (mix(row) % 7 > 0).then_some((mix(row) % 5_000) as i64)));
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("time", Arc::new(times)),
            ("source_ip", Arc::new(StringArray::from_iter_values(rows.clone().map(ip)))),
            ("bytes", Arc::new(bytes)),
        ];
        if self.has_user {
            let user = |row| (mix(row) % 5 > 0).then(|| format!("user{}", mix(row) % 50));
            columns.push(("user", Arc::new(StringArray::from_iter(rows.map(user)))));
        }
        RecordBatch::try_from_iter(columns).expect("batch")
    }

    fn receipt(&self, file: &LakeFile) -> Receipt {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pending-v1.json");
        let pending = std::fs::read_to_string(golden).expect("golden");
        let pending: serde_json::Value = serde_json::from_str(&pending).expect("JSON");
        let mut receipt: Receipt = serde_json::from_value(pending["receipt"].clone()).expect("receipt");
        let output = Output { table: TABLE.into(), path: file.path.clone(), rows: file.rows, bytes: file.bytes };
        receipt.job_id = self.job();
        receipt.object = format!("file:///pond/inbox/{}.ndjson", self.number);
        receipt.object_modified_us = START_US + self.day * US_PER_DAY + self.number as i64;
        receipt.fingerprint = format!("{:064x}", self.number);
        receipt.outputs = vec![output];
        receipt
    }

    /// Puts the file and hands it over.
    pub(crate) async fn hand_over(&self, lake: &Lake) {
        let rows = self.batch();
        let schema = lake_schema(&rows.schema());
        let mut writer = TableWriter::new(&schema, Some("time"), true);
        let columns: Schema = writer.file_schema().as_ref().clone();
        writer.write(&rows, &Origin { job: Some(self.job().into()), day: 0 }).expect("rows");
        let mut encoded = writer.finish().expect("file").remove(0);
        let mut body = Vec::new();
        std::io::Read::read_to_end(&mut encoded.body, &mut body).expect("body");
        let day = chrono::DateTime::from_timestamp_micros(START_US + self.day * US_PER_DAY).expect("day");
        let day = day.format("%Y-%m-%d").to_string();
        let path = format!("_day={day}/{}-0.parquet", self.job());
        lake.store.put(&Path::from(format!("{TABLE}/{path}")), body.into()).await.expect("put");
        let file = LakeFile {
            path,
            day,
            bytes: encoded.bytes,
            rows: encoded.rows,
            statistics: encoded.statistics,
            jobs: vec![(self.job(), encoded.rows)],
        };
        let receipt = self.receipt(&file);
        let table = PendingTable::new(TABLE, &columns, vec![file]).expect("table");
        Pending::new(self.job(), vec![receipt], false, vec![table]).put(lake).await.expect("pending");
    }
}

/// Small files over some days; the later half has one column more.
pub(crate) fn landed(files: u64, days: u64, rows: u64) -> Vec<Landed> {
    let one = |number| Landed { number, day: (number % days) as i64, rows, has_user: number >= files / 2 };
    (0..files).map(one).collect()
}

/// Commits files, so many in a batch.
pub(crate) async fn commit(lake: &Arc<Lake>, files: &[Landed], in_a_batch: usize) {
    let ledger = Arc::new(Ledger::new(Arc::clone(lake)));
    let mut committer = Committer::new(Arc::clone(lake), ledger);
    for batch in files.chunks(in_a_batch) {
        for file in batch {
            file.hand_over(lake).await;
        }
        committer.commit_pending().await.expect("commit");
    }
}

/// A lake in a folder.
pub(crate) fn open(folder: &std::path::Path) -> Arc<Lake> {
    Arc::new(Lake::open(&Stores::default(), "lake", folder).expect("lake"))
}

/// Every row of a table as text, in the order of the text.
pub(crate) async fn rows(lake: &Lake, table: &str) -> Vec<String> {
    query(lake, &format!("select * from {table}")).await
}

/// The rows of a query as text, in the order of the text.
pub(crate) async fn query(lake: &Lake, sql: &str) -> Vec<String> {
    let session = Session::new(Some(lake), std::path::Path::new(".")).await.expect("session");
    let (_, batches) = session.collect(sql).await.expect("rows");
    let text = pretty_format_batches(&batches).expect("text").to_string();
    let mut rows: Vec<String> = text.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect();
    rows.sort();
    rows
}
