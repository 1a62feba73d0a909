//! The sweep: what no event told of, and what is remembered.

use backstop_core::report::Reply;
use backstop_core::words::{Class, Mode, Outcome, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use jiff::SignedDuration;
use serde_json::json;

use super::{deliver, machine, one};

/// The scheduled pass, that many minutes from now.
pub(super) async fn sweep_as(scene: &Scene, minutes: i64, how: &How) -> Reply {
    let machine = machine(scene, how).unwrap();
    machine.clock.forward(SignedDuration::from_mins(minutes));
    machine.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap()
}

pub(super) async fn sweep(scene: &Scene, minutes: i64) -> Reply {
    sweep_as(scene, minutes, &How::default()).await
}

#[tokio::test]
async fn x2_1_what_no_event_told_of_is_found_by_the_sweep_told_once_and_approved() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    scene.allow(&group, Allow::tcp(22, "10.0.0.0/8")).await.unwrap();
    scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mark = scene.mark().unwrap();
    let found = one(sweep(&scene, 0).await).unwrap();
    assert_eq!((found.outcome, found.urgency), (Some(Outcome::Held), Urgency::Page), "{found:?}");
    assert!(found.facts.iter().any(|f| f.starts_with("found by a sweep")), "{:?}", found.facts);
    assert_eq!(found.source.as_deref(), Some("the sweep, not an event"));
    let steps: Vec<_> = found.steps.iter().map(|s| (s.class, s.summary.as_str())).collect();
    assert_eq!(steps.len(), 1, "the rule from inside is nobody's opening: {steps:?}");
    assert_eq!(steps[0].0, Class::Approval);
    assert_eq!(scene.notices(mark).unwrap().len(), 1);
    assert!(scene.changes(mark).unwrap().is_empty());

    let again = sweep(&scene, 60).await;
    assert!(again.incidents.is_empty(), "{again:?}");
    assert_eq!(scene.notices(mark).unwrap().len(), 1, "told once");

    let attended = machine(&scene, &How::default().attended()).unwrap();
    attended.clock.forward(SignedDuration::from_mins(61));
    let approve = json!({ "backstop": { "approve": {
        "incident": found.id, "plan_hash": found.plan_hash, "approved_by": "alice",
    }}});
    let contained = one(attended.invoke(&approve).await.unwrap()).unwrap();
    assert_eq!(contained.outcome, Some(Outcome::Contained), "{}", contained.reason);
    let mut rules = scene.rules(&group).await.unwrap();
    rules.sort();
    assert_eq!(rules, ["tcp 22 from 10.0.0.0/8", "tcp 443 from 0.0.0.0/0"]);
    assert!(sweep(&scene, 120).await.incidents.is_empty());
}

#[tokio::test]
async fn x2_1_what_an_event_told_of_is_not_found_again() {
    let scene = Scene::new().await.unwrap();
    let contained = scene.group("contained").await.unwrap();
    let rule = scene.allow(&contained, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&contained, &[rule]);
    deliver(&scene, &How::default(), &event).await.unwrap();
    let held = scene.group("held").await.unwrap();
    let rule = scene.allow(&held, Allow::range(20, 25, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&held, &[rule]);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held));
    let mark = scene.mark().unwrap();
    for minutes in [1, 61] {
        let swept = sweep(&scene, minutes).await;
        assert!(swept.incidents.is_empty(), "{swept:?}");
    }
    assert!(scene.notices(mark).unwrap().is_empty());
    // Once its plan can no longer be approved, nobody is asked about it any more: it is told anew.
    let anew = one(sweep(&scene, 5 * 60).await).unwrap();
    assert_eq!(anew.outcome, Some(Outcome::Held));
    assert_ne!(anew.id, incident.id);
}

#[tokio::test]
async fn x2_1_where_nothing_is_planned_it_is_told_once_a_day() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let observe = How::default().mode(Mode::Observe);
    let mark = scene.mark().unwrap();
    for (minutes, notices) in [(0, 1), (60, 1), (23 * 60, 1), (25 * 60, 2)] {
        sweep_as(&scene, minutes, &observe).await;
        assert_eq!(scene.notices(mark).unwrap().len(), notices, "after {minutes} min");
    }
    // Somebody opens it further: that is something else.
    scene.allow(&group, Allow::tcp(22, "::/0")).await.unwrap();
    sweep_as(&scene, 25 * 60 + 1, &observe).await;
    assert_eq!(scene.notices(mark).unwrap().len(), 3);
}

#[tokio::test]
async fn the_inventory_keeps_every_group_and_what_it_was_before() {
    let scene = Scene::new().await.unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    let journal = &unattended.engine.journal;
    let arn = |group: &str| format!("arn:aws:ec2:eu-west-1:{}:security-group/{group}", scene.id());
    let group = scene.group("web").await.unwrap();
    // More rules than the local AWS puts on a page.
    scene.crowd(&group, 40).await.unwrap();
    let other = scene.group("empty of ingress").await.unwrap();

    // A person only looks.
    sweep_as(&scene, 0, &How::default().attended()).await;
    assert_eq!(journal.snapshot(&arn(&group)).await.unwrap(), None);

    sweep(&scene, 0).await;
    let first = journal.snapshot(&arn(&group)).await.unwrap().unwrap();
    assert_eq!(first.state["rules"].as_object().unwrap().len(), 40);
    let empty = journal.snapshot(&arn(&other)).await.unwrap().unwrap();
    assert_eq!(empty.state, json!({ "rules": {} }));
    assert!(journal.fleet("ssh-access").await.unwrap() >= Some(2));
    let writes = async |minutes| {
        let mark = scene.mark().unwrap();
        sweep(&scene, minutes).await;
        let calls = scene.calls(mark).unwrap();
        calls
            .iter()
            .filter(|c| ["PutItem", "TransactWriteItems"].contains(&c.operation.as_str()))
            .count()
    };
    assert_eq!(writes(60).await, 1, "what is unchanged is not written again, but that it was seen");

    // An event changes it: the inventory knows the new state at once, and still the old one.
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let observe = How::default().mode(Mode::Observe);
    deliver(&scene, &observe, &event).await.unwrap();
    let now = journal.snapshot(&arn(&group)).await.unwrap().unwrap();
    assert_eq!(now.state["rules"].as_object().unwrap().len(), 41);
    let before = journal.snapshot_before(&arn(&group), now.taken_at).await.unwrap().unwrap();
    assert_eq!(before, first);
}

#[tokio::test]
async fn x2_2_what_no_sweep_has_confirmed_lately_is_not_known() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(8443, "10.0.0.0/8")).await.unwrap();
    let id = rule.security_group_rule_id().unwrap();
    sweep(&scene, -26 * 60).await;
    scene.widen(&group, id, 22, "0.0.0.0/0").await.unwrap();
    let event = scene.recorded().modified(&group, &[scene.rule(&group, id).await.unwrap()]);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
    assert_eq!(incident.steps.len(), 1, "nothing is offered to be put back: {incident:?}");
}
