//! The engine here, with the operator's own credentials, on the deployed journal and topics.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use backstop_aws::notify::Topics;
use backstop_aws::{Account, Connection, DynamoStore, Members, SystemClock, Telling};
use backstop_core::Error;
use backstop_core::clock::Deadline;
use backstop_core::config::Config;
use backstop_core::engine::{Accounts, Engine, Invocation};
use backstop_core::event::Operator;
use backstop_core::journal::Journal;
use backstop_core::manifest::Manifest;
use backstop_core::metrics::{Measured, Meter};
use backstop_core::report::Reply;
use backstop_core::words::{Lane, Urgency};
use jiff::{SignedDuration, Timestamp};

use super::{Reach, Unanswered};
use crate::ask::{UnderWay, waiting};
use crate::exit::Failure;
use crate::principal::Principal;
use crate::{catalogue, names};

/// How long one order may take: nothing ends this process before.
const LONGEST: SignedDuration = SignedDuration::from_mins(15);

/// The responders in this process.
#[derive(Debug)]
pub(crate) struct InProcess {
    home: String,
    connection: Connection,
    config: Arc<Config>,
    orders: AtomicU64,
}

/// Metrics are the deployed functions': they are read from the functions' logs.
#[derive(Debug)]
struct Unmetered;

impl Meter for Unmetered {
    fn measure(&self, _: &Measured) {}
    fn beat(&self, _: &Manifest, _: Option<&str>, _: Timestamp) {}
}

impl InProcess {
    /// The responders under the policy in that file.
    pub(crate) async fn new(principal: &Principal, policy: &Path) -> Result<Self, Failure> {
        Ok(Self {
            home: principal.caller().await?.account.clone(),
            connection: principal.connection().clone(),
            config: Arc::new(policy_of(policy)?),
            orders: AtomicU64::new(0),
        })
    }

    fn engine(&self, responder: &str) -> backstop_core::Result<Engine<Account>> {
        let responder = catalogue::responders()
            .into_iter()
            .find(|one| one.manifest().responder == responder)
            .ok_or_else(|| Error::invalid(format!("there is no responder `{responder}`")))?;
        let name = responder.manifest().responder;
        let connection = self.connection.clone().for_lane(name, Lane::Attended)?;
        let accounts: Arc<dyn Accounts<Account>> =
            Arc::new(Members::new(&self.home, connection.clone(), name, Lane::Attended));
        let topic = |urgency| names::topic(connection.region(), &self.home, urgency);
        let topics = Topics {
            page: topic(Urgency::Page),
            ticket: topic(Urgency::Ticket),
            info: topic(Urgency::Info),
        };
        Ok(Engine {
            mode: self.config.mode(name),
            responder,
            journal: Journal::new(Arc::new(DynamoStore::new(&connection, names::TABLE))),
            notifier: Arc::new(Telling::new(&connection, topics, Arc::clone(&accounts))),
            accounts,
            meter: Arc::new(Unmetered),
            clock: Arc::new(SystemClock),
            config: Arc::clone(&self.config),
            lane: Lane::Attended,
        })
    }
}

/// The policy in a file.
pub(crate) fn policy_of(file: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| {
        Error::invalid(format!("cannot read the policy `{}`: {e}", file.display()))
            .hint("say with `--config` which policy is deployed")
    })?;
    Config::parse(&text, Timestamp::now()).map_err(|mistakes| {
        Error::from(mistakes).context(format!("the policy `{}`", file.display())).into()
    })
}

#[async_trait]
impl Reach for InProcess {
    async fn ask(&self, responder: &str, order: &Operator) -> Result<Reply, Unanswered> {
        let engine = self.engine(responder).map_err(Unanswered::Unreached)?;
        let payload = order.payload().map_err(Unanswered::Unreached)?;
        let _under_way = UnderWay::begins(order);
        let now = Timestamp::now();
        let n = self.orders.fetch_add(1, Ordering::Relaxed);
        let request = format!("cli-{}-{}-{n}", now.as_nanosecond(), std::process::id());
        let until = now.saturating_add(LONGEST).unwrap_or(now);
        let invocation = Invocation {
            request_id: request.clone(),
            owner: request,
            deadline: Deadline::of(until, now),
        };
        let answered = Box::pin(engine.handle(&payload, &invocation));
        waiting(&format!("{responder}: {}", order.name()), answered)
            .await
            .map_err(Unanswered::Refused)
    }
}
