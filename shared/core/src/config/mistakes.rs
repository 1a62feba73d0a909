//! What is wrong with a policy, all of it at once.

use std::fmt;

use crate::error::Error;

/// One thing that is wrong with a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The key, such as `exemption[2].expires`, counted from 0; empty if the text cannot be read.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
    /// The one thing to do about it.
    pub hint: Option<String>,
    /// Where it stands, the first line being 1.
    pub line: Option<usize>,
}

/// Everything that is wrong with a policy, in the order of the text. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            write!(f, "{}{mistake}", if n > 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl From<Mistakes> for Error {
    fn from(mistakes: Mistakes) -> Self {
        Self::invalid(mistakes.to_string()).hint("run `backstop config check` before you deploy")
    }
}
