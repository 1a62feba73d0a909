//! `backstop dlq list|show|redrive`.
//!
//! Redrive is plan-only. The unattended function acts on an event that is young enough, so what
//! failed is not sent there again: each candidate of the event becomes a run of its runbook in the
//! attended lane that only plans, and a person approves it or does not.

use std::io::Write;

use backstop_core::Error;
use backstop_core::config::Config;
use backstop_core::event::{Envelope, Explained, Operator, Payload, Run, parse};
use backstop_core::report::Reported;
use backstop_core::responder::Detection;
use backstop_core::text::safe;
use backstop_core::trust;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Format, explain, print};
use crate::ask::{agreed, tell};
use crate::catalogue;
use crate::exit::{Exit, Failure};
use crate::queues::{self, Letter, Queue};
use crate::reach::{Desk, Way, policy_of};
use crate::render;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List the queues, and how many messages wait in each.
    ///
    /// Example: `backstop dlq list`
    List {
        /// Only the queues of this responder.
        responder: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show the messages, why each is there, and what Backstop would make of it. Takes none out.
    ///
    /// Example: `backstop dlq show backstop-ssh-access-unattended-dlq`
    Show {
        /// Only this queue, or the queues of this responder.
        queue: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Plan anew what the messages are about, and delete those that were planned.
    ///
    /// Nothing is sent to the unattended function, and nothing is applied: `backstop approve` does
    /// that. Without `--apply` it only says what it would do.
    ///
    /// Example: `backstop dlq redrive backstop-ssh-access-unattended-dlq`
    Redrive {
        /// The queue.
        queue: String,
        /// Only this message.
        #[arg(long, value_name = "id")]
        message: Option<String>,
        /// Ask whether to plan, plan, and delete what was planned.
        #[arg(long)]
        apply: bool,
        /// Do not ask.
        #[arg(long, requires = "apply")]
        yes: bool,
        /// Who asks, for the journal; the ARN of your credentials unless given.
        #[arg(long, value_name = "name")]
        requested_by: Option<String>,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    #[command(flatten)]
    way: Way,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) async fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::List { responder, common } => list(responder.as_deref(), common).await,
        Command::Show { queue, common } => show(queue.as_deref(), common).await,
        Command::Redrive { queue, message, apply, yes, requested_by, common } => {
            let desk = Desk::open(&common.way).await?;
            let config = policy_of(&common.way.config)?;
            let redrive = Redrive { desk, config, by: requested_by.as_deref() };
            redrive.run(queue, message.as_deref(), *apply, *yes, common.format).await
        }
    }
}

/// The queues of what is named: all, those of a responder, or one.
fn queues_of(desk: &Desk, config: &Config, named: Option<&str>) -> Result<Vec<Queue>, Failure> {
    let mut responders: Vec<&str> =
        catalogue::responders().iter().map(|r| r.manifest().responder).collect();
    let one = responders.iter().copied().find(|name| Some(*name) == named);
    if let Some(one) = one {
        responders = vec![one];
    }
    let regions = config.scope.regions.iter().map(String::as_str);
    let mut queues = queues::all(desk.principal.connection(), &responders, regions);
    match (named, one) {
        (None, _) => {}
        (Some(_), Some(one)) => {
            queues.retain(|q| q.name.starts_with(&format!("backstop-{one}-")));
        }
        (Some(name), None) => {
            let all: Vec<String> = queues.iter().map(|q| q.name.clone()).collect();
            queues.retain(|q| q.name == name);
            if queues.is_empty() {
                return Err(Error::invalid(format!("there is no responder or queue `{name}`"))
                    .hint(format!("the queues are: {}", all.join(", ")))
                    .into());
            }
        }
    }
    Ok(queues)
}

async fn list(responder: Option<&str>, common: &Common) -> Result<Exit, Failure> {
    let desk = Desk::open(&common.way).await?;
    let queues = queues_of(&desk, &policy_of(&common.way.config)?, responder)?;
    let mut rows = Vec::new();
    for queue in &queues {
        rows.push((&queue.name, queue.depth().await?));
    }
    let mut out = std::io::stdout().lock();
    if common.format == Format::Json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(name, depth)| {
                json!({
                    "queue": name, "deployed": depth.is_some(),
                    "waiting": depth.map(|d| d.waiting), "in_flight": depth.map(|d| d.in_flight),
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)?)?;
    } else {
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        writeln!(out, "{:<width$}  waiting  in flight", "queue")?;
        for (name, depth) in &rows {
            match depth {
                None => writeln!(out, "{name:<width$}  not deployed")?,
                Some(depth) => {
                    writeln!(out, "{name:<width$}  {:>7}  {:>9}", depth.waiting, depth.in_flight)?;
                }
            }
        }
    }
    let waiting = rows.iter().filter_map(|(_, d)| *d).any(|d| d.waiting + d.in_flight > 0);
    Ok(if waiting { Exit::Findings } else { Exit::Done })
}

async fn show(named: Option<&str>, common: &Common) -> Result<Exit, Failure> {
    let desk = Desk::open(&common.way).await?;
    let config = policy_of(&common.way.config)?;
    let mut found = Vec::new();
    for queue in queues_of(&desk, &config, named)? {
        let letters = match queue.look().await {
            Ok(letters) => letters,
            // Named, it must be there; else what is not deployed holds nothing.
            Err(error) if error.is_missing() && named != Some(queue.name.as_str()) => continue,
            Err(error) => return Err(error.into()),
        };
        found.extend(letters.into_iter().map(|letter| (queue.name.clone(), letter)));
    }
    let now = Timestamp::now();
    let mut out = std::io::stdout().lock();
    if common.format == Format::Json {
        let all: Vec<Value> = found
            .iter()
            .map(|(queue, letter)| {
                json!({
                    "queue": queue, "message": letter.id, "sent": letter.sent,
                    "attributes": letter.attributes, "is": meant(letter, &config).words(),
                    "explained": explained(letter, &config),
                })
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&all).map_err(anyhow::Error::from)?)?;
    } else {
        for (queue, letter) in &found {
            writeln!(out, "{queue}")?;
            write_letter(&mut out, letter, &config, now)?;
        }
        if found.is_empty() {
            tell("no message waits");
        }
    }
    Ok(if found.is_empty() { Exit::Done } else { Exit::Findings })
}

/// The event of a message, if it is one that can be read.
fn event(letter: &Letter) -> Option<Box<Envelope>> {
    match parse(&letter.body) {
        Ok(Payload::Event(event)) => Some(event),
        Ok(Payload::Logs(_) | Payload::Operator(_)) | Err(_) => None,
    }
}

/// What `backstop explain` says of it.
fn explained(letter: &Letter, config: &Config) -> Option<Value> {
    let envelope = *event(letter)?;
    Some(explain::explain(&Explained { envelope, derived: false }, config))
}

fn write_letter(
    out: &mut impl Write,
    letter: &Letter,
    config: &Config,
    now: Timestamp,
) -> Result<(), Failure> {
    writeln!(out, "  message   {}", letter.id)?;
    if let Some(sent) = letter.sent {
        let waits = now.duration_since(sent).as_secs() / 60;
        writeln!(out, "  waits     {waits} min, since {sent:.0}")?;
    }
    let why = letter.attribute(["ErrorMessage", "ERROR_MESSAGE"]);
    let code = letter.attribute(["ErrorCode", "ERROR_CODE"]);
    if why.is_some() || code.is_some() {
        let (code, why) = (code.unwrap_or("no code"), why.unwrap_or("no message"));
        writeln!(out, "  failed    {}: {}", safe(code, 60), safe(why, 400))?;
    }
    if let Some(from) = letter.attribute(["RequestID", "RULE_ARN"]) {
        writeln!(out, "  from      {}", safe(from, 200))?;
    }
    if let Some(explained) = explained(letter, config) {
        let text = |key: &str| explained.get(key).and_then(Value::as_str).unwrap_or("unknown");
        writeln!(out, "  event     {} of {}", text("event"), text("source"))?;
        writeln!(out, "  where     {} in {}", text("account"), text("region"))?;
        writeln!(out, "  who       {}", text("who"))?;
    }
    writeln!(out, "  would be  {}", meant(letter, config).words())?;
    Ok(())
}

/// What a redrive makes of a message.
#[derive(Debug)]
enum Meant {
    /// These runs, each with its responder, and then it is deleted.
    Planned(Vec<(&'static str, Run)>),
    /// Nothing, and then it is deleted.
    Nothing(String),
    /// It stays: a person has to look.
    Stays(String),
}

impl Meant {
    fn words(&self) -> String {
        match self {
            Self::Planned(runs) => {
                let about: Vec<String> = runs
                    .iter()
                    .map(|(_, run)| {
                        let ids: Vec<&str> =
                            run.target.values().flatten().map(String::as_str).collect();
                        format!("`{}` for {}", run.runbook, ids.join(" "))
                    })
                    .collect();
                format!("planned from live state: {}", about.join(", "))
            }
            Self::Nothing(why) => format!("deleted: {why}"),
            Self::Stays(why) => format!("left where it is: {why}"),
        }
    }
}

/// What a message means today, by the same code as `explain`.
fn meant(letter: &Letter, config: &Config) -> Meant {
    let event = match parse(&letter.body) {
        Err(error) => return Meant::Stays(error.to_string()),
        Ok(Payload::Operator(Operator::Sweep(_))) => {
            return Meant::Nothing("a sweep, which the schedule repeats".to_owned());
        }
        Ok(payload @ (Payload::Logs(_) | Payload::Operator(_))) => {
            return Meant::Stays(format!("{} is not planned anew", payload.kind()));
        }
        Ok(Payload::Event(event)) => event,
    };
    // The policy here may not be the deployed one: nothing is thrown away on its word.
    if !config.in_scope(&event.account, &event.region) {
        return Meant::Stays(format!(
            "{} in {} is not in the scope of the policy that `--config` names",
            safe(&event.account, 20),
            safe(&event.region, 30)
        ));
    }
    if let Some(why) = trust::distrust(&event, config) {
        return Meant::Nothing(format!("ignored, {why}"));
    }
    let mut runs = Vec::new();
    for responder in catalogue::responders() {
        let manifest = responder.manifest();
        let Detection::Candidates(candidates) = responder.detect(&event) else { continue };
        for candidate in candidates {
            let takes = |id: &String| {
                manifest.runbooks.iter().find(|r| r.parameters.iter().any(|p| p.name == id))
            };
            let Some(runbook) = candidate.ids.keys().find_map(takes) else {
                return Meant::Stays(format!("no runbook is about `{}`", candidate.resource));
            };
            let target = candidate
                .ids
                .into_iter()
                .filter(|(id, _)| runbook.parameters.iter().any(|p| p.name == id))
                .collect();
            let run = Run {
                runbook: runbook.name.to_owned(),
                target,
                account: candidate.account,
                region: candidate.region,
                apply: false,
                requested_by: String::new(),
                reason: format!("redrive of the message {}", safe(&letter.id, 100)),
            };
            runs.push((manifest.responder, run));
        }
    }
    if runs.is_empty() {
        return Meant::Nothing("no responder finds a signal in it".to_owned());
    }
    Meant::Planned(runs)
}

struct Redrive<'a> {
    desk: Desk,
    config: Config,
    by: Option<&'a str>,
}

impl Redrive<'_> {
    async fn run(
        &self,
        queue: &str,
        message: Option<&str>,
        apply: bool,
        yes: bool,
        format: Format,
    ) -> Result<Exit, Failure> {
        let queues = queues_of(&self.desk, &self.config, Some(queue))?;
        let [queue] = queues.as_slice() else {
            // Only a responder has several.
            let names: Vec<&str> = queues.iter().map(|q| q.name.as_str()).collect();
            return Err(Error::invalid(format!("`{queue}` is a responder, not a queue"))
                .hint(format!("its queues are: {}", names.join(", ")))
                .into());
        };
        let mut held = queue.hold().await?;
        let letters = std::mem::take(&mut held.letters);
        let (chosen, others): (Vec<Letter>, Vec<Letter>) =
            letters.into_iter().partition(|l| message.is_none_or(|id| id == l.id));
        for letter in &others {
            held.put_back(letter).await?;
        }
        let mut deleted = Vec::new();
        let done = self.redrive(&chosen, message, apply, yes, format, &held, &mut deleted).await;
        // Whatever happened, what was not deleted can be had again at once.
        for letter in chosen.iter().filter(|l| !deleted.contains(&l.id)) {
            held.put_back(letter).await?;
        }
        done
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one redrive, used once")]
    async fn redrive(
        &self,
        chosen: &[Letter],
        message: Option<&str>,
        apply: bool,
        yes: bool,
        format: Format,
        held: &queues::Held<'_>,
        deleted: &mut Vec<String>,
    ) -> Result<Exit, Failure> {
        if let (Some(id), []) = (message, chosen) {
            return Err(Error::missing(format!("there is no message `{}`", safe(id, 100)))
                .hint("`backstop dlq show` lists them; one that somebody looks at is hidden")
                .into());
        }
        if chosen.is_empty() {
            tell("no message waits");
            return Ok(Exit::Done);
        }
        for letter in chosen {
            tell(&format!("{}  {}", letter.id, meant(letter, &self.config).words()));
        }
        if !apply {
            tell("nothing was done: repeat with `--apply`");
            return Ok(Exit::Findings);
        }
        if !agreed("Plan these?", yes)? {
            return Ok(Exit::Findings);
        }
        let by = self.desk.principal.name(self.by).await?;
        let mut planned: Vec<Reported> = Vec::new();
        let mut stays = false;
        for letter in chosen {
            match meant(letter, &self.config) {
                Meant::Stays(_) => {
                    stays = true;
                    continue;
                }
                Meant::Nothing(_) => {}
                Meant::Planned(runs) => {
                    let mut all = true;
                    for (responder, mut run) in runs {
                        run.requested_by.clone_from(&by);
                        let reply = self.desk.ask(responder, &Operator::Run(run)).await?;
                        all &= !reply.incidents.is_empty();
                        planned.extend(reply.incidents);
                    }
                    if !all {
                        tell(&format!("{}  left where it is: nothing came of it", letter.id));
                        stays = true;
                        continue;
                    }
                }
            }
            // Only now: what it was about stands in the journal.
            held.delete(letter).await?;
            deleted.push(letter.id.clone());
        }
        let exit = if stays { Exit::Findings } else { Exit::of(&planned) };
        let format = match format {
            Format::Text => render::Format::Text,
            Format::Json => render::Format::Json,
        };
        print(&planned, format)?;
        Ok(exit)
    }
}
