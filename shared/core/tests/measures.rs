//! When an incident is measured, and what: the whole engine over the journal in memory, around a
//! responder that closes doors.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics where it fails")]

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
use backstop_core::journal::{
    Conflict, Index, Item, Journal, Key, MemoryStore, Page, Store, Write,
};
use backstop_core::manifest::{Manifest, Permissions, Runbook};
use backstop_core::metrics::{Measured, Meter, Unmeasured};
use backstop_core::plan::Step;
use backstop_core::report::{Notice, Notifier, Reported, Ticket};
use backstop_core::responder::{Detection, Memory, Responder};
use backstop_core::words::{Class, Lane, Limit, Mode, Outcome, Severity, Urgency};
use backstop_core::{Error, Result};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const ACCOUNT: &str = "111111111111";
const REGION: &str = "eu-west-1";
const POLICY: &str = r#"
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
enum Trouble {
    /// It never arrives.
    Before,
    /// It is made, and its answer is lost.
    After,
}

/// Doors that should be closed, a clock that each call moves on, and what was measured.
#[derive(Debug)]
struct World {
    open: Mutex<[bool; 2]>,
    class: Mutex<Class>,
    trouble: Mutex<Option<Trouble>>,
    deaf: Mutex<bool>,
    now: Mutex<Timestamp>,
    measured: Mutex<Vec<Measured>>,
    beats: Mutex<Vec<String>>,
}

impl World {
    fn forward(&self, time: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now = now.saturating_add(time).unwrap();
    }

    fn take(&self) -> Vec<Measured> {
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
struct One(Arc<World>);

#[async_trait]
impl Accounts<World> for One {
    async fn open(&self, _: &str, _: &str, _: &str) -> Result<Arc<World>> {
        Ok(Arc::clone(&self.0))
    }
}

/// Closes one door: the call takes two seconds, a look one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Close(usize);

#[async_trait]
impl Action<World> for Close {
    const NAME: &'static str = "test.close/1";
    const PERMISSIONS: Permissions = Permissions { observe: &[], apply: &[], undo: &[] };
    type State = bool;

    fn describe(&self, _: &bool) -> Description {
        Description {
            resource: "arn:door".to_owned(),
            summary: "closes it".to_owned(),
            command: "close".to_owned(),
            undo_command: None,
        }
    }

    async fn observe(&self, world: &World) -> Result<bool> {
        world.forward(SignedDuration::from_secs(1));
        Ok(world.open.lock().unwrap()[self.0])
    }

    fn satisfied(&self, open: &bool) -> bool {
        !open
    }

    async fn apply(&self, world: &World) -> Result<()> {
        world.forward(SignedDuration::from_secs(2));
        let trouble = world.trouble.lock().unwrap().take();
        if trouble != Some(Trouble::Before) {
            world.open.lock().unwrap()[self.0] = false;
        }
        trouble.map_or(Ok(()), |_| Err(Error::transient("the connection was lost")))
    }

    async fn undo(&self, world: &World, before: &bool) -> Result<Self> {
        world.open.lock().unwrap()[self.0] = *before;
        Ok(self.clone())
    }
}

static MANIFEST: Manifest = Manifest {
    responder: "doors",
    control: "aws-work-99",
    title: "Doors are closed.",
    severity: Severity::High,
    typology: "TEST",
    compliance: &[],
    signals: &[],
    thresholds: &[],
    responses: &[],
    rules: &[],
    schedules: &[],
    runbooks: &[Runbook {
        name: "doors.close",
        response: "R99.1",
        title: "Closes doors.",
        parameters: &[],
    }],
    reads: &[],
    queries: &[],
    commands: &[],
};

fn candidate(origin: Origin) -> Candidate {
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
struct Doors;

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
        Ok(vec![candidate(Origin::Person {
            claimed: run.requested_by.clone(),
            reason: run.reason.clone(),
            key: key.to_owned(),
        })])
    }

    async fn survey(&self, _: &World, _: &Memory, _: &str) -> Result<Vec<Candidate>> {
        Ok(Vec::new())
    }

    async fn assess(&self, _: &Candidate, world: &World, _: &Memory) -> Result<Assessment<World>> {
        let (open, class) = (*world.open.lock().unwrap(), *world.class.lock().unwrap());
        let steps: Vec<Step<World>> = (0..open.len())
            .filter(|door| open[*door])
            .map(|door| Step::new(Close(door), &true, class, "it is open"))
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

static NEXT: AtomicU64 = AtomicU64::new(0);

/// Both lanes over one world and one journal.
struct Stage {
    world: Arc<World>,
    journal: Journal,
    policy: String,
}

impl Stage {
    /// One door is open, which may be closed unattended.
    fn new() -> Self {
        let world = World {
            open: Mutex::new([true, false]),
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

    async fn handle(&self, lane: Lane, mode: Mode, payload: &Value) -> Result<Vec<Reported>> {
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
        Ok(engine.handle(&payload.to_string(), &invocation).await?.incidents)
    }

    async fn unattended(&self, payload: &Value) -> Result<Vec<Reported>> {
        self.handle(Lane::Unattended, Mode::Enforce, payload).await
    }

    async fn attended(&self, payload: &Value) -> Result<Vec<Reported>> {
        self.handle(Lane::Attended, Mode::Enforce, payload).await
    }

    /// An event of ten seconds ago.
    fn event(&self) -> Value {
        event_at(self.world.now().saturating_sub(SignedDuration::from_secs(10)).unwrap())
    }
}

fn event_at(time: Timestamp) -> Value {
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    json!({
        "detail-type": "Door State-change Notification", "source": "aws.doors",
        "account": ACCOUNT, "region": REGION, "id": format!("event-{n}"),
        "time": time.to_string(), "detail": {},
    })
}

/// Outcome, lane, limit, and the three times in seconds: what a case is compared by.
type Row = (Outcome, Lane, Option<Limit>, [Option<u64>; 3]);

fn rows(measured: Vec<Measured>) -> Vec<Row> {
    let seconds = |time: Option<Duration>| time.map(|t| t.as_secs());
    measured
        .into_iter()
        .map(|m| {
            let times = [m.to_handler, m.to_contain, m.to_verified].map(seconds);
            (m.outcome, m.lane, m.limit, times)
        })
        .collect()
}

const NO_TIMES: [Option<u64>; 3] = [None; 3];
const U: Lane = Lane::Unattended;
const A: Lane = Lane::Attended;

fn approve(incident: &Reported) -> Value {
    json!({ "backstop": { "approve": {
        "incident": incident.id, "plan_hash": incident.plan_hash, "approved_by": "alice" } } })
}

fn undo(incident: &Reported) -> Value {
    json!({ "backstop": { "undo": {
        "incident": incident.id, "requested_by": "alice", "reason": "it was ours" } } })
}

fn run(apply: bool) -> Value {
    json!({ "backstop": { "run": {
        "runbook": "doors.close", "target": {}, "account": ACCOUNT, "region": REGION,
        "apply": apply, "requested_by": "alice", "reason": "INC-1" } } })
}

#[tokio::test]
async fn a_contained_event_is_measured_once_with_every_time() {
    let stage = Stage::new();
    let event = stage.event();
    let incident = stage.unattended(&event).await.unwrap().remove(0);
    let measured = stage.world.take();
    let only = &measured[0];
    assert_eq!(
        (only.control.as_str(), only.responder.as_str(), only.signal.as_str(), only.mode),
        ("aws-work-99", "doors", "X99.1", Mode::Enforce)
    );
    assert_eq!((&only.incident, only.urgency), (&incident.id, Urgency::Page));
    assert_eq!((only.account.as_str(), only.region.as_str()), (ACCOUNT, REGION));
    assert_eq!(only.at, stage.world.now());
    // The call takes two seconds, the look after it one.
    assert_eq!(rows(measured), [(Outcome::Contained, U, None, [Some(10), Some(12), Some(13)])]);
    stage.world.forward(SignedDuration::from_hours(1));
    let again = stage.unattended(&event).await.unwrap().remove(0);
    assert_eq!(again.outcome, Some(Outcome::Duplicate));
    assert_eq!(rows(stage.world.take()), [], "a redelivery is no incident");
}

#[tokio::test]
async fn the_times_are_those_of_an_unattended_containment_and_of_nothing_else() {
    let stage = Stage::new();
    let id = stage.unattended(&stage.event()).await.unwrap().remove(0).id;
    let incident = stage.journal.show(&id).await.unwrap();
    let mut header = incident.header;
    let of = |header: &_, lane| Measured::of(header, &incident.steps, lane, Mode::Enforce);
    assert_eq!(of(&header, U), None, "it was measured");
    header.unmeasured = Some(Unmeasured::default());
    let times = |header: &_, lane| rows(of(header, lane).into_iter().collect())[0].3;
    assert_eq!(times(&header, U), [Some(10), Some(12), Some(13)]);
    assert_eq!(times(&header, A), NO_TIMES);
    for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Contained) {
        header.outcome = Some(*outcome);
        assert_eq!(times(&header, U), [Some(10), None, None], "{outcome}");
    }
    header.outcome = None;
    assert_eq!(of(&header, U), None, "it runs");
}

#[tokio::test]
async fn an_approval_and_an_undo_end_it_anew_and_have_no_times() {
    let stage = Stage::new();
    *stage.world.class.lock().unwrap() = Class::Approval;
    let held = stage.unattended(&stage.event()).await.unwrap().remove(0);
    assert_eq!(rows(stage.world.take()), [(Outcome::Held, U, None, [Some(10), None, None])]);
    stage.world.forward(SignedDuration::from_hours(2));
    let contained = stage.attended(&approve(&held)).await.unwrap().remove(0);
    assert_eq!(rows(stage.world.take()), [(Outcome::Contained, A, None, NO_TIMES)]);
    stage.attended(&undo(&contained)).await.unwrap();
    assert_eq!(rows(stage.world.take()), [(Outcome::Undone, A, None, NO_TIMES)]);
    let refused = stage.attended(&undo(&contained)).await;
    assert!(refused.is_err(), "there is nothing left to take back");
    assert_eq!(rows(stage.world.take()), [], "what is refused ends nothing");
}

#[tokio::test]
async fn an_approval_that_the_sweep_ends_has_no_times_either() {
    let stage = Stage::new();
    let event = stage.event();
    let planned = stage.handle(U, Mode::Plan, &event).await.unwrap().remove(0);
    assert_eq!(rows(stage.world.take()), [(Outcome::Planned, U, None, [Some(10), None, None])]);
    stage.world.forward(SignedDuration::from_hours(2));
    *stage.world.trouble.lock().unwrap() = Some(Trouble::After);
    assert!(stage.attended(&approve(&planned)).await.is_err(), "the answer was lost");
    assert_eq!(rows(stage.world.take()), [], "what is interrupted has not ended");
    stage.world.forward(SignedDuration::from_mins(1));
    stage.unattended(&json!({ "backstop": { "sweep": {} } })).await.unwrap();
    assert_eq!(rows(stage.world.take()), [(Outcome::Contained, U, None, NO_TIMES)]);
}

#[tokio::test]
async fn a_resumed_incident_keeps_its_first_claim() {
    for (trouble, contained, verified) in [
        // Two seconds for the call that was lost, a minute, a look, the call, a look.
        (Trouble::Before, 10 + 2 + 60 + 1 + 2, 10 + 2 + 60 + 1 + 2 + 1),
        // The call had been made: it counts from the look that shows it.
        (Trouble::After, 10 + 2 + 60 + 1, 10 + 2 + 60 + 1),
    ] {
        let stage = Stage::new();
        let event = stage.event();
        *stage.world.trouble.lock().unwrap() = Some(trouble);
        assert!(stage.unattended(&event).await.is_err(), "{trouble:?}: the connection was lost");
        assert_eq!(rows(stage.world.take()), [], "{trouble:?}: it has not ended");
        stage.world.forward(SignedDuration::from_mins(1));
        stage.unattended(&event).await.unwrap();
        let times = [Some(10), Some(contained), Some(verified)];
        let expected = [(Outcome::Contained, U, None, times)];
        assert_eq!(rows(stage.world.take()), expected, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_person_who_was_faster_is_no_time_of_ours() {
    let stage = Stage::new();
    *stage.world.open.lock().unwrap() = [true, true];
    let event = stage.event();
    *stage.world.trouble.lock().unwrap() = Some(Trouble::Before);
    assert!(stage.unattended(&event).await.is_err(), "the first call was lost");
    stage.world.open.lock().unwrap()[1] = false;
    stage.world.forward(SignedDuration::from_mins(1));
    stage.unattended(&event).await.unwrap();
    assert_eq!(rows(stage.world.take()), [(Outcome::Contained, U, None, [Some(10), None, None])]);
}

#[tokio::test]
async fn a_retry_that_only_tells_measures_nothing() {
    let stage = Stage::new();
    let event = stage.event();
    *stage.world.deaf.lock().unwrap() = true;
    assert!(stage.unattended(&event).await.is_err(), "nobody could be told");
    assert_eq!(stage.world.take().len(), 1, "it has ended all the same");
    for deaf in [true, false] {
        *stage.world.deaf.lock().unwrap() = deaf;
        stage.world.forward(SignedDuration::from_mins(1));
        assert_eq!(stage.unattended(&event).await.is_err(), deaf);
        assert_eq!(rows(stage.world.take()), [], "deaf: {deaf}");
    }
}

#[tokio::test]
async fn what_a_person_starts_has_no_times() {
    let stage = Stage::new();
    stage.attended(&run(false)).await.unwrap();
    stage.attended(&run(true)).await.unwrap();
    let expected = [(Outcome::Planned, A, None, NO_TIMES), (Outcome::Contained, A, None, NO_TIMES)];
    assert_eq!(rows(stage.world.take()), expected);
}

#[tokio::test]
async fn what_ends_without_a_containment_has_the_first_time_only() {
    let first = [Some(10), None, None];
    let stage = Stage::new();
    stage.handle(U, Mode::Observe, &stage.event()).await.unwrap();
    let measured = stage.world.take();
    assert_eq!(measured[0].mode, Mode::Observe);
    assert_eq!(rows(measured), [(Outcome::Observed, U, None, first)]);
    *stage.world.open.lock().unwrap() = [false, false];
    stage.unattended(&stage.event()).await.unwrap();
    assert_eq!(rows(stage.world.take()), [(Outcome::Compliant, U, None, first)]);
    // The same plan that another incident holds open.
    *stage.world.open.lock().unwrap() = [true, false];
    for outcome in [Outcome::Planned, Outcome::Duplicate] {
        stage.handle(U, Mode::Plan, &stage.event()).await.unwrap();
        assert_eq!(rows(stage.world.take()), [(outcome, U, None, first)]);
    }
}

#[tokio::test]
async fn a_time_is_never_made_up_and_never_less_than_zero() {
    let stage = Stage::new();
    let mut event = stage.event();
    event.as_object_mut().unwrap().remove("time");
    stage.unattended(&event).await.unwrap();
    assert_eq!(rows(stage.world.take()), [(Outcome::Held, U, None, NO_TIMES)]);
    let ahead = stage.world.now().saturating_add(SignedDuration::from_secs(60)).unwrap();
    stage.unattended(&event_at(ahead)).await.unwrap();
    assert_eq!(
        rows(stage.world.take()),
        [(Outcome::Contained, U, None, [Some(0), Some(0), Some(0)])]
    );
}

#[tokio::test]
async fn a_limit_is_measured_with_the_incident_that_it_stopped() {
    for (policy, limit) in [
        ("[guards]\nfight_limit = 1\n", Limit::Fight),
        ("[guards]\nactions_per_10_min = 1\n", Limit::Breaker),
    ] {
        let mut stage = Stage::new();
        stage.policy.push_str(policy);
        stage.unattended(&stage.event()).await.unwrap();
        assert_eq!(rows(stage.world.take())[0].2, None, "{limit}: not reached yet");
        *stage.world.open.lock().unwrap() = [true, false];
        let held = stage.unattended(&stage.event()).await.unwrap().remove(0);
        let expected = [(Outcome::Held, U, Some(limit), [Some(10), None, None])];
        assert_eq!(rows(stage.world.take()), expected, "{}", held.reason);
        let contained = stage.attended(&approve(&held)).await.unwrap().remove(0);
        assert_eq!(contained.outcome, Some(Outcome::Contained), "no limit stops a person");
        let expected = [(Outcome::Contained, A, None, NO_TIMES)];
        assert_eq!(rows(stage.world.take()), expected, "{limit}: reached once");
    }
}

/// A store that loses one write, or the answer to it.
#[derive(Debug, Default)]
struct Lossy {
    inner: MemoryStore,
    writes: AtomicU64,
    loses: Mutex<Option<(u64, Trouble)>>,
}

#[async_trait]
impl Store for Lossy {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        self.inner.get(key).await
    }

    async fn query(&self, pk: &str, prefix: &str, after: Option<&Value>) -> Result<Page> {
        self.inner.query(pk, prefix, after).await
    }

    async fn query_index(&self, index: &Index, after: Option<&Value>) -> Result<Page> {
        self.inner.query_index(index, after).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Result<(), Conflict>> {
        let n = self.writes.fetch_add(1, Ordering::Relaxed);
        let lost = self.loses.lock().unwrap().filter(|(at, _)| *at == n).map(|(_, how)| how);
        if lost == Some(Trouble::Before) {
            return Err(Error::transient("the connection was lost"));
        }
        let written = self.inner.write(writes).await?;
        match lost {
            Some(_) => Err(Error::transient("the answer was lost")),
            None => Ok(written),
        }
    }
}

/// Whichever write is lost: it is measured, and once, unless the lost write is the one that lets go
/// of it. Then the retry cannot know that it was measured, as it cannot know that people were told.
#[tokio::test]
async fn whichever_write_is_lost_a_containment_is_measured() {
    let mut last = u64::MAX;
    let mut n = 0;
    while n <= last {
        for trouble in [None, Some(Trouble::Before), Some(Trouble::After)] {
            let case = format!("{trouble:?} at write {n} of {last}");
            let (mut stage, store) = (Stage::new(), Arc::new(Lossy::default()));
            stage.journal = Journal::new(Arc::clone(&store) as Arc<dyn Store>);
            *store.loses.lock().unwrap() = trouble.map(|how| (n, how));
            let event = stage.event();
            let first = stage.unattended(&event).await;
            assert_eq!(first.is_err(), trouble.is_some(), "{case}");
            if first.is_err() {
                stage.world.forward(SignedDuration::from_mins(1));
                stage.unattended(&event).await.unwrap();
            } else {
                last = store.writes.load(Ordering::Relaxed) - 1;
            }
            let measured = stage.world.take();
            let expected = if trouble == Some(Trouble::Before) && n == last { 2 } else { 1 };
            assert_eq!(measured.len(), expected, "{case}: {measured:?}");
            assert!(measured.iter().all(|m| m.outcome == Outcome::Contained), "{case}");
        }
        n += 1;
    }
    assert!(last >= 3, "claim, write-ahead, close, let go");
}

/// A heartbeat is answered by one metric and touches nothing: no claim, no call, no notice.
#[tokio::test]
async fn a_heartbeat_is_answered_by_one_metric() {
    let stage = Stage::new();
    let beat = json!({
        "detail-type": "Backstop Heartbeat", "source": "backstop.heartbeat", "account": ACCOUNT,
        "region": REGION, "id": "beat-1", "time": "2026-11-23T12:00:00Z", "detail": {},
    });
    assert_eq!(stage.unattended(&beat).await.unwrap(), []);
    let mut invented = beat.clone();
    invented["region"] = json!("xx-nowhere-1");
    stage.unattended(&invented).await.unwrap();
    let beats = std::mem::take(&mut *stage.world.beats.lock().unwrap());
    let control = MANIFEST.control;
    assert_eq!(beats, [format!("{control} of {REGION}"), format!("{control} of elsewhere")]);
    assert_eq!(stage.world.take(), []);
    assert!(stage.world.open.lock().unwrap()[0], "the door is as it was");
    assert!(stage.attended(&beat).await.is_err(), "the attended lane takes no events");
    let mut foreign = beat;
    foreign["source"] = json!("someone.heartbeat");
    stage.unattended(&foreign).await.unwrap();
    assert!(stage.world.beats.lock().unwrap().is_empty(), "only this source is a heartbeat");
}
