//! The engine over the local AWS: guards, modes, lanes, redelivery, resumption, reports.

use backstop_aws::Connection;
use backstop_core::error::Class as ErrorClass;
use backstop_core::incident::Change;
use backstop_core::words::{Mode, Outcome, StepStatus, Urgency};
use backstop_testkit::machine::How;
use backstop_testkit::scene::Allow;
use backstop_testkit::{Fault, Faults, Machine, Scene};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use ssh_access::SshAccess;

use crate::ssh_access::{deliver, machine, one};

/// A group with a rule that the event opened.
async fn opened(scene: &Scene, name: &str) -> (String, Value) {
    let group = scene.group(name).await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
    let event = scene.recorded().authorized(&group, &[rule]);
    (group, event)
}

const OPEN: [&str; 1] = ["tcp 22 from 0.0.0.0/0"];

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
async fn redelivery_changes_nothing_however_late() {
    let scene = Scene::new().await.unwrap();
    let (_, event) = opened(&scene, "web").await;
    let unattended = machine(&scene, &How::default()).unwrap();
    let first = one(unattended.invoke(&event).await.unwrap()).unwrap();
    let before = unattended.engine.journal.show(&first.id).await.unwrap();
    let mark = scene.mark().unwrap();
    unattended.clock.forward(SignedDuration::from_hours(20));
    let again = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(again.id, first.id);
    assert_eq!(again.outcome, Some(Outcome::Duplicate));
    assert!(scene.changes(mark).unwrap().is_empty());
    assert!(scene.notices(mark).unwrap().is_empty());
    assert_eq!(unattended.engine.journal.show(&first.id).await.unwrap(), before);
}

#[tokio::test]
async fn the_same_open_plan_does_not_page_twice() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let rule = scene.allow(&group, Allow::tcp(22, "10.0.0.0/8")).await.unwrap();
    let one_event = scene.recorded().authorized(&group, std::slice::from_ref(&rule));
    let other_event = scene.recorded().authorized(&group, &[rule]);
    let first = deliver(&scene, &How::default(), &one_event).await.unwrap();
    let mark = scene.mark().unwrap();
    let second = deliver(&scene, &How::default(), &other_event).await.unwrap();
    assert_eq!(first.outcome, Some(Outcome::Held));
    assert_eq!(second.outcome, Some(Outcome::Duplicate), "{}", second.reason);
    assert!(second.reason.contains(&first.id));
    assert!(scene.notices(mark).unwrap().is_empty());
}

/// An engine over a connection with faults.
fn faulty(scene: &Scene) -> (Machine, Faults) {
    let faults = Faults::around(scene.connection.http());
    let connection: Connection = scene.connection.clone().with_http(faults.client());
    // Many cases share an account: its breaker must not be what stops them.
    let how = How::default().and("[guards]\nactions_per_10_min = 1000\nactions_per_hour = 1000\n");
    let machine = Machine::over(Box::new(SshAccess), scene, &connection, &how).unwrap();
    (machine, faults)
}

/// What must be so in the end, whatever went wrong on the way.
async fn assert_contained(machine: &Machine, scene: &Scene, group: &str, case: &str) {
    assert!(scene.rules(group).await.unwrap().is_empty(), "{case}: still open");
    let incident = incident_of(machine, group).await.unwrap_or_else(|| panic!("{case}: none"));
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{case}: {}", incident.reason);
    assert!(incident.reported, "{case}: nobody was told");
    let shown = machine.engine.journal.show(&incident.id).await.unwrap();
    assert_eq!(shown.steps[0].status, StepStatus::Verified, "{case}");
    let numbers: Vec<u32> = shown.entries.iter().map(|e| e.seq).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{case}: {numbers:?}");
    let closed = |e: &&backstop_core::incident::Entry| matches!(e.change, Change::Closed { .. });
    assert_eq!(shown.entries.iter().filter(closed).count(), 1, "{case}: closed once");
}

async fn incident_of(machine: &Machine, group: &str) -> Option<backstop_core::incident::Header> {
    let today = Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date();
    let incidents = machine.engine.journal.day(today).await.unwrap();
    incidents.into_iter().find(|h| h.candidate.resource.ends_with(group))
}

/// The calls that the work makes when nothing goes wrong.
async fn calls_of_a_containment(scene: &Scene) -> Vec<String> {
    let (_, event) = opened(scene, "base").await;
    let (machine, faults) = faulty(scene);
    faults.clear();
    one(machine.invoke(&event).await.unwrap()).unwrap();
    faults.made()
}

/// Whatever call fails, however it fails: after Lambda's retry the end state is that of the run
/// without a fault.
#[tokio::test]
async fn every_call_may_fail_and_the_retry_ends_where_the_first_would_have() {
    let scene = Scene::new().await.unwrap();
    let calls = calls_of_a_containment(&scene).await;
    let mut cases = 0;
    for (n, call) in calls.iter().enumerate() {
        for fault in [Fault::Before, Fault::After, Fault::Throttled] {
            let case = format!("{fault:?} at call {n} ({call})");
            let (group, event) = opened(&scene, &format!("g{n}-{fault:?}")).await;
            let (machine, faults) = faulty(&scene);
            faults.fail(n, fault);
            let first = machine.invoke(&event).await;
            faults.clear();
            // Lambda retries after a minute; by then the lease has expired.
            machine.clock.forward(SignedDuration::from_mins(1));
            if first.is_err() {
                let again = machine.invoke(&event).await;
                let again = one(again.unwrap_or_else(|e| panic!("{case}: retry: {e}"))).unwrap();
                assert!(
                    matches!(again.outcome, Some(Outcome::Contained | Outcome::Duplicate)),
                    "{case}: {again:?}"
                );
            }
            assert_contained(&machine, &scene, &group, &case).await;
            cases += 1;
        }
    }
    println!("{cases} (call × fault) cases over {} calls: {calls:?}", calls.len());
    assert!(cases >= 30, "the faults were not injected");
}

/// A call that is refused for good: a stated failure or the containment, never silence.
#[tokio::test]
async fn every_call_may_be_refused_and_nothing_is_silent() {
    let scene = Scene::new().await.unwrap();
    let calls = calls_of_a_containment(&scene).await;
    for (n, call) in calls.iter().enumerate() {
        let case = format!("denied at call {n} ({call})");
        let (group, event) = opened(&scene, &format!("d{n}")).await;
        let (machine, faults) = faulty(&scene);
        faults.fail(n, Fault::Denied);
        let mark = scene.mark().unwrap();
        let answer = machine.invoke(&event).await;
        faults.clear();
        let told = !scene.notices(mark).unwrap().is_empty();
        let open = !scene.rules(&group).await.unwrap().is_empty();
        match answer {
            Ok(reply) => {
                let outcome = one(reply).unwrap().outcome;
                assert!(told, "{case}: nobody was told of {outcome:?}");
                let fine = if open {
                    matches!(outcome, Some(Outcome::Held | Outcome::Failed))
                } else {
                    matches!(outcome, Some(Outcome::Contained | Outcome::Failed))
                };
                assert!(fine, "{case}: {outcome:?}, open: {open}");
            }
            Err(error) => assert!(!error.to_string().is_empty(), "{case}"),
        }
    }
}

/// The process may die before or after any call: the retry ends where the first would have.
#[tokio::test]
async fn the_process_may_die_at_every_call_and_the_next_one_resumes() {
    let scene = Scene::new().await.unwrap();
    let calls = calls_of_a_containment(&scene).await;
    let mut crashes = 0;
    for (n, call) in calls.iter().enumerate() {
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let case = format!("{fault:?} at call {n} ({call})");
            let (group, event) = opened(&scene, &format!("g{n}-{fault:?}")).await;
            let (machine, faults) = faulty(&scene);
            faults.fail(n, fault);
            let died = faults.until_death(Box::pin(machine.invoke(&event))).await;
            assert!(died.is_none(), "{case}: it did not die");
            drop(machine);
            let (machine, _) = faulty(&scene);
            machine.clock.forward(SignedDuration::from_mins(1));
            machine.invoke(&event).await.unwrap_or_else(|e| panic!("{case}: retry: {e}"));
            assert_contained(&machine, &scene, &group, &case).await;
            crashes += 1;
        }
    }
    println!("{crashes} crash points over {} calls", calls.len());
    assert!(crashes >= 20, "the crashes were not injected");
}

/// An undo may fail at any call: repeated, it ends with the rule as it was, once.
#[tokio::test]
async fn an_undo_may_fail_at_every_call_and_the_next_one_ends_it() {
    let scene = Scene::new().await.unwrap();
    let attended = |faults: &Faults| {
        let connection = scene.connection.clone().with_http(faults.client());
        let how = How::default().attended();
        Machine::over(Box::new(SshAccess), &scene, &connection, &how).unwrap()
    };
    let undo = |incident: &str| {
        json!({ "backstop": { "undo": {
            "incident": incident, "requested_by": "alice", "reason": "ours", "force": false,
        }}})
    };
    let mut calls = usize::MAX;
    let mut n = 0;
    while n < calls {
        for fault in [Fault::Before, Fault::After] {
            let case = format!("{fault:?} at call {n}");
            let (group, event) = opened(&scene, &format!("u{n}-{fault:?}")).await;
            let (unattended, _) = faulty(&scene);
            let contained = one(unattended.invoke(&event).await.unwrap()).unwrap();
            let faults = Faults::around(scene.connection.http());
            let machine = attended(&faults);
            machine.clock.forward(SignedDuration::from_mins(1));
            faults.fail(n, fault);
            let first = machine.invoke(&undo(&contained.id)).await;
            if calls == usize::MAX {
                let faults = Faults::around(scene.connection.http());
                let (other, event) = opened(&scene, "undo-base").await;
                let contained = one(unattended.invoke(&event).await.unwrap()).unwrap();
                let machine = attended(&faults);
                machine.clock.forward(SignedDuration::from_mins(2));
                faults.clear();
                machine.invoke(&undo(&contained.id)).await.unwrap();
                calls = faults.made().len();
                assert_eq!(scene.rules(&other).await.unwrap(), OPEN);
            }
            faults.clear();
            if first.is_err() {
                machine.clock.forward(SignedDuration::from_mins(1));
                // What is still to be told is told by the sweep; what is still to do is repeated.
                drop(machine.invoke(&undo(&contained.id)).await);
            }
            assert_eq!(scene.rules(&group).await.unwrap(), OPEN, "{case}: {first:?}");
            let header = incident_of(&machine, &group).await.unwrap();
            assert_eq!(header.outcome, Some(Outcome::Undone), "{case}: {first:?}");
        }
        n += 1;
    }
    println!("undo: {} cases over {calls} calls", 2 * calls);
}

#[tokio::test]
async fn a_refused_containment_is_a_failed_step_and_pages() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    scene
        .local
        .fail(scene.id(), "ec2", "RevokeSecurityGroupIngress", 1, 403, "UnauthorizedOperation")
        .unwrap();
    let mark = scene.mark().unwrap();
    let incident = deliver(&scene, &How::default(), &event).await.unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Failed));
    assert_eq!(incident.steps[0].status, StepStatus::Failed);
    assert!(incident.reason.contains("access denied"), "{}", incident.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
    assert_eq!(scene.notices(mark).unwrap()[0].0, "page");
}

#[tokio::test]
async fn a_notice_that_is_refused_fails_the_invocation_but_not_the_containment() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    scene.local.fail(scene.id(), "sns", "Publish", 1, 403, "AuthorizationError").unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    let error = unattended.invoke(&event).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Denied);
    assert!(error.to_string().starts_with("what was done is recorded"), "{error}");
    assert!(scene.rules(&group).await.unwrap().is_empty(), "contained all the same");
    let mark = scene.mark().unwrap();
    unattended.clock.forward(SignedDuration::from_mins(1));
    let told = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(told.outcome, Some(Outcome::Contained), "the retry only tells");
    assert_eq!(scene.notices(mark).unwrap().len(), 1);
    assert!(scene.changes(mark).unwrap().is_empty());
    let shown = unattended.engine.journal.show(&told.id).await.unwrap();
    let failed =
        |e: &&backstop_core::incident::Entry| matches!(e.change, Change::ReportFailed { .. });
    assert_eq!(shown.entries.iter().filter(failed).count(), 1);
}

#[tokio::test]
async fn a_rule_that_was_changed_before_the_resumption_is_left_alone() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    let (machine, faults) = faulty(&scene);
    // The call of the containment never arrives.
    let base = {
        let (other_group, other) = opened(&scene, "other").await;
        faults.clear();
        machine.invoke(&other).await.unwrap();
        drop(other_group);
        faults.made()
    };
    let at = base.iter().position(|c| c == "RevokeSecurityGroupIngress").unwrap();
    faults.fail(at, Fault::Before);
    machine.invoke(&event).await.unwrap_err();
    faults.clear();
    let rule = backstop_actions::ec2::rules_of(&scene.account, &group)
        .await
        .unwrap()
        .into_iter()
        .find(|r| !r.is_egress)
        .unwrap();
    scene.widen(&group, &rule.id, 22, "10.0.0.0/8").await.unwrap();
    machine.clock.forward(SignedDuration::from_mins(1));
    let incident = one(machine.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Failed), "{}", incident.reason);
    assert!(incident.reason.contains("has changed since the plan was made"), "{}", incident.reason);
    assert_eq!(scene.rules(&group).await.unwrap(), ["tcp 22 from 10.0.0.0/8"]);
}

#[tokio::test]
async fn two_deliveries_at_once_contain_once() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    let (one_machine, other) =
        (machine(&scene, &How::default()).unwrap(), machine(&scene, &How::default()).unwrap());
    let mark = scene.mark().unwrap();
    let (a, b) = tokio::join!(one_machine.invoke(&event), other.invoke(&event));
    let outcomes: Vec<_> = [a, b].into_iter().map(|r| r.map(|r| r.incidents[0].outcome)).collect();
    let contained = outcomes.iter().filter(|o| matches!(o, Ok(Some(Outcome::Contained)))).count();
    assert_eq!(contained, 1, "{outcomes:?}");
    assert_eq!(scene.changes(mark).unwrap(), ["ec2:RevokeSecurityGroupIngress"]);
    assert!(scene.rules(&group).await.unwrap().is_empty());
    assert_eq!(scene.notices(mark).unwrap().len(), 1);
}

#[tokio::test]
async fn the_sweep_resumes_what_was_interrupted() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    let (machine, faults) = faulty(&scene);
    let calls = {
        let (_, other) = opened(&scene, "other").await;
        faults.clear();
        machine.invoke(&other).await.unwrap();
        faults.made()
    };
    let at = calls.iter().position(|c| c == "RevokeSecurityGroupIngress").unwrap();
    faults.fail(at, Fault::After);
    machine.invoke(&event).await.unwrap_err();
    faults.clear();
    machine.clock.forward(SignedDuration::from_mins(1));
    let swept = machine.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap();
    let incident = one(swept).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
    assert!(scene.rules(&group).await.unwrap().is_empty());
    assert!(machine.engine.journal.unfinished().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_guard_that_holds_now_holds_what_was_written_ahead_too() {
    let scene = Scene::new().await.unwrap();
    let at = calls_of_a_containment(&scene)
        .await
        .iter()
        .position(|c| c == "RevokeSecurityGroupIngress")
        .unwrap();
    let (group, event) = opened(&scene, "web").await;
    let (dying, faults) = faulty(&scene);
    faults.fail(at, Fault::DiesBefore);
    assert!(faults.until_death(Box::pin(dying.invoke(&event))).await.is_none());
    // Meanwhile the operator has thought better of it.
    let how = How::default()
        .and("[guards]\nactions_per_10_min = 1000\nactions_per_hour = 1000\n")
        .mode(Mode::Plan);
    let stricter = machine(&scene, &how).unwrap();
    stricter.clock.forward(SignedDuration::from_mins(1));
    let swept = stricter.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap();
    let incident = one(swept).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Planned), "{}", incident.reason);
    assert_eq!(incident.steps[0].status, StepStatus::Held);
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
}

#[tokio::test]
async fn the_containing_call_comes_after_three_round_trips() {
    let scene = Scene::new().await.unwrap();
    let (_, event) = opened(&scene, "web").await;
    let (machine, faults) = faulty(&scene);
    faults.clear();
    machine.invoke(&event).await.unwrap();
    let calls = faults.made();
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
        ],
        "claim and reads run together"
    );
    assert_eq!(calls[at - 1], "TransactWriteItems", "the write-ahead");
}

#[tokio::test]
async fn a_deadline_that_is_too_near_stops_before_the_change_and_resumes() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    let unattended = machine(&scene, &How::default()).unwrap();
    let mut invocation = unattended.invocation();
    let now = unattended.engine.clock.now();
    invocation.deadline = backstop_core::clock::Deadline::of(
        now.saturating_add(SignedDuration::from_secs(5)).unwrap(),
        now,
    );
    let error = unattended.engine.handle(&event.to_string(), &invocation).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
    let incident = one(unattended.invoke(&event).await.unwrap()).unwrap();
    assert_eq!(incident.outcome, Some(Outcome::Contained), "{}", incident.reason);
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

#[tokio::test]
async fn an_attended_sweep_resumes_and_applies_nothing() {
    let scene = Scene::new().await.unwrap();
    let (group, event) = opened(&scene, "web").await;
    let unattended = machine(&scene, &How::default()).unwrap();
    let mut invocation = unattended.invocation();
    let now = unattended.engine.clock.now();
    let soon = now.saturating_add(SignedDuration::from_secs(18)).unwrap();
    invocation.deadline = backstop_core::clock::Deadline::of(soon, now);
    scene
        .local
        .fail(scene.id(), "ec2", "RevokeSecurityGroupIngress", 1, 503, "Unavailable")
        .unwrap();
    unattended.engine.handle(&event.to_string(), &invocation).await.unwrap_err();
    let attended = machine(&scene, &How::default().attended()).unwrap();
    attended.clock.forward(SignedDuration::from_mins(1));
    let mark = scene.mark().unwrap();
    let swept = attended.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap();
    assert!(swept.incidents.is_empty(), "{swept:?}");
    assert!(scene.changes(mark).unwrap().is_empty());
    assert_eq!(scene.rules(&group).await.unwrap(), OPEN);
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

#[tokio::test]
async fn a_ticket_is_opened_once_for_the_same_thing() {
    let scene = Scene::new().await.unwrap();
    let group = scene.group("web").await.unwrap();
    let unattended = machine(&scene, &How::default()).unwrap();
    for _ in 0..2 {
        let rule = scene.allow(&group, Allow::tcp(22, "0.0.0.0/0")).await.unwrap();
        let event = scene.recorded().authorized(&group, &[rule]);
        unattended.invoke(&event).await.unwrap();
    }
    let calls = scene.calls(0).unwrap();
    let created: Vec<_> = calls.iter().filter(|c| c.operation == "CreateOpsItem").collect();
    assert_eq!(created.len(), 2);
    assert_eq!(created.iter().filter(|c| c.error.is_none()).count(), 1, "{created:?}");
    let ids: Vec<_> = unattended
        .engine
        .journal
        .day(Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date())
        .await
        .unwrap()
        .into_iter()
        .filter_map(|h| h.ops_item)
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1], "both incidents stand under the same OpsItem");
}
