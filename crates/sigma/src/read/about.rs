//! What a document says about itself: title, id, level and the like, and its log source.

use millpond_core::logsource::LogSource;
use millpond_core::source::Severity;

use super::fault::{Result, fault, fault_with_hint, hint_of_names};
use super::yaml::{Node, Value};
use crate::rule::{About, Status};

/// Reads what a document says about itself. Keys that nobody knows may be there.
pub(crate) fn about(document: &Node, file: &str) -> Result<About> {
    let Some(title) = text(document, "title")?.filter(|title| !title.is_empty()) else {
        let hint = "say in a few words what it finds";
        return fault_with_hint(document.line, "there is no `title`", hint);
    };
    Ok(About {
        id: text(document, "id")?.unwrap_or_default(),
        name: text(document, "name")?,
        title,
        status: choice(document, "status", &Status::NAMES)?,
        level: choice(document, "level", &Severity::NAMES)?.unwrap_or_default(),
        author: joined(document, "author")?,
        description: text(document, "description")?,
        references: texts(document, "references")?,
        tags: texts(document, "tags")?,
        false_positives: texts(document, "falsepositives")?,
        fields: texts(document, "fields")?,
        file: file.to_owned(),
        line: document.line,
    })
}

/// The id or title, where one can be read.
pub(crate) fn label(document: &Node) -> Option<String> {
    let named = |key| document.get(key).and_then(Node::scalar).filter(|text| !text.is_empty());
    named("id").or_else(|| named("title")).map(|text| text.into_owned())
}

/// Reads the log source, which has to be there; what it does not name may be anything.
pub(crate) fn logsource(document: &Node) -> Result<LogSource> {
    let Some(section) = document.get("logsource") else {
        let hint = hint_of_names("logsource", document.entries().iter().map(|entry| entry.key.as_str()));
        return fault_with_hint(document.line, "there is no `logsource`", hint);
    };
    if !matches!(section.value, Value::Map(_)) {
        return fault(section.line, format!("`logsource` is {}, not a map", section.kind()));
    }
    let lower = |key| Ok(text(section, key)?.map(|name| name.to_lowercase()));
    Ok(LogSource { category: lower("category")?, product: lower("product")?, service: lower("service")? })
}

/// A text; none where the key is absent or null.
pub(crate) fn text(map: &Node, key: &str) -> Result<Option<String>> {
    match map.get(key) {
        None | Some(Node { value: Value::Null, .. }) => Ok(None),
        Some(node) => match node.scalar() {
            Some(text) => Ok(Some(text.trim_end().to_owned())),
            None => fault(node.line, format!("`{key}` is {}, not a text", node.kind())),
        },
    }
}

/// A list of texts; one text alone is a list of one, and null is none.
pub(crate) fn texts(map: &Node, key: &str) -> Result<Vec<String>> {
    let members = map.get(key).map(Node::members).unwrap_or_default();
    let present = members.iter().filter(|member| member.value != Value::Null);
    let text = |member: &Node| match member.scalar() {
        Some(text) => Ok(text.trim_end().to_owned()),
        None => fault(member.line, format!("`{key}` has {} where a text belongs", member.kind())),
    };
    present.map(text).collect()
}

fn joined(map: &Node, key: &str) -> Result<Option<String>> {
    let texts = texts(map, key)?;
    Ok((!texts.is_empty()).then(|| texts.join(", ")))
}

/// One of a few words, without regard to case.
pub(crate) fn choice<T: Copy>(map: &Node, key: &str, names: &[(&'static str, T)]) -> Result<Option<T>> {
    let Some(word) = text(map, key)? else { return Ok(None) };
    match names.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => {
            let line = map.get(key).map_or(map.line, |node| node.line);
            let hint = hint_of_names(&word, names.iter().map(|(name, _)| *name));
            fault_with_hint(line, format!("`{key}` cannot be `{word}`"), hint)
        }
    }
}
