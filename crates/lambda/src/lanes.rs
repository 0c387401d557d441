//! Lanes: functions of different sizes, each behind a queue of its own.

use millpond_core::lane::{Lanes, job_memory_bytes};
use millpond_core::{Error, Result};
use serde::Deserialize;

use crate::settings::threads;

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lane {
    /// Stored bytes of the largest object that goes here; `None`: any.
    pub(crate) max_bytes: Option<u64>,
    /// Memory of its function, MB: jobs go here that are expected to fit. `None`: nobody asks.
    pub(crate) memory_mb: Option<u64>,
    /// Memory of one of its jobs, where the pond says that and not the function's.
    #[serde(skip)]
    pub(crate) job_memory_bytes: Option<u64>,
    /// The URL of its queue, or `sqs://NAME`.
    pub(crate) queue: String,
}

/// Reads `MILLPOND_LANE_QUEUES`: lanes from small to large, of which the last takes whatever is larger.
///
/// # Errors
/// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for anything else.
pub(crate) fn parse_lanes(text: &str) -> Result<Vec<Lane>> {
    let wrong = |detail: &str| {
        let error = Error::bad_config(format!("`MILLPOND_LANE_QUEUES` {detail}"));
        error.hint(r#"write `[{"max_bytes": 4194304, "queue": "https://…/small"}, {"queue": "https://…/large"}]`"#)
    };
    let lanes: Vec<Lane> = serde_json::from_str(text).map_err(|error| wrong("is no list of lanes").because(error))?;
    let Some((last, others)) = lanes.split_last() else { return Err(wrong("names no queue")) };
    if last.max_bytes.is_some() {
        return Err(wrong("has no lane for objects of any size: leave `max_bytes` out of the last"));
    }
    let is_sorted = others.is_sorted_by_key(|lane| lane.max_bytes) && lanes.is_sorted_by_key(|lane| lane.memory_mb);
    if others.iter().any(|lane| lane.max_bytes.or(lane.memory_mb).is_none()) || !is_sorted {
        return Err(wrong("does not go from small to large"));
    }
    Ok(lanes)
}

/// The lanes of a pond of which each has a queue; none where one has not.
pub(crate) fn of_pond(lanes: &Lanes) -> Vec<Lane> {
    let lane = |lane: &millpond_core::lane::Lane| {
        let job_memory_bytes = Some(lane.memory_bytes);
        Some(Lane { max_bytes: None, memory_mb: None, job_memory_bytes, queue: lane.queue.clone()? })
    };
    lanes.all().iter().map(lane).collect::<Option<_>>().unwrap_or_default()
}

/// What a job of a function may spill: what it may in the pond's largest lane that the function holds.
pub(crate) fn spill_bytes(lanes: &Lanes, job_memory_bytes: u64) -> u64 {
    let held = lanes.all().iter().rev().find(|lane| lane.memory_bytes <= job_memory_bytes);
    held.unwrap_or(lanes.at(0)).spill_bytes
}

impl Lane {
    /// Memory of one of its jobs, where that decides what goes here.
    fn job_memory(&self) -> Option<u64> {
        self.job_memory_bytes.or(self.memory_mb.map(|mb| job_memory_bytes(mb, threads(mb) as u64)))
    }
}

/// What is known of an object before it is routed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expected {
    pub(crate) size_bytes: Option<u64>,
    /// Memory that its job is expected to take.
    pub(crate) memory_bytes: Option<u64>,
}

/// The position of the lane for an object: the smallest that takes its size and its job. What is not known may be large.
pub(crate) fn lane_for(lanes: &[Lane], expected: Expected) -> usize {
    let within = |max: Option<u64>, known: Option<u64>| max.is_none_or(|max| known.is_some_and(|known| known <= max));
    let fits =
        |lane: &Lane| within(lane.max_bytes, expected.size_bytes) && within(lane.job_memory(), expected.memory_bytes);
    lanes.iter().position(fits).unwrap_or(lanes.len().saturating_sub(1))
}

/// The lane above the one whose queue has this name or ends with it, as ARNs do.
pub(crate) fn lane_above(lanes: &[Lane], queue: &str) -> Option<usize> {
    let name = |text: &str| text.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    let here = lanes.iter().position(|lane| name(&lane.queue) == name(queue))?;
    (here + 1 < lanes.len()).then_some(here + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = r#"[{"max_bytes": 10, "queue": "https://sqs.eu-west-1.amazonaws.com/1/s"},
                            {"max_bytes": 20, "queue": "sqs://m"}, {"queue": "sqs://l"}]"#;

    #[test]
    fn objects_go_to_the_smallest_lane_that_takes_them() {
        let lanes = parse_lanes(THREE).expect("lanes");
        for (size, lane) in
            [(Some(0), 0), (Some(10), 0), (Some(11), 1), (Some(20), 1), (Some(21), 2), (Some(u64::MAX), 2), (None, 2)]
        {
            let expected = Expected { size_bytes: size, memory_bytes: None };
            assert_eq!(lane_for(&lanes, expected), lane, "{size:?}");
        }
    }

    #[test]
    fn jobs_go_to_the_smallest_function_that_holds_them() {
        let text = r#"[{"memory_mb": 128, "queue": "sqs://s"}, {"memory_mb": 512, "queue": "sqs://m"},
                      {"memory_mb": 10240, "queue": "sqs://l"}]"#;
        let lanes = parse_lanes(text).expect("lanes");
        for (mib, lane) in [(Some(1), 0), (Some(51), 0), (Some(52), 1), (Some(358), 1), (Some(9_999), 2), (None, 2)] {
            let expected = Expected { size_bytes: None, memory_bytes: mib.map(|mib| mib << 20) };
            assert_eq!(lane_for(&lanes, expected), lane, "{mib:?}");
        }
        let pond = Lanes::of_job_memory(256 << 20);
        assert!(of_pond(&pond).is_empty(), "they have no queues");
        let named = pond
            .all()
            .iter()
            .map(|lane| millpond_core::lane::Lane { queue: Some(format!("sqs://{}", lane.name)), ..lane.clone() });
        let lanes = of_pond(&Lanes::new(named.collect(), 0));
        let expected = Expected { size_bytes: None, memory_bytes: Some(65 << 20) };
        assert_eq!((lanes.len(), lane_for(&lanes, expected)), (3, 1));
    }

    #[test]
    fn a_function_spills_what_the_lane_of_its_size_may() {
        let lane = |memory_bytes: u64, spill_bytes| millpond_core::lane::Lane {
            spill_bytes,
            ..millpond_core::lane::Lane::new(memory_bytes.to_string(), memory_bytes)
        };
        let lanes = Lanes::new(vec![lane(50, 1), lane(200, 2)], 0);
        for (memory, spill) in [(10, 1), (50, 1), (199, 1), (200, 2), (900, 2)] {
            assert_eq!(spill_bytes(&lanes, memory), spill, "{memory}");
        }
    }

    #[test]
    fn the_lane_above_is_found_by_the_queues_name() {
        let lanes = parse_lanes(THREE).expect("lanes");
        for (queue, above) in [
            ("arn:aws:sqs:eu-west-1:1:s", Some(1)),
            ("arn:aws:sqs:eu-west-1:1:m", Some(2)),
            ("arn:aws:sqs:eu-west-1:1:l", None),
            ("arn:aws:sqs:eu-west-1:1:other", None),
        ] {
            assert_eq!(lane_above(&lanes, queue), above, "{queue}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (text, told) in [
            ("x", "is no list of lanes"),
            (r#"[{"queue": "a", "max": 3}]"#, "is no list of lanes"),
            (r#"[{"queue": "a", "max_bytes": 3}]"#, "has no lane for objects of any size"),
            (r#"[{"queue": "a"}, {"queue": "b"}]"#, "does not go from small to large"),
            (
                r#"[{"queue": "a", "max_bytes": 3}, {"queue": "b", "max_bytes": 2}, {"queue": "c"}]"#,
                "does not go from small to large",
            ),
        ] {
            let error = parse_lanes(text).expect_err(told);
            assert!(error.to_string().contains(told), "{error:?}");
        }
    }
}
