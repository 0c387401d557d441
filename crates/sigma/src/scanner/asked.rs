//! What a rule asks for: how a hit tells why it is one.

use std::collections::BTreeMap;

use crate::condition::{Expr, Predicate, Subject, Test};
use crate::matcher::ValueTest;
use crate::rule_set::RuleSet;

/// Gives each text of a field to the function until that says no.
pub(super) type EachText<'e> = &'e mut dyn FnMut(&str, &mut dyn FnMut(&str) -> bool);

/// The fields that a rule asks for, with what their values have to pass, and those that its matches keep.
pub(super) struct Asked {
    /// `None`: any value will do.
    tests: Vec<(String, Option<ValueTest>)>,
    kept: Vec<String>,
}

impl Asked {
    /// What a rule of a set asks for.
    pub(super) fn by(rules: &RuleSet, rule: u32) -> Self {
        let mut tests = Vec::new();
        add(&rules.rules()[rule as usize].condition, &mut tests);
        Self { tests, kept: rules.kept(rule as usize).map(str::to_owned).collect() }
    }

    /// Each field with the first value that passes, in order of their names.
    pub(super) fn in_row(&self, each: EachText<'_>) -> Vec<(String, String)> {
        let mut found: BTreeMap<&str, String> = BTreeMap::new();
        let any = self.kept.iter().map(|field| (field, None));
        for (field, test) in self.tests.iter().map(|(field, test)| (field, test.as_ref())).chain(any) {
            if found.contains_key(field.as_str()) {
                continue;
            }
            each(field, &mut |text| {
                let passes = test.is_none_or(|test| test.passes(text));
                if passes {
                    found.insert(field, text.to_owned());
                }
                !passes
            });
        }
        found.into_iter().map(|(field, value)| (field.to_owned(), value)).collect()
    }
}

/// Adds the tests that are not negated and that a value can pass.
fn add(expr: &Expr, tests: &mut Vec<(String, Option<ValueTest>)>) {
    match expr {
        Expr::All(exprs) | Expr::Any(exprs) => exprs.iter().for_each(|expr| add(expr, tests)),
        Expr::Test(Predicate { subject: Subject::Field(field), test }) => match test {
            Test::Exists | Test::OtherField { .. } => tests.push((field.clone(), None)),
            test => tests.extend(ValueTest::new(test).map(|test| (field.clone(), Some(test)))),
        },
        Expr::Not(_) | Expr::Test(_) => {}
    }
}
