//! SR-1: revoking the sessions of a role, which other responses call for (R1.3, R2.3, R5.3, R6.2).
//!
//! # What it detects
//! Nothing. A person starts the runbook `revoke-sessions.revoke` with a role's name; no event does,
//! and no other function of the suite: whoever could make it run could stop everything that uses
//! the role. It takes no requests.
//!
//! # Why it matters
//! Stolen credentials of a role work until they expire, up to 12 hours, whatever is done about the
//! way in which they were stolen. AWS has no call that ends a session.
//!
//! # What it does
//! Writes the inline policy `AWSRevokeOlderSessions` into the role, as the button of the IAM console
//! does: it denies everything to sessions that were issued before a cut-off, which lies 30 s ahead
//! of the clock because IAM needs a moment until the policy is in force everywhere. By approval;
//! without one only for roles that the policy names in `[revoke-sessions] preauthorised`. Before
//! that it shows who uses the role (instances by instance profile, functions of the Region), when
//! it was used last, and what its policies let it read: what a person has to rotate (R1.3, R2.3).
//!
//! | role | plan |
//! |---|---|
//! | any | deny, by approval |
//! | `preauthorised` | deny; what was interrupted, the sweep ends |
//! | has a cut-off | it moves on to the new one, never back. One that lies ahead already: nothing to do |
//! | has a policy of that name that says something else | its statements stay in force, for one may be a deny; the cut-off is added |
//! | protected (`[principals]`, AWS's own paths, Control Tower, CDK, Backstop) | held, without a step: nobody can approve it |
//! | gone | nothing to do: no session of it may do anything |
//!
//! *Documented step* `aws iam update-role trust-policy re-sign` → *what we do instead*: the cut-off
//! above → *why*: there is no such command, and neither `UpdateRole` nor `UpdateAssumeRolePolicy`
//! ends a session.
//!
//! *Documented step* `aws iam delete-role-permissions-boundary` → *what we do instead*: never; the
//! roles of the suite are denied it → *why*: it removes a ceiling. What was denied by it is allowed
//! afterwards, to the thief too.
//!
//! *Documented step* "temporary scoped-deny SCP" → *what we do instead*: a person decides → *why*: it
//! needs the management account, binds neither that account nor service-linked roles, and denies to
//! every principal below the place where it is attached.
//!
//! *A lost answer.* The cut-off is the time of the first call. Where its answer is lost, or the function dies after
//! it, whoever continues the incident reads the role first, finds a later cut-off than the one in
//! the plan, and writes nothing: new legitimate sessions are not revoked a second time. That is the
//! sweep, within the hour; an approval of the same plan is refused, because live state has changed
//! since. Only a runbook that is started anew makes a new cut-off, and its plan says how old the
//! last one is.
//!
//! # What it can break
//! Whatever uses the role stops, at once, until it has new credentials: instances serve the denied
//! ones for hours, pods and tasks for up to 6 h, warm functions until they are recycled.
//!
//! # How to undo it
//! An `undo` order to the attended function deletes the policy, or puts the one back that was there,
//! to the letter. It is refused for 12 hours after the cut-off, and `force` does not help: until then
//! stolen sessions would work again. Not the role's own maximum session duration, which may be less:
//! it does not bind what EC2 obtains for an instance (IAM API, `UpdateRole`), nor what was issued
//! before somebody lowered it. There is rarely a reason to: new sessions are not denied.
//!
//! # What it does not do
//! It does not close the way in: do that first. A session that is obtained after the cut-off is
//! untouched, so that a role that may assume itself, or a ring of roles, can outrun it; a trust
//! policy that names its own role is told of. It does not reach sessions of other roles that were
//! assumed from this one, ECR tokens (12 h), open Session Manager sessions, EKS tokens (minutes). It
//! sees no pod, no task, no other Region. It does not watch the policy afterwards: whoever may write
//! the role's policies can take the deny away again. It rotates nothing, and subtracts no deny, condition or
//! boundary from what is to be rotated. It makes no room in a role whose inline policies are full
//! (`LimitExceeded`): that step fails, and a person decides whether `AWSDenyAll` may be attached.
//!
//! # References
//! Spec §1.5, §1.6; IAM User Guide, "Revoke IAM role temporary security credentials"; IAM API
//! `PutRolePolicy`, `GetRolePolicy`, `DeleteRolePolicy`, `UpdateRole`; condition keys
//! `aws:TokenIssueTime`.

mod assess;
mod manifest;
mod rotation;
mod target;
mod users;

use async_trait::async_trait;
use backstop_actions::iam;
use backstop_aws::Account;
use backstop_core::Result;
use backstop_core::action::ActionKind;
use backstop_core::assessment::Assessment;
use backstop_core::candidate::{Candidate, Origin};
use backstop_core::event::{Envelope, Run};
use backstop_core::manifest::Manifest;
use backstop_core::responder::{Detection, Memory, Responder, Survey};

pub use manifest::MANIFEST;

/// The responder of SR-1.
#[derive(Clone, Copy, Debug, Default)]
pub struct RevokeSessions;

/// The actions that its plans may hold.
const ACTIONS: &[ActionKind<Account>] = &[ActionKind::of::<iam::RevokeSessions>()];

#[async_trait]
impl Responder<Account> for RevokeSessions {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn actions(&self) -> &'static [ActionKind<Account>] {
        ACTIONS
    }

    fn detect(&self, _event: &Envelope) -> Detection {
        Detection::Nothing("no event starts SR-1: a person does".to_owned())
    }

    fn target(&self, run: &Run, key: &str) -> Result<Vec<Candidate>> {
        target::target(run, key)
    }

    async fn survey(
        &self,
        _account: &Account,
        _memory: &Memory,
        _origin: &Origin,
    ) -> Result<Survey> {
        // Live state does not show which sessions are stolen.
        Ok(Survey::default())
    }

    async fn assess(
        &self,
        candidate: &Candidate,
        account: &Account,
        memory: &Memory,
    ) -> Result<Assessment<Account>> {
        // Boxed, because the future of so many reads is large.
        Box::pin(assess::assess(candidate, account, memory)).await
    }
}
