//! What is looked at before a response, and in which order.

use backstop_core::words::Outcome;
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use jiff::Timestamp;
use serde_json::json;

use super::{calls_of_a_containment, opened};
use crate::ssh_access::{machine, one};

#[tokio::test]
async fn the_containing_call_comes_after_three_round_trips() {
    let scene = Scene::new().await.unwrap();
    let calls = calls_of_a_containment(&scene).await;
    let at = calls.iter().position(|c| c == "RevokeSecurityGroupIngress").unwrap();
    let mut first: Vec<&str> = calls[..at - 1].iter().map(String::as_str).collect();
    first.sort_unstable();
    assert_eq!(
        first,
        [
            "DescribeNetworkInterfaces",
            "DescribeSecurityGroupRules",
            "DescribeSecurityGroups",
            "GetItem",
            "GetItem",
            "PutItem",
            "Query", // how large the fleet is
        ],
        "claim and reads run together"
    );
    assert_eq!(calls[at - 1], "TransactWriteItems", "the write-ahead");
}

/// A clock that lets something happen while somebody waits.
struct Meanwhile {
    clock: std::sync::Arc<backstop_testkit::StillClock>,
    happens: tokio::sync::Mutex<Option<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

#[async_trait::async_trait]
impl backstop_core::clock::Clock for Meanwhile {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn wait(&self, time: std::time::Duration) {
        if let Some(happens) = self.happens.lock().await.take() {
            happens.await;
        }
        self.clock.wait(time).await;
    }
}

#[tokio::test]
async fn what_ec2_does_not_show_yet_is_looked_for_again() {
    let scene = std::sync::Arc::new(Scene::new().await.unwrap());
    let group = scene.group("web").await.unwrap();
    scene.launch(1, &group, Some("laptop")).await.unwrap();
    let mut event = scene.recorded().launched(&[], true);
    event["detail"]["responseElements"] = json!(null);
    let token = event["detail"]["requestParameters"]["clientToken"].as_str().unwrap().to_owned();
    let mut unattended = machine(&scene, &How::default()).unwrap();
    let appears = {
        let (scene, group) = (std::sync::Arc::clone(&scene), group.clone());
        async move { scene.launch_with_token(&group, "laptop", &token).await.unwrap() }
    };
    unattended.engine.clock = std::sync::Arc::new(Meanwhile {
        clock: std::sync::Arc::clone(&unattended.clock),
        happens: tokio::sync::Mutex::new(Some(Box::pin(appears))),
    });
    let incident = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Observed), "{}", incident.reason);
    assert_eq!(incident.signal, "S2.1");
}

#[tokio::test]
async fn a_request_is_refused_by_a_responder_that_takes_none() {
    let scene = Scene::new().await.unwrap();
    let (_, event) = opened(&scene, "web").await;
    let group = event["detail"]["requestParameters"]["groupId"].as_str().unwrap();
    let request = json!({ "backstop": { "request": { "incident": "golden-ami-20261123-aaaaaaaaaaaa",
    "candidate": {
        "signal": "X2.1", "account": scene.id(), "region": "eu-west-1",
        "resource": format!("arn:aws:ec2:eu-west-1:{}:security-group/{group}", scene.id()),
        "ids": { "group_id": [group] }, "origin": { "kind": "sweep", "slot": "x" },
    }}}});
    let error = machine(&scene, &How::default()).unwrap().invoke(&request).await.unwrap_err();
    assert!(error.to_string().contains("takes no requests"), "{error}");
}
