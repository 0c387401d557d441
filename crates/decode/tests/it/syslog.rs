//! Syslog, CEF, LEEF, pairs, audit records and grok: which fields come out of which lines.

use std::path::Path;

use millpond_core::Kind;
use millpond_core::columns::SystemColumn;
use millpond_core::format::{DecodeLimits, DecodeRequest, Drift, Format, Payload};

use super::samples::SAMPLES;
use super::{Decoded, assert_decoded, auto, columns, decode, request, try_decode, with_system};

fn syslog(payload: Payload, start: Option<&str>) -> Format {
    Format::Syslog { payload, start: start.map(str::to_owned) }
}

fn grok(pattern: &str) -> Format {
    Format::Grok { pattern: pattern.to_owned(), definitions: Vec::new(), start: None }
}

/// All fields of each record as JSON objects; `null` for a record without one.
fn fields_of(format: Format, text: &str) -> Vec<String> {
    let decoded = decode(with_system(request(format, Vec::new()), &[SystemColumn::Rest]), text.as_bytes());
    assert_eq!(decoded.rejected(), Vec::<String>::new());
    let rest = |row: &String| {
        let row: serde_json::Value = serde_json::from_str(row).expect("a row is JSON");
        row["_rest"].as_str().unwrap_or("null").to_owned()
    };
    decoded.rows.iter().map(rest).collect()
}

#[track_caller]
fn assert_fields(format: Format, line: &str, expected: &str) {
    assert_eq!(fields_of(format, line), [expected], "{line}");
}

#[test]
fn syslog_headers_of_all_kinds_are_read() {
    let text = |line: &str, expected: &str| assert_fields(syslog(Payload::Text, None), line, expected);
    text(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su 77 ID47 - \u{feff}'su root' failed",
        r#"{"facility":"auth","severity":"crit","priority":34,"version":1,"timestamp":"2003-10-11T22:14:15.003Z","hostname":"mymachine.example.com","appname":"su","procid":"77","msgid":"ID47","message":"'su root' failed"}"#,
    );
    text(
        r#"<165>1 - - - - - [a@1 iut="3" s="x\"\]\\ y"][b][c k="\z"]"#,
        r#"{"facility":"local4","severity":"notice","priority":165,"version":1,"structured_data":{"a@1":{"iut":"3","s":"x\"]\\ y"},"b":{},"c":{"k":"\\z"}}}"#,
    );
    text(
        "1 2003-10-11T22:14:15Z host app - - [open text",
        r#"{"version":1,"timestamp":"2003-10-11T22:14:15Z","hostname":"host","appname":"app","message":"[open text"}"#,
    );
    text(
        "<13>Oct 11 22:14:15 web sshd[12]: hello",
        r#"{"facility":"user","severity":"notice","priority":13,"timestamp":"Oct 11 22:14:15","hostname":"web","appname":"sshd","procid":"12","message":"hello"}"#,
    );
    for (line, expected) in [
        (
            "Oct  1 22:14:15 web app: x",
            r#"{"timestamp":"Oct  1 22:14:15","hostname":"web","appname":"app","message":"x"}"#,
        ),
        ("2023 Oct 11 22:14:15 web x y", r#"{"timestamp":"2023 Oct 11 22:14:15","hostname":"web","message":"x y"}"#),
        ("Oct 11 2023 22:14:15: %ASA-6: x", r#"{"timestamp":"Oct 11 2023 22:14:15","message":"%ASA-6: x"}"#),
        ("Oct 11 22:14:15 fw : %ASA-6: x", r#"{"timestamp":"Oct 11 22:14:15","hostname":"fw","message":"%ASA-6: x"}"#),
        (
            "Oct 11 22:14:15 kernel: [1.2] x",
            r#"{"timestamp":"Oct 11 22:14:15","appname":"kernel","message":"[1.2] x"}"#,
        ),
        (
            "Oct 11 22:14:15.123 h a[1] (b): x",
            r#"{"timestamp":"Oct 11 22:14:15.123","hostname":"h","appname":"a","procid":"1","message":"(b): x"}"#,
        ),
        (
            "2023-10-11T22:14:15+02:00 INFO app: x",
            r#"{"severity":"info","timestamp":"2023-10-11T22:14:15+02:00","appname":"app","message":"x"}"#,
        ),
        ("2023-10-11 22:14:15,5 x=1 y", r#"{"timestamp":"2023-10-11 22:14:15,5","message":"x=1 y"}"#),
        (
            "45: *Mar  1 18:46:11.1 UTC: %SYS-5: x",
            r#"{"sequence":"45","timestamp":"Mar  1 18:46:11.1","message":"%SYS-5: x"}"#,
        ),
        (
            "45: rtr: .Mar  1 18:46:11: %SYS-5: x",
            r#"{"sequence":"45","timestamp":"Mar  1 18:46:11","hostname":"rtr","message":"%SYS-5: x"}"#,
        ),
        ("Oct 11 22:14:15 alone", r#"{"timestamp":"Oct 11 22:14:15","message":"alone"}"#),
        ("Oct 11 22:14:15", r#"{"timestamp":"Oct 11 22:14:15"}"#),
        ("<192>Oct 11 22:14:15 x", r#"{"message":"<192>Oct 11 22:14:15 x"}"#),
        ("<0>", r#"{"facility":"kern","severity":"emerg","priority":0}"#),
        ("<0>su: x", r#"{"facility":"kern","severity":"emerg","priority":0,"appname":"su","message":"x"}"#),
        ("\tmore of it", r#"{"message":"\tmore of it"}"#),
        ("MMM 22 07:54:32 h x: y", r#"{"message":"MMM 22 07:54:32 h x: y"}"#),
        ("12: no time", r#"{"message":"12: no time"}"#),
    ] {
        text(line, expected);
    }
}

#[test]
fn a_json_message_has_its_members_as_fields() {
    let text = "<13>Oct 11 22:14:15 web app: {\"a\":1,\"b\":{\"c\":[2]},\"m\\u00fc\":\"x\\ty\"}\n\
                <13>Oct 11 22:14:15 web app: @cee: {\"a\":2}\n\
                Oct 11 22:14:15 web app: plain\n\
                {\"a\":3,\"message\":\"own\"}\n";
    let decoded = decode(
        request(syslog(Payload::Json, None), columns("a: int; b: text; mü: text; message: text; syslog: map(text)")),
        text.as_bytes(),
    );
    let rows = [
        r#"{"a":1,"b":"{\"c\":[2]}","mü":"x\ty","message":"{\"a\":1,\"b\":{\"c\":[2]},\"m\\u00fc\":\"x\\ty\"}","syslog":{"facility":"user","severity":"notice","priority":"13","timestamp":"Oct 11 22:14:15","hostname":"web","appname":"app"}}"#,
        r#"{"a":2,"b":null,"mü":null,"message":"@cee: {\"a\":2}","syslog":{"facility":"user","severity":"notice","priority":"13","timestamp":"Oct 11 22:14:15","hostname":"web","appname":"app"}}"#,
        r#"{"a":null,"b":null,"mü":null,"message":"plain","syslog":{"timestamp":"Oct 11 22:14:15","hostname":"web","appname":"app"}}"#,
        r#"{"a":3,"b":null,"mü":null,"message":"own","syslog":null}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn broken_json_messages_are_refused() {
    let limits = DecodeLimits { depth_max: 3, ..DecodeLimits::default() };
    let request = DecodeRequest { limits, ..request(syslog(Payload::Json, None), columns("a: int")) };
    let text = "<1>{\"a\":1}\n<1>{\"a\":tru}\n<1>{\"a\":\n<1>{\"a\":1} x\n<1>{\"a\":[[[1]]]}\n<1>{\"a\":2}\n";
    let rejects = [
        "1 bad_json: <1>{\"a\":tru}",
        "2 bad_json: <1>{\"a\":",
        "3 bad_json: <1>{\"a\":1} x",
        "4 too_deep: <1>{\"a\":[[[1]]]}",
    ];
    assert_decoded(&decode(request, text.as_bytes()), &[r#"{"a":1}"#, r#"{"a":2}"#], &rejects);
}

#[test]
fn cef_extensions_end_before_the_next_key() {
    let header = r#""cef_version":"0","device_vendor":"V|x","device_product":"P","device_version":"1.0","device_event_class_id":"100","name":"a b","severity":"5""#;
    let cef = |extension: &str, expected: &str| {
        let line = format!(r"CEF:0|V\|x|P|1.0|100|a b|5|{extension}");
        let decoded = fields_of(syslog(Payload::Cef, None), &line);
        let message = serde_json::to_string(&line).expect("text is JSON");
        assert_eq!(decoded, [format!(r#"{{"message":{message},{header}{expected}}}"#)], "{extension}");
    };
    cef("", "");
    cef("src=10.0.0.1 msg=hello to you  act=x ", r#","src":"10.0.0.1","msg":"hello to you","act":"x""#);
    cef(r"msg=a\=b \\ c\nd|e f=", r#","msg":"a=b \\ c\nd|e","f":null"#);
    cef(
        "cs1Label=Rule cs1=Block all url=http://h/?a=b&c=d",
        r#","cs1Label":"Rule","cs1":"Block all","url":"http://h/?a=b&c=d""#,
    );
    cef("ad.x[0]=1 = 2 a=3 a=4", r#","ad.x[0]":"1 = 2","a":"4""#);
    cef("words only", "");
}

#[test]
fn cef_is_found_in_three_shapes() {
    let text = "CEF:0|V|P|1|2|n|3|a=1\n0|V|P|1|2|n|3|a=2\nOct 26 20:01:31 Express-7 CEF:0|V|P|1|2|n|3|a=3\n\
                <134>Oct 26 20:01:31 fw relay: CEF:1|V|P|1|2|n|3\nplain text\nCEF:0|V|P\n";
    let format = syslog(Payload::Cef, None);
    let decoded = decode(request(format, columns("name: text; a: int; syslog: text")), text.as_bytes());
    let rows = [
        r#"{"name":"n","a":1,"syslog":null}"#,
        r#"{"name":"n","a":2,"syslog":null}"#,
        r#"{"name":"n","a":3,"syslog":"{\"timestamp\":\"Oct 26 20:01:31\",\"hostname\":\"Express-7\"}"}"#,
        r#"{"name":"n","a":null,"syslog":"{\"facility\":\"local0\",\"severity\":\"info\",\"priority\":134,\"timestamp\":\"Oct 26 20:01:31\",\"hostname\":\"fw\",\"appname\":\"relay\"}"}"#,
        r#"{"name":null,"a":null,"syslog":null}"#,
        r#"{"name":null,"a":null,"syslog":null}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn leef_is_read_with_any_delimiter() {
    let message = |line: &str| serde_json::to_string(line).expect("text is JSON");
    for (line, expected) in [
        (
            "LEEF:1.0|V|P|1|E|src=1\tmsg=a b=c\tx\ty=",
            r#""leef_version":"1.0","device_vendor":"V","device_product":"P","device_version":"1","event_id":"E","src":"1","msg":"a b=c\tx","y":null"#,
        ),
        (
            "LEEF:2.0|V|P|1|E|^|src=1^usr=ann",
            r#""leef_version":"2.0","device_vendor":"V","device_product":"P","device_version":"1","event_id":"E","src":"1","usr":"ann""#,
        ),
        (
            "LEEF:2.0|V|P|1|E|x5E|src=1^usr=ann",
            r#""leef_version":"2.0","device_vendor":"V","device_product":"P","device_version":"1","event_id":"E","src":"1","usr":"ann""#,
        ),
        (
            "LEEF:2.0|V|P|1|E|0x09|src=1\tusr=ann",
            r#""leef_version":"2.0","device_vendor":"V","device_product":"P","device_version":"1","event_id":"E","src":"1","usr":"ann""#,
        ),
        (
            "LEEF:2.0|V|P|1|E|src=1\t\tusr=a|b",
            r#""leef_version":"2.0","device_vendor":"V","device_product":"P","device_version":"1","event_id":"E","src":"1","usr":"a|b""#,
        ),
        (
            "LEEF:1.0|V||1|E",
            r#""leef_version":"1.0","device_vendor":"V","device_product":null,"device_version":"1","event_id":"E""#,
        ),
    ] {
        assert_fields(syslog(Payload::Leef, None), line, &format!(r#"{{"message":{},{expected}}}"#, message(line)));
    }
    assert_fields(syslog(Payload::Leef, None), "LEEF:1.0|V|P", r#"{"message":"LEEF:1.0|V|P"}"#);
    let behind = fields_of(syslog(Payload::Leef, None), "<13>Jan 18 11:07:53 h LEEF:1.0|V|P|1|E|a=1");
    assert!(behind[0].contains(r#""hostname":"h"}"#) && behind[0].ends_with(r#""a":"1"}"#), "{behind:?}");
}

#[test]
fn pairs_are_read_with_what_surrounds_them() {
    for (line, expected) in [
        (
            r#"date=2024-10-14 devname="fw \"1\"" n= e="" user=N/A"#,
            r#"{"date":"2024-10-14","devname":"fw \"1\"","n":null,"e":"","user":"N/A"}"#,
        ),
        (r#"path="C:\new" a='x y' a=2"#, r#"{"path":"C:\\new","a":"2"}"#),
        ("Accepted user=bob, ip=1.2.3.4, why=a b", r#"{"user":"bob","ip":"1.2.3.4","why":"a b","message":"Accepted"}"#),
        ("a=1|b=2|c", r#"{"a":"1","b":"2","message":"c"}"#),
        ("<189>a=1 b=2", r#"{"syslog":{"facility":"local7","severity":"notice","priority":189},"a":"1","b":"2"}"#),
        (
            "Oct 11 22:14:15 h k: IN=e0 DF OUT= SYN",
            r#"{"syslog":{"timestamp":"Oct 11 22:14:15","hostname":"h","appname":"k"},"IN":"e0","OUT":null,"message":"DF SYN"}"#,
        ),
        ("message=own word", r#"{"message":"own"}"#),
        ("no pairs", r#"{"message":"no pairs"}"#),
    ] {
        assert_fields(Format::KeyValue, line, expected);
    }
}

#[test]
fn numbers_in_empty_pairs_are_null() {
    let decoded = decode(request(Format::KeyValue, columns("a: int; b: text")), b"a= b=\"\"\na=7 b=x\n");
    assert_decoded(&decoded, &[r#"{"a":null,"b":""}"#, r#"{"a":7,"b":"x"}"#], &[]);
    assert_eq!(decoded.summary.rescued, 0);
}

const AUDIT: &str = r#"type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=59 a0=7F success=no comm="cat" exe="/bin/cat" key=(null)
type=EXECVE msg=audit(1364481363.243:24287): argc=3 a0="cat" a1=612062 a2="x"
type=USER_LOGIN msg=audit(1364481363.243:24288): pid=1 uid=0 msg='op=login acct="o'brien" res=failed'
type=CWD msg=audit(1364481363.243:24287): cwd="/"
type=PATH msg=audit(1364481363.243:24287): item=0 name=2F746D702F6120 mode=0100644
type=PATH msg=audit(1364481363.243:24287): item=1 name="/x"
type=PROCTITLE msg=audit(1364481363.243:24287): proctitle=6361740061
type=EOE msg=audit(1364481363.243:24287): 
"#;

#[test]
fn audit_events_are_assembled() {
    let events = fields_of(Format::Auditd, AUDIT);
    let expected = [
        r#"{"timestamp":"1364481363.243","event_id":"24287","types":["SYSCALL","EXECVE","CWD","PATH","PATH","PROCTITLE","EOE"],"CWD":{"cwd":"/"},"EXECVE":{"argc":"3","a0":"cat","a1":"a b","a2":"x"},"PATH":[{"item":"0","name":"/tmp/a ","mode":"0100644"},{"item":"1","name":"/x"}],"PROCTITLE":{"proctitle":"cat a"},"SYSCALL":{"arch":"c000003e","syscall":"59","a0":"7F","success":"no","comm":"cat","exe":"/bin/cat","key":null}}"#,
        r#"{"timestamp":"1364481363.243","event_id":"24288","types":["USER_LOGIN"],"USER_LOGIN":{"pid":"1","uid":"0","op":"login","acct":"o'brien","res":"failed"}}"#,
    ];
    assert_eq!(events, expected);
}

#[test]
fn audit_columns_have_types() {
    let types = "timestamp: timestamp(s); event_id: int; SYSCALL: map(text); PATH: list(map(text))";
    let request = with_system(request(Format::Auditd, columns(types)), &[SystemColumn::Offset, SystemColumn::Raw]);
    let decoded = decode(request, AUDIT.as_bytes());
    assert!(
        decoded.rows[0]
            .starts_with(r#"{"timestamp":"2013-03-28T14:36:03.243Z","event_id":24287,"SYSCALL":{"arch":"c000003e""#),
        "{}",
        decoded.rows[0]
    );
    assert!(decoded.rows[0].contains(r#""_offset":0,"_raw":"type=SYSCALL"#));
    assert!(decoded.rows[0].contains(r#"item=1 name=\"/x\"\ntype=PROCTITLE"#));
    assert!(decoded.rows[1].contains(r#""SYSCALL":null,"PATH":null"#));
    assert_eq!(decoded.summary.rescued, 0);
}

#[test]
fn audit_lines_of_other_kinds() {
    let enriched = "node=h type=SYSCALL msg=audit(1.2:3): uid=0 subj=u:r:t\u{1d}ARCH=x86_64 UID=\"root\"\n";
    let expected = r#"{"timestamp":"1.2","event_id":"3","node":"h","types":["SYSCALL"],"SYSCALL":{"uid":"0","subj":"u:r:t","ARCH":"x86_64","UID":"root"}}"#;
    assert_fields(Format::Auditd, enriched, expected);
    let user = "type=USER_CMD msg=audit(1.2:3): pid=1 msg='cmd=6C73 res=success'\u{1d}UID=\"root\"\n";
    let expected = r#"{"timestamp":"1.2","event_id":"3","types":["USER_CMD"],"USER_CMD":{"pid":"1","cmd":"ls","res":"success","UID":"root"}}"#;
    assert_fields(Format::Auditd, user, expected);
    let kernel = "audit: type=1400 audit(1.2:3): avc:  denied  { read } for  pid=7 comm=\"x\"\n";
    let expected = r#"{"timestamp":"1.2","event_id":"3","types":["AVC"],"AVC":[{"pid":"7","comm":"x","message":"avc: denied { read } for"}]}"#;
    assert_fields(Format::Auditd, kernel, expected);
    let program = "type=USER msg=audit(1.2:3): pid=7 msg='hello there'\n";
    let expected = r#"{"timestamp":"1.2","event_id":"3","types":["USER"],"USER":{"pid":"7","msg":"hello there"}}"#;
    assert_fields(Format::Auditd, program, expected);
    let text = "----\ntime->Thu Mar 28\ntype=CWD msg=audit(1.2:3): cwd=1\nnonsense\n";
    let decoded = decode(request(Format::Auditd, columns("event_id: int")), text.as_bytes());
    assert_decoded(&decoded, &[r#"{"event_id":3}"#], &["0 bad_audit: nonsense"]);
}

#[test]
fn open_audit_events_are_bounded() {
    let line = |id: usize| format!("type=PATH msg=audit(1.0:{id}): item=0\n");
    // Nine events are open at once, so the first is handed out before its second line comes.
    let text: String = (0..9).chain([0, 8]).map(line).collect();
    let decoded = decode(request(Format::Auditd, columns("event_id: int; PATH: list(text)")), text.as_bytes());
    assert_eq!(decoded.rows.len(), 10);
    assert_eq!(decoded.rows[0], r#"{"event_id":0,"PATH":["{\"item\":\"0\"}"]}"#);
    assert_eq!(decoded.rows[9], r#"{"event_id":0,"PATH":["{\"item\":\"0\"}"]}"#);
    assert_eq!(decoded.rows[8], r#"{"event_id":8,"PATH":["{\"item\":\"0\"}","{\"item\":\"0\"}"]}"#);
    let limits = DecodeLimits { record_bytes_max: 100, ..DecodeLimits::default() };
    let request = DecodeRequest { limits, ..request(Format::Auditd, columns("event_id: int")) };
    let decoded = decode(request, line(1).repeat(6).as_bytes());
    assert_eq!(decoded.rows.len(), 3);
}

#[test]
fn octets_are_counted() {
    let messages = ["<34>1 2003-10-11T22:14:15Z h a - - - one\ntwo", "<13>Oct 11 22:14:15 h b: x", "<1>y\n"];
    let framed = |between: &str| -> String {
        messages.iter().map(|message| format!("{} {message}{between}", message.len())).collect()
    };
    let rows = [r#"{"message":"one\ntwo"}"#, r#"{"message":"x"}"#, r#"{"message":"y"}"#];
    for between in ["", "\n", "\r\n"] {
        let decoded =
            decode(request(syslog(Payload::Text, None), columns("message: text")), framed(between).as_bytes());
        assert_decoded(&decoded, &rows, &[]);
    }
    // A length that is not true costs the framing of its own line only.
    let text = format!("5 <1>ab3 <2>\n{}", framed("\n"));
    let decoded = decode(request(syslog(Payload::Text, None), columns("message: text")), text.as_bytes());
    assert_eq!(decoded.rows.len(), 5, "{:?}", decoded.rows);
    // Only the first record decides, so a forged length further down hides nothing.
    let text = "<1>a\n17 <1>forged\n<1>b\n<1>c\n";
    let decoded = decode(request(syslog(Payload::Text, None), columns("message: text")), text.as_bytes());
    assert_eq!(decoded.rows.len(), 4);
}

#[test]
fn long_records_are_skipped() {
    let limits = DecodeLimits { record_bytes_max: 30, ..DecodeLimits::default() };
    let limited = |format| DecodeRequest { limits, ..request(format, columns("message: text")) };
    let long = format!("<1>{}", "x".repeat(500_000));
    let counted = format!("6 <1>abc{} {long}6 <1>def", long.len());
    let decoded = decode(limited(syslog(Payload::Text, None)), counted.as_bytes());
    let start = format!("{} {long}", long.len());
    let rows = [r#"{"message":"abc"}"#, r#"{"message":"def"}"#];
    assert_decoded(&decoded, &rows, &[&format!("1 record_too_long: {}", &start[..30])]);
    for format in [syslog(Payload::Text, None), syslog(Payload::Cef, None), Format::KeyValue] {
        let decoded = decode(limited(format), format!("<1>abc\n{long}\n<1>def\n").as_bytes());
        assert_decoded(&decoded, &rows, &[&format!("1 record_too_long: {}", &long[..30])]);
    }
}

#[test]
fn records_start_where_the_source_says() {
    let start = Some(r"^<\d");
    let text = "stray\n<1>a: one\n  two\n\nthree\n\n\n<1>b: four\n\n";
    let request_of = |format| with_system(request(format, columns("message: text")), &[SystemColumn::Offset]);
    let decoded = decode(request_of(syslog(Payload::Text, start)), text.as_bytes());
    let rows = [
        r#"{"message":"stray","_offset":0}"#,
        r#"{"message":"one\n  two\n\nthree","_offset":6}"#,
        r#"{"message":"four","_offset":31}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
    let crlf = text.replace('\n', "\r\n");
    assert_eq!(decode(request_of(syslog(Payload::Text, start)), crlf.as_bytes()).rows.len(), 3);
    // What does not fit into a record together with its first line is a record of its own.
    let limits = DecodeLimits { record_bytes_max: 12, ..DecodeLimits::default() };
    let limited =
        DecodeRequest { limits, ..request(Format::Lines { start: Some("^#".into()) }, columns("line: text")) };
    let text = "#1\nabc\ndefghijk\nlm\n#2\n0123456789abcdef\nxy\n#3\n";
    let rows = [
        r##"{"line":"#1\nabc"}"##,
        r#"{"line":"defghijk\nlm"}"#,
        r##"{"line":"#2"}"##,
        r#"{"line":"xy"}"#,
        r##"{"line":"#3"}"##,
    ];
    assert_decoded(&decode(limited, text.as_bytes()), &rows, &["3 record_too_long: 0123456789ab"]);
}

#[test]
fn grok_lines_are_read() {
    let format = Format::Grok {
        pattern: "^%{IP:[client][ip]} %{METHOD:method} %{NUMBER:bytes:int} (?<@rest>.*)$".to_owned(),
        definitions: vec![("METHOD".to_owned(), "GET|POST".to_owned())],
        start: None,
    };
    let decoded = decode(
        request(format, columns("client.ip: text; method: text; bytes: int; @rest: text")),
        b"10.0.0.1 GET 12 a b\nnothing\n::1 POST 3 \n",
    );
    let rows = [
        r#"{"client.ip":"10.0.0.1","method":"GET","bytes":12,"@rest":"a b"}"#,
        r#"{"client.ip":"::1","method":"POST","bytes":3,"@rest":""}"#,
    ];
    assert_decoded(&decoded, &rows, &["1 no_match: nothing"]);
}

#[test]
fn what_does_not_compile_is_told_before_data_comes() {
    for (format, named) in [
        (grok("%{NOPE:x}"), "`%{NOPE}`"),
        (grok("%{WORD:x}("), "`%{WORD:x}(`"),
        (syslog(Payload::Text, Some("(")), "`(`"),
    ] {
        let error = millpond_decode::check(&format, &Default::default()).expect_err("it does not compile");
        assert_eq!(error.kind(), Kind::BadConfig);
        assert!(error.to_string().contains(named), "{error}");
    }
    millpond_decode::check(&grok("%{COMBINEDAPACHELOG}"), &Default::default()).expect("it compiles");
}

#[test]
fn too_many_fields_are_too_big() {
    let limits = DecodeLimits { fields_max: 3, ..DecodeLimits::default() };
    for (format, text) in [
        (Format::KeyValue, "a=1 b=2 c=3 d=4"),
        (syslog(Payload::Cef, None), "CEF:0|a|b|c|d|e|f|"),
        (Format::Auditd, "type=A msg=audit(1:1): "),
    ] {
        let request = DecodeRequest { limits, ..request(format, columns("x: text")) };
        let error = try_decode(request, Box::new(std::io::Cursor::new(text))).err().expect("too many fields");
        assert_eq!(error.kind(), Kind::TooBig, "{error:?}");
    }
}

#[test]
fn unknown_fields_freeze_records() {
    let request = DecodeRequest {
        drift: Drift::Freeze,
        declared: vec!["a".to_owned()],
        ..request(Format::KeyValue, columns("a: int"))
    };
    let decoded = decode(request, b"a=1\na=2 b=3\na=4\n");
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":4}"#], &["1 frozen: a=2 b=3"]);
}

/// Inputs with something of everything, by their formats.
fn inputs() -> Vec<(Format, String)> {
    let logs = "<34>1 2003-10-11T22:14:15.003Z h su 7 ID47 [a b=\"c\\\"\"] x\n<13>Oct 11 22:14:15 w s[1]: {\"a\":1}\n\
                Oct 11 22:14:15 w CEF:0|V|P|1|2|n|3|a=x y b=\\=\n\tmore\n<1>LEEF:2.0|V|P|1|E|^|a=1^b=2\na=\"1 2\",b=3\r\n";
    let counted: String = logs.lines().take(2).map(|line| format!("{} {line}", line.len())).collect();
    let mut inputs: Vec<(Format, String)> =
        [Payload::Text, Payload::Json, Payload::KeyValue, Payload::Cef, Payload::Leef]
            .into_iter()
            .map(|payload| (syslog(payload, None), logs.to_owned()))
            .collect();
    inputs.push((syslog(Payload::Text, None), counted));
    inputs.push((syslog(Payload::Text, Some("^<")), logs.to_owned()));
    inputs.push((Format::Auditd, AUDIT.to_owned()));
    inputs.push((grok("%{INT:a}"), logs.to_owned()));
    inputs
}

fn everything(format: Format) -> DecodeRequest {
    let request = request(format, columns("a: int; b: text; message: text; syslog: text; PATH: list(text)"));
    DecodeRequest { batch_rows: 2, ..with_system(request, &SystemColumn::ALL) }
}

/// Hands out its bytes a few at a time.
struct Slowly(std::io::Cursor<Vec<u8>>, usize);

impl std::io::Read for Slowly {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(out.len());
        self.0.read(&mut out[..length])
    }
}

fn outcome(format: &Format, bytes: &[u8], piece: usize) -> Decoded {
    let input = Slowly(std::io::Cursor::new(bytes.to_vec()), piece);
    try_decode(everything(format.clone()), Box::new(input)).expect("the input decodes")
}

#[test]
fn pieces_do_not_matter() {
    for (format, text) in inputs() {
        let whole = outcome(&format, text.as_bytes(), 1 << 20);
        for piece in [1, 2, 3, 7, 64] {
            let pieces = outcome(&format, text.as_bytes(), piece);
            assert_eq!((&pieces.rows, pieces.rejected()), (&whole.rows, whole.rejected()), "{format:?}");
        }
    }
}

#[test]
fn a_cut_changes_nothing_before_it() {
    for (format, text) in inputs().into_iter().filter(|(format, _)| *format != Format::Auditd) {
        let whole = outcome(&format, text.as_bytes(), 1 << 20);
        for cut in 0..text.len() {
            let part = outcome(&format, &text.as_bytes()[..cut], 1 << 20);
            let same = whole.rows.iter().zip(&part.rows).take_while(|(whole, part)| whole == part).count();
            assert!(same + 1 >= part.rows.len(), "{format:?} {cut}: {:?}", part.rows);
        }
    }
    for cut in 0..AUDIT.len() {
        assert!(outcome(&Format::Auditd, &AUDIT.as_bytes()[..cut], 1 << 20).rows.len() <= 2);
    }
}

#[test]
fn columns_do_not_matter() {
    for (format, text) in inputs() {
        let wide = outcome(&format, text.as_bytes(), 1 << 20);
        for name in ["a: int", "b: text", "message: text", "syslog: text", "PATH: list(text)", ""] {
            let narrow = decode(request(format.clone(), columns(name)), text.as_bytes());
            assert_eq!(narrow.rows.len(), wide.rows.len(), "{format:?}");
            for (narrow, wide) in narrow.rows.iter().zip(&wide.rows) {
                let narrow: serde_json::Map<String, serde_json::Value> = serde_json::from_str(narrow).expect("JSON");
                let wide: serde_json::Map<String, serde_json::Value> = serde_json::from_str(wide).expect("JSON");
                narrow.iter().for_each(|(name, value)| assert_eq!(Some(value), wide.get(name), "{format:?}"));
            }
        }
    }
}

#[test]
fn hostile_lines_take_linear_time() {
    let many = |text: &str| text.repeat(300_000 / text.len());
    for line in [
        many("a=\""),
        many("a='\\"),
        many("a=1 "),
        many(" "),
        many("="),
        many("[a b=\""),
        many("\\|"),
        many("x["),
        many("9"),
        many("a=1,,"),
        many("%{"),
        many(" \t,"),
    ] {
        for prefix in
            ["", "<1>", "<1>1 - - - - - [a ", "CEF:0|a|b|c|d|e|f|", "LEEF:1.0|a|b|c|d|", "type=A msg=audit(1:1): msg='"]
        {
            let text = format!("{prefix}{line}");
            for format in [
                Format::KeyValue,
                syslog(Payload::Cef, None),
                syslog(Payload::Leef, None),
                Format::Auditd,
                syslog(Payload::Text, None),
            ] {
                let request = with_system(request(format, columns("a: text")), &[SystemColumn::Rest]);
                let started = std::time::Instant::now();
                let _ = try_decode(request, Box::new(std::io::Cursor::new(text.clone())));
                assert!(started.elapsed().as_secs() < 5, "{prefix} {}", &line[..8]);
            }
        }
    }
    let keys: String = (0..9_000).map(|key| format!("k{key}=1 ")).collect();
    let request = with_system(request(Format::KeyValue, columns("a: text")), &[SystemColumn::Rest]);
    let started = std::time::Instant::now();
    assert_eq!(decode(request, format!("{keys}\n").repeat(20).as_bytes()).rows.len(), 20);
    assert!(started.elapsed().as_secs() < 20);
}

proptest::proptest! {
    #[test]
    fn garbage_never_panics(
        input in 0usize..9,
        flips in proptest::collection::vec((proptest::prelude::any::<usize>(), proptest::prelude::any::<u8>()), 0..8),
        marks in proptest::collection::vec((proptest::prelude::any::<usize>(), 0usize..12), 0..8),
    ) {
        let (format, text) = inputs().swap_remove(input);
        let mut bytes = text.into_bytes();
        for (position, byte) in flips {
            let length = bytes.len();
            bytes[position % length] = byte;
        }
        for (position, mark) in marks {
            let at = position % bytes.len();
            bytes.insert(at, b"\\\"'=|<>[]: \n"[mark]);
        }
        let limits = DecodeLimits { record_bytes_max: 64, depth_max: 5, ..DecodeLimits::default() };
        for limits in [limits, DecodeLimits::default()] {
            let request = DecodeRequest { limits, ..everything(format.clone()) };
            let _ = try_decode(request, Box::new(std::io::Cursor::new(bytes.clone())));
        }
    }
}

#[test]
fn formats_are_recognised() {
    for (text, name) in [
        ("CEF:0|V|P|1|2|n|3|a=1\n", "cef"),
        ("Oct 26 20:01:31 h CEF:0|V|P|1|2|n|3|a=1\n", "cef"),
        ("<1>Oct 26 20:01:31 h LEEF:1.0|V|P|1|E|a=1\n", "leef"),
        ("type=CWD msg=audit(1.2:3): cwd=1\n", "auditd"),
        ("<13>Oct 11 22:14:15 w s[1]: x\n", "syslog"),
        ("<13>Oct 11 22:14:15 w s[1]: {\"a\":1}\n<13>Oct 11 22:14:15 w s[1]: {\"a\":2}\n", "syslog"),
        ("36 <13>Oct 11 22:14:15 w s[1]: something", "syslog"),
        ("Oct 11 22:14:15 w s[1]: a, b\nOct 11 22:14:15 w s[1]: c, d\n", "syslog"),
        ("<189>date=1 time=2 devname=3 x=4\n", "kv"),
        ("time=1 level=info msg=\"a, b\" x=y\n", "kv"),
        ("2024-01-01 10:00:00 INFO something: x\n", "lines"),
        ("2024-01-01T10:00:00Z something happened\n", "lines"),
        ("a=1 b=2\n", "lines"),
        ("some words\n", "lines"),
        ("x,y,z\n1,2,3\n", "csv"),
    ] {
        let decoded = decode(auto("a: text"), text.as_bytes());
        assert_eq!(decoded.summary.format, name, "{text}: {}", decoded.summary.why);
    }
}

#[test]
fn years_come_from_the_last_change() {
    let modified = "2024-01-01T00:10:00Z";
    let request = DecodeRequest {
        modified_us: Some(1_704_067_800_000_000),
        ..request(syslog(Payload::Text, None), columns("timestamp: timestamp(syslog)"))
    };
    let text = "Dec 31 23:59:59 h a: x\nJan  1 00:00:01 h a: x\n2020-01-01T00:00:00+01:00 h a: x\n";
    let rows = [
        r#"{"timestamp":"2023-12-31T23:59:59Z"}"#,
        r#"{"timestamp":"2024-01-01T00:00:01Z"}"#,
        r#"{"timestamp":"2019-12-31T23:00:00Z"}"#,
    ];
    assert_decoded(&decode(request.clone(), text.as_bytes()), &rows, &[]);
    let unknown = DecodeRequest { modified_us: None, ..request };
    let decoded = decode(unknown, text.as_bytes());
    assert_eq!(decoded.rows[0], r#"{"timestamp":null}"#, "{modified}");
    assert_eq!(decoded.summary.rescued, 2);
}

#[test]
fn samples_are_what_they_are() {
    let root = Path::new(SAMPLES);
    if !root.exists() {
        eprintln!("skipped: there are no samples in {SAMPLES}");
        return;
    }
    for (name, format, records) in [
        ("linux-auditd/msticpy/auditd_log.txt", "auditd", 938),
        ("linux-auth/examples/auth.log", "syslog", 7121),
        ("linux-syslog/plaso/syslog/syslog", "syslog", 18),
        ("linux-syslog/plaso/syslog/syslog_chromeos", "syslog", 9),
        ("linux-syslog/plaso/syslog/syslog_rsyslog_SyslogProtocol23Format", "syslog", 10),
        ("netdev/hub/unifi-cef/cef-logs.log", "cef", 3),
        ("netdev/hub/pf-logs/pf-logs.log", "syslog", 9),
        ("fortinet/hub/fortinet-vpn-bf.log", "kv", 9),
        ("apps/hub/authelia-bf/authelia-bf.log", "kv", 144),
        ("haproxy/hub/haproxy-logs.log", "lines", 5),
    ] {
        let bytes = std::fs::read(root.join(name)).expect(name);
        let decoded = decode(auto("message: text; name: text"), &bytes);
        assert_eq!((decoded.summary.format, decoded.summary.records), (format, records), "{name}");
        assert!(decoded.rejects.is_empty(), "{name}");
        assert!(format != "cef" || decoded.rows.iter().all(|row| !row.ends_with("\"name\":null}")), "{name}");
    }
}
