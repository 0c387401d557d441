//! The SQL session: DataFusion with the settings that a small job wants.

use std::sync::Arc;

use datafusion::common::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SessionConfig;
use millpond_core::{Error, Result};

use crate::functions;

/// Settings of every session: names are matched exactly, as the decoders do.
pub fn config(threads: usize, batch_rows: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_batch_size(batch_rows)
        .with_information_schema(true)
        .with_collect_statistics(false);
    let options = config.options_mut();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.sort_spill_reservation_bytes = 1 << 20;
    config
}

/// A session with all functions, millpond's own among them, and an empty catalog.
pub fn state(config: SessionConfig) -> SessionState {
    let mut state = SessionStateBuilder::new().with_config(config).with_default_features();
    state.scalar_functions().get_or_insert_default().extend(functions::all());
    state.build()
}

/// Memory and spill space of one session.
///
/// # Errors
/// [`Kind::Transient`](millpond_core::Kind::Transient) when the temporary folder cannot be used.
pub fn runtime(memory_bytes: u64, spill_bytes: u64) -> Result<Arc<RuntimeEnv>> {
    let disk = DiskManagerBuilder::default().with_max_temp_directory_size(spill_bytes);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory_bytes as usize)))
        .with_disk_manager_builder(disk)
        .build_arc()
        .map_err(|error| Error::transient("failed to set up the SQL session").because(error))
}

/// Turns an error of the SQL engine into ours: one of ours that passed through it keeps its kind.
pub fn engine_error(what: &str, error: DataFusionError) -> Error {
    if let Some(ours) = find_ours(&error) {
        return ours;
    }
    if causes(&error).any(|cause| cause.is::<datafusion::object_store::Error>()) {
        return Error::transient(what.to_owned()).because(error.strip_backtrace());
    }
    if is_exhausted(&error) {
        return Error::too_big(what.to_owned())
            .because(error.strip_backtrace())
            .for_memory()
            .hint("raise `memory` under `[limits]` in `source.toml`");
    }
    match error.find_root() {
        DataFusionError::IoError(_) | DataFusionError::ObjectStore(_) => {
            Error::transient(what.to_owned()).because(error.strip_backtrace())
        }
        _ => Error::bad_config(what.to_owned()).because(error.strip_backtrace()),
    }
}

/// What DataFusion says where what may be spilled is used up. It stands in an error of input and output, as text alone.
const SPILLED_MOST: &str = "used disk space during the spilling process has exceeded";

/// Whether memory, or what may be spilled, was not enough.
fn is_exhausted(error: &DataFusionError) -> bool {
    let is_spilled_most = || causes(error).any(|cause| cause.to_string().contains(SPILLED_MOST));
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_)) || is_spilled_most()
}

fn find_ours(error: &DataFusionError) -> Option<Error> {
    let ours = causes(error).find_map(|cause| cause.downcast_ref::<Error>())?;
    let copy = Error::new(ours.kind(), ours.chain());
    let copy = if ours.needs_memory() { copy.for_memory() } else { copy };
    Some(match ours.hint_text() {
        Some(hint) => copy.hint(hint),
        None => copy,
    })
}

/// An error and what caused it, outermost first, through whatever crate it passed.
fn causes(error: &DataFusionError) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |cause| match cause.downcast_ref::<DataFusionError>() {
        Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
        Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
        _ => cause.source(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::object_store;
    use millpond_core::Kind;
    use parquet::errors::ParquetError;

    fn throttled() -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: "503 Slow Down".into() }
    }

    #[test]
    fn a_store_that_does_not_answer_is_transient_whoever_passed_it_on() {
        let parquet = ParquetError::External(Box::new(throttled()));
        let errors = [
            DataFusionError::ObjectStore(Box::new(throttled())),
            DataFusionError::ParquetError(Box::new(parquet)),
            DataFusionError::External(Box::new(throttled())),
            DataFusionError::ArrowError(Box::new(arrow::error::ArrowError::ExternalError(Box::new(throttled()))), None),
        ];
        for error in errors {
            let error = engine_error("failed to read", DataFusionError::Context("t".into(), Box::new(error)));
            assert_eq!(error.kind(), Kind::Transient, "{}", error.chain());
        }
        let full = || DataFusionError::ResourcesExhausted("the disk".into());
        let written = arrow::error::ArrowError::IoError(
            "written".into(),
            std::io::Error::other(format!("The {SPILLED_MOST} 1 KB")),
        );
        for error in [full(), DataFusionError::ArrowError(Box::new(written), None)] {
            let error = engine_error("failed to run", error);
            assert!(error.kind() == Kind::TooBig && error.needs_memory(), "{}", error.chain());
        }
        let wrong = engine_error("failed to read", DataFusionError::Plan("no column `x`".into()));
        assert_eq!(wrong.kind(), Kind::BadConfig);
    }
}
