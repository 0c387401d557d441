//! `ocsf_hash`, `ocsf_hashes`: fingerprints.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};

use super::row::{Function, Kind, Rows, Structs, Value, struct_type};
use super::said;

const FIELDS: [(&str, Kind); 2] = [("algorithm_id", Kind::Int), ("value", Kind::Text)];

pub(super) fn functions() -> Vec<Function> {
    let list = DataType::List(Arc::new(item()));
    vec![Function::object("ocsf_hash", &FIELDS, fingerprint), Function::new("ocsf_hashes", 1..=1, list, lists)]
}

fn item() -> Field {
    Field::new_list_field(struct_type(&FIELDS), true)
}

/// One list of fingerprints for each row; a row without any is NULL.
fn lists(rows: &Rows) -> ArrayRef {
    let mut structs = Structs::new(&FIELDS);
    let (mut lengths, mut are_there) = (Vec::new(), Vec::new());
    for row in 0..rows.count() {
        let texts = rows.get(0, row).unwrap_or_default().split([',', ';', ' ', '\n', '\t']);
        let before = structs.len();
        texts.filter_map(fingerprint).for_each(|fingerprint| structs.add(Some(fingerprint)));
        lengths.push(structs.len() - before);
        are_there.push(structs.len() > before);
    }
    let offsets = OffsetBuffer::from_lengths(lengths);
    Arc::new(ListArray::new(
        Arc::new(item()),
        offsets,
        Arc::new(structs.finish(&FIELDS)),
        Some(NullBuffer::from(are_there)),
    ))
}

const UNKNOWN: i32 = 0;
const CTPH: i32 = 5;
const TLSH: i32 = 6;

/// The algorithm is the one that is named before `=` or `:`, or follows from the length. Hexadecimal digits are in lower
/// case; what looks like no hash is none.
fn fingerprint(text: &str) -> Option<[Value<'_>; 2]> {
    let text = said(text)?;
    if let Some((name, value)) = text.split_once(['=', ':'])
        && let Some(id) = named(name.trim())
    {
        let value = said(value)?;
        let value = if is_hex(value) { value.to_ascii_lowercase().into() } else { value.into() };
        return Some([id.into(), value]);
    }
    if is_ctph(text) {
        return Some([CTPH.into(), text.into()]);
    }
    if text.len() == 72 && text.starts_with("T1") && is_hex(&text[2..]) {
        return Some([TLSH.into(), text.into()]);
    }
    let id = match text.len() {
        _ if !is_hex(text) => return None,
        ..8 => return None,
        32 => 1,
        40 => 2,
        56 => 8,
        64 => 3,
        96 => 9,
        128 => 4,
        _ => UNKNOWN,
    };
    Some([id.into(), text.to_ascii_lowercase().into()])
}

/// `algorithm_id` of a name.
fn named(name: &str) -> Option<i32> {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    Some(match plain.as_str() {
        "md5" => 1,
        "sha1" => 2,
        "sha256" => 3,
        "sha512" => 4,
        "ssdeep" | "ctph" => CTPH,
        "tlsh" => TLSH,
        "quickxor" | "quickxorhash" => 7,
        "sha224" => 8,
        "sha384" => 9,
        "sha3224" => 12,
        "sha3256" => 13,
        "sha3384" => 14,
        "sha3512" => 15,
        "imphash" => 18,
        "hassh" => 20,
        _ => return None,
    })
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// ssdeep's `size:hash:hash`.
fn is_ctph(text: &str) -> bool {
    let mut parts = text.splitn(3, ':');
    let (size, one, two) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let is_part = |part: &str| part.len() > 2 && !part.contains(':');
    !size.is_empty()
        && size.bytes().all(|byte| byte.is_ascii_digit())
        && one.is_some_and(is_part)
        && two.is_some_and(is_part)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing, printed};

    #[test]
    fn algorithms_by_length_and_name() {
        let hex = |length: usize| "aB3".repeat(length)[..length].to_owned();
        for (length, id) in [(32, 1), (40, 2), (64, 3), (128, 4), (56, 8), (96, 9), (33, 0), (8, 0)] {
            let text = hex(length);
            let expected = format!("{{algorithm_id: {id}, value: {}}}", text.to_lowercase());
            gives("ocsf_hash", &[(&text, &expected), (&format!(" {text} "), &expected)]);
        }
        for (name, id) in [("SHA256", 3), ("sha-256", 3), ("MD5", 1), ("IMPHASH", 18), ("SHA3-256", 13)] {
            let expected = format!("{{algorithm_id: {id}, value: {}}}", hex(32).to_lowercase());
            gives(
                "ocsf_hash",
                &[(&format!("{name}={}", hex(32)), &expected), (&format!("{name}:{}", hex(32)), &expected)],
            );
        }
        let ssdeep = "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C";
        gives("ocsf_hash", &[(ssdeep, &format!("{{algorithm_id: 5, value: {ssdeep}}}"))]);
        let tlsh = format!("T1{}", hex(70));
        gives("ocsf_hash", &[(&tlsh, &format!("{{algorithm_id: 6, value: {tlsh}}}"))]);
        gives_nothing(
            "ocsf_hash",
            &["", "-", "abc", "xyz", "deadbeefg", "MD5=", "md5=-", "1:2:3", "é".repeat(16).as_str()],
        );
    }

    #[test]
    fn lists_of_hashes() {
        let (md5, sha1) = ("a".repeat(32), "B".repeat(40));
        let both = format!("[{{algorithm_id: 1, value: {md5}}}, {{algorithm_id: 2, value: {}}}]", sha1.to_lowercase());
        for text in [format!("MD5={md5},SHA1={sha1}"), format!("{md5} {sha1}"), format!("{md5};;x;{sha1},")] {
            gives("ocsf_hashes", &[(&text, &both)]);
        }
        gives_nothing("ocsf_hashes", &["", "-", "x, y"]);
        let rows = format!("(values (1, '{md5}'), (2, NULL), (3, 'MD5={md5},SHA1={sha1}')) t(n, h)");
        let lengths = printed(&format!("(select array_agg(array_length(ocsf_hashes(h)) order by n) from {rows})"));
        assert_eq!(lengths, "[1, NULL, 2]");
    }
}
