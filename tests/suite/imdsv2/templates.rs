//! X1.2 to X1.4: launch templates that launch with IMDSv1.

use aws_sdk_ec2::types::{
    LaunchTemplateHttpTokensState, LaunchTemplateInstanceMetadataOptionsRequest,
    RequestLaunchTemplateData,
};
use backstop_core::words::{Outcome, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use serde_json::{Value, json};

use super::deliver;

fn data(tokens: Option<&str>) -> RequestLaunchTemplateData {
    let options = tokens.map(|tokens| {
        LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_tokens(LaunchTemplateHttpTokensState::from(tokens))
            .build()
    });
    RequestLaunchTemplateData::builder()
        .image_id("ami-12c6146b")
        .set_metadata_options(options)
        .build()
}

async fn template(scene: &Scene, name: &str, tokens: Option<&str>) -> String {
    let ec2 = scene.account.ec2();
    let made = ec2
        .create_launch_template()
        .launch_template_name(name)
        .launch_template_data(data(tokens))
        .send()
        .await
        .unwrap();
    made.launch_template.unwrap().launch_template_id.unwrap()
}

fn created(scene: &Scene, id: &str) -> Value {
    let request = json!({ "CreateLaunchTemplateRequest": { "LaunchTemplateName": "x" } });
    let made = json!({ "launchTemplate": { "launchTemplateId": id, "latestVersionNumber": 1 } });
    let response = json!({ "CreateLaunchTemplateResponse": made });
    let recorded = scene.recorded();
    recorded.event(&recorded.record("CreateLaunchTemplate", &request, &response))
}

#[tokio::test]
async fn x1_2_a_template_that_allows_imdsv1_is_a_ticket_with_the_way_back() {
    let scene = Scene::new().await.unwrap();
    let open = template(&scene, "open", Some("optional")).await;
    let told = deliver(&scene, &How::default(), &created(&scene, &open)).await.unwrap();
    assert_eq!((told.outcome, told.urgency), (Some(Outcome::Observed), Urgency::Ticket));
    let line = told.follow_up.iter().find(|l| l.contains("create-launch-template-version"));
    assert!(line.unwrap().contains("--source-version GOOD"), "{told:?}");

    let strict = template(&scene, "strict", Some("required")).await;
    let fine = deliver(&scene, &How::default(), &created(&scene, &strict)).await.unwrap();
    assert_eq!(fine.outcome, Some(Outcome::Compliant), "{}", fine.reason);

    let silent = template(&scene, "silent", None).await;
    let info = deliver(&scene, &How::default(), &created(&scene, &silent)).await.unwrap();
    assert_eq!((info.outcome, info.urgency), (Some(Outcome::Observed), Urgency::Info));

    let named = format!("[[imdsv2.launch_template]]\nid = \"{open}\"\nversions = [\"1\"]\n");
    let allowed = How::default().and(&named);
    let allowed = deliver(&scene, &allowed, &created(&scene, &open)).await.unwrap();
    assert_eq!(allowed.outcome, Some(Outcome::Compliant), "{}", allowed.reason);
    let gone = deliver(&scene, &How::default(), &created(&scene, "lt-0123456789abcdef0")).await;
    assert_eq!(gone.unwrap().outcome, Some(Outcome::Compliant));
}

#[tokio::test]
async fn x1_3_a_new_version_is_read_from_the_template_and_not_from_the_request() {
    let scene = Scene::new().await.unwrap();
    let id = template(&scene, "t", Some("optional")).await;
    let ec2 = scene.account.ec2();
    // The request holds only what it overrides: what the source version allowed, it allows too.
    ec2.create_launch_template_version()
        .launch_template_id(&id)
        .source_version("1")
        .launch_template_data(RequestLaunchTemplateData::builder().key_name("k").build())
        .send()
        .await
        .unwrap();
    let request = json!({ "CreateLaunchTemplateVersionRequest": {
        "LaunchTemplateId": id, "SourceVersion": "1", "LaunchTemplateData": { "KeyName": "k" } } });
    let response = json!({ "CreateLaunchTemplateVersionResponse": {
        "launchTemplateVersion": { "launchTemplateId": id, "versionNumber": 2 } } });
    let recorded = scene.recorded();
    let event =
        recorded.event(&recorded.record("CreateLaunchTemplateVersion", &request, &response));
    let told = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((told.signal.as_str(), told.urgency), ("X1.3", Urgency::Ticket));
    assert!(told.facts.iter().any(|f| f.contains("version 2")), "{:?}", told.facts);
}

#[tokio::test]
async fn x1_4_another_default_is_read_by_the_name_of_the_template() {
    let scene = Scene::new().await.unwrap();
    template(&scene, "web", Some("optional")).await;
    let request = json!({ "ModifyLaunchTemplateRequest": {
        "LaunchTemplateName": "web", "SetDefaultVersion": "1" } });
    let recorded = scene.recorded();
    let event = recorded.event(&recorded.record("ModifyLaunchTemplate", &request, &Value::Null));
    let told = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!((told.signal.as_str(), told.urgency), ("X1.4", Urgency::Ticket));
    let said = "it is the version that launches get which name none";
    assert!(told.facts.iter().any(|f| f == said), "{:?}", told.facts);
}
