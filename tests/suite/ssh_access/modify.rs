//! X2.2: a rule is changed into one that opens SSH.

use backstop_core::words::{Class, Outcome, StepStatus};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use serde_json::json;

use super::sweep::sweep;
use super::{deliver, machine, one};

/// Changes a harmless rule into one that admits SSH from everywhere.
async fn widened(scene: &Scene, group: &str) -> (aws_types::Rule, String) {
    let rule = scene.allow(group, Allow::tcp(8443, "10.0.0.0/8")).await.unwrap();
    let id = rule.security_group_rule_id().unwrap().to_owned();
    scene.widen(group, &id, 22, "0.0.0.0/0").await.unwrap();
    let mut now = rule;
    now.from_port = Some(22);
    now.to_port = Some(22);
    now.cidr_ipv4 = Some("0.0.0.0/0".to_owned());
    (now, id)
}

mod aws_types {
    pub(super) type Rule = backstop_testkit::scene::SecurityGroupRule;
}

#[tokio::test]
async fn x2_2_a_changed_rule_is_revoked_by_its_id() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    let (rule, id) = widened(&scene, &group).await;
    let event = scene.recorded().modified(&group, &[rule]);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
    assert_eq!(incident.signal, "X2.2");
    assert!(incident.steps[0].command.ends_with(&format!("--security-group-rule-ids {id}")));
    assert_eq!(scene.rules(&group).await.unwrap(), ["tcp 443 from 0.0.0.0/0"]);
}

#[tokio::test]
async fn x2_2_what_the_inventory_knew_is_offered_by_approval() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(8443, "10.0.0.0/8")).await.unwrap();
    sweep(&scene, -10).await;
    let id = rule.security_group_rule_id().unwrap().to_owned();
    scene.widen(&group, &id, 22, "0.0.0.0/0").await.unwrap();
    let rule = scene.rule(&group, &id).await.unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    let event = scene.recorded().modified(&group, &[rule]);
    let incident = one(unattended.invoke(&event).await.unwrap()).unwrap();

    assert_eq!(incident.outcome, Some(Outcome::Contained), "the restoring step is no containment");
    let steps: Vec<_> = incident.steps.iter().map(|s| (s.class, s.status)).collect();
    assert_eq!(steps, [(Class::Auto, StepStatus::Verified), (Class::Approval, StepStatus::Held)]);
    assert!(scene.rules(&group).await.unwrap().is_empty());

    let attended = machine(&scene, &How::default().attended()).unwrap();
    let approve = json!({ "backstop": { "approve": {
        "incident": incident.id, "plan_hash": incident.plan_hash, "approved_by": "alice",
    }}});
    let restored = one(attended.invoke(&approve).await.unwrap()).unwrap();
    assert_eq!(restored.outcome, Some(Outcome::Contained), "{}", restored.reason);
    assert_eq!(restored.steps[1].status, StepStatus::Verified);
    assert_eq!(scene.rules(&group).await.unwrap(), ["tcp 8443 from 10.0.0.0/8"]);
}

#[tokio::test]
async fn x2_2_two_rules_in_one_call_are_both_found() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let (one_rule, _) = widened(&scene, &group).await;
    let other = scene.allow(&group, Allow::tcp(9443, "10.0.0.0/8")).await.unwrap();
    scene.widen(&group, other.security_group_rule_id().unwrap(), 22, "128.0.0.0/1").await.unwrap();
    let mut other = other;
    other.from_port = Some(22);
    other.to_port = Some(22);
    let event = scene.recorded().modified(&group, &[one_rule, other]);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
    assert_eq!(incident.steps.len(), 2);
    assert!(scene.rules(&group).await.unwrap().is_empty());
}
