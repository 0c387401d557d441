//! The figures of all sides, as Markdown.

use std::time::Duration;

use crate::input::{Hits, Input};
use crate::{Round, Times};

/// What one side did in all rounds.
pub(crate) struct Figures {
    name: &'static str,
    hits: Hits,
    times: Vec<Times>,
}

impl Figures {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, hits: Hits::new(), times: Vec::new() }
    }

    pub(crate) fn add(&mut self, round: Round) {
        self.hits = round.hits;
        self.times.push(round.times);
    }

    /// Whether its hits are those that are expected.
    pub(crate) fn are_right(&self, input: &Input) -> bool {
        self.hits == input.expected
    }

    /// Names hits that are missing or invented on standard error, twenty of each at most.
    pub(crate) fn tell_differences(&self, input: &Input) {
        let missing = input.expected.difference(&self.hits).map(|hit| ("missing", hit)).take(20);
        let invented = self.hits.difference(&input.expected).map(|hit| ("invented", hit)).take(20);
        for (what, (event, rule)) in missing.chain(invented) {
            eprintln!("{}: {what}: event {event}, rule {rule}", self.name);
        }
    }

    fn median(&self, time: fn(&Times) -> Duration) -> f64 {
        let mut seconds: Vec<f64> = self.times.iter().map(|times| time(times).as_secs_f64()).collect();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    }

    fn row(&self, input: &Input) -> String {
        let (missing, invented) =
            (input.expected.difference(&self.hits).count(), self.hits.difference(&input.expected).count());
        let per_second = |time| input.lines.len() as f64 / self.median(time);
        format!(
            "| {} | {}, {missing} missing, {invented} invented | {:.3} | {:.3} | {:.0} | {:.0} | {:.0} |\n",
            self.name,
            self.hits.len(),
            self.median(|times| times.ready),
            self.median(|times| times.ready_compiled),
            per_second(|times| times.matching),
            per_second(|times| times.matching_again),
            per_second(|times| times.file_to_hits),
        )
    }
}

/// One line a side.
pub(crate) fn table(figures: &[Figures], input: &Input) -> String {
    let head = format!(
        "{} rule files, {} events of {} kinds, {} expected hits\n\n\
         | engine | hits | ready from YAML, s | ready compiled, s | events/s, match only | the same again | events/s, lines to hits |\n\
         |---|---|---:|---:|---:|---:|---:|\n",
        input.rules.len(),
        input.lines.len(),
        input.kinds.len(),
        input.expected.len()
    );
    figures.iter().map(|figures| figures.row(input)).fold(head, |text, row| text + &row)
}
