//! How the command ends: exit codes as constants, errors with one hint.

use std::io::Write;
use std::process::ExitCode;

use backstop_core::error::Class;
use backstop_core::report::Reported;
use backstop_core::words::Outcome;

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
        let mut to = std::io::stderr().lock();
        let (text, hint, exit) = match self {
            Self::Closed => return Exit::Done,
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
        // Nothing can be done about a terminal that is gone.
        drop(writeln!(to, "error: {text}"));
        if let Some(hint) = hint {
            drop(writeln!(to, "hint: {hint}"));
        }
        exit
    }
}
