//! `millpond erase`: rows that must go, and the proof that they went.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use millpond::clock::Clock;
use millpond::compaction::Layout;
use millpond::erase::{Erased, erase, is_default};
use millpond::pond::Pond;
use millpond_core::units::{format_count, nearest};
use millpond_core::{Error, Result};

use crate::{output, run};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which rows: what stands behind `where`. Rows for which it is NULL stay
    #[arg(long = "where", value_name = "PREDICATE")]
    predicate: String,
    /// Only this table; may be said again. Without it, every table that has the columns, but for receipts and audit
    #[arg(long = "table", value_name = "TABLE")]
    tables: Vec<String>,
    /// Count the rows, and erase nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let root = run::root(pond)?;
    let lake = run::lake(pond)?;
    let sources = Pond::sources_of(&root)?;
    let mut done = Vec::new();
    for table in lake.named_tables(&arguments.tables).await? {
        if arguments.tables.is_empty() && !is_default(&table) {
            continue;
        }
        let layout = Layout::of(&table, &sources);
        let now_us = Clock::system().now_us();
        let erased = erase(&lake, &table, &arguments.predicate, &layout, arguments.dry_run, now_us).await?;
        let Some(erased) = erased else { continue };
        if !arguments.json {
            output::print(&told(&erased, arguments.dry_run))?;
        }
        done.push(erased);
    }
    if arguments.json {
        output::print_json_lines(&done)?;
    }
    if let Some(column) = lacked_by_all(&done) {
        let columns = columns(&lake, &done).await?;
        let error = Error::bad_config(format!("no table that was looked at has a column `{column}`"));
        return Err(match nearest(column, columns.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`? names are matched exactly")),
            None => error.hint("`millpond query \"describe TABLE\"` lists a table's columns"),
        });
    }
    if !arguments.dry_run {
        eprintln!(
            "old versions keep the rows until `millpond lake vacuum`; objects in the inputs are not touched; \
             what was erased stands in the table `audit`"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn told(erased: &Erased, is_dry_run: bool) -> String {
    let table = &erased.table;
    if let Some(column) = &erased.lacks {
        return format!("{table}: has no column `{column}`\n");
    }
    let (rows, files) = (format_count(erased.rows), format_count(erased.files));
    match is_dry_run {
        true => format!("{table}: {rows} rows in {files} files would go\n"),
        false if erased.rows == 0 => format!("{table}: no such rows in version {}\n", erased.version_before),
        false => format!(
            "{table}: {rows} rows erased, {files} files written again, version {} is now {}\n",
            erased.version_before, erased.version_after
        ),
    }
}

/// The column that every table lacks, if there is any table.
fn lacked_by_all(done: &[Erased]) -> Option<&str> {
    done.iter().map(|erased| erased.lacks.as_deref()).collect::<Option<Vec<_>>>()?.first().copied()
}

async fn columns(lake: &millpond::lake::Lake, done: &[Erased]) -> Result<Vec<String>> {
    let mut columns = Vec::new();
    for erased in done {
        let schema = lake.schema(&erased.table).await?;
        columns.extend(schema.iter().flat_map(|schema| schema.fields().iter().map(|field| field.name().clone())));
    }
    Ok(columns)
}
