//! One error for everything that can go wrong, and the class that decides what happens next.
//!
//! Rules: the *class*, never the text, decides. A message is a lowercase phrase without a full
//! stop that says what was being done and to which thing; the cause follows after a colon; at most
//! one hint says what to do. Values in backticks. Nothing secret, no encoded authorisation blob.

use std::fmt;

use crate::report::Evidence;

/// What an error means for the work in hand. Lambda repeats a failed asynchronous invocation twice
/// whatever its class; the class says whether that can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It may pass: throttled, timed out, leased by another. The invocation fails, Lambda retries
    /// and the incident resumes where it stopped.
    Transient,
    /// AWS refused the principal: a person has to change a permission.
    Denied,
    /// The thing is not there. Usually the goal is met.
    Missing,
    /// The thing has changed under us. An undo is refused, a plan is made anew.
    Conflict,
    /// The input is wrong. Goes to the dead-letter queue as it is.
    Invalid,
    /// A mistake of ours, or an answer of AWS that we do not know: a person has to look.
    Bug,
}

impl Class {
    /// The class as it stands in metrics and in `errorType` of a failed invocation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Bug => "bug",
        }
    }
}

/// An error with its class, its causes in the order they happened, and at most one hint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    class: Class,
    message: String,
    hint: Option<String>,
    code: Option<String>,
    evidence: Option<Box<Evidence>>,
}

/// What a hint and the evidence stand behind in an error as it is written.
const HINT: &str = "\nhint: ";
const EVIDENCE: &str = "\nevidence: ";

/// The result of everything in Backstop that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[cold]
    fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, code: None, evidence: None }
    }

    /// An error that may pass.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::new(Class::Transient, message)
    }

    /// AWS refused the principal.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(Class::Denied, message)
    }

    /// The thing is not there.
    pub fn missing(message: impl Into<String>) -> Self {
        Self::new(Class::Missing, message)
    }

    /// The thing has changed under us.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Class::Conflict, message)
    }

    /// The input is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Class::Invalid, message)
    }

    /// A mistake of ours, or an answer that we do not know.
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(Class::Bug, message)
    }

    /// The same error with what was being done put before it.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The same error with the one thing to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error with the error code that AWS sent, for evidence and metrics.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same error with what a program needs that shows it to a person.
    #[must_use]
    pub fn with_evidence(mut self, evidence: Evidence) -> Self {
        self.evidence = Some(Box::new(evidence));
        self
    }

    /// What the error means for the work in hand.
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The one thing to do about it, if there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The error code that AWS sent, if it came from AWS.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// What a program needs that shows it to a person, if there is more than the message.
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_deref()
    }

    /// The text that Lambda reports as `errorMessage`, beside the class as `errorType`: the message,
    /// the hint and the evidence, each on lines of its own.
    pub fn written(&self) -> String {
        let mut text = self.message.clone();
        if let Some(hint) = &self.hint {
            text.extend([HINT, hint]);
        }
        if let Some(evidence) = &self.evidence
            && let Ok(json) = serde_json::to_string(evidence)
        {
            text.extend([EVIDENCE, &json]);
        }
        text
    }

    /// The error that a function reported; none if `error_type` is no class, because Lambda itself
    /// reported it.
    pub fn read(error_type: &str, error_message: &str) -> Option<Self> {
        let class = serde_json::from_value(error_type.into()).ok()?;
        let mut error = Self::new(class, error_message);
        if let Some((rest, json)) = error_message.rsplit_once(EVIDENCE)
            && let Ok(evidence) = serde_json::from_str(json)
        {
            rest.clone_into(&mut error.message);
            error.evidence = Some(Box::new(evidence));
        }
        if let Some((rest, hint)) = error.message.clone().rsplit_once(HINT) {
            rest.clone_into(&mut error.message);
            error.hint = Some(hint.to_owned());
        }
        Some(error)
    }

    /// Whether it may pass by itself.
    pub fn is_transient(&self) -> bool {
        self.class == Class::Transient
    }

    /// Whether the thing is not there.
    pub fn is_missing(&self) -> bool {
        self.class == Class::Missing
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Adds what was being done to the error of a result.
pub trait Context<T> {
    /// Puts `doing()` before the message of the error.
    ///
    /// # Errors
    /// The same error, with its class unchanged.
    fn while_doing<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T>;
}

impl<T> Context<T> for Result<T> {
    fn while_doing<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Self {
        self.map_err(|e| e.context(doing()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_function_reports_is_read_back() {
        let changed = Evidence::Changed {
            step: 2,
            resource: "arn".into(),
            before: json!({ "x": "\nhint: none" }),
            after: Some(json!(null)),
            now: json!([1]),
        };
        for error in [
            Error::transient("throttled"),
            Error::invalid("two\nlines").hint("do this"),
            Error::conflict("it has changed").hint("look").with_evidence(changed.clone()),
            Error::conflict("it has changed").with_evidence(changed),
        ] {
            let read = Error::read(error.class().name(), &error.written()).unwrap();
            // `null` and none are one in JSON.
            assert_eq!(read.written(), error.written());
            assert_eq!((read.class(), read.to_string()), (error.class(), error.to_string()));
            assert_eq!(read.hint_text(), error.hint_text());
            assert_eq!(read.evidence().is_some(), error.evidence().is_some());
        }
        assert_eq!(Error::read("Runtime.ExitError", "exit status 1"), None, "Lambda's own");
    }
}
