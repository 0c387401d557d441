//! The input as plain text bytes: compression undone, byte order mark removed, UTF-16 transcoded, limits kept.
//!
//! Damage never hides what was good before it: a truncated or corrupt stream ends where it broke, and the reason is
//! kept as [`Damage`] for the decoder to report.

use std::io::Read;

use encoding_rs::{CoderResult, Encoding};
use flate2::{Decompress, FlushDecompress, Status};
use millpond_core::format::DecodeLimits;
use millpond_core::{Error, Result};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

/// Bytes of one read from the input.
const READ_BYTES: usize = 256 << 10;
/// Stray bytes kept for a reject.
const STRAY_BYTES_MAX: usize = 64 << 10;
/// The compression ratio is looked at only from here on: small files may be very repetitive.
const RATIO_FROM_BYTES: u64 = 64 << 20;
/// The largest window that zstd frames may ask for, as a power of two (`zstd --ultra --long=31`).
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

/// Why a stream ended before its time, or what lay behind its end.
pub(super) struct Damage {
    pub(super) reason: &'static str,
    pub(super) detail: String,
    pub(super) raw: Vec<u8>,
    /// Whether bytes are missing from the end of the text (not so for stray bytes behind a complete member).
    pub(super) cuts_text: bool,
}

impl Damage {
    fn cut(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), raw: Vec::new(), cuts_text: true }
    }
}

/// The decompressed, transcoded input.
pub(super) struct Stream {
    raw: RawInput,
    codec: Codec,
    text: Text,
    damage: Option<Damage>,
    limits: DecodeLimits,
    decoded_bytes: u64,
    ended: bool,
}

impl Stream {
    pub(super) fn open(input: Box<dyn Read + Send>, limits: &DecodeLimits) -> Result<Self> {
        let mut raw = RawInput::new(input);
        raw.fill_to(512)?;
        let codec = Codec::detect(raw.bytes())?;
        let mut stream = Self {
            raw,
            codec,
            text: Text::Plain(Vec::new()),
            damage: None,
            limits: *limits,
            decoded_bytes: 0,
            ended: false,
        };
        stream.detect_encoding()?;
        Ok(stream)
    }

    pub(super) fn compression(&self) -> &'static str {
        match self.codec {
            Codec::None => "none",
            Codec::Gzip(_) => "gzip",
            Codec::Zstd(_) => "zstd",
        }
    }

    pub(super) fn decoded_bytes(&self) -> u64 {
        self.decoded_bytes
    }

    /// Whether the text is known to miss bytes at its end.
    pub(super) fn is_cut(&self) -> bool {
        self.damage.as_ref().is_some_and(|damage| damage.cuts_text)
    }

    pub(super) fn take_damage(&mut self) -> Option<Damage> {
        self.damage.take()
    }

    /// Reads the rest of the stored bytes, so that a hashing reader below has seen all of them.
    pub(super) fn drain(&mut self) -> Result<()> {
        while !self.raw.at_end {
            self.raw.position = self.raw.length;
            self.raw.fill()?;
        }
        Ok(())
    }

    /// Reads text into `out`; 0 at the end.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        match &mut self.text {
            Text::Plain(first) if first.is_empty() => self.read_decompressed(out),
            Text::Plain(first) => {
                let count = first.len().min(out.len());
                out[..count].copy_from_slice(&first[..count]);
                first.drain(..count);
                Ok(count)
            }
            Text::Utf16(_) => self.read_utf16(out),
        }
    }

    fn detect_encoding(&mut self) -> Result<()> {
        let mut first = vec![0; 3];
        let mut length = 0;
        while length < first.len() {
            match self.read_decompressed(&mut first[length..])? {
                0 => break,
                count => length += count,
            }
        }
        first.truncate(length);
        self.text = match Encoding::for_bom(&first) {
            Some((encoding, skip)) if encoding != encoding_rs::UTF_8 => Text::Utf16(Box::new(Utf16 {
                decoder: encoding.new_decoder_without_bom_handling(),
                input: first[skip..].to_vec(),
                ended: false,
                finished: false,
            })),
            Some((_, skip)) => Text::Plain(first[skip..].to_vec()),
            None => Text::Plain(first),
        };
        Ok(())
    }

    fn read_utf16(&mut self, out: &mut [u8]) -> Result<usize> {
        let Text::Utf16(mut utf16) = std::mem::replace(&mut self.text, Text::Plain(Vec::new())) else { return Ok(0) };
        let result = self.transcode(&mut utf16, out);
        self.text = Text::Utf16(utf16);
        result
    }

    fn transcode(&mut self, utf16: &mut Utf16, out: &mut [u8]) -> Result<usize> {
        while !utf16.finished {
            if utf16.input.is_empty() && !utf16.ended {
                utf16.input.resize(READ_BYTES / 4, 0);
                let count = self.read_decompressed(&mut utf16.input)?;
                utf16.input.truncate(count);
                utf16.ended = count == 0;
            }
            let (result, read, written, _) = utf16.decoder.decode_to_utf8(&utf16.input, out, utf16.ended);
            utf16.input.drain(..read);
            utf16.finished = utf16.ended && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
            if result == CoderResult::OutputFull {
                return Err(Error::bug("failed to transcode UTF-16: the buffer is too small for one character"));
            }
        }
        Ok(0)
    }

    fn read_decompressed(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        if self.damage.is_some() {
            self.ended = true;
            return Ok(0);
        }
        let step = match &mut self.codec {
            Codec::None => self.raw.read(out).map(Step::from_count),
            Codec::Gzip(gzip) => gzip.read(&mut self.raw, out),
            Codec::Zstd(zstd) => zstd.read(&mut self.raw, out),
        }?;
        let count = match step {
            Step::Bytes(count) => count,
            Step::End => {
                self.ended = true;
                0
            }
            Step::Damaged(count, damage) => {
                self.damage = Some(damage);
                self.ended = count == 0;
                count
            }
        };
        self.decoded_bytes += count as u64;
        self.check_limits()?;
        Ok(count)
    }

    fn check_limits(&self) -> Result<()> {
        if self.decoded_bytes > self.limits.decompressed_bytes_max {
            return Err(Error::too_big(format!(
                "the file has more than {} decompressed bytes",
                self.limits.decompressed_bytes_max
            ))
            .hint("raise `decompressed_bytes` under `[limits]` in source.toml"));
        }
        let stored = self.raw.consumed().max(1);
        if self.decoded_bytes >= RATIO_FROM_BYTES && self.decoded_bytes / stored > self.limits.ratio_max {
            return Err(Error::too_big(format!(
                "the file decompresses to more than {} times its stored bytes",
                self.limits.ratio_max
            ))
            .hint("raise `ratio` under `[limits]` in source.toml if the file is to be trusted"));
        }
        Ok(())
    }
}

enum Text {
    /// Passed as it is, behind these first bytes.
    Plain(Vec<u8>),
    Utf16(Box<Utf16>),
}

struct Utf16 {
    decoder: encoding_rs::Decoder,
    input: Vec<u8>,
    /// Whether the input has ended.
    ended: bool,
    /// Whether the decoder has given its last character.
    finished: bool,
}

/// What one read of a codec gave.
enum Step {
    Bytes(usize),
    End,
    /// The last bytes, and why no more follow.
    Damaged(usize, Damage),
}

impl Step {
    fn from_count(count: usize) -> Self {
        if count == 0 { Self::End } else { Self::Bytes(count) }
    }
}

/// The stored bytes, buffered.
struct RawInput {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    position: usize,
    length: usize,
    read: u64,
    at_end: bool,
}

impl RawInput {
    fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, buffer: vec![0; READ_BYTES], position: 0, length: 0, read: 0, at_end: false }
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.position..self.length]
    }

    fn consumed(&self) -> u64 {
        self.read - (self.length - self.position) as u64
    }

    /// Reads once; `false` at the end. Unread bytes are kept.
    fn fill(&mut self) -> Result<bool> {
        if self.position > 0 {
            self.buffer.copy_within(self.position..self.length, 0);
            self.length -= self.position;
            self.position = 0;
        }
        let count = read_once(&mut *self.input, &mut self.buffer[self.length..])?;
        self.at_end = count == 0;
        self.length += count;
        self.read += count as u64;
        Ok(count > 0)
    }

    fn fill_to(&mut self, count: usize) -> Result<()> {
        while self.bytes().len() < count && self.fill()? {}
        Ok(())
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.position == self.length {
            let count = read_once(&mut *self.input, out)?;
            self.at_end = count == 0;
            self.read += count as u64;
            return Ok(count);
        }
        let count = self.bytes().len().min(out.len());
        out[..count].copy_from_slice(&self.bytes()[..count]);
        self.position += count;
        Ok(count)
    }

    /// Takes what is left, at most `max` bytes of it, and reads the input to its end.
    fn take_rest(&mut self, max: usize) -> Result<Vec<u8>> {
        let mut rest = Vec::new();
        loop {
            let room = max - rest.len();
            let bytes = self.bytes();
            rest.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.position = self.length;
            if !self.fill()? {
                return Ok(rest);
            }
        }
    }
}

fn read_once(input: &mut dyn Read, out: &mut [u8]) -> Result<usize> {
    loop {
        match input.read(out) {
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(read_error(error)),
        }
    }
}

/// An error below keeps its kind when it is one of ours; any other is taken for a passing one.
fn read_error(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(inner) => inner,
        Err(error) => Error::transient("failed to read the input").because(error),
    }
}

enum Codec {
    None,
    Gzip(Gzip),
    Zstd(Zstd),
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

fn starts_zstd_frame(bytes: &[u8]) -> bool {
    // Skippable frames carry 0x184D2A50 to 0x184D2A5F (RFC 8878, 3.1.2).
    bytes.starts_with(&ZSTD_MAGIC) || (bytes.len() >= 4 && bytes[0] & 0xf0 == 0x50 && bytes[1..4] == [0x2a, 0x4d, 0x18])
}

impl Codec {
    fn detect(bytes: &[u8]) -> Result<Self> {
        if bytes.starts_with(&GZIP_MAGIC) {
            return Ok(Self::Gzip(Gzip::new()));
        }
        if starts_zstd_frame(bytes) {
            return Ok(Self::Zstd(Zstd::new()?));
        }
        Ok(Self::None)
    }
}

/// Gzip with any number of members; zero padding behind a member is fine.
struct Gzip {
    /// `None` between members.
    member: Option<Decompress>,
}

impl Gzip {
    fn new() -> Self {
        Self { member: None }
    }

    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<Step> {
        loop {
            if self.member.is_none()
                && let Some(step) = self.start_member(raw)?
            {
                return Ok(step);
            }
            let Some(member) = &mut self.member else { continue };
            let at_end = raw.bytes().is_empty() && !raw.fill()?;
            let (in_before, out_before) = (member.total_in(), member.total_out());
            let status = member.decompress(raw.bytes(), out, FlushDecompress::None);
            raw.position += (member.total_in() - in_before) as usize;
            let written = (member.total_out() - out_before) as usize;
            match status {
                Ok(Status::StreamEnd) => self.member = None,
                Ok(_) if at_end && written == 0 => {
                    let detail = "the gzip stream ends before its last member is complete";
                    return Ok(Step::Damaged(0, Damage::cut("truncated_gzip", detail)));
                }
                Ok(_) => {}
                Err(error) => {
                    let detail = format!("the gzip stream is damaged: {error}");
                    raw.position = raw.length;
                    return Ok(Step::Damaged(written, Damage::cut("corrupt_gzip", detail)));
                }
            }
            if written > 0 {
                return Ok(Step::Bytes(written));
            }
        }
    }

    /// Looks at what follows a member: another one, padding, the end or stray bytes.
    fn start_member(&mut self, raw: &mut RawInput) -> Result<Option<Step>> {
        raw.fill_to(2)?;
        if raw.bytes().starts_with(&GZIP_MAGIC) {
            self.member = Some(Decompress::new_gzip(15));
            return Ok(None);
        }
        let mut zeros = 0;
        while !raw.bytes().is_empty() || raw.fill()? {
            let bytes = raw.bytes();
            let padding = bytes.iter().take_while(|byte| **byte == 0).count();
            let all = padding == bytes.len();
            zeros += padding;
            raw.position += padding;
            if !all {
                let stray = raw.take_rest(STRAY_BYTES_MAX)?;
                return Ok(Some(Step::Damaged(0, stray_bytes("gzip member", zeros, stray))));
            }
        }
        Ok(Some(Step::End))
    }
}

fn stray_bytes(behind: &str, zeros: usize, raw: Vec<u8>) -> Damage {
    let padding = if zeros > 0 { format!(" and {zeros} bytes of padding") } else { String::new() };
    let detail = format!("{} bytes follow the last complete {behind}{padding}", raw.len());
    Damage { reason: "stray_bytes", detail, raw, cuts_text: false }
}

/// Zstandard with any number of frames.
struct Zstd {
    decoder: ZstdDecoder<'static>,
    in_frame: bool,
}

impl Zstd {
    fn new() -> Result<Self> {
        let open = || -> std::io::Result<ZstdDecoder<'static>> {
            let mut decoder = ZstdDecoder::new()?;
            decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
            Ok(decoder)
        };
        let decoder = open().map_err(|error| Error::bug("failed to set up the zstd decoder").because(error))?;
        Ok(Self { decoder, in_frame: false })
    }

    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<Step> {
        loop {
            if !self.in_frame {
                raw.fill_to(4)?;
                if raw.bytes().is_empty() {
                    return Ok(Step::End);
                }
                if !starts_zstd_frame(raw.bytes()) {
                    let stray = raw.take_rest(STRAY_BYTES_MAX)?;
                    return Ok(Step::Damaged(0, stray_bytes("zstd frame", 0, stray)));
                }
                self.in_frame = true;
            }
            let at_end = raw.bytes().is_empty() && !raw.fill()?;
            let mut input = InBuffer::around(raw.bytes());
            let mut output = OutBuffer::around(&mut *out);
            let result = self.decoder.run(&mut input, &mut output);
            let (read, written) = (input.pos(), output.pos());
            raw.position += read;
            match result {
                // The next frame starts with a fresh state by itself.
                Ok(0) => self.in_frame = false,
                Ok(_) if at_end && written == 0 => {
                    let detail = "the zstd stream ends before its last frame is complete";
                    return Ok(Step::Damaged(0, Damage::cut("truncated_zstd", detail)));
                }
                Ok(_) => {}
                Err(error) => {
                    raw.position = raw.length;
                    let detail = format!("the zstd stream is damaged: {error}");
                    return Ok(Step::Damaged(written, Damage::cut("corrupt_zstd", detail)));
                }
            }
            if written > 0 {
                return Ok(Step::Bytes(written));
            }
        }
    }
}
