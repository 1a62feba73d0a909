//! S2.1 and T2.1: an instance is launched with a key pair.

use backstop_core::words::{Class, Outcome, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use serde_json::json;

use super::{deliver, machine};

#[tokio::test]
async fn s2_1_every_instance_of_a_launch_is_found_and_none_is_touched() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let instances = scene.launch(2, &group, Some("laptop")).await.unwrap();
    let event = scene.recorded().launched(&instances, true);
    let mark = scene.mark().unwrap();
    let reply = machine(&scene, &How::default()).unwrap().invoke(&event).await.unwrap();
    assert_eq!(reply.incidents.len(), 2);
    for incident in &reply.incidents {
        assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
        assert_eq!(incident.signal, "S2.1");
        assert!(incident.steps.iter().all(|s| s.class == Class::Approval));
        assert_eq!(incident.steps.len(), 1, "the open rule of its group, by approval");
    }
    assert!(scene.changes(mark).unwrap().is_empty(), "anybody can launch into a shared group");
    assert_eq!(scene.notices(mark).unwrap().len(), 1, "one notice per event, not per instance");
}

#[tokio::test]
async fn s2_1_a_key_of_a_launch_template_is_found_although_the_request_has_none() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let instances = scene.launch(1, &group, Some("laptop")).await.unwrap();
    let event = scene.recorded().launched(&instances, false);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.signal, "S2.1");
    assert_eq!(incident.outcome, Some(Outcome::Observed), "no rule is open: only people can act");
}

#[tokio::test]
async fn s2_1_a_launch_without_a_key_is_no_finding() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let instances = scene.launch(1, &group, None).await.unwrap();
    let event = scene.recorded().launched(&instances, true);
    let mark = scene.mark().unwrap();
    let reply = machine(&scene, &How::default()).unwrap().invoke(&event).await.unwrap();
    assert_eq!(reply.ignored.as_deref(), Some("no instance in it has a key pair"));
    assert!(scene.calls(mark).unwrap().is_empty());
}

#[tokio::test]
async fn s2_1_an_answer_that_was_left_out_is_looked_up_by_its_token() {
    let scene = Scene::new().await.unwrap();
    let mut event = scene.recorded().launched(&[], true);
    event["detail"]["responseElements"] = json!(null);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Compliant), "{}", incident.reason);
    assert!(incident.resource.contains("instance/client-token:"), "{}", incident.resource);
}

#[tokio::test]
async fn t2_1_a_key_on_the_allow_list_is_a_ticket_and_another_pages() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let how = How::default().and("[[ssh-access.allowed_key_pair]]\nkey_name = \"break-glass\"\n");
    for (key, urgency) in [("break-glass", Urgency::Ticket), ("laptop", Urgency::Page)] {
        let instances = scene.launch(1, &group, Some(key)).await.unwrap();
        let event = scene.recorded().launched(&instances, true);
        let incident = deliver(&scene, &how, &event).await.unwrap();
        assert_eq!(incident.urgency, urgency, "{key}");
    }
}

#[tokio::test]
async fn t2_1_outside_production_it_is_a_ticket() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let instances = scene.launch(1, &group, Some("laptop")).await.unwrap();
    let event = scene.recorded().launched(&instances, true);
    let mut how = How::default();
    how.policy = how.policy.replace("everything = true", "vpcs = [\"vpc-0123456789abcdef0\"]");
    let incident = deliver(&scene, &how, &event).await.unwrap();
    assert_eq!(incident.urgency, Urgency::Ticket);
}
