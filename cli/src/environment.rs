//! Every environment variable that the command reads itself; the SDK reads its own.

use std::io::IsTerminal;
use std::path::PathBuf;

#[expect(clippy::disallowed_methods, reason = "the one place of the command that reads them")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `AWS_CA_BUNDLE`: a file of PEM certificates to trust instead of the Amazon roots.
pub(crate) fn ca_bundle() -> Option<PathBuf> {
    variable("AWS_CA_BUNDLE").map(PathBuf::from)
}

/// `USER`: who is logged in.
pub(crate) fn user() -> Option<String> {
    variable("USER")
}

/// Whether text that is written there is coloured: on a terminal, unless `NO_COLOR` is set
/// (no-color.org).
pub(crate) fn colour(to: &impl IsTerminal) -> bool {
    to.is_terminal() && variable("NO_COLOR").is_none()
}
