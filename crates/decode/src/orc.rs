//! Apache ORC (<https://orc.apache.org/specification/ORCv1/>): kept in a temporary file, because its index is at its
//! end, and read by stripe, only the columns that are asked for.

use std::io::{self, Read};
use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use millpond_core::format::DecodeRequest;
use millpond_core::{Error, Result};
use orc_rust::ArrowReaderBuilder;
use orc_rust::arrow_reader::ArrowReader;
use orc_rust::projection::ProjectionMask;
use orc_rust::reader::ChunkReader;
use orc_rust::schema::TimestampPrecision;

use crate::Records;
use crate::columnar::{Batches, ColumnarReader, check_fields, guarded, needed, too_deep};
use crate::rows::Rows;
use crate::spool::{Section, SharedFile, Spooled, spool};
use crate::window::Window;

const NAME: &str = "ORC";
/// A chunk's compressed length has 23 bits, so no writer makes larger ones.
const CHUNK_BYTES_MAX: u64 = 16 << 20;
/// Bytes of the footer, with the file's types and its list of stripes.
const FOOTER_BYTES_MAX: u64 = 64 << 20;
/// Types inside each other, whatever the limits. The library calls itself for each, which in a debug build takes 7 to
/// 10 KiB of the 2 MiB that a thread has.
const DEPTH_CAP: usize = 200;
/// Types, each counted once more for every type that it lies in: the library keeps the numbers of all in each of those.
const TYPES_MAX: usize = 1 << 20;

/// Opens the reader.
///
/// # Errors
/// `BadInput` for a file whose index cannot be read, such as a cut one.
pub(crate) fn open(window: &mut Window, rows: &mut Rows, request: &DecodeRequest) -> Result<Box<dyn Records>> {
    let file = Arc::new(Spooled::new(spool(window)?)?);
    check_tail(&file, rows.limits.depth_max)?;
    let builder = guarded(NAME, || ArrowReaderBuilder::try_new(SharedFile(file)))?
        .with_timestamp_precision(TimestampPrecision::Microsecond)
        .with_batch_size(request.batch_rows.max(1));
    let schema = guarded(NAME, || Ok::<_, Error>(builder.schema()))?;
    let fields = schema.fields().clone();
    check_fields(&fields, rows)?;
    let reader = guarded(NAME, || {
        let root = builder.file_metadata().root_data_type();
        let places = needed(&fields, rows).into_iter().map(|index| root.children()[index].data_type().column_index());
        let mask = ProjectionMask::roots(root, places);
        Ok::<_, Error>(builder.with_projection(mask).build())
    })?;
    Ok(Box::new(ColumnarReader::new(NAME, OrcBatches { reader: Some(reader) }, fields, rows)?))
}

/// Refuses a file whose tail would make its library take as much memory as the file likes, or follow types for ever: a
/// stack that overflows ends the process, and nothing can catch that.
///
/// The library must not find other types than are found here, so what the two could read differently is refused.
fn check_tail(file: &Spooled, depth_max: usize) -> Result<()> {
    let refuse = |what: String| Err(Error::bad_input(format!("failed to read the file as {NAME}: {what}")));
    let tail_bytes = file.length().min(256);
    let tail = file.bytes_at(file.length() - tail_bytes, tail_bytes)?;
    let Some((length, before)) = tail.split_last() else { return Ok(()) };
    let postscript = &before[before.len().saturating_sub(usize::from(*length))..];
    let Ok(Postscript { footer_bytes, codec, chunk_bytes }) = Postscript::read(postscript) else {
        return refuse("its postscript cannot be read".to_owned());
    };
    if chunk_bytes > CHUNK_BYTES_MAX {
        return refuse(format!("it says that its chunks have {chunk_bytes} bytes"));
    }
    let end = file.length() - 1 - postscript.len() as u64;
    if footer_bytes > end.min(FOOTER_BYTES_MAX) {
        return refuse(format!("it says that its footer has {footer_bytes} bytes"));
    }
    let stored = file.bytes_at(end - footer_bytes, footer_bytes)?;
    let Some(footer) = footer(&stored, codec) else { return refuse("its footer cannot be decompressed".to_owned()) };
    match check_types(&footer, depth_max.min(DEPTH_CAP)) {
        Ok(()) => Ok(()),
        Err(Fault::Malformed) => refuse("its types are not in order".to_owned()),
        Err(Fault::TooLarge) => Err(Error::too_big("the file has too many types")),
        Err(Fault::TooDeep) => Err(too_deep("the file's types are", depth_max, DEPTH_CAP)),
    }
}

/// What the postscript says of the footer.
#[derive(Default)]
struct Postscript {
    footer_bytes: u64,
    codec: u64,
    chunk_bytes: u64,
}

impl Postscript {
    fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let mut postscript = Self::default();
        for field in Fields(bytes) {
            match field? {
                (1, Part::Number(number)) => postscript.footer_bytes = number,
                (2, Part::Number(number)) => postscript.codec = number,
                (3, Part::Number(number)) => postscript.chunk_bytes = number,
                _ => {}
            }
        }
        Ok(postscript)
    }
}

/// The footer, decompressed: chunks, each behind its length and a bit that says whether it is stored as it is.
fn footer(mut stored: &[u8], codec: u64) -> Option<Vec<u8>> {
    match codec {
        0 => return Some(stored.to_vec()),
        1..=5 => {}
        // To the library, a codec that it does not know is none.
        _ => return None,
    }
    let mut footer = Vec::new();
    while let [low, middle, high, rest @ ..] = stored {
        let header = u32::from_le_bytes([*low, *middle, *high, 0]);
        let (chunk, behind) = rest.split_at_checked((header >> 1) as usize)?;
        stored = behind;
        if header & 1 == 1 {
            footer.extend_from_slice(chunk);
        } else {
            footer.extend(decompressed(chunk, codec)?);
        }
        if footer.len() as u64 > FOOTER_BYTES_MAX {
            return None;
        }
    }
    Some(footer)
}

/// One chunk, decompressed; `None` for more than [`CHUNK_BYTES_MAX`]. LZO is not read.
fn decompressed(chunk: &[u8], codec: u64) -> Option<Vec<u8>> {
    let read = |reader: &mut dyn Read| {
        let mut bytes = Vec::new();
        let count = reader.take(CHUNK_BYTES_MAX + 1).read_to_end(&mut bytes).ok()?;
        (count as u64 <= CHUNK_BYTES_MAX).then_some(bytes)
    };
    match codec {
        1 => read(&mut flate2::read::DeflateDecoder::new(chunk)),
        2 => {
            snap::raw::decompress_len(chunk).ok().filter(|length| *length as u64 <= CHUNK_BYTES_MAX)?;
            snap::raw::Decoder::new().decompress_vec(chunk).ok()
        }
        4 => lz4_flex::block::decompress(chunk, CHUNK_BYTES_MAX as usize).ok(),
        5 => read(&mut zstd::stream::read::Decoder::new(chunk).ok()?),
        _ => None,
    }
}

/// Why types are refused.
#[derive(Debug, PartialEq)]
enum Fault {
    Malformed,
    TooDeep,
    TooLarge,
}

/// Looks whether every type comes before those that it holds, as the specification orders them, so that none holds
/// itself; whether at most one type holds it, so that they are no more than the file lists; and how deep it lies.
fn check_types(footer: &[u8], depth_max: usize) -> Result<(), Fault> {
    let mut count = 0;
    for field in Fields(footer) {
        count += usize::from(matches!(field?, (4, Part::Bytes(_))));
    }
    if count > TYPES_MAX {
        return Err(Fault::TooLarge);
    }
    let mut types = Types { depths: vec![0; count], depth_max, places: count };
    let mut index = 0;
    for field in Fields(footer) {
        let (4, Part::Bytes(kind)) = field? else { continue };
        for field in Fields(kind) {
            match field? {
                (2, Part::Number(held)) => types.hold(index, held)?,
                (2, Part::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        types.hold(index, varint(&mut packed).ok_or(Fault::Malformed)?)?;
                    }
                }
                _ => {}
            }
        }
        index += 1;
    }
    Ok(())
}

struct Types {
    /// How deep each type lies; 0 where no type holds it so far.
    depths: Vec<u16>,
    /// No more than [`DEPTH_CAP`].
    depth_max: usize,
    /// What is held against [`TYPES_MAX`].
    places: usize,
}

impl Types {
    /// Notes that the type at one index holds that at another.
    fn hold(&mut self, holder: usize, held: u64) -> Result<(), Fault> {
        // The library drops what is above 32 bits.
        let held = held as u32 as usize;
        let depth = self.depths[holder] + 1;
        match self.depths.get_mut(held) {
            Some(_) if usize::from(depth) > self.depth_max => Err(Fault::TooDeep),
            Some(place @ 0) if held > holder => {
                *place = depth;
                self.places += usize::from(depth);
                if self.places > TYPES_MAX { Err(Fault::TooLarge) } else { Ok(()) }
            }
            _ => Err(Fault::Malformed),
        }
    }
}

/// The fields of a message of protocol buffers (<https://protobuf.dev/programming-guides/encoding/>), by their numbers.
/// Groups, which nothing writes and the library passes over, are malformed, and so is a message that is cut.
struct Fields<'a>(&'a [u8]);

#[derive(Clone, Copy)]
enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Fields<'a> {
    fn read(&mut self) -> Option<(u64, Part<'a>)> {
        let tag = varint(&mut self.0)?;
        let (length, is_fixed) = match tag & 7 {
            0 => return Some((tag >> 3, Part::Number(varint(&mut self.0)?))),
            1 => (8, true),
            2 => (usize::try_from(varint(&mut self.0)?).ok()?, false),
            5 => (4, true),
            _ => return None,
        };
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((tag >> 3, if is_fixed { Part::Fixed } else { Part::Bytes(bytes) }))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Part<'a>), Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Fault::Malformed))
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

impl ChunkReader for SharedFile {
    type T = Section;

    fn len(&self) -> u64 {
        self.0.length()
    }

    fn get_read(&self, offset: u64) -> io::Result<Section> {
        Ok(Section::new(&self.0, offset, self.0.length()))
    }

    fn get_bytes(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        self.0.bytes_at(offset, length).map(Bytes::from).map_err(io::Error::other)
    }
}

struct OrcBatches {
    /// `None` behind the last batch and after an error.
    reader: Option<ArrowReader<SharedFile>>,
}

impl Batches for OrcBatches {
    fn next(&mut self, _: &mut Window, _: &mut Rows) -> Result<Option<RecordBatch>> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        let batch = guarded(NAME, || reader.next().transpose())?;
        if batch.is_some() {
            self.reader = Some(reader);
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2][..], &number_of(bytes.len() as u64), bytes].concat()
    }

    fn number_of(mut number: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    /// A footer of types that hold those with these numbers.
    fn footer_of(types: &[&[u64]]) -> Vec<u8> {
        let held = |held: &&[u64]| held.iter().copied().flat_map(number_of).collect::<Vec<u8>>();
        types.iter().flat_map(|kind| field(4, &[&[0x08, 12][..], &field(2, &held(kind))].concat())).collect()
    }

    #[test]
    fn types_are_a_tree_in_order() {
        let check = |types: &[&[u64]]| check_types(&footer_of(types), 10);
        assert_eq!(check(&[&[1, 3], &[2], &[], &[]]), Ok(()));
        assert_eq!(check(&[&[0]]), Err(Fault::Malformed), "a type that holds itself");
        assert_eq!(check(&[&[1], &[0]]), Err(Fault::Malformed), "types that hold each other");
        assert_eq!(check(&[&[2], &[1], &[]]), Err(Fault::Malformed), "one that nothing holds, but that holds itself");
        assert_eq!(check(&[&[1 << 32]]), Err(Fault::Malformed), "0 to who reads 32 bits");
        assert_eq!(check(&[&[(1 << 32) + 1], &[]]), Ok(()), "1 to who reads 32 bits");
        assert_eq!(check(&[&[1, 1], &[]]), Err(Fault::Malformed), "a type that is held twice");
        assert_eq!(check(&[&[1, 2], &[2], &[]]), Err(Fault::Malformed), "a type that two hold");
        assert_eq!(check(&[&[1]]), Err(Fault::Malformed), "a type that is not there");
    }

    #[test]
    fn types_may_not_be_nested_deeper_than_the_limit() {
        let chain = |count: u64| (1..=count).map(move |next| if next == count { vec![] } else { vec![next] });
        let check = |count, max| {
            let types: Vec<Vec<u64>> = chain(count).collect();
            check_types(&footer_of(&types.iter().map(Vec::as_slice).collect::<Vec<_>>()), max)
        };
        assert_eq!(check(11, 10), Ok(()));
        assert_eq!(check(12, 10), Err(Fault::TooDeep));
        assert_eq!(check(100_000, 1_000), Err(Fault::TooDeep));
    }

    #[test]
    fn types_may_not_take_more_memory_than_a_file_can_need() {
        // So many types that lie in so many others.
        let check = |count: u64, depth: u64| {
            let chain: Vec<Vec<u64>> = (1..depth).map(|next| vec![next]).collect();
            let members: Vec<u64> = (depth..depth + count).collect();
            let mut types: Vec<&[u64]> = chain.iter().map(Vec::as_slice).collect();
            types.push(&members);
            types.extend(vec![&[][..]; count as usize]);
            check_types(&footer_of(&types), 100)
        };
        assert_eq!((check(10_000, 99), check(11_000, 99)), (Ok(()), Err(Fault::TooLarge)));
        assert_eq!(
            check_types(&[0x22, 0].repeat(TYPES_MAX + 1), 100),
            Err(Fault::TooLarge),
            "types that nothing holds"
        );
    }

    #[test]
    fn what_is_not_packed_is_read_too() {
        assert_eq!(check_types(&[0x22, 4, 0x08, 12, 0x10, 1, 0x22, 0], 10), Ok(()));
        assert_eq!(check_types(&[0x22, 4, 0x08, 12, 0x10, 0], 10), Err(Fault::Malformed));
    }

    #[test]
    fn nothing_is_hidden_behind_what_cannot_be_read() {
        // Field 15 as a group, empty, as the library passes over it.
        let group = [0x7b, 0x7c];
        let sound = footer_of(&[&[1], &[]]);
        assert_eq!(check_types(&[&sound[..], &group].concat(), 10), Err(Fault::Malformed));
        let kind = [&[0x08, 12][..], &group, &field(2, &[0])].concat();
        assert_eq!(check_types(&field(4, &kind), 10), Err(Fault::Malformed), "in a type");
        assert_eq!(check_types(&[&sound[..], &[0x22, 9]].concat(), 10), Err(Fault::Malformed), "a cut footer");
        let packed = field(4, &field(2, &[1, 0x80]));
        assert_eq!(check_types(&[&packed[..], &[0x22, 0]].concat(), 10), Err(Fault::Malformed), "a cut number");
        assert!(Postscript::read(&[&group[..], &[0x08, 1]].concat()).is_err(), "in the postscript");
    }

    #[test]
    fn a_footer_is_decompressed_as_the_library_does_or_not_at_all() {
        let stored = [&[7, 0, 0][..], b"abc"].concat();
        assert_eq!(footer(&stored, 1).as_deref(), Some(&b"abc"[..]));
        assert_eq!(footer(&stored, 0), Some(stored.clone()));
        assert_eq!(footer(&stored, 6), None, "a codec that there is not");
        let mut long = Vec::new();
        let bomb = vec![0; CHUNK_BYTES_MAX as usize + 1];
        flate2::read::DeflateEncoder::new(&bomb[..], flate2::Compression::fast())
            .read_to_end(&mut long)
            .expect("memory");
        assert_eq!(decompressed(&long, 1), None, "more than a chunk has");
    }
}
