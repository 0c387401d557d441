//! Lanes: functions of different sizes, each behind a queue of its own.

use millpond_core::{Error, Result};
use serde::Deserialize;

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lane {
    /// Stored bytes of the largest object that goes here; `None`: any.
    pub(crate) max_bytes: Option<u64>,
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
    if others.iter().any(|lane| lane.max_bytes.is_none()) || !others.is_sorted_by_key(|lane| lane.max_bytes) {
        return Err(wrong("does not go from small to large"));
    }
    Ok(lanes)
}

/// The position of the lane for an object. One of unknown size may be large.
pub(crate) fn lane_for(lanes: &[Lane], size_bytes: Option<u64>) -> usize {
    let fits = |lane: &Lane| lane.max_bytes.is_none_or(|max| size_bytes.is_some_and(|size| size <= max));
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
            assert_eq!(lane_for(&lanes, size), lane, "{size:?}");
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
