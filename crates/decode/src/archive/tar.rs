//! tar: members one after the other, read as they come.
//!
//! The header is that of POSIX (<https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>, "ustar
//! Interchange Format" and "pax Header Block") with what GNU tar adds
//! (<https://www.gnu.org/software/tar/manual/html_node/Standard.html>); the format of Unix version 7 has its fields
//! without a magic.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millpond_core::Result;

use super::{Archive, Body, Member, unreadable};
use crate::stream::{Damage, Meter};
use crate::window::Window;

/// Everything in a tar starts at a multiple of this.
pub(crate) const BLOCK_BYTES: usize = 512;
/// Bytes of a record that only describes the next member, such as its long name.
const RECORD_BYTES_MAX: u64 = 1 << 20;
/// Stray bytes kept for a reject.
const STRAY_BYTES_MAX: usize = 64 << 10;

/// A tar archive.
pub(super) struct Tar {
    input: Arc<Mutex<TarInput>>,
    /// What holds for all members that follow.
    global: Attributes,
    has_ended: bool,
}

/// The archive's bytes, shared with the reader of the member at hand.
struct TarInput {
    window: Window,
    meter: Arc<Meter>,
    /// Bytes of the member at hand that are still to come.
    left: u64,
    /// Bytes behind it up to the next block.
    padding: u64,
    is_cut: bool,
}

/// What records before a member say about it.
#[derive(Default, Clone)]
struct Attributes {
    path: Option<String>,
    size: Option<u64>,
    is_sparse: bool,
}

/// Whether a block is a header, by its sum.
pub(crate) fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..BLOCK_BYTES) else { return false };
    let Some(expected) = number(&block[148..156]) else { return false };
    // The sum counts its own field as blanks; old writers summed signed bytes.
    let fields = || block[..148].iter().chain(&[b' '; 8]).chain(&block[156..]);
    let unsigned: u64 = fields().map(|byte| u64::from(*byte)).sum();
    let signed: i64 = fields().map(|byte| i64::from(byte.cast_signed())).sum();
    unsigned == expected || i64::try_from(expected) == Ok(signed)
}

/// A number in octal digits with blanks or zeros around it, or, where the first bit is set, in base 256.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        // The second bit is the sign: no size is negative.
        let first = Some(u64::from(field[0] & 0x7f)).filter(|first| *first < 0x40)?;
        return field[1..]
            .iter()
            .try_fold(first, |number, byte| (number < 1 << 55).then_some(number << 8 | u64::from(*byte)));
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_blank(byte)).unwrap_or(field.len());
    let digits = field[start..].split(is_blank).next().unwrap_or_default();
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' if number < 1 << 60 => Some(number << 3 | u64::from(digit - b'0')),
        _ => None,
    })
}

/// A text that ends at its first zero.
fn text(field: &[u8]) -> String {
    let length = memchr::memchr(0, field).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..length]).into_owned()
}

fn name(block: &[u8]) -> String {
    let name = text(&block[..100]);
    // GNU tar writes `ustar` with two blanks and has other things where POSIX has the prefix.
    let prefix = if block[257..263] == *b"ustar\0" { text(&block[345..500]) } else { String::new() };
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

impl Attributes {
    /// Adds what records of `length key=value` and a line feed say.
    fn add(&mut self, mut records: &[u8]) {
        while let Some(blank) = memchr::memchr(b' ', records) {
            let length = std::str::from_utf8(&records[..blank]).ok().and_then(|text| text.parse::<usize>().ok());
            let Some(length) = length.filter(|length| *length > blank + 1 && *length <= records.len()) else { return };
            let record = records[blank + 1..length].strip_suffix(b"\n").unwrap_or_default();
            if let Some(equals) = memchr::memchr(b'=', record) {
                self.set(&record[..equals], &String::from_utf8_lossy(&record[equals + 1..]));
            }
            records = &records[length..];
        }
    }

    fn set(&mut self, key: &[u8], value: &str) {
        match key {
            b"path" | b"GNU.sparse.name" => self.path = Some(value.to_owned()),
            b"size" => self.size = value.parse().ok(),
            _ => {}
        }
        self.is_sparse |= key.starts_with(b"GNU.sparse.");
    }
}

impl Tar {
    pub(super) fn new(window: Window) -> Self {
        let meter = Arc::clone(window.stream().meter());
        let input = TarInput { window, meter, left: 0, padding: 0, is_cut: false };
        Self { input: Arc::new(Mutex::new(input)), global: Attributes::default(), has_ended: false }
    }

    /// Reads headers up to that of a file.
    fn next_file(&mut self) -> Result<Option<Member>> {
        let input = Arc::clone(&self.input);
        let mut input = lock(&input);
        let mut attributes = self.global.clone();
        loop {
            input.pass_member()?;
            let Some(block) = input.header()? else { return Ok(None) };
            let Some(size) = number(&block[124..136]) else {
                return input.end(Damage::cut("corrupt_tar", "a header of the tar archive has no size"));
            };
            match block[156] {
                kind @ (b'L' | b'x' | b'X' | b'g') => {
                    input.start_member(size);
                    let Some(record) = input.record(size)? else { return Ok(None) };
                    match kind {
                        b'L' => attributes.path = Some(text(&record)),
                        b'g' => {
                            self.global.add(&record);
                            attributes.add(&record);
                        }
                        _ => attributes.add(&record),
                    }
                    continue;
                }
                // Names of long links, volume labels, lists of folders.
                b'K' | b'V' | b'D' => input.start_member(size),
                // Links, devices and folders have no bytes, whatever their size says.
                b'1'..=b'6' => input.start_member(0),
                kind => {
                    let size = attributes.size.unwrap_or(size);
                    input.start_member(size);
                    let name = attributes.path.take().unwrap_or_else(|| name(&block));
                    if name.ends_with('/') && size == 0 {
                        attributes = self.global.clone();
                        continue;
                    }
                    if kind == b'S' && !input.pass_sparse_headers(&block)? {
                        return Ok(None);
                    }
                    let body: Body = match kind {
                        b'S' => Err(unreadable("the member is stored as a sparse file, which is not supported")),
                        b'M' => Err(unreadable("the member continues that of another volume")),
                        _ if attributes.is_sparse => {
                            Err(unreadable("the member is stored as a sparse file, which is not supported"))
                        }
                        _ => Ok(Box::new(TarMember(Arc::clone(&self.input)))),
                    };
                    return Ok(Some(Member { name, body }));
                }
            }
            // What was said was said about this one.
            if block[156] != b'K' {
                attributes = self.global.clone();
            }
        }
    }
}

impl Archive for Tar {
    fn next(&mut self) -> Result<Option<Member>> {
        if self.has_ended {
            return Ok(None);
        }
        let member = self.next_file()?;
        self.has_ended = member.is_none();
        Ok(member)
    }
}

fn lock(input: &Mutex<TarInput>) -> MutexGuard<'_, TarInput> {
    input.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TarInput {
    fn start_member(&mut self, size: u64) {
        self.left = size;
        self.padding = size.next_multiple_of(BLOCK_BYTES as u64) - size;
    }

    fn cut(&mut self) {
        if !self.is_cut {
            self.is_cut = true;
            self.meter.add_damage(Damage::cut("truncated_tar", "the tar archive ends inside a member"));
        }
    }

    fn end<T>(&mut self, damage: Damage) -> Result<Option<T>> {
        self.meter.add_damage(damage);
        Ok(None)
    }

    /// Passes over what is left of the member at hand.
    fn pass_member(&mut self) -> Result<()> {
        let padding = std::mem::take(&mut self.padding);
        let mut count = std::mem::take(&mut self.left).saturating_add(padding);
        while count > 0 {
            if self.window.bytes().is_empty() && !self.window.fill()? {
                // Padding that is missing misses nothing.
                if count > padding {
                    self.cut();
                }
                return Ok(());
            }
            let step = (self.window.bytes().len() as u64).min(count);
            self.window.consume(step as usize);
            count -= step;
        }
        Ok(())
    }

    /// The next header; `None` at the end of the archive, with the reason where it comes too early.
    ///
    /// Blocks of zeros end an archive. Others may follow it, as `tar --concatenate` and `cat` make them.
    fn header(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>> {
        let mut zeros = 0;
        loop {
            self.window.fill_to(BLOCK_BYTES)?;
            let bytes = self.window.bytes();
            let Some(block) = bytes.first_chunk::<BLOCK_BYTES>().copied() else {
                if bytes.iter().any(|byte| *byte != 0) || zeros == 0 && !self.is_cut {
                    self.meter.add_damage(Damage::cut("truncated_tar", "the tar archive ends without its end mark"));
                }
                return Ok(None);
            };
            if is_header(&block) {
                self.window.consume(BLOCK_BYTES);
                return Ok(Some(block));
            }
            if block.iter().any(|byte| *byte != 0) {
                let damage = if zeros > 0 { self.stray()? } else { bad_header() };
                return self.end(damage);
            }
            zeros += 1;
            self.window.consume(BLOCK_BYTES);
        }
    }

    fn stray(&mut self) -> Result<Damage> {
        self.window.fill_to(STRAY_BYTES_MAX)?;
        let bytes = self.window.bytes();
        let raw = bytes[..bytes.len().min(STRAY_BYTES_MAX)].to_vec();
        let detail = format!("{} bytes follow the end mark of the tar archive", raw.len());
        Ok(Damage { reason: "stray_bytes", detail, raw, cuts_text: false })
    }

    /// The bytes of a record about the next member; `None` where the archive ends.
    fn record(&mut self, size: u64) -> Result<Option<Vec<u8>>> {
        if size > RECORD_BYTES_MAX {
            return self.end(Damage::cut("corrupt_tar", format!("a name in the tar archive has {size} bytes")));
        }
        self.window.fill_to(size as usize)?;
        let Some(record) = self.window.bytes().get(..size as usize).map(<[u8]>::to_vec) else {
            self.cut();
            return Ok(None);
        };
        self.window.consume(record.len());
        self.left = 0;
        Ok(Some(record))
    }

    /// Passes over the maps that follow the header of GNU tar's old sparse files; `false` where the archive ends.
    fn pass_sparse_headers(&mut self, block: &[u8; BLOCK_BYTES]) -> Result<bool> {
        let mut goes_on = block[482] != 0;
        while goes_on {
            self.window.fill_to(BLOCK_BYTES)?;
            let Some(map) = self.window.bytes().get(..BLOCK_BYTES) else {
                self.cut();
                return Ok(false);
            };
            goes_on = map[504] != 0;
            self.window.consume(BLOCK_BYTES);
        }
        Ok(true)
    }

    fn read_member(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.left == 0 || out.is_empty() {
            return Ok(0);
        }
        if self.window.bytes().is_empty() && !self.window.fill()? {
            (self.left, self.padding) = (0, 0);
            self.cut();
            return Ok(0);
        }
        let bytes = self.window.bytes();
        let count = bytes.len().min(out.len()).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        out[..count].copy_from_slice(&bytes[..count]);
        self.window.consume(count);
        self.left -= count as u64;
        Ok(count)
    }
}

fn bad_header() -> Damage {
    Damage::cut("corrupt_tar", "a header of the tar archive does not have the sum that it says; the rest is not read")
}

/// Reads the member at hand.
struct TarMember(Arc<Mutex<TarInput>>);

impl Read for TarMember {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        lock(&self.0).read_member(out).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"00000001750\0"), Some(1000));
        assert_eq!(number(b"    1750 \0\0\0"), Some(1000));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(8 << 30));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(number(b"12x4"), None);
    }

    #[test]
    fn records_are_read() {
        let mut attributes = Attributes::default();
        attributes.add("19 path=a/\u{fc} b.log\n12 size=345\n9 other=x".as_bytes());
        assert_eq!(attributes.path.as_deref(), Some("a/\u{fc} b.log"));
        assert_eq!(attributes.size, Some(345));
        attributes.add(b"999 path=x\n");
        attributes.add(b"0 path=x\n");
        attributes.add(b"22 GNU.sparse.major=1\n");
        assert!(attributes.is_sparse && attributes.path.as_deref() != Some("x"));
    }
}
