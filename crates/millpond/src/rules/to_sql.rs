//! One Sigma rule as SQL, for hunting and for a look at what a rule means. Jobs do not use it: they match all rules at
//! once (`millpond_sigma`).

use std::fmt::Write as _;
use std::net::IpAddr;

use millpond_core::{Error, Result};
use millpond_sigma::{
    Comparison, Expr, Pattern, Piece, Placement, Predicate, RegexTest, Rule, Subject, Test, TimePart,
};

/// A query in DataFusion's dialect for the rows of `table` that a rule matches. Fields are its text columns, by their
/// names in the rule.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a rule with a test that SQL cannot do: keywords, which look at
/// every value of an event, and networks of IPv6.
pub fn to_sql(rule: &Rule, table: &str) -> Result<String> {
    Ok(format!("select * from {} where {}", quoted(table), condition(&rule.condition)?))
}

/// Never NULL: what a field that is absent makes of a test is false.
fn condition(expr: &Expr) -> Result<String> {
    match expr {
        Expr::All(exprs) => joined(exprs, " and ", "true"),
        Expr::Any(exprs) => joined(exprs, " or ", "false"),
        Expr::Not(expr) => Ok(format!("not {}", condition(expr)?)),
        Expr::Test(predicate) => test(predicate),
    }
}

fn joined(exprs: &[Expr], word: &str, none: &str) -> Result<String> {
    let parts = exprs.iter().map(condition).collect::<Result<Vec<_>>>()?;
    Ok(match parts.is_empty() {
        true => none.to_owned(),
        false => format!("({})", parts.join(word)),
    })
}

fn test(predicate: &Predicate) -> Result<String> {
    let Subject::Field(field) = &predicate.subject else {
        return Err(Error::bad_config("keywords look at every value of an event, which SQL cannot do")
            .hint("match the rule with files: `millpond scan --rules RULE FILES…`"));
    };
    let column = quoted(field);
    let test = match &predicate.test {
        Test::Null => return Ok(format!("({column} is null)")),
        Test::Exists => return Ok(format!("({column} is not null)")),
        Test::Text { pattern, cased } => text(&column, pattern, *cased),
        Test::Regex(regex) => regex_test(&column, regex),
        Test::Cidr { network, prefix } => cidr(&column, *network, *prefix)?,
        Test::OtherField { field, placement, cased } => {
            let folded = |column: String| if *cased { column } else { format!("lower({column})") };
            placed(&folded(column), &folded(quoted(field)), *placement)
        }
        Test::Number { comparison, number } => {
            format!("try_cast({column} as double) {} {}", operator(*comparison), float(*number))
        }
        Test::Time { part, number } => {
            format!("date_part('{}', try_cast({column} as timestamp)) = {number}", part_name(*part))
        }
    };
    Ok(format!("coalesce({test}, false)"))
}

fn text(column: &str, pattern: &Pattern, cased: bool) -> String {
    let (column, pattern) = match cased {
        true => (column.to_owned(), pattern.clone()),
        false => (format!("lower({column})"), pattern.folded()),
    };
    match pattern.pieces() {
        [] => format!("{column} = ''"),
        [Piece::Text(text)] => placed(&column, &literal(text), Placement::Whole),
        [Piece::Run, Piece::Text(text), Piece::Run] => placed(&column, &literal(text), Placement::Contains),
        [Piece::Text(text), Piece::Run] => placed(&column, &literal(text), Placement::Start),
        [Piece::Run, Piece::Text(text)] => placed(&column, &literal(text), Placement::End),
        pieces => format!("regexp_like({column}, {})", literal(&as_regex(pieces))),
    }
}

/// The dots match newlines, as wildcards do.
fn as_regex(pieces: &[Piece]) -> String {
    let mut regex = "(?s)^".to_owned();
    for piece in pieces {
        match piece {
            Piece::Text(text) => text.chars().for_each(|c| push_escaped(&mut regex, c)),
            Piece::Run => regex.push_str(".*"),
            Piece::One => regex.push('.'),
        }
    }
    regex + "$"
}

fn push_escaped(regex: &mut String, c: char) {
    if !c.is_alphanumeric() && c.is_ascii() && !c.is_ascii_control() {
        regex.push('\\');
    }
    regex.push(c);
}

fn regex_test(column: &str, test: &RegexTest) -> String {
    let flags = [(test.ignore_case, 'i'), (test.multi_line, 'm'), (test.dot_all, 's')];
    let flags: String = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
    let pattern = if flags.is_empty() { test.pattern.clone() } else { format!("(?{flags}){}", test.pattern) };
    format!("regexp_like({column}, {})", literal(&pattern))
}

fn placed(column: &str, other: &str, placement: Placement) -> String {
    match placement {
        Placement::Whole => format!("{column} = {other}"),
        Placement::Contains => format!("strpos({column}, {other}) > 0"),
        Placement::Start => format!("starts_with({column}, {other})"),
        Placement::End => format!("ends_with({column}, {other})"),
    }
}

/// An address as a number between the first and the last of the network.
fn cidr(column: &str, network: IpAddr, prefix: u8) -> Result<String> {
    let IpAddr::V4(network) = network else {
        return Err(Error::bad_config(format!("SQL has no test for the network `{network}/{prefix}`"))
            .hint("match the rule with files: `millpond scan --rules RULE FILES…`"));
    };
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
    let (first, last) = (network.to_bits() & mask, network.to_bits() | !mask);
    let byte = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    let mut address = String::new();
    for part in 1..=4 {
        let weight = 1u32 << (8 * (4 - part));
        let plus = if part == 1 { "" } else { " + " };
        let _ = write!(address, "{plus}try_cast(split_part({column}, '.', {part}) as bigint) * {weight}");
    }
    Ok(format!("regexp_like({column}, '^{byte}([.]{byte}){{3}}$') and {address} between {first} and {last}"))
}

fn operator(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
    }
}

fn part_name(part: TimePart) -> &'static str {
    match part {
        TimePart::Minute => "minute",
        TimePart::Hour => "hour",
        TimePart::Day => "day",
        TimePart::Week => "week",
        TimePart::Month => "month",
        TimePart::Year => "year",
    }
}

fn float(number: f64) -> String {
    format!("cast('{number}' as double)")
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
