//! The pond of a run: three sources, in two versions.

use std::fs;
use std::io;
use std::path::Path;

/// One source: what its generator must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SimSource {
    pub(crate) name: &'static str,
    /// Whether the same bytes under another key are processed once.
    pub(crate) skips_duplicates: bool,
    /// Whether rows of the kind `noise` are dropped.
    pub(crate) filters: bool,
    /// Whether a row comes out once for each of its parts.
    pub(crate) explodes: bool,
    /// Whether rows of the kind `alarm` are signals.
    pub(crate) signals: bool,
}

/// Every source; the table has its name.
pub(crate) const SOURCES: [SimSource; 3] = [
    SimSource { name: "auth", skips_duplicates: true, filters: true, explodes: false, signals: true },
    SimSource { name: "flow", skips_duplicates: false, filters: false, explodes: false, signals: false },
    SimSource { name: "tree", skips_duplicates: true, filters: true, explodes: true, signals: false },
];

/// Versions of the sources: the second one gives a column more.
pub(crate) const VERSIONS: [u32; 2] = [1, 2];

const SIGNAL: &str = "-- title: Alarm\n-- severity: high\n\
                      select cast(id as varchar) as entity, ts as time, kind, _row from input where kind = 'alarm'\n";

/// Writes the pond in one version into a folder.
///
/// # Errors
/// When the folder cannot be written.
pub(crate) fn write_pond(root: &Path, version: u32) -> io::Result<()> {
    fs::create_dir_all(root)?;
    fs::write(root.join("millpond.toml"), "name = 'simulated'\n[lake]\nurl = 'memory://lake/'\n")?;
    for source in SOURCES {
        let folder = root.join("sources").join(source.name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("source.toml"), config(source, version))?;
        fs::write(folder.join("transform.sql"), transform(source, version))?;
        if source.signals {
            fs::create_dir_all(folder.join("signals"))?;
            fs::write(folder.join("signals/alarm.sql"), SIGNAL)?;
        }
    }
    Ok(())
}

fn config(source: SimSource, version: u32) -> String {
    let duplicates = if source.skips_duplicates { "skip" } else { "process" };
    format!(
        "version = {version}\ntime = 'time'\n[[match]]\nglob = '{}/**/*.ndjson'\n\
         [format]\ntype = 'json'\n[columns]\nid = 'int'\nts = 'timestamp'\nkind = 'text'\nparts = ['int']\n[policy]\nduplicates = '{duplicates}'\n",
        source.name
    )
}

fn transform(source: SimSource, version: u32) -> String {
    let part = if source.explodes { "unnest(parts)" } else { "0" };
    // Another try writes other bytes, as with `now()`: what is committed must not change for it.
    let time = if source.explodes { "" } else { ", now() as processed_at" };
    let edition = if version > 1 { ", 'second' as edition" } else { "" };
    let condition = if source.filters { " where kind <> 'noise'" } else { "" };
    format!("select ts as time, id, {part} as part, kind, _file, _row{time}{edition} from input{condition}\n")
}
