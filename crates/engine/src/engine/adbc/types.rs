//! The types of what engines give: those of the lake, named as the decoder names them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use crate::encode::lake_schema;

/// A schema as every engine gives it: an engine has its own name for the items of a list, which is part of the type.
pub(super) fn shared_schema(schema: &Schema) -> SchemaRef {
    let lake = lake_schema(schema);
    Arc::new(Schema::new(lake.fields().iter().map(shared_field).collect::<Vec<_>>()))
}

fn shared_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), shared_type(field.data_type()), field.is_nullable()))
}

fn shared_type(kind: &DataType) -> DataType {
    match kind {
        DataType::List(item) => {
            DataType::List(Arc::new(Field::new_list_field(shared_type(item.data_type()), item.is_nullable())))
        }
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(shared_field).collect()),
        DataType::Map(entries, is_sorted) => DataType::Map(shared_field(entries), *is_sorted),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_of_lists_have_one_name() {
        let list = |name: &str| DataType::List(Arc::new(Field::new(name, DataType::Utf8, true)));
        let nested = |name| DataType::Struct(vec![Field::new("tags", list(name), true)].into());
        let schema = |name| Schema::new(vec![Field::new("a", list(name), true), Field::new("b", nested(name), true)]);
        assert_eq!(shared_schema(&schema("l")), shared_schema(&schema("item")));
        assert_eq!(shared_schema(&schema("l")).field(0).data_type(), &list("item"));
    }
}
