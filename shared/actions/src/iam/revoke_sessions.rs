//! `iam.role.revoke-sessions/1`: the sessions of a role that were issued before a cut-off.

use async_trait::async_trait;
use backstop_aws::{Account, Classify, SystemClock};
use backstop_core::action::{Action, Description};
use backstop_core::clock::Clock;
use backstop_core::error::{Error, Result};
use backstop_core::manifest::{Permissions, Statement};
use backstop_core::text::shell;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cut_off::{CutOff, POLICY_NAME, whole};
use super::reads::{Role, inline_policy, role};

/// How far ahead of the clock the cut-off lies: IAM needs a moment until the policy is in force
/// everywhere, and sessions that are issued meanwhile are denied too. It is no guarantee of how
/// long that takes.
pub const LEAD: SignedDuration = SignedDuration::from_secs(30);

/// The longest that a session of any role lasts: the most that a maximum session duration may be.
/// A role's own maximum says less than that: it does not bind what EC2 and other services obtain
/// (IAM API, `UpdateRole`), nor what was issued before somebody lowered it.
pub const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(12);

/// Denies everything to the sessions of a role that were issued before a cut-off, by the inline
/// policy that the IAM console writes for it too.
///
/// The cut-off is the time of the first call and [`LEAD`]; one that lies later already stays. It is
/// no argument, so that no hash depends on it: what is done is known by the cut-off that it
/// replaces. As soon as a later one than that is seen, nothing more is written. So a repetition
/// whose first answer was lost, minutes or hours later, finds its own cut-off and leaves it:
/// sessions that were obtained since then are not revoked with it. IAM is eventually consistent: a
/// repetition within the seconds in which it does not show its own write moves the cut-off by those
/// seconds, no further than [`LEAD`] after that repetition.
///
/// Every statement of a policy of that name that is not the cut-off stays in force: one may be a
/// deny. IAM has no condition for the write: who changes the same policy between the last look and
/// the call is overwritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokeSessions {
    /// The account of the role.
    pub account: String,
    /// The role's ARN, with its path: one of the same name under another path is another role.
    pub role_arn: String,
    /// The role's name.
    pub role_name: String,
    /// The cut-off that it replaces, none if sessions have never been revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later_than: Option<Timestamp>,
}

/// How the sessions of a role stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// The inline policy's document, to the letter; none if there is no policy of that name.
    pub document: Option<String>,
    /// Until when sessions must have been issued to be denied everything.
    pub cut_off: Option<Timestamp>,
    /// The longest session that somebody can ask for, in seconds.
    pub max_session_secs: i64,
}

impl PartialEq for Standing {
    /// The policy alone, by what it says: IAM need not keep its spaces, and how long sessions may
    /// be is another setting, which nobody's undo has to wait for.
    fn eq(&self, other: &Self) -> bool {
        let says = |document: &Option<String>| {
            let text = document.as_deref()?;
            Some(serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::from(text)))
        };
        says(&self.document) == says(&other.document)
    }
}

impl Standing {
    /// How the sessions of the role stand, with its longest and its policy of that name.
    ///
    /// # Errors
    /// `Bug` if the policy cannot be read.
    pub fn of(max_session: SignedDuration, document: Option<String>) -> Result<Self> {
        let read = document.as_deref().map_or(Ok(CutOff::NONE), CutOff::read)?;
        Ok(Self { document, cut_off: read.time(), max_session_secs: max_session.as_secs() })
    }

    /// What the policy of that name says.
    ///
    /// # Errors
    /// `Bug` if it cannot be read.
    pub fn policy(&self) -> Result<CutOff> {
        self.document.as_deref().map_or(Ok(CutOff::NONE), CutOff::read)
    }
}

/// How the sessions of a role stand.
///
/// # Errors
/// The class of IAM's refusal; `Bug` if the policy cannot be read.
pub async fn standing(account: &Account, role: &Role) -> Result<Standing> {
    let document = inline_policy(account, role.name(), POLICY_NAME).await?;
    Standing::of(role.max_session, document)
}

/// Every role, by the statement's own account; the ceiling of the deployment denies those that are
/// protected. The unattended lane has the preauthorised roles of the policy in its place, by
/// default none.
const ROLES: &str = "${RevocableRoles}";

#[async_trait]
impl Action<Account> for RevokeSessions {
    const NAME: &'static str = "iam.role.revoke-sessions/1";
    const PERMISSIONS: Permissions = Permissions {
        observe: &[Statement {
            actions: &["iam:GetRole", "iam:GetRolePolicy"],
            resource: "arn:${Partition}:iam::${Account}:role/*",
            conditions: &[],
            why: "reads the role and its cut-off before and after; which role, a person says",
        }],
        apply: &[Statement {
            actions: &["iam:PutRolePolicy"],
            resource: ROLES,
            conditions: &[],
            why: "writes the cut-off; IAM has no condition for the name or the text of an inline \
                  policy, and which role, a person says",
        }],
        undo: &[Statement {
            actions: &["iam:DeleteRolePolicy", "iam:PutRolePolicy"],
            resource: ROLES,
            conditions: &[],
            why: "takes the cut-off away, or puts the policy back that was there",
        }],
    };
    /// None once the role is gone: then there is nothing that a session of it may do.
    type State = Option<Standing>;

    fn describe(&self, before: &Self::State) -> Description {
        /// Stands for the time in a document until it is known, and in no text of IAM's.
        const TIME: &str = "\u{0}";
        let before = before.as_ref();
        let policy = before.and_then(|b| b.policy().ok()).unwrap_or(CutOff::NONE);
        let name = shell(&self.role_name);
        let region = endpoint_region(&self.role_arn);
        let put = |document: &str| {
            format!(
                "aws iam put-role-policy --region {region} --role-name {name} \
                 --policy-name {POLICY_NAME} --policy-document {document}"
            )
        };
        // The parts before and after the time in quotes of their own, so that the shell fills in
        // the time and nothing else.
        let document = policy.with(TIME);
        let marked = Value::from(TIME).to_string();
        let marked = marked.trim_matches('"');
        let document = match document.rsplit_once(marked) {
            Some((head, tail)) => format!(
                "{}\"$(date -u -d '+{} seconds' +%Y-%m-%dT%H:%M:%SZ)\"{}",
                shell(head),
                LEAD.as_secs(),
                shell(tail)
            ),
            None => shell(&document),
        };
        let since = match self.later_than {
            Some(time) => format!("issued since the cut-off of {time}"),
            None => "issued so far".to_owned(),
        };
        Description {
            resource: self.role_arn.clone(),
            summary: format!("deny everything to the sessions of {} {since}", self.role_name),
            command: put(&document),
            undo_command: Some(match before.and_then(|b| b.document.as_deref()) {
                Some(document) => put(&shell(document)),
                None => format!(
                    "aws iam delete-role-policy --region {region} --role-name {name} \
                     --policy-name {POLICY_NAME}"
                ),
            }),
        }
    }

    /// Only the call can tell its own time.
    fn foreseen(&self, _before: &Self::State) -> Option<Self::State> {
        None
    }

    fn undo_from(&self, in_force: &Self::State) -> Option<Timestamp> {
        let standing = in_force.as_ref()?;
        let longest = SignedDuration::from_secs(standing.max_session_secs).max(LONGEST_SESSION);
        Some(standing.cut_off?.saturating_add(longest).unwrap_or(Timestamp::MAX))
    }

    async fn observe(&self, account: &Account) -> Result<Self::State> {
        let (role, document) = futures::join!(
            role(account, &self.role_name),
            inline_policy(account, &self.role_name, POLICY_NAME),
        );
        match role?.filter(|role| role.arn == self.role_arn) {
            Some(role) => Standing::of(role.max_session, document?).map(Some),
            None => Ok(None),
        }
    }

    fn satisfied(&self, state: &Self::State) -> bool {
        let Some(standing) = state else { return true };
        standing.cut_off.is_some_and(|now| self.later_than.is_none_or(|then| now > then))
    }

    async fn apply(&self, account: &Account) -> Result<()> {
        let state = self.observe(account).await?;
        let Some(standing) = state.as_ref().filter(|_| !self.satisfied(&state)) else {
            return Ok(());
        };
        // The system's clock, whatever `BACKSTOP_NOW` says: it is compared with the time at which
        // AWS issues sessions. The only place where an action asks for the time.
        let ahead = SystemClock.now().saturating_add(LEAD).unwrap_or(Timestamp::MAX);
        let cut_off = whole(ahead).max(standing.cut_off.unwrap_or(Timestamp::MIN));
        self.put(account, standing.policy()?.with(&cut_off.to_string())).await
    }

    async fn undo(&self, account: &Account, before: &Self::State) -> Result<Self> {
        // A role that is gone, or was, has nothing to take back; one that was made anew is another.
        if before.is_none() || self.observe(account).await?.is_none() {
            return Ok(self.clone());
        }
        match before.as_ref().and_then(|standing| standing.document.clone()) {
            Some(document) => self.put(account, document).await?,
            None => self.delete(account).await?,
        }
        Ok(self.clone())
    }
}

impl RevokeSessions {
    async fn put(&self, account: &Account, document: String) -> Result<()> {
        let answer = account
            .iam()
            .put_role_policy()
            .role_name(&self.role_name)
            .policy_name(POLICY_NAME)
            .policy_document(document)
            .send()
            .await
            .classed("iam:PutRolePolicy");
        answer.map(drop).map_err(|error| match error.code() {
            Some("LimitExceeded") => full(error),
            _ => error,
        })
    }

    async fn delete(&self, account: &Account) -> Result<()> {
        let answer = account
            .iam()
            .delete_role_policy()
            .role_name(&self.role_name)
            .policy_name(POLICY_NAME)
            .send()
            .await
            .classed("iam:DeleteRolePolicy");
        match answer {
            Err(error) if error.is_missing() => Ok(()),
            other => other.map(drop),
        }
    }
}

/// The Region of IAM's one endpoint in the partition of an ARN (AWS General Reference).
fn endpoint_region(arn: &str) -> &'static str {
    match arn.split(':').nth(1) {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// The inline policies of a role share 10,240 characters (IAM quotas). Permanent: a person decides.
fn full(error: Error) -> Error {
    error.context(
        "the role's inline policies leave no room: shorten one, then start the runbook again, or \
         attach AWSDenyAll by hand where everything may stop",
    )
}
