//! `cargo xtask bench`: millpond and DuckDB over the same generated logs, one after the other.
//!
//! Whole processes are measured, from start to exit. The numbers go into a table, never into a test.

mod calls;
mod case;
mod cloudtrail;
mod corpus;
mod machine;
mod measure;
mod pond;
mod random;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::{Context, Error, Result};
use crate::{cache, peers, process};

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    is_quick: bool,
    only: Option<String>,
}

/// What a measurement needs.
struct Bench {
    /// A Python with DuckDB and delta-rs.
    python: PathBuf,
    /// The release build of millpond; `None` measures DuckDB alone.
    millpond: Option<PathBuf>,
    /// Whether DuckDB is measured.
    has_duckdb: bool,
    /// Where ponds and outputs are written; emptied before each run.
    scratch: PathBuf,
    /// How often each case runs; the median counts.
    runs: usize,
}

/// Measures, prints the table and, unless only one side was measured, writes it into the reference page.
///
/// # Errors
/// When something cannot be built, generated or run, or when millpond's rows are not those of the corpus.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let options = parse(args)?;
    let bench = prepare(&options)?;
    let rows = case::measure_all(&bench, options.is_quick)?;
    let table = report::table(&rows, &machine::describe(bench.runs));
    println!("{table}");
    if options.only.is_none() {
        report::write(&table)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(args: &[String]) -> Result<Options> {
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.as_slice().first().map(String::as_str)) {
            ("--quick", _) => options.is_quick = true,
            ("--only", Some(side @ ("millpond" | "duckdb"))) => {
                options.only = Some(side.to_owned());
                args.next();
            }
            _ => {
                let message =
                    format!("`bench` does not know `{arg}`\nhint: `bench [--quick] [--only millpond|duckdb]`");
                return Err(Error::new(message));
            }
        }
    }
    Ok(options)
}

fn prepare(options: &Options) -> Result<Bench> {
    let python = peers::ensure()?.python.ok_or_else(|| Error::new("`bench` needs the Python peers"))?;
    let only = options.only.as_deref();
    Ok(Bench {
        python,
        millpond: if only == Some("duckdb") { None } else { Some(build_millpond()?) },
        has_duckdb: only != Some("millpond"),
        scratch: cache::folder("bench/scratch")?,
        runs: if options.is_quick { 1 } else { 3 },
    })
}

/// Builds the release binary. It lies beside this one, wherever the target folder is: `…/debug/xtask`, `…/release/millpond`.
fn build_millpond() -> Result<PathBuf> {
    process::run(process::cargo().args(["build", "--release", "--package", "millpond-cli"]))?;
    let own = std::env::current_exe().context(|| "cannot find the target folder".to_owned())?;
    let target = own.ancestors().nth(2).ok_or_else(|| Error::new("cannot find the target folder"))?;
    Ok(target.join("release").join("millpond"))
}
