//! Logs of one record a line that nobody logged: the shapes of real products, with fresh values and rising times.

use std::fmt::Write as _;

use super::random::{BASE64, DIGITS, HEX, Random};

/// A log whose records are lines.
pub(super) struct LineLog {
    /// The folder's name of its corpus.
    pub(super) name: &'static str,
    /// How its files end.
    pub(super) ending: &'static str,
    /// Whether its files are compressed with gzip.
    pub(super) is_gzip: bool,
    /// What stands above the records of each file.
    pub(super) head: &'static str,
    /// Adds a record to the text, without a line end.
    pub(super) push: fn(&mut Record<'_>),
}

/// One record that is written.
pub(super) struct Record<'a> {
    /// Counts from 1.
    pub(super) index: u64,
    pub(super) random: &'a mut Random,
    pub(super) out: &'a mut String,
}

/// Zeek's `conn.log`.
pub(super) const ZEEK: LineLog = LineLog {
    name: "zeek",
    ending: "log",
    is_gzip: false,
    head: "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n\
           #open\t2026-03-02-00-00-00\n\
           #fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\t\
           resp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\t\
           resp_ip_bytes\ttunnel_parents\n\
           #types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\t\
           string\tcount\tcount\tcount\tcount\tset[string]\n",
    push: zeek,
};

/// VPC flow logs, version 2, as they are delivered to S3.
pub(super) const FLOW: LineLog = LineLog {
    name: "vpcflow",
    ending: "log.gz",
    is_gzip: true,
    head: "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
           log-status\n",
    push: flow,
};

/// A proxy's CSV: 20 columns, some of them in quotes.
pub(super) const CSV: LineLog = LineLog {
    name: "csv",
    ending: "csv",
    is_gzip: false,
    head: "time,device,serial,type,subtype,source_ip,source_port,dest_ip,dest_port,protocol,user,application,rule,action,\
           url,category,bytes_sent,bytes_received,duration_ms,user_agent\n",
    push: csv,
};

/// nginx's `combined` format.
pub(super) const NGINX: LineLog = LineLog { name: "nginx", ending: "log", is_gzip: false, head: "", push: nginx };

/// Syslog after RFC 5424, with text.
pub(super) const SYSLOG: LineLog = LineLog { name: "syslog", ending: "log", is_gzip: false, head: "", push: syslog };

/// CEF behind a syslog header.
pub(super) const CEF: LineLog = LineLog { name: "cef", ending: "log", is_gzip: false, head: "", push: cef };

/// Traffic logs of a FortiGate firewall.
pub(super) const KEY_VALUE: LineLog = LineLog { name: "kv", ending: "log", is_gzip: false, head: "", push: key_value };

/// Adds formatted text to a record; writing to a string cannot fail.
macro_rules! add {
    ($record:expr, $($text:tt)*) => {{
        let _ = write!($record.out, $($text)*);
    }};
}

/// 2026-03-02T00:00:00Z.
const START_SECONDS: u64 = 1_772_409_600;
const RECORDS_PER_SECOND: u64 = 50;
const USERS: [&str; 6] = ["ann", "bob", "carol.jones", "dave", "svc-backup", "erin"];
const PATHS: [&str; 6] =
    ["/", "/index.html", "/api/v2/orders", "/assets/app.3f9c1d.js", "/login?next=%2Faccount", "/search"];
const AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Safari/537.36",
    "curl/8.17.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
];
const PORTS: [u16; 6] = [443, 443, 443, 80, 53, 22];

impl Record<'_> {
    fn seconds(&self) -> u64 {
        START_SECONDS + self.index / RECORDS_PER_SECOND
    }

    /// Hours, minutes, seconds of the first day.
    fn clock(&self) -> String {
        let seconds = self.index / RECORDS_PER_SECOND;
        format!("{:02}:{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.below(end)
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        *self.random.pick(items)
    }

    fn inside(&mut self) -> String {
        format!("10.{}.{}.{}", self.below(4), self.below(256), self.below(256))
    }

    fn outside(&mut self) -> String {
        format!("{}.{}", self.pick(&["192.0.2", "198.51.100", "203.0.113"]), self.below(256))
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let mut text = String::new();
        self.random.text(&mut text, alphabet, length);
        text
    }
}

fn zeek(record: &mut Record<'_>) {
    let (seconds, micros, uid) = (record.seconds(), record.below(1_000_000), record.text(&BASE64[..62], 17));
    let (from, to, port) = (record.inside(), record.outside(), record.pick(&PORTS));
    let (proto, service) = match port {
        53 => ("udp", "dns"),
        443 => ("tcp", "ssl"),
        80 => ("tcp", "http"),
        _ => ("tcp", "-"),
    };
    add!(
        record,
        "{seconds}.{micros:06}\tC{uid}\t{from}\t{}\t{to}\t{port}\t{proto}\t{service}\t",
        1024 + record.random.below(64_000)
    );
    if record.below(10) == 0 {
        return record.out.push_str("-\t-\t-\tS0\tT\tF\t0\tS\t1\t60\t0\t0\t-");
    }
    let (sent, received) = (record.below(100_000), record.below(2_000_000));
    let (packets, back) = (1 + sent / 1_000, 1 + received / 1_400);
    let duration = record.below(90_000_000);
    add!(
        record,
        "{}.{:06}\t{sent}\t{received}\tSF\tT\tF\t0\tShADadFf\t{packets}\t{}\t{back}\t{}\t-",
        duration / 1_000_000,
        duration % 1_000_000,
        sent + packets * 40,
        received + back * 40,
    );
}

fn flow(record: &mut Record<'_>) {
    let number = record.below(300) as u64;
    let mut interface = String::new();
    Random::new(number).text(&mut interface, HEX, 17);
    let start = record.seconds();
    add!(record, "2 11122233300{} eni-{interface} ", number % 6);
    if record.below(100) == 0 {
        add!(record, "- - - - - - - {start} {} - NODATA", start + 60);
        return;
    }
    let (from, to, port, source) =
        (record.outside(), record.inside(), record.pick(&PORTS), 1024 + record.below(64_000));
    let (packets, size) = (1 + record.below(200), 40 + record.below(1_400));
    let action = record.pick(&["ACCEPT", "ACCEPT", "ACCEPT", "REJECT"]);
    add!(record, "{from} {to} {source} {port} 6 {packets} {} {start} {} {action} OK", packets * size, start + 60);
}

fn csv(record: &mut Record<'_>) {
    let (clock, from, to) = (record.clock(), record.inside(), record.outside());
    let (port, source, user) = (record.pick(&PORTS), 1024 + record.below(64_000), record.pick(&USERS));
    let (device, agent, path) = (record.below(8), record.pick(&AGENTS), record.pick(&PATHS));
    let action = record.pick(&["allow", "allow", "allow", "block"]);
    let (host, category) = (record.below(500), record.pick(&["business", "news", "software, updates", "unknown"]));
    add!(
        record,
        "2026-03-02T{clock}Z,proxy-{device},0123456789{device:02},TRAFFIC,end,{from},{source},{to},{port},tcp,\
         \"EXAMPLE\\{user}\",web-browsing,\"rule \"\"outbound\"\" {}\",{action},\"https://host-{host}.example.com{path}\",\
         \"{category}\",{},{},{},\"{agent}\"",
        device % 3,
        record.random.below(10_000),
        record.random.below(1_000_000),
        record.random.below(30_000),
    );
}

fn nginx(record: &mut Record<'_>) {
    let (clock, from, path) = (record.clock(), record.outside(), record.pick(&PATHS));
    let user = record.pick(&["-", "-", "-", "ann", "bob"]);
    let method = record.pick(&["GET", "GET", "GET", "POST"]);
    let (status, agent) = (record.pick(&[200, 200, 200, 304, 404, 500]), record.pick(&AGENTS));
    let referer = record.pick(&["-", "https://www.example.com/", "https://www.example.com/account/orders?page=2"]);
    add!(
        record,
        "{from} - {user} [02/Mar/2026:{clock} +0000] \"{method} {path} HTTP/1.1\" {status} {} \"{referer}\" \"{agent}\"",
        record.random.below(200_000),
    );
}

fn syslog(record: &mut Record<'_>) {
    let (clock, host, process) = (record.clock(), record.below(40), record.below(60_000));
    let millis = record.below(1_000);
    add!(record, "<{}>1 2026-03-02T{clock}.{millis:03}Z web-{host:02} ", record.random.pick(&[38, 86, 30]));
    let (from, port, user) = (record.outside(), 1024 + record.below(64_000), record.pick(&USERS));
    match record.below(3) {
        0 => add!(
            record,
            "sshd {process} - - Accepted publickey for {user} from {from} port {port} ssh2: ED25519 SHA256:{}",
            record.random.bits()
        ),
        1 => add!(record, "sshd {process} - - Failed password for invalid user {user} from {from} port {port} ssh2"),
        _ => add!(
            record,
            "sudo {process} ID{host} [origin software=\"sudo\" ip=\"{from}\"] {user} : TTY=pts/0 ; PWD=/home/{user} ; \
             USER=root ; COMMAND=/usr/bin/systemctl restart app-{host}"
        ),
    }
}

fn cef(record: &mut Record<'_>) {
    let (clock, from, to, port) = (record.clock(), record.inside(), record.outside(), record.pick(&PORTS));
    let (device, source, user) = (record.below(8), 1024 + record.below(64_000), record.pick(&USERS));
    let (millis, action) = (record.seconds() * 1_000, record.pick(&["permitted", "blocked"]));
    let (path, agent) = (record.pick(&PATHS), record.pick(&AGENTS));
    add!(
        record,
        "<134>Mar  2 {clock} fw-{device} CEF:0|Example|Firewall|7.2.1|100{device}|Connection {action}|{}|rt={millis} \
         src={from} spt={source} dst={to} dpt={port} proto=TCP act={action} suser={user} in={} out={} \
         request=https://www.example.com{} requestClientApplication={agent} cs1Label=Rule Name cs1=allow outbound {device} \
         deviceExternalId=fw{device} msg=connection {action} by rule {device}",
        record.random.below(10),
        record.random.below(100_000),
        record.random.below(1_000_000),
        path.replace('=', "\\="),
    );
}

fn key_value(record: &mut Record<'_>) {
    let (seconds, clock, from, to) = (record.seconds(), record.clock(), record.inside(), record.outside());
    let (port, source, user) = (record.pick(&PORTS), 1024 + record.below(64_000), record.pick(&USERS));
    let (device, session) = (record.below(8), record.text(&DIGITS[1..], 8));
    let action = record.pick(&["accept", "close", "timeout", "deny"]);
    add!(
        record,
        "date=2026-03-02 time={clock} devname=\"FGT-{device}\" devid=\"FGT60F000000000{device}\" \
         eventtime={seconds}123456789 tz=\"+0000\" logid=\"0000000013\" type=\"traffic\" subtype=\"forward\" \
         level=\"notice\" vd=\"root\" srcip={from} srcport={source} srcintf=\"port12\" srcintfrole=\"lan\" dstip={to} \
         dstport={port} dstintf=\"port11\" dstintfrole=\"wan\" srccountry=\"Reserved\" dstcountry=\"United States\" \
         sessionid={session} proto=6 action=\"{action}\" policyid={device} policytype=\"policy\" user=\"{user}\" \
         service=\"HTTPS\" trandisp=\"snat\" duration={} sentbyte={} rcvdbyte={} sentpkt=12 rcvdpkt=14 \
         appcat=\"unscanned\" msg=\"forwarded, \\\"outbound\\\" rule\"",
        record.random.below(600),
        record.random.below(100_000),
        record.random.below(1_000_000),
    );
}
