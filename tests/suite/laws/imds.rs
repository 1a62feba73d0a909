//! `imdsv2`: an event lets IMDSv1 in again on an instance that the inventory knows as closed.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use backstop_aws::{Account, DynamoStore};
use backstop_core::journal::Journal;
use backstop_core::responder::Responder;
use backstop_testkit::hosts::Launch;
use backstop_testkit::laws::responder::{self, Bench, Scenario, Violated};
use backstop_testkit::laws::{Broken, Host, Law, Tally};
use backstop_testkit::machine::How;
use backstop_testkit::{Machine, Scene, Turns};
use imdsv2::Imdsv2;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// The canonical scenario: what was changed, and what the inventory knew.
#[derive(Debug)]
struct Relaxed {
    name: &'static str,
    /// How the instance was before.
    was: Launch<'static>,
    /// Whether the inventory knows that.
    known: bool,
    /// What the call asked the hop limit to be.
    hops: Option<i32>,
}

const TOKENS: Relaxed = Relaxed { name: "imdsv2", was: Launch::STRICT, known: true, hops: None };

/// Tokens come back unattended, the hop limit waits: a plan of two steps.
const TWO_STEPS: Relaxed = Relaxed {
    name: "imdsv2, two steps",
    was: Launch { hops: 2, ..Launch::STRICT },
    known: true,
    hops: Some(5),
};

/// Nothing is known of the instance: a person decides.
const UNKNOWN: Relaxed =
    Relaxed { name: "imdsv2, not known", was: Launch::STRICT, known: false, hops: Some(5) };

impl Relaxed {
    async fn relax(&self, scene: &Scene, instance: &str) -> Result<Value> {
        scene.options(instance, Some("optional"), self.hops).await?;
        let mut asked = json!({ "HttpTokens": "optional" });
        if let (Some(hops), Some(asked)) = (self.hops, asked.as_object_mut()) {
            asked.insert("HttpPutResponseHopLimit".to_owned(), json!(hops));
        }
        Ok(scene.recorded().options(instance, &asked))
    }
}

/// The instance that a violation is about.
fn instance_of(violated: &Violated) -> Result<&str> {
    let path = "/detail/requestParameters/ModifyInstanceMetadataOptionsRequest/InstanceId";
    violated.event.pointer(path).and_then(Value::as_str).context("no instance id")
}

#[async_trait]
impl Scenario for Relaxed {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn responder(&self) -> Box<dyn Responder<Account>> {
        Box::new(Imdsv2)
    }

    async fn violate(&self, scene: &Scene, others: usize) -> Result<Violated> {
        let host = Host::new(scene, others, self.was).await?;
        if self.known {
            let store = DynamoStore::new(&scene.connection, "backstop-journal");
            crate::imdsv2::remember(scene, &Journal::new(Arc::new(store)), &host.id).await?;
        }
        let event = self.relax(scene, &host.id).await?;
        Ok(Violated { thing: Box::new(host), event })
    }

    async fn violate_again(&self, scene: &Scene, first: &Violated) -> Result<Value> {
        self.relax(scene, instance_of(first)?).await
    }

    async fn overtake(&self, scene: &Scene, violated: &Violated) -> Result<bool> {
        scene.options(instance_of(violated)?, None, Some(7)).await?;
        Ok(true)
    }
}

/// Runs some laws on a scenario, in an account of its own.
async fn obeys_in(
    scenario: &dyn Scenario,
    laws: impl AsyncFn(&Bench<'_>, &mut Tally) -> Result<(), Broken>,
) -> Tally {
    let (scene, mut tally) = (Scene::new().await.unwrap(), Tally::default());
    let kept = Box::pin(laws(&Bench::new(&scene, scenario), &mut tally)).await;
    super::verdict(&scenario.name(), kept, &tally);
    tally
}

/// The same on the canonical scenario; in a deeper run on a plan of two steps too.
async fn obeys(laws: impl AsyncFn(&Bench<'_>, &mut Tally) -> Result<(), Broken>) -> Tally {
    let tally = obeys_in(&TOKENS, &laws).await;
    if super::deeper().is_some() {
        obeys_in(&TWO_STEPS, &laws).await;
    }
    tally
}

#[tokio::test]
async fn every_call_may_fail_and_the_retry_ends_where_the_first_would_have() {
    let tally = obeys(responder::retry).await;
    assert!(tally.cases(Law::Retry) >= 25, "the faults were not injected");
}

#[tokio::test]
async fn the_retries_of_the_sdk_get_over_what_passes() {
    let tally = obeys(responder::sdk_retry).await;
    assert!(tally.cases(Law::SdkRetry) >= 15, "the faults were not injected");
}

#[tokio::test]
async fn every_call_may_be_refused_and_nothing_is_silent() {
    let tally = obeys_in(&TWO_STEPS, responder::refusals).await;
    assert!(tally.cases(Law::Refusals) >= 8, "the refusals were not injected");
}

#[tokio::test]
async fn the_process_may_die_at_every_call_and_the_next_one_resumes() {
    let tally = obeys(responder::next_delivery).await;
    assert!(tally.cases(Law::CrashDelivery) >= 15, "the crashes were not injected");
}

#[tokio::test]
async fn the_process_may_die_at_every_call_and_the_sweep_resumes() {
    let tally = obeys(responder::sweep).await;
    assert!(tally.cases(Law::CrashSweep) >= 5, "the crashes were not injected");
}

#[tokio::test]
async fn two_deliveries_at_once_contain_once_in_any_order() {
    obeys(async |bench, tally| responder::two_deliveries(bench, super::seeds(20), tally).await)
        .await;
}

/// Instead of `two_events`, whose two events have a finding each. Here both tell of the same one:
/// whichever comes second finds it right, also if it looked before the first had acted.
#[tokio::test]
async fn two_events_at_once_leave_the_instance_right_and_nothing_open() {
    let scene = Scene::new().await.unwrap();
    // Many cases share an account, and its breaker must not be what stops them.
    let how = How::default().and("[guards]\nactions_per_10_min = 1000\nactions_per_hour = 5000\n");
    for seed in super::seeds(15) {
        let violated = TOKENS.violate(&scene, 1).await.unwrap();
        let other = TOKENS.violate_again(&scene, &violated).await.unwrap();
        let events = [&violated.event, &other];
        let (turns, mark) = (Turns::new(seed), scene.mark().unwrap());
        let machine = |n: usize| {
            let client = turns.client(n, scene.connection.http());
            let connection = scene.connection.clone().with_http(client);
            Machine::over(Box::new(Imdsv2), &scene, &connection, &how).unwrap()
        };
        let machines = [machine(0), machine(1)];
        let deliveries = machines.iter().zip(events).map(|(m, event)| m.invoke(event)).collect();
        let answers = turns.run(deliveries).await;
        let reader = Machine::new(Box::new(Imdsv2), &scene, &how).unwrap();
        reader.clock.forward(SignedDuration::from_mins(1));
        for (answer, event) in answers.iter().zip(events) {
            let Err(error) = answer else { continue };
            assert!(error.is_transient(), "seed {seed}: {error}");
            reader.invoke(event).await.unwrap();
        }
        let instance = instance_of(&violated).unwrap();
        let host = backstop_actions::ec2::host(&scene.account, instance).await.unwrap().unwrap();
        assert!(host.options.requires_tokens(), "seed {seed}: {}", turns.line());
        let changes = scene.changes(mark).unwrap().len();
        assert_eq!(changes, 1, "seed {seed}: {}", turns.line());
        let open = reader.engine.journal.unfinished().await.unwrap();
        assert!(open.is_empty(), "seed {seed}: {open:?}");
    }
}

/// Not `page_two`: an instance is read by its id, which is never a page; a launch without its
/// answer is read over pages, and has a scenario of its own (S1.2).
#[tokio::test]
async fn what_must_change_nothing_does_not_and_every_call_is_declared() {
    obeys(async |bench, tally| {
        responder::redelivery(bench, tally).await?;
        responder::already_right(bench, tally).await?;
        responder::modes(bench, tally).await?;
        responder::declared(bench, tally).await
    })
    .await;
}

#[tokio::test]
async fn what_stopped_anywhere_can_be_taken_back() {
    let tally = obeys_in(&TWO_STEPS, responder::partial).await;
    assert!(tally.cases(Law::UndoPartial) >= 10, "the crashes were not injected");
}

#[tokio::test]
async fn an_undo_may_fail_at_every_call_and_the_next_one_ends_it() {
    let tally = obeys(responder::interrupted).await;
    assert!(tally.cases(Law::UndoInterrupted) >= 20, "the faults were not injected");
}

#[tokio::test]
async fn an_approval_may_fail_at_every_call_and_a_person_ends_it() {
    let tally = obeys_in(&UNKNOWN, responder::approved).await;
    assert!(tally.cases(Law::ApproveInterrupted) >= 20, "the faults were not injected");
}

#[tokio::test]
async fn an_undo_that_is_refused_changes_nothing() {
    let tally = obeys_in(&UNKNOWN, responder::refused).await;
    assert!(tally.cases(Law::UndoRefused) >= 2, "the refusals were not tried");
}
