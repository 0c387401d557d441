//! Databases of addresses in MaxMind's format, <https://maxmind.github.io/MaxMind-DB/>, as small as a test needs them.

use std::net::IpAddr;

use serde_json::{Value, json};

/// What stands before a database's description of itself.
const MARKER: &[u8] = b"\xAB\xCD\xEFMaxMind.com";

/// One side of a node.
#[derive(Clone, Copy)]
enum Side {
    Nothing,
    Node(usize),
    Data(usize),
}

/// A database of this type with a record for each network, such as `("192.0.2.0/24", json!({…}))`.
///
/// # Panics
/// For what is no network, and for records with values that the tests do not need.
pub fn mmdb(kind: &str, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut nodes = vec![[Side::Nothing; 2]];
    let mut data = Vec::new();
    for (network, record) in networks {
        let (address, bits) = network.split_once('/').expect("a network");
        let bits: usize = bits.parse().expect("a number of bits");
        let (path, bits) = match address.parse().expect("an address") {
            IpAddr::V4(address) => (u128::from(address.to_bits()), bits + 96),
            IpAddr::V6(address) => (address.to_bits(), bits),
        };
        let place = data.len();
        add_value(&mut data, record);
        let mut at = 0;
        for depth in 0..bits {
            let side = ((path >> (127 - depth)) & 1) as usize;
            if depth + 1 == bits {
                nodes[at][side] = Side::Data(place);
                break;
            }
            at = match nodes[at][side] {
                Side::Node(next) => next,
                _ => {
                    nodes.push([Side::Nothing; 2]);
                    let next = nodes.len() - 1;
                    nodes[at][side] = Side::Node(next);
                    next
                }
            };
        }
    }
    let count = nodes.len();
    let record = |side: &Side| match side {
        Side::Nothing => count,
        Side::Node(node) => *node,
        Side::Data(place) => count + 16 + place,
    };
    let mut bytes: Vec<u8> = nodes.iter().flatten().flat_map(|side| (record(side) as u32).to_be_bytes()).collect();
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(MARKER);
    add_description(&mut bytes, kind, count as u32);
    bytes
}

/// What a database says of itself. Its numbers have the widths that the format gives them.
fn add_description(bytes: &mut Vec<u8>, kind: &str, nodes: u32) {
    let texts = json!({"database_type": kind, "languages": ["en"], "description": {"en": "made by a test"}});
    let texts = texts.as_object().expect("an object");
    let shorts = [
        ("record_size", 32),
        ("ip_version", 6),
        ("binary_format_major_version", 2),
        ("binary_format_minor_version", 0),
    ];
    add_control(bytes, 7, texts.len() + shorts.len() + 2);
    for (name, value) in texts {
        add_value(bytes, &Value::from(name.as_str()));
        add_value(bytes, value);
    }
    for (name, number) in shorts {
        add_value(bytes, &Value::from(name));
        add_control(bytes, 5, 2);
        bytes.extend(u16::to_be_bytes(number));
    }
    add_value(bytes, &Value::from("node_count"));
    add_value(bytes, &Value::from(nodes));
    add_value(bytes, &Value::from("build_epoch"));
    add_control(bytes, 9, 8);
    bytes.extend(1_704_164_645_u64.to_be_bytes());
}

fn add_value(bytes: &mut Vec<u8>, value: &Value) {
    match value {
        Value::String(text) => {
            add_control(bytes, 2, text.len());
            bytes.extend(text.as_bytes());
        }
        Value::Number(number) => match number.as_u64() {
            Some(number) => {
                add_control(bytes, 6, 4);
                bytes.extend(u32::try_from(number).expect("32 bits").to_be_bytes());
            }
            None => {
                add_control(bytes, 3, 8);
                bytes.extend(number.as_f64().expect("a float").to_be_bytes());
            }
        },
        Value::Array(items) => {
            add_control(bytes, 11, items.len());
            items.iter().for_each(|item| add_value(bytes, item));
        }
        Value::Object(members) => {
            add_control(bytes, 7, members.len());
            for (name, value) in members {
                add_value(bytes, &Value::from(name.as_str()));
                add_value(bytes, value);
            }
        }
        other => panic!("no record of a test has {other}"),
    }
}

/// A value's type and size; types over 7 stand in a byte of their own.
fn add_control(bytes: &mut Vec<u8>, kind: u8, size: usize) {
    let (short, rest) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    match kind {
        ..=7 => bytes.push(kind << 5 | short),
        _ => bytes.extend([short, kind - 7]),
    }
    bytes.extend(rest);
}
