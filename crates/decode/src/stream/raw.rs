//! The stored bytes, buffered, and what is known of all layers above them.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millpond_core::format::DecodeLimits;
use millpond_core::{Error, Result};

/// Bytes of one read from the input, at most.
pub(super) const READ_BYTES: usize = 256 << 10;
/// Bytes of the first read: many members of archives are small.
const FIRST_READ_BYTES: usize = 8 << 10;
/// The compression ratio is looked at only from here on: small files may be very repetitive.
const RATIO_FROM_BYTES: u64 = 64 << 20;

/// Why a stream ended before its time, or what lay behind its end.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) reason: &'static str,
    pub(crate) detail: String,
    pub(crate) raw: Vec<u8>,
    /// Whether bytes are missing from the end of the text (not so for stray bytes behind a complete member).
    pub(crate) cuts_text: bool,
}

impl Damage {
    pub(crate) fn cut(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), raw: Vec::new(), cuts_text: true }
    }
}

/// What all layers of one file know together: compressions and archives inside each other share its limits.
pub(crate) struct Meter {
    limits: DecodeLimits,
    stored: AtomicU64,
    text: AtomicU64,
    /// Bytes given by all layers of all members, those of archives included.
    work: AtomicU64,
    is_cut: AtomicBool,
    damages: Mutex<Vec<Damage>>,
}

impl Meter {
    pub(crate) fn new(limits: &DecodeLimits) -> Arc<Self> {
        Arc::new(Self {
            limits: *limits,
            stored: AtomicU64::new(0),
            text: AtomicU64::new(0),
            work: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            damages: Mutex::default(),
        })
    }

    pub(crate) fn limits(&self) -> &DecodeLimits {
        &self.limits
    }

    /// Bytes of text given to readers so far, over all members.
    pub(crate) fn text_bytes(&self) -> u64 {
        self.text.load(Ordering::Relaxed)
    }

    /// Whether the text at hand is known to miss bytes at its end.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Another member starts: what was missing before it is not missing from it.
    pub(crate) fn start_member(&self) {
        self.is_cut.store(false, Ordering::Relaxed);
    }

    pub(crate) fn add_damage(&self, damage: Damage) {
        if damage.cuts_text {
            self.is_cut.store(true, Ordering::Relaxed);
        }
        self.damages().push(damage);
    }

    pub(crate) fn has_damages(&self) -> bool {
        !self.damages().is_empty()
    }

    pub(crate) fn take_damages(&self) -> Vec<Damage> {
        std::mem::take(&mut *self.damages())
    }

    fn damages(&self) -> MutexGuard<'_, Vec<Damage>> {
        self.damages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts text that a reader gets.
    pub(super) fn add_text(&self, count: usize) -> Result<()> {
        let before = self.text.fetch_add(count as u64, Ordering::Relaxed);
        self.check(before + count as u64)
    }

    /// The file that gave these bytes turned out to be an archive: its text is that of its members.
    pub(super) fn take_back_text(&self, count: u64) {
        self.text.fetch_sub(count, Ordering::Relaxed);
    }

    /// Counts bytes that a layer gives, whether a reader ever sees them or not. Text passes through at most `nesting`
    /// layers, each counted once, so that much work is allowed for it and no more.
    ///
    /// # Errors
    /// `TooBig` that names the limit.
    pub(crate) fn add_work(&self, count: u64) -> Result<()> {
        let work = self.work.fetch_add(count, Ordering::Relaxed) + count;
        self.check(work / (self.limits.nesting_max as u64 + 1))
    }

    /// Holds the bytes that one layer has given so far against the limits.
    ///
    /// # Errors
    /// `TooBig` that names the limit.
    pub(crate) fn check(&self, decoded: u64) -> Result<()> {
        let limits = &self.limits;
        if decoded > limits.decompressed_bytes_max {
            return Err(Error::too_big(format!(
                "the file has more than {} decompressed bytes",
                limits.decompressed_bytes_max
            ))
            .hint("raise `decompressed_bytes` under `[limits]` in source.toml"));
        }
        let stored = self.stored.load(Ordering::Relaxed).max(1);
        if decoded >= RATIO_FROM_BYTES && decoded / stored > limits.ratio_max {
            return Err(Error::too_big(format!(
                "the file decompresses to more than {} times its stored bytes",
                limits.ratio_max
            ))
            .hint("raise `ratio` under `[limits]` in source.toml if the file is to be trusted"));
        }
        Ok(())
    }
}

/// The stored bytes of the file, counted; clones share one position.
#[derive(Clone)]
pub(crate) struct Stored {
    input: Arc<Mutex<Box<dyn Read + Send>>>,
    meter: Arc<Meter>,
}

impl Stored {
    pub(crate) fn new(input: Box<dyn Read + Send>, meter: &Arc<Meter>) -> Self {
        Self { input: Arc::new(Mutex::new(input)), meter: Arc::clone(meter) }
    }

    /// Reads what is left, so that a hashing reader below has seen all bytes.
    pub(crate) fn drain(&mut self) -> Result<()> {
        let mut buffer = vec![0; READ_BYTES / 4];
        while read_once(self, &mut buffer)? > 0 {}
        Ok(())
    }
}

impl Read for Stored {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.lock().unwrap_or_else(PoisonError::into_inner).read(out)?;
        self.meter.stored.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The bytes of one layer, buffered.
pub(super) struct RawInput {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    pub(super) position: usize,
    length: usize,
    /// Whether the last read filled the buffer, so that a larger one would have been of use.
    was_filled: bool,
}

impl RawInput {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, buffer: Vec::new(), position: 0, length: 0, was_filled: false }
    }

    pub(super) fn at_hand(&self) -> &[u8] {
        &self.buffer[self.position..self.length]
    }

    /// Lets go of the bytes at hand.
    pub(super) fn skip_buffered(&mut self) {
        self.position = self.length;
    }

    /// Reads once; `false` at the end. Unread bytes are kept.
    pub(super) fn fill(&mut self) -> Result<bool> {
        if self.position > 0 {
            self.buffer.copy_within(self.position..self.length, 0);
            self.length -= self.position;
            self.position = 0;
        }
        if self.buffer.is_empty() {
            self.buffer = vec![0; FIRST_READ_BYTES];
        } else if self.was_filled && self.buffer.len() < READ_BYTES {
            let mut larger = vec![0; READ_BYTES];
            larger[..self.length].copy_from_slice(&self.buffer[..self.length]);
            self.buffer = larger;
        }
        let count = read_once(&mut *self.input, &mut self.buffer[self.length..])?;
        self.length += count;
        self.was_filled = self.length == self.buffer.len();
        Ok(count > 0)
    }

    /// Reads until `count` bytes are at hand (at most [`READ_BYTES`]) or the input ends.
    pub(super) fn fill_to(&mut self, count: usize) -> Result<()> {
        while self.at_hand().len() < count.min(READ_BYTES) && self.fill()? {}
        Ok(())
    }

    pub(super) fn take(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.position == self.length {
            return read_once(&mut *self.input, out);
        }
        let count = self.at_hand().len().min(out.len());
        out[..count].copy_from_slice(&self.at_hand()[..count]);
        self.position += count;
        Ok(count)
    }

    /// Appends the next `count` bytes to `out`; `false` where the input ends before.
    pub(super) fn take_exact(&mut self, count: usize, out: &mut Vec<u8>) -> Result<bool> {
        let end = out.len() + count;
        while out.len() < end {
            if self.at_hand().is_empty() && !self.fill()? {
                return Ok(false);
            }
            let bytes = self.at_hand();
            let bytes = &bytes[..bytes.len().min(end - out.len())];
            out.extend_from_slice(bytes);
            self.position += bytes.len();
        }
        Ok(true)
    }

    /// Passes over the next `count` bytes; `false` where the input ends before.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<bool> {
        while count > 0 {
            if self.at_hand().is_empty() && !self.fill()? {
                return Ok(false);
            }
            let step = (self.at_hand().len() as u64).min(count);
            self.position += step as usize;
            count -= step;
        }
        Ok(true)
    }

    /// Takes what is left, at most `max` bytes of it, and reads the input to its end.
    pub(super) fn take_rest(&mut self, max: usize) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        loop {
            let room = max - rest.len();
            let bytes = self.at_hand();
            rest.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.skip_buffered();
            if !self.fill()? {
                return Ok(rest);
            }
        }
    }
}

pub(crate) fn read_once(input: &mut dyn Read, out: &mut [u8]) -> Result<usize> {
    loop {
        match input.read(out) {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(error)),
        }
    }
}

/// An error below keeps its kind when it is one of ours; any other is taken for a passing one.
pub(crate) fn read_error(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(inner) => inner,
        Err(error) => Error::transient("failed to read the input").because(error),
    }
}
