//! The notice for the topic and the ticket for OpsCenter, as text. Text that others chose is
//! shortened and escaped here, at the last moment, for where it is shown.

use serde_json::{Value, json};

use crate::candidate::Origin;
use crate::incident::Header;
use crate::plan::{self, Choice, StepRecord};
use crate::text::{markdown, safe, shell};
use crate::words::{Outcome, Urgency};

/// One notice: all that one event and one function have to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// Which topic.
    pub urgency: Urgency,
    /// The subject of an e-mail: ASCII, fewer than 100 characters (SNS `Publish`).
    pub subject: String,
    /// Readable text, for e-mail.
    pub email: String,
    /// The schema that Amazon Q Developer in chat applications shows: custom notifications,
    /// version 1.0.
    pub chat: Value,
}

/// One ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The account it is opened in.
    pub account: String,
    /// The Region it is opened in.
    pub region: String,
    /// The incident.
    pub incident: String,
    /// At most 1024 characters (SSM `CreateOpsItem`).
    pub title: String,
    /// At most 2048 characters (SSM `CreateOpsItem`).
    pub description: String,
    /// Tickets with the same key are the same ticket for as long as it is open.
    pub dedup: String,
    /// The ARN it is about.
    pub resource: String,
    /// `1` for a page, `3` for a ticket, `4` otherwise.
    pub severity: &'static str,
}

/// How many incidents a notice shows in full.
const SHOWN: usize = 15;

/// How many facts of an incident a notice shows; `show` prints all of them.
const FACTS: usize = 8;

/// How many steps of an incident a notice shows; `show` prints all of them.
const STEPS: usize = 10;

/// How long the text of one incident may be, in bytes. SNS takes 256 KB, escapes included; an
/// attacker who can fill a notice must not be able to make it too long to send.
const LONGEST: usize = 6_000;

/// How long a command may be that is shown: a command that is cut is worse than none.
const LONGEST_COMMAND: usize = 600;

impl Notice {
    /// The notice for what one function has to say about one event.
    pub fn of(incidents: &[(&Header, &[StepRecord])]) -> Option<Self> {
        // What is most urgent is said first: what does not fit is less so.
        let mut incidents = incidents.to_vec();
        incidents.sort_by_key(|(header, _)| std::cmp::Reverse(header.urgency()));
        let (first, first_steps) = incidents.first()?;
        let urgency = incidents.iter().map(|(h, _)| h.urgency()).max()?;
        let title = headline(first, incidents.len());
        let mut email = String::new();
        for (header, steps) in incidents.iter().take(SHOWN) {
            email.push_str(&cut(body(header, steps, &|text, max| safe(text, max))));
            email.push('\n');
        }
        if incidents.len() > SHOWN {
            let more = incidents.len() - SHOWN;
            email.extend(["… and ", &more.to_string(), " more incidents\n"]);
        }
        let mut description = String::new();
        for (header, steps) in incidents.iter().take(5) {
            description.push_str(&cut(body(header, steps, &markdown)));
            description.push('\n');
        }
        let mut subject: String = format!("[{urgency}] {title}")
            .chars()
            .map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' })
            .collect();
        subject.truncate(99); // SNS takes fewer than 100 characters
        let chat = json!({
            "version": "1.0",
            "source": "custom",
            "id": first.id,
            "content": {
                "textType": "client-markdown",
                "title": format!("{} {}", mark(urgency), markdown(&title, 200)),
                "description": shorten(&description, 7000),
                "nextSteps": next_steps(first, first_steps),
                "keywords": [first.control, first.responder, urgency.name()],
            },
            "metadata": {
                "threadId": first.id,
                "summary": markdown(&title, 200),
                "eventType": first.control,
                "relatedResources": incidents.iter().take(SHOWN)
                    .map(|(h, _)| h.candidate.resource.clone()).collect::<Vec<_>>(),
                "additionalContext": {
                    "account": first.candidate.account,
                    "region": first.candidate.region,
                    "outcome": first.outcome.map(Outcome::name),
                },
            },
        });
        Some(Self { urgency, subject, email, chat })
    }
}

impl Ticket {
    /// The ticket for one incident.
    pub fn of(header: &Header, steps: &[StepRecord]) -> Self {
        let property = header.finding.as_ref().map_or("assessment", |f| &f.property);
        let candidate = &header.candidate;
        let description = body(header, steps, &|text, max| safe(text, max));
        Self {
            account: candidate.account.clone(),
            region: candidate.region.clone(),
            incident: header.id.clone(),
            title: shorten(&headline(header, 1), 1024),
            description: shorten(&description, 2048),
            dedup: crate::ident::sha256(
                [&candidate.account, &candidate.region, &candidate.resource, property]
                    .map(|part| format!("{}:{part}", part.len()))
                    .concat()
                    .as_bytes(),
            ),
            resource: candidate.resource.clone(),
            severity: match header.urgency() {
                Urgency::Page => "1",
                Urgency::Ticket => "3",
                Urgency::Info => "4",
            },
        }
    }
}

fn mark(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Page => "🚨",
        Urgency::Ticket => "🎫",
        Urgency::Info => "ℹ️",
    }
}

fn headline(header: &Header, count: usize) -> String {
    let outcome = header.outcome.map_or("open", Outcome::name);
    let title = header.finding.as_ref().map_or(header.reason.as_str(), |f| f.title.as_str());
    let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    format!("{} {outcome}: {}{more}", header.responder, safe(title, 160))
}

/// The text for one incident; `show` makes text of others safe for where it is shown. What a person
/// must have comes first: what does not fit is cut at the end.
fn body(header: &Header, steps: &[StepRecord], show: &dyn Fn(&str, usize) -> String) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        text.extend([&format!("{label:<10} {value}"), "\n"]);
    };
    let candidate = &header.candidate;
    let finding = header.finding.as_ref();
    if let Some(finding) = finding {
        line("what", &show(&finding.title, 300));
    }
    line(
        "where",
        &format!("{} ({} {})", show(&candidate.resource, 200), candidate.account, candidate.region),
    );
    let (label, source) = source(&candidate.origin, show);
    for (n, value) in source.iter().enumerate() {
        line(label.get(n).unwrap_or(&""), value);
    }
    line(
        "outcome",
        &format!("{}: {}", header.outcome.map_or("open", Outcome::name), show(&header.reason, 300)),
    );
    if let Some(radius) = finding.and_then(|f| f.blast_radius.as_deref()) {
        line("touches", &show(radius, 300));
    }
    line("incident", &header.id);
    for step in next_steps(header, steps) {
        line("next", &step);
    }
    for said in &header.aftermath {
        line("after", &show(said, 300));
    }
    for follow_up in finding.iter().flat_map(|f| &f.follow_up) {
        line("then", &show(follow_up, 400));
    }
    let facts = finding.map(|f| f.facts.as_slice()).unwrap_or_default();
    for (n, fact) in facts.iter().take(FACTS).enumerate() {
        line(if n == 0 { "seen" } else { "" }, &show(fact, 300));
    }
    if facts.len() > FACTS {
        line("", &format!("… and {} more lines", facts.len() - FACTS));
    }
    if let (Some(choice), Some(_)) = (&header.choice, &header.plan_hash) {
        for (name, means) in &choice.options {
            let default =
                if *name == default(choice, steps) { " (unless another is named)" } else { "" };
            line("option", &format!("{name}{default}: {}", show(means, 200)));
        }
    }
    for step in steps.iter().take(STEPS) {
        step_lines(step, &mut line, show);
    }
    if steps.len() > STEPS {
        line("", &format!("… and {} more steps", steps.len() - STEPS));
    }
    text
}

/// Who or what pointed at it, with a label for each line.
fn source(
    origin: &Origin,
    show: &dyn Fn(&str, usize) -> String,
) -> (&'static [&'static str], Vec<String>) {
    match origin {
        Origin::Event { name, time, actor, .. } => {
            let who = actor.arn.as_deref().or(actor.invoked_by.as_deref()).unwrap_or("unknown");
            let ip = actor.source_ip.as_deref().unwrap_or("an unknown address");
            let at = time.map_or_else(|| "at an unknown time".to_owned(), |t| t.to_string());
            let who = format!("{} from {}", show(who, 200), show(ip, 60));
            (&["who", "when"], vec![who, format!("{at}, by {}", show(name, 60))])
        }
        Origin::Sweep { .. } => (&["found"], vec!["by the sweep, not by an event".to_owned()]),
        Origin::Person { claimed, reason, .. } => {
            let by = format!("by {} ({}), claimed", show(claimed, 60), show(reason, 200));
            (&["started"], vec![by])
        }
        Origin::Request { incident } => (&["asked by"], vec![show(incident, 100)]),
    }
}

/// The lines of one step.
fn step_lines(
    step: &StepRecord,
    line: &mut dyn FnMut(&str, &str),
    show: &dyn Fn(&str, usize) -> String,
) {
    let option = step.option.as_ref().map(|o| format!(", option {o}")).unwrap_or_default();
    line(
        &format!("step {}", step.n),
        &format!("[{}] {} ({}{option})", step.status, show(&step.summary, 200), step.class),
    );
    line("", &show(&step.reason, 300));
    if let Some(detail) = &step.detail {
        line("", &show(detail, 300));
    }
    let command = |command: &str| {
        if command.len() > LONGEST_COMMAND {
            "(too long for a notice: a `show` order prints it)".to_owned()
        } else {
            safe(command, LONGEST_COMMAND)
        }
    };
    line("", &command(&step.command));
    if let (true, Some(undo)) = (step.in_force(), &step.undo_command) {
        line("  undo", &command(undo));
    }
}

/// The option that is released when nobody names one.
fn default<'a>(choice: &'a Choice, steps: &'a [StepRecord]) -> &'a str {
    plan::begun(steps).unwrap_or(&choice.default)
}

/// Lines to paste. Ids are ours: nothing of others stands in them.
fn next_steps(header: &Header, steps: &[StepRecord]) -> Vec<String> {
    let id = &header.id;
    let invoke = |order: Value| {
        format!(
            "aws lambda invoke --function-name backstop-{}-attended --cli-binary-format \
             raw-in-base64-out --payload {} /dev/stdout",
            header.responder,
            shell(&json!({ "backstop": order }).to_string())
        )
    };
    let mut lines = vec![invoke(json!({ "show": { "incident": id } }))];
    if let Some(hash) = &header.plan_hash {
        let mut order = json!({ "incident": id, "plan_hash": hash, "approved_by": "YOUR NAME" });
        if let (Some(choice), Some(order)) = (&header.choice, order.as_object_mut()) {
            order.insert("option".to_owned(), json!(default(choice, steps)));
        }
        lines.push(invoke(json!({ "approve": order })));
    }
    if header.outcome.is_some() && steps.iter().any(StepRecord::in_force) {
        let order = json!({
            "incident": id, "requested_by": "YOUR NAME", "reason": "WHY", "force": false,
        });
        lines.push(invoke(json!({ "undo": order })));
    }
    lines
}

/// `text`, at most [`LONGEST`] bytes of it.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str("… (cut)\n");
    }
    text
}

fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}
