//! Arrow arrays brought to another type of the same shape: columns by name, missing ones NULL, what is empty NULL.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, GenericListArray, ListArray, OffsetSizeTrait,
    StringArray, StructArray, make_array, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::compute::{cast, filter};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use arrow::error::ArrowError;

/// Brings an array to `to`: structs field by field by name (a field that is missing is NULL, one too many is left out), lists
/// item by item, anything else by a cast. An empty text, a struct with nothing but NULL in it and a list without items
/// become NULL; items that are NULL are left out.
///
/// # Errors
/// When Arrow knows no cast between the two types.
pub fn conform(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    match (array.data_type(), to) {
        (DataType::Null, to) => Ok(new_null_array(to, array.len())),
        (DataType::Struct(_), DataType::Struct(fields)) => conform_struct(array.as_struct(), fields),
        (DataType::List(_), DataType::List(item)) => conform_list(array.as_list::<i32>(), item),
        (DataType::LargeList(_), DataType::List(item)) => conform_list(array.as_list::<i64>(), item),
        (_, DataType::Utf8) => {
            let text = if array.data_type() == to { Arc::clone(array) } else { cast(array, to)? };
            Ok(without_empty(text.as_string()).map_or(text, |text| Arc::new(text)))
        }
        (from, to) if from == to => Ok(Arc::clone(array)),
        (_, to) => cast(array, to),
    }
}

fn conform_struct(array: &StructArray, fields: &Fields) -> Result<ArrayRef, ArrowError> {
    let mut columns = Vec::with_capacity(fields.len());
    for field in fields {
        columns.push(match array.column_by_name(field.name()) {
            Some(column) => conform(&masked(column, array.nulls())?, field.data_type())?,
            None => new_null_array(field.data_type(), array.len()),
        });
    }
    let nulls = NullBuffer::union(array.nulls(), any_valid(&columns).as_ref());
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, array.len())?))
}

/// A column of a struct, NULL where the struct is: what stands there then means nothing.
fn masked(column: &ArrayRef, parent: Option<&NullBuffer>) -> Result<ArrayRef, ArrowError> {
    match parent {
        Some(parent) if parent.null_count() > 0 && !column.data_type().is_null() => {
            let nulls = NullBuffer::union(column.nulls(), Some(parent));
            Ok(make_array(column.to_data().into_builder().nulls(nulls).build()?))
        }
        _ => Ok(Arc::clone(column)),
    }
}

/// Where at least one of the columns has a value; `None`: everywhere.
fn any_valid(columns: &[ArrayRef]) -> Option<NullBuffer> {
    let mut valid: Option<BooleanBuffer> = None;
    for column in columns {
        let of_column = column.logical_nulls()?.into_inner();
        valid = Some(match valid {
            Some(valid) => &valid | &of_column,
            None => of_column,
        });
    }
    valid.map(NullBuffer::new)
}

fn conform_list<O: OffsetSizeTrait>(array: &GenericListArray<O>, item: &FieldRef) -> Result<ArrayRef, ArrowError> {
    let (first, last) = (array.value_offsets()[0].as_usize(), array.value_offsets()[array.len()].as_usize());
    let values = conform(&array.values().slice(first, last - first), item.data_type())?;
    let (values, lengths) = without_null_items(values, array.offsets().lengths().collect(), array.nulls())?;
    let has_items = NullBuffer::new(lengths.iter().map(|length| *length > 0).collect());
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls = NullBuffer::union(array.nulls(), Some(&has_items));
    Ok(Arc::new(ListArray::try_new(nullable(item), offsets, values, nulls)?))
}

/// The items that are not NULL and in a list that is not, and how many of them each list has.
fn without_null_items(
    values: ArrayRef,
    lengths: Vec<usize>,
    lists: Option<&NullBuffer>,
) -> Result<(ArrayRef, Vec<usize>), ArrowError> {
    let items = values.logical_nulls();
    let is_item = |index: usize| items.as_ref().is_none_or(|items| items.is_valid(index));
    let is_list = |index: usize| lists.is_none_or(|lists| lists.is_valid(index));
    let mut kept = BooleanBufferBuilder::new(values.len());
    let mut counts = Vec::with_capacity(lengths.len());
    for (list, length) in lengths.into_iter().enumerate() {
        let start = kept.len();
        (start..start + length).for_each(|index| kept.append(is_list(list) && is_item(index)));
        counts.push((start..start + length).filter(|index| kept.get_bit(*index)).count());
    }
    let kept = BooleanArray::new(kept.finish(), None);
    if kept.true_count() == values.len() {
        return Ok((values, counts));
    }
    Ok((filter(&values, &kept)?, counts))
}

fn nullable(field: &FieldRef) -> FieldRef {
    Arc::new(Field::clone(field).with_nullable(true))
}

/// `None`: no text is empty.
fn without_empty(text: &StringArray) -> Option<StringArray> {
    let is_empty = |index: usize| text.value_length(index) == 0 && text.is_valid(index);
    if !(0..text.len()).any(is_empty) {
        return None;
    }
    let filled = NullBuffer::new((0..text.len()).map(|index| text.value_length(index) > 0).collect());
    let nulls = NullBuffer::union(text.nulls(), Some(&filled));
    Some(StringArray::new(text.offsets().clone(), text.values().clone(), nulls))
}

/// The type that values of both fit into: structs have the fields of both, lists the items of both. Where two scalars
/// differ, text takes both.
pub fn united(one: &DataType, other: &DataType) -> DataType {
    match (one, other) {
        (one, other) if one == other => one.clone(),
        (DataType::Null, kind) | (kind, DataType::Null) => kind.clone(),
        (DataType::Struct(one), DataType::Struct(other)) => DataType::Struct(united_fields(one, other)),
        (DataType::List(one), DataType::List(other)) => {
            let item = united(one.data_type(), other.data_type());
            DataType::List(Arc::new(Field::new(one.name(), item, true)))
        }
        _ => DataType::Utf8,
    }
}

/// The fields of both, those of `one` first.
pub fn united_fields(one: &Fields, other: &Fields) -> Fields {
    let both = one.iter().map(|field| match other.find(field.name()) {
        Some((_, same)) => Field::new(field.name(), united(field.data_type(), same.data_type()), true),
        None => Field::clone(field).with_nullable(true),
    });
    let only_other = other.iter().filter(|field| one.find(field.name()).is_none());
    both.chain(only_other.map(|field| Field::clone(field).with_nullable(true))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use arrow::datatypes::Int32Type;

    fn text(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn what_is_empty_is_null_at_every_depth() {
        let ip = Arc::new(Field::new("ip", DataType::Utf8, true));
        let inner = StructArray::from(vec![(ip, text(&[Some("192.0.2.1"), Some(""), None]))]);
        let kind = inner.data_type().clone();
        let endpoint = Arc::new(Field::new("proxy", kind, true));
        let outer: ArrayRef = Arc::new(StructArray::from(vec![(endpoint, Arc::new(inner) as ArrayRef)]));
        let conformed = conform(&outer, outer.data_type()).expect("same type");
        assert_eq!((conformed.is_valid(0), conformed.is_null(1), conformed.is_null(2)), (true, true, true));
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![]), None, Some(vec![Some(1)])]);
        let list: ArrayRef = Arc::new(list);
        let conformed = conform(&list, list.data_type()).expect("same type");
        assert_eq!((conformed.is_null(0), conformed.is_null(1), conformed.is_valid(2)), (true, true, true));
    }

    #[test]
    fn items_of_null_lists_and_null_items_are_left_out() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), Some(vec![Some(2)])]);
        let (item, offsets, values, _) = list.into_parts();
        let nulls = Some(NullBuffer::from(vec![true, false]));
        let list: ArrayRef = Arc::new(ListArray::new(item, offsets, values, nulls));
        let conformed = conform(&list, list.data_type()).expect("same type");
        assert_eq!(conformed.as_list::<i32>().values().len(), 1);
        assert_eq!((conformed.is_valid(0), conformed.is_null(1)), (true, true));
    }

    #[test]
    fn fields_are_found_by_name_wherever_they_stand() {
        let port = Arc::new(Field::new("port", DataType::Int64, true));
        let ip = Arc::new(Field::new("ip", DataType::Utf8, true));
        let ports: ArrayRef = Arc::new(Int64Array::from(vec![22, 443]));
        let given: ArrayRef = Arc::new(StructArray::from(vec![(Arc::clone(&port), ports)]));
        let wanted = united(&DataType::Struct(vec![ip].into()), given.data_type());
        let conformed = conform(&given, &wanted).expect("by name");
        let conformed = conformed.as_struct();
        assert_eq!(conformed.column_names(), ["ip", "port"]);
        assert_eq!((conformed.column(0).null_count(), conformed.column(1).null_count()), (2, 0));
    }

    #[test]
    fn a_sliced_list_keeps_its_own_items() {
        let list =
            ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), Some(2)]), Some(vec![Some(3)])]);
        let sliced: ArrayRef = Arc::new(list.slice(1, 1));
        let wide = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
        let conformed = conform(&sliced, &wide).expect("integers widen");
        let items = conformed.as_list::<i32>().value(0);
        assert_eq!(items.as_primitive::<arrow::datatypes::Int64Type>().values(), &[3]);
    }
}
