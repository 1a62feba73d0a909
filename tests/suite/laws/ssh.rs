//! `ssh-access`: an event opens TCP 22 to the world, in a group that holds other rules too.

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use backstop_actions::ec2::{Modify, Rule, rules_of};
use backstop_aws::Account;
use backstop_core::action::Action as _;
use backstop_core::responder::Responder;
use backstop_testkit::Scene;
use backstop_testkit::laws::responder::{self, Bench, Scenario, Violated};
use backstop_testkit::laws::{Broken, Group, Law, Tally};
use backstop_testkit::scene::Allow;
use serde_json::Value;
use ssh_access::SshAccess;

/// The canonical scenario of ssh-access, for it or for a broken one in its place.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) name: &'static str,
    /// Where the rules that one call opens let SSH in from: one step each.
    pub(super) sources: &'static [&'static str],
    pub(super) responder: fn() -> Box<dyn Responder<Account>>,
}

pub(super) const ONE: &[&str] = &["0.0.0.0/0"];

const SSH_ACCESS: Opened =
    Opened { name: "ssh-access", sources: ONE, responder: || Box::new(SshAccess) };

/// The same with a plan of two steps: there is more that can be done by half.
const TWO_STEPS: Opened = Opened {
    name: "ssh-access, two steps",
    sources: &["0.0.0.0/0", "128.0.0.0/1"],
    responder: || Box::new(SshAccess),
};

/// A range that a person releases: what is left of it below and above port 22 stays open.
#[derive(Debug)]
pub(super) struct Ranged(pub(super) fn() -> Box<dyn Responder<Account>>);

/// The ports that the range opens.
const RANGE: (i32, i32) = (20, 25);

#[async_trait]
impl Scenario for Ranged {
    fn name(&self) -> String {
        "ssh-access, a range".to_owned()
    }

    fn responder(&self) -> Box<dyn Responder<Account>> {
        (self.0)()
    }

    async fn violate(&self, scene: &Scene, others: usize) -> Result<Violated> {
        let group = Group::new(scene, others).await?;
        let ports = Allow::range(RANGE.0, RANGE.1, "0.0.0.0/0");
        let rule = scene.allow(&group.id, ports).await?;
        let event = scene.recorded().authorized(&group.id, &[rule]);
        Ok(Violated { thing: Box::new(group), event })
    }

    async fn violate_again(&self, scene: &Scene, first: &Violated) -> Result<Value> {
        open(scene, group_of(first), &["::/0"]).await
    }

    async fn overtake(&self, scene: &Scene, violated: &Violated) -> Result<bool> {
        let rules = rules_of(&scene.account, group_of(violated)).await?;
        // The one that was added: it is the last to be taken back.
        let added = rules.iter().find(|live| live.rule.to_port == Some(RANGE.1));
        let added = added.context("the range was narrowed")?;
        let (account, region) = (scene.id(), scene.account.region());
        let rule = Rule { description: Some("ours now".to_owned()), ..added.rule.clone() };
        let (group, id) = (&added.group_id, &added.id);
        Modify::new(account, region, group, id, &rule).apply(&scene.account).await?;
        Ok(true)
    }
}

/// The group that a violation opened.
fn group_of(violated: &Violated) -> &str {
    let group = violated.event.pointer("/detail/requestParameters/groupId");
    group.and_then(Value::as_str).unwrap_or_default()
}

async fn open(scene: &Scene, group: &str, sources: &[&str]) -> Result<Value> {
    let mut rules = Vec::new();
    for source in sources {
        let allow = Allow { description: Some("it's \"ours\""), ..Allow::tcp(22, source) };
        rules.push(scene.allow(group, allow).await?);
    }
    Ok(scene.recorded().authorized(group, &rules))
}

#[async_trait]
impl Scenario for Opened {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn responder(&self) -> Box<dyn Responder<Account>> {
        (self.responder)()
    }

    async fn violate(&self, scene: &Scene, others: usize) -> Result<Violated> {
        let group = Group::new(scene, others).await?;
        let event = open(scene, &group.id, self.sources).await?;
        Ok(Violated { thing: Box::new(group), event })
    }

    async fn violate_again(&self, scene: &Scene, first: &Violated) -> Result<Value> {
        open(scene, group_of(first), &["::/0"]).await
    }
}

/// Runs some laws on the scenario, in an account of its own; in a deeper run on both.
async fn obeys(laws: impl AsyncFn(&Bench<'_>, &mut Tally) -> Result<(), Broken>) -> Tally {
    let tally = obeys_in(&SSH_ACCESS, &laws).await;
    if super::deeper().is_some() {
        obeys_in(&TWO_STEPS, &laws).await;
    }
    tally
}

async fn obeys_in(
    scenario: &dyn Scenario,
    laws: impl AsyncFn(&Bench<'_>, &mut Tally) -> Result<(), Broken>,
) -> Tally {
    let (scene, mut tally) = (Scene::new().await.unwrap(), Tally::default());
    let kept = Box::pin(laws(&Bench::new(&scene, scenario), &mut tally)).await;
    super::verdict(&scenario.name(), kept, &tally);
    tally
}

#[tokio::test]
async fn every_call_may_fail_and_the_retry_ends_where_the_first_would_have() {
    let tally = obeys(responder::retry).await;
    assert!(tally.cases(Law::Retry) >= 30, "the faults were not injected");
}

#[tokio::test]
async fn the_retries_of_the_sdk_get_over_what_passes() {
    let tally = obeys(responder::sdk_retry).await;
    assert!(tally.cases(Law::SdkRetry) >= 20, "the faults were not injected");
}

#[tokio::test]
async fn every_call_may_be_refused_and_nothing_is_silent() {
    let tally = obeys_in(&TWO_STEPS, responder::refusals).await;
    assert!(tally.cases(Law::Refusals) >= 10, "the refusals were not injected");
}

#[tokio::test]
async fn the_process_may_die_at_every_call_and_the_next_one_resumes() {
    let tally = obeys(responder::next_delivery).await;
    assert!(tally.cases(Law::CrashDelivery) >= 20, "the crashes were not injected");
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

#[tokio::test]
async fn two_events_at_once_end_as_one_after_the_other() {
    obeys(async |bench, tally| responder::two_events(bench, super::seeds(15), tally).await).await;
}

#[tokio::test]
async fn the_same_seed_gives_the_same_order() {
    let scene = Scene::new().await.unwrap();
    let bench = Bench::new(&scene, &SSH_ACCESS);
    let mut orders = Vec::new();
    for seed in 0..4 {
        let (once, again) = (bench.order(seed).await.unwrap(), bench.order(seed).await.unwrap());
        assert_eq!(once, again, "seed {seed}");
        assert!(once.iter().any(|(n, _)| *n == 0) && once.iter().any(|(n, _)| *n == 1));
        orders.push(once);
    }
    orders.sort();
    orders.dedup();
    assert!(orders.len() > 2, "other seeds give other orders: {orders:?}");
}

#[tokio::test]
async fn what_must_change_nothing_does_not_and_every_call_is_declared() {
    obeys(async |bench, tally| {
        responder::redelivery(bench, tally).await?;
        responder::already_right(bench, tally).await?;
        responder::modes(bench, tally).await?;
        responder::declared(bench, tally).await?;
        responder::page_two(bench, tally).await
    })
    .await;
}

#[tokio::test]
async fn what_stopped_anywhere_can_be_taken_back() {
    let tally = obeys_in(&TWO_STEPS, responder::partial).await;
    assert!(tally.cases(Law::UndoPartial) >= 15, "the crashes were not injected");
}

#[tokio::test]
async fn an_undo_may_fail_at_every_call_and_the_next_one_ends_it() {
    let tally = obeys(responder::interrupted).await;
    assert!(tally.cases(Law::UndoInterrupted) >= 30, "the faults were not injected");
}

#[tokio::test]
async fn an_approval_may_fail_at_every_call_and_a_person_ends_it() {
    let tally = obeys_in(&Ranged(|| Box::new(SshAccess)), responder::approved).await;
    assert!(tally.cases(Law::ApproveInterrupted) >= 40, "the faults were not injected");
}

#[tokio::test]
async fn an_undo_that_is_refused_changes_nothing() {
    let tally = obeys_in(&Ranged(|| Box::new(SshAccess)), responder::refused).await;
    assert!(tally.cases(Law::UndoRefused) >= 5, "the refusals were not tried");
}
