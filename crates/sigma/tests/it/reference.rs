//! What rules mean, written down as plainly as possible: event by event, value by value, with no regard to speed. The
//! matcher has to say the same.

use std::net::IpAddr;

use millpond_sigma::{Expr, Pattern, Piece, Placement, Predicate, Subject, Test};
use serde_json::{Map, Value};

/// Whether an expression holds for an event.
pub(crate) fn holds(expr: &Expr, event: &Map<String, Value>) -> bool {
    match expr {
        Expr::All(exprs) => exprs.iter().all(|expr| holds(expr, event)),
        Expr::Any(exprs) => exprs.iter().any(|expr| holds(expr, event)),
        Expr::Not(expr) => !holds(expr, event),
        Expr::Test(predicate) => passes(predicate, event),
    }
}

fn passes(predicate: &Predicate, event: &Map<String, Value>) -> bool {
    let values = match &predicate.subject {
        Subject::Field(field) => field_values(event, field),
        Subject::Anything => event.values().flat_map(leaves).collect(),
    };
    match &predicate.test {
        Test::Null => values.is_empty(),
        Test::Exists => !values.is_empty(),
        Test::OtherField { field, placement, cased } => {
            let others = field_values(event, field);
            values.iter().any(|value| others.iter().any(|other| stands(value, other, *placement, *cased)))
        }
        test => values.iter().any(|value| value_passes(test, value)),
    }
}

fn stands(value: &str, other: &str, placement: Placement, cased: bool) -> bool {
    let (value, other) = match cased {
        true => (value.to_owned(), other.to_owned()),
        false => (lower(value), lower(other)),
    };
    match placement {
        Placement::Whole => value == other,
        Placement::Contains => value.contains(&other),
        Placement::Start => value.starts_with(&other),
        Placement::End => value.ends_with(&other),
    }
}

fn value_passes(test: &Test, value: &str) -> bool {
    match test {
        Test::Text { pattern, cased: true } => matches(pattern.pieces(), value),
        Test::Text { pattern, cased: false } => matches(lowered(pattern).pieces(), &lower(value)),
        Test::Regex(test) => {
            let flags = [(test.ignore_case, 'i'), (test.multi_line, 'm'), (test.dot_all, 's')];
            let flags: String = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
            let pattern = if flags.is_empty() { test.pattern.clone() } else { format!("(?{flags}){}", test.pattern) };
            regex::Regex::new(&pattern).expect("a regular expression").is_match(value)
        }
        Test::Cidr { network, prefix } => in_network(value, *network, *prefix),
        Test::Number { comparison, number } => value.parse().is_ok_and(|value| comparison.holds(value, *number)),
        Test::Time { .. } | Test::Null | Test::Exists | Test::OtherField { .. } => unreachable!("not generated"),
    }
}

fn in_network(value: &str, network: IpAddr, prefix: u8) -> bool {
    let bits = |address: IpAddr| -> Vec<bool> {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
    };
    let Ok(address) = value.parse::<IpAddr>() else { return false };
    let (address, network) = (bits(address), bits(network));
    address.len() == network.len() && address[..prefix as usize] == network[..prefix as usize]
}

fn matches(pieces: &[Piece], text: &str) -> bool {
    match pieces.split_first() {
        None => text.is_empty(),
        Some((Piece::Text(wanted), rest)) => text.strip_prefix(wanted.as_str()).is_some_and(|text| matches(rest, text)),
        Some((Piece::One, rest)) => {
            let mut chars = text.chars();
            chars.next().is_some() && matches(rest, chars.as_str())
        }
        Some((Piece::Run, rest)) => {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }
    }
}

fn lowered(pattern: &Pattern) -> Pattern {
    let piece = |piece: &Piece| match piece {
        Piece::Text(text) => Piece::Text(lower(text)),
        other => other.clone(),
    };
    pattern.pieces().iter().map(piece).collect()
}

fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The literal name first, else the path; members of lists are values; null is none.
fn field_values(event: &Map<String, Value>, field: &str) -> Vec<String> {
    if let Some(value) = event.get(field) {
        return members(value);
    }
    let Some((first, rest)) = field.split_once('.') else { return Vec::new() };
    match event.get(first) {
        Some(Value::Object(object)) => field_values(object, rest),
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_object).flat_map(|object| field_values(object, rest)).collect()
        }
        _ => Vec::new(),
    }
}

fn members(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(members).collect(),
        other => vec![other.to_string()],
    }
}

fn leaves(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(leaves).collect(),
        Value::Object(object) => object.values().flat_map(leaves).collect(),
        other => members(other),
    }
}
