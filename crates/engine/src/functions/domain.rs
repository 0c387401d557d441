//! `registered_domain` and `public_suffix`, after the Public Suffix List that the crate `psl` carries.

use std::borrow::Cow;

use psl::Psl;

use super::endpoint::hostname;
use super::row::Function;
use super::{ip, said};

pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::text("registered_domain", |text| registered(said(text)?).map(Cow::Owned)),
        Function::text("public_suffix", |text| {
            let name = plain(said(text)?)?;
            let suffix = psl::List.suffix(name.as_bytes())?;
            own(suffix.as_bytes()).map(Cow::Owned)
        }),
    ]
}

/// The part of a host's name that somebody registered, in lower case.
pub(super) fn registered(host: &str) -> Option<String> {
    let name = plain(host)?;
    let domain = psl::List.domain(name.as_bytes())?;
    own(domain.as_bytes())
}

/// A host's name in lower case; `None` for addresses and what is no name.
fn plain(host: &str) -> Option<String> {
    if ip::parse(host).is_some() {
        return None;
    }
    Some(hostname(host)?.to_lowercase())
}

fn own(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing};

    #[test]
    fn registered_domains() {
        gives(
            "registered_domain",
            &[
                ("www.example.com", "example.com"),
                ("example.com", "example.com"),
                ("WWW.Example.COM.", "example.com"),
                ("a.b.example.co.uk", "example.co.uk"),
                ("bucket.s3.amazonaws.com", "bucket.s3.amazonaws.com"),
                ("jane.github.io", "jane.github.io"),
                ("www.city.kawasaki.jp", "city.kawasaki.jp"),
                ("a.b.ck", "a.b.ck"),
                ("www.ck", "www.ck"),
                ("dc1.corp.local", "corp.local"),
                ("www.食狮.公司.cn", "食狮.公司.cn"),
                ("www.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
                ("_dmarc.example.org", "example.org"),
            ],
        );
        gives_nothing(
            "registered_domain",
            &[
                "",
                "-",
                "com",
                "co.uk",
                "localhost",
                "192.0.2.1",
                "2001:db8::1",
                "a b.com",
                "http://example.com",
                ".com",
                "a..com",
            ],
        );
    }

    #[test]
    fn public_suffixes() {
        gives(
            "public_suffix",
            &[
                ("www.example.com", "com"),
                ("www.example.CO.UK", "co.uk"),
                ("jane.github.io", "github.io"),
                ("com", "com"),
                ("dc1.corp.local", "local"),
            ],
        );
        gives_nothing("public_suffix", &["", "-", "192.0.2.1", "[::1]", "a b", "unknown"]);
    }
}
