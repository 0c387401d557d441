//! What is measured: the cases, and the two sides of each.

use super::Bench;
use super::corpus::{Corpus, Layout, Length, Spec};
use super::measure::{Cost, measure, rows};
use super::pond::Pond;
use super::report::Row;
use crate::cache;
use crate::error::{Error, Result};
use crate::process;

/// One thing that both sides do.
struct Case {
    what: &'static str,
    spec: Spec,
    /// The folder in `xtask/bench` with the source and the SQL of both sides.
    sql: &'static str,
    unit: Unit,
    /// millpond's jobs at a time; `None`: as many as there are cores.
    jobs: Option<usize>,
    /// What a second run of millpond over the same files is called, where that is measured too.
    again: Option<&'static str>,
}

/// What a cost is told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Decompressed megabytes for each second of processor time.
    Throughput,
    /// Files for each second that passes.
    Files,
    /// Peak resident memory in megabytes.
    Memory,
    /// Milliseconds from start to exit.
    Wall,
}

impl Unit {
    /// How the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Throughput => "decompressed MB per CPU-second",
            Self::Files => "files per second",
            Self::Memory => "MB RSS, peak",
            Self::Wall => "ms from start to exit",
        }
    }

    /// Whether less is better.
    pub(super) fn is_cost(self) -> bool {
        matches!(self, Self::Memory | Self::Wall)
    }

    fn of(self, cost: Cost, corpus: &Corpus, files: usize) -> f64 {
        match self {
            Self::Throughput => corpus.megabytes() / cost.cpu_seconds,
            Self::Files => files as f64 / cost.wall_seconds,
            Self::Memory => cost.rss_bytes / 1e6,
            Self::Wall => cost.wall_seconds * 1e3,
        }
    }
}

fn cases(is_quick: bool) -> [Case; 5] {
    let spec = |name, files, length, layout| Spec { name, files, length, layout };
    let (what, name, bytes) = match is_quick {
        true => ("CloudTrail, one 100 MB document in gzip", "document-100", 100_000_000),
        false => ("CloudTrail, one 1 GB document in gzip", "document-1000", 1_000_000_000),
    };
    let case = |what, sql, unit, spec| Case { what, spec, sql, unit, jobs: Some(1), again: None };
    [
        case(
            "CloudTrail `.json.gz` -> Parquet, 12 columns, deduplicated",
            "cloudtrail",
            Unit::Throughput,
            spec("cloudtrail", 20, Length::Records(5_000), Layout::Document),
        ),
        case(
            "NDJSON -> Parquet, 6 columns",
            "lines",
            Unit::Throughput,
            spec("lines", 20, Length::Records(5_000), Layout::Lines),
        ),
        Case {
            jobs: None,
            again: Some("the same files again, nothing new"),
            ..case(
                "1,000 files of 4 KB NDJSON, all cores",
                "lines",
                Unit::Files,
                spec("small", 1_000, Length::Records(3), Layout::Lines),
            )
        },
        case(
            "a new pond and one file of 100 KB NDJSON",
            "lines",
            Unit::Wall,
            spec("one", 1, Length::Bytes(100_000), Layout::Lines),
        ),
        case(what, "cloudtrail", Unit::Memory, spec(name, 1, Length::Bytes(bytes), Layout::Document)),
    ]
}

/// Runs every case.
///
/// # Errors
/// When a corpus cannot be generated, or millpond fails or loses rows. That DuckDB fails is a result.
pub(super) fn measure_all(bench: &Bench, is_quick: bool) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in cases(is_quick) {
        let corpus = case.spec.ensure()?;
        eprintln!("measuring: {} ({:.0} MB, {} records)", case.what, corpus.megabytes(), corpus.records);
        let tell = |cost: Cost| case.unit.of(cost, &corpus, case.spec.files);
        let (mut first, mut again) = (None, None);
        if bench.millpond.is_some() {
            let costs = case.measure_millpond(bench, &corpus)?;
            first = Some(Cost::median(costs.iter().map(|(first, _)| *first)));
            again = case.again.map(|what| (what, Cost::median(costs.iter().filter_map(|(_, again)| *again))));
        }
        let duckdb = bench.has_duckdb.then(|| case.measure_duckdb(bench, &corpus)).transpose()?;
        let row = Row {
            what: case.what,
            unit: case.unit,
            millpond: first.map(tell),
            duckdb: duckdb.map(|cost| cost.map(tell)),
        };
        eprintln!("  {row}");
        rows.push(row);
        if let Some((what, cost)) = again {
            let millpond = Some(Unit::Wall.of(cost, &corpus, case.spec.files));
            rows.push(Row { what, unit: Unit::Wall, millpond, duckdb: None });
        }
    }
    Ok(rows)
}

impl Case {
    /// The costs of each run: in a new pond and, where that is asked for, again.
    fn measure_millpond(&self, bench: &Bench, corpus: &Corpus) -> Result<Vec<(Cost, Option<Cost>)>> {
        let mut costs = Vec::new();
        for _ in 0..bench.runs {
            let pond = Pond::create(&bench.scratch.join("pond"), self.sql, self.jobs, corpus)?;
            let first = pond.run(bench)?;
            let again = self.again.map(|_| pond.run(bench)).transpose()?;
            self.check_rows("millpond", rows(bench, &pond.table())?, corpus)?;
            costs.push((first, again));
        }
        Ok(costs)
    }

    /// DuckDB's cost; `None` where it fails, which is told on standard error.
    fn measure_duckdb(&self, bench: &Bench, corpus: &Corpus) -> Result<Option<Cost>> {
        let scripts = process::root().join("xtask").join("bench");
        let (sql, out) = (scripts.join(self.sql).join("duckdb.sql"), bench.scratch.join("duckdb"));
        let command = [&bench.python, &scripts.join("duckdb_run.py"), &sql, &out, &corpus.folder];
        let mut costs = Vec::new();
        for _ in 0..bench.runs {
            cache::remove(&out)?;
            match measure(bench, command.map(|part| part.as_os_str())) {
                Ok(cost) => costs.push(cost),
                Err(error) => {
                    eprintln!("  DuckDB: {error}");
                    return Ok(None);
                }
            }
            self.check_rows("DuckDB", rows(bench, &out)?, corpus)?;
        }
        Ok(Some(Cost::median(costs.into_iter())))
    }

    fn check_rows(&self, side: &str, found: u64, corpus: &Corpus) -> Result {
        let expected = if self.sql == "cloudtrail" { corpus.distinct } else { corpus.records };
        if found == expected {
            return Ok(());
        }
        Err(Error::new(format!("{}: {side} wrote {found} rows where {expected} were expected", self.what)))
    }
}
