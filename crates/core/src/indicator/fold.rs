//! One spelling for every value: what values are compared by.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// What a value's bytes tell at a glance.
#[derive(Debug, Clone, Copy, Default)]
struct Shape {
    dot: bool,
    colon: bool,
    slash: bool,
    at: bool,
    space: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Self::default();
        for byte in text.bytes() {
            match byte {
                b'.' => shape.dot = true,
                b':' => shape.colon = true,
                b'/' => shape.slash = true,
                b'@' => shape.at = true,
                0..=b' ' | 0x7f => shape.space = true,
                _ => {}
            }
        }
        shape
    }
}

/// A value in the spelling in which indicators are kept: addresses as RFC 5952 writes them, without a port; domains,
/// hashes and addresses of e-mail in small letters (ASCII alone); a URL as host and path. What can be no indicator
/// (text with white space in it, say) is left as it is. Folding twice changes nothing.
pub fn fold(text: &str) -> Cow<'_, str> {
    let shape = Shape::of(text);
    if shape.space {
        return Cow::Borrowed(text);
    }
    if shape.slash {
        return folded_url(text).map_or(Cow::Borrowed(text), |url| kept(text, url));
    }
    if (shape.dot || shape.colon)
        && let Some(ip) = address(text)
    {
        return kept(text, ip.to_string());
    }
    if shape.at {
        return lower(text);
    }
    if shape.dot {
        return folded_host(text).map_or(Cow::Borrowed(text), |host| match host {
            Cow::Borrowed(host) => Cow::Borrowed(host),
            Cow::Owned(host) => kept(text, host),
        });
    }
    match matches!(text.len(), 32 | 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => lower(text),
        false => Cow::Borrowed(text),
    }
}

/// Whether a value is in that spelling already, byte by byte.
pub fn is_plain(text: &str) -> bool {
    match fold(text) {
        Cow::Borrowed(folded) => folded.len() == text.len(),
        Cow::Owned(_) => false,
    }
}

/// The text itself where folding changed nothing.
fn kept(text: &str, folded: String) -> Cow<'_, str> {
    if folded == text { Cow::Borrowed(text) } else { Cow::Owned(folded) }
}

fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

/// An address, in brackets or not, with a port or not. One of IPv4 in IPv6 is one of IPv4.
fn address(text: &str) -> Option<IpAddr> {
    let first = *text.as_bytes().first()?;
    if !(first.is_ascii_hexdigit() || matches!(first, b':' | b'[')) {
        return None;
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let ip = bare.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?;
    Some(ip.to_canonical())
}

/// A domain, with a port or not.
fn folded_host(text: &str) -> Option<Cow<'_, str>> {
    let host = without_port(text);
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_host = host.split('.').all(|label| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    });
    is_host.then(|| lower(host))
}

fn without_port(text: &str) -> &str {
    match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => text,
    }
}

/// A URL as host and path; one without a scheme has a host with a point in it.
fn folded_url(text: &str) -> Option<String> {
    let has_scheme = has_scheme(text);
    let rest = text.split_once("://").filter(|_| has_scheme).map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let path = rest[authority.len()..].split(['?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match address(host) {
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        Some(ip) => ip.to_string(),
        None if has_scheme || without_port(host).contains('.') => folded_host(host)?.into_owned(),
        None => return None,
    };
    let path = if path.is_empty() { "/" } else { path };
    Some(format!("{host}{path}"))
}

/// Whether text begins as a URL with its scheme.
pub(super) fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once("://") else { return false };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}
