//! `ec2.security-group-rule.authorize/1`: one ingress rule that is to be there.

use async_trait::async_trait;
use backstop_aws::{Account, Classify};
use backstop_core::action::{Action, Description};
use backstop_core::error::{Class, Error, Result};
use backstop_core::ident::ec2_arn;
use backstop_core::manifest::{Permissions, Statement};
use serde::{Deserialize, Serialize};

use super::revoke::{READ, Revoke};
use super::rule::{Rule, rules_of};

/// Authorizes an ingress rule: what a range keeps, or what an event changed into something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorize {
    /// The account that owns the group.
    pub account: String,
    /// Its Region.
    pub region: String,
    /// The group, `sg-…`.
    pub group_id: String,
    /// The rule, with its description and tags.
    pub rule: Rule,
}

#[async_trait]
impl Action<Account> for Authorize {
    const NAME: &'static str = "ec2.security-group-rule.authorize/1";
    const PERMISSIONS: Permissions = Permissions {
        observe: &[READ],
        apply: <Revoke as Action<Account>>::PERMISSIONS.undo,
        undo: &[Statement {
            actions: &["ec2:RevokeSecurityGroupIngress"],
            resource: "arn:${Partition}:ec2:${Region}:${Account}:security-group/*",
            conditions: &[],
            why: "takes the authorized rule away again",
        }],
    };
    /// The rule as it stands, none if the group has none that admits the same.
    type State = Option<Rule>;

    fn describe(&self, _before: &Self::State) -> Description {
        let Self { account, region, group_id, rule } = self;
        Description {
            resource: ec2_arn(region, account, "security-group", group_id),
            summary: format!("authorize {} in {group_id}", rule.words()),
            command: format!(
                "aws ec2 authorize-security-group-ingress --region {region} --group-id {group_id} {}",
                rule.cli_arguments()
            ),
            undo_command: Some(format!(
                "aws ec2 revoke-security-group-ingress --region {region} --group-id {group_id} {}",
                Rule { description: None, ..rule.untagged() }.cli_arguments()
            )),
        }
    }

    fn foreseen(&self, _before: &Self::State) -> Option<Self::State> {
        Some(Some(self.rule.clone()))
    }

    async fn observe(&self, account: &Account) -> Result<Self::State> {
        let rules = match rules_of(account, &self.group_id).await {
            Err(error) if error.is_missing() => Vec::new(),
            other => other?,
        };
        Ok(rules
            .into_iter()
            .find(|live| !live.is_egress && live.rule.admits_same(&self.rule))
            .map(|live| live.rule))
    }

    fn satisfied(&self, state: &Self::State) -> bool {
        state.is_some()
    }

    async fn apply(&self, account: &Account) -> Result<()> {
        match authorize(account, &self.group_id, &self.rule).await {
            Err(error) if error.class() == Class::Conflict => Ok(()),
            other => other.map(drop),
        }
    }

    async fn undo(&self, account: &Account, before: &Self::State) -> Result<Self> {
        if before.is_none() {
            let rules = rules_of(account, &self.group_id).await?;
            for live in rules.into_iter().filter(|l| !l.is_egress && l.rule.admits_same(&self.rule))
            {
                let revoke = Revoke {
                    account: self.account.clone(),
                    region: self.region.clone(),
                    group_id: self.group_id.clone(),
                    rule_id: live.id,
                };
                Action::apply(&revoke, account).await?;
            }
        }
        Ok(self.clone())
    }
}

/// Authorizes one rule. Returns its id.
///
/// # Errors
/// `Conflict` if the group has a rule that admits the same.
pub(super) async fn authorize(account: &Account, group_id: &str, rule: &Rule) -> Result<String> {
    let answer = account
        .ec2()
        .authorize_security_group_ingress()
        .group_id(group_id)
        .ip_permissions(rule.permission())
        .set_tag_specifications(rule.tag_specification().map(|t| vec![t]))
        .send()
        .await
        .classed("ec2:AuthorizeSecurityGroupIngress")?;
    answer
        .security_group_rules
        .unwrap_or_default()
        .into_iter()
        .find_map(|rule| rule.security_group_rule_id)
        .ok_or_else(|| Error::bug("`ec2:AuthorizeSecurityGroupIngress` answered no rule id"))
}
