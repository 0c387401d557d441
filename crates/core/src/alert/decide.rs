//! The decision: signals and what is remembered in, revisions of alerts and what is to be remembered out.

use std::collections::HashMap;

use super::{Alert, AlertConfig, Change, Group, Policy, SignalRow, State};
use crate::source::Severity;

/// Groups that are remembered at a time: some kilobytes each in one document.
const GROUPS_MAX: usize = 20_000;

/// What was decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// What to remember.
    pub state: State,
    /// The alerts that changed, each once.
    pub alerts: Vec<Alert>,
    /// Signals that a policy would have taken and a suppression held back.
    pub suppressed: u64,
}

/// Takes signals in at a time, microseconds since 1970 in UTC, and says what becomes of alerts. The order of `signals`
/// does not matter. A signal belongs to an alert of each policy that takes it.
pub fn decide(config: &AlertConfig, state: State, signals: &[SignalRow], now_us: i64) -> Decision {
    let mut taking = Taking::new(state.groups, now_us);
    for signal in in_order(signals) {
        let mut policies = config.policies.iter().filter(|policy| policy.takes(signal)).peekable();
        if policies.peek().is_some() && config.suppressions.iter().any(|one| one.holds(signal, now_us)) {
            taking.suppressed += 1;
            continue;
        }
        policies.for_each(|policy| taking.take(policy, signal));
    }
    taking.finish(&config.policies)
}

/// By time, then by what they are.
fn in_order(signals: &[SignalRow]) -> Vec<&SignalRow> {
    let mut ordered: Vec<_> = signals.iter().map(|signal| (signal.time_us, signal.identity(), signal)).collect();
    // Two rows of one identity may say different things: then what they say decides.
    ordered.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)).then_with(|| a.2.message.cmp(&b.2.message)));
    ordered.into_iter().map(|(.., signal)| signal).collect()
}

/// Where groups of one policy and key stand.
type Places = HashMap<(String, Vec<(String, String)>), Vec<usize>>;

struct Taking {
    groups: Vec<Group>,
    /// Of each group that was there or began: the severity that people know of, and whether it has new signals.
    before: Vec<(Option<Severity>, bool)>,
    places: Places,
    suppressed: u64,
    now_us: i64,
}

impl Taking {
    fn new(groups: Vec<Group>, now_us: i64) -> Self {
        let mut places = Places::new();
        for (index, group) in groups.iter().enumerate() {
            places.entry((group.alert.alert.clone(), group.alert.key.clone())).or_default().push(index);
        }
        let before = groups.iter().map(|group| (group.is_open().then_some(group.alert.severity), false)).collect();
        Self { groups, before, places, suppressed: 0, now_us }
    }

    fn take(&mut self, policy: &Policy, signal: &SignalRow) {
        // A signal without a time, or of the future, is as of now.
        let time_us = signal.time_us.map_or(self.now_us, |us| us.min(self.now_us));
        let key = policy.key_of(signal);
        let index = match self.find(policy, &key, time_us) {
            Some(index) => index,
            None => self.begin(policy, key, signal, time_us),
        };
        let group = &mut self.groups[index];
        group.take(signal, time_us, self.now_us, policy.threshold);
        if !group.is_open() {
            group.open(policy.threshold, policy.window_us);
        }
        self.before[index].1 = true;
    }

    /// The group that a signal joins: of several an open one, then the one that began first.
    fn find(&self, policy: &Policy, key: &[(String, String)], time_us: i64) -> Option<usize> {
        let places = self.places.get(&(policy.name.clone(), key.to_vec()))?;
        let near = places.iter().copied().filter(|index| self.groups[*index].reaches(time_us, policy.window_us));
        near.min_by_key(|index| (!self.groups[*index].is_open(), *index))
    }

    fn begin(&mut self, policy: &Policy, key: Vec<(String, String)>, signal: &SignalRow, time_us: i64) -> usize {
        let index = self.groups.len();
        self.places.entry((policy.name.clone(), key.clone())).or_default().push(index);
        self.groups.push(Group::begin(policy, key, signal, time_us));
        self.before.push((None, false));
        index
    }

    fn finish(self, policies: &[Policy]) -> Decision {
        let now_us = self.now_us;
        let windows: HashMap<&str, i64> =
            policies.iter().map(|policy| (policy.name.as_str(), policy.window_us)).collect();
        let mut decision = Decision { suppressed: self.suppressed, ..Decision::default() };
        for (mut group, (known, is_touched)) in self.groups.into_iter().zip(self.before) {
            if is_touched && group.is_open() {
                let change = change(known, group.alert.severity);
                decision.alerts.push(revise(&mut group, change, now_us));
            }
            // Without its policy nothing can join a group.
            let window_us = windows.get(group.alert.alert.as_str()).copied().unwrap_or(0);
            if group.seen_us.saturating_add(window_us) > now_us {
                decision.state.groups.push(group);
            } else if group.is_open() {
                decision.alerts.push(revise(&mut group, Change::Closed, now_us));
            }
        }
        make_room(&mut decision, now_us);
        decision
    }
}

fn change(known: Option<Severity>, severity: Severity) -> Change {
    match known {
        None => Change::Opened,
        Some(known) if severity > known => Change::Escalated,
        Some(_) => Change::Grew,
    }
}

/// The next revision; the first one is counted as the alert opens.
fn revise(group: &mut Group, change: Change, now_us: i64) -> Alert {
    let alert = &mut group.alert;
    alert.revision += u32::from(change != Change::Opened);
    (alert.change, alert.decided_us) = (change, now_us);
    alert.clone()
}

/// Ends the groups that wait longest for a signal where there are too many.
fn make_room(decision: &mut Decision, now_us: i64) {
    let groups = &mut decision.state.groups;
    if groups.len() <= GROUPS_MAX {
        return;
    }
    groups.sort_by_key(|group| group.seen_us);
    for mut group in groups.drain(..groups.len() - GROUPS_MAX).collect::<Vec<_>>() {
        if group.is_open() {
            decision.alerts.push(revise(&mut group, Change::Closed, now_us));
        }
    }
}

#[cfg(test)]
mod tests;
