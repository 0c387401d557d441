//! Retro-hunt: indicators looked for in what the lake holds already.
//!
//! No SQL is planned: a file's days, the bounds in the table's log, the bounds in its footer and its bloom filters are
//! asked first, and of what is left each batch of each column is compared with all indicators at once. What is skipped
//! cannot hold an indicator in any spelling; what was skipped and read is counted, and is part of the report.

mod columns;
mod feed;
mod probe;
mod prune;
mod report;
mod scan;
mod signals;
mod table;
mod watch;

use std::sync::Arc;

use deltalake_core::DeltaTable;
use futures::StreamExt;
use millpond_core::indicator::IndicatorSet;
use millpond_core::source::{SYSTEM_TABLES, Source};
use millpond_core::{Error, Result};

pub use self::columns::Columns;
pub use self::feed::{Indicators, open};
pub use self::report::{Finding, Report, Sample, Tally};
pub(crate) use self::scan::Hit;
use self::scan::{Job, scan};
pub use self::signals::{About, hunt_and_record};
use self::table::Target;
pub use self::watch::{HuntWatch, Tell};
use crate::lake::{Lake, LakeFile, files_of};

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub struct Request {
    /// The indicators.
    pub indicators: Arc<IndicatorSet>,
    /// The tables; none named: all but those that millpond itself keeps.
    pub tables: Vec<String>,
    /// The columns of these tables.
    pub columns: Columns,
    /// Events from this time on, microseconds since 1970 in UTC. A row without a time counts by its day.
    pub since_us: Option<i64>,
    /// Events before this time.
    pub until_us: Option<i64>,
    /// Files that are looked at at the same time.
    pub files_max: usize,
}

/// Who hears of a hunt while it runs.
pub trait Hunter: Send {
    /// A file was looked at, or skipped; `report` holds what all of them came to so far, of `files` to look at.
    fn looked(&mut self, report: &Report, files: u64);
}

/// Rows that were found, for those who want each of them.
pub(crate) trait Collector: Send {
    /// Takes the rows of one file of a table.
    fn take<'a>(&'a mut self, table: &'a str, hits: Vec<Hit>) -> futures::future::BoxFuture<'a, Result<()>>;
}

/// Looks for indicators in the lake.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a table or column that does not exist,
/// [`Kind::Transient`](millpond_core::Kind::Transient) when a file cannot be read: a hunt that is not whole is none.
pub async fn hunt(lake: &Lake, sources: &[Source], request: &Request, told: &mut dyn Hunter) -> Result<Report> {
    hunt_for(lake, sources, request, told, None).await
}

/// The same; `collector` gets every row that was found.
pub(crate) async fn hunt_for(
    lake: &Lake,
    sources: &[Source],
    request: &Request,
    told: &mut dyn Hunter,
    mut collector: Option<&mut (dyn Collector + '_)>,
) -> Result<Report> {
    let targets = targets(lake, sources, request).await?;
    let files = targets.iter().map(|(_, files)| files.len() as u64).sum();
    let mut report = Report::new(&request.indicators);
    let wants_hits = collector.is_some();
    for (target, files_of_table) in targets {
        let target = Arc::new(target);
        report.begin(&target);
        let jobs = files_of_table.into_iter().map(|file| Job {
            target: Arc::clone(&target),
            indicators: Arc::clone(&request.indicators),
            store: Arc::clone(&lake.store),
            file,
            wants_hits,
        });
        let looked = futures::stream::iter(jobs).map(|job| async move {
            let looked = tokio::spawn(scan(job)).await;
            looked.unwrap_or_else(|error| Err(Error::bug("a hunt broke off").because(error)))
        });
        let mut looked = looked.buffer_unordered(request.files_max.max(1));
        while let Some(outcome) = looked.next().await {
            let outcome = outcome?;
            report.add(&target, &outcome);
            if let Some(collector) = &mut collector
                && !outcome.hits.is_empty()
            {
                collector.take(&target.table, outcome.hits).await?;
            }
            told.looked(&report, files);
        }
    }
    report.finish();
    Ok(report)
}

/// The tables that are asked, each with its files.
async fn targets(lake: &Lake, sources: &[Source], request: &Request) -> Result<Vec<(Target, Vec<LakeFile>)>> {
    let mut targets = Vec::new();
    for name in lake.named_tables(&request.tables).await? {
        if request.tables.is_empty() && SYSTEM_TABLES.contains(&name.as_str()) {
            continue;
        }
        let Some(table) = lake.table(&name).await? else { continue };
        let files = files_of(&name, &table)?;
        targets.push((Target::new(&name, &schema(&name, &table)?, sources, request), files));
    }
    let schemas = targets.iter().map(|(target, _)| target.schema());
    request.columns.check(schemas)?;
    Ok(targets)
}

fn schema(name: &str, table: &DeltaTable) -> Result<arrow::datatypes::SchemaRef> {
    crate::lake::arrow_schema(name, table)
}
