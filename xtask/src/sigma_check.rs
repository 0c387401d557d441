//! `cargo xtask sigma-check`: do the rules match the labelled events that they should, and how fast?

use std::process::ExitCode;

use crate::error::Result;
use crate::{bench, process};

/// Builds the example `sigma_check` in release and runs it with these arguments; it ends with its exit code, which is 0
/// only where every expected hit is found and no other.
///
/// # Errors
/// When the example cannot be built or started.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let mut example = bench::build_example("millpond-sigma", "sigma_check")?;
    Ok(process::exit_code(process::status(example.args(args))?))
}
