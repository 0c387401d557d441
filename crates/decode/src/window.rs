//! A window over the stream that grows until a whole record lies in it as one slice.
//!
//! Positions are indices into [`Window::bytes`]; they hold until bytes are consumed. Reading more keeps them.

use millpond_core::Result;

use super::stream::Stream;

/// Bytes of one read.
const READ_BYTES: usize = 256 << 10;

/// The part of the stream that is looked at.
pub(super) struct Window {
    stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset of `buffer[start]` in the stream.
    offset: u64,
    at_end: bool,
    line_end: u8,
}

/// One line of the window, by positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Where it ends, without the line end.
    pub(super) length: usize,
    /// Where the next line starts.
    pub(super) next: usize,
    /// Whether a line end was found; `false` for a last line without one and for a line over the limit.
    pub(super) ended: bool,
    /// Whether the line is longer than the limit; the rest is still in the stream.
    pub(super) too_long: bool,
}

impl Window {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, buffer: Vec::new(), start: 0, end: 0, offset: 0, at_end: false, line_end: b'\n' }
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Says that the bytes are an archive, see [`Stream::set_archive`].
    pub(super) fn set_archive(&mut self) {
        self.stream.set_archive();
    }

    /// The bytes read and not consumed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether nothing follows the bytes at hand.
    pub(super) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Offset of the first byte at hand.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The byte that ends lines: LF, or CR in files that have nothing else.
    pub(super) fn line_end(&self) -> u8 {
        self.line_end
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start += count;
        self.offset += count as u64;
        debug_assert!(self.start <= self.end);
    }

    /// Reads once more; `false` when the stream has ended.
    pub(super) fn fill(&mut self) -> Result<bool> {
        if self.at_end {
            return Ok(false);
        }
        if self.start > 0 && self.end + READ_BYTES > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.buffer.is_empty() {
            // Zeroed by the system as it is touched: members of archives are many and small.
            self.buffer = vec![0; 2 * READ_BYTES];
        }
        if self.end + READ_BYTES > self.buffer.len() {
            let length = (self.end + READ_BYTES).max(self.buffer.len() * 2);
            self.buffer.resize(length, 0);
        }
        let room = self.end + READ_BYTES;
        let count = self.stream.read(&mut self.buffer[self.end..room])?;
        self.end += count;
        self.at_end = count == 0;
        Ok(count > 0)
    }

    /// Reads until `count` bytes are at hand or the stream ends.
    pub(super) fn fill_to(&mut self, count: usize) -> Result<()> {
        while self.bytes().len() < count && self.fill()? {}
        Ok(())
    }

    /// Reads until the bytes at hand have about doubled, so that looking again from the start stays linear.
    /// `false` when nothing came.
    pub(super) fn grow(&mut self) -> Result<bool> {
        let before = self.bytes().len();
        self.fill_to((before * 2).max(before + 1))?;
        Ok(self.bytes().len() > before)
    }

    /// Chooses CR as the line end for a text whose first bytes have CR and no LF.
    pub(super) fn detect_line_end(&mut self) {
        let bytes = self.bytes();
        let inner = &bytes[..bytes.len().saturating_sub(usize::from(!self.at_end))];
        if memchr::memchr(b'\n', bytes).is_none() && memchr::memchr(b'\r', inner).is_some() {
            self.line_end = b'\r';
        }
    }

    /// The line at position 0; `None` at the end of the stream. A line over `max` bytes is cut there.
    #[inline]
    pub(super) fn line(&mut self, max: usize) -> Result<Option<Line>> {
        self.line_at(0, max)
    }

    /// The line at `start`; its positions count from position 0 of the window.
    pub(super) fn line_at(&mut self, start: usize, max: usize) -> Result<Option<Line>> {
        let mut searched = start;
        loop {
            let bytes = self.bytes();
            if let Some(found) = memchr::memchr(self.line_end, &bytes[searched..]) {
                let end = searched + found;
                let length = if end > start && bytes[end - 1] == b'\r' { end - 1 } else { end };
                if length - start > max {
                    return Ok(Some(Line { length: start + max, next: start + max, ended: false, too_long: true }));
                }
                return Ok(Some(Line { length, next: end + 1, ended: true, too_long: false }));
            }
            searched = bytes.len();
            if searched - start > max + 1 {
                return Ok(Some(Line { length: start + max, next: start + max, ended: false, too_long: true }));
            }
            if !self.fill()? {
                let bytes = self.bytes();
                if bytes.len() == start {
                    return Ok(None);
                }
                let has_cr = bytes.last() == Some(&b'\r');
                let length = bytes.len() - usize::from(has_cr);
                return Ok(Some(Line { length, next: bytes.len(), ended: false, too_long: false }));
            }
        }
    }

    /// The lines from position 0 to before the next one that starts a record; `None` at the end of the stream.
    /// Lines that do not fit into `max` bytes together with the first are records of their own.
    pub(super) fn lines_until(&mut self, max: usize, starts: impl Fn(&[u8]) -> bool) -> Result<Option<Line>> {
        let Some(mut record) = self.line(max)? else { return Ok(None) };
        while record.ended {
            let Some(line) = self.line_at(record.next, max)? else { break };
            let text = &self.bytes()[record.next..line.length];
            if line.too_long || line.length > max || starts(text) {
                break;
            }
            // Blank lines at its end are no part of a record.
            let length = if is_blank(text) { record.length } else { line.length };
            record = Line { length, ..line };
        }
        Ok(Some(record))
    }

    /// Consumes `count` bytes, or all there are.
    pub(super) fn skip(&mut self, mut count: usize) -> Result<()> {
        loop {
            let here = self.bytes().len().min(count);
            self.consume(here);
            count -= here;
            if count == 0 || !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Consumes up to and including the next line end.
    pub(super) fn skip_line(&mut self) -> Result<()> {
        loop {
            if let Some(found) = memchr::memchr(self.line_end, self.bytes()) {
                self.consume(found + 1);
                return Ok(());
            }
            self.consume(self.bytes().len());
            if !self.fill()? {
                return Ok(());
            }
        }
    }
}

/// Whether a line holds nothing but blanks.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(u8::is_ascii_whitespace)
}
