//! The engine: everything between a payload and a report that is the same for every control.
//!
//! Contain first, investigate after. A responder decides; only the engine claims, guards, writes
//! down, applies, verifies, retries and reports.

mod attended;
mod execute;
mod guard;
mod report;
mod respond;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::candidate::{Candidate, Origin};
use crate::clock::{Clock, Deadline};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::{self, Envelope, Operator, Payload};
use crate::incident::Header;
use crate::journal::{Claimant, Hand, Journal, Limits};
use crate::metrics::{HEARTBEAT, Meter};
use crate::plan::StepRecord;
use crate::report::{Notifier, Reply};
use crate::responder::{Detection, Memory, Responder};
use crate::trust;
use crate::words::{Lane, Mode};

use respond::Run;

/// Reaches the accounts of the scope.
#[async_trait]
pub trait Accounts<C>: Debug + Send + Sync {
    /// The context for one account in one Region. In a member account its session is named after
    /// the incident.
    ///
    /// # Errors
    /// `Denied` if the member role may not be assumed.
    async fn open(&self, account: &str, region: &str, incident: &str) -> Result<Arc<C>>;
}

/// One invocation.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The request id: unique per attempt of a person, the same for Lambda's retries of an event.
    pub request_id: String,
    /// This attempt: what the lease is held by.
    pub owner: String,
    /// When it must be finished.
    pub deadline: Deadline,
}

/// The engine of one function.
#[derive(Debug)]
pub struct Engine<C> {
    /// The control.
    pub responder: Box<dyn Responder<C>>,
    /// Where everything is written down.
    pub journal: Journal,
    /// The accounts of the scope.
    pub accounts: Arc<dyn Accounts<C>>,
    /// How people are told.
    pub notifier: Arc<dyn Notifier>,
    /// Where measures go.
    pub meter: Arc<dyn Meter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The operator's policy.
    pub config: Arc<Config>,
    /// The lane of this function.
    pub lane: Lane,
    /// The mode of the unattended lane, after the environment made it stricter.
    pub mode: Mode,
}

/// One candidate to work on.
#[derive(Clone, Debug)]
struct Job {
    /// The incident that it already has, if it is resumed.
    incident: Option<String>,
    candidate: Candidate,
    run: Run,
}

/// What became of one candidate.
#[derive(Debug)]
struct Ended {
    /// In hand for as long as people must still be told.
    hand: Option<Hand>,
    /// As it ended.
    header: Header,
    /// The steps, also those that the mode did not keep.
    steps: Vec<StepRecord>,
    /// Whether this invocation put something right, so that a look around is worth it.
    look: bool,
}

impl Ended {
    fn of(hand: Hand, unkept: Vec<StepRecord>) -> Self {
        let steps = if hand.steps().is_empty() { unkept } else { hand.steps().to_vec() };
        Self { header: hand.header().clone(), steps, hand: Some(hand), look: false }
    }
}

impl<C: Send + Sync + 'static> Engine<C> {
    /// Does what a payload asks for.
    ///
    /// # Errors
    /// `Invalid` for a payload that cannot be read or is not for this lane; `Transient` for what
    /// a retry resumes; otherwise the class of the first failure, once everything else is done.
    pub async fn handle(&self, text: &str, invocation: &Invocation) -> Result<Reply> {
        let payload = event::parse(text)?;
        self.admit(&payload)?;
        match payload {
            Payload::Event(event) => self.event(&event, invocation).await,
            Payload::Logs(batch) => Ok(Reply::ignored(if batch.control {
                "a control message of CloudWatch Logs".to_owned()
            } else {
                format!("`{}` evaluates no log lines", self.name())
            })),
            Payload::Operator(Operator::Sweep(sweep)) => self.sweep(&sweep, invocation).await,
            Payload::Operator(Operator::Request(request)) => {
                self.request(&request, invocation).await
            }
            Payload::Operator(Operator::Run(run)) => self.run(&run, invocation).await,
            Payload::Operator(Operator::Approve(approve)) => {
                self.approve(&approve, invocation).await
            }
            Payload::Operator(Operator::Undo(undo)) => self.undo(&undo, invocation).await,
            Payload::Operator(Operator::Show(show)) => self.show(&show.incident).await,
            Payload::Operator(Operator::Incidents(filter)) => self.incidents(&filter).await,
        }
    }

    /// Whether the lane accepts the payload. The attended lane can do more, so nothing that an
    /// event bus can deliver may reach it, and the other way round.
    fn admit(&self, payload: &Payload) -> Result<()> {
        let accepted = match (self.lane, payload) {
            (_, Payload::Operator(Operator::Sweep(_)))
            | (
                Lane::Unattended,
                Payload::Event(_) | Payload::Logs(_) | Payload::Operator(Operator::Request(_)),
            )
            | (
                Lane::Attended,
                Payload::Operator(
                    Operator::Run(_)
                    | Operator::Approve(_)
                    | Operator::Undo(_)
                    | Operator::Show(_)
                    | Operator::Incidents(_),
                ),
            ) => true,
            (Lane::Unattended | Lane::Attended, _) => false,
        };
        if accepted {
            return Ok(());
        }
        let (takes, other) = match self.lane {
            Lane::Unattended => {
                ("events, log subscriptions, `sweep` and `request`", Lane::Attended)
            }
            Lane::Attended => {
                ("`run`, `approve`, `undo`, `show`, `incidents` and `sweep`", Lane::Unattended)
            }
        };
        Err(Error::invalid(format!(
            "the {} lane of `{}` does not take {}; it takes {takes}",
            self.lane,
            self.name(),
            payload.kind()
        ))
        .hint(format!("invoke the {other} function of `{}`", self.name())))
    }

    fn name(&self) -> &'static str {
        self.responder.manifest().responder
    }

    async fn event(&self, event: &Envelope, invocation: &Invocation) -> Result<Reply> {
        if event.source == HEARTBEAT {
            // Only a Region in scope: no event may make a metric of its own.
            let known = self.config.scope.regions.iter().find(|region| **region == event.region);
            let region = known.map(String::as_str);
            self.meter.beat(self.responder.manifest(), region, self.clock.now());
            return Ok(Reply::ignored("a heartbeat, answered by a metric".to_owned()));
        }
        if let Some(why) = trust::distrust(event, &self.config) {
            tracing::info!(reason = %why, "ignored");
            return Ok(Reply::ignored(why));
        }
        match self.responder.detect(event) {
            Detection::Nothing(why) => {
                tracing::info!(reason = %why, "ignored");
                Ok(Reply::ignored(why))
            }
            Detection::Candidates(candidates) => {
                let jobs = candidates
                    .into_iter()
                    .map(|candidate| Job { incident: None, candidate, run: Run::Unattended })
                    .collect();
                self.work(jobs, None, invocation).await
            }
        }
    }

    /// Works on every candidate: one that fails does not stop the others.
    /// `failure` is what has failed already, to be returned once all is done.
    async fn work(
        &self,
        jobs: Vec<Job>,
        mut failure: Option<Error>,
        invocation: &Invocation,
    ) -> Result<Reply> {
        let mut ended = Vec::new();
        for job in jobs {
            if !invocation.deadline.allows(self.clock.now()) {
                // What is not begun is begun by the retry, which passes what is done quickly.
                failure = Some(worse(failure, Error::transient("the deadline is too near")));
                break;
            }
            match self.respond(&job, invocation).await {
                Ok(one) => ended.push(one),
                Err(error) => {
                    tracing::error!(resource = %job.candidate.resource, class = error.class().name(), %error, "interrupted");
                    failure = Some(worse(failure, error));
                }
            }
        }
        self.look_around(&mut ended, invocation).await;
        if let Err(error) = self.report(&mut ended).await {
            tracing::error!(class = error.class().name(), %error, "not reported");
            failure = Some(worse(failure, error));
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(Reply::of(ended.iter().map(|e| (&e.header, e.steps.as_slice())))),
        }
    }

    fn claimant<'a>(&self, invocation: &'a Invocation) -> Claimant<'a> {
        let manifest = self.responder.manifest();
        Claimant {
            responder: manifest.responder,
            control: manifest.control,
            owner: &invocation.owner,
            now: self.clock.now(),
        }
    }

    /// What is remembered of the time before a candidate: before its call, before its survey, or
    /// before its incident was claimed, which is now unless it was earlier.
    fn memory(&self, candidate: &Candidate, claimed_at: Option<Timestamp>) -> Memory {
        let as_of = match candidate.origin {
            Origin::Event { time, .. } => time,
            Origin::Sweep { at, .. } => at,
            Origin::Person { .. } | Origin::Request { .. } => None,
        };
        self.memory_as_of(as_of.or(claimed_at).unwrap_or_else(|| self.clock.now()))
    }

    fn memory_as_of(&self, as_of: Timestamp) -> Memory {
        Memory {
            responder: self.name(),
            config: Arc::clone(&self.config),
            journal: self.journal.clone(),
            now: self.clock.now(),
            as_of,
        }
    }

    /// The limits of the policy; none when a person decides. Of the fleet that the last inventory
    /// knew, only a share may be acted on in an hour.
    fn limits(&self, fleet: Option<u64>) -> Limits {
        /// So few at least: a share of a small fleet is none.
        const LEAST: usize = 3;
        if self.lane == Lane::Attended {
            return Limits::NONE;
        }
        let mut limits = self.config.guards.limits();
        let percent = u64::from(self.config.guards.fleet_share_percent);
        if let Some(fleet) = fleet.filter(|_| percent < 100) {
            let share = fleet.saturating_mul(percent) / 100;
            let share = usize::try_from(share).unwrap_or(usize::MAX).max(LEAST);
            limits.per_hour = limits.per_hour.min(share);
        }
        limits
    }
}

/// The error that decides how the invocation ends: one that a retry can mend comes first, so that
/// the retry happens.
fn worse(one: Option<Error>, other: Error) -> Error {
    match one {
        Some(one) if one.is_transient() || !other.is_transient() => one,
        _ => other,
    }
}

/// The date of an incident id. An event without a time is dated 1970, so that its redelivery
/// finds it; what people and schedules start is dated when it starts.
pub fn event_date(candidate: &Candidate, now: Timestamp) -> Date {
    let at = match &candidate.origin {
        Origin::Event { time, .. } => time.unwrap_or(Timestamp::UNIX_EPOCH),
        Origin::Sweep { .. } | Origin::Person { .. } | Origin::Request { .. } => now,
    };
    at.to_zoned_datetime(TimeZone::UTC).date()
}
