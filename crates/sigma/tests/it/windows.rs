//! Windows events and their log sources.

use std::collections::BTreeSet;

use millpond_core::logsource::LogSource;
use millpond_sigma::{windows_field, windows_logsources};
use serde_json::Value;

const EVENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/sigma/events.ndjson.zst");
const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";

/// Channel, provider, id, type of event, and the log sources without their product.
type Case = (&'static str, &'static str, u32, Option<&'static str>, &'static [&'static str]);

fn listed(channel: &str, provider: &str, id: u32, event_type: Option<&str>) -> Vec<String> {
    windows_logsources(channel, provider, id, event_type).iter().map(ToString::to_string).collect()
}

#[test]
fn an_event_belongs_to_several_log_sources_by_channel_and_id() {
    let cases: [Case; 12] = [
        (SYSMON, "", 13, Some("SetValue"), &["*/sysmon", "registry_event/sysmon", "registry_set/sysmon"]),
        (SYSMON, "", 12, Some("createkey"), &["*/sysmon", "registry_event/sysmon", "registry_add/sysmon"]),
        (SYSMON, "", 12, Some("DeleteValue"), &["*/sysmon", "registry_event/sysmon", "registry_delete/sysmon"]),
        (SYSMON, "", 12, None, &["*/sysmon", "registry_event/sysmon"]),
        (SYSMON, "", 77, None, &["*/sysmon"]),
        ("SECURITY", "", 4688, None, &["*/security", "process_creation/security"]),
        ("Security", "", 1, None, &["*/security"]),
        ("System", "Microsoft-Windows-Sysmon", 1, None, &["*/system"]),
        ("", "Microsoft-Windows-Sysmon", 1, None, &["*/sysmon", "process_creation/sysmon"]),
        ("PowerShellCore/Operational", "", 4104, None, &["*/powershell", "ps_script/powershell"]),
        ("Microsoft-ServiceBus-Client/Admin", "", 5, None, &["*/microsoft-servicebus-client", "*/servicebus-client"]),
        ("Contoso/Log", "", 1, None, &["*"]),
    ];
    for (channel, provider, id, event_type, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|source| format!("windows/{source}")).collect();
        assert_eq!(listed(channel, provider, id, event_type), expected, "{channel} {provider} {id}");
    }
}

#[test]
fn fields_that_events_call_differently() {
    let cases = [
        ("security", 4688, "Image", "NewProcessName"),
        ("Security", 4688, "ParentImage", "ParentProcessName"),
        ("Security", 4688, "CommandLine", "CommandLine"),
        ("Security", 4689, "Image", "Image"),
        (SYSMON, 1, "Image", "Image"),
        ("Microsoft-Windows-Windows Defender/Operational", 1116, "Signature", "ThreatName"),
        ("Microsoft-Windows-Windows Defender/Operational", 5001, "Signature", "Signature"),
    ];
    for (channel, id, field, expected) in cases {
        assert_eq!(windows_field(channel, id, field), expected, "{channel} {id} {field}");
    }
}

#[test]
fn real_events_belong_to_exactly_the_expected_log_sources() {
    let Ok(packed) = std::fs::File::open(EVENTS) else {
        eprintln!("skipped: there are no events in {EVENTS}");
        return;
    };
    let mut text = String::new();
    let mut unpacked = zstd::Decoder::new(packed).expect("a stream of zstd");
    std::io::Read::read_to_string(&mut unpacked, &mut text).expect("text");
    let mut seen = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        let event = &line["ev"];
        let id = event["EventID"].as_u64().and_then(|id| u32::try_from(id).ok()).expect("an id");
        let (channel, event_type) = (event["Channel"].as_str().unwrap_or_default(), event["EventType"].as_str());
        let expected: BTreeSet<LogSource> = line["ls"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|source| serde_json::from_value(source.clone()).expect("a log source"))
            .collect();
        let given: BTreeSet<LogSource> = windows_logsources(channel, "", id, event_type).into_iter().collect();
        assert_eq!(given, expected, "event {number}: {channel} {id} {event_type:?}");
        seen.extend(expected);
    }
    assert!(seen.len() > 30, "there are events of many log sources: {}", seen.len());
}
