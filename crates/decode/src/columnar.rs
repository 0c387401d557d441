//! Rows that a format stores as columns: Parquet, Arrow IPC, Avro and ORC.
//!
//! Every value means what its JSON text means to a column of the declared type, so one declaration gives the same
//! rows whatever the types of a file. A column takes the shortest of three ways that gives this:
//!
//! 1. its array is converted as a whole ([`direct`]), where no value can be lost or misread by that;
//! 2. else its values pass, as JSON text, through the builders that all text formats use;
//! 3. in a source that freezes its columns, records that may have to be refused pass whole through the JSON reader.

mod direct;
mod json;
mod types;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, Fields, Schema};
use arrow::error::ArrowError;
use arrow::json::WriterBuilder;
use arrow::json::writer::{EncoderOptions, LineDelimited, NullableEncoder, make_encoder};
use millpond_core::columns::Column;
use millpond_core::{Error, Result};

use crate::builders::{Builder, Misfits, Path, TextBuilder};
use crate::json::{RecordReader, scan, text, too_long};
use crate::rows::{BATCH_BYTES, ReadyBatch, Rows};
use crate::values::{Kind, Value};
use crate::window::Window;
use crate::{Records, arrow_type};

/// The largest record, whatever the limits: its JSON text, six times as long at worst, has 32-bit offsets.
const RECORD_BYTES_CAP: usize = 256 << 20;

/// The largest piece of a file that is read at once, decompressed or not: a message, a block.
pub(crate) const MESSAGE_BYTES_MAX: usize = 512 << 20;
/// Bytes kept of a part of a file that cannot be used.
pub(crate) const RAW_BYTES_MAX: usize = 64 << 10;

/// The start of what is refused.
pub(crate) fn start_of(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.len().min(RAW_BYTES_MAX)].to_vec()
}

/// Reads the window to its end and gives the start of what was left.
///
/// # Errors
/// Those of the input.
pub(crate) fn take_rest(window: &mut Window) -> Result<Vec<u8>> {
    window.fill_to(RAW_BYTES_MAX)?;
    let raw = start_of(window.bytes());
    loop {
        window.consume(window.bytes().len());
        if !window.fill()? {
            return Ok(raw);
        }
    }
}

/// Reads batches in a format's own types.
pub(crate) trait Batches: Send {
    /// The next batch; `None` at the end. Its columns are those of the file that are [`needed`], or more.
    fn next(&mut self, window: &mut Window, rows: &mut Rows) -> Result<Option<RecordBatch>>;
}

/// Turns batches of a file into rows of the requested columns.
pub(crate) struct ColumnarReader<B> {
    /// The name of the format in messages.
    format: &'static str,
    batches: B,
    /// The columns of the file.
    fields: Fields,
    /// The batch at hand and its first row that is not read.
    current: Option<(RecordBatch, Plan, usize)>,
    columns: Vec<Column>,
    /// A builder for each requested column.
    builders: Vec<Builder>,
    options: EncoderOptions,
    text: TextRows,
    /// Bytes of the values read so far. They are held against the limits of decompression, because dictionaries and
    /// runs of columns expand as compressed text does.
    expanded_bytes: u64,
    /// Whether all records pass through the JSON reader.
    is_text_only: bool,
}

/// Which columns of a batch are for what.
struct Plan {
    /// The column of the batch for each requested column.
    places: Vec<Option<usize>>,
    /// Columns that nobody requests.
    rest: Vec<usize>,
    /// Columns that a source that freezes does not know.
    unknown: Vec<usize>,
    /// Whether two columns have one name; then the last value of a record counts.
    has_twins: bool,
}

/// Rows as lines of JSON, from `position` on.
struct TextRows {
    record: RecordReader,
    lines: Vec<u8>,
    position: usize,
}

/// Runs code of a format's library. Its panics, which hostile files can cause, are errors of the file.
///
/// # Errors
/// `BadInput` with what the library says.
pub(crate) fn guarded<T, E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    format: &str,
    run: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<T> {
    let unreadable = || Error::bad_input(format!("failed to read the file as {format}"));
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(unreadable().because(error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("its data makes no sense");
            Err(unreadable().because(text.to_owned()))
        }
    }
}

/// Whether records are needed whole: for `_raw`, `_rest`, or to find fields that are not declared.
fn needs_all(rows: &Rows) -> bool {
    rows.wants_rest() || rows.wants_raw() || rows.frozen_names().is_some()
}

/// The fields that have to be read, by index.
pub(crate) fn needed(fields: &Fields, rows: &Rows) -> Vec<usize> {
    let all = needs_all(rows);
    let names: HashSet<&str> = rows.columns().iter().map(|column| column.name.as_str()).collect();
    (0..fields.len()).filter(|index| all || names.contains(fields[*index].name().as_str())).collect()
}

/// Holds the columns of a file against the limits.
///
/// # Errors
/// `TooBig` that names the limit.
pub(crate) fn check_fields(fields: &Fields, rows: &Rows) -> Result<()> {
    let (fields_max, depth_max) = (rows.limits.fields_max, rows.limits.depth_max);
    if fields.len() > fields_max {
        return Err(Error::too_big(format!("the file has more than {fields_max} fields"))
            .hint("raise `fields` under `[limits]` in source.toml"));
    }
    // The record itself is one deep.
    match fields.iter().find(|field| types::depth(field.data_type()) + 1 > depth_max) {
        None => Ok(()),
        Some(field) => Err(too_deep(&format!("the column `{}` is", field.name()), depth_max, usize::MAX)),
    }
}

/// The error of a schema that is nested deeper than `depth_max`, or than a cap that no limit raises.
pub(crate) fn too_deep(what: &str, depth_max: usize, cap: usize) -> Error {
    let error = Error::too_big(format!("{what} nested more than {} deep", depth_max.min(cap)));
    if depth_max < cap { error.hint("raise `depth` under `[limits]` in source.toml") } else { error }
}

impl<B: Batches> ColumnarReader<B> {
    /// `fields` are all columns of the file, read or not.
    ///
    /// # Errors
    /// `TooBig` for a file with too many columns or too deep ones; `BadConfig` for a time pattern that is none.
    pub(crate) fn new(format: &'static str, batches: B, fields: Fields, rows: &mut Rows) -> Result<Self> {
        check_fields(&fields, rows)?;
        for field in &fields {
            *rows.summary.fields.entry(field.name().clone()).or_default() |= types::kind_bit(field.data_type());
        }
        let columns = rows.columns().to_vec();
        Ok(Self {
            format,
            batches,
            fields,
            current: None,
            builders: rows.new_builders()?,
            columns,
            options: json::options(),
            text: TextRows { record: RecordReader::new(rows), lines: Vec::new(), position: 0 },
            expanded_bytes: 0,
            is_text_only: false,
        })
    }

    /// Reads some rows from `start` on. Gives the first that is not read; `None` where the rows that were built before
    /// must be handed out first.
    fn read_rows(
        &mut self,
        batch: &RecordBatch,
        plan: &Plan,
        start: usize,
        window: &Window,
        rows: &mut Rows,
    ) -> Result<Option<usize>> {
        let left = batch.num_rows() - start;
        let candidates = batch.slice(start, left.min(rows.batch_rows()));
        let (count, bytes) = count_fitting(&candidates, rows);
        self.expanded_bytes += bytes as u64;
        window.stream().meter().check(self.expanded_bytes)?;
        if count == 0 && left > 0 {
            self.refuse_long(&candidates.slice(0, 1), rows);
            return Ok(Some(start + 1));
        }
        let arrays = candidates.slice(0, count).columns().iter().map(types::plain).collect::<Result<Vec<_>, _>>();
        let arrays = arrays.map_err(|error| unsupported(self.format, error))?;
        let converted = self.convert(&arrays, plan)?;
        if self.is_text_only
            || plan.has_twins
            || (rows.frozen_names().is_some() && may_freeze(&arrays, plan, &converted))
        {
            self.text.fill(&renamed(batch, arrays, count)?, self.format)?;
            return Ok(Some(start + count));
        }
        if !rows.is_empty() {
            self.expanded_bytes -= bytes as u64;
            return Ok(None);
        }
        let ready = self.finish(&renamed(batch, arrays, count)?, plan, converted, rows)?;
        rows.push_ready(ready);
        Ok(Some(start + count))
    }

    /// The columns that convert as a whole.
    fn convert(&self, arrays: &[ArrayRef], plan: &Plan) -> Result<Vec<Option<ArrayRef>>> {
        let convert = |(column, place): (&Column, &Option<usize>)| match place {
            Some(place) => {
                direct::convert(&arrays[*place], &column.kind).map_err(|error| unsupported(self.format, error))
            }
            None => Ok(None),
        };
        self.columns.iter().zip(&plan.places).map(convert).collect()
    }

    /// Builds the columns that did not convert, and those that tell of the records.
    fn finish(
        &mut self,
        batch: &RecordBatch,
        plan: &Plan,
        converted: Vec<Option<ArrayRef>>,
        rows: &Rows,
    ) -> Result<ReadyBatch> {
        let count = batch.num_rows();
        let mut rescued = Rescued { misfits: rows.new_misfits(), total: 0, members: BTreeMap::new() };
        let mut columns = Vec::with_capacity(self.columns.len());
        for (index, converted) in converted.into_iter().enumerate() {
            columns.push(match (converted, plan.places[index]) {
                (Some(array), _) => array,
                (None, None) => new_null_array(&arrow_type(&self.columns[index].kind), count),
                (None, Some(place)) => self.build(batch, place, index, &mut rescued)?,
            });
        }
        let none = || new_null_array(&DataType::Utf8, count);
        Ok(ReadyBatch {
            columns,
            rows: count,
            misfits: rescued.total,
            raw: if rows.wants_raw() { self.raw(batch)? } else { none() },
            rescued: rescued.finish(count)?,
            rest: if rows.wants_rest() { self.rest(batch, plan)? } else { none() },
        })
    }

    /// Builds a column value by value.
    fn build(&mut self, batch: &RecordBatch, place: usize, index: usize, rescued: &mut Rescued) -> Result<ArrayRef> {
        let array = batch.column(place);
        let field = &batch.schema_ref().fields()[place];
        let mut encoder =
            make_encoder(field, array.as_ref(), &self.options).map_err(|error| unsupported(self.format, error))?;
        let texts = array.as_string_opt::<i32>();
        let (builder, path) = (&mut self.builders[index], Path::top(&self.columns[index].name));
        let mut json = Vec::new();
        for row in 0..array.len() {
            rescued.misfits.clear();
            if encoder.is_null(row) {
                builder.append_null();
                continue;
            }
            let text = texts.map(|texts| texts.value(row).as_bytes()).filter(|text| is_plain(text));
            let value = match text {
                Some(bytes) => Value { kind: Kind::Text, bytes },
                None => read_value(&mut encoder, row, &mut json)?,
            };
            builder.append(value, &mut rescued.misfits, &path);
            rescued.keep(row);
        }
        builder.finish()
    }

    /// Each record as a JSON object.
    fn raw(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let mut lines = Vec::new();
        write_lines(batch, &mut lines, self.format)?;
        let mut builder = TextBuilder::new();
        lines.split(|byte| *byte == b'\n').take(batch.num_rows()).for_each(|line| builder.append_bytes(line));
        Ok(Arc::new(builder.finish()?))
    }

    /// The fields of each record that nobody requests.
    fn rest(&self, batch: &RecordBatch, plan: &Plan) -> Result<ArrayRef> {
        let fields = batch.schema_ref().fields();
        let encoder = |place: &usize| {
            let mut name = Vec::new();
            text::quote(fields[*place].name().as_bytes(), &mut name);
            name.push(b':');
            Ok((name, make_encoder(&fields[*place], batch.column(*place).as_ref(), &self.options)?))
        };
        let encoders: Result<Vec<_>, ArrowError> = plan.rest.iter().map(encoder).collect();
        let mut encoders = encoders.map_err(|error| unsupported(self.format, error))?;
        let (mut builder, mut members) = (TextBuilder::new(), Vec::new());
        for row in 0..batch.num_rows() {
            members.clear();
            for (name, encoder) in encoders.iter_mut().filter(|(_, encoder)| !encoder.is_null(row)) {
                if !members.is_empty() {
                    members.push(b',');
                }
                members.extend_from_slice(name);
                encoder.encode(row, &mut members);
            }
            builder.append_object(&members);
        }
        Ok(Arc::new(builder.finish()?))
    }

    /// Refuses the one record of a batch.
    fn refuse_long(&self, record: &RecordBatch, rows: &mut Rows) {
        let mut line = Vec::new();
        let mut sizes = [0];
        record.columns().iter().for_each(|column| types::add_bytes(column, &mut sizes));
        // What has no text, or too much of it, is told without.
        if sizes[0] > RECORD_BYTES_CAP || write_lines(record, &mut line, self.format).is_err() {
            line.clear();
        }
        rows.reject_record("record_too_long", too_long(rows), None, line.trim_ascii_end());
    }
}

impl<B: Batches> Records for ColumnarReader<B> {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        loop {
            self.text.emit(rows)?;
            if rows.is_full() {
                return Ok(true);
            }
            let (batch, plan, start) = match self.current.take() {
                Some(current) => current,
                None => match self.batches.next(window, rows)? {
                    Some(batch) => {
                        let needed = needed(batch.schema_ref().fields(), rows);
                        let batch = batch.project(&needed).map_err(|error| unsupported(self.format, error))?;
                        let plan = Plan::new(batch.schema_ref().fields(), rows);
                        (batch, plan, 0)
                    }
                    None => return Ok(false),
                },
            };
            if start == batch.num_rows() {
                continue;
            }
            match self.read_rows(&batch, &plan, start, window, rows)? {
                Some(end) => self.current = Some((batch, plan, end)),
                None => {
                    self.current = Some((batch, plan, start));
                    return Ok(true);
                }
            }
        }
    }

    fn native_columns(&self) -> Option<Vec<Column>> {
        Some(types::columns(&self.fields))
    }
}

impl Plan {
    fn new(fields: &Fields, rows: &Rows) -> Self {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut has_twins = false;
        for (place, field) in fields.iter().enumerate() {
            has_twins |= places.insert(field.name(), place).is_some();
        }
        let requested: HashSet<&str> = rows.columns().iter().map(|column| column.name.as_str()).collect();
        let is_requested = |place: &usize| requested.contains(fields[*place].name().as_str());
        let is_declared = |place: &usize| match rows.frozen_names() {
            Some(names) => is_requested(place) || names.contains(fields[*place].name()),
            None => true,
        };
        Self {
            places: rows.columns().iter().map(|column| places.get(column.name.as_str()).copied()).collect(),
            rest: (0..fields.len()).filter(|place| !is_requested(place)).collect(),
            unknown: (0..fields.len()).filter(|place| !is_declared(place)).collect(),
            has_twins,
        }
    }
}

impl TextRows {
    fn fill(&mut self, batch: &RecordBatch, format: &str) -> Result<()> {
        self.lines.clear();
        self.position = 0;
        write_lines(batch, &mut self.lines, format)
    }

    /// Hands lines over until a batch is full or none is left.
    fn emit(&mut self, rows: &mut Rows) -> Result<()> {
        while self.position < self.lines.len() && !rows.is_full() {
            let start = self.position;
            let end = self
                .record
                .scan(&self.lines, start, rows)
                .map_err(|stop| Error::bug(format!("failed to read a row as JSON: {stop:?}")))?;
            self.record.emit(&self.lines, start, end, None, rows)?;
            self.position = end + 1;
        }
        Ok(())
    }
}

/// The misfits of the rows of one batch, while its columns are built one after the other.
struct Rescued {
    /// Those of the value at hand.
    misfits: Misfits,
    total: u64,
    /// By row, the members of the JSON object.
    members: BTreeMap<usize, Vec<u8>>,
}

impl Rescued {
    /// Keeps the misfits of the value at hand, which is of this row.
    fn keep(&mut self, row: usize) {
        if self.misfits.count == 0 {
            return;
        }
        self.total += self.misfits.count;
        let members = self.members.entry(row).or_default();
        if !members.is_empty() && !self.misfits.members().is_empty() {
            members.push(b',');
        }
        members.extend_from_slice(self.misfits.members());
    }

    fn finish(self, rows: usize) -> Result<ArrayRef> {
        if self.members.is_empty() {
            return Ok(new_null_array(&DataType::Utf8, rows));
        }
        let mut builder = TextBuilder::new();
        (0..rows).for_each(|row| builder.append_object(self.members.get(&row).map_or(&[], Vec::as_slice)));
        Ok(Arc::new(builder.finish()?))
    }
}

/// Whether records may have to be refused in a source that freezes its columns.
fn may_freeze(arrays: &[ArrayRef], plan: &Plan, converted: &[Option<ArrayRef>]) -> bool {
    let has_values = |place: &usize| arrays[*place].logical_null_count() < arrays[*place].len();
    let is_lost = |(place, converted): (&Option<usize>, &Option<ArrayRef>)| place.is_some() && converted.is_none();
    plan.unknown.iter().any(has_values) || plan.places.iter().zip(converted).any(is_lost)
}

/// The number of rows from the first on that are no longer than a record may be and together fill a batch, and their
/// bytes; no row and its bytes where the first is too long.
fn count_fitting(batch: &RecordBatch, rows: &Rows) -> (usize, usize) {
    let mut sizes = vec![0; batch.num_rows()];
    batch.columns().iter().for_each(|column| types::add_bytes(column, &mut sizes));
    let max = rows.limits.record_bytes_max.min(RECORD_BYTES_CAP);
    let mut sum = 0;
    for (row, size) in sizes.into_iter().enumerate() {
        match size > max {
            true if row == 0 => return (0, size),
            false if sum < BATCH_BYTES => sum += size,
            _ => return (row, sum),
        }
    }
    (batch.num_rows(), sum)
}

/// The columns under the names that they have in the batch.
fn renamed(batch: &RecordBatch, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let field = |(field, array): (&Arc<Field>, &ArrayRef)| {
        field.as_ref().clone().with_data_type(array.data_type().clone()).with_nullable(true)
    };
    let fields: Fields = batch.schema_ref().fields().iter().zip(&arrays).map(field).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|error| Error::bug("failed to build a batch").because(error))
}

/// Appends each row as a line of JSON; NULLs are left out.
fn write_lines(batch: &RecordBatch, out: &mut Vec<u8>, format: &str) -> Result<()> {
    if batch.num_columns() == 0 {
        out.extend(b"{}\n".repeat(batch.num_rows()));
        return Ok(());
    }
    let mut writer =
        WriterBuilder::new().with_encoder_factory(Arc::new(json::MoreTypes)).build::<_, LineDelimited>(out);
    writer.write(batch).and_then(|()| writer.finish()).map_err(|error| unsupported(format, error))
}

/// Whether a JSON string of this text has no escapes.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte >= 0x20 && *byte != b'"' && *byte != b'\\')
}

/// The value of a row from its JSON text.
fn read_value<'a>(encoder: &mut NullableEncoder<'_>, row: usize, json: &'a mut Vec<u8>) -> Result<Value<'a>> {
    json.clear();
    encoder.encode(row, json);
    match scan::value(json, 0, usize::MAX) {
        Ok((span, _)) => Ok(span.of(json)),
        Err(stop) => Err(Error::bug(format!("failed to read a value as JSON: {stop:?}"))),
    }
}

fn unsupported(format: &str, error: ArrowError) -> Error {
    Error::bad_input(format!("failed to read the file as {format}: a type is not supported")).because(error)
}

#[cfg(test)]
mod tests;
