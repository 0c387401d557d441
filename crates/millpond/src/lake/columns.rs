//! A table's columns, between Delta and Arrow.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake_core::DeltaTable;
use deltalake_core::kernel::StructType;
use deltalake_core::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use millpond_core::{Error, Result};

/// The columns of a table as it was read.
pub(crate) fn arrow_schema(name: &str, table: &DeltaTable) -> Result<SchemaRef> {
    let failed =
        |error: &dyn std::fmt::Display| Error::transient(format!("failed to read the columns of `{name}`: {error}"));
    let state = table.snapshot().map_err(|error| failed(&error))?;
    let schema: Schema = state.schema().as_ref().try_into_arrow().map_err(|error| failed(&error))?;
    Ok(Arc::new(schema))
}

/// Columns as Delta writes them.
pub(super) fn kernel_schema(name: &str, schema: &Schema) -> Result<StructType> {
    schema
        .try_into_kernel()
        .map_err(|error| Error::bad_config(format!("failed to store the columns of `{name}`")).because(error))
}

/// Fields that a table lacks; a struct that lacks fields counts as lacking.
pub(super) fn missing_fields(stored: &Schema, given: &Schema) -> Vec<Arc<Field>> {
    let lacks = |field: &&Arc<Field>| match stored.field_with_name(field.name()) {
        Ok(known) => lacks_part(known.data_type(), field.data_type()),
        Err(_) => true,
    };
    given.fields().iter().filter(lacks).cloned().collect()
}

fn lacks_part(stored: &DataType, given: &DataType) -> bool {
    match (stored, given) {
        (DataType::Struct(stored), DataType::Struct(given)) => {
            given.iter().any(|field| match stored.iter().find(|known| known.name() == field.name()) {
                Some(known) => lacks_part(known.data_type(), field.data_type()),
                None => true,
            })
        }
        (DataType::List(stored), DataType::List(given)) => lacks_part(stored.data_type(), given.data_type()),
        _ => false,
    }
}
