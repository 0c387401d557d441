//! Sigma rules: in a pond's jobs, and over evidence without a pond.

use std::path::Path;

use crate::pond::{APP_CONFIG, APP_SQL, Pond, app_log};

const ROOT: &str = "title: Root was here\nid: 5c0a2d52-6c3f-4b1c-9f0e-0d7e6b1a0001\nauthor: Ada\nlevel: high\n\
    tags: [attack.t1078.004]\nreferences: [https://example.com/root]\nlogsource: {product: app}\ndetection:\n  \
    selection: {user: ROOT}\n  filter: {kind: drill}\n  condition: selection and not filter\n";
const WORD: &str = "title: A word\nid: 5c0a2d52-6c3f-4b1c-9f0e-0d7e6b1a0002\nlogsource: {product: app}\ndetection:\n  \
    keywords: [needle]\n  condition: keywords\n";
const PROCESS: &str = "title: An encoded command\nid: 5c0a2d52-6c3f-4b1c-9f0e-0d7e6b1a0003\nauthor: Ada\nlevel: high\n\
    logsource: {product: windows, category: process_creation}\ndetection:\n  selection:\n    \
    Image|endswith: '\\powershell.exe'\n    CommandLine|contains: ' -enc '\n  condition: selection\n";
const UNKNOWN: &str = "title: With a modifier that is none\nlogsource: {product: app}\ndetection:\n  \
    s: {user|contians: x}\n  condition: s\n";

fn with_logsource() -> String {
    APP_CONFIG.replace("[columns]", "[logsource]\nproduct = 'app'\nentity = ['user']\n[columns]")
}

#[test]
fn jobs_harvest_what_the_rules_of_the_pond_match() {
    let pond = Pond::empty();
    pond.source("app", &with_logsource(), APP_SQL);
    pond.write("rules/root.yml", ROOT);
    pond.write("rules/deeper/word.yaml", WORD);
    pond.write("inbox/a.ndjson", app_log(0) + "{\"user\":\"x\",\"deep\":{\"er\":[\"a NEEDLE there\"]}}\n");
    pond.write("inbox/b.ndjson", "{\"user\":\"root\",\"kind\":\"drill\"}\n{\"user\":\"root\",\"kind\":\"attack\"}\n");
    pond.run_once();
    let found = pond.query("select * from signals order by title desc, file, row");
    let of = |index: usize, name: &str| found[index][name].clone();
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(
        (of(0, "rule"), of(0, "author"), of(0, "severity"), of(0, "technique"), of(0, "kind"), of(0, "entity")),
        (
            "5c0a2d52-6c3f-4b1c-9f0e-0d7e6b1a0001".into(),
            "Ada".into(),
            "high".into(),
            "T1078.004".into(),
            "sigma".into(),
            "root".into()
        )
    );
    assert_eq!(
        (of(0, "row"), of(0, "time"), of(0, "fields")),
        (2.into(), "2026-01-01T10:00:00Z".into(), r#"{"user":"root"}"#.into())
    );
    assert_eq!((of(1, "row"), of(1, "entity")), (1.into(), "root".into()));
    assert_eq!((of(2, "row"), of(2, "entity"), of(2, "severity")), (10.into(), "x".into(), "medium".into()));
    let counted = pond.value("select sum(signals) from receipts");
    assert_eq!(counted, 3, "receipts count them");
}

#[test]
fn rules_change_nothing_in_the_rows_of_a_source() {
    let sql = "select ts as time, user, _rest from input";
    let rows = |rules: bool| {
        let pond = Pond::empty();
        pond.source("app", &with_logsource(), sql);
        if rules {
            pond.write("rules/root.yml", ROOT);
            pond.write("rules/word.yml", WORD);
        }
        pond.write(
            "inbox/b.ndjson",
            "{\"user\":\"root\",\"kind\":\"drill\"}\n{\"user\":\"root\",\"kind\":\"attack\"}\n",
        );
        pond.run_once();
        (pond.query("select user, _rest from app order by 2"), pond.value("select count(*) from signals"))
    };
    let (without, none) = rows(false);
    let (with, found) = rows(true);
    assert_eq!(with, without);
    assert_eq!((none, found), (0.into(), 1.into()), "the filter's field is found in `_rest`");
}

#[test]
fn a_rule_that_is_refused_is_told_of_and_stops_nobody() {
    let pond = Pond::empty();
    pond.source("app", &with_logsource(), APP_SQL);
    pond.write("rules/bad.yml", UNKNOWN);
    pond.write("rules/root.yml", ROOT);
    pond.write("inbox/a.ndjson", app_log(0));
    let checked = pond.millpond(&["check"]).ok();
    let told = format!("{}{}", checked.stdout, checked.stderr);
    assert!(told.contains("rules/bad.yml:4: ") && told.contains("did you mean `contains`"), "{told}");
    pond.run_once();
    assert_eq!(pond.value("select count(*) from signals"), 1);
    let listed = pond.millpond(&["sigma", "check", "rules"]).fails(1);
    assert!(listed.stdout.contains("1 rules, 0 correlations and 0 filters loaded, 1 rejected"), "{}", listed.stdout);
    let json = pond.millpond(&["sigma", "check", "rules", "--json"]).fails(1).json_lines();
    assert_eq!((&json[0]["rules"], &json[0]["rejected"][0]["line"]), (&1.into(), &4.into()));
}

#[test]
fn placeholders_stand_for_what_the_folder_of_rules_says() {
    let pond = Pond::empty();
    pond.source("app", &with_logsource(), APP_SQL);
    pond.write("rules/root.yml", ROOT.replace("{user: ROOT}", "{user|expand: '%admins%'}"));
    pond.write("inbox/a.ndjson", "{\"user\":\"root\"}\n{\"user\":\"ann\"}\n{\"user\":\"bob\"}\n");
    let refused = pond.millpond(&["sigma", "check", "rules"]).fails(1);
    assert!(refused.stdout.contains("`placeholders.toml`: `admins = [\"…\"]`"), "{}", refused.stdout);
    pond.write("rules/placeholders.toml", "admins = ['root', 'ann']\nguest = 'bob'\n");
    pond.millpond(&["sigma", "check", "rules"]).ok();
    pond.run_once();
    assert_eq!(pond.value("select string_agg(entity, ',' order by entity) from signals"), "ann,root");
    pond.write("rules/placeholders.toml", "admins = ['root']\nguest = 7\n");
    let wrong = pond.millpond(&["sigma", "check", "rules"]).fails(1);
    assert!(wrong.stderr.contains("rules/placeholders.toml:2: "), "{}", wrong.stderr);
}

#[test]
fn a_pack_stands_for_its_rules_until_they_change() {
    let pond = Pond::empty();
    pond.source("app", &with_logsource(), APP_SQL);
    pond.write("rules/root.yml", ROOT);
    pond.write("rules/bad.yml", UNKNOWN);
    let compiled = pond.millpond(&["sigma", "compile", "rules"]).ok();
    assert!(compiled.stderr.contains("1 rules and 0 correlations in `rules.pack`"), "{}", compiled.stderr);
    let warned = |text: &str| {
        let checked = pond.millpond(&["check"]).ok();
        let told = format!("{}{}", checked.stdout, checked.stderr);
        assert!(told.contains(text), "{told}");
    };
    warned("rules.pack:1: 1 rules were refused when it was compiled");
    // Rules that changed since count, and not the pack.
    pond.write("rules/root.yml", ROOT.replace("title: Root was here", "title: Root was seen"));
    warned("rules.pack:1: it was compiled from other rules");
    pond.write("inbox/a.ndjson", app_log(0));
    pond.run_once();
    // Where there are no others, the pack counts.
    std::fs::remove_dir_all(pond.path("rules")).expect("rules");
    pond.write("inbox/b.ndjson", app_log(1));
    pond.run_once();
    assert_eq!(pond.value("select string_agg(title, ', ' order by file) from signals"), "Root was seen, Root was here");
    // Evidence, too.
    pond.write("evidence/a.ndjson", app_log(0));
    let scan = ["scan", "--rules", "rules.pack", "--logsource", "product=app", "evidence", "--json"];
    assert_eq!(pond.millpond(&scan).ok().json_lines().len(), 1);
    // A damaged one is told of, and not half used.
    let bytes = std::fs::read(pond.path("rules.pack")).expect("pack");
    pond.write("rules.pack", &bytes[..bytes.len() - 9]);
    let broken = pond.millpond(&["check"]).fails(1);
    assert!(broken.stderr.contains("failed to read the rules in `"), "{}", broken.stderr);
}

#[test]
fn evidence_is_scanned_without_a_pond() {
    let pond = Pond::empty();
    pond.write("r/process.yml", PROCESS);
    let sysmon = "Microsoft-Windows-Sysmon/Operational";
    let event = |channel: &str, id: u32, image: &str| {
        serde_json::json!({"Channel": channel, "EventID": id, "UtcTime": "2026-01-01 10:00:00.000", "Computer": "ws1",
            image: r"C:\Windows\PowerShell.exe", "CommandLine": "powershell -ENC aGk="})
        .to_string()
            + "\n"
    };
    let events = event(sysmon, 1, "Image") + &event(sysmon, 3, "Image") + &event("Security", 4688, "NewProcessName");
    pond.write("evidence/deep/events.json", events);
    pond.write("evidence/other.csv", "a,b\n1,2\n");
    let scanned = pond.millpond(&["scan", "--rules", "r", "evidence", "--json"]).ok();
    let hits = scanned.json_lines();
    assert_eq!(hits.len(), 2, "the connection (3) is no process: {}", scanned.stdout);
    assert_eq!((&hits[0]["row"], &hits[1]["row"]), (&0.into(), &2.into()));
    assert_eq!((&hits[0]["author"], &hits[0]["computer"]), (&"Ada".into(), &"ws1".into()));
    assert_eq!(hits[1]["fields"]["Image"], r"C:\Windows\PowerShell.exe");
    assert!(scanned.stderr.contains("1 rules loaded, 0 rejected"), "{}", scanned.stderr);
    assert!(scanned.stderr.contains("1 files are of no known log source"), "{}", scanned.stderr);
    let csv = pond.millpond(&["scan", "--rules", "r", "evidence", "--csv"]).ok().stdout;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let table = pond.millpond(&["scan", "--rules", "r", "evidence", "--level-min", "critical"]).ok();
    assert!(table.stdout.is_empty() && table.stderr.contains("0 hits in 3 records of 2 files"), "{}", table.stderr);
    let none = pond.millpond(&["scan", "--rules", "nowhere", "evidence"]).fails(1).stderr;
    assert!(none.contains("there are no rules in `nowhere`"), "{none}");
}

#[test]
fn real_evidence_gives_hits_of_the_public_rules() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    if !shared.join("sigma/rules").is_dir() {
        eprintln!("skipped: no rules at `{}`", shared.join("sigma/rules").display());
        return;
    }
    let pond = Pond::empty();
    let path = |below: &str| shared.join(below).display().to_string();
    let (rules, json, evtx) = (path("sigma/rules/rules"), path("samples/windows-json"), path("samples/evtx"));
    let scanned = pond.millpond(&["scan", "--rules", &rules, &json, &evtx, "--json"]);
    let titles: std::collections::BTreeSet<String> =
        scanned.json_lines().iter().map(|hit| hit["title"].as_str().unwrap_or_default().to_owned()).collect();
    for title in ["Suspicious MSHTA Child Process", "Dumping of Sensitive Hives Via Reg.EXE"] {
        assert!(titles.contains(title), "{title} is not among {titles:#?}");
    }
}
