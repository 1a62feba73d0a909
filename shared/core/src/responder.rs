//! What a responder is: detection, the survey, the decision. Everything else is the engine's.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use crate::action::ActionKind;
use crate::assessment::Assessment;
use crate::candidate::{Candidate, Origin};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::event::{Envelope, Run};
use crate::journal::{Journal, Snapshot};
use crate::manifest::Manifest;

/// What [`Responder::detect`] found in an event.
#[derive(Clone, Debug, PartialEq)]
pub enum Detection {
    /// Resources to look at: one record may name many.
    Candidates(Vec<Candidate>),
    /// Nothing of this control, and why.
    Nothing(String),
}

/// The state of a resource as a survey, or a look after an event, read it: what the inventory keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The ARN of the resource.
    pub resource: String,
    /// All of it that may have to be compared or put back.
    pub state: Value,
}

/// What [`Responder::survey`] found in one account and Region.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// What may be wrong: each is assessed.
    pub candidates: Vec<Candidate>,
    /// Every resource in scope as it is now.
    pub known: Vec<Known>,
}

/// What is remembered of the time before the event, and what the operator decided.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The responder that remembers.
    pub responder: &'static str,
    /// The operator's policy.
    pub config: Arc<Config>,
    /// Where the inventory lies.
    pub journal: Journal,
    /// The time of the assessment.
    pub now: Timestamp,
    /// The time that "before" means: that of the call, or of the survey.
    pub as_of: Timestamp,
}

impl Memory {
    /// The state of a resource before the event or the survey that the candidate came from. None if
    /// the inventory has none, or if no sweep was completed there for so long that it may have been
    /// changed since.
    ///
    /// # Errors
    /// `Transient` if the journal cannot be read.
    pub async fn before(&self, candidate: &Candidate, resource: &str) -> Result<Option<Snapshot>> {
        let Candidate { account, region, .. } = candidate;
        let (snapshot, surveys) = futures::join!(
            self.journal.snapshot_before(resource, self.as_of),
            self.journal.surveys(self.responder, account, region),
        );
        let fresh = surveys?.covers(self.as_of, self.config.inventory.max_age());
        Ok(snapshot?.filter(|_| fresh))
    }
}

/// One control's detection and decision. `C` reaches one account in one Region.
#[async_trait]
pub trait Responder<C: Send + Sync + 'static>: std::fmt::Debug + Send + Sync {
    /// What it declares; the single source of its rules, roles, runbooks and docs.
    fn manifest(&self) -> &'static Manifest;

    /// The kinds of actions that its plans may hold.
    fn actions(&self) -> &'static [ActionKind<C>];

    /// What the event points at. Pure, and cannot fail.
    fn detect(&self, event: &Envelope) -> Detection;

    /// What a person's target points at.
    ///
    /// # Errors
    /// `Invalid` if the target names nothing that the runbook takes.
    fn target(&self, run: &Run, key: &str) -> Result<Vec<Candidate>>;

    /// What another function of the suite asks to look at, made anew from identifiers that were
    /// checked by shape: nothing else in a request is believed.
    ///
    /// # Errors
    /// `Invalid`: a responder takes no requests unless it says so.
    fn requested(&self, _candidate: &Candidate) -> Result<Candidate> {
        Err(Error::invalid(format!("`{}` takes no requests", self.manifest().responder))
            .hint("only procedures that other functions call for take them"))
    }

    /// What the account's live state points at, and what it is: the scheduled pass. `origin` is
    /// that of each candidate.
    ///
    /// # Errors
    /// The class of the first read that failed.
    async fn survey(&self, context: &C, memory: &Memory, origin: &Origin) -> Result<Survey>;

    /// What the inventory keeps of the resource of a candidate, once its event was dealt with: the
    /// state that the next event will change.
    ///
    /// # Errors
    /// The class of the read that failed: then the next sweep keeps it.
    async fn remember(
        &self,
        _candidate: &Candidate,
        _context: &C,
        _memory: &Memory,
    ) -> Result<Vec<Known>> {
        Ok(Vec::new())
    }

    /// The only decision. Reads only; decides from live state and memory, never from the event.
    ///
    /// # Errors
    /// The class of the read that failed; a thing that is gone is [`Assessment::Compliant`].
    async fn assess(
        &self,
        candidate: &Candidate,
        context: &C,
        memory: &Memory,
    ) -> Result<Assessment<C>>;

    /// What a fresh look says once steps were applied: whether the same danger remains by another
    /// way. One line each, for people; it decides nothing. Reads only, and only after containment.
    ///
    /// # Errors
    /// The class of the read that failed: then people are told that nobody looked.
    async fn aftermath(
        &self,
        _candidate: &Candidate,
        _context: &C,
        _memory: &Memory,
    ) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}
