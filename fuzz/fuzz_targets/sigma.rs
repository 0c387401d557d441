#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_sigma::{Collection, Expr, Pattern, Placeholders, RuleFile, Test};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lines = text.split(['\n', '\r']).count();
    let placeholders = Placeholders::from([("p".to_owned(), vec!["a*".to_owned(), "b".to_owned()])]);
    let file = RuleFile { name: "fuzz.yml".to_owned(), text };
    let collection = Collection::read_with([file], &placeholders);
    for rejection in &collection.rejections {
        let line = rejection.line as usize;
        assert!((1..=lines + 1).contains(&line), "{rejection} stands on one of {lines} lines");
    }
    let filters = collection.filters.iter().map(|filter| &filter.condition);
    for condition in collection.rules.iter().map(|rule| &rule.condition).chain(filters) {
        assert!(!condition.to_string().is_empty(), "a condition can be shown");
        check(condition);
    }
});

/// Patterns are read as they are written.
fn check(condition: &Expr) {
    match condition {
        Expr::All(members) | Expr::Any(members) => members.iter().for_each(check),
        Expr::Not(inner) => check(inner),
        Expr::Test(predicate) => {
            if let Test::Text { pattern, .. } = &predicate.test {
                assert_eq!(&Pattern::parse(&pattern.to_string()), pattern);
            }
        }
    }
}
