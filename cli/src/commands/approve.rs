//! `backstop approve`.

use backstop_core::Error;
use backstop_core::error::Class;
use backstop_core::event::{Approve, Operator};
use backstop_core::incident::{Change, Entry};
use backstop_core::report::{Evidence, Reported, ReportedStep};
use backstop_core::text::safe;
use backstop_core::words::Outcome;
use jiff::Timestamp;

use super::{ended, incident_id, preview, print, responder_of, stands};
use crate::ask::{agreed, tell};
use crate::exit::{Exit, Failure};
use crate::reach::{Desk, Reach, Unanswered, Way};
use crate::render::Format;
use crate::standing::{options, run_again, waits};

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

/// What of a plan is released: exactly what the person was shown.
#[derive(Debug)]
pub(crate) struct Release<'a> {
    incident: &'a Reported,
    steps: Vec<&'a ReportedStep>,
    option: Option<&'a str>,
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
    let release = Release::of(&shown, args.steps.as_deref(), args.option.as_deref())?;
    preview(std::slice::from_ref(&shown), args.format)?;
    tell(&release.question());
    if !agreed("Apply it?", args.yes)? {
        return Ok(Exit::Findings);
    }
    let by = desk.principal.name(args.approved_by.as_deref()).await?;
    match release.ask(desk.reach(), responder, &by).await {
        Ok(done) => ended(print(&done, args.format), Exit::of(&done)),
        Err(refusal) => {
            if let Refusal::Unknown(_) = refusal {
                stands(desk.reach(), responder, &shown.id, args.format).await;
            }
            Err(refusal.into())
        }
    }
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

impl<'a> Release<'a> {
    /// What an approval of these steps with this option releases; all that is held, and the option
    /// that the function would take, unless given.
    pub(crate) fn of(
        incident: &'a Reported,
        steps: Option<&[u32]>,
        option: Option<&'a str>,
    ) -> Result<Self, Failure> {
        let open = options(incident);
        let id = &incident.id;
        if let Some(wanted) = option
            && !open.iter().any(|(name, _)| *name == wanted)
        {
            let wanted = safe(wanted, 40);
            let error = Error::invalid(format!("the plan of `{id}` has no option `{wanted}`"));
            let names: Vec<&str> = open.iter().map(|(name, _)| *name).collect();
            return Err(match names.as_slice() {
                [] => error.hint("it holds no choice: leave `--option` out"),
                names => error.hint(format!("it has: {}", names.join(", "))),
            }
            .into());
        }
        let option = option.or(open.first().map(|(name, _)| *name));
        let held = || incident.steps.iter().filter(|step| waits(step));
        let meant = |step: &&ReportedStep| {
            steps.is_none_or(|numbers| numbers.contains(&step.n))
                && (step.option.is_none() || step.option.as_deref() == option)
        };
        let released: Vec<&ReportedStep> = held().filter(meant).collect();
        let is_released = |n: &&u32| released.iter().any(|step| step.n == **n);
        let wrong = steps.and_then(|numbers| numbers.iter().find(|n| !is_released(n)));
        if wrong.is_some() || released.is_empty() {
            let error = match wrong {
                Some(n) => Error::invalid(format!("step {n} of `{id}` would not be released")),
                None => Error::invalid(format!("nothing of `{id}` would be released")),
            };
            let can = held().map(|step| match &step.option {
                Some(option) => format!("{} ({option})", step.n),
                None => step.n.to_string(),
            });
            let can: Vec<String> = can.collect();
            return Err(error.hint(format!("held are the steps: {}", can.join(", "))).into());
        }
        Ok(Self { incident, steps: released, option: option.filter(|_| !open.is_empty()) })
    }

    /// What a person is asked about, in words.
    pub(crate) fn question(&self) -> String {
        let Reported { id, resource, account, region, .. } = self.incident;
        let line = |step: &&ReportedStep| format!("  {}. {}", step.n, safe(&step.summary, 200));
        let lines: Vec<String> = self.steps.iter().map(line).collect();
        let option = self.option.map(|o| format!(" (option {})", safe(o, 40))).unwrap_or_default();
        format!(
            "This will be applied{option} for {id}\nto {} in account {account}, {region}:\n{}",
            safe(resource, 200),
            lines.join("\n")
        )
    }

    /// Releases the plan that was shown, and no other.
    async fn ask(
        &self,
        reach: &dyn Reach,
        responder: &str,
        by: &str,
    ) -> Result<Vec<Reported>, Refusal> {
        let shown = self.incident;
        let order = Operator::Approve(Approve {
            incident: shown.id.clone(),
            plan_hash: shown.plan_hash.clone().unwrap_or_default(),
            approved_by: by.to_owned(),
            steps: Some(self.steps.iter().map(|step| step.n).collect()),
            option: self.option.map(str::to_owned),
        });
        match reach.ask(responder, &order).await {
            Ok(reply) => Ok(reply.incidents),
            // The plan is not the one that was shown: that is what the approval is bound to.
            Err(Unanswered::Refused(error)) if error.class() == Class::Conflict => {
                let Some(Evidence::Replanned { steps, compliant, .. }) = error.evidence() else {
                    return Err(Refusal::Refused(Failure::Ended(Exit::Held, error)));
                };
                let right = *compliant;
                tell(&difference(&shown.steps, steps, right));
                let failure = Failure::Ended(Exit::Held, anew(error, shown));
                Err(if right { Refusal::Right(failure) } else { Refusal::Refused(failure) })
            }
            Err(unanswered) => {
                let error = unanswered.error();
                match error.class() {
                    // The order was wrong, or never got there.
                    Class::Missing | Class::Invalid | Class::Conflict => {
                        Err(Refusal::Refused(unanswered.into()))
                    }
                    Class::Denied if unanswered.is_unreached() => {
                        Err(Refusal::Refused(unanswered.into()))
                    }
                    // Steps may have been applied before it: one that AWS refused, an answer that
                    // was lost, people who could not be told.
                    Class::Transient | Class::Denied | Class::Bug => {
                        let look = format!("look how it stands: `backstop show {}`", shown.id);
                        Err(Refusal::Unknown(error.clone().hint(look).into()))
                    }
                }
            }
        }
    }
}

/// Why there is no answer to a release.
#[derive(Debug)]
enum Refusal {
    /// Nothing was applied.
    Refused(Failure),
    /// Nothing was applied, because live state has nothing left to apply.
    Right(Failure),
    /// The answer was lost: whether it was applied is not known.
    Unknown(Failure),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Refused(failure) | Refusal::Right(failure) | Refusal::Unknown(failure) => {
                failure
            }
        }
    }
}

/// Releases every plan that was shown. One that fails keeps no other from being released, because
/// all were agreed to; what was done is told in any case, and the first failure after it. What
/// another of them put right already is no failure.
pub(crate) async fn release_all(
    reach: &dyn Reach,
    responder: &str,
    releases: &[Release<'_>],
    by: &str,
) -> (Vec<Reported>, Option<Failure>) {
    let (mut done, mut failure) = (Vec::new(), None);
    for one in releases {
        let id = &one.incident.id;
        let refusal = match one.ask(reach, responder, by).await {
            Ok(ended) => {
                done.extend(ended);
                continue;
            }
            Err(Refusal::Right(_)) if !done.is_empty() => {
                tell(&format!("{id}: nothing is left to apply"));
                continue;
            }
            Err(refusal) => refusal,
        };
        tell(&match &refusal {
            Refusal::Refused(_) | Refusal::Right(_) => format!("{id}: not applied"),
            Refusal::Unknown(_) => format!("{id}: a part of it may have been applied"),
        });
        if failure.is_none() {
            failure = Some(refusal.into());
        } else {
            // The first one is told as the end of the command.
            Failure::from(refusal).report();
        }
    }
    (done, failure)
}

/// What the new plan has that the old one had not, and the other way round.
fn difference(then: &[ReportedStep], now: &[ReportedStep], compliant: bool) -> String {
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
        let why =
            if compliant { "it is right now" } else { "nothing of it can be planned any more" };
        lines.push(format!("+ nothing: {why}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use backstop_core::plan::Choice;
    use backstop_core::report::Reply;
    use backstop_core::words::StepStatus;
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
            "outcome": "held", "reason": "", "plan_hash": "abc",
            "steps": [step(1, "close it", "open")],
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn one_plan_that_is_refused_keeps_no_other_from_being_applied_and_told() {
        let shown = ["ssh-access-1", "ssh-access-2", "ssh-access-3"].map(incident);
        let all: Vec<Release<'_>> =
            shown.iter().map(|one| Release::of(one, None, None).unwrap()).collect();
        for (refused, applied) in [("-1", ["2", "3"]), ("-2", ["1", "3"]), ("-3", ["1", "2"])] {
            let (done, failure) = release_all(&Refuses(refused), "ssh-access", &all, "alice").await;
            assert_eq!(
                done.iter().map(|d| d.id.rsplit('-').next().unwrap()).collect::<Vec<_>>(),
                applied
            );
            assert!(matches!(failure, Some(Failure::Ended(Exit::Held, _))), "{failure:?}");
        }
        let (done, failure) = release_all(&Refuses("none"), "ssh-access", &all, "alice").await;
        assert!(done.len() == 3 && failure.is_none());
    }

    #[test]
    fn the_difference_names_what_came_and_what_went() {
        let then = [step(1, "revoke a", "x"), step(2, "revoke b", "y")];
        let now = [step(1, "revoke b", "y"), step(2, "revoke c", "z")];
        let text = difference(&then, &now, false);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "- revoke a (approval), from \"x\"",
                "  revoke b (approval), from \"y\"",
                "+ revoke c (approval), from \"z\"",
            ]
        );
        assert!(difference(&then, &[], true).ends_with("\n+ nothing: it is right now"));
        let gone = difference(&then, &[], false);
        assert!(gone.ends_with("\n+ nothing: nothing of it can be planned any more"), "{gone}");
    }

    /// Two options of which one has begun, and a step that failed although its call may be made.
    fn begun() -> Reported {
        let mut one = incident("ssh-access-1");
        let of = |n, option: &str, status| {
            let mut step = step(n, &format!("step {n}"), "open");
            (step.option, step.status) = (Some(option.to_owned()), status);
            step
        };
        one.choice = Some(Choice {
            default: "narrow".into(),
            options: [("narrow".into(), "less".into()), ("revoke".into(), "more".into())].into(),
        });
        one.steps = vec![
            of(1, "narrow", StepStatus::Held),
            of(2, "revoke", StepStatus::Verified),
            of(3, "revoke", StepStatus::Held),
            of(4, "revoke", StepStatus::Failed),
            of(5, "revoke", StepStatus::Failed),
        ];
        one.steps[4].in_force = true;
        one
    }

    #[test]
    fn what_is_asked_about_is_what_is_released() {
        let one = begun();
        let numbers = |r: &Release<'_>| r.steps.iter().map(|s| s.n).collect::<Vec<_>>();
        let all = Release::of(&one, None, None).unwrap();
        assert_eq!((all.option, numbers(&all)), (Some("revoke"), vec![3, 4]));
        let asked = all.question();
        for said in ["option revoke", "3. step 3", "4. step 4", "to arn in account 111111111111"] {
            assert!(asked.contains(said), "`{said}`: {asked}");
        }
        assert!(!asked.contains("step 1") && !asked.contains("step 5"), "{asked}");
        let some = Release::of(&one, Some(&[3]), None).unwrap();
        assert_eq!((some.option, numbers(&some)), (Some("revoke"), vec![3]));
        for (steps, option) in [
            (Some(&[1, 3][..]), None),
            (Some(&[5][..]), None),
            (Some(&[9][..]), None),
            (None, Some("narrow")),
            (None, Some("wide")),
        ] {
            let Err(Failure::Backstop(error)) = Release::of(&one, steps, option) else {
                panic!("{steps:?} {option:?}")
            };
            assert_eq!(error.class(), Class::Invalid, "{error}");
            assert!(error.hint_text().is_some(), "{error}");
        }
    }

    /// Answers each order in turn as it was told to.
    #[derive(Debug)]
    struct Answers(Mutex<Vec<Result<Reply, Unanswered>>>);

    #[async_trait::async_trait]
    impl Reach for Answers {
        async fn ask(&self, _: &str, _: &Operator) -> Result<Reply, Unanswered> {
            self.0.lock().unwrap().remove(0)
        }
    }

    #[tokio::test]
    async fn what_another_put_right_is_no_failure_and_a_lost_answer_is_not_called_a_no() {
        let applied = || Ok(Reply { incidents: vec![incident("ssh-access-1")], ignored: None });
        let right = || {
            let gone =
                Evidence::Replanned { plan_hash: "x".into(), steps: Vec::new(), compliant: true };
            Err(Unanswered::Refused(Error::conflict("changed").with_evidence(gone)))
        };
        let lost = || Err(Unanswered::Unreached(Error::transient("out of time")));
        let shown = ["ssh-access-1", "ssh-access-2"].map(incident);
        let all: Vec<Release<'_>> =
            shown.iter().map(|one| Release::of(one, None, None).unwrap()).collect();
        let ask = async |answers| {
            release_all(&Answers(Mutex::new(answers)), "ssh-access", &all, "alice").await.1
        };
        assert!(ask(vec![applied(), right()]).await.is_none());
        let alone = ask(vec![right(), right()]).await;
        assert!(matches!(alone, Some(Failure::Ended(Exit::Held, _))), "{alone:?}");
        let Some(Failure::Backstop(error)) = ask(vec![lost(), applied()]).await else { panic!() };
        assert_eq!(error.class(), Class::Transient);
        let hint = error.hint_text().unwrap();
        assert_eq!(hint, "look how it stands: `backstop show ssh-access-1`");
    }
}
