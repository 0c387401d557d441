//! One rule as SQL says what the rule says: the matcher, the row-by-row reference and DataFusion find the same rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::prelude::{SessionConfig, SessionContext};
use millpond::rules::to_sql;
use millpond_core::logsource::LogSource;
use millpond_sigma::{
    About, Comparison, Expr, Hit, Matcher, Pattern, Piece, Placement, Predicate, RegexTest, Rule, Subject, Test,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value};

use crate::rule_reference as reference;

const FIELDS: [&str; 3] = ["a", "B", "c.d"];
const TEXTS: [&str; 12] = ["", "a", "A", "ab", "aB", "b'A", "a_b%", "É", "7", "-1.5", "10.1.2.3", "10.300.2.3"];

type Event = [Option<String>; 3];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![prop::sample::select(&TEXTS[..]).prop_map(str::to_owned), "[abAB \\\\é\n*?%_']{0,5}"]
}

fn event() -> impl Strategy<Value = Event> {
    [prop::option::of(text()), prop::option::of(text()), prop::option::of(text())]
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let piece = prop_oneof![4 => text().prop_map(Piece::Text), 2 => Just(Piece::Run), 1 => Just(Piece::One)];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.into_iter().collect())
}

fn field() -> impl Strategy<Value = String> {
    prop::sample::select(&FIELDS[..]).prop_map(str::to_owned)
}

fn test() -> impl Strategy<Value = Test> {
    let comparison = prop::sample::select(&[Comparison::Equal, Comparison::Less, Comparison::GreaterOrEqual][..]);
    let placement =
        prop::sample::select(&[Placement::Whole, Placement::Contains, Placement::Start, Placement::End][..]);
    let regex = (prop::sample::select(&["a+b", "^a", "b$", "a.b"][..]), any::<[bool; 3]>());
    let network = prop::sample::select(&[("10.0.0.0", 8), ("10.1.2.3", 32), ("0.0.0.0", 0)][..]);
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

fn condition() -> impl Strategy<Value = Expr> {
    let of_field =
        (field(), test()).prop_map(|(field, test)| Expr::Test(Predicate { subject: Subject::Field(field), test }));
    of_field.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Expr::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Expr::Any),
            inner.prop_map(|expr| Expr::Not(Box::new(expr))),
        ]
    })
}

fn batch(events: &[Event]) -> RecordBatch {
    let mut fields = vec![Field::new("_row", DataType::Int64, false)];
    fields.extend(FIELDS.map(|name| Field::new(name, DataType::Utf8, true)));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let column = |index: usize| -> Arc<dyn Array> {
        Arc::new(events.iter().map(|event| event[index].clone()).collect::<StringArray>())
    };
    let rows = Arc::new((0..events.len() as i64).collect::<Int64Array>());
    RecordBatch::try_new(schema, vec![rows, column(0), column(1), column(2)]).expect("a batch")
}

fn by_matcher(rule: &Rule, batch: &RecordBatch) -> Vec<i64> {
    let mut hits = Vec::new();
    let mut matcher = Matcher::new([(0, rule)], batch.schema_ref(), &BTreeMap::new());
    matcher.find(batch, 0..batch.num_rows() as u32, &mut hits);
    hits.iter().map(|Hit { row, .. }| i64::from(*row)).collect()
}

fn by_reference(rule: &Rule, events: &[Event]) -> Vec<i64> {
    let object = |event: &Event| -> Map<String, Value> {
        let fields = FIELDS.iter().zip(event).filter_map(|(name, text)| Some((*name, text.clone()?)));
        fields.map(|(name, text)| (name.to_owned(), text.into())).collect()
    };
    let holds = |(_, event): &(i64, &Event)| reference::holds(&rule.condition, &object(event));
    (0i64..).zip(events).filter(holds).map(|(row, _)| row).collect()
}

async fn by_sql(rule: &Rule, batch: &RecordBatch) -> Vec<i64> {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let context = SessionContext::new_with_config(config);
    context.register_batch("events", batch.clone()).expect("table");
    let sql = to_sql(rule, "events").expect("SQL");
    let frame = context.sql(&format!("{sql} order by _row")).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let found = frame.collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    found.iter().flat_map(|batch| batch["_row"].as_primitive::<Int64Type>().values().to_vec()).collect()
}

#[test]
fn matcher_reference_and_sql_find_the_same_rows() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
    let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
    let cases = (condition(), prop::collection::vec(event(), 1..12));
    let outcome = runner.run(&cases, |(condition, events)| {
        let rule = Rule { about: About::default(), logsource: LogSource::default(), condition };
        let batch = batch(&events);
        let expected = by_reference(&rule, &events);
        prop_assert_eq!(&by_matcher(&rule, &batch), &expected);
        prop_assert_eq!(
            &runtime.block_on(by_sql(&rule, &batch)),
            &expected,
            "{}",
            to_sql(&rule, "events").expect("SQL")
        );
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}
