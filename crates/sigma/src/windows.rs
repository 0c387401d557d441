//! Windows events: which log sources each belongs to, and where its fields are called differently.
//!
//! An event belongs to several log sources at once: to the service that its channel stands for, and to the categories
//! that its id stands for on that channel. The same id on another channel is something else.

use millpond_core::logsource::LogSource;

/// The services by channel; a channel may stand for several.
const SERVICES: [(&str, &[&str]); 48] = [
    (
        "appxdeployment-server",
        &["Microsoft-Windows-AppXDeploymentServer/Operational", "Microsoft-Windows-AppXDeployment-Server/Operational"],
    ),
    ("appmodel-runtime", &["Microsoft-Windows-AppModel-Runtime/Admin"]),
    ("application", &["Application"]),
    (
        "application-experience",
        &[
            "Microsoft-Windows-Application-Experience/Program-Telemetry",
            "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant",
        ],
    ),
    (
        "applocker",
        &[
            "Microsoft-Windows-AppLocker/MSI and Script",
            "Microsoft-Windows-AppLocker/EXE and DLL",
            "Microsoft-Windows-AppLocker/Packaged app-Deployment",
            "Microsoft-Windows-AppLocker/Packaged app-Execution",
        ],
    ),
    ("appxpackaging-om", &["Microsoft-Windows-AppxPackaging/Operational"]),
    ("bitlocker", &["Microsoft-Windows-BitLocker/BitLocker Management"]),
    ("bits-client", &["Microsoft-Windows-Bits-Client/Operational"]),
    ("capi2", &["Microsoft-Windows-CAPI2/Operational"]),
    (
        "certificateservicesclient-lifecycle-system",
        &["Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational"],
    ),
    ("codeintegrity-operational", &["Microsoft-Windows-CodeIntegrity/Operational"]),
    ("dhcp", &["Microsoft-Windows-DHCP-Server/Operational"]),
    ("diagnosis-scripted", &["Microsoft-Windows-Diagnosis-Scripted/Operational"]),
    ("dns-client", &["Microsoft-Windows-DNS Client Events/Operational", "Microsoft-Windows-DNS-Client/Operational"]),
    ("dns-server", &["DNS Server"]),
    ("dns-server-analytic", &["Microsoft-Windows-DNS-Server/Analytical"]),
    ("driver-framework", &["Microsoft-Windows-DriverFrameworks-UserMode/Operational"]),
    ("firewall-as", &["Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"]),
    (
        "hyper-v-worker",
        &[
            "Microsoft-Windows-Hyper-V-Worker",
            "Microsoft-Windows-Hyper-V-Worker-Admin",
            "Microsoft-Windows-Hyper-V-Worker-Operational",
        ],
    ),
    ("iis-configuration", &["Microsoft-IIS-Configuration/Operational"]),
    ("kernel-event-tracing", &["Microsoft-Windows-Kernel-EventTracing", "Microsoft-Windows-Kernel-EventTracing/Admin"]),
    (
        "kernel-shimengine",
        &["Microsoft-Windows-Kernel-ShimEngine/Operational", "Microsoft-Windows-Kernel-ShimEngine/Diagnostic"],
    ),
    ("ldap", &["Microsoft-Windows-LDAP-Client/Debug"]),
    ("lsa-server", &["Microsoft-Windows-LSA/Operational"]),
    ("microsoft-servicebus-client", &["Microsoft-ServiceBus-Client/Admin", "Microsoft-ServiceBus-Client/Operational"]),
    ("msexchange-management", &["MSExchange Management"]),
    ("ntfs", &["Microsoft-Windows-Ntfs/Operational"]),
    ("ntlm", &["Microsoft-Windows-NTLM/Operational"]),
    ("openssh", &["OpenSSH/Operational"]),
    ("powershell", &["Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational"]),
    ("powershell-classic", &["Windows PowerShell"]),
    ("printservice-admin", &["Microsoft-Windows-PrintService/Admin"]),
    ("printservice-operational", &["Microsoft-Windows-PrintService/Operational"]),
    ("security", &["Security"]),
    (
        "security-mitigations",
        &["Microsoft-Windows-Security-Mitigations/Kernel Mode", "Microsoft-Windows-Security-Mitigations/User Mode"],
    ),
    ("sense", &["Microsoft-Windows-SENSE/Operational"]),
    ("servicebus-client", &["Microsoft-ServiceBus-Client/Admin", "Microsoft-ServiceBus-Client/Operational"]),
    ("shell-core", &["Microsoft-Windows-Shell-Core/Operational"]),
    ("smbclient-connectivity", &["Microsoft-Windows-SmbClient/Connectivity"]),
    ("smbclient-security", &["Microsoft-Windows-SmbClient/Security"]),
    ("smbserver-connectivity", &["Microsoft-Windows-SMBServer/Connectivity"]),
    ("sysmon", &["Microsoft-Windows-Sysmon/Operational"]),
    ("system", &["System"]),
    ("taskscheduler", &["Microsoft-Windows-TaskScheduler/Operational"]),
    ("terminalservices-localsessionmanager", &["Microsoft-Windows-TerminalServices-LocalSessionManager/Operational"]),
    ("vhdmp", &["Microsoft-Windows-VHDMP/Operational"]),
    ("windefend", &["Microsoft-Windows-Windows Defender/Operational"]),
    ("wmi", &["Microsoft-Windows-WMI-Activity/Operational"]),
];

/// The channel of events that come without one, by provider.
const PROVIDERS: [(&str, &str); 6] = [
    ("Microsoft-Windows-PowerShell", "Microsoft-Windows-PowerShell/Operational"),
    ("Microsoft-Windows-Security-Auditing", "Security"),
    ("Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational"),
    ("Microsoft-Windows-Windows Defender", "Microsoft-Windows-Windows Defender/Operational"),
    ("PowerShell", "Windows PowerShell"),
    ("Service Control Manager", "System"),
];

/// A category: its service, the ids that belong to it, and the types of event where the id alone does not tell.
type Category = (&'static str, &'static str, &'static [u32], &'static [&'static str]);

const CATEGORIES: [Category; 35] = [
    ("process_creation", "sysmon", &[1], &[]),
    ("file_change", "sysmon", &[2], &[]),
    ("network_connection", "sysmon", &[3], &[]),
    ("sysmon_status", "sysmon", &[4, 16], &[]),
    ("process_termination", "sysmon", &[5], &[]),
    ("driver_load", "sysmon", &[6], &[]),
    ("image_load", "sysmon", &[7], &[]),
    ("create_remote_thread", "sysmon", &[8], &[]),
    ("raw_access_thread", "sysmon", &[9], &[]),
    ("process_access", "sysmon", &[10], &[]),
    ("file_event", "sysmon", &[11], &[]),
    ("registry_event", "sysmon", &[12, 13, 14], &[]),
    ("registry_add", "sysmon", &[12], &["CreateKey"]),
    ("registry_delete", "sysmon", &[12], &["DeleteKey", "DeleteValue"]),
    ("registry_set", "sysmon", &[13], &[]),
    ("registry_rename", "sysmon", &[14], &[]),
    ("create_stream_hash", "sysmon", &[15], &[]),
    ("pipe_created", "sysmon", &[17, 18], &[]),
    ("wmi_event", "sysmon", &[19, 20, 21], &[]),
    ("dns_query", "sysmon", &[22], &[]),
    ("file_delete", "sysmon", &[23], &[]),
    ("clipboard_change", "sysmon", &[24], &[]),
    ("process_tampering", "sysmon", &[25], &[]),
    ("file_delete_detected", "sysmon", &[26], &[]),
    ("file_block_executable", "sysmon", &[27], &[]),
    ("file_block_shredding", "sysmon", &[28], &[]),
    ("file_executable_detected", "sysmon", &[29], &[]),
    ("sysmon_error", "sysmon", &[255], &[]),
    ("process_creation", "security", &[4688], &[]),
    ("ps_module", "powershell", &[4103], &[]),
    ("ps_script", "powershell", &[4104], &[]),
    ("ps_classic_start", "powershell-classic", &[400], &[]),
    ("ps_classic_provider_start", "powershell-classic", &[600], &[]),
    ("ps_classic_script", "powershell-classic", &[800], &[]),
    ("antivirus", "windefend", &DEFENDER_FINDINGS, &[]),
];

/// The ids with which Defender tells what it found.
const DEFENDER_FINDINGS: [u32; 12] = [1006, 1007, 1008, 1009, 1010, 1011, 1012, 1017, 1018, 1019, 1115, 1116];

/// Fields that events of a category call differently: service, ids, the name in rules, the name in the event.
const FIELDS: [(&str, &[u32], &str, &str); 4] = [
    ("security", &[4688], "Image", "NewProcessName"),
    ("security", &[4688], "ParentImage", "ParentProcessName"),
    ("windefend", &DEFENDER_FINDINGS, "Filename", "Path"),
    ("windefend", &DEFENDER_FINDINGS, "Signature", "ThreatName"),
];

/// The fields whose name [`windows_field`] may change: in rules, and in events.
pub(crate) fn renamed_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIELDS.iter().map(|(_, _, rule, event)| (*rule, *event))
}

/// All log sources that an event belongs to, the widest first.
///
/// Names are compared without case. `provider` counts only where `channel` is empty; `event_type` is Sysmon's
/// `EventType`, such as `CreateKey`.
pub fn windows_logsources(channel: &str, provider: &str, event_id: u32, event_type: Option<&str>) -> Vec<LogSource> {
    let services: Vec<&str> = services(channel, provider).collect();
    let belongs = |(_, service, ids, types): &&Category| {
        let is_of_type = |event_type: &str| types.iter().any(|known| known.eq_ignore_ascii_case(event_type));
        services.contains(service)
            && ids.contains(&event_id)
            && (types.is_empty() || event_type.is_some_and(is_of_type))
    };
    let categories = CATEGORIES.iter().filter(belongs).map(|(category, service, ..)| (Some(*category), Some(*service)));
    let alone = services.iter().map(|service| (None, Some(*service)));
    let none = services.is_empty().then_some((None, None));
    none.into_iter().chain(alone).chain(categories).map(|(category, service)| source(category, service)).collect()
}

/// The name that an event has for a field of rules, which is mostly the same.
pub fn windows_field<'f>(channel: &str, event_id: u32, field: &'f str) -> &'f str {
    let renamed = FIELDS.iter().filter(|(_, ids, name, _)| *name == field && ids.contains(&event_id));
    let mut fitting = renamed.filter(|(service, ..)| services(channel, "").any(|found| found == *service));
    fitting.next().map_or(field, |(.., name)| name)
}

/// The services that a channel stands for.
fn services<'c>(channel: &'c str, provider: &'c str) -> impl Iterator<Item = &'static str> + 'c {
    let by_provider = PROVIDERS.iter().find(|(name, _)| channel.is_empty() && name.eq_ignore_ascii_case(provider));
    let channel = by_provider.map_or(channel, |(_, channel)| channel);
    let has = move |channels: &[&str]| channels.iter().any(|known| known.eq_ignore_ascii_case(channel));
    SERVICES.iter().filter(move |(_, channels)| has(channels)).map(|(service, _)| *service)
}

fn source(category: Option<&str>, service: Option<&str>) -> LogSource {
    LogSource {
        category: category.map(str::to_owned),
        product: Some("windows".to_owned()),
        service: service.map(str::to_owned),
    }
}
