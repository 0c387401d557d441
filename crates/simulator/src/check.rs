//! The lake against the truth.
//!
//! Nothing else runs while somebody looks, so what is seen at once is what a reader sees who reads the receipts first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use bytes::Bytes;
use millpond::lake::Lake;
use millpond::store::Stores;
use millpond_core::balance::Balance;
use millpond_core::receipt::Receipt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::process::{Buckets, LAKE, QUEUE};
use crate::sources::SOURCES;
use crate::truth::{BUCKET, Content, Truth};

/// Failures that are told in full.
const FAILURES_MAX: usize = 12;
/// The work of notices that nobody understands.
const NOTICES: usize = 0;
/// The first notice that nobody understands, in quarantine; the others follow below.
const NOTICE: i64 = -10;
/// What stands for a whole file in quarantine.
const WHOLE: i64 = -1;

type Result<T> = std::result::Result<T, String>;
/// Rows by the work that they come from, whichever job did it: a replay takes the place of another job. Each row is a
/// number that says which it is.
type Rows = HashMap<usize, Vec<i64>>;

/// What was found to be wrong, and what is known of the lake's files, which never change.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    failures: Vec<String>,
    count: usize,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    lake: Option<Arc<Lake>>,
    rows: HashMap<String, Arc<Vec<(String, i64)>>>,
    receipts: HashMap<String, Arc<Vec<Seen>>>,
}

/// What is read of a receipt.
#[derive(Debug, Clone)]
struct Seen {
    job: String,
    status: String,
    object: String,
    version: String,
    source: String,
    fingerprint: String,
    duplicate_of: String,
    balance: Balance,
    signals: i64,
}

impl Seen {
    fn is_final(&self) -> bool {
        self.status != "failed"
    }
}

/// Everything that a reader sees.
struct View {
    receipts: Vec<Seen>,
    tables: BTreeMap<&'static str, Rows>,
}

impl Findings {
    /// How many failures were found.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn fail(&mut self, text: String) {
        self.count += 1;
        if self.failures.len() < FAILURES_MAX {
            self.failures.push(text);
        }
    }

    pub(crate) fn texts(&self) -> Vec<String> {
        let more = self.count - self.failures.len();
        self.failures.iter().cloned().chain((more > 0).then(|| format!("and {more} more"))).collect()
    }

    fn check(&mut self, is_right: bool, text: impl FnOnce() -> String) {
        if !is_right {
            self.fail(text());
        }
    }

    /// Compares rows that must be there with those that are.
    fn compare(&mut self, when: &str, table: &str, job: &dyn Debug, expected: &[i64], found: Option<&Vec<i64>>) {
        let (mut expected, mut found) = (expected.to_vec(), found.cloned().unwrap_or_default());
        expected.sort_unstable();
        found.sort_unstable();
        if expected == found {
            return;
        }
        let lost = without(&expected, &found);
        let more = without(&found, &expected);
        self.lost += lost.len() as u64;
        self.doubled += more.len() as u64;
        self.fail(format!("{when}: job {job:?} in `{table}`: lost {lost:?}, doubled or unexpected {more:?}"));
    }

    async fn view(&mut self, buckets: &Buckets, truth: &Truth) -> Result<View> {
        let mut receipts = Vec::new();
        for path in self.paths(buckets, "receipts").await? {
            receipts.extend(self.receipts_of(buckets, &path).await?.iter().cloned());
        }
        let mut tables = BTreeMap::new();
        for name in SOURCES.map(|source| source.name).into_iter().chain(["signals", "quarantine"]) {
            let mut rows = Rows::new();
            for path in self.paths(buckets, name).await? {
                for (job, row) in self.rows_of(buckets, name, &path).await?.iter() {
                    match (truth.jobs.get(job), *row <= NOTICE) {
                        (Some(work), _) => rows.entry(work.id).or_default().push(*row),
                        (None, true) => rows.entry(NOTICES).or_default().push(*row),
                        (None, false) => self.fail(format!("rows of an unknown job {job} in `{name}`")),
                    }
                }
            }
            tables.insert(name, rows);
        }
        Ok(View { receipts, tables })
    }

    /// The files of a table as it is now.
    async fn paths(&mut self, buckets: &Buckets, table: &str) -> Result<Vec<String>> {
        let lake = match &self.lake {
            Some(lake) => Arc::clone(lake),
            None => {
                let stores = Stores::default();
                stores.insert(LAKE, Arc::new(buckets.lake.objects.clone()));
                let lake = Lake::open(&stores, LAKE, std::path::Path::new("/")).map_err(|error| error.report())?;
                Arc::clone(self.lake.insert(Arc::new(lake)))
            }
        };
        let files = lake.files(table).await.map_err(|error| error.report())?;
        let files = files.map(|(_, files)| files).unwrap_or_default();
        let paths: Vec<String> = files.into_iter().map(|file| format!("{table}/{}", file.path)).collect();
        let distinct: HashSet<&String> = paths.iter().collect();
        if distinct.len() < paths.len() {
            self.fail(format!("table `{table}` names a file twice"));
        }
        Ok(paths)
    }

    async fn rows_of(&mut self, buckets: &Buckets, table: &str, path: &str) -> Result<Arc<Vec<(String, i64)>>> {
        if let Some(rows) = self.rows.get(path) {
            return Ok(Arc::clone(rows));
        }
        let rows =
            read(buckets, path).await?.iter().map(|batch| read_rows(table, batch)).collect::<Result<Vec<_>>>()?;
        let rows = Arc::new(rows.concat());
        self.rows.insert(path.to_owned(), Arc::clone(&rows));
        Ok(rows)
    }

    async fn receipts_of(&mut self, buckets: &Buckets, path: &str) -> Result<Arc<Vec<Seen>>> {
        if let Some(receipts) = self.receipts.get(path) {
            return Ok(Arc::clone(receipts));
        }
        let read = read(buckets, path).await?.iter().map(read_receipts).collect::<Result<Vec<_>>>()?;
        let read = Arc::new(read.concat());
        self.receipts.insert(path.to_owned(), Arc::clone(&read));
        Ok(read)
    }
}

/// What is in `one` and not in `other`; both are sorted.
fn without(one: &[i64], other: &[i64]) -> Vec<i64> {
    let mut other = other.iter().peekable();
    let mut rest = Vec::new();
    for row in one {
        while other.next_if(|known| *known < row).is_some() {}
        if other.next_if_eq(&row).is_none() {
            rest.push(*row);
        }
    }
    rest
}

/// The batches of a file.
async fn read(buckets: &Buckets, path: &str) -> Result<Vec<RecordBatch>> {
    let failed = |error: &dyn Debug| format!("a table names `{path}`, which cannot be read: {error:?}");
    // A path in Delta's log is percent-encoded; those of the lake have nothing to encode.
    let bytes: Bytes = buckets.lake.bytes(path).await.map_err(|error| failed(&error))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| failed(&error))?;
    let reader = reader.build().map_err(|error| failed(&error))?;
    reader.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| failed(&error))
}

fn texts(batch: &RecordBatch, name: &str) -> Result<Vec<String>> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("no column `{name}`"))?;
    let column = cast(column, &DataType::Utf8).map_err(|error| error.to_string())?;
    let column = column.as_string::<i32>();
    Ok((0..column.len()).map(|row| if column.is_null(row) { "" } else { column.value(row) }.to_owned()).collect())
}

fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<i64>> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("no column `{name}`"))?;
    let column = cast(column, &DataType::Int64).map_err(|error| error.to_string())?;
    Ok(column.as_primitive::<Int64Type>().values().to_vec())
}

fn read_rows(table: &str, batch: &RecordBatch) -> Result<Vec<(String, i64)>> {
    let ids: Vec<i64> = match table {
        "signals" => texts(batch, "entity")?.iter().map(|text| text.parse().unwrap_or(i64::MIN)).collect(),
        "quarantine" => texts(batch, "raw")?.iter().map(|raw| reject_id(raw)).collect(),
        _ => numbers(batch, "id")?.into_iter().zip(numbers(batch, "part")?).map(|(id, part)| id * 10 + part).collect(),
    };
    Ok(texts(batch, "_job")?.into_iter().zip(ids).collect())
}

/// Which record a row of the quarantine is.
fn reject_id(raw: &str) -> i64 {
    if let Some(notice) = raw.strip_prefix("what is this? ") {
        return notice.parse::<i64>().map_or(i64::MIN, |notice| NOTICE - notice);
    }
    let id = raw.strip_prefix("{\"id\":").and_then(|rest| rest.split(',').next()).and_then(|id| id.parse().ok());
    id.unwrap_or(WHOLE)
}

fn read_receipts(batch: &RecordBatch) -> Result<Vec<Seen>> {
    let text = |name: &str| texts(batch, name);
    let number = |name: &str| numbers(batch, name);
    let (jobs, statuses, objects) = (text("job_id")?, text("status")?, text("object")?);
    let (versions, sources, fingerprints) = (text("object_version")?, text("source")?, text("fingerprint")?);
    let (firsts, signals) = (text("duplicate_of")?, number("signals")?);
    let balance = ["rows_in", "rows_out", "filtered", "deduplicated", "aggregated", "quarantined", "exploded"];
    let balance = balance.map(number);
    let counts = balance.into_iter().collect::<Result<Vec<_>>>()?;
    let count = |index: usize, row: usize| counts[index][row] as u64;
    let seen = |row: usize| Seen {
        job: jobs[row].clone(),
        status: statuses[row].clone(),
        object: objects[row].clone(),
        version: versions[row].clone(),
        source: sources[row].clone(),
        fingerprint: fingerprints[row].clone(),
        duplicate_of: firsts[row].clone(),
        balance: Balance {
            rows_in: count(0, row),
            rows_out: count(1, row),
            filtered: count(2, row),
            deduplicated: count(3, row),
            aggregated: count(4, row),
            quarantined: count(5, row),
            exploded: count(6, row),
        },
        signals: signals[row],
    };
    Ok((0..batch.num_rows()).map(seen).collect())
}

/// What a job's rows in one table must be, if they are there.
fn expected(content: &Content, table: &str) -> Vec<i64> {
    match table {
        "signals" => content.signals.clone(),
        "quarantine" if content.is_broken => vec![WHOLE],
        "quarantine" => content.rejects.clone(),
        _ if content.sim_source().is_some_and(|source| source.name == table) => content.output.clone(),
        _ => Vec::new(),
    }
}

/// What holds at any time: a job's rows are in a table whole or not at all, and are all there if its receipt is.
pub(crate) async fn on_the_way(buckets: &Buckets, truth: &Truth, findings: &mut Findings) {
    let view = match findings.view(buckets, truth).await {
        Ok(view) => view,
        Err(error) => return findings.fail(format!("on the way: {error}")),
    };
    check_whole(&view, truth, findings, "on the way");
    check_receipts_have_rows(&view, truth, findings, "on the way");
}

fn check_whole(view: &View, truth: &Truth, findings: &mut Findings, when: &str) {
    let contents: HashMap<usize, (&String, &Content)> =
        truth.jobs.iter().map(|(job, work)| (work.id, (job, &truth.contents[work.content]))).collect();
    for (table, rows) in &view.tables {
        for (work, found) in rows {
            if let Some((job, content)) = contents.get(work) {
                findings.compare(when, table, job, &expected(content, table), Some(found));
            }
        }
    }
}

fn check_receipts_have_rows(view: &View, truth: &Truth, findings: &mut Findings, when: &str) {
    for receipt in view.receipts.iter().filter(|receipt| ["done", "quarantined"].contains(&receipt.status.as_str())) {
        let Some(work) = truth.jobs.get(&receipt.job) else {
            findings.check(receipt.object == QUEUE, || format!("{when}: a receipt of an unknown job {receipt:?}"));
            continue;
        };
        for (table, rows) in &view.tables {
            let expected = expected(&truth.contents[work.content], table);
            findings.compare(when, table, &receipt.job, &expected, rows.get(&work.id));
        }
    }
}

/// What holds once everything came to rest.
pub(crate) async fn at_the_end(buckets: &Buckets, truth: &Truth, handed: &[Receipt], findings: &mut Findings) {
    let view = match findings.view(buckets, truth).await {
        Ok(view) => view,
        Err(error) => return findings.fail(format!("at the end: {error}")),
    };
    check_whole(&view, truth, findings, "at the end");
    check_receipts_have_rows(&view, truth, findings, "at the end");
    check_one_receipt_each(&view, findings);
    check_balances(&view, truth, findings);
    check_rows_have_receipts(&view, truth, findings);
    check_duplicates(&view, truth, findings);
    check_objects(&view, truth, findings);
    check_handed(&view, handed, findings);
    check_bad_notices(&view, truth, findings);
    for folder in ["_pending", "_batches"] {
        match buckets.lake.keys(folder).await {
            Ok(left) => findings.check(left.is_empty(), || format!("left in `{folder}`: {left:?}")),
            Err(error) => findings.fail(error.to_string()),
        }
    }
}

/// An object that was gone and was put again has its receipt and the one that tells of the time between.
fn check_one_receipt_each(view: &View, findings: &mut Findings) {
    let mut known: HashMap<(&str, &str, &str), &Seen> = HashMap::new();
    for receipt in view.receipts.iter().filter(|receipt| receipt.is_final() && receipt.status != "gone") {
        if let Some(first) = known.insert((&receipt.object, &receipt.version, &receipt.source), receipt) {
            findings.fail(format!("two final receipts of one object: {first:?} and {receipt:?}"));
        }
    }
}

fn check_balances(view: &View, truth: &Truth, findings: &mut Findings) {
    let mut rows_out: BTreeMap<&str, u64> = BTreeMap::new();
    for receipt in &view.receipts {
        findings.check(receipt.balance.holds(), || format!("a receipt does not balance: {receipt:?}"));
        *rows_out.entry(&receipt.source).or_default() += receipt.balance.rows_out;
        let content = truth.jobs.get(&receipt.job).map(|work| &truth.contents[work.content]);
        let Some(content) = content.filter(|_| receipt.status == "done") else { continue };
        let counted = (receipt.balance.rows_out, receipt.signals as u64, receipt.balance.quarantined);
        let known = (content.output.len() as u64, content.signals.len() as u64, content.rejects.len() as u64);
        findings.check(counted == known, || format!("a receipt counts {counted:?} instead of {known:?}: {receipt:?}"));
    }
    for source in SOURCES {
        let rows = view.tables.get(source.name).map_or(0, |rows| rows.values().map(Vec::len).sum::<usize>()) as u64;
        let told = rows_out.get(source.name).copied().unwrap_or(0);
        findings.check(rows == told, || format!("`{}` has {rows} rows, its receipts tell of {told}", source.name));
    }
}

fn check_rows_have_receipts(view: &View, truth: &Truth, findings: &mut Findings) {
    let written = view.receipts.iter().filter(|receipt| ["done", "quarantined"].contains(&receipt.status.as_str()));
    let works: HashSet<usize> =
        written.filter_map(|receipt| truth.jobs.get(&receipt.job)).map(|work| work.id).collect();
    for (table, rows) in &view.tables {
        for (work, rows) in rows.iter().filter(|(work, _)| **work != NOTICES && !works.contains(work)) {
            findings.doubled += rows.len() as u64;
            findings.fail(format!("`{table}` has rows {rows:?} of work {work}, which no receipt tells of"));
        }
    }
}

/// The same bytes under a source that skips duplicates are processed once.
fn check_duplicates(view: &View, truth: &Truth, findings: &mut Findings) {
    let work = |job: &str| truth.jobs.get(job).map(|work| work.id);
    for source in SOURCES.iter().filter(|source| source.skips_duplicates) {
        let mut done: HashMap<&str, &str> = HashMap::new();
        let own = || view.receipts.iter().filter(|receipt| receipt.source == source.name);
        for receipt in own().filter(|receipt| receipt.status == "done") {
            if let Some(first) = done.insert(&receipt.fingerprint, &receipt.job) {
                findings.fail(format!("the same bytes were processed as {first} and {}", receipt.job));
            }
        }
        for receipt in own().filter(|receipt| receipt.status == "duplicate") {
            // A replay may have taken the place of the job that it names.
            let first = done.get(receipt.fingerprint.as_str()).copied();
            findings.check(first.is_some_and(|first| work(first) == work(&receipt.duplicate_of)), || {
                format!("a duplicate names {} and its bytes were processed as {first:?}", receipt.duplicate_of)
            });
        }
    }
}

/// Every object has its receipt.
fn check_objects(view: &View, truth: &Truth, findings: &mut Findings) {
    let mut by_object: HashMap<(&str, &str), &str> = HashMap::new();
    let mut objects: HashSet<&str> = HashSet::new();
    for receipt in view.receipts.iter().filter(|receipt| receipt.is_final()) {
        by_object.insert((&receipt.object, &receipt.version), &receipt.status);
        objects.insert(&receipt.object);
    }
    for (key, known) in &truth.keys {
        let uri = format!("{BUCKET}{key}");
        let Some(newest) = known.contents.last().map(|content| &truth.contents[*content]) else { continue };
        if known.is_deleted {
            let is_told = !known.is_announced || objects.contains(uri.as_str());
            findings.check(is_told, || format!("`{key}` was announced and deleted, and has no receipt"));
            continue;
        }
        let status = by_object.get(&(uri.as_str(), newest.e_tag.as_str())).copied();
        let fits = match newest.sim_source() {
            None => status == Some("unrouted"),
            Some(source) => status == Some("done") || (source.skips_duplicates && status == Some("duplicate")),
        };
        if !fits {
            findings.lost += newest.output.len() as u64;
            findings.fail(format!("`{key}` in its newest version {} is {status:?}", newest.e_tag));
        }
    }
}

/// Whatever was handed over has come to a final receipt.
fn check_handed(view: &View, handed: &[Receipt], findings: &mut Findings) {
    let finals = view.receipts.iter().filter(|receipt| receipt.is_final());
    let known: HashSet<(&str, &str, &str)> =
        finals.map(|seen| (&*seen.object, &*seen.version, &*seen.source)).collect();
    for receipt in handed {
        let work = (&*receipt.object, &*receipt.object_version, &*receipt.source);
        findings.check(known.contains(&work), || format!("a job was handed over and has no receipt: {work:?}"));
    }
}

/// A notice that nobody understands is in quarantine once, however often it came.
fn check_bad_notices(view: &View, truth: &Truth, findings: &mut Findings) {
    let own = || view.receipts.iter().filter(|receipt| receipt.object == QUEUE);
    let rows = view.tables.get("quarantine").and_then(|rows| rows.get(&NOTICES)).into_iter().flatten();
    let mut rows: Vec<i64> = rows.map(|row| NOTICE - row).collect();
    rows.sort_unstable();
    let expected: Vec<i64> = (0..truth.bad_notices.len() as i64).collect();
    findings.check(rows == expected && own().count() == expected.len(), || {
        format!("of {} notices that nobody understands {} are in quarantine: {rows:?}", expected.len(), rows.len())
    });
}
