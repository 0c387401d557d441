//! The demo and `init`: what a newcomer sees first.

use std::collections::BTreeSet;

use millpond_testkit::Receiver;
use serde_json::json;

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
        "Account taken over, trail stopped, from 203.0.113.66 (told 1 ×)",
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
    let told = std::fs::read_to_string(folder.path().join("pond/alerts.ndjson")).expect("alerts");
    assert_eq!(told.lines().count(), 1, "told once, also by the second run: {told}");
}

/// The attack's steps lie in several files of two sources. Whoever runs it is killed after the matches were committed,
/// after they were put together, and after the message was decided on.
#[test]
fn the_attack_of_the_demo_is_told_once_through_crashes() {
    let folder = tempfile::tempdir().expect("folder");
    let run = |arguments: &[&str], crash: &str| {
        let mut command = millpond(folder.path(), arguments);
        if !crash.is_empty() {
            command.env("MILLPOND_CRASH", crash);
        }
        Ran::of(command.output().expect("millpond"))
    };
    run(&["demo", "pond"], "").ok();
    // The same logs once more, into a new lake, and to a receiver on the network.
    let receiver = Receiver::taking();
    let config = folder.path().join("pond/millpond.toml");
    let text = std::fs::read_to_string(&config).expect("configuration");
    let to_file = "type = \"file\"\npath = \"alerts.ndjson\"";
    assert!(text.contains(to_file), "{text}");
    let to_receiver = format!("type = \"webhook\"\nurl = \"{}\"", receiver.url("/hook"));
    std::fs::write(&config, text.replace(to_file, &to_receiver)).expect("configuration");
    for below in ["lake", "inbox/zeek", "inbox/AWSLogs/111122223333/vpcflowlogs"] {
        std::fs::remove_dir_all(folder.path().join("pond").join(below)).expect("removed");
    }

    let again = ["run", "--once", "--pond", "pond"];
    for crash in ["receipts", "episodes", "step"] {
        assert_eq!(run(&again, crash).code, None, "killed at `{crash}`");
        assert_eq!(receiver.received().len(), 0, "after `{crash}`");
    }
    for ran in [run(&again, ""), run(&again, "")] {
        assert!(matches!(ran.code, Some(0 | 3)), "{}", ran.stderr);
    }
    let received = receiver.received();
    assert_eq!(received.len(), 1);
    let data = &received[0].json()["data"];
    assert_eq!((&data["severity"], &data["entity"]), (&json!("critical"), &json!("203.0.113.66")));

    let sql = "select fields from signals where kind = 'correlation'";
    let rows = run(&["query", "--pond", "pond", "--json", sql], "").ok().json_lines();
    let fields: serde_json::Value = serde_json::from_str(rows[0]["fields"].as_str().expect("fields")).expect("JSON");
    let matches = fields["matches"].as_array().expect("matches");
    let files: BTreeSet<&str> = matches.iter().filter_map(|one| one["file"].as_str()).collect();
    let of_okta = files.iter().filter(|file| file.contains("/inbox/okta/")).count();
    assert_eq!((rows.len(), matches.len(), of_okta), (1, 4, 1), "{fields:#}");
    assert!(files.len() >= 3, "{fields:#}");
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
