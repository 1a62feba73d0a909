//! The plan: the ordered steps for a finding, and the hash that an approval is bound to.

use std::collections::BTreeSet;
use std::fmt::Debug;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::action::{Action, AnyAction};
use crate::error::{Error, Result};
use crate::ident;
use crate::words::{Class, StepStatus};

/// One step as the responder plans it.
#[derive(Debug)]
pub struct Step<C> {
    /// The change.
    pub action: Box<dyn AnyAction<C>>,
    /// The state that the plan was made from; the first `before` wins.
    pub before: Value,
    /// What may run it.
    pub class: Class,
    /// Why it is needed, and why it has that class.
    pub reason: String,
    /// The option of the plan's choice that it belongs to.
    pub option: Option<String>,
    /// Whether it contains, or only tidies up after.
    pub containing: bool,
    /// Whether it must not run before the step before it is done.
    pub follows: bool,
}

impl<C: Send + Sync + 'static> Step<C> {
    /// A containing step that belongs to no choice.
    ///
    /// # Errors
    /// `Bug` if the state cannot be written as JSON.
    pub fn new<A: Action<C>>(
        action: A,
        before: &A::State,
        class: Class,
        reason: impl Into<String>,
    ) -> Result<Self> {
        let before = serde_json::to_value(before)
            .map_err(|e| Error::bug(format!("cannot write down the state before: {e}")))?;
        Ok(Self {
            action: Box::new(action),
            before,
            class,
            reason: reason.into(),
            option: None,
            containing: true,
            follows: false,
        })
    }

    /// The same step as part of an option.
    #[must_use]
    pub fn option(mut self, option: &str) -> Self {
        self.option = Some(option.to_owned());
        self
    }

    /// The same step, not counted as containment: restoring what was there before.
    #[must_use]
    pub fn restoring(mut self) -> Self {
        self.containing = false;
        self
    }

    /// The same step, which stands on the one before it: it runs only once that one is done, and
    /// that one is not taken back while this one is in force.
    #[must_use]
    pub fn following(mut self) -> Self {
        self.follows = true;
        self
    }
}

/// The one choice that a plan may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// What runs when nobody chooses: the option that removes least.
    pub default: String,
    /// Every option, with what it means.
    pub options: Vec<(String, String)>,
}

/// One step as the journal keeps it. Schema rule: fields are only ever added, and optional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its place in the plan, from 1.
    pub n: u32,
    /// The action's permanent name.
    pub action: String,
    /// The action's arguments.
    pub arguments: Value,
    /// What may run it.
    pub class: Class,
    /// Why it is needed, and why it has that class.
    pub reason: String,
    /// The option it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// Whether it contains.
    #[serde(default)]
    pub containing: bool,
    /// The step that must be done before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<u32>,
    /// The ARN of the resource it changes.
    pub resource: String,
    /// What it does, in one phrase.
    #[serde(default)]
    pub summary: String,
    /// The equivalent AWS CLI line.
    pub command: String,
    /// The AWS CLI line that takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_command: Option<String>,
    /// What is not as it was after it was taken back, if something is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_differs: Option<String>,
    /// The state that the plan was made from.
    pub before: Value,
    /// What a fresh describe is expected to read after it, if that can be told. Part of no hash: it
    /// follows from the arguments and the state before.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "seen")]
    pub foreseen: Option<Value>,
    /// Where it stands.
    pub status: StepStatus,
    /// The state seen after it. `null` is a state too: it is what a thing that is gone reads as.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "seen")]
    pub after: Option<Value>,
    /// From when it can be taken back without harm; none if at once, or while it is not in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_from: Option<Timestamp>,
    /// Whether the call was answered, so that there may be something to take back.
    #[serde(default)]
    pub applied: bool,
    /// Whether it failed although its call may have been made: somebody changed the resource before
    /// that could be seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
    /// Why it failed, or why it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The arguments that observe the resource since it was taken back, where AWS gave a new id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<Value>,
}

/// A value that is there, `null` included.
fn seen<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

impl StepRecord {
    /// The record of a step that has not begun.
    ///
    /// # Errors
    /// `Bug` if the action cannot be written as JSON.
    pub fn new<C>(n: u32, step: &Step<C>) -> Result<Self> {
        let words = step.action.describe(&step.before)?;
        Ok(Self {
            n,
            action: step.action.name().to_owned(),
            arguments: step.action.arguments()?,
            class: step.class,
            reason: step.reason.clone(),
            option: step.option.clone(),
            containing: step.containing,
            needs: step.follows.then(|| n.saturating_sub(1)),
            resource: words.resource,
            summary: words.summary,
            command: words.command,
            undo_command: words.undo_command,
            undo_differs: step.action.undo_differs().map(str::to_owned),
            before: step.before.clone(),
            foreseen: step.action.foreseen(&step.before)?,
            status: StepStatus::Planned,
            after: None,
            undo_from: None,
            applied: false,
            uncertain: false,
            detail: None,
            restored: None,
        })
    }

    /// Whether a person can still release it.
    pub const fn is_held(&self) -> bool {
        matches!(self.status, StepStatus::Held)
    }

    /// Whether what it wants is so: a step that needs it may run.
    pub const fn is_done(&self) -> bool {
        matches!(self.status, StepStatus::Verified | StepStatus::Satisfied)
    }

    /// Whether it may be in force: what it needs must not be taken back before it.
    pub const fn in_force(&self) -> bool {
        match self.status {
            StepStatus::Verified
            | StepStatus::Applied
            | StepStatus::Undoing
            | StepStatus::UndoFailed => true,
            // The call was answered, or may have been made, although its effect was never seen.
            StepStatus::Failed | StepStatus::Applying => self.applied || self.uncertain,
            StepStatus::Held | StepStatus::Planned | StepStatus::Satisfied | StepStatus::Undone => {
                false
            }
        }
    }
}

/// The hash that `approve` accepts: over the resource, the policy and the steps given, and over
/// nothing that changes without the change being different (time, wording, blast radius, tokens).
///
/// Canonical JSON per RFC 8785: the order of a map does not matter.
///
/// # Errors
/// `Bug` if the steps cannot be written as canonical JSON.
pub fn hash<'a>(
    resource: &str,
    config_hash: &str,
    steps: impl IntoIterator<Item = &'a StepRecord>,
) -> Result<String> {
    let steps: Vec<Value> = steps
        .into_iter()
        .map(|step| {
            json!({
                "action": step.action,
                "arguments": step.arguments,
                "class": step.class,
                "before": step.before,
                "option": step.option,
            })
        })
        .collect();
    let plan = json!({ "resource": resource, "config": config_hash, "steps": steps });
    let bytes = serde_json_canonicalizer::to_vec(&plan)
        .map_err(|e| Error::bug(format!("cannot write the plan as canonical JSON: {e}")))?;
    Ok(ident::sha256(&bytes))
}

/// The options that were chosen: of which something is in force, or all is so.
fn chosen(steps: &[StepRecord]) -> impl Iterator<Item = &str> {
    let all = |option: &str| {
        steps.iter().filter(|s| s.option.as_deref() == Some(option)).all(StepRecord::is_done)
    };
    steps
        .iter()
        .filter_map(move |s| s.option.as_deref().filter(|option| s.in_force() || all(option)))
}

/// The steps that count: all of them but those of an option that another was chosen over.
pub fn counting(steps: &[StepRecord]) -> impl Iterator<Item = &StepRecord> {
    let chosen: BTreeSet<&str> = chosen(steps).collect();
    steps.iter().filter(move |s| {
        s.option.as_deref().is_none_or(|o| chosen.is_empty() || chosen.contains(o))
    })
}

/// The option that has begun, if one has: from then on it is the default.
pub fn begun(steps: &[StepRecord]) -> Option<&str> {
    chosen(steps).next()
}

/// The steps that a person can still release: held, refused, or written ahead and never answered.
/// None of these has changed anything that is known of.
pub fn waiting(steps: &[StepRecord]) -> impl Iterator<Item = &StepRecord> {
    counting(steps).filter(|s| match s.status {
        StepStatus::Held => true,
        StepStatus::Failed | StepStatus::Applying => !s.in_force(),
        StepStatus::Planned
        | StepStatus::Applied
        | StepStatus::Verified
        | StepStatus::Satisfied
        | StepStatus::Undoing
        | StepStatus::Undone
        | StepStatus::UndoFailed => false,
    })
}

/// The hash of what is still held, none if nothing is.
///
/// # Errors
/// As [`hash`].
pub fn held_hash(
    resource: &str,
    config_hash: &str,
    steps: &[StepRecord],
) -> Result<Option<String>> {
    let held: Vec<&StepRecord> = waiting(steps).collect();
    if held.is_empty() { Ok(None) } else { hash(resource, config_hash, held).map(Some) }
}

/// Which held steps an approval releases.
///
/// # Errors
/// `Invalid` if a number is no held step, or the option is none of the choice's.
pub fn release(
    steps: &[StepRecord],
    choice: Option<&Choice>,
    numbers: Option<&[u32]>,
    option: Option<&str>,
) -> Result<BTreeSet<u32>> {
    let held: BTreeSet<u32> =
        waiting(steps).filter(|s| s.class != Class::Human).map(|s| s.n).collect();
    let chosen = match (choice, option) {
        (None, Some(option)) => {
            return Err(Error::invalid(format!(
                "the plan holds no choice, so there is no option `{option}`"
            )));
        }
        (Some(choice), Some(option)) if !choice.options.iter().any(|(name, _)| name == option) => {
            let names: Vec<&str> = choice.options.iter().map(|(name, _)| name.as_str()).collect();
            return Err(Error::invalid(format!("the plan has no option `{option}`"))
                .hint(format!("choose one of: {}", names.join(", "))));
        }
        (Some(choice), given) => Some(given.or(begun(steps)).unwrap_or(&choice.default)),
        (None, None) => None,
    };
    if let Some(wrong) = numbers.and_then(|n| n.iter().find(|n| !held.contains(n))) {
        return Err(Error::invalid(format!("step {wrong} is not held"))
            .hint(format!("held are: {}", list(&held))));
    }
    let other = steps.iter().find(|s| {
        numbers.is_some_and(|n| n.contains(&s.n))
            && s.option.is_some()
            && s.option.as_deref() != chosen
    });
    if let Some(step) = other {
        let option = step.option.as_deref().unwrap_or_default();
        return Err(Error::invalid(format!("step {} belongs to the option `{option}`", step.n))
            .hint(format!("choose that option, or leave step {} out", step.n)));
    }
    let released: BTreeSet<u32> = steps
        .iter()
        .filter(|s| held.contains(&s.n) && numbers.is_none_or(|n| n.contains(&s.n)))
        .filter(|s| s.option.is_none() || s.option.as_deref() == chosen)
        .map(|s| s.n)
        .collect();
    let unmet = steps.iter().filter(|s| released.contains(&s.n)).find_map(|step| {
        let needs = step.needs.filter(|needs| !released.contains(needs))?;
        // One whose call was answered is looked at before this one runs.
        let done = |s: &StepRecord| s.is_done() || s.status == StepStatus::Applied;
        let done = steps.iter().any(|s| s.n == needs && done(s));
        (!done).then_some((step.n, needs))
    });
    if let Some((step, needs)) = unmet {
        return Err(Error::invalid(format!("step {step} needs step {needs}, which is not done"))
            .hint(format!("release step {needs} with it")));
    }
    if released.is_empty() {
        return Err(
            Error::invalid("nothing would be released").hint(format!("held are: {}", list(&held)))
        );
    }
    Ok(released)
}

fn list(numbers: &BTreeSet<u32>) -> String {
    if numbers.is_empty() {
        return "none".to_owned();
    }
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(n: u32, status: StepStatus, option: Option<&str>) -> StepRecord {
        StepRecord {
            n,
            action: "test.thing.change/1".into(),
            arguments: json!({ "b": 1, "a": n }),
            class: Class::Approval,
            reason: "because".into(),
            option: option.map(Into::into),
            containing: true,
            needs: None,
            uncertain: false,
            resource: "arn".into(),
            summary: "change it".into(),
            command: "aws".into(),
            undo_command: None,
            undo_differs: None,
            before: json!({ "x": [1, 2] }),
            foreseen: None,
            status,
            after: None,
            undo_from: None,
            applied: false,
            detail: None,
            restored: None,
        }
    }

    #[test]
    fn the_hash_covers_what_would_happen_and_nothing_else() {
        let one = [step(1, StepStatus::Held, None)];
        let base = hash("arn", "cfg", &one).unwrap();
        let mut words = one.clone();
        words[0].reason = "other words".into();
        words[0].command = "other".into();
        words[0].n = 7;
        assert_eq!(base, hash("arn", "cfg", &words).unwrap());
        let with = |change: fn(&mut StepRecord)| {
            let mut steps = one.clone();
            change(&mut steps[0]);
            hash("arn", "cfg", &steps)
        };
        for changed in [
            with(|s| s.arguments = json!({"a": 2, "b": 1})),
            with(|s| s.before = json!({"x": [2, 1]})),
            with(|s| s.class = Class::Auto),
            with(|s| s.option = Some("o".into())),
            hash("arn2", "cfg", &one),
            hash("arn", "cfg2", &one),
            hash("arn", "cfg", &[]),
        ] {
            assert_ne!(base, changed.unwrap());
        }
    }

    #[test]
    fn the_hash_is_of_canonical_json() {
        let mut steps = [step(1, StepStatus::Held, None)];
        let base = hash("arn", "cfg", &steps).unwrap();
        steps[0].arguments = serde_json::from_str(r#"{ "a": 1, "b": 1.0 }"#).unwrap();
        assert_eq!(base, hash("arn", "cfg", &steps).unwrap());
    }

    #[test]
    fn a_state_of_nothing_is_told_from_no_state() {
        let mut record = step(1, StepStatus::Verified, None);
        let round = |r: &StepRecord| {
            serde_json::from_value::<StepRecord>(serde_json::to_value(r).unwrap()).unwrap()
        };
        assert_eq!(round(&record).after, None);
        record.after = Some(Value::Null);
        assert_eq!(round(&record).after, Some(Value::Null));
    }

    #[test]
    fn only_held_steps_are_hashed_and_released() {
        let steps = [
            step(1, StepStatus::Verified, None),
            step(2, StepStatus::Held, Some("narrow")),
            step(3, StepStatus::Held, Some("revoke")),
            step(4, StepStatus::Held, None),
        ];
        let choice = Choice {
            default: "narrow".into(),
            options: vec![("narrow".into(), String::new()), ("revoke".into(), String::new())],
        };
        let set = |n: &[u32]| n.iter().copied().collect::<BTreeSet<u32>>();
        assert_eq!(release(&steps, Some(&choice), None, None).unwrap(), set(&[2, 4]));
        assert_eq!(release(&steps, Some(&choice), None, Some("revoke")).unwrap(), set(&[3, 4]));
        assert_eq!(release(&steps, Some(&choice), Some(&[4]), None).unwrap(), set(&[4]));
        assert!(release(&steps, Some(&choice), Some(&[1]), None).is_err());
        assert!(release(&steps, Some(&choice), Some(&[3, 4]), None).is_err(), "not the default");
        assert!(release(&steps, Some(&choice), None, Some("other")).is_err());
        assert!(release(&steps, None, None, Some("narrow")).is_err());
        assert!(release(&steps[..1], None, None, None).is_err());
        assert_eq!(held_hash("arn", "cfg", &steps[..1]).unwrap(), None);
    }

    #[test]
    fn an_option_that_another_was_chosen_over_waits_for_nobody() {
        let mut steps = [
            step(1, StepStatus::Held, Some("narrow")),
            step(2, StepStatus::Held, Some("narrow")),
            step(3, StepStatus::Held, Some("revoke")),
            step(4, StepStatus::Held, None),
        ];
        let waits = |steps: &[StepRecord]| waiting(steps).map(|s| s.n).collect::<Vec<_>>();
        assert_eq!(waits(&steps), [1, 2, 3, 4]);
        steps[0].status = StepStatus::Failed;
        assert_eq!(waits(&steps), [1, 2, 3, 4], "refused: it, or the other option, can be tried");
        let released = |steps: &[StepRecord], option| {
            let choice = Choice {
                default: "narrow".into(),
                options: vec![("narrow".into(), String::new()), ("revoke".into(), String::new())],
            };
            release(steps, Some(&choice), None, option).unwrap().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(released(&steps, None), [1, 2, 4]);
        assert_eq!(released(&steps, Some("revoke")), [3, 4]);
        steps[2].status = StepStatus::Verified;
        assert_eq!(released(&steps, None), [4], "what has begun is the default from then on");
        steps[2].status = StepStatus::Held;
        steps[0].status = StepStatus::Verified;
        assert_eq!(waits(&steps), [2, 4]);
        assert_eq!(
            held_hash("arn", "cfg", &steps).unwrap(),
            Some(hash("arn", "cfg", [&steps[1], &steps[3]]).unwrap())
        );
    }

    #[test]
    fn a_step_is_released_only_with_what_it_needs() {
        let mut steps = [step(1, StepStatus::Held, None), step(2, StepStatus::Held, None)];
        steps[1].needs = Some(1);
        let refused = release(&steps, None, Some(&[2]), None).unwrap_err();
        assert_eq!(refused.to_string(), "step 2 needs step 1, which is not done");
        assert_eq!(refused.hint_text(), Some("release step 1 with it"));
        assert_eq!(release(&steps, None, Some(&[1]), None).unwrap(), [1].into());
        assert_eq!(release(&steps, None, None, None).unwrap(), [1, 2].into());
        for (status, allowed) in [
            (StepStatus::Verified, true),
            (StepStatus::Satisfied, true),
            (StepStatus::Applied, true),
            (StepStatus::Failed, false),
            (StepStatus::Undone, false),
        ] {
            steps[0].status = status;
            assert_eq!(release(&steps, None, Some(&[2]), None).is_ok(), allowed, "{status}");
        }
    }
}
