//! `millpond init`: a pond that explains itself.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use millpond::packs;
use millpond::pond::CONFIG_FILE;
use millpond_core::{Error, Result};

/// The pack of a pond that names none: it takes every file as it is.
const DEFAULT_PACK: &str = "anything";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder; it is made if it is missing
    dir: PathBuf,
    /// A shipped pack to start with; may be given several times (`millpond source packs` lists them)
    #[arg(long = "pack", value_name = "NAME")]
    packs: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let packs: Vec<&str> = match arguments.packs.as_slice() {
        [] => vec![DEFAULT_PACK],
        packs => packs.iter().map(String::as_str).collect(),
    };
    create(&arguments.dir, &packs)?;
    let dir = arguments.dir.display();
    eprintln!(
        "made a pond in `{dir}` with {}\n\nnext:\n  cp YOUR-LOGS {dir}/inbox/\n  millpond run --once --pond {dir}\n  \
         millpond query --pond {dir} \"select * from receipts\"",
        packs.join(", ")
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes a pond with some packs.
pub(crate) fn create(dir: &Path, packs: &[&str]) -> Result<()> {
    if dir.join(CONFIG_FILE).exists() {
        return Err(Error::bad_config(format!("`{}` is a pond already", dir.display()))
            .hint("add a pack to it with `millpond source add PACK --pond DIR`"));
    }
    let failed = |error| Error::bad_config(format!("failed to make `{}`", dir.display())).because(error);
    for folder in ["inbox", "sources", "enrich"] {
        std::fs::create_dir_all(dir.join(folder)).map_err(failed)?;
    }
    for pack in packs {
        packs::install(pack, &dir.join("sources"))?;
    }
    let name = dir.file_name().map_or("pond".into(), |name| name.to_string_lossy());
    std::fs::write(dir.join("README.md"), README).map_err(failed)?;
    std::fs::write(dir.join(".gitignore"), "/inbox\n/lake\n").map_err(failed)?;
    // Last, because it makes the folder a pond.
    std::fs::write(dir.join(CONFIG_FILE), CONFIG.replace("{name}", &name)).map_err(failed)
}

const CONFIG: &str = r#"# A pond: what is here, millpond reads. `millpond check` says what is wrong with it.
name = "{name}"

# Where objects appear: a folder, or s3://bucket/prefix/, gs://…, az://…, https://…
[[input]]
url = "inbox"
poll = "2 s"             # how often it is listed while `millpond run` watches

# Where the tables lie: one Delta table for each source, plus signals, receipts and quarantine.
[lake]
url = "lake"

# What all jobs together may use. By default half of the machine's memory and a job for each processor.
# [budget]
# memory = "4 GiB"
# job_memory = "256 MiB"
# jobs = 2

# Size classes of jobs; without any there are three that follow from `job_memory`.
# [lane.small]
# memory = "64 MiB"
# [lane.large]
# memory = "2 GiB"

# Files and URLs that SQL may name in quotes, as in: left join 's3://intel/bad-ips.parquet' bad on …
# [tables]
# allow = ["s3://intel/**", "enrich/**"]

# Files in `enrich/` are tables by name: enrich/assets.csv is `assets`. All columns are text unless declared here.
# [enrich.assets]
# url = "enrich/assets.csv"
# columns = { risk = "int" }
"#;

const README: &str = "# A pond

| here | what it is |
|---|---|
| `millpond.toml` | inputs, lake, budget; every setting with a comment |
| `inbox/` | drop files here |
| `sources/NAME/source.toml` | which objects a source takes, their format, their columns |
| `sources/NAME/transform.sql` | one SELECT over `input`: its rows go to the table |
| `sources/NAME/signals/*.sql` | detections over `input` and `output`: their rows go to `signals` |
| `sources/NAME/tests/CASE/` | `input.*`, `expected.ndjson`, `expected-signals.ndjson` |
| `enrich/` | tables that SQL joins by name |
| `lake/` | what millpond writes: Delta tables that DuckDB, Spark, Trino and others read |

```
millpond check                       what is wrong, with file and line
millpond test                        the sources' own tests
millpond run --once                  process what lies in the inbox
millpond receipts                    what became of every file
millpond quarantine ls               what could not be used, and why
millpond query \"select * from signals\"
millpond source learn FILES          propose a source from samples
millpond source add PACK             copy a shipped source into the pond
```
";

#[cfg(test)]
mod tests {
    use super::*;
    use millpond_core::config::{PondConfig, Problems};

    #[test]
    fn the_configuration_is_right_also_with_all_its_comments_in_force() {
        let uncommented = CONFIG.replace("# [", "[").lines().map(setting).collect::<Vec<_>>().join("\n");
        for text in [CONFIG.to_owned(), uncommented] {
            let mut problems = Problems::default();
            assert!(PondConfig::parse(CONFIG_FILE, &text, 1 << 30, &mut problems).is_some());
            assert!(problems.found.is_empty(), "{:?}\n{text}", problems.found);
        }
    }

    fn setting(line: &str) -> String {
        let is_setting =
            line.strip_prefix("# ").is_some_and(|rest| rest.contains(" = ") && !rest.starts_with(char::is_uppercase));
        if is_setting { line[2..].to_owned() } else { line.to_owned() }
    }
}
