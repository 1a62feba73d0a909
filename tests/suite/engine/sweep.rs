//! What a schedule sends: which of the manifest's it is, and the time that it was meant for.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::action::ActionKind;
use backstop_core::assessment::Assessment;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::error::Class;
use backstop_core::event::{Envelope, Run};
use backstop_core::manifest::Manifest;
use backstop_core::responder::{Detection, Memory, Responder, Survey};
use backstop_testkit::machine::How;
use backstop_testkit::{Machine, Scene};
use serde_json::json;
use ssh_access::SshAccess;

/// ssh-access, and the slots that its survey was asked for.
#[derive(Clone, Debug, Default)]
struct Surveyed(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Responder<Account> for Surveyed {
    fn manifest(&self) -> &'static Manifest {
        SshAccess.manifest()
    }

    fn actions(&self) -> &'static [ActionKind<Account>] {
        SshAccess.actions()
    }

    fn detect(&self, event: &Envelope) -> Detection {
        SshAccess.detect(event)
    }

    fn target(&self, run: &Run, key: &str) -> Result<Vec<Candidate>> {
        SshAccess.target(run, key)
    }

    async fn survey(&self, _: &Account, _: &Memory, origin: &Origin) -> Result<Survey> {
        self.0.lock().unwrap().push(origin.key().to_owned());
        Ok(Survey::default())
    }

    async fn assess(
        &self,
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        SshAccess.assess(candidate, account, memory).await
    }
}

#[tokio::test]
async fn a_second_delivery_of_a_slot_surveys_the_same_slot_and_an_unknown_schedule_nothing() {
    let scene = Scene::new().await.unwrap();
    let surveyed = Surveyed::default();
    let machine = Machine::new(Box::new(surveyed.clone()), &scene, &How::default()).unwrap();
    let take = || std::mem::take(&mut *surveyed.0.lock().unwrap());

    let slot = "2026-11-23T12:00:00Z";
    let scheduled = json!({ "backstop": { "sweep": { "schedule": "sweep", "slot": slot } } });
    for _ in 0..2 {
        machine.invoke(&scheduled).await.unwrap();
    }
    assert_eq!(take(), [slot, slot]);

    // A person sends none: the request is the slot, and each is another.
    for _ in 0..2 {
        machine.invoke(&json!({ "backstop": { "sweep": {} } })).await.unwrap();
    }
    let requests = take();
    assert!(requests.len() == 2 && requests[0] != requests[1], "{requests:?}");

    let wrong = json!({ "backstop": { "sweep": { "schedule": "nightly", "slot": slot } } });
    let refused = machine.invoke(&wrong).await.unwrap_err();
    assert_eq!(refused.class(), Class::Invalid);
    assert_eq!(refused.to_string(), "`ssh-access` has no schedule `nightly`");
    assert_eq!(refused.hint_text(), Some("it has: sweep"));
    assert!(take().is_empty());
}
