//! Write: a job's rows, signals and rejected records as Parquet files in the lake.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use millpond_core::receipt::Output;
use millpond_core::source::Source;
use millpond_core::{Error, Result};
use millpond_engine::decode::Reject;
use millpond_engine::encode::{EncodedFile, TableWriter};
use millpond_engine::prepare::Prepared;
use millpond_engine::run::{Finished, Sink};

use super::Job;
use super::fetch::Meter;
use super::harvest::{signal_rows, signals_schema};
use crate::committer::{PendingTable, output, put_file};
use crate::crash;
use crate::lake::Lake;

/// Rejected records that are gathered before they are written.
const REJECTS_BATCH: usize = 1_024;

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

/// What a job wrote and knows at its end.
pub(super) struct Written {
    pub(super) finished: Finished,
    pub(super) fingerprint: String,
    pub(super) bytes_in: u64,
    pub(super) fetch_time: Duration,
    pub(super) write_time: Duration,
    pub(super) signals: u64,
    pub(super) tables: Vec<PendingTable>,
    pub(super) outputs: Vec<Output>,
    /// The object that had the same bytes before; then nothing was written.
    pub(super) duplicate_of: Option<Arc<str>>,
}

impl Written {
    /// A job whose bytes were seen before: it writes nothing.
    pub(super) fn duplicate(finished: Finished, meter: &Meter, fingerprint: String, first: Arc<str>) -> Self {
        Self {
            finished,
            fingerprint,
            bytes_in: meter.bytes(),
            fetch_time: meter.waited(),
            write_time: Duration::ZERO,
            signals: 0,
            tables: Vec::new(),
            outputs: Vec::new(),
            duplicate_of: Some(first),
        }
    }
}

/// Takes a job's rows as they come and encodes them.
pub(super) struct LakeSink<'a> {
    source: &'a Source,
    object: &'a str,
    job_id: String,
    object_day: i32,
    output: TableWriter,
    signals: Option<TableWriter>,
    signal_count: u64,
    quarantine: Option<TableWriter>,
    rejects: Vec<Reject>,
    meter: &'a Meter,
    time: Duration,
}

impl<'a> LakeSink<'a> {
    pub(super) fn new(job: &'a Job<'_>, prepared: &'a Prepared, meter: &'a Meter) -> Self {
        let job_id = job.id.to_string();
        let time = prepared.source.time.as_deref();
        Self {
            source: &prepared.source,
            object: &job.object.uri,
            object_day: job.object_day(),
            output: TableWriter::new(&prepared.output_schema, time, Some(&job_id), job.object_day()),
            job_id,
            signals: None,
            signal_count: 0,
            quarantine: None,
            rejects: Vec::new(),
            meter,
            time: Duration::ZERO,
        }
    }

    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let result = work(self);
        self.time += started.elapsed();
        result
    }

    fn write_rejects(&mut self) -> Result<()> {
        if self.rejects.is_empty() {
            return Ok(());
        }
        let rows = quarantine_rows(&self.source.name, self.object, &self.rejects)?;
        self.rejects.clear();
        let writer = || TableWriter::new(&quarantine_schema(), None, Some(&self.job_id), self.object_day);
        self.quarantine.get_or_insert_with(writer).write(&rows)
    }

    /// Ends the files and puts them. Nothing is put before everything is encoded, so a job that fails leaves nothing.
    pub(super) async fn put(mut self, lake: &Lake, finished: Finished, fingerprint: String) -> Result<Written> {
        let started = Instant::now();
        self.write_rejects()?;
        let writers = [
            Some((self.source.table.as_str(), self.output)),
            self.signals.map(|writer| ("signals", writer)),
            self.quarantine.map(|writer| ("quarantine", writer)),
        ];
        let mut encoded: Vec<(&str, SchemaRef, Vec<EncodedFile>)> = Vec::new();
        for (table, writer) in writers.into_iter().flatten() {
            let schema = Arc::clone(writer.file_schema());
            encoded.push((table, schema, writer.finish()?));
        }
        crash::point("write");
        let (mut tables, mut outputs) = (Vec::new(), Vec::new());
        for (table, schema, files) in encoded {
            let mut adds = Vec::with_capacity(files.len());
            for file in files {
                adds.push(put_file(lake, table, &self.job_id, file).await?);
                crash::point("put");
            }
            outputs.extend(adds.iter().map(|file| output(table, file)));
            if !adds.is_empty() {
                tables.push(PendingTable::new(table, &schema, adds)?);
            }
        }
        Ok(Written {
            finished,
            fingerprint,
            bytes_in: self.meter.bytes(),
            fetch_time: self.meter.waited(),
            write_time: self.time + started.elapsed(),
            signals: self.signal_count,
            tables,
            outputs,
            duplicate_of: None,
        })
    }
}

impl Sink for LakeSink<'_> {
    fn output(&mut self, batch: RecordBatch) -> Result<()> {
        self.timed(|sink| sink.output.write(&batch))
    }

    fn signal(&mut self, index: usize, batch: RecordBatch) -> Result<()> {
        let Some(signal) = self.source.signals.get(index) else {
            return Err(Error::bug("a signal that nobody declared"));
        };
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.timed(|sink| {
            sink.signal_count += batch.num_rows() as u64;
            let rows = signal_rows(&sink.source.name, signal, sink.object, &batch)?;
            let writer = || TableWriter::new(&signals_schema(), Some("time"), Some(&sink.job_id), sink.object_day);
            sink.signals.get_or_insert_with(writer).write(&rows)
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
