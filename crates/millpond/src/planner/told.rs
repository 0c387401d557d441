//! The plan of one object, told: what `millpond plan` shows.

use millpond_core::event::Object;
use millpond_core::lane::function_mb;
use millpond_core::predict::Work;
use millpond_core::route::route;
use millpond_core::{Error, Result};

use super::look::{Look, look};
use super::{Grant, Planner};
use crate::pond::Pond;
use crate::store::Stores;

/// Everything that a plan stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The source that takes the object.
    pub source: String,
    /// How the memory of its SQL grows.
    pub work: Work,
    /// Jobs of it that are known.
    pub jobs_known: usize,
    /// What the object looks like.
    pub look: Look,
    /// Prediction and lane.
    pub grant: Grant,
    /// The function that holds the lane, in MB; `None`: there is none so large.
    pub function_mb: Option<u64>,
}

/// Plans the job over an object, as the worker would.
///
/// # Errors
/// [`Kind::BadInput`](millpond_core::Kind::BadInput) when no source wants it,
/// [`Kind::Transient`](millpond_core::Kind::Transient) when its store does not answer.
pub async fn told(planner: &Planner, pond: &Pond, stores: &Stores, object: &Object) -> Result<Told> {
    let unwanted = || {
        Error::bad_input(format!("no source wants `{}`", object.uri))
            .hint("`millpond explain` shows what routes compare; add a `[[match]]` to a `source.toml`")
    };
    let source = route(&pond.sources, object.bucket.as_deref(), &object.key).ok_or_else(unwanted)?.source;
    let prepared = pond.prepared(&source.name).ok_or_else(unwanted)?;
    let look = look(stores, prepared, &object.uri, object.size_bytes).await?;
    let prediction = planner.predict(prepared, look.size).await?;
    let grant = planner.grant(source, planner.position(source, &prediction), prediction);
    Ok(Told {
        source: source.name.clone(),
        work: planner.work(prepared).await?,
        jobs_known: planner.jobs_known(&source.name),
        look,
        function_mb: function_mb(grant.memory_bytes),
        grant,
    })
}
