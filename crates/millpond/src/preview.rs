//! Preview: a file through the shipped pack that it is of, without a pond. Rows go to the caller, and nothing is written.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use millpond_core::config::Problems;
use millpond_core::event::Object;
use millpond_core::plan::{Engine as EngineKind, plan};
use millpond_core::{Error, Result};
use millpond_engine::decode::Reject;
use millpond_engine::encode::{lake_schema, to_lake};
use millpond_engine::engine::Engines;
use millpond_engine::prepare::{Prepared, prepare};
use millpond_engine::rules::RuleMatch;
use millpond_engine::run::{Finished, InputFile, Sink, run};
use millpond_engine::tables::Tables;

use crate::packs;
use crate::pipeline::open_object;
use crate::recognize::{Candidates, Verdict};
use crate::store::{Place, Stores};

/// Memory of a preview's job.
const MEMORY_BYTES: u64 = 256 << 20;

/// What is done with rows of the table.
pub type Rows<'a> = dyn FnMut(RecordBatch) -> Result<()> + 'a;

/// The objects that `files` name, relative to `folder`: files, folders or URLs.
///
/// # Errors
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) for one that is not there.
pub async fn objects(stores: &Stores, files: &[String], folder: &Path) -> Result<Vec<Object>> {
    let mut found = Vec::new();
    for file in files {
        let objects = Place::open(stores, file, folder)?.objects().await?;
        found.extend(objects.try_collect::<Vec<_>>().await?);
    }
    Ok(found)
}

/// Says what an object is.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when its store does not answer.
pub async fn recognise(candidates: &Candidates, stores: &Stores, object: &Object) -> Result<Verdict> {
    Ok(candidates.recognise(read(stores, object).await?, &object.uri))
}

/// A shipped pack with its planned SQL.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a pack that is wrong or does not exist.
pub async fn prepare_pack(name: &str) -> Result<Prepared> {
    let mut problems = Problems::default();
    let engine = Engines::new(Path::new("."), &[]).get(EngineKind::DataFusion)?;
    let prepared = match packs::source(name, &mut problems)? {
        Some(source) => prepare(&Arc::new(source), &engine, &Tables::default(), &mut problems).await,
        None => None,
    };
    problems.into_result()?;
    prepared.ok_or_else(|| Error::bug(format!("pack `{name}` without problems was not planned")))
}

/// Runs a pack over an object. What its table would hold goes to `rows`; the balance holds.
///
/// # Errors
/// Whatever ends a job, and what `rows` fails with.
pub async fn preview(pack: &Prepared, stores: &Stores, object: &Object, rows: &mut Rows<'_>) -> Result<Finished> {
    let input = InputFile { name: &object.uri, modified_us: object.modified_us, bytes: read(stores, object).await? };
    let mut sink = Passed { schema: lake_schema(&pack.output_schema), rows };
    let finished = run(pack, &plan(&pack.source, MEMORY_BYTES), input, &mut sink).await?;
    finished.check_balance()?;
    Ok(finished)
}

async fn read(stores: &Stores, object: &Object) -> Result<Box<dyn std::io::Read + Send>> {
    let (store, path) = stores.locate(&object.uri)?;
    let opened = open_object(&tokio::runtime::Handle::current(), store, path).await;
    opened
        .map(|(_, reader)| reader)
        .map_err(|error| Error::transient(format!("failed to read `{}`", object.uri)).because(error))
}

/// Hands on rows and leaves the rest to the balance.
struct Passed<'a, 'r> {
    schema: SchemaRef,
    rows: &'a mut Rows<'r>,
}

impl Sink for Passed<'_, '_> {
    fn output(&mut self, batch: RecordBatch) -> Result<()> {
        (self.rows)(to_lake(&batch, &self.schema)?)
    }

    fn signal(&mut self, _: usize, _: RecordBatch) -> Result<()> {
        Ok(())
    }

    fn matches(&mut self, _: Vec<RuleMatch>) -> Result<()> {
        Ok(())
    }

    fn reject(&mut self, _: Reject) -> Result<()> {
        Ok(())
    }
}
