//! A pond with one source, as a function has it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const CONFIG: &str = "version = 1\ntime = 'time'\n[[match]]\nglob = '**/*.ndjson*'\n[format]\ntype = 'json'\n\
                      [columns]\nts = 'timestamp'\nuser = 'text'\nbytes = 'int'\n";
const TRANSFORM: &str = "select ts as time, user, bytes, _file, _row from input where user <> 'noise'\n";
const SIGNAL: &str = "-- title: Root was here\n-- severity: high\n\
                      select user as entity, ts as time, bytes, _row from input where user = 'root'\n";

/// A source that keeps every key of a file in memory.
const KEYS_CONFIG: &str =
    "version = 1\n[[match]]\nglob = '**/*.keys'\n[format]\ntype = 'json'\n[columns]\nkey = 'text'\n";
const KEYS: &str = "select key from input qualify row_number() over (partition by key order by _row) = 1\n";

/// A source that sorts a file, and so can be run in parts.
const SORTED_CONFIG: &str =
    "version = 1\n[[match]]\nglob = '**/*.sorted'\n[format]\ntype = 'json'\n[columns]\nkey = 'text'\n";
const SORTED: &str = "select key, _row from input order by key desc\n";

/// The files of the pond. Sorts do not spill, so that a small function shows what a large one does.
pub(crate) const FILES: [(&str, &str); 8] = [
    ("sources/keys/source.toml", KEYS_CONFIG),
    ("sources/keys/transform.sql", KEYS),
    ("sources/sorted/source.toml", SORTED_CONFIG),
    ("sources/sorted/transform.sql", SORTED),
    ("millpond.toml", "name = 'test'\n[lane.all]\nmemory = '16 MiB'\nspill = '1 KiB'\n"),
    ("sources/app/source.toml", CONFIG),
    ("sources/app/transform.sql", TRANSFORM),
    ("sources/app/signals/root.sql", SIGNAL),
];
/// Records of one [`app_log`] that end in its table.
pub(crate) const ROWS: u64 = 9;

/// A pond in a temporary folder, with room for a lake beside it.
pub(crate) struct Pond {
    folder: TempDir,
}

impl Pond {
    pub(crate) fn new() -> Self {
        let pond = Self { folder: tempfile::tempdir().expect("folder") };
        for (path, text) in FILES {
            pond.write(&format!("pond/{path}"), text);
        }
        pond
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn text(&self, below: &str) -> String {
        self.path(below).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn write(&self, below: &str, content: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, content).expect("file");
    }
}

pub(crate) fn bootstrap() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_millpond-lambda"))
}

/// Ten records: nine that are used, of which one is of root, and one that is filtered.
pub(crate) fn app_log(start: u32) -> String {
    let users = ["ann", "bob", "root", "noise", "cyd", "dan", "eve", "fay", "gus", "hal"];
    let record = |n: u32| {
        let (day, user) = (1 + n / 10 % 28, users[(n % 10) as usize]);
        format!("{{\"ts\":\"2026-01-{day:02}T10:00:00Z\",\"user\":\"{user}\",\"bytes\":{n}}}\n")
    };
    (start..start + 10).map(record).collect()
}
