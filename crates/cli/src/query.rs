//! `millpond query`: SQL over the lake's tables and over any file.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use futures::StreamExt;
use millpond::pond::Pond;
use millpond::query::Session;
use millpond_core::Result;

use crate::output::{Format, Printer};
use crate::{run, shell};

#[derive(Debug, Args)]
#[command(after_help = "Files in quotes are tables: select * from 'inbox/a.json.gz' limit 5")]
pub(crate) struct Arguments {
    /// The statement; without one a shell opens
    sql: Option<String>,
    /// Print a JSON object a line
    #[arg(long, group = "format")]
    json: bool,
    /// Print CSV with a header
    #[arg(long, group = "format")]
    csv: bool,
    /// Print an Arrow IPC stream
    #[arg(long, group = "format")]
    arrow: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: Arguments) -> Result<ExitCode> {
    let session = session(pond).await?;
    let format = match (arguments.json, arguments.csv, arguments.arrow) {
        (true, ..) => Format::Json,
        (_, true, _) => Format::Csv,
        (.., true) => Format::Arrow,
        _ => Format::Table,
    };
    match &arguments.sql {
        Some(sql) => print(&session, sql, format).await?,
        None => shell::run(&session).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A session over the named or nearest pond's lake; without any pond, over files alone.
async fn session(pond: Option<&Path>) -> Result<Session> {
    let folder = Path::new(".");
    if pond.is_none() && Pond::find(folder).is_err() {
        return Session::new(None, folder).await;
    }
    let root = run::root(pond)?;
    Ok(Session::new(Some(&run::lake(pond)?), folder).await?.of_pond(&root))
}

/// Runs a statement and prints its rows.
pub(crate) async fn print(session: &Session, sql: &str, format: Format) -> Result<()> {
    let mut rows = session.run(sql).await?;
    let mut printer = Printer::new(&rows.schema, format)?;
    while !printer.is_full()
        && let Some(batch) = rows.batches.next().await
    {
        printer.rows(&batch?)?;
    }
    printer.finish()
}
