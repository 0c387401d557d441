//! Packs: what is loaded is what was compiled, and nothing else is taken for a pack.

use std::path::PathBuf;

use millpond_core::logsource::LogSource;
use millpond_sigma::{
    Collection, Comparison, Expr, Pack, Pattern, Placeholders, Predicate, RuleFile, RuleSet, Subject, Test, source_hash,
};
use proptest::prelude::*;

use super::{public_rules, read, rule};

const HINT: &str = "write it again from its rules";

fn golden(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden")).join(name)
}

fn golden_text(name: &str) -> String {
    std::fs::read_to_string(golden(name)).expect("golden")
}

fn golden_bytes() -> Vec<u8> {
    std::fs::read(golden("pack-v1.bin")).expect("golden")
}

fn loaded(bytes: &[u8]) -> RuleSet {
    Pack::open(bytes).expect("a pack").load(|_| true).expect("rules")
}

/// Everything that is in a set, to be compared as text.
fn shown(set: &RuleSet) -> String {
    let rules = set.rules().iter().map(|rule| format!("{rule:#?}\n"));
    rules.chain(set.correlations().iter().map(|one| format!("{one:#?}\n"))).collect()
}

#[test]
fn version_1_is_read_as_ever() {
    let bytes = golden_bytes();
    let pack = Pack::open(&bytes).expect("a pack");
    assert_eq!((pack.source_hash(), pack.rejected()), ([7; 32], 1));
    let sources: Vec<String> = pack.logsources().map(|(source, rules)| format!("{source} {rules}")).collect();
    assert_eq!(
        sources,
        ["*/* 1", "aws/*/cloudtrail 1", "windows/* 1", "windows/process_creation/sysmon 1", "*/webserver 1"]
    );
    assert_eq!(shown(&loaded(&bytes)), golden_text("pack-v1.txt"));
}

/// Whoever adds a kind of test adds it to the next golden file, too.
#[test]
fn the_golden_file_has_every_kind_of_test() {
    let kind = |test: &Test| match test {
        Test::Text { .. } => 0,
        Test::Regex(_) => 1,
        Test::Cidr { .. } => 2,
        Test::Null => 3,
        Test::Exists => 4,
        Test::OtherField { .. } => 5,
        Test::Number { .. } => 6,
        Test::Time { .. } => 7,
    };
    let mut found = std::collections::BTreeSet::new();
    for rule in loaded(&golden_bytes()).rules() {
        for_each_test(&rule.condition, &mut |test| {
            found.insert(kind(test));
        });
    }
    assert_eq!(found.into_iter().collect::<Vec<i32>>(), (0..8).collect::<Vec<i32>>());
}

fn for_each_test(expr: &Expr, take: &mut dyn FnMut(&Test)) {
    match expr {
        Expr::All(members) | Expr::Any(members) => members.iter().for_each(|member| for_each_test(member, take)),
        Expr::Not(inner) => for_each_test(inner, take),
        Expr::Test(predicate) => take(&predicate.test),
    }
}

#[test]
fn the_public_rules_are_the_same_from_a_pack() {
    let Some(files) = public_rules::files() else { return };
    let collection = Collection::read(files);
    let bytes = Pack::write(&collection, [0; 32]).expect("a pack");
    let pack = Pack::open(&bytes).expect("a pack");
    assert_eq!(pack.rejected() as usize, collection.rejections.len());
    let all = RuleSet::from(collection);
    assert!(pack.load(|_| true).expect("rules").rules() == all.rules(), "all of them, in their order");
    let event = LogSource { category: None, product: Some("aws".into()), service: Some("cloudtrail".into()) };
    let events = [event];
    let some = pack.load(|rules| rules.takes(&events[0])).expect("rules");
    assert!(some.rules().iter().eq(all.fitting(&events).map(|(_, rule)| rule)), "those that fit");
    assert!(!some.rules().is_empty() && some.rules().len() < all.rules().len() / 10);
}

#[test]
fn only_what_fits_is_loaded_and_every_correlation() {
    let bytes = golden_bytes();
    let event = LogSource { category: None, product: Some("aws".into()), service: Some("cloudtrail".into()) };
    let set = Pack::open(&bytes).expect("a pack").load(|rules| rules.takes(&event)).expect("rules");
    let titles: Vec<&str> = set.rules().iter().map(|rule| rule.about.title.as_str()).collect();
    assert_eq!(titles, ["For any event", "Old"]);
    assert_eq!(set.correlations(), loaded(&bytes).correlations());
}

#[test]
fn no_byte_can_change() {
    let mut bytes = golden_bytes();
    for at in 0..bytes.len() {
        bytes[at] ^= 0x10;
        let error = Pack::open(&bytes).err().unwrap_or_else(|| panic!("byte {at}"));
        assert_eq!(error.hint_text(), Some(HINT), "{error}");
        bytes[at] ^= 0x10;
    }
}

#[test]
fn no_byte_can_be_missing() {
    let bytes = golden_bytes();
    for length in 0..bytes.len() {
        let error = Pack::open(&bytes[..length]).err().unwrap_or_else(|| panic!("{length} bytes"));
        assert_eq!(error.hint_text(), Some(HINT), "{error}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let bytes = golden_bytes();
    let changed = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        bytes
    };
    let cases = [
        (b"title: a rule, not a pack\n".to_vec(), "these bytes are no pack of compiled rules"),
        (Vec::new(), "these bytes are no pack of compiled rules"),
        (changed(8, 2), "the pack of compiled rules has version 2, and this program reads version 1"),
        (changed(bytes.len() / 2, 0), "the pack of compiled rules is damaged or cut off"),
        (bytes[..bytes.len() - 1].to_vec(), "the pack of compiled rules is damaged or cut off"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Pack::open(bytes).err().map(|error| error.to_string()).as_deref(), Some(expected));
    }
}

#[test]
fn the_hash_is_that_of_what_is_read() {
    let file = |name: &str, text: &str| RuleFile { name: name.to_owned(), text: text.to_owned() };
    let (a, b) = (file("a.yml", "title: a"), file("b.yml", "title: b"));
    let none = Placeholders::new();
    let known = source_hash(&[a.clone(), b.clone()], &none);
    assert_eq!(source_hash(&[b.clone(), a.clone()], &none), known, "the order is that of a folder");
    let placeholders = Placeholders::from([("p".to_owned(), vec!["v".to_owned()])]);
    let others = [
        source_hash(std::slice::from_ref(&a), &none),
        source_hash(&[a.clone(), file("b.yml", "title: c")], &none),
        source_hash(&[a.clone(), file("c.yml", "title: b")], &none),
        source_hash(&[a.clone(), file("b.yml", "title: "), file("b", "")], &none),
        source_hash(&[a, b], &placeholders),
    ];
    assert!(!others.contains(&known));
}

#[test]
fn more_than_a_pack_holds_is_refused() {
    let mut collection = read(&[&rule("s: {f: 1}\ncondition: s")]);
    let many = (0..50_000).map(|_| collection.rules[0].condition.clone()).collect();
    collection.rules[0].condition = Expr::All(many);
    collection.rules = vec![collection.rules[0].clone(); 81];
    let error = Pack::write(&collection, [0; 32]).expect_err("too many tests");
    assert_eq!(error.to_string(), "a pack cannot hold rule `t` besides those before it");
    collection.rules.truncate(1);
    let deeper = |expr: Expr| Expr::Not(Box::new(expr));
    let inner = read(&[&rule("s: {f: 1}\ncondition: s")]).rules.remove(0).condition;
    collection.rules[0].condition = (0..255).fold(inner.clone(), |expr, _| deeper(expr));
    assert_eq!(loaded(&Pack::write(&collection, [0; 32]).expect("as deep as may be")).rules(), collection.rules);
    collection.rules[0].condition = deeper(collection.rules[0].condition.clone());
    assert!(Pack::write(&collection, [0; 32]).is_err(), "deeper");
    collection.rules[0].condition = inner;
    collection.rules[0].about.description = Some("x".repeat(48 << 20));
    assert!(Pack::write(&collection, [0; 32]).is_err(), "longer");
}

fn exprs() -> impl Strategy<Value = Expr> {
    let pattern = r"[\\*?aé]{0,6}".prop_map(|text| Pattern::parse(&text));
    let test = prop_oneof![
        (pattern, any::<bool>()).prop_map(|(pattern, cased)| Test::Text { pattern, cased }),
        (any::<std::net::IpAddr>(), any::<u8>()).prop_map(|(network, prefix)| Test::Cidr { network, prefix }),
        (-1e9..1e9).prop_map(|number| Test::Number { comparison: Comparison::NotEqual, number }),
        Just(Test::Null),
    ];
    let subject = prop_oneof![Just(Subject::Anything), "[a-z.]{0,5}".prop_map(Subject::Field)];
    let leaf = (subject, test).prop_map(|(subject, test)| Expr::Test(Predicate { subject, test }));
    leaf.prop_recursive(4, 24, 4, |inner| {
        let members = prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            members.clone().prop_map(Expr::All),
            members.prop_map(Expr::Any),
            inner.prop_map(|expr| Expr::Not(Box::new(expr)))
        ]
    })
}

fn logsources() -> impl Strategy<Value = LogSource> {
    let part = || prop::option::of("[ab]");
    (part(), part(), part()).prop_map(|(category, product, service)| LogSource { category, product, service })
}

proptest! {
    #[test]
    fn what_is_loaded_is_what_was_compiled(
        rules in prop::collection::vec((logsources(), exprs(), "\\PC{0,8}"), 0..8),
        event in logsources(),
    ) {
        let mut collection = Collection::default();
        let example = read(&[&rule("s: {f: 1}\ncondition: s")]).rules.remove(0);
        for (logsource, condition, title) in rules {
            let mut about = example.about.clone();
            about.title = title;
            collection.rules.push(millpond_sigma::Rule { about, logsource, condition });
        }
        let bytes = Pack::write(&collection, [1; 32]).expect("a pack");
        let pack = Pack::open(&bytes).expect("a pack");
        let all = loaded(&bytes);
        prop_assert_eq!(all.rules(), collection.rules.as_slice());
        let some = pack.load(|rules| rules.takes(&event)).expect("rules");
        let fitting = collection.rules.iter().filter(|rule| rule.logsource.takes(&event));
        prop_assert!(some.rules().iter().eq(fitting));
    }
}
