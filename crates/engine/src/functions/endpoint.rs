//! `ocsf_endpoint`: a network endpoint from an address or a host's name, and a port.

use std::borrow::Cow;

use super::row::{Function, Kind, struct_type};
use super::{ip, said};

const FIELDS: [(&str, Kind); 3] = [("ip", Kind::Text), ("hostname", Kind::Text), ("port", Kind::Int)];

pub(super) fn functions() -> Vec<Function> {
    vec![Function::new("ocsf_endpoint", 1..=2, struct_type(&FIELDS), |rows| {
        rows.structs(&FIELDS, |row| {
            let address = rows.get(0, row).map(Address::parse).unwrap_or_default();
            let port = rows.get(1, row).and_then(port).or(address.port);
            Some([address.ip.into(), address.hostname.into(), port.into()])
        })
    })]
}

/// What the text of an endpoint says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Address<'a> {
    pub(super) ip: Option<Cow<'a, str>>,
    pub(super) hostname: Option<&'a str>,
    pub(super) port: Option<i32>,
}

impl<'a> Address<'a> {
    /// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]:443`, `host`, `host:443`, `\\host`, or a URL.
    pub(super) fn parse(text: &'a str) -> Self {
        let Some(text) = said(text) else { return Self::default() };
        let text = text.split_once("://").map_or(text, |(_, rest)| authority(rest));
        let text = text.trim_start_matches('\\');
        if let Some(address) = ip::parse(text) {
            return Self { ip: Some(ip::usual(text, address)), ..Self::default() };
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, digits)) => (host, port(digits)),
            None => (text, None),
        };
        if port.is_none() && text.contains(':') {
            return Self::default();
        }
        match ip::parse(host) {
            // Without brackets nobody knows where the address ends.
            Some(address) if address.is_ipv6() && !host.starts_with('[') => Self::default(),
            Some(address) => Self { ip: Some(ip::usual(host, address)), hostname: None, port },
            None => hostname(host).map_or_else(Self::default, |host| Self { ip: None, hostname: Some(host), port }),
        }
    }
}

/// What lies between `://` and the path, without user and password.
pub(super) fn authority(rest: &str) -> &str {
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// A host's name without its last dot; `None` for what cannot be one.
pub(super) fn hostname(text: &str) -> Option<&str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '$');
    let nothing = ["unknown", "none", "null", "nil"];
    // Digits and dots alone are an address with a mistake.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_sound = !text.is_empty() && text.len() <= 255 && text.chars().all(is_name) && !text.contains("..");
    let is_nothing = nothing.iter().any(|word| text.eq_ignore_ascii_case(word));
    (is_sound && !is_number && !is_nothing && !text.starts_with(['.', '-'])).then_some(text)
}

/// A port number; `443.0` is one, too.
pub(super) fn port(text: &str) -> Option<i32> {
    let text = text.trim();
    let number = text.strip_suffix(".0").unwrap_or(text);
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse::<u16>().ok()).flatten().map(i32::from)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing, printed};

    #[test]
    fn addresses_and_names() {
        gives(
            "ocsf_endpoint",
            &[
                ("192.0.2.1", "{ip: 192.0.2.1, hostname: NULL, port: NULL}"),
                (" 192.0.2.1 ", "{ip: 192.0.2.1, hostname: NULL, port: NULL}"),
                ("192.0.2.1:443", "{ip: 192.0.2.1, hostname: NULL, port: 443}"),
                ("2001:DB8:0:0::1", "{ip: 2001:db8::1, hostname: NULL, port: NULL}"),
                ("[2001:db8::1]", "{ip: 2001:db8::1, hostname: NULL, port: NULL}"),
                ("[2001:db8::1]:443", "{ip: 2001:db8::1, hostname: NULL, port: 443}"),
                ("fe80::1%eth0", "{ip: fe80::1, hostname: NULL, port: NULL}"),
                ("::ffff:192.0.2.1", "{ip: 192.0.2.1, hostname: NULL, port: NULL}"),
                ("2001:db8::1:443", "{ip: 2001:db8::1:443, hostname: NULL, port: NULL}"),
                ("www.example.com", "{ip: NULL, hostname: www.example.com, port: NULL}"),
                ("www.example.com.:8080", "{ip: NULL, hostname: www.example.com, port: 8080}"),
                ("PC-7", "{ip: NULL, hostname: PC-7, port: NULL}"),
                ("\\\\PC-7", "{ip: NULL, hostname: PC-7, port: NULL}"),
                ("\\\\192.0.2.1", "{ip: 192.0.2.1, hostname: NULL, port: NULL}"),
                ("münchen.example", "{ip: NULL, hostname: münchen.example, port: NULL}"),
                ("https://u:p@www.example.com:8443/x?y", "{ip: NULL, hostname: www.example.com, port: 8443}"),
                ("tcp://192.0.2.1:53", "{ip: 192.0.2.1, hostname: NULL, port: 53}"),
            ],
        );
    }

    #[test]
    fn ports() {
        let both = |address: &str, port: &str| printed(&format!("ocsf_endpoint({address}, {port})"));
        assert_eq!(both("'192.0.2.1'", "443"), "{ip: 192.0.2.1, hostname: NULL, port: 443}");
        assert_eq!(both("'192.0.2.1'", "'443'"), "{ip: 192.0.2.1, hostname: NULL, port: 443}");
        assert_eq!(both("'192.0.2.1'", "443.0"), "{ip: 192.0.2.1, hostname: NULL, port: 443}");
        assert_eq!(both("'192.0.2.1:80'", "443"), "{ip: 192.0.2.1, hostname: NULL, port: 443}");
        assert_eq!(both("'192.0.2.1:80'", "NULL"), "{ip: 192.0.2.1, hostname: NULL, port: 80}");
        assert_eq!(both("'192.0.2.1'", "'x'"), "{ip: 192.0.2.1, hostname: NULL, port: NULL}");
        assert_eq!(both("'192.0.2.1'", "65536"), "{ip: 192.0.2.1, hostname: NULL, port: NULL}");
        assert_eq!(both("'192.0.2.1'", "-1"), "{ip: 192.0.2.1, hostname: NULL, port: NULL}");
        assert_eq!(both("'192.0.2.1'", "''"), "{ip: 192.0.2.1, hostname: NULL, port: NULL}");
        assert_eq!(both("NULL", "22"), "{ip: NULL, hostname: NULL, port: 22}");
        assert_eq!(both("'-'", "0"), "{ip: NULL, hostname: NULL, port: 0}");
        assert_eq!(both("NULL", "NULL"), "NULL");
        assert_eq!(both("'-'", "'-'"), "NULL");
    }

    #[test]
    fn what_is_no_endpoint_is_null() {
        let texts = [
            "",
            "-",
            "N/A",
            "unknown",
            "(null)",
            "256.1.1.1",
            "1.2.3",
            "a b",
            "a,b",
            "192.0.2.1:99999",
            "host:",
            ":80",
            ":",
            "[::1",
            "[host]:80",
            "a..b",
            "-x",
            "<script>",
            "://",
            "@",
            "192.0.2.0/24",
        ];
        gives_nothing("ocsf_endpoint", &texts);
    }
}
