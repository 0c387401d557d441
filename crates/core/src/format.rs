//! Formats: how the records of a file are found and read.

use crate::columns::Column;

/// The format of a source's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Decided from the first bytes of each file.
    Auto,
    /// JSON: lines, arrays, concatenated or pretty documents, or records under paths.
    Json {
        /// Where the records lie inside each document, such as `["Records"]`; none: the documents are the records.
        records: Vec<Vec<String>>,
    },
    /// Separated values: CSV, TSV, PSV, space-separated.
    Delimited(Delimited),
    /// Zeek's TSV with its `#separator`, `#fields`, `#types` header.
    Zeek,
    /// Syslog lines after RFC 3164 or RFC 5424, with the message taken apart as its payload says.
    Syslog {
        /// What the messages hold.
        payload: Payload,
        /// Where a record starts when it can span lines.
        start: Option<String>,
    },
    /// One record a line, `name=value` pairs.
    KeyValue,
    /// Linux audit records, all lines of one event assembled to one record.
    Auditd,
    /// One record a line, fields by the named groups of a regular expression.
    Regex {
        /// The expression; its named groups are the fields. A line that does not match is quarantined.
        pattern: String,
        /// Where a record starts when it can span lines.
        start: Option<String>,
    },
    /// One record a line, fields by a grok pattern such as `%{IP:client} %{WORD:method}`.
    Grok {
        /// The pattern; its named parts are the fields.
        pattern: String,
        /// Patterns of the source's own, by name.
        definitions: Vec<(String, String)>,
        /// Where a record starts when it can span lines.
        start: Option<String>,
    },
    /// One record a line, the whole line in the field `line`.
    Lines {
        /// Where a record starts when it can span lines.
        start: Option<String>,
    },
    /// Windows event log files.
    Evtx,
    /// Windows events as XML.
    WindowsXml,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, as file or stream.
    Arrow,
    /// Avro object container files.
    Avro,
    /// Apache ORC.
    Orc,
}

/// What syslog messages hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Payload {
    /// Text, in the field `message`.
    #[default]
    Text,
    /// A JSON object; its members are the fields.
    Json,
    /// `name=value` pairs.
    KeyValue,
    /// ArcSight Common Event Format.
    Cef,
    /// IBM Log Event Extended Format.
    Leef,
}

/// How the stored bytes become text, where a source says so; what it leaves open is found from the content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packing {
    /// The compression, for those that content does not tell safely (brotli).
    pub compression: Option<Compression>,
    /// The character encoding by its WHATWG label, such as `windows-1252` or `utf-16le`.
    pub encoding: Option<String>,
}

/// A compression of whole files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// RFC 8878, any number of frames.
    Zstd,
    /// bzip2, any number of streams.
    Bzip2,
    /// xz, any number of streams.
    Xz,
    /// LZ4 frames.
    Lz4,
    /// Snappy's framing format.
    Snappy,
    /// Snappy in Hadoop's block format.
    HadoopSnappy,
    /// RFC 7932.
    Brotli,
}

impl Compression {
    /// Every compression, by the name used in `source.toml`, receipts and `explain`.
    pub const NAMES: [(&'static str, Self); 9] = [
        ("gzip", Self::Gzip),
        ("zlib", Self::Zlib),
        ("zstd", Self::Zstd),
        ("bzip2", Self::Bzip2),
        ("xz", Self::Xz),
        ("lz4", Self::Lz4),
        ("snappy", Self::Snappy),
        ("hadoop-snappy", Self::HadoopSnappy),
        ("brotli", Self::Brotli),
    ];

    /// The compression's name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
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
    /// The byte that makes a quote behind it part of the field, besides doubling it (`\\` in Apache and nginx logs).
    pub escape: Option<u8>,
    /// Whether `[` and `]` around a field are quotes, too (`[06/Feb/2019:00:00:38 +0000]`).
    pub brackets: bool,
    /// Lines that start with this byte are not records.
    pub comment: Option<u8>,
    /// Lines at the start of the file that are neither header nor records.
    pub skip: usize,
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
            Self::Syslog { payload: Payload::Cef, .. } => "cef",
            Self::Syslog { payload: Payload::Leef, .. } => "leef",
            Self::Syslog { .. } => "syslog",
            Self::KeyValue => "kv",
            Self::Auditd => "auditd",
            Self::Regex { .. } => "regex",
            Self::Grok { .. } => "grok",
            Self::Lines { .. } => "lines",
            Self::Evtx => "evtx",
            Self::WindowsXml => "winxml",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Avro => "avro",
            Self::Orc => "orc",
        }
    }

    /// Whether all values are text as written, so that numbers and times among them can only be guessed.
    pub fn has_untyped_values(&self) -> bool {
        let typed = matches!(self, Self::Json { .. } | Self::Syslog { payload: Payload::Json, .. });
        self.is_text() && !typed
    }

    /// Whether the files are text, so that character encodings and line ends mean something.
    pub fn is_text(&self) -> bool {
        !matches!(self, Self::Evtx | Self::Parquet | Self::Arrow | Self::Avro | Self::Orc)
    }
}

impl Delimited {
    /// Comma-separated values after RFC 4180 with a header line.
    pub fn csv() -> Self {
        Self {
            delimiter: b',',
            repeated: false,
            quote: Some(b'"'),
            escape: None,
            brackets: false,
            comment: None,
            skip: 0,
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
        Self {
            delimiter: b' ',
            repeated: true,
            escape: Some(b'\\'),
            brackets: true,
            null: Some("-".to_owned()),
            ..Self::csv()
        }
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
    /// Bytes of text that one decompressor may have to remember (its window or dictionary).
    pub window_bytes_max: u64,
    /// Members of one archive.
    pub members_max: u64,
    /// Compressions and archives inside each other.
    pub nesting_max: usize,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            decompressed_bytes_max: 16 << 30,
            ratio_max: 2_000,
            record_bytes_max: 16 << 20,
            depth_max: 128,
            fields_max: 10_000,
            window_bytes_max: 128 << 20,
            members_max: 100_000,
            nesting_max: 8,
        }
    }
}

/// What a decoder is asked for: the format, and only the columns that some SQL names.
#[derive(Debug, Clone)]
pub struct DecodeRequest {
    /// How to read the records.
    pub format: Format,
    /// How the stored bytes become text, where that is known beforehand.
    pub packing: Packing,
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
    /// What `_file` holds; a member of an archive has its own name behind it: `logs.zip!/2024/app.log`.
    pub file: String,
    /// When the file was last changed, in microseconds since 1970 in UTC: the year of `timestamp(syslog)` follows from it.
    pub modified_us: Option<i64>,
    /// Rows of a batch, at most.
    pub batch_rows: usize,
}

impl DecodeRequest {
    /// A request without system columns that rescues what does not fit, with the default limits.
    pub fn new(format: Format, columns: Vec<Column>, file: impl Into<String>) -> Self {
        Self {
            format,
            packing: Packing::default(),
            columns,
            system: Vec::new(),
            declared: Vec::new(),
            drift: Drift::Rescue,
            limits: DecodeLimits::default(),
            file: file.into(),
            modified_us: None,
            batch_rows: crate::plan::BATCH_ROWS,
        }
    }
}
