//! Windows event log files: a header of 4096 bytes and chunks of 64 KiB, each of which can be read by itself
//! (<https://github.com/libyal/libevtx/blob/main/documentation/Windows%20XML%20Event%20Log%20(EVTX).asciidoc>).
//!
//! The records of a chunk are rendered as XML and read like events that come as XML, so that both give the same rows.
//! Memory is bounded by what the records of one chunk render to, 64 MiB at most.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ::evtx::err::{ChunkError, EvtxError};
use ::evtx::{ChunkFlags, EvtxChunkData, EvtxFileHeader, EvtxRecord, HeaderFlags, ParserSettings};
use memchr::memmem;
use millpond_core::columns::Column;
use millpond_core::{Error, Result};

use crate::Records;
use crate::json::too_long;
use crate::rows::Rows;
use crate::window::Window;
use crate::windows_event::EventReader;

const HEADER_BYTES: usize = 4096;
const CHUNK_BYTES: usize = 64 << 10;
const CHUNK_HEADER_BYTES: usize = 512;
/// Where the header of a chunk has the places of its names.
const NAME_TABLE: std::ops::Range<usize> = 128..384;
/// Before a record's binary XML: mark, size, identifier, time.
const RECORD_HEADER_BYTES: usize = 24;
/// Behind it: the size again.
const RECORD_END_BYTES: usize = 4;
const RECORD_MARK: &[u8] = b"**\0\0";

/// Opens the reader, the header of the file read.
///
/// # Errors
/// `BadInput` for a file that does not start like an event log.
pub(crate) fn open(window: &mut Window, rows: &Rows) -> Result<Box<dyn Records>> {
    window.fill_to(HEADER_BYTES)?;
    let bytes = window.bytes();
    if !bytes.starts_with(b"ElfFile\0") {
        return Err(Error::bad_input("failed to read the file as `evtx`: it does not start with `ElfFile`")
            .hint("events as XML are of the type `winxml`"));
    }
    if bytes.len() < HEADER_BYTES {
        return Err(Error::bad_input("failed to read the file as `evtx`: it ends inside its header"));
    }
    let is_dirty = EvtxFileHeader::from_bytes(bytes).is_ok_and(|header| header.flags.contains(HeaderFlags::DIRTY));
    let settings = Arc::new(ParserSettings::new().num_threads(1).indent(false));
    window.consume(HEADER_BYTES);
    Ok(Box::new(EvtxReader { events: EventReader::new(rows), settings, is_dirty, rendered: VecDeque::new() }))
}

/// Reads an event log chunk by chunk.
struct EvtxReader {
    events: EventReader,
    settings: Arc<ParserSettings>,
    /// Whether the log was not closed, so that its checksums are of an earlier state.
    is_dirty: bool,
    /// The records of the chunk read last that are no rows yet.
    rendered: VecDeque<Rendered>,
}

/// One record of a chunk.
struct Rendered {
    offset: u64,
    /// Its XML, or why there is none.
    event: Result<Vec<u8>, Broken>,
}

/// A record that cannot be rendered.
struct Broken {
    reason: &'static str,
    detail: String,
    raw: Vec<u8>,
}

impl Records for EvtxReader {
    fn read(&mut self, window: &mut Window, rows: &mut Rows) -> Result<bool> {
        while !rows.is_full() {
            match self.rendered.pop_front() {
                Some(rendered) => self.read_event(rendered, rows)?,
                None => {
                    window.fill_to(CHUNK_BYTES)?;
                    if window.bytes().is_empty() {
                        return Ok(false);
                    }
                    self.read_chunk(window, rows);
                }
            }
        }
        Ok(true)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.events.note_fields(fields);
    }

    fn native_columns(&self) -> Option<Vec<Column>> {
        Some(self.events.native_columns())
    }
}

impl EvtxReader {
    fn read_event(&mut self, rendered: Rendered, rows: &mut Rows) -> Result<()> {
        let offset = rendered.offset;
        match &rendered.event {
            Ok(xml) => self.read_xml(without_declaration(xml), offset, rows)?,
            Err(Broken { reason, detail, raw }) => rows.reject_record(reason, detail.clone(), Some(offset), raw),
        }
        Ok(())
    }

    fn read_xml(&mut self, xml: &[u8], offset: u64, rows: &mut Rows) -> Result<()> {
        if xml.len() > rows.limits.record_bytes_max {
            rows.reject_record("record_too_long", too_long(rows), Some(offset), xml);
            return Ok(());
        }
        match self.events.read(b"", xml, rows.limits.depth_max) {
            Ok(()) => self.events.emit(xml, offset, rows)?,
            Err(refusal) => rows.reject_record(refusal.reason, refusal.detail, Some(offset), xml),
        }
        Ok(())
    }

    /// Renders the records of the chunk at position 0; the last chunk of a file can be cut.
    fn read_chunk(&mut self, window: &mut Window, rows: &mut Rows) {
        let length = window.bytes().len().min(CHUNK_BYTES);
        let bytes = &window.bytes()[..length];
        let offset = window.offset();
        // A log grows by whole chunks, ahead of its records.
        let is_unused = bytes.iter().all(|byte| *byte == 0);
        let refused = match is_unused {
            true => None,
            false if length < CHUNK_HEADER_BYTES => Some("the file ends inside the header of the chunk".to_owned()),
            false => self.render(bytes, offset, rows).err().map(|error| innermost(&error)),
        };
        if let Some(error) = refused {
            let detail = format!("the chunk cannot be read: {error}");
            rows.reject_part("bad_evtx_chunk", detail, Some(offset), bytes.to_vec());
        }
        window.consume(length);
    }

    fn render(&mut self, bytes: &[u8], offset: u64, rows: &mut Rows) -> Result<(), ChunkError> {
        let mut data = bytes.to_vec();
        data.resize(CHUNK_BYTES, 0);
        let mut chunk = EvtxChunkData::new(data, false)?;
        let is_cut = bytes.len() < CHUNK_BYTES;
        let is_open = self.is_dirty || chunk.header.flags.contains(ChunkFlags::DIRTY);
        if !is_cut && !is_open && !chunk.validate_checksum() {
            let detail = "the checksum of the chunk does not hold; its records are read all the same".to_owned();
            rows.reject_part("bad_evtx_chunk", detail, Some(offset), Vec::new());
        }
        let live_end = (chunk.header.free_space_offset as usize).min(CHUNK_BYTES);
        let mut found = Found { bytes, offset, next: CHUNK_HEADER_BYTES, bad: None, rendered: &mut self.rendered };
        if found.add_all(&mut chunk, &self.settings).is_err() {
            // The table of names is damaged; records hold the names, too.
            let mut data = std::mem::take(&mut chunk.data);
            data[NAME_TABLE].fill(0);
            found.add_all(&mut EvtxChunkData::new(data, false)?, &self.settings)?;
        }
        found.end_bad(live_end);
        if is_cut && found.next < live_end && found.next <= bytes.len() {
            let detail = "the file ends inside the chunk".to_owned();
            let rest = bytes[found.next..].to_vec();
            rows.reject_part("bad_evtx_chunk", detail, Some(offset + found.next as u64), rest);
        }
        Ok(())
    }
}

/// The records found in a chunk so far.
struct Found<'a> {
    /// The chunk as far as the file has it.
    bytes: &'a [u8],
    offset: u64,
    /// Where the next record should start.
    next: usize,
    /// Where bytes start that are no record, and why.
    bad: Option<(usize, String)>,
    rendered: &'a mut VecDeque<Rendered>,
}

impl Found<'_> {
    /// Adds the records of a chunk; none where its header cannot be read.
    fn add_all(&mut self, chunk: &mut EvtxChunkData, settings: &Arc<ParserSettings>) -> Result<(), ChunkError> {
        chunk.parse(Arc::clone(settings))?.iter().for_each(|record| self.add(record));
        Ok(())
    }

    fn add(&mut self, record: Result<EvtxRecord<'_>, EvtxError>) {
        match record {
            Ok(record) => {
                let start = record.binxml_offset as usize - RECORD_HEADER_BYTES;
                let end = start + RECORD_HEADER_BYTES + record.binxml_size as usize + RECORD_END_BYTES;
                self.end_bad(start);
                self.push(start, end, || {
                    record.into_xml_bytes().map(|xml| xml.data).map_err(|error| innermost(&error))
                });
            }
            Err(EvtxError::FailedToReadRecordAt { offset, source, .. }) => {
                let start = offset as usize;
                self.end_bad(start);
                self.bad = Some((start, innermost(&source)));
            }
            Err(EvtxError::FailedToParseRecord { record_id, source }) => {
                let start = self.find(record_id).unwrap_or(self.next);
                self.end_bad(start);
                self.push(start, start + self.size(start), || Err(innermost(&*source)));
            }
            Err(error) => {
                self.end_bad(self.next);
                self.bad = Some((self.next, innermost(&error)));
            }
        }
    }

    /// Adds the record between two positions.
    fn push(&mut self, start: usize, end: usize, render: impl FnOnce() -> Result<Vec<u8>, String>) {
        let raw = |end: usize| self.bytes.get(start..end.min(self.bytes.len())).unwrap_or_default().to_vec();
        let event = if end > self.bytes.len() {
            Err(Broken {
                reason: "truncated_record",
                detail: "the file ends inside the record".to_owned(),
                raw: raw(end),
            })
        } else {
            render().map_err(|error| {
                let detail = format!("the record cannot be read: {error}");
                Broken { reason: "bad_evtx_record", detail, raw: raw(end) }
            })
        };
        self.rendered.push_back(Rendered { offset: self.offset + start as u64, event });
        self.next = end;
    }

    /// Adds the bytes up to a position that are no record, if there are any.
    fn end_bad(&mut self, end: usize) {
        let Some((start, reason)) = self.bad.take() else { return };
        self.push(start, end.max(start), || Err(reason));
    }

    /// Where the record with an identifier starts.
    fn find(&self, identifier: u64) -> Option<usize> {
        let rest = self.bytes.get(self.next..)?;
        let is_it = |at: &usize| rest.get(at + 8..at + 16) == Some(&identifier.to_le_bytes());
        memmem::find_iter(rest, RECORD_MARK).find(is_it).map(|at| self.next + at)
    }

    /// The size that the header of the record at a position gives.
    fn size(&self, start: usize) -> usize {
        let size =
            self.bytes.get(start + 4..start + 8).and_then(|size| size.try_into().ok()).map_or(0, u32::from_le_bytes);
        (size as usize).clamp(RECORD_HEADER_BYTES + RECORD_END_BYTES, CHUNK_BYTES)
    }
}

/// The event behind the declaration that the renderer writes.
fn without_declaration(xml: &[u8]) -> &[u8] {
    match memmem::find(xml, b"?>") {
        Some(end) if xml.starts_with(b"<?xml ") => xml[end + 2..].trim_ascii(),
        _ => xml.trim_ascii(),
    }
}

/// The message of the error that the others wrap.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
