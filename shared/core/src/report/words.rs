//! One change of the journal in words.

use crate::incident::Change;

impl Change {
    /// The change, for a person. Reasons and names of others are in it as they are: whoever shows
    /// it makes them safe.
    pub fn words(&self) -> String {
        match self {
            Self::Claimed => "claimed: nobody else works on it".to_owned(),
            Self::Resumed => "resumed where the last owner stopped".to_owned(),
            Self::Assessed { verdict, reason } => {
                format!("assessed from live state: {verdict}, {reason}")
            }
            Self::Planned { hash, steps } => {
                let noun = if *steps == 1 { "step" } else { "steps" };
                format!("planned {steps} {noun}, hash {hash:.12}…")
            }
            Self::Held { reason } => format!("held: {reason}"),
            Self::StepHeld { step, reason } => format!("step {step} held: {reason}"),
            Self::StepSatisfied { step, .. } => format!("step {step} was already so"),
            Self::StepApplying { step } => {
                format!("step {step} written ahead, the call comes next")
            }
            Self::StepApplied { step } => format!("step {step} applied"),
            Self::StepVerified { step, .. } => format!("step {step} verified by a fresh describe"),
            Self::StepFailed { step, reason, uncertain } => {
                let made = if *uncertain { " (its call may have been made)" } else { "" };
                format!("step {step} failed: {reason}{made}")
            }
            Self::Approved { by, steps, option, .. } => {
                let numbers: Vec<String> = steps.iter().map(u32::to_string).collect();
                let option = option.as_ref().map(|o| format!(", option {o}")).unwrap_or_default();
                format!("approved by {by}, as claimed: steps {}{option}", numbers.join(", "))
            }
            Self::StepUndoing { step, by, reason } => {
                format!("step {step} is taken back by {by}, as claimed: {reason}")
            }
            Self::StepUndone { step, restored: None } => {
                format!("step {step} taken back, seen in a fresh describe")
            }
            Self::StepUndone { step, restored: Some(_) } => {
                format!("step {step} taken back under a new id, seen in a fresh describe")
            }
            Self::StepUndoFailed { step, reason } => {
                format!("step {step} not taken back: {reason}")
            }
            Self::Closed { outcome, reason } => format!("closed as {outcome}: {reason}"),
            Self::Reported { channel } => format!("people told over {channel}"),
            Self::ReportFailed { channel, reason } => {
                format!("people not told over {channel}: {reason}")
            }
        }
    }
}
