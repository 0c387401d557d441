//! A span, and the document in which spans travel: OTLP as JSON
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).

use serde_json::{Value as Json, json};

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: u32 = 1;
/// `SPAN_KIND_CONSUMER`: what a message caused.
const CONSUMER: u32 = 5;
/// `STATUS_CODE_ERROR`.
const ERROR: u32 = 2;

/// One step of one job, or the job itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    /// 32 hexadecimal digits.
    pub(super) trace: String,
    /// 16 hexadecimal digits.
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) name: &'static str,
    /// Microseconds since 1970 in UTC.
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) error: Option<String>,
}

/// What an attribute holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Value(Json);

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self(json!({ "stringValue": text.into() }))
    }

    /// 64-bit numbers travel as text.
    pub(super) fn number(number: u64) -> Self {
        Self(json!({ "intValue": number.to_string() }))
    }
}

impl Span {
    pub(super) fn with(mut self, key: &'static str, value: Value) -> Self {
        self.attributes.push((key, value));
        self
    }

    fn to_json(&self) -> Json {
        let nanoseconds = |us: i64| format!("{us}000");
        let mut span = json!({
            "traceId": self.trace,
            "spanId": self.id,
            "name": self.name,
            "kind": if self.parent.is_some() { INTERNAL } else { CONSUMER },
            "startTimeUnixNano": nanoseconds(self.start_us),
            "endTimeUnixNano": nanoseconds(self.end_us),
            "attributes": attributes(self.attributes.iter().map(|(key, value)| (*key, value))),
        });
        if let Some(parent) = &self.parent {
            span["parentSpanId"] = json!(parent);
        }
        if let Some(error) = &self.error {
            span["status"] = json!({ "code": ERROR, "message": error });
        }
        span
    }
}

fn attributes<'a>(attributes: impl Iterator<Item = (&'a str, &'a Value)>) -> Json {
    attributes.map(|(key, Value(value))| json!({ "key": key, "value": value })).collect()
}

/// The document of some spans of a process that these attributes describe.
pub(super) fn document(resource: &[(String, Value)], spans: &[Span]) -> Json {
    let resource = attributes(resource.iter().map(|(key, value)| (key.as_str(), value)));
    json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{
                "scope": { "name": "millpond", "version": env!("CARGO_PKG_VERSION") },
                "spans": spans.iter().map(Span::to_json).collect::<Vec<_>>(),
            }],
        }],
    })
}
