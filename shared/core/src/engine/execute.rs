//! Steps: written ahead, applied, and seen in a fresh describe.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::respond::Counters;
use super::{Engine, Invocation};
use crate::action::{AnyAction, read_back};
use crate::error::{Class as ErrorClass, Error, Result};
use crate::incident::Change;
use crate::journal::{Hand, Refusal};
use crate::words::{Class, Lane, Limit, StepStatus, Urgency};

/// How often a change is looked for before it counts as not made, and how long after each look.
/// EC2 is eventually consistent for a moment.
const LOOKS: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// How often a step is looked at again because others worked on its resource in between.
const ROUNDS: usize = 4;

/// Each pause with a look before it, and one look after the last.
fn looks() -> impl Iterator<Item = Option<Duration>> {
    LOOKS.into_iter().map(Some).chain([None])
}

/// What a step that has not begun waits for, if the one that it needs is not done.
fn unmet(hand: &Hand, n: u32) -> Result<Option<String>> {
    let step = hand.step(n)?;
    let (StepStatus::Planned | StepStatus::Held | StepStatus::Failed, Some(needs)) =
        (step.status, step.needs)
    else {
        return Ok(None);
    };
    let needed = hand.step(needs)?;
    Ok((!needed.is_done()).then(|| format!("it needs step {needs}, which is {}", needed.status)))
}

/// How long after the claim a plan needs no second look: what it was made from is that young.
const FRESH: SignedDuration = SignedDuration::from_secs(3);

/// Notes that a fresh describe shows what a step changed.
fn seen<C>(
    hand: &mut Hand,
    n: u32,
    action: &dyn AnyAction<C>,
    after: Value,
    now: Timestamp,
) -> Result<()> {
    let record = hand.step(n)?;
    let (containing, answered) = (record.containing, record.applied);
    let undo_from = action.undo_from(&after)?;
    hand.note(Change::StepVerified { step: n, after, undo_from }, now)?;
    if containing {
        let header = hand.header_mut();
        header.verified_at = Some(now);
        if !answered {
            header.contained_at = Some(now);
        }
    }
    Ok(())
}

/// What a step came to.
enum Progress {
    /// On to the next one.
    Next,
    /// A limit was met: nothing more may run now.
    Stopped(Limit, String),
}

impl<C: Send + Sync + 'static> Engine<C> {
    /// Runs the planned steps and the released ones, in order; a step that fails stops only those
    /// that need it. Says which limit stopped it, if one did.
    pub(super) async fn execute(
        &self,
        hand: &mut Hand,
        released: &BTreeSet<u32>,
        held: Option<&str>,
        counters: &mut Counters,
        context: &C,
        invocation: &Invocation,
    ) -> Result<Option<String>> {
        let numbers: Vec<u32> = hand
            .steps()
            .iter()
            .filter(|s| match s.status {
                StepStatus::Planned | StepStatus::Applying | StepStatus::Applied => true,
                StepStatus::Held | StepStatus::Failed => released.contains(&s.n),
                StepStatus::Verified
                | StepStatus::Satisfied
                | StepStatus::Undoing
                | StepStatus::Undone
                | StepStatus::UndoFailed => false,
            })
            .map(|s| s.n)
            .collect();
        let mut stopped: Option<String> = None;
        for n in numbers {
            if let Some(reason) = &stopped {
                if hand.step(n)?.status == StepStatus::Planned {
                    let change = Change::StepHeld { step: n, reason: reason.clone() };
                    hand.note(change, self.clock.now())?;
                }
                continue;
            }
            if let Some(reason) = unmet(hand, n)? {
                // What was refused stays so: it is not held for anything new.
                if hand.step(n)?.status != StepStatus::Failed {
                    hand.note(Change::StepHeld { step: n, reason }, self.clock.now())?;
                }
                continue;
            }
            if !invocation.deadline.allows(self.clock.now()) {
                hand.let_go(self.clock.now()).await?;
                return Err(Error::transient("the deadline is too near for the next step"));
            }
            let asked = released.contains(&n);
            let (status, seq) = (hand.step(n)?.status, hand.header().seq);
            match self.step(hand, n, asked, held, counters, context, invocation).await {
                Ok(Progress::Next) => {}
                Ok(Progress::Stopped(limit, reason)) => {
                    // Somebody must know at once that the responder has stopped responding.
                    if let Some(finding) = &mut hand.header_mut().finding {
                        finding.urgency = Urgency::Page;
                    }
                    hand.header_mut().unmeasured.get_or_insert_default().limit = Some(limit);
                    let change = Change::StepHeld { step: n, reason: reason.clone() };
                    hand.note(change, self.clock.now())?;
                    stopped = Some(reason);
                }
                Err(error) if error.is_transient() => {
                    hand.let_go(self.clock.now()).await?;
                    return Err(error);
                }
                Err(error) => {
                    tracing::error!(step = n, class = error.class().name(), %error, "step failed");
                    // It was written ahead before, and nothing was called now: what was called
                    // then cannot be told any more.
                    let uncertain = status == StepStatus::Applying && hand.header().seq == seq;
                    let reason = error.to_string();
                    let change = Change::StepFailed { step: n, reason, uncertain };
                    hand.note(change, self.clock.now())?;
                }
            }
        }
        Ok(stopped)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one step, used once")]
    async fn step(
        &self,
        hand: &mut Hand,
        n: u32,
        asked: bool,
        held: Option<&str>,
        counters: &mut Counters,
        context: &C,
        invocation: &Invocation,
    ) -> Result<Progress> {
        let record = hand.step(n)?.clone();
        let action = read_back(self.responder.actions(), &record.action, &record.arguments)?;
        // A plan that was just made needs no second look: what it was made from is `before`. One
        // that has waited does, for somebody may have put the resource right, or changed it.
        // Only the unattended lane is in such a hurry.
        let age = self.clock.now().duration_since(hand.header().claimed_at);
        let mut fresh = record.status == StepStatus::Planned
            && self.lane == Lane::Unattended
            && !hand.was_resumed()
            && age < FRESH;
        for round in 0.. {
            if !fresh {
                let action = action.as_ref();
                if !self.look_again(hand, n, asked, held, action, context, invocation).await? {
                    return Ok(Progress::Next);
                }
            }
            let change = Change::StepApplying { step: n };
            let (now, limits) = (self.clock.now(), self.limits(counters.fleet));
            let (own, breaker) = (&mut counters.fights, &mut counters.breaker);
            // The lock is that of what the step changes, which need not be what the incident is
            // about.
            let resource = &record.resource;
            let admitted = if *resource == hand.header().candidate.resource {
                hand.write_ahead(change, resource, own, breaker, &limits, now).await?
            } else {
                let mut fights = self.journal.fights(resource).await?;
                hand.write_ahead(change, resource, &mut fights, breaker, &limits, now).await?
            };
            match admitted {
                Ok(()) => break,
                // What it was planned from may be the other's work by now.
                Err(Refusal::Changed) if round < ROUNDS => fresh = false,
                Err(Refusal::Changed) => {
                    return Err(Error::transient(format!(
                        "others work on `{resource}` all the time"
                    )));
                }
                Err(Refusal::Locked(until)) => {
                    return Err(Error::transient(format!(
                        "another incident works on `{resource}` until {until}"
                    )));
                }
                Err(Refusal::Fight(reason)) => return Ok(Progress::Stopped(Limit::Fight, reason)),
                Err(Refusal::Breaker(reason)) => {
                    return Ok(Progress::Stopped(Limit::Breaker, reason));
                }
            }
        }
        match action.apply(context).await {
            Ok(()) => {}
            // What is gone needs no change; the fresh describe decides.
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error),
        }
        let now = self.clock.now();
        hand.note(Change::StepApplied { step: n }, now)?;
        if record.containing {
            hand.header_mut().contained_at = Some(now);
        }
        tracing::info!(step = n, action = %record.action, resource = %record.resource, "applied");
        let after = self.verify(action.as_ref(), context, invocation).await?;
        seen(hand, n, action.as_ref(), after, self.clock.now())?;
        tracing::info!(step = n, "verified");
        Ok(Progress::Next)
    }

    /// Looks at the resource again before a step that has waited. Says whether it is still to do.
    #[expect(clippy::too_many_arguments, reason = "the parts of one step, used once")]
    async fn look_again(
        &self,
        hand: &mut Hand,
        n: u32,
        asked: bool,
        held: Option<&str>,
        action: &dyn AnyAction<C>,
        context: &C,
        invocation: &Invocation,
    ) -> Result<bool> {
        let record = hand.step(n)?.clone();
        if record.status == StepStatus::Applied {
            // The call was answered: only its effect is still to be seen.
            let after = self.verify(action, context, invocation).await?;
            seen(hand, n, action, after, self.clock.now())?;
            return Ok(false);
        }
        let state = action.observe(context).await?;
        let now = self.clock.now();
        let begun = record.status == StepStatus::Applying;
        if action.satisfied(&state)? {
            if begun {
                seen(hand, n, action, state, now)?;
            } else {
                hand.note(Change::StepSatisfied { step: n, after: state }, now)?;
            }
            return Ok(false);
        }
        if !action.same(&state, &record.before)? {
            return Err(Error::conflict(format!(
                "`{}` has changed since the plan was made",
                record.resource
            )));
        }
        // A call that was interrupted is repeated by who was asked for it: a person's by a person,
        // who names it anew; unattended only what no person had to release (its detail says why).
        let ours = match self.lane {
            Lane::Attended => asked,
            Lane::Unattended => {
                matches!(record.class, Class::Auto | Class::Guarded | Class::Read)
                    && record.detail.is_none()
            }
        };
        if begun && (!ours || held.is_some()) {
            // A guard that holds now holds what was written ahead and not called, too.
            let reason = match held {
                Some(held) => format!("it was interrupted before the call: {held}"),
                None => "it was interrupted before the call: approve it again".to_owned(),
            };
            hand.note(Change::StepHeld { step: n, reason }, now)?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Looks until the change is seen: a fresh describe, never the mutating call's answer.
    async fn verify(
        &self,
        action: &dyn AnyAction<C>,
        context: &C,
        invocation: &Invocation,
    ) -> Result<Value> {
        for pause in looks() {
            let state = action.observe(context).await.map_err(|error| match error.class() {
                ErrorClass::Transient => error,
                ErrorClass::Denied
                | ErrorClass::Missing
                | ErrorClass::Conflict
                | ErrorClass::Invalid
                | ErrorClass::Bug => error.context("the change was made but cannot be verified"),
            })?;
            if action.satisfied(&state)? {
                return Ok(state);
            }
            let Some(pause) = pause else { break };
            if !invocation.deadline.allows(self.clock.now()) {
                return Err(Error::transient("the deadline is too near to verify the change"));
            }
            self.clock.wait(pause).await;
        }
        Err(Error::conflict("the change was made but a fresh describe does not show it"))
    }

    /// Looks until the restored resource is seen as it was before.
    pub(super) async fn verify_undone(
        &self,
        restored: &dyn AnyAction<C>,
        before: &Value,
        context: &C,
    ) -> Result<()> {
        for pause in looks() {
            let state = restored.observe(context).await?;
            if restored.same(&state, before)? {
                return Ok(());
            }
            let Some(pause) = pause else { break };
            self.clock.wait(pause).await;
        }
        Err(Error::conflict("a fresh describe does not show the state before"))
    }
}
