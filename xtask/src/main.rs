//! Development tasks: `cargo xtask test`, `cargo xtask fuzz`, `cargo xtask simulate`, `cargo xtask sigma-check`,
//! `cargo xtask bench`, `cargo xtask docs`.
//!
//! It has no dependencies, so that it builds in a second and shares nothing with the build that it drives.

mod bench;
mod cache;
mod docs;
mod error;
mod fuzz;
mod peers;
mod process;
mod sigma_check;
mod simulate;
mod test;

use std::process::ExitCode;

use error::Result;

const USAGE: &str = "\
usage: cargo xtask <task>

tasks:
  test [-- ARGS]                              make sure the test peers exist, then `cargo test --workspace ARGS`
  fuzz [--minutes N] [TARGET...]              fuzz the readers: all, a minute each, unless told otherwise
  simulate [--files N] [--seed S] [--seeds COUNT] [--jobs N] [--trace] [--twice] [--profile dev]
                                              run millpond against faults that follow from a seed
  sigma-check --rules DIR... --events FILE --expected FILE
                                              match labelled events, compare the hits with the expected ones
  bench [--quick] [--only millpond|duckdb] [--case NAME]
                                              measure millpond against DuckDB, write docs/reference/benchmarks.md
  bench --case engines                        the SQL engines beside each other
  bench --sigma DIR                           the same against rsigma, with the rules and labelled events of a folder
  docs                                        write the generated reference pages

environment:
  MILLPOND_CACHE    folder of test peers, corpora and fuzzing (default: `millpond` in the user's cache folder)
  CI                set: a peer that cannot be installed is an error";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> Result<ExitCode> {
    let Some((task, rest)) = args.split_first() else { return usage() };
    match task.as_str() {
        "test" => test::run(rest),
        "bench" => bench::run(rest),
        "fuzz" => fuzz::run(rest),
        "sigma-check" => sigma_check::run(rest),
        "simulate" => simulate::run(rest),
        "docs" => docs::run(rest),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => usage(),
    }
}

fn usage() -> Result<ExitCode> {
    eprintln!("{USAGE}");
    Ok(ExitCode::from(2))
}
