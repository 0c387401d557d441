//! `cargo xtask docs`: the reference pages that are generated from the program.

use std::process::ExitCode;

use crate::error::{Error, Result};

/// Writes the generated pages; with `--check` it only says whether they are as generated.
///
/// # Errors
/// Always, until a page is generated.
pub(crate) fn run(_args: &[String]) -> Result<ExitCode> {
    Err(Error::new("no page is generated yet"))
}
