//! How far events have come, and which are too old to come still.

use serde::{Deserialize, Serialize};

/// Parts of `late` that the horizon moves by: it lags by one part at most, and as many notes are kept.
const PARTS: i64 = 16;

/// The newest events by when they had come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Horizon {
    /// The time of the newest match, microseconds since 1970 in UTC; never later than the clock said.
    newest_us: Option<i64>,
    /// When it was noted, by the clock, and what the newest was then; both rise.
    noted: Vec<(i64, i64)>,
}

impl Horizon {
    /// Takes the times of matches in, at a time of the clock. One of the future is as of now, or one wrong clock would
    /// make everything late.
    pub(super) fn take(&mut self, times_us: impl Iterator<Item = i64>, now_us: i64, late_us: i64) {
        self.newest_us = self.newest_us.max(times_us.max().map(|newest_us| newest_us.min(now_us)));
        let Some(newest_us) = self.newest_us else { return };
        let is_due = |(noted_us, known_us): &(i64, i64)| {
            *known_us < newest_us && now_us.saturating_sub(*noted_us) >= late_us / PARTS
        };
        if self.noted.last().is_none_or(is_due) {
            self.noted.push((now_us, newest_us));
        }
    }

    /// What was the newest as long ago as matches may be late: none older is taken any more. What came before is
    /// forgotten.
    pub(super) fn reached(&mut self, now_us: i64, late_us: i64) -> Option<i64> {
        let over = self.noted.partition_point(|(noted_us, _)| *noted_us <= now_us.saturating_sub(late_us));
        self.noted.drain(..over.saturating_sub(1));
        self.noted.first().filter(|_| over > 0).map(|(_, newest_us)| *newest_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_horizon_is_what_was_newest_then() {
        let mut horizon = Horizon::default();
        horizon.take([50, 90].into_iter(), 1_000, 160);
        assert_eq!(horizon.reached(1_000, 160), None);
        horizon.take([95].into_iter(), 1_005, 160);
        horizon.take([20, 500].into_iter(), 1_100, 160);
        assert_eq!(horizon.reached(1_159, 160), None);
        assert_eq!(horizon.reached(1_160, 160), Some(90));
        assert_eq!(horizon.reached(1_260, 160), Some(500));
        assert_eq!(horizon.noted.len(), 1, "what is over is forgotten");
    }

    #[test]
    fn an_event_of_the_future_is_as_of_now() {
        let mut horizon = Horizon::default();
        horizon.take([9_999].into_iter(), 1_000, 0);
        assert_eq!(horizon.reached(1_000, 0), Some(1_000));
        horizon.take(std::iter::empty(), 2_000, 0);
        assert_eq!(horizon.reached(2_000, 0), Some(1_000), "without events nothing grows old");
    }
}
