//! Tables of bodies and what they say, and properties of any body.

mod bodies;

use std::fs;
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use bodies::*;

/// A key with everything that some encoding changes.
const AWKWARD: &str = "AWSLogs/1 2/a+b=ü&c/x (1).json.gz";

fn appeared(appeared: Vec<Appeared>) -> Notice {
    Notice { appeared, ..Notice::default() }
}

#[track_caller]
fn check(name: &str, body: &Value, expected: &Notice) {
    assert_eq!(&parse(body.to_string().as_bytes()), expected, "{name}: {body}");
    let pretty = serde_json::to_string_pretty(body).expect("json");
    assert_eq!(&parse(pretty.as_bytes()), expected, "{name}, over several lines");
}

#[test]
fn every_envelope_of_s3_says_the_same() {
    let notice = s3_notice("a/b%2Bc.gz");
    let wrapped = sns(&notice.to_string());
    let bridged = event_bridge("Object Created", "a/b+c.gz");
    for (name, body) in [
        ("direct, raw SNS", notice.clone()),
        ("SNS", wrapped.clone()),
        ("SNS into Lambda", sns_into_lambda(&notice.to_string())),
        ("SQS into Lambda", sqs_batch(&[&notice])),
        ("SNS and SQS into Lambda", sqs_batch(&[&wrapped])),
        ("a pipe from SQS", json!([sqs_record(&wrapped.to_string())])),
        ("EventBridge", bridged.clone()),
        ("EventBridge, many", json!([bridged])),
        ("EventBridge through SNS and SQS", sqs_batch(&[&sns(&bridged.to_string())])),
        ("notices in a list", json!([notice])),
    ] {
        check(name, &body, &appeared(vec![s3_appeared("a/b+c.gz")]));
    }
}

#[test]
fn what_is_told_twice_stays_and_order_is_kept() {
    let (a, b) = (s3_notice("a"), s3_notice("b"));
    let expected = vec![s3_appeared("b"), s3_appeared("a"), s3_appeared("b")];
    check("batch", &sqs_batch(&[&b, &a, &b]), &appeared(expected));
}

#[test]
fn keys_are_decoded_once_by_the_rule_of_their_sender() {
    let percent = "AWSLogs/1%202/a%2Bb%3D%C3%BC%26c/x%20%281%29.json.gz";
    for (sender, body, key) in [
        ("AWS", s3_notice("AWSLogs/1+2/a%2Bb%3D%C3%BC%26c/x+%281%29.json.gz"), AWKWARD),
        ("moto, MinIO", s3_notice("AWSLogs%2F1+2%2Fa%2Bb%3D%C3%BC%26c%2Fx+%281%29.json.gz"), AWKWARD),
        ("LocalStack", s3_notice(percent), AWKWARD),
        ("EventBridge", event_bridge("Object Created", AWKWARD), AWKWARD),
        ("Pub/Sub", pub_sub("OBJECT_FINALIZE", AWKWARD, None), AWKWARD),
        ("CloudEvent", gcs_cloud_event("finalized", AWKWARD), AWKWARD),
        ("resource", gcs_resource(AWKWARD), AWKWARD),
        (
            "Event Grid",
            event_grid("Microsoft.Storage.BlobCreated", blob_data("PutBlob", &format!("raw/{percent}"))),
            AWKWARD,
        ),
        (
            "Event Grid: `+` and `#` are themselves",
            event_grid("Microsoft.Storage.BlobCreated", blob_data("PutBlob", "raw/a+b#1?")),
            "a+b#1?",
        ),
        ("a listing", json!([format!("gs://raw/{AWKWARD}")]), AWKWARD),
        ("twice encoded", s3_notice("a/%2520b"), "a/%20b"),
        ("twice encoded", event_bridge("Object Created", "a/%2520b"), "a/%2520b"),
        ("twice encoded", event_grid("Microsoft.Storage.BlobCreated", blob_data("PutBlob", "raw/a/%2520b")), "a/%20b"),
        ("twice encoded", json!(["s3://raw/a/%2520b"]), "a/%2520b"),
        ("slashes", s3_notice("/a//b/./"), "/a//b/./"),
    ] {
        let notice = parse(body.to_string().as_bytes());
        let keys: Vec<&str> = notice.appeared.iter().map(|appeared| appeared.key.as_str()).collect();
        assert_eq!(keys, [key], "{sender}: {notice:?}");
        assert!(notice.appeared[0].uri.ends_with(&format!("://raw/{key}")), "{}", notice.appeared[0].uri);
    }
}

#[test]
fn minio_writes_like_s3_with_differences() {
    let object = json!({"key": "a%2Fb+c", "eTag": "e-1", "versionId": "1", "sequencer": "15CFEDF8D5304D1A"});
    let expected = Appeared {
        etag: Some("e-1".into()),
        version_id: Some("1".into()),
        size_bytes: Some(0),
        time_us: Some(1_571_736_447_000_000),
        sequencer: Some(0x15CF_EDF8_D530_4D1A),
        ..Appeared::at("s3", "raw", "a/b c")
    };
    check("no size is 0", &minio("s3:ObjectCreated:Put", object.clone()), &appeared(vec![expected]));
    for name in ["PutTagging", "DeleteTagging", "PutRetention", "PutLegalHold"] {
        let expected = Notice { ignored: 1, ..Notice::default() };
        check(name, &minio(&format!("s3:ObjectCreated:{name}"), object.clone()), &expected);
    }
}

#[test]
fn cloud_storage_says_the_same_in_every_envelope() {
    let pushed = pub_sub("OBJECT_FINALIZE", "a b", Some(&gcs_resource("a b")));
    for (name, body) in [
        ("pushed", pushed.clone()),
        ("pulled", json!({"receivedMessages": [{"ackId": "1", "message": pushed["message"]}]})),
        ("the message alone", pushed["message"].clone()),
        ("the resource alone", gcs_resource("a b")),
        ("CloudEvent", gcs_cloud_event("finalized", "a b")),
        ("CloudEvents", json!([gcs_cloud_event("finalized", "a b")])),
    ] {
        check(name, &body, &appeared(vec![gcs_appeared("a b")]));
    }
    let mut garbage = pushed;
    garbage["message"]["data"] = "no base64".into();
    let bare = Appeared { etag: None, size_bytes: None, ..gcs_appeared("a b") };
    check("without resource", &pub_sub("OBJECT_FINALIZE", "a b", None), &appeared(vec![bare.clone()]));
    check("with another payload", &garbage, &appeared(vec![bare]));
}

#[test]
fn event_grid_says_the_same_in_both_schemas() {
    let kind = "Microsoft.Storage.BlobCreated";
    let data = blob_data("FlushWithClose", "raw/a%20b");
    let expected = appeared(vec![azure_appeared("a b")]);
    check("own schema", &event_grid(kind, data.clone()), &expected);
    check("CloudEvent", &azure_cloud_event(kind, data.clone()), &expected);
    check("CloudEvents", &json!([azure_cloud_event(kind, data)]), &expected);
}

#[test]
fn listings_are_json_or_lines() {
    let key = "a b/%20+#c ";
    let full = Appeared { etag: Some("e".into()), size_bytes: Some(7), ..Appeared::at("s3", "b", "k") };
    for (name, body, expected) in [
        ("an object", json!({"uri": "s3://b/k", "etag": "\"e\"", "size": 7, "color": 1}), vec![full.clone()]),
        (
            "objects",
            json!({"objects": [{"uri": "s3://b/k", "etag": "e", "size": 7}, "gs://b/k"]}),
            vec![full, Appeared::at("gs", "b", "k")],
        ),
        (
            "addresses",
            json!([format!("az://b/{key}"), "s3://b/k"]),
            vec![Appeared::at("az", "b", key), Appeared::at("s3", "b", "k")],
        ),
        ("one address", json!("s3://b/k"), vec![Appeared::at("s3", "b", "k")]),
        ("nothing", json!([]), vec![]),
        ("no objects", json!({"objects": []}), vec![]),
    ] {
        check(name, &body, &appeared(expected));
    }
    let file = Appeared { uri: "file:///logs/x 1.gz".into(), key: "logs/x 1.gz".into(), ..Appeared::default() };
    let lines = format!("s3://b/k\r\n\n  \naz://b/{key}\nfile:///logs/x 1.gz");
    assert_eq!(
        parse(lines.as_bytes()),
        appeared(vec![Appeared::at("s3", "b", "k"), Appeared::at("az", "b", key), file])
    );
}

#[test]
fn lines_that_are_no_addresses_are_problems_of_their_own() {
    let notice = parse(b"s3://b/k\nhello\ns3://b\ns3://b/\xff\nfile://host/x\ngs:///k\n  s3://b/k");
    assert_eq!(notice.appeared, [Appeared::at("s3", "b", "k")]);
    let raw: Vec<&[u8]> = notice.problems.iter().map(|problem| problem.raw.as_slice()).collect();
    assert_eq!(raw, [b"hello".as_slice(), b"s3://b", b"s3://b/\xff", b"file://host/x", b"gs:///k", b"  s3://b/k"]);
}

#[test]
fn what_is_about_something_else_is_counted() {
    let with_size = |key: &str, size: u64| {
        let mut notice = s3_notice(key);
        notice["Records"][0]["s3"]["object"]["size"] = size.into();
        notice
    };
    let blob = || blob_data("PutBlob", "raw/x");
    for body in [
        json!({"Records": [s3_record("ObjectRemoved:Delete", "x")]}),
        json!({"Records": [s3_record("ObjectRestore:Completed", "x")]}),
        json!({"Records": [s3_record("ObjectTagging:Put", "x")]}),
        json!({"Records": [s3_record("LifecycleExpiration:Delete", "x")]}),
        with_size("folder/", 0),
        minio("s3:ObjectRemoved:Delete", json!({"key": "x"})),
        minio("s3:ObjectCreated:Put", json!({"key": "folder%2F"})),
        event_bridge("Object Deleted", "x"),
        event_bridge("Object Tags Added", "x"),
        pub_sub("OBJECT_DELETE", "x", None),
        pub_sub("OBJECT_METADATA_UPDATE", "x", None),
        gcs_cloud_event("deleted", "x"),
        event_grid("Microsoft.Storage.BlobDeleted", blob()),
        event_grid("Microsoft.Storage.DirectoryCreated", blob()),
        azure_cloud_event("Microsoft.Storage.BlobTierChanged", blob()),
        event_grid("Microsoft.Storage.BlobCreated", blob_data("CreateFile", "raw/x")),
        event_grid("Microsoft.Storage.BlobCreated", blob_data("SftpCreate", "raw/x")),
        json!("s3://b/folder/"),
    ] {
        check("ignored", &body, &Notice { ignored: 1, ..Notice::default() });
    }
    assert_eq!(parse(with_size("not-a-folder/", 1).to_string().as_bytes()).appeared.len(), 1);
}

#[test]
fn tests_of_the_way_are_told() {
    let test = Notice { is_test: true, ..Notice::default() };
    check("bare", &s3_test_event(), &test);
    check("in SNS", &sns(&s3_test_event().to_string()), &test);
    check("in SQS", &sqs_batch(&[&s3_test_event()]), &test);
    let code = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6";
    let data = json!({"validationCode": code, "validationUrl": "https://example.com/"});
    let validation = Notice { validation_code: Some(code.into()), ..test };
    check("Event Grid", &event_grid("Microsoft.EventGrid.SubscriptionValidationEvent", data), &validation);
}

#[test]
fn what_cannot_be_understood_is_a_problem_with_its_bytes() {
    let without = |mut notice: Value, pointer: &str| {
        notice.pointer_mut(pointer).expect("a field").take();
        notice
    };
    let with_version = |version: &str| {
        let mut notice = s3_notice("x");
        notice["Records"][0]["eventVersion"] = version.into();
        notice
    };
    for (body, detail) in [
        (with_version("3.0"), "`eventVersion` `3.0` is not 2.x"),
        (with_version("20.0"), "`eventVersion` `20.0` is not 2.x"),
        (without(s3_notice("x"), "/Records/0/eventVersion"), "no text in `eventVersion`"),
        (without(s3_notice("x"), "/Records/0/eventName"), "no text in `eventName`"),
        (without(s3_notice("x"), "/Records/0/s3/bucket/name"), "no text in `s3.bucket.name`"),
        (without(s3_notice("x"), "/Records/0/s3"), "no text in `s3.bucket.name`"),
        (s3_notice(""), "no text in `s3.object.key`"),
        (s3_notice("a%FFb"), "a key that is not UTF-8"),
        (event_bridge("AWS API Call via CloudTrail", "x"), "`AWS API Call via CloudTrail` is not one of S3's own"),
        (without(event_bridge("Object Created", "x"), "/detail/bucket"), "no text in `detail.bucket.name`"),
        (without(pub_sub("OBJECT_FINALIZE", "x", None), "/message/attributes/bucketId"), "`attributes.bucketId`"),
        (without(gcs_cloud_event("finalized", "x"), "/data"), "no text in `bucket`"),
        (
            azure_cloud_event("Microsoft.Storage.BlobCreated", blob_data("PutBlob", "raw")),
            "no container and key in `data.url`",
        ),
        (
            azure_cloud_event("Microsoft.Storage.BlobCreated", blob_data("PutBlob", "raw/%C3")),
            "a key that is not UTF-8",
        ),
        (azure_cloud_event("Microsoft.EventGrid.SubscriptionValidationEvent", json!({})), "`data.validationCode`"),
        (json!({"Records": 1}), "not a notice of a known kind"),
        (json!({"Records": [{"eventSource": "ceph:s3", "eventVersion": "2.2"}]}), "not a notice of a known kind"),
        (json!({"uri": "ftp://b/k"}), "not an address"),
        (json!([1]), "not a notice of a known kind"),
    ] {
        let text = body.to_string();
        let notice = parse(text.as_bytes());
        assert_eq!(notice.problems.len(), 1, "{body}: {notice:?}");
        assert!(notice.problems[0].detail.contains(detail), "{body}: {notice:?}");
        let raw = str::from_utf8(&notice.problems[0].raw).expect("text");
        assert!(text.contains(raw), "{raw} in {text}");
        assert_eq!(Notice { problems: Vec::new(), ..notice }, Notice::default(), "{body}");
    }
    for body in
        [&b""[..], b" \n", b"Hello from SNS!", b"{\"Records\": [", b"{} {}", b"\xff\xfe{\"a\":1}", b"[\"\xff\"]"]
    {
        let notice = parse(body);
        assert_eq!(notice.problems.len(), 1, "{body:?}: {notice:?}");
        assert_eq!(notice.problems[0].raw, body);
    }
}

#[test]
fn a_problem_keeps_a_message_as_it_was_sent_and_an_entry_as_json() {
    let entry = r#"{"size": 1.00, "a": 2}"#;
    for (body, raw) in [
        (entry.to_owned(), entry),
        (sns(entry).to_string(), entry),
        (sns_into_lambda(entry).to_string(), entry),
        (format!("[{entry}, \"s3://b/k\"]"), r#"{"size":1.0,"a":2}"#),
    ] {
        let notice = parse(body.as_bytes());
        assert_eq!(notice.problems.len(), 1, "{body}");
        assert_eq!(str::from_utf8(&notice.problems[0].raw), Ok(raw), "{body}");
    }
}

#[test]
fn envelopes_lie_inside_each_other_only_so_deep() {
    let nested = |depth: usize| (0..depth).fold(s3_notice("x"), |inner, _| sns(&inner.to_string()));
    check("four", &nested(DEPTH_MAX), &appeared(vec![s3_appeared("x")]));
    let notice = parse(nested(DEPTH_MAX + 1).to_string().as_bytes());
    assert_eq!((notice.appeared.len(), notice.problems.len()), (0, 1));
    assert_eq!(notice.problems[0].raw, s3_notice("x").to_string().as_bytes());
    for (open, close) in [("[", "]"), ("{\"Records\":[", "]}"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(parse(deep.as_bytes()).problems.len(), 1, "{open}");
    }
}

#[test]
fn sequencers_order_as_hexadecimal_numbers_where_they_are_some() {
    let sequencer = |text: &str| {
        let mut notice = s3_notice("x");
        notice["Records"][0]["s3"]["object"]["sequencer"] = text.into();
        parse(notice.to_string().as_bytes()).appeared.remove(0).sequencer
    };
    // Of 2021 and of 2023; as texts they would be the other way round.
    assert!(sequencer("617f08299329d189") < sequencer("0064E8E7E6404BABBD"));
    assert_eq!(sequencer("0055AED6DCD90281E5"), sequencer("55aed6dcd90281e5"));
    for text in ["Happy Sequencer", "", "123456789012345678901234567890123"] {
        assert_eq!(sequencer(text), None, "{text}");
    }
}

/// What real senders and their documentation give, where this repository lies beside a folder of such samples.
#[test]
fn samples_are_read() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/samples/aws-events"));
    if !folder.is_dir() {
        eprintln!("skipped: there is no `{}`", folder.display());
        return;
    }
    let mut folders = vec![folder.to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("folder") {
            let path = entry.expect("entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let notice = parse(&fs::read(&path).expect("file"));
            let name = path.file_name().and_then(|name| name.to_str()).expect("name");
            let (appeared, is_test, is_understood) = match name {
                "s3-event.json" | "s3-event-generated-tags.json" | "eventbridge-s3-event.json" => (1, false, true),
                "s3-test-event.json" => (0, true, true),
                // Of other services.
                _ => (0, false, false),
            };
            let said = (notice.appeared.len(), notice.is_test, notice.problems.is_empty());
            assert_eq!(said, (appeared, is_test, is_understood), "{}: {notice:?}", path.display());
            read += 1;
        }
    }
    assert!(read > 0, "samples were read");
}

/// Pointers to every value of a document, its own first.
fn pointers(value: &Value) -> Vec<String> {
    let below = |name: String, value| pointers(value).into_iter().map(move |pointer| format!("/{name}{pointer}"));
    let mut found = vec![String::new()];
    match value {
        Value::Array(items) => {
            found.extend(items.iter().enumerate().flat_map(|(at, item)| below(at.to_string(), item)))
        }
        Value::Object(fields) => found.extend(fields.iter().flat_map(|(name, field)| below(name.clone(), field))),
        _ => {}
    }
    found
}

/// What holds for every body: every address ends with its key.
fn check_any(body: &[u8]) {
    for appeared in &parse(body).appeared {
        assert!(!appeared.key.is_empty() && appeared.uri.ends_with(&appeared.key), "{appeared:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_are_read(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        check_any(&body);
    }

    #[test]
    fn any_damage_is_read(
        which in any::<prop::sample::Index>(),
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        length in any::<prop::sample::Index>(),
    ) {
        let mut body = which.get(&bodies()).to_string().into_bytes();
        for (at, byte) in edits {
            let at = at.index(body.len());
            body[at] = byte;
        }
        check_any(&body);
        check_any(&body[..length.index(body.len())]);
    }

    #[test]
    fn any_value_in_any_place_is_read(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        value in prop_oneof![
            Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from), ".*".prop_map(Value::from), Just(json!([])), Just(json!({"a": ["b"]})),
        ],
    ) {
        let mut body = which.get(&bodies()).clone();
        let pointer = place.get(&pointers(&body)).clone();
        *body.pointer_mut(&pointer).expect("a place") = value;
        check_any(body.to_string().as_bytes());
    }

    #[test]
    fn any_key_comes_back(key in "\\PC*[^/]|[a-z+% /]{1,20}[^/]") {
        let percent = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string();
        for (body, expected) in [
            (s3_notice(&percent.replace("%20", "+")), "s3"),
            (s3_notice(&percent), "s3"),
            (event_bridge("Object Created", &key), "s3"),
            (pub_sub("OBJECT_FINALIZE", &key, None), "gs"),
            (event_grid("Microsoft.Storage.BlobCreated", blob_data("PutBlob", &format!("raw/{percent}"))), "az"),
            (json!({"uri": format!("s3://raw/{key}")}), "s3"),
        ] {
            let notice = parse(body.to_string().as_bytes());
            let addresses: Vec<&str> = notice.appeared.iter().map(|appeared| appeared.uri.as_str()).collect();
            prop_assert_eq!(addresses, [format!("{expected}://raw/{key}")]);
        }
    }
}
