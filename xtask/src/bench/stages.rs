//! What each stage of a job can do by itself: what `decode_speed` and `encode_speed` print, put together.

use super::build_example;
use super::report::number;
use crate::error::{Error, Result};
use crate::process;

/// A job whose stages are told apart.
struct Job {
    what: &'static str,
    /// Its line of `decode_speed`.
    decode: &'static str,
    /// Its line of `encode_speed`.
    encode: &'static str,
    is_gzip: bool,
}

const JOBS: [Job; 2] = [
    Job {
        what: "NDJSON, 6 columns",
        decode: "ndjson of cloudtrail, 6 columns",
        encode: "cloudtrail, 6 columns",
        is_gzip: false,
    },
    Job {
        what: "CloudTrail `.json.gz`, 12 columns",
        decode: "cloudtrail.gz, 12 columns",
        encode: "cloudtrail, 12 columns",
        is_gzip: true,
    },
];
const INFLATE: &str = "inflate alone";

/// Measures the stages.
///
/// # Errors
/// When an example cannot be built or run, or does not print a line that is needed.
pub(super) fn measure() -> Result<String> {
    eprintln!("measuring: each stage by itself");
    let decode = process::output(&mut build_example("millpond-decode", "decode_speed")?)?;
    let encode = process::output(&mut build_example("millpond-engine", "encode_speed")?)?;
    table(&decode, &encode)
}

fn table(decode: &str, encode: &str) -> Result<String> {
    let mut columns = Vec::new();
    for job in &JOBS {
        columns.push(job.speeds(decode, encode)?);
    }
    let stages = [
        "inflate alone",
        "inflate and parse, no column built",
        "decode: the same, columns built",
        "encode alone: Parquet with zstd",
    ];
    let mut text = format!("| MB per CPU-second | {} | {} |\n|---|---:|---:|\n", JOBS[0].what, JOBS[1].what);
    for (index, stage) in stages.into_iter().enumerate() {
        let cells: Vec<String> = columns.iter().map(|speeds| speeds[index].map_or("-".to_owned(), number)).collect();
        text.push_str(&format!("| {stage} | {} |\n", cells.join(" | ")));
    }
    Ok(text)
}

impl Job {
    /// Decompressed megabytes per CPU-second of each stage.
    fn speeds(&self, decode: &str, encode: &str) -> Result<[Option<f64>; 4]> {
        let inflate = if self.is_gzip { numbers(decode, INFLATE)?.last().copied() } else { None };
        let [_, decode_ns, decoded, parsed, ..] = numbers(decode, self.decode)?[..] else {
            return Err(missing(self.decode));
        };
        let [_, encode_ns] = numbers(encode, self.encode)?[..] else { return Err(missing(self.encode)) };
        // Encoding knows rows only: a row has as many decompressed bytes as it has for the decoder.
        let row_megabytes = decoded * decode_ns / 1e9;
        let encoded = row_megabytes / (encode_ns / 1e9);
        Ok([inflate, Some(parsed), Some(decoded), Some(encoded)])
    }
}

/// The numbers at the end of the line that starts with `name`.
fn numbers(text: &str, name: &str) -> Result<Vec<f64>> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name).filter(|rest| rest.starts_with("  ")));
    let numbers = rest.map(|rest| rest.split_whitespace().map_while(|word| word.parse().ok()).collect());
    numbers.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Error {
    Error::new(format!("the example printed no figures for `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_told_in_decompressed_megabytes() {
        let decode = "\
MB per CPU-second                        rows   ns/row    decode     parse     build
ndjson of cloudtrail, 6 columns         80000     2000       600       800      2400
cloudtrail.gz, 12 columns               80000     4000       300       400      1200
inflate alone                                                900
";
        let encode = "\
encode                                   rows   ns/row
cloudtrail, 6 columns                  200000     1000
cloudtrail, 12 columns                 200000     2000
";
        let table = table(decode, encode).expect("a table");
        let expected = "\
| inflate alone | - | 900 |
| inflate and parse, no column built | 800 | 400 |
| decode: the same, columns built | 600 | 300 |
| encode alone: Parquet with zstd | 1200 | 600 |
";
        assert!(table.ends_with(expected), "{table}");
    }
}
