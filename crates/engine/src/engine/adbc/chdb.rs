//! chDB: ClickHouse in this process. It has one server for all, in which each job has a database of its own, in memory.

mod guard;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use adbc_core::error::Error as AdbcError;
use adbc_core::{Connection as _, Database as _, Statement as _};
use arrow::array::AsArray;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::sql::sqlparser::dialect::{ClickHouseDialect, Dialect as ParserDialect};
use millpond_core::plan::Engine as Kind;
use millpond_core::{Error, Result};

use super::dialect::{Dialect, Meaning, named_after, no_type};
use super::library::Library;
use super::session::{Cleanup, Session, quoted};
use crate::engine::Support;
use crate::limits::Limits;

/// What the databases of this process are called, with a number.
const DATABASE: &str = "millpond_";
/// Tells the databases of this process apart.
static NEXT: AtomicU64 = AtomicU64::new(1);

#[derive(Debug)]
pub(super) struct ChDb;

impl Dialect for ChDb {
    fn kind(&self) -> Kind {
        Kind::ChDb
    }

    fn support(&self) -> Support {
        Support {
            streams: false,
            counts_operators: false,
            exact_names: true,
            null_lists: false,
            keeps_order: false,
            spills: false,
            own_memory: true,
        }
    }

    fn entrypoint(&self) -> &'static str {
        "chdb_adbc_init"
    }

    fn open(&'static self, library: &Library, limits: &Limits) -> Result<Session> {
        let failed = |error: AdbcError| Error::transient("failed to open a `chdb` session").because(error.message);
        let database = library.shared_database().map_err(failed)?;
        let connection = database.new_connection().map_err(failed)?;
        let name = format!("{DATABASE}{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let cleanup = {
            let (database, name) = (database.clone(), name.clone());
            // The session's own connection can only read by then. A database that stays costs memory and no rows.
            Cleanup(Some(Box::new(move || drop(drop_database(&database, &name)))))
        };
        let mut session = Session::new(self, connection, database, Some(cleanup), None);
        session.default_schema = Some(name.clone());
        for statement in [
            format!("create database {name} engine = Memory"),
            format!("use {name}"),
            "create function if not exists regexp_like as (text, pattern) -> cast(match(text, pattern), \
             'Nullable(Bool)')"
                .to_owned(),
            "create function if not exists md5 as (text) -> lower(hex(MD5(text)))".to_owned(),
            format!(
                "set max_threads = {}, max_block_size = {}, max_memory_usage = {}, cast_keep_nullable = 1, \
                 join_use_nulls = 1, aggregate_functions_null_for_empty = 1, session_timezone = 'UTC', \
                 union_default_mode = 'DISTINCT', prefer_column_name_to_alias = 1",
                limits.threads,
                limits.batch_rows,
                limits.memory_bytes / 2,
            ),
        ] {
            session.set_up(&statement)?;
        }
        Ok(session)
    }

    fn create_table(&self, name: &str, schema: &SchemaRef) -> Result<String> {
        let columns = schema
            .fields()
            .iter()
            .map(|field| Ok(format!("{} {}", quoted(field.name()), nullable(field.name(), field.data_type())?)));
        let columns = columns.collect::<Result<Vec<_>>>()?.join(", ");
        Ok(format!("create table {} ({columns}) engine = Memory", quoted(name)))
    }

    fn check(&self, session: &mut Session, query: &str, tables: &[String]) -> Result<()> {
        // What does not parse is told by planning, with the column that it may miss.
        let Ok(rows) = session.rows(&format!("explain ast select * from (\n{query}\n)")) else { return Ok(()) };
        let lines: Vec<String> = rows
            .iter()
            .filter_map(|batch| batch.column(0).as_string_opt::<i32>())
            .flat_map(|column| column.iter().flatten().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        guard::check(&lines, tables)
    }

    fn lock(&self, session: &mut Session) -> Result<()> {
        session.set_up("set readonly = 1")
    }

    /// What Arrow gets of a type without a counterpart is a bare number, so columns are brought to types that have one.
    fn shaped(&self, session: &mut Session, query: &str) -> Result<String, AdbcError> {
        let whole = format!("select * from (\n{query}\n)");
        let mut columns = Vec::new();
        let mut is_plain = true;
        for batch in session.rows(&format!("describe ({whole})"))? {
            let (names, kinds) = (batch.column(0).as_string::<i32>(), batch.column(1).as_string::<i32>());
            for (name, kind) in names.iter().flatten().zip(kinds.iter().flatten()) {
                let name = quoted(name);
                is_plain &= shared_type(kind).is_none();
                columns.push(match shared_type(kind) {
                    Some(shape) => format!("{} as {name}", shape.replace("{}", &name)),
                    None => name,
                });
            }
        }
        Ok(if is_plain { whole } else { format!("select {} from (\n{query}\n)", columns.join(", ")) })
    }

    /// The tables of a session in memory are in no query's account.
    fn table_bytes_max(&self, limits: &Limits) -> Option<u64> {
        Some(limits.memory_bytes / 2)
    }

    fn aggregates(&self) -> &'static str {
        "select name from system.functions where is_aggregate"
    }

    fn parser(&self) -> Box<dyn ParserDialect> {
        Box::new(ClickHouseDialect {})
    }

    fn excludes(&self) -> bool {
        false
    }

    fn meaning(&self, error: &AdbcError) -> Meaning {
        let message = error.message.as_str();
        let is = |name: &str| message.contains(name);
        match () {
            () if is("MEMORY_LIMIT_EXCEEDED") || is("TIMEOUT_EXCEEDED") || is("TOO_MANY_") => Meaning::TooBig,
            () if is("QUERY_WAS_CANCELLED") => Meaning::Stopped,
            () if is("(READONLY)") || is("(ACCESS_DENIED)") => Meaning::Forbidden,
            () => Meaning::Wrong,
        }
    }

    fn missing(&self, message: &str, query: &str, aliases: &BTreeSet<String>) -> Option<String> {
        let unknown = ["Unknown expression identifier ", "Unknown expression or function identifier "];
        if let Some(name) = unknown.iter().find_map(|before| named_after(message, before, '`')) {
            return missing_path(&name, query, aliases);
        }
        let path = named_after(message, "Identifier ", '\'')?;
        let (alias, name) = path.split_once('.')?;
        aliases.contains(alias).then(|| name.to_owned())
    }

    fn line(&self, message: &str) -> Option<usize> {
        let (_, rest) = message.split_once("(line ")?;
        rest.split(',').next()?.trim().parse().ok()
    }
}

/// The column that an unknown name stands for; a path into an object is none, unless it is quoted as one name.
fn missing_path(name: &str, query: &str, aliases: &BTreeSet<String>) -> Option<String> {
    let Some((first, rest)) = name.split_once('.') else { return Some(name.to_owned()) };
    if aliases.contains(first) {
        return Some(rest.to_owned());
    }
    let is_quoted = query.contains(&format!("\"{name}\"")) || query.contains(&format!("`{name}`"));
    is_quoted.then(|| name.to_owned())
}

fn drop_database(database: &adbc_driver_manager::ManagedDatabase, name: &str) -> Result<(), AdbcError> {
    let mut connection = database.new_connection()?;
    let mut statement = connection.new_statement()?;
    statement.set_sql_query(format!("drop database if exists {name} sync"))?;
    statement.execute().map(drop)
}

/// What brings a column of a type to one that Arrow and the other engines have; `{}` is the column.
fn shared_type(kind: &str) -> Option<&'static str> {
    let inner = |wrapper: &str| kind.strip_prefix(wrapper).and_then(|rest| rest.strip_suffix(')'));
    let kind = inner("LowCardinality(").unwrap_or(kind);
    let kind = kind.strip_prefix("Nullable(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(kind);
    let starts = |names: &[&str]| names.iter().any(|name| kind.starts_with(name));
    match kind {
        // A whole number that SQL computes has 64 bits on the other engines.
        "UInt8" | "UInt16" | "UInt32" | "UInt64" | "Int128" | "UInt128" | "Int256" | "UInt256" => Some("toInt64({})"),
        "Date" => Some("toDate32({})"),
        "Nothing" => Some("cast({} as Nullable(String))"),
        _ if starts(&["DateTime64"]) => Some("toDateTime64({}, 6, 'UTC')"),
        _ if starts(&["DateTime"]) => Some("toDateTime64({}, 6, 'UTC')"),
        _ if starts(&["UUID", "IPv4", "IPv6", "Enum", "FixedString"]) => Some("toString({})"),
        _ => None,
    }
}

/// A type that can be NULL, as far as there is one: lists, maps and objects cannot.
fn nullable(column: &str, kind: &DataType) -> Result<String> {
    let plain = |name: &str| Ok(format!("Nullable({name})"));
    match kind {
        DataType::Boolean => plain("Bool"),
        DataType::Int8 => plain("Int8"),
        DataType::Int16 => plain("Int16"),
        DataType::Int32 => plain("Int32"),
        DataType::Int64 => plain("Int64"),
        DataType::Float32 => plain("Float32"),
        DataType::Float64 => plain("Float64"),
        DataType::Utf8 | DataType::Binary => plain("String"),
        DataType::Date32 => plain("Date32"),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => plain("DateTime64(6, 'UTC')"),
        DataType::Decimal128(precision, scale) => plain(&format!("Decimal({precision}, {scale})")),
        DataType::List(item) => Ok(format!("Array({})", nullable(column, item.data_type())?)),
        DataType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|field| Ok(format!("{} {}", quoted(field.name()), nullable(column, field.data_type())?)));
            Ok(format!("Tuple({})", fields.collect::<Result<Vec<_>>>()?.join(", ")))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 && pair[0].data_type() == &DataType::Utf8 => {
                Ok(format!("Map(String, {})", nullable(column, pair[1].data_type())?))
            }
            _ => Err(no_type("chdb", column, kind)),
        },
        _ => Err(no_type("chdb", column, kind)),
    }
}
