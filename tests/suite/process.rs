//! The real binary, deployed: CloudFormation makes what the templates say, EventBridge matches,
//! Lambda executes.

use std::path::PathBuf;

use backstop_core::journal::Journal;
use backstop_core::words::{Lane, Outcome};
use backstop_testkit::deploy::{Deployed, Package};
use backstop_testkit::hosts::Launch;
use backstop_testkit::machine::POLICY;
use backstop_testkit::scene::Allow;
use backstop_testkit::wait::until;
use backstop_testkit::{Call, Local, Scene};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The binary that cargo built beside this test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    folder.pop();
    let path = folder.join(name);
    assert!(path.is_file(), "`{}` is not built; hint: run `make test`", path.display());
    path
}

/// An account with the stacks of `ssh-access` in it.
pub(crate) async fn deployed(environment: &[(&str, &str)]) -> (Scene, Deployed) {
    let local = Local::from_env().unwrap();
    let scene = Scene::bare(local, &Local::fresh_account()).await.unwrap();
    let deployed = deploy(&scene, "ssh-access", environment).await;
    (scene, deployed)
}

/// The stacks of a responder in an account.
pub(crate) async fn deploy(
    scene: &Scene,
    responder: &str,
    environment: &[(&str, &str)],
) -> Deployed {
    let policy = POLICY.replace("{account}", scene.id());
    let package = Package { binary: &binary(responder), policy: &policy, environment };
    Deployed::new(scene, responder, package).await.unwrap()
}

pub(crate) const MOST: SignedDuration = SignedDuration::from_secs(60);

#[tokio::test]
async fn r2_1a_the_deployed_function_closes_the_port_through_the_bus() {
    let (scene, function) = deployed(&[]).await;
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut failed = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    failed["detail"]["errorCode"] = json!("Client.UnauthorizedOperation");
    let event = scene.recorded().authorized(&group, &[rule]);
    let mark = scene.mark().unwrap();
    function.put(&[failed, event]).unwrap();
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
async fn r1_1a_the_deployed_function_requires_imdsv2_through_the_bus() {
    let local = Local::from_env().unwrap();
    let scene = Scene::bare(local, &Local::fresh_account()).await.unwrap();
    let function = deploy(&scene, "imdsv2", &[]).await;
    let instance = scene.host(Launch::STRICT).await.unwrap();
    let journal = Journal::new(std::sync::Arc::new(backstop_aws::DynamoStore::new(
        &scene.connection,
        "backstop-journal",
    )));
    crate::imdsv2::remember(&scene, &journal, &instance).await.unwrap();
    scene.options(&instance, Some("optional"), None).await.unwrap();
    let event = scene.recorded().options(&instance, &json!({ "HttpTokens": "optional" }));
    let mark = scene.mark().unwrap();
    function.put(&[event]).unwrap();
    until("IMDSv2 to be required", MOST, async || {
        let host = backstop_actions::ec2::host(&scene.account, &instance).await?;
        Ok(host.is_some_and(|host| host.options.requires_tokens()).then_some(()))
    })
    .await
    .unwrap();
    let today = Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let incident = until("the report", MOST, async || {
        Ok(journal.day(today).await?.into_iter().find(|h| h.reported))
    })
    .await
    .unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
    let calls = scene.calls(mark).unwrap();
    let modify = calls.iter().find(|c| c.operation == "ModifyInstanceMetadataOptions").unwrap();
    let principal = modify.principal.clone().unwrap_or_default();
    assert!(principal.contains("backstop-imdsv2-unattended"), "{principal}");
}

#[tokio::test]
async fn what_cannot_be_read_goes_to_the_dead_letter_queue() {
    let (scene, function) = deployed(&[]).await;
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut event = scene.recorded().authorized(&group, &[rule]);
    event["detail"]["recipientAccountId"] = json!({ "not": "an id" });
    function.put(&[event]).unwrap();
    let letter = function.dead_letter(Lane::Unattended, MOST).await.unwrap();
    assert!(letter.contains("AuthorizeSecurityGroupIngress"), "nothing is lost: {letter}");
    assert_eq!(scene.rules(&group).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_answer_is_the_documented_one_and_errors_have_a_class() {
    let (scene, function) = deployed(&[]).await;
    let ignored = function.invoke(Lane::Unattended, &nothing(&scene)).unwrap().unwrap();
    assert_eq!(ignored["incidents"], json!([]));
    assert!(ignored["ignored"].is_string(), "{ignored}");
    let refused = function
        .invoke(Lane::Unattended, &json!({ "backstop": { "undo": {
            "incident": "ssh-access-20261123-aaaaaaaaaaaa", "requested_by": "a", "reason": "b" } } }))
        .unwrap()
        .unwrap_err();
    assert_eq!(refused["errorType"], "invalid", "{refused}");
    assert!(refused["errorMessage"].as_str().unwrap().contains("hint: "), "{refused}");
}

#[tokio::test]
async fn what_the_unattended_lane_holds_a_person_approves_in_the_attended_one() {
    let (scene, function) = deployed(&[]).await;
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "10.0.0.0/8")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let held = function.invoke(Lane::Unattended, &event).unwrap().unwrap();
    assert_eq!(held["incidents"][0]["outcome"], "held", "{held}");
    let approve = json!({ "backstop": { "approve": {
        "incident": held["incidents"][0]["id"],
        "plan_hash": held["incidents"][0]["plan_hash"],
        "approved_by": "alice",
    } } });
    let done = function.invoke(Lane::Attended, &approve).unwrap().unwrap();
    assert_eq!(done["incidents"][0]["outcome"], "contained", "{done}");
    assert!(scene.rules(&group).await.unwrap().is_empty());
    let list = json!({ "backstop": { "incidents": { "outcome": "contained" } } });
    let listed = function.invoke(Lane::Attended, &list).unwrap().unwrap();
    assert_eq!(listed["incidents"][0]["id"], held["incidents"][0]["id"], "{listed}");
}

#[tokio::test]
async fn schedules_beat_and_sweep() {
    let (scene, function) = deployed(&[]).await;
    function.fire("backstop-heartbeat").unwrap();
    let mark = scene.mark().unwrap();
    function.fire("backstop-ssh-access-sweep").unwrap();
    until("the sweep's look for what is unfinished", MOST, async || {
        let looks = |call: &Call| {
            call.name() == "dynamodb:Query" && call.params["IndexName"] == json!("unfinished")
        };
        Ok(scene.calls(mark)?.iter().any(looks).then_some(()))
    })
    .await
    .unwrap();
    let lines = until("a heartbeat in the log", MOST, async || {
        // The emulator hands over what came late after the next invocation.
        function.invoke(Lane::Unattended, &nothing(&scene))?.ok();
        let log = function.log(Lane::Unattended)?;
        let beats: Vec<String> = log.into_iter().filter(|l| l.contains("Heartbeats")).collect();
        Ok((!beats.is_empty()).then_some(beats))
    })
    .await
    .unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
}

/// An event that is none of ours.
pub(crate) fn nothing(scene: &Scene) -> Value {
    json!({ "detail-type": "Scheduled Event", "source": "aws.events",
        "account": scene.id(), "region": "eu-west-1", "id": "1", "detail": {} })
}

/// Starts the binary without Lambda: what is wrong with a deployment is said before any event.
fn starts(environment: &[(&str, &str)]) -> (bool, String) {
    let done = std::process::Command::new(binary("ssh-access"))
        .env_clear()
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn a_wrong_deployment_fails_at_init_and_says_why() {
    let folder = std::env::temp_dir().join(format!("backstop-init-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let policy = folder.join("backstop.toml");
    let policy_path = policy.to_str().unwrap();
    std::fs::write(&policy, POLICY.replace("{account}", "111111111111")).unwrap();
    let base = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "111111111111"),
        ("AWS_SECRET_ACCESS_KEY", "dummy"),
        ("BACKSTOP_CONFIG", policy_path),
        ("BACKSTOP_TABLE", "backstop-journal"),
        ("BACKSTOP_LANE", "unattended"),
        ("BACKSTOP_TOPIC_PAGE", "arn:p"),
        ("BACKSTOP_TOPIC_TICKET", "arn:t"),
        ("BACKSTOP_TOPIC_INFO", "arn:i"),
    ];
    let with = |change: (&'static str, &'static str)| {
        let mut all = base.to_vec();
        all.retain(|(name, _)| *name != change.0);
        if !change.1.is_empty() {
            all.push(change);
        }
        starts(&all)
    };
    for (change, said) in [
        (("BACKSTOP_TABLE", ""), "the environment variable `BACKSTOP_TABLE` is not set"),
        (("BACKSTOP_LANE", "both"), "`BACKSTOP_LANE` is `both`"),
        (("BACKSTOP_MODE", "loud"), "`BACKSTOP_MODE` is `loud`"),
        (("BACKSTOP_CONFIG", "/nowhere.toml"), "cannot read the policy `/nowhere.toml`"),
        (("BACKSTOP_NOW", "2026-11-23T12:00:00Z"), "`BACKSTOP_NOW` is set, but AWS is not local"),
    ] {
        let (fine, out) = with(change);
        println!("{:<20} {}", change.0, out.trim());
        assert!(!fine && out.contains(said), "{change:?}: {out}");
        assert!(out.contains("\"hint\""), "{change:?}: {out}");
    }
    std::fs::write(&policy, "mode = \"enforce\"\nnonsense = 1\n").unwrap();
    let (fine, out) = starts(&base);
    println!("{:<20} {}", "an unknown key", out.trim());
    assert!(!fine && out.contains("nonsense"), "{out}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn cargo_lambda_answers_as_the_deployed_function_does() {
    let (scene, function) = deployed(&[]).await;
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "10.0.0.0/8")).await.unwrap();
    let one = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    let deployed_answer = function.invoke(Lane::Unattended, &one).unwrap().unwrap();

    let other_group = scene.group("other").await.unwrap();
    let rule = scene.allow(&other_group, Allow::tcp(22, "10.0.0.0/8")).await.unwrap();
    let other = scene.recorded().authorized(&other_group, &[rule]);
    let local_answer =
        backstop_testkit::cargo_lambda::invoke(&scene, "ssh-access", POLICY, &other).await.unwrap();

    // The same but for the ids of what they are about.
    let shape = |answer: &Value| {
        let incident = &answer["incidents"][0];
        json!([
            incident["control"],
            incident["signal"],
            incident["urgency"],
            incident["outcome"],
            incident["reason"],
            incident["steps"][0]["action"],
            incident["steps"][0]["class"],
            incident["steps"][0]["status"],
            incident["steps"][0]["before"],
        ])
    };
    assert_eq!(shape(&local_answer), shape(&deployed_answer), "{local_answer}");
    assert_eq!(local_answer["incidents"][0]["outcome"], "held");
}
