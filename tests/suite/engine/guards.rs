//! What stops an unattended response: modes, guards, counters.

use backstop_core::words::{Mode, Outcome, Urgency};
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use backstop_testkit::{Machine, Scene};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{OPEN, opened};
use crate::ssh_access::{deliver, machine, one};

#[tokio::test]
async fn observe_and_plan_modes_make_no_mutating_call() {
    let scene = Scene::new().await.unwrap();
    for (mode, outcome) in [(Mode::Observe, Outcome::Observed), (Mode::Plan, Outcome::Planned)] {
        let (group, event) = opened(&scene, mode.name()).await;
        let mark = scene.mark().unwrap();
        let how = How::default().mode(mode);
        let incident = deliver(&scene, &how, &event).await.unwrap();
        assert_eq!(incident.outcome, Some(outcome), "{mode}: {}", incident.reason);
        assert_eq!(incident.plan_hash.is_some(), mode == Mode::Plan, "{mode}");
        assert!(scene.changes(mark).unwrap().is_empty(), "{mode}");
        assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
        assert_eq!(scene.notices(mark).unwrap()[0].0, "page", "{mode}: people are told");
        let shown = machine(&scene, &how).unwrap().engine.journal.show(&incident.id).await.unwrap();
        assert_eq!(shown.steps.is_empty(), mode == Mode::Observe, "{mode}: what is kept");
    }
}

#[tokio::test]
async fn each_guard_holds_and_says_why() {
    let scene = Scene::new().await.unwrap();
    let group_arn =
        |group: &str| format!("arn:aws:ec2:eu-west-1:{}:security-group/{group}", scene.id());
    // An event that is six hours late.
    let group = scene.group("late").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let late = Timestamp::now().saturating_sub(SignedDuration::from_hours(6)).unwrap();
    let event = scene.recorded_at(late).authorized(&group, &[rule]);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.reason, "the event was 360 min old when it came, the limit is 15 min");

    // Backstop's own role.
    let (_, mut event) = opened(&scene, "own").await;
    event["detail"]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] =
        json!(format!("arn:aws:iam::{}:role/backstop-ssh-access-attended", scene.id()));
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held));
    assert!(incident.reason.contains("Backstop's own role"), "{}", incident.reason);

    // An exemption suppresses the action, never the alert.
    let (group, event) = opened(&scene, "exempt").await;
    let how = How::default().and(&format!(
        "[[exemption]]\nid = \"bastion\"\nresponder = \"ssh-access\"\nresource = \"{}\"\n\
         owner = \"net\"\nreason = \"until it is retired\"\nticket = \"NET-1\"\n\
         expires = \"2099-01-31\"\n",
        group_arn(&group)
    ));
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &how, &event).await.unwrap();
    assert!(incident.reason.starts_with("exempt by `bastion`"), "{}", incident.reason);
    assert_eq!(scene.notices(mark).unwrap()[0].0, "page");
    assert!(scene.changes(mark).unwrap().is_empty());

    // Outside production.
    let (_, event) = opened(&scene, "elsewhere").await;
    let mut how = How::default();
    how.policy = how.policy.replace("everything = true", "vpcs = [\"vpc-0123456789abcdef0\"]");
    let incident = deliver(&scene, &how, &event).await.unwrap();
    assert_eq!(incident.reason, "the resource is not in the production scope of the policy");
    assert_eq!(incident.urgency, Urgency::Ticket);
}

#[tokio::test]
async fn the_third_remediation_within_an_hour_is_a_fight() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("fought").await.unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    for round in 1..=3 {
        let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
        let event = scene.recorded().authorized(&group, &[rule]);
        let mark = scene.mark().unwrap();
        let incident = one(unattended.invoke(&event).await.unwrap()).unwrap();
        if round < 3 {
            assert_eq!(incident.outcome, Some(Outcome::Contained), "round {round}");
        } else {
            assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
            assert!(incident.reason.starts_with("remediation fight"), "{}", incident.reason);
            assert_eq!(incident.urgency, Urgency::Page);
            assert!(scene.changes(mark).unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn the_circuit_breaker_degrades_to_plan_and_pages() {
    let scene = Scene::new().await.unwrap();
    let how = How::default().and("[guards]\nactions_per_10_min = 2\n");
    let unattended = machine(&scene, &how).unwrap();
    for n in 0..3 {
        let (group, event) = opened(&scene, &format!("g{n}")).await;
        let incident = one(unattended.invoke(&event).await.unwrap()).unwrap();
        if n < 2 {
            assert_eq!(incident.outcome, Some(Outcome::Contained));
        } else {
            assert!(incident.reason.starts_with("circuit breaker: 2 actions"), "{incident:?}");
            assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
            assert!(incident.plan_hash.is_some(), "the plan can be approved");
        }
    }
}

#[tokio::test]
async fn many_openings_at_once_all_pass_the_one_breaker() {
    let scene = Scene::new().await.unwrap();
    let mut events = Vec::new();
    for n in 0..6 {
        events.push(opened(&scene, &format!("g{n}")).await);
    }
    let machines: Vec<Machine> =
        events.iter().map(|_| machine(&scene, &How::default()).unwrap()).collect();
    let runs = machines.iter().zip(&events).map(|(machine, (_, event))| machine.invoke(event));
    let replies = futures::future::join_all(runs).await;
    for (reply, (group, _)) in replies.into_iter().zip(&events) {
        let incident = one(reply.unwrap()).unwrap();
        assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
        assert!(scene.rules(group).await.unwrap().is_empty());
    }
    let (breaker, _) = machines[0].engine.journal.breaker("ssh-access").await.unwrap();
    let counted = serde_json::to_value(&breaker).unwrap()["actions"].as_array().unwrap().len();
    assert_eq!(counted, 6, "each action is counted once, none is lost");
}

#[tokio::test]
async fn a_late_event_is_held_although_its_first_attempt_failed() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("late").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let late = Timestamp::now().saturating_sub(SignedDuration::from_hours(6)).unwrap();
    let event = scene.recorded_at(late).authorized(&group, &[rule]);
    let unattended = machine(&scene, &How::default()).unwrap();
    scene
        .local
        .fail(scene.id(), "ec2", "DescribeSecurityGroupRules", 1, 503, "RequestLimitExceeded")
        .unwrap();
    assert!(unattended.invoke(&event).await.unwrap_err().is_transient());
    let incident = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
}
