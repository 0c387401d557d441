//! `geoip`, `asn`: what databases in MaxMind's format know of an address.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use millpond_core::{Error, Result};
use serde::Deserialize;

use super::ip;
use super::row::{Function, Kind, Value, struct_type};

/// OCSF's `location`.
const LOCATION: [(&str, Kind); 8] = [
    ("country", Kind::Text),
    ("region", Kind::Text),
    ("city", Kind::Text),
    ("postal_code", Kind::Text),
    ("continent", Kind::Text),
    ("lat", Kind::Float),
    ("long", Kind::Float),
    ("isp", Kind::Text),
];
/// OCSF's `autonomous_system`.
const SYSTEM: [(&str, Kind); 2] = [("number", Kind::Long), ("name", Kind::Text)];

pub(super) fn functions(databases: &Arc<Databases>) -> Vec<Function> {
    let (places, systems) = (Arc::clone(databases), Arc::clone(databases));
    vec![
        Function::new("geoip", 1..=1, struct_type(&LOCATION), move |rows| {
            rows.structs(&LOCATION, |row| places.city.as_ref()?.location(rows.get(0, row)?))
        }),
        Function::new("asn", 1..=1, struct_type(&SYSTEM), move |rows| {
            rows.structs(&SYSTEM, |row| systems.asn.as_ref()?.system(rows.get(0, row)?))
        }),
    ]
}

/// What is read of a record of places. Databases differ in what else they have, and in its types.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place<'a> {
    #[serde(borrow)]
    country: Named<'a>,
    #[serde(borrow)]
    registered_country: Named<'a>,
    #[serde(borrow)]
    subdivisions: Vec<Named<'a>>,
    #[serde(borrow)]
    city: Named<'a>,
    #[serde(borrow)]
    continent: Named<'a>,
    #[serde(borrow)]
    postal: Postal<'a>,
    location: Coordinates,
    #[serde(borrow)]
    traits: Traits<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named<'a> {
    iso_code: Option<&'a str>,
    #[serde(borrow)]
    names: Names<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Names<'a> {
    en: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Postal<'a> {
    code: Option<&'a str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Coordinates {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Traits<'a> {
    isp: Option<&'a str>,
}

/// What is read of a record of autonomous systems.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct System<'a> {
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<&'a str>,
}

/// The databases of a pond; what one does not have is NULL.
#[derive(Debug, Default)]
pub struct Databases {
    /// Countries and cities.
    pub city: Option<Database>,
    /// Autonomous systems.
    pub asn: Option<Database>,
}

/// A database in MaxMind's format, held in memory.
pub struct Database(maxminddb::Reader<Bytes>);

impl Database {
    /// Opens the bytes of a database.
    ///
    /// # Errors
    /// [`Kind::BadInput`](millpond_core::Kind::BadInput) when they are none.
    pub fn open(bytes: Bytes) -> Result<Self> {
        let opened = maxminddb::Reader::from_source(bytes);
        opened.map(Self).map_err(|error| Error::bad_input("not readable as a database of addresses").because(error))
    }

    fn location(&self, address: &str) -> Option<[Value<'_>; 8]> {
        let found = self.0.lookup(ip::parse(address)?).ok()?.decode::<Place<'_>>().ok()??;
        let country = found.country.iso_code.or(found.registered_country.iso_code);
        let subdivision = found.subdivisions.first().and_then(|subdivision| subdivision.iso_code);
        let region = country.zip(subdivision).map(|(country, subdivision)| format!("{country}-{subdivision}"));
        Some([
            country.into(),
            region.into(),
            found.city.names.en.into(),
            found.postal.code.into(),
            found.continent.names.en.into(),
            found.location.latitude.map_or(Value::Null, Value::Float),
            found.location.longitude.map_or(Value::Null, Value::Float),
            found.traits.isp.into(),
        ])
    }

    fn system(&self, address: &str) -> Option<[Value<'_>; 2]> {
        let found = self.0.lookup(ip::parse(address)?).ok()?.decode::<System<'_>>().ok()??;
        let number = found.autonomous_system_number.map_or(Value::Null, |number| Value::Long(number.into()));
        Some([number, found.autonomous_system_organization.into()])
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.0.metadata().database_type).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::gives_nothing;
    use millpond_testkit::mmdb;
    use serde_json::json;

    fn city() -> Database {
        let zurich = json!({
            "city": {"geoname_id": 7, "names": {"de": "Zürich", "en": "Zurich"}},
            "continent": {"code": "EU", "names": {"en": "Europe"}},
            "country": {"iso_code": "CH", "names": {"en": "Switzerland"}},
            "location": {"latitude": 47.3667, "longitude": 8.55, "accuracy_radius": 20, "time_zone": "Europe/Zurich"},
            "postal": {"code": "8001"},
            "subdivisions": [{"iso_code": "ZH", "names": {"en": "Zurich"}}],
            "traits": {"isp": "Example Net"},
        });
        let nobody = json!({"registered_country": {"iso_code": "US", "names": {}}});
        let odd = json!({"city": "a text where an object is", "country": 5});
        let networks = [
            ("198.51.100.0/24", zurich),
            ("203.0.113.128/25", nobody.clone()),
            ("2001:db8::/32", nobody),
            ("192.0.2.0/24", odd),
            ("192.0.3.0/24", json!({})),
        ];
        Database::open(mmdb("GeoLite2-City", &networks).into()).expect("database")
    }

    fn values<const N: usize>(found: Option<[Value<'_>; N]>) -> String {
        format!("{found:?}")
    }

    #[test]
    fn places() {
        let city = city();
        let zurich = city.location("198.51.100.7").expect("a place");
        let expected: [Value<'_>; 8] = [
            "CH".into(),
            "CH-ZH".into(),
            "Zurich".into(),
            "8001".into(),
            "Europe".into(),
            Value::Float(47.3667),
            Value::Float(8.55),
            "Example Net".into(),
        ];
        assert_eq!(zurich, expected);
        assert_eq!(values(city.location(" ::ffff:198.51.100.255 ")), values(Some(zurich)));
        for address in ["203.0.113.128", "2001:db8:1::"] {
            let [country, rest @ ..] = city.location(address).expect("a place");
            assert_eq!(country, "US".into());
            assert!(rest.iter().all(|value| *value == Value::Null), "{rest:?}");
        }
        for address in ["203.0.113.1", "10.0.0.1", "192.0.2.1", "x", "", "2001:db9::"] {
            assert!(city.location(address).is_none(), "{address}");
        }
        assert!(city.location("192.0.3.1").expect("a record").iter().all(|value| *value == Value::Null));
    }

    #[test]
    fn systems() {
        let networks = [
            (
                "198.51.100.0/24",
                json!({"autonomous_system_number": 4_200_000_000u32, "autonomous_system_organization": "X"}),
            ),
            ("2001:db8::/32", json!({"autonomous_system_number": 64_496})),
            ("203.0.113.0/24", json!({"autonomous_system_number": 1, "isp": "Y", "organization": "Z"})),
        ];
        let asn = Database::open(mmdb("GeoLite2-ASN", &networks).into()).expect("database");
        assert_eq!(asn.system("198.51.100.1"), Some([Value::Long(4_200_000_000), "X".into()]));
        assert_eq!(asn.system("2001:db8::1"), Some([Value::Long(64_496), Value::Null]));
        assert_eq!(asn.system("203.0.113.1"), Some([Value::Long(1), Value::Null]));
        assert_eq!(asn.system("192.0.2.1"), None);
    }

    #[test]
    fn what_is_no_database_is_refused() {
        for bytes in [&b""[..], b"no database", b"\xAB\xCD\xEFMaxMind.com"] {
            assert!(Database::open(Bytes::copy_from_slice(bytes)).is_err());
        }
        let whole = mmdb("GeoLite2-City", &[("198.51.100.0/24", json!({"country": {"iso_code": "CH"}}))]);
        // A damaged database gives nothing, and no panic.
        for start in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[start] ^= 0xff;
            if let Ok(database) = Database::open(bytes.into()) {
                let _ = (database.location("198.51.100.1"), database.system("198.51.100.1"));
            }
        }
    }

    #[test]
    fn without_a_database_all_is_null() {
        gives_nothing("geoip", &["198.51.100.7", "x", ""]);
        gives_nothing("asn", &["198.51.100.7", "x", ""]);
    }
}
