//! X1.1: the account's defaults for instances to come.

use backstop_actions::ec2::metadata_defaults;
use backstop_core::words::{Class, Outcome, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use serde_json::json;

use super::{deliver, machine, one, remember_defaults};

async fn set(scene: &Scene, tokens: &str, enforced: &str) {
    scene
        .account
        .ec2()
        .modify_instance_metadata_defaults()
        .http_tokens(tokens.into())
        .http_tokens_enforced(enforced.into())
        .send()
        .await
        .unwrap();
}

fn changed(scene: &Scene) -> serde_json::Value {
    let request = json!({ "ModifyInstanceMetadataDefaultsRequest": { "HttpTokens": "optional" } });
    let response = json!({ "ModifyInstanceMetadataDefaultsResponse": { "return": true } });
    let recorded = scene.recorded();
    recorded.event(&recorded.record("ModifyInstanceMetadataDefaults", &request, &response))
}

#[tokio::test]
async fn x1_1_defaults_that_were_weakened_page_and_come_back_by_approval() {
    let scene = Scene::new().await.unwrap();
    set(&scene, "required", "enabled").await;
    let unattended = machine(&scene, &How::default()).unwrap();
    remember_defaults(&scene, &unattended.engine.journal).await.unwrap();
    set(&scene, "optional", "disabled").await;
    let held = one(unattended.invoke(&changed(&scene)).await.unwrap()).unwrap();
    assert_eq!((held.outcome, held.urgency), (Some(Outcome::Held), Urgency::Page));
    assert_eq!(held.steps[0].action, "ec2.instance-metadata-defaults.modify/1");
    assert_eq!(held.steps[0].class, Class::Approval);
    let approve = json!({ "backstop": { "approve": {
        "incident": held.id, "plan_hash": held.plan_hash, "approved_by": "alice",
    }}});
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let done = one(attended.invoke(&approve).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    let now = metadata_defaults(&scene.account).await.unwrap();
    assert!(now.requires_tokens() && now.enforces(), "{now:?}");
    let right = deliver(&scene, &How::default(), &changed(&scene)).await.unwrap();
    assert_eq!(right.outcome, Some(Outcome::Compliant), "{}", right.reason);
}

#[tokio::test]
async fn x1_1_what_they_should_be_is_known_from_the_policy_or_not_at_all() {
    let scene = Scene::new().await.unwrap();
    set(&scene, "optional", "disabled").await;
    let told = deliver(&scene, &How::default(), &changed(&scene)).await.unwrap();
    assert_eq!((told.outcome, told.urgency), (Some(Outcome::Observed), Urgency::Page));
    assert!(told.follow_up.iter().any(|l| l.contains("require_by_default")), "{told:?}");
    let how = How::default().and("[imdsv2]\nrequire_by_default = true\n");
    let held = deliver(&scene, &how, &changed(&scene)).await.unwrap();
    assert_eq!(held.outcome, Some(Outcome::Held), "{}", held.reason);
    assert_eq!(held.steps.len(), 1);
}
