//! A temporary pond over a corpus.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::Bench;
use super::corpus::Corpus;
use super::measure::{Cost, measure};
use crate::error::{Context, Error, Result};
use crate::{cache, process};

/// The source's name, and so its table's.
const TABLE: &str = "bench";

/// A pond's folder.
pub(super) struct Pond(PathBuf);

impl Pond {
    /// A new pond whose inbox holds hard links to the corpus. `sql` names the folder with its source.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn create(folder: &Path, sql: &str, jobs: Option<usize>, corpus: &Corpus) -> Result<Self> {
        cache::remove(folder)?;
        let (inbox, source) = (folder.join("inbox"), folder.join("sources").join(TABLE));
        cache::create(&inbox)?;
        cache::create(&source)?;
        write(&folder.join("millpond.toml"), &config(jobs))?;
        let templates = process::root().join("xtask").join("bench").join(sql);
        for name in ["source.toml", "transform.sql"] {
            let template = templates.join(name);
            let text = fs::read_to_string(&template).context(|| format!("cannot read `{}`", template.display()))?;
            write(&source.join(name), &text)?;
        }
        for file in corpus.files()? {
            let link = inbox.join(file.file_name().unwrap_or_default());
            fs::hard_link(&file, &link).context(|| format!("cannot link `{}`", link.display()))?;
        }
        Ok(Self(folder.to_path_buf()))
    }

    /// Adds to its `millpond.toml`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn configure(&self, more: &str) -> Result {
        let path = self.0.join("millpond.toml");
        let text = fs::read_to_string(&path).context(|| format!("cannot read `{}`", path.display()))?;
        write(&path, &(text + more))
    }

    /// The table that the source writes.
    pub(super) fn table(&self) -> PathBuf {
        self.0.join("lake").join(TABLE)
    }

    /// `millpond run --once`.
    ///
    /// # Errors
    /// When it fails.
    pub(super) fn run(&self, bench: &Bench) -> Result<Cost> {
        let millpond = bench.millpond.as_ref().ok_or_else(|| Error::new("millpond is not built"))?;
        let text = |text: &'static str| OsStr::new(text);
        let command = [millpond.as_os_str(), text("run"), text("--once"), text("--pond"), self.0.as_os_str()];
        measure(bench, command).context(|| format!("cannot run millpond in `{}`", self.0.display()))
    }
}

fn config(jobs: Option<usize>) -> String {
    let input = "[[input]]\nurl = \"inbox\"\n";
    jobs.map_or(input.to_owned(), |jobs| format!("{input}\n[budget]\njobs = {jobs}\n"))
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).context(|| format!("cannot write `{}`", path.display()))
}
