//! `millpond quarantine`: rows and files that could not be used.

use std::path::Path;
use std::process::ExitCode;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use clap::Subcommand;
use millpond::query::Session;
use millpond_core::{Error, Result};

use crate::output::{self, Format, print_rows};
use crate::run;

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
}

/// What an entry is called: the start of its job's id, then its row, or its member and offset.
const ID: &str = "left(\"_job\", 8) || '-' || coalesce(cast(row as varchar), \
     coalesce('m' || left(md5(member), 6), '') || coalesce('o' || cast(\"offset\" as varchar), 'file'))";

pub(crate) async fn run(pond: Option<&Path>, command: Command) -> Result<ExitCode> {
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

async fn show(session: &Session, id: &str) -> Result<()> {
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
    for (index, name) in ["source", "object", "member", "reason", "detail", "row", "offset", "job"].iter().enumerate() {
        let column = cast(batch.column(index), &DataType::Utf8)
            .map_err(|error| Error::bug("quarantine has another shape").because(error))?;
        if !column.is_null(0) {
            eprintln!("{name:<8} {}", column.as_string::<i32>().value(0));
        }
    }
    let raw = cast(batch.column(8), &DataType::Binary)
        .map_err(|error| Error::bug("quarantine has another shape").because(error))?;
    let raw = raw.as_binary::<i32>().value(0);
    output::print(&format!("{}\n", String::from_utf8_lossy(raw)))
}
