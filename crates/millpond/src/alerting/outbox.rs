//! The outbox: messages that wait, and the tries to send them.

use std::collections::{BTreeMap, HashSet};

use futures::future::join_all;
use millpond_core::alert::{AlertConfig, retry};
use millpond_core::{Error, Result};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::send::Sender;
use super::step::{Queued, STEPS, Step};
use super::tables::{Delivery, GIVEN_UP, SENT};
use crate::committer::documents::{delete, list, put, put_new, read_json};
use crate::crash;
use crate::lake::Lake;

const TRIES: &str = "_alerts/tries";

/// One try to send a message. Its document is created before, and written again with the end after.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Try {
    /// From 1.
    attempt: u32,
    /// Microseconds since 1970 in UTC.
    began_us: i64,
    end: Option<End>,
}

/// How a try ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct End {
    at_us: i64,
    is_sent: bool,
    /// What the receiver said, or what went wrong.
    answer: String,
    /// Microseconds until the next try.
    wait_us: i64,
}

/// What a delivery did.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Messages that came to an end.
    pub(super) ended: Vec<(Queued, Delivery)>,
    /// Their tries.
    pub(super) cleared: Vec<String>,
    /// Why messages were not taken.
    pub(super) notes: Vec<String>,
}

/// What is to be done with a message now.
enum Standing {
    /// It is due, as this attempt.
    Due(u32),
    Waits,
    Ended(Delivery),
}

/// Sends what is due: to all destinations at the same time, to each in order. One that does not take a message gets no
/// other in this pass, and no later one of the same alert before that.
pub(super) async fn deliver(lake: &Lake, sender: &Sender<'_>, step: &Step, config: &AlertConfig) -> Result<Delivered> {
    if step.outbox.is_empty() {
        return Ok(Delivered::default());
    }
    let tries = tries(lake).await?;
    let mut by_destination: BTreeMap<&str, Vec<&Queued>> = BTreeMap::new();
    for queued in &step.outbox {
        by_destination.entry(&queued.message.destination).or_default().push(queued);
    }
    let rounds = by_destination.into_values().map(|queued| {
        let round = Round { lake, sender, config, tries: &tries, step: step.number, delivered: Delivered::default() };
        round.run(queued)
    });
    let mut all = Delivered::default();
    for delivered in join_all(rounds).await {
        let delivered = delivered?;
        all.ended.extend(delivered.ended);
        all.cleared.extend(delivered.cleared);
        all.notes.extend(delivered.notes);
    }
    Ok(all)
}

/// What the names of a message's tries begin with; a local store would keep a folder for ever.
fn stem(queued: &Queued) -> String {
    let alert = &queued.message.alert;
    format!("{TRIES}/{}-{}-{}", alert.id, alert.revision, queued.message.destination)
}

fn try_path(queued: &Queued, attempt: u32) -> Path {
    Path::from(format!("{}.{attempt:06}.json", stem(queued)))
}

/// The number of the last try of each message, by what its tries' names begin with.
async fn tries(lake: &Lake) -> Result<BTreeMap<String, u32>> {
    let mut last = BTreeMap::new();
    for listed in list(lake, TRIES, None, usize::MAX, u64::MAX).await? {
        let path = listed.path.to_string();
        let parts = path.strip_suffix(".json").and_then(|path| path.rsplit_once('.'));
        if let Some((stem, Ok(attempt))) = parts.map(|(stem, attempt)| (stem, attempt.parse::<u32>())) {
            let known = last.entry(stem.to_owned()).or_insert(attempt);
            *known = attempt.max(*known);
        }
    }
    Ok(last)
}

/// The messages of one destination.
struct Round<'a> {
    lake: &'a Lake,
    sender: &'a Sender<'a>,
    config: &'a AlertConfig,
    tries: &'a BTreeMap<String, u32>,
    step: i64,
    delivered: Delivered,
}

impl Round<'_> {
    async fn run(mut self, queued: Vec<&Queued>) -> Result<Delivered> {
        let (mut held, mut is_refused) = (HashSet::new(), false);
        for queued in queued {
            let alert = queued.message.alert.id.as_str();
            if held.contains(alert) {
                continue;
            }
            let ended = match self.standing(queued).await? {
                Standing::Ended(delivery) => Some(delivery),
                Standing::Due(attempt) if !is_refused => {
                    let ended = self.attempt(queued, attempt).await?;
                    is_refused = ended.is_none();
                    ended
                }
                Standing::Due(_) | Standing::Waits => None,
            };
            match ended {
                Some(delivery) => self.end(queued, delivery),
                None => drop(held.insert(alert)),
            }
        }
        Ok(self.delivered)
    }

    fn end(&mut self, queued: &Queued, delivery: Delivery) {
        if delivery.status == GIVEN_UP {
            let (id, destination) = (&delivery.message_id, &delivery.destination);
            self.delivered.notes.push(format!("`{destination}` never took alert {id}: {}", delivery.answer));
        }
        self.delivered.cleared.extend((1..=delivery.attempts).map(|attempt| try_path(queued, attempt).to_string()));
        self.delivered.ended.push((queued.clone(), delivery));
    }

    /// How a message stands by its last try.
    async fn standing(&self, queued: &Queued) -> Result<Standing> {
        let Some(attempt) = self.tries.get(&stem(queued)).copied() else { return Ok(Standing::Due(1)) };
        let now_us = self.now_us();
        let Some(last) = read_json::<Try>(self.lake, &try_path(queued, attempt)).await? else {
            return Ok(Standing::Waits);
        };
        Ok(match last.end {
            Some(end) if end.is_sent => Standing::Ended(delivery(queued, SENT, attempt, &end)),
            Some(end) if retry::is_given_up(end.at_us - queued.queued_us) => {
                Standing::Ended(delivery(queued, GIVEN_UP, attempt, &end))
            }
            Some(end) if now_us < end.at_us.saturating_add(end.wait_us) => Standing::Waits,
            None if now_us < last.began_us.saturating_add(retry::TRY_MAX_US) => Standing::Waits,
            _ => Standing::Due(attempt + 1),
        })
    }

    /// Tries to send a message; `None`: it was not taken, or another process is at it.
    async fn attempt(&mut self, queued: &Queued, attempt: u32) -> Result<Option<Delivery>> {
        let path = try_path(queued, attempt);
        let begun = Try { attempt, began_us: self.now_us(), end: None };
        if !put_new(self.lake, &path, &begun).await? {
            return Ok(None);
        }
        // Another process may have sent the message, taken it out of the outbox and cleared up its tries.
        if STEPS.newest_number(self.lake).await? != self.step {
            delete(self.lake, &[path]).await?;
            return Err(Error::conflict("another process went on with alerting"));
        }
        let end = self.send(queued, attempt).await;
        crash::point("alert");
        put(self.lake, &path, &Try { end: Some(end.clone()), ..begun }).await?;
        let status = match end.is_sent {
            true => SENT,
            false if self.is_unknown(queued) || retry::is_given_up(end.at_us - queued.queued_us) => GIVEN_UP,
            false => {
                let (destination, id) = (&queued.message.destination, queued.message.id());
                let seconds = end.wait_us / 1_000_000;
                let text = format!("`{destination}` did not take alert {id}, again in {seconds} s: {}", end.answer);
                self.delivered.notes.push(text);
                return Ok(None);
            }
        };
        Ok(Some(delivery(queued, status, attempt, &end)))
    }

    async fn send(&self, queued: &Queued, attempt: u32) -> End {
        let sent = match self.config.destination(&queued.message.destination) {
            Ok(destination) => self.sender.send(destination, &queued.message).await,
            Err(error) => Err(error.into()),
        };
        let at_us = self.now_us();
        match sent {
            Ok(answer) => End { at_us, is_sent: true, answer, wait_us: 0 },
            Err(failure) => {
                let wait_us = retry::wait_us(attempt, failure.asked_s);
                End { at_us, is_sent: false, answer: failure.error.chain(), wait_us }
            }
        }
    }

    /// Whether the pond has the destination no more: then no try will help.
    fn is_unknown(&self, queued: &Queued) -> bool {
        self.config.destination(&queued.message.destination).is_err()
    }

    fn now_us(&self) -> i64 {
        self.sender.surroundings.clock.now_us()
    }
}

fn delivery(queued: &Queued, status: &str, attempts: u32, end: &End) -> Delivery {
    let message = &queued.message;
    Delivery {
        time: end.at_us,
        message_id: message.id(),
        alert_id: message.alert.id.clone(),
        revision: message.alert.revision,
        destination: message.destination.clone(),
        status: status.to_owned(),
        attempts,
        queued: queued.queued_us,
        answer: end.answer.clone(),
    }
}
