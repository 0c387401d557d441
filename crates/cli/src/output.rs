//! Output: data to stdout as a table, JSON lines, CSV or Arrow; everything else to stderr.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use arrow::array::RecordBatch;
use arrow::csv::WriterBuilder;
use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::StreamWriter;
use arrow::json::LineDelimitedWriter;
use arrow::util::display::FormatOptions;
use arrow::util::pretty::pretty_format_batches_with_options;
use millpond_core::{Error, Result};

/// Prints an error and gives the code for it.
pub(crate) fn fail(report: &str) -> ExitCode {
    let name = if io::stderr().is_terminal() { "\x1b[1;31merror\x1b[0m" } else { "error" };
    eprintln!("{name}: {report}");
    ExitCode::FAILURE
}

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Table,
    Json,
    Csv,
    Arrow,
}

/// Writes to stdout; a reader that went away (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    finish(io::stdout().write_all(text.as_bytes()))
}

fn finish(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::transient("failed to write to stdout").because(error))
        }
        _ => Ok(()),
    }
}

/// A column of a printed list: its heading, and its text for an item.
pub(crate) type Column<T> = (&'static str, fn(&T) -> String);

/// A list as a table of text, each column as wide as it must be.
pub(crate) fn text_table<T>(columns: &[Column<T>], items: &[T]) -> String {
    let heading = columns.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    let cells = items.iter().map(|item| columns.iter().map(|(_, show)| show(item)).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(cells).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let text = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    });
    text.collect()
}

/// Cells as a line of CSV.
pub(crate) fn csv_line(cells: &[String]) -> String {
    let cell = |text: &String| match text.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.clone(),
    };
    format!("{}\n", cells.iter().map(cell).collect::<Vec<_>>().join(","))
}

/// Prints a JSON line for each item.
pub(crate) fn print_json_lines<T: serde::Serialize>(items: &[T]) -> Result<()> {
    for item in items {
        let line = serde_json::to_string(item).map_err(|error| Error::bug("failed to write JSON").because(error))?;
        print(&format!("{line}\n"))?;
    }
    Ok(())
}

/// Prints rows in the format that was asked for.
pub(crate) fn print_rows(schema: &SchemaRef, batches: &[RecordBatch], format: Format) -> Result<()> {
    let mut printer = Printer::new(schema, format)?;
    batches.iter().try_for_each(|batch| printer.rows(batch))?;
    printer.finish()
}

/// Prints rows as they come; a table waits for all of them, to know how wide its columns are.
pub(crate) struct Printer {
    schema: SchemaRef,
    sink: Sink,
}

enum Sink {
    Table(Vec<RecordBatch>),
    Json(LineDelimitedWriter<io::Stdout>),
    Csv(Box<arrow::csv::Writer<io::Stdout>>),
    Arrow(Box<StreamWriter<io::Stdout>>),
}

/// Rows of a table that are shown; JSON, CSV and Arrow have no such limit.
pub(crate) const TABLE_ROWS_MAX: usize = 1_000;

impl Printer {
    pub(crate) fn new(schema: &SchemaRef, format: Format) -> Result<Self> {
        let sink = match format {
            Format::Table => Sink::Table(Vec::new()),
            Format::Json => Sink::Json(LineDelimitedWriter::new(io::stdout())),
            Format::Csv => Sink::Csv(Box::new(WriterBuilder::new().with_header(true).build(io::stdout()))),
            Format::Arrow => Sink::Arrow(Box::new(StreamWriter::try_new(io::stdout(), schema).map_err(failed)?)),
        };
        Ok(Self { schema: schema.clone(), sink })
    }

    pub(crate) fn rows(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.sink {
            Sink::Table(batches) => {
                let shown: usize = batches.iter().map(RecordBatch::num_rows).sum();
                let room = (TABLE_ROWS_MAX + 1).saturating_sub(shown).min(batch.num_rows());
                if room > 0 {
                    batches.push(batch.slice(0, room));
                }
                Ok(())
            }
            Sink::Json(writer) => passed(writer.write(batch)),
            Sink::Csv(writer) => passed(writer.write(batch)),
            Sink::Arrow(writer) => passed(writer.write(batch)),
        }
    }

    /// Whether further rows would not be shown.
    pub(crate) fn is_full(&self) -> bool {
        matches!(&self.sink, Sink::Table(batches) if batches.iter().map(RecordBatch::num_rows).sum::<usize>() > TABLE_ROWS_MAX)
    }

    pub(crate) fn finish(self) -> Result<()> {
        match self.sink {
            Sink::Table(batches) => print_table(&self.schema, &batches),
            Sink::Json(mut writer) => passed(writer.finish()),
            Sink::Csv(_) => Ok(()),
            Sink::Arrow(mut writer) => passed(writer.finish()),
        }
    }
}

fn failed(error: arrow::error::ArrowError) -> Error {
    Error::transient("failed to print rows").because(error)
}

fn passed(written: std::result::Result<(), arrow::error::ArrowError>) -> Result<()> {
    match written {
        Err(arrow::error::ArrowError::IoError(_, error)) => finish(Err(error)),
        Err(error) if error.to_string().contains("Broken pipe") => Ok(()),
        other => other.map_err(failed),
    }
}

fn print_table(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<()> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let options = FormatOptions::default()
        .with_null("")
        .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"))
        .with_display_error(true);
    let empty = [RecordBatch::new_empty(schema.clone())];
    let mut shown: Vec<RecordBatch> = if batches.is_empty() { empty.to_vec() } else { batches.to_vec() };
    let is_cut = rows > TABLE_ROWS_MAX;
    if is_cut && let Some(last) = shown.last_mut() {
        *last = last.slice(0, last.num_rows() - 1);
    }
    let table = pretty_format_batches_with_options(&shown, &options).map_err(failed)?;
    print(&format!("{table}\n"))?;
    match is_cut {
        true => eprintln!("the first {TABLE_ROWS_MAX} rows; all of them with --json, --csv or --arrow"),
        false => eprintln!("{rows} {}", if rows == 1 { "row" } else { "rows" }),
    }
    Ok(())
}
