//! One error for everything that can go wrong, and the class that decides what happens next.
//!
//! Rules: the *class*, never the text, decides. A message is a lowercase phrase without a full
//! stop that says what was being done and to which thing; the cause follows after a colon; at most
//! one hint says what to do. Values in backticks. Nothing secret, no encoded authorisation blob.

use std::fmt;

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
}

/// The result of everything in Backstop that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    #[cold]
    fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, code: None }
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
