//! Erasure: the rows for which a predicate is true go from every table that has its columns.
//!
//! Only the files that hold such rows are written again, one after the other and a batch at a time; all of a table
//! changes in one commit. Old versions keep the bytes until vacuum.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DFSchema, DataFusionError, SchemaError};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionContext;
use deltalake_core::DeltaTable;
use futures::{StreamExt, TryStreamExt};
use millpond_core::{Error, Kind, Result};
use millpond_engine::encode::{DAY_COLUMN, Finish};
use millpond_engine::{session, sql};
use serde::Serialize;
use serde_json::json;

use crate::audit::{AUDIT, Entry, record};
use crate::compaction::{Layout, file_schema, verify, write_day};
use crate::lake::{Change, Lake, LakeFile, Rewrite, arrow_schema};
use crate::ledger::RECEIPTS;
use crate::put::day_number;
use crate::rewrite::{Tally, read_files};

/// Conflicts in a row before it is an error.
const CONFLICTS_MAX: u32 = 5;
/// Files that are looked through at the same time.
const FILES_MAX: usize = 8;

/// What an erasure did to one table, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// The table.
    pub table: String,
    /// A column of the predicate that the table lacks: nothing was looked at.
    pub lacks: Option<String>,
    /// Rows for which the predicate is true.
    pub rows: u64,
    /// Files that held them.
    pub files: u64,
    /// The table's version that was looked at. Rows that came later are not covered.
    pub version_before: u64,
    /// The version without these rows.
    pub version_after: u64,
}

/// Tables that an erasure looks at unless others are named: the ledger's receipts say which objects are done, and
/// without them objects that still lie in an input are processed again; the audit is what proves an erasure.
pub fn is_default(table: &str) -> bool {
    table != RECEIPTS && table != AUDIT
}

/// Erases rows from one table; with `is_dry_run` only counts them. `None`: the table does not exist.
///
/// # Errors
/// [`Kind::BadConfig`] when the predicate is none, [`Kind::Conflict`] when others replaced the same files again and
/// again, [`Kind::Transient`] when the store does not answer; in each case the table is as it was.
pub async fn erase(
    lake: &Lake,
    name: &str,
    text: &str,
    layout: &Layout,
    is_dry_run: bool,
    now_us: i64,
) -> Result<Option<Erased>> {
    let mut conflicts = 0;
    loop {
        let Some((table, files)) = lake.files(name).await? else { return Ok(None) };
        let version_before = table.version().unwrap_or_default();
        let mut done =
            Erased { table: name.to_owned(), version_before, version_after: version_before, ..Erased::default() };
        let predicate = match Predicate::parse(text, &arrow_schema(name, &table)?)? {
            Ok(predicate) => predicate,
            Err(lacks) => return Ok(Some(Erased { lacks: Some(lacks), ..done })),
        };
        let schema = file_schema(name, &table)?;
        let found = matching(lake, name, &schema, &predicate, files).await?;
        done.rows = found.iter().map(|(_, rows)| rows).sum();
        done.files = found.len() as u64;
        if is_dry_run {
            return Ok(Some(done));
        }
        match erase_from(lake, name, &table, &predicate, layout, &found).await {
            Err(error) if error.kind() == Kind::Conflict && conflicts < CONFLICTS_MAX => conflicts += 1,
            version => {
                done.version_after = version?.unwrap_or(version_before);
                prove(lake, &done, text, &found, now_us).await?;
                return Ok(Some(done));
            }
        }
    }
}

/// The files that hold rows to be erased, with their number.
async fn matching(
    lake: &Lake,
    name: &str,
    schema: &SchemaRef,
    predicate: &Predicate,
    files: Vec<LakeFile>,
) -> Result<Vec<(LakeFile, u64)>> {
    let counted = futures::stream::iter(files).map(|file| async move {
        let day = day_number(&file.day)?;
        let mut rows = read_files(lake, name, vec![file.clone()], schema);
        let mut found = 0;
        while let Some(rows) = rows.next().await {
            found += predicate.of(&rows?, day)?.true_count() as u64;
        }
        Ok::<_, Error>((file, found))
    });
    let counted: Vec<_> = counted.buffered(FILES_MAX).try_collect().await?;
    Ok(counted.into_iter().filter(|(_, found)| *found > 0).collect())
}

/// Writes the files again without the rows and commits; gives the version, if anything changed.
async fn erase_from(
    lake: &Lake,
    name: &str,
    table: &DeltaTable,
    predicate: &Predicate,
    layout: &Layout,
    found: &[(LakeFile, u64)],
) -> Result<Option<u64>> {
    if found.is_empty() {
        return Ok(None);
    }
    let schema = file_schema(name, table)?;
    let mut change = Change::default();
    for (file, erased) in found {
        let kept = without(lake, name, &schema, predicate, layout, file).await?;
        let rows: u64 = kept.iter().map(|file| file.rows).sum();
        if file.rows != rows + erased {
            let message =
                format!("`{name}/{}` holds {} rows; {erased} were to go and {rows} stay", file.path, file.rows);
            return Err(Error::bug(message).hint("nothing was changed; please report it"));
        }
        change.adds.extend(kept);
        change.removes.push(file.clone());
    }
    let rewrite = Rewrite::Delete { predicate: predicate.text.clone() };
    lake.replace(name, table, &change, &rewrite).await.map(Some)
}

/// Writes a file again without the rows for which the predicate is true: one file, or none when no row is left.
async fn without(
    lake: &Lake,
    name: &str,
    schema: &SchemaRef,
    predicate: &Predicate,
    layout: &Layout,
    file: &LakeFile,
) -> Result<Vec<LakeFile>> {
    let tally = Arc::new(std::sync::Mutex::new(Tally::default()));
    let (counted, predicate, day) = (Arc::clone(&tally), predicate.clone(), day_number(&file.day)?);
    let keep = move |rows: Result<RecordBatch>| {
        let rows = rows?;
        let kept = not(&predicate.of(&rows, day)?).and_then(|mask| filter_record_batch(&rows, &mask));
        let kept = kept.map_err(|error| Error::bug("failed to cut rows out").because(error))?;
        counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).add(&kept)?;
        Ok(kept)
    };
    let rows = read_files(lake, name, vec![file.clone()], schema).map(keep).boxed();
    let hash = blake3::hash(file.path.as_bytes()).to_hex();
    let finish = Finish::Compacted { indicators: layout.indicators.clone() };
    let files = write_day(lake, name, schema, rows, finish, (&file.day, &format!("erase-{}", &hash[..16]))).await?;
    let expected = *tally.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    verify(lake, name, schema, expected, &files).await?;
    Ok(files)
}

/// Writes down what was erased; that nothing matched is a proof, too.
async fn prove(lake: &Lake, done: &Erased, text: &str, found: &[(LakeFile, u64)], now_us: i64) -> Result<()> {
    let files: Vec<_> = found.iter().map(|(file, rows)| json!({ "path": file.path, "rows": rows })).collect();
    let entry = Entry {
        time_us: now_us,
        action: "erase".to_owned(),
        table: done.table.clone(),
        predicate: Some(text.to_owned()),
        detail: json!({ "files": files }).to_string(),
        rows: done.rows,
        files: done.files,
        bytes: found.iter().map(|(file, _)| file.bytes).sum(),
        version_before: Some(done.version_before),
        version_after: Some(done.version_after),
        ..Entry::default()
    };
    record(lake, entry).await
}

/// A condition over the rows of a table.
#[derive(Debug, Clone)]
struct Predicate {
    text: String,
    expression: Arc<dyn PhysicalExpr>,
}

impl Predicate {
    /// Plans a predicate against the columns of a table. The inner error is the column that the table lacks.
    fn parse(text: &str, schema: &SchemaRef) -> Result<Result<Self, String>> {
        let failed = |error: &DataFusionError| {
            Error::bad_config(format!("failed to read the predicate `{text}`: {}", sql::root_message(error)))
                .hint("write what stands behind `where`, such as `user = 'x'`; names are matched exactly")
        };
        let context = SessionContext::new_with_state(session::state(session::config(1, 8_192)));
        let state = context.state();
        let columns = DFSchema::try_from(schema.as_ref().clone()).map_err(|error| failed(&error))?;
        let planned = match state.create_logical_expr(text, &columns) {
            Ok(planned) => planned,
            Err(error) => match lacking(&error) {
                Some(column) => return Ok(Err(column)),
                None => return Err(failed(&error)),
            },
        };
        let expression = state.create_physical_expr(planned, &columns).map_err(|error| failed(&error))?;
        let kind = expression.data_type(schema).map_err(|error| failed(&error))?;
        if kind != DataType::Boolean {
            return Err(Error::bad_config(format!("the predicate `{text}` is {kind}, and neither true nor false")));
        }
        Ok(Ok(Self { text: text.to_owned(), expression }))
    }

    /// Of which rows it is true; where it is NULL it is not.
    fn of(&self, rows: &RecordBatch, day: i32) -> Result<BooleanArray> {
        let failed = |error: DataFusionError| {
            Error::bad_config(format!("failed to ask `{}` of a row", self.text)).because(error.strip_backtrace())
        };
        let rows = with_day(rows, day)?;
        let value = self.expression.evaluate(&rows).map_err(failed)?;
        let value: ArrayRef = match value {
            ColumnarValue::Array(array) => array,
            scalar @ ColumnarValue::Scalar(_) => scalar.into_array(rows.num_rows()).map_err(failed)?,
        };
        Ok(value.as_boolean().iter().map(|is_true| Some(is_true == Some(true))).collect())
    }
}

/// Rows with the partition that they lie in as their last column, where tables have it.
fn with_day(rows: &RecordBatch, day: i32) -> Result<RecordBatch> {
    let day: ArrayRef = Arc::new(Date32Array::from_value(day, rows.num_rows()));
    let schema = rows.schema();
    let named = schema.fields().iter().map(|field| field.name().as_str()).zip(rows.columns().iter().cloned());
    RecordBatch::try_from_iter_with_nullable(
        named.chain([(DAY_COLUMN, day)]).map(|(name, column)| (name, column, true)),
    )
    .map_err(|error| Error::bug("failed to add the day to rows").because(error))
}

/// The column that is not there, if that is what is wrong.
fn lacking(error: &DataFusionError) -> Option<String> {
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(field.name.clone()),
            _ => None,
        },
        _ => None,
    }
}
