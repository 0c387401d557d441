//! Test peers: other people's programs that the tests compare with, in the cache folder, at pinned versions.
//!
//! Tests find them through environment variables and skip what is not there.

mod engines;
mod python;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context, Error, Result};

/// Where the peers are; `None` for what could not be installed.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    /// A Python with delta-rs and DuckDB: foreign readers of the lake.
    pub(crate) python: Option<PathBuf>,
    /// MiniStack: a server that speaks S3, SQS and more of AWS.
    pub(crate) ministack: Option<PathBuf>,
    /// DuckDB as an ADBC driver.
    pub(crate) duckdb: Option<PathBuf>,
    /// chDB as an ADBC driver.
    pub(crate) chdb: Option<PathBuf>,
    /// The library that chDB needs.
    pub(crate) libpython: Option<PathBuf>,
}

impl Peers {
    /// Tells a command's environment where the peers are.
    pub(crate) fn tell(&self, command: &mut Command) {
        for (name, path) in [
            ("MILLPOND_PEER_PYTHON", &self.python),
            ("MILLPOND_PEER_MINISTACK", &self.ministack),
            ("MILLPOND_PEER_DUCKDB", &self.duckdb),
            ("MILLPOND_PEER_CHDB", &self.chdb),
            ("MILLPOND_PEER_LIBPYTHON", &self.libpython),
        ] {
            match path {
                Some(path) => command.env(name, path),
                None => command.env_remove(name),
            };
        }
    }
}

/// Installs the peers that are missing or have other versions than those pinned.
///
/// # Errors
/// Where `CI` is set, when a peer cannot be installed. Elsewhere that is told on standard error.
pub(crate) fn ensure() -> Result<Peers> {
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    let (mut peers, mut problems) = python::ensure();
    let python = peers.python.clone();
    problems.extend(engines::ensure(&mut peers, python.as_deref()));
    if problems.is_empty() || !is_ci {
        for problem in problems {
            eprintln!("warning: {problem}\n  tests that need it are skipped");
        }
        return Ok(peers);
    }
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Err(Error::new(format!("{}\nhint: `CI` is set, so no peer may be missing", problems.join("\n"))))
}

/// Holds off another run that installs at the same time, until the file is closed.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).context(|| format!("cannot create `{}`", path.display()))?;
    file.lock().context(|| format!("cannot lock `{}`", path.display()))?;
    Ok(file)
}
