//! 7z: a header at the end, and members in blocks that only decompress from their start.
//!
//! The archive passes through a temporary file, and each block through another, so that one is unpacked at a time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::sync::Arc;

use lzma_rust2::lzma2_get_memory_usage;
use millpond_core::{Error, Result};
use sevenz_rust2::{ArchiveEntry, BlockDecoder, EncoderMethod, Error as SevenZipError, Password};

use super::{Archive, Member, unreadable};
use crate::spool::{Section, Spooled, spool, temporary_file, write_failed};
use crate::stream::{Damage, Meter};
use crate::window::Window;

/// Bytes unpacked at a time.
const PIECE_BYTES: usize = 64 << 10;

/// A 7z archive.
pub(super) struct SevenZip {
    archive: sevenz_rust2::Archive,
    file: File,
    meter: Arc<Meter>,
    /// The block to be unpacked next.
    block: usize,
    /// The members of the block unpacked last, and where they lie in it.
    unpacked: VecDeque<UnpackedMember>,
    bytes: Option<Arc<Spooled>>,
    /// Bytes unpacked so far.
    unpacked_bytes: u64,
    /// The next of the files that may be empty: those are in no block.
    empty: usize,
}

struct UnpackedMember {
    name: String,
    start: u64,
    end: u64,
    /// Why the rest is missing.
    damage: Option<Damage>,
}

impl SevenZip {
    /// # Errors
    /// `BadInput` for an archive whose header cannot be read or whose members are all encrypted, `TooBig` for one that
    /// needs more memory than allowed.
    pub(super) fn open(mut window: Window) -> Result<Self> {
        let meter = Arc::clone(window.stream().meter());
        let mut file = spool(&mut window)?;
        let limit = memory_limit_kb(&meter);
        let archive = sevenz_rust2::Archive::read_with_memory_limit(&mut file, &Password::empty(), limit)
            .map_err(|error| open_error(error, &meter))?;
        if !archive.blocks.is_empty() && (0..archive.blocks.len()).all(|block| is_encrypted(&archive, block)) {
            return Err(encrypted());
        }
        let unpacked = VecDeque::new();
        Ok(Self { archive, file, meter, block: 0, unpacked, bytes: None, unpacked_bytes: 0, empty: 0 })
    }

    /// Unpacks the next block to a temporary file.
    fn unpack_block(&mut self) -> Result<()> {
        let mut sink = Sink {
            file: BufWriter::new(temporary_file()?),
            meter: &self.meter,
            total: self.unpacked_bytes,
            length: 0,
            members: VecDeque::new(),
            error: None,
        };
        let password = Password::empty();
        let decoder = BlockDecoder::new_with_memory_limit(
            1,
            memory_limit_kb(&self.meter),
            self.block,
            &self.archive,
            &password,
            &mut self.file,
        );
        let names: Vec<String> =
            decoder.entries().iter().filter(|entry| entry.has_stream).map(|entry| entry.name.clone()).collect();
        let result = decoder.for_each_entries(&mut |entry, reader| sink.take(entry, reader));
        if let Some(error) = sink.error {
            return Err(error);
        }
        if let Err(SevenZipError::MaxMemLimited { .. }) = &result {
            return Err(too_much_memory(&self.meter));
        }
        if let Err(error) = &result {
            sink.blame(error, is_encrypted(&self.archive, self.block), names);
        }
        self.unpacked_bytes = sink.total;
        self.unpacked = sink.members;
        let file = sink.file.into_inner().map_err(|error| write_failed(error.into_error()))?;
        self.bytes = Some(Arc::new(Spooled::new(file)?));
        self.block += 1;
        Ok(())
    }

    fn unpacked_member(&mut self) -> Option<Member> {
        let UnpackedMember { name, start, end, damage } = self.unpacked.pop_front()?;
        let body: super::Body = match (&self.bytes, damage) {
            (Some(bytes), None) => Ok(Box::new(Section::new(bytes, start, end))),
            // What was unpacked before the damage is read.
            (Some(bytes), Some(damage)) if end > start => {
                let meter = Arc::clone(&self.meter);
                Ok(Box::new(Broken { section: Section::new(bytes, start, end), damage: Some(damage), meter }))
            }
            (_, damage) => Err(unreadable(damage.map_or_else(String::new, |damage| damage.detail))),
        };
        Some(Member { name, body })
    }

    fn empty_member(&mut self) -> Option<Member> {
        let files = self.archive.files.get(self.empty..)?;
        let skipped = files.iter().position(|file| !file.has_stream && !file.is_directory && !file.is_anti_item)?;
        self.empty += skipped + 1;
        Some(Member { name: files[skipped].name.clone(), body: Ok(Box::new(io::empty())) })
    }
}

impl Archive for SevenZip {
    fn next(&mut self) -> Result<Option<Member>> {
        while self.unpacked.is_empty() && self.block < self.archive.blocks.len() {
            self.unpack_block()?;
        }
        Ok(self.unpacked_member().or_else(|| self.empty_member()))
    }
}

/// The library counts KiB and adds what a decoder needs besides its dictionary.
fn memory_limit_kb(meter: &Meter) -> usize {
    let dictionary = u32::try_from(meter.limits().window_bytes_max).unwrap_or(u32::MAX);
    lzma2_get_memory_usage(dictionary) as usize
}

fn is_encrypted(archive: &sevenz_rust2::Archive, block: usize) -> bool {
    archive.blocks[block].coders.iter().any(|coder| coder.encoder_method_id() == EncoderMethod::ID_AES256_SHA256)
}

fn encrypted() -> Error {
    Error::bad_input("failed to read the 7z archive: it is encrypted").hint("store it without a password")
}

fn too_much_memory(meter: &Meter) -> Error {
    let max = meter.limits().window_bytes_max;
    Error::too_big(format!("the 7z archive needs a dictionary of more than {max} bytes to be decompressed"))
        .hint("raise `window_bytes` under `[limits]` in source.toml")
}

fn open_error(error: SevenZipError, meter: &Meter) -> Error {
    match error {
        SevenZipError::MaxMemLimited { .. } => too_much_memory(meter),
        SevenZipError::PasswordRequired => encrypted(),
        SevenZipError::UnsupportedCompressionMethod(method) if method.contains("AES") => encrypted(),
        error => Error::bad_input("failed to read the header of the 7z archive")
            .because(error)
            .hint("the header is at the end of the file, so it is missing where the file was cut"),
    }
}

/// Where a block is unpacked to.
struct Sink<'a> {
    file: BufWriter<File>,
    meter: &'a Meter,
    /// Bytes of this archive so far.
    total: u64,
    /// Bytes of this block so far.
    length: u64,
    members: VecDeque<UnpackedMember>,
    /// An error that ends the whole file.
    error: Option<Error>,
}

impl Sink<'_> {
    /// Unpacks one member; `false` where an error ends the whole file.
    fn take(&mut self, entry: &ArchiveEntry, reader: &mut dyn Read) -> std::result::Result<bool, SevenZipError> {
        if !entry.has_stream {
            return Ok(true);
        }
        let start = self.length;
        let copied = self.copy(reader);
        self.members.push_back(UnpackedMember { name: entry.name.clone(), start, end: self.length, damage: None });
        copied?;
        Ok(self.error.is_none())
    }

    fn copy(&mut self, reader: &mut dyn Read) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let count = match reader.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.length += count as u64;
            self.total += count as u64;
            let written = self.file.write_all(&piece[..count]).map_err(write_failed);
            if let Err(error) =
                written.and_then(|()| self.meter.add_work(count as u64)).and_then(|()| self.meter.check(self.total))
            {
                self.error = Some(error);
                return Ok(());
            }
        }
    }

    /// Says what became of the members of a block that could not be unpacked to its end.
    fn blame(&mut self, error: &SevenZipError, is_encrypted: bool, names: Vec<String>) {
        let cause = match is_encrypted {
            true => "the member is encrypted".to_owned(),
            false => format!("the 7z archive is damaged: {error}"),
        };
        let done = self.members.len();
        if let Some(last) = self.members.back_mut() {
            last.damage = Some(Damage::cut("corrupt_7z", cause.clone()));
        }
        let end = self.length;
        self.members.extend(names.into_iter().skip(done).map(|name| UnpackedMember {
            name,
            start: end,
            end,
            damage: Some(Damage::cut("corrupt_7z", cause.clone())),
        }));
    }
}

/// Reads what there is of a member, then tells why there is no more.
struct Broken {
    section: Section,
    damage: Option<Damage>,
    meter: Arc<Meter>,
}

impl Read for Broken {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.section.read(out)?;
        if count == 0
            && !out.is_empty()
            && let Some(damage) = self.damage.take()
        {
            self.meter.add_damage(damage);
        }
        Ok(count)
    }
}
