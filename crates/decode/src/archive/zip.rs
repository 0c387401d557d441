//! zip (<https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT>), with ZIP64.
//!
//! The archive passes through a temporary file, because its directory is at its end. Where the directory is missing or
//! broken, as in an upload that was cut, the headers before the members are followed instead.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use flate2::Crc;
use memchr::memmem;
use millpond_core::Result;
use millpond_core::format::Compression;

use super::{Archive, Body, Member, unreadable};
use crate::spool::{Section, Spooled, spool};
use crate::stream::{Damage, Meter, Packed, Unpacked, read_error};
use crate::window::Window;

const LOCAL_HEADER: &[u8; 4] = b"PK\x03\x04";
const DESCRIPTOR: &[u8; 4] = b"PK\x07\x08";
const DIRECTORY_ENTRY: &[u8; 4] = b"PK\x01\x02";
const DIRECTORY_END: &[u8; 4] = b"PK\x05\x06";
const DIRECTORY_END_64: &[u8; 4] = b"PK\x06\x06";
const DIRECTORY_LOCATOR_64: &[u8; 4] = b"PK\x06\x07";

const LOCAL_HEADER_BYTES: usize = 30;
const DIRECTORY_ENTRY_BYTES: usize = 46;
const DIRECTORY_END_BYTES: usize = 22;
/// A descriptor of 64-bit sizes: mark, checksum, two sizes.
const DESCRIPTOR_BYTES_MAX: usize = 24;
/// The directory's end is followed by a comment of at most this length.
const COMMENT_BYTES_MAX: usize = 0xffff;
/// Bytes searched at a time.
const SEARCH_BYTES: usize = 64 << 10;

/// Bit 0 of a member's flags.
const ENCRYPTED: u16 = 1;
/// Bit 3: checksum and sizes follow the member.
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// Bit 11: the name is UTF-8.
const UTF_8: u16 = 1 << 11;

/// The upper half of code page 437, in which names without bit 11 are written.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// A zip archive.
pub(super) struct Zip {
    file: Arc<Spooled>,
    meter: Arc<Meter>,
    walk: Walk,
}

/// How the members are found.
enum Walk {
    /// The entries of the directory; offsets count from `base`.
    Directory { entries: BufReader<Section>, end: u64, base: u64 },
    /// The header at this offset, and so on.
    Headers(u64),
}

/// What is known of a member.
#[derive(Debug, Default)]
struct Entry {
    name: String,
    /// A folder or a link.
    is_no_file: bool,
    flags: u16,
    method: u16,
    /// `None` where they are not known before the member is read.
    check: Option<Check>,
    packed_bytes: u64,
    /// Where its header starts.
    header: u64,
}

/// What the plain bytes of a member must be.
#[derive(Debug, Clone, Copy)]
struct Check {
    crc: u32,
    bytes: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl Zip {
    pub(super) fn open(mut window: Window) -> Result<Self> {
        let meter = Arc::clone(window.stream().meter());
        let file = Arc::new(Spooled::new(spool(&mut window)?)?);
        let walk = match find_directory(&file)? {
            Some(directory) if directory.is_sound(&file)? => {
                if let Some(stray) = directory.stray(&file)? {
                    meter.add_damage(stray);
                }
                directory.walk(&file)
            }
            found => {
                let (reason, state) = match found {
                    Some(_) => ("corrupt_zip", "damaged"),
                    None => ("truncated_zip", "missing"),
                };
                let detail =
                    format!("the directory of the zip archive is {state}: its members are found by their headers");
                meter.add_damage(Damage::cut(reason, detail));
                Walk::Headers(0)
            }
        };
        Ok(Self { file, meter, walk })
    }

    fn member(&self, entry: Entry, data: u64) -> Result<Member> {
        let Entry { name, flags, method, check, packed_bytes, .. } = entry;
        Ok(Member { name, body: self.body(flags, method, check, data, packed_bytes)? })
    }

    fn body(&self, flags: u16, method: u16, check: Option<Check>, start: u64, length: u64) -> Result<Body> {
        // AES has a method of its own.
        if flags & ENCRYPTED != 0 || method == 99 {
            return Ok(Err(unreadable("the member is encrypted")));
        }
        let packed = match method {
            0 => Packed::Stored,
            8 => Packed::Deflate,
            12 => Packed::As(Compression::Bzip2),
            93 => Packed::As(Compression::Zstd),
            95 => Packed::As(Compression::Xz),
            9 => return Ok(Err(unreadable("the member is compressed with Deflate64, which is not supported"))),
            14 => return Ok(Err(unreadable("the member is compressed with LZMA, which is not supported"))),
            other => return Ok(Err(unreadable(format!("the member's compression method {other} is not supported")))),
        };
        let section = Section::new(&self.file, start, start.saturating_add(length));
        let unpacked = Unpacked::open(packed, Box::new(section), self.meter.limits())?;
        let meter = Arc::clone(&self.meter);
        Ok(Ok(Box::new(ZipMember { unpacked, meter, check, crc: Crc::new(), bytes: 0, has_ended: false })))
    }

    /// Where the bytes of a member of the directory start; `None` where its header is not there.
    fn data(&self, header: u64) -> Result<Option<u64>> {
        let mut bytes = [0; LOCAL_HEADER_BYTES];
        let count = self.file.read_at(header, &mut bytes)?;
        if count < bytes.len() || !bytes.starts_with(LOCAL_HEADER) {
            return Ok(None);
        }
        let lengths = u64::from(u16_at(&bytes, 26)) + u64::from(u16_at(&bytes, 28));
        Ok(Some(header + LOCAL_HEADER_BYTES as u64 + lengths))
    }

    fn next_of_directory(&mut self) -> Result<Option<Member>> {
        loop {
            let Walk::Directory { entries, end, base } = &mut self.walk else { return Ok(None) };
            if position(entries) >= *end {
                return Ok(None);
            }
            let base = *base;
            let Some(entry) = read_entry(entries)? else { return Ok(None) };
            if entry.is_no_file {
                continue;
            }
            return match self.data(base.saturating_add(entry.header))? {
                Some(data) => self.member(entry, data).map(Some),
                None => {
                    Ok(Some(Member { name: entry.name, body: Err(unreadable("the member's header is not there")) }))
                }
            };
        }
    }

    /// The member whose header is at the offset, or the first one behind it.
    fn next_of_headers(&mut self) -> Result<Option<Member>> {
        loop {
            let Walk::Headers(offset) = &mut self.walk else { return Ok(None) };
            let mut mark = [0; 4];
            let count = self.file.read_at(*offset, &mut mark)?;
            if count < mark.len() || mark == *DIRECTORY_ENTRY || mark == *DIRECTORY_END || mark == *DIRECTORY_END_64 {
                return Ok(None);
            }
            if mark != *LOCAL_HEADER {
                let is_header = |bytes: &[u8], _| bytes.starts_with(LOCAL_HEADER).then_some(());
                let Some((found, ())) = search(&self.file, *offset, is_header)? else { return Ok(None) };
                *offset = found;
                continue;
            }
            let header = *offset;
            let Some((mut entry, data)) = read_local_header(&self.file, header)? else { return Ok(None) };
            let next = if entry.check.is_some() {
                data.saturating_add(entry.packed_bytes)
            } else {
                let (end, next, check) = find_end(&self.file, data)?;
                (entry.packed_bytes, entry.check) = (end - data, check);
                next
            };
            self.walk = Walk::Headers(next);
            if !entry.is_no_file {
                return self.member(entry, data).map(Some);
            }
        }
    }
}

impl Archive for Zip {
    fn next(&mut self) -> Result<Option<Member>> {
        match self.walk {
            Walk::Directory { .. } => self.next_of_directory(),
            Walk::Headers(_) => self.next_of_headers(),
        }
    }
}

/// Where the directory lies.
struct Directory {
    start: u64,
    end: u64,
    /// What offsets in it count from: bytes may have been put before the archive.
    base: u64,
    /// Entries, modulo 65,536.
    entries: u16,
    /// Where the archive ends.
    archive_end: u64,
}

/// The directory as the end of the file says; `None` where nothing does.
fn find_directory(file: &Spooled) -> Result<Option<Directory>> {
    let length = file.length();
    let tail_start = length.saturating_sub((DIRECTORY_END_BYTES + COMMENT_BYTES_MAX) as u64);
    let mut tail = vec![0; (length - tail_start) as usize];
    file.read_at(tail_start, &mut tail)?;
    let comment = |at: usize| usize::from(u16_at(&tail, at + 20));
    let ends = || memmem::rfind_iter(&tail, DIRECTORY_END).filter(|at| at + DIRECTORY_END_BYTES <= tail.len());
    // The mark may be in the comment, too: the one whose comment ends with the file is meant.
    let exact = ends().find(|at| at + DIRECTORY_END_BYTES + comment(*at) == tail.len());
    let Some(at) = exact.or_else(|| ends().find(|at| at + DIRECTORY_END_BYTES + comment(*at) < tail.len())) else {
        return Ok(None);
    };
    let end = &tail[at..];
    let end_offset = tail_start + at as u64;
    let mut directory = Directory {
        start: 0,
        end: end_offset,
        base: 0,
        entries: u16_at(end, 10),
        archive_end: end_offset + (DIRECTORY_END_BYTES + comment(at)) as u64,
    };
    let (mut bytes, mut offset) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    if let Some((at, end)) = find_end_64(file, end_offset)? {
        directory.end = at;
        directory.entries = u64_at(&end, 32) as u16;
        (bytes, offset) = (u64_at(&end, 40), u64_at(&end, 48));
    }
    // Offsets that lie outside are found by `is_sound`.
    directory.start = directory.end.saturating_sub(bytes);
    directory.base = directory.start.saturating_sub(offset);
    Ok(Some(directory))
}

/// The end of a ZIP64 directory and its offset, where a locator lies before the end of the directory.
fn find_end_64(file: &Spooled, end_offset: u64) -> Result<Option<(u64, [u8; 56])>> {
    let Some(locator_offset) = end_offset.checked_sub(20) else { return Ok(None) };
    let mut locator = [0; 20];
    file.read_at(locator_offset, &mut locator)?;
    if !locator.starts_with(DIRECTORY_LOCATOR_64) {
        return Ok(None);
    }
    // What is said holds unless bytes were put before the archive; then it is the block before the locator.
    for offset in [u64_at(&locator, 8), locator_offset.saturating_sub(56)] {
        let mut end = [0; 56];
        if offset < locator_offset && file.read_at(offset, &mut end)? == end.len() && end.starts_with(DIRECTORY_END_64)
        {
            return Ok(Some((offset, end)));
        }
    }
    Ok(None)
}

impl Directory {
    /// Whether all entries can be read.
    fn is_sound(&self, file: &Arc<Spooled>) -> Result<bool> {
        let mut entries = BufReader::new(Section::new(file, self.start, self.end));
        let mut count = 0_u16;
        while position(&entries) < self.end {
            let Some(entry) = read_entry(&mut entries)? else { return Ok(false) };
            if self.base.saturating_add(entry.header) >= self.start {
                return Ok(false);
            }
            count = count.wrapping_add(1);
        }
        Ok(count == self.entries)
    }

    fn walk(self, file: &Arc<Spooled>) -> Walk {
        let entries = BufReader::new(Section::new(file, self.start, self.end));
        Walk::Directory { entries, end: self.end, base: self.base }
    }

    /// What follows the archive.
    fn stray(&self, file: &Spooled) -> Result<Option<Damage>> {
        let length = (file.length() - self.archive_end).min(SEARCH_BYTES as u64);
        if length == 0 {
            return Ok(None);
        }
        let mut raw = vec![0; length as usize];
        file.read_at(self.archive_end, &mut raw)?;
        let detail = format!("{length} bytes follow the end of the zip archive");
        Ok(Some(Damage { reason: "stray_bytes", detail, raw, cuts_text: false }))
    }
}

/// The offset of the next byte.
fn position(entries: &BufReader<Section>) -> u64 {
    entries.get_ref().position() - entries.buffer().len() as u64
}

/// Reads `length` bytes; `None` where the input ends before.
fn read_bytes(input: &mut impl Read, length: usize) -> Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; length];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(read_error(error)),
    }
}

/// The next entry of the directory; `None` where the bytes are none.
fn read_entry(entries: &mut BufReader<Section>) -> Result<Option<Entry>> {
    let Some(fixed) = read_bytes(entries, DIRECTORY_ENTRY_BYTES)? else { return Ok(None) };
    if !fixed.starts_with(DIRECTORY_ENTRY) {
        return Ok(None);
    }
    let lengths = [28, 30, 32].map(|at| usize::from(u16_at(&fixed, at)));
    let Some(rest) = read_bytes(entries, lengths.iter().sum())? else { return Ok(None) };
    let (name, rest) = rest.split_at(lengths[0]);
    let wide = wide_numbers(&rest[..lengths[1]], [u32_at(&fixed, 24), u32_at(&fixed, 20), u32_at(&fixed, 42)]);
    let Some([bytes, packed_bytes, header]) = wide else { return Ok(None) };
    let flags = u16_at(&fixed, 8);
    // The upper half of the attributes is the mode of Unix where the archive was made there.
    let is_link = fixed[5] == 3 && u32_at(&fixed, 38) >> 28 == 0xa;
    Ok(Some(Entry {
        is_no_file: is_link || is_folder(name, bytes),
        name: decode_name(name, flags),
        flags,
        method: u16_at(&fixed, 10),
        check: Some(Check { crc: u32_at(&fixed, 16), bytes }),
        packed_bytes,
        header,
    }))
}

/// The header before a member and where its bytes start; `None` where the file ends before.
fn read_local_header(file: &Arc<Spooled>, header: u64) -> Result<Option<(Entry, u64)>> {
    let mut input = Section::new(file, header, u64::MAX);
    let Some(fixed) = read_bytes(&mut input, LOCAL_HEADER_BYTES)? else { return Ok(None) };
    let lengths = [26, 28].map(|at| usize::from(u16_at(&fixed, at)));
    let Some(rest) = read_bytes(&mut input, lengths.iter().sum())? else { return Ok(None) };
    let (name, extra) = rest.split_at(lengths[0]);
    let flags = u16_at(&fixed, 6);
    let sizes = wide_numbers(extra, [u32_at(&fixed, 22), u32_at(&fixed, 18), 0]);
    // With a descriptor the header's own sizes are zero, or the real ones where the writer knew them.
    let known = sizes.filter(|sizes| flags & HAS_DESCRIPTOR == 0 || sizes[1] > 0);
    let entry = Entry {
        is_no_file: is_folder(name, known.map_or(0, |sizes| sizes[0])),
        name: decode_name(name, flags),
        flags,
        method: u16_at(&fixed, 8),
        check: known.map(|sizes| Check { crc: u32_at(&fixed, 14), bytes: sizes[0] }),
        packed_bytes: known.map_or(0, |sizes| sizes[1]),
        header,
    };
    Ok(Some((entry, input.position())))
}

/// Numbers of 32 bits with those of the ZIP64 field in place of the ones that are all set: plain bytes, packed bytes,
/// offset. `None` where the field is too short.
fn wide_numbers(mut extra: &[u8], narrow: [u32; 3]) -> Option<[u64; 3]> {
    let mut field: &[u8] = &[];
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let end = (4 + length).min(extra.len());
        if id == 1 {
            field = &extra[4..end];
        }
        extra = &extra[end..];
    }
    let mut numbers = narrow.map(u64::from);
    for number in &mut numbers {
        if *number == u64::from(u32::MAX) {
            let (wide, rest) = field.split_first_chunk()?;
            *number = u64::from_le_bytes(*wide);
            field = rest;
        }
    }
    Some(numbers)
}

fn is_folder(name: &[u8], bytes: u64) -> bool {
    bytes == 0 && matches!(name.last(), Some(b'/' | b'\\'))
}

fn decode_name(name: &[u8], flags: u16) -> String {
    if flags & UTF_8 != 0 || std::str::from_utf8(name).is_ok() {
        return String::from_utf8_lossy(name).into_owned();
    }
    let upper: Vec<char> = CP437.chars().collect();
    let decode = |byte: &u8| upper.get(usize::from(*byte).wrapping_sub(0x80)).copied().unwrap_or(char::from(*byte));
    name.iter().map(decode).collect()
}

/// Where the bytes of a member of unknown size end, where the next header is looked for, and what is said of the
/// member: the first descriptor whose size is right tells, or else the next header.
fn find_end(file: &Spooled, data: u64) -> Result<(u64, u64, Option<Check>)> {
    let found = search(file, data, |bytes, offset| {
        if bytes.starts_with(LOCAL_HEADER) || bytes.starts_with(DIRECTORY_ENTRY) {
            return Some((0, None));
        }
        if !bytes.starts_with(DESCRIPTOR) {
            return None;
        }
        let packed_bytes = offset - data;
        let crc = || u32_at(bytes, 4);
        if bytes.len() >= 24 && u64_at(bytes, 8) == packed_bytes {
            return Some((24, Some(Check { crc: crc(), bytes: u64_at(bytes, 16) })));
        }
        (bytes.len() >= 16 && u64::from(u32_at(bytes, 8)) == packed_bytes)
            .then(|| (16, Some(Check { crc: crc(), bytes: u64::from(u32_at(bytes, 12)) })))
    })?;
    Ok(match found {
        Some((end, (length, check))) => (end, end + length, check),
        None => (file.length(), file.length(), None),
    })
}

/// The first place from `offset` on that starts with `PK` and that `accept` takes; it gets the bytes there, 24 of them
/// unless the file ends, and their offset.
fn search<T>(file: &Spooled, mut offset: u64, accept: impl Fn(&[u8], u64) -> Option<T>) -> Result<Option<(u64, T)>> {
    let mut buffer = vec![0; SEARCH_BYTES];
    loop {
        let count = file.read_at(offset, &mut buffer)?;
        let bytes = &buffer[..count];
        let is_last = count < buffer.len();
        let searched = if is_last { count } else { count - (DESCRIPTOR_BYTES_MAX - 1) };
        for at in memmem::find_iter(bytes, b"PK").take_while(|at| *at < searched) {
            if let Some(found) = accept(&bytes[at..], offset + at as u64) {
                return Ok(Some((offset + at as u64, found)));
            }
        }
        if is_last {
            return Ok(None);
        }
        offset += searched as u64;
    }
}

/// Reads one member and holds its bytes against what is said of them.
struct ZipMember {
    unpacked: Unpacked,
    meter: Arc<Meter>,
    check: Option<Check>,
    crc: Crc,
    bytes: u64,
    has_ended: bool,
}

impl ZipMember {
    fn read_checked(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.has_ended || out.is_empty() {
            return Ok(0);
        }
        let (count, damage) = self.unpacked.read(out)?;
        self.crc.update(&out[..count]);
        self.bytes += count as u64;
        if let Some(damage) = damage {
            self.has_ended = true;
            self.meter.add_damage(of_member(damage));
        } else if count == 0 {
            self.has_ended = true;
            self.finish();
        }
        Ok(count)
    }

    fn finish(&self) {
        let Some(check) = self.check else { return };
        let problem = if self.bytes < check.bytes {
            let detail = format!("the member has {} of {} bytes", self.bytes, check.bytes);
            Damage::cut("truncated_zip", detail)
        } else if self.bytes > check.bytes || self.crc.sum() != check.crc {
            let detail = "the member's bytes do not have the checksum that the zip archive gives for them";
            Damage { reason: "corrupt_zip", detail: detail.to_owned(), raw: Vec::new(), cuts_text: false }
        } else {
            return;
        };
        self.meter.add_damage(problem);
    }
}

/// Damage of a member's compression is damage of the archive.
fn of_member(mut damage: Damage) -> Damage {
    if damage.reason.starts_with("truncated") {
        damage.reason = "truncated_zip";
    } else if damage.reason.starts_with("corrupt") {
        damage.reason = "corrupt_zip";
    }
    damage
}

impl Read for ZipMember {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.read_checked(out).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_utf_8_or_code_page_437() {
        assert_eq!(CP437.chars().count(), 128);
        assert_eq!(decode_name("\u{e4}.log".as_bytes(), 0), "\u{e4}.log");
        assert_eq!(decode_name(b"\x84.log", 0), "\u{e4}.log");
        assert_eq!(decode_name(b"\xff\xe1", 0), "\u{a0}\u{df}");
        assert_eq!(decode_name(b"\x84.log", UTF_8), "\u{fffd}.log");
    }

    #[test]
    fn numbers_that_are_all_set_are_in_the_extra_field() {
        let field = [&[9, 9, 1, 0, 7, 1, 0, 8, 0][..], &[5, 0, 0, 0, 1, 0, 0, 0]].concat();
        assert_eq!(wide_numbers(&field, [3, u32::MAX, 4]), Some([3, (1 << 32) + 5, 4]));
        assert_eq!(wide_numbers(&field, [u32::MAX, u32::MAX, 4]), None);
        assert_eq!(wide_numbers(&[], [1, 2, 3]), Some([1, 2, 3]));
    }
}
