//! Taking it back, and releasing what is held.

use backstop_core::error::Class as ErrorClass;
use backstop_core::words::{Outcome, Urgency};
use backstop_testkit::Scene;
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use serde_json::json;

use super::{deliver, machine, one};

fn undo(incident: &str) -> serde_json::Value {
    json!({ "backstop": { "undo": {
        "incident": incident, "requested_by": "alice", "reason": "it was ours", "force": false,
    }}})
}

#[tokio::test]
async fn r2_1a_undo_restores_the_rule_but_for_its_id() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let allow = Allow { description: Some("it's ours; $(id)"), ..Allow::tcp(22, "203.0.113.0/24") };
    let rule = scene.allow(&group, allow).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let contained = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(contained.outcome, Some(Outcome::Contained));

    let attended = machine(&scene, &How::default().attended()).unwrap();
    let undone = one(attended.invoke(&undo(&contained.id)).await.unwrap()).unwrap();
    assert_eq!(undone.outcome, Some(Outcome::Undone), "{}", undone.reason);
    let rules = backstop_actions::ec2::rules_of(&scene.account, &group).await.unwrap();
    let back = rules.iter().find(|r| !r.is_egress).unwrap();
    assert_eq!(serde_json::to_value(&back.rule).unwrap(), contained.steps[0].before);

    let again = attended.invoke(&undo(&contained.id)).await.unwrap_err();
    assert_eq!(again.class(), ErrorClass::Invalid, "{again}");

    // The undo comes back as an event of Backstop's own role: recorded, and explained.
    let attended_role = ("backstop-ssh-access-attended".to_owned(), "backstop".to_owned());
    let mut recorded = scene.recorded();
    recorded.role = attended_role.clone();
    let live = scene.rule(&group, &back.id).await.unwrap();
    let echo = recorded.authorized(&group, &[live]);
    let mark = scene.mark().unwrap();
    let echoed = deliver(&scene, &How::default(), &echo).await.unwrap();
    assert_eq!(echoed.outcome, Some(Outcome::Held), "{}", echoed.reason);
    let text = &scene.notices(mark).unwrap()[0].1;
    let said = format!("a person changed it lately through the incident {}", contained.id);
    assert!(text.contains(&said), "{text}");

    // The same role where no incident explains it: a stolen session until proven otherwise.
    let other = scene.group("other").await.unwrap();
    let rule = scene.allow(&other, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let mut recorded = scene.recorded();
    recorded.role = attended_role;
    let stolen = deliver(&scene, &How::default(), &recorded.authorized(&other, &[rule])).await;
    let stolen = stolen.unwrap();
    assert_eq!((stolen.outcome, stolen.urgency), (Some(Outcome::Held), Urgency::Page));
}

#[tokio::test]
async fn r2_1a_an_approval_is_bound_to_the_plan_and_to_live_state() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let wide =
        Allow { protocol: "tcp", ports: Some((0, 65535)), source: "0.0.0.0/0", description: None };
    let rule = scene.allow(&group, wide).await.unwrap();
    let id = rule.security_group_rule_id().unwrap().to_owned();
    let event = scene.recorded().authorized(&group, &[rule]);
    let held = deliver(&scene, &How::default(), &event).await.unwrap();
    let hash = held.plan_hash.clone().unwrap();
    let attended = machine(&scene, &How::default().attended()).unwrap();
    let approve = |hash: &str| {
        json!({ "backstop": { "approve": {
            "incident": held.id, "plan_hash": hash, "approved_by": "alice",
        }}})
    };

    let mark = scene.mark().unwrap();
    let other = attended.invoke(&approve(&"0".repeat(64))).await.unwrap_err();
    assert_eq!(other.class(), ErrorClass::Conflict, "{other}");

    scene.widen(&group, &id, 22, "0.0.0.0/0").await.unwrap();
    let mark_changed = scene.mark().unwrap();
    let changed = attended.invoke(&approve(&hash)).await.unwrap_err();
    assert!(changed.to_string().contains("live state has changed"), "{changed}");
    assert!(scene.changes(mark_changed).unwrap().is_empty());
    assert_eq!(scene.changes(mark).unwrap(), ["ec2:ModifySecurityGroupRules"]);

    // Put back as it was, the approved plan is true again.
    scene.modify(&group, &id, (0, 65535), "0.0.0.0/0").await.unwrap();
    let done = one(attended.invoke(&approve(&hash)).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert_eq!(
        scene.rules(&group).await.unwrap(),
        ["tcp 0-21 from 0.0.0.0/0", "tcp 23-65535 from 0.0.0.0/0"],
        "the default narrows"
    );

    let twice = attended.invoke(&approve(&hash)).await.unwrap_err();
    assert!(twice.to_string().contains("holds no plan"), "{twice}");
}

#[tokio::test]
async fn r2_1a_an_expired_plan_is_refused() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "10.0.0.0/8")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let held = deliver(&scene, &How::default(), &event).await.unwrap();
    let attended = machine(&scene, &How::default().attended()).unwrap();
    attended.clock.forward(jiff::SignedDuration::from_secs(4 * 3600 + 1));
    let error = attended
        .invoke(&json!({ "backstop": { "approve": {
            "incident": held.id, "plan_hash": held.plan_hash, "approved_by": "alice",
        }}}))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("has expired"), "{error}");
}
