//! Counting what a thread allocates, so that a receipt can name its job's peak.
//!
//! A job runs on one thread. The program installs [`Counting`] around its allocator; [`measure`] then gives the peak of
//! what the thread allocated and did not free. What other threads allocate for the job, such as network buffers, is not
//! in it.

#![allow(unsafe_code)] // the allocator interface is unsafe; each function only counts and hands on

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

thread_local! {
    static NOW: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

/// An allocator that counts for each thread and leaves the work to another.
pub struct Counting<A>(pub A);

fn count(bytes: i64) {
    // During a thread's end its counters are gone: what it frees then is of no interest.
    let counted = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        now.get()
    });
    if let Ok(now) = counted
        && bytes > 0
    {
        PEAK.try_with(|peak| peak.set(peak.get().max(now))).unwrap_or_default();
    }
}

// SAFETY: every call is handed on unchanged; counting allocates nothing.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counting<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are those of the inner allocator.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as above.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { self.0.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { self.0.realloc(pointer, layout, size) }
    }
}

/// What this thread has allocated and did not free, less what it freed for others; 0 when the program does not install
/// [`Counting`].
pub fn held_bytes() -> i64 {
    NOW.with(Cell::get)
}

/// Measures the peak of what this thread allocates from now on.
pub struct Measure {
    started: i64,
}

/// Starts to measure; one measurement at a time on a thread.
pub fn measure() -> Measure {
    let started = NOW.with(Cell::get);
    PEAK.with(|peak| peak.set(started));
    Measure { started }
}

impl Measure {
    /// Bytes at the peak so far; 0 when the program does not install [`Counting`].
    pub fn peak_bytes(&self) -> u64 {
        u64::try_from(PEAK.with(Cell::get) - self.started).unwrap_or(0)
    }
}
