//! `millpond explain`: what would happen, or did happen, to one object.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use millpond::explain::{explain, find, to_text};
use millpond::store::Stores;
use millpond_core::Result;

use crate::{output, run};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// A file or URL, or a key below one of the pond's inputs
    object: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let pond = run::load(pond).await?;
    let stores = Stores::default();
    let lake = pond.open_lake(&stores).await?;
    let object = find(&pond, &stores, &arguments.object, Path::new(".")).await?;
    let told = explain(&pond, &lake, &stores, &object).await?;
    match arguments.json {
        true => output::print(&format!("{told}\n"))?,
        false => output::print(&to_text(&told))?,
    }
    Ok(ExitCode::SUCCESS)
}
