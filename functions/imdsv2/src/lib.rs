//! `aws-work-01`: IMDSv2 on every instance.
//!
//! # What it detects
//! An instance whose metadata service answers IMDSv1 (S1.1, S1.2, S1.3, X1.15) or whose token may
//! travel too far, account defaults that let new instances do so (X1.1), launch templates that
//! launch such instances (X1.2 to X1.4). The event only points: what counts is the instance, the
//! defaults and the template as EC2 shows them now. What may weaken the control by another way
//! (X1.5 to X1.14) is told, and left to a person.
//!
//! # Why it matters
//! IMDSv1 hands the credentials of the instance's role to whoever can make the instance fetch a
//! URL. IMDSv2 asks for a token first, which such a fetch cannot send; its hop limit keeps the
//! token from travelling into containers.
//!
//! # What it does
//! Requires IMDSv2 of the instance again, and puts back a hop limit that was raised: unattended
//! where the inventory knows that it was so before the event, else by approval (R1.1a). It sends
//! the options that are wrong and no others.
//!
//! | instance | plan |
//! |---|---|
//! | tokens optional, and required before by the inventory | require them, unattended |
//! | tokens optional, and not known to have been required | require them, by approval: software on it may still use IMDSv1 |
//! | hop limit above what its kind may have, and lower before by the inventory | back to what it was, unattended |
//! | the same, raised by the event, and not known before | to what its kind may have, by approval |
//! | the same, and nobody is known to have raised it (a default of the AMI) | none: a ticket |
//! | a node of EKS, or a host of containers by the policy, above its limit | none for the hop limit: its containers may need it |
//! | endpoint disabled | none: it answers nobody |
//! | managed by a service | held: EC2 lets nobody else change it |
//!
//! *Documented signal* `requestParameters.httpTokens` → *what we do instead*:
//! `requestParameters.ModifyInstanceMetadataOptionsRequest` points, `DescribeInstances` decides →
//! *why*: the call is wrapped and in `PascalCase`, so that the documented path matches nothing;
//! what the request leaves out is unchanged, neither `optional` nor `enabled`.
//!
//! *Documented signal* `requestParameters.metadataOptions` of `RunInstances` → *what we do
//! instead*: `responseElements.instancesSet.items[].metadataOptions` of every item, and the
//! notification that an instance runs → *why*: a launch that relies on defaults, which is the case
//! that the signal is about, has no such parameter; Auto Scaling, fleets and Spot have none either.
//!
//! *Documented signal* the Config rule `ec2-imdsv2-check` → *what we do instead*: every rule whose
//! name contains a part that the policy lists → *why*: Security Hub and conformance packs put their
//! own before and after it.
//!
//! *Documented threshold* hop limit above 1 on a "non-EKS" instance pages → *what we do instead*: a
//! limit by kind of host; a page only where a call raised it, a ticket where a launch came with it
//! → *why*: the source contradicts itself. Its text calls ECS on EC2 the only legitimate use, its
//! threshold exempts EKS only, its templates set 2 for everything; and AWS launches every AMI that
//! supports IMDSv2 only with 2 if nobody says otherwise.
//!
//! *Documented step* `modify-instance-metadata-options … --http-put-response-hop-limit 1
//! --http-endpoint enabled` → *what we do instead*: no endpoint, and the hop limit only where 1 is
//! right → *why*: the first switches the service on where somebody had switched it off, the second
//! cuts containers off.
//!
//! *Documented step* pivot to `sts:AssumeRole` of the instance's role → *what we do instead*: a line
//! that looks for use of the role by the session that is named after the instance, with
//! `ec2RoleDelivery` 1.0 or from elsewhere → *why*: EC2 assumes the role for the instance on its own
//! schedule; those records say nothing of a theft.
//!
//! *Documented templates* for CloudFormation and CDK with hop limit 2 and `InstanceMetadataTags` →
//! *what we do instead*: none is deployed → *why*: 2 contradicts the control, tags in the metadata
//! forbid tag keys with spaces, and a template does nothing until something launches from it.
//!
//! *Documented step* rotate the session credentials of the role → *what we do instead*: a line that
//! names `revoke-sessions.revoke` for the role, once IMDSv2 is required again, in the incident,
//! which has an `OpsItem` → *why*: it hits every instance of the role at once; a person decides.
//!
//! # What it can break
//! Software on the instance that speaks IMDSv1 only loses its metadata and credentials; so does a
//! container behind another hop where the hop limit is lowered. On a stopped instance the change
//! comes into force at the next start. Defaults of the account change launches to come that say
//! nothing else; refusing launches without IMDSv2 makes them fail.
//!
//! # How to undo it
//! An `undo` order to the attended function puts the options back that were changed. It lets IMDSv1
//! in again, so that only a person may ask for it; the role of the unattended function cannot do it.
//!
//! # What it does not do
//! It switches no endpoint on or off, changes no launch template, launch configuration or Auto
//! Scaling group, and ends no session of a role. It does not know which instances are ECS container
//! instances unless the policy says so. It does not look whether IMDSv1 was used (`MetadataNoToken`):
//! where the inventory knows nothing, a person decides.
//!
//! # References
//! Spec §2; EC2 API `ModifyInstanceMetadataOptions`, `ModifyInstanceMetadataDefaults`,
//! `DescribeInstances`, `DescribeLaunchTemplateVersions`; EC2 User Guide, "Order of precedence for
//! instance metadata options"; Service Authorization Reference, `ec2:Attribute`.

mod assess;
mod before;
mod defaults;
mod detect;
mod judge;
mod manifest;
mod plan;
mod survey;
mod templates;

use async_trait::async_trait;
use backstop_actions::ec2::{ModifyMetadataDefaults, ModifyMetadataOptions};
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::action::ActionKind;
use backstop_core::assessment::Assessment;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::event::{Envelope, Run};
use backstop_core::manifest::Manifest;
use backstop_core::responder::{Detection, Known, Memory, Responder, Survey};

pub use manifest::MANIFEST;

/// The responder of `aws-work-01`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Imdsv2;

/// The actions that its plans may hold.
const ACTIONS: &[ActionKind<Account>] =
    &[ActionKind::of::<ModifyMetadataOptions>(), ActionKind::of::<ModifyMetadataDefaults>()];

#[async_trait]
impl Responder<Account> for Imdsv2 {
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
}
