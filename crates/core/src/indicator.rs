//! Indicators of compromise: what a hunt looks for, and how a value is compared with it.
//!
//! Every kind of list ([`read()`]) gives [`Indicator`]s, each in one spelling. A value of a log is brought to the same
//! spelling by [`fold()`], so that looking one up is a look into a hash table ([`IndicatorSet`]), and both the bounds
//! of a file's column and its bloom filters can tell that nothing of a whole list is in it.

mod bounds;
mod defang;
mod fold;
mod network;
mod read;
mod set;

use std::net::IpAddr;

pub use self::defang::defanged;
use self::fold::has_scheme;
pub use self::fold::{fold, is_plain};
pub use self::network::Network;
pub use self::read::{Feed, Listed, Refused, read};
pub use self::set::{IndicatorSet, Plain};

/// What an indicator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One address.
    Ip,
    /// A range of addresses, `192.0.2.0/24`.
    Network,
    /// A name of the DNS.
    Domain,
    /// A hash of 32 digits.
    Md5,
    /// A hash of 40 digits.
    Sha1,
    /// A hash of 64 digits.
    Sha256,
    /// A host and a path.
    Url,
    /// An address of e-mail.
    Email,
}

impl Kind {
    /// Every kind by its name.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("ip", Self::Ip),
        ("network", Self::Network),
        ("domain", Self::Domain),
        ("md5", Self::Md5),
        ("sha1", Self::Sha1),
        ("sha256", Self::Sha256),
        ("url", Self::Url),
        ("email", Self::Email),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }

    /// Digits of the hash that it is.
    fn digits(self) -> Option<usize> {
        match self {
            Self::Md5 => Some(32),
            Self::Sha1 => Some(40),
            Self::Sha256 => Some(64),
            _ => None,
        }
    }
}

/// Something that a hunt looks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Indicator {
    kind: Kind,
    value: String,
}

/// Longest indicator that is taken, in bytes: what browsers take as a URL.
const BYTES_MAX: usize = 2_048;

impl Indicator {
    /// Reads an indicator whose kind follows from how it is written; it may be defanged.
    ///
    /// # Errors
    /// Why it is none, in words that follow a colon.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = clean(text)?;
        Self::typed(&text).ok_or_else(|| refusal(&text))
    }

    /// Reads an indicator that the list says the kind of. A list that says `ip` of a range means the range, and one
    /// that says `domain` of an address the address.
    ///
    /// # Errors
    /// Why it is none, in words that follow a colon.
    pub fn of(kind: Kind, text: &str) -> Result<Self, String> {
        let cleaned = clean(text)?;
        let found = match kind {
            Kind::Url => url(&cleaned),
            _ => Self::typed(&cleaned),
        };
        let is_meant = |found: Kind| match kind {
            Kind::Ip | Kind::Network | Kind::Domain => {
                matches!(found, Kind::Ip | Kind::Network) || (kind, found) == (Kind::Domain, Kind::Domain)
            }
            _ => found == kind,
        };
        let found = found.filter(|found| is_meant(found.kind));
        found.ok_or_else(|| match refusal(&cleaned) {
            why if why.starts_with(NOTHING) => format!("it is no {}", kind.name()),
            why => why,
        })
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// In the spelling in which values are looked up.
    pub fn value(&self) -> &str {
        &self.value
    }

    fn typed(text: &str) -> Option<Self> {
        network(text).or_else(|| address(text)).or_else(|| hash(text)).or_else(|| named(text))
    }
}

/// How [`refusal`] begins where nothing better is known.
const NOTHING: &str = "neither";

/// Without what people put around it and into it.
fn clean(text: &str) -> Result<String, String> {
    let text = text.trim().trim_matches(['"', '\'', '`', '<', '>']).trim();
    match text.len() {
        0 => Err("it is empty".to_owned()),
        1..=BYTES_MAX => Ok(defanged(text)),
        _ => Err(format!("it is longer than {BYTES_MAX} bytes")),
    }
}

fn refusal(text: &str) -> String {
    match text {
        _ if text.contains('*') || text.starts_with('.') => {
            "it stands for many names: list the domain and hunt with `--subdomains`".to_owned()
        }
        _ if !text.is_ascii() => "it is not ASCII: write a name of other letters as `xn--…`".to_owned(),
        _ if text.ends_with("/0") => "it holds every address".to_owned(),
        _ => format!("{NOTHING} an address, a network, a domain, a hash, a URL nor an e-mail address"),
    }
}

fn network(text: &str) -> Option<Indicator> {
    let network = Network::parse(text)?;
    match network.only() {
        Some(ip) => Some(Indicator { kind: Kind::Ip, value: ip.to_string() }),
        None => Some(Indicator { kind: Kind::Network, value: network.to_string() }),
    }
}

fn address(text: &str) -> Option<Indicator> {
    let value = fold(text).into_owned();
    value.parse::<IpAddr>().ok().map(|_| Indicator { kind: Kind::Ip, value })
}

fn hash(text: &str) -> Option<Indicator> {
    let kinds = [Kind::Md5, Kind::Sha1, Kind::Sha256];
    let kind = kinds.into_iter().find(|kind| kind.digits() == Some(text.len()))?;
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| Indicator { kind, value: text.to_ascii_lowercase() })
}

/// A URL, an address of e-mail or a domain.
fn named(text: &str) -> Option<Indicator> {
    if let Some((host, path)) = text.split_once('/') {
        // A length that no network has makes no URL of an address.
        let is_length = host.parse::<IpAddr>().is_ok() && path.bytes().all(|byte| byte.is_ascii_digit());
        return if is_length { None } else { url(text) };
    }
    let value = fold(text).into_owned();
    let (kind, host) = match value.split_once('@') {
        Some((user, host)) if !user.is_empty() => (Kind::Email, host),
        Some(_) => return None,
        None => (Kind::Domain, value.as_str()),
    };
    is_domain(host).then_some(Indicator { kind, value })
}

/// A URL with or without its scheme; a host alone is the root of its site.
fn url(text: &str) -> Option<Indicator> {
    let whole = if has_scheme(text) { text.to_owned() } else { format!("http://{text}") };
    let value = fold(&whole).into_owned();
    let (host, _) = value.split_once('/')?;
    let is_host = is_domain(host) || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() || has_scheme(text);
    (is_host && !host.is_empty() && value != whole).then_some(Indicator { kind: Kind::Url, value })
}

/// Whether text is a whole name of the DNS with a top-level domain that is none of digits.
fn is_domain(text: &str) -> bool {
    let mut labels = text.split('.').rev();
    let last = labels.next().unwrap_or_default();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            && !label.starts_with('-')
    };
    let is_top = is_label(last) && last.len() >= 2 && !last.bytes().all(|byte| byte.is_ascii_digit());
    is_top && labels.clone().next().is_some() && labels.all(is_label) && text.len() <= 253
}

#[cfg(test)]
mod tests;
