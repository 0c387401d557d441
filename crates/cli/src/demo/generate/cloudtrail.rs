//! AWS CloudTrail: calls of people, roles and services, as CloudTrail delivers them to a bucket.

use std::io;

use chrono::{DateTime, TimeDelta, Utc};

use super::random::Random;
use super::{ACCOUNT, ATTACKER, File, PEOPLE, SERVICE_USER, STOLEN, Timed, Window};
use super::{before, from_micros, gzip, step, windows, with_story};

/// Records of a busy file.
const ROWS: u64 = 2_700;
/// Files by their place, the oldest first.
const TRUNCATED: usize = 5;
const COPIED: usize = 12;
const NOT_GZIP: usize = 16;

pub(super) fn files(now: DateTime<Utc>, percent: u64) -> io::Result<Vec<File>> {
    let mut random = Random::new(1);
    let story = story(now, &mut random);
    let mut files = Vec::new();
    for window in windows(now, 2, ROWS, &mut random) {
        let records = with_story(&window, everyday(&window, percent, &mut random), &story);
        let bytes = gzip(format!("{{\"Records\":[{}]}}", records.join(",")).as_bytes())?;
        let file = File::sound(path(&window, &mut random), bytes);
        match window.index {
            TRUNCATED => files.push(truncated(file)),
            COPIED => files.extend(copied(file, path(&window, &mut random))),
            NOT_GZIP => files.extend([file, not_gzip(path(&window, &mut random), &mut random)]),
            _ => files.push(file),
        }
    }
    Ok(files)
}

fn path(window: &Window, random: &mut Random) -> String {
    let (day, time) = (window.end.format("%Y/%m/%d"), window.end.format("%Y%m%dT%H%MZ"));
    let unique = random.word(16);
    format!("AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/{day}/{ACCOUNT}_CloudTrail_us-east-1_{time}_{unique}.json.gz")
}

fn truncated(mut file: File) -> File {
    file.bytes.truncate(file.bytes.len() * 3 / 5);
    file.damaged("the upload broke off: the gzip stream ends in the middle of a record")
}

fn copied(file: File, path: String) -> [File; 2] {
    let copy = File::sound(path, file.bytes.clone()).damaged("the same bytes as another file");
    [file, copy]
}

fn not_gzip(path: String, random: &mut Random) -> File {
    let mut bytes = b"SQLite format 3\x00\x10\x00\x01\x01".to_vec();
    bytes.extend(random.bytes(6_000));
    File::sound(path, bytes).damaged("a collector's own database under the name of a log")
}

/// One call of the API, before it becomes a record.
struct Call<'a> {
    service: &'a str,
    name: &'a str,
    kind: Kind,
    request: String,
    response: &'a str,
    additional: &'a str,
    error: Option<&'a str>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Read,
    Write,
    /// Reads or writes an object rather than the account.
    Data,
    Login,
}

/// Who calls, and from where.
struct Caller {
    identity: String,
    address: String,
    agent: &'static str,
}

/// What a normal day is made of: service, call, kind, parameters and how often out of 100.
const CALLS: [(&str, &str, Kind, &str, u64); 15] = [
    ("s3", "GetObject", Kind::Data, r#"{"bucketName":"example-data","key":"KEY"}"#, 24),
    ("s3", "PutObject", Kind::Data, r#"{"bucketName":"example-uploads","key":"KEY"}"#, 9),
    ("s3", "ListBuckets", Kind::Read, "null", 3),
    (
        "sts",
        "AssumeRole",
        Kind::Read,
        r#"{"roleArn":"arn:aws:iam::111122223333:role/app","roleSessionName":"KEY"}"#,
        16,
    ),
    ("sts", "GetCallerIdentity", Kind::Read, "null", 6),
    (
        "kms",
        "Decrypt",
        Kind::Read,
        r#"{"encryptionContext":{"SecretARN":"KEY"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
        12,
    ),
    ("kms", "GenerateDataKey", Kind::Read, r#"{"keySpec":"AES_256","keyId":"KEY"}"#, 6),
    ("secretsmanager", "GetSecretValue", Kind::Read, r#"{"secretId":"KEY"}"#, 4),
    ("ec2", "DescribeInstances", Kind::Read, r#"{"instancesSet":{},"filterSet":{}}"#, 6),
    ("ec2", "DescribeVolumes", Kind::Read, r#"{"volumeSet":{},"filterSet":{}}"#, 3),
    ("ec2", "CreateTags", Kind::Write, r#"{"resourcesSet":{"items":[{"resourceId":"KEY"}]}}"#, 2),
    ("logs", "CreateLogStream", Kind::Write, r#"{"logGroupName":"/aws/lambda/app","logStreamName":"KEY"}"#, 5),
    ("iam", "ListUsers", Kind::Read, r#"{"maxItems":100}"#, 1),
    ("lambda", "UpdateFunctionCode20150331v2", Kind::Write, r#"{"functionName":"KEY"}"#, 1),
    ("signin", "ConsoleLogin", Kind::Login, "null", 2),
];

fn everyday(window: &Window, percent: u64, random: &mut Random) -> Vec<Timed> {
    let mut records = Vec::new();
    for time_us in window.moments(percent, random) {
        let text = everyday_record(time_us, random);
        // CloudTrail delivers some events twice.
        if random.below(500) == 0 {
            records.push((time_us, text.clone()));
        }
        records.push((time_us, text));
    }
    records
}

fn everyday_record(time_us: i64, random: &mut Random) -> String {
    let mut share = random.below(100);
    let (service, name, kind, request, _) = CALLS
        .iter()
        .find(|(.., weight)| {
            let found = share < *weight;
            share = share.saturating_sub(*weight);
            found
        })
        .unwrap_or(&CALLS[0]);
    let login = *kind == Kind::Login;
    let call = Call {
        service,
        name,
        kind: *kind,
        request: request.replace("KEY", &random.word(10)),
        response: if login { r#"{"ConsoleLogin":"Success"}"# } else { "null" },
        additional: if login { LOGIN_WITH_MFA } else { "" },
        error: (!login && random.chance(2)).then_some("AccessDenied"),
    };
    let caller = if login || random.chance(25) { someone(random) } else { role(random) };
    record(from_micros(time_us), &call, &caller, random)
}

const LOGIN_WITH_MFA: &str = r#"{"LoginTo":"https://console.aws.amazon.com/","MobileVersion":"No","MFAUsed":"Yes"}"#;
const LOGIN_WITHOUT_MFA: &str = r#"{"LoginTo":"https://console.aws.amazon.com/","MobileVersion":"No","MFAUsed":"No"}"#;
const BROWSER: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/138.0.0.0 Safari/537.36";

fn someone(random: &mut Random) -> Caller {
    let person = random.below(PEOPLE.len() as u64) as usize;
    user(PEOPLE[person], "AKIA", &format!("192.0.2.{}", 10 + person), "aws-cli/2.17.20 md/awscrt#0.20.11 exe/x86_64")
}

fn user(name: &str, key: &str, address: &str, agent: &'static str) -> Caller {
    let id: String = name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_uppercase();
    let identity = format!(
        r#"{{"type":"IAMUser","principalId":"AIDAEXAMPLE{id}","arn":"arn:aws:iam::{ACCOUNT}:user/{name}","accountId":"{ACCOUNT}","accessKeyId":"{key}EXAMPLE{id}","userName":"{name}"}}"#
    );
    Caller { identity, address: address.to_owned(), agent }
}

fn role(random: &mut Random) -> Caller {
    let name = *random.pick(&["app", "deploy", "reports", "ingest"]);
    let session = format!("i-{:08x}", 0x0a1b_2c00 + random.below(40));
    let identity = format!(
        r#"{{"type":"AssumedRole","principalId":"AROAEXAMPLE:{session}","arn":"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}","accountId":"{ACCOUNT}","accessKeyId":"ASIAEXAMPLE{session}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::{ACCOUNT}:role/{name}","accountId":"{ACCOUNT}","userName":"{name}"}},"attributes":{{"mfaAuthenticated":"false"}}}}}}"#
    );
    let internal = random.chance(15);
    let address =
        if internal { "lambda.amazonaws.com".to_owned() } else { format!("192.0.2.{}", random.between(200, 210)) };
    Caller { identity, address, agent: "aws-sdk-rust/1.3.3 os/linux lang/rust/1.95.0" }
}

fn record(time: DateTime<Utc>, call: &Call<'_>, caller: &Caller, random: &mut Random) -> String {
    let Call { service, name, kind, request, response, additional, error } = call;
    let Caller { identity, address, agent } = caller;
    let time = time.format("%Y-%m-%dT%H:%M:%SZ");
    let (read_only, management) =
        (matches!(kind, Kind::Read | Kind::Data) && *name != "PutObject", *kind != Kind::Data);
    let event_type = if *kind == Kind::Login { "AwsConsoleSignIn" } else { "AwsApiCall" };
    let category = if management { "Management" } else { "Data" };
    let error = error.map_or(String::new(), |code| {
        format!(r#""errorCode":"{code}","errorMessage":"User is not authorized to perform: {service}:{name}","#)
    });
    let additional =
        if additional.is_empty() { String::new() } else { format!(r#""additionalEventData":{additional},"#) };
    let (request_id, event_id) = (random.word(16), random.uuid());
    format!(
        r#"{{"eventVersion":"1.11","userIdentity":{identity},"eventTime":"{time}","eventSource":"{service}.amazonaws.com","eventName":"{name}","awsRegion":"us-east-1","sourceIPAddress":"{address}","userAgent":"{agent}",{error}"requestParameters":{request},"responseElements":{response},{additional}"requestID":"{request_id}","eventID":"{event_id}","readOnly":{read_only},"eventType":"{event_type}","managementEvent":{management},"recipientAccountId":"{ACCOUNT}","eventCategory":"{category}","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{service}.us-east-1.amazonaws.com"}}}}"#
    )
}

/// The attacker in the account.
fn story(now: DateTime<Utc>, random: &mut Random) -> Vec<Timed> {
    let thief = user(STOLEN, "ASIA", ATTACKER, BROWSER);
    let service = user(SERVICE_USER, "AKIA", ATTACKER, "aws-cli/2.17.20 md/awscrt#0.20.11 exe/x86_64");
    let mut records = Vec::new();
    let mut add = |time: DateTime<Utc>, caller: &Caller, call: Call<'_>| {
        records.push((time.timestamp_micros(), record(time, &call, caller, random)));
    };
    let success = r#"{"ConsoleLogin":"Success"}"#;
    let login =
        Call { response: success, additional: LOGIN_WITHOUT_MFA, ..call("signin", "ConsoleLogin", Kind::Login) };
    add(before(now, step::CONSOLE), &thief, login);
    for (index, name) in
        ["ListUsers", "ListRoles", "ListAttachedUserPolicies", "ListAccessKeys"].into_iter().enumerate()
    {
        let time = before(now, step::CONSOLE) + TimeDelta::seconds(75 + 40 * index as i64);
        add(time, &thief, call("iam", name, Kind::Read));
    }
    let key = Call {
        request: format!(r#"{{"userName":"{SERVICE_USER}"}}"#),
        response: r#"{"accessKey":{"accessKeyId":"AKIAEXAMPLESVCBACKUP","status":"Active","userName":"svc-backup"}}"#,
        ..call("iam", "CreateAccessKey", Kind::Write)
    };
    add(before(now, step::KEY), &thief, key);
    for minutes in 1..=30 {
        let time = before(now, step::KEY) + TimeDelta::minutes(minutes);
        let request = format!(r#"{{"bucketName":"example-backups","key":"2026/customers-{minutes:02}.tar"}}"#);
        add(time, &service, Call { request, ..call("s3", "GetObject", Kind::Data) });
    }
    let request = format!(r#"{{"name":"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/main"}}"#);
    add(before(now, step::STOP), &service, Call { request, ..call("cloudtrail", "StopLogging", Kind::Write) });
    records
}

fn call<'a>(service: &'a str, name: &'a str, kind: Kind) -> Call<'a> {
    Call { service, name, kind, request: "null".to_owned(), response: "null", additional: "", error: None }
}
