//! The sweep: what no event told of, and what is known of the time before.

use backstop_core::report::Reply;
use backstop_core::words::{Class, Outcome};
use backstop_testkit::Scene;
use backstop_testkit::hosts::Launch;
use backstop_testkit::machine::How;
use jiff::SignedDuration;
use serde_json::json;

use super::{deliver, machine, one};

async fn sweep(scene: &Scene, minutes: i64) -> Reply {
    let machine = machine(scene, &How::default()).unwrap();
    machine.clock.forward(SignedDuration::from_mins(minutes));
    machine.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap()
}

#[tokio::test]
async fn r1_1a_a_violation_whose_event_was_lost_is_put_right_by_the_sweep_that_knew_better() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::STRICT).await.unwrap();
    assert!(sweep(&scene, -60).await.incidents.is_empty(), "nothing is wrong");
    scene.options(&instance, Some("optional"), None).await.unwrap();

    let found = one(sweep(&scene, 0).await).unwrap();
    assert_eq!(found.outcome, Some(Outcome::Contained), "{}", found.reason);
    assert!(found.facts.iter().any(|fact| fact.starts_with("found by a sweep")), "{found:?}");
    let host = backstop_actions::ec2::host(&scene.account, &instance).await.unwrap().unwrap();
    assert!(host.options.requires_tokens());
    assert!(sweep(&scene, 60).await.incidents.is_empty());
}

#[tokio::test]
async fn r1_1a_what_was_never_known_as_closed_waits_for_an_approval_and_is_told_once() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::OPEN).await.unwrap();
    let mark = scene.mark().unwrap();
    let found = one(sweep(&scene, 0).await).unwrap();
    assert_eq!(found.outcome, Some(Outcome::Held), "{}", found.reason);
    assert!(found.steps.iter().all(|step| step.class == Class::Approval), "{found:?}");
    assert_eq!(scene.notices(mark).unwrap().len(), 1);
    assert!(sweep(&scene, 60).await.incidents.is_empty());
    assert_eq!(scene.notices(mark).unwrap().len(), 1, "told once");
    let host = backstop_actions::ec2::host(&scene.account, &instance).await.unwrap().unwrap();
    assert!(!host.options.requires_tokens(), "nothing was changed");
}

#[tokio::test]
async fn r1_1a_an_event_after_a_sweep_is_put_right_unattended_and_after_a_stale_one_is_not() {
    for (minutes, outcome) in [(-60, Outcome::Contained), (-26 * 60, Outcome::Held)] {
        let scene = Scene::new().await.unwrap();
        let instance = scene.host(Launch::STRICT).await.unwrap();
        sweep(&scene, minutes).await;
        scene.options(&instance, Some("optional"), None).await.unwrap();
        let event = scene.recorded().options(&instance, &json!({ "HttpTokens": "optional" }));
        let incident = deliver(&scene, &How::default(), &event).await.unwrap();
        assert_eq!(incident.outcome, Some(outcome), "{minutes}: {}", incident.reason);
    }
}
