//! `cargo xtask bench`: millpond and DuckDB over the same generated logs, one after the other.
//!
//! Whole processes are measured, from start to exit. The numbers go into a table, never into a test.

mod calls;
mod case;
mod cloudtrail;
mod corpus;
mod engines;
mod lines;
mod machine;
mod measure;
mod pond;
mod random;
mod report;
mod sigma;
mod stages;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use report::Part;

use crate::error::{Context, Error, Result};
use crate::{cache, peers, process};

/// What the command line asks for.
#[derive(Debug, Default)]
struct Options {
    is_quick: bool,
    /// One side alone.
    only: Option<String>,
    /// Cases whose name holds this alone; `stages` are the stages.
    case: Option<String>,
    /// Sigma rules alone, with the samples in this folder.
    sigma: Option<PathBuf>,
}

const HINT: &str = "`bench [--quick] [--only millpond|duckdb] [--case NAME]`, or `bench --sigma DIR`";
/// What `--case` calls the stages.
const STAGES: &str = "stages";
/// What `--case` calls the engines.
const ENGINES: &str = "engines";
/// The case that runs every shipped pack.
const PACKS: &str = "packs";

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

/// Measures, prints the tables and, where everything was measured, writes them into the reference page.
///
/// # Errors
/// When something cannot be built, generated or run, when millpond's rows are not those of the corpus, or when no case
/// has the name that was asked for.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let options = parse(args)?;
    if let Some(samples) = &options.sigma {
        let table = format!("{}\n\n{}\n", machine::describe(5), sigma::measure(samples)?);
        println!("{table}");
        report::write(Part::Sigma, &table)?;
        return Ok(ExitCode::SUCCESS);
    }
    let case = options.case.as_deref();
    if case == Some(PACKS) {
        let mut measure = Command::new(build_millpond()?);
        let table = process::output(measure.args(["test", "--all", "sources", "--speed"]))?;
        let table = format!("{}\n\n{table}", machine::describe(1));
        println!("{table}");
        report::write(Part::Packs, &table)?;
        return Ok(ExitCode::SUCCESS);
    }
    let bench = prepare(&options)?;
    if case == Some(STAGES) {
        let stages = stages::measure()?;
        println!("{stages}");
        report::write(Part::Stages, &stages)?;
        return Ok(ExitCode::SUCCESS);
    }
    if case == Some(ENGINES) {
        let engines = format!("{}\n\n{}", machine::describe(bench.runs), engines::measure(&bench, &peers::ensure()?)?);
        println!("{engines}");
        report::write(Part::Engines, &engines)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = case::measure_all(&bench, options.is_quick, case.unwrap_or_default())?;
    let table = report::table(&rows, &machine::describe(bench.runs));
    println!("{table}");
    if options.only.is_none() && case.is_none() {
        report::write(Part::Table, &table)?;
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
            ("--case", Some(name)) => {
                options.case = Some(name.to_owned());
                args.next();
            }
            ("--sigma", Some(folder)) => {
                options.sigma = Some(folder.into());
                args.next();
            }
            _ => return Err(Error::new(format!("`bench` does not know `{arg}`\nhint: {HINT}"))),
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

/// Builds the release binary.
fn build_millpond() -> Result<PathBuf> {
    process::run(process::cargo().args(["build", "--release", "--package", "millpond-cli"]))?;
    Ok(release_folder()?.join("millpond"))
}

/// Builds an example in release; the command runs it.
///
/// Its packages alone have other features of their dependencies than the binary, so those are built once more.
///
/// # Errors
/// When it cannot be built.
pub(crate) fn build_example(package: &str, name: &str) -> Result<Command> {
    process::run(process::cargo().args(["build", "--release", "--package", package, "--example", name]))?;
    Ok(Command::new(release_folder()?.join("examples").join(name)))
}

/// It lies beside this binary's own, wherever the target folder is: `…/debug/xtask`, `…/release`.
fn release_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context(|| "cannot find the target folder".to_owned())?;
    let target = own.ancestors().nth(2).ok_or_else(|| Error::new("cannot find the target folder"))?;
    Ok(target.join("release"))
}
