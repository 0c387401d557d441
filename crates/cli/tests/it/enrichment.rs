//! Tables that are made of the lake, and databases of addresses.

use millpond_testkit::mmdb;
use serde_json::json;

use crate::pond::{PLAIN_CONFIG, Pond};

const DIRECTORY: &str = "version = 1\ntime = 'at'\n[[match]]\nglob = '**/*.csv'\n[columns]\nat = 'timestamp'\n";
const DIRECTORY_SQL: &str = "select at, uid, name from input";
const PEOPLE: &str = "[enrich.people]\nquery = '''\nselect uid, name from directory\nqualify row_number() over (partition by uid order by at desc) = 1\n'''\n\
                      columns = { uid = 'text', name = 'text' }\nrefresh = '1 h'\n";

#[test]
fn a_table_is_made_of_what_another_source_wrote_last() {
    let pond = Pond::empty();
    pond.source("directory", DIRECTORY, DIRECTORY_SQL);
    pond.source(
        "app",
        PLAIN_CONFIG,
        "select people.name, bytes from input left join people on people.uid = input.\"user\"",
    );
    let config = std::fs::read_to_string(pond.path("millpond.toml")).expect("config");
    pond.write("millpond.toml", format!("{config}{PEOPLE}"));
    pond.millpond(&["check"]).ok();
    pond.write("inbox/1.ndjson", "{\"user\":\"u1\",\"bytes\":1}\n");
    pond.run_once();
    assert_eq!(pond.query("select name, bytes from app"), [json!({"bytes": 1})], "the lake has no directory yet");
    pond.write(
        "inbox/people.csv",
        "at,uid,name\n2026-01-01T00:00:00Z,u1,Ann\n2026-01-03T00:00:00Z,u1,Ann Other\n2026-01-02T00:00:00Z,u2,Bob\n",
    );
    pond.run_once();
    pond.write(
        "inbox/2.ndjson",
        "{\"user\":\"u1\",\"bytes\":2}\n{\"user\":\"u2\",\"bytes\":3}\n{\"user\":\"u3\",\"bytes\":4}\n",
    );
    pond.run_once();
    assert_eq!(
        pond.query("select name, bytes from app where bytes > 1 order by bytes"),
        [json!({"name": "Ann Other", "bytes": 2}), json!({"name": "Bob", "bytes": 3}), json!({"bytes": 4})]
    );
    for (from, to, told) in [
        ("uid, name from", "uid, nam from", "No field named nam"),
        ("name = 'text'", "name = 'text', mail = 'text'", "its query gives no column `mail`"),
        ("columns = { uid = 'text', name = 'text' }\n", "", "`columns`"),
        ("query =", "url = 'x.csv'\nquery =", "table `people` has either a `url` or a `query`"),
    ] {
        pond.write("millpond.toml", format!("{config}{}", PEOPLE.replace(from, to)));
        let refused = pond.millpond(&["check"]).fails(1).stderr;
        assert!(refused.contains(told), "{told}: {refused}");
    }
}

#[test]
fn networks_of_clouds_are_a_table() {
    let pond = Pond::empty();
    let recipe = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guide/enrichment.md"));
    let recipe = recipe.expect("guide");
    let sql = recipe.split("```").find(|block| block.contains("is_of_a_cloud")).expect("a recipe");
    pond.source("app", "format = 'json'\n[[match]]\nglob = '**'\n", sql.strip_prefix("sql\n").expect("SQL"));
    pond.write("enrich/cloud_ranges.ndjson", "{\"network\":\"192.0.2.0/24\"}\n{\"network\":\"2001:db8::/32\"}\n");
    pond.write("inbox/1.json", "{\"ip\":\"192.0.2.7\"}\n{\"ip\":\"198.51.100.7\"}\n{\"ip\":\"2001:db8::1\"}\n");
    pond.run_once();
    let cloudy = json!({"ip": "192.0.2.7", "is_of_a_cloud": true});
    assert_eq!(pond.query("select ip, is_of_a_cloud from app order by ip limit 1"), [cloudy]);
    assert_eq!(pond.value("select count(*) from app where is_of_a_cloud"), 2);
}

#[test]
fn addresses_have_places_and_systems() {
    let pond = Pond::empty();
    pond.source("app", PLAIN_CONFIG, "select geoip(\"user\") as place, asn(\"user\") as system, bytes from input");
    let warned = pond.millpond(&["check"]).ok().stderr;
    assert!(warned.contains("transform.sql:1: `geoip` gives NULL: the pond has no database for it"), "{warned}");
    let place =
        json!({"country": {"iso_code": "CH"}, "city": {"names": {"en": "Zurich"}}, "location": {"latitude": 47.5}});
    pond.write("geo/city.mmdb", mmdb("GeoLite2-City", &[("198.51.100.0/24", place)]));
    let system = json!({"autonomous_system_number": 64_496, "autonomous_system_organization": "Example Net"});
    pond.write("geo/asn.mmdb", mmdb("GeoLite2-ASN", &[("198.51.100.0/24", system)]));
    let config = std::fs::read_to_string(pond.path("millpond.toml")).expect("config");
    pond.write("millpond.toml", format!("{config}[geoip]\ncity = 'geo/city.mmdb'\nasn = 'geo/asn.mmdb'\n"));
    assert_eq!(pond.millpond(&["check"]).ok().stderr, "no problems\n");
    pond.write("inbox/1.ndjson", "{\"user\":\"198.51.100.7\",\"bytes\":1}\n{\"user\":\"192.0.2.1\",\"bytes\":2}\n");
    pond.run_once();
    assert_eq!(
        pond.query("select place['city'] as city, place['lat'] as lat, system['number'] as number, bytes from app order by bytes"),
        [json!({"city": "Zurich", "lat": 47.5, "number": 64_496, "bytes": 1}), json!({"bytes": 2})]
    );
    assert_eq!(pond.value("select geoip('198.51.100.9')['country']"), "CH", "queries look there, too");
    pond.write("geo/asn.mmdb", "no database");
    let refused = pond.millpond(&["check"]).fails(1).stderr;
    assert!(refused.contains("failed to read the database `geo/asn.mmdb` of `[geoip]`"), "{refused}");
}
