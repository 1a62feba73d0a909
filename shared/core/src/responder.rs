//! What a responder is: detection, the survey, the decision. Everything else is the engine's.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::action::ActionKind;
use crate::assessment::Assessment;
use crate::candidate::Candidate;
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

/// What is remembered of the time before the event, and what the operator decided.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The operator's policy.
    pub config: Arc<Config>,
    /// Where the inventory lies.
    pub journal: Journal,
    /// The time of the assessment.
    pub now: Timestamp,
}

impl Memory {
    /// The last known state of a resource, if the inventory has one.
    ///
    /// # Errors
    /// `Transient` if the journal cannot be read.
    pub async fn inventory(&self, resource: &str) -> Result<Option<Snapshot>> {
        self.journal.snapshot(resource).await
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

    /// What the account's live state points at: the scheduled pass.
    ///
    /// # Errors
    /// The class of the first read that failed.
    async fn survey(&self, context: &C, memory: &Memory, slot: &str) -> Result<Vec<Candidate>>;

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
