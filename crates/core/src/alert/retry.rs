//! When a message that was not taken is sent again.

const SECOND_US: i64 = 1_000_000;
/// Wait after the first try, doubled with each further one.
const WAIT_US: i64 = 5 * SECOND_US;
/// Wait at most.
const WAIT_MAX_US: i64 = 3_600 * SECOND_US;
/// A try that left no end is taken for one whose sender is gone: longer than any request may take.
pub const TRY_MAX_US: i64 = 60 * SECOND_US;
/// A message that nobody took for so long is given up: whoever is on duty has found the alert in the table.
const GIVE_UP_US: i64 = 3 * 86_400 * SECOND_US;

/// Microseconds to wait after the try of this number, from 1. A receiver may ask for more, in seconds.
pub fn wait_us(attempt: u32, asked_s: Option<u64>) -> i64 {
    let doubled = WAIT_US.saturating_mul(1 << attempt.saturating_sub(1).min(20));
    let asked = asked_s.and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0).saturating_mul(SECOND_US);
    doubled.max(asked).min(WAIT_MAX_US)
}

/// Whether a message of an age in microseconds is tried no more.
pub fn is_given_up(age_us: i64) -> bool {
    age_us > GIVE_UP_US
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_obey_the_receiver() {
        let seconds = |attempt, asked| wait_us(attempt, asked) / SECOND_US;
        assert_eq!(
            [1, 2, 3, 9, 10, 11, 4_000].map(|attempt| seconds(attempt, None)),
            [5, 10, 20, 1_280, 2_560, 3_600, 3_600]
        );
        assert_eq!((seconds(1, Some(90)), seconds(3, Some(1)), seconds(1, Some(u64::MAX))), (90, 20, 5));
        assert_eq!(seconds(1, Some(86_400)), 3_600);
    }
}
