//! `millpond source`: work on sources.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use millpond::learn::{Proposal, propose};
use millpond::packs;
use millpond::pond::Pond;
use millpond_core::format::DecodeLimits;
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
    /// List the shipped packs
    Packs,
    /// Copy a shipped pack into the pond
    Add {
        /// The pack
        pack: String,
    },
}

pub(crate) fn run(pond: Option<&Path>, command: Command) -> Result<ExitCode> {
    let root = || Pond::find(pond.unwrap_or(Path::new(".")));
    match command {
        Command::Learn { files, write } => learn_source(&files, write.as_deref(), root)?,
        Command::Packs => packs::names().iter().try_for_each(|name| output::print(&format!("{name}\n")))?,
        Command::Add { pack } => {
            packs::install(&pack, &root()?.join("sources"))?;
            eprintln!("added `sources/{pack}`; `millpond test {pack}` tries it");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn learn_source(files: &[String], write: Option<&str>, root: impl Fn() -> Result<std::path::PathBuf>) -> Result<()> {
    let opened = files.iter().map(|file| {
        let opened = std::fs::File::open(file);
        let opened = opened.map_err(|error| Error::bad_input(format!("failed to open `{file}`")).because(error))?;
        Ok((file.clone(), Box::new(opened) as Box<dyn Read + Send>))
    });
    let learned = learn(opened.collect::<Result<Vec<_>>>()?, DecodeLimits::default())?;
    let proposal = propose(write.unwrap_or("my-source"), &learned);
    match write {
        None => output::print(&format!("# source.toml\n{}\n-- transform.sql\n{}", proposal.config, proposal.transform)),
        Some(name) => write_source(&root()?.join("sources").join(name), name, &proposal),
    }
}

fn write_source(folder: &Path, name: &str, proposal: &Proposal) -> Result<()> {
    if folder.exists() {
        return Err(Error::bad_config(format!("`{}` is there already", folder.display())).hint("choose another name"));
    }
    let failed = |error| Error::bad_config(format!("failed to write `{}`", folder.display())).because(error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    std::fs::write(folder.join("source.toml"), &proposal.config).map_err(failed)?;
    std::fs::write(folder.join("transform.sql"), &proposal.transform).map_err(failed)?;
    eprintln!("wrote `sources/{name}`: set its `[[match]]`, then `millpond check`");
    Ok(())
}
