//! Proposes a format and a column list from samples, for `millpond source learn`.
//!
//! This is the one place where types are inferred, and it runs when a person asks for it, never in a job.

use std::collections::BTreeMap;
use std::io::Read;

use arrow::array::{Array, StringArray};
use millpond_core::columns::{Column, ColumnType, SystemColumn, TimeFormat};
use millpond_core::format::{DecodeLimits, DecodeRequest, Drift, Format};
use millpond_core::{Error, Result};
use serde_json::{Map, Value};

use super::{Decoder, times};

/// Distinct keys above which the keys of an object are taken for data.
const STRUCT_KEYS_MAX: usize = 64;
/// Depth below which nothing is taken apart: what lies there stays JSON text.
const DEPTH_MAX: usize = 8;

/// What samples say about a source.
#[derive(Debug, Clone)]
pub struct Learned {
    /// The format of all samples.
    pub format: Format,
    /// Compressions and archives of the first sample, or `none`.
    pub compression: String,
    /// How the format was decided, in one sentence.
    pub why: String,
    /// The columns, in the order in which they were seen.
    pub columns: Vec<Column>,
    /// Records read.
    pub records: u64,
}

/// Reads whole samples and proposes columns that all their records fit.
///
/// # Errors
/// `BadInput` where there is no sample with a record, or samples have different formats; else those of [`Decoder`].
pub fn learn(files: Vec<(String, Box<dyn Read + Send>)>, limits: DecodeLimits) -> Result<Learned> {
    let mut learned: Option<Learned> = None;
    let mut shape = Object::default();
    let mut native: Option<Vec<Column>> = None;
    let mut is_text = false;
    for (name, input) in files {
        let mut decoder = Decoder::open(input, request(&name, limits))?;
        if decoder.summary().format == "empty" {
            continue;
        }
        let summary = decoder.summary();
        let found = Learned {
            format: decoder.format().clone(),
            compression: summary.compression.clone(),
            why: summary.why.clone(),
            columns: Vec::new(),
            records: 0,
        };
        let learned = learned.get_or_insert(found);
        check_same_format(&learned.format, decoder.format(), &name)?;
        is_text = learned.format.has_untyped_values();
        if let Some(columns) = decoder.native_columns() {
            merge_columns(native.get_or_insert_default(), columns);
        }
        read_all(&mut decoder, &mut shape)?;
        // A Zeek header can come again with other fields.
        if let Some(columns) = decoder.native_columns() {
            merge_columns(native.get_or_insert_default(), columns);
        }
        // Fields without any value are in no `_rest` of a text format.
        decoder.summary().fields.keys().for_each(|name| shape.know(name));
        learned.records += decoder.summary().records;
    }
    let Some(mut learned) = learned else {
        return Err(Error::bad_input("failed to learn columns: the samples hold no records"));
    };
    learned.columns = native.unwrap_or_else(|| shape.columns(is_text));
    Ok(learned)
}

fn request(name: &str, limits: DecodeLimits) -> DecodeRequest {
    DecodeRequest {
        system: vec![SystemColumn::Rest],
        drift: Drift::Discard,
        limits,
        ..DecodeRequest::new(Format::Auto, Vec::new(), name)
    }
}

fn check_same_format(expected: &Format, found: &Format, name: &str) -> Result<()> {
    if expected.name() == found.name() {
        return Ok(());
    }
    let (expected, found) = (expected.name(), found.name());
    Err(Error::bad_input(format!(
        "failed to learn columns: `{name}` is `{found}`, the samples before it are `{expected}`"
    ))
    .hint("give samples of one source at a time"))
}

/// Adds columns that are not there yet; one with two types becomes text.
fn merge_columns(known: &mut Vec<Column>, columns: Vec<Column>) {
    for column in columns {
        match known.iter_mut().find(|other| other.name == column.name) {
            Some(other) if other.kind != column.kind => other.kind = ColumnType::Text,
            Some(_) => {}
            None => known.push(column),
        }
    }
}

/// Reads the records of a file into the shape. Every field is in `_rest`, because no column is asked for.
fn read_all(decoder: &mut Decoder, shape: &mut Object) -> Result<()> {
    // What separated values have beyond or short of their header is no field.
    let only_known = matches!(decoder.format(), Format::Delimited(_));
    while let Some(batch) = decoder.next_batch()? {
        decoder.take_rejects();
        let known = &decoder.summary().fields;
        let Some(rest) = batch.column(0).as_any().downcast_ref::<StringArray>() else {
            return Err(Error::bug("failed to learn columns: `_rest` is not text"));
        };
        for text in rest.iter().flatten() {
            // A record that the decoder let pass but that is no JSON has nothing to teach.
            if let Ok(mut record) = serde_json::from_str::<Map<String, Value>>(text) {
                record.retain(|name, _| !only_known || known.contains_key(name));
                shape.add(&record, 0);
            }
        }
    }
    Ok(())
}

/// What was seen of objects at one place: their fields in the order of their first appearance.
#[derive(Debug, Default)]
struct Object {
    names: Vec<String>,
    fields: BTreeMap<String, Seen>,
    /// More distinct keys than a struct may have.
    overflow: bool,
}

/// What was seen of values at one place.
#[derive(Debug, Default)]
struct Seen {
    booleans: u64,
    ints: u64,
    floats: u64,
    /// Whole numbers that no `int` holds.
    huge: u64,
    texts: u64,
    /// Texts that are RFC 3339 times.
    times: u64,
    /// Texts that spell a whole number, or any number, in the way that it is printed.
    int_texts: u64,
    float_texts: u64,
    boolean_texts: u64,
    object: Option<Box<Object>>,
    objects: u64,
    item: Option<Box<Seen>>,
    lists: u64,
}

impl Object {
    fn add(&mut self, object: &Map<String, Value>, depth: usize) {
        for (name, value) in object {
            if !self.fields.contains_key(name) {
                if depth > 0 && self.names.len() >= STRUCT_KEYS_MAX {
                    self.overflow = true;
                    continue;
                }
                self.names.push(name.clone());
            }
            self.fields.entry(name.clone()).or_default().add(value, depth);
        }
    }

    fn know(&mut self, name: &str) {
        if !self.fields.contains_key(name) {
            self.names.push(name.to_owned());
            self.fields.insert(name.to_owned(), Seen::default());
        }
    }

    fn columns(&self, is_text: bool) -> Vec<Column> {
        let column = |name: &String| Column { name: name.clone(), kind: self.fields[name].kind(is_text) };
        self.names.iter().map(column).collect()
    }
}

impl Seen {
    fn add(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null => {}
            Value::Bool(_) => self.booleans += 1,
            Value::Number(number) if number.is_i64() => self.ints += 1,
            Value::Number(number) if number.is_u64() => self.huge += 1,
            Value::Number(number) => match number.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() >= 9.2e18 => self.huge += 1,
                _ => self.floats += 1,
            },
            Value::String(text) => self.add_text(text),
            Value::Array(items) => {
                self.lists += 1;
                if depth < DEPTH_MAX {
                    let item = self.item.get_or_insert_default();
                    items.iter().for_each(|value| item.add(value, depth + 1));
                }
            }
            Value::Object(object) => {
                self.objects += 1;
                if depth < DEPTH_MAX {
                    self.object.get_or_insert_default().add(object, depth + 1);
                }
            }
        }
    }

    fn add_text(&mut self, text: &str) {
        self.texts += 1;
        self.times += u64::from(is_rfc3339(text));
        self.int_texts += u64::from(text.parse::<i64>().is_ok_and(|int| int.to_string() == text));
        self.float_texts += u64::from(is_float_text(text));
        self.boolean_texts += u64::from(matches!(text, "true" | "false"));
    }

    /// The type that all values fit; text where there is no other.
    fn kind(&self, is_text: bool) -> ColumnType {
        let scalars = self.booleans + self.ints + self.floats + self.huge + self.texts;
        match (scalars, self.objects, self.lists) {
            (0, 0, 0) => ColumnType::Text,
            (0, _, 0) => self.object_kind(),
            (0, 0, _) => self.list_kind(),
            (_, 0, 0) => self.scalar_kind(scalars, is_text),
            _ => ColumnType::Text,
        }
    }

    fn scalar_kind(&self, scalars: u64, is_text: bool) -> ColumnType {
        match scalars {
            all if all == self.booleans => ColumnType::Boolean,
            all if all == self.ints => ColumnType::Int,
            all if all == self.ints + self.floats => ColumnType::Float,
            all if all == self.times => ColumnType::Timestamp(TimeFormat::Iso),
            all if is_text && all == self.int_texts => ColumnType::Int,
            all if is_text && all == self.int_texts + self.float_texts => ColumnType::Float,
            all if is_text && all == self.boolean_texts => ColumnType::Boolean,
            _ => ColumnType::Text,
        }
    }

    fn object_kind(&self) -> ColumnType {
        match &self.object {
            Some(object) if object.overflow => ColumnType::Map(Box::new(ColumnType::Text)),
            Some(object) if !object.names.is_empty() => ColumnType::Struct(object.columns(false)),
            _ => ColumnType::Text,
        }
    }

    fn list_kind(&self) -> ColumnType {
        let item = self.item.as_ref().map_or(ColumnType::Text, |item| item.kind(false));
        ColumnType::List(Box::new(item))
    }
}

/// A time with date, `T` or space, and zone.
fn is_rfc3339(text: &str) -> bool {
    text.len() >= 20
        && times::parse_iso(text.as_bytes()).is_some()
        && (text.ends_with(['Z', 'z']) || text.as_bytes()[19..].iter().any(|byte| matches!(byte, b'+' | b'-')))
}

/// Digits with a point, without zeros in front.
fn is_float_text(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let Some((whole, fraction)) = digits.split_once('.') else { return false };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction) && (whole == "0" || !whole.starts_with('0'))
}
