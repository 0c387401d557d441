//! `millpond quarantine`: rows and files that could not be used.

use std::path::Path;
use std::process::ExitCode;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use clap::Subcommand;
use millpond::pond::Pond;
use millpond::query::Session;
use millpond::store::Stores;
use millpond_core::{Error, Result};
use object_store::ObjectStoreExt;

use crate::output::{self, Format, print_rows};
use crate::{replay, run};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what is in quarantine, newest files first
    Ls {
        /// Only entries of this source
        #[arg(long)]
        source: Option<String>,
        /// Only entries with this reason, such as bad_json
        #[arg(long)]
        reason: Option<String>,
        /// Entries to show
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Print JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Show one entry whole; its raw bytes go to stdout
    Show {
        /// The id that `ls` shows
        id: String,
    },
    /// Process again what put records, or itself, into quarantine, and swap the old rows for the new
    Replay {
        /// Only files of this source
        #[arg(long)]
        source: Option<String>,
        /// Process the files again and say what would change, without changing it
        #[arg(long)]
        dry_run: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an entry a test of its source
    ToTest {
        /// The id that `ls` shows
        id: String,
    },
}

/// What an entry is called: the start of its job's id, then its row, or its member and offset.
const ID: &str = "left(\"_job\", 8) || '-' || coalesce(cast(row as varchar), \
     coalesce('m' || left(md5(member), 6), '') || coalesce('o' || cast(\"offset\" as varchar), 'file'))";

pub(crate) async fn run(pond: Option<&Path>, command: Command) -> Result<ExitCode> {
    if let Command::Replay { source, dry_run, json } = &command {
        return replay::run(pond, &replay::Arguments::of_quarantine(source.as_deref(), *dry_run, *json)).await;
    }
    let lake = run::lake(pond)?;
    let session = Session::new(Some(&lake), Path::new(".")).await?;
    if !session.tables().iter().any(|table| table == "quarantine") {
        eprintln!("nothing is in quarantine");
        return Ok(ExitCode::SUCCESS);
    }
    match command {
        Command::Ls { source, reason, limit, json } => {
            list(&session, source.as_deref(), reason.as_deref(), limit, json).await?
        }
        Command::Show { id } => show(&session, &id).await?,
        Command::ToTest { id } => to_test(pond, &session, &id).await?,
        Command::Replay { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(session: &Session, source: Option<&str>, reason: Option<&str>, limit: u32, json: bool) -> Result<()> {
    let equals =
        |column: &str, value: Option<&str>| value.map(|value| format!("{column} = '{}'", value.replace('\'', "''")));
    let conditions: Vec<String> = [equals("source", source), equals("reason", reason)].into_iter().flatten().collect();
    let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") };
    let columns = match json {
        true => format!(
            "{ID} as id, source, reason, detail, row, \"offset\", object, member, encode(raw, 'base64') as raw_base64, \"_job\" as job_id"
        ),
        false => format!(
            "{ID} as id, source, reason, case when length(detail) > 70 then left(detail, 69) || '…' else detail end as detail, \
             length(encode(raw, 'hex')) / 2 as bytes, case when length(object) > 50 then '…' || right(object, 49) else object end as object, member"
        ),
    };
    let sql =
        format!("select {columns} from quarantine where {condition} order by \"_day\" desc, object, row limit {limit}");
    let (schema, batches) = session.collect(&sql).await?;
    print_rows(&schema, &batches, if json { Format::Json } else { Format::Table })
}

/// An entry, found by its id.
struct Entry {
    /// Names and values, as far as there are any.
    fields: Vec<(&'static str, String)>,
    raw: Vec<u8>,
}

impl Entry {
    fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }
}

const FIELDS: [&str; 8] = ["source", "object", "member", "reason", "detail", "row", "offset", "job"];

async fn entry(session: &Session, id: &str) -> Result<Entry> {
    let sql = format!(
        "select source, object, member, reason, detail, cast(row as varchar), cast(\"offset\" as varchar), \"_job\", raw \
         from quarantine where {ID} = '{}' limit 1",
        id.replace('\'', "''")
    );
    let (_, batches) = session.collect(&sql).await?;
    let missing = || {
        Error::bad_input(format!("nothing in quarantine is called `{id}`"))
            .hint("`millpond quarantine ls` lists the ids")
    };
    let batch = batches.into_iter().find(|batch| batch.num_rows() > 0).ok_or_else(missing)?;
    let failed = |error| Error::bug("quarantine has another shape").because(error);
    let mut fields = Vec::new();
    for (index, name) in FIELDS.into_iter().enumerate() {
        let column = cast(batch.column(index), &DataType::Utf8).map_err(failed)?;
        if !column.is_null(0) {
            fields.push((name, column.as_string::<i32>().value(0).to_owned()));
        }
    }
    let raw = cast(batch.column(FIELDS.len()), &DataType::Binary).map_err(failed)?;
    Ok(Entry { fields, raw: raw.as_binary::<i32>().value(0).to_vec() })
}

async fn show(session: &Session, id: &str) -> Result<()> {
    let entry = entry(session, id).await?;
    for (name, value) in &entry.fields {
        eprintln!("{name:<8} {value}");
    }
    output::print(&format!("{}\n", String::from_utf8_lossy(&entry.raw)))
}

/// Makes the record, or the whole file where there is no record, the input of a test of its source.
async fn to_test(pond: Option<&Path>, session: &Session, id: &str) -> Result<()> {
    let root = Pond::find(pond.unwrap_or(Path::new(".")))?;
    let entry = entry(session, id).await?;
    let source = entry.field("source");
    let folder = root.join("sources").join(source);
    if source.is_empty() || !folder.join("source.toml").is_file() {
        return Err(Error::bad_input(format!("entry `{id}` is of no source of this pond")));
    }
    let case = folder.join("tests").join(format!("quarantine-{id}"));
    let (name, bytes) = match entry.raw.is_empty() {
        true => whole_file(entry.field("object")).await?,
        false => ("input.log".to_owned(), entry.raw.clone()),
    };
    let failed = |error| Error::bad_input(format!("failed to write `{}`", case.display())).because(error);
    std::fs::create_dir_all(&case).map_err(failed)?;
    std::fs::write(case.join(&name), bytes).map_err(failed)?;
    output::print(&format!("{}\n", case.join(name).display()))?;
    eprintln!(
        "put the source right, then `millpond test {source} --update` writes what the test must give from then on\n\
         a record of a format with a header (CSV, Zeek) needs the header line above it: add it to the input"
    );
    Ok(())
}

/// An object's bytes, and what the input of a test over them is called.
async fn whole_file(uri: &str) -> Result<(String, Vec<u8>)> {
    let (store, path) = Stores::default().locate(uri)?;
    let failed = |error| Error::transient(format!("failed to fetch `{uri}`")).because(error);
    let bytes = store.get(&path).await.map_err(failed)?.bytes().await.map_err(failed)?;
    let endings = path.filename().and_then(|name| name.split_once('.')).map_or("log", |(_, endings)| endings);
    Ok((format!("input.{endings}"), bytes.to_vec()))
}
