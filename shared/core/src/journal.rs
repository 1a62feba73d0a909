//! The journal: what happened, written before it happens; what is locked, fought over, counted.
//!
//! Rules: write before you change; the first `before` wins; append only; redelivery changes
//! nothing; undo is last-first; forward only. All rules are here, over a [`Store`] that knows
//! none of them; the in-memory store and DynamoDB pass one conformance suite.

mod hand;
mod inventory;
mod ledger;
mod memory;
mod store;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::candidate::Candidate;
use crate::error::{Context, Error, Result};
use crate::incident::{Entry, Header, Incident};
use crate::plan::StepRecord;
use crate::words::Outcome;

pub use hand::{Hand, Seen};
pub use inventory::{Snapshot, Surveys};
pub use ledger::{Breaker, Fights, Limits, Refusal};
pub use memory::MemoryStore;
pub use store::{
    Condition, Conflict, Index, Item, Key, Listing, MAX_WRITES, Page, Store, Write, decode, encode,
};

/// How long nobody else may work on an incident. Short, because Lambda retries an asynchronous
/// event after about one and two minutes; every journal write renews it.
pub const LEASE: SignedDuration = SignedDuration::from_secs(45);

/// What a claim found.
#[derive(Debug)]
pub enum Claim {
    /// Nobody had it: it is ours, from the start.
    New(Box<Hand>),
    /// Its owner is gone: it is ours, where that one stopped.
    Resumed(Box<Hand>),
    /// It has ended. Reported or not, as its header says.
    Done(Box<Header>),
    /// Another works on it, until then at the latest.
    Leased(Timestamp),
}

/// The journal of one table.
#[derive(Clone, Debug)]
pub struct Journal {
    store: Arc<dyn Store>,
}

/// What a claim is made with.
#[derive(Clone, Debug)]
pub struct Claimant<'a> {
    /// The function.
    pub responder: &'a str,
    /// Its control.
    pub control: &'a str,
    /// This invocation.
    pub owner: &'a str,
    /// The time.
    pub now: Timestamp,
}

impl Journal {
    /// The journal in that store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Claims the incident for `who`: one conditional put, and a read only if somebody was first.
    ///
    /// # Errors
    /// `Transient` if the table does not answer, `Missing` if there is none.
    pub async fn claim(
        &self,
        id: &str,
        candidate: &Candidate,
        who: &Claimant<'_>,
    ) -> Result<Claim> {
        let header = Header {
            id: id.to_owned(),
            responder: who.responder.to_owned(),
            control: who.control.to_owned(),
            candidate: candidate.clone(),
            outcome: None,
            reason: String::new(),
            finding: None,
            aftermath: Vec::new(),
            duplicate_of: None,
            sameness: BTreeSet::new(),
            absent: false,
            mode: None,
            config_hash: String::new(),
            plan: None,
            plan_hash: None,
            choice: None,
            approvable_until: None,
            claimed_at: who.now,
            closed_at: None,
            contained_at: None,
            verified_at: None,
            unmeasured: None,
            told: false,
            reported: false,
            ops_item: None,
            owner: who.owner.to_owned(),
            lease_until: lease_from(who.now),
            seq: 0,
        };
        match Hand::begin(self.store.clone(), header).await? {
            Some(hand) => Ok(Claim::New(Box::new(hand))),
            None => self.take_over(id, who).await,
        }
    }

    /// Takes an existing incident over if nobody works on it.
    async fn take_over(&self, id: &str, who: &Claimant<'_>) -> Result<Claim> {
        let (header, rev) = self.header(id).await?;
        if !header.is_unfinished() {
            return Ok(Claim::Done(Box::new(header)));
        }
        if header.lease_until > who.now && header.owner != who.owner {
            return Ok(Claim::Leased(header.lease_until));
        }
        let steps = self.steps(&header).await?;
        let hand = Hand::resume(self.store.clone(), header, rev, steps, who).await?;
        Ok(Claim::Resumed(Box::new(hand)))
    }

    /// Takes an ended incident in hand again: for an approval or an undo.
    ///
    /// # Errors
    /// `Missing` if there is none, `Transient` if another works on it.
    pub async fn reopen(&self, id: &str, who: &Claimant<'_>) -> Result<Hand> {
        let (header, rev) = self.header(id).await?;
        if header.responder != who.responder {
            return Err(Error::invalid(format!(
                "the incident `{id}` belongs to `{}`, not to `{}`",
                header.responder, who.responder
            ))
            .hint(format!("invoke the function `{}`", header.responder)));
        }
        if header.lease_until > who.now && header.owner != who.owner {
            return Err(Error::transient(format!(
                "another works on the incident `{id}` until {}",
                header.lease_until
            ))
            .hint("look with a `show` order what came of it, then repeat yours"));
        }
        let steps = self.steps(&header).await?;
        Hand::resume(self.store.clone(), header, rev, steps, who).await
    }

    async fn header(&self, id: &str) -> Result<(Header, u64)> {
        let item = self
            .store
            .get(&Key::header(id))
            .await
            .while_doing(|| format!("cannot read the incident `{id}`"))?
            .ok_or_else(|| {
                Error::missing(format!("there is no incident `{id}`"))
                    .hint("an `incidents` order lists them")
            })?;
        Ok((decode(&item)?, item.rev))
    }

    async fn steps(&self, header: &Header) -> Result<Vec<StepRecord>> {
        let Some(plan) = &header.plan else { return Ok(Vec::new()) };
        let items = self.all(&Key::incident(&header.id), &format!("p#{plan}#")).await?;
        items.iter().map(decode).collect()
    }

    /// Every item under a prefix, over all pages.
    async fn all(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.query(pk, prefix, after.as_ref()).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(items),
            }
        }
    }

    /// An incident whole.
    ///
    /// # Errors
    /// `Missing` if there is none.
    pub async fn show(&self, id: &str) -> Result<Incident> {
        let (header, _) = self.header(id).await?;
        let steps = self.steps(&header).await?;
        let entries: Vec<Entry> =
            self.all(&Key::incident(id), "s#").await?.iter().map(decode).collect::<Result<_>>()?;
        Ok(Incident { header, steps, entries })
    }

    /// The incidents of a day, newest last.
    ///
    /// # Errors
    /// `Transient` if the table does not answer.
    pub async fn day(&self, day: jiff::civil::Date) -> Result<Vec<Header>> {
        self.index(&Index::Day(day.to_string())).await
    }

    /// The incidents that are open or unreported.
    ///
    /// # Errors
    /// `Transient` if the table does not answer.
    pub async fn unfinished(&self) -> Result<Vec<Header>> {
        self.index(&Index::Unfinished).await
    }

    async fn index(&self, index: &Index) -> Result<Vec<Header>> {
        let mut headers = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.query_index(index, after.as_ref()).await?;
            for item in &page.items {
                headers.push(decode(item)?);
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(headers),
            }
        }
    }

    /// The lock, the fights and the open plans of a resource.
    ///
    /// # Errors
    /// `Transient` if the table does not answer.
    pub async fn fights(&self, resource: &str) -> Result<(Fights, u64)> {
        seen(self.store.as_ref(), &Key::resource(resource)).await
    }

    /// The actions that a function took lately.
    ///
    /// # Errors
    /// `Transient` if the table does not answer.
    pub async fn breaker(&self, responder: &str) -> Result<(Breaker, u64)> {
        seen(self.store.as_ref(), &Key::breaker(responder)).await
    }
}

/// A counter as it is now, empty if there is none.
async fn seen<T: Default + serde::de::DeserializeOwned>(
    store: &dyn Store,
    key: &Key,
) -> Result<Seen<T>> {
    match store.get(key).await? {
        Some(item) => Ok((decode(&item)?, item.rev)),
        None => Ok((T::default(), 0)),
    }
}

/// Until when a lease taken now lasts.
fn lease_from(now: Timestamp) -> Timestamp {
    now.saturating_add(LEASE).unwrap_or(Timestamp::MAX)
}

/// Whether an incident stands for what it found until somebody deals with it: by a plan that can be
/// released, by what only people were told of, by what was refused, or by what a person took back.
fn stands(outcome: Outcome) -> bool {
    outcome.awaits_approval()
        || matches!(outcome, Outcome::Observed | Outcome::Failed | Outcome::Undone)
}
