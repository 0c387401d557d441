//! What both sides are given: texts of rules, lines of events, and for each event the log sources it belongs to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use millpond_core::logsource::LogSource;
use millpond_sigma::{Collection, RuleFile};
use serde_json::value::RawValue;

use crate::Failure;

/// Hits: (event, id of the rule).
pub(crate) type Hits = BTreeSet<(usize, String)>;

/// All of it, in memory.
pub(crate) struct Input {
    pub(crate) rules: Vec<RuleFile>,
    /// One event each, as JSON.
    pub(crate) lines: Vec<String>,
    /// Which kind each event is of.
    pub(crate) kind_of: Vec<usize>,
    /// The log sources that events of each kind belong to.
    pub(crate) kinds: Vec<Vec<LogSource>>,
    pub(crate) expected: Hits,
}

#[derive(serde::Deserialize)]
struct Labelled {
    ls: Vec<LogSource>,
    ev: Box<RawValue>,
}

impl Input {
    /// Reads events (perhaps compressed with zstd), expected hits, and folders of rules.
    pub(crate) fn read(events: &Path, expected: &Path, folders: &[PathBuf]) -> Result<Self, Failure> {
        let mut input = Self {
            rules: Vec::new(),
            lines: Vec::new(),
            kind_of: Vec::new(),
            kinds: Vec::new(),
            expected: read_expected(expected)?,
        };
        for folder in folders {
            read_rules(folder, &mut input.rules)?;
        }
        input.leave_out_refused();
        let bytes = std::fs::read(events)?;
        let is_compressed = events.extension().is_some_and(|ending| ending == "zst");
        let text = if is_compressed { zstd::decode_all(bytes.as_slice())? } else { bytes };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            input.add(serde_json::from_slice(line)?);
        }
        Ok(input)
    }

    /// Files that millpond refuses are given to nobody: they hold placeholders, and rsigma takes an unknown one for a text.
    fn leave_out_refused(&mut self) {
        let rejections = Collection::read(self.rules.iter().cloned()).rejections;
        for rejection in &rejections {
            eprintln!("left out: {rejection}");
        }
        self.rules.retain(|file| rejections.iter().all(|rejection| rejection.file != file.name));
    }

    fn add(&mut self, event: Labelled) {
        let mut sources = event.ls;
        sources.sort();
        let known = self.kinds.iter().position(|kind| *kind == sources);
        self.kind_of.push(known.unwrap_or(self.kinds.len()));
        if known.is_none() {
            self.kinds.push(sources);
        }
        self.lines.push(event.ev.get().to_owned());
    }
}

fn read_expected(file: &Path) -> Result<Hits, Failure> {
    let text = std::fs::read_to_string(file)?;
    let hit = |line: &str| -> Result<(usize, String), Failure> {
        let (event, rule) = line.split_once(' ').ok_or_else(|| format!("`{line}` is no hit"))?;
        Ok((event.parse()?, rule.to_owned()))
    };
    text.lines().map(hit).collect()
}

fn read_rules(folder: &Path, files: &mut Vec<RuleFile>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = entries.collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read_rules(&path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml") {
            files.push(RuleFile { name: path.display().to_string(), text: std::fs::read_to_string(&path)? });
        }
    }
    Ok(())
}
