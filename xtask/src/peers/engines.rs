//! Peers that are SQL engines in shared libraries, which ADBC loads: DuckDB from npm, chDB from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Peers;
use crate::cache;
use crate::error::{Context, Error, Result};
use crate::process;

/// The npm package with `libduckdb.so`.
const DUCKDB: &str = "@duckdb/node-bindings-linux-x64@1.5.6-r.1";
/// The PyPI package with `_chdb.abi3.so`, a Python module that is an ADBC driver, too.
const CHDB: &str = "chdb-core==26.9.0";

/// Adds the engines that are there, and tells what went wrong with the others. `python` is the peers' own.
pub(super) fn ensure(peers: &mut Peers, python: Option<&Path>) -> Vec<Error> {
    let mut problems = Vec::new();
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return vec![Error::new("the engines among the test peers are published for Linux on x86-64")];
    }
    match installed("duckdb", DUCKDB, install_duckdb) {
        Ok(folder) => peers.duckdb = Some(folder.join("package").join("libduckdb.so")),
        Err(error) => problems.push(error),
    }
    let Some(python) = python else {
        problems.push(Error::new(format!("cannot install test peer `{CHDB}` without Python")));
        return problems;
    };
    let chdb = installed("chdb", CHDB, |folder| install_chdb(python, folder));
    match chdb.and_then(|folder| Ok((folder, libpython(python)?))) {
        Ok((folder, libpython)) => {
            peers.chdb = Some(folder.join("chdb").join("_chdb.abi3.so"));
            peers.libpython = Some(libpython);
        }
        Err(error) => problems.push(error),
    }
    problems
}

/// The folder of an engine at its pinned version; it is filled where it is not as stamped.
fn installed(name: &str, pin: &str, install: impl FnOnce(&Path) -> Result) -> Result<PathBuf> {
    let root = cache::folder("peers")?;
    let _lock = super::lock(&root.join("lock"))?;
    let folder = root.join(name);
    let stamp = folder.join("pin.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == pin) {
        return Ok(folder);
    }
    eprintln!("installing test peer `{pin}` into `{}`", folder.display());
    cache::remove(&folder)?;
    cache::create(&folder)?;
    install(&folder).context(|| format!("cannot install test peer `{pin}`"))?;
    fs::write(&stamp, pin).context(|| format!("cannot write `{}`", stamp.display()))?;
    Ok(folder)
}

fn install_duckdb(folder: &Path) -> Result {
    process::output(Command::new("npm").args(["pack", "--silent", DUCKDB]).current_dir(folder))?;
    let packed = fs::read_dir(folder).context(|| format!("cannot list `{}`", folder.display()))?;
    let mut archives =
        packed.flatten().map(|entry| entry.path()).filter(|path| path.extension() == Some("tgz".as_ref()));
    let archive = archives.next().ok_or_else(|| Error::new("npm packed no archive"))?;
    process::output(Command::new("tar").arg("-xzf").arg(&archive).current_dir(folder))?;
    fs::remove_file(&archive).context(|| format!("cannot remove `{}`", archive.display()))
}

fn install_chdb(python: &Path, folder: &Path) -> Result {
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "2",
        "--no-deps",
        "--target",
    ]);
    process::output(pip.arg(folder).arg(CHDB)).map(drop)
}

/// The shared library of Python, whose symbols the module wants.
fn libpython(python: &Path) -> Result<PathBuf> {
    let ask = "import sysconfig as s; print(s.get_config_var('LIBDIR') + '/' + s.get_config_var('INSTSONAME'))";
    let path = PathBuf::from(process::output(Command::new(python).args(["-c", ask]))?);
    if path.exists() && path.to_string_lossy().contains(".so") {
        return Ok(path);
    }
    Err(Error::new(format!("cannot use test peer `{CHDB}`: Python has no shared library (`{}`)", path.display())))
}
