//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Every log file gets its own tiny database: files in; tables, signals and receipts out.
#[derive(Debug, Parser)]
#[command(name = "millpond", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The pond's folder; by default the nearest one with a `millpond.toml`, from here upwards
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) pond: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a pond with generated logs and an attack in them, run it, and show what it found
    Demo(crate::demo::Arguments),
    /// Make a pond that explains itself
    Init(crate::init::Arguments),
    /// Process what appears in the pond's inputs, or the named files
    Run(crate::run::Arguments),
    /// Process what lies under a prefix already, going on where an interrupted run stopped
    Backfill(crate::backfill::Arguments),
    /// Commit what workers handed over
    Commit(crate::commit::Arguments),
    /// Say everything that is wrong with the pond, with file and line
    Check(crate::check::Arguments),
    /// Run the sources' own tests
    Test(crate::test::Arguments),
    /// Tell what would happen, or did happen, to one object
    Explain(crate::explain::Arguments),
    /// Predict memory, time and disk of the job over one object, and its lane
    Plan(crate::plan::Arguments),
    /// Ask the lake, or any file, in SQL; without SQL, a shell
    Query(crate::query::Arguments),
    /// List the receipts of jobs, newest first
    Receipts(crate::receipts::Arguments),
    /// Look at rows and files that could not be used
    Quarantine(QuarantineArguments),
    /// Process objects again with the sources as they are now, and swap the old rows for the new
    Replay(crate::replay::Arguments),
    /// Show databases, sources, sizes and speeds by day, and rows by fate
    Stats(crate::stats::Arguments),
    /// Let a day of files pass on paper: lanes, concurrency, queueing and cost
    Simulate(crate::simulate::Arguments),
    /// Look after the lake: how its tables stand, fewer and larger files, what may go
    Lake(LakeArguments),
    /// Tell people of signals: list alerts, send what waits, try a destination
    Alerts(AlertsArguments),
    /// Erase the rows for which a predicate is true, and keep the proof
    Erase(crate::erase::Arguments),
    /// Look for indicators of compromise in what the lake holds already
    Hunt(crate::hunt::Arguments),
    /// Run signals over the lake, test them, and tell what they would have found
    Signals(SignalsArguments),
    /// List the SQL engines, check and time them, or compare what they make of the sources' tests
    Engines(crate::engines::Arguments),
    /// Tell what files are, by their content, and how sure that is
    Recognize(crate::recognize::Arguments),
    /// Work on sources
    Source(SourceArguments),
    /// Match files with Sigma rules, without a pond
    Scan(crate::scan::Arguments),
    /// Work on Sigma rules
    Sigma(SigmaArguments),
}

#[derive(Debug, Args)]
pub(crate) struct AlertsArguments {
    #[command(subcommand)]
    pub(crate) command: crate::alerts::Command,
}

#[derive(Debug, Args)]
pub(crate) struct QuarantineArguments {
    #[command(subcommand)]
    pub(crate) command: crate::quarantine::Command,
}

#[derive(Debug, Args)]
pub(crate) struct LakeArguments {
    #[command(subcommand)]
    pub(crate) command: crate::lake::Command,
}

#[derive(Debug, Args)]
pub(crate) struct SignalsArguments {
    #[command(subcommand)]
    pub(crate) command: crate::signals::Command,
}

#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    #[command(subcommand)]
    pub(crate) command: crate::source::Command,
}

#[derive(Debug, Args)]
pub(crate) struct SigmaArguments {
    #[command(subcommand)]
    pub(crate) command: crate::sigma::Command,
}
