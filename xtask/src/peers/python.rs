//! Peers that are Python packages, together in one virtual environment.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Peers, lock};
use crate::error::{Context, Error, Result};
use crate::{cache, process};

/// What is installed, at which version.
const PINS: [&str; 3] = ["deltalake==1.6.6", "duckdb==2.0.0", "ministack==1.5.33"];
/// What makes the Python useful as a reader.
const READERS: [&str; 2] = [PINS[0], PINS[1]];
const MINISTACK: &str = PINS[2];
/// Tried in this order; the first that runs and is 3.10 or newer is taken.
const PYTHONS: [&str; 4] = ["python3.13", "python3.12", "python3.11", "python3"];

/// The peers that are there, and what went wrong with the others.
pub(super) fn ensure() -> (Peers, Vec<Error>) {
    let mut problems = Vec::new();
    let venv = match Venv::ensure(&mut problems) {
        Ok(venv) => venv,
        Err(error) => return (Peers::default(), vec![error]),
    };
    let has = |pin: &str| venv.installed.iter().any(|installed| installed == pin);
    let python = READERS.iter().all(|pin| has(pin)).then(|| venv.executable("python"));
    let ministack = has(MINISTACK).then(|| venv.executable("ministack"));
    (Peers { python, ministack, ..Peers::default() }, problems)
}

/// A virtual environment and the pins that are installed in it.
struct Venv {
    folder: PathBuf,
    installed: Vec<String>,
}

impl Venv {
    /// The environment as stamped or, where the stamp is not as pinned, a new one.
    fn ensure(problems: &mut Vec<Error>) -> Result<Self> {
        let peers = cache::folder("peers")?;
        let _lock = lock(&peers.join("lock"))?;
        let folder = peers.join("python");
        let stamp = folder.join("pins.txt");
        let installed: Vec<String> =
            fs::read_to_string(&stamp).unwrap_or_default().lines().map(str::to_owned).collect();
        let is_there = folder.join("bin").join("python").exists(); // not where its Python was removed
        if installed == PINS && is_there {
            return Ok(Self { folder, installed });
        }
        let venv = Self::install(folder, problems)?;
        fs::write(&stamp, venv.installed.join("\n")).context(|| format!("cannot write `{}`", stamp.display()))?;
        Ok(venv)
    }

    fn install(folder: PathBuf, problems: &mut Vec<Error>) -> Result<Self> {
        eprintln!("installing test peers into `{}`: {}", folder.display(), PINS.join(", "));
        cache::remove(&folder)?;
        let python = find_python()?;
        process::output(Command::new(python).args(["-m", "venv"]).arg(&folder))
            .context(|| format!("cannot make a Python environment with `{python}`"))?;
        let mut venv = Self { folder, installed: Vec::new() };
        for pin in PINS {
            match venv.pip_install(pin) {
                Ok(()) => venv.installed.push(pin.to_owned()),
                Err(error) => problems.push(error),
            }
        }
        Ok(venv)
    }

    fn pip_install(&self, pin: &str) -> Result {
        let mut pip = Command::new(self.executable("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "2", pin]);
        process::output(&mut pip).map(drop).context(|| format!("cannot install test peer `{pin}`"))
    }

    fn executable(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}

fn find_python() -> Result<&'static str> {
    PYTHONS.into_iter().find(|python| is_recent(python)).ok_or_else(|| {
        Error::new(format!("cannot find Python 3.10 or newer for the test peers (tried {})", PYTHONS.join(", ")))
    })
}

/// A name on the path may be a shim that leads nowhere, so it is run.
fn is_recent(python: &str) -> bool {
    let mut command = Command::new(python);
    command.args(["-c", "import sys, venv; sys.exit(sys.version_info < (3, 10))"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
