//! `millpond demo`: a pond with generated logs and an attack in them, run and told.

mod generate;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use arrow::array::{Array, AsArray};
use clap::Args;
use millpond::pond::{CONFIG_FILE, Pond};
use millpond::query::Session;
use millpond::worker::Worker;
use millpond_core::units::{format_bytes, format_count};
use millpond_core::{Error, Result};

use crate::{init, output, progress, run, stop};

const PACKS: [&str; 4] = ["aws-cloudtrail", "aws-vpcflow", "okta-system", "zeek-conn"];
/// Sigma rules that find the steps of the attack, and the correlation that puts them together.
const RULES: &str = include_str!("demo/takeover.yml");
const RULES_FILE: &str = "takeover.yml";
/// What is added to the configuration of a new pond.
const ALERTS: &str = r#"
# Who is told of what. This one takes what is critical: the correlation in `rules/takeover.yml`.
[[alert]]
name = "critical"
severity_min = "critical"
window = "24h"
to = "log"

[destination.log]
type = "file"
path = "alerts.ndjson"
"#;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder for the demo's pond; by default a new temporary one, which stays
    dir: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<ExitCode> {
    let dir = match arguments.dir {
        Some(dir) => dir,
        None => temporary_folder()?,
    };
    init::create(&dir, &PACKS)?;
    let failed = |error| Error::transient(format!("failed to write the demo to `{}`", dir.display())).because(error);
    add_alerts(&dir).map_err(failed)?;
    let generated = generate::generate(&dir.join("inbox"), chrono::Utc::now()).map_err(failed)?;
    let made = format!("{} files ({})", format_count(generated.files as u64), format_bytes(generated.bytes));
    eprintln!(
        "made a pond in `{}`: {made} of CloudTrail, VPC flow, Okta and Zeek logs, two days of them\n",
        dir.display()
    );

    let started = Instant::now();
    let progress = progress::choose(false);
    let commits = run::commits(false);
    let mut worker = Worker::open(Pond::load(&dir).await?, progress.clone(), stop::on_signal(), commits).await?;
    let summary = worker.run_once().await?;
    let lake = std::sync::Arc::clone(&worker.node().lake);
    drop((worker, progress));
    let mut told = progress::summary_text(&summary, started.elapsed());
    let session = Session::new(Some(&lake), &dir).await?;
    told.push_str("\nSignals\n");
    told.push_str(&lines(&session, SIGNALS).await?);
    told.push_str(
        "\nOne of them is put together from matches in several files, and somebody is told, once: alerts.ndjson\n",
    );
    told.push_str(&lines(&session, ALERTED).await?);
    told.push_str("\nThe story they tell\n");
    generated.story.iter().enumerate().for_each(|(index, step)| {
        let _ = writeln!(told, "  {}. {step}", index + 1);
    });
    told.push_str("\nIn quarantine, with reason and raw bytes\n");
    told.push_str(&lines(&session, QUARANTINE).await?);
    told.push_str("\nSet aside\n");
    told.push_str(&lines(&session, SET_ASIDE).await?);
    told.push_str("\nTables\n");
    for (table, rows) in lake.row_counts().await? {
        let _ = writeln!(told, "  {:<16} {:>9} rows  {}lake/{table}", table, format_count(rows), slash(&dir));
    }
    told.push_str(&next_steps(&dir));
    output::print(&told)?;
    Ok(ExitCode::SUCCESS)
}

fn add_alerts(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir.join("rules"))?;
    std::fs::write(dir.join("rules").join(RULES_FILE), RULES)?;
    let config = std::fs::read_to_string(dir.join(CONFIG_FILE))?;
    std::fs::write(dir.join(CONFIG_FILE), config + ALERTS)
}

const SIGNALS: &str = "select '  ' || rpad(severity, 9, ' ') || date_format(\"time\", '%m-%d %H:%M') || '  ' || coalesce(message, title) \
                       from signals where kind <> 'sigma_base' order by \"time\"";
const ALERTED: &str = "select '  ' || rpad(severity, 9, ' ') || date_format(first_time, '%m-%d %H:%M') || '  ' || title || ', from ' || \
                       entity || ' (told ' || (select count(*) from deliveries where status = 'sent') || ' ×)' from alerts";
const QUARANTINE: &str = "select '  ' || lpad(cast(count(*) as varchar), 3, ' ') || ' × ' || rpad(reason, 18, ' ') || \
                          regexp_replace(\"object\", '^.*/inbox/', '') from quarantine group by reason, \"object\" order by \"object\", reason";
const SET_ASIDE: &str = "select '  ' || rpad(r.status, 13, ' ') || regexp_replace(r.\"object\", '^.*/inbox/', '') || \
                         case r.status when 'duplicate' then ': same bytes as ' || regexp_replace(f.\"object\", '^.*/inbox/', '') \
                         when 'unrouted' then ': no source wants it' else ': ' || coalesce(r.error, '') end \
                         from receipts r left join receipts f on f.job_id = r.duplicate_of \
                         where r.status <> 'done' order by r.status, r.\"object\"";

/// The rows of a query with one text column, a line each.
async fn lines(session: &Session, sql: &str) -> Result<String> {
    let (_, batches) = session.collect(sql).await?;
    let mut text = String::new();
    for batch in batches.iter().filter(|batch| batch.num_rows() > 0) {
        let column = arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8);
        let column = column.map_err(|error| Error::bug("a line is no text").because(error))?;
        for row in 0..column.len() {
            text.push_str(column.as_string::<i32>().value(row).trim_end());
            text.push('\n');
        }
    }
    Ok(text)
}

fn next_steps(dir: &Path) -> String {
    let pond = dir.display();
    format!(
        "\nTry next (`cargo run --release --` stands for `millpond` in a checkout)\n  \
         millpond query --pond {pond} \"select source, rule, entity, message from signals order by time\"\n  \
         millpond quarantine ls --pond {pond}\n  \
         millpond stats --pond {pond}\n"
    )
}

fn slash(dir: &Path) -> String {
    format!("{}/", dir.display())
}

/// A new folder that stays after the program ends.
fn temporary_folder() -> Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("millpond-demo-").tempdir();
    let folder = folder.map_err(|error| Error::transient("failed to make a temporary folder").because(error))?;
    Ok(folder.keep())
}
