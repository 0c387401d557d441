//! `millpond recognize`, and what `run` does with files that no source matches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::pond::{Pond, Ran, millpond, packs, summary};

/// Two kinds of records, told by their fields.
const DOOR: &str = "version = 1\n[[match]]\nglob = '**/doors/**'\n[[recognize]]\nformat = 'json'\n\
                    fields = ['badge.id', 'door']\n[format]\ntype = 'json'\n[columns]\nbadge = { id = 'text' }\n";
const DOOR_SQL: &str = "select badge.id as badge, door from input";
const LAMP: &str = "version = 1\n[[recognize]]\nfields = ['lamp']\nvalues = { state = '^(on|off)$' }\n";
const LAMP_SQL: &str = "select lamp, state from input";

fn doors(from: u32) -> String {
    (from..from + 10).map(|n| format!("{{\"badge\":{{\"id\":\"b{n}\"}},\"door\":\"d{}\"}}\n", n % 3)).collect()
}

fn trail() -> String {
    let event = |n: u32| {
        format!(
            "{{\"eventVersion\":\"1.08\",\"eventID\":\"e{n}\",\"eventTime\":\"2026-01-02T03:04:05Z\",\
             \"eventSource\":\"iam.amazonaws.com\",\"eventName\":\"GetUser\",\"awsRegion\":\"us-east-1\",\
             \"sourceIPAddress\":\"192.0.2.7\",\"userIdentity\":{{\"type\":\"IAMUser\"}}}}"
        )
    };
    format!("{{\"Records\":[{}]}}", (0..3).map(event).collect::<Vec<_>>().join(","))
}

fn pond() -> Pond {
    let pond = Pond::empty();
    pond.source("doors", DOOR, DOOR_SQL);
    pond.source("lamps", LAMP, LAMP_SQL);
    pond
}

/// The lines of a command's output, with one blank between words.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn files_are_told_by_their_content() {
    let pond = pond();
    pond.write("x/a.bin", doors(0));
    pond.write("x/b.txt", doors(0) + "{\"lamp\":1,\"state\":\"on\"}\n{\"lamp\":2,\"state\":\"dim\"}\n");
    pond.write("x/c", trail());
    pond.write("x/d", "{\"some\":1,\"thing\":2}\n");
    pond.write("x/e", "");
    pond.write("x/f", b"SQLite format 3\0and more");
    let ran = pond.millpond(&["recognize", "x"]).ok();
    assert_eq!(
        lines(&ran.stdout),
        [
            "x/a.bin doors 100 % (10 of 10 records), json",
            "x/b.txt doors 83 % (10 of 12 records), json",
            "x/c aws-cloudtrail 100 % (3 of 3 records), json",
            "x/d unknown: json with fields some, thing",
            "x/e empty",
            "x/f no reader: `sqlite` files are not supported",
        ]
    );
    assert_eq!(
        lines(&ran.stderr),
        [
            "hint: the pond has no source for it: `millpond source add aws-cloudtrail`",
            "hint: `millpond source learn FILE` proposes a source for what is unknown",
        ]
    );
}

#[test]
fn the_verdict_is_told_as_json_and_sources_can_be_named() {
    let pond = pond();
    pond.write("b", doors(0) + "{\"lamp\":1,\"state\":\"on\"}\n");
    pond.write("c", trail());
    let told = pond.millpond(&["recognize", "--json", "b", "c", "--sources", "sources"]).ok().json_lines();
    assert_eq!(told[0]["file"], "b");
    assert_eq!(
        told[0]["source"],
        json!({"source": "doors", "origin": "pond", "confidence": 90, "records": 10, "why": "fields badge.id, door"})
    );
    assert_eq!(
        told[0]["runner_up"],
        json!({"source": "lamps", "origin": "pond", "confidence": 9, "records": 1,
               "why": "fields lamp; `state` like `^(on|off)$`"})
    );
    assert_eq!((&told[1]["source"], &told[1]["format"]), (&Value::Null, &json!("json")), "only these sources count");
}

#[test]
fn a_recognizer_that_is_wrong_is_told_with_its_line() {
    let pond = pond();
    pond.source("lamps", "[[recognize]]\nformats = 'json'\nline = '('\n", LAMP_SQL);
    let ran = pond.millpond(&["check"]).fails(1);
    assert!(ran.stderr.contains("source.toml:2: unknown key `formats` in `[recognize]`\n  hint: did you mean"));
    assert!(ran.stderr.contains("source.toml:3: `(` is no regular expression: unclosed group"), "{}", ran.stderr);
    let ran = pond.millpond(&["recognize", "millpond.toml"]).fails(1);
    assert!(ran.stderr.contains("source.toml:3: `(` is no regular expression"), "{}", ran.stderr);
}

#[test]
fn a_named_file_that_no_source_matches_is_recognised() {
    let pond = pond();
    pond.write("odd/name.dat", doors(0));
    pond.write("odd/trail.dat", trail());
    pond.write("odd/other.dat", "{\"some\":1}\n");
    let told = pond.millpond(&["explain", "odd/name.dat"]).ok().stdout;
    assert!(told.contains("content      doors  100 % (10 of 10 records), json"), "{told}");
    let ran = pond.millpond(&["run", "odd"]).ok();
    assert!(ran.stderr.contains("name.dat`: recognised as doors, 100 %"), "{}", ran.stderr);
    let hint =
        "it looks like aws-cloudtrail, 100 %, which the pond lacks\n  hint: `millpond source add aws-cloudtrail`";
    assert!(ran.stderr.contains(hint), "{}", ran.stderr);
    assert!(ran.stderr.contains("files    3: 1 done, 2 that no source wants"), "{}", ran.stderr);
    assert_eq!(pond.value("select count(*) from doors"), 10);
    let again = pond.millpond(&["run", "odd", "--json"]).ok().json_lines();
    assert_eq!(summary(&again)["files"]["already_done"], 3);
    assert_eq!(pond.value("select count(*) from doors"), 10);
    // What was of no source is looked into again once there is one.
    pond.millpond(&["source", "add", "aws-cloudtrail"]).ok();
    let added = pond.millpond(&["run", "odd", "--json"]).ok().json_lines();
    assert_eq!((&summary(&added)["files"]["done"], &summary(&added)["files"]["already_done"]), (&json!(1), &json!(2)));
    // A replay does it again under the same source.
    pond.millpond(&["replay", "source = 'doors'"]).ok();
    assert_eq!(pond.value("select count(*) from doors"), 10);
}

#[test]
fn an_input_can_ask_for_it() {
    let pond = pond();
    let input = |recognize| format!("[[input]]\nurl = 'inbox'\nrecognize = {recognize}\n");
    pond.write("millpond.toml", input(false));
    pond.write("inbox/a", doors(0));
    assert_eq!(summary(&pond.run_once())["files"]["unrouted"], 1);
    pond.write("millpond.toml", input(true));
    pond.write("inbox/b", doors(20));
    pond.write("inbox/c", "{\"some\":1}\n");
    let told = pond.run_once();
    let files = &summary(&told)["files"];
    assert_eq!((&files["done"], &files["unrouted"], &files["already_done"]), (&json!(1), &json!(1), &json!(1)));
    let notes = |lines: &[Value]| lines.iter().filter(|line| line["event"] == "note").count();
    assert_eq!(notes(&told), 1, "{told:?}");
    let again = pond.run_once();
    assert_eq!(summary(&again)["files"]["already_done"], 3);
    assert_eq!(notes(&again), 0, "what is done is not looked into again");
    assert_eq!(pond.value("select count(*) from doors"), 10);
    assert_eq!(pond.value("select count(*) from receipts where source = 'doors'"), 1);
    pond.write("millpond.toml", "[[input]]\nqueue = 'sqs://q'\nrecognize = true\n");
    let ran = pond.millpond(&["check"]).fails(1);
    assert!(ran.stderr.contains("millpond.toml:3: `recognize` is for inputs with a `url`"), "{}", ran.stderr);
}

#[test]
fn outside_a_pond_rows_are_printed_and_nothing_is_kept() {
    let folder = tempfile::tempdir().expect("folder");
    let run = |arguments: &[&str]| Ran::of(millpond(folder.path(), arguments).output().expect("millpond"));
    std::fs::write(folder.path().join("x"), trail()).expect("file");
    std::fs::write(folder.path().join("y"), "{\"some\":1}\n").expect("file");
    let ran = run(&["run", "x"]).ok();
    assert_eq!(ran.json_lines().len(), 3);
    assert!(ran.stdout.contains("GetUser"), "{}", ran.stdout);
    assert!(ran.stderr.contains("x  aws-cloudtrail  100 % (3 of 3 records), json"), "{}", ran.stderr);
    assert!(ran.stderr.contains("rows  3 in, 3 out (every row is accounted for)"), "{}", ran.stderr);
    let ran = run(&["run", "y", "x"]).fails(3);
    assert!(ran.stderr.contains("y  unknown: json with fields some"), "{}", ran.stderr);
    assert_eq!(ran.json_lines().len(), 3);
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).expect("folder").map(|entry| entry.expect("entry").file_name()).collect();
    names.sort();
    assert_eq!(names, ["x", "y"]);
}

/// Real files beside the repository. `data/recognized.tsv` says what is right; files of packs that are not shipped do not
/// count.
#[test]
fn the_samples_are_recognised() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples");
    let Ok(manifest) = std::fs::read_to_string(samples.join("MANIFEST.tsv")) else {
        eprintln!("skipped: no samples at `{}`", samples.display());
        return;
    };
    let here = std::env::temp_dir();
    let run = |arguments: &[&str]| Ran::of(millpond(&here, arguments).output().expect("millpond")).ok();
    let packs: BTreeSet<String> = packs().into_iter().collect();
    let expected = expectations();
    let columns = |line: &str| -> Option<(String, String)> {
        let mut columns = line.split('\t');
        Some((columns.next()?.to_owned(), columns.next()?.to_owned()))
    };
    let files: Vec<(String, String)> = manifest.lines().skip(1).filter_map(columns).collect();
    let paths: Vec<String> = files.iter().map(|(path, _)| samples.join(path).display().to_string()).collect();
    let mut arguments = vec!["recognize", "--json"];
    arguments.extend(paths.iter().map(String::as_str));
    let told = run(&arguments).json_lines();
    let (mut right, mut wrong, mut uncounted) = (0, BTreeMap::<(String, String), Vec<&str>>::new(), 0);
    for ((path, kind), verdict) in files.iter().zip(&told) {
        let fits = expected.get(path).or_else(|| expected.get(kind));
        let fits = fits.unwrap_or_else(|| panic!("`{kind}` is not in data/recognized.tsv"));
        let found = verdict["source"]["source"].as_str().unwrap_or("-");
        if fits.split('|').any(|fit| fit == found) {
            right += 1;
        } else if fits.split('|').any(|fit| fit == "-" || packs.contains(fit)) {
            wrong.entry((fits.clone(), found.to_owned())).or_default().push(path);
        } else {
            uncounted += 1;
        }
    }
    let counted = files.len() - uncounted;
    eprintln!("{right} of {counted} files are right; {uncounted} are of packs that are not shipped");
    for ((fits, found), paths) in &wrong {
        eprintln!("  {fits:<40} taken for {found:<24} {} × {}", paths.len(), paths[0]);
    }
    assert!(right * 100 >= counted * 95, "{right} of {counted} files are right: {wrong:#?}");
}

/// The packs that are right, by source type or path.
fn expectations() -> BTreeMap<String, String> {
    let lines = include_str!("data/recognized.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).map(|(key, packs)| (key.to_owned(), packs.to_owned())).collect()
}
