//! rsigma: engines over parsed JSON.
//!
//! An event may belong to several log sources, and rsigma's routing knows one for each event. So it is measured twice: with
//! an engine for each kind of event that holds the fitting rules alone, which is what millpond's matchers do, and with one
//! engine for all rules, told what the log sources of the event have in common; hits of rules that do not fit are then
//! taken out.

use std::collections::HashMap;

use millpond_core::logsource::LogSource;
use rsigma_eval::event::JsonEvent;
use rsigma_eval::{Engine, EvaluationResult};
use rsigma_parser::{SigmaRule, parse_sigma_yaml};
use serde_json::Value;

use crate::input::{Hits, Input};
use crate::{Failure, Round, Times, timed};

/// A way to use it.
pub(crate) struct Setting {
    name: &'static str,
    has_engine_for_each_kind: bool,
    adjust: fn(&mut Engine),
}

/// The ways that its documentation names.
pub(crate) const SETTINGS: [Setting; 4] = [
    Setting { name: "rsigma, an engine for each kind", has_engine_for_each_kind: true, adjust: |_| () },
    Setting {
        name: "the same, Bloom filter",
        has_engine_for_each_kind: true,
        adjust: |engine| engine.set_bloom_prefilter(true),
    },
    Setting {
        name: "the same, automaton over all rules",
        has_engine_for_each_kind: true,
        adjust: |engine| engine.set_cross_rule_ac(true),
    },
    Setting { name: "rsigma, one engine", has_engine_for_each_kind: false, adjust: |_| () },
];

/// What is the same in every round.
pub(crate) struct Side {
    setting: &'static Setting,
    events: Vec<Value>,
    /// Rules compiled before, by engine.
    compiled: Vec<Vec<u8>>,
    logsources: HashMap<String, LogSource>,
    /// What the log sources of each kind have in common.
    common: Vec<rsigma_parser::LogSource>,
}

impl Side {
    pub(crate) fn new(setting: &'static Setting, input: &Input) -> Result<Self, Failure> {
        let rules = parsed(input)?;
        let named = rules.iter().filter_map(|rule| Some((rule.id.clone()?, logsource(rule))));
        let mut side = Self {
            setting,
            events: input.lines.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?,
            compiled: Vec::new(),
            logsources: named.collect(),
            common: input.kinds.iter().map(|sources| common(sources)).collect(),
        };
        let engines = side.engines(&rules, input, true);
        side.compiled = engines.iter().map(Engine::save_hir).collect::<Result<_, _>>()?;
        Ok(side)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.setting.name
    }

    pub(crate) fn round(&self, input: &Input) -> Result<Round, Failure> {
        let (engines, ready) = timed(|| Ok(self.engines(&parsed(input)?, input, false)))?;
        let (again, ready_compiled) = timed(|| {
            let load = |bytes: &Vec<u8>| -> Result<Engine, Failure> {
                let mut engine = self.engine();
                engine.load_hir(bytes)?;
                Ok(engine)
            };
            self.compiled.iter().map(load).collect::<Result<Vec<Engine>, Failure>>()
        })?;
        let (hits, matching) = timed(|| Ok(self.hits(&engines, input, self.events.iter().map(JsonEvent::borrow))))?;
        let (_, matching_again) = timed(|| Ok(self.hits(&engines, input, self.events.iter().map(JsonEvent::borrow))))?;
        let (from_lines, file_to_hits) = timed(|| {
            let events =
                input.lines.iter().map(|line| JsonEvent::owned(serde_json::from_str(line).unwrap_or_default()));
            Ok(self.hits(&again, input, events))
        })?;
        if hits != from_lines {
            return Err("rsigma finds other hits in lines than in values".into());
        }
        Ok(Round { hits, times: Times { ready, ready_compiled, matching, matching_again, file_to_hits } })
    }

    fn engine(&self) -> Engine {
        let mut engine = Engine::new();
        (self.setting.adjust)(&mut engine);
        engine
    }

    /// Rules that it cannot compile would be left out, and their hits missing.
    fn engines(&self, rules: &[SigmaRule], input: &Input, keeps_compiled: bool) -> Vec<Engine> {
        let holding = |fits: &dyn Fn(&SigmaRule) -> bool| {
            let mut engine = self.engine();
            engine.set_retain_hir(keeps_compiled);
            engine.add_rules(rules.iter().filter(|rule| fits(rule)));
            engine
        };
        match self.setting.has_engine_for_each_kind {
            true => input.kinds.iter().map(|sources| holding(&|rule| fits(&logsource(rule), sources))).collect(),
            false => vec![holding(&|_| true)],
        }
    }

    fn hits<'e>(&self, engines: &[Engine], input: &Input, events: impl Iterator<Item = JsonEvent<'e>>) -> Hits {
        let mut all = Hits::new();
        for (index, (event, kind)) in events.zip(&input.kind_of).enumerate() {
            let found = match self.setting.has_engine_for_each_kind {
                true => engines[*kind].evaluate(&event),
                false => engines[0].evaluate_pruned(&event, &self.common[*kind]),
            };
            let ids = found.into_iter().filter_map(|hit: EvaluationResult| hit.header.rule_id);
            let fitting = ids.filter(|id| self.setting.has_engine_for_each_kind || self.fits(id, &input.kinds[*kind]));
            all.extend(fitting.map(|id| (index, id)));
        }
        all
    }

    fn fits(&self, rule: &str, sources: &[LogSource]) -> bool {
        self.logsources.get(rule).is_some_and(|logsource| fits(logsource, sources))
    }
}

fn parsed(input: &Input) -> Result<Vec<SigmaRule>, Failure> {
    let mut rules = Vec::new();
    for file in &input.rules {
        rules.extend(parse_sigma_yaml(&file.text)?.rules);
    }
    Ok(rules)
}

fn logsource(rule: &SigmaRule) -> LogSource {
    let rsigma_parser::LogSource { category, product, service, .. } = rule.logsource.clone();
    LogSource { category, product, service }
}

fn fits(rule: &LogSource, sources: &[LogSource]) -> bool {
    sources.iter().any(|source| rule.takes(source))
}

/// The parts that all of these have, and alike: what is left open excludes no rule.
fn common(sources: &[LogSource]) -> rsigma_parser::LogSource {
    let part = |part: fn(&LogSource) -> &Option<String>| {
        let first = sources.first().and_then(|source| part(source).clone());
        first.filter(|name| sources.iter().all(|source| part(source).as_ref() == Some(name)))
    };
    rsigma_parser::LogSource {
        category: part(|source| &source.category),
        product: part(|source| &source.product),
        service: part(|source| &source.service),
        ..rsigma_parser::LogSource::default()
    }
}
