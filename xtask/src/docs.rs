//! `cargo xtask docs`: rewrites the reference pages that follow from the code. Tests hold them against it.

use std::process::{Command, ExitCode};

use crate::error::{Error, Result};

/// Rewrites the generated pages.
///
/// # Errors
/// When cargo cannot be run.
pub(crate) fn run(_args: &[String]) -> Result<ExitCode> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let status = Command::new(cargo)
        .args(["test", "-p", "millpond", "-p", "millpond-engine", "-p", "millpond-cli", "--test", "it", "reference"])
        .env("MILLPOND_UPDATE_DOCS", "1")
        .status()
        .map_err(|error| Error::new(format!("failed to run cargo: {error}")))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
