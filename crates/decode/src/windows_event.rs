//! One Windows event, as XML, to the fields of a record.
//!
//! The shape is that of the schema for events
//! (<https://learn.microsoft.com/windows/win32/wes/eventschema-schema>), with the names that detection rules use:
//!
//! - The elements of `System` are fields: their text under the element's name (`EventID`, `Channel`), their attributes
//!   under `Element_Attribute` (`Provider_Name`, `Execution_ProcessID`). `TimeCreated` is the attribute `SystemTime`.
//! - The other children of `Event` are fields that hold objects: `EventData`, `UserData`, `RenderingInfo`. A `Data`
//!   element with a `Name` is a member of that name; the unnamed ones of `EventData` are the member `Data`, always a
//!   list. Other elements are members by their name: text where they hold nothing else, else objects of their attributes
//!   and elements.
//! - A column that no field fills takes the first text of that name in those objects: `CommandLine` is that of
//!   `EventData`. A text that fills a column is not in `_rest`.
//! - A name that comes again in one object has a number behind it: `x`, `x_2`, `x_3`.

mod names;
mod xml;

use std::collections::BTreeMap;

use millpond_core::Error;
use millpond_core::columns::{Column, ColumnType, TimeFormat};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::builders::write_member;
use crate::json::keys::Keys;
use crate::json::text::quote;
use crate::rows::{Record, Rows};
use crate::values::{Kind, Value};
use crate::window::is_blank;
use crate::windows_event::names::{Key, Names};
use crate::windows_event::xml::{Refusal, add_reference, attributes, not_xml, unescape};

/// Reads events one after another, each into the values of one record.
pub(crate) struct EventReader {
    fields: Names,
    members: Names,
    /// The value of each column, a piece of `scratch`.
    columns: Vec<Option<Piece>>,
    /// The fields that fill no column, where `_rest` is wanted.
    rest: Vec<(u32, Piece)>,
    scratch: Vec<u8>,
    wants_rest: bool,
    freezes: bool,
    unknown: Option<u32>,
    /// Whether the file has more distinct fields than it may.
    overflow: bool,
    open: Vec<Open>,
    /// The text of the open elements, the innermost last.
    text: Vec<u8>,
    /// The object of the field at hand, as JSON.
    json: Vec<u8>,
    build: Build,
    /// The unnamed `Data` of the field at hand, as the items of a JSON array.
    list: Vec<u8>,
    list_key: Option<Key>,
    /// Whether a column may be filled by that list.
    has_list_column: bool,
    /// Objects so far, over all records.
    objects: u64,
    /// The object that the fields of the record at hand are in.
    record: u64,
}

/// A value in `scratch`.
#[derive(Clone, Copy)]
struct Piece {
    kind: Kind,
    start: usize,
    end: usize,
}

/// What is made of the object of the field at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    Nothing,
    /// What fills no column, for `_rest`.
    Rest,
    Whole,
}

/// An element that is open.
struct Open {
    role: Role,
    key: Key,
    /// The number of the object that it is.
    object: u64,
    keeps_text: bool,
    text_start: usize,
    /// Where its name starts in `json`, with the comma or brace before it.
    name_start: usize,
    undo_start: usize,
    /// Whether it has attributes or elements, so that it is an object.
    is_object: bool,
    /// Members written to `json`.
    written: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Event,
    System,
    /// An element of `System`.
    Property,
    /// Another child of `Event`.
    Field,
    /// The `EventData` among those.
    EventData,
    Member,
    /// An unnamed `Data` of `EventData`.
    Item,
}

impl EventReader {
    pub(crate) fn new(rows: &Rows) -> Self {
        let keys = || Keys::new(rows.columns().iter().map(|column| column.name.as_str()), rows.limits.fields_max);
        let fields = match rows.frozen_names() {
            Some(names) => keys().declare(names),
            None => keys(),
        };
        Self {
            fields: Names::new(fields),
            members: Names::new(keys()),
            columns: vec![None; rows.columns().len()],
            rest: Vec::new(),
            scratch: Vec::new(),
            wants_rest: rows.wants_rest(),
            freezes: rows.frozen_names().is_some(),
            unknown: None,
            overflow: false,
            open: Vec::new(),
            text: Vec::new(),
            json: Vec::new(),
            build: Build::Nothing,
            list: Vec::new(),
            list_key: None,
            has_list_column: rows
                .columns()
                .iter()
                .any(|column| column.name == "Data" || column.name.starts_with("Data_")),
            objects: 0,
            record: 0,
        }
    }

    /// Reads one `Event` element and the text before it.
    pub(crate) fn read(&mut self, prefix: &[u8], event: &[u8], depth_max: usize) -> Result<(), Refusal> {
        self.clear();
        if !prefix.is_empty() {
            let key = self.field(b"prefix");
            self.put_text(key, prefix);
        }
        let mut reader = Reader::from_reader(event);
        reader.config_mut().allow_dangling_amp = true;
        loop {
            let read = match reader.read_event() {
                Ok(Event::Start(start)) => self.start(&start, depth_max),
                Ok(Event::Empty(start)) => self.start(&start, depth_max).map(|()| self.end()),
                Ok(Event::End(_)) => {
                    self.end();
                    Ok(())
                }
                Ok(Event::Text(text)) => {
                    self.add_text(&text);
                    Ok(())
                }
                Ok(Event::CData(text)) => {
                    self.add_text(&text);
                    Ok(())
                }
                Ok(Event::GeneralRef(name)) => {
                    self.add_reference(&name);
                    Ok(())
                }
                Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => Ok(()),
                Ok(Event::Eof) if self.open.is_empty() => return Ok(()),
                Ok(Event::Eof) => Err(not_xml("the event ends inside an element")),
                Err(error) => Err(not_xml(error)),
            };
            if let Err(refusal) = read {
                let at = reader.buffer_position();
                return Err(Refusal { detail: format!("{} before byte {at} of the event", refusal.detail), ..refusal });
            }
        }
    }

    fn clear(&mut self) {
        self.fields.clear();
        self.members.clear();
        self.columns.fill(None);
        self.rest.clear();
        self.scratch.clear();
        self.unknown = None;
        self.open.clear();
        self.text.clear();
        self.json.clear();
        self.list.clear();
        self.list_key = None;
        self.objects += 1;
        self.record = self.objects;
    }

    fn start(&mut self, start: &BytesStart<'_>, depth_max: usize) -> Result<(), Refusal> {
        if self.open.len() >= depth_max {
            let detail = format!("the event is nested more than {depth_max} deep; raise `depth` under `[limits]`;");
            return Err(Refusal { reason: "too_deep", detail });
        }
        let local_name = start.local_name();
        let name = local_name.as_ref();
        let parent = self.open.last().map(|open| open.role);
        match parent {
            None => {
                self.push(Role::Event, Key::default(), false);
                self.start_property(name, start)
            }
            Some(Role::Event) if name == b"System" => {
                self.push(Role::System, Key::default(), false);
                self.start_property(name, start)
            }
            Some(Role::Event | Role::System) => {
                let key = self.field(name);
                self.build = match name {
                    _ if self.wants(key) => Build::Whole,
                    _ if self.wants_rest => Build::Rest,
                    b"EventData" if self.has_list_column => Build::Rest,
                    _ => Build::Nothing,
                };
                let role = match parent {
                    Some(Role::System) => Role::Property,
                    _ if name == b"EventData" => Role::EventData,
                    _ => Role::Field,
                };
                self.push(role, key, true);
                self.start_property(name, start)
            }
            Some(parent) => self.start_member(parent, name, start),
        }
    }

    /// Makes fields of the attributes of an element.
    fn start_property(&mut self, name: &[u8], start: &BytesStart<'_>) -> Result<(), Refusal> {
        for attribute in attributes(start) {
            let attribute = attribute?;
            let key = match (name, attribute.key.local_name().as_ref()) {
                (b"TimeCreated", b"SystemTime") => self.open.last().map_or(Key::default(), |open| open.key),
                (name, attribute) => self.field(&[name, b"_", attribute].concat()),
            };
            self.put_text(key, &unescape(attribute.value));
        }
        Ok(())
    }

    fn start_member(&mut self, parent: Role, element: &[u8], start: &BytesStart<'_>) -> Result<(), Refusal> {
        let is_data = matches!(element, b"Data" | b"ComplexData");
        let mut name = None;
        let mut others = Vec::new();
        for attribute in attributes(start) {
            let attribute = attribute?;
            match attribute.key.as_ref() {
                b"Name" if is_data && name.is_none() => name = Some(unescape(attribute.value)),
                _ => others.push(attribute),
            }
        }
        match name {
            None if parent == Role::EventData && element == b"Data" => self.start_item(),
            name => self.start_named(name.as_deref().unwrap_or(element)),
        }
        for attribute in others {
            self.start_named(attribute.key.local_name().as_ref());
            self.add_text(&unescape(attribute.value));
            self.end();
        }
        Ok(())
    }

    /// Starts an unnamed `Data` of `EventData`.
    fn start_item(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        open.is_object = true;
        let key = match self.list_key {
            Some(key) => key,
            None => *self.list_key.insert(self.members.key(b"Data", open.object, self.record)),
        };
        self.push(Role::Item, key, self.build != Build::Nothing);
    }

    /// Starts a member of the innermost element, its name in `json` first.
    fn start_named(&mut self, name: &[u8]) {
        let Some(open) = self.open.last_mut() else { return };
        open.is_object = true;
        let key = self.members.key(name, open.object, self.record);
        let name_start = self.json.len();
        self.write_name(key, name);
        let keeps_text = self.build != Build::Nothing || self.wants(key);
        self.push(Role::Member, key, keeps_text);
        if let Some(open) = self.open.last_mut() {
            open.name_start = name_start;
        }
    }

    /// Writes the name of a member of the innermost element, where its object is built.
    fn write_name(&mut self, key: Key, name: &[u8]) {
        let Some(open) = self.open.last().filter(|_| self.build != Build::Nothing) else { return };
        self.json.push(if open.written == 0 { b'{' } else { b',' });
        let name = key.index.map_or(name, |index| self.members.keys.get(index).name.as_bytes());
        quote(name, &mut self.json);
        self.json.push(b':');
    }

    fn push(&mut self, role: Role, key: Key, keeps_text: bool) {
        self.objects += 1;
        self.open.push(Open {
            role,
            key,
            object: self.objects,
            keeps_text,
            text_start: self.text.len(),
            name_start: self.json.len(),
            undo_start: self.members.undo.len(),
            is_object: false,
            written: 0,
        });
    }

    fn add_text(&mut self, text: &[u8]) {
        if self.open.last().is_some_and(|open| open.keeps_text) {
            self.text.extend_from_slice(text);
        }
    }

    fn add_reference(&mut self, name: &[u8]) {
        if self.open.last().is_some_and(|open| open.keeps_text) {
            add_reference(name, &mut self.text);
        }
    }

    /// Ends the innermost element.
    fn end(&mut self) {
        if self.open.last().is_some_and(|open| open.role == Role::EventData) {
            self.end_list();
        }
        let Some(open) = self.open.pop() else { return };
        self.members.close(open.undo_start);
        match open.role {
            Role::Event | Role::System => {}
            Role::Property if !open.is_object => self.end_text(&open),
            Role::Field if !open.is_object && !is_blank(&self.text[open.text_start..]) => self.end_text(&open),
            Role::Property | Role::Field | Role::EventData => self.end_object(&open),
            Role::Member => self.end_member(&open),
            Role::Item => self.end_item(&open),
        }
        self.text.truncate(open.text_start);
    }

    /// Ends a field that is text.
    fn end_text(&mut self, open: &Open) {
        let text = std::mem::take(&mut self.text);
        self.put_text(open.key, &text[open.text_start..]);
        self.text = text;
    }

    /// Ends a field that is an object.
    fn end_object(&mut self, open: &Open) {
        self.note(open.key, Kind::Object);
        if self.build != Build::Nothing && !self.is_all_taken(open) {
            self.write_object(open);
            let start = self.scratch.len();
            self.scratch.extend_from_slice(&self.json);
            self.put(open.key, Kind::Object, start);
        }
        self.json.clear();
    }

    /// Ends the unnamed `Data` of `EventData`: a member of it.
    fn end_list(&mut self) {
        let Some(key) = self.list_key.take() else { return };
        if self.build == Build::Nothing {
            return;
        }
        self.list.push(b']');
        let is_taken = self.wants(key);
        if is_taken {
            let start = self.scratch.len();
            self.scratch.extend_from_slice(&self.list);
            self.fill(key, Kind::List, start);
        }
        if !is_taken || self.build == Build::Whole {
            self.write_name(key, b"Data");
            self.json.extend_from_slice(&self.list);
            self.count_written();
        }
        self.list.clear();
    }

    /// Ends an unnamed `Data` of `EventData`.
    fn end_item(&mut self, open: &Open) {
        if self.build == Build::Nothing {
            return;
        }
        self.write_value(open);
        self.list.push(if self.list.is_empty() { b'[' } else { b',' });
        self.list.extend_from_slice(&self.json[open.name_start..]);
        self.json.truncate(open.name_start);
    }

    fn end_member(&mut self, open: &Open) {
        let is_taken = !open.is_object && self.wants(open.key);
        if is_taken {
            let start = self.scratch.len();
            self.scratch.extend_from_slice(&self.text[open.text_start..]);
            self.fill(open.key, Kind::Cell, start);
        }
        match self.build {
            Build::Nothing => {}
            Build::Rest if is_taken || self.is_all_taken(open) => self.json.truncate(open.name_start),
            Build::Rest | Build::Whole => {
                self.write_value(open);
                self.count_written();
            }
        }
    }

    /// Whether nothing is left of an object because all of it fills columns.
    fn is_all_taken(&self, open: &Open) -> bool {
        self.build == Build::Rest && open.is_object && open.written == 0 && is_blank(&self.text[open.text_start..])
    }

    fn count_written(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.written += 1;
        }
    }

    /// Writes the value of an element as JSON.
    fn write_value(&mut self, open: &Open) {
        let text = &self.text[open.text_start..];
        match open.is_object {
            true => self.write_object(open),
            false => quote(text, &mut self.json),
        }
    }

    /// Writes the rest of an object as JSON.
    fn write_object(&mut self, open: &Open) {
        let text = &self.text[open.text_start..];
        if open.written == 0 {
            self.json.push(b'{');
        }
        if !is_blank(text) {
            self.json.extend_from_slice(if open.written == 0 { b"\"#text\":" } else { b",\"#text\":" });
            quote(text, &mut self.json);
        }
        self.json.push(b'}');
    }

    fn field(&mut self, name: &[u8]) -> Key {
        let key = self.fields.key(name, self.record, self.record);
        self.overflow |= key.index.is_none();
        key
    }

    /// Whether a value of this name fills a column.
    fn wants(&self, key: Key) -> bool {
        key.column.is_some_and(|column| self.columns[column as usize].is_none())
    }

    /// Sets a field to a text of the event's system properties; an empty one is no value.
    fn put_text(&mut self, key: Key, text: &[u8]) {
        let text = text.trim_ascii();
        if text.is_empty() {
            return;
        }
        let is_number = key.index.is_some_and(|index| is_number_field(&self.fields.keys.get(index).name));
        let kind = if is_number && is_plain_number(text) { Kind::Number } else { Kind::Cell };
        self.note(key, kind);
        let start = self.scratch.len();
        self.scratch.extend_from_slice(text);
        self.put(key, kind, start);
    }

    fn note(&mut self, key: Key, kind: Kind) {
        let Some(index) = key.index else { return };
        self.fields.keys.note_kind(index, kind.bit());
        if self.freezes && !self.fields.keys.get(index).declared {
            self.unknown = Some(index);
        }
    }

    /// Gives a field what was written to `scratch` from `start` on.
    fn put(&mut self, key: Key, kind: Kind, start: usize) {
        match key.index {
            _ if self.wants(key) => self.fill(key, kind, start),
            Some(index) if self.wants_rest => self.rest.push((index, Piece { kind, start, end: self.scratch.len() })),
            _ => {}
        }
    }

    /// Gives a column what was written to `scratch` from `start` on.
    fn fill(&mut self, key: Key, kind: Kind, start: usize) {
        if let Some(column) = key.column {
            self.columns[column as usize] = Some(Piece { kind, start, end: self.scratch.len() });
        }
    }

    /// Appends the event that was read last. `raw` is the record as it was written.
    ///
    /// # Errors
    /// `TooBig` when the file has more distinct fields than it may.
    pub(crate) fn emit(&self, raw: &[u8], offset: u64, rows: &mut Rows) -> millpond_core::Result<()> {
        if self.overflow {
            return Err(Error::too_big(format!("the file has more than {} distinct fields", rows.limits.fields_max))
                .hint("raise `fields` under `[limits]` in source.toml"));
        }
        let unknown = self.unknown.map(|index| self.fields.keys.get(index).name.as_str());
        let record = Record { offset: Some(offset), raw, misplaced: 0, unknown };
        let value = |piece: &Piece| Value { kind: piece.kind, bytes: &self.scratch[piece.start..piece.end] };
        rows.push(
            &record,
            |column| self.columns[column].as_ref().map_or(Value::NULL, value),
            |out| {
                for (index, piece) in &self.rest {
                    write_member(self.fields.keys.get(*index).name.as_bytes(), &value(piece), out);
                }
            },
        );
        Ok(())
    }

    pub(crate) fn note_fields(&self, fields: &mut BTreeMap<String, u8>) {
        for key in self.fields.keys.all().iter().filter(|key| key.kinds != 0) {
            *fields.entry(key.name.clone()).or_default() |= key.kinds;
        }
    }

    /// The fields seen, with the types that the schema for events gives them.
    pub(crate) fn native_columns(&self) -> Vec<Column> {
        let column = |name: &String| Column { name: name.clone(), kind: field_type(name) };
        self.fields.keys.all().iter().filter(|key| key.kinds != 0).map(|key| column(&key.name)).collect()
    }
}

fn field_type(name: &str) -> ColumnType {
    match name {
        "TimeCreated" => ColumnType::Timestamp(TimeFormat::Iso),
        "EventData" | "RenderingInfo" => ColumnType::Map(Box::new(ColumnType::Text)),
        name if is_number_field(name) => ColumnType::Int,
        _ => ColumnType::Text,
    }
}

/// Whether the schema for events has a number there.
fn is_number_field(name: &str) -> bool {
    matches!(
        name,
        "EventID"
            | "EventID_Qualifiers"
            | "Version"
            | "Level"
            | "Task"
            | "Opcode"
            | "EventRecordID"
            | "Execution_ProcessID"
            | "Execution_ThreadID"
            | "Execution_ProcessorID"
            | "Execution_SessionID"
            | "Execution_KernelTime"
            | "Execution_UserTime"
            | "Execution_ProcessorTime"
    )
}

/// Whether the text is a whole number as JSON writes it.
fn is_plain_number(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit) && (text[0] != b'0' || text.len() == 1)
}
