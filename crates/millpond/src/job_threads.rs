//! The threads that jobs run on, and nothing else does.
//!
//! The allocator gives what a job frees to the next job on the same thread. Tokio's pool for blocking work hands a task
//! to any idle thread and also does a store's file work, so even one job at a time would fill the memory of several
//! threads in turn. Here are as many threads as jobs may run at a time.

use millpond_core::{Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};

/// Threads for up to a number of jobs at a time; each starts when it is first needed.
#[derive(Debug)]
pub struct JobThreads {
    jobs_max: usize,
    handle: Handle,
    /// Used for its pool of threads alone; gone only while it is dropped.
    pool: Option<Runtime>,
}

impl JobThreads {
    /// Threads for up to `jobs_max` jobs.
    ///
    /// # Errors
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when the system does not give what a pool needs.
    pub fn new(jobs_max: usize) -> Result<Self> {
        let pool = Builder::new_current_thread().max_blocking_threads(jobs_max.max(1)).build();
        let pool = pool.map_err(|error| Error::transient("failed to set up the threads of jobs").because(error))?;
        Ok(Self { jobs_max, handle: pool.handle().clone(), pool: Some(pool) })
    }

    /// Jobs that may run at a time.
    pub fn jobs_max(&self) -> usize {
        self.jobs_max
    }

    /// The handle whose `spawn_blocking` runs a job.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for JobThreads {
    fn drop(&mut self) {
        // A job that still runs is not waited for: what it did not hand over is done again.
        if let Some(pool) = self.pool.take() {
            pool.shutdown_background();
        }
    }
}
