//! `backstop dlq list|show|redrive`.
//!
//! Redrive is plan-only. The unattended function acts on an event that is young enough, so what
//! failed is not sent there again: each candidate of the event becomes a run of its runbook in the
//! attended lane that only plans, and a person approves it or does not.

use std::collections::BTreeSet;
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

use super::{Format, ended, explain, holder, print};
use crate::ask::{agreed, tell};
use crate::catalogue;
use crate::exit::{Exit, Failure};
use crate::queues::{self, Depth, Held, Letter, Queue};
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
    Redrive(Redrive),
}

// What a redrive takes. No doc comment: clap would take it for what the verb is about.
#[derive(Debug, clap::Args)]
pub(crate) struct Redrive {
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
}

/// What `--config` is for here, with or without `--local`.
const CONFIG: &str = "The policy that is deployed: each of its Regions has queues of its own, and \
what is not in its scope is left where it is";

// What every verb takes. No doc comment: clap would take it for what the verb is about.
#[derive(Debug, clap::Args)]
#[command(mut_arg("config", |arg| arg.help(CONFIG)))]
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
        Command::Redrive(args) => redrive(args).await,
    }
}

/// The policy, and the way to the responders.
async fn open(common: &Common) -> Result<(Desk, Config), Failure> {
    // First: it is wrong more often than the credentials are.
    let config = policy_of(&common.way.config)?;
    Ok((Desk::open(&common.way).await?, config))
}

/// The queue that was named is not there: the input is wrong, not AWS.
fn of_named(error: Error) -> Failure {
    if error.is_missing() { Failure::Ended(Exit::Usage, error) } else { error.into() }
}

/// What is said in the end when queues did not answer; each one's cause was told in its place.
fn unanswered(errors: &[&Error], of: usize) -> Option<Failure> {
    let first = errors.first()?;
    let error = (*first).clone().context(format!("{} of {of} queues did not answer", errors.len()));
    Some(Failure::Ended(Exit::Aws, error))
}

/// Puts messages back, and says which were not: that is not the result of what was asked for.
async fn put_back(held: &Held<'_>, letters: impl IntoIterator<Item = &Letter>) {
    if let Err(error) = held.put_back(letters).await {
        tell(&error.to_string());
    }
}

/// The queues of what is named: all, those of a responder, or one.
fn queues_of(desk: &Desk, config: &Config, named: Option<&str>) -> Result<Vec<Queue>, Failure> {
    let mut responders: Vec<&'static str> =
        catalogue::responders().iter().map(|r| r.manifest().responder).collect();
    let one = responders.iter().copied().find(|name| Some(*name) == named);
    if let Some(one) = one {
        responders = vec![one];
    }
    let regions = config.scope.regions.iter().map(String::as_str);
    let mut queues = queues::all(desk.principal.connection(), &responders, regions);
    match (named, one) {
        (None, _) => {}
        (Some(_), Some(one)) => queues.retain(|q| q.owner == Some(one)),
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
    let (desk, config) = open(common).await?;
    let queues = queues_of(&desk, &config, responder)?;
    let mut rows = Vec::new();
    for queue in &queues {
        // One that refuses hides no other.
        rows.push((&queue.name, queue.depth().await));
    }
    let mut out = std::io::stdout().lock();
    if common.format == Format::Json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|(name, depth)| match depth {
                Ok(depth) => json!({
                    "queue": name, "deployed": depth.is_some(),
                    "waiting": depth.map(|d| d.waiting), "in_flight": depth.map(|d| d.in_flight),
                }),
                Err(error) => json!({
                    "queue": name, "deployed": null, "waiting": null, "in_flight": null,
                    "error": error.to_string(),
                }),
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&rows).map_err(anyhow::Error::from)?)?;
    } else {
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        writeln!(out, "{:<width$}  waiting  in flight", "queue")?;
        for (name, depth) in &rows {
            match depth {
                Err(error) => writeln!(out, "{name:<width$}  {error}")?,
                Ok(None) => writeln!(out, "{name:<width$}  not deployed")?,
                Ok(Some(depth)) => {
                    writeln!(out, "{name:<width$}  {:>7}  {:>9}", depth.waiting, depth.in_flight)?;
                }
            }
        }
    }
    let errors: Vec<&Error> = rows.iter().filter_map(|(_, d)| d.as_ref().err()).collect();
    if let Some(failure) = unanswered(&errors, rows.len()) {
        return Err(failure);
    }
    let mut depths = rows.iter().filter_map(|(_, d)| *d.as_ref().ok()?);
    let waiting = depths.any(|d| d.waiting > 0 || d.in_flight > 0);
    Ok(if waiting { Exit::Findings } else { Exit::Done })
}

async fn show(named: Option<&str>, common: &Common) -> Result<Exit, Failure> {
    let (desk, config) = open(common).await?;
    let queues = queues_of(&desk, &config, named)?;
    let mut rows = Vec::new();
    for queue in &queues {
        match queue.hold(queues::LOOK).await {
            // Named, it must be there; else what is not deployed holds nothing.
            Err(error) if error.is_missing() && named == Some(queue.name.as_str()) => {
                return Err(of_named(error));
            }
            Err(error) if error.is_missing() => {}
            Err(error) => rows.push((queue, Err(error))),
            Ok(held) => {
                put_back(&held, &held.letters).await;
                rows.push((queue, Ok(held)));
            }
        }
    }
    let now = Timestamp::now();
    let mut out = std::io::stdout().lock();
    if common.format == Format::Json {
        let all: Vec<Value> = rows
            .iter()
            .flat_map(|(queue, held)| match held {
                Ok(held) => shown(queue, held, &config),
                Err(error) => vec![json!({ "queue": queue.name, "error": error.to_string() })],
            })
            .collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&all).map_err(anyhow::Error::from)?)?;
    } else {
        for (queue, held) in &rows {
            match held {
                Ok(held) => {
                    for letter in &held.letters {
                        writeln!(out, "{}", queue.name)?;
                        write_letter(&mut out, letter, queue, &config, now)?;
                    }
                }
                Err(error) => writeln!(out, "{}\n  error     {error}", queue.name)?,
            }
        }
    }
    let held = || rows.iter().filter_map(|(_, held)| held.as_ref().ok());
    for more in held().filter_map(Held::more) {
        tell(&more);
    }
    let errors: Vec<&Error> = rows.iter().filter_map(|(_, held)| held.as_ref().err()).collect();
    if let Some(failure) = unanswered(&errors, queues.len()) {
        return Err(failure);
    }
    if held().any(|held| !held.letters.is_empty() || held.more().is_some()) {
        return Ok(Exit::Findings);
    }
    tell("no message waits");
    Ok(Exit::Done)
}

/// The messages of a queue as data, and how many there are beside them.
fn shown(queue: &Queue, held: &Held<'_>, config: &Config) -> Vec<Value> {
    let mut rows: Vec<Value> = held
        .letters
        .iter()
        .map(|letter| {
            json!({
                "queue": queue.name, "message": letter.id, "sent": letter.sent,
                "attributes": letter.attributes, "is": meant(letter, queue, config).words(),
                "explained": explained(letter, config),
            })
        })
        .collect();
    let Depth { waiting, in_flight } = held.beyond;
    for (what, count) in [("more", waiting), ("held", in_flight)] {
        if count > 0 {
            rows.push(json!({ "queue": queue.name, what: count }));
        }
    }
    rows
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
    queue: &Queue,
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
    writeln!(out, "  would be  {}", meant(letter, queue, config).words())?;
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
fn meant(letter: &Letter, queue: &Queue, config: &Config) -> Meant {
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
    if !runs.is_empty() {
        return Meant::Planned(runs);
    }
    match queue.owner {
        // Its rules match calls by name, so most of what they deliver is no signal, and this knows
        // the responder: were these kept, what matters would be lost among them.
        Some(owner) => Meant::Nothing(format!("`{owner}` finds no signal in it")),
        // The event may be of a responder that is newer than this command.
        None => Meant::Stays(
            "no responder that this command knows finds a signal in it, and one that is deployed may"
                .to_owned(),
        ),
    }
}

/// Says what it would do, asks, and does it.
async fn redrive(args: &Redrive) -> Result<Exit, Failure> {
    let (desk, config) = open(&args.common).await?;
    let queues = queues_of(&desk, &config, Some(&args.queue))?;
    let [queue] = queues.as_slice() else {
        // Only a responder has several.
        let names: Vec<&str> = queues.iter().map(|q| q.name.as_str()).collect();
        return Err(Error::invalid(format!("`{}` is a responder, not a queue", args.queue))
            .hint(format!("its queues are: {}", names.join(", ")))
            .into());
    };
    // Put back before anybody is asked: who thinks, or gives up, hides nothing from others.
    let looked = queue.hold(queues::LOOK).await.map_err(of_named)?;
    put_back(&looked, &looked.letters).await;
    let wanted = |letter: &&Letter| args.message.as_ref().is_none_or(|id| *id == letter.id);
    let chosen: Vec<&Letter> = looked.letters.iter().filter(wanted).collect();
    let more = looked.more();
    if let (Some(id), []) = (&args.message, chosen.as_slice()) {
        return Err(absent(id, &looked));
    }
    for letter in &chosen {
        tell(&format!("{}  {}", letter.id, meant(letter, queue, &config).words()));
    }
    if let Some(more) = &more {
        tell(more);
    }
    if chosen.is_empty() && more.is_none() {
        tell("no message waits");
        return Ok(Exit::Done);
    }
    if chosen.is_empty() {
        return Ok(Exit::Findings);
    }
    if !args.apply {
        tell("nothing was done: repeat with `--apply`");
        return Ok(Exit::Findings);
    }
    if !agreed("Plan these?", args.yes)? {
        return Ok(Exit::Findings);
    }
    let by = desk.principal.name(args.requested_by.as_deref()).await?;
    let shown: BTreeSet<&str> = chosen.iter().map(|letter| letter.id.as_str()).collect();
    let held = queue.hold(queues::PLAN).await?;
    let mut work =
        Work { desk: &desk, config: &config, held: &held, by: &by, done: Done::default() };
    work.redrive(queue, &shown).await;
    let done = work.done;
    let mut exit = Exit::of(&done.planned);
    if exit == Exit::Done && (done.stays || more.is_some()) {
        exit = Exit::Findings;
    }
    let format = match args.common.format {
        Format::Text => render::Format::Text,
        Format::Json => render::Format::Json,
    };
    // What was done is told in any case, and the first failure after it.
    let exit = ended(print(&done.planned, format), exit)?;
    done.failure.map_or(Ok(exit), Err)
}

/// Why a message that was named is not among those that the queue gave.
fn absent(id: &str, looked: &Held<'_>) -> Failure {
    let (id, given) = (safe(id, 100), looked.letters.len());
    let more = looked.more();
    let what = if given > 0 && more.is_some() {
        format!("the message `{id}` is not among the first {given} that the queue gave")
    } else {
        format!("there is no message `{id}`")
    };
    let hint = "`backstop dlq show` lists them; one that somebody looks at is hidden";
    Error::invalid(what).hint(more.unwrap_or_else(|| hint.to_owned())).into()
}

/// What a redrive has done so far.
#[derive(Debug, Default)]
struct Done {
    /// The incidents that hold the plans.
    planned: Vec<Reported>,
    /// Whether a message stays.
    stays: bool,
    /// The first failure.
    failure: Option<Failure>,
}

impl Done {
    /// Says why a message stays, and keeps the first failure for the end.
    fn fails(&mut self, letter: &Letter, failure: Failure) {
        let why = match &failure {
            Failure::Backstop(error) | Failure::Ended(_, error) => error.to_string(),
            Failure::Other(error) => format!("{error:#}"),
            Failure::Closed => "the output is closed".to_owned(),
        };
        tell(&format!("{}  left where it is: {why}", letter.id));
        self.failure.get_or_insert(failure);
    }

    /// Keeps an incident once: several messages may be about one plan.
    fn keep(&mut self, incident: Reported) {
        if self.planned.iter().all(|known| known.id != incident.id) {
            self.planned.push(incident);
        }
    }
}

/// A redrive that was agreed to.
#[derive(Debug)]
struct Work<'a> {
    desk: &'a Desk,
    config: &'a Config,
    held: &'a Held<'a>,
    by: &'a str,
    done: Done,
}

impl Work<'_> {
    /// Plans and deletes what was shown. What was not, and what stays, can be had again at once.
    async fn redrive(&mut self, queue: &Queue, shown: &BTreeSet<&str>) {
        let is_shown = |letter: &&Letter| shown.contains(letter.id.as_str());
        let (chosen, others): (Vec<&Letter>, Vec<&Letter>) =
            self.held.letters.iter().partition(is_shown);
        put_back(self.held, others).await;
        for id in shown.iter().filter(|id| chosen.iter().all(|letter| letter.id != **id)) {
            tell(&format!("{id}  left where it is: the queue did not give it again"));
            self.done.stays = true;
        }
        let mut left = Vec::new();
        for letter in chosen {
            if !self.one(letter, meant(letter, queue, self.config)).await {
                self.done.stays = true;
                left.push(letter);
            }
        }
        put_back(self.held, left).await;
    }

    /// Plans what a message is about, and deletes it only then: it stands in the journal. Whether
    /// it is gone.
    async fn one(&mut self, letter: &Letter, meant: Meant) -> bool {
        if !self.plan(letter, meant).await {
            return false;
        }
        let deleted = self.held.delete(letter).await;
        let gone = deleted.is_ok();
        if let Err(error) = deleted {
            self.done.fails(letter, error.into());
        }
        gone
    }

    /// Plans anew what a message is about. Whether it can go: all of it stands in the journal, or
    /// it is about nothing. One run that fails keeps no other from being made and told.
    async fn plan(&mut self, letter: &Letter, meant: Meant) -> bool {
        let runs = match meant {
            Meant::Stays(_) => return false,
            Meant::Nothing(_) => return true,
            Meant::Planned(runs) => runs,
        };
        let mut all = true;
        for (responder, mut run) in runs {
            self.by.clone_into(&mut run.requested_by);
            let made = match self.desk.ask(responder, &Operator::Run(run)).await {
                Ok(reply) => reply.incidents,
                Err(unanswered) => {
                    self.done.fails(letter, unanswered.into());
                    all = false;
                    continue;
                }
            };
            if made.is_empty() {
                tell(&format!("{}  left where it is: nothing came of it", letter.id));
                all = false;
            }
            for one in made {
                match holder(self.desk, responder, one.clone()).await {
                    Ok(incident) => self.done.keep(incident),
                    Err(failure) => {
                        self.done.keep(one);
                        self.done.fails(letter, failure);
                        all = false;
                    }
                }
            }
        }
        all
    }
}
