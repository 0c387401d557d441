//! What is measured: the cases, and the two sides of each.

use super::Bench;
use super::corpus::{Corpus, Length, Log, Spec};
use super::lines::{CEF, CSV, FLOW, KEY_VALUE, LineLog, NGINX, SYSLOG, ZEEK};
use super::measure::{Cost, Written, measure, written};
use super::pond::Pond;
use super::report::{Figures, Row};
use crate::cache;
use crate::error::{Error, Result};
use crate::process;

/// The cases whose stages are told apart, too.
pub(super) const TRAIL: &str = "CloudTrail `.json.gz`, 12 columns, deduplicated";
pub(super) const NDJSON: &str = "NDJSON, 6 columns";

/// One thing that both sides do.
struct Case {
    what: &'static str,
    spec: Spec,
    /// The folder in `xtask/bench` with the source and the SQL of both sides.
    sql: &'static str,
    unit: Unit,
    /// millpond's jobs at a time; `None`: as many as there are cores.
    jobs: Option<usize>,
    /// Whether DuckDB does it, too.
    has_duckdb: bool,
    /// What a second run of millpond over the same files is called, where that is measured too.
    again: Option<&'static str>,
    /// What the row is called in which DuckDB runs the faster `duckdb-fast.sql`, where there is one.
    faster: Option<&'static str>,
}

/// What a cost is told as, besides its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Decompressed megabytes for each second of processor time.
    Throughput,
    /// Files for each second that passes.
    Files,
    /// Milliseconds from start to exit.
    Wall,
}

impl Unit {
    /// How the table calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Throughput => "MB per CPU-second",
            Self::Files => "files per second",
            Self::Wall => "ms from start to exit",
        }
    }

    /// Whether less is better.
    pub(super) fn is_cost(self) -> bool {
        self == Self::Wall
    }

    fn of(self, cost: Cost, corpus: &Corpus, files: usize) -> Figures {
        let speed = match self {
            Self::Throughput => corpus.megabytes() / cost.cpu_seconds,
            Self::Files => files as f64 / cost.wall_seconds,
            Self::Wall => cost.wall_seconds * 1e3,
        };
        Figures { speed, rss_mb: cost.rss_bytes / 1e6 }
    }
}

/// Decompressed bytes of each file of a corpus of five: 100 MB together.
const FILE_BYTES: u64 = 20_000_000;

fn cases(is_quick: bool) -> Vec<Case> {
    let mut cases = formats();
    cases.extend(latencies());
    cases.extend(documents(is_quick));
    cases.extend(more_formats());
    cases
}

/// A case with one job at a time on both sides.
fn case(what: &'static str, sql: &'static str, unit: Unit, spec: Spec) -> Case {
    Case { what, spec, sql, unit, jobs: Some(1), has_duckdb: true, again: None, faster: None }
}

fn lines(what: &'static str, sql: &'static str, log: &'static LineLog) -> Case {
    let length = Length::Bytes(FILE_BYTES);
    case(what, sql, Unit::Throughput, Spec { name: log.name, files: 5, length, log: Log::Lines(log) })
}

fn formats() -> Vec<Case> {
    let trail = |name, log| Spec { name, files: 20, length: Length::Records(5_000), log };
    let parquet = Spec { name: "parquet", files: 5, length: Length::Bytes(FILE_BYTES), log: Log::Parquet(&CSV) };
    vec![
        Case {
            faster: Some("the same, in the fastest SQL found for DuckDB"),
            ..case(TRAIL, "cloudtrail", Unit::Throughput, trail("cloudtrail", Log::CloudTrail))
        },
        case(NDJSON, "lines", Unit::Throughput, trail("lines", Log::CloudTrailLines)),
        lines("CSV, quoted, 8 of 20 columns", "csv", &CSV),
        case("the same rows from Parquet", "parquet", Unit::Throughput, parquet),
        lines("Zeek `conn.log`, 12 of 21 columns", "zeek", &ZEEK),
        lines("VPC flow logs `.log.gz`, 11 of 14 columns", "vpcflow", &FLOW),
        lines("nginx `combined` by a regular expression, 8 columns", "nginx-regex", &NGINX),
    ]
}

fn latencies() -> Vec<Case> {
    let spec = |name, files, length| Spec { name, files, length, log: Log::CloudTrailLines };
    let (small, one) = (spec("small", 1_000, Length::Records(3)), spec("one", 1, Length::Bytes(100_000)));
    vec![
        Case {
            jobs: None,
            again: Some("the same files again, nothing new"),
            ..case("1,000 files of 4 KB NDJSON, all cores", "lines", Unit::Files, small)
        },
        case("a new pond and one file of 100 KB NDJSON", "lines", Unit::Wall, one),
    ]
}

/// Documents that grow tenfold, to see what memory does. DuckDB reads the largest alone.
fn documents(is_quick: bool) -> Vec<Case> {
    let case = |what, sql, name, bytes, has_duckdb| Case {
        has_duckdb,
        ..case(what, sql, Unit::Throughput, Spec { name, files: 1, length: Length::Bytes(bytes), log: Log::CloudTrail })
    };
    let mut cases = vec![
        case("one 10 MB document in gzip, 6 columns", "document", "document-10", 10_000_000, false),
        case("one 100 MB document in gzip, 6 columns", "document", "document-100", 100_000_000, is_quick),
    ];
    let (name, bytes) = if is_quick { ("document-100", 100_000_000) } else { ("document-1000", 1_000_000_000) };
    if !is_quick {
        cases.push(case("one 1 GB document in gzip, 6 columns", "document", name, bytes, true));
    }
    cases.push(case("the same document, 12 columns, deduplicated", "cloudtrail", name, bytes, true));
    cases
}

fn more_formats() -> Vec<Case> {
    vec![
        lines("nginx `combined` as separated values, 8 columns", "nginx-space", &NGINX),
        lines("`key=value` of a firewall, 12 of 35 columns", "kv", &KEY_VALUE),
        Case { has_duckdb: false, ..lines("syslog (RFC 5424) with text, 6 columns [^vector]", "syslog", &SYSLOG) },
        Case { has_duckdb: false, ..lines("CEF behind syslog, 12 columns [^vector]", "cef", &CEF) },
    ]
}

/// Runs every case whose name, folder or corpus holds `only`, which is empty for all.
///
/// # Errors
/// When a corpus cannot be generated, or a side loses rows, or millpond fails. That DuckDB fails is a result.
pub(super) fn measure_all(bench: &Bench, is_quick: bool, only: &str) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in cases(is_quick).into_iter().filter(|case| case.is_called(only)) {
        let corpus = case.spec.ensure(&bench.python)?;
        eprintln!("measuring: {} ({:.0} MB, {} records)", case.what, corpus.megabytes(), corpus.records);
        let measured = case.measure(bench, &corpus)?;
        measured.iter().for_each(|row| eprintln!("  {row}"));
        rows.extend(measured);
    }
    if rows.is_empty() {
        return Err(Error::new(format!("no case is called `{only}`")));
    }
    Ok(rows)
}

impl Case {
    fn is_called(&self, name: &str) -> bool {
        [self.what, self.sql, self.spec.name].iter().any(|own| own.contains(name))
    }

    /// The case's rows: one, and those for a second run and for a faster DuckDB.
    fn measure(&self, bench: &Bench, corpus: &Corpus) -> Result<Vec<Row>> {
        let mut check = Check { case: self.what, rows: self.rows(corpus), values: None };
        let tell = |cost: Cost| self.unit.of(cost, corpus, self.spec.files);
        let has_duckdb = bench.has_duckdb && self.has_duckdb;
        let costs =
            if bench.millpond.is_some() { self.measure_millpond(bench, corpus, &mut check)? } else { Vec::new() };
        let millpond = Cost::median(costs.iter().map(|(first, _)| *first)).map(tell);
        let mut duckdb = |sql| {
            let cost = has_duckdb.then(|| self.measure_duckdb(bench, sql, corpus, &mut check)).transpose();
            cost.map(|cost| cost.map(|cost| cost.map(tell)))
        };
        let plain = duckdb("duckdb.sql")?;
        let mut rows = vec![Row { what: self.what, unit: self.unit, millpond, duckdb: plain }];
        if let Some(what) = self.faster.filter(|_| has_duckdb) {
            let fast = duckdb("duckdb-fast.sql")?;
            rows.push(Row { what, unit: self.unit, millpond, duckdb: fast });
        }
        if let Some(what) = self.again {
            let again = Cost::median(costs.iter().filter_map(|(_, again)| *again));
            let millpond = again.map(|cost| Unit::Wall.of(cost, corpus, self.spec.files));
            rows.push(Row { what, unit: Unit::Wall, millpond, duckdb: None });
        }
        Ok(rows)
    }

    /// How many rows each side has to write.
    fn rows(&self, corpus: &Corpus) -> u64 {
        if self.sql == "cloudtrail" { corpus.distinct } else { corpus.records }
    }

    /// The costs of each run: in a new pond and, where that is asked for, again.
    fn measure_millpond(&self, bench: &Bench, corpus: &Corpus, check: &mut Check) -> Result<Vec<(Cost, Option<Cost>)>> {
        let mut costs = Vec::new();
        for _ in 0..bench.runs {
            let pond = Pond::create(&bench.scratch.join("pond"), self.sql, self.jobs, corpus)?;
            let first = pond.run(bench)?;
            let again = self.again.map(|_| pond.run(bench)).transpose()?;
            check.written("millpond", written(bench, &pond.table())?)?;
            costs.push((first, again));
        }
        Ok(costs)
    }

    /// DuckDB's cost; `None` where it fails, which is told on standard error.
    fn measure_duckdb(&self, bench: &Bench, sql: &str, corpus: &Corpus, check: &mut Check) -> Result<Option<Cost>> {
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
            check.written("DuckDB", written(bench, &out)?)?;
        }
        Ok(Cost::median(costs.into_iter()))
    }
}

/// Holds both sides to the same work: all rows, and as many values in them as the first run had.
struct Check {
    case: &'static str,
    rows: u64,
    values: Option<u64>,
}

impl Check {
    fn written(&mut self, side: &str, found: Written) -> Result {
        let expected = Written { rows: self.rows, values: *self.values.get_or_insert(found.values) };
        if found == expected {
            return Ok(());
        }
        let case = self.case;
        Err(Error::new(format!("{case}: {side} wrote {found:?} where {expected:?} was expected")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_must_write_the_same_rows_and_values() {
        let mut check = Check { case: "work", rows: 10, values: None };
        let written = |rows, values| Written { rows, values };
        assert!(check.written("millpond", written(9, 30)).is_err());
        let mut check = Check { values: None, ..check };
        assert!(check.written("millpond", written(10, 30)).is_ok());
        assert!(check.written("DuckDB", written(10, 30)).is_ok());
        assert!(check.written("DuckDB", written(10, 29)).is_err());
    }

    #[test]
    fn a_case_is_found_by_what_it_does_and_by_its_folders() {
        let cases = cases(true);
        let called = |name: &str| cases.iter().filter(|case| case.is_called(name)).count();
        assert_eq!((called(""), called("zeek"), called("vpcflow"), called("nothing")), (cases.len(), 1, 1, 0));
    }
}
