//! What a person starts: a run, an approval, an undo, a look.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::guard::PROTECTED;
use super::respond::{Counters, Run};
use super::{Ended, Engine, Invocation, Job};
use crate::action::{AnyAction, read_back};
use crate::assessment::Assessment;
use crate::error::{Error, Result};
use crate::event;
use crate::ident::Shape;
use crate::incident::{Change, Header};
use crate::journal::{Hand, Limits, Refusal};
use crate::plan::{self, StepRecord};
use crate::report::{Evidence, Reply};
use crate::words::{Outcome, StepStatus};

impl<C: Send + Sync + 'static> Engine<C> {
    /// Runs a runbook: its plan, and with `apply` what the plan's default holds.
    pub(super) async fn run(&self, run: &event::Run, invocation: &Invocation) -> Result<Reply> {
        Shape::Account.check(&run.account)?;
        Shape::Region.check(&run.region)?;
        let manifest = self.responder.manifest();
        let Some(runbook) = manifest.runbooks.iter().find(|r| r.name == run.runbook) else {
            let names: Vec<&str> = manifest.runbooks.iter().map(|r| r.name).collect();
            return Err(Error::invalid(format!(
                "`{}` has no runbook `{}`",
                manifest.responder,
                crate::text::safe(&run.runbook, 60)
            ))
            .hint(format!("it has: {}", names.join(", "))));
        };
        let mut run = run.clone();
        for parameter in runbook.parameters {
            if let Some(default) = parameter.default {
                run.target
                    .entry(parameter.name.to_owned())
                    .or_insert_with(|| vec![default.to_owned()]);
            }
        }
        if !self.config.in_scope(&run.account, &run.region) {
            return Err(Error::invalid(format!(
                "{} in {} is not in the scope of the policy",
                run.account, run.region
            ))
            .hint("add it to `[scope]` in the policy and deploy"));
        }
        let how = if run.apply { Run::Released } else { Run::PlanOnly };
        let jobs = self
            .responder
            .target(&run, &invocation.request_id)?
            .into_iter()
            .map(|candidate| Job { incident: None, candidate, run: how })
            .collect();
        self.work(jobs, None, invocation).await
    }

    /// Releases held steps, bound to the hash of the plan that the person saw.
    pub(super) async fn approve(
        &self,
        approve: &event::Approve,
        invocation: &Invocation,
    ) -> Result<Reply> {
        let id = Shape::Incident.check(&approve.incident)?;
        let mut hand = self.journal.reopen(id, &self.claimant(invocation)).await?;
        let released = match self.releasable(&hand, approve).await {
            Ok(released) => released,
            Err(error) => {
                hand.let_go(self.clock.now()).await?;
                return Err(error);
            }
        };
        let now = self.clock.now();
        hand.note(
            Change::Approved {
                by: approve.approved_by.clone(),
                hash: approve.plan_hash.clone(),
                steps: released.iter().copied().collect(),
                option: approve.option.clone(),
            },
            now,
        )?;
        self.continue_approved(hand, &released, invocation).await
    }

    async fn continue_approved(
        &self,
        mut hand: Hand,
        released: &BTreeSet<u32>,
        invocation: &Invocation,
    ) -> Result<Reply> {
        let candidate = hand.header().candidate.clone();
        let context =
            self.accounts.open(&candidate.account, &candidate.region, &hand.header().id).await?;
        // Open again: if this stops half-way, the sweep finds it.
        open_again(hand.header_mut());
        let mut counters = self.counters(&hand).await?;
        let ended = self.finish(hand, None, released, &mut counters, &*context, invocation).await?;
        let mut ended = vec![ended];
        self.look_around(&mut ended, invocation).await;
        self.reply(ended).await
    }

    async fn reply(&self, mut ended: Vec<Ended>) -> Result<Reply> {
        self.report(&mut ended).await?;
        Ok(Reply::of(ended.iter().map(|e| (&e.header, e.steps.as_slice()))))
    }

    async fn counters(&self, hand: &Hand) -> Result<Counters> {
        let (fights, breaker) = futures::join!(
            self.journal.fights(&hand.header().candidate.resource),
            self.journal.breaker(self.name()),
        );
        Ok(Counters { fights: fights?, breaker: breaker?, fleet: None })
    }

    /// Which steps the approval releases, after the plan was made anew from live state.
    async fn releasable(&self, hand: &Hand, approve: &event::Approve) -> Result<BTreeSet<u32>> {
        let header = hand.header();
        let Some(stored) = &header.plan_hash else {
            return Err(Error::invalid(format!("the incident `{}` holds no plan", header.id))
                .hint(format!(
                    "it ended as {}",
                    header.outcome.map_or("unfinished", Outcome::name)
                )));
        };
        if *stored != approve.plan_hash {
            return Err(Error::conflict(format!(
                "the plan of `{}` is not the one that was approved; its hash is `{stored}`",
                header.id
            ))
            .hint("look at the plan again, then approve that hash"));
        }
        if header.config_hash != self.config.hash() {
            return Err(Error::conflict(format!(
                "the policy has changed since the plan of `{}` was made",
                header.id
            ))
            .hint("start the runbook again: it makes a new plan under the new policy"));
        }
        let now = self.clock.now();
        if header.approvable_until.is_none_or(|until| until <= now) {
            return Err(Error::conflict(format!("the plan of `{}` has expired", header.id))
                .hint("start the runbook again: it makes a new plan from live state"));
        }
        if self.config.is_protected(&header.candidate.resource) {
            return Err(Error::conflict(PROTECTED).hint("it is never changed, by people either"));
        }
        let (fresh, compliant) = self.plan_anew(header).await?;
        let resource = &header.candidate.resource;
        let then: Vec<_> = plan::waiting(hand.steps()).filter(|s| s.containing).collect();
        // Once an option was chosen, live state still offers the others.
        let options: BTreeSet<&str> = then.iter().filter_map(|s| s.option.as_deref()).collect();
        let offered = |s: &&StepRecord| {
            options.is_empty() || s.option.as_deref().is_none_or(|o| options.contains(o))
        };
        let now: Vec<&StepRecord> = fresh.iter().filter(|s| s.containing).filter(offered).collect();
        let hash = |steps| plan::hash(resource, self.config.hash(), steps);
        if hash(now)? != hash(then)? {
            let plan_hash = plan::hash(resource, self.config.hash(), &fresh)?;
            let steps = Reply::of([(header, fresh.as_slice())]).incidents.into_iter();
            return Err(Error::conflict(format!(
                "live state has changed since the plan of `{}` was made: the plan would now be \
                 `{plan_hash}`",
                header.id,
            ))
            .hint("start the runbook again: it makes a new plan from live state")
            .with_evidence(Evidence::Replanned {
                plan_hash,
                compliant,
                steps: steps.flat_map(|incident| incident.steps).collect(),
            }));
        }
        plan::release(
            hand.steps(),
            header.choice.as_ref(),
            approve.steps.as_deref(),
            approve.option.as_deref(),
        )
    }

    /// The plan that live state gives now, in the form the stored one has; and whether there is none
    /// because nothing is wrong.
    async fn plan_anew(&self, header: &Header) -> Result<(Vec<StepRecord>, bool)> {
        let candidate = &header.candidate;
        let context = self.accounts.open(&candidate.account, &candidate.region, &header.id).await?;
        let memory = self.memory(candidate, Some(header.claimed_at));
        match self.responder.assess(candidate, &context, &memory).await? {
            Assessment::Violation(violation) => {
                let steps = violation.steps.iter().zip(1..);
                let steps = steps.map(|(step, n)| StepRecord::new(n, step));
                Ok((steps.collect::<Result<_>>()?, false))
            }
            Assessment::Compliant(_) => Ok((Vec::new(), true)),
            Assessment::Absent(_) => Ok((Vec::new(), false)),
            Assessment::Unknown(why) => {
                Err(Error::conflict(format!("the plan could not be made anew: {why}")))
            }
        }
    }

    /// Takes steps back, last first. Refuses to overwrite a later change.
    pub(super) async fn undo(&self, undo: &event::Undo, invocation: &Invocation) -> Result<Reply> {
        let id = Shape::Incident.check(&undo.incident)?;
        let mut hand = self.journal.reopen(id, &self.claimant(invocation)).await?;
        let before = hand.header().clone();
        let done = self.undo_in_hand(&mut hand, undo).await;
        if let Err(error) = &done
            && hand.header().seq == before.seq
        {
            // Refused before anything was changed: it stands as it stood.
            let header = hand.header_mut();
            (header.outcome, header.told, header.reported) =
                (before.outcome, before.told, before.reported);
            header.aftermath = before.aftermath;
            hand.let_go(self.clock.now()).await?;
            return Err(error.clone());
        }
        let mut counters = self.counters(&hand).await?;
        let outcome = crate::incident::outcome(hand.steps());
        let who = crate::text::safe(&undo.requested_by, 60);
        let reason = match &done {
            Ok(()) => format!("taken back by {who}"),
            Err(error) => format!("{who} could not take all of it back: {error}"),
        };
        // What was taken back is planned anew by whoever wants it again.
        let header = hand.header_mut();
        (header.plan_hash, header.approvable_until) = (None, None);
        hand.close(outcome, &reason, &mut counters.fights, self.clock.now()).await?;
        let reply = self.reply(vec![Ended::of(hand, Vec::new())]).await;
        // Why it was not taken back matters more than who could not be told.
        done.and(reply)
    }

    async fn undo_in_hand(&self, hand: &mut Hand, undo: &event::Undo) -> Result<()> {
        if (undo.force || !undo.overwrite.is_empty()) && undo.reason.trim().is_empty() {
            return Err(Error::invalid("`force` and `overwrite` need a reason")
                .hint("say why the later change may be overwritten"));
        }
        // An undo that was interrupted is repeated; a containment that was is the sweep's to end.
        let open = hand.header().outcome.is_none();
        let begun = |s: &StepRecord| {
            matches!(s.status, StepStatus::Undoing | StepStatus::Undone | StepStatus::UndoFailed)
        };
        let running = |s: &StepRecord| {
            matches!(s.status, StepStatus::Planned | StepStatus::Applying | StepStatus::Applied)
        };
        let interrupted =
            open && hand.steps().iter().any(begun) && !hand.steps().iter().any(running);
        if open && !interrupted {
            return Err(Error::transient(format!(
                "the incident `{}` is still running",
                hand.header().id
            ))
            .hint("look again in a minute: what was interrupted, the sweep ends"));
        }
        let candidate = hand.header().candidate.clone();
        let context =
            self.accounts.open(&candidate.account, &candidate.region, &hand.header().id).await?;
        let undoable: Vec<u32> = hand
            .steps()
            .iter()
            .rev()
            .filter(|s| undo.step.is_none_or(|n| n == s.n))
            .filter(|s| s.in_force())
            .map(|s| s.n)
            .collect();
        let meant =
            |s: &StepRecord| undo.step.is_none_or(|n| n == s.n && s.status == StepStatus::Undone);
        if undoable.is_empty() && interrupted && hand.steps().iter().any(meant) {
            // Everything was taken back, only its end was not written.
            return Ok(());
        }
        if undoable.is_empty() {
            return Err(Error::invalid(format!(
                "the incident `{}` has nothing to take back",
                hand.header().id
            ))
            .hint("a `show` order says where each step stands"));
        }
        if let Some(n) =
            undoable.iter().find(|n| !undo.shown.as_ref().is_none_or(|s| s.contains(n)))
        {
            return Err(Error::conflict(format!(
                "step {n} of `{}` is in force too, which you were not shown",
                hand.header().id
            ))
            .hint("somebody has worked on it since: look again, then repeat it"));
        }
        // Refused whole before the first is taken back, not half-way.
        for n in &undoable {
            self.may_undo(hand, *n, undo, &undoable, &context).await?;
        }
        for n in undoable {
            let stands_on_it =
                hand.steps().iter().find(|s| s.needs == Some(n) && s.in_force()).map(|s| s.n);
            if let Some(other) = stands_on_it {
                return Err(Error::invalid(format!(
                    "step {n} cannot be taken back while step {other} is in force"
                ))
                .hint(format!("take step {other} back first, or the whole incident")));
            }
            self.undo_step(hand, n, undo, &context).await?;
        }
        Ok(())
    }

    /// Whether a step can be taken back now without letting in again what it keeps out.
    fn safe_to_undo(&self, n: u32, from: Option<Timestamp>) -> Result<()> {
        let Some(from) = from.filter(|from| *from > self.clock.now()) else { return Ok(()) };
        let error = Error::conflict(format!(
            "step {n} cannot be taken back before {from}: what it keeps out would be let in again"
        ));
        Err(error
            .hint(format!("repeat it after {from}; no `force` takes it back earlier"))
            .with_evidence(Evidence::TooSoon { step: n, from }))
    }

    /// Looks whether a step can be taken back, before any is.
    async fn may_undo(
        &self,
        hand: &Hand,
        n: u32,
        undo: &event::Undo,
        undoable: &[u32],
        context: &C,
    ) -> Result<()> {
        let record = hand.step(n)?;
        let action = read_back(self.responder.actions(), &record.action, &record.arguments)?;
        let state = action.observe(context).await?;
        if is_undone(record, action.as_ref(), &state)? {
            return Ok(());
        }
        // What was seen then, and what is in force now, which may keep out for longer.
        self.safe_to_undo(n, record.undo_from.max(action.undo_from(&state)?))?;
        // A later step that began where this one ended is taken back first: until then this one's
        // state is not to be seen.
        let builds_on_it = hand.steps().iter().any(|later| {
            undoable.contains(&later.n)
                && later.n > n
                && later.resource == record.resource
                && later.action == record.action
                && record.after.as_ref().is_some_and(|after| {
                    !after.is_null() && action.same(after, &later.before).unwrap_or(false)
                })
        });
        if builds_on_it { Ok(()) } else { unchanged(record, action.as_ref(), state, undo) }
    }

    async fn undo_step(
        &self,
        hand: &mut Hand,
        n: u32,
        undo: &event::Undo,
        context: &C,
    ) -> Result<()> {
        /// How often it is looked at again because others worked on the resource in between.
        const ROUNDS: usize = 4;
        let record = hand.step(n)?.clone();
        let action = read_back(self.responder.actions(), &record.action, &record.arguments)?;
        for round in 0.. {
            let state = action.observe(context).await?;
            if is_undone(&record, action.as_ref(), &state)? {
                // It was taken back, only the answer or its end was lost.
                return self.note_undone(hand, n, undo).await;
            }
            self.safe_to_undo(n, action.undo_from(&state)?)?;
            unchanged(&record, action.as_ref(), state, undo)?;
            let change = Change::StepUndoing {
                step: n,
                by: undo.requested_by.clone(),
                reason: undo.reason.clone(),
            };
            // Open again: if this stops half-way, the sweep finds it and tells people.
            open_again(hand.header_mut());
            // Nobody remediates the resource while it is being restored.
            let mut fights = self.journal.fights(&record.resource).await?;
            let (limits, now) = (Limits::NONE, self.clock.now());
            let mut breaker = Default::default();
            match hand
                .write_ahead(change, &record.resource, &mut fights, &mut breaker, &limits, now)
                .await?
            {
                Ok(()) => break,
                Err(Refusal::Changed) if round < ROUNDS => {}
                Err(refusal) => {
                    return Err(Error::transient(format!(
                        "another incident works on `{}` ({refusal:?})",
                        record.resource
                    ))
                    .hint("repeat it in a minute"));
                }
            }
        }
        let undone = match action.undo(context, &record.before).await {
            Ok(restored) => self
                .verify_undone(restored.as_ref(), &record.before, context)
                .await
                .and_then(|()| restored.arguments()),
            Err(error) => Err(error),
        };
        let now = self.clock.now();
        match undone {
            Ok(arguments) => {
                let restored = (arguments != record.arguments).then_some(arguments);
                hand.note(Change::StepUndone { step: n, restored }, now)?;
                hand.flush(now).await
            }
            Err(error) => {
                hand.note(Change::StepUndoFailed { step: n, reason: error.to_string() }, now)?;
                hand.flush(now).await?;
                Err(error.context(format!("step {n} was not taken back")).hint(format!(
                    "a person is needed: {}",
                    record.undo_command.as_deref().unwrap_or("it has no undo command")
                )))
            }
        }
    }

    /// Notes that a step is found as it was before it.
    async fn note_undone(&self, hand: &mut Hand, n: u32, undo: &event::Undo) -> Result<()> {
        let now = self.clock.now();
        let change = Change::StepUndoing {
            step: n,
            by: undo.requested_by.clone(),
            reason: undo.reason.clone(),
        };
        hand.note(change, now)?;
        hand.note(Change::StepUndone { step: n, restored: None }, now)?;
        open_again(hand.header_mut());
        hand.flush(now).await
    }

    /// One incident whole.
    pub(super) async fn show(&self, id: &str) -> Result<Reply> {
        let incident = self.journal.show(Shape::Incident.check(id)?).await?;
        Ok(Reply::whole(&incident))
    }

    /// The incidents of this function since a time, 24 hours unless given; newest first.
    pub(super) async fn incidents(&self, filter: &event::Incidents) -> Result<Reply> {
        const DAYS: i64 = 31;
        let now = self.clock.now();
        let since = match &filter.since {
            Some(text) => since(text)?,
            None => now.saturating_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN),
        };
        let days = now.duration_since(since).as_hours() / 24 + 1;
        if days > DAYS {
            return Err(Error::invalid(format!("`since` lies {days} days back"))
                .hint(format!("ask for {DAYS} days at most")));
        }
        let mut found: Vec<Header> = Vec::new();
        let mut day = now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        let first = since.to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
        while day >= first {
            found.extend(self.journal.day(day).await?);
            day = day.yesterday().map_err(|e| Error::bug(e.to_string()))?;
        }
        found.retain(|h| {
            h.responder == self.name()
                && h.claimed_at >= since
                && filter.outcome.is_none_or(|o| h.outcome == Some(o))
        });
        found.sort_by_key(|h| std::cmp::Reverse(h.claimed_at));
        Ok(Reply::of(found.iter().map(|h| (h, [].as_slice()))))
    }
}

/// Opens an ended incident again: if the work on it stops half-way, the sweep finds it and tells
/// people. What was seen after its last end is no longer so.
fn open_again(header: &mut Header) {
    header.outcome = None;
    header.reported = false;
    header.told = false;
    header.aftermath.clear();
}

/// Whether a step whose undo had begun is found as it was before.
fn is_undone<C>(record: &StepRecord, action: &dyn AnyAction<C>, state: &Value) -> Result<bool> {
    let begun = matches!(record.status, StepStatus::Undoing | StepStatus::UndoFailed);
    Ok(begun && action.same(state, &record.before)?)
}

/// Whether what a step changed is still as it left it, or may be overwritten as it is now.
fn unchanged<C>(
    record: &StepRecord,
    action: &dyn AnyAction<C>,
    state: Value,
    undo: &event::Undo,
) -> Result<()> {
    let as_left = match &record.after {
        Some(after) => action.same(&state, after)?,
        None => action.satisfied(&state)?,
    };
    let mut seen = undo.overwrite.iter().filter(|o| o.step == record.n);
    // What the person wrote may be no state of this action.
    let as_seen = seen.any(|o| action.same(&state, &o.now).unwrap_or(false));
    if as_left || as_seen || undo.force {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "step {} was not taken back: `{}` has changed since (now {state})",
        record.n, record.resource
    ))
    .hint("compare before, after and now; repeat with `overwrite` and a reason to overwrite")
    .with_evidence(Evidence::Changed {
        step: record.n,
        resource: record.resource.clone(),
        before: record.before.clone(),
        after: record.after.clone(),
        now: state,
    }))
}

/// A time, or a date that means its first moment in UTC.
fn since(text: &str) -> Result<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    text.parse::<jiff::civil::Date>()
        .and_then(|date| date.to_zoned_datetime(jiff::tz::TimeZone::UTC))
        .map(|at| at.timestamp())
        .map_err(|_| {
            Error::invalid(format!("`{}` is no time", crate::text::safe(text, 40)))
                .hint("write `2026-11-23` or `2026-11-23T10:00:00Z`")
        })
}
