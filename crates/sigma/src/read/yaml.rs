//! YAML as a small tree in which everything knows its line.
//!
//! The tree is built from the parser's events: what lies too deep or is too much, also by aliases, is an error before it
//! is built, so that nothing that walks the tree can run out of stack.

use std::borrow::Cow;
use std::collections::HashMap;

use millpond_core::Error;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::fault::{Fault, Result};

/// How deep lists and maps may lie in each other. Rules need five.
const DEPTH_MAX: usize = 64;
/// How many values a document may have. The largest public rule has 4,475.
const NODES_MAX: usize = 200_000;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: u32,
    pub(crate) value: Value,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    /// As JSON writes the number.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Of the key, from 1.
    pub(crate) line: u32,
    pub(crate) node: Node,
}

impl Node {
    /// The value under `key`, where this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The entries; none of what is not a map.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The members of a list, or the value itself as the only one.
    pub(crate) fn members(&self) -> &[Node] {
        match &self.value {
            Value::List(members) => members,
            _ => std::slice::from_ref(self),
        }
    }

    /// A text, number or boolean as text.
    pub(crate) fn scalar(&self) -> Option<Cow<'_, str>> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(Cow::Borrowed(text)),
            Value::Boolean(true) => Some(Cow::Borrowed("true")),
            Value::Boolean(false) => Some(Cow::Borrowed("false")),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Boolean(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

/// The documents of a text, and why no more could be read, if that is so.
pub(crate) fn documents(text: &str) -> (Vec<Node>, Option<Fault>) {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0 };
    let mut found = Vec::new();
    loop {
        match reader.document() {
            Ok(Some(node)) => found.push(node),
            Ok(None) => return (found, None),
            Err(fault) => return (found, Some(fault)),
        }
    }
}

/// A list or map that is not complete yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key that waits for its value, and its line.
    key: Option<(String, u32)>,
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    /// Of the present document.
    nodes: usize,
}

impl<'t> Reader<'t> {
    /// The next document; documents without any value are passed over.
    fn document(&mut self) -> Result<Option<Node>> {
        self.nodes = 0;
        self.anchors.clear();
        let mut open: Vec<Open> = Vec::new();
        while let Some(event) = self.parser.next_event() {
            let (event, span) = event.map_err(|error| Fault::new(error.marker().line(), not_yaml(error.info())))?;
            let line = line_of(&span);
            let (anchor, node) = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    (anchor, Node { line, value: scalar(text, style, tag.as_deref()) })
                }
                Event::Alias(anchor) => (0, self.resolve(anchor, line, open.len())?),
                Event::SequenceStart(anchor, _) => {
                    start(&mut open, line, Value::List(Vec::new()), anchor)?;
                    continue;
                }
                Event::MappingStart(anchor, _) => {
                    start(&mut open, line, Value::Map(Vec::new()), anchor)?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                    Some(ended) => {
                        check_keys(&ended.node)?;
                        (ended.anchor, ended.node)
                    }
                    None => continue,
                },
                _ => continue,
            };
            self.count(1, line)?;
            if anchor > 0 {
                self.anchors.insert(anchor, node.clone());
            }
            match open.last_mut() {
                Some(parent) => add(parent, node)?,
                None if node.value == Value::Null => {}
                None => return Ok(Some(node)),
            }
        }
        Ok(None)
    }

    /// What an alias stands for.
    fn resolve(&mut self, anchor: usize, line: u32, depth: usize) -> Result<Node> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Fault::new(line, not_yaml("an alias names nothing that ends before it in its document")));
        };
        let (nodes, height) = measure(node);
        let copy = Node { line, ..node.clone() };
        check_depth(depth + height, line)?;
        self.count(nodes, line)?;
        Ok(copy)
    }

    fn count(&mut self, nodes: usize, line: u32) -> Result<()> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            let message = format!("the document has more than {NODES_MAX} values");
            return Err(Fault::new(line, Error::bad_config(message).hint("split it, or use fewer aliases")));
        }
        Ok(())
    }
}

fn start(open: &mut Vec<Open>, line: u32, value: Value, anchor: usize) -> Result<()> {
    check_depth(open.len() + 1, line)?;
    open.push(Open { node: Node { line, value }, anchor, key: None });
    Ok(())
}

fn check_depth(depth: usize, line: u32) -> Result<()> {
    if depth > DEPTH_MAX {
        let message = format!("lists and maps lie more than {DEPTH_MAX} deep in each other");
        return Err(Fault::new(line, Error::bad_config(message)));
    }
    Ok(())
}

/// How many values a value has, itself among them, and how many lists and maps lie in each other.
fn measure(node: &Node) -> (usize, usize) {
    let members: Vec<&Node> = match &node.value {
        Value::List(members) => members.iter().collect(),
        Value::Map(entries) => entries.iter().map(|entry| &entry.node).collect(),
        _ => return (1, 0),
    };
    let measures = members.into_iter().map(measure);
    measures.fold((1, 1), |(nodes, height), (more, below)| (nodes + more, height.max(below + 1)))
}

/// Adds a value to the list or map that it stands in; in a map, keys and values take turns.
fn add(parent: &mut Open, node: Node) -> Result<()> {
    match (&mut parent.node.value, parent.key.take()) {
        (Value::List(members), _) => members.push(node),
        (Value::Map(_), None) => parent.key = Some((key_of(&node)?, node.line)),
        (Value::Map(entries), Some((key, line))) => entries.push(Entry { key, line, node }),
        _ => {}
    }
    Ok(())
}

fn key_of(node: &Node) -> Result<String> {
    match node.scalar() {
        Some(text) => Ok(text.into_owned()),
        None => Err(Fault::new(node.line, not_yaml(&format!("a key is {}, not a text", node.kind())))),
    }
}

/// Refuses a key that stands twice: readers of YAML do not agree which one counts.
fn check_keys(node: &Node) -> Result<()> {
    let mut keys: Vec<(&str, u32)> = node.entries().iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(()),
        Some(pair) => {
            let message = format!("the key `{}` stands twice in a map, first on line {}", pair[0].0, pair[0].1);
            let hint = "YAML keeps one of the two: join their values in a list, or use two selections";
            Err(Fault::new(pair[1].1, Error::bad_config(message).hint(hint)))
        }
    }
}

fn line_of(span: &Span) -> u32 {
    u32::try_from(span.start.line()).unwrap_or(u32::MAX)
}

fn not_yaml(reason: &str) -> Error {
    Error::bad_config(format!("failed to read as YAML: {reason}"))
}

/// A scalar by the core schema of YAML 1.2: `yes` and `no` are texts.
fn scalar(text: Cow<'_, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let is_text = tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str");
    if style != ScalarStyle::Plain || is_text {
        return Value::Text(text.into_owned());
    }
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Boolean(true),
        "false" | "False" | "FALSE" => Value::Boolean(false),
        plain => number(plain).map_or_else(|| Value::Text(plain.to_owned()), Value::Number),
    }
}

/// A number as JSON writes it, of any number of digits.
fn number(text: &str) -> Option<String> {
    let radix = |digits: &str, radix| u128::from_str_radix(digits, radix).ok().map(|number| number.to_string());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.as_bytes() {
        [b'0', b'x', ..] if unsigned.len() == text.len() => radix(text.strip_prefix("0x")?, 16),
        [b'0', b'o', ..] if unsigned.len() == text.len() => radix(text.strip_prefix("0o")?, 8),
        [first, ..] if unsigned.bytes().all(|byte| byte.is_ascii_digit()) && first.is_ascii_digit() => {
            let digits = unsigned.trim_start_matches('0');
            let sign = if text.starts_with('-') && !digits.is_empty() { "-" } else { "" };
            Some(format!("{sign}{}", if digits.is_empty() { "0" } else { digits }))
        }
        [b'0'..=b'9' | b'.', ..] if unsigned.bytes().any(|byte| byte.is_ascii_digit()) => {
            serde_json::Number::from_f64(text.parse().ok()?).map(|number| number.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Node {
        let (mut documents, fault) = documents(text);
        assert!(fault.is_none(), "{fault:?}");
        assert_eq!(documents.len(), 1, "{documents:?}");
        documents.remove(0)
    }

    fn fault(text: &str) -> String {
        let (_, fault) = documents(text);
        let fault = fault.expect("a fault");
        format!("{}: {}", fault.line, fault.error)
    }

    #[test]
    fn scalars_are_what_yaml_says() {
        let number = |text: &str| Value::Number(text.to_owned());
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("12", number("12")),
            ("-012", number("-12")),
            ("+5", number("5")),
            ("0x1F", number("31")),
            ("0o17", number("15")),
            ("123456789012345678901234567890", number("123456789012345678901234567890")),
            ("1.50", number("1.5")),
            ("1e3", number("1000.0")),
            ("1.2.3.4", text("1.2.3.4")),
            ("2021-01-02", text("2021-01-02")),
            ("0x", text("0x")),
            (".inf", text(".inf")),
            ("yes", text("yes")),
            ("'12'", text("12")),
            ("!!str 12", text("12")),
            ("True", Value::Boolean(true)),
            ("''", text("")),
        ];
        for (yaml, expected) in cases {
            assert_eq!(only(&format!("a: {yaml}")).get("a").map(|node| &node.value), Some(&expected), "{yaml}");
        }
        assert_eq!(only("a:\nb: ~").get("a").map(|node| &node.value), Some(&Value::Null));
    }

    #[test]
    fn everything_knows_its_line() {
        let node = only("# first\na: 1\n\nb:\n  - x\n  - c: |\n      y\n");
        let b = node.get("b").expect("b");
        assert_eq!((node.line, node.entries()[1].line, b.members()[0].line, b.members()[1].line), (2, 4, 5, 6));
    }

    #[test]
    fn aliases_are_what_they_name_within_limits() {
        let node = only("a: &x [1, 2]\nb: *x\n");
        assert_eq!(node.get("a").map(|node| &node.value), node.get("b").map(|node| &node.value));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let ten = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{ten}]\n");
        }
        assert_eq!(fault(&bomb), "6: the document has more than 200000 values");
        assert!(fault("a: &a [*a]").contains("alias"), "{}", fault("a: &a [*a]"));
    }

    #[test]
    fn what_lies_too_deep_is_refused() {
        let flow = "[".repeat(100);
        assert_eq!(fault(&flow), "1: lists and maps lie more than 64 deep in each other");
        let block: String = (0..100_000).map(|_| "- ").collect();
        assert_eq!(fault(&block), "1: lists and maps lie more than 64 deep in each other");
        let mut chain = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n".to_owned();
        for level in 1..20 {
            chain += &format!("a{level}: &a{level} [[[[[[[[[[*a{}]]]]]]]]]]\n", level - 1);
        }
        assert_eq!(fault(&chain), "7: lists and maps lie more than 64 deep in each other");
    }

    #[test]
    fn documents_before_a_fault_are_kept() {
        let (found, fault) = documents("a: 1\n---\n---\nb: 2\n---\nc: [\n");
        assert_eq!(found.len(), 2);
        assert!(fault.is_some_and(|fault| fault.line >= 6));
    }
}
