//! `ec2.security-group-rule.revoke/1`: one ingress rule, by its id.

use async_trait::async_trait;
use backstop_aws::{Account, Classify};
use backstop_core::action::{Action, Description};
use backstop_core::error::{Class, Result};
use backstop_core::ident::ec2_arn;
use backstop_core::manifest::{Condition, Permissions, Statement};
use serde::{Deserialize, Serialize};

use super::authorize::authorize;
use super::rule::{Rule, ingress_by_id, rules_of};

/// Revokes one ingress rule.
///
/// By id, never by properties: with properties EC2 may revoke nothing and say so only in
/// `UnknownIpPermissions`, or another rule that happens to match (spec §3.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// The account that owns the group.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// The group, `sg-…`.
    pub group_id: String,
    /// The rule, `sgr-…`.
    pub rule_id: String,
}

/// Reading rules: EC2 supports no resource for it.
pub(super) const READ: Statement = Statement {
    actions: &["ec2:DescribeSecurityGroupRules"],
    resource: "*",
    conditions: &[],
    why: "reads rules before and after; EC2 supports no resource-level permission for it",
};

#[async_trait]
impl Action<Account> for Revoke {
    const NAME: &'static str = "ec2.security-group-rule.revoke/1";
    const PERMISSIONS: Permissions = Permissions {
        observe: &[READ],
        apply: &[Statement {
            actions: &["ec2:RevokeSecurityGroupIngress"],
            resource: "arn:${Partition}:ec2:${Region}:${Account}:security-group/*",
            conditions: &[],
            // Not bound to production by `ec2:Vpc` or `aws:ResourceTag`: a group is production if
            // an interface that uses it is, and IAM sees only the group.
            why: "closes the port; the groups in scope are known only at run time",
        }],
        undo: &[
            Statement {
                actions: &["ec2:AuthorizeSecurityGroupIngress"],
                resource: "arn:${Partition}:ec2:${Region}:${Account}:security-group/*",
                conditions: &[],
                why: "puts a revoked rule back",
            },
            Statement {
                actions: &["ec2:AuthorizeSecurityGroupIngress"],
                resource: "arn:${Partition}:ec2:${Region}:${Account}:security-group-rule/*",
                conditions: &[],
                why: "with tags, the same call is also checked against the rule that it makes",
            },
            Statement {
                actions: &["ec2:CreateTags"],
                resource: "arn:${Partition}:ec2:${Region}:${Account}:security-group-rule/*",
                conditions: &[Condition {
                    operator: "StringEquals",
                    key: "ec2:CreateAction",
                    values: &["AuthorizeSecurityGroupIngress"],
                }],
                why: "puts the tags of a revoked rule back, in the call that puts the rule back",
            },
        ],
    };
    const UNDO_DIFFERS: Option<&'static str> =
        Some("the rule comes back with a new id; what names the old one no longer finds it");
    /// The rule, none once it is gone.
    type State = Option<Rule>;

    fn describe(&self, before: &Self::State) -> Description {
        let Self { account, region, group_id, rule_id } = self;
        Description {
            resource: ec2_arn(region, account, "security-group", group_id),
            summary: match before {
                Some(rule) => format!("revoke {rule_id} ({}) of {group_id}", rule.words()),
                None => format!("revoke {rule_id} of {group_id}"),
            },
            command: format!(
                "aws ec2 revoke-security-group-ingress --region {region} --group-id {group_id} \
                 --security-group-rule-ids {rule_id}"
            ),
            undo_command: before.as_ref().map(|rule| {
                format!(
                    "aws ec2 authorize-security-group-ingress --region {region} --group-id \
                     {group_id} {}",
                    rule.cli_arguments()
                )
            }),
        }
    }

    fn foreseen(&self, _before: &Self::State) -> Option<Self::State> {
        Some(None)
    }

    async fn observe(&self, account: &Account) -> Result<Self::State> {
        ingress_by_id(account, &self.group_id, &self.rule_id).await
    }

    fn satisfied(&self, state: &Self::State) -> bool {
        state.is_none()
    }

    async fn apply(&self, account: &Account) -> Result<()> {
        let answer = account
            .ec2()
            .revoke_security_group_ingress()
            .group_id(&self.group_id)
            .security_group_rule_ids(&self.rule_id)
            .send()
            .await
            .classed("ec2:RevokeSecurityGroupIngress");
        match answer {
            Err(error) if error.is_missing() => Ok(()),
            other => other.map(drop),
        }
    }

    async fn undo(&self, account: &Account, before: &Self::State) -> Result<Self> {
        let Some(rule) = before else { return Ok(self.clone()) };
        let rule_id = match authorize(account, &self.group_id, rule).await {
            Ok(id) => id,
            // It is there again: by an undo whose answer was lost, or by somebody's hand.
            Err(error) if error.class() == Class::Conflict => rules_of(account, &self.group_id)
                .await?
                .into_iter()
                .find(|live| !live.is_egress && live.rule.admits_same(rule))
                .map(|live| live.id)
                .ok_or(error)?,
            Err(error) => return Err(error),
        };
        Ok(Self { rule_id, ..self.clone() })
    }
}
