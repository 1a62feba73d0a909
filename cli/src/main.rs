//! `backstop`: the operator's command.
//!
//! Data goes to standard output, talk to standard error.

mod ask;
mod catalogue;
mod commands;
mod environment;
mod exit;
mod names;
mod principal;
mod queues;
mod reach;
mod render;
mod standing;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{approve, config, controls, dlq, explain, incidents, manifest, run, undo};
use crate::exit::{Exit, Failure};

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
    /// Start a runbook: print its plan, and with `--apply` ask and apply it.
    Run(run::Args),
    /// List the incidents of the responders.
    Incidents(incidents::Args),
    /// Show one incident whole: plan, steps, commands, journal.
    Show(incidents::ShowArgs),
    /// Release the held steps of an incident, once you have seen its plan.
    Approve(approve::Args),
    /// Take an incident back, last step first.
    Undo(undo::Args),
    /// Look into the dead-letter queues, and plan anew what failed.
    #[command(subcommand)]
    Dlq(dlq::Command),
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
        Command::Run(args) => wait(run::run(&args)),
        Command::Incidents(args) => wait(incidents::list(&args)),
        Command::Show(args) => wait(incidents::show(&args)),
        Command::Approve(args) => wait(approve::run(&args)),
        Command::Undo(args) => wait(undo::run(&args)),
        Command::Dlq(command) => wait(dlq::run(&command)),
        Command::Manifest(args) => manifest::run(&args),
        Command::Config(command) => config::run(&command),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}

/// Waits for a verb that speaks to AWS.
fn wait(verb: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    ask::on_interrupt()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(verb)
}
