//! A look at an Avro schema before the library reads it. A name in a schema stands for the type of that name, which
//! the library puts in its place: types that hold two of the one before double with each, and types that hold one of
//! the one before are as deep as there are types, however flat the JSON is. The library calls itself for each level,
//! and a stack that overflows ends the process, as does memory that is not to be had; nothing can catch that.

use std::collections::HashMap;

use millpond_core::{Error, Result};
use serde_json::Value;

use crate::columnar::too_deep;

/// Types inside each other, whatever the limits. The library calls itself for each, which in a debug build takes 16
/// to 20 KiB of the 2 MiB that a thread has.
const DEPTH_CAP: usize = 64;
/// Bytes that the library may need for a schema.
const SCHEMA_BYTES_MAX: u64 = 256 << 20;
/// What it needs for a type besides its texts, mostly the buffers of its values.
const TYPE_BYTES: u64 = 12 << 10;

/// # Errors
/// `TooBig` for a schema that is too deep or too large when its names are put in.
pub(super) fn check(schema: &Value, depth_max: usize) -> Result<()> {
    let extent = Named::default().extent(schema);
    if extent.depth > depth_max.min(DEPTH_CAP) {
        return Err(too_deep("the file's schema is", depth_max, DEPTH_CAP));
    }
    if extent.bytes > SCHEMA_BYTES_MAX {
        return Err(Error::too_big("the file's schema has too many types when each name is the type that it names"));
    }
    Ok(())
}

/// How much a schema is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Extent {
    /// A record of plain values is one deep.
    depth: usize,
    bytes: u64,
}

impl Extent {
    fn and(self, other: Self) -> Self {
        Self { depth: self.depth.max(other.depth), bytes: self.bytes.saturating_add(other.bytes) }
    }

    fn largest(self, other: Self) -> Self {
        Self { depth: self.depth.max(other.depth), bytes: self.bytes.max(other.bytes) }
    }
}

/// The types so far by their names without namespaces; of several, the largest.
#[derive(Default)]
struct Named<'a>(HashMap<&'a str, Extent>);

impl<'a> Named<'a> {
    /// The extent of what stands in the place of a type. A name before its type is whole stands for nothing, and is
    /// nothing that the library reads.
    fn extent(&mut self, schema: &'a Value) -> Extent {
        match schema {
            Value::String(name) => {
                let plain = Extent { depth: 0, bytes: TYPE_BYTES };
                self.0.get(simple(name)).map_or(plain, |extent| extent.largest(plain))
            }
            Value::Array(members) => self.all(members),
            Value::Object(members) => {
                let get = |name: &str| members.get(name);
                let mut extent = Extent { depth: 0, bytes: TYPE_BYTES + text_bytes(members.values()) };
                for inner in ["type", "items", "values", "fields"].into_iter().filter_map(get) {
                    extent = extent.and(self.extent(inner));
                }
                if ["items", "values", "fields"].into_iter().any(|name| get(name).is_some()) {
                    extent.depth += 1;
                }
                let is_named = matches!(get("type").and_then(Value::as_str), Some("record" | "enum" | "fixed"));
                if let Some(Value::String(name)) = get("name").filter(|_| is_named) {
                    let known = self.0.entry(simple(name)).or_default();
                    *known = known.largest(extent);
                }
                extent
            }
            _ => Extent::default(),
        }
    }

    fn all(&mut self, schemas: &'a [Value]) -> Extent {
        schemas.iter().fold(Extent::default(), |sum, schema| sum.and(self.extent(schema)))
    }
}

/// A name without its namespace.
fn simple(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, name)| name)
}

/// Bytes of the texts that a type has itself, such as its name and its symbols.
fn text_bytes<'a>(values: impl Iterator<Item = &'a Value>) -> u64 {
    let bytes = |value: &Value| match value {
        Value::String(text) => text.len() as u64,
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(|text| text.len() as u64 + 24).sum(),
        _ => 0,
    };
    values.map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use millpond_core::Kind;

    use super::*;

    fn checked(schema: &str, depth_max: usize) -> Option<Kind> {
        let schema = serde_json::from_str(schema).expect("JSON");
        check(&schema, depth_max).err().map(|error| error.kind())
    }

    fn record(name: &str, fields: &[(&str, &str)]) -> String {
        let field = |(name, kind): &(&str, &str)| format!(r#"{{"name":"{name}","type":{kind}}}"#);
        let fields: Vec<String> = fields.iter().map(field).collect();
        format!(r#"{{"type":"record","name":"{name}","fields":[{}]}}"#, fields.join(","))
    }

    /// A record of records, each with as many of the one before.
    fn chain(count: usize, each: usize) -> String {
        let inner = |index: usize| match index {
            0 => record("r0", &[("a", "\"int\"")]),
            _ => record(&format!("r{index}"), &vec![("a", format!("\"x.r{}\"", index - 1).as_str()); each]),
        };
        let inner: Vec<String> = (0..count).map(inner).collect();
        record("r", &inner.iter().map(|inner| ("f", inner.as_str())).collect::<Vec<_>>())
    }

    #[test]
    fn depth_is_that_of_values() {
        let plain = record("r", &[("r", "\"int\""), ("b", r#"["null","string"]"#)]);
        assert_eq!((checked(&plain, 1), checked(&plain, 0)), (None, Some(Kind::TooBig)));
        let list = record("r", &[("a", r#"{"type":"array","items":["null",{"type":"map","values":"int"}]}"#)]);
        assert_eq!((checked(&list, 3), checked(&list, 2)), (None, Some(Kind::TooBig)));
        let itself = record("r", &[("a", "[\"null\",\"r\"]")]);
        assert_eq!(checked(&itself, 1), None, "the library refuses it");
    }

    #[test]
    fn names_are_as_deep_as_what_they_name() {
        assert_eq!((checked(&chain(9, 1), 10), checked(&chain(10, 1), 10)), (None, Some(Kind::TooBig)));
        assert_eq!(checked(&chain(1_000, 1), usize::MAX), Some(Kind::TooBig));
    }

    #[test]
    fn names_are_as_large_as_what_they_name() {
        assert_eq!((checked(&chain(10, 2), 50), checked(&chain(40, 2), 50)), (None, Some(Kind::TooBig)));
        let symbols = format!(r#"{{"type":"enum","name":"e","symbols":["{}"]}}"#, "s".repeat(1 << 20));
        let fields = |count| [vec![("a", symbols.as_str())], vec![("b", "\"e\""); count]].concat();
        assert_eq!(
            (checked(&record("r", &fields(200)), 9), checked(&record("r", &fields(300)), 9)),
            (None, Some(Kind::TooBig))
        );
        let wide = vec![("a", "\"int\""); 10_000];
        assert_eq!(checked(&record("r", &wide), 1), None, "as many fields as a file may have");
    }
}
