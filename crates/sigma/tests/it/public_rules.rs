//! The public rule set: every rule is read but those with placeholders.

use std::path::{Path, PathBuf};

use millpond_sigma::{Collection, Placeholders, RuleFile};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/sigma/rules");
/// How many there are, and how many of them need to be told what a placeholder stands for.
const RULES: usize = 3_777;
const WITH_PLACEHOLDERS: usize = 25;

pub(super) fn files() -> Option<Vec<RuleFile>> {
    let root = Path::new(FOLDER);
    if !root.exists() {
        eprintln!("skipped: there are no rules in {FOLDER}");
        return None;
    }
    let mut found = Vec::new();
    find(root, &mut found);
    found.sort();
    let file = |path: &PathBuf| RuleFile {
        name: path.strip_prefix(root).expect("below").display().to_string(),
        text: std::fs::read_to_string(path).expect("a rule"),
    };
    Some(found.iter().map(file).collect())
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => find(&path, found),
            false => found.extend(path.extension().is_some_and(|ending| ending == "yml").then_some(path)),
        }
    }
}

#[test]
fn every_public_rule_is_read_but_those_with_placeholders() {
    let Some(files) = files() else { return };
    let collection = Collection::read(files);
    let others: Vec<String> = collection
        .rejections
        .iter()
        .filter(|rejection| !rejection.error.to_string().starts_with("the placeholder `%"))
        .map(ToString::to_string)
        .collect();
    assert_eq!(others, Vec::<String>::new(), "refused for another reason");
    assert_eq!((collection.rules.len(), collection.rejections.len()), (RULES - WITH_PLACEHOLDERS, WITH_PLACEHOLDERS));
    assert!(collection.rules.iter().all(|rule| !rule.about.id.is_empty() && rule.about.author.is_some()));
}

#[test]
fn with_values_for_their_placeholders_the_others_are_read() {
    let Some(mut files) = files() else { return };
    files.retain(|file| file.text.contains("|expand"));
    let mut placeholders = Placeholders::new();
    // A rule may have more than one.
    loop {
        let collection = Collection::read_with(files.clone(), &placeholders);
        let Some(rejection) = collection.rejections.first() else {
            assert_eq!(collection.rules.len(), WITH_PLACEHOLDERS);
            return;
        };
        let message = rejection.error.to_string();
        let name = message.split('%').nth(1).expect("a name").to_owned();
        let values = vec!["srv*".to_owned(), "dc01".to_owned()];
        assert!(placeholders.insert(name, values).is_none(), "{rejection}");
    }
}
