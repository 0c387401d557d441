//! Where traces go and which of them, from OpenTelemetry's variables
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use std::time::Duration;

use millpond_core::{Error, Result};
use percent_encoding::percent_decode_str;

use super::span::Value;

/// As the specification has it.
const TIMEOUT_MS: u64 = 10_000;

/// What the environment says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    /// Time for one request.
    pub(super) timeout: Duration,
    /// Attributes of this process.
    pub(super) resource: Vec<(String, Value)>,
    pub(super) sampler: Sampler,
}

/// Which part of all traces is sent: from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler(f64);

impl Settings {
    /// Reads the variables; `None`: they name no collector.
    pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>> {
        let of_traces = |name: &str| {
            variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}"))
                .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
        };
        let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
        let Some(url) = endpoint(variable).filter(|_| !is_off) else { return Ok(None) };
        if of_traces("PROTOCOL").as_deref() == Some("grpc") {
            return Err(Error::bad_config("traces are not sent by gRPC, as `OTEL_EXPORTER_OTLP_PROTOCOL` asks")
                .hint("say `http/json`, and name the collector's port for HTTP, by default 4318"));
        }
        Ok(Some(Self {
            url,
            headers: pairs(&of_traces("HEADERS").unwrap_or_default()),
            timeout: Duration::from_millis(
                of_traces("TIMEOUT").and_then(|text| text.parse().ok()).unwrap_or(TIMEOUT_MS),
            ),
            resource: resource(variable),
            sampler: Sampler::read(variable)?,
        }))
    }
}

fn endpoint(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
        let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        Some(format!("{}/v1/traces", base.trim_end_matches('/')))
    })
}

fn resource(variable: &dyn Fn(&str) -> Option<String>) -> Vec<(String, Value)> {
    let mut named = pairs(&variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default());
    let service = variable("OTEL_SERVICE_NAME");
    if service.is_some() {
        named.retain(|(key, _)| key != "service.name");
    }
    if !named.iter().any(|(key, _)| key == "service.name") {
        named.push(("service.name".to_owned(), service.unwrap_or_else(|| "millpond".to_owned())));
    }
    named.into_iter().map(|(key, value)| (key, Value::text(value))).collect()
}

/// Pairs such as `key=value,other=two%20words`; what is no pair is passed over.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| percent_decode_str(text.trim()).decode_utf8_lossy().into_owned();
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), decoded(value))).collect()
}

impl Sampler {
    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let name = variable("OTEL_TRACES_SAMPLER").unwrap_or_else(|| "always_on".to_owned());
        match name.trim_start_matches("parentbased_") {
            "always_on" => Ok(Self(1.0)),
            "always_off" => Ok(Self(0.0)),
            "traceidratio" => {
                let text = variable("OTEL_TRACES_SAMPLER_ARG").unwrap_or_else(|| "1".to_owned());
                let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
                ratio.map(Self).ok_or_else(|| {
                    Error::bad_config(format!("`OTEL_TRACES_SAMPLER_ARG` is `{text}`"))
                        .hint("say which part of all traces is sent, such as `0.01`")
                })
            }
            _ => Err(Error::bad_config(format!("`OTEL_TRACES_SAMPLER` is `{name}`, which is not known"))
                .hint("say `always_on`, `always_off` or `traceidratio`")),
        }
    }

    /// Whether a trace is sent. It follows from its id, so that every process that has a part in it decides the same.
    pub(super) fn takes(self, trace: &str) -> bool {
        let low = trace.get(16..).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default();
        ((low >> 1) as f64) < self.0 * (1u64 << 63) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Settings>> {
        let found = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        Settings::read(&found)
    }

    #[test]
    fn the_address_of_traces_comes_before_the_one_of_everything() {
        let url = |variables: &[(&str, &str)]| read(variables).expect("settings").map(|settings| settings.url);
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
        assert_eq!(url(&[]), None);
        assert_eq!(url(&[base]).as_deref(), Some("http://collector:4318/v1/traces"));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://example.com/spans");
        assert_eq!(url(&[base, own]).as_deref(), Some("https://example.com/spans"));
        assert_eq!(url(&[base, ("OTEL_SDK_DISABLED", "true")]), None);
        assert_eq!(url(&[base, ("OTEL_TRACES_EXPORTER", "none")]), None);
    }

    #[test]
    fn headers_and_attributes_are_pairs() {
        let settings = read(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20x, team=soc"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment=test"),
            ("OTEL_SERVICE_NAME", "pond"),
        ]);
        let settings = settings.expect("settings").expect("on");
        let header = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(settings.headers, [header("authorization", "Bearer x"), header("team", "soc")]);
        let attribute = |key: &str, value: &str| (key.to_owned(), Value::text(value));
        assert_eq!(settings.resource, [attribute("deployment.environment", "test"), attribute("service.name", "pond")]);
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
        for wrong in [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_SAMPLER", "jaeger_remote")] {
            assert!(read(&[base, wrong]).is_err(), "{wrong:?}");
        }
        let ratio = ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
        assert!(read(&[base, ratio, ("OTEL_TRACES_SAMPLER_ARG", "2")]).is_err());
    }

    #[test]
    fn a_sampler_decides_by_the_trace() {
        let trace = |low: u64| format!("{:016x}{low:016x}", 7);
        let taken = |ratio: f64| (0..100).filter(|n| Sampler(ratio).takes(&trace(n * (u64::MAX / 100)))).count();
        assert_eq!((taken(1.0), taken(0.0)), (100, 0));
        assert!((20..=30).contains(&taken(0.25)), "{}", taken(0.25));
    }
}
