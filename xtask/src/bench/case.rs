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
    /// What the row is called in which DuckDB runs the faster `duckdb-fast.sql`, where there is one.
    faster: Option<&'static str>,
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

fn cases(is_quick: bool) -> [Case; 6] {
    let spec = |name, files, length, layout| Spec { name, files, length, layout };
    let (what, name, bytes) = if is_quick {
        ("one 100 MB document in gzip, 6 columns", "document-100", 100_000_000)
    } else {
        ("one 1 GB document in gzip, 6 columns", "document-1000", 1_000_000_000)
    };
    let document = spec(name, 1, Length::Bytes(bytes), Layout::Document);
    let case = |what, sql, unit, spec| Case { what, spec, sql, unit, jobs: Some(1), again: None, faster: None };
    [
        Case {
            faster: Some("the same, in the fastest SQL found for DuckDB"),
            ..case(
                "CloudTrail `.json.gz` -> Parquet, 12 columns, deduplicated",
                "cloudtrail",
                Unit::Throughput,
                spec("cloudtrail", 20, Length::Records(5_000), Layout::Document),
            )
        },
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
        case(what, "document", Unit::Memory, document),
        case("the same document, 12 columns, deduplicated", "cloudtrail", Unit::Memory, document),
    ]
}

/// Runs every case.
///
/// # Errors
/// When a corpus cannot be generated, or a side loses rows, or millpond fails. That DuckDB fails is a result.
pub(super) fn measure_all(bench: &Bench, is_quick: bool) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in cases(is_quick) {
        let corpus = case.spec.ensure()?;
        eprintln!("measuring: {} ({:.0} MB, {} records)", case.what, corpus.megabytes(), corpus.records);
        let measured = case.measure(bench, &corpus)?;
        measured.iter().for_each(|row| eprintln!("  {row}"));
        rows.extend(measured);
    }
    Ok(rows)
}

impl Case {
    /// The case's rows: one, and those for a second run and for a faster DuckDB.
    fn measure(&self, bench: &Bench, corpus: &Corpus) -> Result<Vec<Row>> {
        let tell = |cost: Cost| self.unit.of(cost, corpus, self.spec.files);
        let duckdb = |sql| bench.has_duckdb.then(|| self.measure_duckdb(bench, sql, corpus)).transpose();
        let costs = if bench.millpond.is_some() { self.measure_millpond(bench, corpus)? } else { Vec::new() };
        let millpond = Cost::median(costs.iter().map(|(first, _)| *first)).map(tell);
        let plain = duckdb("duckdb.sql")?.map(|cost| cost.map(tell));
        let mut rows = vec![Row { what: self.what, unit: self.unit, millpond, duckdb: plain }];
        if let Some(what) = self.faster.filter(|_| bench.has_duckdb) {
            let fast = duckdb("duckdb-fast.sql")?.map(|cost| cost.map(tell));
            rows.push(Row { what, unit: self.unit, millpond, duckdb: fast });
        }
        if let Some(what) = self.again {
            let again = Cost::median(costs.iter().filter_map(|(_, again)| *again));
            let millpond = again.map(|cost| Unit::Wall.of(cost, corpus, self.spec.files));
            rows.push(Row { what, unit: Unit::Wall, millpond, duckdb: None });
        }
        Ok(rows)
    }

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
    fn measure_duckdb(&self, bench: &Bench, sql: &str, corpus: &Corpus) -> Result<Option<Cost>> {
        let scripts = process::root().join("xtask").join("bench");
        let (sql, out) = (scripts.join(self.sql).join(sql), bench.scratch.join("duckdb"));
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
        Ok(Cost::median(costs.into_iter()))
    }

    fn check_rows(&self, side: &str, found: u64, corpus: &Corpus) -> Result {
        let expected = if self.sql == "cloudtrail" { corpus.distinct } else { corpus.records };
        if found == expected {
            return Ok(());
        }
        Err(Error::new(format!("{}: {side} wrote {found} rows where {expected} were expected", self.what)))
    }
}
