//! What was put into the bucket, and what must come of it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use bytes::Bytes;
use chrono::DateTime;
use millpond_core::event::Object;
use millpond_core::job::JobId;

use crate::random::Random;
use crate::sources::{SOURCES, SimSource, VERSIONS};
use crate::world::HOUR;

/// The bucket's address.
pub(crate) const BUCKET: &str = "s3://raw/";

/// The bytes of a file and what must come of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    /// The source that wants it; `None`: none does.
    pub(crate) source: Option<usize>,
    pub(crate) bytes: Bytes,
    /// The tag that the store gives: a hash of the bytes.
    pub(crate) e_tag: String,
    /// Rows of the source's table: ten times the row's id, and the part.
    pub(crate) output: Vec<i64>,
    /// Ids of rows that are signals.
    pub(crate) signals: Vec<i64>,
    /// Ids of records in quarantine.
    pub(crate) rejects: Vec<i64>,
    /// Whether the file as a whole is of no use.
    pub(crate) is_broken: bool,
}

impl Content {
    pub(crate) fn sim_source(&self) -> Option<SimSource> {
        self.source.map(|index| SOURCES[index])
    }
}

/// What happened to one key.
#[derive(Debug, Default)]
pub(crate) struct Key {
    /// Its contents so far, the newest last.
    pub(crate) contents: Vec<usize>,
    pub(crate) is_deleted: bool,
    /// Whether a notice of it reached the queue.
    pub(crate) is_announced: bool,
}

/// What one job, in any version of its source, is about.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// The same for every job over these bytes under this key.
    pub(crate) id: usize,
    pub(crate) content: usize,
}

/// Everything that was put.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) contents: Vec<Content>,
    pub(crate) keys: BTreeMap<String, Key>,
    /// What each job that there can be is about.
    pub(crate) jobs: HashMap<String, Work>,
    works: usize,
    /// Bodies of notices that nobody understands.
    pub(crate) bad_notices: Vec<String>,
    rows: i64,
}

impl Truth {
    /// Makes a new content.
    pub(crate) fn content(&mut self, random: &mut Random, source: Option<usize>, now_us: i64) -> usize {
        let mut content = Content { source, ..Content::default() };
        let mut text = String::new();
        match source.map(|index| SOURCES[index]) {
            None => self.add_other(&mut text),
            Some(_) if random.permille(5) => {
                content.is_broken = true;
                self.rows += 1;
                // It begins as gzip does and is none.
                let _ = write!(text, "\u{1f}\u{1}{}", self.rows);
                let mut bytes = vec![0x1f, 0x8b];
                bytes.extend(text.as_bytes());
                return self.keep(content, bytes.into());
            }
            Some(source) => {
                for _ in 0..random.between(1, 4) {
                    self.add_row(random, source, now_us, &mut content, &mut text);
                }
            }
        }
        self.keep(content, text.into())
    }

    fn keep(&mut self, mut content: Content, bytes: Bytes) -> usize {
        content.e_tag = blake3::hash(&bytes).to_hex()[..32].to_owned();
        content.bytes = bytes;
        self.contents.push(content);
        self.contents.len() - 1
    }

    fn add_other(&mut self, text: &mut String) {
        self.rows += 1;
        let _ = write!(text, "other {}", self.rows);
    }

    fn add_row(
        &mut self,
        random: &mut Random,
        source: SimSource,
        now_us: i64,
        content: &mut Content,
        text: &mut String,
    ) {
        self.rows += 1;
        let id = self.rows;
        if random.permille(15) {
            content.rejects.push(id);
            let _ = writeln!(text, "{{\"id\":{id}, broken");
            return;
        }
        let kind = ["noise", "alarm", "plain", "plain", "plain", "plain"][random.below(6) as usize];
        let parts = random.between(1, 3) as i64;
        let time = now_us - random.below(3) as i64 * 9 * HOUR;
        let time = DateTime::from_timestamp_micros(time).unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ");
        let list = (0..parts).map(|part| part.to_string()).collect::<Vec<_>>().join(",");
        // A field that nobody declared shows up now and then.
        let zone = if random.permille(100) { ",\"zone\":\"new\"" } else { "" };
        let _ = writeln!(text, "{{\"id\":{id},\"ts\":\"{time}\",\"kind\":\"{kind}\",\"parts\":[{list}]{zone}}}");
        if source.signals && kind == "alarm" {
            content.signals.push(id);
        }
        if source.filters && kind == "noise" {
            return;
        }
        let parts = if source.explodes { parts } else { 1 };
        content.output.extend((0..parts).map(|part| id * 10 + part));
    }

    /// Notes that a content was put under a key.
    pub(crate) fn put(&mut self, key: &str, content: usize) {
        let (uri, version) = (format!("{BUCKET}{key}"), self.contents[content].e_tag.clone());
        let object = Object { uri, bucket: None, key: key.to_owned(), version, size_bytes: 0, modified_us: 0 };
        self.works += 1;
        let work = Work { id: self.works, content };
        let jobs: Vec<JobId> = match self.contents[content].sim_source() {
            Some(source) => VERSIONS.iter().map(|version| JobId::new(&object, source.name, *version)).collect(),
            None => vec![JobId::new(&object, "", 0)],
        };
        for job in jobs {
            self.jobs.entry(job.to_string()).or_insert_with(|| work.clone());
        }
        let known = self.keys.entry(key.to_owned()).or_default();
        known.contents.push(content);
        known.is_deleted = false;
    }

    /// Rows that must be in the lake if every content is processed once.
    pub(crate) fn rows(&self) -> u64 {
        self.contents.iter().map(|content| content.output.len() as u64).sum()
    }
}
