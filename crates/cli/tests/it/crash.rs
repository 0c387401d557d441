//! A crash anywhere is a retry: the lake ends up the same.

use serde_json::Value;

use crate::pond::{Pond, app_log};

/// Points at which the process is killed: those of `millpond::crash`.
const POINTS: [&str; 11] =
    ["route", "fetch", "decode", "transform", "write", "put", "commit", "batch", "table", "receipts", "cleanup"];

/// Everything that a reader of the lake sees, but for times and memory.
fn dump(pond: &Pond) -> Vec<Vec<Value>> {
    [
        "select * except (processed_at) from app order by _file, _row",
        "select * from signals order by file, row",
        "select * from quarantine order by \"object\", row",
        "select job_id, attempt, status, \"object\", object_version, object_modified, source, rows_in, rows_out, filtered, \
         deduplicated, quarantined, signals, fingerprint, schema_fingerprint, bytes_in, bytes_decoded from receipts order by object",
    ]
    .map(|sql| pond.query(sql))
    .to_vec()
}

/// A pond over a given inbox, with one job at a time so that the same things happen in the same order.
fn pond_over(inbox: &Pond) -> Pond {
    let pond = Pond::with_app();
    let inbox = inbox.path("inbox");
    pond.write("millpond.toml", format!("[[input]]\nurl = '{}'\n[budget]\njobs = 1\n", inbox.display()));
    pond
}

#[test]
fn killed_at_each_step_the_lake_is_the_same() {
    let inbox = Pond::empty();
    for n in 0..4 {
        inbox.write(&format!("inbox/{n}.ndjson"), app_log(n * 10) + "broken\n");
    }
    inbox.write("inbox/again.ndjson", app_log(0) + "broken\n");
    inbox.write("inbox/unwanted.txt", "x");
    let reference = pond_over(&inbox);
    reference.run_once();
    let expected = dump(&reference);
    assert_eq!(expected[0].len(), 36);
    for point in POINTS {
        for time in [1, 2, 3] {
            let mut pond = pond_over(&inbox);
            pond.set("MILLPOND_CRASH", &format!("{point}:{time}"));
            let ran = pond.millpond(&["run", "--once"]);
            // Some points are not reached a third time; then there is nothing to recover from.
            let was_killed = ran.code.is_none();
            assert!(was_killed || time > 1, "`{point}` was never reached: {}", ran.stderr);
            pond.unset("MILLPOND_CRASH");
            pond.run_once();
            assert_eq!(dump(&pond), expected, "killed at {point}:{time}");
            let left = |folder: &str| std::fs::read_dir(pond.path(folder)).map_or(0, Iterator::count);
            assert_eq!((left("lake/_pending"), left("lake/_batches")), (0, 0), "left behind after {point}:{time}");
        }
    }
}
