//! `millpond plan`: what the job over one object will take, before it starts.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use millpond::explain::find;
use millpond::planner::Planner;
use millpond::planner::told::{Told, told};
use millpond::store::Stores;
use millpond_core::Result;
use millpond_core::event::Object;
use millpond_core::units::{format_bytes, format_count, format_us};
use serde_json::{Value, json};

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
    let planner = Planner::of(&pond);
    planner.read_history(&lake).await?;
    let told = told(&planner, &pond, &stores, &object).await?;
    match arguments.json {
        true => output::print(&format!("{}\n", to_json(&object, &told)))?,
        false => output::print(&to_text(&object, &told))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn to_json(object: &Object, told: &Told) -> Value {
    let prediction = &told.grant.prediction;
    json!({
        "object": object.uri, "bytes": object.size_bytes, "source": told.source,
        "compression": told.look.compression, "format": told.look.format,
        "decoded_bytes": prediction.decoded_bytes, "told_by": told.look.told_by,
        "work": told.work.name(), "jobs_known": told.jobs_known, "predicted_by": prediction.basis.name(),
        "memory_bytes": prediction.memory_bytes, "time_us": prediction.time_us, "disk_bytes": prediction.disk_bytes,
        "lane": told.grant.lane, "memory_limit_bytes": told.grant.memory_bytes,
        "spill_limit_bytes": told.grant.spill_bytes, "function_mb": told.function_mb,
    })
}

fn to_text(object: &Object, told: &Told) -> String {
    let prediction = &told.grant.prediction;
    let or_unknown = |text: &str| if text.is_empty() { "not known yet".to_owned() } else { text.to_owned() };
    let function = match told.function_mb {
        Some(mb) => format!("a function of {} MB", format_count(mb)),
        None => "more than any function has".to_owned(),
    };
    let basis = match told.jobs_known {
        0 => "the model alone: the source has not run yet".to_owned(),
        jobs => format!(
            "`{}`, from the model and {} jobs of the source",
            prediction.basis.name(),
            format_count(jobs as u64)
        ),
    };
    let rows = [
        ("object", object.uri.clone()),
        ("source", format!("{}, {}", told.source, told.work.name())),
        ("stored", format!("{}, {}", format_bytes(object.size_bytes), or_unknown(&told.look.compression))),
        ("decoded", format!("{}, by {}", format_bytes(prediction.decoded_bytes), told.look.told_by)),
        ("format", or_unknown(&told.look.format)),
        ("memory", format_bytes(prediction.memory_bytes)),
        ("time", format_us(prediction.time_us)),
        ("disk", format_bytes(prediction.disk_bytes)),
        ("predicted by", basis),
        ("lane", format!("{}: {} of memory, {function}", told.grant.lane, format_bytes(told.grant.memory_bytes))),
    ];
    rows.map(|(name, value)| format!("{name:<13} {value}\n")).concat()
}
