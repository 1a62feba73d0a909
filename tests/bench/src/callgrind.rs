//! Instructions, counted by valgrind's callgrind: the same on a busy machine as on an idle one.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// Whether valgrind is installed.
pub fn is_installed() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The command that runs `binary` under callgrind. The profile is written when the process ends,
/// also when a signal ends it.
pub fn command(binary: &Path, profile: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(format!("--log-file={}.log", profile.display()))
        .arg(binary);
    command
}

/// All instructions of a profile.
///
/// # Errors
/// If it has no totals, or counts something else.
pub fn instructions(profile: &str) -> Result<u64> {
    let lines = |key: &'static str| profile.lines().filter_map(move |l| l.strip_prefix(key));
    let events = lines("events:").next().context("the profile does not say what it counts")?;
    let column = events
        .split_whitespace()
        .position(|event| event == "Ir")
        .with_context(|| format!("the profile counts `{}`, no instructions", events.trim()))?;
    let mut parts = lines("totals:").peekable();
    parts.peek().context("the profile has no totals: the process was not ended by its id")?;
    parts
        .map(|part| {
            let figure = part.split_whitespace().nth(column).context("a total is missing")?;
            figure.parse::<u64>().with_context(|| format!("`{figure}` is no total"))
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::instructions;

    const PROFILE: &str = "# callgrind format\nversion: 1\ncmd:  baseline\npart: 1\n\n\
        positions: line\nevents: Ir\nsummary: 300265\n\nfn=(1) main\n16 4\ntotals: 300265\n";

    #[test]
    fn the_totals_are_read() {
        assert_eq!(instructions(PROFILE).unwrap(), 300_265);
        let two = PROFILE.replace("events: Ir", "events: Dr Ir").replace(": 300265", ": 7 300265");
        assert_eq!(instructions(&two).unwrap(), 300_265);
        let parts = format!("{PROFILE}part: 2\ntotals: 5\n");
        assert_eq!(instructions(&parts).unwrap(), 300_270);
    }

    #[test]
    fn a_profile_without_totals_is_an_error() {
        for (profile, said) in [
            ("", "does not say what it counts"),
            ("events: Dr Dw\ntotals: 1 2\n", "no instructions"),
            ("events: Ir\nsummary: 1\n", "no totals"),
            ("events: Ir\ntotals: many\n", "`many` is no total"),
        ] {
            let error = instructions(profile).unwrap_err().to_string();
            assert!(error.contains(said), "{profile:?}: {error}");
        }
    }
}
