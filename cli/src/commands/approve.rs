//! `backstop approve`.

use backstop_core::Error;
use backstop_core::error::Class;
use backstop_core::event::{Approve, Operator};
use backstop_core::incident::{Change, Entry};
use backstop_core::report::{Evidence, Reported, ReportedStep};
use backstop_core::text::safe;
use backstop_core::words::{self, Outcome, StepStatus};
use jiff::Timestamp;

use super::{incident_id, preview, print, responder_of, run_again};
use crate::ask::{agreed, tell};
use crate::exit::{Exit, Failure};
use crate::reach::{Desk, Reach, Unanswered, Way};
use crate::render::Format;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: `backstop approve ssh-access-20261123-aaaaaaaaaaaa --yes`")]
pub(crate) struct Args {
    /// The incident.
    #[arg(value_parser = incident_id)]
    incident: String,
    /// Only these steps; all that are held unless given.
    #[arg(long, value_delimiter = ',', value_name = "n")]
    steps: Option<Vec<u32>>,
    /// The option of the plan's choice; its default unless given.
    #[arg(long, value_name = "name")]
    option: Option<String>,
    /// The plan that you mean; refused if another one is stored.
    #[arg(long, value_name = "hash")]
    plan_hash: Option<String>,
    /// Who approves, for the journal; the ARN of your credentials unless given.
    #[arg(long, value_name = "name")]
    approved_by: Option<String>,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    way: Way,
    /// How to print it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What of a plan is released, and by whom.
#[derive(Debug)]
pub(crate) struct Release<'a> {
    pub(crate) steps: Option<Vec<u32>>,
    pub(crate) option: Option<String>,
    pub(crate) by: &'a str,
}

pub(crate) async fn run(args: &Args) -> Result<Exit, Failure> {
    let responder = responder_of(&args.incident)?;
    let desk = Desk::open(&args.way).await?;
    let shown = desk.show(responder, &args.incident).await?;
    let hash = approvable(&shown, Timestamp::now())?;
    if args.plan_hash.as_deref().is_some_and(|meant| meant != hash) {
        return Err(Failure::Ended(
            Exit::Held,
            Error::conflict(format!("the plan of `{}` is `{hash}` now", shown.id))
                .hint("look at it with `backstop show`, then approve that hash"),
        ));
    }
    preview(std::slice::from_ref(&shown), args.format)?;
    tell(&question(&shown, args.steps.as_deref(), args.option.as_deref())?);
    if !agreed("Apply it?", args.yes)? {
        return Ok(Exit::Findings);
    }
    let by = desk.principal.name(args.approved_by.as_deref()).await?;
    let what = Release { steps: args.steps.clone(), option: args.option.clone(), by: &by };
    let done = release(desk.reach(), responder, &shown, &what).await?;
    let exit = Exit::of(&done);
    print(done, args.format)?;
    Ok(exit)
}

/// The hash of the plan of an incident that can be approved now.
fn approvable(incident: &Reported, now: Timestamp) -> Result<&str, Failure> {
    let id = &incident.id;
    let outcome = incident.outcome.map_or("unfinished", Outcome::name);
    let Some(hash) = incident.plan_hash.as_deref() else {
        let error = match last_approval(incident) {
            Some((by, at)) => Error::invalid(format!(
                "the plan of `{id}` was approved by `{}` at {at:.0}, and nothing of it is held now",
                safe(by, 60)
            )),
            None => Error::invalid(format!("the incident `{id}` holds no plan")),
        };
        return Err(error
            .hint(format!("it is {outcome}; `backstop show {id}` tells the whole of it"))
            .into());
    };
    if incident.approvable_until.is_some_and(|until| until <= now) {
        let error = Error::conflict(format!("the plan of `{id}` has expired"));
        return Err(Failure::Ended(Exit::Held, anew(error, incident)));
    }
    Ok(hash)
}

/// Who approved last, as claimed, and when.
fn last_approval(incident: &Reported) -> Option<(&str, Timestamp)> {
    let entries = incident.entries.as_deref().unwrap_or_default();
    entries.iter().rev().find_map(|Entry { at, change, .. }| {
        if let Change::Approved { by, .. } = change { Some((by.as_str(), *at)) } else { None }
    })
}

/// The same error, with the line that makes a new plan.
fn anew(error: Error, incident: &Reported) -> Error {
    match run_again(incident) {
        Some(line) => error.hint(format!("make a new plan from live state: `{line} --apply`")),
        None => error,
    }
}

/// What a person is about to release, in words.
pub(crate) fn question(
    incident: &Reported,
    steps: Option<&[u32]>,
    option: Option<&str>,
) -> Result<String, Failure> {
    let option = option.or(incident.choice.as_ref().map(|choice| choice.default.as_str()));
    let meant = |step: &&ReportedStep| {
        waits(step)
            && step.class != words::Class::Human
            && steps.is_none_or(|numbers| numbers.contains(&step.n))
            && (step.option.is_none() || step.option.as_deref() == option)
    };
    let released: Vec<&ReportedStep> = incident.steps.iter().filter(meant).collect();
    if released.is_empty() {
        let held: Vec<String> =
            incident.steps.iter().filter(|s| waits(s)).map(|s| s.n.to_string()).collect();
        return Err(Error::invalid(format!("nothing of `{}` would be released", incident.id))
            .hint(format!("held are the steps: {}", held.join(", ")))
            .into());
    }
    let lines: Vec<String> =
        released.iter().map(|step| format!("  {}. {}", step.n, safe(&step.summary, 200))).collect();
    Ok(format!("This will be applied for {}:\n{}", incident.id, lines.join("\n")))
}

/// Whether a step can still be released.
fn waits(step: &ReportedStep) -> bool {
    matches!(step.status, StepStatus::Held | StepStatus::Failed | StepStatus::Applying)
}

/// Releases every plan that was shown. One that fails keeps no other from being released, because
/// all were agreed to; what was done is told in any case, and the first failure after it.
pub(crate) async fn release_all(
    reach: &dyn Reach,
    responder: &str,
    shown: &[Reported],
    what: &Release<'_>,
) -> (Vec<Reported>, Option<Failure>) {
    let (mut done, mut failure) = (Vec::new(), None);
    for one in shown {
        match release(reach, responder, one, what).await {
            Ok(released) => done.extend(released),
            Err(error) => {
                tell(&format!("{}: not applied", one.id));
                failure.get_or_insert(error);
            }
        }
    }
    (done, failure)
}

/// Releases the plan that was shown, and no other.
async fn release(
    reach: &dyn Reach,
    responder: &str,
    shown: &Reported,
    what: &Release<'_>,
) -> Result<Vec<Reported>, Failure> {
    let order = Operator::Approve(Approve {
        incident: shown.id.clone(),
        plan_hash: shown.plan_hash.clone().unwrap_or_default(),
        approved_by: what.by.to_owned(),
        steps: what.steps.clone(),
        option: what.option.clone(),
    });
    match reach.ask(responder, &order).await {
        Ok(reply) => Ok(reply.incidents),
        // The plan is not the one that was shown: that is what the approval is bound to.
        Err(Unanswered::Refused(error)) if error.class() == Class::Conflict => {
            if let Some(Evidence::Replanned { steps, .. }) = error.evidence() {
                tell(&difference(&shown.steps, steps));
            }
            Err(Failure::Ended(Exit::Held, anew(error, shown)))
        }
        Err(unanswered) => Err(unanswered.into()),
    }
}

/// What the new plan has that the old one had not, and the other way round.
fn difference(then: &[ReportedStep], now: &[ReportedStep]) -> String {
    // What the hash covers of a step, in words.
    let line = |step: &ReportedStep| {
        let option = step.option.as_ref().map(|o| format!(", option {o}")).unwrap_or_default();
        let before = safe(&step.before.to_string(), 400);
        format!("{} ({}{option}), from {before}", safe(&step.summary, 200), step.class)
    };
    let then: Vec<String> = then.iter().filter(|s| waits(s)).map(line).collect();
    let now: Vec<String> = now.iter().map(line).collect();
    let mut lines =
        vec!["the plan that was shown (-), and the plan from live state (+):".to_owned()];
    for step in &then {
        lines.push(format!("{} {step}", if now.contains(step) { ' ' } else { '-' }));
    }
    lines.extend(now.iter().filter(|step| !then.contains(step)).map(|step| format!("+ {step}")));
    if now.is_empty() {
        lines.push("+ nothing: it is right now".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use backstop_core::report::Reply;
    use serde_json::json;

    fn step(n: u32, summary: &str, before: &str) -> ReportedStep {
        serde_json::from_value(json!({
            "n": n, "action": "a/1", "summary": summary, "class": "approval", "status": "held",
            "resource": "arn", "before": before, "after": null, "command": "", "undo_command": null,
        }))
        .unwrap()
    }

    /// Refuses the incident whose id ends so, and applies every other.
    #[derive(Debug)]
    struct Refuses(&'static str);

    #[async_trait::async_trait]
    impl Reach for Refuses {
        async fn ask(&self, _: &str, order: &Operator) -> Result<Reply, Unanswered> {
            let Operator::Approve(approve) = order else { panic!("{order:?}") };
            if approve.incident.ends_with(self.0) {
                return Err(Unanswered::Refused(Error::conflict("live state has changed")));
            }
            let mut done = incident(&approve.incident);
            done.outcome = Some(Outcome::Contained);
            Ok(Reply { incidents: vec![done], ignored: None })
        }
    }

    fn incident(id: &str) -> Reported {
        serde_json::from_value(json!({
            "id": id, "control": "aws-work-02", "signal": "X2.1", "resource": "arn",
            "account": "111111111111", "region": "eu-west-1", "urgency": "page",
            "outcome": "held", "reason": "", "plan_hash": "abc", "steps": [],
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn one_plan_that_is_refused_keeps_no_other_from_being_applied_and_told() {
        let shown = ["ssh-access-1", "ssh-access-2", "ssh-access-3"].map(incident);
        let what = Release { steps: None, option: None, by: "alice" };
        for (refused, applied) in [("-1", ["2", "3"]), ("-2", ["1", "3"]), ("-3", ["1", "2"])] {
            let (done, failure) = release_all(&Refuses(refused), "ssh-access", &shown, &what).await;
            assert_eq!(
                done.iter().map(|d| d.id.rsplit('-').next().unwrap()).collect::<Vec<_>>(),
                applied
            );
            assert!(matches!(failure, Some(Failure::Ended(Exit::Held, _))), "{failure:?}");
        }
        let (done, failure) = release_all(&Refuses("none"), "ssh-access", &shown, &what).await;
        assert!(done.len() == 3 && failure.is_none());
    }

    #[test]
    fn the_difference_names_what_came_and_what_went() {
        let then = [step(1, "revoke a", "x"), step(2, "revoke b", "y")];
        let now = [step(1, "revoke b", "y"), step(2, "revoke c", "z")];
        let text = difference(&then, &now);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "- revoke a (approval), from \"x\"",
                "  revoke b (approval), from \"y\"",
                "+ revoke c (approval), from \"z\"",
            ]
        );
        assert!(difference(&then, &[]).ends_with("\n+ nothing: it is right now"));
    }
}
