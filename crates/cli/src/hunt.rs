//! `millpond hunt`: indicators of compromise in what the lake holds already.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indicatif::ProgressBar;
use millpond::clock::Clock;
use millpond::hunt::{About, Columns, Finding, Hunter, Indicators, Report, Request, hunt, hunt_and_record, open};
use millpond::pond::Pond;
use millpond_core::Result;
use millpond_core::date::time_text;
use millpond_core::indicator::{IndicatorSet, Refused};
use millpond_core::units::{format_bytes, format_count};
use serde_json::json;

use crate::signals::moment;
use crate::{output, progress, run};

/// Entries of a list that were not taken and are told one by one; `--json` tells all.
const REFUSED_MAX: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "A list is text with one indicator a line, CSV, a STIX 2.1 bundle or MISP JSON; \
                        defanged values such as 1.2.3[.]4 are read")]
pub(crate) struct Arguments {
    /// The list of indicators: a file or a URL; may be said again
    #[arg(long = "iocs", value_name = "FILE", required = true)]
    lists: Vec<String>,
    /// Events from when on: a time ago such as 90d, or a day or time such as 2026-11-22 or 2026-11-22T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<i64>,
    /// Events before this time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<i64>,
    /// Only this table; may be said again. Without it, all but those that millpond itself keeps
    #[arg(long = "table", value_name = "NAME")]
    tables: Vec<String>,
    /// Only these columns, or fields of them, parted by commas. Without it, every text
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Only the columns that sources name as `indicators`, which have bloom filters once they are compacted
    #[arg(long, conflicts_with = "columns")]
    indexed: bool,
    /// Let a domain stand for the domains below it, too; bloom filters cannot tell of those
    #[arg(long)]
    subdomains: bool,
    /// Record each row that is found in the table `signals` too, once however often it is hunted for
    #[arg(long)]
    signals: bool,
    /// Print JSON lines: what was found, what of the list was not taken, and what was read
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV
    #[arg(long)]
    csv: bool,
}

pub(crate) async fn run(pond: Option<&Path>, arguments: &Arguments) -> Result<ExitCode> {
    let mut list = Indicators::default();
    for location in &arguments.lists {
        let read = open(location, Path::new(".")).await?;
        list.feed.taken.extend(read.feed.taken);
        list.feed.refused.extend(read.feed.refused);
    }
    let lake = run::lake(pond)?;
    let sources = Pond::sources_of(&run::root(pond)?)?;
    let request = arguments.request(&list);
    let mut bar = Bar { bar: progress::files(0) };
    let (report, recorded) = match arguments.signals {
        true => {
            let about = About { notes: list.notes(), hunt: None, now_us: Clock::system().now_us() };
            let (report, recorded) = hunt_and_record(&lake, &sources, &request, &about, &mut bar).await?;
            (report, Some(recorded))
        }
        false => (hunt(&lake, &sources, &request, &mut bar).await?, None),
    };
    bar.bar.finish_and_clear();
    match (arguments.json, arguments.csv) {
        (true, _) => print_json(&report, &list.feed.refused, recorded)?,
        (_, true) => print_csv(&report.findings)?,
        _ => print_table(&report.findings)?,
    }
    if !arguments.json {
        tell_refused(&list.feed.refused);
    }
    tell(&report);
    if let Some(recorded) = recorded {
        eprintln!("{} new rows in the table `signals`", format_count(recorded));
    }
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    fn request(&self, list: &Indicators) -> Request {
        let indicators = list.feed.taken.iter().map(|listed| listed.indicator.clone());
        let columns = match (self.indexed, self.columns.is_empty()) {
            (true, _) => Columns::Indexed,
            (_, true) => Columns::Text,
            _ => Columns::Named(self.columns.clone()),
        };
        Request {
            indicators: Arc::new(IndicatorSet::new(indicators, self.subdomains)),
            tables: self.tables.clone(),
            columns,
            since_us: self.since,
            until_us: self.until,
            files_max: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// Progress on a terminal.
struct Bar {
    bar: ProgressBar,
}

impl Hunter for Bar {
    fn looked(&mut self, report: &Report, files: u64) {
        self.bar.set_length(files);
        self.bar.set_position(report.tally.files);
    }
}

fn print_json(report: &Report, refused: &[Refused], recorded: Option<u64>) -> Result<()> {
    let mut lines = Vec::new();
    for entry in refused {
        lines.push(json!({"event": "refused", "place": entry.place, "value": entry.value, "reason": entry.reason}));
    }
    for finding in &report.findings {
        lines.push(json!({"event": "found", "finding": finding}));
    }
    lines.push(json!({
        "event": "summary", "indicators": report.indicators, "found": report.found, "refused": refused.len(),
        "signals": recorded, "columns": report.columns, "tally": report.tally,
    }));
    output::print_json_lines(&lines)
}

fn print_table(findings: &[Finding]) -> Result<()> {
    let columns: [output::Column<Finding>; 9] = [
        ("kind", |finding| finding.kind.to_owned()),
        ("indicator", |finding| finding.indicator.clone()),
        ("table", |finding| finding.table.clone()),
        ("column", |finding| finding.column.clone()),
        ("rows", |finding| format_count(finding.rows)),
        ("first", |finding| time(finding.first_us)),
        ("last", |finding| time(finding.last_us)),
        ("_file", |finding| finding.samples.first().map(|sample| sample.file.clone()).unwrap_or_default()),
        ("_row", |finding| row(finding)),
    ];
    match findings.is_empty() {
        true => Ok(()),
        false => output::print(&output::text_table(&columns, findings)),
    }
}

fn print_csv(findings: &[Finding]) -> Result<()> {
    output::print("kind,indicator,table,column,rows,first,last,_file,_row,value\n")?;
    for finding in findings {
        let sample = finding.samples.first();
        let cells = [
            finding.kind.to_owned(),
            finding.indicator.clone(),
            finding.table.clone(),
            finding.column.clone(),
            finding.rows.to_string(),
            time(finding.first_us),
            time(finding.last_us),
            sample.map(|sample| sample.file.clone()).unwrap_or_default(),
            row(finding),
            sample.map(|sample| sample.value.clone()).unwrap_or_default(),
        ];
        output::print(&output::csv_line(&cells))?;
    }
    Ok(())
}

fn time(us: Option<i64>) -> String {
    us.map(time_text).unwrap_or_default()
}

fn row(finding: &Finding) -> String {
    finding.samples.first().and_then(|sample| sample.row).map(|row| row.to_string()).unwrap_or_default()
}

fn tell_refused(refused: &[Refused]) {
    for entry in refused.iter().take(REFUSED_MAX) {
        eprintln!("not taken: {}, `{}`: {}", entry.place, entry.value, entry.reason);
    }
    if refused.len() > REFUSED_MAX {
        let more = format_count((refused.len() - REFUSED_MAX) as u64);
        eprintln!("not taken: {more} more; all of them with --json");
    }
}

fn tell(report: &Report) {
    let tally = &report.tally;
    let count = format_count;
    eprintln!("{} of {} indicators found", count(report.found), count(report.indicators));
    eprintln!(
        "{} files: {} read, {} of other days, {} skipped by the table's log, {} by their footers and bloom filters",
        count(tally.files),
        count(tally.files_read),
        count(tally.files_of_other_days),
        count(tally.files_skipped_by_log),
        count(tally.files_skipped_by_footer),
    );
    eprintln!(
        "{} columns of {} row groups: {} skipped by statistics, {} by bloom filters",
        count(tally.chunks),
        count(tally.row_groups),
        count(tally.chunks_skipped_by_statistics),
        count(tally.chunks_skipped_by_bloom),
    );
    let (read, bytes) = (format_bytes(tally.bytes_read), format_bytes(tally.bytes));
    eprintln!("{} rows compared, {read} of {bytes} fetched", count(tally.rows_read));
}
