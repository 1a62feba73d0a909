//! `ec2.security-group-rule.modify/1`: what one ingress rule admits, its id and tags kept.

use async_trait::async_trait;
use aws_sdk_ec2::types::SecurityGroupRuleUpdate;
use backstop_aws::{Account, Classify};
use backstop_core::action::{Action, Description};
use backstop_core::error::Result;
use backstop_core::ident::ec2_arn;
use backstop_core::manifest::{Permissions, Statement};
use backstop_core::text::shell;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::revoke::READ;
use super::rule::{Rule, ingress_by_id};

/// Changes one ingress rule into another.
///
/// EC2 takes the whole rule, source included, and has no condition for it: whoever changes the
/// same rule between the last look and the call is overwritten (EC2 API,
/// `ModifySecurityGroupRules`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modify {
    /// The account that owns the group.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// The group, `sg-…`.
    pub group_id: String,
    /// The rule, `sgr-…`.
    pub rule_id: String,
    /// What it becomes. Without tags: they stay as they are.
    pub rule: Rule,
}

impl Modify {
    /// The change of a rule of a group into `rule`.
    pub fn new(account: &str, region: &str, group_id: &str, rule_id: &str, rule: &Rule) -> Self {
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            group_id: group_id.to_owned(),
            rule_id: rule_id.to_owned(),
            rule: rule.untagged(),
        }
    }
}

/// Modifying rules. EC2 checks the group, the rule, and the prefix list that is its source.
const MODIFY: &[Statement] = &[
    Statement {
        actions: &["ec2:ModifySecurityGroupRules"],
        resource: "arn:${Partition}:ec2:${Region}:${Account}:security-group/*",
        conditions: &[],
        why: "changes what a rule admits; the groups in scope are known only at run time",
    },
    Statement {
        actions: &["ec2:ModifySecurityGroupRules"],
        resource: "arn:${Partition}:ec2:${Region}:${Account}:security-group-rule/*",
        conditions: &[],
        why: "the same call is also checked against the rule",
    },
    Statement {
        actions: &["ec2:ModifySecurityGroupRules"],
        resource: "arn:${Partition}:ec2:${Region}:*:prefix-list/*",
        conditions: &[],
        why: "and against the prefix list that is its source, which AWS or another account may own",
    },
];

#[async_trait]
impl Action<Account> for Modify {
    const NAME: &'static str = "ec2.security-group-rule.modify/1";
    const PERMISSIONS: Permissions = Permissions { observe: &[READ], apply: MODIFY, undo: MODIFY };
    /// The rule as it stands, without its tags; none if it is gone.
    type State = Option<Rule>;

    fn describe(&self, before: &Self::State) -> Description {
        let Self { account, region, group_id, rule_id, rule } = self;
        let from = before.as_ref().map(|rule| format!(" (`{}`)", rule.words())).unwrap_or_default();
        Description {
            resource: ec2_arn(region, account, "security-group", group_id),
            summary: format!("change {rule_id}{from} of {group_id} into `{}`", rule.words()),
            command: self.command(rule),
            undo_command: before.as_ref().map(|before| self.command(before)),
        }
    }

    fn foreseen(&self, _before: &Self::State) -> Option<Self::State> {
        Some(Some(self.rule.clone()))
    }

    async fn observe(&self, account: &Account) -> Result<Self::State> {
        let rule = ingress_by_id(account, &self.group_id, &self.rule_id).await?;
        Ok(rule.map(|rule| rule.untagged()))
    }

    fn satisfied(&self, state: &Self::State) -> bool {
        state.as_ref().is_some_and(|rule| {
            rule.admits_same(&self.rule) && rule.description == self.rule.description
        })
    }

    async fn apply(&self, account: &Account) -> Result<()> {
        self.change_into(account, &self.rule).await
    }

    async fn undo(&self, account: &Account, before: &Self::State) -> Result<Self> {
        if let Some(rule) = before {
            self.change_into(account, rule).await?;
        }
        Ok(self.clone())
    }
}

impl Modify {
    async fn change_into(&self, account: &Account, rule: &Rule) -> Result<()> {
        let update = SecurityGroupRuleUpdate::builder()
            .security_group_rule_id(&self.rule_id)
            .security_group_rule(rule.request())
            .build();
        account
            .ec2()
            .modify_security_group_rules()
            .group_id(&self.group_id)
            .security_group_rules(update)
            .send()
            .await
            .classed("ec2:ModifySecurityGroupRules")
            .map(drop)
    }

    fn command(&self, rule: &Rule) -> String {
        let Self { region, group_id, rule_id, .. } = self;
        let update = json!([{
            "SecurityGroupRuleId": rule_id,
            "SecurityGroupRule": rule.request_json(),
        }]);
        format!(
            "aws ec2 modify-security-group-rules --region {region} --group-id {group_id} \
             --security-group-rules {}",
            shell(&update.to_string())
        )
    }
}
