//! How the command ends: exit codes as constants, errors with one hint.

use std::io::Write;
use std::process::ExitCode;

use backstop_core::error::Class;
use backstop_core::report::Reported;
use backstop_core::words::Outcome;

use crate::render::{clean, visible};

/// The exit codes (design §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing found.
    Done = 0,
    /// Findings, or changes pending.
    Findings = 1,
    /// Usage or input.
    Usage = 2,
    /// AWS refused or is unavailable.
    Aws = 3,
    /// Held by a guard.
    Held = 4,
    /// An undo was refused, or failed.
    Undo = 5,
}

impl Exit {
    /// How it ends for what became of incidents: the worst of it.
    pub(crate) fn of(incidents: &[Reported]) -> Self {
        let outcomes = || incidents.iter().map(|one| one.outcome);
        let any = |wanted: &[Outcome]| outcomes().flatten().any(|o| wanted.contains(&o));
        if any(&[Outcome::Failed]) {
            Self::Aws
        } else if any(&[Outcome::Held]) {
            Self::Held
        } else if any(&[Outcome::Planned, Outcome::Partial, Outcome::Observed])
            || outcomes().any(|o| o.is_none())
        {
            Self::Findings
        } else {
            Self::Done
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An error of ours, with its class.
    Backstop(backstop_core::Error),
    /// An error that has its own exit code.
    Ended(Exit, backstop_core::Error),
    /// The output is closed: whoever read it has had enough.
    Closed,
    /// Anything else, which is the input's fault.
    Other(anyhow::Error),
}

impl From<backstop_core::Error> for Failure {
    fn from(error: backstop_core::Error) -> Self {
        Self::Backstop(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Other(error.into())
        }
    }
}

impl Failure {
    /// Says what went wrong on standard error, and which exit code that is.
    pub(crate) fn report(self) -> Exit {
        let (words, exit) = self.words();
        // Nothing can be done about a terminal that is gone.
        drop(std::io::stderr().lock().write_all(words.as_bytes()));
        exit
    }

    /// The lines that tell it. Others may have chosen a part: nothing in it moves a terminal, and a
    /// command in a hint stays what it is.
    fn words(self) -> (String, Exit) {
        let (text, hint, exit) = match self {
            Self::Closed => return (String::new(), Exit::Done),
            Self::Backstop(error) => {
                let exit = match error.class() {
                    Class::Transient | Class::Denied | Class::Missing | Class::Bug => Exit::Aws,
                    Class::Conflict | Class::Invalid => Exit::Usage,
                };
                (error.to_string(), error.hint_text().map(str::to_owned), exit)
            }
            Self::Ended(exit, error) => {
                (error.to_string(), error.hint_text().map(str::to_owned), exit)
            }
            Self::Other(error) => (format!("{error:#}"), None, Exit::Usage),
        };
        let text: Vec<String> = text.lines().map(clean).collect();
        let hint = hint.map(|hint| format!("hint: {}\n", visible(&hint))).unwrap_or_default();
        (format!("error: {}\n{hint}", text.join("\n")), exit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstop_core::Error;

    #[test]
    fn what_others_wrote_moves_no_terminal() {
        let tag = "\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}x";
        let command = format!("aws x --tags {}", backstop_core::text::shell(tag));
        let error = Error::conflict(format!("it has changed\n(now {tag})")).hint(command);
        let (words, exit) = Failure::Ended(Exit::Undo, error).words();
        assert_eq!((words.lines().count(), exit), (3, Exit::Undo), "{words}");
        assert!(words.lines().all(|line| clean(line) == line), "{words:?}");
        assert!(words.contains("$'\\u202e'"), "the command still does the same: {words}");
    }
}
