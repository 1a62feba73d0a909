//! What a person can do next, as lines to paste.

use backstop_core::report::{Reported, ReportedStep};
use backstop_core::text::shell;
use backstop_core::words::{Class, StepStatus};
use jiff::{SignedDuration, Timestamp};

use super::time::clock;
use crate::standing::{
    approvable, in_force, options, run_again, run_on_resource, undo_from, waits,
};

/// One thing to do.
#[derive(Debug)]
pub(super) struct Next {
    /// What it does.
    pub(super) what: String,
    /// The line for a shell. Capitals in it are to be replaced.
    pub(super) command: String,
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
    let undone = incident.steps.iter().any(|s| s.status == StepStatus::Undone);
    if expired || undone {
        let why = if expired { "this plan has expired" } else { "it was taken back" };
        let anew = run_again(incident);
        // Where no runbook takes all of it, what is wrong with its resource.
        let lines = anew.map_or_else(
            || run_on_resource(incident).into_iter().map(|(_, line)| line).collect(),
            |line| vec![line],
        );
        next.extend(
            lines.into_iter().map(|command| Next {
                what: format!("plan it anew from live state: {why}"),
                command,
            }),
        );
    }
    for (name, line) in run_on_resource(incident) {
        if incident.follow_up.iter().any(|l| l.contains(&format!("`{name}`"))) {
            next.push(Next {
                what: format!("plan what else there is on this resource ({name})"),
                command: line,
            });
        }
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
    next.extend(record(incident).map(|command| {
        Next {
            what:
                "read CloudTrail's record of the call, in its account; it shows within 15 minutes"
                    .to_owned(),
            command,
        }
    }));
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

/// The line that finds the record of the call again. A native event has none.
fn record(incident: &Reported) -> Option<String> {
    let (name, at) = (incident.event.as_deref()?, incident.happened_at?);
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    // `eventTime` has whole seconds.
    let until = at.saturating_add(SignedDuration::from_secs(1)).ok()?;
    Some(format!(
        "aws cloudtrail lookup-events --region {} --lookup-attributes \
         AttributeKey=EventName,AttributeValue={name} --start-time {at:.0} --end-time {until:.0}",
        shell(&incident.region)
    ))
}
