//! Events of OCSF: one query and one signal for all sources, and what is found in them.

use serde_json::json;

use crate::pond::Pond;

const DOORS: &str = "version = 1\n[[match]]\nglob = 'doors/**'\n[format]\ntype = 'json'\n[ocsf]\n\
                     classes = ['authentication']\nvendor = 'Doors'\nproduct = 'Portal'\n[columns]\nat = 'timestamp'\n";
const DOORS_SQL: &str = "select at as time, 1 as activity_id, cast(ok as int) as status_id, {'name': who} as \"user\", \
                         {'ip': ip, 'port': cast(port as int)} as src_endpoint, _rest as unmapped, _file, _row from input";
const GATES: &str = "version = 1\n[[match]]\nglob = 'gates/**'\n[format]\ntype = 'json'\n[ocsf]\n\
                     classes = ['authentication', 'api_activity']\nvendor = 'Gates'\nproduct = 'API'\n";
const GATES_SQL: &str = "select parse_time(ts) as time, cast(class as int) as class_uid, 1 as activity_id, 1 as status_id, \
                         {'email_addr': mail, 'name': mail} as \"user\", {'user': {'name': mail}} as actor, {'operation': op} as api, \
                         {'hostname': host, 'ip': ip} as src_endpoint, _file, _row from input";

fn pond() -> Pond {
    let pond = Pond::empty();
    pond.source("doors", DOORS, DOORS_SQL);
    pond.source("gates", GATES, GATES_SQL);
    let door = |who: &str, ok: u8| json!({"at": "2026-01-05T10:00:00Z", "who": who, "ok": ok, "ip": "192.0.2.1", "port": 22, "more": true});
    pond.write(
        "inbox/doors/1.json",
        format!("{}\n{}\n{{\"who\":\"late\",\"ok\":1}}\n", door("ann", 1), door("bob", 2)),
    );
    let gate = |class: u16| json!({"ts": "1767607300", "class": class, "mail": "Cleo@example.com", "op": "get", "ip": "2001:db8::1"});
    pond.write("inbox/gates/1.json", format!("{}\n{}\n", gate(3002), gate(6003)));
    pond
}

#[test]
fn one_query_serves_all_sources() {
    let pond = pond();
    let none = pond.millpond(&["query", "select * from ocsf.authentication"]).fails(1);
    assert!(none.stderr.contains("no table of this lake holds OCSF events yet"), "{}", none.stderr);
    pond.run_once();
    let rows = pond.query(
        "select _table, user['name'] as who, user['email_addr'] as mail, src_endpoint['port'] as port, \
         src_endpoint['hostname'] as host, status, class_name from ocsf.authentication order by _table, who",
    );
    assert_eq!(
        rows,
        [
            json!({"_table": "doors", "who": "ann", "port": 22, "status": "Success", "class_name": "Authentication"}),
            json!({"_table": "doors", "who": "bob", "port": 22, "status": "Failure", "class_name": "Authentication"}),
            json!({"_table": "doors", "who": "late", "status": "Success", "class_name": "Authentication"}),
            json!({"_table": "gates", "who": "Cleo@example.com", "mail": "Cleo@example.com", "status": "Success",
                   "class_name": "Authentication"}),
        ]
    );
    assert_eq!(pond.value("select count(*) from ocsf.api_activity where api['operation'] = 'get'"), 1);
    assert_eq!(pond.value("select count(*) from ocsf.authentication where time is null"), 0, "a file has a time");
    assert_eq!(pond.value("select unmapped from ocsf.authentication where user['name'] = 'ann'"), "{\"more\":true}");
    let unknown = pond.millpond(&["query", "select * from ocsf.authentification"]).fails(1);
    assert!(unknown.stderr.contains("did you mean `ocsf.authentication`?"), "{}", unknown.stderr);
}

#[test]
fn addresses_inside_events_are_found_by_hunts_in_compacted_files() {
    let pond = pond();
    pond.run_once();
    pond.millpond(&["lake", "compact"]).ok();
    pond.write("bad.txt", "2001:db8::1\n198.51.100.99\n");
    let told = pond.millpond(&["hunt", "--iocs", "bad.txt", "--indexed", "--json"]).ok().stdout;
    assert!(told.contains("src_endpoint.ip") && told.contains("\"gates\""), "{told}");
    pond.source("doors", &format!("indicators = ['src_endpoint.host', 'user.name']\n{DOORS}"), DOORS_SQL);
    let refused = pond.millpond(&["check"]).fails(1).stderr;
    assert!(refused.contains("`indicators` names `src_endpoint.host`, which the transform does not give"), "{refused}");
}

#[test]
fn a_signal_reads_all_sources_of_a_class() {
    let pond = pond();
    let sql = "-- title: Somebody came in\n-- every: 1h\nselect user['name'] as entity, _table from ocsf.authentication \
               where status_id = 1 and _arrived >= window_start() order by entity\n";
    pond.write("signals/came_in.sql", sql);
    pond.millpond(&["check"]).ok();
    let case = "signals/tests/came_in/two_sources";
    pond.write(&format!("{case}/doors.ndjson"), "{\"class_uid\":3002,\"status_id\":1,\"user\":{\"name\":\"ann\"}}\n");
    pond.write(
        &format!("{case}/gates.ndjson"),
        "{\"class_uid\":3002,\"status_id\":1,\"user\":{\"name\":\"bob\"}}\n{\"class_uid\":6003,\"status_id\":1}\n",
    );
    pond.write(&format!("{case}/expected.ndjson"), "{\"entity\":\"ann\"}\n{\"entity\":\"bob\"}\n");
    let ran = pond.millpond(&["signals", "test"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    pond.write("signals/came_in.sql", sql.replace("authentication", "authentification"));
    let refused = pond.millpond(&["check"]).fails(1).stderr;
    assert!(refused.contains("did you mean `ocsf.authentication`?"), "{refused}");
}

#[test]
fn the_shipped_signals_pass_their_tests() {
    let pond = Pond::empty();
    for pack in ["linux-auth", "duo", "azure-entra-signin", "github-audit"] {
        pond.millpond(&["source", "add", pack]).ok();
    }
    let shipped = pond.millpond(&["signals", "shipped"]).ok().stdout;
    for signal in shipped.lines() {
        pond.millpond(&["signals", "add", signal]).ok();
    }
    pond.millpond(&["check"]).ok();
    let ran = pond.millpond(&["signals", "test"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    for signal in shipped.lines() {
        assert!(ran.stdout.contains(&format!("ok     {signal}/")), "`{signal}` has no tests: {}", ran.stdout);
    }
    let unknown = pond.millpond(&["signals", "add", "password_spay"]).fails(1).stderr;
    assert!(unknown.contains("did you mean `password_spray`?"), "{unknown}");
}
