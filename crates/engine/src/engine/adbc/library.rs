//! Finding and opening the shared libraries of engines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use adbc_core::options::AdbcVersion;
use adbc_core::{Driver as _, LOAD_FLAG_DEFAULT};
use adbc_driver_manager::{ManagedDatabase, ManagedDriver};
use millpond_core::config::Driver;
use millpond_core::{Error, Result};

use super::dialect::Dialect;

/// The libraries of this process. They stay: engines keep threads and memory that do not end with their last user.
static LOADED: Mutex<BTreeMap<Key, Arc<Library>>> = Mutex::new(BTreeMap::new());

/// What tells one library from another.
type Key = (PathBuf, String);

/// A library that is open.
pub(super) struct Library {
    driver: Mutex<ManagedDriver>,
    /// The database of engines that have one for each process.
    shared: OnceLock<ManagedDatabase>,
    pub(super) loaded: Loaded,
}

/// What is known of a library that is open.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its path, or the name by which a manifest was looked for.
    pub path: PathBuf,
    /// The function that set it up.
    pub entrypoint: String,
    /// How long it took to open, what is opened before it included.
    pub time: Duration,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.loaded.fmt(f)
    }
}

/// Opens a library, unless this process has it open already.
pub(super) fn load(dialect: &dyn Dialect, driver: &Driver, root: &Path) -> Result<Arc<Library>> {
    let name = dialect.kind().name();
    let path = driver.library.as_deref().map_or_else(|| PathBuf::from(name), |path| below(root, path));
    let entrypoint = driver.entrypoint.clone().unwrap_or_else(|| dialect.entrypoint().to_owned());
    let key = (path.clone(), entrypoint.clone());
    // A panic while a library is opened leaves the map as it was.
    let mut libraries = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(library) = libraries.get(&key) {
        return Ok(Arc::clone(library));
    }
    let started = Instant::now();
    for library in &driver.preload {
        preload(&below(root, library))?;
    }
    let opened = open(name, &path, driver.library.is_some(), &entrypoint)?;
    let loaded = Loaded { path, entrypoint, time: started.elapsed() };
    let library = Arc::new(Library { driver: Mutex::new(opened), shared: OnceLock::new(), loaded });
    libraries.insert(key, Arc::clone(&library));
    Ok(library)
}

/// A path of the configuration: below the pond, unless it is absolute or the bare name of a manifest.
fn below(root: &Path, path: &str) -> PathBuf {
    if path.contains('/') || path.contains('.') { root.join(path) } else { PathBuf::from(path) }
}

fn open(name: &str, path: &Path, is_named: bool, entrypoint: &str) -> Result<ManagedDriver> {
    let failed = |error: adbc_core::error::Error| {
        let error = Error::bad_config(format!("failed to load engine `{name}` from `{}`", path.display()))
            .because(error.message);
        error.hint(if is_named {
            format!("`driver` under `[engine.{name}]` in `millpond.toml` names the engine's shared library")
        } else {
            format!(
                "name its shared library in `millpond.toml`: `[engine.{name}]` `driver = \"/path/to/library\"`, or install \
                 an ADBC driver manifest `{name}.toml`"
            )
        })
    };
    let version = AdbcVersion::V110;
    if is_named && path.components().count() > 1 {
        return ManagedDriver::load_dynamic_from_filename(path, Some(entrypoint.as_bytes()), version).map_err(failed);
    }
    // A manifest knows its entry point.
    ManagedDriver::load_from_name(path, None, version, LOAD_FLAG_DEFAULT, None).map_err(failed)
}

/// Opens a library with its symbols for all to see, as an engine in a Python module wants `libpython3`.
#[allow(unsafe_code)] // opening a library runs its code: it is one that the pond's owner names, like the driver itself
fn preload(path: &Path) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::bad_config(format!("failed to open `{}`", path.display()))
            .because(error.to_string())
            .hint("`preload` under `[engine.…]` in `millpond.toml` names libraries that the driver needs")
    };
    #[cfg(unix)]
    {
        use libloading::os::unix;
        let flags = unix::RTLD_NOW | unix::RTLD_GLOBAL;
        let library = unsafe { unix::Library::open(Some(path), flags) }.map_err(|error| failed(&error))?;
        // It must stay as long as the driver, which is as long as the process.
        std::mem::forget(library);
        Ok(())
    }
    #[cfg(not(unix))]
    Err(failed(&"it is a thing of Unix"))
}

impl Library {
    /// A database of its own.
    pub(super) fn database(&self) -> Result<ManagedDatabase, adbc_core::error::Error> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner).new_database()
    }

    /// The one database of this process.
    pub(super) fn shared_database(&self) -> Result<ManagedDatabase, adbc_core::error::Error> {
        let mut driver = self.driver.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(database) = self.shared.get() {
            return Ok(database.clone());
        }
        let database = driver.new_database()?;
        Ok(self.shared.get_or_init(|| database).clone())
    }
}
