//! Syslog lines after RFC 3164 and RFC 5424, and what their messages hold.
//!
//! Nothing is refused for its header: a line without one is a message.

use std::collections::BTreeMap;

use memchr::memmem::Finder;
use millpond_core::Result;
use millpond_core::format::{Format, Payload};

use crate::cef;
use crate::json::scan::{self, Scan, Stop};
use crate::json::{refuse, text};
use crate::key_value;
use crate::leef;
use crate::line_reader::{Framing, LineFormat, LineReader};
use crate::pairs::Pairs;
use crate::rows::Rows;
use crate::values::{Kind, Span};
use crate::window::Window;
use crate::{Records, json};

pub(crate) mod header;

use header::{FACILITIES, Header, Piece, SEVERITIES, write_structured_data};

/// The mark of lumberjack's CEE before a JSON message.
const CEE: &[u8] = b"@cee:";

struct Syslog {
    payload: Payload,
    pairs: Pairs,
    cef_mark: Finder<'static>,
    leef_mark: Finder<'static>,
}

/// Opens the reader of syslog lines, or of runs of lines where `start` says how they start.
///
/// # Errors
/// `BadConfig` for an expression that does not compile; those of the input.
pub(crate) fn open(
    payload: Payload,
    start: Option<&str>,
    window: &mut Window,
    rows: &Rows,
) -> Result<Box<dyn Records>> {
    let framing = match start {
        Some(_) => Framing::new(start)?,
        None => Framing::lines_or_counted(window, rows.limits.record_bytes_max)?,
    };
    let (cef_mark, leef_mark) = (Finder::new(cef::MARK), Finder::new(leef::MARK));
    Ok(Box::new(LineReader::new(framing, Syslog { payload, pairs: Pairs::new(rows), cef_mark, leef_mark })))
}

impl LineFormat for Syslog {
    fn read(&mut self, raw: &[u8], offset: u64, rows: &mut Rows) -> Result<()> {
        let header = Header::parse(raw);
        let pairs = &mut self.pairs;
        pairs.clear();
        if self.payload == Payload::Text {
            set_parts(&header, raw, pairs);
        } else {
            set_object(&header, raw, pairs);
        }
        if self.payload != Payload::KeyValue && header.message < raw.len() {
            pairs.add(b"message", Kind::Cell, header.message, raw.len());
        }
        let message = &raw[header.message..];
        match self.payload {
            Payload::Text => {}
            Payload::KeyValue => key_value::read(raw, header.message, pairs),
            Payload::Cef => cef::read(raw, header.message + cef::find(message, &self.cef_mark), pairs),
            Payload::Leef => leef::read(raw, header.message + leef::find(message, &self.leef_mark), pairs),
            Payload::Json => {
                if let Err(stop) = read_json(raw, header.message, rows.limits.depth_max, pairs) {
                    refuse(stop, 0, offset, raw, rows);
                    return Ok(());
                }
            }
        }
        pairs.emit(raw, Some(offset), rows)
    }

    fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        self.pairs.note_fields(fields);
    }
}

/// One part of a header.
#[derive(Clone, Copy)]
enum Part {
    Text(Piece),
    Digits(Piece),
    Word(&'static str),
    Number(u8),
    StructuredData(Piece),
}

impl Part {
    fn kind(self) -> Kind {
        match self {
            Self::Text(_) | Self::Word(_) => Kind::Cell,
            Self::Digits(_) | Self::Number(_) => Kind::Number,
            Self::StructuredData(_) => Kind::Object,
        }
    }
}

/// The parts of a header by their names; the names are those of Vector's `parse_syslog`.
fn parts(header: &Header) -> impl Iterator<Item = (&'static str, Part)> {
    let piece = |piece: Piece| (!piece.is_empty()).then_some(piece);
    let facility = header.priority.map(|priority| Part::Word(FACILITIES[usize::from(priority / 8)]));
    let parts = [
        ("facility", facility),
        ("severity", header.severity.map(|severity| Part::Word(SEVERITIES[usize::from(severity % 8)]))),
        ("priority", header.priority.map(Part::Number)),
        ("version", piece(header.version).map(Part::Digits)),
        ("sequence", piece(header.sequence).map(Part::Text)),
        ("timestamp", piece(header.timestamp).map(Part::Text)),
        ("hostname", piece(header.hostname).map(Part::Text)),
        ("appname", piece(header.appname).map(Part::Text)),
        ("procid", piece(header.procid).map(Part::Text)),
        ("msgid", piece(header.msgid).map(Part::Text)),
        ("structured_data", piece(header.structured_data).map(Part::StructuredData)),
    ];
    parts.into_iter().filter_map(|(name, part)| Some((name, part?)))
}

/// Sets the parts of a header as fields.
fn set_parts(header: &Header, raw: &[u8], pairs: &mut Pairs) {
    for (field, part) in parts(header) {
        let Some(name) = pairs.name(field.as_bytes()) else { continue };
        let start = pairs.scratch.len();
        match part {
            Part::Text(piece) | Part::Digits(piece) => {
                pairs.set(name, part.kind(), piece.start, piece.end);
                continue;
            }
            Part::Word(word) if name.is_needed => pairs.scratch.extend_from_slice(word.as_bytes()),
            Part::Number(number) if name.is_needed => write_number(number, &mut pairs.scratch),
            Part::StructuredData(piece) if name.is_needed => write_structured_data(piece.of(raw), &mut pairs.scratch),
            Part::Word(_) | Part::Number(_) | Part::StructuredData(_) => {}
        }
        pairs.set_scratch(name, part.kind(), start);
    }
}

/// Sets the parts of a header as one field `syslog`; no field where the line has no header.
fn set_object(header: &Header, raw: &[u8], pairs: &mut Pairs) {
    if header.is_empty() {
        return;
    }
    let Some(name) = pairs.name(b"syslog") else { return };
    let start = pairs.scratch.len();
    if name.is_needed {
        let out = &mut pairs.scratch;
        for (index, (field, part)) in parts(header).enumerate() {
            out.push(if index == 0 { b'{' } else { b',' });
            text::quote(field.as_bytes(), out);
            out.push(b':');
            match part {
                Part::Text(piece) => text::quote(piece.of(raw), out),
                Part::Digits(piece) => out.extend_from_slice(piece.of(raw)),
                Part::Word(word) => text::quote(word.as_bytes(), out),
                Part::Number(number) => write_number(number, out),
                Part::StructuredData(piece) => write_structured_data(piece.of(raw), out),
            }
        }
        out.push(b'}');
    }
    pairs.set_scratch(name, Kind::Object, start);
}

fn write_number(number: u8, out: &mut Vec<u8>) {
    for (unit, digit) in [(100, number / 100), (10, number / 10 % 10), (1, number % 10)] {
        if number >= unit || unit == 1 {
            out.push(b'0' + digit);
        }
    }
}

/// Sets the members of the JSON object that a message is. A message that does not start like one has no fields.
fn read_json(raw: &[u8], message: usize, depth_max: usize, pairs: &mut Pairs) -> Scan<()> {
    let cee = if raw[message..].starts_with(CEE) { CEE.len() } else { 0 };
    let start = scan::skip_whitespace(raw, message + cee);
    if raw.get(start) != Some(&b'{') {
        return Ok(());
    }
    let (_, end) = scan::value(raw, start, depth_max)?;
    if scan::skip_whitespace(raw, end) < raw.len() {
        return Err(Stop::Malformed(end, "more follows the object"));
    }
    let object = &raw[start..end];
    let mut name = Vec::new();
    let at = |position: u32| start + position as usize;
    let set = |key: Span, value: Span| {
        let key_text = key.of(object).bytes;
        if key.kind == Kind::Escaped {
            name.clear();
            text::unescape(key_text, &mut name);
            pairs.add(&name, value.kind, at(value.start), at(value.end));
        } else {
            pairs.add(key_text, value.kind, at(value.start), at(value.end));
        }
    };
    scan::members(object, depth_max, set).map_err(|stop| match stop {
        Stop::Malformed(at, what) => Stop::Malformed(start + at, what),
        other => other,
    })
}

/// Whether lines are syslog, with the reason. Their messages decide the payload.
pub(crate) fn recognise<'a>(lines: impl Iterator<Item = &'a [u8]> + Clone) -> Option<(Format, String)> {
    // A line that starts with a blank goes on with the one before it.
    let lines = lines.filter(|line| !line[0].is_ascii_whitespace());
    let headers: Vec<(Header, &[u8])> = lines.map(|line| (Header::parse(line), line)).collect();
    let found = headers.iter().filter(|(header, line)| header.is_certain(line)).count();
    if found == 0 || found * 4 < headers.len() * 3 {
        return None;
    }
    let messages = || headers.iter().map(|(header, line)| &line[header.message..]);
    if messages().all(is_object) {
        let why =
            format!("{found} of the first {} lines have a syslog header, and their messages are JSON", headers.len());
        return Some((Format::Syslog { payload: Payload::Json, start: None }, why));
    }
    if messages().all(key_value::is_pairs) {
        let why =
            format!("{found} of the first {} lines have a syslog header, and their messages are pairs", headers.len());
        return Some((Format::KeyValue, why));
    }
    let why = format!("{found} of the first {} lines have a syslog header", headers.len());
    Some((Format::Syslog { payload: Payload::Text, start: None }, why))
}

fn is_object(message: &[u8]) -> bool {
    let message = message.strip_prefix(CEE).unwrap_or(message).trim_ascii();
    message.first() == Some(&b'{') && json::scan::value(message, 0, 128).is_ok_and(|(_, end)| end == message.len())
}
