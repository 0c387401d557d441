//! `millpond source`: work on sources.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use millpond::learn::{Proposal, propose};
use millpond::packs;
use millpond::pond::Pond;
use millpond::scaffold::scaffold;
use millpond::source_test::run_tests;
use millpond_core::config::Problems;
use millpond_core::format::DecodeLimits;
use millpond_core::source::Source;
use millpond_core::{Error, Result};
use millpond_engine::decode::learn::learn;

use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Propose a source from samples: format, columns with types, a first transform
    Learn {
        /// Sample files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        /// Write the proposal into the pond as this source instead of printing it
        #[arg(long, value_name = "NAME")]
        write: Option<String>,
    },
    /// Make a source from a sample: columns, a first transform, a README, and a test of the first records that passes
    New {
        /// Its name, such as `vendor-product`
        name: String,
        /// The sample
        #[arg(long, value_name = "FILE")]
        like: String,
        /// Its rows are events of this class of OCSF; `base_event` if none is named
        #[arg(long, value_name = "CLASS", num_args = 0..=1, default_missing_value = "base_event")]
        ocsf: Option<String>,
    },
    /// List the shipped packs
    Packs,
    /// Copy a shipped pack into the pond
    Add {
        /// The pack
        pack: String,
    },
}

pub(crate) async fn run(pond: Option<&Path>, command: Command) -> Result<ExitCode> {
    let root = || Pond::find(pond.unwrap_or(Path::new(".")));
    match command {
        Command::Learn { files, write } => learn_source(&files, write.as_deref(), root)?,
        Command::New { name, like, ocsf } => new_source(&root()?, &name, &like, ocsf.as_deref()).await?,
        Command::Packs => list_packs()?,
        Command::Add { pack } => {
            packs::install(&pack, &root()?.join("sources"))?;
            eprintln!("added `sources/{pack}`; `millpond test {pack}` tries it");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list_packs() -> Result<()> {
    let mut problems = Problems::default();
    let packs = packs::names().into_iter().map(|name| packs::source(name, &mut problems));
    let packs: Vec<Source> = packs.filter_map(Result::transpose).collect::<Result<_>>()?;
    let columns: [output::Column<Source>; 2] =
        [("pack", |source| source.name.clone()), ("logs", |source| source.description.clone())];
    output::print(&output::text_table(&columns, &packs))
}

fn learn_source(files: &[String], write: Option<&str>, root: impl Fn() -> Result<std::path::PathBuf>) -> Result<()> {
    let opened = files.iter().map(|file| Ok((file.clone(), open(file)?)));
    let learned = learn(opened.collect::<Result<Vec<_>>>()?, DecodeLimits::default())?;
    let proposal = propose(write.unwrap_or("my-source"), &learned);
    match write {
        None => output::print(&format!("# source.toml\n{}\n-- transform.sql\n{}", proposal.config, proposal.transform)),
        Some(name) => write_source(&root()?.join("sources").join(name), name, &proposal),
    }
}

fn open(file: &str) -> Result<Box<dyn Read + Send>> {
    let opened = std::fs::File::open(file);
    let opened = opened.map_err(|error| Error::bad_input(format!("failed to open `{file}`")).because(error))?;
    Ok(Box::new(opened))
}

/// Writes a source, and what its test gives as what is expected of it.
async fn new_source(root: &Path, name: &str, like: &str, ocsf: Option<&str>) -> Result<()> {
    let files = scaffold(name, like, ocsf, &|| open(like))?;
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    write_files(&root.join("sources").join(name), &files)?;
    let tested = run_tests(&Pond::load(root).await?, Some(name), true).await?;
    match tested.iter().all(|case| case.differences.is_empty()) {
        true => eprintln!("made `sources/{name}`: `millpond check` and `millpond test {name}` pass as it is"),
        false => eprintln!("made `sources/{name}`: `millpond test {name}` tells what its events lack yet"),
    }
    eprintln!(
        "  its test holds records of `{like}` as they were: remove what is secret, then `millpond test {name} --update`"
    );
    eprintln!("  next: its `[[match]]`, what `transform.sql` calls its columns, and its README");
    Ok(())
}

fn write_source(folder: &Path, name: &str, proposal: &Proposal) -> Result<()> {
    write_files(folder, &[("source.toml", &proposal.config), ("transform.sql", &proposal.transform)])?;
    eprintln!("wrote `sources/{name}`: set its `[[match]]`, then `millpond check`");
    Ok(())
}

/// Writes the files of a source that is not there yet.
fn write_files(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    if folder.exists() {
        return Err(Error::bad_config(format!("`{}` is there already", folder.display())).hint("choose another name"));
    }
    let failed = |error| Error::bad_config(format!("failed to write `{}`", folder.display())).because(error);
    for (path, text) in files {
        let path = folder.join(path);
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        std::fs::write(path, text).map_err(failed)?;
    }
    Ok(())
}
