//! The shipped packs as a whole: over real files, and as the page that lists them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use millpond_core::config::Problems;
use millpond_core::source::{Source, SourceFiles, Sql};

use crate::pond::{Ran, millpond};

/// What the packs were tried on: one line for a pack and a kind of files.
const TRIED: &str = "tests/it/data/tried.tsv";
const HEAD: &str = "# What the shipped packs were tried on: pack, kind of the files (real, or derived from what vendors and others \
                    publish),\n# files, records, rows, quarantined. Written by `cargo xtask docs` where the files are.\n";

fn here(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn is_updating() -> bool {
    std::env::var_os("MILLPOND_UPDATE_DOCS").is_some()
}

/// First what the packs were tried on, then the page, which tells of it.
#[test]
fn reference_the_packs_were_tried_and_their_page_is_true() {
    every_record_of_a_sample_is_a_valid_event_or_in_quarantine();
    the_page_on_packs_is_true();
}

/// Real files beside the repository: those that are recognised give rows that are valid, and what gives none is in
/// quarantine.
fn every_record_of_a_sample_is_a_valid_event_or_in_quarantine() {
    let samples = here("../../../shared/samples");
    let Ok(manifest) = std::fs::read_to_string(samples.join("MANIFEST.tsv")) else {
        eprintln!("skipped: no samples at `{}`", samples.display());
        return;
    };
    let mut tried: BTreeMap<(String, &str), [u64; 4]> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (pack, files) in by_pack(&samples, &manifest) {
        let paths: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
        let mut arguments = vec!["test", pack.as_str(), "--json", "--all", "sources", "--like"];
        arguments.extend(paths.iter().map(String::as_str));
        let ran = Ran::of(millpond(&here("../.."), &arguments).output().expect("millpond"));
        for ((path, kind), result) in files.iter().zip(ran.json_lines()) {
            let count = |name: &str| result[name].as_u64().unwrap_or_default();
            let one = [1, count("records"), count("rows"), count("quarantined")];
            let all = tried.entry((pack.clone(), kind)).or_default();
            all.iter_mut().zip(one).for_each(|(all, one)| *all += one);
            let differences = result["differences"].as_array().map_or(0, Vec::len);
            if differences > 0 || (one[1] > 0 && one[2] + one[3] == 0) {
                wrong.push(format!("{pack}: `{}`: {result}", path.display()));
            }
        }
        assert!(ran.code.is_some_and(|code| code < 2), "{pack}: {}", ran.stderr);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut text = HEAD.to_owned();
    for ((pack, kind), [files, records, rows, quarantined]) in &tried {
        writeln!(text, "{pack}\t{kind}\t{files}\t{records}\t{rows}\t{quarantined}").expect("string");
    }
    if is_updating() {
        std::fs::write(here(TRIED), &text).expect("table");
    }
    let known = std::fs::read_to_string(here(TRIED)).unwrap_or_default();
    assert!(known == text, "`{TRIED}` is out of date: run `cargo xtask docs`");
}

/// However its records are wrapped, a source gives the same rows: the expectations of these cases are the same to the byte,
/// and `millpond test` holds the rows against them.
#[test]
fn shapes_of_the_same_records_give_the_same_rows() {
    let expected = |pack: &str, case: &str| {
        let file = here("../../sources").join(pack).join("tests").join(case).join("expected.ndjson");
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("`{}`: {error}", file.display()))
    };
    for shape in ["array", "ndjson", "firehose", "cloudwatch"] {
        assert!(expected("aws-cloudtrail", shape) == expected("aws-cloudtrail", "records"), "{shape}");
    }
    let sources =
        std::fs::read_dir(here("../../sources")).expect("sources").map(|entry| entry.expect("entry").file_name());
    let zeek: Vec<String> =
        sources.filter_map(|name| Some(name.to_str()?.to_owned())).filter(|name| name.starts_with("zeek-")).collect();
    assert!(zeek.len() >= 25, "{zeek:?}");
    for pack in &zeek {
        assert!(expected(pack, "tsv") == expected(pack, "json"), "{pack}");
    }
}

/// The samples by the pack that they are recognised as, each with its kind.
fn by_pack<'a>(samples: &Path, manifest: &'a str) -> BTreeMap<String, Vec<(PathBuf, &'static str)>> {
    let columns: Vec<Vec<&'a str>> = manifest.lines().map(|line| line.split('\t').collect()).collect();
    let kind = columns[0].iter().position(|name| *name == "kind").expect("column");
    let files: Vec<(PathBuf, &str)> = columns[1..]
        .iter()
        .map(|line| (samples.join(line[0]), if line[kind] == "real" { "real" } else { "derived" }))
        .collect();
    let paths: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    let mut arguments = vec!["recognize", "--json"];
    arguments.extend(paths.iter().map(String::as_str));
    let verdicts = Ran::of(millpond(&std::env::temp_dir(), &arguments).output().expect("millpond")).ok().json_lines();
    let mut found: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (file, verdict) in files.into_iter().zip(verdicts) {
        if let Some(pack) = verdict["source"]["source"].as_str() {
            found.entry(pack.to_owned()).or_default().push(file);
        }
    }
    found
}

fn the_page_on_packs_is_true() {
    let mut page = String::from(
        "# Packs\n\nGenerated by `cargo xtask docs`. `millpond source add NAME` copies a pack into a pond, where it is \
         yours to change; its README says how\nits logs get into a bucket and which records become which events. \
         `millpond test --all` runs the tests of all.\n\n\
         *Tried on* counts records, and files in brackets: real ones, as far as we have any, and files derived from what vendors \
         and others publish. Packs\nwithout are written from the vendor's documentation. *Tests* are cases that are in the pack.\n\n\
         | pack | logs | OCSF classes | signals | tests | tried on real | on derived |\n|---|---|---|---|---|---|---|\n",
    );
    let tried = tried();
    let sources = here("../../sources");
    let mut packs: Vec<String> = std::fs::read_dir(&sources)
        .expect("sources")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    packs.sort();
    for pack in &packs {
        let folder = sources.join(pack);
        let source = source(pack, &folder);
        let classes = source.ocsf.map_or("none".to_owned(), |ocsf| ocsf.classes.join(", "));
        let of = |kind: &str| match tried.get(&(pack.clone(), kind.to_owned())) {
            Some((files, records)) => format!("{records} ({files})"),
            None => String::new(),
        };
        writeln!(
            page,
            "| [{pack}](../../sources/{pack}/README.md) | {} | {classes} | {} | {} | {} | {} |",
            source.description,
            entries(&folder.join("signals")),
            entries(&folder.join("tests")),
            of("real"),
            of("derived"),
        )
        .expect("string");
    }
    writeln!(page, "\n{} packs.", packs.len()).expect("string");
    let path = here("../../docs/reference/packs.md");
    if is_updating() {
        std::fs::write(&path, &page).expect("page");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "`docs/reference/packs.md` is out of date: run `cargo xtask docs`");
}

/// Files and records, by pack and kind.
fn tried() -> BTreeMap<(String, String), (u64, u64)> {
    let text = std::fs::read_to_string(here(TRIED)).unwrap_or_default();
    let line = |line: &str| {
        let mut cells = line.split('\t');
        let (pack, kind) = (cells.next()?.to_owned(), cells.next()?.to_owned());
        Some(((pack, kind), (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?)))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect()
}

fn source(pack: &str, folder: &Path) -> Source {
    let sql = |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{pack}/{file}: {error}"));
        Sql { file: format!("{pack}/{file}"), text }
    };
    let files = SourceFiles {
        name: pack.to_owned(),
        config: sql("source.toml"),
        transform: Some(sql("transform.sql")),
        dialects: Vec::new(),
        signals: Vec::new(),
    };
    let mut problems = Problems::default();
    Source::parse(&files, &mut problems).unwrap_or_else(|| panic!("{problems:?}"))
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}
