//! The laws of every responder, on one canonical scenario of it.

mod approve;
mod crashes;
mod faults;
mod interleave;
mod quiet;
mod undo;

use std::fmt::Debug;

use anyhow::Result;
use async_trait::async_trait;
use backstop_aws::{Account, Connection};
use backstop_core::engine::event_date;
use backstop_core::event::{Payload, parse};
use backstop_core::ident::incident_id;
use backstop_core::report::Reply;
use backstop_core::responder::{Detection, Responder};
use backstop_core::words::{Lane, Mode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::end::End;
use super::{Kept, Law, Seen, Tally, Thing, hold};
use crate::faults::{Fault, Faults};
use crate::machine::{How, Machine};
use crate::policy::{needs, statements};
use crate::scene::Scene;

pub use approve::approved;
pub use crashes::{next_delivery, sweep};
pub use faults::{refusals, retry, sdk_retry};
pub use interleave::{two_deliveries, two_events};
pub use quiet::{already_right, declared, modes, page_two, redelivery};
pub use undo::{interrupted, partial, refused};

/// A fresh violation.
#[derive(Debug)]
pub struct Violated {
    /// What is wrong.
    pub thing: Box<dyn Thing>,
    /// The event that tells of it.
    pub event: Value,
}

/// A canonical scenario of a responder: a violation that it contains without a person.
#[async_trait]
pub trait Scenario: Debug + Send + Sync {
    /// What messages call it.
    fn name(&self) -> String;

    /// A fresh instance of the responder, as a fresh process has.
    fn responder(&self) -> Box<dyn Responder<Account>>;

    /// What the policy holds beside the scope and the guards.
    fn policy(&self) -> String {
        String::new()
    }

    /// Makes a fresh violation behind that many others of its kind that are none.
    async fn violate(&self, scene: &Scene, others: usize) -> Result<Violated>;

    /// Makes another violation of the same resource. Returns its event.
    async fn violate_again(&self, scene: &Scene, first: &Violated) -> Result<Value>;

    /// Somebody changes by hand what the response has changed, so that its undo must be refused.
    /// Says whether there is such a change: what was taken away, nobody can change.
    async fn overtake(&self, _scene: &Scene, _violated: &Violated) -> Result<bool> {
        Ok(false)
    }
}

/// A scenario in its scene.
#[derive(Clone, Copy, Debug)]
pub struct Bench<'a> {
    /// The scene: an account of its own, because a sweep finds whatever is unfinished in it.
    pub scene: &'a Scene,
    /// The scenario.
    pub scenario: &'a dyn Scenario,
}

/// What the run without a fault comes to.
#[derive(Debug)]
struct Base {
    calls: Vec<String>,
    end: End,
}

impl Base {
    /// Whether a notice may come twice, if call number `n` goes wrong in that way: see
    /// [`End::differs`].
    fn may_double(&self, n: usize, fault: Fault) -> bool {
        let Some(told) = self.calls.iter().position(|call| call == "Publish") else { return false };
        match fault {
            Fault::After | Fault::DiesAfter => n >= told,
            Fault::Before | Fault::Throttled | Fault::Denied | Fault::DiesBefore => n > told,
        }
    }
}

/// A violation that is about to be delivered.
struct Case {
    violated: Violated,
    at_first: Seen,
    incidents: Vec<String>,
    mark: u64,
}

impl<'a> Bench<'a> {
    /// A scenario in a scene.
    pub fn new(scene: &'a Scene, scenario: &'a dyn Scenario) -> Self {
        Self { scene, scenario }
    }

    /// How the machines of the laws are made: many cases share an account, and its breaker must
    /// not be what stops them.
    fn how(&self) -> How {
        How::default()
            .and("[guards]\nactions_per_10_min = 1000\nactions_per_hour = 5000\nfleet_share_percent = 100\n")
            .and(&self.scenario.policy())
    }

    fn machine(&self, connection: &Connection, how: &How) -> Result<Machine> {
        Machine::over(self.scenario.responder(), self.scene, connection, how)
    }

    /// A fresh process, that many minutes later.
    fn later(&self, minutes: i64, how: &How) -> Result<Machine> {
        let machine = self.machine(&self.scene.connection, how)?;
        machine.clock.forward(SignedDuration::from_mins(minutes));
        Ok(machine)
    }

    /// A fresh process over a connection with faults.
    fn faulty(&self, how: &How) -> Result<(Machine, Faults)> {
        let faults = Faults::around(self.scene.connection.http());
        let connection = self.scene.connection.clone().with_http(faults.client());
        Ok((self.machine(&connection, how)?, faults))
    }

    /// The ids of the incidents that an event makes, whether they are there or not.
    fn incidents(&self, event: &Value) -> Result<Vec<String>> {
        let responder = self.scenario.responder();
        let Payload::Event(envelope) = parse(&event.to_string())? else {
            anyhow::bail!("the scenario's payload is no event")
        };
        let Detection::Candidates(candidates) = responder.detect(&envelope) else {
            anyhow::bail!("the responder detects nothing in the scenario's event")
        };
        let id = |c: &backstop_core::candidate::Candidate| {
            let date = event_date(c, jiff::Timestamp::now());
            let key = c.origin.key();
            let name = responder.manifest().responder;
            incident_id(name, date, &c.account, &c.region, key, &c.resource)
        };
        Ok(candidates.iter().map(id).collect())
    }

    async fn case(&self) -> Result<Case> {
        self.case_behind(1).await
    }

    async fn case_behind(&self, others: usize) -> Result<Case> {
        let violated = self.scenario.violate(self.scene, others).await?;
        let at_first = violated.thing.read(self.scene).await?;
        let incidents = self.incidents(&violated.event)?;
        Ok(Case { violated, at_first, incidents, mark: self.scene.mark()? })
    }

    async fn end(&self, case: &Case) -> Result<End> {
        self.end_since(case, case.mark).await
    }

    async fn end_since(&self, case: &Case, mark: u64) -> Result<End> {
        let reader = self.machine(&self.scene.connection, &self.how())?;
        let thing = case.violated.thing.as_ref();
        let journal = &reader.engine.journal;
        End::read(self.scene, journal, thing, &case.incidents, mark).await
    }

    /// Delivers a fresh violation without a fault.
    async fn contain(&self) -> Result<Case> {
        let case = self.case().await?;
        let machine = self.machine(&self.scene.connection, &self.how())?;
        machine.invoke(&case.violated.event).await?;
        Ok(case)
    }

    /// The run without a fault.
    async fn base(&self) -> Result<Base> {
        let case = self.case().await?;
        let (machine, faults) = self.faulty(&self.how())?;
        faults.clear();
        machine.invoke(&case.violated.event).await?;
        let calls = faults.made();
        let end = self.end(&case).await?;
        anyhow::ensure!(
            end.changes.values().sum::<usize>() > 0,
            "{}: the canonical scenario contains nothing: {end:?}",
            self.scenario.name()
        );
        Ok(Base { calls, end })
    }

    fn attended(&self) -> How {
        self.how().attended()
    }

    /// A person's order to take an incident back.
    fn undo(incident: &str) -> Value {
        json!({ "backstop": { "undo": {
            "incident": incident, "requested_by": "alice", "reason": "it was ours", "force": false,
        }}})
    }

    async fn invoke(machine: &Machine, law: Law, name: &str, payload: &Value) -> Kept<Reply> {
        match machine.invoke(payload).await {
            Ok(reply) => Ok(reply),
            Err(error) => super::broken(law, name, format!("the next one fails: {error}")),
        }
    }
}

/// Whether an operation changes something outside the journal, the notices and the tickets.
fn changes(operation: &str) -> bool {
    !journals(operation)
        && !["AssumeRole", "CreateOpsItem", "Publish", "Query", "BatchGet"].contains(&operation)
        && !["Describe", "GET ", "Get", "List", "Lookup", "Search"]
            .iter()
            .any(|verb| operation.starts_with(verb))
}

/// Whether an operation writes the journal.
fn journals(operation: &str) -> bool {
    matches!(operation, "PutItem" | "TransactWriteItems")
}

fn sweeping() -> Value {
    json!({ "backstop": { "sweep": {} } })
}

fn same(law: Law, name: &str, end: &End, base: &End, twice: bool) -> Kept {
    let differs = end.differs(base, twice);
    hold(law, differs.is_none(), name, || differs.unwrap_or_default())
}
