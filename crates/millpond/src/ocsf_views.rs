//! `ocsf.<class>`: the rows of one OCSF class from all tables that hold OCSF events, so that one query serves every vendor.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use async_trait::async_trait;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{DataFusionError, TableReference};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, cast, col, ident,
};
use datafusion::prelude::{DataFrame, SessionContext, lit};
use datafusion::scalar::ScalarValue;
use millpond_core::Result;
use millpond_core::units::nearest;
use millpond_engine::session;
use millpond_ocsf::Schema;
use millpond_ocsf::conform::{conform, united_fields};

/// The schema that the views are in.
pub(crate) const OCSF: &str = "ocsf";
/// What a table of OCSF events has.
const MARKS: [&str; 3] = ["class_uid", "type_uid", "metadata"];
/// The column that says from which table a row is.
const TABLE: &str = "_table";

/// Makes the views known to a session whose tables are registered.
pub(crate) fn register(context: &SessionContext) -> Result<()> {
    let failed = |error| session::engine_error("failed to add the views of `ocsf`", error);
    let Some(catalog) = context.catalog("datafusion") else { return Ok(()) };
    catalog.register_schema(OCSF, Arc::new(Views { context: context.clone() })).map_err(failed)?;
    Ok(())
}

/// The views, each made when it is asked for.
struct Views {
    context: SessionContext,
}

impl std::fmt::Debug for Views {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Views")
    }
}

#[async_trait]
impl SchemaProvider for Views {
    fn table_names(&self) -> Vec<String> {
        // Eighty views would bury the tables in `show tables`.
        Vec::new()
    }

    fn table_exist(&self, name: &str) -> bool {
        Schema::get().class(name).is_some()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let Some(class) = Schema::get().class(name) else { return Err(no_class(name)) };
        let tables = self.tables().await?;
        if tables.is_empty() {
            return Err(DataFusionError::Plan(format!(
                "`ocsf.{name}` has no rows to show: no table of this lake holds OCSF events yet"
            )));
        }
        let is_of_class = |field: &Field| field.name().starts_with('_') || class.attributes.contains_key(field.name());
        let of_class = |fields: &Fields| fields.iter().filter(|field| is_of_class(field)).cloned().collect::<Fields>();
        let columns = tables.iter().fold(Fields::empty(), |columns, (_, table)| {
            united_fields(&columns, &of_class(table.schema().as_arrow().fields()))
        });
        let mut all: Option<DataFrame> = None;
        for (table, rows) in tables {
            let own = rows.schema().as_arrow().clone();
            let mut shown: Vec<Expr> = columns.iter().map(|column| shown(column, &own)).collect();
            shown.push(lit(table).alias(TABLE));
            let rows = rows.filter(col("class_uid").eq(lit(class.uid)))?.select(shown)?;
            all = Some(match all {
                Some(all) => all.union(rows)?,
                None => rows,
            });
        }
        Ok(all.map(DataFrame::into_view))
    }
}

impl Views {
    /// The tables of OCSF events.
    async fn tables(&self) -> Result<Vec<(String, DataFrame)>, DataFusionError> {
        let catalog = self.context.catalog("datafusion").and_then(|catalog| catalog.schema("public"));
        let mut names = catalog.map(|schema| schema.table_names()).unwrap_or_default();
        names.sort();
        let mut tables = Vec::new();
        for name in names {
            let table = self.context.table(TableReference::bare(name.as_str())).await?;
            if MARKS.iter().all(|mark| table.schema().has_column_with_unqualified_name(mark)) {
                tables.push((name, table));
            }
        }
        Ok(tables)
    }
}

fn no_class(name: &str) -> DataFusionError {
    let hint = match nearest(name, Schema::get().class_names()) {
        Some(near) => format!("did you mean `ocsf.{near}`?"),
        None => "its classes are those of schema.ocsf.io, such as `ocsf.authentication`".to_owned(),
    };
    DataFusionError::Plan(format!("`{name}` is no class of OCSF; {hint}"))
}

/// A table's column as the view has it.
fn shown(column: &Field, own: &arrow::datatypes::Schema) -> Expr {
    let name = column.name();
    match own.field_with_name(name) {
        Ok(field) if field.data_type() == column.data_type() => ident(name),
        Ok(field) if field.data_type().is_nested() => {
            let conforming = ScalarUDF::from(Conform::to(column.data_type().clone()));
            conforming.call(vec![ident(name)]).alias(name)
        }
        Ok(_) => cast(ident(name), column.data_type().clone()).alias(name),
        Err(_) => lit(ScalarValue::try_from(column.data_type()).unwrap_or(ScalarValue::Null)).alias(name),
    }
}

/// A function that brings objects to the fields of all tables.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Conform {
    to: DataType,
    signature: Signature,
}

impl Conform {
    fn to(to: DataType) -> Self {
        Self { to, signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Conform {
    fn name(&self) -> &str {
        "ocsf_conform"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        Ok(ColumnarValue::Array(conform(&arrays[0], &self.to)?))
    }
}
