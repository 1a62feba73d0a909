//! R2.1a: a range that holds 22. The choice, the order of its steps, the quota, undo by step.

use backstop_core::error::Class as ErrorClass;
use backstop_core::report::Reported;
use backstop_core::words::{Outcome, StepStatus};
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use backstop_testkit::{Fault, Faults, Machine, Scene};
use serde_json::{Value, json};

use super::{deliver, machine, one};

const WIDE: &str = "tcp 20-25 from 0.0.0.0/0";
const NARROWED: [&str; 2] = ["tcp 20-21 from 0.0.0.0/0", "tcp 23-25 from 0.0.0.0/0"];

/// A group with a range that an event opened, and the incident that holds its plan.
async fn held(scene: &Scene, name: &str) -> (String, String, Reported) {
    let group = scene.group(name).await.unwrap();
    let rule = scene.allow(&group, Allow::range(20, 25, "0.0.0.0/0")).await.unwrap();
    let id = rule.security_group_rule_id().unwrap().to_owned();
    scene.tag(&id, &[("team", "edge")]).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    let incident = deliver(scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Held), "{}", incident.reason);
    (group, id, incident)
}

fn approve(incident: &Reported, with: &Value) -> Value {
    let mut order = json!({
        "incident": incident.id, "plan_hash": incident.plan_hash, "approved_by": "alice",
    });
    order.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    json!({ "backstop": { "approve": order } })
}

fn undo(incident: &Reported, with: &Value) -> Value {
    let mut order =
        json!({ "incident": incident.id, "requested_by": "alice", "reason": "it was ours" });
    order.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
    json!({ "backstop": { "undo": order } })
}

fn attended(scene: &Scene) -> Machine {
    machine(scene, &How::default().attended()).unwrap()
}

fn statuses(incident: &Reported) -> Vec<StepStatus> {
    incident.steps.iter().map(|s| s.status).collect()
}

#[tokio::test]
async fn r2_1a_the_choice_is_shown_and_its_default_removes_least() {
    let scene = Scene::new().await.unwrap();
    let mark = scene.mark().unwrap();
    let (_, _, incident) = held(&scene, "web").await;
    let choice = incident.choice.unwrap();
    assert_eq!(choice.default, "narrow");
    let options: Vec<&str> = choice.options.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(options, ["narrow", "revoke"]);
    let of: Vec<Option<&str>> = incident.steps.iter().map(|s| s.option.as_deref()).collect();
    assert_eq!(of, [Some("narrow"), Some("narrow"), Some("revoke")]);
    let text = &scene.notices(mark).unwrap()[0].1;
    assert!(text.contains("option     narrow (unless another is named): closes port 22"), "{text}");
    assert!(text.contains(r#""option":"narrow""#), "the line to paste names it: {text}");
    assert!(text.contains("its other ports close too"), "{text}");
}

#[tokio::test]
async fn r2_1a_narrowing_keeps_the_rules_id_tags_and_description() {
    let scene = Scene::new().await.unwrap();
    let (group, id, incident) = held(&scene, "web").await;
    let mark = scene.mark().unwrap();
    let done =
        one(attended(&scene).invoke(&approve(&incident, &json!({}))).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert_eq!(done.plan_hash, None, "the option that was not chosen waits for nobody");
    assert_eq!(scene.rules(&group).await.unwrap(), NARROWED);
    assert_eq!(
        scene.changes(mark).unwrap(),
        ["ec2:AuthorizeSecurityGroupIngress", "ec2:ModifySecurityGroupRules"],
        "what may stay is added before the range is shrunk: nobody is cut off in between"
    );
    let rules = backstop_actions::ec2::rules_of(&scene.account, &group).await.unwrap();
    for live in rules.iter().filter(|live| !live.is_egress) {
        assert_eq!(live.rule.tags["team"], "edge", "{}", live.rule.words());
    }
    let kept = rules.iter().find(|live| live.id == id).unwrap();
    assert_eq!(kept.rule.words(), NARROWED[0]);
}

#[tokio::test]
async fn r2_1a_the_other_option_revokes_whole() {
    let scene = Scene::new().await.unwrap();
    let (group, _, incident) = held(&scene, "web").await;
    let order = approve(&incident, &json!({ "option": "revoke" }));
    let done = one(attended(&scene).invoke(&order).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert!(scene.rules(&group).await.unwrap().is_empty());
    let wrong = approve(&incident, &json!({ "option": "shrink" }));
    let refused = attended(&scene).invoke(&wrong).await.unwrap_err();
    assert_eq!(refused.class(), ErrorClass::Invalid, "{refused}");
}

#[tokio::test]
async fn r2_1a_a_range_is_not_shrunk_before_what_stays_is_there() {
    let scene = Scene::new().await.unwrap();
    let (group, _, incident) = held(&scene, "web").await;
    let attended = attended(&scene);
    let mark = scene.mark().unwrap();
    let refused = attended.invoke(&approve(&incident, &json!({ "steps": [2] }))).await.unwrap_err();
    assert_eq!(refused.to_string(), "step 2 needs step 1, which is not done");
    assert!(scene.changes(mark).unwrap().is_empty());

    // One step at a time is fine, in order.
    let first = attended.invoke(&approve(&incident, &json!({ "steps": [1] }))).await.unwrap();
    let first = one(first).unwrap();
    assert_eq!(first.outcome, Some(Outcome::Partial), "{}", first.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), [WIDE, NARROWED[1]]);
    let second = attended.invoke(&approve(&first, &json!({ "steps": [2] }))).await.unwrap();
    assert_eq!(one(second).unwrap().outcome, Some(Outcome::Contained));
    assert_eq!(scene.rules(&group).await.unwrap(), NARROWED);
}

#[tokio::test]
async fn r2_1a_a_full_group_refuses_the_addition_and_keeps_the_range() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("full").await.unwrap();
    let rule = scene.allow(&group, Allow::range(20, 25, "0.0.0.0/0")).await.unwrap();
    for n in 0..59 {
        let source = format!("10.9.{n}.0/24");
        scene.allow(&group, Allow::tcp(443, &source)).await.unwrap();
    }
    let event = scene.recorded().authorized(&group, &[rule]);
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    let text = &scene.notices(mark).unwrap()[0].1;
    assert!(text.contains("narrowing adds 1 to at least 60 IPv4 rules"), "{text}");

    let before = scene.rules(&group).await.unwrap();
    let attended = attended(&scene);
    let refused = one(attended.invoke(&approve(&incident, &json!({}))).await.unwrap()).unwrap();
    assert_eq!(refused.outcome, Some(Outcome::Failed), "{}", refused.reason);
    assert!(refused.reason.contains("RulesPerSecurityGroupLimitExceeded"), "{}", refused.reason);
    assert_eq!(statuses(&refused), [StepStatus::Failed, StepStatus::Held, StepStatus::Held]);
    assert_eq!(scene.rules(&group).await.unwrap(), before, "nothing is changed");
    assert!(refused.plan_hash.is_some(), "the other option can still be approved");

    let order = approve(&refused, &json!({ "option": "revoke" }));
    let revoked = one(attended.invoke(&order).await.unwrap()).unwrap();
    assert_eq!(revoked.outcome, Some(Outcome::Contained), "{}", revoked.reason);
    assert_eq!(scene.rules(&group).await.unwrap().len(), 59);
}

#[tokio::test]
async fn r2_1a_a_shrink_that_is_refused_leaves_the_range_open_and_says_so() {
    let scene = Scene::new().await.unwrap();
    let (group, _, incident) = held(&scene, "web").await;
    let attended = attended(&scene);
    let fail = |code| {
        scene.local.fail(scene.id(), "ec2", "ModifySecurityGroupRules", 1, 403, code).unwrap();
    };
    fail("UnauthorizedOperation");
    let failed = one(attended.invoke(&approve(&incident, &json!({}))).await.unwrap()).unwrap();
    assert_eq!(failed.outcome, Some(Outcome::Failed));
    assert_eq!(statuses(&failed)[..2], [StepStatus::Verified, StepStatus::Failed]);
    assert_eq!(scene.rules(&group).await.unwrap(), [WIDE, NARROWED[1]], "nobody is cut off");
    // All of it is taken back: the rule that was added, and nothing else.
    let undone = one(attended.invoke(&undo(&failed, &json!({}))).await.unwrap()).unwrap();
    assert_eq!(scene.rules(&group).await.unwrap(), [WIDE], "{}", undone.reason);
}

#[tokio::test]
async fn r2_1a_what_a_step_stands_on_is_not_taken_back_before_it() {
    let scene = Scene::new().await.unwrap();
    let (group, id, incident) = held(&scene, "web").await;
    let attended = attended(&scene);
    let done = one(attended.invoke(&approve(&incident, &json!({}))).await.unwrap()).unwrap();
    let mark = scene.mark().unwrap();
    let refused = attended.invoke(&undo(&done, &json!({ "step": 1 }))).await.unwrap_err();
    assert_eq!(refused.to_string(), "step 1 cannot be taken back while step 2 is in force");
    assert!(scene.changes(mark).unwrap().is_empty());

    let part = one(attended.invoke(&undo(&done, &json!({ "step": 2 }))).await.unwrap()).unwrap();
    assert_eq!(part.outcome, Some(Outcome::Partial), "{}", part.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), [WIDE, NARROWED[1]]);
    let all = one(attended.invoke(&undo(&done, &json!({ "step": 1 }))).await.unwrap()).unwrap();
    assert_eq!(all.outcome, Some(Outcome::Undone), "{}", all.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), [WIDE]);
    let rules = backstop_actions::ec2::rules_of(&scene.account, &group).await.unwrap();
    let back = rules.iter().find(|live| !live.is_egress).unwrap();
    assert_eq!((back.id.as_str(), back.rule.tags["team"].as_str()), (id.as_str(), "edge"));
}

#[tokio::test]
async fn r2_1a_a_range_that_changed_meanwhile_is_not_overwritten() {
    let scene = Scene::new().await.unwrap();
    let (group, id, incident) = held(&scene, "web").await;
    // Somebody narrows its source before the approval: it must not be widened again.
    scene.modify(&group, &id, (20, 25), "10.0.0.0/8").await.unwrap();
    let mark = scene.mark().unwrap();
    let refused = attended(&scene).invoke(&approve(&incident, &json!({}))).await.unwrap_err();
    assert!(refused.to_string().contains("live state has changed"), "{refused}");
    assert!(scene.changes(mark).unwrap().is_empty());
    assert_eq!(scene.rules(&group).await.unwrap(), ["tcp 20-25 from 10.0.0.0/8"]);
}

#[tokio::test]
async fn r2_1a_two_ranges_of_one_source_are_narrowed_together() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let mut rules = Vec::new();
    for (from, to) in [(0, 65535), (22, 65535), (20, 25)] {
        rules.push(scene.allow(&group, Allow::range(from, to, "0.0.0.0/0")).await.unwrap());
    }
    let event = scene.recorded().authorized(&group, &rules);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    let attended = attended(&scene);
    let done = one(attended.invoke(&approve(&incident, &json!({}))).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert_eq!(
        scene.rules(&group).await.unwrap(),
        [
            "tcp 0-21 from 0.0.0.0/0",
            "tcp 20-21 from 0.0.0.0/0",
            "tcp 23-25 from 0.0.0.0/0",
            "tcp 23-65535 from 0.0.0.0/0",
        ]
    );
    let undone = one(attended.invoke(&undo(&done, &json!({}))).await.unwrap()).unwrap();
    assert_eq!(undone.outcome, Some(Outcome::Undone), "{}", undone.reason);
    assert_eq!(
        scene.rules(&group).await.unwrap(),
        ["tcp 0-65535 from 0.0.0.0/0", "tcp 20-25 from 0.0.0.0/0", "tcp 22-65535 from 0.0.0.0/0"]
    );
}

#[tokio::test]
async fn r2_1a_an_approval_that_was_throttled_can_be_sent_again() {
    let scene = Scene::new().await.unwrap();
    let (group, _, incident) = held(&scene, "web").await;
    let attended = attended(&scene);
    scene
        .local
        .fail(scene.id(), "ec2", "AuthorizeSecurityGroupIngress", 1, 503, "RequestLimitExceeded")
        .unwrap();
    let order = approve(&incident, &json!({}));
    assert!(attended.invoke(&order).await.unwrap_err().is_transient());
    attended.clock.forward(jiff::SignedDuration::from_mins(1));
    let done = one(attended.invoke(&order).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), NARROWED);
}

#[tokio::test]
async fn r2_1a_an_undo_whose_answer_was_lost_ends_when_it_is_sent_again() {
    let scene = Scene::new().await.unwrap();
    let faults = Faults::around(scene.connection.http());
    let connection = scene.connection.clone().with_http(faults.client());
    let how = How::default().attended();
    let machine =
        Machine::over(Box::new(ssh_access::SshAccess), &scene, &connection, &how).unwrap();
    let narrowed = async |name: &str| {
        let (group, _, incident) = held(&scene, name).await;
        machine.clock.forward(jiff::SignedDuration::from_mins(1));
        one(machine.invoke(&approve(&incident, &json!({}))).await.unwrap()).unwrap();
        (group, incident)
    };
    let (_, incident) = narrowed("base").await;
    faults.clear();
    machine.invoke(&undo(&incident, &json!({}))).await.unwrap();
    let at = faults.made().iter().position(|call| call == "ModifySecurityGroupRules").unwrap();

    let (group, incident) = narrowed("lost").await;
    faults.fail(at, Fault::After);
    machine.invoke(&undo(&incident, &json!({}))).await.unwrap_err();
    assert_eq!(scene.rules(&group).await.unwrap(), [WIDE, NARROWED[1]], "it was made");
    faults.clear();
    machine.clock.forward(jiff::SignedDuration::from_mins(1));
    let done = one(machine.invoke(&undo(&incident, &json!({}))).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Undone), "{}", done.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), [WIDE]);
}

/// An attended engine over a connection with faults.
fn faulty(scene: &Scene) -> (Machine, Faults) {
    let faults = Faults::around(scene.connection.http());
    let connection = scene.connection.clone().with_http(faults.client());
    let how = How::default().attended();
    let machine = Machine::over(Box::new(ssh_access::SshAccess), scene, &connection, &how).unwrap();
    machine.clock.forward(jiff::SignedDuration::from_mins(1));
    (machine, faults)
}

/// Sends the order with the n-th call going wrong, then again and again, as a person and the sweep
/// would, until nothing is left to do. Says how many calls the first attempt made.
async fn insist(scene: &Scene, order: &Value, n: usize, fault: Fault) -> usize {
    let (machine, faults) = faulty(scene);
    faults.fail(n, fault);
    drop(faults.until_death(Box::pin(machine.invoke(order))).await);
    let made = faults.made().len();
    let unattended = machine_of(scene);
    for minutes in [2, 4, 6] {
        let (again, _) = faulty(scene);
        again.clock.forward(jiff::SignedDuration::from_mins(minutes));
        drop(again.invoke(order).await);
        unattended.clock.forward(jiff::SignedDuration::from_mins(3));
        unattended.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap();
    }
    made
}

fn machine_of(scene: &Scene) -> Machine {
    let machine = machine(scene, &How::default()).unwrap();
    machine.clock.forward(jiff::SignedDuration::from_mins(1));
    machine
}

// To die after a call is to die before the next.
const FAULTS: [Fault; 3] = [Fault::Before, Fault::After, Fault::DiesBefore];

/// That an approval may stop at every call is a law; that its undo may, in each way, is here.
#[tokio::test]
async fn r2_1a_an_undo_of_a_narrowing_may_stop_at_every_call_and_ends_undone() {
    let scene = Scene::new().await.unwrap();
    let mut cases = 0;
    for fault in FAULTS {
        let mut n = 0;
        loop {
            let case = format!("{fault:?} at call {n}");
            let (group, _, incident) = held(&scene, &format!("{n}-{fault:?}")).await;
            one(faulty(&scene).0.invoke(&approve(&incident, &json!({}))).await.unwrap()).unwrap();
            let made = insist(&scene, &undo(&incident, &json!({})), n, fault).await;
            let after = machine_of(&scene).engine.journal.show(&incident.id).await.unwrap();
            let steps: Vec<_> = after.steps.iter().map(|s| (s.status, s.detail.clone())).collect();
            let reason = format!("{} {steps:?}", after.header.reason);
            assert_eq!(scene.rules(&group).await.unwrap(), [WIDE], "{case}: {reason}");
            assert_eq!(after.header.outcome, Some(Outcome::Undone), "{case}: {reason}");
            // The sweeps of the next cases would survey it too.
            scene.account.ec2().delete_security_group().group_id(&group).send().await.unwrap();
            if made <= n {
                break;
            }
            (n, cases) = (n + 1, cases + 1);
        }
    }
    println!("{cases} (call × fault) cases");
    assert!(cases >= 40, "the faults were not injected");
}

#[tokio::test]
async fn r2_1a_after_an_undo_nobody_says_that_the_port_is_closed() {
    let scene = Scene::new().await.unwrap();
    let (_, _, incident) = held(&scene, "web").await;
    let attended = attended(&scene);
    let done = one(attended.invoke(&approve(&incident, &json!({}))).await.unwrap()).unwrap();
    assert!(done.aftermath.join(" ").contains("no other rule"), "{:?}", done.aftermath);
    let undone = one(attended.invoke(&undo(&done, &json!({}))).await.unwrap()).unwrap();
    assert!(undone.aftermath.is_empty(), "{:?}", undone.aftermath);
}

#[tokio::test]
async fn r2_1a_an_approval_runs_only_the_option_that_it_names() {
    let scene = Scene::new().await.unwrap();
    let (group, _, incident) = held(&scene, "web").await;
    let attended = attended(&scene);
    // The default is throttled before it has any effect; then somebody thinks better of it.
    scene
        .local
        .fail(scene.id(), "ec2", "AuthorizeSecurityGroupIngress", 1, 503, "RequestLimitExceeded")
        .unwrap();
    assert!(attended.invoke(&approve(&incident, &json!({}))).await.unwrap_err().is_transient());
    attended.clock.forward(jiff::SignedDuration::from_mins(1));
    let order = approve(&incident, &json!({ "option": "revoke" }));
    let done = one(attended.invoke(&order).await.unwrap()).unwrap();
    assert_eq!(done.outcome, Some(Outcome::Contained), "{}", done.reason);
    assert_eq!(statuses(&done), [StepStatus::Held, StepStatus::Held, StepStatus::Verified]);
    assert!(scene.rules(&group).await.unwrap().is_empty(), "nothing of the other option was run");
}

#[tokio::test]
async fn r2_1a_an_undone_plan_is_not_approved_by_its_old_hash() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let wide = scene.allow(&group, Allow::range(20, 25, "0.0.0.0/0")).await.unwrap();
    let all = scene.allow(&group, Allow::all("0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[wide, all]);
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    let attended = attended(&scene);
    let narrow: Vec<u32> = incident
        .steps
        .iter()
        .filter(|s| s.option.as_deref() == Some("narrow"))
        .map(|s| s.n)
        .collect();
    let order = approve(&incident, &json!({ "steps": narrow }));
    let part = one(attended.invoke(&order).await.unwrap()).unwrap();
    assert_eq!(part.outcome, Some(Outcome::Partial), "{}", part.reason);
    let undone = one(attended.invoke(&undo(&part, &json!({}))).await.unwrap()).unwrap();
    assert_eq!(undone.plan_hash, None);
    let mark = scene.mark().unwrap();
    for with in [json!({}), json!({ "option": "revoke" })] {
        let refused = attended.invoke(&approve(&part, &with)).await.unwrap_err();
        assert!(refused.to_string().contains("holds no plan"), "{refused}");
    }
    assert!(scene.changes(mark).unwrap().is_empty());
}

/// The answer of the shrink is lost, and somebody edits the rule before that can be seen.
#[tokio::test]
async fn r2_1a_what_may_have_been_made_is_not_pulled_away_from_under() {
    let scene = Scene::new().await.unwrap();
    let (machine, faults) = faulty(&scene);
    let (_, _, base) = held(&scene, "base").await;
    faults.clear();
    machine.clock.forward(jiff::SignedDuration::from_mins(1));
    machine.invoke(&approve(&base, &json!({}))).await.unwrap();
    let at = faults.made().iter().position(|call| call == "ModifySecurityGroupRules").unwrap();

    let (group, id, incident) = held(&scene, "lost").await;
    machine.clock.forward(jiff::SignedDuration::from_mins(1));
    faults.fail(at, Fault::After);
    machine.invoke(&approve(&incident, &json!({}))).await.unwrap_err();
    faults.clear();
    assert_eq!(scene.rules(&group).await.unwrap(), NARROWED, "it was made");
    scene.modify(&group, &id, (19, 21), "0.0.0.0/0").await.unwrap();
    let sweep = machine_of(&scene);
    sweep.clock.forward(jiff::SignedDuration::from_mins(5));
    sweep.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap();

    machine.clock.forward(jiff::SignedDuration::from_mins(10));
    let refused = machine.invoke(&undo(&incident, &json!({}))).await.unwrap_err();
    assert!(refused.to_string().contains("step 2 was not taken back"), "{refused}");
    assert_eq!(
        scene.rules(&group).await.unwrap(),
        ["tcp 19-21 from 0.0.0.0/0", NARROWED[1]],
        "nobody above 22 is cut off"
    );
}
