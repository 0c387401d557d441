//! Decode: bytes in, Arrow batches out.
//!
//! Types come from the declaration alone, never from the data. A value that does not fit is NULL and counted, a
//! record that cannot be read is a [`Reject`] with its bytes, and the rest of the file goes on. Memory is bounded by
//! the limits of the request, whatever the size of the file.
//!
//! Nothing here knows SQL, object stores or tasks: a [`Decoder`] pulls from a `Read` in the caller's thread.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::format::{DecodeRequest, Delimited, Format};
use millpond_core::{Error, Result};

mod stream;
mod window;

mod builders;
mod cells;
mod rows;
mod times;
mod values;

mod auto;
mod delimited;
mod json;
mod lines;
mod parquet;
mod regex_lines;
mod zeek;

pub mod learn;

use rows::Rows;
use stream::Stream;
use window::Window;

/// Bytes read ahead to decide the format.
const SNIFF_BYTES: usize = 64 << 10;

/// Bytes in, Arrow batches out.
pub struct Decoder {
    window: Window,
    rows: Rows,
    format: Format,
    reader: Reader,
    /// An error that waits until the rows before it are handed out.
    error: Option<Error>,
    finished: bool,
}

/// A record or a part of a file that could not be used, with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
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
    /// Bytes after decompression.
    pub decoded_bytes: u64,
    /// The format read, as receipts name it; `empty` for a file without bytes.
    pub format: &'static str,
    /// `none`, `gzip` or `zstd`.
    pub compression: &'static str,
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

/// One reader per format, each writing rows from the window.
enum Reader {
    Empty,
    Text(Box<dyn Records>),
    Parquet(Box<parquet::ParquetReader>),
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
}

impl Decoder {
    /// Opens an input: finds compression, encoding and format from its first bytes.
    ///
    /// # Errors
    /// `BadInput` for a container that is not supported or a file that its format cannot be read from, `TooBig` where
    /// a limit is reached, `BadConfig` for a pattern that does not compile.
    pub fn open(input: Box<dyn Read + Send>, request: DecodeRequest) -> Result<Self> {
        let stream = Stream::open(input, &request.limits)?;
        let mut window = Window::new(stream);
        window.fill_to(SNIFF_BYTES)?;
        auto::refuse_containers(window.bytes())?;
        window.detect_line_end();

        let guess = match &request.format {
            Format::Auto => auto::decide(window.bytes(), window.at_end())?,
            format => auto::Guess { format: format.clone(), why: format!("the source declares `{}`", format.name()) },
        };
        let mut rows = Rows::new(&request)?;
        rows.summary.compression = window.stream().compression();
        rows.summary.why = guess.why;
        let reader = if window.bytes().is_empty() && window.at_end() {
            rows.summary.format = "empty";
            "the file has no bytes".clone_into(&mut rows.summary.why);
            Reader::Empty
        } else {
            rows.summary.format = guess.format.name();
            open_reader(&guess.format, &mut window, &mut rows, &request)?
        };
        Ok(Self { window, rows, format: guess.format, reader, error: None, finished: false })
    }

    /// The schema of every batch: the columns of the request, then its system columns, all nullable.
    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// The format that is read; for [`Format::Auto`], what was decided.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The columns that the file itself declares with types (Zeek, Parquet), where it does.
    pub fn native_columns(&self) -> Option<Vec<Column>> {
        match &self.reader {
            Reader::Empty => None,
            Reader::Text(records) => records.native_columns(),
            Reader::Parquet(parquet) => Some(parquet.native_columns()),
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

    fn read(&mut self) -> Result<bool> {
        match &mut self.reader {
            Reader::Empty => Ok(false),
            Reader::Text(records) => records.read(&mut self.window, &mut self.rows),
            Reader::Parquet(parquet) => parquet.read(&mut self.rows),
        }
    }

    /// Reads what is left of the input and reports damage found in it.
    fn finish(&mut self) -> Result<()> {
        let stream = self.window.stream_mut();
        stream.drain()?;
        if let Some(damage) = stream.take_damage() {
            let detail = damage.detail;
            self.rows.reject_part(damage.reason, detail, None, damage.raw);
        }
        self.update_summary();
        Ok(())
    }

    fn update_summary(&mut self) {
        self.rows.summary.decoded_bytes = self.window.stream().decoded_bytes();
        match &self.reader {
            Reader::Empty => {}
            Reader::Text(records) => records.note_fields(&mut self.rows.summary.fields),
            Reader::Parquet(parquet) => parquet.note_fields(&mut self.rows.summary.fields),
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

fn open_reader(format: &Format, window: &mut Window, rows: &mut Rows, request: &DecodeRequest) -> Result<Reader> {
    let records: Box<dyn Records> = match format {
        Format::Auto => return Err(Error::bug("failed to decode: `auto` was not resolved to a format")),
        Format::Json { records } => Box::new(json::JsonReader::open(records, window, rows)?),
        Format::Delimited(dialect) => Box::new(delimited::DelimitedReader::new(dialect.clone(), rows)),
        Format::Zeek => Box::new(zeek::ZeekReader::open(window, rows)?),
        Format::Regex { pattern } => Box::new(regex_lines::RegexReader::new(pattern, rows)?),
        Format::Lines => Box::new(lines::LinesReader::new(rows)),
        Format::Parquet => return Ok(Reader::Parquet(Box::new(parquet::ParquetReader::open(window, rows, request)?))),
    };
    Ok(Reader::Text(records))
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

/// The dialect of W3C extended logs: `#Fields:` names the columns, `-` is no value.
fn w3c(delimiter: u8) -> Delimited {
    Delimited { delimiter, quote: None, comment: Some(b'#'), ..Delimited::space() }
}
