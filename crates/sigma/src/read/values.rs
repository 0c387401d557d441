//! Values: what an item compares with, made into tests.

use std::net::IpAddr;

use super::context::Context;
use super::fault::{Result, fault, fault_with_hint};
use super::modifiers::{Item, Kind};
use super::transform::texts;
use super::yaml::{Node, Value};
use crate::condition::{Comparison, Expr, Placement, Predicate, RegexTest, Subject, Test, TimePart};
use crate::pattern::{Pattern, Piece};

/// The tests of an item on its values: any of them, or all.
pub(crate) fn item_tests(item: &Item, values: &Node, context: &Context) -> Result<Expr> {
    let members = values.members();
    if members.is_empty() {
        return fault(values.line, format!("`{}` has an empty list of values", item.key));
    }
    if item.is_all && members.len() == 1 {
        let message = format!("`{}` has one value only, and `all` is for several", item.key);
        return fault_with_hint(item.line, message, "leave `all` out");
    }
    let tests = members.iter().map(|value| value_tests(item, value, context)).collect::<Result<Vec<Expr>>>()?;
    let joined = if item.is_all { Expr::all(tests) } else { Expr::any(tests) };
    Ok(if item.is_negated { Expr::Not(Box::new(joined)) } else { joined })
}

/// The tests of an item on one value, of which any may pass.
fn value_tests(item: &Item, value: &Node, context: &Context) -> Result<Expr> {
    let line = value.line;
    if value.value == Value::Null && item.kind == Kind::Text {
        return null_test(item, line);
    }
    if item.subject == Subject::Anything && value.scalar().is_some_and(|text| text.is_empty()) {
        return fault(line, "an empty keyword stands in every event");
    }
    let Some(text) = value.scalar() else {
        return fault(line, format!("`{}` has {} among its values, where texts belong", item.key, value.kind()));
    };
    let test = match item.kind {
        Kind::Text => return text_tests(item, &text, line, context),
        Kind::Regex { .. } => regex_test(item, &text, line)?,
        Kind::Cidr => cidr_test(&text, line)?,
        Kind::OtherField => other_field_test(item, &text, line)?,
        Kind::Exists => return exists_test(item, &text, line),
        Kind::Number(comparison) => number_test(comparison, &text, line)?,
        Kind::Time(part) => time_test(part, &text, line)?,
    };
    Ok(item.test(test))
}

impl Item {
    fn test(&self, test: Test) -> Expr {
        Expr::Test(Predicate { subject: self.subject.clone(), test })
    }
}

fn null_test(item: &Item, line: u32) -> Result<Expr> {
    if item.key.is_empty() {
        let hint = "null means that a field is not there, and keywords have no field";
        return fault_with_hint(line, "a keyword cannot be null", hint);
    }
    let plain = item.placement.is_none() && item.steps.is_empty() && !item.is_cased;
    if item.subject == Subject::Anything || !plain {
        let hint = "null means that a field is not there: write it as the only value of the field's name alone";
        return fault_with_hint(line, format!("`{}` cannot have null among its values", item.key), hint);
    }
    Ok(item.test(Test::Null))
}

fn text_tests(item: &Item, text: &str, line: u32, context: &Context) -> Result<Expr> {
    let patterns = texts(item, text, line, context)?;
    context.spend(patterns.len(), line)?;
    Ok(Expr::any(patterns.into_iter().map(|pattern| item.test(text_test(item, pattern))).collect()))
}

fn text_test(item: &Item, pattern: Pattern) -> Test {
    let by_default = match item.subject {
        Subject::Anything => Placement::Contains,
        Subject::Field(_) => Placement::Whole,
    };
    let pattern = match item.placement.unwrap_or(by_default) {
        Placement::Whole => pattern,
        Placement::Contains => pattern.anywhere(),
        Placement::Start => pattern.at_start(),
        Placement::End => pattern.at_end(),
    };
    match pattern.pieces() {
        [Piece::Run] => Test::Exists,
        _ => Test::Text { pattern, cased: item.is_cased },
    }
}

fn regex_test(item: &Item, text: &str, line: u32) -> Result<Test> {
    let Kind::Regex { ignore_case, multi_line, dot_all } = item.kind else {
        return fault(line, format!("`{}` is no regular expression", item.key));
    };
    let mut builder = regex::RegexBuilder::new(text);
    builder.case_insensitive(ignore_case).multi_line(multi_line).dot_matches_new_line(dot_all);
    match builder.build() {
        Ok(_) => Ok(Test::Regex(RegexTest { pattern: text.to_owned(), ignore_case, multi_line, dot_all })),
        Err(error) => {
            let reason = reason_of(&error);
            let hint = "look-around and back references cannot be used";
            fault_with_hint(line, format!("failed to read the regular expression `{text}`: {reason}"), hint)
        }
    }
}

/// What is wrong with a regular expression, without the picture of it.
fn reason_of(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim().trim_start_matches("error: ").to_owned()
}

fn cidr_test(text: &str, line: u32) -> Result<Test> {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let parsed = address.parse::<IpAddr>().ok().and_then(|address| {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
        (prefix <= bits).then_some((address, prefix))
    });
    match parsed {
        Some((address, prefix)) => Ok(Test::Cidr { network: masked(address, prefix), prefix }),
        None => {
            let hint = "write it like `10.0.0.0/8` or `fe80::/10`";
            fault_with_hint(line, format!("`{text}` is no network"), hint)
        }
    }
}

/// The address with all bits behind the prefix cleared.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let keep = |bits: u32| u128::MAX.checked_shl(bits - u32::from(prefix)).unwrap_or(0);
    match address {
        IpAddr::V4(four) => IpAddr::V4((four.to_bits() & keep(32) as u32).into()),
        IpAddr::V6(six) => IpAddr::V6((six.to_bits() & keep(128)).into()),
    }
}

fn other_field_test(item: &Item, text: &str, line: u32) -> Result<Test> {
    if text.is_empty() || text.contains(['*', '?']) {
        return fault(line, format!("`{}` needs the name of another field, and has `{text}`", item.key));
    }
    let placement = item.placement.unwrap_or(Placement::Whole);
    Ok(Test::OtherField { field: text.to_owned(), placement, cased: item.is_cased })
}

fn exists_test(item: &Item, text: &str, line: u32) -> Result<Expr> {
    match text {
        "true" => Ok(item.test(Test::Exists)),
        "false" => Ok(Expr::Not(Box::new(item.test(Test::Exists)))),
        _ => fault(line, format!("`{}` is `true` or `false`, and not `{text}`", item.key)),
    }
}

fn number_test(comparison: Comparison, text: &str, line: u32) -> Result<Test> {
    match text.trim().parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Test::Number { comparison, number }),
        _ => fault(line, format!("`{text}` is no number to compare with")),
    }
}

fn time_test(part: TimePart, text: &str, line: u32) -> Result<Test> {
    let range = match part {
        TimePart::Minute => 0..=59,
        TimePart::Hour => 0..=23,
        TimePart::Day => 1..=31,
        TimePart::Week => 1..=53,
        TimePart::Month => 1..=12,
        TimePart::Year => 0..=9_999,
    };
    match text.trim().parse::<i64>() {
        Ok(number) if range.contains(&number) => Ok(Test::Time { part, number }),
        _ => {
            let (name, from, to) = (part.name(), range.start(), range.end());
            fault(line, format!("`{text}` is no {name}, which is a number from {from} to {to}"))
        }
    }
}
