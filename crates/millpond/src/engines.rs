//! The engines of a pond: which there are, whether they work, how fast they start, and whether they agree.

mod diff;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::Int64Type;
use millpond_core::config::Problems;
use millpond_core::plan::{Engine as Kind, plan};
use millpond_core::source::{Source, SourceFiles, Sql};
use millpond_core::{Error, Result};
use millpond_engine::decode::Reject;
use millpond_engine::engine::Engines;
use millpond_engine::prepare::{Prepared, prepare};
use millpond_engine::rules::RuleMatch;
use millpond_engine::run::{InputFile, Sink, run};
use millpond_engine::tables::Tables;
use serde::Serialize;

pub use diff::{Comparison, Difference, Outcome, diff};

/// What is known of one engine.
#[derive(Debug, Clone, Serialize)]
pub struct EngineReport {
    /// Its name in `source.toml`.
    pub engine: &'static str,
    /// Whether jobs can run on it.
    pub works: bool,
    /// What it calls its version.
    pub version: Option<String>,
    /// Its shared library; `None`: it is compiled in, or was not found.
    pub library: Option<String>,
    /// Time to open the library: once for each process.
    pub load_ms: Option<f64>,
    /// Time to plan a small transform, a database of its own included.
    pub plan_ms: Option<f64>,
    /// Time of a job over a file of one row, the best of [`TRIES`].
    pub job_ms: Option<f64>,
    /// Sources that run on it.
    pub sources: Vec<String>,
    /// Why it does not work.
    pub error: Option<String>,
    /// What helps.
    pub hint: Option<String>,
}

/// How often the small job runs.
const TRIES: usize = 5;
/// The memory of the small job.
const MEMORY_BYTES: u64 = 256 << 20;

/// Loads every engine, runs a small job on each and looks at what came out. `sources` say which engine they use.
pub async fn check(engines: &Engines, sources: &[Source]) -> Vec<EngineReport> {
    let mut reports = Vec::new();
    for (name, kind) in Kind::NAMES {
        let used_by = sources.iter().filter(|source| source.engine() == kind).map(|source| source.name.clone());
        let mut report = EngineReport {
            engine: name,
            works: false,
            version: None,
            library: None,
            load_ms: None,
            plan_ms: None,
            job_ms: None,
            sources: used_by.collect(),
            error: None,
            hint: None,
        };
        match check_one(engines, kind, &mut report).await {
            Ok(()) => report.works = true,
            Err(error) => {
                report.hint = error.hint_text().map(str::to_owned);
                report.error = Some(error.chain());
            }
        }
        reports.push(report);
    }
    reports
}

async fn check_one(engines: &Engines, kind: Kind, report: &mut EngineReport) -> Result<()> {
    if kind == Kind::DataFusion {
        report.version = Some(datafusion::DATAFUSION_VERSION.to_owned());
    } else {
        let engine = engines.adbc(kind)?;
        report.library = Some(engine.loaded().path.display().to_string());
        report.load_ms = Some(ms(engine.loaded().time));
        report.version = Some(engine.version()?);
    }
    let started = Instant::now();
    let prepared = small_source(engines, kind).await?;
    report.plan_ms = Some(ms(started.elapsed()));
    let mut best = Duration::MAX;
    for _ in 0..TRIES {
        let started = Instant::now();
        run_small(&prepared).await?;
        best = best.min(started.elapsed());
    }
    report.job_ms = Some(ms(best));
    Ok(())
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}

/// A source of one column, planned.
async fn small_source(engines: &Engines, kind: Kind) -> Result<Prepared> {
    let sql = |file: &str, text: &str| Sql { file: file.to_owned(), text: text.to_owned() };
    let files = SourceFiles {
        name: "check".to_owned(),
        config: sql("source.toml", "format = 'json'\n[columns]\nid = 'int'\n"),
        transform: Some(sql("transform.sql", "select id + 1 as next from input")),
        dialects: Vec::new(),
        signals: Vec::new(),
    };
    let mut problems = Problems::default();
    let source = Source::parse(&files, &mut problems);
    let engine = engines.get(kind)?;
    let prepared = match source {
        Some(source) => prepare(&Arc::new(source), &engine, &Tables::default(), &mut problems).await,
        None => None,
    };
    problems.into_result()?;
    prepared.ok_or_else(|| Error::bug("the source that checks an engine was not planned"))
}

async fn run_small(prepared: &Prepared) -> Result<()> {
    let bytes = Box::new(std::io::Cursor::new(b"{\"id\":41}\n"));
    let mut next = Next(Vec::new());
    let input = InputFile { name: "check", modified_us: 0, bytes };
    let finished = run(prepared, &plan(&prepared.source, MEMORY_BYTES), input, &mut next).await?;
    finished.check_balance()?;
    if next.0 == [42] {
        return Ok(());
    }
    let name = prepared.engine().kind().name();
    Err(Error::bad_config(format!("`{name}` gave {:?} for a row that should give 42", next.0))
        .hint("it is broken, or no version that millpond knows"))
}

/// The values of the one column.
struct Next(Vec<i64>);

impl Sink for Next {
    fn output(&mut self, batch: RecordBatch) -> Result<()> {
        use arrow::array::AsArray;
        if let Some(column) = batch.column(0).as_primitive_opt::<Int64Type>() {
            self.0.extend(column.values());
        }
        Ok(())
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
