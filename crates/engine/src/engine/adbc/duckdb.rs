//! DuckDB: a database in memory for each job, which spills into a folder of its own.

use std::collections::BTreeSet;

use adbc_core::Database as _;
use adbc_core::error::Error as AdbcError;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::sql::sqlparser::dialect::{Dialect as ParserDialect, DuckDbDialect};
use millpond_core::plan::Engine as Kind;
use millpond_core::{Error, Result};

use super::dialect::{Dialect, Meaning, named_after};
use super::library::Library;
use super::session::{Session, quoted};
use crate::engine::Support;
use crate::limits::Limits;

#[derive(Debug)]
pub(super) struct DuckDb;

impl Dialect for DuckDb {
    fn kind(&self) -> Kind {
        Kind::DuckDb
    }

    fn support(&self) -> Support {
        Support {
            streams: false,
            counts_operators: false,
            exact_names: false,
            null_lists: true,
            keeps_order: false,
            spills: true,
            own_memory: true,
        }
    }

    fn entrypoint(&self) -> &'static str {
        "duckdb_adbc_init"
    }

    fn open(&'static self, library: &Library, limits: &Limits) -> Result<Session> {
        let failed = |error: AdbcError| Error::transient("failed to open a `duckdb` database").because(error.message);
        let folder = tempfile::Builder::new().prefix("millpond-duckdb-").tempdir();
        let folder = folder.map_err(|error| Error::transient("failed to make a temporary folder").because(error))?;
        let database = library.database().map_err(failed)?;
        let connection = database.new_connection().map_err(failed)?;
        let spill = folder.path().display().to_string().replace('\'', "''");
        let mut session = Session::new(self, connection, database, None, Some(folder));
        for statement in [
            format!("set threads = {}", limits.threads),
            format!("set memory_limit = '{}KiB'", limits.memory_bytes >> 10),
            format!("set temp_directory = '{spill}'"),
            format!("set max_temp_directory_size = '{}KiB'", limits.spill_bytes >> 10),
            "set TimeZone = 'UTC'".to_owned(),
            "set autoinstall_known_extensions = false".to_owned(),
            "set autoload_known_extensions = false".to_owned(),
            "set allow_community_extensions = false".to_owned(),
            "create macro regexp_like(text, pattern) as regexp_matches(text, pattern)".to_owned(),
            "set enable_external_access = false".to_owned(),
            "set lock_configuration = true".to_owned(),
        ] {
            session.set_up(&statement)?;
        }
        Ok(session)
    }

    fn create_table(&self, name: &str, schema: &SchemaRef) -> Result<String> {
        let mut columns = Vec::with_capacity(schema.fields().len());
        let mut seen = BTreeSet::new();
        for field in schema.fields() {
            if !seen.insert(field.name().to_lowercase()) {
                return Err(Error::bad_config(format!(
                    "`duckdb` cannot tell column `{}` from another that is written with other letters, small or capital",
                    field.name()
                ))
                .hint("leave one of them out of `[columns]`, or run the source on `datafusion`"));
            }
            columns.push(format!("{} {}", quoted(field.name()), type_name(field.name(), field.data_type())?));
        }
        Ok(format!("create table {} ({})", quoted(name), columns.join(", ")))
    }

    /// Its own settings do.
    fn check(&self, _: &mut Session, _: &str, _: &[String]) -> Result<()> {
        Ok(())
    }

    fn lock(&self, _: &mut Session) -> Result<()> {
        Ok(())
    }

    fn shaped(&self, session: &mut Session, query: &str) -> Result<String, AdbcError> {
        let whole = format!("select * from (\n{query}\n)");
        let schema = session.schema(&whole)?;
        check_names(&schema, &session.schema(query)?)?;
        // `sum` of whole numbers is a number of 128 bits here, and one of 64 on the other engines.
        let is_wide = |kind: &DataType| matches!(kind, DataType::Decimal128(38, 0));
        let described = if schema.fields().iter().any(|field| is_wide(field.data_type())) {
            session.rows(&format!("describe {whole}"))?
        } else {
            return Ok(whole);
        };
        let wide = named_columns(&described, "HUGEINT");
        if wide.is_empty() {
            return Ok(whole);
        }
        let casts: Vec<String> = wide.iter().map(|name| format!("cast({0} as bigint) as {0}", quoted(name))).collect();
        Ok(format!("select * replace ({}) from (\n{query}\n)", casts.join(", ")))
    }

    fn table_bytes_max(&self, _: &Limits) -> Option<u64> {
        None
    }

    fn aggregates(&self) -> &'static str {
        "select distinct function_name from duckdb_functions() where function_type = 'aggregate'"
    }

    fn parser(&self) -> Box<dyn ParserDialect> {
        Box::new(DuckDbDialect {})
    }

    fn excludes(&self) -> bool {
        true
    }

    fn meaning(&self, error: &AdbcError) -> Meaning {
        let message = error.message.as_str();
        match message {
            _ if message.contains("Out of Memory Error") => Meaning::TooBig,
            _ if message.contains("INTERRUPT Error") || message.contains("Interrupted") => Meaning::Stopped,
            _ if message.contains("Permission Error") || message.contains("configuration has been locked") => {
                Meaning::Forbidden
            }
            _ => Meaning::Wrong,
        }
    }

    fn missing(&self, message: &str, _: &str, aliases: &BTreeSet<String>) -> Option<String> {
        if let Some((_, rest)) = message.split_once("Referenced column ") {
            let (name, _) = rest.split_once(" not found in FROM clause")?;
            return Some(name.trim_matches('"').to_owned());
        }
        let table = named_after(message, "Table ", '"')?;
        let is_input = aliases.iter().any(|alias| alias.eq_ignore_ascii_case(&table));
        named_after(message, "does not have a column named ", '"').filter(|_| is_input)
    }

    fn line(&self, message: &str) -> Option<usize> {
        let (_, rest) = message.rsplit_once("LINE ")?;
        rest.split(':').next()?.parse().ok()
    }
}

/// A column that has the name of another gets a new one as part of the whole query: nobody would find it in the table.
fn check_names(given: &SchemaRef, written: &SchemaRef) -> Result<(), AdbcError> {
    let renamed = written.fields().iter().zip(given.fields()).find(|(written, given)| written.name() != given.name());
    let Some((written, _)) = renamed else { return Ok(()) };
    let message = format!("the transform gives column `{}` twice, upper and lower case being alike", written.name());
    Err(AdbcError::with_message_and_status(message, adbc_core::error::Status::InvalidArguments))
}

/// The names of the columns of a type, as `describe` tells them.
fn named_columns(described: &[arrow::array::RecordBatch], kind: &str) -> Vec<String> {
    use arrow::array::AsArray;
    let mut names = Vec::new();
    for batch in described {
        let (name, kinds) = (batch.column(0).as_string_opt::<i32>(), batch.column(1).as_string_opt::<i32>());
        for (name, of) in name.into_iter().flatten().zip(kinds.into_iter().flatten()) {
            if of == Some(kind) {
                names.extend(name.map(str::to_owned));
            }
        }
    }
    names
}

/// A type of Arrow in its SQL.
fn type_name(column: &str, kind: &DataType) -> Result<String> {
    Ok(match kind {
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 => "smallint".to_owned(),
        DataType::Int32 => "integer".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Utf8 => "varchar".to_owned(),
        DataType::Binary => "blob".to_owned(),
        DataType::Date32 => "date".to_owned(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => "timestamp with time zone".to_owned(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision}, {scale})"),
        DataType::List(item) => format!("{}[]", type_name(column, item.data_type())?),
        DataType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|field| Ok(format!("{} {}", quoted(field.name()), type_name(column, field.data_type())?)));
            format!("struct({})", fields.collect::<Result<Vec<_>>>()?.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let (key, value) = (type_name(column, pair[0].data_type())?, type_name(column, pair[1].data_type())?);
                format!("map({key}, {value})")
            }
            _ => return Err(super::dialect::no_type("duckdb", column, kind)),
        },
        _ => return Err(super::dialect::no_type("duckdb", column, kind)),
    })
}
