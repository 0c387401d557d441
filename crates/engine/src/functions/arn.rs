//! `parse_arn`: the parts of an Amazon resource name.

use super::row::{Function, Kind};
use super::said;

const FIELDS: [(&str, Kind); 6] = [
    ("partition", Kind::Text),
    ("service", Kind::Text),
    ("region", Kind::Text),
    ("account_id", Kind::Text),
    ("resource_type", Kind::Text),
    ("resource", Kind::Text),
];

pub(super) fn functions() -> Vec<Function> {
    vec![Function::object("parse_arn", &FIELDS, |text| {
        let arn = parse(said(text)?)?;
        let (partition, service) = (some(arn.partition), some(arn.service));
        let (region, account) = (some(arn.region), some(arn.account_id));
        Some([
            partition.into(),
            service.into(),
            region.into(),
            account.into(),
            arn.resource_type.into(),
            some(arn.resource).into(),
        ])
    })]
}

/// The parts of an ARN; what it leaves out is empty.
pub(super) struct Arn<'a> {
    pub(super) partition: &'a str,
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) account_id: &'a str,
    pub(super) resource_type: Option<&'a str>,
    pub(super) resource: &'a str,
}

/// `arn:partition:service:region:account:resource`, where the resource may be `type/…`, `type:…` or have no type.
pub(super) fn parse(text: &str) -> Option<Arn<'_>> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, service, region, account_id, rest] = parts[..] else { return None };
    if partition.is_empty() || service.is_empty() || rest.is_empty() {
        return None;
    }
    // What a bucket's name comes before is a key.
    let is_object = service == "s3" && account_id.is_empty();
    let inner = rest.strip_prefix('/').unwrap_or(rest);
    let (resource_type, resource) = match inner.split_once(['/', ':']) {
        Some((kind, resource)) if !is_object => (some(kind), resource),
        _ => (None, rest),
    };
    Some(Arn { partition, service, region, account_id, resource_type, resource })
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing};

    #[test]
    fn names_of_resources() {
        for (text, [partition, service, region, account, kind, resource]) in [
            ("arn:aws:iam::111122223333:user/staff/jane", ["aws", "iam", "NULL", "111122223333", "user", "staff/jane"]),
            ("arn:aws:iam::111122223333:root", ["aws", "iam", "NULL", "111122223333", "NULL", "root"]),
            ("arn:aws:s3:::bucket/a/b.txt", ["aws", "s3", "NULL", "NULL", "NULL", "bucket/a/b.txt"]),
            ("arn:aws:s3:::bucket", ["aws", "s3", "NULL", "NULL", "NULL", "bucket"]),
            (
                "arn:aws:s3:eu-west-1:111122223333:accesspoint/x",
                ["aws", "s3", "eu-west-1", "111122223333", "accesspoint", "x"],
            ),
            (
                "arn:aws-cn:sns:cn-north-1:111122223333:topic",
                ["aws-cn", "sns", "cn-north-1", "111122223333", "NULL", "topic"],
            ),
            (
                "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/x:*",
                ["aws", "logs", "eu-west-1", "111122223333", "log-group", "/aws/x:*"],
            ),
            (
                "arn:aws:apigateway:eu-west-1::/restapis/abc",
                ["aws", "apigateway", "eu-west-1", "NULL", "restapis", "abc"],
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/Admin/jane",
                ["aws", "sts", "NULL", "111122223333", "assumed-role", "Admin/jane"],
            ),
        ] {
            let expected = format!(
                "{{partition: {partition}, service: {service}, region: {region}, account_id: {account}, \
                 resource_type: {kind}, resource: {resource}}}"
            );
            gives("parse_arn", &[(text, &expected)]);
        }
        gives_nothing(
            "parse_arn",
            &["", "-", "arn", "arn:aws:s3", "arn:aws:s3:::", "arn::s3:::x", "urn:a:b:c:d:e", "é:"],
        );
    }
}
