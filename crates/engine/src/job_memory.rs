//! The memory of one job as a whole: what its operators reserve, and what the decoder, the rows on their way and the open
//! files take besides, which nobody reserves.
//!
//! The allocator counts what the job's thread holds. What of it no operator reserved is put into the session's pool under
//! a name of its own, so that sorts and aggregates spill for it, and a job that does not stay within its memory ends with
//! an error that says so rather than by the kernel. A program that does not count (a test) is not checked.

use std::sync::Arc;

use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use millpond_core::lane::memory_stop_bytes;
use millpond_core::units::format_bytes;
use millpond_core::{Error, Result};

use crate::memory;

/// Of a job's memory this part is kept from sorts and aggregates from the start: they fill what they can get, and a
/// decoder's or encoder's buffers come and go between two of their looks.
const BUFFERS_DIVISOR: u64 = 4;

/// What a job may hold, and what of it is buffers.
pub(crate) struct JobMemory {
    limit_bytes: u64,
    /// What the thread held before the job.
    before: i64,
    pool: Arc<dyn MemoryPool>,
    buffers: MemoryReservation,
}

impl JobMemory {
    /// The memory of a job that begins now on this thread.
    pub(crate) fn new(limit_bytes: u64, pool: &Arc<dyn MemoryPool>) -> Self {
        let buffers = MemoryConsumer::new("decoder, rows on their way and open files").register(pool);
        let memory = Self { limit_bytes, before: memory::held_bytes(), pool: Arc::clone(pool), buffers };
        memory.buffers.resize(memory.buffers_least());
        memory
    }

    /// Brings the pool up to what the job holds now.
    ///
    /// # Errors
    /// [`Kind::TooBig`](millpond_core::Kind::TooBig) when that is more than it may.
    pub(crate) fn check(&self) -> Result<()> {
        let held_bytes = u64::try_from(memory::held_bytes() - self.before).unwrap_or(0);
        let reserved_bytes = (self.pool.reserved() as u64).saturating_sub(self.buffers.size() as u64);
        let buffers_bytes = held_bytes.saturating_sub(reserved_bytes);
        // Operators are told late that they have to spill, so what they reserved is not refused here but at their next
        // batch; what the job really holds is.
        self.buffers.resize((buffers_bytes as usize).max(self.buffers_least()));
        match buffers_bytes > self.limit_bytes || held_bytes > memory_stop_bytes(self.limit_bytes) {
            false => Ok(()),
            true => Err(too_big(self.limit_bytes, held_bytes)),
        }
    }

    /// What is kept for buffers, where the program counts them.
    fn buffers_least(&self) -> usize {
        let is_counted = memory::held_bytes() != 0;
        if is_counted { (self.limit_bytes / BUFFERS_DIVISOR) as usize } else { 0 }
    }
}

fn too_big(limit_bytes: u64, held_bytes: u64) -> Error {
    let (held, limit) = (format_bytes(held_bytes), format_bytes(limit_bytes));
    Error::too_big(format!("failed to keep the job within its memory: it holds {held} and may hold {limit}"))
        .for_memory()
        .hint("raise `memory` of the largest `[lane]` in `millpond.toml`, or under `[limits]` in `source.toml`")
}
