//! X1.5 to X1.14: what is told, and left to a person.

use std::path::Path;

use backstop_core::words::{Outcome, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use serde_json::{Value, json};

use super::deliver;

/// The fixture of that name, as recorded in the scene's account.
fn fixture(scene: &Scene, name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/imdsv2/fixtures");
    let text = std::fs::read_to_string(Path::new(folder).join(format!("{name}.json"))).unwrap();
    let text = text.replace("111111111111", scene.id()).replace("us-east-1", "eu-west-1");
    serde_json::from_str(&text).unwrap()
}

/// One notice to one topic, no step, and no call but the journal's and the notice's.
async fn is_told(name: &str, call: &str, urgency: Urgency) {
    let scene = Scene::new().await.unwrap();
    let mut event = fixture(&scene, name);
    event["detail"]["userIdentity"]["arn"] = json!("arn:aws:sts::1:assumed-role/a/<!channel>\n");
    let mark = scene.mark().unwrap();
    let told = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((told.outcome, told.urgency), (Some(Outcome::Observed), urgency), "{told:?}");
    assert_eq!(told.reason, "only a person can put it right");
    assert!(told.steps.is_empty() && told.plan_hash.is_none());
    assert!(told.title.as_deref().unwrap().starts_with(call), "{:?}", told.title);
    assert!(scene.changes(mark).unwrap().is_empty());
    let notices = scene.notices(mark).unwrap();
    assert_eq!((notices.len(), notices[0].0.as_str()), (1, urgency.name()));
    assert!(!notices[0].1.contains("channel>\n\n"), "{}", notices[0].1);
    let services: Vec<String> =
        scene.calls(mark).unwrap().into_iter().map(|call| call.service).collect();
    assert!(services.iter().all(|s| ["dynamodb", "sns", "ssm"].contains(&s.as_str())));
}

#[tokio::test]
async fn x1_5_versions_that_go_are_told() {
    is_told("alert-delete-versions", "DeleteLaunchTemplateVersions", Urgency::Ticket).await;
}

#[tokio::test]
async fn x1_6_a_launch_configuration_is_told() {
    is_told("alert-launch-configuration", "CreateLaunchConfiguration", Urgency::Ticket).await;
}

#[tokio::test]
async fn x1_7_a_changed_group_is_told() {
    is_told("alert-update-group", "UpdateAutoScalingGroup", Urgency::Info).await;
}

#[tokio::test]
async fn x1_8_a_changed_image_is_told() {
    is_told("alert-image-attribute", "ModifyImageAttribute", Urgency::Info).await;
}

#[tokio::test]
async fn x1_9_a_registered_image_is_told() {
    is_told("alert-register-image", "RegisterImage", Urgency::Info).await;
}

#[tokio::test]
async fn x1_10_a_role_for_an_instance_is_told() {
    is_told("alert-associate-profile", "AssociateIamInstanceProfile", Urgency::Ticket).await;
}

#[tokio::test]
async fn x1_11_another_role_for_an_instance_is_told() {
    is_told("alert-replace-profile", "ReplaceIamInstanceProfileAssociation", Urgency::Ticket).await;
}

#[tokio::test]
async fn x1_12_a_fleet_is_told() {
    is_told("alert-fleet", "CreateFleet", Urgency::Info).await;
}

#[tokio::test]
async fn x1_13_spot_instances_are_told() {
    is_told("alert-spot-instances", "RequestSpotInstances", Urgency::Info).await;
}

#[tokio::test]
async fn x1_14_a_spot_fleet_is_told() {
    is_told("alert-spot-fleet", "RequestSpotFleet", Urgency::Info).await;
}
