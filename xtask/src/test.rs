//! `cargo xtask test`: the whole workspace's tests, with the peers they compare with.
//!
//! It uses the everyday dev profile, so nothing is built twice.

use std::process::ExitCode;

use crate::error::Result;
use crate::{peers, process};

/// Runs `cargo test --workspace` and ends with its exit code. Arguments after `--` go to `cargo test` as they are.
///
/// # Errors
/// When cargo cannot be started or, where `CI` is set, a peer cannot be installed.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let args = args.strip_prefix(&["--".to_owned()]).unwrap_or(args);
    let peers = peers::ensure()?;
    let mut cargo = process::cargo();
    cargo.args(["test", "--workspace"]).args(args);
    peers.tell(&mut cargo);
    Ok(process::exit_code(process::status(&mut cargo)?))
}
