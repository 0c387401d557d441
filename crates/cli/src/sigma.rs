//! `millpond sigma`: work on Sigma rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use millpond::rules;
use millpond_core::units::{format_bytes, format_count};
use millpond_core::{Error, Result};
use millpond_sigma::Collection;
use serde_json::json;

use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say which rules can be used, and why the others cannot
    Check {
        /// Files, or folders with `.yml` files at any depth
        #[arg(required = true)]
        rules: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Compile rules to one file that is read in milliseconds: for the pond whose `rules/` they are, or for `millpond scan`
    Compile {
        /// A folder with `.yml` files at any depth
        rules: PathBuf,
        /// Where it goes; by default beside the folder, as in `rules.pack`
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Write rules as SQL queries, one a line, for hunting
    ToSql {
        /// Files, or folders with `.yml` files at any depth
        #[arg(required = true)]
        rules: Vec<PathBuf>,
        /// The table to ask; its columns have the names that the rules use
        #[arg(long, default_value = "input", value_name = "NAME")]
        table: String,
    },
}

pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Check { rules, json } => check(rules, *json),
        Command::Compile { rules, output } => compile(rules, output.as_deref()),
        Command::ToSql { rules, table } => to_sql(rules, table),
    }
}

fn check_exists(path: &Path) -> Result<()> {
    match path.exists() {
        true => Ok(()),
        false => Err(Error::bad_config(format!("there are no rules in `{}`", path.display()))),
    }
}

fn read(path: &Path) -> Result<Collection> {
    check_exists(path)?;
    rules::read(Path::new(""), path)
}

/// Each query behind a comment with the rule's title, id and author.
fn to_sql(paths: &[PathBuf], table: &str) -> Result<ExitCode> {
    let mut refused = 0;
    for path in paths {
        let collection = read(path)?;
        refused += collection.rejections.len();
        collection.rejections.iter().for_each(|rejection| eprintln!("rejected: {rejection}"));
        for rule in &collection.rules {
            let about = &rule.about;
            match rules::to_sql(rule, table) {
                Ok(sql) => output::print(&format!(
                    "-- {} ({}) by {}\n{sql};\n",
                    about.title,
                    about.key(),
                    about.author.as_deref().unwrap_or("unknown")
                ))?,
                Err(error) => {
                    refused += 1;
                    eprintln!("{}:{}: `{}`: {}", about.file, about.line, about.title, error.report());
                }
            }
        }
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compile(folder: &Path, output: Option<&Path>) -> Result<ExitCode> {
    check_exists(folder)?;
    let (collection, pack) = rules::compile(folder)?;
    let output = output.map_or_else(|| folder.with_extension(rules::PACK_ENDING), Path::to_owned);
    let failed = |error| Error::bad_config(format!("failed to write `{}`", output.display())).because(error);
    std::fs::write(&output, &pack).map_err(failed)?;
    eprintln!(
        "{} rules and {} correlations in `{}`, {}; {} refused",
        format_count(collection.rules.len() as u64),
        collection.correlations.len(),
        output.display(),
        format_bytes(pack.len() as u64),
        collection.rejections.len()
    );
    if !collection.rejections.is_empty() {
        eprintln!("  `millpond sigma check {}` says why", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn check(paths: &[PathBuf], as_json: bool) -> Result<ExitCode> {
    let mut rejected = 0;
    for path in paths {
        let collection = read(path)?;
        rejected += collection.rejections.len();
        match as_json {
            true => output::print(&format!("{}\n", to_json(&collection)))?,
            false => print(&collection)?,
        }
    }
    Ok(if rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(collection: &Collection) -> Result<()> {
    let sources: Vec<(String, usize)> = by_logsource(collection).into_iter().collect();
    let columns: [output::Column<(String, usize)>; 2] =
        [("log source", |(name, _)| name.clone()), ("rules", |(_, count)| count.to_string())];
    output::print(&output::text_table(&columns, &sources))?;
    for rejection in &collection.rejections {
        output::print(&format!("rejected: {rejection}\n"))?;
    }
    let Collection { rules, correlations, filters, rejections } = collection;
    output::print(&format!(
        "{} rules, {} correlations and {} filters loaded, {} rejected\n",
        rules.len(),
        correlations.len(),
        filters.len(),
        rejections.len()
    ))
}

fn by_logsource(collection: &Collection) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for rule in &collection.rules {
        *counts.entry(rule.logsource.to_string()).or_insert(0) += 1;
    }
    counts
}

fn to_json(collection: &Collection) -> serde_json::Value {
    let rejected: Vec<_> = collection
        .rejections
        .iter()
        .map(|rejection| {
            json!({
                "file": rejection.file,
                "line": rejection.line,
                "rule": rejection.rule,
                "reason": rejection.error.to_string(),
                "hint": rejection.error.hint_text(),
            })
        })
        .collect();
    json!({
        "rules": collection.rules.len(),
        "correlations": collection.correlations.len(),
        "filters": collection.filters.len(),
        "by_logsource": by_logsource(collection),
        "rejected": rejected,
    })
}
