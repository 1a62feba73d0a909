//! An incident in the hand of its one owner: changes are noted, and written before the next call.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::ledger::{Breaker, Fights, Limits, Refusal};
use super::store::{Conflict, Key, Listing, MAX_WRITES, Store, Write, encode};
use super::{Claimant, lease_from, seen, stands};
use crate::candidate::Origin;
use crate::error::{Context, Error, Result};
use crate::incident::{self, Change, Entry, Header};
use crate::plan::StepRecord;
use crate::words::Outcome;

/// How long what cannot be approved is not told again by a sweep.
const TOLD: SignedDuration = SignedDuration::from_hours(24);

/// How often a write is repeated when another incident wrote the same counter in between.
const ROUNDS: usize = 8;

/// An incident that this owner works on. Every write is fenced by the header's revision: once
/// another has taken over, nothing of this owner is written any more.
#[derive(Debug)]
pub struct Hand {
    store: Arc<dyn Store>,
    rev: u64,
    /// The header as it was written last: what is stored while a long plan is being written.
    written: Header,
    draft: Draft,
    resumed: bool,
}

/// What is not written yet, and what it builds on.
#[derive(Clone, Debug)]
struct Draft {
    header: Header,
    steps: Vec<StepRecord>,
    entries: Vec<Entry>,
    touched: BTreeSet<u32>,
}

/// A counter as it was read: its content and its revision.
pub type Seen<T> = (T, u64);

impl Hand {
    /// Claims a new incident; none if it exists.
    pub(super) async fn begin(store: Arc<dyn Store>, header: Header) -> Result<Option<Self>> {
        let now = header.claimed_at;
        let mut hand = Self {
            store,
            written: header.clone(),
            rev: 0,
            resumed: false,
            draft: Draft {
                header,
                steps: Vec::new(),
                entries: Vec::new(),
                touched: BTreeSet::new(),
            },
        };
        // The first entry is written with the next ones: a claim is one put.
        let write = hand.header_write(&hand.draft.header)?;
        match hand.store.write(vec![write]).await.while_doing(|| "cannot claim the incident")? {
            Ok(()) => {
                hand.rev = 1;
                hand.note(Change::Claimed, now)?;
                Ok(Some(hand))
            }
            Err(Conflict(_)) => Ok(None),
        }
    }

    /// Takes an incident over.
    pub(super) async fn resume(
        store: Arc<dyn Store>,
        mut header: Header,
        rev: u64,
        steps: Vec<StepRecord>,
        who: &Claimant<'_>,
    ) -> Result<Self> {
        let written = header.clone();
        who.owner.clone_into(&mut header.owner);
        let draft = Draft { header, steps, entries: Vec::new(), touched: BTreeSet::new() };
        let mut hand = Self { store, rev, written, draft, resumed: true };
        hand.note(Change::Resumed, who.now)?;
        hand.flush(who.now).await?;
        Ok(hand)
    }

    /// Whether another owner had it before.
    pub const fn was_resumed(&self) -> bool {
        self.resumed
    }

    /// The header as it will be written next.
    pub fn header(&self) -> &Header {
        &self.draft.header
    }

    /// The header, to be written with the next flush.
    pub fn header_mut(&mut self) -> &mut Header {
        &mut self.draft.header
    }

    /// The steps of the plan.
    pub fn steps(&self) -> &[StepRecord] {
        &self.draft.steps
    }

    /// One step.
    ///
    /// # Errors
    /// `Bug` if the plan has none of that number.
    pub fn step(&self, n: u32) -> Result<&StepRecord> {
        self.draft.steps.iter().find(|s| s.n == n).ok_or_else(|| no_step(n))
    }

    /// Keeps a plan. The first plan wins: its `before` is what undo restores.
    pub fn keep_plan(&mut self, hash: &str, steps: Vec<StepRecord>) {
        self.draft.header.plan = Some(hash.to_owned());
        self.draft.touched = steps.iter().map(|s| s.n).collect();
        self.draft.steps = steps;
    }

    /// Notes a change: it is written with the next flush.
    ///
    /// # Errors
    /// `Bug` if the status of its step does not allow it.
    pub fn note(&mut self, change: Change, now: Timestamp) -> Result<()> {
        if let Some(n) = change.step() {
            let step = self.draft.steps.iter_mut().find(|s| s.n == n).ok_or_else(|| no_step(n))?;
            incident::apply(step, &change)?;
            self.draft.touched.insert(n);
        }
        self.draft.header.seq += 1;
        self.draft.entries.push(Entry {
            seq: self.draft.header.seq,
            at: now,
            owner: self.draft.header.owner.clone(),
            change,
        });
        Ok(())
    }

    fn header_write(&self, header: &Header) -> Result<Write> {
        let mut write = Write::put(Key::header(&header.id), self.rev, encode(header)?);
        let at = header.claimed_at.to_string();
        let day = header.claimed_at.to_zoned_datetime(TimeZone::UTC).date().to_string();
        write.listing = Listing {
            day: Some((day, at.clone())),
            unfinished: header.is_unfinished().then_some(at),
        };
        Ok(write)
    }

    /// Writes what was noted and renews the lease.
    ///
    /// # Errors
    /// `Transient` if another has taken over or the store does not answer.
    pub async fn flush(&mut self, now: Timestamp) -> Result<()> {
        match self.flush_with(Vec::new(), now).await? {
            Ok(()) => Ok(()),
            Err(Conflict(_)) => Err(self.taken_over()),
        }
    }

    fn taken_over(&self) -> Error {
        Error::transient(format!("another has taken the incident `{}` over", self.header().id))
    }

    /// Writes what was noted together with `others`, all or nothing. The inner error names the
    /// one of `others` whose condition did not hold; then nothing is written and nothing lost.
    async fn flush_with(
        &mut self,
        others: Vec<Write>,
        now: Timestamp,
    ) -> Result<Result<(), Conflict>> {
        self.flush_until(others, lease_from(now)).await
    }

    async fn flush_until(
        &mut self,
        others: Vec<Write>,
        lease_until: Timestamp,
    ) -> Result<Result<(), Conflict>> {
        self.draft.header.lease_until = lease_until;
        let id = self.draft.header.id.clone();
        let mut pending: Vec<Write> = Vec::new();
        for entry in &self.draft.entries {
            pending.push(Write::beside(Key::entry(&id, entry.seq), encode(entry)?));
        }
        if let Some(plan) = &self.draft.header.plan {
            for step in self.draft.steps.iter().filter(|s| self.draft.touched.contains(&s.n)) {
                pending.push(Write::beside(Key::step(&id, plan, step.n), encode(step)?));
            }
        }
        // A long plan does not fit into one transaction. Its head goes first, under the same fence
        // but with the header as it was: until the last batch nothing refers to the new items.
        let room = MAX_WRITES - 1 - others.len();
        while pending.len() > room {
            let rest = pending.split_off(room);
            // Its numbers are taken: another owner must not write over the entries.
            self.written.seq = self.draft.header.seq;
            self.written.owner.clone_from(&self.draft.header.owner);
            self.written.lease_until = lease_until;
            let mut batch = vec![self.header_write(&self.written)?];
            batch.append(&mut pending);
            if self.store.write(batch).await?.is_err() {
                return Err(self.taken_over());
            }
            self.rev += 1;
            pending = rest;
        }
        let mut batch = vec![self.header_write(&self.draft.header)?];
        let count = others.len();
        batch.extend(others);
        batch.append(&mut pending);
        match self
            .store
            .write(batch)
            .await
            .while_doing(|| format!("cannot write the incident `{id}`"))?
        {
            Ok(()) => {
                self.rev += 1;
                self.written = self.draft.header.clone();
                self.draft.entries.clear();
                self.draft.touched.clear();
                Ok(Ok(()))
            }
            Err(Conflict(index)) if (1..=count).contains(&index) => Ok(Err(Conflict(index - 1))),
            Err(Conflict(_)) => Err(self.taken_over()),
        }
    }

    /// Writes ahead that a step is about to be applied: the entry, the lease, the lock of the
    /// step's resource with its fight list, and the breaker, in one transaction. The inner error says why it may not be.
    ///
    /// # Errors
    /// `Transient` if another has taken over, or the counters changed faster than they were read.
    pub async fn write_ahead(
        &mut self,
        change: Change,
        resource: &str,
        fights: &mut Seen<Fights>,
        breaker: &mut Seen<Breaker>,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Result<(), Refusal>> {
        let id = self.draft.header.id.clone();
        // One response to one resource is one action, however many rules of it are changed: who
        // opens many at once must not stop the responder with it.
        let key = format!("{id}#{resource}");
        let resource = Key::resource(resource);
        let counter = Key::breaker(&self.draft.header.responder);
        // What a person decides fills no counter that would stop the unattended lane.
        let limited = *limits != Limits::NONE;
        let before = self.draft.clone();
        for _round in 0..ROUNDS {
            let (mut lock, mut count) = (fights.0.clone(), breaker.0.clone());
            let admitted = lock
                .admit(&id, limits, now)
                .and_then(|()| if limited { count.admit(&key, limits, now) } else { Ok(()) });
            if let Err(refusal) = admitted {
                self.draft = before;
                return Ok(Err(refusal));
            }
            self.draft = before.clone();
            self.note(change.clone(), now)?;
            let mut others = vec![Write::put(resource.clone(), fights.1, encode(&lock)?)];
            if limited {
                others.push(Write::put(counter.clone(), breaker.1, encode(&count)?));
            }
            // What was not written ahead must not be written later, beside something else.
            let written = match self.flush_with(others, now).await {
                Ok(written) => written,
                Err(error) => {
                    self.draft = before;
                    return Err(error);
                }
            };
            match written {
                Ok(()) => {
                    *fights = (lock, fights.1 + 1);
                    if limited {
                        *breaker = (count, breaker.1 + 1);
                    }
                    return Ok(Ok(()));
                }
                Err(Conflict(0)) => {
                    *fights = seen(self.store.as_ref(), &resource).await?;
                    self.draft = before;
                    return Ok(Err(Refusal::Changed));
                }
                Err(Conflict(_)) => *breaker = seen(self.store.as_ref(), &counter).await?,
            }
        }
        self.draft = before;
        Err(Error::transient(format!(
            "the counters of `{}` change faster than they can be read",
            resource.pk
        )))
    }

    /// Ends the incident for now, and gives its lock back. An incident that would only leave the
    /// same plan open that another already holds ends as its duplicate.
    ///
    /// # Errors
    /// As [`Hand::write_ahead`].
    pub async fn close(
        &mut self,
        outcome: Outcome,
        reason: &str,
        fights: &mut Seen<Fights>,
        now: Timestamp,
    ) -> Result<()> {
        let resource = Key::resource(&self.draft.header.candidate.resource);
        let id = self.draft.header.id.clone();
        let event = match self.draft.header.candidate.origin {
            Origin::Event { time, .. } => time,
            Origin::Sweep { .. } | Origin::Person { .. } | Origin::Request { .. } => None,
        };
        let before = self.draft.clone();
        for _round in 0..ROUNDS {
            self.draft = before.clone();
            let mut ledger = fights.0.clone();
            ledger.release(&id);
            let plan = self.draft.header.plan_hash.clone().zip(self.draft.header.approvable_until);
            // Where nothing can be approved, what is wrong is told once a day and not at each sweep;
            // and what a person took back, a sweep does not find at once. Who asks is answered.
            let asked = matches!(self.draft.header.candidate.origin, Origin::Person { .. });
            let plan = plan.or_else(|| {
                let same = &self.draft.header.sameness;
                let told = !same.is_empty() && (!asked || outcome == Outcome::Undone);
                let until = now.saturating_add(TOLD).ok().filter(|_| told)?;
                Some((same.iter().map(String::as_str).collect::<Vec<_>>().join(" "), until))
            });
            let twin = plan
                .as_ref()
                .filter(|_| matches!(outcome, Outcome::Held | Outcome::Planned | Outcome::Observed))
                .and_then(|(hash, _)| ledger.same_plan(&id, hash, event, now))
                .map(str::to_owned);
            let (outcome, reason) = match &twin {
                Some(twin) => {
                    let open = self.draft.header.plan_hash.take().is_some();
                    let what =
                        if open { "the same plan is open in" } else { "the same is told by" };
                    (Outcome::Duplicate, format!("{what} `{twin}`"))
                }
                None => (outcome, reason.to_owned()),
            };
            let kept = plan.as_ref().filter(|_| stands(outcome));
            let kept = kept.map(|(hash, until)| (hash.as_str(), *until));
            ledger.keep_plan(&id, kept, &self.draft.header.sameness, now);
            let header = &mut self.draft.header;
            // What ends again was ended by a person before: its times tell nothing of the response.
            header.unmeasured.get_or_insert_default().anew = header.closed_at.is_some();
            header.outcome = Some(outcome);
            header.duplicate_of = twin;
            header.reason.clone_from(&reason);
            header.closed_at = Some(now);
            header.told = false;
            header.reported = false;
            self.note(Change::Closed { outcome, reason }, now)?;
            let others = if ledger == fights.0 {
                Vec::new()
            } else {
                vec![Write::put(resource.clone(), fights.1, encode(&ledger)?)]
            };
            let wrote = !others.is_empty();
            match self.flush_with(others, now).await? {
                Ok(()) => {
                    *fights = (ledger, fights.1 + u64::from(wrote));
                    return Ok(());
                }
                Err(Conflict(_)) => *fights = seen(self.store.as_ref(), &resource).await?,
            }
        }
        Err(Error::transient(format!("the lock of `{}` is contended", resource.pk)))
    }

    /// Lets go of an unfinished incident, so that the retry need not wait for the lease.
    ///
    /// # Errors
    /// As [`Hand::flush`].
    pub async fn let_go(&mut self, now: Timestamp) -> Result<()> {
        match self.flush_until(Vec::new(), now).await? {
            Ok(()) => Ok(()),
            Err(Conflict(_)) => Err(self.taken_over()),
        }
    }
}

#[cold]
fn no_step(n: u32) -> Error {
    Error::bug(format!("the plan has no step {n}"))
}
