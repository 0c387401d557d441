//! The API calls of the generated CloudTrail logs. Names in `<…>` are filled in for each record.

/// One kind of API call.
pub(super) struct Call {
    /// How many of 100 records are such a call.
    pub(super) weight: usize,
    /// The service's name in front of `.amazonaws.com`.
    pub(super) service: &'static str,
    /// `eventName`.
    pub(super) name: &'static str,
    /// `readOnly`.
    pub(super) read_only: bool,
    /// `requestParameters`.
    pub(super) request: &'static str,
    /// `responseElements`.
    pub(super) response: &'static str,
    /// Fields that only this call has, each with a comma behind it.
    pub(super) extra: &'static str,
}

const PLAIN: Call =
    Call { weight: 0, service: "sts", name: "", read_only: true, request: "null", response: "null", extra: "" };

const S3_EXTRA: &str = r#""additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"<base64:76>","bytesTransferredOut":<number:5>},"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::<bucket>/<object>"},{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<bucket>"}],"#;

/// Every kind of call; the weights are 100 together.
pub(super) const CALLS: [Call; 14] = [
    Call {
        weight: 20,
        service: "ec2",
        name: "DescribeInstances",
        request: r#"{"instancesSet":{"items":[{"instanceId":"<instance>"},{"instanceId":"<instance>"}]},"filterSet":{"items":[{"name":"instance-state-name","valueSet":{"items":[{"value":"running"},{"value":"pending"}]}}]}}"#,
        ..PLAIN
    },
    Call {
        weight: 9,
        service: "sts",
        name: "AssumeRole",
        request: r#"{"roleArn":"arn:aws:iam::<account>:role/<role>","roleSessionName":"<session>","durationSeconds":3600}"#,
        response: r#"{"credentials":{"accessKeyId":"ASIA<capitals:16>","sessionToken":"<base64:340>","expiration":"Mar 2, 2026, 11:17:54 PM"},"assumedRoleUser":{"assumedRoleId":"AROA<capitals:17>:<session>","arn":"arn:aws:sts::<account>:assumed-role/<role>/<session>"}}"#,
        extra: r#""resources":[{"accountId":"<account>","type":"AWS::IAM::Role","ARN":"arn:aws:iam::<account>:role/<role>"}],"#,
        ..PLAIN
    },
    Call {
        weight: 9,
        service: "s3",
        name: "GetObject",
        request: r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","key":"<object>"}"#,
        extra: S3_EXTRA,
        ..PLAIN
    },
    Call {
        weight: 3,
        service: "s3",
        name: "PutObject",
        read_only: false,
        request: r#"{"bucketName":"<bucket>","Host":"<bucket>.s3.<region>.amazonaws.com","x-amz-storage-class":"STANDARD","key":"<object>"}"#,
        response: r#"{"x-amz-server-side-encryption":"aws:kms","x-amz-server-side-encryption-aws-kms-key-id":"arn:aws:kms:<region>:<account>:key/<key>","x-amz-version-id":"<base64:32>"}"#,
        extra: S3_EXTRA,
    },
    Call {
        weight: 10,
        service: "kms",
        name: "Decrypt",
        request: r#"{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::<bucket>/<object>"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"arn:aws:kms:<region>:<account>:key/<key>"}"#,
        extra: r#""additionalEventData":{"keyMaterialId":"<hex:64>"},"resources":[{"accountId":"<account>","type":"AWS::KMS::Key","ARN":"arn:aws:kms:<region>:<account>:key/<key>"}],"#,
        ..PLAIN
    },
    Call { weight: 16, name: "GetCallerIdentity", ..PLAIN },
    Call {
        weight: 8,
        service: "s3",
        name: "GetBucketTagging",
        request: r#"{"tagging":"","bucketName":"<bucket>","Host":"<bucket>.s3.amazonaws.com"}"#,
        extra: r#""errorCode":"NoSuchTagSet","errorMessage":"The TagSet does not exist","resources":[{"accountId":"<account>","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::<bucket>"}],"#,
        ..PLAIN
    },
    Call {
        weight: 4,
        service: "logs",
        name: "CreateLogStream",
        read_only: false,
        request: r#"{"logGroupName":"/aws/lambda/<role>","logStreamName":"2026/03/02/[$LATEST]<hex:32>"}"#,
        extra: r#""apiVersion":"20140328","#,
        ..PLAIN
    },
    Call {
        weight: 7,
        service: "ssm",
        name: "UpdateInstanceInformation",
        read_only: false,
        request: r#"{"instanceId":"<instance>","agentVersion":"3.3.987.0","agentStatus":"Active","platformType":"Linux","platformName":"Amazon Linux","platformVersion":"2023","iPAddress":"10.0.<number:2>.<number:2>","computerName":"ip-10-0-<number:2>-<number:2>.<region>.compute.internal","agentName":"amazon-ssm-agent","availabilityZone":"<region>a","sSMConnectionChannel":"ssmmessages"}"#,
        ..PLAIN
    },
    Call {
        weight: 6,
        service: "iam",
        name: "GetRole",
        request: r#"{"roleName":"<role>"}"#,
        extra: r#""errorCode":"AccessDenied","errorMessage":"User: <actor> is not authorized to perform: iam:GetRole on resource: role <role> because no identity-based policy allows the iam:GetRole action","#,
        ..PLAIN
    },
    Call {
        weight: 5,
        service: "dynamodb",
        name: "DescribeTable",
        request: r#"{"tableName":"<role>-state"}"#,
        extra: r#""resources":[{"accountId":"<account>","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:<region>:<account>:table/<role>-state"}],"apiVersion":"2012-08-10","#,
        ..PLAIN
    },
    Call {
        weight: 1,
        service: "ecr",
        name: "BatchGetImage",
        request: r#"{"repositoryName":"apps/<role>","imageIds":[{"imageDigest":"sha256:<hex:64>"}],"acceptedMediaTypes":["application/vnd.docker.distribution.manifest.v2+json","application/vnd.oci.image.index.v1+json"],"registryId":"<account>"}"#,
        extra: r#""resources":[{"accountId":"<account>","ARN":"arn:aws:ecr:<region>:<account>:repository/apps/<role>"}],"#,
        ..PLAIN
    },
    Call {
        weight: 1,
        service: "ec2",
        name: "RunInstances",
        read_only: false,
        request: r#"{"instancesSet":{"items":[{"imageId":"ami-<hex:17>","minCount":1,"maxCount":1}]},"instanceType":"m7g.large","blockDeviceMapping":{},"monitoring":{"enabled":false},"disableApiTermination":false,"clientToken":"<uuid>","subnetId":"subnet-<hex:17>"}"#,
        response: r#"{"requestId":"<uuid>","reservationId":"r-<hex:17>","ownerId":"<account>","groupSet":{},"instancesSet":{"items":[{"instanceId":"i-<hex:17>","imageId":"ami-<hex:17>","currentInstanceBootMode":"uefi","instanceState":{"code":0,"name":"pending"},"privateDnsName":"ip-10-0-<number:2>-<number:2>.<region>.compute.internal","amiLaunchIndex":0,"productCodes":{},"instanceType":"m7g.large","launchTime":1772409600000,"placement":{"availabilityZone":"<region>a","tenancy":"default"},"monitoring":{"state":"disabled"},"subnetId":"subnet-<hex:17>","vpcId":"vpc-<hex:17>","privateIpAddress":"10.0.<number:2>.<number:2>","stateReason":{"code":"pending","message":"pending"},"architecture":"arm64","rootDeviceType":"ebs","rootDeviceName":"/dev/xvda","virtualizationType":"hvm","hypervisor":"xen","tagSet":{"items":[{"key":"Name","value":"<role>"}]},"networkInterfaceSet":{"items":[{"networkInterfaceId":"eni-<hex:17>","status":"in-use","macAddress":"0e:<hex:2>:<hex:2>:<hex:2>:<hex:2>:<hex:2>"}]}}]}}"#,
        ..PLAIN
    },
    Call {
        weight: 1,
        service: "ec2",
        name: "ReleaseAddress",
        read_only: false,
        request: r#"{"allocationId":"eipalloc-<hex:17>","networkBorderGroup":"<region>"}"#,
        response: r#"{"requestId":"<uuid>","_return":true}"#,
        ..PLAIN
    },
];
