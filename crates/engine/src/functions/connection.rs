//! `ocsf_connection`: protocol and direction of a connection.

use super::row::{Function, Kind, Value, struct_type};
use super::said;

const FIELDS: [(&str, Kind); 4] = [
    ("protocol_num", Kind::Int),
    ("protocol_name", Kind::Text),
    ("direction_id", Kind::Int),
    ("direction", Kind::Text),
];

pub(super) fn functions() -> Vec<Function> {
    vec![Function::new("ocsf_connection", 1..=2, struct_type(&FIELDS), |rows| {
        rows.structs(&FIELDS, |row| {
            let protocol = rows.get(0, row).and_then(protocol);
            let said = rows.get(1, row).and_then(said);
            if protocol.is_none() && said.is_none() {
                return None;
            }
            let (number, name) = protocol.unwrap_or((Value::Null, Value::Null));
            let (id, caption) = said.map_or((0, "Unknown"), direction);
            Some([number, name, id.into(), caption.into()])
        })
    })]
}

/// Number and name of a protocol that is given as either.
fn protocol(text: &str) -> Option<(Value<'_>, Value<'_>)> {
    let text = said(text)?;
    let number = text.strip_suffix(".0").unwrap_or(text);
    if number.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: u8 = number.parse().ok()?;
        let name = PROTOCOLS.iter().find(|(known, _)| *known == number).map(|(_, name)| *name);
        return Some((i32::from(number).into(), name.into()));
    }
    let name = text.to_ascii_lowercase();
    let plain = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name.as_str(), |(_, plain)| plain);
    let known = PROTOCOLS.iter().find(|(_, known)| *known == plain);
    Some(match known {
        Some((number, name)) => (i32::from(*number).into(), (*name).into()),
        None => (Value::Null, name.into()),
    })
}

/// `direction_id` and its caption; a word that the schema lacks is 99 and itself.
fn direction(text: &str) -> (i32, &str) {
    let word = text.to_ascii_lowercase();
    let is = |words: &[&str]| words.contains(&word.as_str());
    match () {
        () if is(INBOUND) => (1, "Inbound"),
        () if is(OUTBOUND) => (2, "Outbound"),
        () if is(&["lateral", "internal", "east-west", "eastwest", "intranet"]) => (3, "Lateral"),
        () if is(&["local", "loopback", "localhost"]) => (4, "Local"),
        () if is(&["unknown", "none", "null", "unspecified"]) => (0, "Unknown"),
        () => (99, text),
    }
}

/// The numbers with `%%` are those of Windows' filtering platform.
const INBOUND: &[&str] =
    &["inbound", "in", "ingress", "incoming", "received", "receive", "recv", "download", "inward", "%%14592"];
const OUTBOUND: &[&str] = &["outbound", "out", "egress", "outgoing", "sent", "send", "upload", "outward", "%%14593"];

/// IANA's protocol numbers, <https://www.iana.org/assignments/protocol-numbers>: those that are in use.
const PROTOCOLS: [(u8, &str); 58] = [
    (0, "hopopt"),
    (1, "icmp"),
    (2, "igmp"),
    (3, "ggp"),
    (4, "ipv4"),
    (5, "st"),
    (6, "tcp"),
    (7, "cbt"),
    (8, "egp"),
    (9, "igp"),
    (12, "pup"),
    (17, "udp"),
    (20, "hmp"),
    (22, "xns-idp"),
    (27, "rdp"),
    (28, "irtp"),
    (29, "iso-tp4"),
    (33, "dccp"),
    (36, "xtp"),
    (37, "ddp"),
    (38, "idpr-cmtp"),
    (41, "ipv6"),
    (42, "sdrp"),
    (43, "ipv6-route"),
    (44, "ipv6-frag"),
    (45, "idrp"),
    (46, "rsvp"),
    (47, "gre"),
    (48, "dsr"),
    (50, "esp"),
    (51, "ah"),
    (55, "min-ipv4"),
    (57, "skip"),
    (58, "ipv6-icmp"),
    (59, "ipv6-nonxt"),
    (60, "ipv6-opts"),
    (73, "cphb"),
    (80, "iso-ip"),
    (81, "vmtp"),
    (88, "eigrp"),
    (89, "ospfigp"),
    (94, "ipip"),
    (97, "etherip"),
    (98, "encap"),
    (103, "pim"),
    (108, "ipcomp"),
    (112, "vrrp"),
    (115, "l2tp"),
    (124, "isis over ipv4"),
    (132, "sctp"),
    (133, "fc"),
    (135, "mobility header"),
    (136, "udplite"),
    (137, "mpls-in-ip"),
    (138, "manet"),
    (139, "hip"),
    (140, "shim6"),
    (142, "rohc"),
];

/// Names that logs use for them.
const ALIASES: [(&str, &str); 13] = [
    ("tcp4", "tcp"),
    ("tcp6", "tcp"),
    ("udp4", "udp"),
    ("udp6", "udp"),
    ("icmp6", "ipv6-icmp"),
    ("icmpv6", "ipv6-icmp"),
    ("icmp-v6", "ipv6-icmp"),
    ("icmp4", "icmp"),
    ("icmpv4", "icmp"),
    ("ospf", "ospfigp"),
    ("ipv6-in-ipv4", "ipv6"),
    ("ipsec-esp", "esp"),
    ("ipsec-ah", "ah"),
];

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing, printed};

    fn of(protocol: &str, direction: &str) -> String {
        printed(&format!("ocsf_connection({protocol}, {direction})"))
    }

    #[test]
    fn protocols_by_number_and_name() {
        let unknown = |number: &str, name: &str| {
            format!("{{protocol_num: {number}, protocol_name: {name}, direction_id: 0, direction: Unknown}}")
        };
        for (text, number, name) in [
            ("6", "6", "tcp"),
            ("TCP", "6", "tcp"),
            ("tcp6", "6", "tcp"),
            (" udp ", "17", "udp"),
            ("17.0", "17", "udp"),
            ("icmp", "1", "icmp"),
            ("ICMPv6", "58", "ipv6-icmp"),
            ("58", "58", "ipv6-icmp"),
            ("0", "0", "hopopt"),
            ("253", "253", "NULL"),
            ("quic", "NULL", "quic"),
            ("OSPF", "89", "ospfigp"),
        ] {
            gives("ocsf_connection", &[(text, &unknown(number, name))]);
        }
        assert_eq!(of("6", "NULL"), unknown("6", "tcp"));
        gives_nothing("ocsf_connection", &["", "-", "256", "99999999999"]);
    }

    #[test]
    fn directions() {
        let of_words = |word: &str| of("'tcp'", &format!("'{word}'"));
        for (word, id, caption) in [
            ("inbound", 1, "Inbound"),
            ("IN", 1, "Inbound"),
            ("ingress", 1, "Inbound"),
            ("%%14592", 1, "Inbound"),
            ("Egress", 2, "Outbound"),
            ("out", 2, "Outbound"),
            ("internal", 3, "Lateral"),
            ("local", 4, "Local"),
            ("unknown", 0, "Unknown"),
            ("sideways", 99, "sideways"),
            ("", 0, "Unknown"),
            ("-", 0, "Unknown"),
        ] {
            let expected = format!("{{protocol_num: 6, protocol_name: tcp, direction_id: {id}, direction: {caption}}}");
            assert_eq!(of_words(word), expected, "{word}");
        }
        assert_eq!(
            of("NULL", "'in'"),
            "{protocol_num: NULL, protocol_name: NULL, direction_id: 1, direction: Inbound}"
        );
        assert_eq!(of("NULL", "NULL"), "NULL");
    }
}
