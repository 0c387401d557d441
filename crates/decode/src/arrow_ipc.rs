//! Arrow IPC (<https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>).
//!
//! A stream is a sequence of messages: the schema, then batches of records and of dictionaries. The file format is a
//! stream between a magic and a footer; the footer is of no use to a reader that wants all, so both are streamed.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::reader::{read_dictionary, read_record_batch};
use arrow::ipc::{Message, MessageHeader, root_as_message};
use millpond_core::format::DecodeRequest;
use millpond_core::{Error, Result};

use crate::Records;
use crate::columnar::{Batches, ColumnarReader, MESSAGE_BYTES_MAX, check_fields, guarded, needed, start_of, take_rest};
use crate::rows::Rows;
use crate::window::Window;

const NAME: &str = "Arrow IPC";
/// What the file format starts with, padded to 8 bytes at least.
const FILE_MAGIC: &[u8] = b"ARROW1\0\0";
/// What each message starts with; absent before format version 0.15.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The largest alignment, and so the longest padding, of writers.
const ALIGNMENT_MAX: usize = 64;
/// Bytes of one message's description.
const HEAD_BYTES_MAX: usize = 64 << 20;
/// Rows that a batch may have without a bit for each: columns of NULLs take no bytes.
const FREE_ROWS: i64 = 1 << 20;

/// Copying dictionaries that grow may take this many bytes, and [`COPY_RATIO`] times those of the stream, so that a
/// stream of tiny additions takes linear time.
const COPY_BYTES_FREE: u64 = 1 << 30;
const COPY_RATIO: u64 = 1024;

/// Opens the reader.
///
/// # Errors
/// `BadInput` where no schema comes first.
pub(crate) fn open(window: &mut Window, rows: &mut Rows, _: &DecodeRequest) -> Result<Box<dyn Records>> {
    let is_file = window.bytes().starts_with(FILE_MAGIC);
    if is_file {
        window.consume(FILE_MAGIC.len());
        skip_padding(window)?;
    }
    let no_schema = || Error::bad_input(format!("failed to read the file as {NAME}: it does not start with a schema"));
    let Step::Message { head, body } = read_step(window)? else { return Err(no_schema()) };
    let schema = guarded(NAME, || {
        let message =
            root_as_message(&window.bytes()[head.clone()]).map_err(|error| ArrowError::IpcError(error.to_string()))?;
        Ok::<_, ArrowError>(message.header_as_schema().map(fb_to_schema))
    })?;
    let schema = Arc::new(schema.ok_or_else(no_schema)?);
    window.consume(body.end);
    let fields = schema.fields().clone();
    check_fields(&fields, rows)?;
    let projection = needed(&fields, rows);
    let batches =
        IpcBatches { is_file, schema, projection, dictionaries: HashMap::new(), copied_bytes: 0, ended: false };
    Ok(Box::new(ColumnarReader::new(NAME, batches, fields, rows)?))
}

struct IpcBatches {
    is_file: bool,
    schema: SchemaRef,
    /// The columns to read.
    projection: Vec<usize>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// Bytes copied because dictionaries grew.
    copied_bytes: u64,
    ended: bool,
}

/// What comes next in the window, by positions.
enum Step {
    /// All of it is at hand.
    Message { head: Range<usize>, body: Range<usize> },
    /// The mark that nothing follows.
    EndMark,
    /// The stream ends between messages.
    End,
    /// It ends inside one.
    Cut,
    /// Its lengths make no sense, or are beyond what is held at once.
    Broken(String),
}

/// Frames the message at position 0.
fn read_step(window: &mut Window) -> Result<Step> {
    window.fill_to(8)?;
    let bytes = window.bytes();
    let Some(first) = word(bytes, 0) else {
        return Ok(if bytes.is_empty() { Step::End } else { Step::Cut });
    };
    let (length, start) = match first == CONTINUATION {
        true => (word(bytes, 4), 8),
        false => (Some(first), 4),
    };
    let Some(length) = length.map(u32::from_le_bytes) else { return Ok(Step::Cut) };
    if length == 0 {
        window.consume(start);
        return Ok(Step::EndMark);
    }
    let length = length as usize;
    if length > HEAD_BYTES_MAX {
        return Ok(Step::Broken(format!("a message says that {length} bytes describe it")));
    }
    window.fill_to(start + length)?;
    let Some(head) = window.bytes().get(start..start + length) else { return Ok(Step::Cut) };
    let Ok(message) = root_as_message(head) else {
        return Ok(Step::Broken("what describes a message makes no sense".to_owned()));
    };
    let body_length = message.bodyLength();
    let Some(body) = usize::try_from(body_length).ok().filter(|length| *length <= MESSAGE_BYTES_MAX) else {
        return Ok(Step::Broken(format!("a message has {body_length} bytes; at most {MESSAGE_BYTES_MAX} can be read")));
    };
    let start = start + length;
    window.fill_to(start + body)?;
    if window.bytes().len() < start + body {
        return Ok(Step::Cut);
    }
    Ok(Step::Message { head: start - length..start, body: start..start + body })
}

/// Skips the zeros between the magic of a file and its first message.
fn skip_padding(window: &mut Window) -> Result<()> {
    window.fill_to(ALIGNMENT_MAX)?;
    let start = &window.bytes()[..window.bytes().len().min(ALIGNMENT_MAX)];
    let words = start.chunks_exact(8).take_while(|word| word.iter().all(|byte| *byte == 0)).count();
    window.consume(words * 8);
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..at + 4)?.try_into().ok()
}

impl Batches for IpcBatches {
    fn next(&mut self, window: &mut Window, rows: &mut Rows) -> Result<Option<RecordBatch>> {
        while !self.ended {
            let offset = window.offset();
            let (reason, detail) = match read_step(window)? {
                Step::Message { head, body } => {
                    let read = self.read(&window.bytes()[head.clone()], &window.bytes()[body.clone()], offset);
                    let is_batch = matches!(header_type(&window.bytes()[head]), MessageHeader::RecordBatch);
                    let error = match read {
                        Ok(batch) => {
                            window.consume(body.end);
                            match batch {
                                Some(batch) => return Ok(Some(batch)),
                                None => continue,
                            }
                        }
                        Err(error) => error,
                    };
                    // Without a dictionary, what follows would be misread; without a batch, it is as it was.
                    if is_batch {
                        let raw = start_of(&window.bytes()[..body.end]);
                        rows.reject_part("corrupt_arrow", error.chain(), Some(offset), raw);
                        window.consume(body.end);
                        continue;
                    }
                    ("corrupt_arrow", error.chain())
                }
                Step::EndMark if self.is_file => {
                    // The footer repeats where the messages are.
                    take_rest(window)?;
                    break;
                }
                Step::EndMark => {
                    let offset = window.offset();
                    let raw = take_rest(window)?;
                    if !raw.is_empty() {
                        let detail = "bytes follow the end of the stream".to_owned();
                        rows.reject_part("stray_bytes", detail, Some(offset), raw);
                    }
                    break;
                }
                Step::End if !self.is_file && !window.stream().is_cut() => break,
                Step::End | Step::Cut => {
                    ("truncated_arrow", "the file ends before its last batch is complete".to_owned())
                }
                Step::Broken(detail) => ("corrupt_arrow", detail),
            };
            let raw = take_rest(window)?;
            rows.reject_part(reason, detail, Some(offset), raw);
            break;
        }
        self.ended = true;
        Ok(None)
    }
}

fn header_type(head: &[u8]) -> MessageHeader {
    root_as_message(head).map_or(MessageHeader::NONE, |message| message.header_type())
}

impl IpcBatches {
    /// Reads one message: a batch, or a dictionary, which is kept. `offset` is where it starts.
    fn read(&mut self, head: &[u8], body: &[u8], offset: u64) -> Result<Option<RecordBatch>> {
        guarded(NAME, || {
            let message = root_as_message(head).map_err(|error| ArrowError::IpcError(error.to_string()))?;
            check_lengths(&message, body)?;
            let version = message.version();
            let wrong = || ArrowError::IpcError("a message is not what it says it is".to_owned());
            match message.header_type() {
                MessageHeader::RecordBatch => {
                    let batch = message.header_as_record_batch().ok_or_else(wrong)?;
                    let (body, schema) = (Buffer::from(body), Arc::clone(&self.schema));
                    let projection = Some(self.projection.as_slice());
                    read_record_batch(&body, batch, schema, &self.dictionaries, projection, &version).map(Some)
                }
                MessageHeader::DictionaryBatch => {
                    let batch = message.header_as_dictionary_batch().ok_or_else(wrong)?;
                    read_dictionary(&Buffer::from(body), batch, &self.schema, &mut self.dictionaries, &version)?;
                    self.check_dictionaries(offset)?;
                    Ok(None)
                }
                MessageHeader::NONE => Ok(None),
                other => Err(ArrowError::IpcError(format!("a message of the type {other:?} was not expected"))),
            }
        })
    }
}

impl IpcBatches {
    fn check_dictionaries(&mut self, offset: u64) -> std::result::Result<(), ArrowError> {
        let bytes: usize = self.dictionaries.values().map(|values| values.get_array_memory_size()).sum();
        self.copied_bytes += bytes as u64;
        if bytes > MESSAGE_BYTES_MAX || self.copied_bytes > COPY_BYTES_FREE + COPY_RATIO * offset {
            return Err(ArrowError::IpcError(format!("the dictionaries grow too much, to {bytes} bytes")));
        }
        Ok(())
    }
}

/// Holds the lengths that a batch claims against the bytes that it has, before memory is taken for them.
fn check_lengths(message: &Message<'_>, body: &[u8]) -> std::result::Result<(), ArrowError> {
    let dictionary = message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data());
    let Some(batch) = message.header_as_record_batch().or(dictionary) else { return Ok(()) };
    let mut bytes = body.len() as i64;
    if batch.compression().is_some() {
        for buffer in batch.buffers().into_iter().flatten() {
            let start = usize::try_from(buffer.offset()).unwrap_or(usize::MAX);
            // A compressed buffer starts with its length when decompressed, -1 for one that is stored as it is.
            let length = body.get(start..).and_then(|rest| rest.get(..8)).filter(|_| buffer.length() >= 8);
            let length = length.and_then(|length| length.try_into().ok()).map_or(0, i64::from_le_bytes);
            bytes = bytes.saturating_add(length.max(0));
        }
    }
    if bytes > MESSAGE_BYTES_MAX as i64 {
        let detail = format!("a batch has {bytes} decompressed bytes; at most {MESSAGE_BYTES_MAX} can be read");
        return Err(ArrowError::IpcError(detail));
    }
    let rows = batch.length();
    if rows < 0 || rows > bytes.saturating_mul(8).saturating_add(FREE_ROWS) {
        return Err(ArrowError::IpcError(format!("a batch of {bytes} bytes says that it has {rows} rows")));
    }
    Ok(())
}
