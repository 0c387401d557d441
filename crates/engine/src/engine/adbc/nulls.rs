//! NULLs of engines whose lists, maps and objects have none.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow::datatypes::DataType;
use millpond_core::{Error, Result};

/// Makes NULL of lists and maps that are empty and of objects whose fields are all NULL, at every depth.
///
/// An engine that cannot hold such NULLs gave these in their place. Empty ones that the file had become NULL, too.
pub(super) fn restore(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(restored).collect::<Result<Vec<_>, _>>();
    let restored = columns.and_then(|columns| RecordBatch::try_new(batch.schema(), columns));
    restored.map_err(|error| Error::bug("failed to restore the NULLs of an engine's rows").because(error))
}

fn restored(array: &ArrayRef) -> Result<ArrayRef, arrow::error::ArrowError> {
    Ok(match array.data_type() {
        DataType::List(field) => {
            let list = array.as_list::<i32>();
            let nulls = not_empty(list.offsets(), list.nulls());
            Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), restored(list.values())?, nulls)?)
        }
        DataType::Map(field, is_sorted) => {
            let map = array.as_map();
            let nulls = not_empty(map.offsets(), map.nulls());
            let entries = map.entries().clone();
            Arc::new(MapArray::try_new(Arc::clone(field), map.offsets().clone(), entries, nulls, *is_sorted)?)
        }
        DataType::Struct(fields) if !fields.is_empty() => {
            let object = array.as_struct();
            let columns = object.columns().iter().map(restored).collect::<Result<Vec<_>, _>>()?;
            let is_there = |row: usize| object.is_valid(row) && columns.iter().any(|column| column.is_valid(row));
            let nulls = NullBuffer::new(BooleanBuffer::collect_bool(object.len(), is_there));
            Arc::new(StructArray::try_new(fields.clone(), columns, Some(nulls))?)
        }
        _ => Arc::clone(array),
    })
}

fn not_empty(offsets: &OffsetBuffer<i32>, nulls: Option<&NullBuffer>) -> Option<NullBuffer> {
    let rows = offsets.len() - 1;
    let is_there = |row: usize| offsets[row + 1] > offsets[row] && nulls.is_none_or(|nulls| nulls.is_valid(row));
    Some(NullBuffer::new(BooleanBuffer::collect_bool(rows, is_there)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ListBuilder, StringArray, StringBuilder};
    use arrow::datatypes::{Field, Fields};

    #[test]
    fn what_is_empty_becomes_null() {
        let mut list = ListBuilder::new(StringBuilder::new());
        list.append_value([Some("a"), None]);
        list.append_value(Vec::<Option<&str>>::new());
        let names = Arc::new(StringArray::from(vec![None, Some("ann")])) as ArrayRef;
        let fields = Fields::from(vec![Field::new("name", DataType::Utf8, true)]);
        let object = Arc::new(StructArray::new(fields, vec![names], None)) as ArrayRef;
        let batch = RecordBatch::try_from_iter([("list", Arc::new(list.finish()) as ArrayRef), ("object", object)]);
        // Fields of a batch made from arrays without NULLs are still nullable for lists and objects of engines.
        let batch = batch.expect("batch");
        let schema = Arc::new(crate::encode::lake_schema(&batch.schema()).as_ref().clone());
        let batch = RecordBatch::try_new(schema, batch.columns().to_vec()).expect("nullable");
        let restored = restore(&batch).expect("restored");
        assert_eq!((restored.column(0).is_null(0), restored.column(0).is_null(1)), (false, true));
        assert_eq!((restored.column(1).is_null(0), restored.column(1).is_null(1)), (true, false));
    }
}
