//! Bodies as senders write them, and what they say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::notice::Appeared;

/// A record as S3 writes it, with `event_name` and `key`.
pub(super) fn s3_record(event_name: &str, key: &str) -> Value {
    json!({
        "eventVersion": "2.6", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-11-22T16:42:56.860Z", "eventName": event_name,
        "s3": {
            "s3SchemaVersion": "1.0", "configurationId": "mp",
            "bucket": {"name": "raw", "arn": "arn:aws:s3:::raw"},
            "object": {
                "key": key, "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592", "versionId": "null",
                "sequencer": "00000660E02B4D3BC3",
            },
        },
    })
}

pub(super) fn s3_notice(key: &str) -> Value {
    json!({"Records": [s3_record("ObjectCreated:Put", key)]})
}

/// What [`s3_record`] says.
pub(super) fn s3_appeared(key: &str) -> Appeared {
    Appeared {
        etag: Some("5d41402abc4b2a76b9719d911017c592".into()),
        size_bytes: Some(5),
        time_us: Some(1_795_365_776_860_000),
        sequencer: Some(0x0006_60E0_2B4D_3BC3),
        ..Appeared::at("s3", "raw", key)
    }
}

pub(super) fn sns(message: &str) -> Value {
    json!({
        "Type": "Notification", "MessageId": "3fcd38ce", "TopicArn": "arn:aws:sns:us-east-1:000000000000:t",
        "Subject": "Amazon S3 Notification", "Message": message, "Timestamp": "2026-11-22T16:43:14.000Z",
    })
}

pub(super) fn sns_into_lambda(message: &str) -> Value {
    json!({"Records": [{"EventVersion": "1.0", "EventSource": "aws:sns", "Sns": sns(message)}]})
}

pub(super) fn sqs_record(body: &str) -> Value {
    json!({
        "messageId": "1", "receiptHandle": "r", "body": body, "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {}, "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:0:q",
    })
}

pub(super) fn sqs_batch(bodies: &[&Value]) -> Value {
    json!({"Records": bodies.iter().map(|body| sqs_record(&body.to_string())).collect::<Vec<_>>()})
}

pub(super) fn event_bridge(kind: &str, key: &str) -> Value {
    json!({
        "version": "0", "id": "5315fa2c", "detail-type": kind, "source": "aws.s3", "time": "2026-11-22T16:42:56.86Z",
        "detail": {
            "version": "0", "bucket": {"name": "raw"}, "reason": "PutObject",
            "object": {
                "key": key, "size": 5, "etag": "5d41402abc4b2a76b9719d911017c592", "sequencer": "00000660E02B4D3BC3",
            },
        },
    })
}

pub(super) fn s3_test_event() -> Value {
    json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-11-22T16:42:55.000Z", "Bucket": "raw"})
}

pub(super) fn minio(event_name: &str, object: Value) -> Value {
    let record = json!({
        "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2019-10-22T09:27:27Z",
        "eventName": event_name, "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": "raw"}, "object": object},
    });
    json!({"EventName": event_name, "Key": "raw/x", "Records": [record]})
}

pub(super) fn gcs_resource(key: &str) -> Value {
    json!({
        "kind": "storage#object", "id": "raw/x/1587627537231057", "name": key, "bucket": "raw",
        "generation": "1587627537231057", "timeCreated": "2020-04-23T07:38:57.230Z", "size": "352",
        "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==", "etag": "CNHZkbuF/ugCEAE=",
    })
}

/// A message as Pub/Sub pushes it and hands it out.
pub(super) fn pub_sub(event: &str, key: &str, resource: Option<&Value>) -> Value {
    let mut envelope = json!({
        "message": {
            "attributes": {
                "eventType": event, "bucketId": "raw", "objectId": key, "objectGeneration": "1587627537231057",
                "eventTime": "2020-04-23T07:38:57.230Z", "payloadFormat": "JSON_API_V1",
            },
            "messageId": "1", "publishTime": "2020-04-23T07:38:58Z",
        },
        "subscription": "projects/p/subscriptions/s",
    });
    if let Some(resource) = resource {
        envelope["message"]["data"] = STANDARD.encode(resource.to_string()).into();
    }
    envelope
}

pub(super) fn gcs_cloud_event(kind: &str, key: &str) -> Value {
    json!({
        "specversion": "1.0", "type": format!("google.cloud.storage.object.v1.{kind}"), "id": "1",
        "source": "//storage.googleapis.com/projects/_/buckets/raw", "subject": format!("objects/{key}"),
        "time": "2020-04-23T07:38:57.230Z", "data": gcs_resource(key),
    })
}

pub(super) fn gcs_appeared(key: &str) -> Appeared {
    Appeared {
        etag: Some("CNHZkbuF/ugCEAE=".into()),
        version_id: Some("1587627537231057".into()),
        size_bytes: Some(352),
        time_us: Some(1_587_627_537_230_000),
        ..Appeared::at("gs", "raw", key)
    }
}

pub(super) fn blob_data(api: &str, path: &str) -> Value {
    json!({
        "api": api, "eTag": "\"0x8D4BCC2E4835CD0\"", "contentType": "text/plain", "contentLength": 524_288,
        "blobType": "BlockBlob", "url": format!("https://account.blob.core.windows.net/{path}"),
        "sequencer": "00000000000004420000000000028963",
    })
}

pub(super) fn event_grid(kind: &str, data: Value) -> Value {
    json!([{
        "topic": "/subscriptions/s", "subject": "/blobServices/default/containers/raw/blobs/x", "eventType": kind,
        "eventTime": "2017-06-26T18:41:00.9584103Z", "id": "1", "data": data, "dataVersion": "", "metadataVersion": "1",
    }])
}

pub(super) fn azure_cloud_event(kind: &str, data: Value) -> Value {
    json!({
        "source": "/subscriptions/s", "subject": "/blobServices/default/containers/raw/blobs/x", "type": kind,
        "time": "2017-06-26T18:41:00.9584103Z", "id": "1", "data": data, "specversion": "1.0",
    })
}

pub(super) fn azure_appeared(key: &str) -> Appeared {
    Appeared {
        etag: Some("0x8D4BCC2E4835CD0".into()),
        size_bytes: Some(524_288),
        time_us: Some(1_498_502_460_958_410),
        ..Appeared::at("az", "raw", key)
    }
}

/// One body of each kind, for changes to it.
pub(super) fn bodies() -> Vec<Value> {
    let blob = || blob_data("PutBlob", "raw/x");
    vec![
        sqs_batch(&[&sns(&s3_notice("x").to_string()), &s3_test_event()]),
        sns_into_lambda(&s3_notice("x").to_string()),
        minio("s3:ObjectCreated:Put", json!({"key": "x", "sequencer": "15CFEDF8D5304D1A"})),
        json!([event_bridge("Object Created", "x")]),
        json!({"receivedMessages": [pub_sub("OBJECT_FINALIZE", "x", Some(&gcs_resource("x")))]}),
        gcs_cloud_event("finalized", "x"),
        event_grid("Microsoft.Storage.BlobCreated", blob()),
        azure_cloud_event("Microsoft.Storage.BlobCreated", blob()),
        json!({"objects": [{"uri": "s3://b/k", "etag": "e", "size": 7}, "file:///x"]}),
    ]
}
