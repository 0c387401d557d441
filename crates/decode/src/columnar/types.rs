//! What Arrow types mean here: the plain type of each, its column type, its kind, and the bytes of its values.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::timezone::Tz;
use arrow::array::{Array, ArrayRef, AsArray, downcast_dictionary_array, downcast_run_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date64Type, FieldRef, Fields, TimeUnit};
use arrow::error::ArrowError;
use millpond_core::columns::{Column, ColumnType, TimeFormat};

use crate::kinds;

const DAY_MILLISECONDS: i64 = 86_400_000;

/// The type with the same values in the layout that is read here: no dictionaries, runs, views, 64-bit offsets
/// or unknown zones.
pub(super) fn plain_type(kind: &DataType) -> DataType {
    match kind {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        // The instant is the same in every zone, known or not.
        DataType::Timestamp(unit, Some(zone)) if Tz::from_str(zone).is_err() => {
            DataType::Timestamp(*unit, Some("UTC".into()))
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => DataType::List(plain_field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(plain_field(entries), *sorted),
        other => other.clone(),
    }
}

fn plain_field(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(plain_type(field.data_type())))
}

/// The array in its plain type. 64-bit dates that are whole days, as all should be, become 32-bit ones.
pub(super) fn plain(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let kind = plain_type(array.data_type());
    let array = if &kind == array.data_type() { Arc::clone(array) } else { cast(array, &kind)? };
    if let Some(dates) = array.as_primitive_opt::<Date64Type>()
        && dates.iter().flatten().all(|date| date % DAY_MILLISECONDS == 0)
    {
        return cast(&array, &DataType::Date32);
    }
    Ok(array)
}

/// How deep a value of this type is nested; a plain value is 0 deep.
pub(super) fn depth(kind: &DataType) -> usize {
    match kind {
        DataType::Dictionary(_, values) => depth(values),
        DataType::RunEndEncoded(_, values) => depth(values.data_type()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => 1 + depth(item.data_type()),
        DataType::Struct(fields) => 1 + fields.iter().map(|field| depth(field.data_type())).max().unwrap_or(0),
        // The struct of key and value is part of the map.
        DataType::Map(entries, _) => depth(entries.data_type()),
        DataType::Union(fields, _) => fields.iter().map(|(_, field)| depth(field.data_type())).max().unwrap_or(0),
        _ => 0,
    }
}

/// The columns that a schema declares.
pub(crate) fn columns(fields: &Fields) -> Vec<Column> {
    fields.iter().map(|field| Column { name: field.name().clone(), kind: column_type(field.data_type()) }).collect()
}

/// The column type that takes every value of a type without a misfit.
fn column_type(kind: &DataType) -> ColumnType {
    match plain_type(kind) {
        DataType::Boolean => ColumnType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => ColumnType::Int,
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => ColumnType::Int,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => ColumnType::Float,
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale)
            if (1..=38).contains(&precision) && u8::try_from(scale).is_ok_and(|scale| scale <= precision) =>
        {
            ColumnType::Decimal { precision, scale }
        }
        DataType::Timestamp(
            TimeUnit::Second | TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond,
            _,
        ) => ColumnType::Timestamp(TimeFormat::Iso),
        DataType::Date32 | DataType::Date64 => ColumnType::Date,
        DataType::List(item) => ColumnType::List(Box::new(column_type(item.data_type()))),
        DataType::Struct(fields) if !fields.is_empty() => ColumnType::Struct(columns(&fields)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                ColumnType::Map(Box::new(column_type(fields[1].data_type())))
            }
            _ => ColumnType::Text,
        },
        _ => ColumnType::Text,
    }
}

/// The kind of the JSON that values of a type are written as, as a bit of [`kinds`].
pub(super) fn kind_bit(kind: &DataType) -> u8 {
    match plain_type(kind) {
        DataType::Null => kinds::NULL,
        DataType::Boolean => kinds::BOOLEAN,
        DataType::Struct(_) | DataType::Map(..) => kinds::OBJECT,
        DataType::List(_) => kinds::LIST,
        DataType::Union(fields, _) => fields.iter().fold(0, |bits, (_, field)| bits | kind_bit(field.data_type())),
        kind if kind.is_numeric() => kinds::NUMBER,
        _ => kinds::TEXT,
    }
}

/// Adds the bytes of each value to the sum of its row.
pub(super) fn add_bytes(array: &dyn Array, sums: &mut [usize]) {
    fn add(sums: &mut [usize], bytes: impl Fn(usize) -> usize) {
        sums.iter_mut().enumerate().for_each(|(row, sum)| *sum = sum.saturating_add(bytes(row)));
    }
    /// The bytes of the items of each row, by the sums over all items before each.
    fn add_items(sums: &mut [usize], items: &dyn Array, range: impl Fn(usize) -> std::ops::Range<usize>) {
        let mut bytes = vec![0; items.len()];
        add_bytes(items, &mut bytes);
        let mut before = Vec::with_capacity(bytes.len() + 1);
        before.push(0usize);
        bytes.iter().for_each(|bytes| before.push(before.last().copied().unwrap_or(0).saturating_add(*bytes)));
        add(sums, |row| {
            let range = range(row);
            before[range.end].saturating_sub(before[range.start]) + 8
        });
    }
    fn offsets<O: arrow::array::OffsetSizeTrait>(offsets: &[O], row: usize) -> std::ops::Range<usize> {
        offsets[row].as_usize()..offsets[row + 1].as_usize()
    }
    match array.data_type() {
        DataType::Utf8 => add(sums, |row| offsets(array.as_string::<i32>().value_offsets(), row).len()),
        DataType::LargeUtf8 => add(sums, |row| offsets(array.as_string::<i64>().value_offsets(), row).len()),
        DataType::Binary => add(sums, |row| offsets(array.as_binary::<i32>().value_offsets(), row).len()),
        DataType::LargeBinary => add(sums, |row| offsets(array.as_binary::<i64>().value_offsets(), row).len()),
        // The low half of a view is the length of its value.
        DataType::Utf8View => add(sums, |row| array.as_string_view().views()[row] as u32 as usize),
        DataType::BinaryView => add(sums, |row| array.as_binary_view().views()[row] as u32 as usize),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            add_items(sums, list.values(), |row| offsets(list.value_offsets(), row));
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            add_items(sums, list.values(), |row| offsets(list.value_offsets(), row));
        }
        DataType::Map(..) => {
            let map = array.as_map();
            add_items(sums, map.entries(), |row| offsets(map.value_offsets(), row));
        }
        DataType::FixedSizeList(_, _) => {
            let list = array.as_fixed_size_list();
            let width = list.value_length() as usize;
            add_items(sums, list.values(), |row| row * width..(row + 1) * width);
        }
        DataType::ListView(_) => {
            let list = array.as_list_view::<i32>();
            add_items(sums, list.values(), |row| {
                let start = list.value_offset(row) as usize;
                start..start + list.value_size(row) as usize
            });
        }
        DataType::LargeListView(_) => {
            let list = array.as_list_view::<i64>();
            add_items(sums, list.values(), |row| {
                let start = list.value_offset(row) as usize;
                start..start + list.value_size(row) as usize
            });
        }
        DataType::Struct(_) => array.as_struct().columns().iter().for_each(|column| add_bytes(column, sums)),
        DataType::Union(fields, _) => {
            let union = array.as_union();
            let children = fields.iter().map(|(id, _)| {
                let child = union.child(id);
                let mut bytes = vec![0; child.len()];
                add_bytes(child, &mut bytes);
                (id, bytes)
            });
            let children: Vec<(i8, Vec<usize>)> = children.collect();
            add(sums, |row| {
                let child = children.iter().find(|(id, _)| *id == union.type_id(row));
                child.and_then(|(_, bytes)| bytes.get(union.value_offset(row))).map_or(0, |bytes| *bytes)
            });
        }
        DataType::Dictionary(..) => downcast_dictionary_array!(
            array => {
                let mut bytes = vec![0; array.values().len()];
                add_bytes(array.values(), &mut bytes);
                add(sums, |row| array.key(row).and_then(|key| bytes.get(key)).map_or(0, |bytes| *bytes));
            },
            _ => {}
        ),
        DataType::RunEndEncoded(..) => downcast_run_array!(
            array => {
                let mut bytes = vec![0; array.values().len()];
                add_bytes(array.values(), &mut bytes);
                add(sums, |row| bytes.get(array.get_physical_index(row)).map_or(0, |bytes| *bytes));
            },
            _ => {}
        ),
        kind => {
            let width = kind.primitive_width().unwrap_or(match kind {
                DataType::FixedSizeBinary(width) => *width as usize,
                _ => 1,
            });
            add(sums, |_| width);
        }
    }
}
