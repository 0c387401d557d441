//! The folder outside the tree that holds test peers, corpora and what fuzzing builds and finds.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error, Result};

/// The folder `name` in the cache; it is created.
///
/// # Errors
/// When no cache folder is known, or it cannot be created.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = root()?.join(name);
    create(&folder)?;
    Ok(folder)
}

/// Creates a folder and those above it.
///
/// # Errors
/// When it cannot be created.
pub(crate) fn create(folder: &Path) -> Result {
    fs::create_dir_all(folder).context(|| format!("cannot create `{}`", folder.display()))
}

/// Removes a folder with everything in it; one that does not exist is fine.
///
/// # Errors
/// When something in it cannot be removed.
pub(crate) fn remove(folder: &Path) -> Result {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

fn root() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("MILLPOND_CACHE").filter(|value| !value.is_empty()) {
        return std::path::absolute(folder).context(|| "cannot use `MILLPOND_CACHE`".to_owned());
    }
    if let Some(folder) = env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        return Ok(Path::new(&folder).join("millpond"));
    }
    let home = env::home_dir().ok_or_else(|| Error::new("cannot find the home folder\nhint: set `MILLPOND_CACHE`"))?;
    Ok(home.join(".cache").join("millpond"))
}
