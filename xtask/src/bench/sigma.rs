//! Sigma rules by millpond and by rsigma: what `xtask/bench/sigma` prints.

use std::path::Path;
use std::process::Command;

use super::release_folder;
use crate::error::Result;
use crate::process;

/// Measures with the rules (`rules/`), the labelled events (`events.ndjson.zst`) and the expected hits
/// (`expected-hits.txt`) of a folder.
///
/// # Errors
/// When it cannot be built or run, or when millpond finds other hits than are expected.
pub(super) fn measure(samples: &Path) -> Result<String> {
    let target = release_folder()?;
    let mut build = process::cargo();
    build.current_dir(process::root().join("xtask/bench/sigma"));
    // rsigma asks for a newer compiler than it needs.
    build.args(["build", "--release", "--locked", "--ignore-rust-version", "--target-dir"]);
    process::run(build.args(target.parent()))?;
    eprintln!("measuring: Sigma rules");
    let mut bench = Command::new(target.join("millpond-bench-sigma"));
    process::output(bench.args(["events.ndjson.zst", "expected-hits.txt", "rules"].map(|name| samples.join(name))))
}
