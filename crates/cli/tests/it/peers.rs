//! With others: tables read by foreign readers, objects in a store that speaks S3.

/// What `cargo xtask test` installed, if it could; the test is skipped with a message otherwise, and fails in CI.
fn peer(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok();
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "`{variable}` is not set: run the tests with `cargo xtask test`");
        eprintln!("skipped: `{variable}` is not set; `cargo xtask test` sets it");
    }
    found
}

mod foreign_reader;
mod object_store;
