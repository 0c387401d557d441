//! `millpond recognize`: what files are, by their content.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use millpond::pond::Pond;
use millpond::recognize::{Candidates, Origin, Verdict};
use millpond::scan::files_below;
use millpond_core::{Error, Result};
use serde::Serialize;

use crate::output;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files and folders
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Recognise these sources instead of the pond's and the shipped packs: a folder with a folder for each
    #[arg(long, value_name = "DIR")]
    sources: Option<PathBuf>,
    /// Print a JSON line for each file
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    file: String,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

pub(crate) fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let root = match pond {
        Some(pond) => Some(Pond::find(pond)?),
        None => Pond::find(Path::new(".")).ok(),
    };
    let candidates = candidates(root.as_deref(), arguments.sources.as_deref())?;
    let files = files_below(&arguments.files)?;
    let verdicts = Mutex::new(vec![None; files.len()]);
    let bar = crate::progress::files(files.len());
    candidates.recognise_files(&files, &|index, verdict| {
        verdicts.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(verdict);
        bar.inc(1);
    });
    bar.finish_and_clear();
    let verdicts = verdicts.into_inner().unwrap_or_else(PoisonError::into_inner);
    let told: Vec<(&PathBuf, Verdict)> =
        files.iter().zip(verdicts).filter_map(|(file, verdict)| Some((file, verdict?))).collect();
    match arguments.json {
        true => print_json(&told)?,
        false => print_lines(&told)?,
    }
    let verdicts = || told.iter().map(|(_, verdict)| verdict);
    tell(verdicts(), root.is_some(), arguments.sources.is_none());
    Ok(ExitCode::SUCCESS)
}

/// The sources of the folder that was named; else those of the pond and the shipped packs that it lacks.
fn candidates(root: Option<&Path>, sources: Option<&Path>) -> Result<Candidates> {
    let candidates = match (sources, root.map(|root| root.join("sources"))) {
        (Some(sources), _) => Candidates::of_folder(sources)?,
        (None, Some(sources)) if sources.is_dir() => Candidates::of_folder(&sources)?.and(Candidates::shipped()?),
        (None, _) => Candidates::shipped()?,
    };
    match candidates.is_empty() {
        true => Err(Error::bad_config("no source says what its records look like")
            .hint("add `[[recognize]]` to a source.toml: docs/reference/source.md")),
        false => Ok(candidates),
    }
}

fn print_lines(told: &[(&PathBuf, Verdict)]) -> Result<()> {
    let width = told.iter().map(|(file, _)| file.display().to_string().chars().count()).max().unwrap_or(0);
    told.iter().try_for_each(|(file, verdict)| {
        output::print(&format!("{:<width$}  {}\n", file.display().to_string(), verdict.line()))
    })
}

fn print_json(told: &[(&PathBuf, Verdict)]) -> Result<()> {
    let line = |(file, verdict): &(&PathBuf, Verdict)| {
        let line = serde_json::to_string(&Line { file: file.display().to_string(), verdict });
        line.map_err(|error| Error::bug("failed to write JSON").because(error))
    };
    told.iter().try_for_each(|one| output::print(&format!("{}\n", line(one)?)))
}

/// What to do with files, each hint once.
fn tell<'a>(verdicts: impl Iterator<Item = &'a Verdict> + Clone, is_in_pond: bool, with_shipped: bool) {
    let packs: BTreeSet<&str> = verdicts
        .clone()
        .filter_map(|verdict| verdict.source.as_ref())
        .filter(|found| found.origin == Origin::Shipped && is_in_pond)
        .map(|found| found.source.as_str())
        .collect();
    packs.iter().for_each(|pack| eprintln!("  hint: {}", add_hint(pack)));
    if with_shipped && verdicts.clone().any(|verdict| verdict.source.is_none() && verdict.records > 0) {
        eprintln!("  hint: `millpond source learn FILE` proposes a source for what is unknown");
    }
}

/// How a pond gets a pack that it lacks.
pub(crate) fn add_hint(pack: &str) -> String {
    format!("the pond has no source for it: `millpond source add {pack}`")
}
