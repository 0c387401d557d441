//! JSON text: escapes undone and made, whitespace taken out.

/// Appends the characters of an escaped JSON string. A lone surrogate becomes U+FFFD; an unknown escape stays as it is.
pub(crate) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(found) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..found]);
        let Some(escape) = rest.get(found + 1) else {
            rest = &rest[found..];
            break;
        };
        rest = &rest[found + 2..];
        match escape {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'"' | b'\\' | b'/' => out.push(*escape),
            b'u' => rest = unescape_unicode(rest, out),
            other => out.extend_from_slice(&[b'\\', *other]),
        }
    }
    out.extend_from_slice(rest);
}

/// Reads the digits behind `\u`, and a second escape where the two are a surrogate pair.
fn unescape_unicode<'a>(rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some(unit) = hex4(rest) else {
        out.extend_from_slice(b"\\u");
        return rest;
    };
    let mut after = &rest[4..];
    let mut character = char::from_u32(unit);
    if (0xd800..0xdc00).contains(&unit)
        && after.starts_with(b"\\u")
        && let Some(low @ 0xdc00..0xe000) = hex4(&after[2..])
    {
        character = char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        after = &after[6..];
    }
    let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    after
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    bytes.get(..4)?.iter().try_fold(0, |value, byte| Some(value * 16 + char::from(*byte).to_digit(16)?))
}

/// Appends a JSON string, quotes included.
pub(crate) fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}

/// Appends an object or array as it is written; when it spans lines, without the whitespace between its tokens.
pub(crate) fn compact(json: &[u8], out: &mut Vec<u8>) {
    if memchr::memchr2(b'\n', b'\r', json).is_none() {
        out.extend_from_slice(json);
        return;
    }
    let mut in_string = false;
    let mut escaped = false;
    for byte in json {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = *byte == b'"';
        }
        out.push(*byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unescaped(text: &str) -> String {
        let mut out = Vec::new();
        unescape(text.as_bytes(), &mut out);
        String::from_utf8(out).expect("escapes give characters")
    }

    #[test]
    fn escapes() {
        assert_eq!(unescaped(r#"a\n\t\"\\\/\u0041\u00e9\ud83d\ude00"#), "a\n\t\"\\/Aé😀");
        assert_eq!(unescaped(r"\ud83d x \ude00 \ud83d\u0041"), "\u{fffd} x \u{fffd} \u{fffd}A");
        assert_eq!(unescaped(r"\q \u12 \"), r"\q \u12 \");
    }

    #[test]
    fn quoting_is_undone_by_serde_json() {
        let text = "a\"b\\c\n\r\t\u{1}é";
        let mut out = Vec::new();
        quote(text.as_bytes(), &mut out);
        let back: String = serde_json::from_slice(&out).expect("valid JSON");
        assert_eq!(back, text);
    }

    #[test]
    fn only_text_over_lines_is_compacted() {
        let mut out = Vec::new();
        compact(b"{ \"a b\" : 1 }", &mut out);
        compact(b"{ \"a\\\" b\" :\n 1 }", &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "{ \"a b\" : 1 }{\"a\\\" b\":1}");
    }
}
