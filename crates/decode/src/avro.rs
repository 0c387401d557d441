//! Avro object container files (<https://avro.apache.org/docs/1.12.0/specification/#object-container-files>): a
//! header with the schema, then blocks of records, each behind its count and length and before a marker.
//!
//! The blocks are framed and decompressed here, under the limits, and handed to `arrow-avro` in groups, so that a
//! damaged block costs itself alone.

mod schema;

use std::collections::VecDeque;
use std::io::{Cursor, Read};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Fields};
use arrow_avro::compression::CompressionCodec;
use arrow_avro::reader::{ReaderBuilder, read_header_info};
use millpond_core::format::DecodeRequest;
use millpond_core::{Error, Result};
use serde_json::Value;

use crate::Records;
use crate::columnar::{
    Batches, ColumnarReader, MESSAGE_BYTES_MAX, RAW_BYTES_MAX, check_fields, guarded, needed, start_of, take_rest,
};
use crate::rows::Rows;
use crate::window::Window;

const NAME: &str = "Avro";
/// Bytes of the header, most of which are the schema.
const HEADER_BYTES_MAX: usize = 16 << 20;
/// Decompressed bytes of the blocks that are read as one; more where one block has more.
const GROUP_BYTES: usize = 1 << 20;
/// The marker behind each block.
const MARKER_BYTES: usize = 16;
/// The reason for a block that cannot be read.
const CORRUPT: &str = "corrupt_avro";

/// Opens the reader.
///
/// # Errors
/// `BadInput` for a header that is cut or a schema or compression that cannot be read.
pub(crate) fn open(window: &mut Window, rows: &mut Rows, _: &DecodeRequest) -> Result<Box<dyn Records>> {
    let header = loop {
        match guarded(NAME, || read_header_info(window.bytes())) {
            Ok(header) => break header,
            Err(error) if window.bytes().len() > HEADER_BYTES_MAX => return Err(error),
            Err(error) => {
                if !window.grow()? {
                    return Err(error);
                }
            }
        }
    };
    let codec = guarded(NAME, || header.compression())?;
    let schema = guarded(NAME, || header.writer_schema())?.json_string;
    let schema = guarded(NAME, || serde_json::from_str(&schema))?;
    schema::check(&schema, rows.limits.depth_max)?;
    let marker = header.sync();
    window.consume(header.header_len() as usize);
    let schema = texts_as_written(schema);
    let mut batches = AvroBatches {
        header: header_of(&schema, &marker),
        marker,
        codec,
        projection: None,
        alone: VecDeque::new(),
        ended: false,
    };
    let empty = batches.file_of(0, &[]);
    let fields = guarded(NAME, || {
        ReaderBuilder::new().build(Cursor::new(empty)).map(|reader| reader.schema().fields().clone())
    })?;
    check_fields(&fields, rows)?;
    if fields.iter().all(|field| takes_no_bytes(field)) {
        return Err(Error::bad_input("failed to read the file as Avro: its records have no fields that take bytes"));
    }
    if let Some(field) = fields.iter().find(|field| has_empty_items(field.data_type())) {
        return Err(Error::bad_input(format!(
            "failed to read the file as Avro: the items of `{}` take no bytes",
            field.name()
        )));
    }
    let needed = needed(&fields, rows);
    // A projection needs a column.
    batches.projection = Some(if needed.is_empty() { vec![smallest(&fields)] } else { needed });
    Ok(Box::new(ColumnarReader::new(NAME, batches, fields, rows)?))
}

/// The schema with UUIDs that are written as text left as text.
fn texts_as_written(mut schema: Value) -> String {
    fn walk(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                let has = |name: &str, value: &str| members.get(name).and_then(Value::as_str) == Some(value);
                if has("type", "string") && has("logicalType", "uuid") {
                    members.remove("logicalType");
                }
                for name in ["type", "items", "values", "fields"] {
                    members.get_mut(name).into_iter().for_each(walk);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut schema);
    schema.to_string()
}

/// Whether values of a field take no bytes, so that a block can claim any number of them.
fn takes_no_bytes(field: &Field) -> bool {
    match field.data_type() {
        DataType::Null => true,
        // Which of the members a union has, NULL or not, takes a byte.
        _ if field.is_nullable() => false,
        DataType::FixedSizeBinary(0) => true,
        DataType::Struct(fields) => fields.iter().all(|field| takes_no_bytes(field)),
        _ => false,
    }
}

fn has_empty_items(kind: &DataType) -> bool {
    match kind {
        DataType::List(item) => takes_no_bytes(item) || has_empty_items(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_empty_items(field.data_type())),
        DataType::Map(entries, _) => has_empty_items(entries.data_type()),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| has_empty_items(field.data_type())),
        _ => false,
    }
}

/// A column that is no trouble to read.
fn smallest(fields: &Fields) -> usize {
    let width = |index: &usize| fields[*index].data_type().primitive_width().unwrap_or(usize::MAX);
    (0..fields.len()).min_by_key(width).unwrap_or(0)
}

/// A header of an uncompressed file.
fn header_of(schema: &str, marker: &[u8; MARKER_BYTES]) -> Vec<u8> {
    let mut header = b"Obj\x01".to_vec();
    write_long(2, &mut header);
    for text in ["avro.schema", schema, "avro.codec", "null"] {
        write_long(text.len() as i64, &mut header);
        header.extend_from_slice(text.as_bytes());
    }
    write_long(0, &mut header);
    header.extend_from_slice(marker);
    header
}

/// Zig-zag coded, seven bits a byte, the lowest first.
fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut bits = ((value << 1) ^ (value >> 63)) as u64;
    while bits >= 0x80 {
        out.push(bits as u8 | 0x80);
        bits >>= 7;
    }
    out.push(bits as u8);
}

/// The number at the start and the bytes that it takes; `None` where it is not at hand whole, or too long.
fn read_long(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut bits = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        bits |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(((bits >> 1) as i64 ^ -((bits & 1) as i64), index + 1));
        }
    }
    None
}

/// Blocks that are read as one.
#[derive(Default)]
struct Group {
    blocks: Vec<Block>,
    data: Vec<u8>,
}

struct AvroBatches {
    /// A header for groups of blocks, uncompressed.
    header: Vec<u8>,
    marker: [u8; MARKER_BYTES],
    codec: Option<CompressionCodec>,
    /// The columns to read.
    projection: Option<Vec<usize>>,
    /// Blocks of a group that could not be read as one.
    alone: VecDeque<(Block, Vec<u8>)>,
    ended: bool,
}

struct Block {
    offset: u64,
    count: usize,
    /// Its end in the decompressed bytes of the group.
    end: usize,
}

/// What comes next in the window.
enum Step {
    Block { count: usize, start: usize, end: usize },
    End,
    Cut,
    Broken(String),
}

impl AvroBatches {
    /// An uncompressed file of one block.
    fn file_of(&self, count: usize, data: &[u8]) -> Vec<u8> {
        let mut file = Vec::with_capacity(self.header.len() + data.len() + 64);
        file.extend_from_slice(&self.header);
        if count > 0 {
            write_long(count as i64, &mut file);
            write_long(data.len() as i64, &mut file);
            file.extend_from_slice(data);
            file.extend_from_slice(&self.marker);
        }
        file
    }

    fn read(&self, count: usize, data: &[u8]) -> Result<RecordBatch> {
        let file = self.file_of(count, data);
        let batch = guarded(NAME, || {
            let mut builder = ReaderBuilder::new().with_batch_size(count);
            if let Some(projection) = &self.projection {
                builder = builder.with_projection(projection.clone());
            }
            builder.build(Cursor::new(file))?.next().transpose()
        })?;
        batch.ok_or_else(|| Error::bad_input("a block has fewer records than it says"))
    }

    /// Frames the block at position 0.
    fn read_step(&self, window: &mut Window) -> Result<Step> {
        window.fill_to(20)?;
        let bytes = window.bytes();
        if bytes.is_empty() {
            return Ok(Step::End);
        }
        let numbers = read_long(bytes).and_then(|(count, first)| {
            read_long(&bytes[first..]).map(|(length, second)| (count, length, first + second))
        });
        let Some((count, length, start)) = numbers else {
            return Ok(if bytes.len() < 20 { Step::Cut } else { Step::Broken("a length is no number".to_owned()) });
        };
        let sizes = (usize::try_from(count), usize::try_from(length));
        let (Ok(count), Ok(length @ ..=MESSAGE_BYTES_MAX)) = sizes else {
            return Ok(Step::Broken(format!("a block says that it has {count} records in {length} bytes")));
        };
        let end = start + length;
        window.fill_to(end + MARKER_BYTES)?;
        match window.bytes().get(end..end + MARKER_BYTES) {
            None => Ok(Step::Cut),
            Some(marker) if marker != self.marker => {
                Ok(Step::Broken("a block does not end with the file's marker".to_owned()))
            }
            Some(_) => Ok(Step::Block { count, start, end }),
        }
    }

    /// Appends the block's bytes as they are without compression.
    fn decompress(&self, block: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let max = MESSAGE_BYTES_MAX.saturating_sub(out.len());
        let mut input: Box<dyn Read + '_> = match self.codec {
            None => Box::new(block),
            Some(CompressionCodec::Deflate) => Box::new(flate2::read::DeflateDecoder::new(block)),
            Some(CompressionCodec::ZStandard) => Box::new(guarded(NAME, || zstd::Decoder::new(block))?),
            Some(CompressionCodec::Bzip2) => Box::new(bzip2::read::BzDecoder::new(block)),
            Some(CompressionCodec::Xz) => Box::new(lzma_rust2::XzReader::new(block, true)),
            Some(CompressionCodec::Snappy) => return decompress_snappy(block, max, out),
        };
        let before = out.len();
        guarded(NAME, || input.by_ref().take(max as u64 + 1).read_to_end(out))?;
        if out.len() - before > max { Err(too_long()) } else { Ok(()) }
    }

    /// Reads behind the next marker. Gives the start of what was passed over, and whether there was a marker.
    fn resync(&self, window: &mut Window) -> Result<(Vec<u8>, bool)> {
        let mut raw = Vec::new();
        loop {
            let bytes = window.bytes();
            let found = memchr::memmem::find(bytes, &self.marker);
            // A marker may have started at the end of the bytes at hand.
            let passed = found.map_or(bytes.len().saturating_sub(MARKER_BYTES - 1), |at| at + MARKER_BYTES);
            raw.extend(start_of(&bytes[..passed]));
            raw.truncate(RAW_BYTES_MAX);
            window.consume(passed);
            if found.is_some() || !window.fill()? {
                return Ok((raw, found.is_some()));
            }
        }
    }

    /// Collects blocks until there are enough to be read as one, or none is left.
    fn collect(&mut self, window: &mut Window, rows: &mut Rows) -> Result<Group> {
        let mut group = Group::default();
        while !self.ended && group.data.len() < GROUP_BYTES {
            let offset = window.offset();
            match self.read_step(window)? {
                Step::Block { count, start, end } => {
                    let first = group.data.len();
                    let stored = &window.bytes()[start..end];
                    let refused = match self.decompress(stored, &mut group.data) {
                        Ok(()) if count <= group.data.len() - first => None,
                        Ok(()) => Some(format!("a block says that it has {count} records, more than bytes")),
                        Err(error) => Some(error.chain()),
                    };
                    match refused {
                        None => group.blocks.push(Block { offset, count, end: group.data.len() }),
                        Some(detail) => {
                            group.data.truncate(first);
                            rows.reject_part(CORRUPT, detail, Some(offset), start_of(stored));
                        }
                    }
                    window.consume(end + MARKER_BYTES);
                }
                Step::End => self.ended = true,
                Step::Cut => {
                    let detail = "the file ends before its last block is complete".to_owned();
                    let raw = take_rest(window)?;
                    rows.reject_part("truncated_avro", detail, Some(offset), raw);
                    self.ended = true;
                }
                Step::Broken(detail) => {
                    let (raw, found) = self.resync(window)?;
                    rows.reject_part(CORRUPT, detail, Some(offset), raw);
                    self.ended = !found;
                }
            }
        }
        Ok(group)
    }
}

impl Batches for AvroBatches {
    fn next(&mut self, window: &mut Window, rows: &mut Rows) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((block, data)) = self.alone.pop_front() {
                match self.read(block.count, &data) {
                    Ok(batch) => return Ok(Some(batch)),
                    Err(error) => rows.reject_part(CORRUPT, error.chain(), Some(block.offset), start_of(&data)),
                }
                continue;
            }
            if self.ended {
                return Ok(None);
            }
            let group = self.collect(window, rows)?;
            let count = group.blocks.iter().map(|block| block.count).sum();
            if count == 0 {
                continue;
            }
            match self.read(count, &group.data) {
                Ok(batch) => return Ok(Some(batch)),
                Err(_) => self.alone = group.split(),
            }
        }
    }
}

impl Group {
    /// Each block with its bytes.
    fn split(self) -> VecDeque<(Block, Vec<u8>)> {
        let mut start = 0;
        let with_bytes = |block: Block| {
            let bytes = self.data[start..block.end].to_vec();
            start = block.end;
            (block, bytes)
        };
        self.blocks.into_iter().map(with_bytes).filter(|(block, _)| block.count > 0).collect()
    }
}

fn too_long() -> Error {
    Error::bad_input(format!("a block has more than {MESSAGE_BYTES_MAX} decompressed bytes"))
}

/// Snappy without framing, and the CRC-32 of the decompressed bytes behind it.
fn decompress_snappy(block: &[u8], max: usize, out: &mut Vec<u8>) -> Result<()> {
    let cut = || Error::bad_input("a snappy block is too short for its checksum");
    let (data, checksum) = block.split_last_chunk::<4>().ok_or_else(cut)?;
    let length = guarded(NAME, || snap::raw::decompress_len(data))?;
    if length > max {
        return Err(too_long());
    }
    let data = guarded(NAME, || snap::raw::Decoder::new().decompress_vec(data))?;
    let mut crc = flate2::Crc::new();
    crc.update(&data);
    if crc.sum() != u32::from_be_bytes(*checksum) {
        return Err(Error::bad_input("the checksum of a snappy block does not match"));
    }
    out.extend_from_slice(&data);
    Ok(())
}
