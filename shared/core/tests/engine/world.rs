//! The whole engine over the journal in memory, around a responder that closes doors.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backstop_core::action::{Action, ActionKind, Description};
use backstop_core::assessment::{Assessment, Finding, Scope, Violation};
use backstop_core::candidate::{Actor, Candidate, Origin};
use backstop_core::clock::{Clock, Deadline};
use backstop_core::config::Config;
use backstop_core::engine::{Accounts, Engine, Invocation};
use backstop_core::event::{Envelope, Run};
use backstop_core::ident::Shape;
use backstop_core::journal::{Journal, MemoryStore};
use backstop_core::manifest::{Manifest, Parameter, Permissions, Runbook};
use backstop_core::metrics::{Measured, Meter};
use backstop_core::plan::Step;
use backstop_core::report::{Notice, Notifier, Reported, Ticket};
use backstop_core::responder::{Detection, Memory, Responder, Survey};
use backstop_core::words::{Class, Lane, Mode, Severity, Urgency};
use backstop_core::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "111111111111";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const POLICY: &str = r#"
mode = "enforce"
[scope]
accounts = ["111111111111"]
regions = ["eu-west-1"]
home_region = "eu-west-1"
[scope.production]
everything = true
"#;

/// What goes wrong with the next call that closes a door.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// It never arrives.
    Before,
    /// It is made, and its answer is lost.
    After,
}

/// Doors that should be closed, a clock that each call moves on, and what was measured.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) open: Mutex<[bool; 2]>,
    /// Until when a burglar stands before each door.
    pub(crate) besieged: Mutex<[Option<Timestamp>; 2]>,
    pub(crate) class: Mutex<Class>,
    pub(crate) trouble: Mutex<Option<Trouble>>,
    pub(crate) deaf: Mutex<bool>,
    now: Mutex<Timestamp>,
    measured: Mutex<Vec<Measured>>,
    pub(crate) beats: Mutex<Vec<String>>,
}

impl World {
    pub(crate) fn forward(&self, time: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now = now.saturating_add(time).unwrap();
    }

    pub(crate) fn take(&self) -> Vec<Measured> {
        std::mem::take(&mut self.measured.lock().unwrap())
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    async fn wait(&self, time: Duration) {
        self.forward(time.try_into().unwrap());
    }
}

impl Meter for World {
    fn measure(&self, measured: &Measured) {
        self.measured.lock().unwrap().push(measured.clone());
    }

    fn beat(&self, manifest: &Manifest, region: Option<&str>, _: Timestamp) {
        let beat = format!("{} of {}", manifest.control, region.unwrap_or("elsewhere"));
        self.beats.lock().unwrap().push(beat);
    }
}

#[async_trait]
impl Notifier for World {
    async fn publish(&self, _notice: &Notice) -> Result<()> {
        if *self.deaf.lock().unwrap() { Err(Error::denied("nobody listens")) } else { Ok(()) }
    }

    async fn open_ticket(&self, _ticket: &Ticket) -> Result<String> {
        Ok("oi-1".to_owned())
    }
}

/// The same world in every account.
#[derive(Debug)]
pub(crate) struct One(Arc<World>);

#[async_trait]
impl Accounts<World> for One {
    async fn open(&self, _: &str, _: &str, _: &str) -> Result<Arc<World>> {
        Ok(Arc::clone(&self.0))
    }
}

/// A door, and until when it had better stay closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Door {
    open: bool,
    besieged: Option<Timestamp>,
}

/// Closes one door: the call takes two seconds, a look one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Close(usize);

#[async_trait]
impl Action<World> for Close {
    const NAME: &'static str = "test.close/1";
    const PERMISSIONS: Permissions = Permissions { observe: &[], apply: &[], undo: &[] };
    type State = Door;

    fn describe(&self, _: &Door) -> Description {
        Description {
            resource: "arn:door".to_owned(),
            summary: "closes it".to_owned(),
            command: "close".to_owned(),
            undo_command: None,
        }
    }

    fn foreseen(&self, before: &Door) -> Option<Door> {
        Some(Door { open: false, ..before.clone() })
    }

    fn undo_from(&self, in_force: &Door) -> Option<Timestamp> {
        in_force.besieged
    }

    async fn observe(&self, world: &World) -> Result<Door> {
        world.forward(SignedDuration::from_secs(1));
        let open = world.open.lock().unwrap()[self.0];
        Ok(Door { open, besieged: world.besieged.lock().unwrap()[self.0] })
    }

    fn satisfied(&self, door: &Door) -> bool {
        !door.open
    }

    async fn apply(&self, world: &World) -> Result<()> {
        world.forward(SignedDuration::from_secs(2));
        let trouble = world.trouble.lock().unwrap().take();
        if trouble != Some(Trouble::Before) {
            world.open.lock().unwrap()[self.0] = false;
        }
        trouble.map_or(Ok(()), |_| Err(Error::transient("the connection was lost")))
    }

    async fn undo(&self, world: &World, before: &Door) -> Result<Self> {
        world.open.lock().unwrap()[self.0] = before.open;
        Ok(self.clone())
    }
}

pub(crate) static MANIFEST: Manifest = Manifest {
    responder: "doors",
    control: "aws-work-99",
    title: "Doors are closed.",
    severity: Severity::High,
    typology: "TEST",
    compliance: &[],
    signals: &[],
    alerts: &[],
    thresholds: &[],
    responses: &[],
    rules: &[],
    schedules: &[],
    runbooks: &[Runbook {
        name: "doors.close",
        response: "R99.1",
        title: "Closes doors.",
        parameters: &[Parameter {
            name: "group_id",
            title: "the doors",
            shape: Shape::SecurityGroup,
            example: "sg-0123456789abcdef0",
            default: Some("sg-0000000000000000d"),
        }],
    }],
    reads: &[],
    queries: &[],
    commands: &[],
};

pub(crate) fn candidate(origin: Origin) -> Candidate {
    Candidate {
        signal: "S99.1".to_owned(),
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        resource: "arn:door".to_owned(),
        ids: std::collections::BTreeMap::new(),
        origin,
    }
}

#[derive(Debug)]
pub(crate) struct Doors;

#[async_trait]
impl Responder<World> for Doors {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn actions(&self) -> &'static [ActionKind<World>] {
        const KINDS: &[ActionKind<World>] = &[ActionKind::of::<Close>()];
        KINDS
    }

    fn detect(&self, event: &Envelope) -> Detection {
        Detection::Candidates(vec![candidate(Origin::Event {
            key: event.id.clone().unwrap_or_default(),
            name: event.detail_type.clone(),
            time: event.time,
            actor: Actor::default(),
        })])
    }

    fn target(&self, run: &Run, key: &str) -> Result<Vec<Candidate>> {
        let origin = Origin::Person {
            claimed: run.requested_by.clone(),
            reason: run.reason.clone(),
            key: key.to_owned(),
        };
        Ok(vec![Candidate { ids: run.target.clone(), ..candidate(origin) }])
    }

    async fn survey(&self, _: &World, _: &Memory, _: &Origin) -> Result<Survey> {
        Ok(Survey::default())
    }

    async fn assess(&self, _: &Candidate, world: &World, _: &Memory) -> Result<Assessment<World>> {
        let (open, class) = (*world.open.lock().unwrap(), *world.class.lock().unwrap());
        let besieged = *world.besieged.lock().unwrap();
        let before = |door: usize| Door { open: true, besieged: besieged[door] };
        let steps: Vec<Step<World>> = (0..open.len())
            .filter(|door| open[*door])
            .map(|door| Step::new(Close(door), &before(door), class, "it is open"))
            .collect::<Result<_>>()?;
        if steps.is_empty() {
            return Ok(Assessment::Compliant("every door is closed".to_owned()));
        }
        Ok(Assessment::Violation(Box::new(Violation {
            finding: Finding {
                signal: "X99.1".to_owned(),
                title: "a door is open".to_owned(),
                facts: Vec::new(),
                urgency: Urgency::Page,
                blast_radius: None,
                follow_up: Vec::new(),
                property: "doors".to_owned(),
            },
            steps,
            choice: None,
            incomplete: false,
            scope: Scope { production: true, hands_off: None },
        })))
    }
}

pub(crate) static NEXT: AtomicU64 = AtomicU64::new(0);

/// Both lanes over one world and one journal.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    pub(crate) journal: Journal,
    pub(crate) policy: String,
}

impl Stage {
    /// One door is open, which may be closed unattended.
    pub(crate) fn new() -> Self {
        let world = World {
            open: Mutex::new([true, false]),
            besieged: Mutex::default(),
            class: Mutex::new(Class::Auto),
            trouble: Mutex::new(None),
            deaf: Mutex::new(false),
            now: Mutex::new("2026-11-23T12:00:00Z".parse().unwrap()),
            measured: Mutex::default(),
            beats: Mutex::default(),
        };
        Self {
            world: Arc::new(world),
            journal: Journal::new(Arc::new(MemoryStore::default())),
            policy: POLICY.to_owned(),
        }
    }

    pub(crate) async fn handle(
        &self,
        lane: Lane,
        mode: Mode,
        payload: &Value,
    ) -> Result<Vec<Reported>> {
        let engine = Engine {
            responder: Box::new(Doors),
            journal: self.journal.clone(),
            accounts: Arc::new(One(Arc::clone(&self.world))),
            notifier: Arc::clone(&self.world) as Arc<dyn Notifier>,
            meter: Arc::clone(&self.world) as Arc<dyn Meter>,
            clock: Arc::clone(&self.world) as Arc<dyn Clock>,
            config: Arc::new(Config::parse(&self.policy, self.world.now()).unwrap()),
            lane,
            mode,
        };
        let now = self.world.now();
        let id = format!("request-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let until = now.saturating_add(SignedDuration::from_mins(5)).unwrap();
        let deadline = Deadline::of(until, now);
        let invocation = Invocation { request_id: id.clone(), owner: id, deadline };
        // Boxed, because the future of the engine is large.
        let text = payload.to_string();
        let handled = Box::pin(engine.handle(&text, &invocation));
        Ok(handled.await?.incidents)
    }

    pub(crate) async fn unattended(&self, payload: &Value) -> Result<Vec<Reported>> {
        self.handle(Lane::Unattended, Mode::Enforce, payload).await
    }

    pub(crate) async fn attended(&self, payload: &Value) -> Result<Vec<Reported>> {
        self.handle(Lane::Attended, Mode::Enforce, payload).await
    }

    /// An event of ten seconds ago.
    pub(crate) fn event(&self) -> Value {
        event_at(self.world.now().saturating_sub(SignedDuration::from_secs(10)).unwrap())
    }
}

pub(crate) fn event_at(time: Timestamp) -> Value {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    json!({
        "detail-type": "Door State-change Notification", "source": "aws.doors",
        "account": ACCOUNT, "region": REGION, "id": format!("event-{n}"),
        "time": time.to_string(), "detail": {},
    })
}

pub(crate) fn approve(incident: &Reported) -> Value {
    json!({ "backstop": { "approve": {
        "incident": incident.id, "plan_hash": incident.plan_hash, "approved_by": "alice" } } })
}

pub(crate) fn undo(incident: &Reported) -> Value {
    json!({ "backstop": { "undo": {
        "incident": incident.id, "requested_by": "alice", "reason": "it was ours" } } })
}

pub(crate) fn run(apply: bool) -> Value {
    json!({ "backstop": { "run": {
        "runbook": "doors.close", "target": {}, "account": ACCOUNT, "region": REGION,
        "apply": apply, "requested_by": "alice", "reason": "INC-1" } } })
}
