//! `backstop undo`.

use backstop_core::Error;
use backstop_core::error::Class;
use backstop_core::event::{Operator, Overwrite, Undo};
use backstop_core::report::{Evidence, Reported, ReportedStep};
use backstop_core::text::safe;
use backstop_core::words::Outcome;
use jiff::Timestamp;
use serde_json::Value;

use super::{ended, incident_id, preview, print, responder_of, stands};
use crate::ask::{agreed, tell};
use crate::exit::{Exit, Failure};
use crate::reach::{Desk, Unanswered, Way};
use crate::render::{Format, visible};
use crate::standing::{in_force, undo_from};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: `backstop undo ssh-access-20261123-aaaaaaaaaaaa --reason \"planned work\" --yes`"
)]
pub(crate) struct Args {
    /// The incident.
    #[arg(value_parser = incident_id)]
    incident: String,
    /// Only this step; all that are in force unless given, last first.
    #[arg(long, value_name = "n")]
    step: Option<u32>,
    /// Overwrite what was changed after the step.
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why, for the journal; asked for by `--force`.
    #[arg(long, value_name = "text", default_value = "no reason given", hide_default_value = true)]
    reason: String,
    /// Who asks, for the journal; the ARN of your credentials unless given.
    #[arg(long, value_name = "name")]
    requested_by: Option<String>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    way: Way,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) async fn run(args: &Args) -> Result<Exit, Failure> {
    let responder = responder_of(&args.incident)?;
    let desk = Desk::open(&args.way).await?;
    let shown = desk.show(responder, &args.incident).await?;
    let steps = undoable(&shown, args.step)?;
    preview(std::slice::from_ref(&shown), args.format)?;
    tell(&format!(
        "This will be taken back for {}\nin account {}, {}:",
        shown.id, shown.account, shown.region
    ));
    for step in &steps {
        tell(&taken_back(step));
    }
    if !agreed("Take it back?", args.yes)? {
        return Ok(Exit::Findings);
    }
    let mut order = Undo {
        incident: shown.id.clone(),
        requested_by: desk.principal.name(args.requested_by.as_deref()).await?,
        reason: args.reason.clone(),
        step: args.step,
        shown: Some(steps.iter().map(|step| step.n).collect()),
        overwrite: Vec::new(),
        force: false,
    };
    // Never overwritten unseen: what is there now is shown first, and only that is overwritten.
    // Whoever changes it in between is shown again, a few times.
    let rounds = if args.force { 2 * steps.len() } else { 0 };
    for round in 0..=rounds {
        let error = match desk.ask(responder, &Operator::Undo(order.clone())).await {
            Ok(reply) => return ended(print(&reply.incidents, args.format), Exit::Done),
            Err(Unanswered::Refused(error)) => error,
            Err(unanswered) => return Err(unanswered.into()),
        };
        let Some(Evidence::Changed { step, before, after, now, .. }) = error.evidence() else {
            return Err(refused(error, &desk, responder, args).await);
        };
        tell(&columns(before, after.as_ref().unwrap_or(&Value::Null), now));
        if round == rounds {
            return Err(refused(error, &desk, responder, args).await);
        }
        if !agreed(&format!("Overwrite what step {step} finds now?"), args.yes)? {
            return Ok(Exit::Findings);
        }
        order.overwrite.retain(|seen| seen.step != *step);
        order.overwrite.push(Overwrite { step: *step, now: now.clone() });
    }
    Ok(Exit::Findings)
}

/// The steps that would be taken back, last first.
fn undoable(incident: &Reported, step: Option<u32>) -> Result<Vec<&ReportedStep>, Failure> {
    let steps: Vec<&ReportedStep> = incident
        .steps
        .iter()
        .rev()
        .filter(|s| step.is_none_or(|n| n == s.n))
        .filter(|s| in_force(s))
        .collect();
    if !steps.is_empty() {
        return Ok(steps);
    }
    let id = &incident.id;
    let error = match (step, incident.steps.iter().find(|s| Some(s.n) == step)) {
        (Some(n), None) => Error::invalid(format!("the incident `{id}` has no step {n}")),
        (Some(n), Some(s)) => {
            Error::invalid(format!("step {n} of `{id}` is {}: nothing to take back", s.status))
        }
        (None, _) if incident.outcome == Some(Outcome::Undone) => {
            Error::invalid(format!("the incident `{id}` was taken back already"))
        }
        (None, _) => Error::invalid(format!(
            "the incident `{id}` is {}: nothing was changed that could be taken back",
            incident.outcome.map_or("unfinished", Outcome::name)
        )),
    };
    let error = error.hint(format!("`backstop show {id}` says where each step stands"));
    Err(Failure::Ended(Exit::Undo, error))
}

/// What taking a step back does: what it undoes, how, and what will not be as it was.
fn taken_back(step: &ReportedStep) -> String {
    let mut text = format!("  {}. {}", step.n, safe(&step.summary, 200));
    if let Some(command) = &step.undo_command {
        text.extend(["\n     by ", &visible(command)]);
    }
    if let Some(differs) = &step.undo_differs {
        text.extend(["\n     differs: ", &safe(differs, 300)]);
    }
    if let Some(from) = undo_from(step, Timestamp::now()) {
        let from = from.to_string();
        text.extend(["\n     not before ", &from, ": what it keeps out would be let in again"]);
    }
    text
}

/// Why it was not taken back: refused, or failed half-way; then how it stands is told too.
async fn refused(error: Error, desk: &Desk, responder: &str, args: &Args) -> Failure {
    let id = &args.incident;
    if let Some(Evidence::Changed { step, .. }) = error.evidence() {
        let again = format!("backstop undo {id} --step {step} --force --reason WHY");
        let error = error.hint(format!("to overwrite what is there now: `{again}`"));
        return Failure::Ended(Exit::Undo, error);
    }
    // What was refused before anything was done changes nothing.
    let nothing = matches!(error.class(), Class::Invalid | Class::Missing | Class::Conflict);
    if !nothing {
        stands(desk.reach(), responder, id, args.format).await;
    }
    Failure::Ended(Exit::Undo, error)
}

/// Before the step, after it, and now: one row for each member that is not the same everywhere.
fn columns(before: &Value, after: &Value, now: &Value) -> String {
    const WIDTH: usize = 32;
    let states = [before, after, now];
    let mut names: Vec<&str> = states
        .iter()
        .filter_map(|state| state.as_object())
        .flat_map(|members| members.keys().map(String::as_str))
        .collect();
    names.sort_unstable();
    names.dedup();
    let row = |name: &str, cells: [String; 3]| {
        let cells = cells.map(|cell| format!("{:<WIDTH$}", safe(&cell, WIDTH)));
        format!("{name:<16}  {}", cells.join("  ")).trim_end().to_owned()
    };
    let word = |value: Option<&Value>| match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let mut rows = vec![row("", ["before", "after", "now"].map(str::to_owned))];
    let exists = |state: &Value| if state.is_null() { "gone" } else { "there" }.to_owned();
    if states.iter().any(|state| state.is_null()) {
        rows.push(row("it is", states.map(exists)));
    }
    if names.is_empty() {
        rows.push(row("state", states.map(|state| word(Some(state)))));
    }
    for name in names {
        let [before, after, now] = states.map(|state| word(state.get(name)));
        if before != after || after != now {
            rows.push(row(name, [before, after, now]));
        }
    }
    rows.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn three_columns_show_what_differs() {
        let text = columns(
            &json!({ "from": 20, "to": 30, "protocol": "tcp" }),
            &json!({ "from": 20, "to": 21, "protocol": "tcp" }),
            &json!({ "from": 20, "to": 21, "protocol": "tcp", "note": "a\u{202e}b" }),
        );
        let rows: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            rows,
            [
                vec!["before", "after", "now"],
                vec!["note", "-", "-", "a\u{fffd}b"],
                vec!["to", "30", "21", "21"],
            ]
        );
        let gone = columns(&json!({ "from": 22 }), &json!(null), &json!({ "from": 23 }));
        assert!(gone.contains("there") && gone.contains("gone"), "{gone}");
    }

    #[test]
    fn what_would_be_taken_back_moves_no_terminal() {
        let tag = "\u{9b}31m\u{202e}x";
        let step: ReportedStep = serde_json::from_value(json!({
            "n": 1, "action": "a/1", "summary": tag, "class": "auto", "status": "verified",
            "resource": "arn", "before": null, "after": null, "command": "aws x",
            "undo_command": format!("aws y --tags {}", backstop_core::text::shell(tag)),
            "undo_differs": tag, "undo_from": "9999-01-01T00:00:00Z",
        }))
        .unwrap();
        let text = taken_back(&step);
        assert!(text.lines().all(|line| crate::render::clean(line) == line), "{text:?}");
        assert!(text.contains("not before 9999-01-01T00:00:00Z"), "{text}");
    }
}
