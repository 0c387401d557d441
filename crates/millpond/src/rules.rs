//! A pond's Sigma rules: every YAML file below `rules/`, what their placeholders stand for, and the pack that they were
//! compiled to.

mod to_sql;

use std::path::{Path, PathBuf};

use millpond_core::config::{Problems, Section};
use millpond_core::logsource::EventSource;
use millpond_core::{Error, Result};
use millpond_sigma::{Collection, Pack, Placeholders, RuleFile, RuleSet, source_hash};

pub use to_sql::to_sql;

/// The folder of a pond that holds its rules.
pub const RULES: &str = "rules";
/// The file in a folder of rules that says what their placeholders stand for.
pub const PLACEHOLDERS: &str = "placeholders.toml";
/// How the names of packs end; that of a folder lies beside it.
pub const PACK_ENDING: &str = "pack";

/// What a folder of rules holds.
struct Folder {
    files: Vec<RuleFile>,
    placeholders: Placeholders,
}

impl Folder {
    /// Reads what lies below a folder, or one file, sorted by path. A folder that is not there holds nothing. Files are
    /// named relative to `root`.
    fn read(root: &Path, path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        if path.exists() {
            find(path, &mut files)?;
        }
        let file = |path: PathBuf| -> Result<RuleFile> {
            let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            Ok(RuleFile { name, text: text(&path)? })
        };
        let files = files.into_iter().map(file).collect::<Result<Vec<_>>>()?;
        Ok(Self { files, placeholders: placeholders(path)? })
    }

    fn collection(self) -> Collection {
        Collection::read_with(self.files, &self.placeholders)
    }
}

/// Reads the rules below a folder, or in one file. Files are named relative to `root`.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when a file cannot be read. What is wrong in a rule is a
/// rejection.
pub fn read(root: &Path, path: &Path) -> Result<Collection> {
    Ok(Folder::read(root, path)?.collection())
}

/// Compiles the rules below a folder; gives them and the bytes of their pack.
///
/// # Errors
/// As [`read`], and when there is more than a pack may hold.
pub fn compile(path: &Path) -> Result<(Collection, Vec<u8>)> {
    let folder = Folder::read(path.parent().unwrap_or(Path::new("")), path)?;
    let hash = source_hash(&folder.files, &folder.placeholders);
    let collection = folder.collection();
    let pack = Pack::write(&collection, hash)?;
    Ok((collection, pack))
}

/// Where the pack of a pond's rules lies, if there is one.
pub fn pack_of(root: &Path) -> PathBuf {
    root.join(RULES).with_extension(PACK_ENDING)
}

/// Opens a pack.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when it cannot be read, or is none.
pub fn open_pack(path: &Path) -> Result<Pack<Vec<u8>>> {
    let failed = || format!("failed to read the rules in `{}`", path.display());
    let bytes = std::fs::read(path).map_err(|error| Error::bad_config(failed()).because(error))?;
    Pack::open(bytes).map_err(|error| Error::bad_config(failed()).because(error))
}

/// The rules of the pond in a folder: from its pack, where that is of the rules at hand or there are no others, and of
/// that only what may be for one of these events. What is refused is told of and keeps nothing else from running.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) when a file cannot be read.
pub fn of_pond(root: &Path, events: &[&EventSource], problems: &mut Problems) -> Result<RuleSet> {
    let (path, folder) = (pack_of(root), Folder::read(root, &root.join(RULES))?);
    let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
    let pack = path.exists().then(|| open_pack(&path)).transpose()?;
    if let Some(pack) = pack {
        if folder.files.is_empty() || pack.source_hash() == source_hash(&folder.files, &folder.placeholders) {
            if pack.rejected() > 0 {
                let error = Error::bad_config(format!("{} rules were refused when it was compiled", pack.rejected()));
                problems.warn(&name, 1, &error.hint("`millpond sigma check rules` says why"));
            }
            let fitting = pack.load(|rule| events.iter().any(|events| events.may_fit(rule)))?;
            // Correlations may name rules for events that this pond has not.
            return if fitting.correlations().is_empty() { Ok(fitting) } else { pack.load(|_| true) };
        }
        let error = Error::bad_config("it was compiled from other rules than those in `rules/`, and is not used");
        problems.warn(&name, 1, &error.hint("`millpond sigma compile rules` makes it anew"));
    }
    let collection = folder.collection();
    for rejection in &collection.rejections {
        problems.warn(&rejection.file, rejection.line as usize, &rejection.error);
    }
    Ok(collection.into())
}

/// What placeholders stand for in a folder of rules, or beside one file: names, each with a text or a list of texts.
fn placeholders(path: &Path) -> Result<Placeholders> {
    let path = match path.is_file() {
        true => path.with_file_name(PLACEHOLDERS),
        false => path.join(PLACEHOLDERS),
    };
    if !path.exists() {
        return Ok(Placeholders::new());
    }
    let (file, text) = (path.display().to_string(), text(&path)?);
    let mut problems = Problems::default();
    let placeholders = match problems.parse_toml(&file, &text) {
        Some(document) => Section::top(&file, &text, &document).all_texts(&mut problems).into_iter().collect(),
        None => Placeholders::new(),
    };
    problems.into_result()?;
    Ok(placeholders)
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::bad_config(format!("failed to read `{}`", path.display())).because(error))
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
