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
//! Everything else is planned and waits for a person. Then it looks which rules still admit SSH to
//! the same interfaces, and says so.
//!
//! | rule | plan |
//! |---|---|
//! | TCP (6), exactly 22, from a source with a public address | revoke; unattended if the event opened it |
//! | TCP, a range that holds 22 | a choice, by approval. *narrow* (the default): authorise what lies above 22, then change the rule into what lies below; its id, source, description and tags stay. *revoke*: the rule goes whole |
//! | all traffic (`-1`) | revoke, by approval; never split, because what is left has no end |
//! | from a prefix list | resolved and judged by its entries; by approval. EC2 Instance Connect's own list is a ticket |
//! | from a security group, an internal range, `corporate_cidrs` | revoke, by approval; a ticket, unless `strict_internal` |
//! | UDP, ICMP (whose "ports" are type and code), other protocols | none: they carry no SSH |
//! | protocol, ports or source unreadable | by approval; pages |
//!
//! Public is every address that the IANA special-purpose registries do not set aside for use inside
//! one network (`backstop_core::net`). A range with one public address counts as public whole.
//!
//! A sweep reads all rules every hour, keeps those of each group in the inventory, and looks for rules
//! that let somebody in from outside: what an event that was lost has opened. They wait for an
//! approval, because a rule that no event names may be years old. The inventory tells what a rule
//! was before an event changed it (X2.2), so that this can be put back.
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
//! EC2 tracks connections, and removing a rule does not cut them. To revoke a range or a rule for
//! all traffic closes its other ports too. EC2 takes a changed rule whole and knows no condition:
//! whoever changes the same rule in the moment between the last look and the call is overwritten.
//!
//! # How to undo it
//! An `undo` order to the attended function authorises a revoked rule again, with its description
//! and tags. Its id is a new one, so that tools which track rule ids see a difference. A rule that
//! was narrowed becomes what it was and keeps its id; then what was added for it is revoked.
//!
//! # What it does not do
//! It does not touch egress, network ACLs, or prefix lists; it does not watch who changes a prefix
//! list (X2.4) or swaps the groups of an interface (X2.5, X2.6), and removes no key from an
//! instance. A group that another account owns is reported and not planned for: EC2 lets only its
//! owner change it. A group that a service manages is left to a person.
//!
//! # References
//! Spec §3; EC2 API `SecurityGroupRule`, `RevokeSecurityGroupIngress`, `ModifySecurityGroupRules`,
//! `GetManagedPrefixListEntries`, `DescribeInstances`; IANA special-purpose address registries.

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
mod survey;

use async_trait::async_trait;
use backstop_actions::ec2::{Authorize, Modify, Revoke};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::action::ActionKind;
use backstop_core::assessment::Assessment;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::event::{Envelope, Run};
use backstop_core::manifest::Manifest;
use backstop_core::responder::{Detection, Known, Memory, Responder, Survey};

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

    async fn survey(&self, account: &Account, memory: &Memory, origin: &Origin) -> Result<Survey> {
        survey::survey(account, memory, origin).await
    }

    async fn remember(
        &self,
        candidate: &Candidate,
        account: &Account,
        _memory: &Memory,
    ) -> Result<Vec<Known>> {
        survey::remember(candidate, account).await
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
