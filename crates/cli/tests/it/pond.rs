//! A pond in a temporary folder, and the binary run on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A pond for one test.
pub(crate) struct Pond {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// What a command gave.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The same columns without a time.
pub(crate) const PLAIN_CONFIG: &str = "[[match]]\nglob = '**/*.ndjson*'\n[format]\ntype = 'json'\n\
                                       [columns]\nts = 'timestamp'\nuser = 'text'\nbytes = 'int'\n";
/// A source over NDJSON with a time, a filter and a signal.
pub(crate) const APP_CONFIG: &str = "version = 1\ntime = 'time'\n[[match]]\nglob = '**/*.ndjson*'\n[format]\ntype = 'json'\n\
                              [columns]\nts = 'timestamp'\nuser = 'text'\nbytes = 'int'\n";
pub(crate) const APP_SQL: &str =
    "select ts as time, user, bytes, _file, _row, now() as processed_at from input where user <> 'noise'\n";
pub(crate) const APP_SIGNAL: &str = "-- title: Root was here\n-- severity: high\nselect user as entity, ts as time, bytes, _row from input where user = 'root'\n";

impl Pond {
    /// A pond with an inbox and no source.
    pub(crate) fn empty() -> Self {
        let pond = Self { folder: tempfile::tempdir().expect("folder"), environment: Vec::new() };
        pond.write("millpond.toml", "name = 'test'\n[[input]]\nurl = 'inbox'\n[budget]\njobs = 2\n");
        fs::create_dir_all(pond.path("inbox")).expect("inbox");
        pond
    }

    /// A pond with the source `app`.
    pub(crate) fn with_app() -> Self {
        let pond = Self::empty();
        pond.source("app", APP_CONFIG, APP_SQL);
        pond.write("sources/app/signals/root.sql", APP_SIGNAL);
        pond
    }

    pub(crate) fn source(&self, name: &str, config: &str, transform: &str) {
        self.write(&format!("sources/{name}/source.toml"), config);
        self.write(&format!("sources/{name}/transform.sql"), transform);
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, content: impl AsRef<[u8]>) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, content).expect("file");
    }

    /// Sets a variable for every later command.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.environment.retain(|(known, _)| known != key);
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    pub(crate) fn unset(&mut self, key: &str) {
        self.environment.retain(|(known, _)| known != key);
    }

    /// Runs the binary in the pond's folder.
    pub(crate) fn millpond(&self, arguments: &[&str]) -> Ran {
        let mut command = millpond(self.folder.path(), arguments);
        command.envs(self.environment.iter().cloned());
        Ran::of(command.output().expect("millpond"))
    }

    /// Runs once over the inbox and gives the JSON lines.
    pub(crate) fn run_once(&self) -> Vec<Value> {
        let ran = self.millpond(&["run", "--once", "--json"]);
        assert!(matches!(ran.code, Some(0 | 3)), "exit {:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
        ran.json_lines()
    }

    /// The rows of a query.
    pub(crate) fn query(&self, sql: &str) -> Vec<Value> {
        self.millpond(&["query", "--json", sql]).ok().json_lines()
    }

    /// The one value of a query.
    pub(crate) fn value(&self, sql: &str) -> Value {
        let rows = self.query(sql);
        rows.first().and_then(|row| row.as_object()?.values().next().cloned()).unwrap_or(Value::Null)
    }
}

/// The binary, without the surroundings of whoever runs the tests.
pub(crate) fn millpond(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millpond"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("MILLPOND_CRASH")
        .env("XDG_STATE_HOME", folder.join(".state"));
    command
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

/// The names of the shipped packs.
pub(crate) fn packs() -> Vec<String> {
    let listed = Ran::of(millpond(Path::new("."), &["source", "packs"]).output().expect("millpond")).ok().stdout;
    listed.lines().skip(1).filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
}

/// The summary among the lines of a run.
pub(crate) fn summary(lines: &[Value]) -> &Value {
    lines.iter().find(|line| line["event"] == "summary").expect("a summary")
}

/// Ten records: nine that are used, of which one is of root, and one that is filtered.
pub(crate) fn app_log(start: u32) -> String {
    (start..start + 10)
        .map(|n| {
            let user = ["ann", "bob", "root", "noise", "cyd", "dan", "eve", "fay", "gus", "hal"][(n % 10) as usize];
            format!("{{\"ts\":\"2026-01-{:02}T10:00:00Z\",\"user\":\"{user}\",\"bytes\":{n}}}\n", 1 + n / 10 % 28)
        })
        .collect()
}
