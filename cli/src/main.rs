//! `backstop`: the operator's command.
//!
//! Data goes to standard output, talk to standard error.

mod catalogue;
mod commands;
mod exit;
#[cfg_attr(not(test), expect(dead_code, reason = "the verbs that print incidents come next"))]
mod render;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{config, controls, explain, manifest};
use crate::exit::Exit;

/// First responses to AWS workload-hardening regressions: proven and undoable.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done or nothing found; 1 findings or changes pending; \
2 usage or input; 3 AWS refused or unavailable; 4 held by a guard; 5 undo refused or failed.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List every signal, threshold and response of the eight controls, and what is built.
    Controls(controls::Args),
    /// Say what Backstop would make of recorded events, and why.
    Explain(explain::Args),
    /// Print what the responders declare: rules, permissions, runbooks, queries.
    Manifest(manifest::Args),
    /// Check the policy file, or print its schema.
    #[command(subcommand)]
    Config(config::Command),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // Nothing can be done about a terminal that is gone.
            drop(error.print());
            return code.into();
        }
    };
    let done = match cli.command {
        Command::Controls(args) => controls::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Manifest(args) => manifest::run(&args),
        Command::Config(command) => config::run(&command),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}
