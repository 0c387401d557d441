//! `millpond replay`: derive rows anew from the raw objects and swap them for those that the lake has.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use millpond::pipeline::Node;
use millpond::replay::{Derived, Progress, select};
use millpond_core::Result;
use millpond_core::receipt::Receipt;
use millpond_core::units::format_count;
use serde_json::json;

use crate::{output, run};

/// Some objects could not be read or processed again.
const KEPT: u8 = 4;

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 swapped, or nothing to do; 1 it could not be done; 4 some objects could not be processed \
                  again: nothing was swapped without `--skip-failed`."
)]
pub(crate) struct Arguments {
    /// Which jobs: a condition over the columns of `receipts`, such as "source = 'okta-system' and source_version < 3"
    #[arg(value_name = "CONDITION")]
    condition: String,
    /// Process the objects again and say what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    /// Swap the others where some objects cannot be processed again: those keep their rows
    #[arg(long)]
    skip_failed: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The replay of everything that put rows or itself into quarantine, of one source or all.
    pub(crate) fn of_quarantine(source: Option<&str>, dry_run: bool, json: bool) -> Self {
        let of_source = source.map(|source| format!(" and source = '{}'", source.replace('\'', "''")));
        let condition = format!("(status = 'quarantined' or quarantined > 0){}", of_source.unwrap_or_default());
        // What is still broken stays where it is.
        Self { condition, dry_run, skip_failed: true, json }
    }
}

/// A line now and then.
struct Lines;

impl Progress for Lines {
    fn derived(&self, done: usize, all: usize) {
        eprintln!("processed {} of {} objects again", format_count(done as u64), format_count(all as u64));
    }
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let node = Arc::new(Node::open(run::load(pond).await?).await?);
    let mut committer = node.committer();
    // What is pending comes first: it may be among what is selected.
    committer.commit_pending().await?;
    let selection = select(&node.lake, &node.pond.sources, &arguments.condition).await?;
    let derived = selection.derive(&node, &Lines).await?;
    let is_complete = derived.kept.is_empty() || arguments.skip_failed;
    let is_swapped = !arguments.dry_run && is_complete && !derived.changed.is_empty();
    if is_swapped {
        selection.swap(&derived, &mut committer).await?;
    }
    tell(&derived, is_swapped, arguments)?;
    Ok(if derived.kept.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(KEPT) })
}

/// What a replay changes of one source.
#[derive(Default)]
struct Change {
    jobs: u64,
    rows: [u64; 2],
    signals: [u64; 2],
    quarantined: [u64; 2],
}

impl Change {
    fn add(&mut self, old: &Receipt, new: &Receipt) {
        self.jobs += 1;
        for (index, receipt) in [old, new].into_iter().enumerate() {
            self.rows[index] += receipt.balance.rows_out;
            self.signals[index] += receipt.signals;
            self.quarantined[index] += receipt.balance.quarantined;
        }
    }
}

fn tell(derived: &Derived, is_swapped: bool, arguments: &Arguments) -> Result<()> {
    let mut changes: BTreeMap<&str, Change> = BTreeMap::new();
    for (old, new) in &derived.changed {
        changes.entry(&old.source).or_default().add(old, new);
    }
    if arguments.json {
        let sources: Vec<_> = changes
            .iter()
            .map(|(source, change)| {
                json!({
                    "source": source, "jobs": change.jobs, "rows_before": change.rows[0], "rows_after": change.rows[1],
                    "signals_before": change.signals[0], "signals_after": change.signals[1],
                    "quarantined_before": change.quarantined[0], "quarantined_after": change.quarantined[1],
                })
            })
            .collect();
        let kept: Vec<_> =
            derived.kept.iter().map(|(old, error)| json!({"object": old.object, "error": error.chain()})).collect();
        return output::print(&format!("{}\n", json!({"swapped": is_swapped, "sources": sources, "kept": kept})));
    }
    let mut told = String::new();
    for (source, change) in &changes {
        let pair = |[before, after]: [u64; 2]| format!("{} -> {}", format_count(before), format_count(after));
        told.push_str(&format!(
            "{source}: {} jobs, rows {}, signals {}, quarantined {}\n",
            format_count(change.jobs),
            pair(change.rows),
            pair(change.signals),
            pair(change.quarantined)
        ));
    }
    output::print(&told)?;
    for (old, error) in &derived.kept {
        eprintln!("keeps its rows: `{}`: {}", old.object, error.chain());
    }
    eprintln!("{}", verdict(derived, is_swapped, arguments));
    Ok(())
}

fn verdict(derived: &Derived, is_swapped: bool, arguments: &Arguments) -> &'static str {
    match (is_swapped, derived.changed.is_empty()) {
        (true, _) => "swapped: queries see the new rows from now on",
        (false, true) => "nothing to swap",
        (false, false) if arguments.dry_run => {
            "nothing was changed; the same command without `--dry-run` swaps without processing again"
        }
        (false, false) => "nothing was changed\nhint: `--skip-failed` swaps the rows of the other objects",
    }
}
