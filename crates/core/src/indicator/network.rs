//! Ranges of addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `192.0.2.0/24`. Bits behind the length are passed over; a length of 0 holds everything and is no network.
    pub fn parse(text: &str) -> Option<Self> {
        let (ip, bits) = text.split_once('/')?;
        let ip: IpAddr = ip.parse().ok()?;
        let is_number = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u8 = if is_number { bits.parse().ok()? } else { return None };
        let (ip, bits) = match (ip, ip.to_canonical()) {
            // A range of IPv4 addresses written in IPv6.
            (IpAddr::V6(_), v4 @ IpAddr::V4(_)) => (v4, bits.checked_sub(96)?),
            (_, ip) => (ip, bits),
        };
        (1..=width(ip)).contains(&bits).then(|| Self::around(ip, bits))
    }

    /// The network of so many bits that an address lies in; `bits` is 1 to the bits of the address.
    pub fn around(ip: IpAddr, bits: u8) -> Self {
        let first = match ip {
            IpAddr::V4(ip) => {
                let cut = 32 - u32::from(bits.min(32));
                IpAddr::V4(Ipv4Addr::from_bits(
                    ip.to_bits().checked_shr(cut).unwrap_or(0).checked_shl(cut).unwrap_or(0),
                ))
            }
            IpAddr::V6(ip) => {
                let cut = 128 - u32::from(bits.min(128));
                IpAddr::V6(Ipv6Addr::from_bits(
                    ip.to_bits().checked_shr(cut).unwrap_or(0).checked_shl(cut).unwrap_or(0),
                ))
            }
        };
        Self { first, bits }
    }

    /// Its first address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// How many first bits its addresses share.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Its address, where it is one alone.
    pub fn only(&self) -> Option<IpAddr> {
        (self.bits == width(self.first)).then_some(self.first)
    }

    /// Its addresses, where they are at most `max`.
    pub fn addresses(&self, max: u32) -> Option<Vec<IpAddr>> {
        let free = u32::from(width(self.first) - self.bits);
        let count = 1_u32.checked_shl(free).filter(|count| *count <= max)?;
        let address = |offset: u32| match self.first {
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() | offset)),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() | u128::from(offset))),
        };
        Some((0..count).map(address).collect())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Bits of an address.
fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}
