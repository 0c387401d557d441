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
/// The field of the postscript that has the length of a decompressed chunk.
const CHUNK_BYTES_FIELD: u64 = 3;

/// Opens the reader.
///
/// # Errors
/// `BadInput` for a file whose index cannot be read, such as a cut one.
pub(crate) fn open(window: &mut Window, rows: &mut Rows, request: &DecodeRequest) -> Result<Box<dyn Records>> {
    let file = Spooled::new(spool(window)?)?;
    check_chunk_bytes(&file)?;
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

/// Refuses a file that says its chunks are huge: as much memory is taken for each.
fn check_chunk_bytes(file: &Spooled) -> Result<()> {
    let tail_bytes = file.len().min(256);
    let tail = guarded(NAME, || file.get_bytes(file.len() - tail_bytes, tail_bytes))?;
    let Some((length, before)) = tail.split_last() else { return Ok(()) };
    let postscript = &before[before.len().saturating_sub(usize::from(*length))..];
    match postscript_number(postscript, CHUNK_BYTES_FIELD) {
        Some(bytes) if bytes > CHUNK_BYTES_MAX => Err(Error::bad_input(format!(
            "failed to read the file as {NAME}: it says that its chunks have {bytes} bytes"
        ))),
        _ => Ok(()),
    }
}

/// A number in a message of protocol buffers (<https://protobuf.dev/programming-guides/encoding/>).
fn postscript_number(mut message: &[u8], field: u64) -> Option<u64> {
    let mut found = None;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        match tag & 7 {
            0 => {
                let value = varint(&mut message)?;
                if tag >> 3 == field {
                    found = Some(value);
                }
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return found,
        }
    }
    found
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
