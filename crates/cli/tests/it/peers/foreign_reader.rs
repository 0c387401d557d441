//! The lake is read by delta-rs in Python and DuckDB, with the same rows.

use std::process::Command;

use millpond_testkit::peer;

use crate::pond::{Pond, app_log};

const READ: &str = r#"
import sys, json, deltalake, duckdb
root = sys.argv[1]
told = {}
for name in ["app", "signals", "receipts", "quarantine"]:
    table = deltalake.DeltaTable(f"{root}/{name}")
    files = table.file_uris()
    rows = duckdb.sql("select * from read_parquet(" + json.dumps(files).replace('"', "'") + ", union_by_name = true)")
    told[name] = {"rows": duckdb.sql("select count(*) from rows").fetchall()[0][0], "types": dict(zip(rows.columns, map(str, rows.types)))}
told["time"] = duckdb.sql("select epoch_us(min(time)) from read_parquet('" + root + "/app/*/*.parquet')").fetchall()[0][0]
print(json.dumps(told))
"#;

#[test]
fn foreign_readers_see_the_same_rows() {
    let Some(python) = peer("MILLPOND_PEER_PYTHON") else { return };
    let pond = Pond::with_app();
    pond.write("inbox/a.ndjson", app_log(0) + "broken\n");
    pond.write("inbox/b.ndjson", app_log(10));
    pond.run_once();
    let output = Command::new(python).args(["-c", READ]).arg(pond.path("lake")).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (table, rows) in [("app", 18), ("signals", 2), ("receipts", 2), ("quarantine", 1)] {
        assert_eq!(told[table]["rows"], rows, "{told}");
    }
    assert_eq!(told["app"]["types"]["time"], "TIMESTAMP WITH TIME ZONE", "{told}");
    // 2026-01-01T10:00:00Z in microseconds.
    assert_eq!(told["time"], 1_767_261_600_000_000_u64, "{told}");
}
