//! The index of a Parquet file, looked through before the library reads it. The library calls itself for each level
//! of the schema, and takes memory for as many things as a list says that it has: a stack that overflows and memory
//! that is not to be had end the process, and nothing can catch that.
//!
//! The index is in the compact protocol of Thrift
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>), after
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>. The library must not find
//! another schema than is found here. It reads the fields that it knows as what they should be, whatever type the
//! file gives them; so in what leads to the schema, another type is refused.

use std::sync::Arc;

use millpond_core::{Error, Result};
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::schema::types::SchemaDescriptor;

use super::NAME;
use crate::columnar::{guarded, too_deep};
use crate::spool::Spooled;

/// The length of the index and the file's mark.
const TAIL_BYTES: u64 = 8;
/// Bytes of the index: 1,000 row groups of 500 columns, say.
const FOOTER_BYTES_MAX: u64 = 64 << 20;
/// Levels of a schema, whatever the limits. The library calls itself for each, which in a debug build takes 5 KiB of
/// the 2 MiB that a thread has.
const LEVELS_CAP: usize = 256;
/// Bytes that the library needs for the schema, which holds for each column the names of all that it lies in.
const SCHEMA_BYTES_MAX: u64 = 64 << 20;
/// What an element takes besides names, and what a name takes besides its bytes.
const ELEMENT_BYTES: u64 = 200;
const NAME_BYTES: u64 = 24;
/// Values inside each other, of which an index needs ten.
const NESTING_MAX: usize = 64;

/// The schema of a file.
///
/// # Errors
/// `BadInput` for a file without an index or with one that cannot be read; `TooBig` that names the limit.
pub(super) fn read_schema(file: &Spooled, depth_max: usize) -> Result<Arc<SchemaDescriptor>> {
    let footer = read(file)?;
    // A list or map takes two levels; the third is for writers that wrap their items once more.
    let levels_max = depth_max.saturating_mul(3).saturating_add(1).min(LEVELS_CAP);
    match check(&footer, levels_max) {
        Ok(()) => guarded(NAME, || ParquetMetaDataReader::decode_schema(&footer)),
        Err(Fault::Malformed) => Err(unreadable("its index is not in order")),
        Err(Fault::TooDeep) => Err(too_deep("the file's schema is", depth_max, LEVELS_CAP / 2)),
        Err(Fault::TooLarge) => Err(Error::too_big("the file's schema has too many columns or too long names")),
    }
}

/// The decompressed bytes of all columns that an index tells of.
///
/// # Errors
/// `BadInput` for one that cannot be read, or that is deeper than any limit.
pub(super) fn decoded_bytes(footer: &[u8]) -> Result<u64> {
    check(footer, LEVELS_CAP).map_err(|_| unreadable("its index is not in order"))?;
    let index = guarded(NAME, || ParquetMetaDataReader::decode_metadata(footer))?;
    let of_group =
        |group: &parquet::file::metadata::RowGroupMetaData| u64::try_from(group.total_byte_size()).unwrap_or(0);
    Ok(index.row_groups().iter().map(of_group).fold(0, u64::saturating_add))
}

fn unreadable(why: &str) -> Error {
    Error::bad_input(format!("failed to read the file as {NAME}: {why}"))
}

fn read(file: &Spooled) -> Result<Vec<u8>> {
    let Some(end) = file.length().checked_sub(TAIL_BYTES) else { return Err(unreadable("it is too short")) };
    let tail = file.bytes_at(end, TAIL_BYTES)?;
    let length = match tail.split_first_chunk::<4>() {
        Some((length, b"PAR1")) => u64::from(u32::from_le_bytes(*length)),
        Some((_, b"PARE")) => {
            return Err(unreadable("its index is encrypted").hint("encrypted files cannot be read"));
        }
        _ => return Err(unreadable("it does not end with `PAR1`")),
    };
    if length > end.min(FOOTER_BYTES_MAX) {
        return Err(unreadable(&format!("it says that its index has {length} bytes")));
    }
    file.bytes_at(end - length, length)
}

/// Why an index is refused.
#[derive(Debug, PartialEq)]
enum Fault {
    Malformed,
    TooDeep,
    TooLarge,
}

/// Passes over the whole index, and looks at every schema in it.
fn check(footer: &[u8], levels_max: usize) -> Result<(), Fault> {
    let tree = Tree { levels_max, ..Tree::default() };
    let mut walk = Walk { rest: footer, open: vec![Open::Struct { kind: Kind::File, last: 0 }], tree };
    while let Some(open) = walk.open.pop() {
        match open {
            Open::Struct { kind, last } => walk.field(kind, last)?,
            Open::Items { kind: Kind::Element, left: 0, .. } => walk.tree.end()?,
            Open::Items { left: 0, .. } => {}
            Open::Items { types, kind, left } => {
                walk.push(Open::Items { types, kind, left: left - 1 })?;
                walk.item(types[(left % 2) as usize], kind)?;
            }
        }
    }
    Ok(())
}

/// The types of values in the protocol.
mod wire {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const UUID: u8 = 13;
}

/// The structs whose fields must have the types that they should have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    File,
    KeyValue,
    /// An element of a schema.
    Element,
    LogicalType,
    Decimal,
    Time,
    TimeUnit,
    Integer,
    Variant,
    Geometry,
    Geography,
    Other,
}

impl Kind {
    /// The type that a field must have, and the kind of the structs that are its value or its items; `None` for a field
    /// of any type.
    fn expected(self, field: i16) -> Option<(u8, Kind)> {
        Some(match (self, field) {
            (Self::File, 1) => (wire::I32, Self::Other),
            (Self::File, 2) => (wire::LIST, Self::Element),
            (Self::File, 3) => (wire::I64, Self::Other),
            (Self::File, 4 | 7) => (wire::LIST, Self::Other),
            (Self::File, 5) => (wire::LIST, Self::KeyValue),
            (Self::File, 6) => (wire::BINARY, Self::Other),
            (Self::KeyValue, 1 | 2) => (wire::BINARY, Self::Other),
            (Self::Element, 1..=3 | 5..=9) => (wire::I32, Self::Other),
            (Self::Element, 4) => (wire::BINARY, Self::Other),
            (Self::Element, 10) => (wire::STRUCT, Self::LogicalType),
            (Self::LogicalType, 5) => (wire::STRUCT, Self::Decimal),
            (Self::LogicalType, 7 | 8) => (wire::STRUCT, Self::Time),
            (Self::LogicalType, 10) => (wire::STRUCT, Self::Integer),
            (Self::LogicalType, 16) => (wire::STRUCT, Self::Variant),
            (Self::LogicalType, 17) => (wire::STRUCT, Self::Geometry),
            (Self::LogicalType, 18) => (wire::STRUCT, Self::Geography),
            (Self::LogicalType | Self::TimeUnit, _) => (wire::STRUCT, Self::Other),
            (Self::Decimal, 1 | 2) | (Self::Geography, 2) => (wire::I32, Self::Other),
            // Which of the two truth values it is, is said by the type.
            (Self::Time, 1) | (Self::Integer, 2) => (wire::TRUE, Self::Other),
            (Self::Time, 2) => (wire::STRUCT, Self::TimeUnit),
            (Self::Integer | Self::Variant, 1) => (wire::BYTE, Self::Other),
            (Self::Geometry | Self::Geography, 1) => (wire::BINARY, Self::Other),
            _ => return None,
        })
    }
}

/// A value that is not passed whole.
enum Open {
    /// `last` is the number of the field before.
    Struct { kind: Kind, last: i16 },
    /// The items of a list, or the keys and values of a map by turns: an odd number `left` stands before a value.
    Items { types: [u8; 2], kind: Kind, left: u64 },
}

struct Walk<'a> {
    rest: &'a [u8],
    open: Vec<Open>,
    tree: Tree,
}

impl Walk<'_> {
    /// Passes the next field of a struct, or its end.
    fn field(&mut self, kind: Kind, last: i16) -> Result<(), Fault> {
        let header = self.byte()?;
        let (step, found) = (i16::from(header >> 4), header & 0x0f);
        if found == wire::STOP {
            return if kind == Kind::Element { self.tree.add() } else { Ok(()) };
        }
        let field = match step {
            0 => i16::try_from(self.signed()?).map_err(|_| Fault::Malformed)?,
            step => last.checked_add(step).ok_or(Fault::Malformed)?,
        };
        self.push(Open::Struct { kind, last: field })?;
        let (expected, inner) = kind.expected(field).unwrap_or((found, Kind::Other));
        if expected != found && (expected, found) != (wire::TRUE, wire::FALSE) {
            return Err(Fault::Malformed);
        }
        match (kind, field) {
            (Kind::Element, 4) => self.tree.name_bytes = self.binary()?,
            (Kind::Element, 5) => self.tree.children = self.signed()?,
            _ if matches!(found, wire::TRUE | wire::FALSE) => {}
            _ => self.item(found, inner)?,
        }
        Ok(())
    }

    /// Passes a value, or opens it.
    fn item(&mut self, found: u8, kind: Kind) -> Result<(), Fault> {
        match found {
            wire::BYTE => self.skip(1),
            wire::I16 | wire::I32 | wire::I64 => self.number().map(drop),
            wire::DOUBLE => self.skip(8),
            wire::BINARY => self.binary().map(drop),
            wire::UUID => self.skip(16),
            wire::STRUCT => self.push(Open::Struct { kind, last: 0 }),
            wire::LIST | wire::SET => self.list(kind),
            wire::MAP => self.map(),
            // Truth values in lists, which an index does not have, are a byte that the library does not pass over.
            _ => Err(Fault::Malformed),
        }
    }

    fn list(&mut self, kind: Kind) -> Result<(), Fault> {
        let header = self.byte()?;
        let (count, found) = (u64::from(header >> 4), header & 0x0f);
        let left = if count == 15 { self.number()? } else { count };
        if kind != Kind::Other && left > 0 && found != wire::STRUCT {
            return Err(Fault::Malformed);
        }
        if kind == Kind::Element {
            self.tree = Tree { levels_max: self.tree.levels_max, bytes: self.tree.bytes, ..Tree::default() };
        }
        self.push(Open::Items { types: [found; 2], kind, left })
    }

    fn map(&mut self) -> Result<(), Fault> {
        let entries = self.number()?;
        if entries > self.rest.len() as u64 {
            return Err(Fault::Malformed);
        }
        let types = if entries == 0 { 0 } else { self.byte()? };
        self.push(Open::Items { types: [types >> 4, types & 0x0f], kind: Kind::Other, left: 2 * entries })
    }

    fn push(&mut self, open: Open) -> Result<(), Fault> {
        if self.open.len() == NESTING_MAX {
            return Err(Fault::Malformed);
        }
        self.open.push(open);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        let (byte, rest) = self.rest.split_first().ok_or(Fault::Malformed)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed)
    }

    fn signed(&mut self) -> Result<i64, Fault> {
        let bits = self.number()?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    /// Passes bytes behind their number.
    fn binary(&mut self) -> Result<u64, Fault> {
        let length = self.number()?;
        self.skip(length)?;
        Ok(length)
    }

    fn skip(&mut self, length: u64) -> Result<(), Fault> {
        let length = usize::try_from(length).map_err(|_| Fault::Malformed)?;
        self.rest = self.rest.get(length..).ok_or(Fault::Malformed)?;
        Ok(())
    }
}

/// A schema, as the file lists it: each element before its children, whose number it says.
#[derive(Default)]
struct Tree {
    levels_max: usize,
    /// The elements that have children to come: how many, and the bytes of the names down to it.
    open: Vec<(u64, u64)>,
    is_whole: bool,
    /// Bytes that the library needs for the elements so far, of all schemas.
    bytes: u64,
    /// What the element at hand says.
    children: i64,
    name_bytes: u64,
}

impl Tree {
    /// Adds the element at hand.
    fn add(&mut self) -> Result<(), Fault> {
        let (children, name_bytes) = (std::mem::take(&mut self.children), std::mem::take(&mut self.name_bytes));
        let children = u64::try_from(children).map_err(|_| Fault::Malformed)?;
        if self.is_whole {
            return Err(Fault::Malformed);
        }
        if self.open.len() > self.levels_max {
            return Err(Fault::TooDeep);
        }
        let path_bytes = self.open.last().map_or(0, |(_, bytes)| *bytes) + NAME_BYTES + name_bytes;
        self.bytes += ELEMENT_BYTES + path_bytes;
        if self.bytes > SCHEMA_BYTES_MAX {
            return Err(Fault::TooLarge);
        }
        if children > 0 {
            self.open.push((children, path_bytes));
            return Ok(());
        }
        // The element is whole, and so is each that it is the last child of.
        while let Some((children, _)) = self.open.last_mut() {
            *children -= 1;
            if *children > 0 {
                return Ok(());
            }
            self.open.pop();
        }
        self.is_whole = true;
        Ok(())
    }

    fn end(&self) -> Result<(), Fault> {
        if self.is_whole { Ok(()) } else { Err(Fault::Malformed) }
    }
}

#[cfg(test)]
mod tests;
