//! Points at which tests kill the process, to show that a crash anywhere is a retry.
//!
//! With `MILLPOND_CRASH=write:3` the process aborts the third time it reaches the point `write`; with
//! `MILLPOND_CRASH=panic@write:3` the job panics instead. Without the variable a point costs one comparison.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The environment variable that names a point and, after a colon, at which time it strikes (default 1); `panic@` in
/// front makes it a panic.
pub const VARIABLE: &str = "MILLPOND_CRASH";

/// Every point, in the order of the path, and then of what runs over the lake: `signals` is between the rows of a periodic
/// signal and their commit, `hunt` the same for those of a hunt, `correlation` after a step of correlating was written
/// down, `episodes` between the rows of its episodes and their commit, `step` after a step of alerting was written down and
/// before it is carried out, `alert` after a message was sent and before that is written down.
pub const POINTS: [&str; 17] = [
    "route",
    "fetch",
    "decode",
    "transform",
    "write",
    "put",
    "commit",
    "batch",
    "table",
    "receipts",
    "cleanup",
    "signals",
    "correlation",
    "episodes",
    "step",
    "alert",
    "hunt",
];

struct Armed {
    is_panic: bool,
    point: String,
    countdown: AtomicU64,
}

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

/// Aborts the process when the environment says so.
pub fn point(name: &'static str) {
    debug_assert!(POINTS.contains(&name), "`{name}` is not listed");
    let armed = ARMED.get_or_init(|| {
        let value = std::env::var(VARIABLE).ok()?;
        let (is_panic, value) = value.strip_prefix("panic@").map_or((false, value.as_str()), |rest| (true, rest));
        let (point, count) = value.split_once(':').unwrap_or((value, "1"));
        Some(Armed { is_panic, point: point.to_owned(), countdown: AtomicU64::new(count.parse().unwrap_or(1)) })
    });
    if let Some(armed) = armed
        && armed.point == name
        && armed.countdown.fetch_sub(1, Ordering::SeqCst) == 1
    {
        assert!(!armed.is_panic, "asked to panic at `{name}`");
        std::process::abort();
    }
}
