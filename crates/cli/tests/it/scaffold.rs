//! `millpond source new`: what it makes passes `check` and `test` as it is, and is recognised.

use crate::pond::Pond;

fn made(pond: &Pond, name: &str, sample: &[u8]) {
    pond.write("sample", sample);
    pond.millpond(&["source", "new", name, "--like", "sample"]).ok();
    pond.millpond(&["check"]).ok();
    let tested = pond.millpond(&["test", name]).ok();
    assert!(tested.stdout.contains(&format!("ok     {name}/sample: ")), "{}", tested.stdout);
}

#[test]
fn a_source_from_a_sample_passes_as_it_is() {
    let pond = Pond::empty();
    let json: String = (0..9)
        .map(|n| {
            format!("{{\"ts\":\"2026-01-02T03:04:0{n}Z\",\"door\":\"d{n}\",\"badge\":{{\"id\":{n}}},\"case\":true}}\n")
        })
        .collect();
    made(&pond, "doors", json.as_bytes());
    let rows = std::fs::read_to_string(pond.path("sources/doors/tests/sample/expected.ndjson")).expect("rows");
    assert_eq!(rows.lines().count(), 5);
    assert!(rows.starts_with("{\"ts\":\"2026-01-02T03:04:00Z\",\"door\":\"d0\",\"badge\":{\"id\":0},"), "{rows}");
    let told = pond.millpond(&["recognize", "sample"]).ok().stdout;
    assert!(told.starts_with("sample  doors  100 % (9 of 9 records), json"), "{told}");
    let again = pond.millpond(&["source", "new", "doors", "--like", "sample"]).fails(1);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
}

#[test]
fn a_source_of_events_says_what_its_class_asks_for() {
    let pond = Pond::empty();
    pond.write("sample", "{\"ts\":\"2026-01-02T03:04:05Z\",\"door\":\"d\",\"who\":\"ann\"}\n");
    pond.millpond(&["source", "new", "acme-doors", "--like", "sample", "--ocsf"]).ok();
    pond.millpond(&["test", "acme-doors"]).ok();
    let config = std::fs::read_to_string(pond.path("sources/acme-doors/source.toml")).expect("config");
    assert!(
        config.contains("[ocsf]\nclasses = [\"base_event\"]\nvendor = \"Acme\"\nproduct = \"Doors\"\n"),
        "{config}"
    );
    let rows = std::fs::read_to_string(pond.path("sources/acme-doors/tests/sample/expected.ndjson")).expect("rows");
    assert!(rows.contains("\"unmapped\":\"{\\\"door\\\":\\\"d\\\",\\\"who\\\":\\\"ann\\\"}\""), "{rows}");
    let made = pond.millpond(&["source", "new", "gates", "--like", "sample", "--ocsf", "authentication"]).ok().stderr;
    assert!(made.contains("`millpond test gates` tells what its events lack yet"), "{made}");
    let sql = std::fs::read_to_string(pond.path("sources/gates/transform.sql")).expect("SQL");
    assert!(sql.contains("the class requires: user.\n"), "{sql}");
    let tested = pond.millpond(&["test", "gates"]).fails(1).stdout;
    assert!(tested.contains("attribute_required_missing: `user`"), "{tested}");
    let unknown = pond.millpond(&["source", "new", "x", "--like", "sample", "--ocsf", "dns_activty"]).fails(1).stderr;
    assert!(unknown.contains("did you mean `dns_activity`?"), "{unknown}");
}

#[test]
fn every_kind_of_sample_will_do() {
    let pond = Pond::empty();
    let wrapped = "{\"Records\": [{\"a\": 1, \"b\": {\"c\": [1, 2]}, \"d\": null}]}";
    let csv = "Time Generated,User Name,x\n2026-01-01T00:00:00Z,\"a, b\",\n2026-01-01T00:00:01Z,c,1\n";
    let zeek = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tx\n\
                #fields\tts\tuid\tnote\n#types\ttime\tstring\tstring\n1767225600.0\ta\t-\n";
    let syslog = "<38>Jan  2 03:04:05 host.example sshd[11]: Connection closed by 192.0.2.1\n";
    let cef = "CEF:0|Maker|Wall|1.0|100|stopped|5|src=192.0.2.1 dst=198.51.100.2\n";
    let lines = "something happened\nsomething else\n  did\n";
    for (name, sample) in
        [("wrapped", wrapped), ("csv", csv), ("zeek", zeek), ("syslog", syslog), ("cef", cef), ("lines", lines)]
    {
        made(&pond, name, sample.as_bytes());
    }
}

#[test]
fn what_cannot_be_made_is_told_and_leaves_nothing() {
    let pond = Pond::empty();
    pond.write("empty", "");
    pond.write("sample", "{\"a\":1}\n");
    for (arguments, error) in [
        (["source", "new", "x", "--like", "empty"], "the samples hold no records"),
        (["source", "new", "x", "--like", "gone"], "failed to open `gone`"),
        (["source", "new", "X_y", "--like", "sample"], "`X_y` is no name for a source"),
    ] {
        let ran = pond.millpond(&arguments).fails(1);
        assert!(ran.stderr.contains(error), "{}", ran.stderr);
    }
    assert!(!pond.path("sources").exists());
}
