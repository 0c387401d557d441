//! The README: its source works, and its commands are those of the program.

use std::path::Path;

use crate::pond::{Pond, Ran, millpond};

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).expect("README")
}

/// The first code block that starts with this comment.
fn block(text: &str, first_line: &str) -> String {
    let start = text.find(first_line).unwrap_or_else(|| panic!("no `{first_line}` in the README"));
    text[start..].split_once("```").expect("a closed block").0.to_owned()
}

#[test]
fn the_source_of_the_readme_works() {
    let text = readme();
    let pond = Pond::empty();
    for file in ["source.toml", "transform.sql", "signals/exfiltration.sql"] {
        let comment = if file.ends_with("toml") { "#" } else { "--" };
        pond.write(
            &format!("sources/app/{file}"),
            block(&text, &format!("{comment} sources/app/{file}\n")).split_once('\n').expect("lines").1,
        );
    }
    let line = |request: &str, bytes: u64| {
        format!(
            "{{\"ts\":\"2026-01-01T00:00:00Z\",\"actor\":{{\"name\":\"ann\",\"id\":1}},\"bytes\":{bytes},\"request_id\":\"{request}\"}}\n"
        )
    };
    pond.write("inbox/app.ndjson", line("a", 2_000_000_000) + &line("a", 2_000_000_000) + &line("b", 1));
    pond.run_once();
    assert_eq!(pond.value("select count(*) from app"), 2);
    assert_eq!(pond.value("select severity from signals where entity = 'ann'"), "high");
}

#[test]
fn the_commands_of_the_readme_exist() {
    let folder = tempfile::tempdir().expect("folder");
    let text = readme();
    let blocks = text.split("```").skip(1).step_by(2).flat_map(str::lines);
    let commands: Vec<&str> = blocks.filter_map(|line| line.trim().strip_prefix("millpond ")).collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command
            .split_whitespace()
            .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()))
            .take(2)
            .collect();
        let known = (1..=words.len()).rev().any(|length| {
            let arguments: Vec<&str> = words[..length].iter().copied().chain(["--help"]).collect();
            Ran::of(millpond(folder.path(), &arguments).output().expect("millpond")).code == Some(0)
        });
        assert!(known, "`millpond {command}` is no command");
    }
}

/// The packs over whose test records the README asks.
const ASKED: [&str; 13] = [
    "aws-cloudtrail",
    "azure-activity",
    "azure-entra-signin",
    "duo",
    "gcp-audit",
    "github-audit",
    "google-workspace",
    "kubernetes-audit",
    "linux-auth",
    "m365-audit",
    "okta-system",
    "slack-audit",
    "windows-security",
];

#[test]
fn the_questions_to_every_vendor_have_these_answers() {
    let pond = Pond::empty();
    pond.write("millpond.toml", "[[input]]\nurl = 'inbox'\nrecognize = true\n");
    for pack in ASKED {
        pond.millpond(&["source", "add", pack]).ok();
        for case in std::fs::read_dir(pond.path(&format!("sources/{pack}/tests"))).expect("tests") {
            let case = case.expect("case").path();
            for file in std::fs::read_dir(&case).expect("case").map(|file| file.expect("file").path()) {
                if file.file_stem().is_some_and(|stem| stem == "input") {
                    let name = format!(
                        "inbox/{pack}-{}-{}",
                        case.file_name().expect("name").display(),
                        file.file_name().expect("name").display()
                    );
                    pond.write(&name, std::fs::read(&file).expect("input"));
                }
            }
        }
    }
    pond.run_once();
    let text = readme();
    let section =
        text.split("\n## ").find(|section| section.starts_with("One question, every vendor")).expect("a section");
    let blocks: Vec<&str> = section.split("```").skip(1).step_by(2).collect();
    assert_eq!(blocks.len(), 4);
    for pair in blocks.chunks(2) {
        let query = pair[0].split('"').nth(1).expect("a query");
        let shown = pair[1].trim_start_matches("text").trim();
        assert_eq!(pond.millpond(&["query", query]).ok().stdout.trim(), shown, "{query}");
    }
}
