//! S1.2, X1.15 and T1.2: what is launched, or runs.

use backstop_actions::ec2::{Which, hosts};
use backstop_core::words::{Outcome, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::hosts::Launch;
use backstop_testkit::machine::How;
use serde_json::{Value, json};

use super::{deliver, machine};

#[tokio::test]
async fn s1_2_every_open_instance_of_a_launch_is_an_incident_of_its_own() {
    let scene = Scene::new().await.unwrap();
    let mut launched = scene.hosts(2, Launch::OPEN, None).await.unwrap();
    launched.extend(scene.hosts(1, Launch::STRICT, None).await.unwrap());
    let event = scene.recorded().launched(&launched, false);
    let reply = machine(&scene, &How::default()).unwrap().invoke(&event).await.unwrap();
    assert_eq!(reply.incidents.len(), 2, "the third is as it should be");
    for incident in &reply.incidents {
        assert_eq!((incident.outcome, incident.urgency), (Some(Outcome::Held), Urgency::Page));
        assert_eq!(incident.signal, "S1.2");
    }
}

#[tokio::test]
async fn s1_2_an_instance_that_runs_is_looked_at_whoever_launched_it() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::OPEN).await.unwrap();
    let event = scene.recorded().state(&instance, "running");
    let held = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((held.outcome, held.signal.as_str()), (Some(Outcome::Held), "S1.2"));
    // The launch and the notification tell of the same: one plan, one page.
    let mark = scene.mark().unwrap();
    let again = scene.recorded().state(&instance, "running");
    let twin = deliver(&scene, &How::default(), &again).await.unwrap();
    assert_eq!(twin.outcome, Some(Outcome::Duplicate), "{}", twin.reason);
    assert!(scene.notices(mark).unwrap().is_empty());
    let pending = scene.recorded().state(&instance, "pending");
    let reply = machine(&scene, &How::default()).unwrap().invoke(&pending).await.unwrap();
    assert!(reply.ignored.unwrap().contains("the instance is pending"));
}

#[tokio::test]
async fn s1_2_a_launch_without_its_answer_is_found_by_its_token_on_every_page() {
    let scene = Scene::new().await.unwrap();
    // More than a page of the local AWS, and the open one is on none in particular.
    scene.hosts(24, Launch::STRICT, Some("of-the-law")).await.unwrap();
    let all = hosts(&scene.account, Some(Which::ClientToken("of-the-law"))).await.unwrap();
    assert_eq!(all.len(), 24);
    let last = all.last().unwrap().id.clone();
    scene.options(&last, Some("optional"), None).await.unwrap();
    let request = json!({ "instancesSet": { "items": [{ "minCount": 24, "maxCount": 24 }] },
        "clientToken": "of-the-law" });
    let recorded = scene.recorded();
    let event = recorded.event(&recorded.record("RunInstances", &request, &Value::Null));
    let held = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held), "{}", held.reason);
    assert_eq!(held.steps.len(), 1);
    assert!(held.steps[0].resource.ends_with(&last), "{:?}", held.steps);
}

#[tokio::test]
async fn s1_2_a_record_that_names_nothing_pages() {
    let scene = Scene::new().await.unwrap();
    let recorded = scene.recorded();
    let event = recorded.event(&recorded.record("RunInstances", &Value::Null, &Value::Null));
    let unknown = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((unknown.outcome, unknown.urgency), (Some(Outcome::Held), Urgency::Page));
    assert!(unknown.reason.contains("could not be assessed"), "{}", unknown.reason);
}

#[tokio::test]
async fn x1_15_what_was_changed_while_stopped_is_found_at_the_start() {
    let scene = Scene::new().await.unwrap();
    let instance = scene.host(Launch::OPEN).await.unwrap();
    let items = json!({ "instancesSet": { "items": [{ "instanceId": instance }] } });
    let recorded = scene.recorded();
    let event = recorded.event(&recorded.record("StartInstances", &items, &items));
    let held = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((held.outcome, held.signal.as_str()), (Some(Outcome::Held), "X1.15"));
}

#[tokio::test]
async fn t1_2_only_a_version_that_the_policy_names_makes_less_of_it_and_not_in_production() {
    let scene = Scene::new().await.unwrap();
    let from = |version: &'static str| {
        let tags: &'static [(&str, &str)] = match version {
            "3" => {
                &[("aws:ec2launchtemplate:id", "lt-0abc"), ("aws:ec2launchtemplate:version", "3")]
            }
            _ => &[("aws:ec2launchtemplate:id", "lt-0abc"), ("aws:ec2launchtemplate:version", "4")],
        };
        Launch { tags, ..Launch::OPEN }
    };
    let named = "[[imdsv2.launch_template]]\nid = \"lt-0abc\"\nversions = [\"3\"]\n";
    let inside = How::default().and(named);
    let outside = How {
        policy: inside.policy.replace("everything = true", "vpcs = [\"vpc-0abc\"]"),
        ..inside.clone()
    };
    for (version, how, urgency, said) in [
        ("3", &outside, Urgency::Info, "which the policy allows"),
        ("4", &outside, Urgency::Ticket, "which the policy does not allow"),
        ("3", &inside, Urgency::Page, "which the policy allows"),
    ] {
        let instance = scene.host(from(version)).await.unwrap();
        let event = scene.recorded().state(&instance, "running");
        let held = deliver(&scene, how, &event).await.unwrap();
        assert_eq!(held.urgency, urgency, "version {version}: {held:?}");
        assert!(held.facts.iter().any(|fact| fact.contains(said)), "{:?}", held.facts);
    }
}
