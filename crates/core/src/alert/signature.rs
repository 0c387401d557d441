//! Signatures of webhooks, as Standard Webhooks has them (<https://www.standardwebhooks.com>): HMAC-SHA256 over the
//! message's id, the time of this try and the body, so that a receiver can refuse what is old or changed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{Error, Result};

/// In front of a secret that is written in base64.
const PREFIX: &str = "whsec_";

/// The header `webhook-signature` for a body that is sent at a time, seconds since 1970. A secret is `whsec_` and base64,
/// or any other text, which is then taken as it is.
///
/// # Errors
/// [`Kind::BadConfig`](crate::Kind::BadConfig) when the secret is empty or `whsec_` is followed by no base64.
pub fn sign(secret: &str, id: &str, timestamp_s: i64, body: &str) -> Result<String> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => {
            STANDARD.decode(encoded).map_err(|error| refused("is no base64 after `whsec_`").because(error))?
        }
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err(refused("is empty"));
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| refused("is no key").because(error))?;
    mac.update(format!("{id}.{timestamp_s}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

fn refused(what: &str) -> Error {
    Error::bad_config(format!("failed to sign a webhook: the secret {what}"))
        .hint("make one with `echo whsec_$(openssl rand -base64 32)`")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's libraries.
    #[test]
    fn the_known_example_is_signed_as_others_sign_it() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signed.expect("signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_that_protect_nothing_are_refused() {
        assert!(
            sign("", "a", 0, "").is_err()
                && sign("whsec_", "a", 0, "").is_err()
                && sign("whsec_*", "a", 0, "").is_err()
        );
    }
}
