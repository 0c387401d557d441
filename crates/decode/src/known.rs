//! Well-known logs without a header: how their lines are told, and the names that their makers give the fields.
//!
//! Makers add fields at the end over the years, so a file has the first names of a list, as many as its lines have
//! cells.

use millpond_core::format::Delimited;

use super::auto::{RECORDS_LOOKED_AT, RECORDS_PER_ODD_ONE};
use super::cells::CellBuffer;
use super::delimited::{cells_of, split_log};
use super::window::is_blank;

/// One kind of log.
struct Known {
    name: &'static str,
    fields: &'static [&'static str],
    /// Whether the cells of a line are such as this log has.
    fits: fn(&[&[u8]]) -> bool,
}

const KNOWN: [Known; 6] = [
    // https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
    Known {
        name: "an Application Load Balancer access log",
        fields: &[
            "type",
            "time",
            "elb",
            "client:port",
            "target:port",
            "request_processing_time",
            "target_processing_time",
            "response_processing_time",
            "elb_status_code",
            "target_status_code",
            "received_bytes",
            "sent_bytes",
            "request",
            "user_agent",
            "ssl_cipher",
            "ssl_protocol",
            "target_group_arn",
            "trace_id",
            "domain_name",
            "chosen_cert_arn",
            "matched_rule_priority",
            "request_creation_time",
            "actions_executed",
            "redirect_url",
            "error_reason",
            "target:port_list",
            "target_status_code_list",
            "classification",
            "classification_reason",
            "conn_trace_id",
            "transformed_host",
            "transformed_uri",
            "request_transform_status",
        ],
        fits: |cells| {
            cells.len() >= 20
                && matches!(cells[0], b"http" | b"https" | b"h2" | b"grpcs" | b"ws" | b"wss")
                && is_iso_time(cells[1])
                && cells[5..8].iter().all(|cell| is_decimal(cell))
                && cells[8..10].iter().all(|cell| is_status(cell))
                && cells[10..12].iter().all(|cell| is_decimal(cell))
        },
    },
    // https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html
    Known {
        name: "a Network Load Balancer access log",
        fields: &[
            "type",
            "version",
            "time",
            "elb",
            "listener",
            "client:port",
            "destination:port",
            "connection_time",
            "tls_handshake_time",
            "received_bytes",
            "sent_bytes",
            "incoming_tls_alert",
            "chosen_cert_arn",
            "chosen_cert_serial",
            "tls_cipher",
            "tls_protocol_version",
            "tls_named_group",
            "domain_name",
            "alpn_fe_protocol",
            "alpn_be_protocol",
            "alpn_client_preference_list",
            "tls_connection_creation_time",
        ],
        fits: |cells| {
            cells.len() >= 16
                && cells[0] == b"tls"
                && is_decimal(cells[1])
                && is_iso_time(cells[2])
                && cells[7..11].iter().all(|cell| is_decimal(cell))
        },
    },
    // https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html
    Known {
        name: "a Classic Load Balancer access log",
        fields: &[
            "time",
            "elb",
            "client:port",
            "backend:port",
            "request_processing_time",
            "backend_processing_time",
            "response_processing_time",
            "elb_status_code",
            "backend_status_code",
            "received_bytes",
            "sent_bytes",
            "request",
            "user_agent",
            "ssl_cipher",
            "ssl_protocol",
        ],
        fits: |cells| {
            (12..=15).contains(&cells.len())
                && is_iso_time(cells[0])
                && cells[2].contains(&b':')
                && cells[4..7].iter().all(|cell| is_decimal(cell))
                && cells[7..9].iter().all(|cell| is_status(cell))
                && cells[9..11].iter().all(|cell| is_decimal(cell))
        },
    },
    // Columns of https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-s3-access-logs-to-identify-requests.html,
    // fields of https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html
    Known {
        name: "an S3 server access log",
        fields: &[
            "bucketowner",
            "bucket_name",
            "requestdatetime",
            "remoteip",
            "requester",
            "requestid",
            "operation",
            "key",
            "request_uri",
            "httpstatus",
            "errorcode",
            "bytessent",
            "objectsize",
            "totaltime",
            "turnaroundtime",
            "referrer",
            "useragent",
            "versionid",
            "hostid",
            "sigv",
            "ciphersuite",
            "authtype",
            "endpoint",
            "tlsversion",
            "accesspointarn",
            "aclrequired",
        ],
        fits: |cells| {
            cells.len() >= 17
                && cells[0].len() == 64
                && cells[0].iter().all(u8::is_ascii_hexdigit)
                && is_clf_time(cells[2])
                && is_operation(cells[6])
                && is_status(cells[9])
                && cells[11..15].iter().all(|cell| is_decimal(cell))
        },
    },
    // Variables of https://nginx.org/en/docs/http/ngx_http_log_module.html, of which `combined` is Apache's format of
    // that name (https://httpd.apache.org/docs/2.4/logs.html#combined); Apache's `%l` has none
    Known {
        name: "an Apache or nginx access log",
        fields: &WEB,
        fits: |cells| matches!(cells.len(), 7 | 9 | 10) && is_web(cells),
    },
    // `vhost_combined` of Debian's Apache: the same behind `%v:%p`
    Known {
        name: "an Apache access log with virtual hosts",
        fields: &[
            "server_name",
            "remote_addr",
            "remote_logname",
            "remote_user",
            "time_local",
            "request",
            "status",
            "body_bytes_sent",
            "http_referer",
            "http_user_agent",
        ],
        fits: |cells| matches!(cells.len(), 8 | 10) && cells[0].contains(&b':') && is_web(&cells[1..]),
    },
];

/// The names of an access log, behind the virtual host.
const WEB: [&str; 10] = [
    "remote_addr",
    "remote_logname",
    "remote_user",
    "time_local",
    "request",
    "status",
    "body_bytes_sent",
    "http_referer",
    "http_user_agent",
    "http_x_forwarded_for",
];

/// What was recognised.
pub(super) struct Found {
    pub(super) name: &'static str,
    pub(super) fields: Vec<String>,
    /// Lines looked at.
    pub(super) lines: usize,
}

/// The log that the first lines are of: the first one, and all but one in ten.
pub(super) fn find(bytes: &[u8], at_end: bool) -> Option<Found> {
    let mut cells = CellBuffer::default();
    let dialect = Delimited::space();
    let text = if at_end { bytes } else { &bytes[..memchr::memrchr(b'\n', bytes)?] };
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let lines: Vec<&[u8]> = lines.filter(|line| !is_blank(line)).take(RECORDS_LOOKED_AT).collect();
    KNOWN.iter().find_map(|known| {
        let (mut odd, mut count) = (0, 0);
        for (number, line) in lines.iter().enumerate() {
            split_log(&dialect, line, &mut cells);
            let cells = cells_of(line, &cells);
            if (known.fits)(&cells) {
                count = count.max(cells.len());
            } else if number == 0 {
                return None;
            } else {
                odd += 1;
            }
        }
        let fields = known.fields.iter().take(count).map(|name| (*name).to_owned()).collect();
        let is_known = count > 0 && odd * RECORDS_PER_ODD_ONE <= lines.len();
        is_known.then_some(Found { name: known.name, fields, lines: lines.len() })
    })
}

/// Host, two names, a time, a request, a status and a size.
fn is_web(cells: &[&[u8]]) -> bool {
    is_clf_time(cells[3]) && is_status(cells[5]) && is_count(cells[6])
}

/// `2024-01-31T23:59:59…`
fn is_iso_time(cell: &[u8]) -> bool {
    has_shape(cell, b"0000-00-00T00:00:00")
}

/// `31/Jan/2024:23:59:59 +0000`
fn is_clf_time(cell: &[u8]) -> bool {
    has_shape(cell, b"00/aaa/0000:00:00:00 ")
}

/// Whether a cell starts with digits where `shape` has `0`, letters where it has `a`, and what it has elsewhere.
fn has_shape(cell: &[u8], shape: &[u8]) -> bool {
    let alike = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'a' => byte.is_ascii_alphabetic(),
        other => byte == other,
    };
    cell.len() >= shape.len() && cell.iter().zip(shape).all(alike)
}

fn is_status(cell: &[u8]) -> bool {
    cell == b"-" || cell.len() == 3 && cell.iter().all(u8::is_ascii_digit)
}

fn is_count(cell: &[u8]) -> bool {
    cell == b"-" || !cell.is_empty() && cell.iter().all(u8::is_ascii_digit)
}

/// A number, `-1` and `-` included.
fn is_decimal(cell: &[u8]) -> bool {
    !cell.is_empty() && cell.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
}

/// `REST.GET.OBJECT`, `BATCH.DELETE.OBJECT`, `S3.EXPIRE.OBJECT`
fn is_operation(cell: &[u8]) -> bool {
    cell.contains(&b'.')
        && cell.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'.' | b'_' | b'0'..=b'9'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(&'static str, Vec<String>)> {
        find(text.as_bytes(), true).map(|found| (found.name, found.fields))
    }

    #[test]
    fn web_logs_are_told_by_their_shape() {
        let common = "::1 - - [31/Jan/2024:23:59:59 +0000] \"GET / HTTP/1.1\" 200 -";
        let (name, fields) = found(common).expect("common");
        assert_eq!((name, fields.len()), ("an Apache or nginx access log", 7));
        assert_eq!(found(&format!("{common} \"-\" \"x\\\" y\"")).expect("combined").1.len(), 9);
        let (name, fields) = found(&format!("www:443 {common} \"-\" \"x\"")).expect("virtual hosts");
        assert_eq!(
            (name, fields[0].as_str(), fields.len()),
            ("an Apache access log with virtual hosts", "server_name", 10)
        );
        assert!(found(&format!("{common} 0.003")).is_none());
        assert!(found("what\n").is_none());
        assert!(found("").is_none());
    }

    #[test]
    fn an_odd_line_is_let_pass_but_not_as_the_first() {
        let line = "1.2.3.4 - - [31/Jan/2024:23:59:59 +0000] \"GET / HTTP/1.1\" 200 5\n";
        assert!(found(&(line.repeat(9) + "oops\n")).is_some());
        assert!(found(&("oops\n".to_owned() + &line.repeat(9))).is_none());
        assert!(found(&(line.repeat(3) + "oops\n")).is_none());
    }
}
