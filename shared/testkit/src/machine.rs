//! An engine over the local AWS, with a clock that stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use backstop_aws::notify::Topics;
use backstop_aws::{Account, Connection, DynamoStore, Members, Telling};
use backstop_core::clock::{Clock, Deadline};
use backstop_core::config::Config;
use backstop_core::engine::{Accounts, Engine, Invocation};
use backstop_core::journal::Journal;
use backstop_core::manifest::Manifest;
use backstop_core::metrics::{Measured, Meter};
use backstop_core::report::Reply;
use backstop_core::responder::Responder;
use backstop_core::words::{Lane, Mode};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::scene::{REGION, Scene};

/// A clock that moves only when it is told to, or when somebody waits.
#[derive(Debug)]
pub struct StillClock(Mutex<Timestamp>);

impl StillClock {
    /// A clock that says `now`.
    pub fn at(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves it on.
    pub fn forward(&self, time: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.saturating_add(time).unwrap_or(*now);
    }
}

#[async_trait]
impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(&self, time: Duration) {
        self.forward(SignedDuration::try_from(time).unwrap_or(SignedDuration::ZERO));
    }
}

/// A meter that keeps what it was given.
#[derive(Debug, Default)]
pub struct Kept(Mutex<Vec<Measured>>);

impl Kept {
    /// What it was given since it was asked last, in order.
    pub fn take(&self) -> Vec<Measured> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Meter for Kept {
    fn measure(&self, measured: &Measured) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(measured.clone());
    }

    fn beat(&self, _: &Manifest, _: Option<&str>, _: Timestamp) {}
}

/// How an engine is made.
#[derive(Clone, Debug)]
pub struct How {
    /// The lane.
    pub lane: Lane,
    /// The mode.
    pub mode: Mode,
    /// The policy; `{account}` stands for the scene's account.
    pub policy: String,
    /// The journal's table.
    pub table: String,
}

/// The policy that tests start from: the whole account is production, no list has an entry.
pub const POLICY: &str = r#"
mode = "enforce"
[scope]
accounts = ["{account}"]
regions = ["eu-west-1"]
home_region = "eu-west-1"
[scope.production]
everything = true
"#;

impl Default for How {
    fn default() -> Self {
        Self {
            lane: Lane::Unattended,
            mode: Mode::Enforce,
            policy: POLICY.to_owned(),
            table: "backstop-journal".to_owned(),
        }
    }
}

impl How {
    /// The same with more policy.
    #[must_use]
    pub fn and(mut self, policy: &str) -> Self {
        self.policy.push_str(policy);
        self
    }

    /// The same in another mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// The same in the attended lane.
    #[must_use]
    pub fn attended(mut self) -> Self {
        self.lane = Lane::Attended;
        self
    }
}

/// An engine and its clock.
#[derive(Debug)]
pub struct Machine {
    /// The engine.
    pub engine: Engine<Account>,
    /// Its clock.
    pub clock: Arc<StillClock>,
    /// What it measured.
    pub meter: Arc<Kept>,
    number: u64,
    requests: AtomicU64,
}

/// How many machines there have been: each is another owner.
static MACHINES: AtomicU64 = AtomicU64::new(0);

impl Machine {
    /// The engine of a responder over a scene.
    ///
    /// # Errors
    /// If the policy is wrong.
    pub fn new(responder: Box<dyn Responder<Account>>, scene: &Scene, how: &How) -> Result<Self> {
        Self::over(responder, scene, &scene.connection, how)
    }

    /// The same over another connection, such as one with faults.
    ///
    /// # Errors
    /// If the policy is wrong.
    pub fn over(
        responder: Box<dyn Responder<Account>>,
        scene: &Scene,
        connection: &Connection,
        how: &How,
    ) -> Result<Self> {
        let clock = Arc::new(StillClock::at(Timestamp::now()));
        let policy = how.policy.replace("{account}", scene.id());
        let config = Config::parse(&policy, clock.now()).map_err(|m| anyhow!("{m}"))?;
        let name = responder.manifest().responder;
        let connection = &connection.clone().for_lane(name, how.lane)?;
        let accounts: Arc<dyn Accounts<Account>> =
            Arc::new(Members::new(scene.id(), connection.clone(), name, how.lane));
        let topic =
            |urgency: &str| format!("arn:aws:sns:{REGION}:{}:backstop-{urgency}", scene.id());
        let topics = Topics { page: topic("page"), ticket: topic("ticket"), info: topic("info") };
        let meter = Arc::new(Kept::default());
        let engine = Engine {
            responder,
            journal: Journal::new(Arc::new(DynamoStore::new(connection, &how.table))),
            accounts: Arc::clone(&accounts),
            notifier: Arc::new(Telling::new(connection, topics, accounts)),
            meter: Arc::clone(&meter) as Arc<dyn Meter>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            config: Arc::new(config),
            lane: how.lane,
            mode: how.mode,
        };
        let number = MACHINES.fetch_add(1, Ordering::Relaxed);
        Ok(Self { engine, clock, meter, number, requests: AtomicU64::new(0) })
    }

    /// One invocation, with five minutes to go.
    pub fn invocation(&self) -> Invocation {
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now();
        let until = now.saturating_add(SignedDuration::from_mins(5)).unwrap_or(now);
        // Other machines over the same journal are other owners.
        let id = format!("req-{}-{}-{n}", std::process::id(), self.number);
        Invocation { request_id: id.clone(), owner: id, deadline: Deadline::of(until, now) }
    }

    /// Invokes it with a payload.
    ///
    /// # Errors
    /// As the engine's.
    pub async fn invoke(&self, payload: &Value) -> backstop_core::Result<Reply> {
        // Boxed, because the engine's future is large and a test holds many.
        Box::pin(self.engine.handle(&payload.to_string(), &self.invocation())).await
    }
}
