//! Tests of lists.

use super::*;

fn read_all(name: &str, text: &str) -> (Vec<String>, Vec<String>) {
    let feed = read(name, text).expect("a list");
    let taken = feed.taken.iter().map(|listed| {
        let note = listed.note.as_deref().map(|note| format!(" ({note})")).unwrap_or_default();
        format!("{} {}{note}", listed.indicator.kind().name(), listed.indicator.value())
    });
    let refused =
        feed.refused.iter().map(|refused| format!("{}: {}: {}", refused.place, refused.value, refused.reason));
    (taken.collect(), refused.collect())
}

#[test]
fn text_has_one_a_line() {
    let text =
        "# from us\n1.2.3[.]4\n\n192.0.2.0/24 ; SBL1\nevil[.]example # seen in May\n0.0.0.0 ads.example\nno good\n";
    let (taken, refused) = read_all("list.txt", text);
    assert_eq!(
        taken,
        ["ip 1.2.3.4", "network 192.0.2.0/24 (SBL1)", "domain evil.example (seen in May)", "domain ads.example"]
    );
    assert!(refused[0].starts_with("line 7: no good: neither"), "{refused:?}");
}

#[test]
fn csv_says_what_its_columns_are() {
    let text = "# made by x\ntype,value,description\nip,192.0.2.1,\"a, \"\"b\"\"\"\ndomain,evil.example,\n,a@b.example,x\nmd5,zz,\n";
    let (taken, refused) = read_all("feed", text);
    assert_eq!(taken, ["ip 192.0.2.1 (a, \"b\")", "domain evil.example", "email a@b.example (x)"]);
    assert_eq!(refused, ["line 6: zz: it is no md5"]);
    let hashes =
        "first_seen;sha256_hash;md5_hash\n2026;da39a3ee5e6b4b0d3255bfef95601890da39a3ee5e6b4b0d3255bfef95601890;\n";
    assert_eq!(read_all("feed", hashes).0.len(), 1);
    let bare = "\"1\",\"2026-01-01 00:00:00\",\"http://evil.example/x\",\"online\"\n";
    assert_eq!(read_all("feed", bare).0, ["url evil.example/x"]);
}

#[test]
fn stix_patterns_of_the_simple_kind_are_taken() {
    let indicator = |pattern: &str| serde_json::json!({"type": "indicator", "id": "indicator--1", "name": "n", "pattern": pattern, "pattern_type": "stix"});
    let taken = |pattern: &str| {
        let bundle = serde_json::json!({"type": "bundle", "objects": [{"type": "malware"}, indicator(pattern)]});
        read_all("bundle.json", &bundle.to_string())
    };
    for (pattern, expected) in [
        ("[ipv4-addr:value = '192.0.2.1']", &["ip 192.0.2.1 (n)"][..]),
        (
            "[ipv4-addr:value='192.0.2.0/24' OR domain-name:value = 'evil.example']",
            &["network 192.0.2.0/24 (n)", "domain evil.example (n)"],
        ),
        (
            "[url:value = 'http://e.example/it\\'s'] OR [email-addr:value = 'a@b.example']",
            &["url e.example/it's (n)", "email a@b.example (n)"],
        ),
        (
            "[file:hashes.'SHA-1' = 'da39a3ee5e6b4b0d3255bfef95601890afd80709']",
            &["sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709 (n)"],
        ),
        ("[file:hashes.MD5 = 'D41D8CD98F00B204E9800998ECF8427E']", &["md5 d41d8cd98f00b204e9800998ecf8427e (n)"]),
    ] {
        assert_eq!(taken(pattern), (expected.iter().map(|text| (*text).to_owned()).collect(), Vec::new()), "{pattern}");
    }
    for pattern in [
        "[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'e.example']",
        "[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [domain-name:value = 'e.example']",
        "[domain-name:value LIKE '%.example']",
        "[ipv4-addr:value != '192.0.2.1']",
        "[ipv4-addr:value = '192.0.2.1'",
        "[file:name = 'x.exe']",
        "[ipv4-addr:value = '192.0.2.1'] WITHIN 5 SECONDS",
    ] {
        let (found, refused) = taken(pattern);
        assert!(found.is_empty() && refused.len() == 1, "{pattern}: {found:?}");
    }
    let revoked = r#"{"type":"indicator","pattern":"[ipv4-addr:value = '192.0.2.1']","revoked":true}"#;
    assert!(read_all("x", revoked).1[0].ends_with("it is revoked"));
}

#[test]
fn misp_attributes_that_are_meant_for_detection_are_taken() {
    let event = serde_json::json!({"Event": {"info": "campaign", "Attribute": [
        {"type": "ip-dst", "value": "192.0.2.1", "to_ids": true},
        {"type": "domain|ip", "value": "evil.example|192.0.2.2", "to_ids": true, "comment": "c2"},
        {"type": "ip-dst|port", "value": "192.0.2.3|443", "to_ids": "1"},
        {"type": "url", "value": "http://evil.example/x", "to_ids": false, "uuid": "u"},
        {"type": "mutex", "value": "m", "to_ids": true},
    ], "Object": [{"Attribute": [{"type": "filename|md5", "value": "a.exe|d41d8cd98f00b204e9800998ecf8427e", "to_ids": true}]}]}});
    let (taken, refused) = read_all("event.json", &event.to_string());
    let md5 = "md5 d41d8cd98f00b204e9800998ecf8427e (campaign)";
    let ip3 = "ip 192.0.2.3 (campaign)";
    assert_eq!(taken, ["ip 192.0.2.1 (campaign)", "domain evil.example (c2)", "ip 192.0.2.2 (c2)", ip3, md5]);
    assert!(refused[0].contains("`to_ids` is not set") && refused[1].contains("type `mutex`"), "{refused:?}");
    for wrapped in [serde_json::json!([event]), serde_json::json!({"response": [event]})] {
        assert_eq!(read_all("x", &wrapped.to_string()).0, taken);
    }
    let attributes = serde_json::json!({"response": {"Attribute": [{"type": "sha1", "value": "x", "to_ids": true}]}});
    assert_eq!(read_all("x", &attributes.to_string()).1, ["attribute sha1: x: it is no sha1"]);
}

#[test]
fn other_documents_are_refused_whole() {
    for (text, hint) in [("{}", "a list may be"), (r#"{"u": {"info": "x"}}"#, "manifest"), ("{", "")] {
        let error = read("x.json", text).expect_err(text).report();
        assert!(error.contains("`x.json`") && error.contains(hint), "{error}");
    }
}
