//! Formats: how the records of a file are found and read.

use crate::columns::Column;

/// The format of a source's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Decided from the first bytes of each file.
    Auto,
    /// JSON: lines, arrays, concatenated or pretty documents, or records under a path.
    Json {
        /// Where the records lie inside each document, such as `["Records"]`; empty: the documents are the records.
        records: Vec<String>,
    },
    /// Separated values: CSV, TSV, PSV, space-separated.
    Delimited(Delimited),
    /// Zeek's TSV with its `#separator`, `#fields`, `#types` header.
    Zeek,
    /// One record a line, fields by the named groups of a regular expression.
    Regex {
        /// The expression; its named groups are the fields. A line that does not match is quarantined.
        pattern: String,
    },
    /// One record a line, the whole line in the field `line`.
    Lines,
    /// Apache Parquet.
    Parquet,
}

/// The dialect of separated values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimited {
    /// The byte between fields.
    pub delimiter: u8,
    /// Whether a run of delimiters counts as one (space-separated files).
    pub repeated: bool,
    /// The byte around fields that hold delimiters or line ends; doubled to stand for itself.
    pub quote: Option<u8>,
    /// Lines that start with this byte are not records.
    pub comment: Option<u8>,
    /// Where the field names come from.
    pub header: Header,
    /// The text that stands for no value, besides the empty cell.
    pub null: Option<String>,
}

/// Where the field names of separated values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// The first line that is not a comment.
    FirstLine,
    /// The source names them, in order.
    Names(Vec<String>),
}

impl Format {
    /// The name used in `source.toml`, receipts and `explain`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Json { .. } => "json",
            Self::Delimited(delimited) => delimited.name(),
            Self::Zeek => "zeek",
            Self::Regex { .. } => "regex",
            Self::Lines => "lines",
            Self::Parquet => "parquet",
        }
    }
}

impl Delimited {
    /// Comma-separated values after RFC 4180 with a header line.
    pub fn csv() -> Self {
        Self {
            delimiter: b',',
            repeated: false,
            quote: Some(b'"'),
            comment: None,
            header: Header::FirstLine,
            null: None,
        }
    }

    /// Tab-separated values with a header line; quotes mean nothing.
    pub fn tsv() -> Self {
        Self { delimiter: b'\t', quote: None, ..Self::csv() }
    }

    /// Space-separated values with a header line; `-` is no value.
    pub fn space() -> Self {
        Self { delimiter: b' ', repeated: true, null: Some("-".to_owned()), ..Self::csv() }
    }

    fn name(&self) -> &'static str {
        match self.delimiter {
            b'\t' => "tsv",
            b' ' => "space",
            _ => "csv",
        }
    }
}

/// What a decoder does with fields and values that the declaration does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drift {
    /// A value that does not fit is NULL and kept in `_rescued`; an unknown field is in `_rest`.
    #[default]
    Rescue,
    /// A record with an unknown top-level field or a value that does not fit goes to quarantine.
    Freeze,
    /// A value that does not fit is NULL and counted, not kept.
    Discard,
}

/// Limits of one decode; each is a promise about memory or a guard against hostile files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Decompressed bytes of one file.
    pub decompressed_bytes_max: u64,
    /// Decompressed bytes per stored byte, checked once 64 MiB are decompressed.
    pub ratio_max: u64,
    /// Bytes of one record or line; a longer one goes to quarantine.
    pub record_bytes_max: usize,
    /// Nesting depth of a record; a deeper one goes to quarantine.
    pub depth_max: usize,
    /// Fields of one file (header columns or distinct top-level names).
    pub fields_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            decompressed_bytes_max: 16 << 30,
            ratio_max: 2_000,
            record_bytes_max: 16 << 20,
            depth_max: 128,
            fields_max: 10_000,
        }
    }
}

/// What a decoder is asked for: the format, and only the columns that some SQL names.
#[derive(Debug, Clone)]
pub struct DecodeRequest {
    /// How to read the records.
    pub format: Format,
    /// The data columns to build, in this order.
    pub columns: Vec<Column>,
    /// The system columns to build, in this order, after the data columns.
    pub system: Vec<crate::columns::SystemColumn>,
    /// Top-level fields that the source declares, whether built or not; only `freeze` needs them.
    pub declared: Vec<String>,
    /// What to do with the unknown.
    pub drift: Drift,
    /// The limits.
    pub limits: DecodeLimits,
    /// What `_file` holds.
    pub file: String,
    /// Rows of a batch, at most.
    pub batch_rows: usize,
}
