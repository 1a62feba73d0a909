//! Lost answers, deaths, and who ends what was begun.

use backstop_aws::Account;
use backstop_core::responder::Responder;
use backstop_core::words::{Class, Outcome, StepStatus, Urgency};
use backstop_testkit::machine::How;
use backstop_testkit::{Fault, Faults, Machine, Scene};
use jiff::SignedDuration;
use revoke_sessions::RevokeSessions;
use serde_json::Value;

use super::revoke::instances;
use super::{Preauthorising, approve, attended, cut_off, machine, role, run, show, sweep, tell};

const ROOMY: &str = "[guards]\nactions_per_10_min = 1000\nactions_per_hour = 5000\n";

fn how(more: &str) -> How {
    How::default().and(ROOMY).and(more)
}

/// An attended function over a connection with faults.
fn faulty(scene: &Scene, how: How) -> (Machine, Faults) {
    faulty_of(Box::new(RevokeSessions), scene, how)
}

fn faulty_of(responder: Box<dyn Responder<Account>>, scene: &Scene, how: How) -> (Machine, Faults) {
    let faults = Faults::around(scene.connection.http());
    let connection = scene.connection.clone().with_http(faults.client());
    (Machine::over(responder, scene, &connection, &how.attended()).unwrap(), faults)
}

/// The same function, that much later, without a fault.
async fn later(scene: &Scene, how: How, minutes: i64, order: &Value) -> backstop_core::Result<()> {
    let machine = machine(scene, &how);
    machine.clock.forward(SignedDuration::from_mins(minutes));
    machine.invoke(order).await.map(drop)
}

/// The law of interrupted approvals, by hand: no event makes a plan of this responder.
#[tokio::test]
async fn sr_1_an_approval_may_fail_at_every_call_and_the_cut_off_is_written_once() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "base").await.unwrap();
    let (first, faults) = faulty(&scene, how(""));
    let plan = tell(&first, &run(&scene, "base", false)).await.unwrap();
    faults.clear();
    tell(&first, &approve(&plan)).await.unwrap();
    let calls = faults.made();
    let put = calls.iter().position(|call| call == "PutRolePolicy").unwrap();
    let mut cases = 0;
    for (n, call) in calls.iter().enumerate() {
        for fault in [Fault::Before, Fault::After, Fault::DiesBefore, Fault::DiesAfter] {
            let name = format!("role-{n}-{fault:?}");
            role(&scene, &name).await.unwrap();
            let (machine, faults) = faulty(&scene, how(""));
            let plan = tell(&machine, &run(&scene, &name, false)).await.unwrap();
            let mark = scene.mark().unwrap();
            faults.clear();
            faults.fail(n, fault);
            let order = approve(&plan);
            let ended = faults.until_death(Box::pin(machine.invoke(&order))).await;
            faults.clear();
            let written = cut_off(&scene, &name).await;
            if !matches!(ended, Some(Ok(_))) {
                // A person tries again; the sweep ends what lies open; a person tries again.
                drop(later(&scene, how("").attended(), 2, &order).await);
                later(&scene, how(""), 62, &sweep()).await.unwrap();
                drop(later(&scene, how("").attended(), 64, &order).await);
                later(&scene, how(""), 122, &sweep()).await.unwrap();
            }
            let case = format!("{fault:?} at call {n} ({call})");
            let now = cut_off(&scene, &name).await;
            assert!(now.is_some(), "{case}: nothing is revoked");
            if written.is_some() {
                assert_eq!(now, written, "{case}: new sessions were revoked with the old");
            }
            let changes = scene.changes(mark).unwrap();
            assert_eq!(changes, ["iam:PutRolePolicy"], "{case}");
            let end = tell(&attended(&scene), &show(&plan.id)).await.unwrap();
            assert_eq!(end.outcome, Some(Outcome::Contained), "{case}: {}", end.reason);
            assert_eq!(end.steps[0].status, StepStatus::Verified, "{case}");
            assert_eq!(
                end.steps[0].after.as_ref().unwrap()["cut_off"],
                serde_json::json!(now),
                "{case}"
            );
            cases += 1;
        }
    }
    println!("{cases} interrupted approvals, the write is call {put}");
    assert!(cases >= 40, "the faults were not injected: {calls:?}");
}

/// A run that was to apply at once, and whose call never arrives. By default a person has to
/// release it again; the sweep does not.
#[tokio::test]
async fn sr_1_only_a_preauthorised_role_is_ended_by_the_sweep() {
    let scene = Scene::new().await.unwrap();
    for (name, preauthorised) in [("held", false), ("named", true)] {
        let arn = role(&scene, name).await.unwrap();
        role(&scene, &format!("base-{name}")).await.unwrap();
        let policy = format!("[revoke-sessions]\npreauthorised = [\"{arn}\"]\n");
        let how = || how(if preauthorised { &policy } else { "" });
        let (machine, faults) = faulty_of(Box::new(Preauthorising), &scene, how());
        faults.clear();
        tell(&machine, &run(&scene, &format!("base-{name}"), true)).await.unwrap();
        let put = faults.made().iter().position(|call| call == "PutRolePolicy").unwrap();
        faults.clear();
        faults.fail(put, Fault::DiesBefore);
        let order = run(&scene, name, true);
        let died = faults.until_death(Box::pin(machine.invoke(&order))).await;
        assert!(died.is_none(), "the call was made");
        faults.clear();
        assert_eq!(cut_off(&scene, name).await, None);

        let sweeping = Machine::new(Box::new(Preauthorising), &scene, &how()).unwrap();
        sweeping.clock.forward(SignedDuration::from_mins(61));
        let end = tell(&sweeping, &sweep()).await.unwrap();
        let class = if preauthorised { Class::Guarded } else { Class::Approval };
        assert_eq!(end.steps[0].class, class, "{name}");
        let expected = if preauthorised { Outcome::Contained } else { Outcome::Held };
        assert_eq!(end.outcome, Some(expected), "{name}: {}", end.reason);
        assert_eq!(cut_off(&scene, name).await.is_some(), preauthorised, "{name}");
    }
}

/// A run that died before its plan was kept: the sweep plans it, whole, and applies nothing.
#[tokio::test]
async fn sr_1_what_a_person_began_is_planned_and_told_by_the_sweep() {
    let scene = Scene::new().await.unwrap();
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    for (name, like, urgency) in [
        ("web", "base", Urgency::Ticket),
        ("OrganizationAccountAccessRole", "AWSControlTowerExecution", Urgency::Page),
    ] {
        role(&scene, name).await.unwrap();
        instances(&scene, name, 1).await;
        let attach = scene.account.iam().attach_role_policy().role_name(name).policy_arn(admin);
        attach.send().await.unwrap();
        let (machine, faults) = faulty(&scene, how(""));
        role(&scene, like).await.unwrap();
        faults.clear();
        tell(&machine, &run(&scene, like, true)).await.unwrap();
        let writes = |call: &String| ["PutItem", "TransactWriteItems"].contains(&call.as_str());
        let made = faults.made();
        let second = made.iter().enumerate().filter(|(_, call)| writes(call)).nth(1).unwrap().0;
        // The reads beside the claim may come in another order: death at a write, whichever it is.
        faults.clear();
        faults.fail(second, Fault::DiesBefore);
        let order = run(&scene, name, true);
        drop(faults.until_death(Box::pin(machine.invoke(&order))).await);
        faults.clear();
        assert_eq!(cut_off(&scene, name).await, None);
        let sweeping = super::machine(&scene, &how(""));
        sweeping.clock.forward(SignedDuration::from_mins(61));
        let mark = scene.mark().unwrap();
        let end = tell(&sweeping, &sweep()).await.unwrap();
        let expected = (Some(Outcome::Held), urgency);
        assert_eq!((end.outcome, end.urgency), expected, "{name}: {}", end.reason);
        let radius = end.blast_radius.unwrap_or_default();
        assert_eq!(radius.contains("1 instance"), name == "web", "{radius}");
        assert_eq!(end.plan_hash.is_some(), name == "web", "a person can release it");
        let topics: Vec<String> =
            scene.notices(mark).unwrap().into_iter().map(|(topic, _)| topic).collect();
        assert_eq!(topics, [urgency.name()], "{name}");
        assert_eq!(cut_off(&scene, name).await, None);
    }
}
