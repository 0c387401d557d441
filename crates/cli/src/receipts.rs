//! `millpond receipts`: the record of every job.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use millpond::ledger::RECEIPTS;
use millpond::query::Session;
use millpond_core::Result;

use crate::output::{Format, print_rows};
use crate::run;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only jobs that ended so: done, duplicate, quarantined, unrouted or failed
    #[arg(long)]
    status: Option<String>,
    /// Only jobs of this source
    #[arg(long)]
    source: Option<String>,
    /// Only jobs whose object's address holds this text
    #[arg(long, value_name = "TEXT")]
    object: Option<String>,
    /// Receipts to show
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print whole receipts as JSON lines
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let lake = run::lake(pond)?;
    let session = Session::new(Some(&lake), Path::new(".")).await?;
    if !session.tables().iter().any(|table| table == RECEIPTS) {
        eprintln!("no receipts yet: `millpond run --once` makes some");
        return Ok(ExitCode::SUCCESS);
    }
    let columns = if arguments.json { "*" } else { COLUMNS };
    let sql = format!(
        "select {columns} from receipts where {} order by started desc, object limit {}",
        condition(arguments),
        arguments.limit
    );
    let (schema, batches) = session.collect(&sql).await?;
    print_rows(&schema, &batches, if arguments.json { Format::Json } else { Format::Table })?;
    Ok(ExitCode::SUCCESS)
}

const COLUMNS: &str = "left(job_id, 8) as job, status, source, rows_in, rows_out, filtered, deduplicated as deduped, \
                       quarantined as quarant, signals, bytes_in, total_us / 1000 as ms, \
                       case when length(object) > 60 then '…' || right(object, 59) else object end as object";

fn condition(arguments: &Arguments) -> String {
    let quoted = |text: &str| text.replace('\'', "''");
    let mut conditions = vec!["true".to_owned()];
    conditions.extend(arguments.status.as_deref().map(|status| format!("status = '{}'", quoted(status))));
    conditions.extend(arguments.source.as_deref().map(|source| format!("source = '{}'", quoted(source))));
    conditions.extend(arguments.object.as_deref().map(|object| format!("strpos(object, '{}') > 0", quoted(object))));
    conditions.join(" and ")
}
