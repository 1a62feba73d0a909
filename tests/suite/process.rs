//! The real binary, deployed: EventBridge matches the manifest's patterns, Lambda executes it.

use std::path::PathBuf;

use backstop_core::journal::Journal;
use backstop_core::words::{Lane, Outcome};
use backstop_testkit::Scene;
use backstop_testkit::deploy::{Deployed, Package};
use backstop_testkit::machine::POLICY;
use backstop_testkit::scene::Allow;
use backstop_testkit::wait::until;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use ssh_access::SshAccess;

/// The binary that cargo built beside this test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let path = folder.join(name);
    assert!(path.is_file(), "`{}` is not built; hint: run `make test`", path.display());
    path
}

async fn deployed(scene: &Scene, environment: &[(&str, &str)]) -> Deployed {
    let policy = POLICY.replace("{account}", scene.id());
    let package = Package {
        binary: &binary("ssh-access"),
        policy: &policy,
        lane: Lane::Unattended,
        environment,
    };
    Deployed::new(scene, &SshAccess, package).await.unwrap()
}

const MOST: SignedDuration = SignedDuration::from_secs(60);

#[tokio::test]
async fn r2_1a_the_deployed_function_closes_the_port_through_the_bus() {
    let scene = Scene::new().await.unwrap();
    let function = deployed(&scene, &[]).await;
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut failed = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    failed["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
    let event = scene.recorded().authorized(&group, &[rule]);
    let mark = scene.mark().unwrap();
    function.put(&[failed, event]).await.unwrap();
    until("the port to be closed", MOST, async || {
        Ok((scene.rules(&group).await? == ["tcp 443 from 0.0.0.0/0"]).then_some(()))
    })
    .await
    .unwrap();
    let journal = Journal::new(std::sync::Arc::new(backstop_aws::DynamoStore::new(
        &scene.connection,
        "backstop-journal",
    )));
    let today = Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let incident = until("the report", MOST, async || {
        Ok(journal.day(today).await?.into_iter().find(|h| h.reported))
    })
    .await
    .unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
    assert_eq!(journal.day(today).await.unwrap().len(), 1, "the failed call matched no rule");
    let revoke = scene
        .calls(mark)
        .unwrap()
        .into_iter()
        .find(|c| c.operation == "RevokeSecurityGroupIngress")
        .unwrap();
    let principal = revoke.principal.unwrap_or_default();
    assert!(principal.contains("backstop-ssh-access-unattended"), "{principal}");
}

#[tokio::test]
async fn what_cannot_be_read_goes_to_the_dead_letter_queue() {
    let scene = Scene::new().await.unwrap();
    let function = deployed(&scene, &[]).await;
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut event = scene.recorded().authorized(&group, &[rule]);
    event["detail"]["recipientAccountId"] = json!({ "not": "an id" });
    function.put(&[event]).await.unwrap();
    let letter = function.dead_letter(MOST).await.unwrap();
    assert!(letter.contains("AuthorizeSecurityGroupIngress"), "nothing is lost: {letter}");
    assert_eq!(scene.rules(&group).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_answer_is_the_documented_one_and_errors_have_a_class() {
    let scene = Scene::new().await.unwrap();
    let function = deployed(&scene, &[]).await;
    let ignored = function
        .invoke(&json!({ "detail-type": "Scheduled Event", "source": "aws.events",
            "account": scene.id(), "region": "eu-west-1", "id": "1", "detail": {} }))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ignored["incidents"], json!([]));
    assert!(ignored["ignored"].is_string(), "{ignored}");
    let refused = function
        .invoke(&json!({ "backstop": { "undo": {
            "incident": "ssh-access-20261123-aaaaaaaaaaaa", "requested_by": "a", "reason": "b" } } }))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(refused["errorType"], "invalid", "{refused}");
    assert!(refused["errorMessage"].as_str().unwrap().contains("hint: "), "{refused}");
}
