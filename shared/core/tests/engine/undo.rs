//! An undo that would do harm now.

use backstop_core::clock::Clock as _;
use backstop_core::error::Class as ErrorClass;
use backstop_core::report::Evidence;
use backstop_core::words::{Class, Outcome, StepStatus};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::world::{Stage, approve, undo};

/// Both doors are closed, while a burglar stands before them for an hour.
async fn besieged() -> (Stage, backstop_core::report::Reported) {
    let stage = Stage::new();
    *stage.world.open.lock().unwrap() = [true, true];
    let until = stage.world.now().saturating_add(SignedDuration::from_hours(1)).unwrap();
    *stage.world.besieged.lock().unwrap() = [Some(until); 2];
    let incident = stage.unattended(&stage.event()).await.unwrap().remove(0);
    assert_eq!(incident.outcome, Some(Outcome::Contained));
    assert!(incident.steps.iter().all(|step| step.undo_from == Some(until)), "{incident:?}");
    (stage, incident)
}

#[tokio::test]
async fn what_would_let_in_again_is_refused_whole_with_the_time_and_force_changes_nothing() {
    let (stage, incident) = besieged().await;
    let from = incident.steps[0].undo_from.unwrap();
    for force in [false, true] {
        let mut order = undo(&incident);
        order["backstop"]["undo"]["force"] = json!(force);
        let error = stage.attended(&order).await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Conflict);
        assert!(error.to_string().contains(&from.to_string()), "{error}");
        let Some(Evidence::TooSoon { step: 2, from: said }) = error.evidence() else {
            panic!("{:?}", error.evidence())
        };
        assert_eq!(*said, from);
        assert_eq!(*stage.world.open.lock().unwrap(), [false, false]);
        let shown = stage.journal.show(&incident.id).await.unwrap();
        assert_eq!(shown.header.outcome, Some(Outcome::Contained));
        assert!(shown.steps.iter().all(|step| step.status == StepStatus::Verified));
    }
}

#[tokio::test]
async fn one_step_that_waits_keeps_the_whole_incident_from_being_taken_back_half() {
    let (stage, incident) = besieged().await;
    // The first door alone is besieged for longer, which is the last to be opened again.
    stage.world.forward(SignedDuration::from_hours(1));
    let later = stage.world.now().saturating_add(SignedDuration::from_hours(1)).unwrap();
    stage.world.besieged.lock().unwrap()[0] = Some(later);
    let error = stage.attended(&undo(&incident)).await.unwrap_err();
    assert!(error.to_string().contains(&later.to_string()), "live state counts too: {error}");
    assert_eq!(*stage.world.open.lock().unwrap(), [false, false]);
}

#[tokio::test]
async fn once_it_is_safe_it_is_taken_back() {
    let (stage, incident) = besieged().await;
    stage.world.forward(SignedDuration::from_mins(61));
    let undone = stage.attended(&undo(&incident)).await.unwrap().remove(0);
    assert_eq!(undone.outcome, Some(Outcome::Undone));
    assert_eq!(*stage.world.open.lock().unwrap(), [true, true]);
    assert!(undone.steps.iter().all(|step| step.status == StepStatus::Undone));
}

#[tokio::test]
async fn only_what_the_person_was_shown_is_taken_back() {
    let stage = Stage::new();
    *stage.world.open.lock().unwrap() = [true, true];
    *stage.world.class.lock().unwrap() = Class::Approval;
    let held = stage.unattended(&stage.event()).await.unwrap().remove(0);
    let mut first = approve(&held);
    first["backstop"]["approve"]["steps"] = json!([1]);
    let partial = stage.attended(&first).await.unwrap().remove(0);
    // One person is shown step 1, and another releases step 2 meanwhile.
    stage.attended(&approve(&partial)).await.unwrap();
    let mut order = undo(&partial);
    order["backstop"]["undo"]["shown"] = json!([1]);
    let error = stage.attended(&order).await.unwrap_err();
    assert!(error.to_string().contains("step 2"), "{error}");
    assert_eq!(*stage.world.open.lock().unwrap(), [false, false]);
    order["backstop"]["undo"]["shown"] = json!([1, 2]);
    stage.attended(&order).await.unwrap();
    assert_eq!(*stage.world.open.lock().unwrap(), [true, true]);
}

#[tokio::test]
async fn only_the_later_change_that_was_seen_is_overwritten() {
    let (stage, incident) = besieged().await;
    stage.world.forward(SignedDuration::from_mins(61));
    // Somebody has opened the first door again, by hand.
    *stage.world.open.lock().unwrap() = [true, false];
    let order = |overwrite: Value, reason: &str| {
        let mut order = undo(&incident);
        order["backstop"]["undo"]["overwrite"] = overwrite;
        order["backstop"]["undo"]["reason"] = json!(reason);
        order
    };
    let refused = stage.attended(&undo(&incident)).await.unwrap_err();
    let Some(Evidence::Changed { step: 1, now, .. }) = refused.evidence() else {
        panic!("{:?}", refused.evidence())
    };
    assert_eq!(*stage.world.open.lock().unwrap(), [true, false], "nothing was taken back");
    let seen = json!([{ "step": 1, "now": now }]);
    let other = json!([{ "step": 1, "now": { "open": false, "besieged": null } }]);
    for (overwrite, reason) in [
        (json!([]), "why"),
        (other, "why"),
        (json!([{ "step": 2, "now": now }]), "why"),
        (json!([{ "step": 1, "now": "no state at all" }]), "why"),
        (seen.clone(), " "),
    ] {
        let order = order(overwrite, reason);
        let error = stage.attended(&order).await.unwrap_err();
        assert!(matches!(error.class(), ErrorClass::Conflict | ErrorClass::Invalid), "{order}");
        assert_eq!(*stage.world.open.lock().unwrap(), [true, false], "{order}");
    }
    let undone = stage.attended(&order(seen, "it was ours")).await.unwrap().remove(0);
    assert_eq!(undone.outcome, Some(Outcome::Undone));
    assert!(undone.steps.iter().all(|step| step.undo_from.is_none()), "{undone:?}");
}

#[tokio::test]
async fn that_people_could_not_be_told_does_not_hide_what_was_taken_back() {
    let (stage, incident) = besieged().await;
    stage.world.forward(SignedDuration::from_mins(61));
    *stage.world.deaf.lock().unwrap() = true;
    let untold = stage.attended(&undo(&incident)).await.unwrap_err();
    assert!(untold.to_string().contains("what was done is recorded"), "{untold}");
    assert_eq!(*stage.world.open.lock().unwrap(), [true, true]);
    // Why it was refused is told, and not who could not be.
    let again = stage.attended(&undo(&incident)).await.unwrap_err();
    assert_eq!(again.class(), ErrorClass::Invalid, "{again}");
}
