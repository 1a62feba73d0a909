//! Who is told what, and how often.

use backstop_core::error::Class as ErrorClass;
use backstop_core::incident::Change;
use backstop_core::words::{Outcome, StepStatus};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{OPEN, opened};
use crate::ssh_access::{deliver, machine, one};

#[tokio::test]
async fn the_same_open_plan_does_not_page_twice() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "10.0.0.0/8")).await.unwrap();
    let one_event = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    let other_event = scene.recorded().authorized(&group, &[rule]);
    let first = deliver(&scene, &How::default(), &one_event).await.unwrap();
    let mark = scene.mark().unwrap();
    let second = deliver(&scene, &How::default(), &other_event).await.unwrap();
    assert_eq!(first.outcome, Some(Outcome::Held));
    assert_eq!(second.outcome, Some(Outcome::Duplicate), "{}", second.reason);
    assert!(second.reason.contains(&first.id));
    assert!(scene.notices(mark).unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_containment_is_a_failed_step_and_pages() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    scene
        .local
        .fail(scene.id(), "ec2", "RevokeSecurityGroupIngress", 1, 403, "UnauthorizedOperation")
        .unwrap();
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Failed));
    assert_eq!(incident.steps[0].status, StepStatus::Failed);
    assert!(incident.reason.contains("access denied"), "{}", incident.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
    let (topic, text) = &scene.notices(mark).unwrap()[0];
    assert_eq!(topic, "page");
    assert!(text.contains("\"approve\""), "what was refused can be approved: {text}");

    // Once the permission is there, a person releases what was refused.
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let approve = json!({ "backstop": { "approve": {
        "incident": incident.id, "plan_hash": incident.plan_hash, "approved_by": "alice",
    }}});
    let done = one(attended.invoke(&approve).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert!(scene.rules(&group).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_notice_that_is_refused_fails_the_invocation_but_not_the_containment() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    scene.local.fail(scene.id(), "sns", "Publish", 1, 403, "AuthorizationError").unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    let error = unattended.invoke(&event).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied);
    assert!(error.to_string().starts_with("what was done is recorded"), "{error}");
    assert!(scene.rules(&group).await.unwrap().is_empty(), "contained all the same");
    let mark = scene.mark().unwrap();
    unattended.clock.forward(SignedDuration::from_mins(1));
    let told = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(told.outcome, Some(Outcome::Contained), "the retry only tells");
    assert_eq!(scene.notices(mark).unwrap().len(), 1);
    assert!(scene.changes(mark).unwrap().is_empty());
    let shown = unattended.engine.journal.show(&told.id).await.unwrap();
    let failed =
        |e: &&backstop_core::incident::Entry| matches!(e.change, Change::ReportFailed { .. });
    assert_eq!(shown.entries.iter().filter(failed).count(), 1);
}

#[tokio::test]
async fn a_ticket_is_opened_once_for_the_same_thing() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    for _ in 0..2 {
        let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
        let event = scene.recorded().authorized(&group, &[rule]);
        unattended.invoke(&event).await.unwrap();
    }
    let calls = scene.calls(0).unwrap();
    let created: Vec<_> = calls.iter().filter(|c| c.operation == "CreateOpsItem").collect();
    assert_eq!(created.len(), 2);
    assert_eq!(created.iter().filter(|c| c.error.is_none()).count(), 1, "{created:?}");
    let ids: Vec<_> = unattended
        .engine
        .journal
        .day(Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date())
        .await
        .unwrap()
        .into_iter()
        .filter_map(|h| h.ops_item)
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "both incidents stand under the same OpsItem");
}
