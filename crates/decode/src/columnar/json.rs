//! Values as JSON text, where Arrow's own writer has none: unions, maps with keys that are no text, and times that no
//! calendar has.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, MapArray, UnionArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Int64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// How values are written: nothing for a NULL field or map value, hexadecimal digits for bytes.
pub(super) fn options() -> EncoderOptions {
    EncoderOptions::default().with_encoder_factory(Arc::new(MoreTypes))
}

#[derive(Debug)]
pub(super) struct MoreTypes;

impl EncoderFactory for MoreTypes {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        match array.data_type() {
            DataType::Union(fields, _) => {
                let union = array.as_union();
                let encoder = |(id, field): (i8, &'a FieldRef)| {
                    Ok::<_, ArrowError>((id, make_encoder(field, union.child(id).as_ref(), options)?))
                };
                let encoders = fields.iter().map(encoder).collect::<Result<_, _>>()?;
                let encoder = UnionEncoder { union, encoders };
                Ok(Some(NullableEncoder::new(Box::new(encoder), array.logical_nulls())))
            }
            DataType::Map(..) => {
                let map = array.as_map();
                if map.keys().data_type() == &DataType::Utf8 {
                    return Ok(None);
                }
                let (keys, values) = entry_fields(array.data_type(), field);
                let encoder = MapEncoder {
                    map,
                    keys: make_encoder(keys, map.keys().as_ref(), options)?,
                    values: make_encoder(values, map.values().as_ref(), options)?,
                    key: Vec::new(),
                };
                Ok(Some(NullableEncoder::new(Box::new(encoder), array.nulls().cloned())))
            }
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => {
                let encoder = TimeEncoder {
                    times: ArrayFormatter::try_new(array, &FORMAT)?,
                    numbers: cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
                    text: String::new(),
                };
                Ok(Some(NullableEncoder::new(Box::new(encoder), array.nulls().cloned())))
            }
            _ => Ok(None),
        }
    }
}

const FORMAT: FormatOptions<'static> = FormatOptions::new().with_display_error(false);

/// A time as text; one that no calendar has as its number.
struct TimeEncoder<'a> {
    times: ArrayFormatter<'a>,
    numbers: Int64Array,
    text: String,
}

impl Encoder for TimeEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        self.text.clear();
        match write!(self.text, "{}", self.times.value(row)) {
            Ok(()) => crate::json::text::quote(self.text.as_bytes(), out),
            Err(_) => out.extend_from_slice(self.numbers.value(row).to_string().as_bytes()),
        }
    }
}

/// The fields of key and value of a map, to find extensions by; `other` where there are none.
fn entry_fields<'a>(kind: &'a DataType, other: &'a FieldRef) -> (&'a FieldRef, &'a FieldRef) {
    match kind {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => (&fields[0], &fields[1]),
            _ => (other, other),
        },
        _ => (other, other),
    }
}

/// The value of the member that each row has.
struct UnionEncoder<'a> {
    union: &'a UnionArray,
    encoders: Vec<(i8, NullableEncoder<'a>)>,
}

impl Encoder for UnionEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let id = self.union.type_id(row);
        let index = self.union.value_offset(row);
        match self.encoders.iter_mut().find(|(other, _)| *other == id) {
            Some((_, encoder)) if !encoder.is_null(index) => encoder.encode(index, out),
            _ => out.extend_from_slice(b"null"),
        }
    }
}

/// An object whose names are the keys as they are written elsewhere.
struct MapEncoder<'a> {
    map: &'a MapArray,
    keys: NullableEncoder<'a>,
    values: NullableEncoder<'a>,
    key: Vec<u8>,
}

impl Encoder for MapEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let offsets = self.map.value_offsets();
        out.push(b'{');
        let first = out.len();
        for entry in offsets[row] as usize..offsets[row + 1] as usize {
            if self.values.is_null(entry) || self.keys.is_null(entry) {
                continue;
            }
            if out.len() > first {
                out.push(b',');
            }
            self.key.clear();
            self.keys.encode(entry, &mut self.key);
            if self.key.first() == Some(&b'"') {
                out.extend_from_slice(&self.key);
            } else {
                crate::json::text::quote(&self.key, out);
            }
            out.push(b':');
            self.values.encode(entry, out);
        }
        out.push(b'}');
    }
}
