//! Where an incident stands: what of it can still be released, taken back, or planned anew.

use backstop_core::manifest::Runbook;
use backstop_core::report::{Reported, ReportedStep};
use backstop_core::text::shell;
use backstop_core::words::{Class, StepStatus};
use jiff::Timestamp;

use crate::catalogue;

/// Whether a step may have changed something that can be taken back.
pub(crate) fn in_force(step: &ReportedStep) -> bool {
    // What an older function answers does not say; its status says as much.
    let by_status = matches!(
        step.status,
        StepStatus::Verified | StepStatus::Applied | StepStatus::Undoing | StepStatus::UndoFailed
    );
    step.in_force || by_status
}

/// Whether a step was run, even if it was taken back since.
pub(crate) fn has_run(step: &ReportedStep) -> bool {
    in_force(step) || step.status == StepStatus::Undone
}

/// Whether an approval would run a step.
pub(crate) fn waits(step: &ReportedStep) -> bool {
    let open = matches!(step.status, StepStatus::Held | StepStatus::Failed | StepStatus::Applying);
    open && !in_force(step) && step.class != Class::Human
}

/// From when a step that is in force can be taken back, while that is still to come.
pub(crate) fn undo_from(step: &ReportedStep, now: Timestamp) -> Option<Timestamp> {
    step.undo_from.filter(|from| in_force(step) && *from > now)
}

/// Whether the plan can still be approved. An older function does not say until when.
pub(crate) fn approvable(incident: &Reported, now: Timestamp) -> bool {
    incident.plan_hash.is_some()
        && incident.approvable_until.is_none_or(|until| until > now)
        && incident.steps.iter().any(waits)
}

/// The options that can still be chosen, with what they mean; first the one that is taken if nobody
/// chooses. Of an option that has begun there is no other.
pub(crate) fn options(incident: &Reported) -> Vec<(&str, &str)> {
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

/// The line that plans anew exactly what an incident is about, if a runbook takes all of it.
pub(crate) fn run_again(incident: &Reported) -> Option<String> {
    let takes = |runbook: &&Runbook| {
        let known = |id: &String| runbook.parameters.iter().any(|p| p.name == id);
        !incident.ids.is_empty() && incident.ids.keys().all(known)
    };
    let runbook = of_control(incident).find(takes)?;
    let ids =
        incident.ids.iter().flat_map(|(id, values)| values.iter().map(move |v| (&**id, &**v)));
    Some(line(runbook, ids, incident))
}

/// The lines that plan whatever is wrong with the resource of an incident, one per runbook.
pub(crate) fn run_on_resource(incident: &Reported) -> Vec<(&'static str, String)> {
    let id = incident.resource.rsplit(['/', ':']).next().unwrap_or_default();
    of_control(incident)
        .filter_map(|runbook| {
            let parameter = runbook.parameters.iter().find(|p| p.shape.fits(id))?;
            Some((runbook.name, line(runbook, [(parameter.name, id)], incident)))
        })
        .collect()
}

fn of_control(incident: &Reported) -> impl Iterator<Item = &'static Runbook> {
    catalogue::responders()
        .into_iter()
        .map(|responder| responder.manifest())
        .filter(|manifest| manifest.control == incident.control)
        .flat_map(|manifest| manifest.runbooks)
}

fn line<'a>(
    runbook: &Runbook,
    ids: impl IntoIterator<Item = (&'a str, &'a str)>,
    incident: &Reported,
) -> String {
    let mut words = vec![format!("backstop run {}", runbook.name)];
    let option = |(id, value): (&str, &str)| format!("--{} {}", id.replace('_', "-"), shell(value));
    words.extend(ids.into_iter().map(option));
    words.push(format!(
        "--account {} --region {} --reason 'WHY'",
        shell(&incident.account),
        shell(&incident.region)
    ));
    words.join(" ")
}
