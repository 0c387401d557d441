//! Documents of a file: which kind each is, and the old way to share parts between them.

use super::about::{about, logsource};
use super::context::{Context, Placeholders};
use super::detection::detection;
use super::fault::{Result, fault_with_hint};
use super::yaml::{Entry, Node, Value};
use super::{correlation, filter};
use crate::rule::Rule;

/// A document, read.
pub(crate) enum Document {
    Rule(Rule),
    Correlation(correlation::Unresolved),
    Filter(filter::Unresolved),
}

/// Reads a document of any kind.
pub(crate) fn document(node: &Node, file: &str, placeholders: &Placeholders) -> Result<Document> {
    let context = Context::new(placeholders);
    if let Some(section) = node.get("correlation") {
        return correlation::correlation(node, section, file).map(Document::Correlation);
    }
    if let Some(section) = node.get("filter") {
        return filter::filter(node, section, file, &context).map(Document::Filter);
    }
    let Some(section) = node.get("detection") else { return no_rule(node) };
    let about = about(node, file)?;
    let logsource = logsource(node)?;
    let condition = detection(section, &["timeframe"], &context)?;
    Ok(Document::Rule(Rule { about, logsource, condition }))
}

fn no_rule<T>(node: &Node) -> Result<T> {
    let sections = ["detection", "correlation", "filter"];
    let keys = node.entries().iter().map(|entry| entry.key.as_str());
    let near = sections.into_iter().find_map(|section| {
        millpond_core::units::nearest(section, keys.clone()).map(|key| format!("is `{key}` meant to be `{section}`?"))
    });
    let hint = near.unwrap_or_else(|| "a Sigma rule has `detection`, `correlation` or `filter`".to_owned());
    let message = match &node.value {
        Value::Map(_) => "there is no `detection`".to_owned(),
        _ => format!("the document is {}, not a map", node.kind()),
    };
    fault_with_hint(node.line, message, hint)
}

/// What the key `action` of older rules shares between the documents of a file.
#[derive(Default)]
pub(crate) struct Shared {
    /// What stands in every following document.
    global: Option<Node>,
    /// The document that `repeat` starts from.
    previous: Option<Node>,
}

impl Shared {
    /// The document with what is shared; none where it only says what is.
    pub(crate) fn complete(&mut self, mut node: Node) -> Result<Option<Node>> {
        let Some((action, line)) = take_action(&mut node) else {
            let complete = match &self.global {
                Some(global) => merged(global.clone(), node),
                None => node,
            };
            return Ok(Some(complete));
        };
        match action.as_str() {
            "global" => self.global = Some(merged(self.global.take().unwrap_or_else(|| empty(line)), node)),
            "reset" => self.global = None,
            "repeat" => return Ok(Some(merged(self.previous.clone().unwrap_or_else(|| empty(line)), node))),
            other => {
                let message = format!("`action` cannot be `{other}`");
                return fault_with_hint(line, message, "it is `global`, `repeat` or `reset`");
            }
        }
        Ok(None)
    }

    /// Keeps the document for a `repeat`, which only files with more than one document can have.
    pub(crate) fn remember(&mut self, node: Node) {
        self.previous = Some(node);
    }
}

fn empty(line: u32) -> Node {
    Node { line, value: Value::Map(Vec::new()) }
}

fn take_action(node: &mut Node) -> Option<(String, u32)> {
    let Value::Map(entries) = &mut node.value else { return None };
    let at = entries.iter().position(|entry| entry.key == "action")?;
    let entry = entries.remove(at);
    Some((entry.node.scalar().unwrap_or_default().into_owned(), entry.line))
}

/// `base` with what `over` says: maps are merged key by key, all else is replaced. The line is that of `over`.
fn merged(base: Node, over: Node) -> Node {
    let (mut entries, changes) = match (base.value, over.value) {
        (Value::Map(entries), Value::Map(changes)) => (entries, changes),
        (_, value) => return Node { line: over.line, value },
    };
    for change in changes {
        match entries.iter().position(|entry| entry.key == change.key) {
            Some(at) => {
                let before = entries.remove(at);
                entries.insert(at, Entry { node: merged(before.node, change.node), ..change });
            }
            None => entries.push(change),
        }
    }
    Node { line: over.line, value: Value::Map(entries) }
}
