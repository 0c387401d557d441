//! Where values that match can lie among all values in the order of their bytes: what tells that a column's smallest
//! and largest value leave nothing to look for.

use std::net::IpAddr;

use super::{Indicator, Kind, Network};

/// Values from one to another, both in it, in the order of bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub(super) low: Vec<u8>,
    /// `None`: there is no end.
    high: Option<Vec<u8>>,
}

impl Range {
    pub(super) fn everything() -> Self {
        Self { low: Vec::new(), high: None }
    }

    fn between(low: &str, high: &str) -> Self {
        Self { low: low.as_bytes().to_vec(), high: Some(high.as_bytes().to_vec()) }
    }

    /// Whether it ends at a value or behind it.
    pub(super) fn reaches(&self, value: &[u8]) -> bool {
        self.high.as_ref().is_none_or(|high| high.as_slice() >= value)
    }
}

/// Where the spellings of an indicator lie: at least all that [`fold`](super::fold()) brings to it. A port or a point
/// behind a host sorts before `;`, and capital letters before small ones.
pub(super) fn raw_ranges(indicator: &Indicator, has_subdomains: bool) -> Vec<Range> {
    let value = indicator.value();
    match indicator.kind() {
        Kind::Ip if value.contains(':') => in_ipv6(),
        Kind::Ip => [Range::between(value, &format!("{value};"))].into_iter().chain(in_brackets()).collect(),
        Kind::Network if value.contains(':') => in_ipv6(),
        Kind::Network => Network::parse(value).iter().map(|network| octets(*network)).chain(in_brackets()).collect(),
        Kind::Domain if has_subdomains => vec![Range::everything()],
        Kind::Domain | Kind::Md5 | Kind::Sha1 | Kind::Sha256 | Kind::Email => letters(value),
        Kind::Url => vec![Range::everything()],
    }
}

/// Where the spellings of letters lie. Between all of them in capitals and all of them small there is nearly every
/// text, so the first two are looked at one by one.
fn letters(value: &str) -> Vec<Range> {
    let start = value.char_indices().nth(2).map_or(value.len(), |(at, _)| at);
    let (start, rest) = value.split_at(start);
    let mut starts = vec![String::new()];
    for letter in start.chars() {
        let mut cases = vec![letter.to_ascii_uppercase(), letter];
        cases.dedup();
        starts = starts.iter().flat_map(|start| cases.iter().map(move |case| format!("{start}{case}"))).collect();
    }
    let spelled =
        |start: String| Range::between(&format!("{start}{}", rest.to_ascii_uppercase()), &format!("{start}{rest};"));
    starts.into_iter().map(spelled).collect()
}

/// Where the addresses of a network lie, in the spelling of indicators.
pub(super) fn plain_ranges(network: Network) -> Vec<Range> {
    match network.first() {
        IpAddr::V4(_) => vec![octets(network)],
        IpAddr::V6(_) => in_ipv6(),
    }
}

/// Addresses of IPv4 that begin with the whole octets of a network.
fn octets(network: Network) -> Range {
    let text = network.first().to_string();
    let whole = usize::from(network.bits() / 8);
    let start = text.match_indices('.').map(|(at, _)| &text[..at]).nth(whole.wrapping_sub(1));
    match start.filter(|_| whole > 0) {
        // The last of four octets has no point behind it.
        Some(start) => Range::between(&format!("{start}."), &format!("{start}/")),
        None => Range::between("0", ":"),
    }
}

/// Spellings of an address of IPv4 that begin otherwise: in brackets or as one of IPv6.
fn in_brackets() -> [Range; 3] {
    [Range::between("0", "1"), Range::between(":", ";"), Range::between("[", "\\")]
}

/// Addresses of IPv6 begin with a digit of any spelling, a colon or a bracket.
fn in_ipv6() -> Vec<Range> {
    vec![Range::between("0", ";"), Range::between("A", "G"), Range::between("[", "\\"), Range::between("a", "g")]
}

/// The same values in ranges that are in order and apart.
pub(super) fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut apart: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if last.reaches(&range.low) => {
                last.high = last.high.take().and_then(|high| range.high.map(|other| high.max(other)));
            }
            _ => apart.push(range),
        }
    }
    apart
}
