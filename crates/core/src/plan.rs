//! What a job may use.

use crate::format::DecodeLimits;
use crate::lane::SPILL_BYTES;
use crate::source::Source;

/// The SQL engine that runs a source's transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Engine {
    /// Apache DataFusion, compiled in.
    #[default]
    DataFusion,
    /// DuckDB, a shared library reached through ADBC.
    DuckDb,
    /// chDB, which is ClickHouse in a shared library, reached through ADBC.
    ChDb,
}

impl Engine {
    /// Every engine, by the name used in `source.toml` and receipts.
    pub const NAMES: [(&'static str, Self); 3] =
        [("datafusion", Self::DataFusion), ("duckdb", Self::DuckDb), ("chdb", Self::ChDb)];

    /// The engine's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataFusion => "datafusion",
            Self::DuckDb => "duckdb",
            Self::ChDb => "chdb",
        }
    }

    /// The engine of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, engine)| *engine)
    }
}

/// What one job may use. Made before the job starts and recorded in its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The SQL engine.
    pub engine: Engine,
    /// Memory for all that the job holds: rows of its SQL, the decoder's buffers, files that are being written.
    pub memory_bytes: u64,
    /// Bytes that its sorts and aggregates may spill to the temporary folder.
    pub spill_bytes: u64,
    /// How long the job's SQL may run, in milliseconds; `None`: as long as it takes.
    pub time_ms: Option<u64>,
    /// Rows that travel together.
    pub batch_rows: usize,
    /// Limits of the decoder.
    pub decode: DecodeLimits,
}

/// Rows of a batch: large enough to amortise each operator's call, small enough for a small memory.
pub const BATCH_ROWS: usize = 4_096;

/// Plans a job of `source`; `memory_bytes` is what a job gets when the source says nothing.
pub fn plan(source: &Source, memory_bytes: u64) -> Plan {
    Plan {
        engine: source.engine(),
        memory_bytes: source.memory_bytes.unwrap_or(memory_bytes),
        spill_bytes: SPILL_BYTES,
        time_ms: source.time_ms,
        batch_rows: BATCH_ROWS,
        decode: source.decode_limits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_one_name() {
        for (name, engine) in Engine::NAMES {
            assert_eq!(engine.name(), name);
            assert_eq!(Engine::named(name), Some(engine));
        }
        assert_eq!(Engine::named("velox"), None);
    }
}
