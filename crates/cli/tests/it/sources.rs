//! `millpond test`: the shipped packs pass their own tests, and the runner finds what differs.

use crate::pond::{PLAIN_CONFIG, Pond, packs};

#[test]
fn the_shipped_packs_pass_their_tests() {
    let pond = Pond::empty();
    let packs = packs();
    for pack in &packs {
        pond.millpond(&["source", "add", pack]).ok();
    }
    let checked = pond.millpond(&["check"]).ok().stderr;
    assert_eq!(checked, "no problems\n", "a shipped signal gives a false alarm");
    let ran = pond.millpond(&["test"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    for pack in &packs {
        assert!(ran.stdout.contains(&format!("ok     {pack}/")), "`{pack}` has no tests: {}", ran.stdout);
    }
}

#[test]
fn what_differs_is_told_and_update_rewrites() {
    let pond = Pond::empty();
    pond.source("app", PLAIN_CONFIG, "select user, bytes, now() as at from input");
    pond.write("sources/app/tests/one/input.json", "{\"user\":\"ann\",\"bytes\":1}\n{\"user\":\"bob\",\"bytes\":2}\n");
    pond.write("sources/app/tests/one/expected.ndjson", "{\"user\":\"ann\"}\n{\"user\":\"eve\"}\n");
    let ran = pond.millpond(&["test", "app"]).fails(1);
    assert!(ran.stdout.contains("expected.ndjson:2: `user` is \"bob\", expected \"eve\""), "{}", ran.stdout);
    pond.millpond(&["test", "--update"]).ok();
    let text = std::fs::read_to_string(pond.path("sources/app/tests/one/expected.ndjson")).expect("file");
    assert_eq!(text, "{\"user\":\"ann\"}\n{\"user\":\"bob\"}\n");
    pond.millpond(&["test", "app"]).ok();
    pond.write("sources/app/tests/two/input.json", "{\"user\":\"cyd\",\"bytes\":3}\n");
    pond.millpond(&["test", "app"]).fails(1);
    pond.millpond(&["test", "--update"]).ok();
    let text = std::fs::read_to_string(pond.path("sources/app/tests/two/expected.ndjson")).expect("file");
    assert_eq!(text, "{\"user\":\"cyd\",\"bytes\":3}\n", "a column that asks for the time is left out");
    let ran = pond.millpond(&["test", "ap"]).fails(1);
    assert!(ran.stderr.contains("did you mean `app`?"), "{}", ran.stderr);
}
