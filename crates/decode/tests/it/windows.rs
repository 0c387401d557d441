//! Windows events: XML in every wrapping, event logs, and that both give the same rows.

use std::path::Path;

use millpond_core::Kind;
use millpond_core::columns::SystemColumn;
use millpond_core::format::{DecodeLimits, DecodeRequest, Drift, Format};
use serde_json::{Map, Value};

use super::{Decoded, assert_decoded, auto, columns, decode, request, try_decode, with_system};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples");

const LOGON: &str = r#"<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System><Provider Name="Microsoft-Windows-Security-Auditing" Guid="{54849625-5478-4994-A5BA-3E3B0328C30D}"/><EventID Qualifiers="16384">4624</EventID><Version>2</Version><Level>0</Level><Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime="2024-03-01T12:00:00.1234567Z"/><EventRecordID>77</EventRecordID><Correlation/><Execution ProcessID="640" ThreadID="700"/><Channel>Security</Channel><Computer>dc1.example.org</Computer><Security/></System><EventData><Data Name="TargetUserName">a &lt;b&gt; &amp; &#x41;&#66;&quot;</Data><Data Name="LogonType">3</Data><Data Name="ProcessId">0x0</Data><Data Name="Empty"/><Data Name="Dash">-</Data></EventData></Event>"#;

/// An event with nothing but an identifier and a text.
fn event(id: u32, text: &str) -> String {
    format!(
        "<Event><System><EventID>{id}</EventID></System><EventData><Data Name=\"a\">{text}</Data></EventData></Event>"
    )
}

fn winxml(text: &str) -> DecodeRequest {
    request(Format::WindowsXml, columns(text))
}

/// The fields of the only record.
fn fields(text: &str) -> Value {
    let decoded = decode(with_system(winxml(""), &[SystemColumn::Rest]), text.as_bytes());
    assert_eq!(decoded.rejected(), [""; 0], "{text}");
    let row: Value = serde_json::from_str(&decoded.rows[0]).expect("JSON");
    row["_rest"].as_str().map_or(Value::Null, |rest| serde_json::from_str(rest).expect("JSON"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_logon() {
    let expected = r#"{
        "Provider_Name": "Microsoft-Windows-Security-Auditing",
        "Provider_Guid": "{54849625-5478-4994-A5BA-3E3B0328C30D}",
        "EventID": 4624, "EventID_Qualifiers": 16384, "Version": 2, "Level": 0, "Keywords": "0x8020000000000000",
        "TimeCreated": "2024-03-01T12:00:00.1234567Z", "EventRecordID": 77,
        "Execution_ProcessID": 640, "Execution_ThreadID": 700, "Channel": "Security", "Computer": "dc1.example.org",
        "EventData": {"TargetUserName": "a <b> & AB\"", "LogonType": "3", "ProcessId": "0x0", "Empty": "", "Dash": "-"}
    }"#;
    assert_eq!(fields(LOGON), json(expected));
}

#[test]
fn columns_take_fields_and_members() {
    let types = "EventID: int; TimeCreated: timestamp; TargetUserName: text; LogonType: int; EventData: map(text); \
                 Empty: text; Nothing: text; eventid: int";
    let decoded = decode(auto(types), LOGON.as_bytes());
    let rows = [
        r#"{"EventID":4624,"TimeCreated":"2024-03-01T12:00:00.123456Z","TargetUserName":"a <b> & AB\"","LogonType":3,"EventData":{"TargetUserName":"a <b> & AB\"","LogonType":"3","ProcessId":"0x0","Empty":"","Dash":"-"},"Empty":"","Nothing":null,"eventid":null}"#,
    ];
    assert_decoded(&decoded, &rows, &[]);
    assert_eq!(decoded.summary.format, "winxml");
    assert!(decoded.summary.fields.contains_key("EventData"));
    assert!(!decoded.summary.fields.contains_key("LogonType"));
}

#[test]
fn what_fills_a_column_is_not_in_rest() {
    let text = "<Event><System><EventID>1</EventID><Level>4</Level></System>\
                <EventData><Data Name=\"a\">x</Data><Data Name=\"b\">y</Data></EventData></Event>";
    let rest = |names: &str| {
        let decoded = decode(with_system(winxml(names), &[SystemColumn::Rest]), text.as_bytes());
        let row = json(&decoded.rows[0]);
        row["_rest"].as_str().map(str::to_owned)
    };
    assert_eq!(rest("").as_deref(), Some(r#"{"EventID":1,"Level":4,"EventData":{"a":"x","b":"y"}}"#));
    assert_eq!(rest("a: text; Level: int").as_deref(), Some(r#"{"EventID":1,"EventData":{"b":"y"}}"#));
    assert_eq!(rest("a: text; b: text").as_deref(), Some(r#"{"EventID":1,"Level":4}"#));
    assert_eq!(rest("EventData: text; a: text; EventID: int; Level: int"), None);
}

#[test]
fn the_first_of_a_name_fills_the_column() {
    let text = "<Event><System><Channel>Security</Channel></System>\
                <UserData><X xmlns:auto-ns2='u' xmlns='v'><Channel>System</Channel><Y z='1'><n>deep</n></Y></X></UserData></Event>";
    let decoded = decode(with_system(winxml("Channel: text; n: text; z: int"), &[SystemColumn::Rest]), text.as_bytes());
    let row = r#"{"Channel":"Security","n":"deep","z":1,"_rest":"{\"UserData\":{\"X\":{\"Channel\":\"System\"}}}"}"#;
    assert_decoded(&decoded, &[row], &[]);
}

#[test]
fn event_data_in_every_shape() {
    let data = |inner: &str| fields(&format!("<Event>{inner}</Event>"));
    for (inner, expected) in [
        ("<EventData><Data>x</Data></EventData>", r#"{"EventData":{"Data":["x"]}}"#),
        (
            "<EventData><Data>x</Data><Data/><Binary>0A</Binary><Data>\"</Data></EventData>",
            r#"{"EventData":{"Binary":"0A","Data":["x","","\""]}}"#,
        ),
        (
            "<EventData Name='T'><Data Name='Data'>1</Data><Data>2</Data></EventData>",
            r#"{"EventData_Name":"T","EventData":{"Data":"1","Data_2":["2"]}}"#,
        ),
        (
            "<EventData><Data Name='x'>1</Data><Data Name='x'>2</Data><Data Name='x_2'>3</Data><Data Name='x'>4</Data></EventData>",
            r#"{"EventData":{"x":"1","x_2":"2","x_2_2":"3","x_3":"4"}}"#,
        ),
        (
            "<EventData><ComplexData Name='c'><Data Name='d'>1</Data> t </ComplexData><Data Type='y'>2</Data></EventData>",
            r##"{"EventData":{"c":{"d":"1","#text":" t "},"Data":[{"Type":"y","#text":"2"}]}}"##,
        ),
        ("<EventData/>", r#"{"EventData":{}}"#),
        ("<EventData>\n</EventData>", r#"{"EventData":{}}"#),
        ("<BinaryEventData>00FF</BinaryEventData>", r#"{"BinaryEventData":"00FF"}"#),
        (
            "<UserData><a><x/><b><x>1</x></b><x>2</x></a></UserData>",
            r#"{"UserData":{"a":{"x":"","b":{"x":"1"},"x_2":"2"}}}"#,
        ),
        (
            "<RenderingInfo Culture='en-US'><Message>A\nB</Message><Keywords><Keyword>p</Keyword><Keyword>q</Keyword></Keywords></RenderingInfo>",
            r#"{"RenderingInfo_Culture":"en-US","RenderingInfo":{"Message":"A\nB","Keywords":{"Keyword":"p","Keyword_2":"q"}}}"#,
        ),
        (
            "<System><EventID>\n 007 </EventID><New a='1'><b>2</b></New></System>",
            r#"{"EventID":"007","New_a":"1","New":{"b":"2"}}"#,
        ),
        (
            "<EventData><Data Name='a'><![CDATA[<x>]]]]>&undefined;&#xD800; & &#0;</Data></EventData>",
            "{\"EventData\":{\"a\":\"<x>]]&undefined;&#xD800; & \\u0000\"}}",
        ),
    ] {
        assert_eq!(data(inner), json(expected), "{inner}");
    }
    assert_eq!(fields("<Event/>"), Value::Null);
}

#[test]
fn unnamed_data_is_a_column_of_its_own() {
    let text = "<Event><EventData><Data>x</Data><Data>y</Data></EventData></Event>";
    let decoded = decode(winxml("Data: list(text)"), text.as_bytes());
    assert_decoded(&decoded, &[r#"{"Data":["x","y"]}"#], &[]);
}

#[test]
fn wrappings_of_the_same_events() {
    let (one, two) = (event(1, "x"), event(2, "y"));
    let namespace = "xmlns='http://schemas.microsoft.com/win/2004/08/events/event'";
    for text in [
        format!("{one}\n{two}\n"),
        format!("{one}{two}"),
        format!("{one}\r\n\r\n{two}\r\n"),
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- all -->\n<Events>\n{one}{two}\n</Events>\n"),
        format!("\u{feff}<Events {namespace}>{one}\n{two}</Events>")
            .replace("<Event>", &format!("<Event {namespace}>")),
        format!("{one}\n{two}").replace("<", "\n  <").replace("x\n  <", "x<").replace("y\n  <", "y<"),
        format!("{one}\n{two}").replace("</", "</e:").replace("<E", "<e:E").replace("<S", "<e:S").replace("<D", "<e:D"),
    ] {
        let decoded = decode(auto("EventID: int; a: text"), text.as_bytes());
        assert_eq!(decoded.rows, [r#"{"EventID":1,"a":"x"}"#, r#"{"EventID":2,"a":"y"}"#], "{text}");
        assert_eq!(decoded.rejected(), [""; 0], "{text}");
        assert_eq!(decoded.summary.format, "winxml", "{text}");
        let utf16 = [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat();
        assert_eq!(decode(auto("EventID: int; a: text"), &utf16).rows, decoded.rows, "{text}");
    }
}

#[test]
fn text_before_an_event_belongs_to_it() {
    let text = format!("<13>Mar  1 12:00:00 dc1 log: {}\n<14>x {}\n", event(1, "x"), event(2, "y"));
    let system = [SystemColumn::Offset, SystemColumn::Raw];
    let decoded = decode(with_system(auto("prefix: text; EventID: int"), &system), text.as_bytes());
    let row = |prefix: &str, id: u32, offset: usize, raw: &str| {
        let raw = raw.replace('"', "\\\"");
        format!("{{\"prefix\":\"{prefix}\",\"EventID\":{id},\"_offset\":{offset},\"_raw\":\"{raw}\"}}")
    };
    let lines: Vec<&str> = text.lines().collect();
    let rows = [row("<13>Mar  1 12:00:00 dc1 log:", 1, 0, lines[0]), row("<14>x", 2, lines[0].len() + 1, lines[1])];
    assert_eq!(decoded.rows, rows);
    assert_eq!(decoded.rejected(), [""; 0]);
}

#[test]
fn what_is_broken_is_refused() {
    let (one, two) = (event(1, "x"), event(2, "y"));
    let open = "<Event><System>\n<EventID>9</EventID>";
    let crossed = "<Event><System><EventID>9</System></EventID></Event>";
    let text = format!("{one}\nstray\n{open}\n{two}\n{crossed}\n{one} tail\n{two}\n<Event><a b></a></Event><Even");
    let decoded = decode(winxml("EventID: int"), text.as_bytes());
    let rows = [r#"{"EventID":1}"#, r#"{"EventID":2}"#, r#"{"EventID":1}"#, r#"{"EventID":2}"#];
    assert_eq!(decoded.rows, rows);
    let rejects = [
        "- stray_text: \nstray\n".to_owned(),
        format!("1 bad_xml: {open}\n"),
        format!("3 bad_xml: {crossed}"),
        "- stray_text:  tail\n".to_owned(),
        "6 bad_xml: <Event><a b></a></Event>".to_owned(),
        "- stray_text: <Even".to_owned(),
    ];
    assert_eq!(decoded.rejected(), rejects);
    let offsets: Vec<usize> = decoded.rejects.iter().map(|reject| reject.offset.expect("an offset") as usize).collect();
    for (reject, offset) in decoded.rejects.iter().zip(offsets) {
        assert!(text.as_bytes()[offset..].starts_with(&reject.raw), "{reject:?}");
    }
}

#[test]
fn marks_inside_sections_are_text() {
    let text = event(1, "<![CDATA[</Event><Event>]]><!-- </Event> -->");
    let decoded = decode(winxml("EventID: int; a: text"), text.as_bytes());
    assert_decoded(&decoded, &[r#"{"EventID":1,"a":"</Event><Event>"}"#], &[]);
}

#[test]
fn limits_refuse_records() {
    let (one, two) = (event(1, "x"), event(2, "y"));
    let limits = DecodeLimits { record_bytes_max: one.len() + 5, depth_max: 4, ..DecodeLimits::default() };
    for filling in ["z".repeat(one.len()), "z".repeat(1 << 20), format!("<![CDATA[{}]]>", "<".repeat(1000))] {
        let long = event(3, &filling);
        let text = format!("{one}\n{long}\n{two}");
        let decoded = decode(DecodeRequest { limits, ..winxml("EventID: int") }, text.as_bytes());
        let reject = format!("1 record_too_long: {}", &long[..one.len() + 5]);
        assert_decoded(&decoded, &[r#"{"EventID":1}"#, r#"{"EventID":2}"#], &[&reject]);
    }
    let deep = "<Event><a><b><c><d/></c></b></a></Event>";
    let text = format!("{one}\n{deep}\n{two}");
    let decoded = decode(DecodeRequest { limits, ..winxml("EventID: int") }, text.as_bytes());
    assert_decoded(&decoded, &[r#"{"EventID":1}"#, r#"{"EventID":2}"#], &[&format!("1 too_deep: {deep}")]);

    let limits = DecodeLimits { fields_max: 2, ..DecodeLimits::default() };
    let many = "<Event><System><A>1</A><B>1</B><C>1</C></System></Event>";
    let wide = DecodeRequest { limits, ..winxml("A: int") };
    let error = try_decode(wide, Box::new(many.as_bytes())).err().expect("too many fields");
    assert_eq!(error.kind(), Kind::TooBig);
    let many =
        "<Event><EventData><Data Name='A'>1</Data><Data Name='B'>1</Data><Data Name='C'>1</Data></EventData></Event>";
    let decoded = decode(DecodeRequest { limits, ..winxml("C: int") }, many.as_bytes());
    assert_decoded(&decoded, &[r#"{"C":1}"#], &[]);
}

#[test]
fn hostile_text_takes_linear_time() {
    for text in [
        "<Event><![CDATA[".repeat(20_000),
        "<Event>".repeat(30_000),
        "</Event".repeat(30_000),
        "<Event a=\"".repeat(20_000),
        format!("<Event>{}</Event>", "<a>".repeat(30_000)),
        format!("<Event><EventData>{}</EventData></Event>", "<Data Name='x'/>".repeat(100_000)),
        format!("<Event><EventData {}/></Event>", "a='1' ".repeat(100_000)),
        format!("<Event><UserData>{}", "<a><b>x</b>".repeat(50)) + &"</a>".repeat(50) + "</UserData></Event>",
    ] {
        let limits = DecodeLimits { fields_max: 1_000_000, ..DecodeLimits::default() };
        let request = DecodeRequest { limits, ..with_system(winxml("a: text"), &SystemColumn::ALL) };
        decode(request, text.as_bytes());
    }
}

#[test]
fn freeze_looks_at_fields() {
    let text = [event(1, "x"), LOGON.to_owned()].join("\n");
    let mut request = winxml("EventID: int; a: text");
    request.drift = Drift::Freeze;
    request.declared = ["EventID", "EventData", "a"].map(str::to_owned).to_vec();
    let decoded = decode(request, text.as_bytes());
    assert_eq!(decoded.rows, [r#"{"EventID":1,"a":"x"}"#]);
    assert_eq!(decoded.rejects[0].reason, "frozen");
}

#[test]
fn columns_are_proposed() {
    let input: Box<dyn std::io::Read + Send> = Box::new(std::io::Cursor::new(LOGON.as_bytes()));
    let learned = millpond_decode::learn::learn(vec![("a".to_owned(), input)], DecodeLimits::default());
    let columns = learned.expect("a sample").columns;
    let types: Vec<String> = columns.iter().map(|column| format!("{} {}", column.name, column.kind)).collect();
    assert_eq!(types.len(), 14);
    for expected in ["EventID int", "TimeCreated timestamp", "Channel text", "EventData map(text)"] {
        assert!(types.iter().any(|kind| kind == expected), "{types:?}");
    }
}

/// Decodes with everything that there is asked for.
fn everything(format: Format, bytes: &[u8]) -> Decoded {
    let types = "EventID: int; a: text; TargetUserName: text; Data: list(text); EventData: text";
    decode(DecodeRequest { batch_rows: 3, ..with_system(request(format, columns(types)), &SystemColumn::ALL) }, bytes)
}

/// Hands out a byte at a time.
struct Single<'a>(&'a [u8]);

impl std::io::Read for Single<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(out.len()).min(1);
        out[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fn in_single_bytes(request: DecodeRequest, bytes: &'static [u8]) -> Decoded {
    try_decode(request, Box::new(Single(bytes))).expect("the input decodes")
}

/// Events of every kind, good and broken.
fn mixture() -> String {
    let header = "<?xml version='1.0'?>\n<Events>\n";
    let tail = format!("{}\n<7>h {}</Events>", event(4, "<![CDATA[</Event>]]>"), event(5, "\u{e9}"));
    format!("{header}{LOGON}\nstray {}<Event><System>\n{}\n<Event a=/></Event>\n{tail}", event(2, "y"), event(3, "z"))
}

#[test]
fn xml_cut_at_every_byte_keeps_what_was_before() {
    let text = mixture();
    let whole = everything(Format::WindowsXml, text.as_bytes());
    assert_eq!(whole.rows.len(), 5, "{:?}", whole.rejected());
    for cut in 0..text.len() {
        let decoded = everything(Format::WindowsXml, &text.as_bytes()[..cut]);
        assert_eq!(decoded.rows, whole.rows[..decoded.rows.len()], "cut at {cut}");
    }
}

#[test]
fn pieces_of_xml_do_not_matter() {
    let text: &'static str = Box::leak(mixture().into_boxed_str());
    for limits in
        [DecodeLimits::default(), DecodeLimits { record_bytes_max: 150, depth_max: 3, ..DecodeLimits::default() }]
    {
        let request = || DecodeRequest {
            limits,
            batch_rows: 2,
            ..with_system(winxml("EventID: int; a: text"), &SystemColumn::ALL)
        };
        let (whole, single) = (decode(request(), text.as_bytes()), in_single_bytes(request(), text.as_bytes()));
        assert_eq!(single.rows, whole.rows);
        assert_eq!(single.rejects, whole.rejects);
        let narrow = decode(DecodeRequest { limits, ..winxml("EventID: int") }, text.as_bytes());
        assert_eq!((narrow.rows.len(), narrow.rejects), (whole.rows.len(), whole.rejects));
    }
}

/// The samples of event logs with the number of records in each.
fn samples() -> Vec<(String, Vec<u8>, usize)> {
    let root = Path::new(SAMPLES);
    let Ok(manifest) = std::fs::read_to_string(root.join("MANIFEST.tsv")) else {
        eprintln!("skipped: there are no samples in {SAMPLES}");
        return Vec::new();
    };
    let sample = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let bytes = std::fs::read(root.join(cells[0])).expect("a sample");
        (cells[0].to_owned(), bytes, cells[6].parse().expect("a number of records"))
    };
    manifest.lines().filter(|line| line.starts_with("evtx/")).map(sample).collect()
}

/// The fields of each record.
fn all_fields(format: Format, bytes: &[u8]) -> Vec<Map<String, Value>> {
    let decoded = decode(with_system(request(format, Vec::new()), &[SystemColumn::Rest]), bytes);
    assert_eq!(decoded.rejected(), [""; 0]);
    let rest = |row: &String| json(json(row)["_rest"].as_str().expect("fields"));
    decoded.rows.iter().map(|row| rest(row).as_object().expect("an object").clone()).collect()
}

#[test]
fn event_logs_have_the_rows_of_their_xml() {
    for (name, bytes, records) in samples() {
        let rows = all_fields(Format::Auto, &bytes);
        assert_eq!(rows.len(), records, "{name}");
        let mut parser = evtx::EvtxParser::from_buffer(bytes.clone()).expect("a log");
        let xml: Vec<String> = parser.records().map(|record| record.expect("a record").data).collect();
        for separator in ["\n", ""] {
            assert_eq!(all_fields(Format::Auto, xml.join(separator).as_bytes()), rows, "{name}");
        }
    }
}

/// A value of the parser's own JSON as text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

#[test]
fn event_logs_have_the_values_of_the_parser() {
    for (name, bytes, _) in samples() {
        let rows = all_fields(Format::Auto, &bytes);
        let mut parser = evtx::EvtxParser::from_buffer(bytes.clone()).expect("a log");
        let records: Vec<Value> = parser.records_json_value().map(|record| record.expect("a record").data).collect();
        for (row, record) in rows.iter().zip(&records) {
            let system = record["Event"]["System"].as_object().expect("an object");
            let mut compared = 0;
            for (element, value) in system {
                let plain = if value.is_object() { value["#text"].clone() } else { value.clone() };
                if !text(&plain).is_empty() {
                    assert_eq!(text(&row[element]), text(&plain), "{name}: {element}");
                    compared += 1;
                }
                for (attribute, value) in value["#attributes"].as_object().into_iter().flatten() {
                    let field = match element.as_str() {
                        "TimeCreated" => element.clone(),
                        element => format!("{element}_{attribute}"),
                    };
                    if !text(value).is_empty() {
                        let is_time = element == "TimeCreated";
                        let (ours, theirs) = (text(&row[&field]), text(value));
                        assert!(
                            ours == theirs || (is_time && ours[..19] == theirs[..19]),
                            "{name}: {field}: {ours} {theirs}"
                        );
                        compared += 1;
                    }
                }
            }
            let fields = row.keys().filter(|key| !key.starts_with("EventData") && !key.starts_with("UserData"));
            assert_eq!(compared, fields.count(), "{name}: {row:?}");
            let Some(data) = record["Event"]["EventData"].as_object() else { continue };
            let ours = &row["EventData"];
            for (member, value) in data.iter().filter(|(member, _)| *member != "#attributes") {
                if member == "Data" {
                    let items = if value.is_object() { &value["#text"] } else { value };
                    let items = items.as_array().cloned().unwrap_or_else(|| vec![items.clone()]);
                    let items: Vec<String> = items.iter().map(text).collect();
                    let list: Vec<String> = ours["Data"].as_array().expect("a list").iter().map(text).collect();
                    assert_eq!(list, items, "{name}");
                } else {
                    assert_eq!(text(&ours[member]), text(value), "{name}: {member}");
                }
            }
        }
    }
}

/// Writes event logs in binary XML without templates, one event after another as the tokens of MS-EVEN6 2.2.12.
struct Log {
    chunk: Vec<u8>,
    /// Where records start, and where the last ends.
    places: Vec<usize>,
}

impl Log {
    fn new() -> Self {
        Self { chunk: vec![0; 512], places: vec![512] }
    }

    fn open(&mut self, name: &str) {
        self.chunk.extend([0x01, 0, 0, 0, 0]);
        let place = self.chunk.len() as u32 + 4;
        self.chunk.extend(place.to_le_bytes());
        self.chunk.extend([0; 6]);
        self.chunk.extend((name.len() as u16).to_le_bytes());
        self.chunk.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
        self.chunk.extend([0, 0, 0x02]);
    }

    fn element(&mut self, name: &str, text: &str) {
        self.open(name);
        self.chunk.extend([0x05, 0x01]);
        self.chunk.extend((text.encode_utf16().count() as u16).to_le_bytes());
        self.chunk.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        self.chunk.push(0x04);
    }

    fn event(&mut self, id: u64, text: &str) {
        let start = self.chunk.len();
        self.chunk.extend(b"**\0\0\0\0\0\0");
        self.chunk.extend(id.to_le_bytes());
        self.chunk.extend(133_500_000_000_000_000_u64.to_le_bytes());
        self.chunk.extend([0x0f, 1, 1, 0]);
        self.open("Event");
        self.open("System");
        self.element("EventID", &id.to_string());
        self.chunk.push(0x04);
        self.open("EventData");
        self.element("Data", text);
        self.chunk.extend([0x04, 0x04]);
        self.end_event(start);
    }

    /// An event of elements in each other.
    fn nested_event(&mut self, levels: usize) {
        let start = self.chunk.len();
        self.chunk.extend(b"**\0\0\0\0\0\0");
        self.chunk.extend(9_u64.to_le_bytes());
        self.chunk.extend(133_500_000_000_000_000_u64.to_le_bytes());
        self.chunk.extend([0x0f, 1, 1, 0]);
        let name = self.chunk.len() as u32 + 9;
        self.open("Event");
        for _ in 1..levels {
            // The name is where the first element has it.
            self.chunk.extend([0x01, 0, 0, 0, 0]);
            self.chunk.extend(name.to_le_bytes());
            self.chunk.push(0x02);
        }
        self.chunk.extend(vec![0x04; levels]);
        self.end_event(start);
    }

    fn end_event(&mut self, start: usize) {
        self.chunk.push(0x00);
        let size = (self.chunk.len() + 4 - start) as u32;
        self.chunk[start + 4..start + 8].copy_from_slice(&size.to_le_bytes());
        self.chunk.extend(size.to_le_bytes());
        self.places.push(self.chunk.len());
    }

    /// The chunk, whose records have the identifiers from `first` on.
    fn chunk(&self, first: u64) -> Vec<u8> {
        let mut chunk = self.chunk.clone();
        let (records, length) = (self.places.len() as u64 - 1, self.chunk.len() as u32);
        chunk[..8].copy_from_slice(b"ElfChnk\0");
        for at in [8, 24] {
            chunk[at..at + 8].copy_from_slice(&first.to_le_bytes());
            chunk[at + 8..at + 16].copy_from_slice(&(first + records - 1).to_le_bytes());
        }
        chunk[40..44].copy_from_slice(&128_u32.to_le_bytes());
        chunk[44..48].copy_from_slice(&(self.places[self.places.len() - 2] as u32).to_le_bytes());
        chunk[48..52].copy_from_slice(&length.to_le_bytes());
        chunk[52..56].copy_from_slice(&evtx::checksum_ieee(&self.chunk[512..]).to_le_bytes());
        let sum = evtx::checksum_ieee(&[&chunk[..120], &chunk[128..512]].concat());
        chunk[124..128].copy_from_slice(&sum.to_le_bytes());
        chunk.resize(65_536, 0);
        chunk
    }
}

fn header() -> Vec<u8> {
    let mut header = b"ElfFile\0".to_vec();
    header.resize(4096, 0);
    header[32..36].copy_from_slice(&128_u32.to_le_bytes());
    header[40..42].copy_from_slice(&4096_u16.to_le_bytes());
    header
}

/// A chunk of records with these identifiers.
fn log(ids: std::ops::Range<u64>) -> Log {
    let mut log = Log::new();
    ids.for_each(|id| log.event(id, &format!("text of <{id}>")));
    log
}

/// Two chunks of three records, an empty one between them.
fn event_log() -> Vec<u8> {
    [header(), log(1..4).chunk(1), vec![0; 65_536], log(4..7).chunk(4)].concat()
}

fn evtx_request() -> DecodeRequest {
    DecodeRequest {
        batch_rows: 2,
        ..with_system(auto("EventID: int; Data: list(text)"), &[SystemColumn::Row, SystemColumn::Offset])
    }
}

fn identifiers(decoded: &Decoded) -> Vec<u64> {
    decoded.rows.iter().filter_map(|row| json(row)["EventID"].as_u64()).collect()
}

#[test]
fn an_event_log() {
    let decoded = decode(evtx_request(), &event_log());
    assert_eq!(decoded.summary.format, "evtx");
    assert_eq!(decoded.rows[0], r#"{"EventID":1,"Data":["text of <1>"],"_row":0,"_offset":4608}"#);
    assert_eq!(identifiers(&decoded), [1, 2, 3, 4, 5, 6]);
    assert_eq!(decoded.rejected(), [""; 0]);
}

#[test]
fn broken_records_cost_themselves() {
    let log = log(1..5);
    let chunk = log.chunk(1);
    let places = &log.places;
    // An unknown token in the binary XML of the second record.
    let mut bytes = [header(), chunk.clone()].concat();
    bytes[4096 + places[1] + 28] = 0x7f;
    let decoded = decode(evtx_request(), &bytes);
    assert_eq!(identifiers(&decoded), [1, 3, 4]);
    let sum = &decoded.rejects[0];
    assert_eq!((sum.reason, sum.row, sum.offset), ("bad_evtx_chunk", None, Some(4096)));
    let record = &decoded.rejects[1];
    assert_eq!((record.reason, record.row), ("bad_evtx_record", Some(1)));
    assert_eq!(record.offset, Some(4096 + places[1] as u64));
    assert_eq!(record.raw, bytes[4096 + places[1]..4096 + places[2]]);

    // The mark of the second record and the size of the third.
    let mut bytes = [header(), chunk].concat();
    bytes[120] = 1;
    bytes[4096 + places[1]] = b'X';
    bytes[4096 + places[2] + 4] = 3;
    let decoded = decode(evtx_request(), &bytes);
    assert_eq!(identifiers(&decoded), [1, 4]);
    let reasons: Vec<&str> = decoded.rejects.iter().map(|reject| reject.reason).collect();
    assert_eq!(reasons, ["bad_evtx_record"]);
    assert_eq!(decoded.rejects[0].raw, bytes[4096 + places[1]..4096 + places[3]]);
}

#[test]
fn events_of_many_levels_cost_themselves() {
    for (levels, depth_max, reason) in [
        (100, 128, None),
        (129, 128, Some("too_deep")),
        (511, usize::MAX, None),
        (4_000, usize::MAX, Some("bad_evtx_record")),
    ] {
        let mut log = log(1..2);
        log.nested_event(levels);
        log.event(2, "behind it");
        let mut request = evtx_request();
        request.limits.depth_max = depth_max;
        let decoded = decode(request, &[header(), log.chunk(1)].concat());
        let reasons: Vec<_> = decoded.rejects.iter().map(|reject| reject.reason).collect();
        assert_eq!(
            reasons,
            Vec::from_iter(reason),
            "{levels}: {:?}",
            decoded.rejects.first().map(|reject| &reject.detail)
        );
        assert_eq!(identifiers(&decoded), [1, 2], "{levels}");
    }
}

#[test]
fn broken_chunks_cost_themselves() {
    let mut bytes = event_log();
    bytes[4096 + 131_072] = b'X';
    bytes.extend(log(7..9).chunk(7));
    let decoded = decode(evtx_request(), &bytes);
    assert_eq!(identifiers(&decoded), [1, 2, 3, 7, 8]);
    assert_eq!(decoded.rejects.len(), 1);
    assert_eq!((decoded.rejects[0].reason, decoded.rejects[0].offset), ("bad_evtx_chunk", Some(4096 + 131_072)));
    assert_eq!(decoded.rejects[0].raw.len(), 65_536);

    // A table of names that points nowhere: records hold their names, too.
    let mut bytes = event_log();
    bytes[120] = 1;
    bytes[4096 + 128..4096 + 132].copy_from_slice(&u32::MAX.to_le_bytes());
    let decoded = decode(evtx_request(), &bytes);
    assert_eq!(identifiers(&decoded), [1, 2, 3, 4, 5, 6], "{:?}", decoded.rejected());
}

#[test]
fn event_logs_cut_at_every_byte_keep_what_was_before() {
    let (bytes, log) = (event_log(), log(1..4));
    let whole = decode(evtx_request(), &bytes);
    let cuts = (4096..4096 + log.chunk.len() + 4).chain([70_000, 4096 + 131_072, 4096 + 131_072 + 600]);
    for cut in cuts {
        let decoded = decode(evtx_request(), &bytes[..cut]);
        let complete = log.places[1..].iter().filter(|end| cut >= 4096 + **end).count();
        assert_eq!(decoded.rows.len(), complete, "cut at {cut}");
        assert_eq!(decoded.rows, whole.rows[..complete], "cut at {cut}");
        let is_inside = cut > 4096 && cut < 4096 + log.chunk.len() || cut == 4096 + 131_072 + 600;
        assert_eq!(decoded.rejects.len(), usize::from(is_inside), "cut at {cut}: {:?}", decoded.rejects);
    }
    for cut in [1, 7, 8, 4095] {
        let start: Vec<u8> = bytes[..cut].to_vec();
        let input = Box::new(std::io::Cursor::new(start));
        let error = try_decode(request(Format::Evtx, Vec::new()), input).err().expect("no log");
        assert_eq!(error.kind(), Kind::BadInput);
    }
}

#[test]
fn pieces_of_event_logs_do_not_matter() {
    let mut bytes = event_log();
    bytes[4096 + log(1..4).places[1] + 28] = 0x7f;
    let bytes: &'static [u8] = Box::leak(bytes.into_boxed_slice());
    let (whole, single) = (decode(evtx_request(), bytes), in_single_bytes(evtx_request(), bytes));
    assert_eq!((single.rows, single.rejects), (whole.rows, whole.rejects));
}

#[test]
fn limits_refuse_records_of_event_logs() {
    let limits = DecodeLimits { record_bytes_max: 90, depth_max: 3, ..DecodeLimits::default() };
    let mut log = Log::new();
    log.event(1, "a");
    log.event(2, &"b".repeat(200));
    let bytes = [header(), log.chunk(1)].concat();
    let decoded = decode(DecodeRequest { limits, ..evtx_request() }, &bytes);
    assert_eq!(identifiers(&decoded), [1]);
    assert_eq!(decoded.rejects[0].reason, "record_too_long");
    let limits = DecodeLimits { depth_max: 2, ..DecodeLimits::default() };
    let decoded = decode(DecodeRequest { limits, ..evtx_request() }, &bytes);
    assert_eq!(decoded.rejects.iter().map(|reject| reject.reason).collect::<Vec<_>>(), ["too_deep", "too_deep"]);
}
