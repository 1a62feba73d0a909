//! What is different when an interrupted response goes on.

use backstop_core::words::{Mode, Outcome, StepStatus};
use backstop_testkit::machine::How;
use backstop_testkit::{Fault, Scene};
use jiff::SignedDuration;
use serde_json::json;

use super::{OPEN, calls_of_a_containment, faulty, opened};
use crate::ssh_access::{machine, one};

#[tokio::test]
async fn a_rule_that_was_changed_before_the_resumption_is_left_alone() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    let (machine, faults) = faulty(&scene);
    // The call of the containment never arrives.
    let base = {
        let (other_group, other) = opened(&scene, "other").await;
        faults.clear();
        machine.invoke(&other).await.unwrap();
        drop(other_group);
        faults.made()
    };
    let at = base.iter().position(|c| c == "RevokeSecurityGroupIngress").unwrap();
    faults.fail(at, Fault::Before);
    machine.invoke(&event).await.unwrap_err();
    faults.clear();
    let rule = backstop_actions::ec2::rules_of(&scene.account, &group)
        .await
        .unwrap()
        .into_iter()
        .find(|r| !r.is_egress)
        .unwrap();
    scene.widen(&group, &rule.id, 22, "10.0.0.0/8").await.unwrap();
    machine.clock.forward(SignedDuration::from_mins(1));
    let incident = one(machine.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Failed), "{}", incident.reason);
    assert!(incident.reason.contains("has changed since the plan was made"), "{}", incident.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), ["tcp 22 from 10.0.0.0/8"]);
}

#[tokio::test]
async fn a_guard_that_holds_now_holds_what_was_written_ahead_too() {
    let scene = Scene::new().await.unwrap();
    let at = calls_of_a_containment(&scene)
        .await
        .iter()
        .position(|c| c == "RevokeSecurityGroupIngress")
        .unwrap();
    let (group, event) = opened(&scene, "web").await;
    let (dying, faults) = faulty(&scene);
    faults.fail(at, Fault::DiesBefore);
    assert!(faults.until_death(Box::pin(dying.invoke(&event))).await.is_none());
    // Meanwhile the operator has thought better of it.
    let how = How::default()
        .and("[guards]\nactions_per_10_min = 1000\nactions_per_hour = 1000\n")
        .mode(Mode::Plan);
    let stricter = machine(&scene, &how).unwrap();
    stricter.clock.forward(SignedDuration::from_mins(1));
    let swept = stricter.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap();
    let incident = one(swept).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Planned), "{}", incident.reason);
    assert_eq!(incident.steps[0].status, StepStatus::Held);
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
}

#[tokio::test]
async fn a_deadline_that_is_too_near_stops_before_the_change_and_resumes() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    let unattended = machine(&scene, &How::default()).unwrap();
    let mut invocation = unattended.invocation();
    let now = unattended.engine.clock.now();
    invocation.deadline = backstop_core::clock::Deadline::of(
        now.saturating_add(SignedDuration::from_secs(5)).unwrap(),
        now,
    );
    let error = unattended.engine.handle(&event.to_string(), &invocation).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
    let incident = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
}

#[tokio::test]
async fn an_attended_sweep_resumes_and_applies_nothing() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    let unattended = machine(&scene, &How::default()).unwrap();
    let mut invocation = unattended.invocation();
    let now = unattended.engine.clock.now();
    let soon = now.saturating_add(SignedDuration::from_secs(18)).unwrap();
    invocation.deadline = backstop_core::clock::Deadline::of(soon, now);
    scene
        .local
        .fail(scene.id(), "ec2", "RevokeSecurityGroupIngress", 1, 503, "Unavailable")
        .unwrap();
    unattended.engine.handle(&event.to_string(), &invocation).await.unwrap_err();
    let attended = machine(&scene, &How::default().attended()).unwrap();
    attended.clock.forward(SignedDuration::from_mins(1));
    let mark = scene.mark().unwrap();
    let swept = attended.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap();
    assert!(swept.incidents.is_empty(), "{swept:?}");
    assert!(scene.changes(mark).unwrap().is_empty());
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
}
