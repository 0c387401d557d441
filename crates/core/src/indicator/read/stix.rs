//! STIX 2.1: the patterns of indicators, as far as they compare one value with another.
//! Format: <https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html>, sections 4.7 and 9.

use serde_json::Value;

use super::Feed;
use crate::indicator::{Indicator, Kind};

/// What is taken, for the reason of what is not.
const TAKEN: &str = "only `=` is taken, joined by OR, such as `[ipv4-addr:value = '192.0.2.1']`";

/// Reads a bundle, a TAXII envelope or one indicator; `None`: it is none of them.
pub(super) fn read(document: &Value) -> Option<Feed> {
    let mut feed = Feed::default();
    let is_of = |object: &Value, kind: &str| object.get("type").and_then(Value::as_str) == Some(kind);
    if is_of(document, "indicator") {
        add(&mut feed, document);
        return Some(feed);
    }
    let objects = document.get("objects").and_then(Value::as_array);
    if objects.is_none() && !is_of(document, "bundle") {
        return None;
    }
    let indicators = objects.into_iter().flatten().filter(|object| is_of(object, "indicator"));
    indicators.for_each(|object| add(&mut feed, object));
    Some(feed)
}

fn add(feed: &mut Feed, object: &Value) {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let place = text("id").unwrap_or("indicator");
    let pattern = text("pattern").unwrap_or_default();
    let language = text("pattern_type").unwrap_or("stix");
    if language != "stix" {
        return feed.refuse(place, pattern, &format!("its pattern is written in `{language}`"));
    }
    if object.get("revoked") == Some(&Value::Bool(true)) {
        return feed.refuse(place, pattern, "it is revoked");
    }
    match comparisons(pattern) {
        // A pattern holds as a whole: one comparison that cannot be asked would change what it means only by leaving
        // something out, and that is told.
        Ok(comparisons) => {
            for (path, value) in comparisons {
                match kind_of(&path) {
                    Some(kind) => feed.add(place, &value, Indicator::of(kind, &value), text("name")),
                    None => feed.refuse(place, &value, &format!("`{path}` is not looked for")),
                }
            }
        }
        Err(reason) => feed.refuse(place, pattern, &reason),
    }
}

fn kind_of(path: &str) -> Option<Kind> {
    Some(match path {
        "ipv4-addr:value" | "ipv6-addr:value" => Kind::Ip,
        "domain-name:value" => Kind::Domain,
        "url:value" => Kind::Url,
        "email-addr:value" => Kind::Email,
        "file:hashes.MD5" => Kind::Md5,
        "file:hashes.SHA-1" => Kind::Sha1,
        "file:hashes.SHA-256" => Kind::Sha256,
        _ => return None,
    })
}

/// The comparisons of a pattern: paths without quotes, and values.
fn comparisons(pattern: &str) -> Result<Vec<(String, String)>, String> {
    let mut rest = pattern.trim();
    let mut found = Vec::new();
    loop {
        rest = rest.strip_prefix('[').ok_or(TAKEN)?.trim_start();
        loop {
            let (path, after) = path(rest)?;
            let (value, after) = literal(after.trim_start().strip_prefix('=').ok_or(TAKEN)?.trim_start())?;
            found.push((path, value));
            rest = after.trim_start();
            match rest.strip_prefix(']') {
                Some(after) => {
                    rest = after.trim();
                    break;
                }
                None => rest = or(rest)?,
            }
        }
        if rest.is_empty() {
            return Ok(found);
        }
        rest = or(rest)?;
    }
}

fn or(text: &str) -> Result<&str, String> {
    let rest = text.strip_prefix("OR").filter(|rest| rest.starts_with([' ', '\t', '\n', '\r', '[']));
    Ok(rest.ok_or(TAKEN)?.trim_start())
}

/// An object path up to white space or an operator; quotes around its parts are left out.
fn path(text: &str) -> Result<(String, &str), String> {
    let mut path = String::new();
    let mut is_quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' | '"' => is_quoted = !is_quoted,
            ' ' | '\t' | '\n' | '\r' | '=' | '!' | '<' | '>' if !is_quoted => return Ok((path, &text[at..])),
            letter => path.push(letter),
        }
    }
    Err(TAKEN.to_owned())
}

/// A text in single quotes, in which a backslash stands before a quote or a backslash.
fn literal(text: &str) -> Result<(String, &str), String> {
    let mut letters = text.strip_prefix('\'').ok_or(TAKEN)?.char_indices();
    let mut value = String::new();
    while let Some((at, letter)) = letters.next() {
        match letter {
            // The opening quote is one byte, and so is the closing one.
            '\'' => return Ok((value, &text[at + 2..])),
            '\\' => value.extend(letters.next().map(|(_, escaped)| escaped)),
            letter => value.push(letter),
        }
    }
    Err("a text in it has no end".to_owned())
}
