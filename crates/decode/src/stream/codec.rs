//! Compressions: bytes in, bytes out, any number of members, damage keeps what was good before it.

use flate2::{Decompress, FlushDecompress, Status};
use millpond_core::format::Compression;
use millpond_core::{Error, Result};
use zstd::stream::raw::{DParameter, Decoder as ZstdDecoder, InBuffer, Operation, OutBuffer};

use super::raw::{Damage, RawInput};

/// Stray bytes kept for a reject.
const STRAY_BYTES_MAX: usize = 64 << 10;
/// The largest window that zstd frames may ask for, as a power of two (`zstd --ultra --long=31`).
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

/// What one read of a codec gave.
pub(super) enum Step {
    Bytes(usize),
    End,
    /// The last bytes, and why no more follow.
    Damaged(usize, Damage),
}

/// One compression being undone.
pub(super) trait Codec: Send {
    /// Reads decompressed bytes into `out`.
    ///
    /// # Errors
    /// Those of the input alone: damage is a [`Step`].
    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<Step>;
}

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

fn starts_zstd_frame(bytes: &[u8]) -> bool {
    // Skippable frames carry 0x184D2A50 to 0x184D2A5F (RFC 8878, 3.1.2).
    bytes.starts_with(&ZSTD_MAGIC) || (bytes.len() >= 4 && bytes[0] & 0xf0 == 0x50 && bytes[1..4] == [0x2a, 0x4d, 0x18])
}

/// The compression that the first bytes show.
pub(super) fn detect(bytes: &[u8]) -> Option<Compression> {
    if bytes.starts_with(&GZIP_MAGIC) {
        return Some(Compression::Gzip);
    }
    if starts_zstd_frame(bytes) {
        return Some(Compression::Zstd);
    }
    None
}

/// Sets up the codec of a compression.
pub(super) fn open(compression: Compression) -> Result<Box<dyn Codec>> {
    Ok(match compression {
        Compression::Gzip => Box::new(Gzip::new()),
        Compression::Zstd => Box::new(Zstd::new()?),
        other => return Err(Error::bad_input(format!("`{}` compression is not supported", other.name()))),
    })
}

/// Gzip with any number of members; zero padding behind a member is fine.
pub(super) struct Gzip {
    /// `None` between members.
    member: Option<Decompress>,
}

impl Codec for Gzip {
    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<Step> {
        loop {
            if self.member.is_none()
                && let Some(step) = self.start_member(raw)?
            {
                return Ok(step);
            }
            let Some(member) = &mut self.member else { continue };
            let at_end = raw.at_hand().is_empty() && !raw.fill()?;
            let (in_before, out_before) = (member.total_in(), member.total_out());
            let status = member.decompress(raw.at_hand(), out, FlushDecompress::None);
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
                    raw.skip_buffered();
                    return Ok(Step::Damaged(written, Damage::cut("corrupt_gzip", detail)));
                }
            }
            if written > 0 {
                return Ok(Step::Bytes(written));
            }
        }
    }
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { member: None }
    }

    /// Looks at what follows a member: another one, padding, the end or stray bytes.
    fn start_member(&mut self, raw: &mut RawInput) -> Result<Option<Step>> {
        raw.fill_to(2)?;
        if raw.at_hand().starts_with(&GZIP_MAGIC) {
            self.member = Some(Decompress::new_gzip(15));
            return Ok(None);
        }
        let mut zeros = 0;
        while !raw.at_hand().is_empty() || raw.fill()? {
            let bytes = raw.at_hand();
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
pub(super) struct Zstd {
    decoder: ZstdDecoder<'static>,
    in_frame: bool,
}

impl Zstd {
    pub(super) fn new() -> Result<Self> {
        let open = || -> std::io::Result<ZstdDecoder<'static>> {
            let mut decoder = ZstdDecoder::new()?;
            decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
            Ok(decoder)
        };
        let decoder = open().map_err(|error| Error::bug("failed to set up the zstd decoder").because(error))?;
        Ok(Self { decoder, in_frame: false })
    }
}

impl Codec for Zstd {
    fn read(&mut self, raw: &mut RawInput, out: &mut [u8]) -> Result<Step> {
        loop {
            if !self.in_frame {
                raw.fill_to(4)?;
                if raw.at_hand().is_empty() {
                    return Ok(Step::End);
                }
                if !starts_zstd_frame(raw.at_hand()) {
                    let stray = raw.take_rest(STRAY_BYTES_MAX)?;
                    return Ok(Step::Damaged(0, stray_bytes("zstd frame", 0, stray)));
                }
                self.in_frame = true;
            }
            let at_end = raw.at_hand().is_empty() && !raw.fill()?;
            let mut input = InBuffer::around(raw.at_hand());
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
                    raw.skip_buffered();
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
