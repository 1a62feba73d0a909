//! `backstop run`: the verbs are the runbooks of the manifests, their parameters its options.

use std::collections::BTreeMap;

use backstop_core::Error;
use backstop_core::event::{Operator, Run};
use backstop_core::ident::Shape;
use backstop_core::manifest::{Manifest, Runbook};
use backstop_core::report::Reported;
use backstop_core::text::safe;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Args as _, FromArgMatches};

use super::approve::{self, Release};
use super::{ended, holder, preview, print, shaped};
use crate::ask::{agreed, tell};
use crate::catalogue;
use crate::exit::{Exit, Failure};
use crate::reach::{Desk, Way};
use crate::render::Format;

/// A runbook, what it is about, and how it is to run.
#[derive(Debug)]
pub(crate) struct Args {
    responder: &'static str,
    runbook: &'static str,
    target: BTreeMap<String, Vec<String>>,
    options: Options,
}

// What every runbook takes. No doc comment: clap would take it for what the runbook is about.
#[derive(Debug, clap::Args)]
struct Options {
    /// The account of the target; that of your credentials unless given.
    #[arg(long, value_parser = shaped(Shape::Account))]
    account: Option<String>,
    /// The Region of the target; that of your credentials unless given.
    #[arg(long, value_parser = shaped(Shape::Region))]
    region: Option<String>,
    /// Why, for the journal.
    #[arg(long, value_name = "text")]
    reason: String,
    /// Who asks, for the journal; the ARN of your credentials unless given.
    #[arg(long, value_name = "name")]
    requested_by: Option<String>,
    /// Ask whether to apply the plan that was shown, and apply exactly that.
    #[arg(long)]
    apply: bool,
    /// The option of the plan's choice to apply; its default unless given.
    #[arg(long, requires = "apply", value_name = "name")]
    option: Option<String>,
    /// Do not ask.
    #[arg(long, requires = "apply")]
    yes: bool,
    #[command(flatten)]
    way: Way,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Every runbook with the manifest that declares it.
fn runbooks() -> impl Iterator<Item = (&'static Manifest, &'static Runbook)> {
    catalogue::responders()
        .into_iter()
        .map(|responder| responder.manifest())
        .flat_map(|manifest| manifest.runbooks.iter().map(move |runbook| (manifest, runbook)))
}

/// The option of a parameter.
fn option(name: &str) -> String {
    name.replace('_', "-")
}

/// The verb of a runbook.
fn command(runbook: &'static Runbook) -> clap::Command {
    let mut command = clap::Command::new(runbook.name).about(runbook.title);
    for parameter in runbook.parameters {
        let default = parameter.default.map(|d| format!("; `{d}` unless given"));
        let help = format!(
            "{}: {}, as in `{}`{}",
            parameter.title,
            parameter.shape.words(),
            parameter.example,
            default.unwrap_or_default()
        );
        command = command.arg(
            Arg::new(parameter.name)
                .long(option(parameter.name))
                .value_name("id")
                .value_parser(shaped(parameter.shape))
                .action(ArgAction::Append)
                .help_heading("Target, at least one")
                .help(help),
        );
    }
    let names: Vec<&'static str> = runbook.parameters.iter().map(|p| p.name).collect();
    if let Some(first) = runbook.parameters.first() {
        command = command.after_help(format!(
            "Example: `backstop run {} --{} {} --reason INC-42`",
            runbook.name,
            option(first.name),
            first.example
        ));
    }
    Options::augment_args(command)
        .group(ArgGroup::new("target").args(names).required(true).multiple(true))
}

impl clap::Args for Args {
    fn augment_args(command: clap::Command) -> clap::Command {
        command
            .subcommand_required(true)
            .disable_help_subcommand(true)
            .arg_required_else_help(true)
            .subcommand_value_name("runbook")
            .subcommand_help_heading("Runbooks")
            .subcommands(runbooks().map(|(_, runbook)| self::command(runbook)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (name, matches) = matches.subcommand().ok_or_else(missing)?;
        let (manifest, runbook) =
            runbooks().find(|(_, runbook)| runbook.name == name).ok_or_else(missing)?;
        let values = |name: &str| matches.get_many::<String>(name).map(|v| v.cloned().collect());
        let target = runbook
            .parameters
            .iter()
            .filter_map(|p| Some((p.name.to_owned(), values(p.name)?)))
            .collect();
        Ok(Self {
            responder: manifest.responder,
            runbook: runbook.name,
            target,
            options: Options::from_arg_matches(matches)?,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

pub(crate) async fn run(args: &Args) -> Result<Exit, Failure> {
    let options = &args.options;
    let desk = Desk::open(&options.way).await?;
    let account = match &options.account {
        Some(account) => account.clone(),
        None => desk.principal.caller().await?.account.clone(),
    };
    let region = options.region.as_deref().unwrap_or(desk.principal.connection().region());
    let who = desk.principal.name(options.requested_by.as_deref()).await?;
    // Never applied unseen: the run plans, and what is released is the plan that was shown.
    let order = Operator::Run(Run {
        runbook: args.runbook.to_owned(),
        target: args.target.clone(),
        account,
        region: region.to_owned(),
        apply: false,
        requested_by: who.clone(),
        reason: options.reason.clone(),
    });
    let mut planned = Vec::new();
    for one in desk.ask(args.responder, &order).await?.incidents {
        planned.push(holder(&desk, args.responder, one).await?);
    }
    let exit = Exit::of(&planned);
    if let Some(nothing) = planned.iter().find(|one| one.absent) {
        // A typo must not read as good news.
        print(&planned, options.format)?;
        let error = Error::missing(safe(&nothing.reason, 300)).hint(if options.apply {
            "nothing was applied; look at the ids, `--account` and `--region`"
        } else {
            "look at the ids, `--account` and `--region`"
        });
        return Err(Failure::Ended(Exit::Usage, error));
    }
    let (waiting, rest): (Vec<Reported>, Vec<Reported>) =
        planned.into_iter().partition(|one| one.plan_hash.is_some());
    if !options.apply || waiting.is_empty() {
        return ended(print(&[waiting, rest].concat(), options.format), exit);
    }
    let option = options.option.as_deref();
    let has_choice = |one: &Reported| one.choice.is_some();
    if let Some(option) = option.filter(|_| !waiting.iter().any(has_choice)) {
        let error = Error::invalid(format!("no plan has an option `{}`", safe(option, 40)));
        return Err(error.hint("no plan holds a choice: leave `--option` out").into());
    }
    let releases: Vec<Release<'_>> = waiting
        .iter()
        .map(|one| Release::of(one, None, option.filter(|_| has_choice(one))))
        .collect::<Result<_, _>>()?;
    preview(&[waiting.as_slice(), rest.as_slice()].concat(), options.format)?;
    for release in &releases {
        tell(&release.question());
    }
    if !agreed("Apply it?", options.yes)? {
        return Ok(Exit::Findings);
    }
    let (mut done, failure) =
        approve::release_all(desk.reach(), args.responder, &releases, &who).await;
    // What had nothing to release is a part of the answer.
    done.extend(rest);
    let exit = Exit::of(&done);
    let printed = if done.is_empty() { Ok(()) } else { print(&done, options.format) };
    let exit = ended(printed, exit)?;
    failure.map_or(Ok(exit), Err)
}
