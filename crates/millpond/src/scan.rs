//! Scan: evidence against Sigma rules, without a pond.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeRequest, Format};
use millpond_core::logsource::{EventSource, LogSource};
use millpond_core::source::Severity;
use millpond_core::{Error, Result};
use millpond_engine::decode::Decoder;
use millpond_sigma::{RuleSet, Scanner, wanted};
use serde::Serialize;

/// Records by which a file's log source is told.
const PROBED_ROWS: usize = 64;
/// Rows of a batch.
const BATCH_ROWS: usize = 4_096;
/// Fields that hold the time of an event, best first.
const TIME_FIELDS: [&str; 7] =
    ["UtcTime", "TimeCreated", "eventTime", "@timestamp", "EventTime", "published", "CreationTime"];

/// A kind of event that is told by fields that no other has together.
struct Known {
    fields: &'static [&'static str],
    category: Option<&'static str>,
    product: &'static str,
    service: Option<&'static str>,
}

/// What events are told by. Field names are those of the makers' formats.
const KNOWN: [Known; 7] = [
    Known { fields: &["Channel", "EventID"], category: None, product: "windows", service: None },
    Known {
        fields: &["eventSource", "eventName", "awsRegion"],
        category: None,
        product: "aws",
        service: Some("cloudtrail"),
    },
    Known { fields: &["legacyEventType", "outcome"], category: None, product: "okta", service: Some("okta") },
    Known { fields: &["auditID", "verb", "objectRef"], category: None, product: "kubernetes", service: Some("audit") },
    Known { fields: &["protoPayload", "logName"], category: None, product: "gcp", service: Some("gcp.audit") },
    Known { fields: &["Workload", "Operation", "RecordType"], category: None, product: "m365", service: Some("audit") },
    Known { fields: &["action", "actor", "_document_id"], category: None, product: "github", service: Some("audit") },
];

/// A record that a rule matches. Id, title and author of the rule stay with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScanHit {
    /// The time of the event, as it is written there.
    pub time: Option<String>,
    /// How bad it is, in Sigma's words.
    pub level: &'static str,
    /// The rule's title.
    pub title: String,
    /// The rule's id, else its name or title.
    pub rule: String,
    /// Who wrote the rule.
    pub author: Option<String>,
    /// The ATT&CK technique, such as `T1078.004`.
    pub technique: Option<String>,
    /// The computer, where the event names one.
    pub computer: Option<String>,
    /// The file.
    pub file: String,
    /// The record's ordinal in the file, from 0.
    pub row: Option<i64>,
    /// The fields that the rule asks for, with the values that passed.
    pub fields: serde_json::Map<String, serde_json::Value>,
}

/// What came of one file.
#[derive(Debug)]
pub struct ScannedFile {
    /// The file.
    pub file: PathBuf,
    /// What its events are; `None` where that could not be told.
    pub events: Option<EventSource>,
    /// Its records.
    pub records: u64,
    /// Records and pieces that could not be read.
    pub rejected: u64,
    /// The hits, by row.
    pub hits: Vec<ScanHit>,
    /// What kept it from being read to its end.
    pub error: Option<Error>,
}

/// What is looked for.
#[derive(Debug)]
pub struct Scan {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// What all events are, where it is not to be told from the files.
    pub events: Option<EventSource>,
    /// Hits below this are left out.
    pub level_min: Severity,
}

impl Scan {
    /// Scans files with as many threads as asked for, and tells of each as it is done.
    pub fn files(&self, files: &[PathBuf], threads: usize, done: &(dyn Fn(ScannedFile) + Sync)) {
        let next = AtomicUsize::new(0);
        let scanners = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, files.len().max(1)) {
                scope.spawn(|| {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        done(self.file(file, &scanners));
                    }
                });
            }
        });
    }

    fn file(&self, file: &Path, idle: &Mutex<Vec<(EventSource, Scanner)>>) -> ScannedFile {
        let mut scanned = ScannedFile {
            file: file.to_owned(),
            events: self.events.clone(),
            records: 0,
            rejected: 0,
            hits: Vec::new(),
            error: None,
        };
        if let Err(error) = self.read(file, &mut scanned, idle) {
            scanned.error = Some(error);
        }
        scanned
    }

    fn read(&self, file: &Path, scanned: &mut ScannedFile, idle: &Mutex<Vec<(EventSource, Scanner)>>) -> Result<()> {
        if scanned.events.is_none() {
            scanned.events = tell(file)?;
        }
        let Some(events) = scanned.events.clone() else { return Ok(()) };
        let mut decoder = open(file, self.columns(&events), self.wants_rest(&events), BATCH_ROWS)?;
        let schema = decoder.schema();
        let known = {
            let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.iter().position(|(known, _)| *known == events).map(|at| idle.swap_remove(at).1)
        };
        let mut scanner = known.unwrap_or_else(|| Scanner::new(Arc::clone(&self.rules), events.clone(), &schema));
        let read = self.batches(&mut decoder, &mut scanner, scanned);
        scanned.records = decoder.summary().records;
        scanned.rejected += decoder.take_rejects().len() as u64;
        idle.lock().unwrap_or_else(PoisonError::into_inner).push((events, scanner));
        read
    }

    fn batches(&self, decoder: &mut Decoder, scanner: &mut Scanner, scanned: &mut ScannedFile) -> Result<()> {
        let file = scanned.file.display().to_string();
        while let Some(batch) = decoder.next_batch()? {
            scanned.rejected += decoder.take_rejects().len() as u64;
            for hit in scanner.scan(&batch) {
                let about = &self.rules.rules()[hit.rule as usize].about;
                if about.level < self.level_min {
                    continue;
                }
                let text = |fields: &[&str]| first_text(&batch, hit.row as usize, fields);
                scanned.hits.push(ScanHit {
                    time: text(&TIME_FIELDS),
                    level: about.level.name(),
                    title: about.title.clone(),
                    rule: about.key().to_owned(),
                    author: about.author.clone(),
                    technique: about.technique(),
                    computer: text(&["Computer", "Hostname"]),
                    file: file.clone(),
                    row: ordinal(&batch, hit.row as usize),
                    fields: scanner
                        .matched(&batch, hit)
                        .into_iter()
                        .map(|(name, value)| (name, value.into()))
                        .collect(),
                });
            }
        }
        Ok(())
    }

    fn columns(&self, events: &EventSource) -> Vec<Column> {
        let fields = wanted(&self.rules, events).fields;
        let first = |field: &String| field.split('.').next().unwrap_or(field).to_owned();
        let shown = TIME_FIELDS.iter().chain(&["Computer", "Hostname"]).map(|name| (*name).to_owned());
        let mut names: Vec<String> = fields.iter().map(first).chain(fields.iter().cloned()).chain(shown).collect();
        names.sort();
        names.dedup();
        names.into_iter().map(|name| Column { name, kind: ColumnType::Text }).collect()
    }

    fn wants_rest(&self, events: &EventSource) -> bool {
        wanted(&self.rules, events).everything
    }
}

/// What the events of a file are, by the fields of its first records.
fn tell(file: &Path) -> Result<Option<EventSource>> {
    let names: std::collections::BTreeSet<&str> = KNOWN.iter().flat_map(|known| known.fields).copied().collect();
    let columns = names.into_iter().map(|name| Column { name: name.to_owned(), kind: ColumnType::Text }).collect();
    let mut decoder = open(file, columns, false, PROBED_ROWS)?;
    while let Some(batch) = decoder.next_batch()? {
        let has = |field: &&str| batch.column_by_name(field).is_some_and(|column| column.null_count() < column.len());
        if let Some(known) = KNOWN.iter().find(|known| known.fields.iter().all(&has)) {
            return Ok(Some(known.events()));
        }
        if batch.num_rows() > 0 {
            return Ok(None);
        }
    }
    Ok(None)
}

impl Known {
    fn events(&self) -> EventSource {
        let logsource = LogSource {
            category: self.category.map(str::to_owned),
            product: Some(self.product.to_owned()),
            service: self.service.map(str::to_owned),
        };
        EventSource { logsource, ..EventSource::default() }
    }
}

fn open(file: &Path, columns: Vec<Column>, rest: bool, batch_rows: usize) -> Result<Decoder> {
    let name = file.display().to_string();
    let opened =
        File::open(file).map_err(|error| Error::bad_input(format!("failed to open `{name}`")).because(error))?;
    let modified_us = opened
        .metadata()
        .ok()
        .and_then(|metadata| metadata.modified().ok())
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_micros() as i64));
    let system = [Some(SystemColumn::Row), rest.then_some(SystemColumn::Rest)].into_iter().flatten().collect();
    let request = DecodeRequest { system, batch_rows, modified_us, ..DecodeRequest::new(Format::Auto, columns, &name) };
    Decoder::open(Box::new(opened), request)
}

fn first_text(batch: &RecordBatch, row: usize, fields: &[&str]) -> Option<String> {
    fields.iter().find_map(|field| {
        let texts = batch.column_by_name(field)?.as_string_opt::<i32>()?;
        texts.is_valid(row).then(|| texts.value(row).to_owned())
    })
}

fn ordinal(batch: &RecordBatch, row: usize) -> Option<i64> {
    let column = batch.column_by_name(SystemColumn::Row.name())?.as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

/// The files below paths, sorted; a path that is a file is taken as it is.
///
/// # Errors
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) for a path that cannot be read.
pub fn files_below(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    paths.iter().try_for_each(|path| find_files(path, &mut files))?;
    Ok(files)
}

fn find_files(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error| Error::bad_input(format!("failed to read `{}`", path.display())).because(error);
    if !std::fs::metadata(path).map_err(failed)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    paths.iter().try_for_each(|path| find_files(path, files))
}
