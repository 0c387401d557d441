//! What the tests of several crates start and talk to. Everything here panics with a message when it fails: it is for
//! tests alone.

mod collector;
mod function;
mod http;
mod ministack;
mod mmdb;
mod receiver;
mod zip;

pub use self::collector::Collector;
pub use self::function::{Answer, Function};
pub use self::ministack::MiniStack;
pub use self::mmdb::mmdb;
pub use self::receiver::{Received, Receiver};
pub use self::zip::zip;

/// The program that `cargo xtask test` installed, if it could. The test is skipped with a message otherwise, and fails in
/// CI.
///
/// # Panics
/// Where `CI` is set and the program is not there.
pub fn peer(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok();
    if found.is_none() {
        let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
        assert!(!is_ci, "`{variable}` is not set: run the tests with `cargo xtask test`");
        eprintln!("skipped: `{variable}` is not set; `cargo xtask test` sets it");
    }
    found
}
