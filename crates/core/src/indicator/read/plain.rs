//! Text with one indicator a line.

use super::Feed;
use crate::indicator::Indicator;

pub(super) fn read(text: &str) -> Feed {
    let mut feed = Feed::default();
    for (index, line) in text.lines().enumerate() {
        if let Some((value, note)) = entry(line) {
            feed.add(&format!("line {}", index + 1), value, Indicator::parse(value), note);
        }
    }
    feed
}

/// The indicator of a line and the comment behind it. A line of a hosts file blocks the name that stands second.
fn entry(line: &str) -> Option<(&str, Option<&str>)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with(['#', ';', '!']) || line.starts_with("//") {
        return None;
    }
    let Some((first, rest)) = line.split_once(char::is_whitespace) else { return Some((line, None)) };
    let rest = rest.trim();
    match rest.strip_prefix(['#', ';']) {
        Some(note) => Some((first, Some(note))),
        None if matches!(first, "0.0.0.0" | "127.0.0.1" | "::") => entry(rest),
        None => Some((line, None)),
    }
}
