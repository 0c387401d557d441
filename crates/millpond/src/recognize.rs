//! Recognising files: which source a file is of, by its content, and how sure that is.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use millpond_core::config::Problems;
use millpond_core::recognize::{
    CONFIDENCE_MIN, Fit, RECORDS_LOOKED_AT, Recognizer, Record, confidence as share, judge,
};
use millpond_core::source::Source;
use millpond_core::{Error, Result};
use millpond_engine::decode::sample::{Asked, Sample, sample};
use serde::Serialize;

use crate::packs;

/// Fields that are told of a file that nobody knows.
const FIELDS_TOLD: usize = 8;

/// Where a candidate is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// A source of the pond, or of the folder that was named.
    Pond,
    /// A shipped pack.
    Shipped,
}

/// Sources that say what their records look like.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    entries: Vec<Candidate>,
}

#[derive(Debug, Clone)]
struct Candidate {
    source: String,
    origin: Origin,
    recognizers: Vec<Recognizer>,
}

/// What a file is.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// The source that it is of; `None`: it is of none.
    pub source: Option<Recognised>,
    /// The one that fits best behind it; of an unknown file, the one that fits best and not well enough.
    pub runner_up: Option<Recognised>,
    /// Records that were looked at.
    pub records: usize,
    /// The format found; `empty` for a file without bytes.
    pub format: &'static str,
    /// Compressions and archives, outermost first, or `none`.
    pub compression: String,
    /// Fields of the first record that has any.
    pub fields: Vec<String>,
    /// Why the file could not be read, or not to where it was wanted.
    pub error: Option<String>,
}

/// A source that fits a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recognised {
    /// Its name.
    pub source: String,
    /// Where it is from.
    pub origin: Origin,
    /// The share of the records that are of it, in percent.
    pub confidence: u8,
    /// How many that are.
    pub records: usize,
    /// What was found in them.
    pub why: String,
}

impl Candidates {
    /// The shipped packs. They are read once.
    ///
    /// # Errors
    /// [`Kind::Bug`](millpond_core::Kind::Bug) for a pack that is wrong.
    pub fn shipped() -> Result<Self> {
        static SHIPPED: OnceLock<std::result::Result<Candidates, String>> = OnceLock::new();
        let read = || {
            let mut problems = Problems::default();
            let mut candidates = Self::default();
            for (name, config) in packs::configs() {
                candidates.add(name, Origin::Shipped, &format!("{name}/source.toml"), config, &mut problems);
            }
            problems.into_result().map(|()| candidates).map_err(|error| error.chain())
        };
        SHIPPED.get_or_init(read).clone().map_err(Error::bug)
    }

    /// The sources in the folders below `sources`, by their `source.toml` alone.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for a folder that cannot be read, or a `[[recognize]]` that is
    /// wrong.
    pub fn of_folder(sources: &Path) -> Result<Self> {
        let failed =
            |error| Error::bad_config(format!("failed to list the sources in `{}`", sources.display())).because(error);
        let mut folders = std::fs::read_dir(sources)
            .map_err(failed)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<Vec<_>>>()
            .map_err(failed)?;
        folders.sort();
        let mut problems = Problems::default();
        let mut candidates = Self::default();
        for file in folders.iter().map(|folder| folder.join("source.toml")).filter(|file| file.is_file()) {
            let failed = |error| Error::bad_config(format!("failed to read `{}`", file.display())).because(error);
            let config = std::fs::read_to_string(&file).map_err(failed)?;
            let name = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
            candidates.add(&name, Origin::Pond, &file.display().to_string(), &config, &mut problems);
        }
        problems.into_result()?;
        Ok(candidates)
    }

    /// The sources of a pond that was read.
    pub fn of_sources<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Self {
        let mut candidates = Self::default();
        for source in sources {
            candidates.push(&source.name, Origin::Pond, source.recognizers.clone());
        }
        candidates
    }

    /// These, and behind them those of `others` whose names are not among them.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        let is_new = |other: &Candidate| !self.entries.iter().any(|known| known.source == other.source);
        let news: Vec<Candidate> = others.entries.into_iter().filter(is_new).collect();
        self.entries.extend(news);
        self
    }

    /// Whether no source says what its records look like.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn add(&mut self, name: &str, origin: Origin, file: &str, config: &str, problems: &mut Problems) {
        self.push(name, origin, Recognizer::parse_all(file, config, problems));
    }

    fn push(&mut self, name: &str, origin: Origin, recognizers: Vec<Recognizer>) {
        if !recognizers.is_empty() {
            self.entries.push(Candidate { source: name.to_owned(), origin, recognizers });
        }
    }

    /// Says what a file on this machine is. What cannot be read is told in the verdict.
    pub fn recognise_file(&self, file: &Path) -> Verdict {
        let name = file.display().to_string();
        match File::open(file) {
            Ok(opened) => self.recognise(Box::new(opened), &name),
            Err(error) => Verdict::unread(format!("failed to open it: {error}")),
        }
    }

    /// Says what bytes are. What cannot be read is told in the verdict.
    pub fn recognise(&self, input: Box<dyn Read + Send>, name: &str) -> Verdict {
        match sample(input, name, &Asked::first(RECORDS_LOOKED_AT)) {
            Ok(sample) => self.judge(&sample),
            Err(error) => Verdict::unread(error.chain()),
        }
    }

    /// Says what a file is whose first records these are.
    pub fn judge(&self, sample: &Sample) -> Verdict {
        let sets: Vec<&[Recognizer]> = self.entries.iter().map(|entry| entry.recognizers.as_slice()).collect();
        let records: Vec<Record<'_>> =
            sample.records.iter().map(|record| Record { fields: &record.fields, raw: &record.raw }).collect();
        let fits = judge(&sets, sample.format, &records);
        let mut best = fits.iter().take(2).map(|fit| self.recognised(fit, records.len()));
        let (first, second) = (best.next(), best.next());
        let is_known = first.as_ref().is_some_and(|first| first.confidence >= CONFIDENCE_MIN);
        let (source, runner_up) = if is_known { (first, second) } else { (None, first) };
        let fields = sample.records.iter().map(|record| &record.fields).find(|fields| !fields.is_empty());
        Verdict {
            source,
            runner_up,
            records: records.len(),
            format: sample.format,
            fields: fields.into_iter().flat_map(|fields| fields.keys().cloned()).collect(),
            compression: sample.compression.clone(),
            error: sample.error.clone(),
        }
    }

    fn recognised(&self, fit: &Fit, records: usize) -> Recognised {
        let candidate = &self.entries[fit.candidate];
        Recognised {
            source: candidate.source.clone(),
            origin: candidate.origin,
            confidence: share(fit.records, records),
            records: fit.records,
            why: candidate.recognizers[fit.recognizer].to_string(),
        }
    }

    /// Says what files are, several at a time, and tells of each as it is done, with its place in `files`.
    pub fn recognise_files<F: AsRef<Path> + Sync>(&self, files: &[F], done: &(dyn Fn(usize, Verdict) + Sync)) {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, files.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(file) = files.get(index) else { return };
                        done(index, self.recognise_file(file.as_ref()));
                    }
                });
            }
        });
    }
}

impl Verdict {
    fn unread(error: String) -> Self {
        Self {
            source: None,
            runner_up: None,
            records: 0,
            format: "none",
            compression: "none".to_owned(),
            fields: Vec::new(),
            error: Some(error),
        }
    }

    /// What the file is, on one line: `aws-cloudtrail  100 % (29 of 29 records), json`.
    pub fn line(&self) -> String {
        if let Some(found) = &self.source {
            let Recognised { source, confidence, records, .. } = found;
            let of = self.records;
            return format!("{source}  {confidence} % ({records} of {of} records), {}{}", self.kind(), self.note());
        }
        match &self.error {
            Some(error) if self.records == 0 => format!("no reader: {error}"),
            _ if self.format == "empty" || self.records == 0 => format!("empty{}", self.of_kind()),
            _ => format!("unknown: {}{}{}{}", self.kind(), self.of_fields(), self.nearest(), self.note()),
        }
    }

    fn kind(&self) -> String {
        match self.compression.as_str() {
            "none" => self.format.to_owned(),
            compression => format!("{} in {compression}", self.format),
        }
    }

    fn of_kind(&self) -> String {
        match self.format {
            "empty" => String::new(),
            _ => format!(": {} without records", self.kind()),
        }
    }

    fn of_fields(&self) -> String {
        let told = self.fields.iter().take(FIELDS_TOLD).cloned().collect::<Vec<_>>().join(", ");
        match self.fields.len() {
            0 => String::new(),
            count if count > FIELDS_TOLD => format!(" with fields {told}, …"),
            _ => format!(" with fields {told}"),
        }
    }

    fn nearest(&self) -> String {
        let told = |near: &Recognised| {
            format!("; nearest is {} with {} of {} records", near.source, near.records, self.records)
        };
        self.runner_up.as_ref().map(told).unwrap_or_default()
    }

    fn note(&self) -> String {
        self.error.as_ref().map(|error| format!("; {error}")).unwrap_or_default()
    }
}
