//! `ocsf_url`: a URL and its parts, as they are written.

use super::endpoint::{Address, authority};
use super::row::{Function, Kind, Value};
use super::{domain, said};

const FIELDS: [(&str, Kind); 8] = [
    ("url_string", Kind::Text),
    ("scheme", Kind::Text),
    ("hostname", Kind::Text),
    ("port", Kind::Int),
    ("path", Kind::Text),
    ("query_string", Kind::Text),
    ("domain", Kind::Text),
    ("subdomain", Kind::Text),
];

pub(super) fn functions() -> Vec<Function> {
    vec![Function::object("ocsf_url", &FIELDS, url)]
}

/// Parts are those of the text: nothing is decoded, and no port follows from a scheme.
fn url(text: &str) -> Option<[Value<'_>; 8]> {
    let text = said(text)?;
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
        _ => match text.split_once(':') {
            Some((scheme, _)) if is_opaque(scheme) => return Some(with_scheme_alone(text, scheme)),
            _ => (None, text),
        },
    };
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let rest = if scheme.is_none() { rest.strip_prefix("//").unwrap_or(rest) } else { rest };
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let address = Address::parse(authority(&rest[..authority_end]));
    let (path, query) = match rest[authority_end..].split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (&rest[authority_end..], None),
    };
    let hostname = address.ip.or_else(|| address.hostname.map(Into::into));
    let registered = hostname.as_deref().and_then(domain::registered);
    let subdomain = hostname.as_deref().zip(registered.as_deref()).and_then(|(host, domain)| below(host, domain));
    Some([
        text.into(),
        scheme.map(str::to_ascii_lowercase).into(),
        hostname.into(),
        address.port.into(),
        some(path).into(),
        query.and_then(some).into(),
        registered.into(),
        subdomain.into(),
    ])
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn is_scheme(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic()) && text.bytes().all(is_inner)
}

/// Schemes after which no host follows.
fn is_opaque(scheme: &str) -> bool {
    ["data", "mailto", "javascript", "about", "urn", "blob", "tel"].iter().any(|name| scheme.eq_ignore_ascii_case(name))
}

fn with_scheme_alone<'a>(text: &'a str, scheme: &str) -> [Value<'a>; 8] {
    let mut parts = [const { Value::Null }; 8];
    parts[0] = text.into();
    parts[1] = scheme.to_ascii_lowercase().into();
    parts
}

/// What a host's name has before its domain, of which only the length counts: it may be spelled otherwise.
fn below(host: &str, domain: &str) -> Option<String> {
    let end = host.len().checked_sub(domain.len() + 1)?;
    host.get(..end).filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing};

    fn check(text: &str, parts: [&str; 7]) {
        let [scheme, host, port, path, query, domain, subdomain] = parts;
        let expected = format!(
            "{{url_string: {text}, scheme: {scheme}, hostname: {host}, port: {port}, path: {path}, \
             query_string: {query}, domain: {domain}, subdomain: {subdomain}}}"
        );
        gives("ocsf_url", &[(text, &expected)]);
    }

    #[test]
    fn urls_and_what_stands_for_them() {
        const N: &str = "NULL";
        let www = ["www", "example.com"];
        check("https://www.example.com", ["https", "www.example.com", N, N, N, www[1], www[0]]);
        check(
            "HTTPS://www.example.com:8443/a/b?q=1&r=/x#f",
            ["https", "www.example.com", "8443", "/a/b", "q=1&r=/x", www[1], www[0]],
        );
        check("http://u:p%40@a.b.example.co.uk/", ["http", "a.b.example.co.uk", N, "/", N, "example.co.uk", "a.b"]);
        check("http://192.0.2.1:80/x", ["http", "192.0.2.1", "80", "/x", N, N, N]);
        check("http://[2001:DB8::1]:80/x", ["http", "2001:db8::1", "80", "/x", N, N, N]);
        check("http://example.com?q", ["http", "example.com", N, N, "q", "example.com", N]);
        check("ftp://localhost/x", ["ftp", "localhost", N, "/x", N, N, N]);
        check("/index.html?x=https://evil.example/", [N, N, N, "/index.html", "x=https://evil.example/", N, N]);
        check("www.example.com/x", [N, "www.example.com", N, "/x", N, www[1], www[0]]);
        check("example.com:443", [N, "example.com", "443", N, N, "example.com", N]);
        check("//www.example.com/x", [N, "www.example.com", N, "/x", N, www[1], www[0]]);
        check("mailto:jane@example.com", ["mailto", N, N, N, N, N, N]);
        check("data:text/plain,x", ["data", N, N, N, N, N, N]);
        check("file:///etc/passwd", ["file", N, N, "/etc/passwd", N, N, N]);
        check("http://exa mple/x", ["http", N, N, "/x", N, N, N]);
        check("https://WWW.Example.COM/", ["https", "WWW.Example.COM", N, "/", N, "example.com", "WWW"]);
        check("*", [N; 7]);
        check("http://", ["http", N, N, N, N, N, N]);
        check("https://münchen.example.de/ü", ["https", "münchen.example.de", N, "/ü", N, "example.de", "münchen"]);
    }

    #[test]
    fn nothing_gives_nothing() {
        gives_nothing("ocsf_url", &["", " ", "-", "N/A"]);
    }
}
