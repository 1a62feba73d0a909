//! When an incident is measured, and what.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use backstop_core::clock::Clock as _;
use backstop_core::journal::{
    Conflict, Index, Item, Journal, Key, MemoryStore, Page, Store, Write,
};
use backstop_core::metrics::{Measured, Unmeasured};
use backstop_core::words::{Class, Lane, Limit, Mode, Outcome, Urgency};
use backstop_core::{Error, Result};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::world::*;

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
