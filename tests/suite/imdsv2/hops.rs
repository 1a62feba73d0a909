//! T1.3: the hop limit, by kind of host.

use backstop_core::words::{Class, Outcome, StepStatus, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::hosts::Launch;
use backstop_testkit::machine::How;
use serde_json::{Value, json};

use super::{deliver, known, now};

fn raised(scene: &Scene, instance: &str, hops: i32) -> Value {
    scene.recorded().options(instance, &json!({ "HttpPutResponseHopLimit": hops }))
}

#[tokio::test]
async fn t1_3_a_limit_that_a_call_raised_pages_and_goes_back_to_what_it_was() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::STRICT).await.unwrap();
    known(&scene, &instance).await.unwrap();
    scene.options(&instance, None, Some(4)).await.unwrap();
    let done = deliver(&scene, &How::default(), &raised(&scene, &instance, 4)).await.unwrap();
    assert_eq!((done.outcome, done.urgency), (Some(Outcome::Contained), Urgency::Page));
    assert_eq!(done.steps[0].class, Class::Auto);
    assert_eq!(now(&scene, &instance).await.unwrap(), ("required".to_owned(), 1));
}

#[tokio::test]
async fn t1_3_raised_by_a_call_and_not_known_before_waits_for_a_person() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch { hops: 2, ..Launch::STRICT }).await.unwrap();
    let held = deliver(&scene, &How::default(), &raised(&scene, &instance, 2)).await.unwrap();
    assert_eq!((held.outcome, held.urgency), (Some(Outcome::Held), Urgency::Page));
    assert_eq!(held.steps[0].class, Class::Approval);
}

#[tokio::test]
async fn t1_3_a_limit_that_a_launch_came_with_is_a_ticket_without_a_step() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch { hops: 2, ..Launch::STRICT }).await.unwrap();
    let event = scene.recorded().state(&instance, "running");
    let told = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((told.outcome, told.urgency), (Some(Outcome::Observed), Urgency::Ticket));
    assert!(told.steps.is_empty());
    // Known to have been so before: a call that asks for the same has raised nothing.
    let other = scene.host(Launch { hops: 2, ..Launch::STRICT }).await.unwrap();
    known(&scene, &other).await.unwrap();
    let told = deliver(&scene, &How::default(), &raised(&scene, &other, 2)).await.unwrap();
    assert_eq!((told.outcome, told.urgency), (Some(Outcome::Observed), Urgency::Ticket));
}

#[tokio::test]
async fn t1_3_hosts_of_containers_may_have_more_and_are_never_lowered() {
    let scene = Scene::new().await.unwrap();
    let node = Launch { hops: 2, tags: &[("aws:eks:cluster-name", "blue")], ..Launch::STRICT };
    let node = scene.host(node).await.unwrap();
    let fine = deliver(&scene, &How::default(), &raised(&scene, &node, 2)).await.unwrap();
    assert_eq!(fine.outcome, Some(Outcome::Compliant), "{}", fine.reason);

    let ecs = Launch { hops: 2, profile: Some("ecs-host"), ..Launch::STRICT };
    let ecs = scene.host(ecs).await.unwrap();
    let profile = format!("arn:aws:iam::{}:instance-profile/ecs-host", scene.id());
    let policy = format!("[[imdsv2.hop_limit.host]]\ninstance_profile = \"{profile}\"\n");
    let how = How::default().and(&policy);
    let held = deliver(&scene, &How::default(), &raised(&scene, &ecs, 2)).await.unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held), "not named: {}", held.reason);
    let fine = deliver(&scene, &how, &raised(&scene, &ecs, 2)).await.unwrap();
    assert_eq!(fine.outcome, Some(Outcome::Compliant), "named: {}", fine.reason);

    // A tag that anybody may set names nothing.
    let fake = Launch { hops: 2, tags: &[("eks:cluster-name", "blue")], ..Launch::STRICT };
    let fake = scene.host(fake).await.unwrap();
    let held = deliver(&scene, &How::default(), &raised(&scene, &fake, 2)).await.unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held));

    scene.options(&node, None, Some(3)).await.unwrap();
    let told = deliver(&scene, &How::default(), &raised(&scene, &node, 3)).await.unwrap();
    assert_eq!((told.outcome, told.urgency), (Some(Outcome::Observed), Urgency::Page));
    assert!(told.steps.is_empty(), "{:?}", told.steps);
}

#[tokio::test]
async fn r1_1a_tokens_come_back_at_once_where_the_hop_limit_waits() {
    let scene = Scene::new().await.unwrap();
    // The inventory knew a limit that was too high already: only the tokens are known good.
    let instance = scene.host(Launch { hops: 2, ..Launch::STRICT }).await.unwrap();
    known(&scene, &instance).await.unwrap();
    scene.options(&instance, Some("optional"), Some(5)).await.unwrap();
    let asked = json!({ "HttpTokens": "optional", "HttpPutResponseHopLimit": 5 });
    let event = scene.recorded().options(&instance, &asked);
    let partial = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(partial.outcome, Some(Outcome::Partial), "{}", partial.reason);
    assert_eq!(now(&scene, &instance).await.unwrap(), ("required".to_owned(), 5));

    let approve = json!({ "backstop": { "approve": {
        "incident": partial.id, "plan_hash": partial.plan_hash, "approved_by": "alice",
    }}});
    let attended = super::machine(&scene, &How::default().attended()).unwrap();
    let done = super::one(attended.invoke(&approve).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert!(done.steps.iter().all(|s| s.status == StepStatus::Verified), "{:?}", done.steps);
    assert_eq!(now(&scene, &instance).await.unwrap(), ("required".to_owned(), 1));

    let undo = json!({ "backstop": { "undo": {
        "incident": partial.id, "requested_by": "alice", "reason": "why not", "force": false,
    }}});
    let undone = super::one(attended.invoke(&undo).await.unwrap()).unwrap();
    assert_eq!(undone.outcome, Some(Outcome::Undone), "{}", undone.reason);
    assert_eq!(now(&scene, &instance).await.unwrap(), ("optional".to_owned(), 5));
}
