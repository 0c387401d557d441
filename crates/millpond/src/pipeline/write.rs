//! Write: a job's rows, signals and rejected records as Parquet files in the lake.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use millpond_core::job::JobId;
use millpond_core::{Error, Result};
use millpond_engine::decode::Reject;
use millpond_engine::encode::{EncodedFile, Origin, TableWriter, to_lake};
use millpond_engine::prepare::Prepared;
use millpond_engine::rules::RuleMatch;
use millpond_engine::run::{Finished, Sink};

use super::Job;
use super::harvest::{Finder, rule_rows, signal_rows, signals_schema};
use crate::committer::PendingTable;
use crate::crash;
use crate::lake::Lake;
use crate::put::put_file;

/// Rejected records that are gathered before they are written.
const REJECTS_BATCH: usize = 1_024;
/// Bytes of rows that a job holds before it gets files of its own: what is held shares files with other jobs, and files
/// of this size are worth their requests.
const HELD_BYTES_MAX: usize = 8 << 20;

/// The columns of the table `quarantine`, without `_job`.
pub fn quarantine_schema() -> SchemaRef {
    let columns = [
        ("source", DataType::Utf8),
        ("object", DataType::Utf8),
        ("member", DataType::Utf8),
        ("row", DataType::Int64),
        ("offset", DataType::Int64),
        ("reason", DataType::Utf8),
        ("detail", DataType::Utf8),
        ("raw", DataType::Binary),
    ];
    Arc::new(Schema::new(columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect::<Vec<_>>()))
}

/// One row of the table `quarantine` for each reject.
pub(super) fn quarantine_rows(source: &str, object: &str, rejects: &[Reject]) -> Result<RecordBatch> {
    let constant =
        |text: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rejects.len()))) as ArrayRef;
    let number = |pick: fn(&Reject) -> Option<u64>| {
        Arc::new(rejects.iter().map(|reject| pick(reject).map(|n| n as i64)).collect::<Int64Array>()) as ArrayRef
    };
    let columns = vec![
        constant(source),
        constant(object),
        Arc::new(rejects.iter().map(|reject| reject.member.as_deref()).collect::<StringArray>()),
        number(|reject| reject.row),
        number(|reject| reject.offset),
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| reject.reason))),
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| &reject.detail))),
        Arc::new(BinaryArray::from_iter_values(rejects.iter().map(|reject| &reject.raw))),
    ];
    RecordBatch::try_new(quarantine_schema(), columns)
        .map_err(|error| Error::bug("failed to build quarantine rows").because(error))
}

/// The three tables that a job writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Output,
    Signals,
    Quarantine,
}

/// Rows of one job, in lake types, that no file holds yet.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) table: Table,
    pub(super) rows: RecordBatch,
    pub(super) origin: Origin,
}

/// Where a job's rows come from.
pub(super) fn origin(job: &Job<'_>) -> Origin {
    Origin { job: Some(job.id.to_string().into()), day: job.object_day() }
}

/// The files of the three tables while they are written, by one job or by several of one source.
#[derive(Debug, Default)]
pub(super) struct Writers {
    /// The source's own table, by name.
    output: Option<(String, TableWriter)>,
    signals: Option<TableWriter>,
    quarantine: Option<TableWriter>,
}

impl Writers {
    pub(super) fn new(prepared: &Prepared) -> Self {
        let source = &prepared.source;
        let writer = TableWriter::new(&prepared.output_schema, source.time.as_deref(), true);
        Self { output: Some((source.table.clone(), writer)), ..Self::default() }
    }

    /// Rows in lake types.
    pub(super) fn write(&mut self, held: &Held) -> Result<()> {
        let writer = match held.table {
            Table::Output => self.output.as_mut().map(|(_, writer)| writer),
            Table::Signals => {
                Some(self.signals.get_or_insert_with(|| TableWriter::new(&signals_schema(), Some("time"), true)))
            }
            Table::Quarantine => {
                Some(self.quarantine.get_or_insert_with(|| TableWriter::new(&quarantine_schema(), None, true)))
            }
        };
        writer.ok_or_else(|| Error::bug("rows of no source"))?.write(&held.rows, &held.origin)
    }

    /// Ends the files and puts them under `name`. Nothing is put before everything is encoded.
    pub(super) async fn put(self, lake: &Lake, name: &str) -> Result<Vec<PendingTable>> {
        let system = [("signals", self.signals), ("quarantine", self.quarantine)];
        let system = system.into_iter().filter_map(|(table, writer)| writer.map(|writer| (table.to_owned(), writer)));
        let mut encoded: Vec<(String, SchemaRef, Vec<EncodedFile>)> = Vec::new();
        for (table, writer) in self.output.into_iter().chain(system) {
            let schema = Arc::clone(writer.file_schema());
            encoded.push((table, schema, writer.finish()?));
        }
        let mut tables = Vec::new();
        for (table, schema, files) in encoded {
            let mut put = Vec::with_capacity(files.len());
            for file in files {
                put.push(put_file(lake, &table, name, file).await?);
                crash::point("put");
            }
            if !put.is_empty() {
                tables.push(PendingTable::new(&table, &schema, put)?);
            }
        }
        Ok(tables)
    }
}

/// What a job came to, before it is part of its group.
pub(super) struct Written {
    pub(super) finished: Finished,
    pub(super) fingerprint: String,
    pub(super) bytes_in: u64,
    pub(super) fetch_time: Duration,
    /// Its rows; `None` for a duplicate.
    pub(super) rows: Option<JobRows>,
    /// The job that had the same bytes before.
    pub(super) duplicate_of: Option<JobId>,
}

/// All rows of a job.
pub(super) struct JobRows {
    pub(super) rows: Rows,
    /// Rows that signals harvested.
    pub(super) signals: u64,
    /// Time spent on them.
    pub(super) time: Duration,
}

/// Where the rows of a job are.
pub(super) enum Rows {
    /// In memory: few enough to share files with other jobs.
    Held(Vec<Held>),
    /// In files of their own.
    Written(Box<Writers>),
}

/// Takes a job's rows as they come: holds them while they are few, else encodes them at once.
pub(super) struct JobSink<'a> {
    prepared: &'a Prepared,
    object: &'a str,
    origin: Origin,
    held: Vec<Held>,
    held_bytes: usize,
    own: Option<Writers>,
    signal_count: u64,
    rejects: Vec<Reject>,
    time: Duration,
}

impl<'a> JobSink<'a> {
    pub(super) fn new(job: &'a Job<'_>, prepared: &'a Prepared) -> Self {
        Self {
            prepared,
            object: &job.object.uri,
            origin: origin(job),
            held: Vec::new(),
            held_bytes: 0,
            own: None,
            signal_count: 0,
            rejects: Vec::new(),
            time: Duration::ZERO,
        }
    }

    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let result = work(self);
        self.time += started.elapsed();
        result
    }

    fn keep(&mut self, table: Table, rows: &RecordBatch, schema: &SchemaRef) -> Result<()> {
        // What cannot be stored must show before the rows are mixed with those of others.
        let held = Held { table, rows: to_lake(rows, schema)?, origin: self.origin.clone() };
        if let Some(own) = &mut self.own {
            return own.write(&held);
        }
        self.held_bytes += held.rows.get_array_memory_size();
        self.held.push(held);
        if self.held_bytes > HELD_BYTES_MAX {
            let mut own = Writers::new(self.prepared);
            self.held.drain(..).try_for_each(|held| own.write(&held))?;
            self.own = Some(own);
        }
        Ok(())
    }

    fn write_rejects(&mut self) -> Result<()> {
        if self.rejects.is_empty() {
            return Ok(());
        }
        let rows = quarantine_rows(&self.prepared.source.name, self.object, &self.rejects)?;
        self.rejects.clear();
        self.keep(Table::Quarantine, &rows, &quarantine_schema())
    }

    /// All rows.
    pub(super) fn end(mut self) -> Result<JobRows> {
        self.timed(Self::write_rejects)?;
        let rows = match self.own {
            Some(own) => Rows::Written(Box::new(own)),
            None => Rows::Held(self.held),
        };
        Ok(JobRows { rows, signals: self.signal_count, time: self.time })
    }
}

impl Sink for JobSink<'_> {
    fn output(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.timed(|sink| sink.keep(Table::Output, &batch, &sink.prepared.output_schema))
    }

    fn signal(&mut self, index: usize, batch: RecordBatch) -> Result<()> {
        let source = &self.prepared.source;
        let Some(signal) = source.signals.get(index) else {
            return Err(Error::bug("a signal that nobody declared"));
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.timed(|sink| {
            sink.signal_count += batch.num_rows() as u64;
            let (source, file) = (Some(source.name.as_str()), Some(sink.object));
            let rows = signal_rows(Finder { kind: "sql", source, file, window: None, signal }, &batch)?;
            sink.keep(Table::Signals, &rows, &signals_schema())
        })
    }

    fn matches(&mut self, found: Vec<RuleMatch>) -> Result<()> {
        let Some(rules) = &self.prepared.rules else { return Err(Error::bug("matches of no rules")) };
        self.timed(|sink| {
            sink.signal_count += found.len() as u64;
            let rows = rule_rows(&sink.prepared.source.name, rules, sink.object, &found)?;
            sink.keep(Table::Signals, &rows, &signals_schema())
        })
    }

    fn reject(&mut self, reject: Reject) -> Result<()> {
        self.rejects.push(reject);
        if self.rejects.len() < REJECTS_BATCH {
            return Ok(());
        }
        self.timed(Self::write_rejects)
    }
}

/// BLAKE3 over the names and kinds of the fields seen in a file, in hexadecimal.
pub(super) fn schema_fingerprint(fields: &[(String, String)]) -> String {
    let mut hash = blake3::Hasher::new();
    for (name, kind) in fields {
        for part in [name, "\0", kind, "\n"] {
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().to_hex().to_string()
}
