//! The incident: the durable record of one response, and the changes it goes through.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::assessment::Finding;
use crate::candidate::Candidate;
use crate::error::{Error, Result};
use crate::metrics::Unmeasured;
use crate::plan::{self, Choice, StepRecord};
use crate::words::{Mode, Outcome, StepStatus, Urgency};

/// The header of an incident. Schema rule: fields are only ever added, and optional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// See [`crate::ident::incident_id`].
    pub id: String,
    /// The function that owns it, and that alone executes approve and undo.
    pub responder: String,
    /// Its control.
    pub control: String,
    /// What it is about, and where that came from.
    pub candidate: Candidate,
    /// How it ended so far; none while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it ended so.
    #[serde(default)]
    pub reason: String,
    /// What is wrong, once assessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// What a fresh look said after the last steps that were applied, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aftermath: Vec<String>,
    /// The incident that holds the same plan open, if it ended as its duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate_of: Option<String>,
    /// What is wrong and each thing that would be done about it, as digests: what a sweep finds that
    /// holds no other is the same, and told once.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub sameness: BTreeSet<String>,
    /// Whether there was nothing to look at: gone, or never there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// The mode at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The policy at the time.
    #[serde(default)]
    pub config_hash: String,
    /// The hash of the plan as it was made: the key of its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// The hash that `approve` accepts now: of the steps still held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_hash: Option<String>,
    /// The plan's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// Until when the held plan can be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvable_until: Option<Timestamp>,
    /// When it was claimed first.
    pub claimed_at: Timestamp,
    /// When it last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// When the containing call was answered for the last step that contains. Where its answer was
    /// lost, when its effect was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contained_at: Option<Timestamp>,
    /// When a fresh describe showed the last step that contains.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// What the meter was not given yet of how it last ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmeasured: Option<Unmeasured>,
    /// Whether the notice went out.
    #[serde(default)]
    pub told: bool,
    /// Whether people have been told how it ended, ticket included.
    #[serde(default)]
    pub reported: bool,
    /// The OpsItem that stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ops_item: Option<String>,
    /// Who works on it now.
    pub owner: String,
    /// Until when nobody else may.
    pub lease_until: Timestamp,
    /// The number of the last entry.
    pub seq: u32,
}

impl Header {
    /// How soon a person must look; `info` until assessed.
    pub fn urgency(&self) -> Urgency {
        self.finding.as_ref().map_or(Urgency::Info, |f| f.urgency)
    }

    /// Whether work on it is unfinished: open, or nobody has been told.
    pub const fn is_unfinished(&self) -> bool {
        self.outcome.is_none() || !self.reported
    }
}

/// One change, as the journal keeps it: append-only, and never reworded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum Change {
    /// The incident was claimed for the first time.
    Claimed,
    /// Another owner took over where the last one stopped.
    Resumed,
    /// The candidate was assessed.
    Assessed {
        /// `compliant`, `unknown` or `violation`.
        verdict: String,
        /// Why.
        reason: String,
    },
    /// A plan was made.
    Planned {
        /// Its hash.
        hash: String,
        /// How many steps it has.
        steps: u32,
    },
    /// A guard stopped every step that could have run.
    Held {
        /// The guard's reason.
        reason: String,
    },
    /// A step waits for a person.
    StepHeld {
        /// The step.
        step: u32,
        /// Why.
        reason: String,
    },
    /// A step was already so.
    StepSatisfied {
        /// The step.
        step: u32,
        /// The state seen.
        after: Value,
    },
    /// Written ahead: the call comes next.
    StepApplying {
        /// The step.
        step: u32,
    },
    /// The call was answered.
    StepApplied {
        /// The step.
        step: u32,
    },
    /// A fresh describe shows it.
    StepVerified {
        /// The step.
        step: u32,
        /// The state seen.
        after: Value,
        /// From when it can be taken back without harm; none if at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo_from: Option<Timestamp>,
    },
    /// Refused for good, or not seen in a fresh describe.
    StepFailed {
        /// The step.
        step: u32,
        /// Why.
        reason: String,
        /// Whether its call was written ahead and may have been made all the same.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        uncertain: bool,
    },
    /// A person released the held steps.
    Approved {
        /// The name the payload claims.
        by: String,
        /// The hash that was released.
        hash: String,
        /// The steps.
        steps: Vec<u32>,
        /// The option of the choice.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        option: Option<String>,
    },
    /// Written ahead: the call that takes a step back comes next.
    StepUndoing {
        /// The step.
        step: u32,
        /// The name the payload claims.
        by: String,
        /// Why, in that person's words.
        reason: String,
    },
    /// A fresh describe shows the state before.
    StepUndone {
        /// The step.
        step: u32,
        /// The arguments that observe the restored resource, where AWS gave a new id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        restored: Option<Value>,
    },
    /// Could not be taken back.
    StepUndoFailed {
        /// The step.
        step: u32,
        /// Why.
        reason: String,
    },
    /// It ended, for now.
    Closed {
        /// How.
        outcome: Outcome,
        /// Why.
        reason: String,
    },
    /// People were told.
    Reported {
        /// Which way, such as `sns:page` or `ssm:oi-…`.
        channel: String,
    },
    /// People could not be told this way.
    ReportFailed {
        /// Which way.
        channel: String,
        /// Why.
        reason: String,
    },
}

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u32,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it: one owner per invocation.
    pub owner: String,
    /// The change.
    #[serde(flatten)]
    pub change: Change,
}

/// An incident with everything that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Incident {
    /// The header.
    pub header: Header,
    /// The steps of its plan, in order.
    pub steps: Vec<StepRecord>,
    /// The entries, in order.
    pub entries: Vec<Entry>,
}

/// What a step goes through. Every pair of status and change is decided here: a new one of either
/// must be thought about.
///
/// # Errors
/// `Bug` for a change that the status does not allow.
pub fn next(status: StepStatus, change: &Change) -> Result<StepStatus> {
    use StepStatus as S;
    let illegal =
        || Err(Error::bug(format!("a step that is {status} cannot go through {change:?}")));
    match change {
        Change::StepHeld { .. } => match status {
            // `Applying`: its owner stopped before the call, and nobody may repeat it unasked.
            S::Planned | S::Held | S::Applying => Ok(S::Held),
            S::Applied
            | S::Verified
            | S::Satisfied
            | S::Failed
            | S::Undoing
            | S::Undone
            | S::UndoFailed => illegal(),
        },
        Change::StepSatisfied { .. } => match status {
            // `Applying`: the call was made, its answer lost, and the next owner sees its effect;
            // that is `Verified`, because it was ours.
            // `Failed`: it was refused, and another's hand has done it since.
            S::Planned | S::Held | S::Failed => Ok(S::Satisfied),
            S::Applying
            | S::Applied
            | S::Verified
            | S::Satisfied
            | S::Undoing
            | S::Undone
            | S::UndoFailed => illegal(),
        },
        Change::StepApplying { .. } => match status {
            S::Planned | S::Held | S::Applying | S::Failed => Ok(S::Applying),
            S::Applied | S::Verified | S::Satisfied | S::Undoing | S::Undone | S::UndoFailed => {
                illegal()
            }
        },
        Change::StepApplied { .. } => match status {
            S::Applying => Ok(S::Applied),
            S::Held
            | S::Planned
            | S::Applied
            | S::Verified
            | S::Satisfied
            | S::Failed
            | S::Undoing
            | S::Undone
            | S::UndoFailed => illegal(),
        },
        Change::StepVerified { .. } => match status {
            S::Applying | S::Applied => Ok(S::Verified),
            S::Held
            | S::Planned
            | S::Verified
            | S::Satisfied
            | S::Failed
            | S::Undoing
            | S::Undone
            | S::UndoFailed => illegal(),
        },
        Change::StepFailed { .. } => match status {
            // `Failed`: refused again.
            S::Planned | S::Held | S::Applying | S::Applied | S::Failed => Ok(S::Failed),
            S::Verified | S::Satisfied | S::Undoing | S::Undone | S::UndoFailed => illegal(),
        },
        Change::StepUndoing { .. } => match status {
            // `Applied` and `Failed`: the change may have been made although it was never seen.
            S::Verified | S::Applied | S::Applying | S::Failed | S::Undoing | S::UndoFailed => {
                Ok(S::Undoing)
            }
            S::Held | S::Planned | S::Satisfied | S::Undone => illegal(),
        },
        Change::StepUndone { .. } => match status {
            S::Undoing => Ok(S::Undone),
            S::Held
            | S::Planned
            | S::Applying
            | S::Applied
            | S::Verified
            | S::Satisfied
            | S::Failed
            | S::Undone
            | S::UndoFailed => illegal(),
        },
        Change::StepUndoFailed { .. } => match status {
            S::Undoing => Ok(S::UndoFailed),
            S::Held
            | S::Planned
            | S::Applying
            | S::Applied
            | S::Verified
            | S::Satisfied
            | S::Failed
            | S::Undone
            | S::UndoFailed => illegal(),
        },
        Change::Claimed
        | Change::Resumed
        | Change::Assessed { .. }
        | Change::Planned { .. }
        | Change::Held { .. }
        | Change::Approved { .. }
        | Change::Closed { .. }
        | Change::Reported { .. }
        | Change::ReportFailed { .. } => Ok(status),
    }
}

impl Change {
    /// The step that it is about, if it is about one.
    pub const fn step(&self) -> Option<u32> {
        match self {
            Self::StepHeld { step, .. }
            | Self::StepSatisfied { step, .. }
            | Self::StepApplying { step }
            | Self::StepApplied { step }
            | Self::StepVerified { step, .. }
            | Self::StepFailed { step, .. }
            | Self::StepUndoing { step, .. }
            | Self::StepUndone { step, .. }
            | Self::StepUndoFailed { step, .. } => Some(*step),
            Self::Claimed
            | Self::Resumed
            | Self::Assessed { .. }
            | Self::Planned { .. }
            | Self::Held { .. }
            | Self::Approved { .. }
            | Self::Closed { .. }
            | Self::Reported { .. }
            | Self::ReportFailed { .. } => None,
        }
    }
}

/// Applies a change to the step that it is about.
///
/// # Errors
/// `Bug` if the step's status does not allow it.
pub fn apply(step: &mut StepRecord, change: &Change) -> Result<()> {
    step.status = next(step.status, change)?;
    match change {
        Change::StepApplied { .. } => step.applied = true,
        Change::StepVerified { after, undo_from, .. } => {
            step.applied = true;
            step.after = Some(after.clone());
            step.undo_from = *undo_from;
            step.detail = None;
        }
        Change::StepSatisfied { after, .. } => {
            step.after = Some(after.clone());
            step.detail = None;
        }
        Change::StepFailed { reason, uncertain, .. } => {
            step.detail = Some(reason.clone());
            step.uncertain = *uncertain;
        }
        Change::StepHeld { reason, .. } | Change::StepUndoFailed { reason, .. } => {
            step.detail = Some(reason.clone());
        }
        Change::StepUndone { restored, .. } => {
            step.restored.clone_from(restored);
            step.undo_from = None;
        }
        Change::Claimed
        | Change::Resumed
        | Change::Assessed { .. }
        | Change::Planned { .. }
        | Change::Held { .. }
        | Change::StepApplying { .. }
        | Change::Approved { .. }
        | Change::StepUndoing { .. }
        | Change::Closed { .. }
        | Change::Reported { .. }
        | Change::ReportFailed { .. } => {}
    }
    Ok(())
}

/// How the incident stands, told from its steps alone.
///
/// `held` says why nothing more was applied, if something was held.
pub fn outcome(steps: &[StepRecord]) -> Outcome {
    // What belongs to an option that was not chosen says nothing about the response.
    let steps: Vec<&StepRecord> = plan::counting(steps).collect();
    let has = |wanted: &[StepStatus]| steps.iter().any(|s| wanted.contains(&s.status));
    let changed = has(&[StepStatus::Verified, StepStatus::Applied]);
    if has(&[StepStatus::Failed, StepStatus::UndoFailed, StepStatus::Applying, StepStatus::Undoing])
    {
        return Outcome::Failed;
    }
    if has(&[StepStatus::Undone]) {
        return if changed { Outcome::Partial } else { Outcome::Undone };
    }
    let waits = steps
        .iter()
        .any(|s| matches!(s.status, StepStatus::Held | StepStatus::Planned) && s.containing);
    match (changed, waits) {
        (true, true) => Outcome::Partial,
        (true, false) => Outcome::Contained,
        (false, false) if steps.iter().any(|s| s.is_done()) => Outcome::Compliant,
        (false, true | false) => Outcome::Held,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Class;
    use serde_json::json;

    fn steps(of: &[(StepStatus, bool, Option<&str>)]) -> Vec<StepRecord> {
        of.iter()
            .zip(1..)
            .map(|((status, containing, option), n)| StepRecord {
                n,
                action: "a/1".into(),
                arguments: json!({}),
                class: Class::Approval,
                reason: String::new(),
                option: option.map(Into::into),
                containing: *containing,
                needs: None,
                uncertain: false,
                resource: String::new(),
                summary: String::new(),
                command: String::new(),
                undo_command: None,
                undo_differs: None,
                foreseen: None,
                undo_from: None,
                before: json!(null),
                status: *status,
                after: None,
                applied: false,
                detail: None,
                restored: None,
            })
            .collect()
    }

    #[test]
    fn the_outcome_follows_from_the_steps() {
        use Outcome as O;
        use StepStatus as S;
        for (of, expected) in [
            (vec![(S::Verified, true, None)], O::Contained),
            (vec![(S::Verified, true, None), (S::Held, true, None)], O::Partial),
            (vec![(S::Verified, true, None), (S::Held, false, None)], O::Contained),
            (vec![(S::Held, true, None)], O::Held),
            (vec![(S::Satisfied, true, None)], O::Compliant),
            (vec![(S::Verified, true, None), (S::Failed, true, None)], O::Failed),
            (vec![(S::Applying, true, None)], O::Failed),
            (vec![(S::Undone, true, None)], O::Undone),
            (vec![(S::Undone, true, None), (S::Verified, true, None)], O::Partial),
            (vec![(S::Verified, true, Some("a")), (S::Held, true, Some("b"))], O::Contained),
            (vec![(S::Held, true, Some("a")), (S::Held, true, Some("b"))], O::Held),
            (vec![(S::Failed, true, Some("a")), (S::Held, true, Some("b"))], O::Failed),
            (vec![(S::Failed, true, Some("a")), (S::Verified, true, Some("b"))], O::Contained),
            (vec![(S::Undone, true, Some("a")), (S::Held, true, Some("b"))], O::Undone),
            (
                vec![
                    (S::Verified, true, Some("a")),
                    (S::Held, true, Some("a")),
                    (S::Held, true, Some("b")),
                ],
                O::Partial,
            ),
        ] {
            assert_eq!(outcome(&steps(&of)), expected, "{of:?}");
        }
    }

    #[test]
    fn a_step_that_is_verified_is_never_applied_again() {
        for change in [
            Change::StepApplying { step: 1 },
            Change::StepApplied { step: 1 },
            Change::StepFailed { step: 1, reason: String::new(), uncertain: false },
            Change::StepHeld { step: 1, reason: String::new() },
        ] {
            assert!(next(StepStatus::Verified, &change).is_err(), "{change:?}");
            assert!(next(StepStatus::Undone, &change).is_err(), "{change:?}");
        }
        assert_eq!(
            next(StepStatus::Failed, &Change::StepApplying { step: 1 }).unwrap(),
            StepStatus::Applying
        );
    }

    #[test]
    fn entries_are_read_back_as_they_were_written() {
        let entry = Entry {
            seq: 3,
            at: "2026-11-23T12:00:00Z".parse().unwrap(),
            owner: "o".into(),
            change: Change::StepVerified { step: 1, after: json!({"rule": null}), undo_from: None },
        };
        let text = serde_json::to_string(&entry).unwrap();
        assert!(text.contains(r#""change":"step-verified""#), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
    }
}
