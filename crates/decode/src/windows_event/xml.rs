//! Attributes and character references of XML, and why an event is refused.

use std::borrow::Cow;

use quick_xml::events::BytesStart;
use quick_xml::events::attributes::Attribute;

/// Bytes of the longest name of a character: `#x10FFFF` with some zeros in front.
const REFERENCE_MAX: usize = 32;

/// Why an event cannot be used.
pub(crate) struct Refusal {
    pub(crate) reason: &'static str,
    /// One sentence for a person.
    pub(crate) detail: String,
}

pub(super) fn not_xml(error: impl std::fmt::Display) -> Refusal {
    Refusal { reason: "bad_xml", detail: format!("the event is no XML: {error},") }
}

/// The attributes of an element without those that declare namespaces.
pub(super) fn attributes<'a>(start: &'a BytesStart<'a>) -> impl Iterator<Item = Result<Attribute<'a>, Refusal>> {
    let mut attributes = start.attributes();
    // The check looks at all attributes before each.
    attributes.with_checks(false);
    attributes
        .filter(|attribute| !attribute.as_ref().is_ok_and(|attribute| attribute.key.as_namespace_binding().is_some()))
        .map(|attribute| attribute.map_err(not_xml))
}

/// The text of an attribute.
pub(super) fn unescape(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memchr::memchr(b'&', &text).is_none() {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = &text[..];
    while let Some(start) = memchr::memchr(b'&', rest) {
        out.extend_from_slice(&rest[..start]);
        rest = &rest[start + 1..];
        match rest.iter().take(REFERENCE_MAX).position(|byte| *byte == b';') {
            Some(end) => {
                add_reference(&rest[..end], &mut out);
                rest = &rest[end + 1..];
            }
            None => out.push(b'&'),
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Adds the character of an entity or a character reference; others stay as they are.
pub(super) fn add_reference(name: &[u8], out: &mut Vec<u8>) {
    match character(name) {
        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            out.push(b'&');
            out.extend_from_slice(name);
            out.push(b';');
        }
    }
}

/// The character of an entity (XML 1.0, section 4.6) or of a character reference (section 4.1).
fn character(name: &[u8]) -> Option<char> {
    let code = |digits: &[u8], radix| u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok();
    match name {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x', hex @ ..] => char::from_u32(code(hex, 16)?),
        [b'#', digits @ ..] => char::from_u32(code(digits, 10)?),
        _ => None,
    }
}
