//! What a person can do next, as lines to paste.

use backstop_core::report::{Reported, ReportedStep};
use backstop_core::text::shell;
use backstop_core::words::{Class, StepStatus};
use jiff::Timestamp;

use super::time::clock;
use crate::catalogue;

/// One thing to do.
#[derive(Debug)]
pub(super) struct Next {
    /// What it does.
    pub(super) what: String,
    /// The line for a shell. Capitals in it are to be replaced.
    pub(super) command: String,
}

/// Whether a step may have changed something that can be taken back.
pub(super) fn in_force(step: &ReportedStep) -> bool {
    // What an older function answers does not say; its status says as much.
    let by_status = matches!(
        step.status,
        StepStatus::Verified | StepStatus::Applied | StepStatus::Undoing | StepStatus::UndoFailed
    );
    step.in_force || by_status
}

/// From when a step that is in force can be taken back, while that is still to come.
pub(super) fn undo_from(step: &ReportedStep, now: Timestamp) -> Option<Timestamp> {
    step.undo_from.filter(|from| in_force(step) && *from > now)
}

/// Whether a step was run, even if it was taken back since.
pub(super) fn has_run(step: &ReportedStep) -> bool {
    in_force(step) || step.status == StepStatus::Undone
}

/// Whether an approval would run a step.
fn waits(step: &ReportedStep) -> bool {
    let open = matches!(step.status, StepStatus::Held | StepStatus::Failed | StepStatus::Applying);
    open && !in_force(step) && step.class != Class::Human
}

/// Whether the plan can still be approved. An older function does not say until when.
pub(super) fn approvable(incident: &Reported, now: Timestamp) -> bool {
    incident.plan_hash.is_some()
        && incident.approvable_until.is_none_or(|until| until > now)
        && incident.steps.iter().any(waits)
}

/// Everything, most useful first.
pub(super) fn next(incident: &Reported, now: Timestamp) -> Vec<Next> {
    let mut next = Vec::new();
    let id = shell(&incident.id);
    for step in by_hand(incident) {
        next.push(Next {
            what: format!("do step {} by hand: Backstop never runs it", step.n),
            command: step.command.clone(),
        });
    }
    if approvable(incident, now) {
        let hash = incident.plan_hash.as_deref().unwrap_or_default();
        let line = format!("backstop approve {id} --plan-hash {}", shell(hash));
        let options = options(incident);
        for (name, means) in &options {
            next.push(Next {
                what: format!("release what is held with the option {name}: it {means}"),
                command: format!("{line} --option {}", shell(name)),
            });
        }
        if options.is_empty() {
            let held = incident.steps.iter().any(|s| s.status == StepStatus::Held);
            let what = if held { "release what is held" } else { "try again what failed" };
            next.push(Next { what: format!("{what}: this plan, and no other"), command: line });
        }
    }
    let waiting = incident.steps.iter().any(waits);
    let expired = waiting && incident.plan_hash.is_some() && !approvable(incident, now);
    for (name, line) in runbooks(incident) {
        let named = incident.follow_up.iter().any(|l| l.contains(&format!("`{name}`")));
        let undone = incident.steps.iter().any(|s| s.status == StepStatus::Undone);
        let what = match (expired, undone, named) {
            (true, _, _) => "plan it anew from live state: this plan has expired",
            (_, true, _) => "plan it anew from live state: it was taken back",
            (_, _, true) => "plan what else there is on this resource",
            (false, false, false) => continue,
        };
        next.push(Next { what: format!("{what} ({name})"), command: line });
    }
    if incident.outcome.is_some() && incident.steps.iter().any(in_force) {
        let all = incident.steps.iter().filter(|s| in_force(s)).count();
        let what = if all == 1 {
            "take it back"
        } else {
            "take all of it back, last first; `--step` names one step"
        };
        let from = incident.steps.iter().filter_map(|s| undo_from(s, now)).max();
        let from = from.map(|at| format!(", not before {}", clock(at))).unwrap_or_default();
        next.push(Next {
            what: format!("{what}{from}; a later change is not overwritten"),
            command: format!("backstop undo {id} --reason 'WHY'"),
        });
    }
    next.push(Next {
        what: "see how it stands now".to_owned(),
        command: format!("backstop show {id}"),
    });
    next
}

/// The steps that only a person does.
fn by_hand(incident: &Reported) -> impl Iterator<Item = &ReportedStep> {
    let open = |s: &&ReportedStep| matches!(s.status, StepStatus::Held | StepStatus::Planned);
    incident.steps.iter().filter(|s| s.class == Class::Human).filter(open)
}

/// The options that can still be chosen, the default first.
pub(super) fn options(incident: &Reported) -> Vec<(&str, &str)> {
    let Some(choice) = &incident.choice else { return Vec::new() };
    let of = |name: &str, is: fn(&ReportedStep) -> bool| {
        incident.steps.iter().any(|s| s.option.as_deref() == Some(name) && is(s))
    };
    let names = || choice.options.iter().map(|(name, means)| (name.as_str(), means.as_str()));
    let begun = names().any(|(name, _)| of(name, in_force));
    let mut open: Vec<(&str, &str)> =
        names().filter(|(name, _)| of(name, waits) && (!begun || of(name, in_force))).collect();
    open.sort_by_key(|(name, _)| *name != choice.default);
    open
}

/// The runbooks of its responder that take its resource, with their lines.
fn runbooks(incident: &Reported) -> Vec<(&'static str, String)> {
    let id = incident.resource.rsplit(['/', ':']).next().unwrap_or_default();
    catalogue::responders()
        .iter()
        .map(|responder| responder.manifest())
        .filter(|manifest| manifest.control == incident.control)
        .flat_map(|manifest| manifest.runbooks)
        .filter_map(|runbook| {
            let parameter = runbook.parameters.iter().find(|p| p.shape.fits(id))?;
            let line = format!(
                "backstop run {} --{} {} --account {} --region {} --reason 'WHY'",
                runbook.name,
                parameter.name.replace('_', "-"),
                shell(id),
                shell(&incident.account),
                shell(&incident.region),
            );
            Some((runbook.name, line))
        })
        .collect()
}
