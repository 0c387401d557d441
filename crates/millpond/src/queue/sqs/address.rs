//! Where a queue is: what its URL says about account, region and endpoint.

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use millpond_core::{Error, Result};
use url::Url;

/// The region of queues whose address and environment name none.
const REGION: &str = "us-east-1";
const HINT: &str = "use `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`, or `sqs://NAME` in the account and region of \
                    the environment";

/// A queue's address.
#[derive(Debug, PartialEq)]
pub(super) enum Address {
    /// The queue's URL, and what its host says.
    Url { url: String, region: Option<String>, endpoint: Option<String> },
    /// The queue's name; SQS knows the URL.
    Name(String),
}

impl Address {
    /// # Errors
    /// [`Kind::BadConfig`](millpond_core::Kind::BadConfig) for what is no queue's URL.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let refused = || Error::bad_config(format!("`{text}` is not the URL of a queue")).hint(HINT);
        if let Some(name) = text.strip_prefix("sqs://") {
            return if is_name(name) { Ok(Self::Name(name.to_owned())) } else { Err(refused()) };
        }
        let url = Url::parse(text).map_err(|error| refused().because(error))?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or_else(refused)?;
        let parts: Vec<&str> = url.path().trim_matches('/').split('/').collect();
        let [.., account, name] = parts[..] else { return Err(refused()) };
        if account.is_empty() || !is_name(name) {
            return Err(refused());
        }
        let region = region_of(host).map(str::to_owned);
        let endpoint = needs_endpoint(host).then(|| url.origin().ascii_serialization());
        Ok(Self::Url { url: text.to_owned(), region, endpoint })
    }

    /// Where to send requests when the environment does not say.
    pub(super) fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Url { endpoint, .. } => endpoint.as_deref(),
            Self::Name(_) => None,
        }
    }
}

/// Credentials and the rest of the environment, for the address's region.
pub(super) async fn config(address: &Address) -> SdkConfig {
    let region = match address {
        Address::Url { region: Some(region), .. } => RegionProviderChain::first_try(Region::new(region.clone())),
        // An emulator has no region: the machine's own is not asked for, which takes seconds where there is none.
        Address::Url { region: None, .. } => RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()),
        Address::Name(_) => RegionProviderChain::default_provider(),
    };
    aws_config::defaults(BehaviorVersion::latest()).region(region.or_else(REGION)).load().await
}

/// What SQS allows in a name.
fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// `REGION` in `sqs.REGION.amazonaws.com`, `sqs-fips.REGION.amazonaws.com`, `sqs.REGION.api.aws`, the addresses of private
/// endpoints (`ID.sqs.REGION.vpce.amazonaws.com`) and the older `REGION.queue.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let labels: Vec<&str> = host.split('.').collect();
    if !is_aws(host) {
        return None;
    }
    labels.windows(2).find_map(|pair| match pair {
        ["sqs" | "sqs-fips", region] => Some(*region),
        [region, "queue"] => Some(*region),
        _ => None,
    })
}

fn is_aws(host: &str) -> bool {
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|suffix| host.ends_with(suffix))
}

/// The client finds AWS's public endpoints by their region, and nothing else.
fn needs_endpoint(host: &str) -> bool {
    !is_aws(host) || host.contains(".vpce.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tell_region_and_endpoint() {
        for (text, region, endpoint) in [
            ("https://sqs.eu-central-1.amazonaws.com/123456789012/in", Some("eu-central-1"), None),
            ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/in", Some("us-gov-west-1"), None),
            ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/in", Some("cn-north-1"), None),
            ("https://sqs.eu-west-1.api.aws/123456789012/in.fifo", Some("eu-west-1"), None),
            ("https://us-west-2.queue.amazonaws.com/123456789012/in", Some("us-west-2"), None),
            (
                "https://vpce-1-2.sqs.us-east-2.vpce.amazonaws.com/123456789012/in",
                Some("us-east-2"),
                Some("https://vpce-1-2.sqs.us-east-2.vpce.amazonaws.com"),
            ),
            ("http://127.0.0.1:4577/000000000000/in_1", None, Some("http://127.0.0.1:4577")),
            ("http://localhost:4566/queue/us-east-1/000000000000/in", None, Some("http://localhost:4566")),
        ] {
            let (region, endpoint) = (region.map(str::to_owned), endpoint.map(str::to_owned));
            let expected = Address::Url { url: text.to_owned(), region, endpoint };
            assert_eq!(Address::parse(text).expect("address"), expected);
        }
        assert_eq!(Address::parse("sqs://my-Queue_1").expect("address"), Address::Name("my-Queue_1".to_owned()));
    }

    #[test]
    fn what_is_no_queue_is_refused() {
        for text in
            ["in", "sqs://", "sqs://a/b", "sqs://a b", "s3://bucket/key", "https://sqs.eu-west-1.amazonaws.com/in"]
        {
            let error = Address::parse(text).expect_err(text);
            assert!(error.report().contains("hint: use `https://sqs.REGION"), "{error:?}");
        }
    }
}
