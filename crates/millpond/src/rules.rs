//! A pond's Sigma rules: every YAML file below `rules/`.

mod to_sql;

use std::path::{Path, PathBuf};

use millpond_core::{Error, Result};
use millpond_sigma::{Collection, Placeholders, RuleFile};

pub use to_sql::to_sql;

/// The folder of a pond that holds its rules.
pub const RULES: &str = "rules";

/// Reads the rules below a folder, or in one file, sorted by path. A folder that is not there holds none. Files are
/// named relative to `root`.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when a file cannot be read. What is wrong in a rule is a
/// rejection.
pub fn read(root: &Path, path: &Path, placeholders: &Placeholders) -> Result<Collection> {
    let mut files = Vec::new();
    if path.exists() {
        find(path, &mut files)?;
    }
    let file = |path: PathBuf| -> Result<RuleFile> {
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::bad_config(format!("failed to read `{}`", path.display())).because(error))?;
        let name = path.strip_prefix(root).unwrap_or(&path);
        Ok(RuleFile { name: name.display().to_string(), text })
    };
    let files = files.into_iter().map(file).collect::<Result<Vec<_>>>()?;
    Ok(Collection::read_with(files, placeholders))
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let failed = |error| Error::bad_config(format!("failed to list `{}`", path.display())).because(error);
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let mut entries =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort();
    let is_rule = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml");
    entries.into_iter().filter(|path| path.is_dir() || is_rule(path)).try_for_each(|path| find(&path, files))
}
