//! What a job's SQL may use, and how it is stopped.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millpond_core::{Error, Result};

/// What an engine may use for one transform.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Memory of the engine.
    pub memory_bytes: u64,
    /// What it may write to the temporary folder.
    pub spill_bytes: u64,
    /// Threads of the engine, the job's own included.
    pub threads: usize,
    /// Rows that travel together.
    pub batch_rows: usize,
    /// How it ends before its time.
    pub stop: Stop,
}

/// How long an engine that was interrupted may go on before it is interrupted again.
const INTERVAL: Duration = Duration::from_millis(20);

/// Ends a job's SQL: when its time is over, or when someone says so from another thread.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    time: Option<Duration>,
    deadline: Option<Instant>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_cancelled: bool,
    /// Watches that are no longer needed.
    ended: Vec<u64>,
    watches: u64,
}

impl Stop {
    /// Lets a job run for this long from now; `None`: until it is done.
    pub fn after(time: Option<Duration>) -> Self {
        let deadline = time.and_then(|time| Instant::now().checked_add(time));
        Self(Arc::new(Inner { time, deadline, state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Ends the job as soon as its engine can be stopped.
    pub fn cancel(&self) {
        self.lock().is_cancelled = true;
        self.0.changed.notify_all();
    }

    /// Whether the job may go on.
    ///
    /// # Errors
    /// [`Kind::TooBig`](millpond_core::Kind::TooBig) when its time is over;
    /// [`Kind::Transient`](millpond_core::Kind::Transient) when it was cancelled: it comes back.
    pub fn check(&self) -> Result<()> {
        if self.lock().is_cancelled {
            return Err(Error::transient("the job was cancelled"));
        }
        match (self.0.deadline, self.0.time) {
            (Some(deadline), Some(time)) if Instant::now() >= deadline => {
                Err(Error::too_big(format!("the job ran for more than {} ms", time.as_millis()))
                    .hint("raise `time` under `[limits]` in `source.toml`"))
            }
            _ => Ok(()),
        }
    }

    /// Calls `interrupt` on another thread once the job must end, and again until the watch is dropped: what is interrupted
    /// may not have begun.
    pub(crate) fn watch(&self, interrupt: impl Fn() + Send + 'static) -> Result<Watch> {
        let number = {
            let mut state = self.lock();
            state.watches += 1;
            state.watches
        };
        let stop = self.clone();
        let waits = move || {
            let mut must_end = stop.wait(number);
            while must_end {
                interrupt();
                must_end = !stop.is_over_within(number, INTERVAL);
            }
        };
        let thread = std::thread::Builder::new().name("job-limits".to_owned()).spawn(waits);
        let thread =
            thread.map_err(|error| Error::transient("failed to start the thread that watches a job").because(error))?;
        Ok(Watch { stop: self.clone(), number, thread: Some(thread) })
    }

    /// Waits until the job must end, or until the watch of this number is over.
    fn wait(&self, number: u64) -> bool {
        let mut state = self.lock();
        loop {
            if state.ended.contains(&number) {
                return false;
            }
            let left = self.0.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if state.is_cancelled || left.is_some_and(|left| left.is_zero()) {
                return true;
            }
            state = match left {
                Some(left) => self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Whether the watch of this number is over by then.
    fn is_over_within(&self, number: u64, time: Duration) -> bool {
        let state = self.lock();
        let is_going_on = |state: &mut State| !state.ended.contains(&number);
        let waited = self.0.changed.wait_timeout_while(state, time, is_going_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.ended.contains(&number)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one assignment, so a panic leaves nothing half done.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that waits to interrupt an engine; it is gone once this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Stop,
    number: u64,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.lock().ended.push(self.number);
        self.stop.0.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic of the engine while it was interrupted shows in what the job itself gets.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millpond_core::Kind;
    use std::sync::mpsc;

    #[test]
    fn a_job_ends_when_its_time_is_over_or_someone_says_so() {
        let stop = Stop::after(None);
        assert!(stop.check().is_ok());
        stop.cancel();
        assert_eq!(stop.check().map_err(|error| error.kind()), Err(Kind::Transient));
        let over = Stop::after(Some(Duration::ZERO));
        assert_eq!(over.check().map_err(|error| error.kind()), Err(Kind::TooBig));
        assert!(Stop::after(Some(Duration::from_secs(3_600))).check().is_ok());
    }

    #[test]
    fn a_watch_interrupts_until_the_job_has_ended() {
        let (told, hears) = mpsc::channel();
        let stop = Stop::after(None);
        let watch = stop.watch(move || told.send(()).unwrap_or_default()).expect("watch");
        stop.cancel();
        hears.recv().expect("interrupted");
        hears.recv().expect("interrupted again");
        drop(watch);

        let (told, hears) = mpsc::channel::<()>();
        let stop = Stop::after(Some(Duration::from_secs(3_600)));
        // The drop joins the thread, and with it goes the sender.
        drop(stop.watch(move || told.send(()).unwrap_or_default()).expect("watch"));
        assert!(hears.recv().is_err());
    }
}
