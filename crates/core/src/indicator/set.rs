//! Many indicators at once: one look for each value, however many there are.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::bounds::{Range, merged, plain_ranges, raw_ranges};
use super::{Indicator, Kind, Network, fold};

/// Networks of at most so many addresses are looked for in bloom filters address by address.
const ADDRESSES_MAX: u32 = 256;

/// Indicators, made to be looked for in many values.
#[derive(Debug, Clone, Default)]
pub struct IndicatorSet {
    indicators: Vec<Indicator>,
    /// All but networks, by their value.
    exact: HashMap<String, u32>,
    networks: HashMap<Network, u32>,
    /// The lengths that networks have, of IPv4 and of IPv6.
    bits: [Vec<u8>; 2],
    has_subdomains: bool,
    /// Where values that match can lie, in any spelling.
    raw: Vec<Range>,
    /// Values that match, where all are in one spelling, in order; but for those that lie in `open`.
    plain: Vec<String>,
    /// Where further values that match can lie, where all are in one spelling.
    open: Vec<Range>,
}

/// What may be in a column whose values are all in the spelling of indicators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain<'a> {
    /// Anything: more than can be named.
    Any,
    /// These values alone, in order.
    Among(&'a [String]),
}

impl IndicatorSet {
    /// A set; what is listed twice counts once. With `has_subdomains` a domain stands for those below it, too.
    pub fn new(indicators: impl IntoIterator<Item = Indicator>, has_subdomains: bool) -> Self {
        let mut set = Self { has_subdomains, ..Self::default() };
        let mut seen = HashSet::new();
        for indicator in indicators {
            if seen.insert(indicator.clone()) {
                set.add(indicator);
            }
        }
        set.plain.sort_unstable();
        set.plain.dedup();
        set.raw = merged(std::mem::take(&mut set.raw));
        set.open = merged(std::mem::take(&mut set.open));
        set
    }

    fn add(&mut self, indicator: Indicator) {
        let number = self.indicators.len() as u32;
        self.raw.extend(raw_ranges(&indicator, self.has_subdomains));
        match Network::parse(&indicator.value).filter(|_| indicator.kind == Kind::Network) {
            Some(network) => self.add_network(network, number),
            None => {
                self.plain.push(indicator.value.clone());
                self.exact.insert(indicator.value.clone(), number);
                if self.has_subdomains && indicator.kind == Kind::Domain {
                    self.open.push(Range::everything());
                }
            }
        }
        self.indicators.push(indicator);
    }

    fn add_network(&mut self, network: Network, number: u32) {
        match network.addresses(ADDRESSES_MAX) {
            Some(addresses) => self.plain.extend(addresses.iter().map(IpAddr::to_string)),
            None => self.open.extend(plain_ranges(network)),
        }
        let bits = &mut self.bits[usize::from(network.first().is_ipv6())];
        if !bits.contains(&network.bits()) {
            bits.push(network.bits());
        }
        self.networks.insert(network, number);
    }

    /// The indicators, without repetitions, in the order of the list.
    pub fn indicators(&self) -> &[Indicator] {
        &self.indicators
    }

    /// Adds to `found` the numbers of the indicators that a value is.
    pub fn find(&self, value: &str, found: &mut Vec<u32>) {
        let value = fold(value);
        found.extend(self.exact.get(value.as_ref()));
        if !self.networks.is_empty()
            && let Ok(ip) = value.parse::<IpAddr>()
        {
            let bits = &self.bits[usize::from(ip.is_ipv6())];
            found.extend(bits.iter().filter_map(|bits| self.networks.get(&Network::around(ip, *bits))));
        }
        if self.has_subdomains && !value.contains(['/', '@', ':']) {
            let parents = value.match_indices('.').map(|(at, _)| &value[at + 1..]);
            let domains = parents.filter_map(|parent| self.exact.get(parent));
            found.extend(domains.filter(|number| self.indicators[**number as usize].kind == Kind::Domain));
        }
    }

    /// Whether a value between `low` and `high`, both in it, can be an indicator, however it is spelled.
    pub fn may_match(&self, low: &[u8], high: &[u8]) -> bool {
        overlaps(&self.raw, low, high)
    }

    /// Which values between `low` and `high` can be indicators, where all are in the spelling of indicators.
    pub fn plain(&self, low: &[u8], high: &[u8]) -> Plain<'_> {
        if overlaps(&self.open, low, high) {
            return Plain::Any;
        }
        let start = self.plain.partition_point(|value| value.as_bytes() < low);
        let end = self.plain.partition_point(|value| value.as_bytes() <= high);
        Plain::Among(self.plain.get(start..end).unwrap_or_default())
    }
}

/// Whether one of the ranges, in order and apart, meets another.
fn overlaps(ranges: &[Range], low: &[u8], high: &[u8]) -> bool {
    let first = ranges.partition_point(|range| !range.reaches(low));
    ranges.get(first).is_some_and(|range| range.low.as_slice() <= high)
}
