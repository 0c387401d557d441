//! Random rules over random events: the matcher says what the reference says, however the events are cut into batches.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use millpond_core::logsource::LogSource;
use millpond_sigma::{
    About, Comparison, Expr, Hit, Matcher, Pattern, Piece, Placement, Predicate, RegexTest, Rule, Subject, Test,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::reference;

/// Texts that meet often, with case, more than one byte a character, and what looks like a number or an address.
const TEXTS: [&str; 14] =
    ["", "a", "A", "ab", "aB", "bA", "abab", "É", "aÉ", "ß", "7", "-1.5", "10.1.2.3", "2001:db8::1"];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(&TEXTS[..]).prop_map(str::to_owned), "[abAB \\\\é\n*?]{0,6}",]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => text().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => (-3i64..20).prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ]
}

/// `a`, `b` and `c.d` are flat, `list` is a list, `json` an object that a text column holds, `group` a struct.
fn event() -> impl Strategy<Value = Map<String, Value>> {
    let flat = prop::collection::vec(prop::option::of(scalar()), 3);
    let list = prop::option::of(prop::collection::vec(text(), 0..3));
    let below = prop::option::of((scalar(), prop::collection::vec(text(), 0..2)));
    let group = prop::option::of(prop::option::of(text()));
    (flat, list, below, group).prop_map(|(flat, list, below, group)| {
        let mut event = Map::new();
        for (name, value) in ["a", "b", "c.d"].into_iter().zip(flat) {
            value.into_iter().for_each(|value| drop(event.insert(name.to_owned(), value)));
        }
        list.into_iter().for_each(|list| drop(event.insert("list".into(), list.into())));
        below.into_iter().for_each(|(x, y)| drop(event.insert("json".into(), json!({"x": x, "y": [{"z": y}]}))));
        group.into_iter().for_each(|inner| drop(event.insert("group".into(), json!({"inner": inner}))));
        event
    })
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let piece = prop_oneof![
        4 => text().prop_map(Piece::Text),
        2 => Just(Piece::Run),
        1 => Just(Piece::One),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.into_iter().collect())
}

fn field() -> impl Strategy<Value = String> {
    prop::sample::select(&["a", "b", "c.d", "list", "json.x", "json.y.z", "group.inner", "absent"][..])
        .prop_map(str::to_owned)
}

fn test() -> impl Strategy<Value = Test> {
    let comparison = prop::sample::select(
        &[Comparison::Equal, Comparison::NotEqual, Comparison::Less, Comparison::GreaterOrEqual][..],
    );
    let placement =
        prop::sample::select(&[Placement::Whole, Placement::Contains, Placement::Start, Placement::End][..]);
    let regex = (prop::sample::select(&["a+b", "^a", "b$", "a.b"][..]), any::<[bool; 3]>());
    let network = prop::sample::select(&[("10.0.0.0", 8), ("10.1.2.3", 32), ("0.0.0.0", 0), ("2001:db8::", 32)][..]);
    prop_oneof![
        8 => (pattern(), prop::bool::weighted(0.2)).prop_map(|(pattern, cased)| Test::Text { pattern, cased }),
        1 => Just(Test::Null),
        1 => Just(Test::Exists),
        1 => (field(), placement, any::<bool>())
            .prop_map(|(field, placement, cased)| Test::OtherField { field, placement, cased }),
        1 => (comparison, -2i8..9).prop_map(|(comparison, number)| Test::Number { comparison, number: number.into() }),
        1 => regex.prop_map(|(pattern, [ignore_case, multi_line, dot_all])| {
            Test::Regex(RegexTest { pattern: pattern.to_owned(), ignore_case, multi_line, dot_all })
        }),
        1 => network.prop_map(|(network, prefix)| Test::Cidr { network: network.parse().expect("address"), prefix }),
    ]
}

fn predicate() -> impl Strategy<Value = Expr> {
    let keyword = pattern().prop_map(|pattern| {
        let test = Test::Text { pattern: pattern.anywhere(), cased: false };
        Expr::Test(Predicate { subject: Subject::Anything, test })
    });
    let of_field =
        (field(), test()).prop_map(|(field, test)| Expr::Test(Predicate { subject: Subject::Field(field), test }));
    prop_oneof![8 => of_field, 1 => keyword]
}

fn condition() -> impl Strategy<Value = Expr> {
    predicate().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Expr::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Expr::Any),
            inner.prop_map(|expr| Expr::Not(Box::new(expr))),
        ]
    })
}

fn rule(condition: Expr) -> Rule {
    Rule { about: About::default(), logsource: LogSource::default(), condition }
}

fn schema() -> SchemaRef {
    let inner = DataType::Struct(Fields::from(vec![Field::new("inner", DataType::Utf8, true)]));
    Arc::new(Schema::new(vec![
        Field::new("a", DataType::Utf8, true),
        Field::new("b", DataType::Utf8View, true),
        Field::new("c.d", DataType::Utf8, true),
        Field::new("list", DataType::new_list(DataType::Utf8, true), true),
        Field::new("json", DataType::Utf8, true),
        Field::new("group", inner, true),
        Field::new("_file", DataType::Utf8, true),
    ]))
}

fn batch(events: &[Map<String, Value>]) -> RecordBatch {
    let scalar = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let flat =
        |name: &str| -> Vec<Option<String>> { events.iter().map(|event| event.get(name).and_then(scalar)).collect() };
    let mut list = ListBuilder::new(StringBuilder::new());
    for event in events {
        match event.get("list").and_then(Value::as_array) {
            Some(items) => list.append_value(items.iter().map(Value::as_str)),
            None => list.append_null(),
        }
    }
    let inner: Vec<Option<&str>> =
        events.iter().map(|event| event.get("group").and_then(|group| group["inner"].as_str())).collect();
    let group = arrow::array::StructArray::from(vec![(
        Arc::new(Field::new("inner", DataType::Utf8, true)),
        Arc::new(StringArray::from(inner)) as ArrayRef,
    )]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(flat("a"))),
        Arc::new(arrow::array::StringViewArray::from_iter(flat("b"))),
        Arc::new(StringArray::from(flat("c.d"))),
        Arc::new(list.finish()),
        Arc::new(StringArray::from(flat("json"))),
        Arc::new(group),
        Arc::new(StringArray::from(vec!["ab"; events.len()])),
    ];
    RecordBatch::try_new(schema(), columns).expect("a batch")
}

fn found(rules: &[Rule], events: &[Map<String, Value>], batch_rows: usize) -> Vec<Hit> {
    let mut matcher = Matcher::new((0u32..).zip(rules), &schema(), &BTreeMap::new());
    let mut hits = Vec::new();
    for (index, chunk) in events.chunks(batch_rows).enumerate() {
        let mut of_batch = Vec::new();
        matcher.find(&batch(chunk), 0..chunk.len() as u32, &mut of_batch);
        let first = (index * batch_rows) as u32;
        hits.extend(of_batch.into_iter().map(|hit| Hit { row: hit.row + first, ..hit }));
    }
    hits.sort();
    hits
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_matcher_says_what_the_reference_says(
        conditions in prop::collection::vec(condition(), 1..12),
        events in prop::collection::vec(event(), 1..20),
        batch_rows in 1usize..8,
    ) {
        let rules: Vec<Rule> = conditions.into_iter().map(rule).collect();
        let mut expected = Vec::new();
        for (row, event) in (0u32..).zip(&events) {
            let holds = (0u32..).zip(&rules).filter(|(_, rule)| reference::holds(&rule.condition, event));
            expected.extend(holds.map(|(rule, _)| Hit { row, rule }));
        }
        prop_assert_eq!(&found(&rules, &events, batch_rows), &expected);
        prop_assert_eq!(&found(&rules, &events, events.len()), &expected);
    }

    #[test]
    fn a_rule_more_changes_nothing_for_the_others(
        conditions in prop::collection::vec(condition(), 2..6),
        events in prop::collection::vec(event(), 1..10),
    ) {
        let rules: Vec<Rule> = conditions.into_iter().map(rule).collect();
        let all = found(&rules, &events, 4);
        let fewer = found(&rules[..rules.len() - 1], &events, 4);
        let last = rules.len() as u32 - 1;
        prop_assert_eq!(all.into_iter().filter(|hit| hit.rule != last).collect::<Vec<_>>(), fewer);
    }
}
