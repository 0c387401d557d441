//! What the function's environment says.

use std::path::PathBuf;
use std::time::Duration;

use millpond_core::lane::job_memory_bytes;
use millpond_core::sizing::MB_PER_PROCESSOR;
use millpond_core::{Error, Result};

use crate::lanes::{Lane, parse_lanes};

/// Time kept for handing over and answering, at least; else a tenth of what the invocation has.
const RESERVE_MIN: Duration = Duration::from_secs(2);
const RESERVE_SHARE: u32 = 10;
/// Memory of a function where nobody says.
const MEMORY_MB: u64 = 512;

/// What the function is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Runs jobs and never commits.
    Job,
    /// Runs jobs, then commits if time is left.
    Both,
    /// Commits and takes no notices.
    Commit,
    /// Sends notices on to the queue of their lane.
    Route,
}

/// The settings of a function.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    /// The pond: a folder or an `s3://` URL.
    pub(crate) pond: String,
    /// The lake, where it is not the one of `millpond.toml`.
    pub(crate) lake: Option<String>,
    pub(crate) memory_mb: u64,
    /// The lanes from small to large, as far as variables name them.
    pub(crate) lanes: Vec<Lane>,
}

impl Settings {
    /// Reads the variables that `variable` gives.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) that names the variable at fault.
    pub(crate) fn read(variable: &impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mode = match variable("MILLPOND_MODE").as_deref() {
            None | Some("job") => Mode::Job,
            Some("both") => Mode::Both,
            Some("commit") => Mode::Commit,
            Some("route") => Mode::Route,
            Some(other) => {
                let error = Error::bad_config(format!("`MILLPOND_MODE` is `{other}`"));
                return Err(error.hint("use `job`, `both`, `commit` or `route`"));
            }
        };
        let lanes = variable("MILLPOND_LANE_QUEUES").map_or(Ok(Vec::new()), |text| parse_lanes(&text))?;
        let bundled = || PathBuf::from(variable("LAMBDA_TASK_ROOT").unwrap_or_default()).join("pond");
        let memory_mb = variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").and_then(|text| text.parse().ok());
        Ok(Self {
            mode,
            pond: variable("MILLPOND_POND").unwrap_or_else(|| bundled().to_string_lossy().into_owned()),
            lake: variable("MILLPOND_LAKE"),
            memory_mb: memory_mb.unwrap_or(MEMORY_MB),
            lanes,
        })
    }

    /// Jobs at a time: one for each whole processor that the memory comes with. Small functions see two cores and get a
    /// fraction of one.
    pub(crate) fn threads(&self) -> usize {
        threads(self.memory_mb)
    }

    /// Memory of one job, where its source does not say otherwise.
    pub(crate) fn job_memory_bytes(&self) -> u64 {
        job_memory_bytes(self.memory_mb, self.threads() as u64)
    }
}

/// Jobs at a time in a function of this size.
pub(crate) fn threads(memory_mb: u64) -> usize {
    usize::try_from(memory_mb / MB_PER_PROCESSOR).unwrap_or(1).max(1)
}

/// The part of the time left after which no job starts.
pub(crate) fn reserve(left: Duration) -> Duration {
    RESERVE_MIN.max(left / RESERVE_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings> {
        Settings::read(&|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
    }

    #[test]
    fn threads_and_memory_follow_from_the_functions_memory() {
        for (memory_mb, threads, job_mb) in [
            ("128", 1, 51),
            ("512", 1, 358),
            ("1769", 1, 1_364),
            ("3537", 1, 2_778),
            ("3538", 2, 1_389),
            ("10240", 5, 1_628),
            ("much", 1, 358),
        ] {
            let settings = read(&[("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory_mb)]).expect("settings");
            let told = (settings.threads(), settings.job_memory_bytes() >> 20);
            assert_eq!(told, (threads, job_mb), "{memory_mb}");
        }
    }

    #[test]
    fn what_is_not_set_has_a_default() {
        let settings = read(&[("LAMBDA_TASK_ROOT", "/var/task"), ("MILLPOND_LAKE", "")]).expect("settings");
        let expected =
            Settings { mode: Mode::Job, pond: "/var/task/pond".into(), lake: None, memory_mb: 512, lanes: Vec::new() };
        assert_eq!(settings, expected);
    }

    #[test]
    fn mistakes_are_told() {
        for (variables, told) in [
            ([("MILLPOND_MODE", "jobs")], "`MILLPOND_MODE` is `jobs`"),
            ([("MILLPOND_LANE_QUEUES", "[]")], "`MILLPOND_LANE_QUEUES` names no queue"),
        ] {
            assert_eq!(read(&variables).expect_err(told).to_string(), told);
        }
    }

    #[test]
    fn time_is_kept_for_the_answer() {
        for (left, kept) in [(0, 2), (3, 2), (20, 2), (900, 90)] {
            assert_eq!(reserve(Duration::from_secs(left)), Duration::from_secs(kept));
        }
    }
}
