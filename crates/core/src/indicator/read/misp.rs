//! MISP events: their attributes, and those of their objects.
//! Format: <https://www.misp-standard.org/rfc/misp-standard-core.html>.

use serde_json::Value;

use super::{Feed, kind_named};
use crate::indicator::{Indicator, Kind};

/// Reads an event, what a search for events or attributes answers, or a list of events; `None`: it is none of them.
pub(super) fn read(document: &Value) -> Option<Feed> {
    let mut feed = Feed::default();
    let response = document.get("response").unwrap_or(document);
    match response.as_array() {
        Some(events) => {
            if !events.iter().all(|event| event.get("Event").is_some()) {
                return None;
            }
            events.iter().for_each(|event| add_event(&mut feed, event));
        }
        None if response.get("Event").is_some() || response.get("Attribute").is_some() => {
            add_event(&mut feed, response);
        }
        None => return None,
    }
    Some(feed)
}

fn add_event(feed: &mut Feed, event: &Value) {
    let event = event.get("Event").unwrap_or(event);
    let info = event.get("info").and_then(Value::as_str);
    let members = |of: &Value, name: &str| of.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for attribute in members(event, "Attribute") {
        add_attribute(feed, &attribute, info);
    }
    for object in members(event, "Object") {
        for attribute in members(&object, "Attribute") {
            add_attribute(feed, &attribute, info);
        }
    }
}

fn add_attribute(feed: &mut Feed, attribute: &Value, info: Option<&str>) {
    let text = |name: &str| attribute.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, value, id) = (text("type"), text("value"), text("uuid"));
    let place = format!("attribute {}", if id.is_empty() { kind } else { id });
    let is_for_ids = match attribute.get("to_ids") {
        Some(Value::Bool(is_for_ids)) => *is_for_ids,
        Some(Value::String(text)) => matches!(text.as_str(), "1" | "true"),
        Some(Value::Number(number)) => number.as_u64() == Some(1),
        _ => false,
    };
    if !is_for_ids {
        return feed.refuse(&place, value, "its `to_ids` is not set: it is not meant to be looked for");
    }
    let event = attribute.get("Event").and_then(|event| event.get("info")).and_then(Value::as_str);
    let note = [text("comment")].into_iter().find(|comment| !comment.is_empty()).or(info).or(event);
    let parts = parts(kind, value);
    if parts.is_empty() {
        return feed.refuse(&place, value, &format!("attributes of type `{kind}` are not looked for"));
    }
    for (kind, value) in parts {
        feed.add(&place, value, Indicator::of(kind, value), note);
    }
}

/// The indicators of an attribute; one of two parts has a bar between them.
fn parts<'a>(kind: &str, value: &'a str) -> Vec<(Kind, &'a str)> {
    let (first, second) = value.split_once('|').unwrap_or((value, ""));
    match kind {
        "domain|ip" => vec![(Kind::Domain, first), (Kind::Ip, second)],
        "ip-src|port" | "ip-dst|port" => vec![(Kind::Ip, first)],
        "hostname|port" => vec![(Kind::Domain, first)],
        "filename|md5" | "malware-sample" => vec![(Kind::Md5, second)],
        "filename|sha1" => vec![(Kind::Sha1, second)],
        "filename|sha256" => vec![(Kind::Sha256, second)],
        "ip-src" | "ip-dst" | "domain" | "hostname" | "md5" | "sha1" | "sha256" | "url" | "uri" | "link" | "email"
        | "email-src" | "email-dst" => kind_named(kind).map(|kind| (kind, value)).into_iter().collect(),
        _ => Vec::new(),
    }
}
