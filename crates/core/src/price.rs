//! Prices: what memory over time and requests cost, from a file that says where its numbers come from.

use crate::config::{Problems, Section};
use crate::error::{Error, Result};

/// The list that comes with the program.
const AWS: &str = include_str!("../prices/aws.toml");
const AWS_FILE: &str = "prices/aws.toml";

/// A list of prices, in US dollars.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceList {
    /// The day on which it was made.
    pub date: String,
    /// Where the prices hold.
    pub region: String,
    /// The pages that they stand on.
    pub sources: Vec<String>,
    /// Lambda on x86-64.
    pub x86: FunctionPrice,
    /// Lambda on arm64.
    pub arm: FunctionPrice,
    /// One read of an object.
    pub s3_get: f64,
    /// One write of an object.
    pub s3_put: f64,
    /// One call of a queue.
    pub sqs_request: f64,
}

/// What a function costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FunctionPrice {
    /// A GB of memory (2^30 bytes) for a second.
    pub gb_second: f64,
    /// One call.
    pub request: f64,
}

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Used {
    /// GB of memory (2^30 bytes) times seconds.
    pub gb_seconds: f64,
    /// Calls of functions.
    pub calls: u64,
    /// Reads of objects.
    pub gets: u64,
    /// Writes of objects.
    pub puts: u64,
    /// Calls of queues.
    pub queue_calls: u64,
}

impl Used {
    /// Adds what another used.
    pub fn add(&mut self, other: &Self) {
        self.gb_seconds += other.gb_seconds;
        self.calls += other.calls;
        self.gets += other.gets;
        self.puts += other.puts;
        self.queue_calls += other.queue_calls;
    }
}

impl PriceList {
    /// The list that comes with the program.
    ///
    /// # Errors
    /// [`Kind::Bug`](crate::Kind::Bug) when it is wrong, which a test rules out.
    pub fn aws() -> Result<Self> {
        Self::parse(AWS_FILE, AWS).map_err(|error| Error::bug("failed to read the list of prices").because(error))
    }

    /// Reads a list.
    ///
    /// # Errors
    /// [`Kind::BadConfig`](crate::Kind::BadConfig) that names what is wrong in which line.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let mut problems = Problems::default();
        let list = Self::read(file, text, &mut problems);
        problems.into_result()?;
        list.ok_or_else(|| Error::bad_config(format!("`{file}` is no list of prices")))
    }

    fn read(file: &str, text: &str, problems: &mut Problems) -> Option<Self> {
        let document = problems.parse_toml(file, text)?;
        let mut top = Section::top(file, text, &document);
        let date = top.text(problems, "date");
        let region = top.text(problems, "region");
        let sources = top.texts(problems, "sources").unwrap_or_default();
        let mut functions = [None, None];
        if let Some(mut lambda) = section(&mut top, problems, "lambda") {
            for (index, name) in ["x86", "arm"].into_iter().enumerate() {
                functions[index] =
                    section(&mut lambda, problems, name).and_then(|section| function_price(section, problems));
            }
            lambda.finish(problems);
        }
        let mut s3_prices = (None, None);
        if let Some(mut s3) = section(&mut top, problems, "s3") {
            s3_prices = (price(&mut s3, problems, "get"), price(&mut s3, problems, "put"));
            s3.finish(problems);
        }
        let mut sqs_request = None;
        if let Some(mut sqs) = section(&mut top, problems, "sqs") {
            sqs_request = price(&mut sqs, problems, "request");
            sqs.finish(problems);
        }
        if date.is_none() {
            top.missing(problems, "date", "prices change: say of which day these are, such as `2026-11-23`");
        }
        top.finish(problems);
        let [x86, arm] = functions;
        Some(Self {
            date: date?,
            region: region.unwrap_or_default(),
            sources,
            x86: x86?,
            arm: arm?,
            s3_get: s3_prices.0?,
            s3_put: s3_prices.1?,
            sqs_request: sqs_request?,
        })
    }

    /// Dollars for what was used, on functions of this price.
    pub fn dollars(&self, function: FunctionPrice, used: &Used) -> f64 {
        used.gb_seconds * function.gb_second
            + used.calls as f64 * function.request
            + used.gets as f64 * self.s3_get
            + used.puts as f64 * self.s3_put
            + used.queue_calls as f64 * self.sqs_request
    }
}

fn section<'a>(above: &mut Section<'a>, problems: &mut Problems, name: &'static str) -> Option<Section<'a>> {
    let section = above.section(problems, name);
    if section.is_none() {
        above.missing(problems, name, "copy the list that `millpond simulate --print-prices` prints, and change it");
    }
    section
}

fn function_price(mut section: Section<'_>, problems: &mut Problems) -> Option<FunctionPrice> {
    let gb_second = price(&mut section, problems, "gb_second");
    let request = price(&mut section, problems, "request");
    section.finish(problems);
    Some(FunctionPrice { gb_second: gb_second?, request: request? })
}

/// A price, in quotes: TOML's own numbers would be read as floats of their last digit.
fn price(section: &mut Section<'_>, problems: &mut Problems, name: &'static str) -> Option<f64> {
    let parse =
        |text: &str| match text.trim().parse::<f64>() {
            Ok(price) if price.is_finite() && price >= 0.0 => Ok(price),
            _ => Err(Error::bad_config(format!("`{text}` is no price"))
                .hint("write dollars in quotes, such as `\"0.0000002\"`")),
        };
    let absent = section.is_absent(name);
    let found = section.parsed(problems, name, parse);
    if absent {
        section.missing(problems, name, "write dollars in quotes, such as `\"0.0000002\"`");
    }
    found
}

/// The text of the list that comes with the program.
pub fn aws_text() -> &'static str {
    AWS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_comes_along_is_right_and_says_where_it_is_from() {
        let list = PriceList::aws().expect("prices");
        assert!(list.arm.gb_second < list.x86.gb_second && list.s3_get < list.s3_put);
        assert!(!list.sources.is_empty() && list.date.len() == 10, "{list:?}");
    }

    #[test]
    fn what_was_used_is_added_up() {
        let list = PriceList::aws().expect("prices");
        let used = Used { gb_seconds: 1e6, calls: 1_000_000, gets: 1_000_000, puts: 1_000_000, queue_calls: 1_000_000 };
        let dollars = list.dollars(list.arm, &used);
        assert!((dollars - (13.3334 + 0.2 + 0.4 + 5.0 + 0.4)).abs() < 1e-9, "{dollars}");
    }

    #[test]
    fn mistakes_are_told() {
        let text = AWS.replace("\"0.0000133334\"", "\"cheap\"").replace("[sqs]", "[sqss]").replace("date", "day");
        let error = PriceList::parse("p.toml", &text).expect_err("wrong").to_string();
        for told in ["`cheap` is no price", "`sqs` is missing", "unknown key `sqss`", "`date` is missing"] {
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
