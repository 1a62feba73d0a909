//! One candidate from claim to close.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::Instrument;

use super::guard::{Guarded, PROTECTED, hold, own_role};
use super::{Ended, Engine, Invocation, Job};
use crate::assessment::{Assessment, Finding, Scope, Violation};
use crate::candidate::{Candidate, Origin};
use crate::error::{Error, Result};
use crate::event::{Request, Sweep};
use crate::ident::{Shape, incident_id};
use crate::incident::{Change, Header};
use crate::journal::{Breaker, Claim, Fights, Hand, Snapshot};
use crate::plan::{self, StepRecord};
use crate::report::Reply;
use crate::responder::{Known, Memory, Survey};
use crate::words::{Class, Lane, Mode, Outcome, StepStatus, Urgency};

/// How long after its event a thing may not be visible yet.
const YOUNG: SignedDuration = SignedDuration::from_mins(2);

/// The pauses before each further look for it.
const APPEARS: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// The counters of one response, as they were read.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) fights: (Fights, u64),
    pub(super) breaker: (Breaker, u64),
    /// How many resources the last inventory knew, if there is one.
    pub(super) fleet: Option<u64>,
}

/// How one response is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    /// What the class and the guards allow without a person.
    Unattended,
    /// Everything that the default option holds: a person started it.
    Released,
    /// Nothing: a person wants to see the plan.
    PlanOnly,
}

impl<C: Send + Sync + 'static> Engine<C> {
    /// One candidate from claim to close. What is held in hand still has to be reported.
    pub(super) async fn respond(&self, job: &Job, invocation: &Invocation) -> Result<Ended> {
        let candidate = &job.candidate;
        let id = job.incident.clone().unwrap_or_else(|| {
            incident_id(
                self.name(),
                super::event_date(candidate, self.clock.now()),
                &candidate.account,
                &candidate.region,
                candidate.origin.key(),
                &candidate.resource,
            )
        });
        let span = tracing::info_span!("incident", incident = %id);
        self.respond_in(id, candidate, job.run, invocation).instrument(span).await
    }

    async fn respond_in(
        &self,
        id: String,
        candidate: &Candidate,
        run: Run,
        invocation: &Invocation,
    ) -> Result<Ended> {
        let context = self.accounts.open(&candidate.account, &candidate.region, &id).await?;
        let (who, memory) = (self.claimant(invocation), self.memory(candidate, None));
        // One round trip: none of these waits for another, and reads harm nobody.
        let (claim, assessed, fights, breaker, fleet) = futures::join!(
            self.journal.claim(&id, candidate, &who),
            self.responder.assess(candidate, &context, &memory),
            self.journal.fights(&candidate.resource),
            self.journal.breaker(self.name()),
            self.fleet(),
        );
        let mut hand = match claim? {
            Claim::New(hand) | Claim::Resumed(hand) => *hand,
            Claim::Done(header) => return self.duplicate(*header).await,
            Claim::Leased(until) => {
                return Err(Error::transient(format!(
                    "another works on the incident `{id}` until {until}"
                )));
            }
        };
        if hand.header().outcome.is_some() {
            return Ok(Ended::of(hand, Vec::new()));
        }
        let mut counters = Counters { fights: fights?, breaker: breaker?, fleet: fleet? };
        if hand.header().plan.is_some() {
            return self.carry_on(hand, &mut counters, &*context, invocation).await;
        }
        let assessed = match assessed {
            Ok(first) if first.is_incomplete() => {
                self.look_for(first, candidate, &context, &memory, invocation).await
            }
            assessed => assessed,
        };
        let assessment = match assessed {
            Ok(assessment) => assessment,
            Err(error) if error.is_transient() => {
                hand.let_go(self.clock.now()).await?;
                return Err(error);
            }
            Err(error) => Assessment::Unknown(error.to_string()),
        };
        match assessment {
            Assessment::Compliant(reason) => {
                self.settle(hand, Outcome::Compliant, "compliant", reason, &mut counters).await
            }
            Assessment::Absent(reason) => {
                hand.header_mut().absent = true;
                self.settle(hand, Outcome::Compliant, "compliant", reason, &mut counters).await
            }
            Assessment::Unknown(why) => {
                let finding = unknown(candidate, &why);
                hand.header_mut().sameness = not_assessed(&why);
                hand.header_mut().finding = Some(finding);
                let reason = format!("it could not be assessed: {why}");
                self.settle(hand, Outcome::Held, "unknown", reason, &mut counters).await
            }
            Assessment::Violation(mut violation) => {
                self.mark_own(&mut violation.finding, candidate, &counters);
                if let Origin::Sweep { .. } = candidate.origin {
                    violation.finding.facts.push(MISSED.to_owned());
                }
                let held = match run {
                    Run::Unattended => hold(&Guarded {
                        responder: self.name(),
                        candidate,
                        scope: &violation.scope,
                        config: &self.config,
                        mode: self.mode,
                        claimed_at: hand.header().claimed_at,
                        now: self.clock.now(),
                    }),
                    Run::PlanOnly => Some("a person asked for the plan only".to_owned()),
                    Run::Released => {
                        self.config.is_protected(&candidate.resource).then(|| PROTECTED.to_owned())
                    }
                };
                self.carry_out(hand, *violation, run, held, &mut counters, &*context, invocation)
                    .await
            }
        }
    }

    /// A call of Backstop's own role comes back as an event. Whether an incident explains it is
    /// said; one that none explains pages: a stolen session until proven otherwise (spec §1.4).
    fn mark_own(&self, finding: &mut Finding, candidate: &Candidate, counters: &Counters) {
        let actor = candidate.origin.actor();
        let Some(_role) = actor.and_then(|actor| own_role(actor, &self.config)) else { return };
        let fact = if let Some(incident) = counters.fights.0.changed_by_people(self.clock.now()) {
            // It may still be a stolen session that uses the hour: said, and never made less of.
            format!("a person changed it lately through the incident {incident}")
        } else {
            finding.urgency = Urgency::Page;
            "no incident of the last hour explains this call of Backstop's own role".to_owned()
        };
        finding.facts.push(fact);
    }

    /// Looks again for what a young event names: EC2 is eventually consistent, and what was made
    /// a second ago may not be visible yet. What stays away is gone.
    async fn look_for(
        &self,
        mut last: Assessment<C>,
        candidate: &Candidate,
        context: &C,
        memory: &Memory,
        invocation: &Invocation,
    ) -> Result<Assessment<C>> {
        let Origin::Event { time: Some(time), .. } = candidate.origin else { return Ok(last) };
        for pause in APPEARS {
            let now = self.clock.now();
            if now.duration_since(time) > YOUNG || !invocation.deadline.allows(now) {
                break;
            }
            self.clock.wait(pause).await;
            last = self.responder.assess(candidate, context, memory).await?;
            if !last.is_incomplete() {
                break;
            }
        }
        Ok(last)
    }

    /// Ends an incident that needs no plan.
    async fn settle(
        &self,
        mut hand: Hand,
        outcome: Outcome,
        verdict: &str,
        reason: String,
        counters: &mut Counters,
    ) -> Result<Ended> {
        let now = self.clock.now();
        let change = Change::Assessed { verdict: verdict.to_owned(), reason: reason.clone() };
        hand.note(change, now)?;
        hand.close(outcome, &reason, &mut counters.fights, now).await?;
        tracing::info!(outcome = outcome.name(), reason, "closed");
        Ok(Ended::of(hand, Vec::new()))
    }

    /// Makes the plan of a violation and does of it what may be done now.
    #[expect(clippy::too_many_arguments, reason = "the parts of one decision, used once")]
    async fn carry_out(
        &self,
        mut hand: Hand,
        violation: Violation<C>,
        run: Run,
        held: Option<String>,
        counters: &mut Counters,
        context: &C,
        invocation: &Invocation,
    ) -> Result<Ended> {
        let now = self.clock.now();
        let same = same_as(&violation);
        let Violation { finding, steps, choice, incomplete: _, scope: _ } = violation;
        let records: Vec<StepRecord> = steps
            .iter()
            .zip(1..)
            .map(|(step, n)| StepRecord::new(n, step))
            .collect::<Result<_>>()?;
        hand.note(
            Change::Assessed { verdict: "violation".to_owned(), reason: finding.title.clone() },
            now,
        )?;
        let header = hand.header_mut();
        header.sameness = same;
        header.finding = Some(finding);
        header.mode = Some(self.mode);
        self.config.hash().clone_into(&mut header.config_hash);
        if run == Run::Unattended && self.mode == Mode::Observe || records.is_empty() {
            let reason = if records.is_empty() {
                "only a person can put it right".to_owned()
            } else {
                "the mode is `observe`".to_owned()
            };
            hand.close(Outcome::Observed, &reason, &mut counters.fights, now).await?;
            tracing::info!(outcome = "observed", reason, "closed");
            return Ok(Ended::of(hand, records));
        }
        let resource = hand.header().candidate.resource.clone();
        let hash = plan::hash(&resource, self.config.hash(), &records)?;
        let header = hand.header_mut();
        header.choice.clone_from(&choice);
        hand.note(
            Change::Planned {
                hash: hash.clone(),
                steps: u32::try_from(records.len()).unwrap_or(u32::MAX),
            },
            now,
        )?;
        hand.keep_plan(&hash, records);
        if let Some(reason) = &held {
            hand.note(Change::Held { reason: reason.clone() }, now)?;
        }
        self.hold_steps(&mut hand, run, held.as_deref())?;
        self.finish(hand, held.as_deref(), &BTreeSet::new(), counters, context, invocation).await
    }

    /// Marks the steps that wait for a person.
    fn hold_steps(&self, hand: &mut Hand, run: Run, held: Option<&str>) -> Result<()> {
        let now = self.clock.now();
        let default = hand.header().choice.as_ref().map(|c| c.default.clone());
        let waits: Vec<(u32, String)> = hand
            .steps()
            .iter()
            .filter(|s| s.status == StepStatus::Planned)
            .filter_map(|step| {
                let chosen = step.option.is_none() || step.option == default;
                let reason = match (step.class, held) {
                    (Class::Human, _) => Some("a person runs it by hand".to_owned()),
                    (_, Some(reason)) => Some(reason.to_owned()),
                    (_, None) if run == Run::Released && chosen => None,
                    (_, None) if run == Run::Released => {
                        Some("another option was chosen".to_owned())
                    }
                    (Class::Auto | Class::Guarded | Class::Read, None) => None,
                    (Class::Approval | Class::Alert, None) => {
                        Some("it needs an approval".to_owned())
                    }
                };
                reason.map(|reason| (step.n, reason))
            })
            .collect();
        for (step, reason) in waits {
            hand.note(Change::StepHeld { step, reason }, now)?;
        }
        Ok(())
    }

    /// Applies what is planned, and of what is held what was released; and closes.
    pub(super) async fn finish(
        &self,
        mut hand: Hand,
        held: Option<&str>,
        released: &BTreeSet<u32>,
        counters: &mut Counters,
        context: &C,
        invocation: &Invocation,
    ) -> Result<Ended> {
        let stopped =
            self.execute(&mut hand, released, held, counters, context, invocation).await?;
        let now = self.clock.now();
        let mut outcome = crate::incident::outcome(hand.steps());
        let plan_only = match self.lane {
            Lane::Unattended => self.mode == Mode::Plan,
            Lane::Attended => released.is_empty() && held.is_some(),
        };
        if outcome == Outcome::Held && plan_only {
            outcome = Outcome::Planned;
        }
        let reason = stopped
            .or_else(|| held.map(str::to_owned))
            .unwrap_or_else(|| why(outcome, hand.steps()));
        let resource = hand.header().candidate.resource.clone();
        let plan_hash = plan::held_hash(&resource, self.config.hash(), hand.steps())?;
        let expiry = SignedDuration::from_secs(i64::from(self.config.guards.approval_expiry_secs));
        let header = hand.header_mut();
        header.approvable_until = plan_hash.as_ref().and_then(|_| now.saturating_add(expiry).ok());
        header.plan_hash = plan_hash;
        hand.close(outcome, &reason, &mut counters.fights, now).await?;
        tracing::info!(outcome = outcome.name(), reason, "closed");
        let mut ended = Ended::of(hand, Vec::new());
        ended.look = ended.steps.iter().any(|s| s.containing && s.is_done());
        Ok(ended)
    }

    /// Looks whether the danger remains by another way, where something was put right: once
    /// everything is contained and closed, and only once. Who dies here is still reported.
    pub(super) async fn look_around(&self, ended: &mut [Ended], invocation: &Invocation) {
        for one in ended.iter_mut().filter(|one| one.hand.is_some()) {
            if !invocation.deadline.allows(self.clock.now()) {
                break;
            }
            if let Err(error) = self.remember(&one.header).await {
                tracing::warn!(class = error.class().name(), %error, "not remembered");
            }
            if !one.look {
                continue;
            }
            let Some(hand) = &mut one.hand else { continue };
            let candidate = hand.header().candidate.clone();
            let lines = match self.aftermath(&candidate, &hand.header().id).await {
                Ok(lines) => lines,
                Err(error) => {
                    tracing::warn!(class = error.class().name(), %error, "not looked around");
                    vec![format!("whether another way in remains could not be read: {error}")]
                }
            };
            hand.header_mut().aftermath = lines;
            one.header = hand.header().clone();
        }
    }

    async fn aftermath(&self, candidate: &Candidate, id: &str) -> Result<Vec<String>> {
        let context = self.accounts.open(&candidate.account, &candidate.region, id).await?;
        let memory = self.memory(candidate, None);
        self.responder.aftermath(candidate, &context, &memory).await
    }

    /// Resumes a plan where its last owner stopped.
    async fn carry_on(
        &self,
        mut hand: Hand,
        counters: &mut Counters,
        context: &C,
        invocation: &Invocation,
    ) -> Result<Ended> {
        tracing::info!("resumed");
        // The guards again: the policy may have changed meanwhile. What the plan was made from is
        // compared step by step.
        let header = hand.header();
        let held = match self.lane {
            Lane::Unattended if header.config_hash != self.config.hash() => {
                Some("the policy has changed since the plan was made".to_owned())
            }
            Lane::Attended => Some("it was interrupted: approve it again".to_owned()),
            Lane::Unattended => hold(&Guarded {
                responder: self.name(),
                candidate: &header.candidate,
                scope: &Scope { production: true, hands_off: None },
                config: &self.config,
                mode: self.mode,
                claimed_at: header.claimed_at,
                now: self.clock.now(),
            }),
        };
        self.hold_steps(&mut hand, Run::Unattended, held.as_deref())?;
        self.finish(hand, held.as_deref(), &BTreeSet::new(), counters, context, invocation).await
    }

    async fn duplicate(&self, mut header: Header) -> Result<Ended> {
        let steps = self.journal.show(&header.id).await?.steps;
        let before = header.outcome.map_or("unfinished", Outcome::name);
        header.reason = format!("already done: {before}");
        header.outcome = Some(Outcome::Duplicate);
        Ok(Ended { hand: None, header, steps, look: false })
    }

    /// What another function asks for. Nothing in it is trusted but that it points somewhere.
    pub(super) async fn request(
        &self,
        request: &Request,
        invocation: &Invocation,
    ) -> Result<Reply> {
        let mut candidate = self.responder.requested(&request.candidate)?;
        Shape::Account.check(&candidate.account)?;
        Shape::Region.check(&candidate.region)?;
        if !self.config.in_scope(&candidate.account, &candidate.region) {
            return Ok(Reply::ignored(format!(
                "{} in {} is not in the scope of the policy",
                candidate.account, candidate.region
            )));
        }
        candidate.origin = Origin::Request { incident: request.incident.clone() };
        let job = Job { incident: None, candidate, run: Run::Unattended };
        self.work(vec![job], None, invocation).await
    }

    /// The scheduled pass: resumes what is unfinished, then surveys live state. A person's sweep
    /// only looks: it resumes nothing, and applies nothing.
    pub(super) async fn sweep(&self, sweep: &Sweep, invocation: &Invocation) -> Result<Reply> {
        if let Some(schedule) = &sweep.schedule {
            let known = self.responder.manifest().schedules;
            if !known.iter().any(|s| s.name == schedule) {
                let names: Vec<&str> = known.iter().map(|s| s.name).collect();
                return Err(Error::invalid(format!(
                    "`{}` has no schedule `{}`",
                    self.name(),
                    crate::text::safe(schedule, 60)
                ))
                .hint(format!("it has: {}", names.join(", "))));
            }
        }
        let slot = sweep.slot.as_deref().unwrap_or(&invocation.request_id);
        let mut resumed: Vec<Job> = Vec::new();
        if self.lane == Lane::Unattended {
            let now = self.clock.now();
            let unfinished = self.journal.unfinished().await?;
            let ours = |h: &Header| h.responder == self.name() && h.lease_until <= now;
            resumed.extend(unfinished.into_iter().filter(ours).map(|h| Job {
                run: resumed_as(&h.candidate),
                incident: Some(h.id),
                candidate: h.candidate,
            }));
        }
        // What was interrupted comes first: a survey must not use up its time.
        let first = self.work(resumed, None, invocation).await;
        let run = match self.lane {
            Lane::Unattended => Run::Unattended,
            Lane::Attended => Run::PlanOnly,
        };
        // A place that cannot be surveyed keeps no other from being surveyed.
        let (mut found, mut failure) = (Vec::new(), None);
        let mut surveyed = Vec::new();
        // What is being worked on, or waits to be resumed, is not found a second time.
        let unfinished = self.journal.unfinished().await?;
        let busy: BTreeSet<String> = unfinished
            .into_iter()
            .filter(|h| h.responder == self.name() && h.outcome.is_none())
            .map(|h| h.candidate.resource)
            .collect();
        for (account, region) in self.config.places() {
            if !invocation.deadline.allows(self.clock.now()) {
                let error = Error::transient("the deadline is too near to survey every place");
                failure = Some(super::worse(failure, error));
                break;
            }
            match self.survey(account, region, slot, invocation).await {
                Ok((candidates, place)) => {
                    let new = candidates.into_iter().filter(|c| !busy.contains(&c.resource));
                    found.extend(new.map(|candidate| Job { incident: None, candidate, run }));
                    surveyed.push(place);
                }
                Err(error) => {
                    let error = error.context(format!("cannot survey {account} in {region}"));
                    tracing::error!(class = error.class().name(), %error, "not surveyed");
                    failure = Some(super::worse(failure, error));
                }
            }
        }
        // After the work: what is wrong must not wait for what is only written down.
        let mut second = self.work(found, failure, invocation).await;
        if self.lane == Lane::Unattended {
            for place in surveyed {
                if let Err(error) = self.keep(place, invocation).await {
                    tracing::error!(class = error.class().name(), %error, "not kept");
                    second = Err(super::worse(second.err(), error));
                }
            }
        }
        match (first, second) {
            (Ok(mut first), Ok(second)) => {
                first.incidents.extend(second.incidents);
                Ok(first)
            }
            (Err(one), Err(other)) => Err(super::worse(Some(one), other)),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        }
    }

    /// What may be wrong in one place and is not told yet, and what the inventory keeps of it.
    async fn survey(
        &self,
        account: &str,
        region: &str,
        slot: &str,
        invocation: &Invocation,
    ) -> Result<(Vec<Candidate>, Place)> {
        let context = self.accounts.open(account, region, &invocation.request_id).await?;
        let at = self.clock.now();
        let origin = Origin::Sweep { slot: slot.to_owned(), at: Some(at) };
        let memory = self.memory_as_of(at);
        let Survey { candidates, known } =
            self.responder.survey(&context, &memory, &origin).await?;
        let mut wrong = Vec::new();
        for candidate in candidates {
            // Without a claim: what is right leaves nothing behind.
            let same = match self.responder.assess(&candidate, &context, &memory).await {
                Ok(Assessment::Compliant(_) | Assessment::Absent(_)) => continue,
                Ok(Assessment::Unknown(why)) => not_assessed(&why),
                Ok(Assessment::Violation(violation)) => same_as(&violation),
                // The response says what became of it.
                Err(_) => BTreeSet::new(),
            };
            // An incident that stands for the same need not be made again.
            let (fights, _) = self.journal.fights(&candidate.resource).await?;
            let now = self.clock.now();
            if fights.stands_for(&same, now).is_none() {
                wrong.push(candidate);
            }
        }
        let place = Place { account: account.to_owned(), region: region.to_owned(), at, known };
        Ok((wrong, place))
    }

    /// Keeps what a survey found, some at a time; the survey counts as completed once all is kept.
    async fn keep(&self, place: Place, invocation: &Invocation) -> Result<()> {
        /// How many are written at a time.
        const AT_ONCE: usize = 16;
        let Place { account, region, at, known } = place;
        let retention = self.config.inventory.retention();
        let resources = u64::try_from(known.len()).unwrap_or(u64::MAX);
        for some in known.chunks(AT_ONCE) {
            if !invocation.deadline.allows(self.clock.now()) {
                return Err(Error::transient(format!(
                    "the deadline is too near to keep the inventory of {account} in {region}"
                )));
            }
            let writes = some.iter().map(async |Known { resource, state }| {
                let snapshot = Snapshot { taken_at: at, state: state.clone() };
                self.journal.keep_snapshot(resource, &snapshot, retention).await
            });
            futures::future::try_join_all(writes).await?;
        }
        self.journal.keep_survey(self.name(), &account, &region, at, resources).await
    }

    /// Keeps the state in which an incident leaves its resource.
    async fn remember(&self, header: &Header) -> Result<()> {
        let candidate = &header.candidate;
        let context = self.accounts.open(&candidate.account, &candidate.region, &header.id).await?;
        let memory = self.memory(candidate, None);
        let taken_at = memory.now;
        let retention = self.config.inventory.retention();
        for Known { resource, state } in
            self.responder.remember(candidate, &context, &memory).await?
        {
            let snapshot = Snapshot { taken_at, state };
            self.journal.keep_snapshot(&resource, &snapshot, retention).await?;
        }
        Ok(())
    }

    /// How many resources the last inventory knew; nobody asks where a person decides.
    pub(super) async fn fleet(&self) -> Result<Option<u64>> {
        match self.lane {
            Lane::Attended => Ok(None),
            Lane::Unattended => self.journal.fleet(self.name()).await,
        }
    }
}

/// What a survey found in one account and Region.
#[derive(Debug)]
struct Place {
    account: String,
    region: String,
    at: Timestamp,
    known: Vec<Known>,
}

/// What is said of what a sweep found.
const MISSED: &str = "found by a sweep: no event told of it, or none was acted upon";

/// What is wrong and each thing that would be done about it, whoever found it, whatever class that
/// gives it, and whatever new id AWS has given it since.
fn same_as<C: Send + Sync + 'static>(violation: &Violation<C>) -> BTreeSet<String> {
    let property = &violation.finding.property;
    let mut same = BTreeSet::from([digest(&[property])]);
    for step in &violation.steps {
        same.insert(digest(&[property, step.action.name(), &step.before.to_string()]));
    }
    same
}

/// A part of a finding, short: it is compared with few others.
fn digest(parts: &[&str]) -> String {
    const ENOUGH: usize = 16;
    let hash = crate::ident::sha256(parts.join("\n").as_bytes());
    hash.get(..ENOUGH).unwrap_or(&hash).to_owned()
}

fn not_assessed(why: &str) -> BTreeSet<String> {
    BTreeSet::from([digest(&["assessment", why])])
}

/// How the sweep resumes what has no plan yet: what a person began is finished by a person.
fn resumed_as(candidate: &Candidate) -> Run {
    match candidate.origin {
        Origin::Person { .. } => Run::PlanOnly,
        Origin::Event { .. } | Origin::Sweep { .. } | Origin::Request { .. } => Run::Unattended,
    }
}

/// Why an incident ended so, when no guard says.
fn why(outcome: Outcome, steps: &[StepRecord]) -> String {
    let failed = plan::counting(steps).find(|s| s.status == StepStatus::Failed);
    let undoing =
        |s: &&StepRecord| matches!(s.status, StepStatus::Undoing | StepStatus::UndoFailed);
    if let Some(step) = steps.iter().find(undoing) {
        return format!("an undo was interrupted: step {} is {}", step.n, step.status);
    }
    match (outcome, failed) {
        (_, Some(step)) => format!(
            "step {} failed: {}",
            step.n,
            step.detail.as_deref().unwrap_or("no reason was recorded")
        ),
        (Outcome::Contained, None) => "every containing step is verified".to_owned(),
        (Outcome::Partial, None) => {
            "some steps are verified, the rest needs an approval".to_owned()
        }
        (Outcome::Compliant, None) => "it was already so".to_owned(),
        (
            Outcome::Held
            | Outcome::Planned
            | Outcome::Observed
            | Outcome::Failed
            | Outcome::Undone
            | Outcome::Duplicate,
            None,
        ) => "every step needs an approval".to_owned(),
    }
}

/// The finding of a candidate that could not be assessed: somebody must look.
fn unknown(candidate: &Candidate, why: &str) -> Finding {
    Finding {
        signal: candidate.signal.clone(),
        title: format!("{} could not be assessed", candidate.resource),
        facts: vec![why.to_owned()],
        urgency: Urgency::Page,
        blast_radius: None,
        follow_up: vec!["look at the resource by hand: nothing was changed".to_owned()],
        property: "assessment".to_owned(),
    }
}
