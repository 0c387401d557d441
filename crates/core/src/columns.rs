//! Declared columns: the names and types that a source promises to its SQL.
//!
//! Types come from this declaration and never from the data, so the same field has the same type in every file.

use std::fmt;

use crate::error::{Error, Result};

/// One named column or struct field. Names are matched exactly: `Tag` and `tag` are two columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The field's name in the data and in SQL.
    pub name: String,
    /// The type every value is read as.
    pub kind: ColumnType,
}

/// The type of a column, as written in `source.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// `text`: strings as they are; numbers, booleans, objects and arrays as their JSON text.
    Text,
    /// `boolean`: `true` / `false`; in text formats also `T` / `F`, any case.
    Boolean,
    /// `int`: signed 64-bit.
    Int,
    /// `float`: IEEE 754 double.
    Float,
    /// `decimal(p,s)`: exact, `p` digits of which `s` follow the point; `p` is at most 38.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: i8,
    },
    /// `timestamp`, `timestamp(ms)`, `timestamp(%d/%b/%Y:%H:%M:%S %z)`: microseconds since 1970, UTC.
    Timestamp(TimeFormat),
    /// `date`: `YYYY-MM-DD`.
    Date,
    /// `["text"]`: a list of one type.
    List(Box<ColumnType>),
    /// `map(text)`: an object with any keys and values of one type.
    Map(Box<ColumnType>),
    /// `{ name = "text", … }`: an object with known fields.
    Struct(Vec<Column>),
}

/// How a timestamp is written in the data. Every one is stored as microseconds since 1970 in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339 / ISO 8601 with `T` or a space, with or without a fraction and zone (no zone means UTC).
    Iso,
    /// A number of these units since 1970-01-01T00:00:00Z; a fraction is allowed.
    Epoch(EpochUnit),
    /// The times of syslog headers: RFC 3164 with or without a year, or ISO 8601 (no zone means UTC).
    Syslog,
    /// A `strftime` pattern; without `%z` the time is UTC.
    Pattern(String),
}

/// The unit of an epoch number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochUnit {
    /// `timestamp(s)`
    Seconds,
    /// `timestamp(ms)`
    Milliseconds,
    /// `timestamp(us)`
    Microseconds,
    /// `timestamp(ns)`
    Nanoseconds,
}

impl ColumnType {
    /// Parses a type written as text, such as `int`, `timestamp(ms)` or `map(text)`.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) when the text names no type.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        let (name, argument) = match text.split_once('(') {
            Some((name, rest)) => match rest.strip_suffix(')') {
                Some(argument) => (name.trim(), Some(argument.trim())),
                None => return Err(unknown_type(text)),
            },
            None => (text, None),
        };
        match (name, argument) {
            ("text", None) => Ok(Self::Text),
            ("boolean", None) => Ok(Self::Boolean),
            ("int", None) => Ok(Self::Int),
            ("float", None) => Ok(Self::Float),
            ("date", None) => Ok(Self::Date),
            ("decimal", Some(argument)) => parse_decimal(text, argument),
            ("timestamp", argument) => Ok(Self::Timestamp(parse_time_format(text, argument)?)),
            ("list", Some(item)) => Ok(Self::List(Box::new(Self::parse(item)?))),
            ("map", Some(value)) => Ok(Self::Map(Box::new(Self::parse(value)?))),
            _ => Err(unknown_type(text)),
        }
    }
}

fn unknown_type(text: &str) -> Error {
    Error::bad_config(format!("`{text}` is not a column type")).hint(
        "types are `text`, `boolean`, `int`, `float`, `decimal(p,s)`, `date`, `timestamp`, `timestamp(s|ms|us|ns)`, \
         `timestamp(syslog)`,          `timestamp(<strftime pattern>)`, `list(T)` or `[\"T\"]`, `map(T)`, and `{ field = \"T\" }`",
    )
}

fn parse_decimal(text: &str, argument: &str) -> Result<ColumnType> {
    let parts = argument
        .split_once(',')
        .and_then(|(precision, scale)| Some((precision.trim().parse::<u8>().ok()?, scale.trim().parse::<i8>().ok()?)));
    match parts {
        Some((precision @ 1..=38, scale)) if scale >= 0 && scale as u8 <= precision => {
            Ok(ColumnType::Decimal { precision, scale })
        }
        _ => Err(unknown_type(text)),
    }
}

fn parse_time_format(text: &str, argument: Option<&str>) -> Result<TimeFormat> {
    Ok(match argument {
        None => TimeFormat::Iso,
        Some("s") => TimeFormat::Epoch(EpochUnit::Seconds),
        Some("ms") => TimeFormat::Epoch(EpochUnit::Milliseconds),
        Some("us") => TimeFormat::Epoch(EpochUnit::Microseconds),
        Some("ns") => TimeFormat::Epoch(EpochUnit::Nanoseconds),
        Some("syslog") => TimeFormat::Syslog,
        Some(pattern) if pattern.contains('%') => TimeFormat::Pattern(pattern.to_owned()),
        Some(_) => return Err(unknown_type(text)),
    })
}

impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Boolean => f.write_str("boolean"),
            Self::Int => f.write_str("int"),
            Self::Float => f.write_str("float"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Timestamp(TimeFormat::Iso) => f.write_str("timestamp"),
            Self::Timestamp(TimeFormat::Epoch(unit)) => write!(f, "timestamp({unit})"),
            Self::Timestamp(TimeFormat::Syslog) => f.write_str("timestamp(syslog)"),
            Self::Timestamp(TimeFormat::Pattern(pattern)) => write!(f, "timestamp({pattern})"),
            Self::Date => f.write_str("date"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Map(value) => write!(f, "map({value})"),
            Self::Struct(fields) => {
                f.write_str("{ ")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{} = {}", field.name, field.kind)?;
                }
                f.write_str(" }")
            }
        }
    }
}

impl fmt::Display for EpochUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Nanoseconds => "ns",
        })
    }
}

/// A column that the decoder itself fills, present when the SQL names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SystemColumn {
    /// `_file` (text): the object's URI, with `!member` for a member of an archive.
    File,
    /// `_row` (int): the record's ordinal in the file, from 0; rejected records count too.
    Row,
    /// `_offset` (int): the record's first byte in the decompressed file; NULL where the format has none.
    Offset,
    /// `_raw` (text): the record as it was written; bytes that are not UTF-8 become U+FFFD.
    Raw,
    /// `_rescued` (text): a JSON object of the values that did not fit their type, by path; NULL when all fitted.
    Rescued,
    /// `_rest` (text): a JSON object of the top-level fields that no SQL of the source names; NULL when none is left.
    Rest,
}

impl SystemColumn {
    /// All of them, in the order in which they follow the data columns.
    pub const ALL: [Self; 6] = [Self::File, Self::Row, Self::Offset, Self::Raw, Self::Rescued, Self::Rest];

    /// The column's name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "_file",
            Self::Row => "_row",
            Self::Offset => "_offset",
            Self::Raw => "_raw",
            Self::Rescued => "_rescued",
            Self::Rest => "_rest",
        }
    }

    /// The system column of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }

    /// The column's type.
    pub fn kind(self) -> ColumnType {
        match self {
            Self::Row | Self::Offset => ColumnType::Int,
            Self::File | Self::Raw | Self::Rescued | Self::Rest => ColumnType::Text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_print_as_they_parse() {
        for text in [
            "text",
            "boolean",
            "int",
            "float",
            "date",
            "decimal(10,2)",
            "timestamp",
            "timestamp(ms)",
            "timestamp(syslog)",
            "timestamp(%d/%b/%Y:%H:%M:%S %z)",
            "list(int)",
            "map(list(text))",
        ] {
            assert_eq!(ColumnType::parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn unknown_types_are_refused() {
        for text in ["", "string", "int(3)", "timestamp(years)", "decimal(39,0)", "decimal(3,4)", "list(", "map(x)"] {
            assert!(ColumnType::parse(text).is_err(), "{text}");
        }
    }
}
