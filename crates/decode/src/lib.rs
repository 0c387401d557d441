//! Decode: bytes in, Arrow batches out.
//!
//! Types come from the declaration alone, never from the data. A value that does not fit is NULL and counted, a
//! record that cannot be read is a [`Reject`] with its bytes, and the rest of the file goes on. Memory is bounded by
//! the limits of the request, whatever the size of the file.
//!
//! Nothing here knows SQL, object stores or tasks: a [`Decoder`] pulls from a `Read` in the caller's thread.
//!
//! ```
//! use millpond_core::columns::{Column, ColumnType, SystemColumn};
//! use millpond_core::format::{DecodeRequest, Format};
//! use millpond_decode::Decoder;
//!
//! let column = |name: &str, kind: &str| ColumnType::parse(kind).map(|kind| Column { name: name.to_owned(), kind });
//! let columns = vec![column("time", "timestamp")?, column("user", "map(text)")?, column("bytes", "int")?];
//! let request = DecodeRequest {
//!     system: vec![SystemColumn::Row, SystemColumn::Rest],
//!     ..DecodeRequest::new(Format::Auto, columns, "app.log")
//! };
//! let file = br#"{"time":"2024-05-01T10:00:00Z","user":{"name":"ada"},"bytes":"17","action":"login"}
//! {"time":"2024-05-01T10:00:01Z","bytes":"many"}
//! not JSON
//! "#;
//! let mut decoder = Decoder::open(Box::new(&file[..]), request)?;
//! let batch = decoder.next_batch()?.expect("rows");
//! assert_eq!((batch.num_rows(), batch.num_columns()), (2, 5));
//! assert!(decoder.next_batch()?.is_none());
//!
//! // `many` is no number: NULL, and counted. The last line is no record: kept with its place and its reason.
//! assert_eq!(decoder.summary().rescued, 1);
//! let rejects = decoder.take_rejects();
//! assert_eq!((rejects[0].reason, rejects[0].offset, &rejects[0].raw[..]), ("bad_json", Some(131), &b"not JSON"[..]));
//! # Ok::<(), millpond_core::Error>(())
//! ```

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeRequest, Format, Packing};
use millpond_core::{Error, Kind, Result};

mod archive;
mod find;
mod inputs;
mod magic;
mod stream;
mod window;

mod builders;
mod cells;
mod rows;
mod size;
pub mod times;
mod values;

mod arrow_ipc;
mod auditd;
mod auto;
mod avro;
mod cef;
mod columnar;
mod delimited;
mod evtx;
mod grok;
mod json;
mod key_value;
mod known;
mod leef;
mod line_reader;
mod lines;
mod orc;
mod pairs;
mod parquet;
mod regex_lines;
mod spool;
mod syslog;
mod windows_event;
mod windows_xml;
mod zeek;

pub mod learn;
pub mod sample;

pub use size::{packed_size, parquet_decoded_bytes};

use inputs::{Input, Inputs, Next, unreadable};
use rows::Rows;
use window::Window;

/// Bytes in, Arrow batches out.
pub struct Decoder {
    inputs: Inputs,
    request: DecodeRequest,
    rows: Rows,
    /// What is read now; `None` behind the last.
    part: Option<Part>,
    /// The format of the first part.
    format: Format,
    /// The columns with types that the part before declared.
    native: Option<Vec<Column>>,
    /// An error that waits until the rows before it are handed out.
    error: Option<Error>,
    finished: bool,
}

/// One file being read: the input itself or a member of an archive.
struct Part {
    is_member: bool,
    window: Window,
    records: Box<dyn Records>,
}

/// A record or a part of a file that could not be used, with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The member of the archive that it stems from, where the file is one.
    pub member: Option<Arc<str>>,
    /// The record's ordinal; `None` when the bytes are not a record, such as stray bytes behind the end.
    pub row: Option<u64>,
    /// Where the bytes start in the decompressed file, where that is known.
    pub offset: Option<u64>,
    /// The kind, such as `bad_json`.
    pub reason: &'static str,
    /// One sentence for a person.
    pub detail: String,
    /// The bytes as they were written, cut at the limit of a record.
    pub raw: Vec<u8>,
}

/// What a decode has seen so far.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// All records, rejected ones included.
    pub records: u64,
    /// Rejects that are records.
    pub rejected: u64,
    /// Values that did not fit their type.
    pub rescued: u64,
    /// Rejects that are no records: damaged or stray pieces of the file.
    pub damages: u64,
    /// Bytes after decompression.
    pub decoded_bytes: u64,
    /// The format read, as receipts name it; `empty` for a file without bytes, `mixed` for an archive of several.
    pub format: &'static str,
    /// Compressions and archives, outermost first, such as `gzip+tar`; `none` for a plain file.
    pub compression: String,
    /// Members of archives, unreadable ones included.
    pub members: u64,
    /// How the format was decided, in one sentence.
    pub why: String,
    /// Top-level fields seen, each with the kinds of its values as bits of [`kinds`].
    pub fields: BTreeMap<String, u8>,
}

/// The kinds of values a field was seen with, as bits.
pub mod kinds {
    /// `null`, or an empty cell.
    pub const NULL: u8 = 1;
    /// `true` or `false`.
    pub const BOOLEAN: u8 = 2;
    /// A number.
    pub const NUMBER: u8 = 4;
    /// A string, or a cell of a text format.
    pub const TEXT: u8 = 8;
    /// An object.
    pub const OBJECT: u8 = 16;
    /// An array.
    pub const LIST: u8 = 32;

    /// The names of the bits set, such as `number|text`.
    pub fn names(bits: u8) -> String {
        let all = [
            (BOOLEAN, "boolean"),
            (LIST, "list"),
            (NULL, "null"),
            (NUMBER, "number"),
            (OBJECT, "object"),
            (TEXT, "text"),
        ];
        let names: Vec<&str> = all.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
        names.join("|")
    }
}

impl Summary {
    /// The fields seen and the kinds of their values, sorted by name. NULL alone is named only where nothing else was.
    pub fn fields(&self) -> Vec<(String, String)> {
        let named = |bits: u8| if bits & !kinds::NULL == 0 { bits } else { bits & !kinds::NULL };
        self.fields.iter().map(|(name, bits)| (name.clone(), kinds::names(named(*bits)))).collect()
    }
}

/// Reads records from the window into rows.
trait Records: Send {
    /// Reads until a batch is full (`true`) or the input ends (`false`).
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool>;

    /// Adds the fields seen to the summary; called when a batch is handed out.
    fn note_fields(&self, _fields: &mut BTreeMap<String, u8>) {}

    /// The columns with types that the file itself declares, where it does.
    fn native_columns(&self) -> Option<Vec<Column>> {
        None
    }

    /// What the reader found out about the shape of the file, for `explain`.
    fn shape(&self) -> Option<&str> {
        None
    }
}

/// No records: a file without bytes.
struct NoRecords;

impl Records for NoRecords {
    fn read(&mut self, _: &mut Window, _: &mut Rows) -> Result<bool> {
        Ok(false)
    }
}

impl Decoder {
    /// Opens an input: finds compression, archive, encoding and format from its first bytes.
    ///
    /// # Errors
    /// `BadInput` for a file that its format cannot be read from, `TooBig` where a limit is reached, `BadConfig` for a
    /// pattern that does not compile or an encoding that does not exist.
    pub fn open(input: Box<dyn Read + Send>, request: DecodeRequest) -> Result<Self> {
        let mut decoder = Self {
            inputs: Inputs::new(input, &request),
            rows: Rows::new(&request)?,
            format: request.format.clone(),
            request,
            part: None,
            native: None,
            error: None,
            finished: false,
        };
        decoder.open_next()?;
        Ok(decoder)
    }

    /// The schema of every batch: the columns of the request, then its system columns, all nullable.
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// The format that is read; for [`Format::Auto`], what was decided (in an archive, for its first member).
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The columns that the file itself declares with types (Zeek, Parquet), where it does.
    pub fn native_columns(&self) -> Option<Vec<Column>> {
        match &self.part {
            Some(part) => part.records.native_columns(),
            None => self.native.clone(),
        }
    }

    /// The next rows; `None` at the end, when the input has been read to its last byte.
    ///
    /// A batch can be empty: it is handed out early when rejects pile up, so that
    /// [`take_rejects`](Self::take_rejects) can be called.
    ///
    /// # Errors
    /// `TooBig` where a limit is reached, `BadInput` where the file cannot be read further. The rows before an error
    /// are handed out first.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(error) = self.error.take() {
            self.finished = true;
            return Err(error);
        }
        if self.finished {
            return Ok(None);
        }
        let more = match self.read() {
            Ok(more) => more,
            Err(error) => {
                self.error = Some(error);
                true
            }
        };
        self.update_summary();
        if !more {
            self.finish()?;
            self.finished = true;
        }
        if self.rows.is_empty() && (!more || self.error.is_some()) {
            return match self.error.take() {
                Some(error) => {
                    self.finished = true;
                    Err(error)
                }
                None => Ok(None),
            };
        }
        Ok(Some(self.rows.take_batch()?))
    }

    /// Reads until a batch is full (`true`) or nothing is left (`false`).
    fn read(&mut self) -> Result<bool> {
        while let Some(part) = &mut self.part {
            match part.records.read(&mut part.window, &mut self.rows) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                // The next member may be sound.
                Err(error) if part.is_member && error.kind() == Kind::BadInput => {
                    let damage = unreadable(&error);
                    self.rows.reject_part(damage.reason, damage.detail, None, damage.raw);
                }
                Err(error) => return Err(error),
            }
            self.end_part();
            self.open_next()?;
        }
        Ok(false)
    }

    /// Opens what comes next, passing over members that cannot be read.
    fn open_next(&mut self) -> Result<()> {
        loop {
            match self.inputs.next()? {
                // Nothing of the archive can be read: that is no damage, but the file itself.
                Next::End if self.inputs.members() == 0 && self.inputs.meter().is_cut() && self.part.is_none() => {
                    let details: Vec<String> = self.rows.take_rejects().into_iter().map(|part| part.detail).collect();
                    return Err(Error::bad_input(format!("failed to read the archive: {}", details.join("; "))));
                }
                Next::End => {
                    self.part = None;
                    return Ok(());
                }
                Next::Unreadable(member, damage) => {
                    self.rows.set_member(Some(member));
                    self.rows.reject_part(damage.reason, damage.detail, None, damage.raw);
                    self.report_damages();
                }
                Next::Damaged(archive) => {
                    self.rows.set_member(archive);
                    self.report_damages();
                }
                Next::Input(input) => match self.open_part(input) {
                    Ok(()) => return Ok(()),
                    Err(error) if self.inputs.members() > 0 && error.kind() == Kind::BadInput => {
                        let damage = unreadable(&error);
                        self.rows.reject_part(damage.reason, damage.detail, None, damage.raw);
                        self.report_damages();
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    fn open_part(&mut self, input: Input) -> Result<()> {
        let Input { member, mut window, layers } = input;
        let is_member = member.is_some();
        self.rows.set_member(member);
        window.detect_line_end();
        let guess = match &self.request.format {
            Format::Auto => auto::decide(window.bytes(), window.at_end())?,
            format => auto::declared(format, window.bytes())?,
        };
        let is_first = self.rows.summary.why.is_empty();
        if is_first {
            self.rows.summary.compression = if layers.is_empty() { "none".to_owned() } else { layers.join("+") };
        }
        let is_empty = window.bytes().is_empty() && window.at_end();
        let (name, mut why) = match is_empty {
            true => ("empty", "the file has no bytes".to_owned()),
            false => (guess.format.name(), guess.why),
        };
        let records: Box<dyn Records> = match is_empty {
            true => Box::new(NoRecords),
            false => open_records(&guess.format, &mut window, &mut self.rows, &self.request)?,
        };
        if let Some(shape) = records.shape() {
            why = format!("{why}: {shape}");
        }
        if let Some(encoding) = window.stream().encoding() {
            why = format!("{why}, in {encoding}");
        }
        let summary = &mut self.rows.summary;
        if is_first {
            summary.why = why;
            summary.format = name;
            self.format = guess.format;
        } else if summary.format != name && name != "empty" {
            summary.format = if summary.format == "empty" { name } else { "mixed" };
        }
        self.part = Some(Part { is_member, window, records });
        Ok(())
    }

    /// Reports the damage found in the part that has been read.
    fn end_part(&mut self) {
        self.native = self.native_columns();
        self.report_damages();
        self.update_summary();
    }

    fn report_damages(&mut self) {
        for damage in self.inputs.meter().take_damages() {
            self.rows.reject_part(damage.reason, damage.detail, None, damage.raw);
        }
    }

    /// Reads what is left of the input and reports damage found in it.
    fn finish(&mut self) -> Result<()> {
        self.inputs.drain()?;
        self.end_part();
        Ok(())
    }

    fn update_summary(&mut self) {
        let summary = &mut self.rows.summary;
        summary.decoded_bytes = self.inputs.meter().text_bytes();
        summary.members = self.inputs.members();
        if let Some(part) = &self.part {
            part.records.note_fields(&mut summary.fields);
        }
    }

    /// The rejects since the last call.
    pub fn take_rejects(&mut self) -> Vec<Reject> {
        self.rows.take_rejects()
    }

    /// Live counters.
    pub fn summary(&self) -> &Summary {
        &self.rows.summary
    }
}

fn open_records(
    format: &Format,
    window: &mut Window,
    rows: &mut Rows,
    request: &DecodeRequest,
) -> Result<Box<dyn Records>> {
    Ok(match format {
        Format::Auto => return Err(Error::bug("failed to decode: `auto` was not resolved to a format")),
        Format::Json { records } => Box::new(json::JsonReader::open(records, window, rows)?),
        Format::Delimited(dialect) => Box::new(delimited::DelimitedReader::new(dialect.clone(), rows)),
        Format::Zeek => zeek::open(window, rows)?,
        Format::Regex { pattern, start } => regex_lines::open(pattern, start.as_deref(), rows)?,
        Format::Lines { start } => lines::open(start.as_deref(), rows)?,
        Format::Parquet => parquet::open(window, rows, request)?,
        Format::Syslog { payload, start } => syslog::open(*payload, start.as_deref(), window, rows)?,
        Format::KeyValue => key_value::open(window, rows)?,
        Format::Auditd => auditd::open(rows)?,
        Format::Grok { pattern, definitions, start } => grok::open(pattern, definitions, start.as_deref(), rows)?,
        Format::WindowsXml => windows_xml::open(rows)?,
        Format::Evtx => evtx::open(window, rows)?,
        Format::Arrow => arrow_ipc::open(window, rows, request)?,
        Format::Avro => avro::open(window, rows, request)?,
        Format::Orc => orc::open(window, rows, request)?,
    })
}

/// Checks what a format is made of before any data comes: expressions, patterns, encodings.
///
/// # Errors
/// `BadConfig` that names the text that does not hold.
pub fn check(format: &Format, packing: &Packing) -> Result<()> {
    if let Some(label) = &packing.encoding {
        stream::encoding_by_label(label)?;
    }
    match format {
        Format::Regex { pattern, start } => {
            line_reader::expression(pattern)?;
            check_start(start.as_deref())
        }
        Format::Grok { pattern, definitions, start } => {
            grok::Grok::compile(pattern, definitions)?;
            check_start(start.as_deref())
        }
        Format::Lines { start } | Format::Syslog { start, .. } => check_start(start.as_deref()),
        _ => Ok(()),
    }
}

fn check_start(start: Option<&str>) -> Result<()> {
    start.map_or(Ok(()), |pattern| line_reader::expression(pattern).map(drop))
}

/// The Arrow type of a declared type.
pub fn arrow_type(kind: &ColumnType) -> DataType {
    match kind {
        ColumnType::Text => DataType::Utf8,
        ColumnType::Boolean => DataType::Boolean,
        ColumnType::Int => DataType::Int64,
        ColumnType::Float => DataType::Float64,
        ColumnType::Decimal { precision, scale } => DataType::Decimal128(*precision, *scale),
        ColumnType::Timestamp(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        ColumnType::Date => DataType::Date32,
        ColumnType::List(item) => DataType::List(Arc::new(Field::new("item", arrow_type(item), true))),
        ColumnType::Map(value) => {
            let fields = Fields::from(vec![
                Field::new("keys", DataType::Utf8, false),
                Field::new("values", arrow_type(value), true),
            ]);
            DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields), false)), false)
        }
        ColumnType::Struct(fields) => DataType::Struct(fields.iter().map(arrow_field).collect()),
    }
}

fn arrow_field(column: &Column) -> Field {
    Field::new(&column.name, arrow_type(&column.kind), true)
}

/// The schema of a request: its columns, then its system columns, all nullable.
pub fn arrow_schema(columns: &[Column], system: &[SystemColumn]) -> SchemaRef {
    let system = system.iter().map(|column| Field::new(column.name(), arrow_type(&column.kind()), true));
    Arc::new(Schema::new(columns.iter().map(arrow_field).chain(system).collect::<Vec<_>>()))
}
