//! What is remembered of all groups, and how matches reach them.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use super::compare::{Difference, compare};
use super::group::{Changes, Entry, Group, Verdict};
use super::measure::Measure;
use super::plan::{Correlator, Plan, Taker};
use super::report::{Found, Match, Report, Withdrawn};

/// What is remembered between calls: the matches that may still be part of a window, by correlation and group. Use it
/// from one place at a time; groups do not depend on each other, so several states can share the groups of a pond.
///
/// A state can be used with another [`Correlator`]: correlations that are the same go on, others begin anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// No match before this time is taken any more.
    horizon_us: i64,
    /// In the order of the correlator's plans.
    correlations: Vec<Groups>,
}

/// The groups of a correlation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Groups {
    /// What the correlation means.
    meaning: u128,
    groups: BTreeMap<Vec<String>, Group>,
}

/// Changes of groups, by the values of `group-by`.
type Pending = HashMap<Vec<String>, Changes>;

impl Default for State {
    /// Nothing is remembered, and every match is taken.
    fn default() -> Self {
        Self { horizon_us: i64::MIN, correlations: Vec::new() }
    }
}

impl State {
    /// Takes matches, in any order, and tells what they change. The time it takes grows with the matches that the groups
    /// concerned remember, so hand over many at once.
    pub fn absorb(&mut self, correlator: &Correlator, matches: impl IntoIterator<Item = Match>) -> Report {
        self.fit(correlator);
        let mut report = Report::default();
        let mut pending = no_changes(correlator);
        for found in matches {
            for taker in correlator.takers(&found.rule) {
                self.hand_over(correlator, &found, *taker, &mut pending[taker.plan], &mut report);
            }
        }
        let horizon_us = self.horizon_us;
        self.compute(correlator, pending, horizon_us, &mut report);
        sorted(report)
    }

    /// Says that every match before this time (microseconds since 1970) has been absorbed, or is given up. Tells what that
    /// settles, and forgets what no later match can reach. How late matches may come is how far this time lies behind the
    /// newest, or behind the clock. It never goes back.
    pub fn expire(&mut self, correlator: &Correlator, before_us: i64) -> Report {
        self.fit(correlator);
        let mut report = Report::default();
        let horizon_before_us = self.horizon_us;
        self.horizon_us = before_us.max(horizon_before_us);
        self.compute(correlator, no_changes(correlator), horizon_before_us, &mut report);
        sorted(report)
    }

    /// How many groups are remembered, of all correlations.
    pub fn groups(&self) -> usize {
        self.correlations.iter().map(|one| one.groups.len()).sum()
    }

    /// How many matches are remembered; one that several correlations take counts for each.
    pub fn matches(&self) -> usize {
        self.correlations.iter().flat_map(|one| one.groups.values()).map(|group| group.entries.len()).sum()
    }

    /// Parts the groups as the correlator does.
    fn fit(&mut self, correlator: &Correlator) {
        let wanted = || correlator.plans.iter().map(|plan| plan.meaning);
        if wanted().eq(self.correlations.iter().map(|one| one.meaning)) {
            return;
        }
        let mut known: HashMap<u128, Groups> = self.correlations.drain(..).map(|one| (one.meaning, one)).collect();
        let begin = |meaning| Groups { meaning, ..Groups::default() };
        self.correlations = wanted().map(|meaning| known.remove(&meaning).unwrap_or_else(|| begin(meaning))).collect();
    }

    /// Puts a match among the changes of its group.
    fn hand_over(
        &self,
        correlator: &Correlator,
        found: &Match,
        taker: Taker,
        pending: &mut Pending,
        report: &mut Report,
    ) {
        if found.time_us < self.horizon_us {
            report.left_out_of(taker.plan).late += 1;
            return;
        }
        let field = |name: &str| found.fields.get(name).map(String::as_str);
        match correlator.plans[taker.plan].place(taker.rule, field) {
            None => report.left_out_of(taker.plan).lacking += 1,
            Some((key, value)) => {
                let reference = found.reference;
                // There is always a later time, so that every match can be forgotten.
                let time_us = found.time_us.min(i64::MAX - 1);
                let entry = Entry { time_us, rule: taker.rule, reference, value };
                pending.entry(key).or_default().added.push(entry);
            }
        }
    }

    /// Computes one correlation after the other, those first whose results others take.
    fn compute(
        &mut self,
        correlator: &Correlator,
        mut pending: Vec<Pending>,
        horizon_before_us: i64,
        report: &mut Report,
    ) {
        for index in correlator.order.iter().copied() {
            let mut pass = Pass::new(correlator, index, [horizon_before_us, self.horizon_us]);
            let groups = &mut self.correlations[index].groups;
            let mut changes = std::mem::take(&mut pending[index]);
            if horizon_before_us < self.horizon_us {
                let aged = groups.iter().filter(|(_, group)| group.reaches_before(pass.cut_us()));
                aged.for_each(|(key, _)| _ = changes.entry_ref(key).or_default());
            }
            let mut changes: Vec<(Vec<String>, Changes)> = changes.into_iter().collect();
            changes.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            for (key, changes) in changes {
                let group = groups.entry(key.clone()).or_default();
                pass.group(&key, group, changes, &mut pending, report);
                if group.is_empty() {
                    groups.remove(&key);
                }
            }
            pass.thin_out(groups, report);
        }
    }
}

/// The computation of one correlation.
struct Pass<'c> {
    correlator: &'c Correlator,
    index: usize,
    plan: &'c Plan,
    measure: Measure,
    /// Before and now: windows that start before these times are settled.
    settled_before_us: [i64; 2],
}

impl<'c> Pass<'c> {
    fn new(correlator: &'c Correlator, index: usize, horizons_us: [i64; 2]) -> Self {
        let plan = &correlator.plans[index];
        let measure = Measure::new(&plan.kind, plan.inputs.len());
        let settled_before_us = horizons_us.map(|horizon_us| plan.settled_before(horizon_us));
        Self { correlator, index, plan, measure, settled_before_us }
    }

    /// Matches before it are in no window with later ones: what is settled is also what can be forgotten.
    fn cut_us(&self) -> i64 {
        self.settled_before_us[1]
    }

    fn group(
        &mut self,
        key: &[String],
        group: &mut Group,
        changes: Changes,
        pending: &mut [Pending],
        report: &mut Report,
    ) {
        let [settled_before_us, settled_now_us] = self.settled_before_us;
        let before = group.verdict(self.plan, key, settled_before_us, &mut self.measure);
        let too_old = group.apply(changes);
        if too_old > 0 {
            report.left_out_of(self.index).crowded += too_old;
        }
        let after = group.verdict(self.plan, key, settled_now_us, &mut self.measure);
        let difference = compare(&before.episodes, &after.episodes);
        self.hand_on(key, group, &difference, &after, pending, report);
        if !self.plan.is_silent {
            self.tell(key, difference, report);
        }
        self.forget(key, group, &after, report);
    }

    fn tell(&self, key: &[String], difference: Difference, report: &mut Report) {
        let correlation = self.index;
        let group = || self.plan.group_by.iter().cloned().zip(key.iter().cloned()).collect();
        report.found.extend(difference.told.into_iter().map(|(episode, is_new)| Found {
            id: episode.id,
            correlation,
            group: group(),
            first_us: episode.first_us,
            last_us: episode.last_us,
            value: episode.value,
            count: episode.count,
            matches: episode.sample.into_iter().map(|(_, reference)| reference).collect(),
            is_new,
        }));
        let gone = difference.gone.into_iter();
        report.withdrawn.extend(gone.map(|(id, replaced_by)| Withdrawn { id, correlation, replaced_by }));
    }

    /// Hands the moments at which the correlation holds to those that refer to it.
    fn hand_on(
        &self,
        key: &[String],
        group: &Group,
        difference: &Difference,
        after: &Verdict,
        pending: &mut [Pending],
        report: &mut Report,
    ) {
        let field = |name: &str| {
            let place = self.plan.group_by.iter().position(|field| field == name)?;
            key.get(place).map(String::as_str)
        };
        for Taker { plan, rule } in self.plan.takers.iter().copied() {
            let Some((key, value)) = self.correlator.plans[plan].place(rule, field) else {
                let told = difference.told.len() as u64;
                report.left_out_of(plan).lacking += told;
                continue;
            };
            let changes = pending[plan].entry(key).or_default();
            changes.removed.extend(difference.gone.iter().map(|(id, _)| ((rule, *id), i64::MIN)));
            for episode in &after.episodes {
                changes.removed.insert((rule, episode.id), group.judged_us);
                let within = |time_us: &i64| (episode.first_us..=episode.last_us).contains(time_us);
                let moments = after.windows.iter().map(|window| window.last_us).filter(within);
                let entry = |time_us| Entry { time_us, rule, reference: episode.id, value };
                changes.added.extend(moments.map(entry));
            }
        }
    }

    /// Forgets what no later match can reach, and the oldest matches of a group that has too many.
    fn forget(&self, key: &[String], group: &mut Group, verdict: &Verdict, report: &mut Report) {
        let cut_us = self.cut_us();
        if group.reaches_before(cut_us) {
            let reached = group.last_before(cut_us).map(|last_us| last_us.saturating_add(self.plan.timespan_us));
            let judged_us = reached.unwrap_or(i64::MIN).max(group.judged_us);
            group.forget(self.plan, key, &verdict.windows, cut_us, judged_us);
        }
        let (count, most) = (group.entries.len(), self.correlator.limits.matches_per_group);
        if count > most {
            let cut_us = group.entries[count - most - 1].time_us.saturating_add(1);
            let judged_us = verdict.windows.last().map_or(group.judged_us, |window| window.last_us);
            let later = verdict.windows.partition_point(|window| window.last_us <= group.judged_us);
            group.forget(self.plan, key, &verdict.windows[later..], cut_us, judged_us);
            report.left_out_of(self.index).crowded += (count - group.entries.len()) as u64;
        }
    }

    /// Forgets the groups with the oldest last matches where there are too many.
    fn thin_out(&self, groups: &mut BTreeMap<Vec<String>, Group>, report: &mut Report) {
        let surplus = groups.len().saturating_sub(self.correlator.limits.groups);
        if surplus == 0 {
            return;
        }
        let age = |(key, group): (&Vec<String>, &Group)| (group.entries.last().map(|last| last.time_us), key.clone());
        let mut by_age: Vec<(Option<i64>, Vec<String>)> = groups.iter().map(age).collect();
        by_age.select_nth_unstable(surplus - 1);
        by_age[..surplus].iter().for_each(|(_, key)| _ = groups.remove(key));
        report.left_out_of(self.index).groups += surplus as u64;
    }
}

fn no_changes(correlator: &Correlator) -> Vec<Pending> {
    correlator.plans.iter().map(|_| Pending::default()).collect()
}

/// By correlation, then by group and time, as groups were computed.
fn sorted(mut report: Report) -> Report {
    report.found.sort_by_key(|found| found.correlation);
    report.withdrawn.sort_by_key(|withdrawn| withdrawn.correlation);
    report
}
