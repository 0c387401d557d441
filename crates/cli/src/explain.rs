//! `millpond explain`: what would happen, or did happen, to one object.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use futures::StreamExt;
use millpond::explain::{explain, to_text};
use millpond::store::Place;
use millpond_core::event::Object;
use millpond_core::{Error, Result};

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
    let lake = pond.open_lake().await?;
    let (place, object) = find(&pond, &arguments.object).await?;
    let told = explain(&pond, &lake, &place, &object).await?;
    match arguments.json {
        true => output::print(&format!("{told}\n"))?,
        false => output::print(&to_text(&told))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The object as the pond's inputs see it, so that its key is the one that routes match; else as it is named.
async fn find(pond: &millpond::pond::Pond, name: &str) -> Result<(Place, Object)> {
    let named = Place::open(name, Path::new(".")).map(|place| place.url());
    for input in &pond.config.inputs {
        let place = Place::open(&input.url, &pond.root)?;
        let mut events = place.list();
        while let Some(event) = events.next().await {
            let object = event?.object;
            if object.key == name || named.as_ref().is_ok_and(|url| *url == object.uri) {
                return Ok((place, object));
            }
        }
    }
    let place = Place::open(name, Path::new("."))?;
    let first = place.objects().await?.next().await.transpose()?;
    let object = first.ok_or_else(|| Error::bad_input(format!("nothing at `{name}`")))?.object;
    Ok((place, object))
}
