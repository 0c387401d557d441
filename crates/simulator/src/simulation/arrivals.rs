//! What happens to the bucket, and who is told of it.

use chrono::DateTime;

use super::{Action, Simulation};
use crate::queue::Body;
use crate::sources::SOURCES;
use crate::truth::BUCKET;
use crate::world::{MINUTE, MS, SECOND};

impl Simulation {
    /// Something happens to the bucket.
    pub(super) async fn arrive(&mut self) -> Result<(), String> {
        if self.files_left == 0 {
            return Ok(());
        }
        let dice = self.arrivals.below(1_000);
        let result = match dice {
            0..=19 => self.send_bad_notice(),
            20..=39 => self.put_unwanted().await,
            40..=69 => self.overwrite().await,
            70..=89 => self.delete().await,
            90..=169 if dice < 90 + self.style.copies => self.copy().await,
            _ => self.put_new().await,
        };
        result.map_err(|error| error.to_string())?;
        // Files come in bursts.
        let wait_us = match self.arrivals.permille(950) {
            true => self.arrivals.below(200) as i64 * MS,
            false => self.arrivals.below(4_000) as i64 * MS,
        };
        self.plan(wait_us, Action::Arrive);
        Ok(())
    }

    async fn put_new(&mut self) -> object_store::Result<()> {
        let source = self.arrivals.below(SOURCES.len() as u64) as usize;
        let content = self.truth.content(&mut self.arrivals, Some(source), self.world.now_us());
        let key = format!("{}/day one/{:07}.ndjson", SOURCES[source].name, self.files_left);
        self.put(&key, content).await
    }

    async fn put_unwanted(&mut self) -> object_store::Result<()> {
        let content = self.truth.content(&mut self.arrivals, None, self.world.now_us());
        self.put(&format!("other/{:07}.bin", self.files_left), content).await
    }

    /// A key that was put before, of those that some source wants.
    fn known_key(&mut self) -> Option<(String, usize)> {
        if self.truth.contents.is_empty() {
            return None;
        }
        let content = self.arrivals.below(self.truth.contents.len() as u64) as usize;
        let source = self.truth.contents[content].source?;
        let keys = || self.truth.keys.range(format!("{}/", SOURCES[source].name)..);
        let skip = self.arrivals.clone().below(50) as usize;
        let (key, known) = keys().nth(skip)?;
        let newest = *known.contents.last()?;
        (!known.is_deleted && self.truth.contents[newest].source == Some(source)).then(|| (key.clone(), newest))
    }

    /// Other bytes under a key that was put before.
    async fn overwrite(&mut self) -> object_store::Result<()> {
        let Some((key, content)) = self.known_key() else { return self.put_new().await };
        let source = self.truth.contents[content].source;
        let content = self.truth.content(&mut self.arrivals, source, self.world.now_us());
        self.put(&key, content).await
    }

    /// The same bytes under another key.
    async fn copy(&mut self) -> object_store::Result<()> {
        let Some((_, content)) = self.known_key() else { return self.put_new().await };
        let source = self.truth.contents[content].source.unwrap_or(0);
        let key = format!("{}/copies/{:07}.ndjson", SOURCES[source].name, self.files_left);
        self.put(&key, content).await
    }

    async fn delete(&mut self) -> object_store::Result<()> {
        let Some((key, _)) = self.known_key() else { return self.put_new().await };
        self.world.trace(&format!("delete {key}"));
        self.buckets.raw.remove(&key).await?;
        if let Some(known) = self.truth.keys.get_mut(&key) {
            known.is_deleted = true;
        }
        Ok(())
    }

    async fn put(&mut self, key: &str, content: usize) -> object_store::Result<()> {
        self.files_left -= 1;
        self.report.files += 1;
        let now_us = self.world.now_us();
        let (bytes, e_tag) = (self.truth.contents[content].bytes.clone(), self.truth.contents[content].e_tag.clone());
        let size = bytes.len();
        self.world.trace(&format!("put {key} as {e_tag}"));
        self.buckets.raw.put(key, bytes, &e_tag, now_us).await?;
        self.truth.put(key, content);
        // Who sends the notice takes a moment, and its clock is its own.
        let told_us = now_us + self.notices.below(4_000) as i64 * MS;
        let notice = notice(key, &e_tag, size, told_us);
        if self.send(&notice)
            && let Some(known) = self.truth.keys.get_mut(key)
        {
            known.is_announced = true;
        }
        Ok(())
    }

    pub(super) fn send_bad_notice(&mut self) -> object_store::Result<()> {
        let body = format!("what is this? {}", self.truth.bad_notices.len());
        if self.send(&body) {
            self.truth.bad_notices.push(body);
        }
        Ok(())
    }

    /// Sends a notice: late, twice, or not at all; says whether.
    fn send(&mut self, body: &str) -> bool {
        if self.notices.permille(15) {
            self.world.count("lost notice");
            return false;
        }
        let copies = if self.notices.permille(60) { self.notices.between(2, 3) } else { 1 };
        for copy in 0..copies {
            let delay_us = match self.notices.below(100) {
                0 => self.notices.below(4 * 60) as i64 * MINUTE,
                1..=9 => self.notices.below(600) as i64 * SECOND,
                _ => self.notices.below(5_000) as i64 * MS,
            };
            if copy > 0 {
                self.world.count("notice sent twice");
            }
            self.queue.send(Body::Text(body.to_owned()), self.world.now_us() + delay_us);
        }
        true
    }
}

/// A notice as S3 writes it.
fn notice(key: &str, e_tag: &str, size: usize, time_us: i64) -> String {
    let time = DateTime::from_timestamp_micros(time_us).unwrap_or_default().format("%Y-%m-%dT%H:%M:%S%.3fZ");
    let bucket = BUCKET.trim_start_matches("s3://").trim_end_matches('/');
    let record = serde_json::json!({
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1", "eventTime": time.to_string(),
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": { "name": bucket },
            "object": { "key": key.replace(' ', "+"), "size": size, "eTag": e_tag, "sequencer": "0A1B" },
        },
    });
    serde_json::json!({ "Records": [record] }).to_string()
}
