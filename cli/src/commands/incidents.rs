//! `backstop incidents` and `backstop show`.

use std::io::Write;

use backstop_core::Error;
use backstop_core::event::{Incidents, Operator};
use backstop_core::words::Outcome;

use super::{incident_id, look, print, responder_of};
use crate::ask::tell;
use crate::catalogue;
use crate::exit::{Exit, Failure};
use crate::reach::{Desk, Unanswered, Way};
use crate::render::{self, Format};

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: `backstop incidents --outcome held`")]
pub(crate) struct Args {
    /// Only those that ended so.
    #[arg(long, value_parser = outcomes())]
    outcome: Option<String>,
    /// Only those claimed since this date or time, at most 31 days back; the last 24 hours.
    #[arg(long, value_name = "time")]
    since: Option<String>,
    /// Only those of this responder.
    #[arg(long)]
    responder: Option<String>,
    #[command(flatten)]
    way: Way,
    /// How to print them.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: `backstop show ssh-access-20261123-aaaaaaaaaaaa`")]
pub(crate) struct ShowArgs {
    /// The incident.
    #[arg(value_parser = incident_id)]
    incident: String,
    #[command(flatten)]
    way: Way,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The words that an outcome is said with.
fn outcomes() -> clap::builder::PossibleValuesParser {
    Outcome::ALL.iter().map(|outcome| outcome.name()).collect::<Vec<_>>().into()
}

pub(crate) async fn list(args: &Args) -> Result<Exit, Failure> {
    let mut names: Vec<&str> =
        catalogue::responders().iter().map(|r| r.manifest().responder).collect();
    if let Some(wanted) = &args.responder {
        let all = names.join(", ");
        names.retain(|name| name == wanted);
        if names.is_empty() {
            return Err(Error::invalid(format!("there is no responder `{wanted}`"))
                .hint(format!("there is: {all}"))
                .into());
        }
    }
    let outcome = args.outcome.as_deref();
    let order = Operator::Incidents(Incidents {
        outcome: Outcome::ALL.iter().copied().find(|o| Some(o.name()) == outcome),
        since: args.since.clone(),
    });
    let desk = Desk::open(&args.way).await?;
    let (mut found, mut missing) = (Vec::new(), None);
    let mut asked = 0;
    for name in &names {
        match desk.ask(name, &order).await {
            Ok(reply) => {
                found.extend(reply.incidents);
                asked += 1;
            }
            // Not every responder need be deployed; that none is, is another matter.
            Err(Unanswered::Unreached(error)) if error.is_missing() => {
                if names.len() > 1 {
                    tell(&format!("left out: {error}"));
                }
                missing.get_or_insert(error);
            }
            Err(unanswered) => return Err(unanswered.into()),
        }
    }
    if let Some(error) = missing.filter(|_| asked == 0) {
        return Err(Unanswered::Unreached(error).into());
    }
    let mut out = std::io::stdout().lock();
    write!(out, "{}", render::incidents(&found, &look(args.format, &out)))?;
    Ok(Exit::Done)
}

pub(crate) async fn show(args: &ShowArgs) -> Result<Exit, Failure> {
    let responder = responder_of(&args.incident)?;
    let desk = Desk::open(&args.way).await?;
    print(&[desk.show(responder, &args.incident).await?], args.format)?;
    Ok(Exit::Done)
}
