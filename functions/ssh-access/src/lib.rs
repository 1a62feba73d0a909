//! `aws-work-02`: Session Manager instead of SSH.
//!
//! # What it detects
//! A security group rule that opens TCP 22 (X2.1, X2.2), and an instance launched with a key pair
//! (S2.1). The event only points: what counts is the rule and the instance as EC2 shows them now.
//!
//! # Why it matters
//! An open port 22 is found within minutes and tried for as long as it is open; a key pair stays a
//! way in that no session log shows. Session Manager needs neither.
//!
//! # What it does
//! Revokes, by its id and unattended, a rule that the event created or changed, that admits exactly
//! TCP 22 from a public source, on a group in the production scope with few interfaces (R2.1a).
//! Everything else is planned and waits for a person.
//!
//! *Documented step* "revoke any port-22 ingress rule on the instance's security group" → *what we
//! do instead*: unattended, only the rule of the event, by id; the other rules of the instance's
//! groups by approval → *why*: groups are shared, and anybody who can launch one instance with a
//! key into a shared group could have every rule of that group removed (spec §3.4 g).
//!
//! *Documented signal* `requestParameters.keyName` → *what we do instead*:
//! `responseElements.instancesSet.items[].keyName` points, `DescribeInstances.KeyName` decides →
//! *why*: the documented path does not exist, and the key often comes from a launch template.
//!
//! # What it can break
//! Whoever connects through the revoked rule cannot connect anew. Sessions that are open stay open:
//! EC2 tracks connections, and removing a rule does not cut them.
//!
//! # How to undo it
//! An `undo` order to the attended function authorises the same rule again, with its description and tags. Its id
//! is a new one, so that tools which track rule ids see a difference.
//!
//! # What it does not do
//! It does not narrow a range that holds 22 (planned: revoke whole), does not touch egress, network
//! ACLs, or groups that a service manages or another account owns, and removes no key from an
//! instance.
//!
//! # References
//! Spec §3; EC2 API `SecurityGroupRule`, `RevokeSecurityGroupIngress`, `DescribeInstances`.

mod aftermath;
mod assess;
mod detect;
mod exposure;
mod launch;
mod lists;
mod live;
mod manifest;
mod narrow;
mod plan;

use async_trait::async_trait;
use backstop_actions::ec2::{Authorize, Modify, Revoke};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::action::ActionKind;
use backstop_core::assessment::Assessment;
use backstop_core::candidate::Candidate;
use backstop_core::event::{Envelope, Run};
use backstop_core::manifest::Manifest;
use backstop_core::responder::{Detection, Memory, Responder};

pub use manifest::MANIFEST;

/// The responder of `aws-work-02`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SshAccess;

/// The actions that its plans may hold.
const ACTIONS: &[ActionKind<Account>] =
    &[ActionKind::of::<Revoke>(), ActionKind::of::<Modify>(), ActionKind::of::<Authorize>()];

#[async_trait]
impl Responder<Account> for SshAccess {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn actions(&self) -> &'static [ActionKind<Account>] {
        ACTIONS
    }

    fn detect(&self, event: &Envelope) -> Detection {
        detect::detect(event)
    }

    fn target(&self, run: &Run, key: &str) -> Result<Vec<Candidate>> {
        detect::target(run, key)
    }

    async fn survey(
        &self,
        _account: &Account,
        _memory: &Memory,
        _slot: &str,
    ) -> Result<Vec<Candidate>> {
        // The sweep of this control comes with the inventory; until then it resumes what is
        // unfinished, and finds nothing new.
        Ok(Vec::new())
    }

    async fn assess(
        &self,
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        assess::assess(candidate, account, memory).await
    }

    async fn aftermath(
        &self,
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Vec<String>> {
        aftermath::aftermath(candidate, account, memory).await
    }
}
