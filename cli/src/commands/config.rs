//! `backstop config check|schema`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use backstop_core::config::Config;
use jiff::Timestamp;

use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check a policy file: every mistake at once, each with its key and one hint.
    ///
    /// Example: `backstop config check config/backstop.toml`
    Check {
        /// The policy file.
        #[arg(default_value = "config/backstop.toml")]
        file: PathBuf,
    },
    /// Print the JSON Schema of the policy file.
    ///
    /// Example: `backstop config schema`
    Schema,
}

pub(crate) fn run(command: &Command) -> Result<Exit, Failure> {
    let mut out = std::io::stdout().lock();
    match command {
        Command::Schema => {
            let text =
                serde_json::to_string_pretty(&Config::schema()).map_err(anyhow::Error::from)?;
            writeln!(out, "{text}")?;
            Ok(Exit::Done)
        }
        Command::Check { file } => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the policy `{}`", file.display()))?;
            let now = Timestamp::now();
            match Config::check(&text, now) {
                Ok(config) => {
                    for warning in config.warnings(now) {
                        drop(writeln!(std::io::stderr().lock(), "warning: {warning}"));
                    }
                    writeln!(out, "{}: valid, hash {}", file.display(), config.hash())?;
                    Ok(Exit::Done)
                }
                Err(mistakes) => {
                    let mut err = std::io::stderr().lock();
                    let count = mistakes.0.len();
                    let noun = if count == 1 { "mistake" } else { "mistakes" };
                    drop(writeln!(err, "{}: {count} {noun}", file.display()));
                    drop(writeln!(err, "{mistakes}"));
                    Ok(Exit::Usage)
                }
            }
        }
    }
}
