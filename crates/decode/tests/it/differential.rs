//! JSON against a slow plain reader: records are generated as trees and written down in every shape, and what the
//! decoder gives must be what the tree says. A second property takes broken lines: what `serde_json` reads as an object
//! must be a row with the same values.

use millpond_core::format::Format;
use proptest::prelude::*;
use serde_json::Value;

use super::{columns, request, try_decode};

const NAMES: [&str; 6] = ["a", "A", "b", "x\"y", "\u{e9}", "long name with spaces and more than sixteen bytes"];

/// A JSON value; numbers as they are written.
#[derive(Debug, Clone)]
enum Tree {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(&'static str, Tree)>),
}

/// How a tree is written: these bits decide at each place where there is a choice.
struct Style {
    bits: u64,
    used: u32,
    over_lines: bool,
}

impl Style {
    fn new(bits: u64, over_lines: bool) -> Self {
        Self { bits, used: 0, over_lines }
    }

    fn choose(&mut self) -> bool {
        self.used = (self.used + 1) % 64;
        self.bits >> self.used & 1 == 1
    }

    fn blank(&mut self, out: &mut String) {
        if self.choose() {
            out.push_str(if self.over_lines && self.choose() { "\r\n  " } else { " " });
        }
    }
}

fn write_text(text: &str, style: &mut Style, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\0'..' ' => out.push_str(&format!("\\u{:04x}", character as u32)),
            _ if style.choose() && style.choose() => {
                let mut units = [0; 2];
                character.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04X}")));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn write(tree: &Tree, style: &mut Style, out: &mut String) {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Tree::Number(text) => out.push_str(text),
        Tree::Text(text) => write_text(text, style, out),
        Tree::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                style.blank(out);
                write(item, style, out);
            }
            style.blank(out);
            out.push(']');
        }
        Tree::Object(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                out.push_str(if index > 0 { "," } else { "" });
                style.blank(out);
                write_text(name, style, out);
                style.blank(out);
                out.push(':');
                style.blank(out);
                write(value, style, out);
            }
            style.blank(out);
            out.push('}');
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        Just("18446744073709551616".to_owned()),
        Just("-0.5e-3".to_owned()),
    ];
    let text = prop_oneof!["[ -~]{0,40}", "\\PC{0,6}", Just("a\\\"\n\u{0}\u{1f600}]}{[,:".to_owned())];
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::Boolean),
        number.prop_map(Tree::Number),
        text.prop_map(Tree::Text),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Tree::List),
            proptest::collection::vec((proptest::sample::select(&NAMES[..]), inner), 0..4).prop_map(Tree::Object),
        ]
    })
}

type Members = Vec<(&'static str, Tree)>;

fn record() -> impl Strategy<Value = Members> {
    proptest::collection::vec((proptest::sample::select(&NAMES[..]), tree()), 1..7)
}

/// What a text column holds of a value: for objects and lists any JSON text that means the same.
fn assert_means(found: &Value, tree: Option<&Tree>) {
    match (found, tree) {
        (Value::Null, None | Some(Tree::Null)) => {}
        (Value::String(found), Some(Tree::Boolean(value))) => assert_eq!(found, &value.to_string()),
        (Value::String(found), Some(Tree::Number(text) | Tree::Text(text))) => assert_eq!(found, text),
        (Value::String(found), Some(tree @ (Tree::List(_) | Tree::Object(_)))) => {
            let mut plain = String::new();
            write(tree, &mut Style::new(0, false), &mut plain);
            let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            assert_eq!(parsed(found), parsed(&plain));
            assert!(!found.contains('\n'), "text over lines is brought to one: {found}");
        }
        (found, tree) => panic!("{found} for {tree:?}"),
    }
}

fn assert_rows(rows: &[String], records: &[Members]) {
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(records) {
        let row: Value = serde_json::from_str(row).expect("JSON");
        for name in NAMES {
            let last = record.iter().rev().find(|(key, _)| *key == name).map(|(_, value)| value);
            assert_means(&row[name], last);
        }
    }
}

/// Ways to put records into a file.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Lines,
    Carriage,
    Array,
    Documents,
    Records,
    TwoPaths,
}

fn write_file(records: &[Members], shape: Shape, bits: u64) -> String {
    let over_lines = !matches!(shape, Shape::Lines | Shape::Carriage);
    let mut style = Style::new(bits, over_lines);
    let texts: Vec<String> = records
        .iter()
        .map(|record| {
            let mut text = String::new();
            write(&Tree::Object(record.clone()), &mut style, &mut text);
            text
        })
        .collect();
    let half = texts.len() / 2;
    match shape {
        Shape::Lines => texts.iter().map(|text| format!("{text}\r\n")).collect(),
        Shape::Carriage => texts.join("\r"),
        Shape::Array => format!("\u{feff}[{}]", texts.join(" ,\n")),
        // Each goes on in a next line: a file whose first line is a whole record is one of lines.
        Shape::Documents => texts.iter().map(|text| text.replacen('{', "{\n", 1) + "\n").collect(),
        Shape::Records => {
            let document =
                |texts: &[String]| format!("{{\"v\":{{\"Records\":[1]}},\"Records\":[{}]}}", texts.join(","));
            format!("{}\n{}", document(&texts[..half]), document(&texts[half..]))
        }
        Shape::TwoPaths => {
            let (first, second) = (texts[..half].join(","), texts[half..].join(",\n"));
            format!("{{\"Records\": [{first}], \"detail\": {{\"n\": 1, \"items\": [{second}]}}}}")
        }
    }
}

fn format(shape: Shape) -> Format {
    let path = |path: &str| path.split('.').map(str::to_owned).collect();
    let records = match shape {
        Shape::Records => vec![path("Records")],
        Shape::TwoPaths => vec![path("Records"), path("detail.items")],
        _ => Vec::new(),
    };
    Format::Json { records }
}

fn text_columns() -> Vec<millpond_core::columns::Column> {
    let mut columns = columns(&"x: text;".repeat(NAMES.len()));
    columns.iter_mut().zip(NAMES).for_each(|(column, name)| name.clone_into(&mut column.name));
    columns
}

/// Hands out its bytes in pieces of one length.
struct Pieces(std::io::Cursor<Vec<u8>>, usize);

impl std::io::Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(out.len());
        self.0.read(&mut out[..length])
    }
}

fn behind_first(byte: u8, bytes: &[u8]) -> usize {
    bytes.iter().position(|other| *other == byte).map_or(0, |position| position + 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rows_are_what_was_written(
        records in proptest::collection::vec(record(), 1..6),
        shape in proptest::sample::select(vec![
            Shape::Lines, Shape::Carriage, Shape::Array, Shape::Documents, Shape::Records, Shape::TwoPaths,
        ]),
        bits in any::<u64>(),
        piece in prop_oneof![Just(1usize << 20), 1usize..80],
    ) {
        let file = write_file(&records, shape, bits);
        let input = Pieces(std::io::Cursor::new(file.into_bytes()), piece);
        let decoded = try_decode(request(format(shape), text_columns()), Box::new(input)).expect("the input decodes");
        prop_assert_eq!(decoded.rejected(), Vec::<String>::new());
        assert_rows(&decoded.rows, &records);
    }

    #[test]
    fn lines_that_are_objects_are_rows_beside_broken_ones(
        records in proptest::collection::vec(record(), 2..6),
        bits in any::<u64>(),
        flips in proptest::collection::vec((any::<usize>(), proptest::sample::select(&b"\"\\{}[],:x0\x01"[..])), 0..4),
    ) {
        let mut file = write_file(&records, Shape::Lines, bits).into_bytes();
        for (position, byte) in flips {
            // The first line stays whole: it decides that the file is one of lines.
            let second = behind_first(b'\n', &file);
            let position = second + position % (file.len() - second);
            if !matches!(file[position], b'\r' | b'\n') && file[position].is_ascii() {
                file[position] = byte;
            }
        }
        let text = String::from_utf8(file).expect("only ASCII was changed");
        let is_object = |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object());
        let sound: Vec<&str> = text.lines().filter(|line| is_object(line)).collect();
        let alone = sound.join("\n");
        let decode = |text: &str| {
            let input = std::io::Cursor::new(text.as_bytes().to_vec());
            try_decode(request(format(Shape::Lines), text_columns()), Box::new(input)).expect("the input decodes")
        };
        // All of them are rows, with the same values as without the broken lines beside them, and in their order.
        let (all, alone) = (decode(&text), decode(&alone));
        prop_assert_eq!((alone.rows.len(), alone.rejects.len()), (sound.len(), 0));
        let mut rest = all.rows.iter();
        for row in &alone.rows {
            prop_assert!(rest.any(|other| other == row), "{} is missing", row);
        }
    }
}
