//! Taking it back: not before the last session has ended that it denies.

use backstop_actions::iam::POLICY_NAME;
use backstop_core::report::Evidence;
use backstop_core::words::Outcome;
use backstop_testkit::Scene;
use jiff::{SignedDuration, Timestamp};

use super::{attended, cut_off, cut_off_at, document, put, revoked, role, tell, undo};

#[tokio::test]
async fn sr_1_an_undo_waits_until_the_last_session_has_ended() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "web").await.unwrap();
    let done = revoked(&scene, "web").await;
    let time = cut_off(&scene, "web").await.unwrap();
    let from = time + SignedDuration::from_hours(12);
    let mark = scene.mark().unwrap();
    // The role's own maximum, an hour, is not enough: EC2's sessions are not bound by it.
    for (hours, force) in [(0, false), (0, true), (2, false), (11, true)] {
        let machine = attended(&scene);
        machine.clock.forward(SignedDuration::from_hours(hours));
        let refused = machine.invoke(&undo(&done.id, force)).await.unwrap_err();
        let said = refused.evidence().cloned();
        assert_eq!(said, Some(Evidence::TooSoon { step: 1, from }), "{hours} h: {refused}");
    }
    assert_eq!(scene.changes(mark).unwrap(), [""; 0]);
    assert_eq!(cut_off(&scene, "web").await, Some(time));

    let machine = attended(&scene);
    machine.clock.forward(SignedDuration::from_mins(12 * 60 + 1));
    let undone = tell(&machine, &undo(&done.id, false)).await.unwrap();
    assert_eq!(undone.outcome, Some(Outcome::Undone), "{}", undone.reason);
    assert_eq!(scene.changes(mark).unwrap(), ["iam:DeleteRolePolicy"]);
    document(&scene, "web", POLICY_NAME).await.unwrap_err();
}

#[tokio::test]
async fn sr_1_an_undo_puts_the_former_policy_back_to_the_letter() {
    let scene = Scene::new().await.unwrap();
    let foreign = r#"{ "Version": "2012-10-17",
        "Statement": {"Effect": "Deny", "Action": "s3:*", "Resource": "*"} }"#;
    for (name, before) in [("foreign", foreign), ("older", &cut_off_at("2026-01-01T00:00:00Z"))] {
        role(&scene, name).await.unwrap();
        put(&scene, name, POLICY_NAME, before).await.unwrap();
        let done = revoked(&scene, name).await;
        let machine = attended(&scene);
        machine.clock.forward(SignedDuration::from_hours(13));
        let undone = tell(&machine, &undo(&done.id, false)).await.unwrap();
        assert_eq!(undone.outcome, Some(Outcome::Undone), "{}", undone.reason);
        assert_eq!(document(&scene, name, POLICY_NAME).await.unwrap(), before);
    }
}

#[tokio::test]
async fn sr_1_a_later_revocation_is_not_taken_back_with_an_earlier_one() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "web").await.unwrap();
    let done = revoked(&scene, "web").await;
    // Somebody revokes again, a day later.
    let later = Timestamp::now() + SignedDuration::from_hours(24);
    put(&scene, "web", POLICY_NAME, &cut_off_at(&later.to_string())).await.unwrap();
    let mark = scene.mark().unwrap();
    for (hours, force) in [(25, false), (25, true), (40, false)] {
        let machine = attended(&scene);
        machine.clock.forward(SignedDuration::from_hours(hours));
        machine.invoke(&undo(&done.id, force)).await.unwrap_err();
    }
    assert_eq!(scene.changes(mark).unwrap(), [""; 0]);
    assert_eq!(cut_off(&scene, "web").await, Some(later));
}

#[tokio::test]
async fn sr_1_a_role_that_was_made_anew_is_not_the_role() {
    let scene = Scene::new().await.unwrap();
    role(&scene, "web").await.unwrap();
    let done = revoked(&scene, "web").await;
    let iam = scene.account.iam();
    iam.delete_role_policy().role_name("web").policy_name(POLICY_NAME).send().await.unwrap();
    iam.delete_role().role_name("web").send().await.unwrap();
    super::role_in(&scene, "/other/", "web").await.unwrap();
    put(&scene, "web", POLICY_NAME, &cut_off_at("2026-01-01T00:00:00Z")).await.unwrap();
    let machine = attended(&scene);
    machine.clock.forward(SignedDuration::from_hours(13));
    let mark = scene.mark().unwrap();
    machine.invoke(&undo(&done.id, true)).await.unwrap_err();
    assert_eq!(scene.changes(mark).unwrap(), [""; 0]);
}
