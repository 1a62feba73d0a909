//! What AWS's error codes mean (spec §13). The only place that sees an `SdkError`.
//!
//! Codes are matched as they stand on the wire; an unknown one is escalated, never retried.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use backstop_core::error::Class;
use backstop_core::text::safe;
use backstop_core::{Error, Result};

/// Turns an SDK error into one with a class.
pub trait Classify<T> {
    /// The same result, with the error classed. `action` is the IAM action, such as
    /// `ec2:RevokeSecurityGroupIngress`.
    ///
    /// # Errors
    /// The error, classed by its code.
    fn classed(self, action: &str) -> Result<T>;
}

impl<T, E> Classify<T> for std::result::Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata,
{
    fn classed(self, action: &str) -> Result<T> {
        self.map_err(|error| to_error(&error, action))
    }
}

/// The class of an error code.
pub fn class_of(code: &str) -> Class {
    match code {
        // Retry with back-off.
        "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "CallRateLimitExceededException"
        | "ProvisionedThroughputExceededException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "SlowDown"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "Unavailable"
        | "InternalError"
        | "InternalErrorException"
        | "InternalFailure"
        | "InternalServerError"
        | "InternalServerException"
        | "SnapshotCreationPerVolumeRateExceeded"
        | "ConcurrentSnapshotLimitExceeded"
        | "TransactionInProgressException"
        | "TransactionConflictException"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "KMSThrottlingException" => Class::Transient,
        code if code.starts_with("Throttl") => Class::Transient,
        // Refused.
        "UnauthorizedOperation"
        | "Client.UnauthorizedOperation"
        | "AuthorizationError"
        | "AuthorizationErrorException"
        | "AuthFailure"
        | "OptInRequired"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "SignatureDoesNotMatch"
        | "KMSAccessDenied"
        | "KMSAccessDeniedException" => Class::Denied,
        code if code.starts_with("AccessDenied") => Class::Denied,
        // Not there.
        "NoSuchEntity"
        | "NotFound"
        | "NotFoundException"
        | "ResourceNotFoundException"
        | "DoesNotExistException"
        | "OpsItemNotFoundException" => Class::Missing,
        code if code.ends_with(".NotFound") => Class::Missing,
        // Changed under us, or there already.
        "InvalidPermission.Duplicate"
        | "InvalidGroup.Duplicate"
        | "EntityAlreadyExists"
        | "PreconditionFailedException"
        | "IdempotentParameterMismatch"
        | "IdempotentParameterMismatchException"
        | "ResourceInUseException"
        | "ResourceConflictException"
        | "ConcurrentModification"
        | "ConditionalCheckFailedException"
        | "OpsItemAlreadyExistsException" => Class::Conflict,
        // Ours to mend.
        "ValidationException"
        | "ValidationError"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "MissingParameter"
        | "InvalidParameter"
        | "InvalidParameterException" => Class::Invalid,
        code if code.ends_with(".Malformed") => Class::Invalid,
        _ => Class::Bug,
    }
}

fn to_error<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>, action: &str) -> Error {
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let code = service.err().code().unwrap_or("");
            // AWS appends an encoded blob that tells an attacker more than it tells us.
            let message = service.err().message().unwrap_or("no message");
            let message = message.split(" Encoded authorization").next().unwrap_or(message);
            of_code(action, code, &safe(message, 400), status)
        }
        SdkError::TimeoutError(_) => Error::transient(format!("`{action}` timed out")),
        SdkError::DispatchFailure(_) => Error::transient(format!("`{action}` was not answered")),
        SdkError::ResponseError(_) => {
            Error::transient(format!("the answer to `{action}` could not be read"))
        }
        SdkError::ConstructionFailure(_) | _ => Error::bug(format!("`{action}` could not be sent")),
    }
}

/// The error of a code, as AWS sent it.
pub fn of_code(action: &str, code: &str, message: &str, status: u16) -> Error {
    let mut class = class_of(code);
    // A server's fault without a code that we know may pass; 501 will not.
    if class == Class::Bug && (500..600).contains(&status) && status != 501 {
        class = Class::Transient;
    }
    let text = format!("`{action}`: {code}: {message}");
    let error = match class {
        Class::Transient => Error::transient(text),
        Class::Denied => Error::denied(format!("`{action}`: access denied ({code})"))
            .hint(format!("the role of this function lacks `{action}` for this resource")),
        Class::Missing => Error::missing(text),
        Class::Conflict => Error::conflict(text),
        Class::Invalid => Error::invalid(text),
        Class::Bug => Error::bug(text),
    };
    error.with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_error_dictionary_has_its_class() {
        use Class as C;
        for (code, class) in [
            ("InvalidSecurityGroupRuleId.NotFound", C::Missing),
            ("InvalidGroup.NotFound", C::Missing),
            ("InvalidPermission.NotFound", C::Missing),
            ("InvalidInstanceID.NotFound", C::Missing),
            ("InvalidKeyPair.NotFound", C::Missing),
            ("NoSuchEntity", C::Missing),
            ("DoesNotExistException", C::Missing),
            ("InvalidPermission.Duplicate", C::Conflict),
            ("InvalidGroup.Duplicate", C::Conflict),
            ("EntityAlreadyExists", C::Conflict),
            ("OpsItemAlreadyExistsException", C::Conflict),
            ("IdempotentParameterMismatchException", C::Conflict),
            ("RequestLimitExceeded", C::Transient),
            ("Throttling", C::Transient),
            ("ThrottlingException", C::Transient),
            ("TooManyRequestsException", C::Transient),
            ("CallRateLimitExceededException", C::Transient),
            ("ServiceUnavailableException", C::Transient),
            ("InternalError", C::Transient),
            ("AccessDenied", C::Denied),
            ("AccessDeniedException", C::Denied),
            ("UnauthorizedOperation", C::Denied),
            ("AuthorizationErrorException", C::Denied),
            ("InvalidGroupId.Malformed", C::Invalid),
            ("ValidationException", C::Invalid),
            ("UnmodifiableEntity", C::Bug),
            ("LimitExceeded", C::Bug),
            ("BlockedByOrganizationPolicyException", C::Bug),
            ("OperationNotPermitted", C::Bug),
            ("SomethingNewIn2027", C::Bug),
            ("", C::Bug),
        ] {
            assert_eq!(class_of(code), class, "{code}");
        }
    }

    #[test]
    fn a_server_fault_may_pass_but_a_missing_operation_does_not() {
        assert_eq!(of_code("a:B", "", "x", 500).class(), Class::Transient);
        assert_eq!(of_code("a:B", "Odd", "x", 503).class(), Class::Transient);
        assert_eq!(of_code("a:B", "", "x", 501).class(), Class::Bug);
        assert_eq!(of_code("a:B", "Odd", "x", 400).class(), Class::Bug);
    }

    #[test]
    fn a_refusal_names_the_missing_permission_and_no_blob() {
        let error = of_code("ec2:X", "UnauthorizedOperation", "secret blob", 403);
        assert_eq!(error.to_string(), "`ec2:X`: access denied (UnauthorizedOperation)");
        assert_eq!(
            error.hint_text(),
            Some("the role of this function lacks `ec2:X` for this resource")
        );
    }
}
