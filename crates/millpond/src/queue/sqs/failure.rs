//! What an error of SQS means.

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use millpond_core::Error;

/// The error of a call that needs `permission`, such as `sqs:ReceiveMessage`, on the queue that people call `name`.
pub(super) fn failed<E, R>(name: &str, permission: &str, error: SdkError<E, R>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let text = error.message().unwrap_or_default();
    let told = match short(&code) {
        "NonExistentQueue" | "QueueDoesNotExist" => Error::bad_config(format!("queue `{name}` does not exist"))
            .hint("check name, account and region; AWS says the same to whoever may not know of the queue"),
        "AccessDenied" | "AccessDeniedException" if text.contains("kms:") => denied(name, "kms:Decrypt"),
        "AccessDenied" | "AccessDeniedException" => denied(name, permission),
        code if is_kms(code) => denied(name, "kms:Decrypt"),
        _ => Error::transient(format!("`{permission}` failed on queue `{name}`")),
    };
    told.because(error)
}

fn denied(name: &str, permission: &str) -> Error {
    Error::bad_config(format!("queue `{name}` may not be used: permission `{permission}` is missing"))
        .hint(format!("allow `{permission}` in a policy of the role or user whose credentials these are"))
}

/// SQS hands on what the key's policy says as `KmsAccessDenied` or `KMS.AccessDeniedException`.
fn is_kms(code: &str) -> bool {
    code.to_ascii_lowercase().starts_with("kms") && code.contains("AccessDenied")
}

/// A code as newer protocols write it, without `AWS.SimpleQueueService.`.
fn short(code: &str) -> &str {
    code.rsplit_once("SimpleQueueService.").map_or(code, |(_, short)| short)
}

/// Whether the entry failed because its handle is worthless by now, which harms nobody.
pub(super) fn is_over(entry: &BatchResultErrorEntry) -> bool {
    match short(entry.code()) {
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => true,
        // `Value … for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`, or `Message does not
        // exist or is not available for visibility timeout change.`
        "InvalidParameterValue" => entry.message().is_some_and(|text| text.contains("ReceiptHandle is invalid")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worthless_handles_are_told_from_other_failures() {
        let entry = |code: &str, text: &str| {
            let entry = BatchResultErrorEntry::builder().id("0").sender_fault(true).code(code).message(text);
            entry.build().expect("entry")
        };
        for (code, text) in [
            ("ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
            ("AWS.SimpleQueueService.MessageNotInflight", ""),
            (
                "InvalidParameterValue",
                "Value AQ for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
            ),
        ] {
            assert!(is_over(&entry(code, text)), "{code}");
        }
        for (code, text) in [
            ("InternalError", "We encountered an internal error. Please try again."),
            (
                "InvalidParameterValue",
                "Value 43200 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]",
            ),
        ] {
            assert!(!is_over(&entry(code, text)), "{code}");
        }
    }
}
