//! Windows: the pieces into which a periodic signal cuts time. They lie end to end, so every moment is in exactly one.

use super::Schedule;

/// A piece of time: from its start up to and without its end. Microseconds since 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Window {
    /// The first moment in it.
    pub start_us: i64,
    /// The first moment after it.
    pub end_us: i64,
}

impl Schedule {
    /// The last window that a run at `now_us` may look at.
    pub fn last_due(&self, now_us: i64) -> Window {
        let end_us = self.floor(now_us.saturating_sub(self.late_us));
        Window { start_us: end_us.saturating_sub(self.every_us), end_us }
    }

    /// The window that begins at `start_us` and ends where windows end; shorter than the others where `every` was
    /// another one when the window before it ended.
    pub fn window_from(&self, start_us: i64) -> Window {
        Window { start_us, end_us: self.floor(start_us).saturating_add(self.every_us) }
    }

    /// The first window that begins at `us` or later.
    pub fn first_from(&self, us: i64) -> Window {
        self.window_from(self.floor(us.saturating_add(self.every_us - 1)))
    }

    /// When a run may look at a window.
    pub fn due_us(&self, window: Window) -> i64 {
        window.end_us.saturating_add(self.late_us)
    }

    /// The last moment up to `us` at which one window ends and the next begins.
    fn floor(&self, us: i64) -> i64 {
        us - us.rem_euclid(self.every_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    fn schedule(every: i64, late: i64) -> Schedule {
        Schedule { every_us: every * MINUTE_US, lookback_us: 0, late_us: late * MINUTE_US }
    }

    #[test]
    fn windows_lie_end_to_end() {
        let schedule = schedule(15, 0);
        let mut window = schedule.last_due(61 * MINUTE_US);
        assert_eq!((window.start_us, window.end_us), (45 * MINUTE_US, 60 * MINUTE_US));
        for _ in 0..5 {
            let next = schedule.window_from(window.end_us);
            assert_eq!((next.start_us, next.end_us - next.start_us), (window.end_us, 15 * MINUTE_US));
            window = next;
        }
    }

    #[test]
    fn another_length_leaves_no_gap() {
        let window = schedule(60, 0).window_from(45 * MINUTE_US);
        assert_eq!((window.start_us, window.end_us), (45 * MINUTE_US, 60 * MINUTE_US));
    }

    #[test]
    fn a_window_waits_for_what_is_late() {
        let schedule = schedule(15, 60);
        let window = schedule.last_due(125 * MINUTE_US);
        assert_eq!((window.end_us, schedule.due_us(window)), (60 * MINUTE_US, 120 * MINUTE_US));
        assert_eq!(schedule.first_from(16 * MINUTE_US).start_us, 30 * MINUTE_US);
        assert_eq!(schedule.first_from(30 * MINUTE_US).start_us, 30 * MINUTE_US);
    }
}
