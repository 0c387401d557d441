//! The stored bytes, buffered, and what is known of all layers above them.

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millpond_core::format::DecodeLimits;
use millpond_core::{Error, Result};

/// Bytes of one read from the input.
pub(super) const READ_BYTES: usize = 256 << 10;
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
    pub(super) fn cut(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), raw: Vec::new(), cuts_text: true }
    }
}

/// What all layers of one file know together: compressions and archives inside each other share its limits.
pub(crate) struct Meter {
    limits: DecodeLimits,
    stored: AtomicU64,
    text: AtomicU64,
    is_cut: AtomicBool,
    damages: Mutex<Vec<Damage>>,
}

impl Meter {
    pub(crate) fn new(limits: &DecodeLimits) -> Arc<Self> {
        Arc::new(Self {
            limits: *limits,
            stored: AtomicU64::new(0),
            text: AtomicU64::new(0),
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
}

impl RawInput {
    pub(super) fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, buffer: Vec::new(), position: 0, length: 0 }
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
        self.buffer.resize(READ_BYTES, 0);
        if self.position > 0 {
            self.buffer.copy_within(self.position..self.length, 0);
            self.length -= self.position;
            self.position = 0;
        }
        let count = read_once(&mut *self.input, &mut self.buffer[self.length..])?;
        self.length += count;
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

impl Read for RawInput {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.take(out).map_err(io::Error::other)
    }
}

impl BufRead for RawInput {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.length {
            self.fill().map_err(io::Error::other)?;
        }
        Ok(self.at_hand())
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
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
