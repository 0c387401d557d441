//! The rows of the batch at hand, the rejects, and the counters.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, Int64Builder, RecordBatch, RecordBatchOptions, StringArray, StringBuilder,
    new_null_array,
};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use millpond_core::columns::{Column, SystemColumn};
use millpond_core::format::{DecodeLimits, DecodeRequest, Drift};
use millpond_core::{Error, Result};

use super::archive::MEMBER_MARK;
use super::builders::{Builder, Misfits, Path, TextBuilder};
use super::values::Value;
use super::{Reject, Summary, arrow_schema};

/// Bytes of values, or of rejects, after which a batch is handed out whatever its rows.
pub(super) const BATCH_BYTES: usize = 8 << 20;
/// Offsets within one text column are 32-bit, and U+FFFD for one bad byte takes three.
const RECORD_BYTES_CAP: usize = 512 << 20;

/// Builds batches row by row.
pub(super) struct Rows {
    pub(super) summary: Summary,
    pub(super) limits: DecodeLimits,
    schema: SchemaRef,
    columns: Vec<Column>,
    builders: Vec<Builder>,
    modified_us: Option<i64>,
    system: Vec<SystemBuilder>,
    file: String,
    member: Option<Arc<str>>,
    /// What `_file` is from which row of this batch on.
    files: Vec<(usize, String)>,
    declared: Vec<String>,
    drift: Drift,
    misfits: Misfits,
    rest: Vec<u8>,
    batch_rows: usize,
    rows: usize,
    bytes: usize,
    /// Rows of this batch that were frozen after they were built.
    frozen: Vec<usize>,
    /// Rows that came as columns; they are handed out before rows are built again.
    ready: Option<ReadyBatch>,
    rejects: Vec<Reject>,
    reject_bytes: usize,
}

/// A record besides the values of its columns.
pub(super) struct Record<'a> {
    pub(super) offset: Option<u64>,
    /// The record as it is written.
    pub(super) raw: &'a [u8],
    /// Values that had no place to go to.
    pub(super) misplaced: u64,
    /// A field that the source does not declare, where it freezes its columns.
    pub(super) unknown: Option<&'a str>,
}

/// Rows that come as columns: one array for each requested column.
pub(super) struct ReadyBatch {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: usize,
    /// Values that did not fit.
    pub(super) misfits: u64,
    /// `_raw`, `_rescued` and `_rest`; of no use where they are not wanted.
    pub(super) raw: ArrayRef,
    pub(super) rescued: ArrayRef,
    pub(super) rest: ArrayRef,
}

enum SystemBuilder {
    File,
    Row(Int64Builder),
    Offset(Int64Builder),
    Raw(TextBuilder),
    Rescued(TextBuilder),
    Rest(TextBuilder),
}

impl SystemBuilder {
    fn new(column: SystemColumn) -> Self {
        match column {
            SystemColumn::File => Self::File,
            SystemColumn::Row => Self::Row(Int64Builder::new()),
            SystemColumn::Offset => Self::Offset(Int64Builder::new()),
            SystemColumn::Raw => Self::Raw(TextBuilder::new()),
            SystemColumn::Rescued => Self::Rescued(TextBuilder::new()),
            SystemColumn::Rest => Self::Rest(TextBuilder::new()),
        }
    }
}

impl Rows {
    pub(super) fn new(request: &DecodeRequest) -> Result<Self> {
        let wants = |column| request.system.contains(&column);
        let mut limits = request.limits;
        limits.record_bytes_max = limits.record_bytes_max.min(RECORD_BYTES_CAP);
        Ok(Self {
            summary: Summary { format: "empty", compression: "none".to_owned(), ..Summary::default() },
            limits,
            schema: arrow_schema(&request.columns, &request.system),
            columns: request.columns.clone(),
            builders: new_builders(&request.columns, request.modified_us)?,
            modified_us: request.modified_us,
            system: request.system.iter().map(|column| SystemBuilder::new(*column)).collect(),
            file: request.file.clone(),
            member: None,
            files: vec![(0, request.file.clone())],
            declared: request.declared.clone(),
            drift: request.drift,
            misfits: Misfits::new(wants(SystemColumn::Rescued) && request.drift == Drift::Rescue),
            rest: Vec::new(),
            batch_rows: request.batch_rows.max(1),
            rows: 0,
            bytes: 0,
            frozen: Vec::new(),
            ready: None,
            rejects: Vec::new(),
            reject_bytes: 0,
        })
    }

    /// The rows that follow are of this member of the archive.
    pub(super) fn set_member(&mut self, member: Option<Arc<str>>) {
        let name = match &member {
            Some(member) => format!("{}{MEMBER_MARK}{member}", self.file),
            None => self.file.clone(),
        };
        self.member = member;
        match self.files.last_mut() {
            Some((start, last)) if *start == self.rows => *last = name,
            _ => self.files.push((self.rows, name)),
        }
    }

    pub(super) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Builders of the columns, for readers that fill columns one by one.
    pub(super) fn new_builders(&self) -> Result<Vec<Builder>> {
        new_builders(&self.columns, self.modified_us)
    }

    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The fields that the source knows, where it freezes them.
    pub(super) fn frozen_names(&self) -> Option<&[String]> {
        (self.drift == Drift::Freeze).then_some(self.declared.as_slice())
    }

    pub(super) fn wants_rest(&self) -> bool {
        self.system.iter().any(|builder| matches!(builder, SystemBuilder::Rest(_)))
    }

    pub(super) fn wants_raw(&self) -> bool {
        self.system.iter().any(|builder| matches!(builder, SystemBuilder::Raw(_)))
    }

    /// Where the misfits of one record are kept for `_rescued`.
    pub(super) fn new_misfits(&self) -> Misfits {
        self.misfits.like()
    }

    pub(super) fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    pub(super) fn is_full(&self) -> bool {
        self.ready.is_some()
            || self.rows >= self.batch_rows
            || self.bytes >= BATCH_BYTES
            || self.reject_bytes >= BATCH_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0 && self.ready.is_none()
    }

    /// Appends rows that come as columns. There are no other rows at hand.
    pub(super) fn push_ready(&mut self, ready: ReadyBatch) {
        debug_assert!(self.is_empty());
        self.summary.records += ready.rows as u64;
        self.summary.rescued += ready.misfits;
        self.ready = Some(ready);
    }

    /// Appends one record: `value` gives the value of each column, `rest` writes the members of `_rest`.
    #[inline]
    pub(super) fn push<'v>(
        &mut self,
        record: &Record<'_>,
        mut value: impl FnMut(usize) -> Value<'v>,
        rest: impl FnOnce(&mut Vec<u8>),
    ) {
        if let Some(name) = record.unknown {
            let detail = format!("the field `{name}` is not declared, and the source freezes its columns");
            return self.reject_record("frozen", detail, record.offset, record.raw);
        }
        self.misfits.clear();
        for (index, (builder, column)) in self.builders.iter_mut().zip(&self.columns).enumerate() {
            let value = value(index);
            self.bytes += value.bytes.len();
            builder.append(value, &mut self.misfits, &Path::top(&column.name));
        }
        if !self.system.is_empty() {
            self.push_system(record, rest);
        }
        self.rows += 1;
        self.bytes += 8;
        let misfits = self.misfits.count + record.misplaced;
        if misfits > 0 {
            self.count_misfits(misfits, record);
        }
        self.summary.records += 1;
    }

    #[cold]
    fn count_misfits(&mut self, misfits: u64, record: &Record<'_>) {
        if self.drift == Drift::Freeze {
            self.frozen.push(self.rows - 1);
            let detail =
                format!("{misfits} values do not fit their declared types, and the source freezes its columns");
            self.reject_record("frozen", detail, record.offset, record.raw);
            // The record is counted by the caller.
            self.summary.records -= 1;
        } else {
            self.summary.rescued += misfits;
        }
    }

    fn push_system(&mut self, record: &Record<'_>, rest: impl FnOnce(&mut Vec<u8>)) {
        self.rest.clear();
        rest(&mut self.rest);
        for builder in &mut self.system {
            match builder {
                SystemBuilder::File => {}
                SystemBuilder::Row(builder) => builder.append_value(self.summary.records as i64),
                SystemBuilder::Offset(builder) => builder.append_option(record.offset.map(|offset| offset as i64)),
                SystemBuilder::Raw(builder) => {
                    builder.append_bytes(record.raw);
                    self.bytes += record.raw.len();
                }
                SystemBuilder::Rescued(builder) => builder.append_object(self.misfits.members()),
                SystemBuilder::Rest(builder) => {
                    builder.append_object(&self.rest);
                    self.bytes += self.rest.len();
                }
            }
        }
    }

    /// Refuses a record: it counts, and its bytes are kept.
    pub(super) fn reject_record(&mut self, reason: &'static str, detail: String, offset: Option<u64>, raw: &[u8]) {
        let raw = &raw[..raw.len().min(self.limits.record_bytes_max)];
        let row = Some(self.summary.records);
        self.summary.records += 1;
        self.summary.rejected += 1;
        self.reject_bytes += raw.len() + 64;
        let member = self.member.clone();
        self.rejects.push(Reject { member, row, offset, reason, detail, raw: raw.to_vec() });
    }

    /// Refuses bytes that are not a record.
    pub(super) fn reject_part(&mut self, reason: &'static str, detail: String, offset: Option<u64>, raw: Vec<u8>) {
        self.summary.damages += 1;
        self.reject_bytes += raw.len() + 64;
        let member = self.member.clone();
        self.rejects.push(Reject { member, row: None, offset, reason, detail, raw });
    }

    pub(super) fn take_rejects(&mut self) -> Vec<Reject> {
        self.reject_bytes = 0;
        std::mem::take(&mut self.rejects)
    }

    /// The rows at hand as a batch, leaving none.
    pub(super) fn take_batch(&mut self) -> Result<RecordBatch> {
        if let Some(ready) = self.ready.take() {
            self.reject_bytes = 0;
            return self.finish_ready(ready);
        }
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        // Rejects that nobody takes must not keep batches small.
        self.reject_bytes = 0;
        let mut arrays = self.builders.iter_mut().map(Builder::finish).collect::<Result<Vec<_>>>()?;
        for builder in &mut self.system {
            let array: ArrayRef = match builder {
                SystemBuilder::File => Arc::new(file_names(&self.files, rows)),
                SystemBuilder::Row(builder) | SystemBuilder::Offset(builder) => Arc::new(builder.finish()),
                SystemBuilder::Raw(builder) | SystemBuilder::Rescued(builder) | SystemBuilder::Rest(builder) => {
                    Arc::new(builder.finish()?)
                }
            };
            arrays.push(array);
        }
        self.files.drain(..self.files.len() - 1);
        self.files[0].0 = 0;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let invariant = |error| Error::bug("failed to build a batch").because(error);
        let batch = RecordBatch::try_new_with_options(self.schema(), arrays, &options).map_err(invariant)?;
        if self.frozen.is_empty() {
            return Ok(batch);
        }
        let mut keep = vec![true; rows];
        self.frozen.drain(..).for_each(|row| keep[row] = false);
        filter_record_batch(&batch, &BooleanArray::from(keep)).map_err(invariant)
    }
}

impl Rows {
    /// Adds the system columns.
    fn finish_ready(&self, ready: ReadyBatch) -> Result<RecordBatch> {
        let ReadyBatch { mut columns, rows, raw, rescued, rest, .. } = ready;
        let first = self.summary.records as i64 - rows as i64;
        for builder in &self.system {
            columns.push(match builder {
                SystemBuilder::File => {
                    let name = self.files.last().map_or(self.file.as_str(), |(_, name)| name);
                    Arc::new(file_names(&[(0, name.to_owned())], rows))
                }
                SystemBuilder::Row(_) => Arc::new(Int64Array::from_iter_values(first..first + rows as i64)),
                SystemBuilder::Offset(_) => new_null_array(&DataType::Int64, rows),
                SystemBuilder::Raw(_) => Arc::clone(&raw),
                SystemBuilder::Rescued(_) => Arc::clone(&rescued),
                SystemBuilder::Rest(_) => Arc::clone(&rest),
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema(), columns, &options)
            .map_err(|error| Error::bug("failed to build a batch").because(error))
    }
}

fn new_builders(columns: &[Column], modified_us: Option<i64>) -> Result<Vec<Builder>> {
    columns.iter().map(|column| Builder::new(&column.kind, modified_us)).collect()
}

/// The names of files, each from its first row on.
fn file_names(files: &[(usize, String)], rows: usize) -> StringArray {
    let bytes = files.iter().map(|(_, name)| name.len()).max().unwrap_or(0) * rows;
    let mut names = StringBuilder::with_capacity(rows, bytes);
    let ends = files.iter().skip(1).map(|(start, _)| *start).chain([rows]);
    for ((start, name), end) in files.iter().zip(ends) {
        (*start..end).for_each(|_| names.append_value(name));
    }
    names.finish()
}
