//! Tables that the pond's SQL joins: files in `enrich/`, `[enrich.NAME]` with a file or a query over the lake, and quoted
//! locations that the pond allows.
//!
//! A table is read whole and held in memory. Parquet brings its types; in CSV and JSON every column is text unless the
//! pond declares it, so that a new row cannot change a type.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use bytes::Bytes;
use millpond_core::columns::{Column, ColumnType};
use millpond_core::config::{EnrichTable, GeoIp, PondConfig, TableRows};
use millpond_core::format::{DecodeLimits, DecodeRequest, Format};
use millpond_core::source::Source;
use millpond_core::units::format_bytes;
use millpond_core::{Error, Result};
use millpond_engine::decode::{Decoder, arrow_schema, learn};
use millpond_engine::functions::{Database, Databases};
use millpond_engine::tables::Tables;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::lake::Lake;
use crate::query::Session;
use crate::store::{Place, Stores};

/// Endings of files in `enrich/` that are tables.
const ENDINGS: [&str; 8] = [".csv", ".csv.gz", ".tsv", ".ndjson", ".ndjson.gz", ".jsonl", ".json", ".parquet"];
/// Bytes of one table, at most: it is held in memory for every job.
const TABLE_BYTES_MAX: u64 = 256 << 20;

/// Every table that a pond configures, declared or found in `enrich/`.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when `enrich/` cannot be listed.
pub fn configured(config: &PondConfig, root: &Path) -> Result<Vec<EnrichTable>> {
    let mut tables = config.enrich.clone();
    let folder = root.join("enrich");
    if !folder.is_dir() {
        return Ok(tables);
    }
    let failed = |error| Error::bad_config(format!("failed to list `{}`", folder.display())).because(error);
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    for file in names {
        let Some(name) = ENDINGS.iter().find_map(|ending| file.strip_suffix(ending)) else { continue };
        let url = format!("enrich/{file}");
        let rows = TableRows::File(url);
        let is_declared = tables.iter().any(|table| table.name == name || table.rows == rows);
        if !is_declared {
            tables.push(EnrichTable { name: name.to_owned(), rows, columns: Vec::new(), refresh_ms: None });
        }
    }
    Ok(tables)
}

/// Reads the configured tables and the quoted locations that some SQL names; what cannot be read, or may not be, is
/// returned by name with the error.
pub async fn load(
    config: &PondConfig,
    root: &Path,
    sources: &[Source],
    locations: &BTreeSet<String>,
) -> (Tables, Vec<(String, Error)>) {
    let (mut tables, mut failures) = (Tables::default(), Vec::new());
    let mut wanted = match configured(config, root) {
        Ok(configured) => configured,
        Err(error) => return (tables, vec![("enrich".to_owned(), error)]),
    };
    for location in locations {
        match config.allow.check(location) {
            Ok(()) => wanted.push(at_location(location)),
            Err(error) => failures.push((location.clone(), error)),
        }
    }
    for table in wanted {
        let read = match &table.rows {
            TableRows::File(url) => read(url, root, &table.columns).await,
            TableRows::Query(query) => query_rows(query, &table.columns, config, root, sources).await,
        };
        let read = read.map_err(|error| in_table(&table.name, error));
        let added = read.and_then(|(schema, batches)| tables.add(&table.name, schema, batches));
        failures.extend(added.err().map(|error| (table.name, error)));
    }
    match databases(&config.geoip, root).await {
        Ok(databases) => tables.databases = Arc::new(databases),
        Err(error) => failures.push(("geoip".to_owned(), error)),
    }
    (tables, failures)
}

/// The databases of addresses that a pond names.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for one that cannot be read.
pub async fn databases(config: &GeoIp, root: &Path) -> Result<Databases> {
    let mut files = [None, None];
    for (file, url) in files.iter_mut().zip([&config.city, &config.asn]) {
        let Some(url) = url else { continue };
        let failed =
            |error| Error::bad_config(format!("failed to read the database `{url}` of `[geoip]`")).because(error);
        let bytes = fetch(url, root).await.map_err(failed)?;
        *file = Some(Database::open(bytes).map_err(failed)?);
    }
    let [city, asn] = files;
    Ok(Databases { city, asn })
}

/// The table that a quoted location is.
fn at_location(location: &str) -> EnrichTable {
    let rows = TableRows::File(location.to_owned());
    EnrichTable { name: location.to_owned(), rows, columns: Vec::new(), refresh_ms: None }
}

/// What a query over the lake gives, in the declared columns. As long as the lake lacks a table of it that a source will
/// write, that is nothing.
async fn query_rows(
    query: &str,
    columns: &[Column],
    config: &PondConfig,
    root: &Path,
    sources: &[Source],
) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let schema = arrow_schema(columns, &[]);
    let lake = Lake::open(&Stores::default(), &config.lake, root)?;
    let session = Session::new(Some(&lake), root).await?;
    if session.lacks_table_of(query, sources)? {
        return Ok((schema, Vec::new()));
    }
    let (given, batches) = session.collect(query).await?;
    let column = |name: &String, batch: &RecordBatch, kind: &DataType| {
        let column = batch.column_by_name(name).ok_or_else(|| {
            let given = given.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
            Error::bad_config(format!("its query gives no column `{name}`")).hint(format!("it gives {given}"))
        })?;
        cast(column, kind).map_err(|error| {
            Error::bad_config(format!("column `{name}` of its query is {} and no {kind}", column.data_type()))
                .because(error)
        })
    };
    let conformed = batches.iter().map(|batch| {
        let columns = schema.fields().iter().map(|field| column(field.name(), batch, field.data_type()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(SchemaRef::clone(&schema), columns)
            .map_err(|error| Error::bad_config("its query gives other columns than are declared").because(error))
    });
    let batches = conformed.collect::<Result<Vec<_>>>()?;
    let bytes: usize = batches.iter().map(RecordBatch::get_array_memory_size).sum();
    if bytes as u64 > TABLE_BYTES_MAX {
        return Err(Error::too_big(format!("its query gives {}", format_bytes(bytes as u64)))
            .hint(format!("a table may take {}: give fewer columns or rows", format_bytes(TABLE_BYTES_MAX))));
    }
    Ok((schema, batches))
}

fn in_table(name: &str, error: Error) -> Error {
    Error::bad_config(format!("failed to read table `{name}`")).because(error)
}

/// Reads one table: a path relative to `root` or a URL.
async fn read(url: &str, root: &Path, declared: &[Column]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let bytes = fetch(url, root).await?;
    if bytes.starts_with(b"PAR1") { read_parquet(bytes) } else { read_text(url, &bytes, declared) }
}

/// The bytes of what is held in memory.
async fn fetch(url: &str, root: &Path) -> Result<Bytes> {
    let stores = Stores::default();
    let place = Place::open(&stores, url, root)?;
    let mut objects = place.objects().await?;
    let object = futures::StreamExt::next(&mut objects).await.transpose()?;
    let object = object.ok_or_else(|| Error::bad_input(format!("nothing at `{url}`")))?;
    if object.size_bytes > TABLE_BYTES_MAX {
        let error = Error::too_big(format!("`{url}` has {} bytes, more than {TABLE_BYTES_MAX}", object.size_bytes));
        return Err(error.hint("tables are held in memory by every worker: keep the columns and rows that you join"));
    }
    let failed = |error| Error::transient(format!("failed to fetch `{url}`")).because(error);
    let (store, path) = stores.locate(&object.uri)?;
    store.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)
}

fn read_parquet(bytes: Bytes) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let failed = |error: &dyn std::fmt::Display| Error::bad_input(format!("not readable as Parquet: {error}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| failed(&error))?;
    let schema = Arc::clone(builder.schema());
    let reader = builder.build().map_err(|error| failed(&error))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error))?;
    Ok((schema, batches))
}

fn read_text(name: &str, bytes: &Bytes, declared: &[Column]) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let limits = DecodeLimits::default();
    let learned = learn::learn(vec![(name.to_owned(), reader(bytes))], limits)?;
    let declared_kind =
        |name: &str| declared.iter().find(|column| column.name == name).map(|column| column.kind.clone());
    let columns = learned.columns.into_iter().map(|column| {
        let kind = declared_kind(&column.name).unwrap_or(ColumnType::Text);
        Column { name: column.name, kind }
    });
    decode(name, bytes, learned.format, columns.collect())
}

fn reader(bytes: &Bytes) -> Box<dyn std::io::Read + Send> {
    Box::new(std::io::Cursor::new(bytes.clone()))
}

fn decode(name: &str, bytes: &Bytes, format: Format, columns: Vec<Column>) -> Result<(SchemaRef, Vec<RecordBatch>)> {
    let request = DecodeRequest::new(format, columns, name);
    let mut decoder = Decoder::open(reader(bytes), request)?;
    let mut batches = Vec::new();
    while let Some(batch) = decoder.next_batch()? {
        batches.push(batch);
    }
    match decoder.take_rejects().first() {
        Some(reject) => Err(Error::bad_input(format!("a row cannot be read: {} ({})", reject.detail, reject.reason))),
        None => Ok((decoder.schema(), batches)),
    }
}
