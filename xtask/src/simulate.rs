//! `cargo xtask simulate`: the whole system against faults that follow from a seed.

use std::process::ExitCode;

use crate::error::Result;
use crate::process;

/// Runs the simulator with these arguments and ends with its exit code. `--profile dev` builds it quickly and runs it
/// slowly; otherwise it is built for release.
///
/// # Errors
/// When cargo cannot be started.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let (profile, args) = profile(args);
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--package", "millpond-simulator", "--profile", profile, "--"]).args(args);
    Ok(process::exit_code(process::status(&mut cargo)?))
}

/// The profile that is asked for, and what is left for the simulator.
fn profile(args: &[String]) -> (&str, Vec<&String>) {
    let named = args.iter().position(|arg| arg == "--profile");
    let profile = named.and_then(|at| args.get(at + 1)).map_or("release", String::as_str);
    let is_left = |at: usize| named.is_none_or(|named| at != named && at != named + 1);
    (profile, args.iter().enumerate().filter(|(at, _)| is_left(*at)).map(|(_, arg)| arg).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_taken_out_of_the_arguments() {
        let args: Vec<String> = ["--seed", "7", "--profile", "dev", "--trace"].map(str::to_owned).into();
        let (name, rest) = profile(&args);
        assert_eq!((name, rest), ("dev", vec![&args[0], &args[1], &args[4]]));
        assert_eq!(profile(&args[..2]), ("release", vec![&args[0], &args[1]]));
    }
}
