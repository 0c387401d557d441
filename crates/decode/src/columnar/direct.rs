//! Columns whose type converts to the declared one without a look at each value's text.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, ListArray, MapArray, StructArray,
    TimestampMicrosecondArray, UInt64Array, new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;
use millpond_core::columns::{Column, ColumnType, EpochUnit, TimeFormat};

use crate::arrow_type;

/// 0000-01-03 and 9999-12-30 as days since 1970. Between them every zone writes a year of four digits.
const DAYS: std::ops::RangeInclusive<i64> = -719_526..=2_932_895;
const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// What a conversion gives; `None` where some value has to be looked at by its text.
type Converted = Result<Option<ArrayRef>, ArrowError>;

/// The values of a plain array as the declared type, the same as their JSON text would give.
pub(super) fn convert(array: &ArrayRef, kind: &ColumnType) -> Converted {
    if array.data_type() == &DataType::Null {
        return Ok(Some(new_null_array(&arrow_type(kind), array.len())));
    }
    match kind {
        ColumnType::Text => Ok((array.data_type() == &DataType::Utf8).then(|| Arc::clone(array))),
        ColumnType::Boolean => Ok((array.data_type() == &DataType::Boolean).then(|| Arc::clone(array))),
        ColumnType::Int => ints(array),
        ColumnType::Float => floats(array),
        ColumnType::Decimal { precision, scale } => decimals(array, *precision, *scale),
        ColumnType::Timestamp(TimeFormat::Iso) => timestamps(array),
        ColumnType::Timestamp(TimeFormat::Epoch(unit)) => epochs(array, *unit),
        ColumnType::Timestamp(_) => Ok(None),
        ColumnType::Date => Ok(dates(array).then(|| Arc::clone(array))),
        ColumnType::List(item) => list(array, kind, item),
        ColumnType::Map(value) => map(array, kind, value),
        ColumnType::Struct(fields) => structs(array, kind, fields),
    }
}

/// The array, unless the conversion lost a value.
fn unless_lost(before: &dyn Array, after: ArrayRef) -> Option<ArrayRef> {
    (after.null_count() == before.null_count()).then_some(after)
}

fn ints(array: &ArrayRef) -> Converted {
    match array.data_type() {
        DataType::Int64 => Ok(Some(Arc::clone(array))),
        kind if kind.is_integer() => Ok(unless_lost(array, cast(array, &DataType::Int64)?)),
        _ => Ok(None),
    }
}

/// 32-bit floats are not among them: as text `0.1` is the double `0.1`, which widening does not give.
fn floats(array: &ArrayRef) -> Converted {
    match array.data_type() {
        DataType::Float64 => {
            let floats = array.as_primitive::<Float64Type>();
            if floats.values().iter().all(|float| float.is_finite()) {
                return Ok(Some(Arc::clone(array)));
            }
            let finite: Float64Array = floats.unary_opt(|float| float.is_finite().then_some(float));
            Ok(Some(Arc::new(finite)))
        }
        kind if kind.is_integer() => Ok(Some(cast(array, &DataType::Float64)?)),
        _ => Ok(None),
    }
}

fn decimals(array: &ArrayRef, precision: u8, scale: i8) -> Converted {
    let from = match array.data_type() {
        DataType::Decimal32(_, from) | DataType::Decimal64(_, from) | DataType::Decimal128(_, from) => *from,
        _ => return Ok(None),
    };
    if from < 0 || from > scale {
        return Ok(None);
    }
    let wide = cast(array, &DataType::Decimal128(38, from))?;
    if wide.null_count() != array.null_count() {
        return Ok(None);
    }
    let (factor, limit) = (10i128.pow(u32::from((scale - from) as u8)), 10i128.pow(u32::from(precision)));
    let scaled: Decimal128Array = wide.as_primitive::<Decimal128Type>().unary_opt(|value| {
        let value = value.checked_mul(factor)?;
        (value.unsigned_abs() < limit as u128).then_some(value)
    });
    Ok(unless_lost(array, Arc::new(scaled.with_precision_and_scale(precision, scale)?)))
}

/// Whether all values are days that are written as `YYYY-MM-DD`.
fn dates(array: &ArrayRef) -> bool {
    let dates = array.as_primitive_opt::<Date32Type>();
    dates.is_some_and(|dates| dates.iter().flatten().all(|day| DAYS.contains(&i64::from(day))))
}

fn timestamps(array: &ArrayRef) -> Converted {
    let micros: TimestampMicrosecondArray = match array.data_type() {
        DataType::Date32 => {
            array.as_primitive::<Date32Type>().unary_opt(|day| i64::from(day).checked_mul(DAY_MICROSECONDS))
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            array.as_primitive::<TimestampSecondType>().unary_opt(|time| time.checked_mul(1_000_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            array.as_primitive::<TimestampMillisecondType>().unary_opt(|time| time.checked_mul(1000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt::<&str>(None)
        }
        // Digits beyond microseconds are cut off, before 1970 as after.
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            array.as_primitive::<TimestampNanosecondType>().unary(|time| time.div_euclid(1000))
        }
        _ => return Ok(None),
    };
    let is_written = |time: i64| DAYS.contains(&time.div_euclid(DAY_MICROSECONDS));
    if !micros.iter().flatten().all(is_written) {
        return Ok(None);
    }
    Ok(unless_lost(array, Arc::new(micros.with_timezone("UTC"))))
}

fn epochs(array: &ArrayRef, unit: EpochUnit) -> Converted {
    if !array.data_type().is_integer() {
        return Ok(None);
    }
    let Some(ints) = ints(array)? else { return Ok(None) };
    let micros: TimestampMicrosecondArray = ints.as_primitive::<Int64Type>().unary_opt(|value| {
        let value = value.checked_abs().map(|_| value)?;
        match unit {
            EpochUnit::Seconds => value.checked_mul(1_000_000),
            EpochUnit::Milliseconds => value.checked_mul(1000),
            EpochUnit::Microseconds => Some(value),
            EpochUnit::Nanoseconds => Some(value.div_euclid(1000)),
        }
    });
    Ok(unless_lost(array, Arc::new(micros.with_timezone("UTC"))))
}

/// The part of the items that rows point to, with offsets into it.
fn visible(offsets: &OffsetBuffer<i32>, items: &ArrayRef) -> (OffsetBuffer<i32>, ArrayRef) {
    let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
    let items = items.slice(first as usize, (last - first) as usize);
    if first == 0 {
        return (offsets.clone(), items);
    }
    (OffsetBuffer::new(offsets.iter().map(|offset| offset - first).collect()), items)
}

fn list(array: &ArrayRef, kind: &ColumnType, item: &ColumnType) -> Converted {
    let (Some(list), DataType::List(field)) = (array.as_list_opt::<i32>(), arrow_type(kind)) else { return Ok(None) };
    let (offsets, items) = visible(list.offsets(), list.values());
    let Some(items) = convert(&items, item)? else { return Ok(None) };
    Ok(Some(Arc::new(ListArray::try_new(field, offsets, items, list.nulls().cloned())?)))
}

/// Entries without a value are left out of JSON text, so maps that have such are not among them.
fn map(array: &ArrayRef, kind: &ColumnType, value: &ColumnType) -> Converted {
    let (Some(map), DataType::Map(entries_field, _)) = (array.as_map_opt(), arrow_type(kind)) else { return Ok(None) };
    let DataType::Struct(fields) = entries_field.data_type().clone() else { return Ok(None) };
    let (_, keys) = visible(map.offsets(), map.keys());
    let (offsets, values) = visible(map.offsets(), map.values());
    let is_plain = keys.data_type() == &DataType::Utf8 && keys.null_count() == 0 && values.logical_null_count() == 0;
    if !is_plain || map.entries().null_count() > 0 || has_hidden_entries(map) {
        return Ok(None);
    }
    let Some(values) = convert(&values, value)? else { return Ok(None) };
    let entries = StructArray::try_new(fields, vec![keys, values], None)?;
    Ok(Some(Arc::new(MapArray::try_new(entries_field, offsets, entries, map.nulls().cloned(), false)?)))
}

/// Whether a row without a map points to entries.
fn has_hidden_entries(map: &MapArray) -> bool {
    map.nulls().is_some_and(|nulls| (0..map.len()).any(|row| nulls.is_null(row) && map.value_length(row) > 0))
}

fn structs(array: &ArrayRef, kind: &ColumnType, columns: &[Column]) -> Converted {
    let (Some(structs), DataType::Struct(fields)) = (array.as_struct_opt(), arrow_type(kind)) else { return Ok(None) };
    let mut arrays = Vec::with_capacity(columns.len());
    for column in columns {
        let mut named =
            structs.fields().iter().zip(structs.columns()).filter(|(field, _)| *field.name() == column.name);
        let converted = match (named.next(), named.next()) {
            (None, _) => new_null_array(&arrow_type(&column.kind), structs.len()),
            (Some((_, child)), None) => match convert(child, &column.kind)? {
                Some(converted) => masked(converted, structs.nulls())?,
                None => return Ok(None),
            },
            (Some(_), Some(_)) => return Ok(None),
        };
        arrays.push(converted);
    }
    let converted = StructArray::try_new_with_length(fields, arrays, structs.nulls().cloned(), structs.len())?;
    Ok(Some(Arc::new(converted)))
}

/// The values of a struct's field, NULL where the struct is.
fn masked(child: ArrayRef, nulls: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    match nulls {
        Some(nulls) if nulls.null_count() > 0 => {
            let rows = UInt64Array::new((0..child.len() as u64).collect(), Some(nulls.clone()));
            take(&child, &rows, None)
        }
        _ => Ok(child),
    }
}
