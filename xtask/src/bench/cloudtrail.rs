//! CloudTrail records that nobody logged: the shape of real ones with fresh ids and rising times.

use std::fmt::Write as _;

use super::calls::{CALLS, Call};
use super::random::{BASE64, CAPITALS, DIGITS, HEX, Random};

const RECORD: &str = r#"{"eventVersion":"1.09","userIdentity":<identity>,"eventTime":"<time>","eventSource":"<service>.amazonaws.com","eventName":"<name>","awsRegion":"<region>","sourceIPAddress":"<ip>","userAgent":"<agent>",<extra>"requestParameters":<request>,"responseElements":<response>,"requestID":"<uuid>","eventID":"<uuid>","readOnly":<read_only>,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"<account>","eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"<service>.<region>.amazonaws.com"}}"#;
const ROLE_IDENTITY: &str = r#"{"type":"AssumedRole","principalId":"AROA<capitals:17>:session-<number:10>","arn":"<actor>","accountId":"<account>","accessKeyId":"ASIA<capitals:16>","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROA<capitals:17>","arn":"arn:aws:iam::<account>:role/<role>","accountId":"<account>","userName":"<role>"},"attributes":{"creationDate":"2026-03-01T23:58:1<number:1>Z","mfaAuthenticated":"false"}}}"#;
const USER_IDENTITY: &str = r#"{"type":"IAMUser","principalId":"AIDA<capitals:17>","arn":"<actor>","accountId":"<account>","accessKeyId":"AKIA<capitals:16>","userName":"<role>"}"#;

const REGIONS: [&str; 4] = ["us-east-1", "us-west-2", "eu-west-1", "ap-southeast-2"];
const ROLES: [&str; 8] = ["ingest", "billing-export", "web", "deploy", "search-indexer", "backup", "ml-train", "audit"];
const AGENTS: [&str; 5] = [
    "lambda.amazonaws.com",
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.5 (+https://www.terraform.io) terraform-provider-aws/5.64.0 aws-sdk-go-v2/1.30.4 os/linux lang/go#1.22.6",
    "Boto3/1.35.10 md/Botocore#1.35.10 ua/2.0 os/linux#5.10.223",
    "aws-sdk-java/2.27.17 Linux/6.1.102 OpenJDK_64-Bit_Server_VM/21.0.4 vendor/Amazon.com_Inc. io/sync http/Apache cfg/retry-mode/standard",
    "amazon-ssm-agent/3.3.987.0 aws-sdk-go/1.55.5 (go1.22.6; linux; arm64)",
];
/// Milliseconds from one record to the next.
const STEP_MS: u64 = 90;
/// One record in so many is delivered twice.
const REPEAT_EVERY: usize = 500;
const PRINCIPALS: usize = 60;
/// Calls that one principal makes on average before the next one's turn.
const CALLS_IN_A_BURST: usize = 8;

/// An endless stream of records.
pub(super) struct CloudTrail {
    random: Random,
    principals: Vec<Principal>,
    /// Who calls at the moment, and where: calls come in bursts.
    caller: (usize, &'static str),
    index: u64,
    last: String,
}

/// Someone who makes calls: always with the same identity, address and tool.
struct Principal {
    account: String,
    role: String,
    actor: String,
    identity: String,
    ip: String,
    agent: &'static str,
}

impl CloudTrail {
    /// The stream that belongs to `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let principals = (0..PRINCIPALS).map(|_| Principal::new(&mut random)).collect();
        Self { random, principals, caller: (0, REGIONS[0]), index: 0, last: String::new() }
    }

    /// Adds one record to `out`; says whether it is the first with its id.
    pub(super) fn push(&mut self, out: &mut String) -> bool {
        self.index += 1;
        let is_new = self.last.is_empty() || self.random.below(REPEAT_EVERY) > 0;
        if is_new {
            self.last.clear();
            if self.random.below(CALLS_IN_A_BURST) == 0 {
                self.caller = (self.random.below(PRINCIPALS), REGIONS[self.random.below(REGIONS.len())]);
            }
            let (principal, region) = (&self.principals[self.caller.0], self.caller.1);
            let call = pick_call(&mut self.random);
            let mut filler = Filler { random: &mut self.random, principal, region, call, index: self.index };
            filler.fill(RECORD, &mut self.last);
        }
        out.push_str(&self.last);
        is_new
    }

    /// Forgets the last record, so that the next is new: a record is not repeated in another file.
    pub(super) fn end_file(&mut self) {
        self.last.clear();
    }
}

impl Principal {
    fn new(random: &mut Random) -> Self {
        let account = format!("11122233300{}", random.below(6));
        let (is_user, role) = (random.below(2) == 0, format!("{}-{}", random.pick(&ROLES), random.below(4)));
        let actor = if is_user {
            format!("arn:aws:iam::{account}:user/{role}")
        } else {
            format!("arn:aws:sts::{account}:assumed-role/{role}/session-{}", random.below(1_000_000))
        };
        let ip = format!("198.51.100.{}", random.below(256));
        let mut principal =
            Self { account, role, actor, identity: String::new(), ip, agent: AGENTS[random.below(AGENTS.len())] };
        let mut identity = String::new();
        let mut filler = Filler { random, principal: &principal, region: REGIONS[0], call: &CALLS[0], index: 0 };
        filler.fill(if is_user { USER_IDENTITY } else { ROLE_IDENTITY }, &mut identity);
        principal.identity = identity;
        principal
    }
}

fn pick_call(random: &mut Random) -> &'static Call {
    let mut rest = random.below(CALLS.iter().map(|call| call.weight).sum());
    for call in &CALLS {
        if rest < call.weight {
            return call;
        }
        rest -= call.weight;
    }
    &CALLS[0]
}

/// Fills the `<…>` of a template for one record.
struct Filler<'a> {
    random: &'a mut Random,
    principal: &'a Principal,
    region: &'static str,
    call: &'static Call,
    index: u64,
}

impl Filler<'_> {
    fn fill(&mut self, template: &str, out: &mut String) {
        let mut rest = template;
        while let Some((before, (name, after))) = rest.split_once('<').and_then(|(a, b)| Some((a, b.split_once('>')?)))
        {
            out.push_str(before);
            match name.split_once(':') {
                Some((alphabet, length)) => self.random_text(alphabet, length.parse().unwrap_or(0), out),
                None => self.field(name, out),
            }
            rest = after;
        }
        out.push_str(rest);
    }

    fn random_text(&mut self, alphabet: &str, length: usize, out: &mut String) {
        match alphabet {
            "hex" => self.random.text(out, HEX, length),
            "base64" => self.random.text(out, BASE64, length),
            "capitals" => self.random.text(out, CAPITALS, length),
            _ => {
                self.random.text(out, &DIGITS[1..], 1); // JSON numbers do not start with 0
                self.random.text(out, DIGITS, length - 1);
            }
        }
    }

    fn field(&mut self, name: &str, out: &mut String) {
        match name {
            "identity" => out.push_str(&self.principal.identity),
            "account" => out.push_str(&self.principal.account),
            "actor" => out.push_str(&self.principal.actor),
            "role" => out.push_str(&self.principal.role),
            "ip" => out.push_str(&self.principal.ip),
            "agent" => out.push_str(self.principal.agent),
            "region" => out.push_str(self.region),
            "service" => out.push_str(self.call.service),
            "name" => out.push_str(self.call.name),
            "read_only" => out.push_str(if self.call.read_only { "true" } else { "false" }),
            "request" => self.fill(self.call.request, out),
            "response" => self.fill(self.call.response, out),
            "extra" => self.fill(self.call.extra, out),
            "time" => self.time(out),
            "object" | "session" => self.own(name, out),
            "uuid" => self.random.uuid(out),
            _ => self.thing(name, out),
        }
    }

    /// What this record names, more than once.
    fn own(&self, name: &str, out: &mut String) {
        let mut fixed = Random::new(self.index);
        if name == "session" {
            out.push_str("session-");
            return fixed.text(out, &DIGITS[1..], 10);
        }
        out.push_str("app/2026/03/02/part-");
        fixed.text(out, DIGITS, 5);
        out.push('-');
        fixed.uuid(out);
        out.push_str(".snappy.parquet");
    }

    /// Things of which an organisation has some hundreds.
    fn thing(&mut self, name: &str, out: &mut String) {
        let number = self.random.below(300);
        let mut fixed = Random::new(number as u64);
        match name {
            "bucket" => out.push_str(["example-data-", "example-logs-", "example-web-"][number % 3]),
            "instance" => out.push_str("i-"),
            _ => return fixed.uuid(out), // the key's id
        }
        fixed.text(out, HEX, 17);
    }

    fn time(&self, out: &mut String) {
        let seconds = self.index * STEP_MS / 1_000;
        let (day, hour, minute) = (2 + seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
        // Writing to a string cannot fail.
        let _ = write!(out, "2026-03-{day:02}T{hour:02}:{minute:02}:{:02}Z", seconds % 60);
    }
}
