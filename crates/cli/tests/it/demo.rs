//! The demo and `init`: what a newcomer sees first.

use crate::pond::{Ran, millpond};

#[test]
fn the_demo_finds_its_attack_and_accounts_for_every_row() {
    let folder = tempfile::tempdir().expect("folder");
    let ran = Ran::of(millpond(folder.path(), &["demo", "pond"]).output().expect("millpond")).ok();
    assert!(ran.stdout.contains("every row is accounted for"), "{}", ran.stdout);
    for sign in [
        "was rejected on 40 ports",
        "after 42 failed logins",
        "removed a factor of",
        "without a second factor",
        "created an access key for svc-backup",
        "called StopLogging",
        "sent 4096 MiB to 198.51.100.23",
        "truncated_gzip",
        "stray_bytes",
        "bad_json",
        "ragged",
        "no source wants it",
        "same bytes as",
    ] {
        assert!(ran.stdout.contains(sign), "no {sign:?} in\n{}", ran.stdout);
    }
    let again = Ran::of(millpond(folder.path(), &["run", "--once", "--pond", "pond"]).output().expect("millpond")).ok();
    assert!(again.stderr.contains("79 done before"), "{}", again.stderr);
    let tests = Ran::of(millpond(folder.path(), &["test", "--pond", "pond"]).output().expect("millpond")).ok();
    assert!(tests.stderr.contains(" 0 failed"), "{}", tests.stdout);
}

#[test]
fn a_new_pond_takes_any_file() {
    let folder = tempfile::tempdir().expect("folder");
    let run = |arguments: &[&str]| Ran::of(millpond(folder.path(), arguments).output().expect("millpond"));
    run(&["init", "pond"]).ok();
    std::fs::write(folder.path().join("pond/inbox/x.log"), "one\ntwo\n").expect("file");
    run(&["check", "--pond", "pond"]).ok();
    run(&["run", "--once", "--pond", "pond"]).ok();
    let rows = run(&["query", "--pond", "pond", "--json", "select raw from anything order by _row"]).ok();
    assert_eq!(rows.stdout, "{\"raw\":\"one\"}\n{\"raw\":\"two\"}\n");
    let ran = run(&["init", "pond"]).fails(1);
    assert!(ran.stderr.contains("is a pond already"), "{}", ran.stderr);
    let ran = run(&["init", "other", "--pack", "okta"]).fails(1);
    assert!(ran.stderr.contains("there is no pack `okta`"), "{}", ran.stderr);
}
