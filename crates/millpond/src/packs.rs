//! What is shipped inside the program: source packs, which are folders of TOML, SQL and tests, and signals over what sources
//! of OCSF give.

use std::path::Path;

use include_dir::{Dir, include_dir};
use millpond_core::config::Problems;
use millpond_core::source::{Source, SourceFiles, Sql};
use millpond_core::units::nearest;
use millpond_core::{Error, Result};

static PACKS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sources");
static SIGNALS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../signals");

/// The names of the shipped packs, in order.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> = PACKS.dirs().filter_map(|pack| pack.path().file_name()?.to_str()).collect();
    names.sort_unstable();
    names
}

/// Each pack's name and its `source.toml`, in the order of the names.
pub fn configs() -> Vec<(&'static str, &'static str)> {
    let config = |name: &'static str| {
        let file = PACKS.get_file(Path::new(name).join("source.toml"))?;
        Some((name, file.contents_utf8()?))
    };
    names().into_iter().filter_map(config).collect()
}

/// Copies a pack into a pond's `sources` folder.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a name that no pack has, a pack that is there already, or a
/// folder that cannot be written.
pub fn install(name: &str, sources: &Path) -> Result<()> {
    let pack = PACKS.get_dir(name).ok_or_else(|| unknown(name))?;
    let target = sources.join(name);
    if target.exists() {
        return Err(Error::bad_config(format!("`{}` is there already", target.display()))
            .hint("remove it first, or keep it: a pond's sources are yours to change"));
    }
    copy(pack, pack.path(), &target).map_err(|error| {
        Error::bad_config(format!("failed to copy pack `{name}` to `{}`", target.display())).because(error)
    })
}

/// A pack as a source; mistakes in it are added to `problems`.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a name that no pack has.
pub fn source(name: &str, problems: &mut Problems) -> Result<Option<Source>> {
    let pack = PACKS.get_dir(name).ok_or_else(|| unknown(name))?;
    let text = |path: &Path| {
        let text = PACKS.get_file(path)?.contents_utf8()?.to_owned();
        Some(Sql { file: path.to_string_lossy().into_owned(), text })
    };
    let signals = PACKS.get_dir(pack.path().join("signals"));
    let signals = signals.iter().flat_map(|folder| folder.files()).map(include_dir::File::path);
    let files = SourceFiles {
        name: name.to_owned(),
        config: text(&pack.path().join("source.toml")).ok_or_else(|| unknown(name))?,
        transform: text(&pack.path().join("transform.sql")),
        dialects: Vec::new(),
        signals: signals
            .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
            .filter_map(text)
            .collect(),
    };
    Ok(Source::parse(&files, problems))
}

/// The names of the shipped signals, in order.
pub fn signals() -> Vec<&'static str> {
    let mut names: Vec<&str> = SIGNALS.files().filter_map(|file| file.path().file_stem()?.to_str()).collect();
    names.sort_unstable();
    names
}

/// Copies a shipped signal and its tests into a pond's `signals` folder.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a name that no signal has, one that is there already, or a
/// folder that cannot be written.
pub fn install_signal(name: &str, signals: &Path) -> Result<()> {
    let file = SIGNALS.get_file(format!("{name}.sql")).ok_or_else(|| no_signal(name))?;
    let target = signals.join(file.path());
    if target.exists() {
        return Err(Error::bad_config(format!("`{}` is there already", target.display()))
            .hint("remove it first, or keep it: a pond's signals are yours to change"));
    }
    let write = || {
        std::fs::create_dir_all(signals)?;
        std::fs::write(&target, file.contents())?;
        let tests = SIGNALS.get_dir(Path::new("tests").join(name));
        tests.map_or(Ok(()), |tests| copy(tests, tests.path(), &signals.join(tests.path())))
    };
    write().map_err(|error| {
        Error::bad_config(format!("failed to copy signal `{name}` to `{}`", target.display())).because(error)
    })
}

fn unknown(name: &str) -> Error {
    among(Error::bad_config(format!("there is no pack `{name}`")), name, "packs", &names())
}

fn no_signal(name: &str) -> Error {
    among(Error::bad_config(format!("there is no shipped signal `{name}`")), name, "signals", &signals())
}

fn among(error: Error, name: &str, kind: &str, known: &[&str]) -> Error {
    match nearest(name, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("{kind} are {}", known.join(", "))),
    }
}

fn copy(folder: &Dir<'_>, root: &Path, target: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(target)?;
    for file in folder.files() {
        let below = file.path().strip_prefix(root).unwrap_or(file.path());
        let path = target.join(below);
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, file.contents())?;
    }
    folder.dirs().try_for_each(|below| copy(below, root, target))
}
