//! `[lane.NAME]` of `millpond.toml`.

use super::section::{Problems, Section};
use crate::error::Error;
use crate::lane::{Lane, SPILL_BYTES};

/// Memory that a lane has at least: less holds no decoder.
const MEMORY_BYTES_MIN: u64 = 8 << 20;

/// Reads the lanes, in the order of the file; none where there are none.
pub(super) fn parse_lanes(top: &mut Section<'_>, problems: &mut Problems) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    for (name, section) in top.named_sections(problems, "lane") {
        lanes.extend(parse_lane(name, &lanes, section, problems));
    }
    lanes
}

fn parse_lane(name: String, others: &[Lane], mut section: Section<'_>, problems: &mut Problems) -> Option<Lane> {
    let memory_bytes = section.bytes(problems, "memory");
    let spill_bytes = section.bytes(problems, "spill").unwrap_or(SPILL_BYTES);
    let jobs = section.count(problems, "jobs");
    let queue = section.text(problems, "queue");
    if section.is_absent("memory") {
        section.missing(problems, "memory", "say what one of its jobs may use, such as `64 MiB`");
    }
    if memory_bytes.is_some_and(|bytes| bytes < MEMORY_BYTES_MIN) {
        let error = Error::bad_config(format!("lane `{name}` has less than 8 MiB"));
        section.refuse(problems, "memory", &error.hint("a decoder alone may need some; `64 MiB` is a good start"));
    }
    let twin = others.iter().find(|other| Some(other.memory_bytes) == memory_bytes);
    if let Some(twin) = twin {
        let error = Error::bad_config(format!("lanes `{}` and `{name}` have the same memory", twin.name));
        section.refuse(problems, "memory", &error.hint("a job that is too large for a lane goes on to a larger one"));
    }
    section.finish(problems);
    Some(Lane { name, memory_bytes: memory_bytes?, spill_bytes, jobs, queue })
}
