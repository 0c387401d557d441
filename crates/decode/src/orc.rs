//! Apache ORC (<https://orc.apache.org/specification/ORCv1/>): kept in a temporary file, because its index is at its
//! end, and read by stripe, only the columns that are asked for.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

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
use crate::columnar::{Batches, ColumnarReader, check_fields, guarded, needed};
use crate::rows::Rows;
use crate::spool::spool;
use crate::window::Window;

const NAME: &str = "ORC";
/// A chunk's compressed length has 23 bits, so no writer makes larger ones.
const CHUNK_BYTES_MAX: u64 = 16 << 20;
/// Bytes of the footer, with the file's types and its list of stripes.
const FOOTER_BYTES_MAX: u64 = 64 << 20;

/// Opens the reader.
///
/// # Errors
/// `BadInput` for a file whose index cannot be read, such as a cut one.
pub(crate) fn open(window: &mut Window, rows: &mut Rows, request: &DecodeRequest) -> Result<Box<dyn Records>> {
    let file = Spooled::new(spool(window)?)?;
    check_tail(&file)?;
    let builder = guarded(NAME, || ArrowReaderBuilder::try_new(file))?
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
fn check_tail(file: &Spooled) -> Result<()> {
    let refuse = |what: String| Err(Error::bad_input(format!("failed to read the file as {NAME}: {what}")));
    let tail_bytes = file.len().min(256);
    let tail = guarded(NAME, || file.get_bytes(file.len() - tail_bytes, tail_bytes))?;
    let Some((length, before)) = tail.split_last() else { return Ok(()) };
    let postscript = &before[before.len().saturating_sub(usize::from(*length))..];
    let number = |wanted| {
        Fields(postscript).filter_map(|(field, part)| part.number().filter(|_| field == wanted)).last().unwrap_or(0)
    };
    let (footer_bytes, codec, chunk_bytes) = (number(1), number(2), number(3));
    if chunk_bytes > CHUNK_BYTES_MAX {
        return refuse(format!("it says that its chunks have {chunk_bytes} bytes"));
    }
    let end = file.len() - 1 - postscript.len() as u64;
    if footer_bytes > end.min(FOOTER_BYTES_MAX) {
        return refuse(format!("it says that its footer has {footer_bytes} bytes"));
    }
    let stored = guarded(NAME, || file.get_bytes(end - footer_bytes, footer_bytes))?;
    match footer(&stored, codec) {
        Some(footer) if has_sound_types(&footer) => Ok(()),
        Some(_) => refuse("its types are not in order".to_owned()),
        None => refuse("its footer cannot be decompressed".to_owned()),
    }
}

/// The footer, decompressed: chunks, each behind its length and a bit that says whether it is stored as it is.
fn footer(mut stored: &[u8], codec: u64) -> Option<Vec<u8>> {
    if codec == 0 {
        return Some(stored.to_vec());
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

/// One chunk, decompressed, of at most [`CHUNK_BYTES_MAX`]. LZO is not read.
fn decompressed(chunk: &[u8], codec: u64) -> Option<Vec<u8>> {
    let read = |reader: &mut dyn Read| {
        let mut bytes = Vec::new();
        reader.take(CHUNK_BYTES_MAX).read_to_end(&mut bytes).ok().map(|_| bytes)
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

/// Whether every type comes before those that it holds, as the specification orders them, so that none holds itself.
fn has_sound_types(footer: &[u8]) -> bool {
    let types = Fields(footer).filter_map(|(field, part)| part.bytes().filter(|_| field == 4));
    types.enumerate().all(|(index, kind)| {
        Fields(kind).filter(|(field, _)| *field == 2).all(|(_, part)| match part {
            Part::Number(held) => held > index as u64,
            Part::Bytes(mut packed) => {
                while let Some(held) = varint(&mut packed) {
                    if held <= index as u64 {
                        return false;
                    }
                }
                true
            }
        })
    })
}

/// The fields of a message of protocol buffers (<https://protobuf.dev/programming-guides/encoding/>), by their numbers.
struct Fields<'a>(&'a [u8]);

#[derive(Clone, Copy)]
enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Part<'a> {
    fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }

    fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Part<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = varint(&mut self.0)?;
        let length = match tag & 7 {
            0 => return Some((tag >> 3, Part::Number(varint(&mut self.0)?))),
            1 => 8,
            2 => usize::try_from(varint(&mut self.0)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((tag >> 3, Part::Bytes(bytes)))
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

/// The file, with every request held against its length before memory is taken for it.
struct Spooled {
    file: File,
    length: u64,
}

impl Spooled {
    fn new(file: File) -> Result<Self> {
        let failed = |error: io::Error| Error::transient("failed to read a temporary file").because(error);
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self { file, length })
    }
}

impl ChunkReader for Spooled {
    type T = File;

    fn len(&self) -> u64 {
        self.length
    }

    fn get_read(&self, offset: u64) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    }

    fn get_bytes(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a part lies beyond the end of the file"));
        }
        let mut bytes = vec![0; length as usize];
        self.get_read(offset)?.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

struct OrcBatches {
    /// `None` behind the last batch and after an error.
    reader: Option<ArrowReader<Spooled>>,
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

    #[test]
    fn types_that_hold_themselves_are_not_sound() {
        // Types are field 4 of the footer; what a type holds is its field 2, here packed.
        let footer = |held: [u8; 2]| [&[0x22, 6, 0x08, 12, 0x12, 2][..], &held, &[0x22, 2, 0x08, 3]].concat();
        assert!(has_sound_types(&footer([1, 2])));
        assert!(!has_sound_types(&footer([1, 0])));
        assert!(!has_sound_types(&[0x22, 4, 0x08, 12, 0x10, 0]));
    }
}
