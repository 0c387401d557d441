//! Expiry: days of a table that are older than the pond keeps them go, in one commit.

use millpond_core::units::nearest;
use millpond_core::{Error, Kind, Result};
use serde::Serialize;
use serde_json::json;

use crate::audit::{Entry, record};
use crate::lake::{Change, Lake, LakeFile, Rewrite};
use crate::put::day_text;

/// Conflicts in a row before it is left for the next call.
const CONFLICTS_MAX: u32 = 5;
const US_PER_DAY: i64 = 86_400_000_000;

/// What an expiry took out, or would take out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expired {
    /// The first day that stays, `YYYY-MM-DD`.
    pub first_kept: String,
    /// Days.
    pub days: Vec<String>,
    /// Files.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes; they are freed by vacuum.
    pub bytes: u64,
}

/// Takes the days out of a table that are more than `keep_days` before today; with `is_dry_run` only tells. `None`: the
/// table does not exist. `now_us` is microseconds since 1970 in UTC.
///
/// # Errors
/// [`Kind::Conflict`] when others replaced the same files again and again, [`Kind::Transient`] when the store does not
/// answer.
pub async fn expire(lake: &Lake, name: &str, keep_days: u64, is_dry_run: bool, now_us: i64) -> Result<Option<Expired>> {
    let today = now_us.div_euclid(US_PER_DAY) as i32;
    let first_kept = day_text(today.saturating_sub(i32::try_from(keep_days).unwrap_or(i32::MAX)));
    let mut conflicts = 0;
    loop {
        let Some((table, files)) = lake.files(name).await? else { return Ok(None) };
        let removes: Vec<LakeFile> =
            files.into_iter().filter(|file| !file.day.is_empty() && file.day < first_kept).collect();
        let done = Expired::of(&first_kept, &removes);
        if is_dry_run || removes.is_empty() {
            return Ok(Some(done));
        }
        let predicate = format!("_day < '{first_kept}'");
        let rewrite = Rewrite::Delete { predicate: predicate.clone() };
        let change = Change { adds: Vec::new(), removes };
        let version = match lake.replace(name, &table, &change, &rewrite).await {
            Err(error) if error.kind() == Kind::Conflict && conflicts < CONFLICTS_MAX => {
                conflicts += 1;
                continue;
            }
            version => version?,
        };
        let entry = Entry {
            time_us: now_us,
            action: "expire".to_owned(),
            table: name.to_owned(),
            predicate: Some(predicate),
            detail: json!({ "keep_days": keep_days, "days": done.days }).to_string(),
            rows: done.rows,
            files: done.files,
            bytes: done.bytes,
            version_before: table.version(),
            version_after: Some(version),
            ..Entry::default()
        };
        record(lake, entry).await?;
        return Ok(Some(done));
    }
}

impl Expired {
    fn of(first_kept: &str, files: &[LakeFile]) -> Self {
        let mut days: Vec<String> = files.iter().map(|file| file.day.clone()).collect();
        days.sort();
        days.dedup();
        Self {
            first_kept: first_kept.to_owned(),
            days,
            files: files.len() as u64,
            rows: files.iter().map(|file| file.rows).sum(),
            bytes: files.iter().map(|file| file.bytes).sum(),
        }
    }
}

/// Makes sure that the pond names tables that there are, so that a slip of the pen does not keep rows for ever.
///
/// # Errors
/// [`Kind::BadConfig`] with the nearest name.
pub fn check_names(retention_days: &[(String, u64)], known: &[String]) -> Result<()> {
    let Some((name, _)) = retention_days.iter().find(|(name, _)| !known.contains(name)) else { return Ok(()) };
    let error = Error::bad_config(format!("`[lake.retention]` names `{name}`, and there is no such table"));
    Err(match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    })
}
