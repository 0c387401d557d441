//! Typed column builders, shared by every text format.
//!
//! A value that does not fit becomes NULL at the deepest level possible and is noted as a misfit. Nothing here fails
//! because of a value.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, ListArray, MapArray,
    NullBufferBuilder, StringArray, StructArray, TimestampMicrosecondBuilder,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields};
use arrow::error::ArrowError;
use millpond_core::columns::{Column, ColumnType};
use millpond_core::{Error, Result};

use super::arrow_type;
use super::json::keys::{self, Keys};
use super::json::{scan, text};
use super::times::{TimeReader, parse_date};
use super::values::{Kind, Span, Value};

/// Keys of one nested object that are remembered; more are looked up by name.
const NESTED_KEYS_MAX: usize = 4096;
/// Depth to which values that were scanned before are walked again.
const DEPTH_MAX: usize = usize::MAX;

/// The values of one record that did not fit their types.
#[derive(Default)]
pub(super) struct Misfits {
    pub(super) count: u64,
    keep: bool,
    /// The members of a JSON object, without its braces.
    json: Vec<u8>,
}

impl Misfits {
    pub(super) fn new(keep: bool) -> Self {
        Self { keep, ..Self::default() }
    }

    /// One that keeps what this one keeps, empty.
    pub(super) fn like(&self) -> Self {
        Self::new(self.keep)
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.json.clear();
    }

    pub(super) fn members(&self) -> &[u8] {
        &self.json
    }

    #[cold]
    fn note(&mut self, path: &Path<'_>, value: &Value<'_>) {
        self.count += 1;
        if !self.keep {
            return;
        }
        let mut name = String::new();
        path.write(&mut name);
        write_member(name.as_bytes(), value, &mut self.json);
    }
}

/// Appends `"name":value` to the members of a JSON object.
pub(super) fn write_member(name: &[u8], value: &Value<'_>, out: &mut Vec<u8>) {
    if !out.is_empty() {
        out.push(b',');
    }
    text::quote(name, out);
    out.push(b':');
    write_json(value, out);
}

/// Appends a value as JSON.
pub(super) fn write_json(value: &Value<'_>, out: &mut Vec<u8>) {
    match value.kind {
        Kind::Null => out.extend_from_slice(b"null"),
        Kind::True | Kind::False | Kind::Number => out.extend_from_slice(value.bytes),
        Kind::Object | Kind::List => text::compact(value.bytes, out),
        Kind::Cell => text::quote(value.bytes, out),
        Kind::Text | Kind::Escaped => {
            out.push(b'"');
            out.extend_from_slice(value.bytes);
            out.push(b'"');
        }
    }
}

/// Where a value stands in its record.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Key(&'a [u8]),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(super) fn top(name: &'a str) -> Self {
        Self { parent: None, step: Step::Name(name) }
    }

    fn below(parent: &'a Path<'a>, step: Step<'a>) -> Self {
        Self { parent: Some(parent), step }
    }

    fn write(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(out);
            if !matches!(self.step, Step::Index(_)) {
                out.push('.');
            }
        }
        match self.step {
            Step::Name(name) => out.push_str(name),
            Step::Key(key) => out.push_str(&String::from_utf8_lossy(key)),
            Step::Index(index) => {
                let _ = write!(out, "[{index}]");
            }
        }
    }
}

/// A builder of one column.
pub(super) enum Builder {
    Text(TextBuilder),
    Boolean(BooleanBuilder),
    Int(Int64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder, u8, i8),
    Timestamp(TimestampMicrosecondBuilder, TimeReader),
    Date(Date32Builder),
    List(Box<ListBuilder>),
    Map(Box<MapBuilder>),
    Struct(Box<StructBuilder>),
}

impl Builder {
    /// `modified_us` is when the file was last changed, where that is known.
    ///
    /// # Errors
    /// `BadConfig` for a time pattern that is none.
    pub(super) fn new(kind: &ColumnType, modified_us: Option<i64>) -> Result<Self> {
        Ok(match kind {
            ColumnType::Text => Self::Text(TextBuilder::new()),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
            ColumnType::Int => Self::Int(Int64Builder::new()),
            ColumnType::Float => Self::Float(Float64Builder::new()),
            ColumnType::Decimal { precision, scale } => {
                let builder = Decimal128Builder::new().with_data_type(arrow_type(kind));
                Self::Decimal(builder, *precision, *scale)
            }
            ColumnType::Timestamp(format) => {
                let builder = TimestampMicrosecondBuilder::new().with_timezone("UTC");
                Self::Timestamp(builder, TimeReader::new(format, modified_us)?)
            }
            ColumnType::Date => Self::Date(Date32Builder::new()),
            ColumnType::List(item) => Self::List(Box::new(ListBuilder::new(kind, item, modified_us)?)),
            ColumnType::Map(value) => Self::Map(Box::new(MapBuilder::new(kind, value, modified_us)?)),
            ColumnType::Struct(fields) => Self::Struct(Box::new(StructBuilder::new(kind, fields, modified_us)?)),
        })
    }

    /// Appends a value, or NULL where it does not fit.
    #[inline]
    pub(super) fn append(&mut self, value: Value<'_>, misfits: &mut Misfits, path: &Path<'_>) {
        match (self, value.kind) {
            (Self::Text(builder), _) => builder.append(&value),
            (builder, Kind::Null) => builder.append_null(),
            (builder, Kind::Escaped) => {
                let mut plain = Vec::new();
                text::unescape(value.bytes, &mut plain);
                if !builder.append_typed(Value { kind: Kind::Text, bytes: &plain }, misfits, path) {
                    misfits.note(path, &value);
                }
            }
            (builder, _) => {
                if !builder.append_typed(value, misfits, path) {
                    misfits.note(path, &value);
                }
            }
        }
    }

    /// Appends a value that is not NULL; `false` where it did not fit and NULL was appended.
    fn append_typed(&mut self, value: Value<'_>, misfits: &mut Misfits, path: &Path<'_>) -> bool {
        /// Appends what was read, or NULL; says which.
        macro_rules! append {
            ($builder:expr, $read:expr) => {{
                let read = $read;
                $builder.append_option(read);
                read.is_some()
            }};
        }
        match self {
            Self::Text(builder) => {
                builder.append(&value);
                true
            }
            Self::Boolean(builder) => append!(builder, value.as_boolean()),
            Self::Int(builder) => append!(builder, value.as_int()),
            Self::Float(builder) => append!(builder, value.as_float()),
            Self::Decimal(builder, precision, scale) => append!(builder, value.as_decimal(*precision, *scale)),
            Self::Timestamp(builder, reader) => append!(builder, reader.read(&value)),
            Self::Date(builder) => append!(builder, value.plain_text().and_then(parse_date)),
            Self::List(builder) => builder.append(&nested(value), misfits, path),
            Self::Map(builder) => builder.append(&nested(value), misfits, path),
            Self::Struct(builder) => builder.append(&nested(value), misfits, path),
        }
    }

    pub(super) fn append_null(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Boolean(builder) => builder.append_null(),
            Self::Int(builder) => builder.append_null(),
            Self::Float(builder) => builder.append_null(),
            Self::Decimal(builder, ..) => builder.append_null(),
            Self::Timestamp(builder, _) => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::List(builder) => builder.append_null(),
            Self::Map(builder) => builder.append_null(),
            Self::Struct(builder) => builder.append_null(),
        }
    }

    /// The column, leaving the builder empty.
    pub(super) fn finish(&mut self) -> Result<ArrayRef> {
        Ok(match self {
            Self::Text(builder) => Arc::new(builder.finish()?),
            Self::Boolean(builder) => Arc::new(builder.finish()),
            Self::Int(builder) => Arc::new(builder.finish()),
            Self::Float(builder) => Arc::new(builder.finish()),
            Self::Decimal(builder, ..) => Arc::new(builder.finish()),
            Self::Timestamp(builder, _) => Arc::new(builder.finish()),
            Self::Date(builder) => Arc::new(builder.finish()),
            Self::List(builder) => builder.finish()?,
            Self::Map(builder) => builder.finish()?,
            Self::Struct(builder) => builder.finish()?,
        })
    }
}

/// A cell that holds a JSON object or array, as that; any other value as it is.
fn nested(value: Value<'_>) -> Value<'_> {
    if value.kind != Kind::Cell {
        return value;
    }
    let cell = value.bytes.trim_ascii();
    match scan::value(cell, 0, 128) {
        Ok((span @ Span { kind: Kind::Object | Kind::List, .. }, end)) if end == cell.len() => span.of(cell),
        _ => value,
    }
}

fn invariant(error: ArrowError) -> Error {
    Error::bug("failed to build a column").because(error)
}

/// Text, with the bytes checked to be UTF-8 once for all values.
pub(super) struct TextBuilder {
    bytes: Vec<u8>,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl TextBuilder {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }

    #[inline]
    fn append(&mut self, value: &Value<'_>) {
        match value.kind {
            Kind::Null => return self.append_null(),
            Kind::Escaped => text::unescape(value.bytes, &mut self.bytes),
            Kind::Object | Kind::List => text::compact(value.bytes, &mut self.bytes),
            Kind::True | Kind::False | Kind::Number | Kind::Text | Kind::Cell => {
                self.bytes.extend_from_slice(value.bytes)
            }
        }
        self.end_value();
    }

    pub(super) fn append_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.end_value();
    }

    /// Appends `{members}`, or NULL where there are none.
    pub(super) fn append_object(&mut self, members: &[u8]) {
        if members.is_empty() {
            return self.append_null();
        }
        self.bytes.push(b'{');
        self.bytes.extend_from_slice(members);
        self.bytes.push(b'}');
        self.end_value();
    }

    #[inline]
    fn end_value(&mut self) {
        self.offsets.push(self.bytes.len() as i32);
        self.nulls.append_non_null();
    }

    #[inline]
    pub(super) fn append_null(&mut self) {
        self.offsets.push(self.bytes.len() as i32);
        self.nulls.append_null();
    }

    pub(super) fn finish(&mut self) -> Result<StringArray> {
        // The next batch will be about as large.
        let next = Vec::with_capacity(self.bytes.len());
        let bytes = Buffer::from_vec(std::mem::replace(&mut self.bytes, next));
        let mut next = Vec::with_capacity(self.offsets.len());
        next.push(0);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, next)));
        let nulls = self.nulls.finish();
        match StringArray::try_new(offsets.clone(), bytes.clone(), nulls.clone()) {
            Ok(array) => Ok(array),
            Err(_) => {
                let lossy = |index: usize| {
                    let valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(index));
                    let range = offsets[index] as usize..offsets[index + 1] as usize;
                    valid.then(|| String::from_utf8_lossy(&bytes[range]))
                };
                Ok((0..offsets.len() - 1).map(lossy).collect())
            }
        }
    }
}

/// A list of one type.
pub(super) struct ListBuilder {
    field: FieldRef,
    items: Builder,
    count: usize,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ListBuilder {
    fn new(kind: &ColumnType, item: &ColumnType, modified_us: Option<i64>) -> Result<Self> {
        let DataType::List(field) = arrow_type(kind) else {
            return Err(Error::bug("failed to build a list: the type is not a list"));
        };
        Ok(Self {
            field,
            items: Builder::new(item, modified_us)?,
            count: 0,
            offsets: vec![0],
            nulls: NullBufferBuilder::new(0),
        })
    }

    fn append(&mut self, value: &Value<'_>, misfits: &mut Misfits, path: &Path<'_>) -> bool {
        if value.kind != Kind::List || scan::items(value.bytes, DEPTH_MAX, |_| {}).is_err() {
            self.append_null();
            return false;
        }
        let (items, count) = (&mut self.items, &mut self.count);
        let first = *count;
        let _ = scan::items(value.bytes, DEPTH_MAX, |span| {
            items.append(span.of(value.bytes), misfits, &Path::below(path, Step::Index(*count - first)));
            *count += 1;
        });
        self.offsets.push(self.count as i32);
        self.nulls.append_non_null();
        true
    }

    fn append_null(&mut self) {
        self.offsets.push(self.count as i32);
        self.nulls.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.count = 0;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let items = self.items.finish()?;
        let list =
            ListArray::try_new(Arc::clone(&self.field), offsets, items, self.nulls.finish()).map_err(invariant)?;
        Ok(Arc::new(list))
    }
}

/// An object with any keys and values of one type.
pub(super) struct MapBuilder {
    entries: FieldRef,
    fields: Fields,
    keys: TextBuilder,
    values: Builder,
    count: usize,
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl MapBuilder {
    fn new(kind: &ColumnType, value: &ColumnType, modified_us: Option<i64>) -> Result<Self> {
        let DataType::Map(entries, _) = arrow_type(kind) else {
            return Err(Error::bug("failed to build a map: the type is not a map"));
        };
        let DataType::Struct(fields) = entries.data_type().clone() else {
            return Err(Error::bug("failed to build a map: its entries are not structs"));
        };
        Ok(Self {
            entries,
            fields,
            keys: TextBuilder::new(),
            values: Builder::new(value, modified_us)?,
            count: 0,
            offsets: vec![0],
            nulls: NullBufferBuilder::new(0),
        })
    }

    fn append(&mut self, value: &Value<'_>, misfits: &mut Misfits, path: &Path<'_>) -> bool {
        if value.kind != Kind::Object || scan::members(value.bytes, DEPTH_MAX, |_, _| {}).is_err() {
            self.append_null();
            return false;
        }
        let (keys, values, count) = (&mut self.keys, &mut self.values, &mut self.count);
        let _ = scan::members(value.bytes, DEPTH_MAX, |key, span| {
            let key = key.of(value.bytes);
            keys.append(&key);
            values.append(span.of(value.bytes), misfits, &Path::below(path, Step::Key(key.bytes)));
            *count += 1;
        });
        self.offsets.push(self.count as i32);
        self.nulls.append_non_null();
        true
    }

    fn append_null(&mut self) {
        self.offsets.push(self.count as i32);
        self.nulls.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        self.count = 0;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(&mut self.offsets, vec![0])));
        let columns: Vec<ArrayRef> = vec![Arc::new(self.keys.finish()?), self.values.finish()?];
        let entries = StructArray::try_new(self.fields.clone(), columns, None).map_err(invariant)?;
        let map = MapArray::try_new(Arc::clone(&self.entries), offsets, entries, self.nulls.finish(), false);
        Ok(Arc::new(map.map_err(invariant)?))
    }
}

/// An object with known fields; its other fields are let go.
pub(super) struct StructBuilder {
    fields: Fields,
    names: Vec<String>,
    builders: Vec<Builder>,
    keys: Keys,
    spans: Vec<Span>,
    count: usize,
    nulls: NullBufferBuilder,
}

impl StructBuilder {
    fn new(kind: &ColumnType, columns: &[Column], modified_us: Option<i64>) -> Result<Self> {
        let DataType::Struct(fields) = arrow_type(kind) else {
            return Err(Error::bug("failed to build a struct: the type is not a struct"));
        };
        Ok(Self {
            fields,
            names: columns.iter().map(|column| column.name.clone()).collect(),
            builders: columns.iter().map(|column| Builder::new(&column.kind, modified_us)).collect::<Result<_>>()?,
            keys: Keys::new(columns.iter().map(|column| column.name.as_str()), NESTED_KEYS_MAX),
            spans: vec![Span::NULL; columns.len()],
            count: 0,
            nulls: NullBufferBuilder::new(0),
        })
    }

    fn append(&mut self, value: &Value<'_>, misfits: &mut Misfits, path: &Path<'_>) -> bool {
        self.spans.fill(Span::NULL);
        let spans = &mut self.spans;
        let read = value.kind == Kind::Object
            && keys::fields(value.bytes, 0, DEPTH_MAX, &mut self.keys, |keys, key, text, span| {
                let column = match key {
                    Some(key) => keys.get(key).column,
                    None => keys.column_of(&value.bytes[text]),
                };
                if let Some(column) = column {
                    spans[column as usize] = span;
                }
            })
            .is_ok();
        if !read {
            self.append_null();
            return false;
        }
        for ((builder, span), name) in self.builders.iter_mut().zip(&self.spans).zip(&self.names) {
            builder.append(span.of(value.bytes), misfits, &Path::below(path, Step::Name(name)));
        }
        self.count += 1;
        self.nulls.append_non_null();
        true
    }

    fn append_null(&mut self) {
        self.builders.iter_mut().for_each(Builder::append_null);
        self.count += 1;
        self.nulls.append_null();
    }

    fn finish(&mut self) -> Result<ArrayRef> {
        let columns = self.builders.iter_mut().map(Builder::finish).collect::<Result<Vec<_>>>()?;
        let count = std::mem::take(&mut self.count);
        let array = StructArray::try_new_with_length(self.fields.clone(), columns, self.nulls.finish(), count);
        Ok(Arc::new(array.map_err(invariant)?))
    }
}
