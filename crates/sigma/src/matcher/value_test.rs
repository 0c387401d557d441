//! Tests of one value, made ready.

use std::net::IpAddr;
use std::sync::OnceLock;

use chrono::{DateTime, Datelike, NaiveDateTime, Timelike};
use regex::{Regex, RegexBuilder};

use super::wildcard::Wildcard;
use crate::condition::{Comparison, Placement, RegexTest, Test, TimePart};
use crate::pattern::{Pattern, Piece, fold};

/// A test of one value, made ready.
pub(crate) enum ValueTest {
    /// The whole folded text.
    Whole(String),
    /// A folded text that stands somewhere.
    Stands(String, Placement),
    /// A pattern; over the folded text unless case counts.
    Wildcard {
        wildcard: Wildcard,
        cased: bool,
        gate: String,
    },
    Regex {
        test: RegexTest,
        ready: OnceLock<Option<Regex>>,
    },
    Cidr {
        network: IpAddr,
        prefix: u8,
    },
    Number {
        comparison: Comparison,
        number: f64,
    },
    Time {
        part: TimePart,
        number: i64,
    },
}

impl ValueTest {
    /// `None` for a test that is not one of a value alone.
    pub(crate) fn new(test: &Test) -> Option<Self> {
        Some(match test {
            Test::Text { pattern, cased } => Self::text(pattern, *cased),
            Test::Regex(test) => Self::Regex { test: test.clone(), ready: OnceLock::new() },
            Test::Cidr { network, prefix } => Self::Cidr { network: *network, prefix: *prefix },
            Test::Number { comparison, number } => Self::Number { comparison: *comparison, number: *number },
            Test::Time { part, number } => Self::Time { part: *part, number: *number },
            Test::Null | Test::Exists | Test::OtherField { .. } => return None,
        })
    }

    fn text(pattern: &Pattern, cased: bool) -> Self {
        let folded = pattern.folded();
        match folded.pieces() {
            _ if cased => Self::wildcard(pattern, &folded, true),
            [] => Self::Whole(String::new()),
            [Piece::Text(text)] => Self::Whole(text.clone()),
            [Piece::Run, Piece::Text(text), Piece::Run] => Self::Stands(text.clone(), Placement::Contains),
            [Piece::Text(text), Piece::Run] => Self::Stands(text.clone(), Placement::Start),
            [Piece::Run, Piece::Text(text)] => Self::Stands(text.clone(), Placement::End),
            _ => Self::wildcard(&folded, &folded, false),
        }
    }

    /// The gate is the longest text that a value cannot pass without.
    fn wildcard(pattern: &Pattern, folded: &Pattern, cased: bool) -> Self {
        let texts = folded.pieces().iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Run | Piece::One => None,
        });
        let gate = texts.max_by_key(|text| text.len()).unwrap_or_default().to_owned();
        Self::Wildcard { wildcard: Wildcard::new(pattern), cased, gate }
    }

    pub(crate) fn passes(&self, value: &str) -> bool {
        match self {
            Self::Whole(_) | Self::Stands(..) | Self::Wildcard { cased: false, .. } => {
                self.passes_folded(value, &fold(value))
            }
            _ => self.passes_folded(value, value),
        }
    }

    /// The same where the folded text is at hand.
    pub(super) fn passes_folded(&self, value: &str, folded: &str) -> bool {
        match self {
            Self::Whole(text) => folded == text,
            Self::Stands(text, placement) => placed(folded, text, *placement),
            Self::Wildcard { wildcard, cased, .. } => wildcard.matches(if *cased { value } else { folded }),
            Self::Regex { test, ready } => {
                ready.get_or_init(|| compile(test)).as_ref().is_some_and(|regex| regex.is_match(value))
            }
            Self::Cidr { network, prefix } => is_in_network(value, *network, *prefix),
            Self::Number { comparison, number } => {
                value.trim().parse().is_ok_and(|value: f64| comparison.holds(value, *number))
            }
            Self::Time { part, number } => part_of(value, *part) == Some(*number),
        }
    }
}

/// A rule is read only if its expressions compile, so there always is one.
fn compile(test: &RegexTest) -> Option<Regex> {
    let mut builder = RegexBuilder::new(&test.pattern);
    builder.case_insensitive(test.ignore_case).multi_line(test.multi_line).dot_matches_new_line(test.dot_all);
    builder.build().ok()
}

/// Whether `other` stands in `value` where it has to.
pub(super) fn stands(value: &str, other: &str, placement: Placement, cased: bool) -> bool {
    match cased {
        true => placed(value, other, placement),
        false => placed(&fold(value), &fold(other), placement),
    }
}

pub(super) fn placed(value: &str, text: &str, placement: Placement) -> bool {
    match placement {
        Placement::Whole => value == text,
        Placement::Contains => memchr::memmem::find(value.as_bytes(), text.as_bytes()).is_some(),
        Placement::Start => value.starts_with(text),
        Placement::End => value.ends_with(text),
    }
}

/// An IPv4 address written as IPv6 (`::ffff:10.0.0.1`) counts as what it is.
fn is_in_network(value: &str, network: IpAddr, prefix: u8) -> bool {
    let Ok(address) = value.trim().parse::<IpAddr>() else { return false };
    match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        (address, IpAddr::V6(network)) => {
            let address = match address {
                IpAddr::V6(address) => address,
                IpAddr::V4(address) => address.to_ipv6_mapped(),
            };
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// A part of a time, in UTC; a time without a zone is in UTC.
fn part_of(value: &str, part: TimePart) -> Option<i64> {
    let zoned = DateTime::parse_from_rfc3339(value.trim()).map(|time| time.naive_utc());
    let time = zoned.or_else(|_| NaiveDateTime::parse_from_str(value.trim(), "%Y-%m-%d %H:%M:%S%.f")).ok()?;
    Some(match part {
        TimePart::Minute => time.minute().into(),
        TimePart::Hour => time.hour().into(),
        TimePart::Day => time.day().into(),
        TimePart::Week => time.iso_week().week().into(),
        TimePart::Month => time.month().into(),
        TimePart::Year => time.year().into(),
    })
}
