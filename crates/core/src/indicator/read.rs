//! Lists of indicators: plain text, CSV, STIX and MISP, told apart by their content.

mod csv;
mod misp;
mod plain;
mod stix;

use serde_json::Value;

use super::{Indicator, Kind};
use crate::error::{Error, Result};

/// What a list holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feed {
    /// What is looked for, in the order of the list; the same indicator may be there twice.
    pub taken: Vec<Listed>,
    /// What is not, and why.
    pub refused: Vec<Refused>,
}

/// An indicator and what its list says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The indicator.
    pub indicator: Indicator,
    /// A name, a comment or a description.
    pub note: Option<String>,
}

/// An entry that is not looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Where it is: a line, or an object's or attribute's id.
    pub place: String,
    /// The entry.
    pub value: String,
    /// Why, in words that follow a colon.
    pub reason: String,
}

impl Feed {
    /// Takes in an entry, or why it is none.
    fn add(&mut self, place: &str, value: &str, read: Result<Indicator, String>, note: Option<&str>) {
        let note = note.map(str::trim).filter(|note| !note.is_empty()).map(str::to_owned);
        match read {
            Ok(indicator) => self.taken.push(Listed { indicator, note }),
            Err(reason) => self.refuse(place, value, &reason),
        }
    }

    fn refuse(&mut self, place: &str, value: &str, reason: &str) {
        self.refused.push(Refused { place: place.to_owned(), value: value.to_owned(), reason: reason.to_owned() });
    }
}

/// Reads a list of indicators. `name` is its file name or address: its ending tells CSV where the content does not.
///
/// # Errors
/// [`Kind::BadInput`](crate::Kind::BadInput) when it is JSON of another shape. An entry that cannot be used is no
/// error: it is [refused](Feed::refused).
pub fn read(name: &str, text: &str) -> Result<Feed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.trim_start();
    if first.starts_with('{') || first.starts_with('[') {
        match serde_json::from_str::<Value>(text) {
            Ok(document) => return read_json(name, &document),
            Err(error) if first.starts_with('{') => {
                return Err(Error::bad_input(format!("`{name}` is not JSON")).because(error));
            }
            // An address of IPv6 in brackets, say.
            Err(_) => {}
        }
    }
    Ok(match csv::read(name, text) {
        Some(feed) => feed,
        None => plain::read(text),
    })
}

fn read_json(name: &str, document: &Value) -> Result<Feed> {
    if let Some(values) = document.as_array().filter(|values| values.iter().all(Value::is_string)) {
        let mut feed = Feed::default();
        for (index, text) in values.iter().filter_map(Value::as_str).enumerate() {
            feed.add(&format!("entry {index}"), text, Indicator::parse(text), None);
        }
        return Ok(feed);
    }
    let found = stix::read(document).or_else(|| misp::read(document));
    found.ok_or_else(|| {
        let is_manifest = document.as_object().is_some_and(|events| {
            !events.is_empty() && events.values().all(|event| event.get("info").is_some_and(Value::is_string))
        });
        let error = Error::bad_input(format!("`{name}` is JSON, and neither a STIX bundle nor MISP events"));
        match is_manifest {
            true => error.hint("it is the manifest of a MISP feed: name one of the events beside it, `UUID.json`"),
            false => error.hint("a list may be a STIX 2.1 bundle, MISP JSON, CSV, or text with one indicator a line"),
        }
    })
}

/// The kind of a column or of an entry, by the names that lists use.
fn kind_named(name: &str) -> Option<Kind> {
    let name = name.trim().to_ascii_lowercase().replace([' ', '_'], "-");
    Some(match name.as_str() {
        "ip" | "ipv4" | "ipv6" | "ip-address" | "ipv4-addr" | "ipv6-addr" | "address" | "ip-src" | "ip-dst"
        | "src-ip" | "dst-ip" | "dest-ip" => Kind::Ip,
        "network" | "cidr" | "net" | "netblock" | "ip-range" => Kind::Network,
        "domain" | "hostname" | "host" | "domain-name" | "fqdn" => Kind::Domain,
        "md5" | "md5-hash" | "filehash-md5" => Kind::Md5,
        "sha1" | "sha-1" | "sha1-hash" | "filehash-sha1" => Kind::Sha1,
        "sha256" | "sha-256" | "sha256-hash" | "filehash-sha256" => Kind::Sha256,
        "url" | "uri" | "link" => Kind::Url,
        "email" | "e-mail" | "email-addr" | "email-address" | "email-src" | "email-dst" | "mail" => Kind::Email,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
