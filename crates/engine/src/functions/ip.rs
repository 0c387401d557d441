//! IP addresses: `ip_is_private`, `ip_in`, `ip_version`, and how other functions read addresses.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrow::datatypes::DataType;

use super::row::Function;
use super::said;

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new("ip_is_private", 1..=1, DataType::Boolean, |rows| {
            rows.booleans(|row| Some(is_private(parse(rows.get(0, row)?)?)))
        }),
        Function::int("ip_version", |text| Some(if parse(text)?.is_ipv4() { 4 } else { 6 })),
        Function::new("ip_in", 2..=2, DataType::Boolean, |rows| match rows.constant(1) {
            Some(networks) => {
                let networks = Networks::parse(networks);
                rows.booleans(|row| Some(networks.as_ref()?.contain(parse(rows.get(0, row)?)?)))
            }
            None => rows.booleans(|row| {
                let address = parse(rows.get(0, row)?)?;
                Some(Networks::parse(rows.get(1, row)?)?.contain(address))
            }),
        })
        .checking(1, |networks| match Networks::parse(networks) {
            Some(_) => None,
            None => Some(format!("'{networks}' is no list of networks such as '10.0.0.0/8, 2001:db8::/32, 192.0.2.7'")),
        }),
    ]
}

/// An address, with or without brackets or a zone; an IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is IPv4.
pub(super) fn parse(text: &str) -> Option<IpAddr> {
    let text = said(text)?;
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    Some(text.parse::<IpAddr>().ok()?.to_canonical())
}

/// The usual text of an address that was read from `text`.
pub(super) fn usual(text: &str, address: IpAddr) -> Cow<'_, str> {
    let is_usual = address.is_ipv4() && text.as_bytes().iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.'));
    if is_usual { Cow::Borrowed(text) } else { Cow::Owned(address.to_string()) }
}

/// Whether an address means a machine of the network where it was seen: RFC 1918, shared (RFC 6598), unique local, link
/// local, loopback, unspecified.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            address.is_private() || address.is_loopback() || address.is_link_local() || first == 0 || is_shared
        }
        IpAddr::V6(address) => {
            let is_local = address.is_unique_local() || address.is_unicast_link_local();
            is_local || address.is_loopback() || address.is_unspecified()
        }
    }
}

/// A set of networks: ranges of addresses in ascending order that do not meet.
struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Networks {
    /// Networks or single addresses, separated by commas or blanks; `None` when one of them is neither, or there is none.
    fn parse(text: &str) -> Option<Self> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in text.split([',', ' ', '\n', '\t', ';']).filter(|network| !network.is_empty()) {
            let (address, bits) = match network.split_once('/') {
                Some((address, bits)) => (address.parse().ok()?, Some(bits.parse::<u32>().ok()?)),
                None => (network.parse().ok()?, None),
            };
            match address {
                IpAddr::V4(address) => v4.push(range_v4(address, bits.unwrap_or(32))?),
                IpAddr::V6(address) => v6.push(range_v6(address, bits.unwrap_or(128))?),
            }
        }
        let is_empty = v4.is_empty() && v6.is_empty();
        (!is_empty).then(|| Self { v4: joined(v4), v6: joined(v6) })
    }

    fn contain(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => within(&self.v4, address.to_bits()),
            IpAddr::V6(address) => within(&self.v6, address.to_bits()),
        }
    }
}

fn range_v4(address: Ipv4Addr, bits: u32) -> Option<(u32, u32)> {
    let hosts = u32::MAX.checked_shr(bits).unwrap_or(0);
    (bits <= 32).then(|| (address.to_bits() & !hosts, address.to_bits() | hosts))
}

fn range_v6(address: Ipv6Addr, bits: u32) -> Option<(u128, u128)> {
    let hosts = u128::MAX.checked_shr(bits).unwrap_or(0);
    (bits <= 128).then(|| (address.to_bits() & !hosts, address.to_bits() | hosts))
}

/// Ranges in order, with those that overlap made one.
fn joined<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut joined: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after > 0 && address <= ranges[after - 1].1
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing, printed};

    const ODD: [&str; 12] = [
        "",
        "-",
        "unknown",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "01.2.3.4",
        "1.2.3.4:80",
        "::g",
        "1::2::3",
        "é",
        "[::1",
    ];

    #[test]
    fn private_addresses() {
        for text in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "100.127.255.255",
            "::1",
            "::",
            "fc00::1",
            "fdff::",
            "fe80::1%eth0",
            "[fe80::1]",
            "::ffff:10.0.0.1",
            " 10.0.0.1 ",
        ] {
            assert_eq!(printed(&format!("ip_is_private('{text}')")), "true", "{text}");
        }
        for text in [
            "172.32.0.1",
            "172.15.255.255",
            "100.128.0.0",
            "100.63.255.255",
            "8.8.8.8",
            "192.0.2.1",
            "255.255.255.255",
            "224.0.0.1",
            "2001:db8::1",
            "ff02::1",
            "::ffff:8.8.8.8",
            "fe00::1",
        ] {
            assert_eq!(printed(&format!("ip_is_private('{text}')")), "false", "{text}");
        }
        gives_nothing("ip_is_private", &ODD);
    }

    #[test]
    fn versions() {
        gives("ip_version", &[("192.0.2.1", "4"), ("2001:DB8::1", "6"), ("::ffff:192.0.2.1", "4"), ("[::1]", "6")]);
        gives_nothing("ip_version", &ODD);
    }

    #[test]
    fn addresses_in_networks() {
        let list = "10.0.0.0/8, 192.0.2.7;192.0.2.0/30 2001:db8::/32,10.1.0.0/16";
        for (address, expected) in [
            ("10.0.0.0", "true"),
            ("10.255.255.255", "true"),
            ("11.0.0.0", "false"),
            ("9.255.255.255", "false"),
            ("192.0.2.7", "true"),
            ("192.0.2.3", "true"),
            ("192.0.2.4", "false"),
            ("2001:db8:ffff::", "true"),
            ("2001:db9::", "false"),
            ("::ffff:10.0.0.1", "true"),
            ("x", "NULL"),
        ] {
            assert_eq!(printed(&format!("ip_in('{address}', '{list}')")), expected, "{address}");
        }
        assert_eq!(printed("ip_in('10.1.1.1', '0.0.0.0/0')"), "true");
        assert_eq!(printed("ip_in('::5', '::/0')"), "true");
        assert_eq!(printed("ip_in('10.1.1.9', '10.1.1.1/24')"), "true");
        assert_eq!(printed("ip_in(NULL, '10.0.0.0/8')"), "NULL");
        assert_eq!(printed("ip_in('10.1.1.1', NULL)"), "NULL");
    }

    #[test]
    fn networks_of_each_row() {
        let rows = "(values ('10.0.0.0/8'), ('192.0.2.0/24'), ('nonsense'), ('10.0.0.0/33'), ('')) t(net)";
        let found = printed(&format!("(select array_agg(ip_in('10.1.1.1', net)) from {rows})"));
        assert_eq!(found, "[true, false, NULL, NULL, NULL]");
    }

    #[test]
    #[should_panic(expected = "is no list of networks")]
    fn a_constant_that_is_no_list_of_networks_is_told_while_planning() {
        printed("ip_in('10.1.1.1', '10.0.0.0/33')");
    }
}
