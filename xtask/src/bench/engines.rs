//! The SQL engines beside each other: the same jobs of millpond, with transforms on one engine after the other.

use std::fmt::Write as _;
use std::path::Path;

use super::Bench;
use super::corpus::{Corpus, Length, Log, Spec};
use super::lines::ZEEK;
use super::measure::{Cost, Written, written};
use super::pond::Pond;
use super::report::number;
use crate::error::{Error, Result};
use crate::peers::Peers;

/// One thing that every engine does.
struct Job {
    what: &'static str,
    unit: Unit,
    spec: Spec,
    /// The folder in `xtask/bench` with the source.
    sql: &'static str,
    /// Jobs at a time; `None`: as many as there are cores.
    jobs: Option<usize>,
}

/// What a cost is told as, besides its memory.
#[derive(Clone, Copy)]
enum Unit {
    Throughput,
    Files,
    Wall,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Throughput => "MB per CPU-second",
            Self::Files => "files per second",
            Self::Wall => "ms from start to exit",
        }
    }

    fn of(self, cost: Cost, corpus: &Corpus, files: usize) -> f64 {
        match self {
            Self::Throughput => corpus.megabytes() / cost.cpu_seconds,
            Self::Files => files as f64 / cost.wall_seconds,
            Self::Wall => cost.wall_seconds * 1e3,
        }
    }
}

fn jobs() -> [Job; 5] {
    let lines = |name, files, length| Spec { name, files, length, log: Log::CloudTrailLines };
    let trail = Spec { name: "cloudtrail", files: 20, length: Length::Records(5_000), log: Log::CloudTrail };
    let zeek = Spec { name: ZEEK.name, files: 5, length: Length::Bytes(20_000_000), log: Log::Lines(&ZEEK) };
    let job = |what, unit, spec, sql, jobs| Job { what, unit, spec, sql, jobs };
    let one = lines("one", 1, Length::Bytes(100_000));
    let small = lines("small", 1_000, Length::Records(3));
    [
        job("cold start: a new pond and one file of 100 KB NDJSON", Unit::Wall, one, "lines", Some(1)),
        job("1,000 files of 4 KB NDJSON, all cores", Unit::Files, small, "lines", None),
        job("CloudTrail `.json.gz`, 12 columns, deduplicated", Unit::Throughput, trail, "cloudtrail", Some(1)),
        job("Zeek `conn.log`, 12 of 21 columns", Unit::Throughput, zeek, "zeek", Some(1)),
        job(
            "Zeek by source, destination, port and protocol: seven aggregates",
            Unit::Throughput,
            zeek,
            "zeek-summary",
            Some(1),
        ),
    ]
}

/// Measures every engine and gives the table.
///
/// # Errors
/// When an engine is missing, a job fails, or an engine writes other rows than the one before.
pub(super) fn measure(bench: &Bench, peers: &Peers) -> Result<String> {
    let engines = configurations(peers)?;
    let mut table = String::from("| what | unit |");
    let mut line = String::from("|---|---|");
    for (name, _) in &engines {
        let _ = write!(table, " {name} | peak MB |");
        line.push_str("---:|---:|");
    }
    let _ = write!(table, "\n{line}\n");
    for job in jobs() {
        let corpus = job.spec.ensure(&bench.python)?;
        eprintln!("measuring: {} ({:.0} MB)", job.what, corpus.megabytes());
        let mut expected = None;
        let _ = write!(table, "| {} | {} |", job.what, job.unit.name());
        for (name, config) in &engines {
            let cost = job.run(bench, &corpus, name, config, &mut expected)?;
            let (speed, memory) = (job.unit.of(cost, &corpus, job.spec.files), cost.rss_bytes / 1e6);
            eprintln!("  {name}: {} {}, {} MB", number(speed), job.unit.name(), number(memory));
            let _ = write!(table, " {} | {} |", number(speed), number(memory));
        }
        table.push('\n');
    }
    Ok(table)
}

/// Each engine, and what `millpond.toml` says to use it.
fn configurations(peers: &Peers) -> Result<Vec<(&'static str, String)>> {
    let missing = |name: &str| Error::new(format!("`bench --case engines` needs the test peer `{name}`"));
    let duckdb = peers.duckdb.as_deref().ok_or_else(|| missing("duckdb"))?;
    let chdb = peers.chdb.as_deref().ok_or_else(|| missing("chdb"))?;
    let libpython = peers.libpython.as_deref().ok_or_else(|| missing("libpython"))?;
    let driver = |name: &str, path: &Path| {
        format!("\n[engine]\ndefault = \"{name}\"\n\n[engine.{name}]\ndriver = '{}'\n", path.display())
    };
    let preload = format!("preload = ['{}']\n", libpython.display());
    Ok(vec![
        ("DataFusion", String::new()),
        ("DuckDB", driver("duckdb", duckdb)),
        ("chDB", driver("chdb", chdb) + &preload),
    ])
}

impl Job {
    /// The median cost; every run must have written the same.
    fn run(
        &self,
        bench: &Bench,
        corpus: &Corpus,
        name: &str,
        config: &str,
        expected: &mut Option<Written>,
    ) -> Result<Cost> {
        let mut costs = Vec::new();
        for _ in 0..bench.runs {
            let pond = Pond::create(&bench.scratch.join("pond"), self.sql, self.jobs, corpus)?;
            pond.configure(config)?;
            costs.push(pond.run(bench)?);
            let found = written(bench, &pond.table())?;
            if *expected.get_or_insert(found) != found {
                let what = self.what;
                return Err(Error::new(format!("{what}: {name} wrote {found:?} where {expected:?} was expected")));
            }
        }
        Cost::median(costs.into_iter()).ok_or_else(|| Error::new("nothing was measured"))
    }
}
