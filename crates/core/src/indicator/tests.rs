//! Tests of indicators, their spelling and their sets.

use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> (&'static str, String) {
    match Indicator::parse(text) {
        Ok(found) => (found.kind().name(), found.value().to_owned()),
        Err(reason) => ("", reason),
    }
}

#[test]
fn the_kind_follows_from_the_text() {
    for (text, kind, value) in [
        ("192.0.2.1", "ip", "192.0.2.1"),
        ("1.2.3[.]4", "ip", "1.2.3.4"),
        ("192.0.2.1:8080", "ip", "192.0.2.1"),
        ("2001:DB8:0:0:0:0:0:1", "ip", "2001:db8::1"),
        ("::ffff:192.0.2.1", "ip", "192.0.2.1"),
        ("192.0.2.7/24", "network", "192.0.2.0/24"),
        ("192.0.2.7/32", "ip", "192.0.2.7"),
        ("2001:db8::/32", "network", "2001:db8::/32"),
        ("Evil.Example.", "domain", "evil.example"),
        ("evil[.]example", "domain", "evil.example"),
        ("evil(dot)example", "domain", "evil.example"),
        ("_dmarc.xn--bcher-kva.example", "domain", "_dmarc.xn--bcher-kva.example"),
        ("D41D8CD98F00B204E9800998ECF8427E", "md5", "d41d8cd98f00b204e9800998ecf8427e"),
        ("da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("hxxps://Evil[.]example/A/b?q=1#f", "url", "evil.example/A/b"),
        ("hxxp[:]//192.0.2.1:8080", "url", "192.0.2.1/"),
        ("evil.example/a", "url", "evil.example/a"),
        ("http://user:pass@[2001:db8::1]:8080/x", "url", "[2001:db8::1]/x"),
        ("Eve[@]Evil[.]example", "email", "eve@evil.example"),
        ("'192.0.2.1'", "ip", "192.0.2.1"),
    ] {
        assert_eq!(parsed(text), (kind, value.to_owned()), "{text}");
    }
}

#[test]
fn what_is_none_says_why() {
    for (text, why) in [
        ("", "empty"),
        ("hello", "neither an address"),
        ("1.2.3", "neither an address"),
        ("300.1.2.3", "neither an address"),
        ("*.evil.example", "--subdomains"),
        (".evil.example", "--subdomains"),
        ("0.0.0.0/0", "every address"),
        ("bücher.example", "xn--"),
        ("a@", "neither an address"),
        ("abc123", "neither an address"),
    ] {
        let reason = Indicator::parse(text).expect_err(text);
        assert!(reason.contains(why), "{text}: {reason}");
    }
    assert_eq!(Indicator::of(Kind::Md5, "abc").expect_err("no hash"), "it is no md5");
}

fn set(lines: &[&str], has_subdomains: bool) -> IndicatorSet {
    IndicatorSet::new(lines.iter().map(|line| Indicator::parse(line).expect(line)), has_subdomains)
}

fn found(set: &IndicatorSet, value: &str) -> Vec<String> {
    let mut numbers = Vec::new();
    set.find(value, &mut numbers);
    numbers.iter().map(|number| set.indicators()[*number as usize].value().to_owned()).collect()
}

#[test]
fn values_are_found_in_any_spelling() {
    let lines =
        ["192.0.2.1", "198.51.100.0/24", "198.51.0.0/16", "evil.example", "http://evil.example/a", "a@b.example"];
    let set = set(&lines, false);
    for (value, expected) in [
        ("192.0.2.1", &["192.0.2.1"][..]),
        ("192.0.2.1:443", &["192.0.2.1"]),
        ("::FFFF:192.0.2.1", &["192.0.2.1"]),
        ("192.0.2.10", &[]),
        ("198.51.100.7", &["198.51.100.0/24", "198.51.0.0/16"]),
        ("198.51.7.7", &["198.51.0.0/16"]),
        ("EVIL.example.", &["evil.example"]),
        ("evil.example:443", &["evil.example"]),
        ("www.evil.example", &[]),
        ("https://Evil.example/a?b=c", &["evil.example/a"]),
        ("https://evil.example/a/", &[]),
        ("A@B.example", &["a@b.example"]),
        ("evil.example and more", &[]),
        ("", &[]),
    ] {
        assert_eq!(found(&set, value), expected, "{value}");
    }
}

#[test]
fn subdomains_are_found_where_they_are_asked_for() {
    let set = set(&["evil.example", "192.0.2.1"], true);
    assert_eq!(found(&set, "a.b.Evil.example"), ["evil.example"]);
    assert!(found(&set, "notevil.example").is_empty());
    assert!(found(&set, "a@evil.example").is_empty());
    assert_eq!(set.plain(b"a", b"b"), Plain::Any);
}

#[test]
fn bounds_leave_out_what_cannot_match() {
    let names = set(&["m.example", "d41d8cd98f00b204e9800998ecf8427e"], false);
    assert!(names.may_match(b"a", b"z") && names.may_match(b"M.EXAMPLE", b"M.EXAMPLE"));
    assert!(!names.may_match(b"n", b"z") && !names.may_match(b"E", b"L") && !names.may_match(b"a", b"d40"));
    let addresses = set(&["192.0.2.1"], false);
    assert!(!addresses.may_match(b"10.0.0.1", b"10.0.0.9") && addresses.may_match(b"10.0.0.1", b"192.0.2.5"));
    let network = set(&["10.0.0.0/8"], false);
    assert!(network.may_match(b"10.1.2.3", b"10.1.2.3") && !network.may_match(b"100.0.0.1", b"99.0.0.1"));
    assert_eq!(network.plain(b"10.0.0.1", b"2"), Plain::Any);
    assert_eq!(network.plain(b"11.0.0.1", b"2"), Plain::Among(&[]));
    assert_eq!(
        set(&["192.0.2.0/30"], false).plain(b"1", b"192.0.2.1"),
        Plain::Among(&["192.0.2.0".into(), "192.0.2.1".into()])
    );
}

/// An indicator as people list it.
fn listed() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        any::<[u16; 8]>().prop_map(|ip| std::net::Ipv6Addr::from(ip).to_string()),
        (any::<[u8; 4]>(), 1..33_u8).prop_map(|(ip, bits)| format!("{}/{bits}", std::net::Ipv4Addr::from(ip))),
        (any::<[u16; 8]>(), 1..129_u8).prop_map(|(ip, bits)| format!("{}/{bits}", std::net::Ipv6Addr::from(ip))),
        "[a-z0-9]{1,8}\\.[a-z]{2,5}",
        "[0-9a-f]{32}",
        "[0-9a-f]{64}",
        "[a-z]{1,5}@[a-z]{1,8}\\.[a-z]{2,5}",
        "https?://[a-z]{1,8}\\.[a-z]{2,5}(/[a-zA-Z]{1,5}){0,2}",
    ]
}

/// A spelling of an indicator, or of something in it.
fn spelled(text: &str, style: u8) -> String {
    let network = Network::parse(text).map(|network| network.first().to_string());
    let text = network.unwrap_or_else(|| text.to_owned());
    let ip = text.parse::<std::net::IpAddr>();
    match (style % 6, ip) {
        (0, _) => text.to_uppercase(),
        (1, Ok(std::net::IpAddr::V4(ip))) => ip.to_ipv6_mapped().to_string().to_uppercase(),
        (1, Ok(std::net::IpAddr::V6(ip))) => ip.segments().map(|part| format!("{part:04X}")).join(":"),
        (2, Ok(ip)) => std::net::SocketAddr::new(ip, 443).to_string(),
        (2, Err(_)) if !text.contains(['/', '@']) && text.contains('.') => format!("{text}:8080"),
        (3, Err(_)) if !text.contains(['/', '@']) && text.contains('.') => format!("{text}."),
        (4, Err(_)) => {
            text.char_indices().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect()
        }
        _ => text,
    }
}

proptest! {
    #[test]
    fn folding_twice_changes_nothing(text in "\\PC{0,40}|[a-zA-Z0-9.:/@\\[\\]%?#-]{0,40}") {
        let once = fold(&text).into_owned();
        prop_assert!(is_plain(&once), "{text:?} -> {once:?} -> {:?}", fold(&once));
    }

    #[test]
    fn what_is_found_lies_within_the_bounds(lines in prop::collection::vec(listed(), 1..6), pick in any::<usize>(), style: u8, subdomains: bool) {
        let indicators: Vec<Indicator> = lines.iter().filter_map(|line| Indicator::parse(line).ok()).collect();
        let set = IndicatorSet::new(indicators, subdomains);
        let value = spelled(&lines[pick % lines.len()], style);
        let mut numbers = Vec::new();
        set.find(&value, &mut numbers);
        if !numbers.is_empty() {
            prop_assert!(set.may_match(value.as_bytes(), value.as_bytes()), "{value} of {lines:?}");
            let plain = fold(&value).into_owned();
            let among = set.plain(plain.as_bytes(), plain.as_bytes());
            let holds = match among { Plain::Any => true, Plain::Among(values) => values.contains(&plain) };
            prop_assert!(holds, "{plain} of {lines:?}");
        }
    }

    #[test]
    fn a_spelling_of_an_indicator_is_found(line in listed(), style in 0..4_u8) {
        if let Ok(indicator) = Indicator::parse(&line) {
            // Paths keep their case.
            let style = if indicator.kind() == Kind::Url { 5 } else { style };
            let set = IndicatorSet::new([indicator], false);
            let value = spelled(&line, style);
            let mut numbers = Vec::new();
            set.find(&value, &mut numbers);
            prop_assert!(!numbers.is_empty(), "{value} of {line}");
        }
    }

    #[test]
    fn any_text_is_a_list(text in "\\PC{0,200}") {
        if let Ok(feed) = read("list", &text) {
            for listed in feed.taken {
                let value = listed.indicator.value().to_owned();
                let set = IndicatorSet::new([listed.indicator], false);
                let looked = Network::parse(&value).map_or(value, |network| network.first().to_string());
                prop_assert_eq!(found(&set, &looked).len(), 1, "{}", looked);
            }
        }
    }
}
