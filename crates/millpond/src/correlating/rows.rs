//! Episodes as rows of the table `signals`.

use chrono::SecondsFormat;
use millpond_core::units::{format_count, format_span_us};
use millpond_sigma::{About, Found};
use serde_json::{Map, Value, json};

use super::memory::Place;

/// The kind of these rows.
const CORRELATION: &str = "correlation";

/// An episode as a row; columns that are not named are NULL.
pub(super) fn row<'a>(about: &About, key: &str, found: &Found, places: impl Iterator<Item = Place<'a>>) -> Value {
    let values: Vec<&str> = found.group.iter().map(|(_, value)| value.as_str()).collect();
    let entity = (!values.is_empty()).then(|| values.join(", "));
    json!({
        "rule": about.key(),
        "title": about.title,
        "severity": about.level.name(),
        "technique": about.technique(),
        "entity": entity,
        "time": found.last_us,
        "message": message(about, entity.as_deref(), found),
        "fields": fields(found, places).to_string(),
        "kind": CORRELATION,
        "author": about.author,
        "key": key,
        "references": about.references,
        "window_start": found.first_us,
        "window_end": found.last_us,
    })
}

/// What people read: the value only where it is not the number of matches.
fn message(about: &About, entity: Option<&str>, found: &Found) -> String {
    let of = entity.map(|entity| format!(" of {entity}")).unwrap_or_default();
    let span = format_span_us(found.last_us.saturating_sub(found.first_us));
    let value = match found.value == found.count as f64 {
        true => String::new(),
        false => format!(", value {}", found.value),
    };
    format!("{}: {} matches{of} in {span}{value}", about.title, format_count(found.count))
}

fn fields<'a>(found: &Found, places: impl Iterator<Item = Place<'a>>) -> Value {
    let group: Map<String, Value> =
        found.group.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let place = |place| match place {
        Place::Record { file, row } => json!({"file": file, "row": row}),
        Place::Named(reference) => json!({"reference": format!("{reference:032x}")}),
    };
    json!({
        "group": group,
        "value": found.value,
        "first": time_text(found.first_us),
        "last": time_text(found.last_us),
        "count": found.count,
        "matches": places.map(place).collect::<Vec<_>>(),
    })
}

/// Microseconds since 1970 as RFC 3339.
fn time_text(us: i64) -> String {
    let time = chrono::DateTime::from_timestamp_micros(us).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
