//! A few seeds of the simulator with every change; `cargo xtask simulate` runs many.

use std::process::Command;

fn simulate(arguments: &[&str]) {
    let ran = Command::new(env!("CARGO_BIN_EXE_millpond-simulator")).args(arguments).output().expect("simulator");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}\n{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn nothing_is_lost_or_doubled() {
    simulate(&["--files", "100", "--seed", "4", "--seeds", "3"]);
}

#[test]
fn a_seed_gives_the_same_trace_each_time() {
    simulate(&["--files", "60", "--seed", "7", "--twice"]);
}
