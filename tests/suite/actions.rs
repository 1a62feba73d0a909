//! The laws of every action: plan changes nothing, apply satisfies, again changes nothing, undo
//! restores, and undoing again changes nothing.

use backstop_actions::ec2::{Authorize, Revoke, Rule, Source};
use backstop_aws::Account;
use backstop_core::action::Action;
use backstop_testkit::Scene;
use backstop_testkit::scene::Allow;

async fn laws<A: Action<Account>>(scene: &Scene, action: A) {
    let account = &scene.account;
    let mark = scene.mark().unwrap();
    let before = action.observe(account).await.unwrap();
    assert!(!action.satisfied(&before), "{action:?}: the law needs something to do");
    action.describe(&before);
    assert!(scene.changes(mark).unwrap().is_empty(), "{action:?}: observing changed something");

    action.apply(account).await.unwrap();
    let after = action.observe(account).await.unwrap();
    assert!(action.satisfied(&after), "{action:?}: apply does not satisfy");
    action.apply(account).await.unwrap();
    assert_eq!(action.observe(account).await.unwrap(), after, "{action:?}: again is not idle");

    let restored = action.undo(account, &before).await.unwrap();
    assert_eq!(restored.observe(account).await.unwrap(), before, "{action:?}: undo");
    let again = action.undo(account, &before).await.unwrap();
    assert_eq!(again.observe(account).await.unwrap(), before, "{action:?}: undo again");

    let journaled = serde_json::to_value(&action).unwrap();
    let read: A = serde_json::from_value(journaled.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), journaled, "{action:?}: read back");
}

#[tokio::test]
async fn revoke_obeys_the_laws_for_every_kind_of_source() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    for allow in [
        Allow { description: Some("it's \"ours\" $(id)"), ..Allow::tcp(22, "0.0.0.0/0") },
        Allow::tcp(22, "2001:db8::/32"),
        Allow { protocol: "-1", ports: None, source: "10.0.0.0/8", description: None },
        Allow { protocol: "icmp", ports: Some((8, -1)), source: "10.1.0.0/16", description: None },
    ] {
        let rule = scene.allow(&group, allow).await.unwrap();
        let revoke = Revoke {
            account: scene.id().to_owned(),
            region: "eu-west-1".to_owned(),
            group_id: group.clone(),
            rule_id: rule.security_group_rule_id().unwrap().to_owned(),
        };
        laws(&scene, revoke).await;
    }
}

#[tokio::test]
async fn revoke_refuses_a_rule_of_another_group() {
    let scene = Scene::new().await.unwrap();
    let (one, other) = (scene.group("one").await.unwrap(), scene.group("other").await.unwrap());
    let rule = scene.allow(&other, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let revoke = Revoke {
        account: scene.id().to_owned(),
        region: "eu-west-1".to_owned(),
        group_id: one,
        rule_id: rule.security_group_rule_id().unwrap().to_owned(),
    };
    revoke.observe(&scene.account).await.unwrap_err();
    assert_eq!(scene.rules(&other).await.unwrap().len(), 1);
}

#[tokio::test]
async fn authorize_obeys_the_laws() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    scene.allow(&group, Allow::tcp(443, "0.0.0.0/0")).await.unwrap();
    let authorize = Authorize {
        account: scene.id().to_owned(),
        region: "eu-west-1".to_owned(),
        group_id: group.clone(),
        rule: Rule {
            protocol: "tcp".to_owned(),
            from_port: Some(8443),
            to_port: Some(8443),
            source: Source::CidrIpv4("10.0.0.0/8".to_owned()),
            description: Some("the health check".to_owned()),
            tags: [("team".to_owned(), "edge".to_owned())].into(),
        },
    };
    laws(&scene, authorize).await;
    assert_eq!(scene.rules(&group).await.unwrap(), ["tcp 443 from 0.0.0.0/0"]);
}
