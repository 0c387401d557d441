//! `millpond run FILE…` outside any pond: files through the shipped packs that they are of. Rows to stdout, nothing else
//! is written.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use millpond::preview::{objects, prepare_pack, preview, recognise};
use millpond::recognize::Candidates;
use millpond::store::Stores;
use millpond_core::Result;
use millpond_core::event::Object;
use millpond_engine::encode::lake_schema;

use crate::output::{Format, Printer};
use crate::progress::rows_text;

/// Whether every record of every file became a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Whole,
    /// A file is of no pack, or records could not be read.
    Partly,
}

pub(crate) async fn run(files: &[String], json: bool, partly: u8) -> Result<ExitCode> {
    let format = if !json && std::io::stdout().is_terminal() { Format::Table } else { Format::Json };
    let stores = Stores::default();
    let candidates = Candidates::shipped()?;
    let mut all = Ended::Whole;
    for object in objects(&stores, files, Path::new(".")).await? {
        if one(&candidates, &stores, &object, format).await? == Ended::Partly {
            all = Ended::Partly;
        }
    }
    Ok(if all == Ended::Whole { ExitCode::SUCCESS } else { ExitCode::from(partly) })
}

async fn one(candidates: &Candidates, stores: &Stores, object: &Object, format: Format) -> Result<Ended> {
    let verdict = recognise(candidates, stores, object).await?;
    eprintln!("{}  {}", object.uri, verdict.line());
    let Some(found) = verdict.source else { return Ok(Ended::Partly) };
    let pack = prepare_pack(&found.source).await?;
    let mut printer = Printer::new(&lake_schema(&pack.output_schema), format)?;
    let finished = preview(&pack, stores, object, &mut |batch| printer.rows(&batch)).await?;
    printer.finish()?;
    eprintln!("rows  {}", rows_text(&finished.balance));
    Ok(if finished.balance.quarantined == 0 { Ended::Whole } else { Ended::Partly })
}
