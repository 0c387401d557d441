//! Separated values and logs between spaces: dialects, broken quotes, headers, and how `auto` tells them.

use millpond_core::Kind;
use millpond_core::columns::{Column, ColumnType, SystemColumn};
use millpond_core::config::Problems;
use millpond_core::format::{DecodeLimits, DecodeRequest, Delimited, Format, Header, Packing};
use millpond_core::source::{Source, SourceFiles, Sql};
use proptest::prelude::*;

use super::{Decoded, assert_decoded, auto, columns, decode, request, try_decode, with_system};

fn delimited(dialect: Delimited, text: &str) -> DecodeRequest {
    request(Format::Delimited(dialect), columns(text))
}

fn named(dialect: Delimited, names: &[&str]) -> Delimited {
    Delimited { header: Header::Names(names.iter().map(|name| (*name).to_owned()).collect()), ..dialect }
}

/// Hands out a few bytes at a time.
struct Pieces(Vec<u8>, usize);

impl std::io::Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(self.0.len()).min(out.len());
        out[..count].copy_from_slice(&self.0[..count]);
        self.0.drain(..count);
        Ok(count)
    }
}

#[test]
fn lines_in_quotes_keep_their_ends() {
    let text = "a,b\n\"1\n2\",x\n\"3\r\n4\",\"y\r\nz\"\r\n\"5\r6\",\"q\"";
    let decoded = decode(delimited(Delimited::csv(), "a: text; b: text"), text.as_bytes());
    let rows = [r#"{"a":"1\n2","b":"x"}"#, r#"{"a":"3\r\n4","b":"y\r\nz"}"#, r#"{"a":"5\r6","b":"q"}"#];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn a_quote_inside_a_cell_is_text() {
    let decoded = decode(delimited(Delimited::csv(), "a: text; b: text"), b"a,b\n5\" pipe,x\nO\"Neil\",y\"\n");
    assert_decoded(&decoded, &[r#"{"a":"5\" pipe","b":"x"}"#, r#"{"a":"O\"Neil\"","b":"y\""}"#], &[]);
}

#[test]
fn escaped_quotes() {
    let dialect = Delimited { escape: Some(b'\\'), ..Delimited::csv() };
    let text = "a,b\n\"x \\\"y\\\", z\",\"c:\\\\\"\n\"\\n\",\"\"\"\"\n";
    let decoded = decode(delimited(dialect, "a: text; b: text"), text.as_bytes());
    assert_decoded(&decoded, &[r#"{"a":"x \"y\", z","b":"c:\\\\"}"#, r#"{"a":"\\n","b":"\""}"#], &[]);
}

#[test]
fn a_stray_quote_costs_its_line() {
    let mut text = "a,b\n1,\"x\n".to_owned();
    (2..1000).for_each(|number| text.push_str(&format!("{number},y\n")));
    text.push_str("1000,\"z, z\"\n1001,\"\"\n");
    let decoded = decode(delimited(Delimited::csv(), "a: int; b: text"), text.as_bytes());
    assert_eq!(decoded.rejected(), ["0 unclosed_quote: 1,\"x"]);
    assert_eq!(decoded.rows.len(), 1000);
    assert_eq!(decoded.rows[998..], [r#"{"a":1000,"b":"z, z"}"#, r#"{"a":1001,"b":""}"#]);
}

#[test]
fn a_quote_that_closes_far_away_is_stray() {
    let line = "2,yyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n";
    let lines = (1 << 20) / line.len() + 1;
    let text = format!("a,b\n1,\"x\n{}3,z\"\n", line.repeat(lines));
    let decoded = decode(delimited(Delimited::csv(), "a: int; b: text"), text.as_bytes());
    assert_eq!(decoded.rejected(), ["0 unclosed_quote: 1,\"x"]);
    assert_eq!(decoded.rows.len(), lines + 1);
    // One line may be longer than all lines of another record.
    let long = "x".repeat(2 << 20);
    let decoded = decode(delimited(Delimited::csv(), "a: int"), format!("a,b\n1,\"{long}\"\n2,y\n").as_bytes());
    assert_decoded(&decoded, &[r#"{"a":1}"#, r#"{"a":2}"#], &[]);
}

#[test]
fn hostile_quotes_are_read_in_linear_time() {
    let started = std::time::Instant::now();
    for piece in ["\"x ", "[x ", "\" \"", "[", "]x [", "\\\"", "x,\"\n", "\"\"\n\"", "\"\"\"\n", "\\\\\"\n", "\"\\\n,"]
    {
        let text = format!("a b,c\n{}", piece.repeat((1 << 20) / piece.len()));
        for dialect in [Delimited::csv(), Delimited { escape: Some(b'\\'), ..Delimited::csv() }, Delimited::space()] {
            let decoded = decode(delimited(dialect, ""), text.as_bytes());
            assert!(decoded.summary.records > 0, "{piece:?}");
        }
    }
    // Seconds where it is linear, days where it is not.
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
}

#[test]
fn cells_that_hold_json_are_taken_apart() {
    let text = "id,user,tags,labels\n\
        1,\"{\"\"name\"\":\"\"ann\"\",\"\"id\"\":7}\",\"[1, 2]\",\"{\"\"a\"\":\"\"b\"\"}\"\n\
        2,{},[],-\n";
    let column = |name: &str, kind: &str| Column { name: name.to_owned(), kind: ColumnType::parse(kind).expect(kind) };
    let user = ColumnType::Struct(vec![column("name", "text"), column("id", "int")]);
    let columns = vec![
        Column { name: "user".to_owned(), kind: user },
        column("tags", "list(int)"),
        column("labels", "map(text)"),
    ];
    let request = with_system(request(Format::Auto, columns), &[SystemColumn::Rescued]);
    let decoded = decode(request, text.as_bytes());
    let rows = [
        r#"{"user":{"name":"ann","id":7},"tags":[1,2],"labels":{"a":"b"},"_rescued":null}"#,
        r#"{"user":{"name":null,"id":null},"tags":[],"labels":null,"_rescued":"{\"labels\":\"-\"}"}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
}

#[test]
fn lines_before_the_header_are_skipped() {
    let dialect = Delimited { skip: 3, ..Delimited::csv() };
    let decoded = decode(delimited(dialect.clone(), "a: int"), b"Report \"x\n\nfrom,to\r\na,b\r\n1,2\r\n");
    assert_decoded(&decoded, &[r#"{"a":1}"#], &[]);
    let decoded = decode(delimited(named(dialect, &["a", "b"]), "a: int"), b"\n\n\n1,2");
    assert_decoded(&decoded, &[r#"{"a":1}"#], &[]);
}

#[test]
fn a_header_with_a_stray_quote_names_the_fields() {
    let decoded = decode(delimited(Delimited::csv(), "a: int; \"b: text"), b"a,\"b\n1,2\n");
    assert_decoded(&decoded, &[r#"{"a":1,"\"b":"2"}"#], &[]);
}

#[test]
fn limits_of_the_header() {
    let limits = DecodeLimits { record_bytes_max: 16, fields_max: 3, ..DecodeLimits::default() };
    for (text, key) in [("aaaaaaaaa,bbbbbbbbbb\n1,2\n", "`record_bytes`"), ("a,b,c,d\n1,2,3,4\n", "`fields`")] {
        let request = DecodeRequest { limits, ..delimited(Delimited::csv(), "a: int") };
        let error = try_decode(request, Box::new(text.as_bytes())).err().expect("a limit");
        assert_eq!(error.kind(), Kind::TooBig);
        assert!(format!("{error:?}").contains(key), "{error:?}");
    }
    let request = DecodeRequest { limits, ..delimited(Delimited::csv(), "a: int; b: text") };
    let decoded = decode(request, b"a,b\n1,\"xxx\nxxx\nxxx\nxxx\"\n2,yyyyyyyyyyyyyyyyyy\n3,z\n");
    let rejected = decoded.rejected();
    assert_eq!(rejected[0], "0 unclosed_quote: 1,\"xxx");
    assert_eq!(rejected.last().map(String::as_str), Some("4 record_too_long: 2,yyyyyyyyyyyyyy"));
    assert_eq!(decoded.rows.last().map(String::as_str), Some(r#"{"a":3,"b":"z"}"#));
}

#[test]
fn access_logs_of_web_servers() {
    let text = r#"192.0.2.7 - ann [06/Feb/2024:00:00:38 +0100] "GET /a?q=\"x\" HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11)"
2001:db8::1 - - [06/Feb/2024:00:00:39 +0100] "\x16\x03" 400 - "-" "-"
"#;
    let request = with_system(
        auto(
            "remote_addr: text; remote_user: text; time_local: timestamp(%d/%b/%Y:%H:%M:%S %z); request: text; body_bytes_sent: int",
        ),
        &[SystemColumn::Rest],
    );
    let decoded = decode(request, text.as_bytes());
    let rows = [
        r#"{"remote_addr":"192.0.2.7","remote_user":"ann","time_local":"2024-02-05T23:00:38Z","request":"GET /a?q=\"x\" HTTP/1.1","body_bytes_sent":512,"_rest":"{\"status\":\"200\",\"http_user_agent\":\"Mozilla/5.0 (X11)\"}"}"#,
        r#"{"remote_addr":"2001:db8::1","remote_user":null,"time_local":"2024-02-05T23:00:39Z","request":"\\x16\\x03","body_bytes_sent":null,"_rest":"{\"status\":\"400\"}"}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
    assert_eq!(decoded.summary.format, "space");
    assert_eq!(decoded.summary.rescued, 0);
    assert!(decoded.summary.why.contains("Apache or nginx"), "{}", decoded.summary.why);
}

const ALB: &str = r#"h2 2024-02-06T00:00:38.123456Z app/web/50dc6c495c0c9188 192.0.2.7:2817 - -1 -1 -1 502 - 34 366 "GET https://example.com:443/?a=b c HTTP/2.0" "curl/7.46.0" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 - "Root=1-58337281" "example.com" "-" 0 2024-02-06T00:00:38.100000Z "forward" "-" "-" "-" "-" "-" "-" TID_1"#;
const NLB: &str = r#"tls 2.0 2024-02-06T00:00:42 net/nlb/c6e7 g3d4 192.0.2.7:51341 10.0.0.1:443 5 2 98 246 - - - ECDHE-RSA-AES128-SHA tlsv12 - nlb.example.com h2 h2 "h2","http/1.1" 2024-02-06T00:00:20"#;
const CLB: &str = r#"2024-02-06T00:00:38.123456Z my-elb 192.0.2.7:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#;

#[test]
fn load_balancers() {
    let columns =
        "elb_status_code: int; target_status_code: int; request: text; domain_name: text; conn_trace_id: text";
    let decoded = decode(auto(columns), ALB.as_bytes());
    let row = r#"{"elb_status_code":502,"target_status_code":null,"request":"GET https://example.com:443/?a=b c HTTP/2.0","domain_name":"example.com","conn_trace_id":"TID_1"}"#;
    assert_decoded(&decoded, &[row], &[]);
    assert!(decoded.summary.fields.contains_key("client:port"));
    let decoded = decode(
        auto("version: text; alpn_client_preference_list: text; tls_connection_creation_time: timestamp"),
        NLB.as_bytes(),
    );
    let row = r#"{"version":"2.0","alpn_client_preference_list":"h2\",\"http/1.1","tls_connection_creation_time":"2024-02-06T00:00:20Z"}"#;
    assert_decoded(&decoded, &[row], &[]);
    let decoded = decode(auto("time: timestamp; backend_status_code: int; ssl_cipher: text"), CLB.as_bytes());
    let row = r#"{"time":"2024-02-06T00:00:38.123456Z","backend_status_code":200,"ssl_cipher":null}"#;
    assert_decoded(&decoded, &[row], &[]);
}

#[test]
fn s3_access_logs_grow_at_their_end() {
    let owner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let line = format!(
        "{owner} bucket [06/Feb/2024:00:00:38 +0000] 192.0.2.3 - 3E57427F3EXAMPLE REST.GET.OBJECT a%20b \
         \"GET /a b HTTP/1.1\" 200 - 113 - 7 - \"-\" \"S3Console/0.4\" -"
    );
    let names = "requestdatetime: timestamp(%d/%b/%Y:%H:%M:%S %z); key: text; request_uri: text; totaltime: int; versionid: text; hostid: text";
    let decoded =
        decode(with_system(auto(names), &[SystemColumn::Rest]), format!("{line}\n{line} host\n{line}\n").as_bytes());
    let row = |host: &str, rest: &str| {
        format!(
            "{{\"requestdatetime\":\"2024-02-06T00:00:38Z\",\"key\":\"a%20b\",\"request_uri\":\"GET /a b HTTP/1.1\",\"totaltime\":7,\"versionid\":null,\"hostid\":{host},\"_rest\":\"{{\\\"bucketowner\\\":\\\"{owner}\\\",\\\"bucket_name\\\":\\\"bucket\\\",\\\"remoteip\\\":\\\"192.0.2.3\\\",\\\"requestid\\\":\\\"3E57427F3EXAMPLE\\\",\\\"operation\\\":\\\"REST.GET.OBJECT\\\",\\\"httpstatus\\\":\\\"200\\\",\\\"bytessent\\\":\\\"113\\\",\\\"useragent\\\":\\\"S3Console/0.4\\\"{rest}}}\"}}"
        )
    };
    let missing = r#",\"_missing\":1"#;
    let rows = [row("null", missing), row("\"host\"", ""), row("null", missing)];
    assert_eq!(decoded.rows, rows);
    assert_eq!(decoded.summary.rescued, 2);
}

#[test]
fn w3c_fields_can_change() {
    let text = "#Software: Microsoft Internet Information Services 10.0\r\n#Fields: date cs(User-Agent) c-ip \r\n\
        2024-02-06 \"x 192.0.2.1\r\n#Date: 2024-02-07 00:00:00\r\n#Fields: c-ip date sc-status\r\n[::1] - 200\r\n";
    let decoded = decode(auto("c-ip: text; date: date; cs(User-Agent): text; sc-status: int"), text.as_bytes());
    let rows = [
        r#"{"c-ip":"192.0.2.1","date":"2024-02-06","cs(User-Agent)":"\"x","sc-status":null}"#,
        r#"{"c-ip":"[::1]","date":null,"cs(User-Agent)":null,"sc-status":200}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
    let names: Vec<&str> = decoded.summary.fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["c-ip", "cs(User-Agent)", "date", "sc-status"]);
    assert_eq!(decoded.summary.rescued, 0);
}

#[test]
fn w3c_relatives() {
    let proxy = "#Software: SGOS 6.7\n#Fields: c-ip cs(User-Agent) sc-status\n192.0.2.1 \"Mozilla/5.0 (X11)\" 200\n";
    let cloudfront = "#Version: 1.0\n#Fields: c-ip cs(User-Agent) sc-status\n192.0.2.1\tMozilla/5.0 (X11)\t200\n";
    let exchange = "#Log-type: Message Tracking Log\n#Fields: c-ip,cs(User-Agent),sc-status\n192.0.2.1,\"Mozilla/5.0 (X11)\",200\n";
    for text in [proxy, cloudfront, exchange] {
        let decoded = decode(auto("c-ip: text; cs(User-Agent): text; sc-status: int"), text.as_bytes());
        let row = r#"{"c-ip":"192.0.2.1","cs(User-Agent)":"Mozilla/5.0 (X11)","sc-status":200}"#;
        assert_decoded(&decoded, &[row], &[]);
    }
}

#[test]
fn a_separator_that_the_file_declares() {
    let decoded = decode(auto("a: int; b: text"), b"sep=;\na;b\n1;\"x;y\"\n");
    assert_decoded(&decoded, &[r#"{"a":1,"b":"x;y"}"#], &[]);
}

#[test]
fn a_cut_in_a_comment_costs_nothing() {
    for text in
        ["#Fields: a b\n1 2\n#Remark: end", "#separator \\x09\n#fields\ta\tb\n#types\tint\tint\n1\t2\n#close\t1"]
    {
        let zipped = gzip(text.as_bytes());
        let decoded = decode(auto("a: int"), &zipped[..zipped.len() - 8]);
        assert_eq!(decoded.rows, [r#"{"a":1}"#], "{text}");
        assert_eq!(decoded.summary.records, 1, "{text}");
        assert!(decoded.rejected()[0].starts_with("- truncated_gzip"), "{:?}", decoded.rejected());
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

#[test]
fn options_of_a_source() {
    let config = "[format]\ntype = 'csv'\nescape = '\\'\nskip = 2\nbrackets = true\nencoding = 'latin1'\n";
    let sql = |text: &str| Sql { file: "source.toml".into(), text: text.into() };
    let files = SourceFiles {
        name: "x".into(),
        config: sql(config),
        transform: Some(sql("select 1")),
        dialects: Vec::new(),
        signals: Vec::new(),
    };
    let mut problems = Problems::default();
    let source = Source::parse(&files, &mut problems).unwrap_or_else(|| panic!("{:?}", problems.found));
    let expected = Delimited { escape: Some(b'\\'), skip: 2, brackets: true, ..Delimited::csv() };
    assert_eq!(source.format, Format::Delimited(expected));
    let request = DecodeRequest { packing: source.packing, ..request(source.format, columns("a: text; b: text")) };
    let decoded = decode(request, b"one\ntwo\na,b\n[x, \xe9],\"y,z\n");
    assert_decoded(&decoded, &["{\"a\":\"x, \u{e9}\",\"b\":\"\\\"y\"}"], &[]);
    assert_eq!(decoded.summary.rescued, 1);
}

#[test]
fn encodings_are_found_or_declared() {
    let text = "name,city\nann,K\u{f6}ln\nbob,Malm\u{f6}\n";
    let rows = ["{\"name\":\"ann\",\"city\":\"K\u{f6}ln\"}", "{\"name\":\"bob\",\"city\":\"Malm\u{f6}\"}"];
    let wide = |to_bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>();
    let latin: Vec<u8> = text.chars().map(|character| character as u8).collect();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    for (bytes, encoding) in [
        (text.as_bytes().to_vec(), None),
        ([b"\xef\xbb\xbf", text.as_bytes()].concat(), None),
        (little.clone(), Some("UTF-16LE")),
        ([b"\xff\xfe", &little[..]].concat(), Some("UTF-16LE")),
        (big.clone(), Some("UTF-16BE")),
        ([b"\xfe\xff", &big[..]].concat(), Some("UTF-16BE")),
        (latin.clone(), Some("windows-1252")),
    ] {
        for length in [1, 3, 1 << 20] {
            let input = Box::new(Pieces(bytes.clone(), length));
            let decoded = try_decode(auto("name: text; city: text"), input).expect("the input decodes");
            assert_decoded(&decoded, &rows, &[]);
            let why = &decoded.summary.why;
            assert_eq!(encoding, why.split(" in ").nth(1).filter(|_| why.contains(", in ")), "{why}");
        }
    }
    let packing = Packing { encoding: Some("iso-8859-2".into()), ..Packing::default() };
    let decoded = decode(DecodeRequest { packing, ..auto("name: text") }, b"name,city\n\xb1,x\n");
    assert_eq!(decoded.rows, ["{\"name\":\"\u{105}\"}"]);
    let packing = Packing { encoding: Some("klingon".into()), ..Packing::default() };
    let error = try_decode(DecodeRequest { packing, ..auto("name: text") }, Box::new(&b"a,b\n"[..])).err();
    assert_eq!(error.map(|error| error.kind()), Some(Kind::BadConfig));
}

/// Inputs with something of everything, and the ends of their records.
fn inputs() -> Vec<(Delimited, String)> {
    let quoted = "id,text\r\n1,\"a\nb\"\r\n2,\"c\"\"d\"\n3\n4,x,\"y\"\n5,\"\"\n";
    let web = "192.0.2.1 - - [06/Feb/2024:00:00:38 +0100] \"GET / HTTP/1.1\" 200 5\n".repeat(3);
    vec![
        (Delimited::csv(), quoted.to_owned()),
        (Delimited { escape: Some(b'\\'), ..Delimited::csv() }, quoted.replace("\"\"d", "\\\"d")),
        (named(Delimited::space(), &["id", "l", "u", "text"]), web),
        (named(Delimited::space(), &["id", "text"]), "[a b] \"c \\\" d\"\n\"-\" [ \"x\n".to_owned()),
        (
            Delimited { comment: Some(b'#'), ..Delimited::space() },
            "#Fields: id text\n1 x\n#Fields: text id\ny 2\n".to_owned(),
        ),
    ]
}

fn outcome(dialect: &Delimited, bytes: &[u8], length: usize) -> Decoded {
    let request = with_system(delimited(dialect.clone(), "id: text; text: text"), &SystemColumn::ALL);
    let request = DecodeRequest { batch_rows: 2, ..request };
    try_decode(request, Box::new(Pieces(bytes.to_vec(), length))).expect("the input decodes")
}

#[test]
fn rows_before_a_cut_are_unchanged() {
    for (dialect, text) in inputs() {
        let whole = outcome(&dialect, text.as_bytes(), 1 << 20);
        let offset = |row: &String| {
            let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
            row["_offset"].as_u64().expect("an offset") as usize
        };
        let mut ends: Vec<usize> = whole.rows.iter().skip(1).map(offset).collect();
        ends.push(text.len());
        for cut in 0..=text.len() {
            let decoded = outcome(&dialect, &text.as_bytes()[..cut], 1 << 20);
            let complete = ends.iter().take_while(|end| **end <= cut).count();
            assert_eq!(decoded.rows[..complete], whole.rows[..complete], "{text:?} cut at {cut}");
        }
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(length in 1usize..20, input in 0usize..5, stray in any::<proptest::sample::Index>()) {
        let (dialect, mut text) = inputs().swap_remove(input);
        text.insert(stray.index(text.len()), '"');
        let whole = outcome(&dialect, text.as_bytes(), 1 << 20);
        let pieces = outcome(&dialect, text.as_bytes(), length);
        prop_assert_eq!(&pieces.rows, &whole.rows);
        prop_assert_eq!(pieces.rejected(), whole.rejected());
    }

    #[test]
    fn no_text_breaks_a_dialect(text in r#"[ab,"\[\] \n\r\t#\\-]{0,120}"#, input in 0usize..5, record_bytes_max in 4usize..64) {
        let (dialect, _) = inputs().swap_remove(input);
        let limits = DecodeLimits { record_bytes_max, ..DecodeLimits::default() };
        let request = DecodeRequest { limits, ..delimited(named(dialect, &["id", "text"]), "id: text") };
        prop_assert!(try_decode(request, Box::new(std::io::Cursor::new(text.into_bytes()))).is_ok());
    }
}
